package enforce

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// blockFor returns a block with an end, or a permanent one for 0.
func blockFor(prefix string, d time.Duration) sentinel.Block {
	r := sentinel.BlockRecord{Prefix: netip.MustParsePrefix(prefix), Created: time.Now()}
	if d > 0 {
		r.Expires = r.Created.Add(d)
	}
	return sentinel.MakeBlock(r)
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// lab is a victim with our firewall and an attacker at the other end of a
// cable, with some addresses each.
type lab struct {
	t                *testing.T
	victim, attacker *netnstest.Namespace
	desired          *Desired
	backend          testBackend
	firewall         firewall
}

type testBackend interface {
	Backend
	Close() error
}

var (
	victim4  = netip.MustParseAddrPort("198.51.100.1:80")
	victim6  = netip.MustParseAddrPort("[2001:db8:1::1]:80")
	victim6b = netip.MustParseAddrPort("[2001:db8:2::1]:80")
	evil4    = netip.MustParseAddr("198.51.100.66")
	good4    = netip.MustParseAddr("198.51.100.7")
	evil6    = netip.MustParseAddr("2001:db8:1::66")
	good6    = netip.MustParseAddr("2001:db8:2::7")
)

// firewall is a kind of backend. A SetSize other than 0 makes its sets of that
// size.
type firewall struct {
	name string
	make func(ns int, setSize uint32) testBackend
}

var (
	nftables  = firewall{"nftables", func(ns int, size uint32) testBackend { return NewNFT(NFTConfig{NetNS: ns, SetSize: size}) }}
	firewalls = []firewall{nftables, iptables("iptables-nft"), iptables("iptables-legacy")}
)

// iptables is one with a program of that name for IPv4.
func iptables(program string) firewall {
	return firewall{program, func(ns int, size uint32) testBackend {
		return NewIPT(IPTConfig{NetNS: ns, SetSize: size, Command4: program, Command6: strings.Replace(program, "ip", "ip6", 1)})
	}}
}

// ruleset is all that the victim's firewall holds, for messages.
func (l *lab) ruleset() string {
	if l.firewall.name == nftables.name {
		return l.nft("list", "ruleset")
	}
	six := strings.Replace(l.firewall.name, "ip", "ip6", 1)
	return l.victim.Command("ipset", "list") + l.victim.Command(l.firewall.name, "-t", "raw", "-S") + l.victim.Command(six, "-t", "raw", "-S")
}

func newLab(t *testing.T) *lab { return newLabWith(t, nftables) }

func newLabWith(t *testing.T, fw firewall) *lab {
	l := &lab{t: t, victim: netnstest.New(t), attacker: netnstest.New(t), desired: NewDesired()}
	netnstest.Connect(
		l.victim, "eth0", prefixes("198.51.100.1/24", "2001:db8:1::1/64", "2001:db8:2::1/64"),
		l.attacker, "eth0", prefixes("198.51.100.66/24", "198.51.100.7/24", "2001:db8:1::66/64", "2001:db8:2::7/64"))
	for _, at := range []netip.AddrPort{victim4, victim6, victim6b} {
		l.victim.Echo(at)
	}
	l.firewall, l.backend = fw, fw.make(l.victim.FD(), 0)
	t.Cleanup(func() { _ = l.backend.Close() })
	for from, to := range map[netip.Addr]netip.AddrPort{evil4: victim4, good4: victim4, evil6: victim6, good6: victim6b} {
		l.expect(from, to, true)
	}
	return l
}

// start runs an enforcer until the test ends.
func (l *lab) start(cfg Config) *Enforcer {
	e := New(l.desired, l.backend, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("running the enforcer: %v", err)
		}
	})
	return e
}

// apply brings the kernel to what is desired, without an enforcer.
func (l *lab) apply() Report {
	l.t.Helper()
	rep, err := l.backend.Apply(context.Background(), l.desired.Changes(0))
	if err != nil {
		l.t.Fatal(err)
	}
	return rep
}

func (l *lab) check() Report {
	l.t.Helper()
	rep, err := l.backend.Check(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	return rep
}

func (l *lab) nft(args ...string) string { return l.victim.Command("nft", args...) }

// expect probes from an attacker's address. What should be open gets some
// time, since the host may be slow; what should be closed must be so at once.
func (l *lab) expect(from netip.Addr, to netip.AddrPort, open bool) {
	l.t.Helper()
	if open {
		l.blocked(10*time.Second, from, to, false)
	} else if l.attacker.Reaches(from, to) {
		l.t.Errorf("%s reaches %s, which it should not\n%s", from, to, l.ruleset())
	}
}

// blocked waits until the attacker's IPv4 address is cut off, or not.
func (l *lab) blocked(limit time.Duration, from netip.Addr, to netip.AddrPort, want bool) {
	l.t.Helper()
	netnstest.Eventually(l.t, limit, "reachability as wanted", func() bool {
		return l.attacker.Reaches(from, to) != want
	})
}

// hasElement reports whether nft shows an element in a set of ours.
func (l *lab) hasElement(set, element string) bool {
	return strings.Contains(l.nft("list", "set", "inet", Table, set), element)
}
