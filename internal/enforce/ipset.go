package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// The netlink protocol of ipset, as far as sets of type hash:net need it. See
// linux/netfilter/ipset/ip_set.h.
const (
	ipsetProtocol = 6
	ipsetType     = "hash:net"
	ipsetRevision = 2 // of hash:net

	ipsetCreate  = unix.NFNL_SUBSYS_IPSET<<8 | 2
	ipsetDestroy = unix.NFNL_SUBSYS_IPSET<<8 | 3
	ipsetSwap    = unix.NFNL_SUBSYS_IPSET<<8 | 6
	ipsetList    = unix.NFNL_SUBSYS_IPSET<<8 | 7
	ipsetAdd     = unix.NFNL_SUBSYS_IPSET<<8 | 9
	ipsetDelete  = unix.NFNL_SUBSYS_IPSET<<8 | 10

	ipsetAttrProtocol = 1
	ipsetAttrName     = 2
	ipsetAttrTypeName = 3
	ipsetAttrName2    = 3
	ipsetAttrRevision = 4
	ipsetAttrFamily   = 5
	ipsetAttrFlags    = 6
	ipsetAttrData     = 7
	ipsetAttrADT      = 8

	ipsetAttrIP         = 1
	ipsetAttrCIDR       = 3
	ipsetAttrTimeout    = 6
	ipsetAttrLine       = 9
	ipsetAttrMaxElem    = 19
	ipsetAttrElements   = 24
	ipsetAttrReferences = 25

	ipsetFlagHeader = 1 << 2

	// maxSetSeconds is the longest time-out of an element.
	maxSetSeconds = 2147483

	netOrder = unix.NLA_F_NET_BYTEORDER
)

// Errors of ipset beyond those of the system.
const (
	ipsetErrProtocol     = unix.Errno(4097)
	ipsetErrType         = unix.Errno(4098)
	ipsetErrMaxSets      = unix.Errno(4099)
	ipsetErrBusy         = unix.Errno(4100)
	ipsetErrTypeMismatch = unix.Errno(4102)
	ipsetErrExist        = unix.Errno(4103)
	ipsetErrFull         = unix.Errno(4352) // of hashes
)

var ipsetErrors = map[unix.Errno]string{
	ipsetErrProtocol: "the kernel speaks another protocol of ipset", ipsetErrType: "the kernel does not have sets of type hash:net",
	ipsetErrMaxSets: "the kernel holds no more sets", ipsetErrBusy: "the set is in use", ipsetErrTypeMismatch: "the sets are of different types",
	ipsetErrExist: "the element is there already", ipsetErrFull: "the set is full",
}

// ipsetError is an error of ipset as a sentence.
type ipsetError struct {
	unix.Errno
}

// Error implements error.
func (e ipsetError) Error() string {
	if text, ok := ipsetErrors[e.Errno]; ok {
		return text
	}
	if e.Errno == unix.EINVAL {
		return "the kernel has no ipset, or takes this for invalid"
	}
	return e.Errno.Error()
}

// Unwrap gives the number.
func (e ipsetError) Unwrap() error { return e.Errno }

// ipset sends a message to ipset.
func (c *conn) ipset(kind uint16, flags uint16, fill func(*message), f func(attrs []byte) error) error {
	if f == nil {
		f = func([]byte) error { return nil }
	}
	err := c.ask(kind, unix.AF_INET, flags, func(m *message) {
		m.bytes(ipsetAttrProtocol, []byte{ipsetProtocol})
		fill(m)
	}, f)
	var errno unix.Errno
	if errors.As(err, &errno) {
		return ipsetError{errno}
	}
	return err
}

// createSet makes an empty set of networks with time-outs.
func (c *conn) createSet(name string, v6 bool, size uint32) error {
	family := byte(unix.AF_INET)
	if v6 {
		family = unix.AF_INET6
	}
	err := c.ipset(ipsetCreate, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL, func(m *message) {
		m.str(ipsetAttrName, name).str(ipsetAttrTypeName, ipsetType).
			bytes(ipsetAttrRevision, []byte{ipsetRevision}).bytes(ipsetAttrFamily, []byte{family}).
			nest(ipsetAttrData, func() { m.u32(ipsetAttrMaxElem|netOrder, size).u32(ipsetAttrTimeout|netOrder, 0) })
	}, nil)
	if err != nil {
		return fmt.Errorf("making the set %s: %w", name, err)
	}
	return nil
}

// destroySet removes a set; it is no error if there is none.
func (c *conn) destroySet(name string) error {
	err := c.ipset(ipsetDestroy, unix.NLM_F_ACK, func(m *message) { m.str(ipsetAttrName, name) }, nil)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("removing the set %s: %w", name, err)
	}
	return nil
}

// swapSets exchanges the contents of two sets, and the rules that use them.
func (c *conn) swapSets(a, b string) error {
	return c.ipset(ipsetSwap, unix.NLM_F_ACK, func(m *message) { m.str(ipsetAttrName, a).str(ipsetAttrName2, b) }, nil)
}

// setEntry is an element of a set and what is left of its time, 0 for no end.
type setEntry struct {
	prefix  netip.Prefix
	seconds uint32
}

// changeSet adds (ipsetAdd) or deletes elements, at most MaxChunk. Adding one
// that is there gives it the new time; deleting what is not there is no error.
// After an error some may be done.
func (c *conn) changeSet(kind uint16, name string, entries []setEntry) error {
	return c.ipset(kind, unix.NLM_F_ACK, func(m *message) {
		m.str(ipsetAttrName, name).u32(ipsetAttrLine|netOrder, 0).nest(ipsetAttrADT, func() {
			for i, e := range entries {
				m.nest(ipsetAttrData, func() {
					version := uint16(1)
					if e.prefix.Addr().Is6() {
						version = 2
					}
					m.nest(ipsetAttrIP, func() { m.bytes(version|netOrder, e.prefix.Addr().AsSlice()) })
					m.bytes(ipsetAttrCIDR, []byte{byte(e.prefix.Bits())})
					if kind == ipsetAdd {
						m.u32(ipsetAttrTimeout|netOrder, e.seconds)
					}
					m.u32(ipsetAttrLine|netOrder, uint32(i))
				})
			}
		})
	}, nil)
}

// setHeader is what the kernel says of a set.
type setHeader struct {
	name, kind           string
	v6, timeouts         bool
	size                 uint32
	elements, references uint32
}

// headers reads the headers of one set, or of all without a name.
func (c *conn) headers(name string) (out []setHeader, err error) {
	err = c.ipset(ipsetList, unix.NLM_F_DUMP, func(m *message) {
		if name != "" {
			m.str(ipsetAttrName, name)
		}
		m.u32(ipsetAttrFlags|netOrder, ipsetFlagHeader)
	}, func(attrs []byte) error {
		out = append(out, parseHeader(attrs))
		return nil
	})
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	return out, err
}

func parseHeader(attrs []byte) (h setHeader) {
	eachAttr(attrs, func(kind uint16, v []byte) {
		switch kind {
		case ipsetAttrName:
			h.name = text(v)
		case ipsetAttrTypeName:
			h.kind = text(v)
		case ipsetAttrFamily:
			h.v6 = len(v) > 0 && v[0] == unix.AF_INET6
		case ipsetAttrData:
			eachAttr(v, func(kind uint16, v []byte) {
				switch kind {
				case ipsetAttrMaxElem:
					h.size = be32(v)
				case ipsetAttrTimeout:
					h.timeouts = true
				case ipsetAttrElements:
					h.elements = be32(v)
				case ipsetAttrReferences:
					h.references = be32(v)
				}
			})
		}
	})
	return h
}

// readIPSet gives every element of a set and its end to f.
func (c *conn) readIPSet(name string, f func(p netip.Prefix, end int64)) error {
	return c.ipset(ipsetList, unix.NLM_F_DUMP, func(m *message) { m.str(ipsetAttrName, name) }, func(attrs []byte) error {
		now := time.Now().UnixMilli()
		eachAttr(attrs, func(kind uint16, list []byte) {
			if kind != ipsetAttrADT {
				return
			}
			eachAttr(list, func(_ uint16, item []byte) {
				if p, end, ok := parseSetEntry(item, now); ok {
					f(p, end)
				}
			})
		})
		return nil
	})
}

func parseSetEntry(item []byte, now int64) (p netip.Prefix, end int64, ok bool) {
	var addr netip.Addr
	bits := -1
	end = forever
	eachAttr(item, func(kind uint16, v []byte) {
		switch kind {
		case ipsetAttrIP:
			eachAttr(v, func(_ uint16, v []byte) { addr, _ = netip.AddrFromSlice(v) })
		case ipsetAttrCIDR:
			if len(v) > 0 {
				bits = int(v[0])
			}
		case ipsetAttrTimeout:
			if left := be32(v); left > 0 {
				end = now + int64(left)*1000
			}
		}
	})
	if bits < 0 {
		bits = addr.BitLen()
	}
	p = netip.PrefixFrom(addr, bits)
	return p, end, p.IsValid()
}
