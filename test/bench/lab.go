package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// lab is a victim, and the rest of the world at the other end of a cable. The
// addresses are those set aside for benchmarks.
type lab struct{ victim, world *space }

var victimAddr = netip.MustParseAddr("198.18.0.1")

// attackerAddr is the k-th address of the world.
func attackerAddr(k int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte(1 + k/200), byte(1 + k%200)})
}

// worldAddrs is how many addresses the world has.
const worldAddrs = 400

// space is a network namespace.
type space struct{ handle netns.NsHandle }

// freshLab makes new namespaces in place of those in use.
func (b *bench) freshLab() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root: run make bench as root")
	}
	if b.lab != nil {
		b.lab.close()
		b.lab = nil
	}
	l, err := newLab()
	if err != nil {
		return fmt.Errorf("making network namespaces: %w", err)
	}
	b.lab = l
	return nil
}

func newLab() (l *lab, err error) {
	l = &lab{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.victim, err = newSpace(); err != nil {
		return nil, err
	}
	if l.world, err = newSpace(); err != nil {
		return nil, err
	}
	err = l.victim.do(func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(l.world.handle),
		})
	})
	if err != nil {
		return nil, err
	}
	if err = l.victim.do(func() error { return setUp([]netip.Addr{victimAddr}) }); err != nil {
		return nil, err
	}
	addrs := make([]netip.Addr, worldAddrs)
	for k := range addrs {
		addrs[k] = attackerAddr(k)
	}
	return l, l.world.do(func() error { return setUp(addrs) })
}

func setUp(addrs []netip.Addr) error {
	for _, name := range []string{"lo", "eth0"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			if name == "lo" {
				break
			}
			n := &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(16, 32)}
			if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: n}); err != nil {
				return err
			}
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
	}
	return nil
}

// close lets go of the namespaces, which end with the last process in them.
func (l *lab) close() {
	for _, s := range []*space{l.victim, l.world} {
		if s != nil {
			_ = s.handle.Close()
		}
	}
}

func newSpace() (*space, error) {
	s := &space{}
	return s, onOwnThread(func() (err error) {
		s.handle, err = netns.New()
		return err
	})
}

// do runs f on a thread that is in the namespace. Sockets made and programs
// started there stay in it.
func (s *space) do(f func() error) error {
	return onOwnThread(func() error {
		if err := netns.Set(s.handle); err != nil {
			return fmt.Errorf("entering a network namespace: %w", err)
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

var address = regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+\b`)

// kernel counts the IPv4 addresses that the victim's kernel drops, as nft lists
// them, so that nobody's word is taken for it.
func (l *lab) kernel(ctx context.Context) (n int, err error) {
	var out []byte
	err = l.victim.do(func() error {
		out, err = exec.CommandContext(ctx, "nft", "list", "set", "inet", "sentinel", "block4").Output()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("listing the blocks in the kernel: %w", err)
	}
	return len(address.FindAll(out, -1)), nil
}

// drops reports whether the victim's kernel drops an address.
func (l *lab) drops(ctx context.Context, a netip.Addr) bool {
	return l.victim.do(func() error {
		return exec.CommandContext(ctx, "nft", "get", "element", "inet", "sentinel", "block4", "{ "+a.String()+" }").Run()
	}) == nil
}
