package enforce

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

func testBlocksDropPackets(t *testing.T, fw firewall) {
	cases := []struct {
		name    string
		prefix  string
		allow   []netip.Prefix
		blocked []netip.Addr
		open    []netip.Addr
	}{
		{"address", "198.51.100.66/32", nil, []netip.Addr{evil4}, []netip.Addr{good4, evil6, good6}},
		{"64", "2001:db8:1::/64", nil, []netip.Addr{evil6}, []netip.Addr{evil4, good6}},
		{"address of IPv6 as its 64", "2001:db8:1::99/128", nil, []netip.Addr{evil6}, []netip.Addr{good6}},
		{"mapped address", "::ffff:198.51.100.66/128", nil, []netip.Addr{evil4}, []netip.Addr{good4}},
		{"network of IPv4", "198.51.100.64/28", nil, []netip.Addr{evil4}, []netip.Addr{good4}},
		{"network of IPv6", "2001:db8::/32", nil, []netip.Addr{evil6, good6}, []netip.Addr{evil4}},
		{"allowed address within a network", "198.51.100.0/24", prefixes("198.51.100.7/32"), []netip.Addr{evil4}, []netip.Addr{good4}},
		{"allowed network within a network", "2001:db8::/32", prefixes("2001:db8:2::/64"), []netip.Addr{evil6}, []netip.Addr{good6}},
		{"allowed wins over the same", "198.51.100.66/32", prefixes("198.51.100.66/32"), nil, []netip.Addr{evil4}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := newLabWith(t, fw)
			to := map[netip.Addr]netip.AddrPort{evil4: victim4, good4: victim4, evil6: victim6, good6: victim6b}
			l.desired.Load(nil, c.allow)
			l.desired.Set(blockFor(c.prefix, time.Hour))
			l.apply()
			for _, addr := range c.blocked {
				l.expect(addr, to[addr], false)
			}
			for _, addr := range c.open {
				l.expect(addr, to[addr], true)
			}
			drops, err := l.backend.Drops(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if (drops.Packets > 0) != (len(c.blocked) > 0) || (drops.Bytes > 0) != (len(c.blocked) > 0) {
				t.Errorf("dropped %+v with %d addresses blocked", drops, len(c.blocked))
			}
			if rep := l.check(); rep.Drift != 0 || rep.Rebuilt {
				t.Errorf("check right after: %+v\n%s", rep, l.ruleset())
			}
			v := l.desired.Changes(0).Version
			l.desired.Remove(netip.MustParsePrefix(c.prefix))
			if _, err := l.backend.Apply(context.Background(), l.desired.Changes(v)); err != nil {
				t.Fatal(err)
			}
			for _, addr := range c.blocked {
				l.expect(addr, to[addr], true)
			}
		})
	}
}

// E15: the packets of an established connection are dropped, both ways that the
// attacker sends; the connection is not reset and resumes if the block ends in
// time.
func testEstablishedConnectionIsCut(t *testing.T, fw firewall) {
	l := newLabWith(t, fw)
	var conn net.Conn
	netnstest.Eventually(t, 10*time.Second, "connected", func() bool {
		var err error
		conn, err = l.attacker.Dial(evil4, victim4)
		return err == nil
	})
	defer conn.Close()
	netnstest.Eventually(t, 10*time.Second, "answered", func() bool { return netnstest.Alive(conn) })
	l.desired.Load(nil, nil)
	l.desired.Set(blockFor("198.51.100.66/32", time.Hour))
	l.apply()
	if netnstest.Alive(conn) {
		t.Error("an established connection survives the block")
	}
}

// E14: the port is published by DNAT to a container in a third namespace.
func testContainerPublishedPort(t *testing.T, fw firewall) {
	l := newLabWith(t, fw)
	container := netnstest.New(t)
	netnstest.Connect(l.victim, "docker0", prefixes("172.17.0.1/24", "fd00:17::1/64"),
		container, "eth0", prefixes("172.17.0.2/24", "fd00:17::2/64"))
	container.Route(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("172.17.0.1"))
	container.Route(netip.MustParsePrefix("::/0"), netip.MustParseAddr("fd00:17::1"))
	container.Echo(netip.MustParseAddrPort("172.17.0.2:80"))
	container.Echo(netip.MustParseAddrPort("[fd00:17::2]:80"))
	l.victim.Sysctl("net/ipv4/ip_forward", "1")
	l.victim.Sysctl("net/ipv6/conf/all/forwarding", "1")
	l.nft(`table inet docker {
		chain pre {
			type nat hook prerouting priority dstnat;
			tcp dport 8080 dnat ip to 172.17.0.2:80
			tcp dport 8080 dnat ip6 to [fd00:17::2]:80
		}
		chain onward { type filter hook forward priority filter; policy accept; ct state established,related accept; }
	}`)
	web4, web6 := netip.AddrPortFrom(victim4.Addr(), 8080), netip.AddrPortFrom(victim6.Addr(), 8080)
	l.expect(evil4, web4, true)
	l.expect(evil6, web6, true)
	l.desired.Load(nil, nil)
	l.desired.Set(blockFor("198.51.100.66/32", time.Hour), blockFor("2001:db8:1::/64", 0))
	l.apply()
	l.expect(evil4, web4, false)
	l.expect(evil6, web6, false)
	l.expect(good4, web4, true)
}

// E16: hosts with one address family only.
func testOneFamilyOnly(t *testing.T, fw firewall) {
	t.Run("IPv6 disabled", func(t *testing.T) {
		l := newLabWith(t, fw)
		l.victim.Sysctl("net/ipv6/conf/all/disable_ipv6", "1")
		l.desired.Load(nil, nil)
		l.desired.Set(blockFor("198.51.100.66/32", time.Hour), blockFor("2001:db8:1::/64", time.Hour))
		l.apply()
		l.expect(evil4, victim4, false)
	})
	t.Run("IPv6 only", func(t *testing.T) {
		l := newLabWith(t, fw)
		l.victim.Command("ip", "-4", "addr", "flush", "dev", "eth0")
		l.desired.Load(nil, nil)
		l.desired.Set(blockFor("198.51.100.66/32", time.Hour), blockFor("2001:db8:1::/64", time.Hour))
		l.apply()
		l.expect(evil6, victim6, false)
		l.expect(good6, victim6b, true)
	})
}

// E09: the kernel ends a block by itself.
func testExpiry(t *testing.T, fw firewall) {
	for _, prefix := range []string{"198.51.100.66/32", "198.51.100.64/28"} {
		l := newLabWith(t, fw)
		l.desired.Load(nil, nil)
		block := blockFor(prefix, 2*time.Second)
		l.desired.Set(block)
		l.apply()
		_ = l.backend.Close() // as if the agent were dead
		l.expect(evil4, victim4, false)
		l.blocked(5*time.Second, evil4, victim4, false)
		if early := time.Until(block.Expires()); early > time.Second {
			t.Errorf("%s was open %s too early", prefix, early)
		}
		if rep := l.apply(); rep.Rejected != 0 {
			t.Errorf("applying after the end: %+v", rep)
		}
		l.expect(evil4, victim4, true)
	}
}

// E10: an extended block has the new time, a permanent one none.
func testExtend(t *testing.T) {
	l := newLab(t)
	l.desired.Load(nil, nil)
	version := uint64(0)
	apply := func() {
		t.Helper()
		c := l.desired.Changes(version)
		version = c.Version
		if rep, err := l.backend.Apply(context.Background(), c); err != nil || rep.Rejected > 0 {
			t.Fatalf("applying: %v %+v", err, rep)
		}
	}
	for _, prefix := range []string{"198.51.100.66/32", "2001:db8:1::/64", "198.51.0.0/16", "2001:db8::/32"} {
		l.desired.Set(blockFor(prefix, time.Second))
		apply()
		l.desired.Set(blockFor(prefix, time.Hour))
		apply()
		if got := l.nft("list", "ruleset"); !strings.Contains(got, "expires 59m") && !strings.Contains(got, "expires 1h") {
			t.Errorf("%s is not extended: %s", prefix, got)
		}
		l.desired.Set(blockFor(prefix, time.Minute)) // shortened
		apply()
		l.desired.Set(blockFor(prefix, 0)) // E18
		apply()
		if got := l.nft("list", "ruleset"); strings.Contains(got, "expires") {
			t.Errorf("%s is not permanent: %s", prefix, got)
		}
		if rep := l.check(); rep.Drift != 0 || rep.Have != rep.Want || rep.Want != 1 {
			t.Errorf("%s: check: %+v", prefix, rep)
		}
		l.desired.Remove(netip.MustParsePrefix(prefix))
		apply()
		if rep := l.check(); rep.Drift != 0 || rep.Have != 0 || rep.Want != 0 {
			t.Errorf("%s: check after removal: %+v", prefix, rep)
		}
	}
}

// E19: while the table is replaced, again and again, no packet of a blocked
// address passes.
func testNoGapWhileReplacing(t *testing.T, fw firewall) {
	l := newLabWith(t, fw)
	l.desired.Load(manyBlocks(2000), nil)
	l.desired.Set(blockFor("198.51.100.66/32", time.Hour))
	l.apply()
	l.nft(`table ip watch {
		counter passed {}
		chain pre { type filter hook prerouting priority -250; ip saddr 198.51.100.66 counter name passed; }
	}`)
	var conn net.Conn
	var err error
	l.attacker.Do(func() {
		conn, err = net.DialUDP("udp", &net.UDPAddr{IP: evil4.AsSlice()}, &net.UDPAddr{IP: victim4.Addr().AsSlice(), Port: 9})
	})
	if err != nil {
		t.Fatal(err)
	}
	stop, sent := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { sent <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := conn.Write([]byte("x")); err == nil {
				n++
			}
			if n%50 == 0 {
				runtime.Gosched()
			}
		}
	}()
	ctx := context.Background()
	for i := range 20 {
		n := fw.make(l.victim.FD(), uint32(5000+i))
		if rep, err := n.Apply(ctx, l.desired.Changes(0)); err != nil || !rep.Rebuilt {
			t.Errorf("replacing: %+v, %v", rep, err)
		}
		_ = n.Close()
	}
	close(stop)
	n := <-sent
	_ = conn.Close()
	if got := l.nft("list", "counter", "ip", "watch", "passed"); n < 100 || !strings.Contains(got, "packets 0 ") {
		t.Errorf("of %d packets some passed: %s", n, got)
	}
}
