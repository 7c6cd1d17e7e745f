package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Link is the host's end of the cable, peerLink the other one.
const (
	Link     = "sntdrill0"
	peerLink = "sntdrill1"
)

// Lab is a stranger's host at the other end of a cable. Make it with Open.
type Lab struct {
	ns netns.NsHandle
	// V4 and V6 are the addresses of a family; V6 is nil on a host without.
	V4, V6 *Family
}

// Family are the addresses of one address family in a lab.
type Family struct {
	// Host is this host's address on the cable, Attacker the one that is to be
	// blocked.
	Host, Attacker netip.Addr
	// Others are strangers who do nothing wrong; none is in the /64 of the
	// attacker.
	Others []netip.Addr
	net    netip.Prefix
}

// numOthers is how many well-behaved strangers there are.
const numOthers = 12

// documentation are the networks for documentation (RFC 5737, 3849, 9637) from
// which a lab takes a part: nothing of the Internet is there.
var (
	documentation4 = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("192.0.2.0/24")}
	documentation6 = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("3fff::/20")}
)

// part4 and part6 are the lengths of a lab's networks, parts6 how many of IPv6
// are tried.
const (
	part4, part6 = 28, 48
	parts6       = 16
)

// candidates are parts of networks in the order in which they are tried, which is
// another one each time: many drills from one network would look like an attack
// of all of it.
func candidates(nets []netip.Prefix, bits, most int) (out []netip.Prefix) {
	nets = slices.Clone(nets)
	rand.Shuffle(len(nets), func(i, j int) { nets[i], nets[j] = nets[j], nets[i] })
	for _, n := range nets {
		free := bits - n.Bits()
		first := rand.IntN(1 << free)
		for i := range min(1<<free, most) {
			b := n.Addr().As16()
			shift := 128 - bits
			if n.Addr().Is4() {
				shift = 32 - bits
			}
			part := uint64((first+i)%(1<<free)) << (shift % 8)
			for at := 15 - shift/8; part > 0; at, part = at-1, part>>8 {
				b[at] |= byte(part)
			}
			out = append(out, netip.PrefixFrom(netip.AddrFrom16(b).Unmap(), bits))
		}
	}
	return out
}

// ErrInUse says that this host uses all networks that a drill may use.
var ErrInUse = errors.New("this host routes all networks for documentation itself: 203.0.113.0/24, 198.51.100.0/24 and 192.0.2.0/24")

// Open makes the namespace and the cable. Close removes them; they also go when
// the process ends. The attackers are addresses of which fresh is true, if there
// are any.
func Open(fresh func(netip.Addr) bool) (*Lab, error) {
	l := &Lab{ns: netns.None()}
	used, err := routed()
	if err != nil {
		return nil, err
	}
	if l.V4 = choose(family4, unused(candidates(documentation4, part4, 1<<8), used), fresh); l.V4 == nil {
		return nil, ErrInUse
	}
	l.V6 = choose(family6, unused(candidates(documentation6, part6, parts6), used), fresh)
	if old, err := netlink.LinkByName(Link); err == nil { // of a namespace that somebody holds open
		_ = netlink.LinkDel(old)
	}
	err = onOwnThread(func() error {
		l.ns, err = netns.New()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	if err := l.connect(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Close removes cable and namespace.
func (l *Lab) Close() error {
	var first error
	if link, err := netlink.LinkByName(Link); err == nil {
		if err := netlink.LinkDel(link); err != nil {
			first = fmt.Errorf("removing %s: %w", Link, err)
		}
	}
	if l.ns.IsOpen() {
		_ = l.ns.Close()
	}
	return first
}

// Families are those that the lab has.
func (l *Lab) Families() []*Family {
	if l.V6 == nil {
		return []*Family{l.V4}
	}
	return []*Family{l.V4, l.V6}
}

// family4 takes the first address for the host, the second for the attacker.
func family4(n netip.Prefix) *Family {
	a := n.Addr()
	f := &Family{net: n}
	for i := range numOthers + 2 {
		a = a.Next()
		switch i {
		case 0:
			f.Host = a
		case 1:
			f.Attacker = a
		default:
			f.Others = append(f.Others, a)
		}
	}
	return f
}

// family6 gives everybody a /64 of his own.
func family6(n netip.Prefix) *Family {
	at := func(network byte) netip.Addr {
		b := n.Addr().As16()
		b[7], b[15] = network, 1
		return netip.AddrFrom16(b)
	}
	f := &Family{net: n, Host: at(0), Attacker: at(1)}
	for i := range numOthers {
		f.Others = append(f.Others, at(byte(2+i)))
	}
	return f
}

// routed are the networks that this host has a route or an address for, without
// the default route.
func routed() ([]netip.Prefix, error) {
	var out []netip.Prefix
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("listing routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		if a, ok := netip.AddrFromSlice(r.Dst.IP); ok {
			if bits, _ := r.Dst.Mask.Size(); bits > 0 {
				out = append(out, netip.PrefixFrom(a.Unmap(), bits))
			}
		}
	}
	return out, nil
}

// unused returns those of the networks that overlap none in use.
func unused(list, used []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(list, func(c netip.Prefix) bool { return slices.ContainsFunc(used, c.Overlaps) })
}

// choose makes a family of the first network whose attacker is fresh, else of
// the first one; nil if there is none.
func choose(family func(netip.Prefix) *Family, list []netip.Prefix, fresh func(netip.Addr) bool) *Family {
	for _, n := range list {
		if f := family(n); fresh(f.Attacker) {
			return f
		}
	}
	if len(list) == 0 {
		return nil
	}
	return family(list[0])
}

// connect lays the cable.
func (l *Lab) connect() error {
	err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: Link}, PeerName: peerLink, PeerNamespace: netlink.NsFd(l.ns)})
	if err != nil {
		return fmt.Errorf("laying a cable to the namespace: %w", err)
	}
	host4, host6 := []netip.Prefix{netip.PrefixFrom(l.V4.Host, l.V4.net.Bits())}, []netip.Prefix{}
	far4, far6 := l.V4.strangers(), []netip.Prefix{}
	if l.V6 != nil {
		host6, far6 = []netip.Prefix{netip.PrefixFrom(l.V6.Host, l.V6.net.Bits())}, l.V6.strangers()
	}
	if err := setUp(Link, host4); err != nil {
		return err
	}
	if err := addAddresses(Link, host6); err != nil {
		l.V6, far6 = nil, nil // IPv6 is switched off
	}
	return l.do(func() error {
		if err := setUp("lo", nil); err != nil {
			return err
		}
		if err := setUp(peerLink, far4); err != nil {
			return err
		}
		if err := addAddresses(peerLink, far6); err != nil {
			l.V6 = nil
		}
		return l.routes()
	})
}

// strangers are all addresses of the far end.
func (f *Family) strangers() []netip.Prefix {
	out := []netip.Prefix{netip.PrefixFrom(f.Attacker, f.net.Bits())}
	for _, a := range f.Others {
		out = append(out, netip.PrefixFrom(a, f.net.Bits()))
	}
	return out
}

// routes send all from the far end to the host.
func (l *Lab) routes() error {
	link, err := netlink.LinkByName(peerLink)
	if err != nil {
		return fmt.Errorf("setting up the far end: %w", err)
	}
	for _, f := range l.Families() {
		all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if f.Host.Is6() {
			all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		err := netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(all), Gw: f.Host.AsSlice()})
		if err != nil {
			return fmt.Errorf("routing by %s: %w", f.Host, err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func setUp(name string, addrs []netip.Prefix) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("setting up %s: %w", name, err)
	}
	if err := addAddresses(name, addrs); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting up %s: %w", name, err)
	}
	return nil
}

func addAddresses(name string, addrs []netip.Prefix) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("setting up %s: %w", name, err)
	}
	for _, p := range addrs {
		a := &netlink.Addr{IPNet: ipNet(p)}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(link, a); err != nil {
			return fmt.Errorf("giving %s the address %s: %w", name, p, err)
		}
	}
	return nil
}

// do runs f on a thread that is in the namespace.
func (l *Lab) do(f func() error) error {
	return onOwnThread(func() error {
		if err := netns.Set(l.ns); err != nil {
			return fmt.Errorf("entering the namespace: %w", err)
		}
		return f()
	})
}

// onOwnThread runs f on a thread that ends with it, since its namespace changes.
func onOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		done <- f()
	}()
	return <-done
}

// Dial connects by TCP from an address of the far end, within a time.
func (l *Lab) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort, patience time.Duration) (c net.Conn, err error) {
	err = l.do(func() error {
		d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
		var err error
		c, err = d.DialContext(ctx, "tcp", to.String())
		return err
	})
	return c, err
}

// Answers reports whether anything comes back from a port: a connection, or a
// refusal, which has got through the firewall as well.
func (l *Lab) Answers(ctx context.Context, from netip.Addr, to netip.AddrPort, patience time.Duration) (connected, answered bool) {
	c, err := l.Dial(ctx, from, to, patience)
	switch {
	case err == nil:
		_ = c.Close()
		return true, true
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
		return false, true
	}
	return false, false
}

// Cut reports whether what is sent on a connection is not acknowledged any more.
func Cut(c net.Conn, patience time.Duration) (bool, error) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false, fmt.Errorf("looking at a connection: %w", err)
	}
	if _, err := c.Write([]byte("\r\n")); err != nil {
		return false, nil // reset: something came back
	}
	time.Sleep(patience)
	var info *unix.TCPInfo
	var failed error
	if err := raw.Control(func(fd uintptr) { info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil {
		return false, fmt.Errorf("looking at a connection: %w", err)
	}
	if failed != nil {
		return false, fmt.Errorf("looking at a connection: %w", failed)
	}
	return info.Unacked > 0, nil
}
