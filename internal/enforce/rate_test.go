package enforce

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

func limitFor(prefix, rate string, d time.Duration) sentinel.Block {
	r := blockFor(prefix, d).Record()
	var err error
	if r.Rate, err = sentinel.ParseRate(rate); err != nil {
		panic(err)
	}
	return sentinel.MakeBlock(r)
}

// passed sends datagrams from an address and returns how many arrive.
func (l *lab) passed(from netip.Addr, to netip.AddrPort, n int) (got int) {
	l.t.Helper()
	var in, out *net.UDPConn
	var err error
	network := "udp4"
	if to.Addr().Is6() {
		network = "udp6"
	}
	l.victim.Do(func() { in, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(to)) })
	if err != nil {
		l.t.Fatal(err)
	}
	defer in.Close()
	l.attacker.Do(func() { out, err = net.DialUDP(network, &net.UDPAddr{IP: from.AsSlice()}, net.UDPAddrFromAddrPort(to)) })
	if err != nil {
		l.t.Fatal(err)
	}
	defer out.Close()
	for range n {
		if _, err := out.Write([]byte("?")); err != nil {
			l.t.Fatal(err)
		}
	}
	buf := make([]byte, 8)
	_ = in.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	for {
		if _, err := in.Read(buf); err != nil {
			return got
		}
		got++
	}
}

func testRateLimit(t *testing.T, fw firewall) {
	l := newLabWith(t, fw)
	var conn net.Conn
	netnstest.Eventually(t, 10*time.Second, "connected", func() bool {
		var err error
		conn, err = l.attacker.Dial(evil4, victim4)
		return err == nil
	})
	defer conn.Close()
	l.desired.Load(nil, prefixes("2001:db8:2::7/128"))
	l.desired.Set(limitFor("198.51.100.66/32", "4/h", time.Hour), limitFor("2001:db8:1::/64", "3/d", 0),
		limitFor("2001:db8:2::/48", "1/d", time.Hour), limitFor("203.0.113.0/24", "100/s", time.Minute))
	if rep := l.apply(); rep.Want != 4 || rep.Have != 4 || rep.Rejected != 0 {
		t.Fatalf("applying: %+v", rep)
	}
	if rep := l.check(); rep.Drift != 0 || rep.Changed != 0 || rep.Rebuilt {
		t.Errorf("check right after: %+v", rep)
	}
	open := 0
	for range 8 {
		if l.attacker.Reaches(evil4, victim4) {
			open++
		}
	}
	if open != 4 {
		t.Errorf("%d of 8 connections came through at 4 an hour", open)
	}
	if !netnstest.Alive(conn) {
		t.Error("an established connection does not go on")
	}
	if n := l.passed(evil6, netip.AddrPortFrom(victim6.Addr(), 9000), 50); n > 3 {
		t.Errorf("%d of 50 datagrams came through at 3 a day", n)
	}
	if n := l.passed(good6, netip.AddrPortFrom(victim6b.Addr(), 9000), 50); n != 50 {
		t.Errorf("%d of 50 datagrams of an allowed address came through", n)
	}
	if n := l.passed(good4, netip.AddrPortFrom(victim4.Addr(), 9000), 50); n != 50 {
		t.Errorf("%d of 50 datagrams of another address came through", n)
	}
	if d, err := l.backend.Drops(context.Background()); err != nil || d.Packets < 4 {
		t.Errorf("dropped %+v, %v", d, err)
	}

	// Graver: the limit becomes a block, and the other way round.
	follow := func(b sentinel.Block, have int) {
		t.Helper()
		v := l.desired.Version()
		l.desired.Set(b)
		rep, err := l.backend.Apply(context.Background(), l.desired.Changes(v))
		if err != nil || rep.Have != have || rep.Rejected != 0 {
			t.Errorf("applying: %+v, %v", rep, err)
		}
		if rep := l.check(); rep.Drift != 0 || rep.Changed != 0 || rep.Have != have {
			t.Errorf("check: %+v", rep)
		}
	}
	follow(blockFor("198.51.100.66/32", time.Hour), 4)
	if netnstest.Alive(conn) || l.attacker.Reaches(evil4, victim4) {
		t.Error("what was limited is not blocked")
	}
	follow(limitFor("198.51.100.66/32", "1000/s", time.Hour), 4)
	l.expect(evil4, victim4, true)
	follow(limitFor("198.51.100.66/32", "1/d", time.Hour), 4)
	if n := l.passed(evil4, netip.AddrPortFrom(victim4.Addr(), 9000), 20); n > 1 {
		t.Errorf("%d of 20 datagrams came through at 1 a day", n)
	}
	v := l.desired.Version()
	for _, p := range prefixes("198.51.100.66/32", "2001:db8:1::/64", "2001:db8:2::/48", "203.0.113.0/24") {
		l.desired.Remove(p)
	}
	if rep, err := l.backend.Apply(context.Background(), l.desired.Changes(v)); err != nil || rep.Have != 0 || rep.Want != 0 {
		t.Errorf("lifting: %+v, %v", rep, err)
	}
	l.expect(evil4, victim4, true)
	if n := l.passed(evil6, netip.AddrPortFrom(victim6.Addr(), 9000), 50); n != 50 {
		t.Errorf("%d of 50 datagrams came through without a limit", n)
	}
}

// Limits end in the kernel, and are restored like blocks when somebody takes
// them away.
func TestRateLimitInKernel(t *testing.T) {
	l := newLab(t)
	l.desired.Load(nil, nil)
	l.desired.Set(limitFor("198.51.100.66/32", "1/d", 2*time.Second), limitFor("192.0.2.0/24", "10/m", time.Hour))
	l.apply()
	if n := l.passed(evil4, netip.AddrPortFrom(victim4.Addr(), 9000), 20); n > 1 {
		t.Errorf("%d of 20 datagrams came through at 1 a day", n)
	}
	netnstest.Eventually(t, 10*time.Second, "the limit ends", func() bool {
		return l.passed(evil4, netip.AddrPortFrom(victim4.Addr(), 9000), 20) == 20
	})
	l.nft("flush", "set", "inet", Table, "limit4")
	if rep := l.check(); rep.Drift == 0 || !l.hasElement("limit4", "limit rate over 10/minute") {
		t.Errorf("after a flush: %+v\n%s", rep, l.nft("list", "ruleset"))
	}
	// Another rate is another element.
	other := NewDesired()
	other.Load([]sentinel.Block{limitFor("192.0.2.0/24", "99/m", time.Hour)}, nil)
	if _, err := l.backendCopy().Apply(context.Background(), other.Changes(0)); err != nil {
		t.Fatal(err)
	}
	if rep := l.check(); rep.Drift == 0 || !l.hasElement("limit4", "limit rate over 10/minute") {
		t.Errorf("after a change of the rate: %+v\n%s", rep, l.nft("list", "ruleset"))
	}
}

// What nft shows of our table it can read again: people save whole rulesets.
func TestRulesetCanBeSaved(t *testing.T) {
	l := newLab(t)
	l.desired.Load(nil, prefixes("10.0.0.0/8"))
	l.desired.Set(limitFor("198.51.100.66/32", "10/m", time.Hour), limitFor("2001:db8::/32", "5/s", 0), blockFor("192.0.2.0/24", 0),
		blockFor("192.0.2.1/32", time.Hour))
	l.apply()
	saved := filepath.Join(t.TempDir(), "ruleset")
	if err := os.WriteFile(saved, []byte("flush ruleset\n"+l.nft("list", "ruleset")), 0o600); err != nil {
		t.Fatal(err)
	}
	before := l.elements()
	l.nft("-f", saved)
	if after := l.elements(); after != before {
		t.Errorf("the table was\n%s\nand is\n%s", before, after)
	}
	if rep := l.check(); rep.Rebuilt || rep.Have != 4 {
		t.Errorf("check: %+v", rep)
	}
}

// An older kernel would drop everything: there the limit is refused and named.
func TestRateLimitOnOldKernel(t *testing.T) {
	n, _ := newQuietNFT(t, 0)
	n.limits = false
	d := NewDesired()
	d.Load(nil, nil)
	d.Set(limitFor("192.0.2.1/32", "10/m", time.Hour), blockFor("192.0.2.2/32", time.Hour))
	rep, err := n.Apply(context.Background(), d.Changes(0))
	if err != nil || rep.Want != 2 || rep.Have != 1 || rep.Rejected != 1 || rep.Samples[0].Error != errNoLimits.Error() {
		t.Errorf("%+v, %v", rep, err)
	}
	if rep, err = n.Check(context.Background()); err != nil || rep.Rejected != 1 || rep.Drift != 0 {
		t.Errorf("check: %+v, %v", rep, err)
	}
}

func TestManyRateLimits(t *testing.T) {
	n, _ := newQuietNFT(t, 0)
	d := NewDesired()
	blocks := manyBlocks(3000)
	for i, b := range blocks {
		r := b.Record()
		r.Rate = sentinel.Rate{Count: 1 + i%50, Per: time.Minute}
		blocks[i] = sentinel.MakeBlock(r)
	}
	d.Load(blocks, nil)
	rep, err := n.Apply(context.Background(), d.Changes(0))
	if err != nil || rep.Have != 3000 || rep.Rejected != 0 {
		t.Fatalf("%+v, %v", rep, err)
	}
	if rep, err = n.Check(context.Background()); err != nil || rep.Drift != 0 || rep.Changed != 0 {
		t.Errorf("check: %+v, %v", rep, err)
	}
}
