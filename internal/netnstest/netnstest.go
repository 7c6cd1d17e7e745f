// Package netnstest gives tests network namespaces of their own, with cables
// between them, so that firewalls are tried with real packets and the host's
// own network is never touched. It needs root; without it the test fails.
package netnstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Namespace is a network namespace that lasts as long as its test.
type Namespace struct {
	t      testing.TB
	handle netns.NsHandle
}

// New makes a namespace with its loopback interface up.
func New(t testing.TB) *Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces and needs root: run it with sudo")
	}
	n := &Namespace{t: t, handle: netns.None()}
	err := onOwnThread(func() error {
		handle, err := netns.New()
		n.handle = handle
		return err
	})
	if err != nil {
		t.Fatalf("making a network namespace: %v", err)
	}
	t.Cleanup(func() { _ = n.handle.Close() })
	n.Do(func() {
		lo, err := netlink.LinkByName("lo")
		if err == nil {
			err = netlink.LinkSetUp(lo)
		}
		if err != nil {
			t.Errorf("setting up loopback: %v", err)
		}
	})
	return n
}

// FD returns the descriptor of the namespace, open until the test ends.
func (n *Namespace) FD() int { return int(n.handle) }

// Do runs f on a thread that is in the namespace. Sockets made there stay in it
// and can be used from anywhere. f must not call t.FailNow.
func (n *Namespace) Do(f func()) {
	n.t.Helper()
	err := onOwnThread(func() error {
		if err := netns.Set(n.handle); err != nil {
			return fmt.Errorf("entering a network namespace: %w", err)
		}
		f()
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// onOwnThread runs f on a thread that ends with it, since its namespace changes.
func onOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := errors.New("the function did not return")
		defer func() { done <- err }()
		err = f()
	}()
	return <-done
}

// Command runs a program in the namespace and returns what it printed.
func (n *Namespace) Command(name string, args ...string) string {
	n.t.Helper()
	var out []byte
	var err error
	n.Do(func() { out, err = exec.Command(name, args...).CombinedOutput() })
	if err != nil {
		n.t.Fatalf("running %s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Sysctl sets a kernel setting of the namespace, for example
// "net/ipv4/ip_forward".
func (n *Namespace) Sysctl(name, value string) {
	n.t.Helper()
	var err error
	n.Do(func() { err = os.WriteFile("/proc/sys/"+name, []byte(value), 0o644) })
	if err != nil {
		n.t.Fatalf("setting %s: %v", name, err)
	}
}

// Connect lays a cable between two namespaces. Each end has the name and the
// addresses given, as prefixes of the network they share.
func Connect(a *Namespace, aName string, aAddrs []netip.Prefix, b *Namespace, bName string, bAddrs []netip.Prefix) {
	a.t.Helper()
	fail := func(err error) {
		if err != nil {
			a.t.Errorf("connecting namespaces: %v", err)
		}
	}
	a.Do(func() {
		fail(netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: aName},
			PeerName:  bName, PeerNamespace: netlink.NsFd(b.FD()),
		}))
	})
	a.Do(func() { fail(setUp(aName, aAddrs)) })
	b.Do(func() { fail(setUp(bName, bAddrs)) })
	if a.t.Failed() {
		a.t.FailNow()
	}
}

// setUp gives an interface its addresses, without waiting for duplicates.
func setUp(name string, addrs []netip.Prefix) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	for _, p := range addrs {
		addr := &netlink.Addr{IPNet: &net.IPNet{
			IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}}
		if p.Addr().Is6() {
			addr.Flags = 0x02 // IFA_F_NODAD
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("adding %s: %w", p, err)
		}
	}
	return netlink.LinkSetUp(link)
}

// Route sends what is for dst by way of a gateway.
func (n *Namespace) Route(dst netip.Prefix, via netip.Addr) {
	n.t.Helper()
	var err error
	n.Do(func() {
		err = netlink.RouteAdd(&netlink.Route{
			Dst: &net.IPNet{IP: dst.Addr().AsSlice(), Mask: net.CIDRMask(dst.Bits(), dst.Addr().BitLen())},
			Gw:  via.AsSlice(),
		})
	})
	if err != nil {
		n.t.Fatalf("routing %s by %s: %v", dst, via, err)
	}
}

// Echo listens on TCP in the namespace and sends back what it gets, until the
// test ends.
func (n *Namespace) Echo(addr netip.AddrPort) {
	n.t.Helper()
	var l net.Listener
	var err error
	n.Do(func() { l, err = net.Listen("tcp", addr.String()) })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
}

// patience is how long a probe waits: connections between namespaces take less
// than a millisecond, dropped ones for ever.
const patience = 400 * time.Millisecond

// Dial connects by TCP from an address of the namespace.
func (n *Namespace) Dial(from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	var c net.Conn
	var err error
	n.Do(func() {
		d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
		c, err = d.DialContext(context.Background(), "tcp", to.String())
	})
	return c, err
}

// Reaches reports whether bytes go to an echo service and come back.
func (n *Namespace) Reaches(from netip.Addr, to netip.AddrPort) bool {
	c, err := n.Dial(from, to)
	if err != nil {
		return false
	}
	defer c.Close()
	return Alive(c)
}

// Alive reports whether an echo service still answers on a connection.
func Alive(c net.Conn) bool {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return false
	}
	if _, err := c.Write([]byte("?")); err != nil {
		return false
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err == nil
}

// Eventually waits up to limit until f is true.
func Eventually(t testing.TB, limit time.Duration, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !f(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after %s still not: %s", limit, what)
		}
	}
}
