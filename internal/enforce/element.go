package enforce

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// element is one element of a set as netlink carries it.
type element struct {
	key [16]byte
	// timeout is what is left, 0 for no end.
	timeout time.Duration
	// last marks the end of a range: the first address behind it.
	last bool
	// rate is what passes, of elements of the limit sets.
	rate sentinel.Rate
}

const (
	// minTimeout keeps short rests from being rounded to 0 ticks, which the
	// kernel reads as "no end".
	minTimeout = 100 * time.Millisecond
	// maxTimeout keeps far ends within what the kernel can count.
	maxTimeout = 10 * 365 * 24 * time.Hour
)

// rest returns the time left until end, 0 if there is none, and false if the
// end has passed.
func rest(end, now int64) (time.Duration, bool) {
	if end == forever {
		return 0, true
	}
	if end <= now {
		return 0, false
	}
	ms := min(end-now, maxTimeout.Milliseconds())
	return max(time.Duration(ms)*time.Millisecond, minTimeout), true
}

// elements adds messages that add (NFT_MSG_NEWSETELEM) or delete
// (NFT_MSG_DELSETELEM) elements.
func (b *batch) elements(kind uint16, set setKind, elems []element) {
	s := setSpecs[set]
	flags := uint16(0)
	if kind == unix.NFT_MSG_NEWSETELEM {
		flags = unix.NLM_F_CREATE
	}
	size := MaxChunk
	if s.limits {
		size = MaxChunk / 4 // an attribute holds no more of these
	}
	for len(elems) > 0 {
		part := elems[:min(len(elems), size)]
		elems = elems[len(part):]
		m := b.change(kind, flags)
		m.str(unix.NFTA_SET_ELEM_LIST_TABLE, Table).str(unix.NFTA_SET_ELEM_LIST_SET, s.name)
		list := m.open(unix.NFTA_SET_ELEM_LIST_ELEMENTS | unix.NLA_F_NESTED)
		for i := range part {
			e := &part[i]
			item := m.open(unix.NFTA_LIST_ELEM | unix.NLA_F_NESTED)
			key := m.open(unix.NFTA_SET_ELEM_KEY | unix.NLA_F_NESTED)
			m.bytes(unix.NFTA_DATA_VALUE, e.key[:s.keyLen()])
			m.close(key)
			if e.last {
				m.u32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
			} else if e.timeout > 0 && kind == unix.NFT_MSG_NEWSETELEM {
				m.u64(unix.NFTA_SET_ELEM_TIMEOUT, uint64(e.timeout.Milliseconds()))
			}
			if kind == unix.NFT_MSG_NEWSETELEM && !e.rate.IsZero() {
				m.limit(unix.NFTA_SET_ELEM_EXPR, e.rate)
			}
			m.close(item)
		}
		m.close(list)
		m.end()
	}
}

// limit adds a bucket: while it is not empty, the element that it is for does
// not match.
func (m *message) limit(attr uint16, r sentinel.Rate) {
	m.nest(attr, func() {
		m.str(unix.NFTA_EXPR_NAME, "limit").nest(unix.NFTA_EXPR_DATA, func() {
			m.u64(unix.NFTA_LIMIT_RATE, uint64(r.Count)).u64(unix.NFTA_LIMIT_UNIT, uint64(r.Per/time.Second)).
				u32(unix.NFTA_LIMIT_BURST, uint32(burst(r))).u32(unix.NFTA_LIMIT_TYPE, unix.NFT_LIMIT_PKTS).
				u32(unix.NFTA_LIMIT_FLAGS, unix.NFT_LIMIT_F_INV)
		})
	})
}

// burst is how much may come at once before a rate counts.
func burst(r sentinel.Rate) int { return min(r.Count, maxBurst) }

const maxBurst = 5

// parseLimit reads what limit wrote, no rate if it is anything else.
func parseLimit(expr []byte) (r sentinel.Rate) {
	eachAttr(expr, func(kind uint16, v []byte) {
		if kind != unix.NFTA_EXPR_DATA {
			return
		}
		eachAttr(v, func(kind uint16, v []byte) {
			switch kind {
			case unix.NFTA_LIMIT_RATE:
				r.Count = int(min(be64(v), sentinel.MaxRateCount+1))
			case unix.NFTA_LIMIT_UNIT:
				r.Per = time.Duration(min(be64(v), 1<<20)) * time.Second
			}
		})
	})
	return r
}

// flush adds a message that empties a set.
func (b *batch) flush(set setKind) {
	b.change(unix.NFT_MSG_DELSETELEM, 0).
		str(unix.NFTA_SET_ELEM_LIST_TABLE, Table).str(unix.NFTA_SET_ELEM_LIST_SET, setSpecs[set].name).end()
}

// found is an element that the kernel holds.
type found struct {
	key  [16]byte
	end  int64 // forever without time-out
	last bool
	rate sentinel.Rate
}

// readSet gives every element of a set to f; restart is called before the first
// one and whenever reading starts again.
func readSet(c *conn, set setKind, restart func(), f func(found)) error {
	s := setSpecs[set]
	return c.dump(unix.NFT_MSG_GETSETELEM, unix.NFPROTO_INET,
		func(m *message) {
			m.str(unix.NFTA_SET_ELEM_LIST_TABLE, Table).str(unix.NFTA_SET_ELEM_LIST_SET, s.name)
		},
		restart,
		func(attrs []byte) error {
			now := time.Now().UnixMilli() // reading takes its time
			eachAttr(attrs, func(kind uint16, list []byte) {
				if kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
					return
				}
				eachAttr(list, func(_ uint16, item []byte) { f(parseElement(item, now)) })
			})
			return nil
		})
}

func parseElement(item []byte, now int64) found {
	e := found{end: forever}
	var timeout, left uint64
	eachAttr(item, func(kind uint16, v []byte) {
		switch kind {
		case unix.NFTA_SET_ELEM_KEY:
			eachAttr(v, func(kind uint16, v []byte) {
				if kind == unix.NFTA_DATA_VALUE {
					copy(e.key[:], v)
				}
			})
		case unix.NFTA_SET_ELEM_FLAGS:
			e.last = be32(v)&unix.NFT_SET_ELEM_INTERVAL_END != 0
		case unix.NFTA_SET_ELEM_EXPR:
			e.rate = parseLimit(v)
		case unix.NFTA_SET_ELEM_TIMEOUT:
			timeout = be64(v)
		case unix.NFTA_SET_ELEM_EXPIRATION:
			left = be64(v)
		}
	})
	if timeout > 0 {
		e.end = now + int64(min(left, uint64(2*maxTimeout.Milliseconds())))
	}
	return e
}

// hashKey is the key of an element of block4 (an address) or block6 (the first
// half of an address).
type hashKey uint64

// keyOf returns the hash set and key of a canonical network, false for wider
// ones.
func keyOf(p netip.Prefix) (setKind, hashKey, bool) {
	a := p.Addr()
	switch {
	case a.Is4() && p.Bits() == 32:
		b := a.As4()
		return block4, hashKey(binary.BigEndian.Uint32(b[:])), true
	case a.Is6() && p.Bits() == 64:
		b := a.As16()
		return block6, hashKey(binary.BigEndian.Uint64(b[:])), true
	}
	return 0, 0, false
}

// bytes returns the key as the set holds it.
func (k hashKey) bytes(set setKind) (key [16]byte) {
	if set == block6 {
		binary.BigEndian.PutUint64(key[:], uint64(k))
	} else {
		binary.BigEndian.PutUint32(key[:], uint32(k))
	}
	return key
}

// hashKeyOf is the inverse of bytes.
func hashKeyOf(set setKind, key [16]byte) hashKey {
	if set == block6 {
		return hashKey(binary.BigEndian.Uint64(key[:]))
	}
	return hashKey(binary.BigEndian.Uint32(key[:]))
}

// prefix returns the network of a key.
func (k hashKey) prefix(set setKind) netip.Prefix {
	key := k.bytes(set)
	if set == block6 {
		return netip.PrefixFrom(netip.AddrFrom16(key), 64)
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(key[:4])), 32)
}

// addrKey returns an address as a set holds it.
func addrKey(a netip.Addr) (key [16]byte) {
	copy(key[:], a.AsSlice())
	return key
}

// addrOf is the inverse of addrKey.
func addrOf(set setKind, key [16]byte) netip.Addr {
	if setSpecs[set].v6 {
		return netip.AddrFrom16(key)
	}
	return netip.AddrFrom4([4]byte(key[:4]))
}
