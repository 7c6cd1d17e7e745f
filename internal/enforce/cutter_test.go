package enforce

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// testConnectionsForgotten: the entries of a blocked address are gone from the
// table of connections, also of one that goes through the host to a container;
// those of others stay.
func testConnectionsForgotten(t *testing.T, fw firewall) {
	l := newLabWith(t, fw)
	container := netnstest.New(t)
	netnstest.Connect(l.victim, "docker0", prefixes("172.17.0.1/24"), container, "eth0", prefixes("172.17.0.2/24"))
	container.Route(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("172.17.0.1"))
	container.Echo(netip.MustParseAddrPort("172.17.0.2:80"))
	l.victim.Sysctl("net/ipv4/ip_forward", "1")
	l.nft(`table inet docker {
		chain pre { type nat hook prerouting priority dstnat; tcp dport 8080 dnat ip to 172.17.0.2:80; }
		chain in { type filter hook input priority 0; ct state established accept; }
	}`)
	web := netip.AddrPortFrom(victim4.Addr(), 8080)
	dial := func(from netip.Addr, to netip.AddrPort) (c net.Conn) {
		netnstest.Eventually(t, 10*time.Second, "connected", func() (ok bool) {
			var err error
			c, err = l.attacker.Dial(from, to)
			return err == nil && netnstest.Alive(c)
		})
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	through, direct, six, other := dial(evil4, web), dial(evil4, victim4), dial(evil6, victim6), dial(good4, web)
	table := func() string {
		return l.victim.Command("conntrack", "-L") + l.victim.Command("conntrack", "-L", "-f", "ipv6")
	}
	if got := table(); !strings.Contains(got, "src=198.51.100.66") || !strings.Contains(got, "src=2001:db8:1::66") {
		t.Fatalf("the table of connections is empty: %s", got)
	}
	l.desired.Load(nil, prefixes("198.51.100.7/32"))
	e := l.start(Config{Cutter: NewCutter(l.victim.FD(), nil)})
	netnstest.Eventually(t, 10*time.Second, "healthy", func() bool { return e.Status().Healthy })
	l.desired.Set(blockFor("198.51.100.0/24", time.Hour), blockFor("2001:db8:1::/64", 0))
	e.Wake()
	netnstest.Eventually(t, 10*time.Second, "forgotten", func() bool {
		got := table()
		return !strings.Contains(got, "198.51.100.66") && !strings.Contains(got, "2001:db8:1::66")
	})
	for _, c := range []net.Conn{through, direct, six} {
		if netnstest.Alive(c) {
			t.Errorf("the connection from %v goes on", c.LocalAddr())
		}
	}
	if !netnstest.Alive(other) || !strings.Contains(table(), "src=198.51.100.7 ") {
		t.Error("a connection of an allowed address was cut")
	}
}

// FuzzFlow: whatever the kernel's answer is, reading it does no harm.
func FuzzFlow(f *testing.F) {
	f.Add([]byte{12, 0, 1, 128, 8, 0, 1, 128, 4, 0, 1, 0})
	f.Fuzz(func(_ *testing.T, b []byte) {
		parseFlow(b)
		parseHeader(b)
		parseSetEntry(b, 0)
		parseElement(b, 0)
	})
}
