package enforce

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

var iptablesKinds = []firewall{iptables("iptables-nft"), iptables("iptables-legacy")}

// E03, E04: whatever another program does to our rules and sets, packets are
// dropped again soon.
func testForeignChangeOfIPTables(t *testing.T, fw firewall) {
	tool := fw.name
	for _, c := range []struct {
		name     string
		commands []string
	}{
		{"the table is flushed", []string{tool + " -t raw -F"}},
		{"all is flushed and removed", []string{tool + " -t raw -F", tool + " -t raw -X"}},
		{"the jump is deleted", []string{tool + " -t raw -D PREROUTING 1"}},
		{"our chain is flushed", []string{tool + " -t raw -F SENTINEL"}},
		{"the sets are flushed", []string{"ipset flush"}},
		{"all is destroyed", []string{tool + " -t raw -F", strings.Replace(tool, "ip", "ip6", 1) + " -t raw -F", "ipset destroy"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLabWith(t, fw)
			l.desired.Load(nil, prefixes("198.51.100.7/32"))
			l.desired.Set(blockFor("198.51.100.66/32", time.Hour), blockFor("2001:db8::/32", time.Hour))
			var alarms atomic.Int32
			e := l.start(Config{Alarm: func(a Alarm) {
				if a.Kind == AlarmRestored {
					alarms.Add(1)
				}
			}})
			netnstest.Eventually(t, 10*time.Second, "healthy", func() bool { return e.Status().Healthy })
			l.expect(evil4, victim4, false)
			netnstest.Eventually(t, 10*time.Second, "watching", func() bool { return !e.Status().LastCheck.IsZero() })
			for _, c := range c.commands {
				words := strings.Fields(c)
				l.victim.Command(words[0], words[1:]...)
			}
			netnstest.Eventually(t, 10*time.Second, "restored", func() bool { return e.Status().Restores >= 1 && alarms.Load() >= 1 })
			l.blocked(5*time.Second, evil4, victim4, true)
			l.expect(evil6, victim6, false)
			l.expect(good4, victim4, true)
			if s := e.Status(); !s.Healthy || s.Desired != 2 || s.Actual != 2 {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// What the check of the minute finds: single elements and rules.
func testCheckOfIPTables(t *testing.T, fw firewall) {
	l := newLabWith(t, fw)
	l.desired.Load(nil, prefixes("198.51.100.7/32"))
	l.desired.Set(blockFor("198.51.100.66/32", time.Hour), blockFor("2001:db8::/32", 0), limitFor("192.0.2.0/24", "10/m", time.Hour))
	l.apply()
	for _, c := range []string{
		"ipset del sentinel-block4 198.51.100.66",
		"ipset add sentinel-block4 203.0.113.5",
		"ipset -exist add sentinel-block4 198.51.100.66 timeout 100",
		"ipset add sentinel-allow4 198.51.100.66",
		"ipset flush sentinel-limit4-10m",
		fw.name + " -t raw -I SENTINEL -j ACCEPT",
		fw.name + " -t raw -I PREROUTING -j SENTINEL",
	} {
		words := strings.Fields(c)
		l.victim.Command(words[0], words[1:]...)
		if rep := l.check(); rep.Drift == 0 && !rep.Rebuilt || rep.Have != 3 || rep.Rejected != 0 {
			t.Errorf("%s: %+v", c, rep)
		}
		if rep := l.check(); rep.Drift != 0 || rep.Rebuilt || rep.Changed != 0 {
			t.Errorf("%s: a second check: %+v\n%s", c, rep, l.ruleset())
		}
		l.expect(evil4, victim4, false)
		l.expect(good4, victim4, true)
	}
}

// A13, E17: a stop keeps the blocks; removal leaves nothing of ours and all of
// others.
func testRemoveIPTables(t *testing.T, fw firewall) {
	l := newLabWith(t, fw)
	six := strings.Replace(fw.name, "ip", "ip6", 1)
	for _, c := range []string{
		"ipset create office hash:net", "ipset add office 192.0.2.0/24",
		fw.name + " -t raw -N OTHERS", fw.name + " -t raw -A PREROUTING -m set --match-set office src -j OTHERS",
		fw.name + " -A INPUT -p tcp --dport 9999 -j DROP", six + " -t raw -A PREROUTING -p udp --dport 9999 -j DROP",
	} {
		words := strings.Fields(c)
		l.victim.Command(words[0], words[1:]...)
	}
	state := func() string {
		return l.ruleset() + l.victim.Command(fw.name, "-S")
	}
	before := state()
	l.desired.Load(nil, prefixes("192.0.2.0/24"))
	l.desired.Set(blockFor("198.51.100.66/32", time.Hour), limitFor("203.0.113.0/24", "5/s", 0))
	l.apply()
	_ = l.backend.Close() // a stop, or a crash
	l.expect(evil4, victim4, false)
	second := fw.make(l.victim.FD(), 0)
	t.Cleanup(func() { _ = second.Close() })
	if rep, err := second.Apply(context.Background(), l.desired.Changes(0)); err != nil || rep.Have != 2 || rep.Changed != 0 {
		t.Errorf("taking over: %+v, %v", rep, err)
	}
	if d, err := second.Drops(context.Background()); err != nil || d.Packets == 0 {
		t.Errorf("dropped %+v, %v: the counts of the rules before are lost", d, err)
	}
	if err := second.Remove(context.Background()); err != nil {
		t.Fatal(err)
	}
	// The counters in the headers of sets are of no interest.
	if after := state(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	l.expect(evil4, victim4, true)
	if err := second.Remove(context.Background()); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
}

// E06: many blocks are restored, checked, and lifted.
func testManyBlocksInIPTables(t *testing.T, fw firewall) {
	count := sizeOf(20_000, 100_000)
	ctx := context.Background()
	ns := netnstest.New(t)
	n := fw.make(ns.FD(), 0)
	t.Cleanup(func() { _ = n.Close() })
	d := NewDesired()
	blocks := manyBlocks(count)
	d.Load(blocks, prefixes("127.0.0.0/8", "0.0.0.0/0"))
	start := time.Now()
	if rep, err := n.Apply(ctx, d.Changes(0)); err != nil || rep.Have != count || rep.Want != count {
		t.Fatalf("restoring: %+v, %v", rep, err)
	}
	t.Logf("%d blocks restored in %v", count, time.Since(start).Round(time.Millisecond))
	if rep, err := n.Check(ctx); err != nil || rep.Drift != 0 || rep.Have != count || rep.Changed != 0 {
		t.Fatalf("checking: %+v, %v", rep, err)
	}
	ns.Command("ipset", "flush", "sentinel-block6")
	if rep, err := n.Check(ctx); err != nil || rep.Drift != count/2 || rep.Changed != count/2 {
		t.Fatalf("checking after a flush: %+v, %v", rep, err)
	}
	v := d.Changes(0).Version
	for _, b := range blocks {
		d.Remove(b.Prefix())
	}
	if rep, err := n.Apply(ctx, d.Changes(v)); err != nil || rep.Have != 0 || rep.Want != 0 {
		t.Fatalf("lifting: %+v, %v", rep, err)
	}
}

// E07: what fits into a full set is in it, and the rest is named.
func testFullIPSet(t *testing.T, fw firewall) {
	ctx := context.Background()
	ns := netnstest.New(t)
	n := fw.make(ns.FD(), 1000)
	t.Cleanup(func() { _ = n.Close() })
	d := NewDesired()
	d.Load(manyBlocks(2600), nil) // 1300 of each family
	rep, err := n.Apply(ctx, d.Changes(0))
	if err != nil || rep.Want != 2600 || rep.Have != 2000 || rep.Rejected != 600 || len(rep.Samples) == 0 {
		t.Errorf("filling: %+v, %v", rep, err)
	}
	v := d.Changes(0).Version
	for _, b := range manyBlocks(1000) {
		d.Remove(b.Prefix())
	}
	if _, err = n.Apply(ctx, d.Changes(v)); err != nil {
		t.Fatal(err)
	}
	if rep, err = n.Check(ctx); err != nil || rep.Have != 1600 || rep.Rejected != 0 {
		t.Errorf("after making room: %+v, %v", rep, err)
	}
}

// E10, E18: an extended block has the new time, a permanent one none, and one
// that lasts longer than a set can hold is held as long as it can.
func testExtendInIPTables(t *testing.T, fw firewall) {
	l := newLabWith(t, fw)
	l.desired.Load(nil, nil)
	l.apply()
	for _, c := range []struct {
		left time.Duration
		want string
	}{{2 * time.Second, "timeout 2"}, {time.Hour, "timeout 3600"}, {time.Minute, "timeout 60"}, {300 * 24 * time.Hour, "timeout 21474"}, {0, "timeout 0"}} {
		v := l.desired.Version()
		l.desired.Set(blockFor("198.51.100.66/32", c.left), blockFor("2001:db8::/32", c.left))
		if rep, err := l.backend.Apply(context.Background(), l.desired.Changes(v)); err != nil || rep.Have != 2 || rep.Rejected != 0 {
			t.Fatalf("%v: %+v, %v", c.left, rep, err)
		}
		// A second may have passed.
		got := l.victim.Command("ipset", "list", "sentinel-block4")
		if !strings.Contains(got, "198.51.100.66 timeout") || c.left%time.Hour == 0 && c.left != time.Hour && !strings.Contains(got, c.want) {
			t.Errorf("%v: %s", c.left, got)
		}
		if rep := l.check(); rep.Drift != 0 || rep.Changed != 0 || rep.Have != 2 {
			t.Errorf("%v: check: %+v", c.left, rep)
		}
	}
}

// More rates than the bound are refused one by one; the others hold, and rates
// that nobody needs any more go.
func testManyRatesInIPTables(t *testing.T, fw firewall) {
	ctx := context.Background()
	ns := netnstest.New(t)
	n := fw.make(ns.FD(), 0)
	t.Cleanup(func() { _ = n.Close() })
	d := NewDesired()
	var blocks []sentinel.Block
	for i, b := range manyBlocks(2 * (maxRates + 3)) {
		r := b.Record()
		r.Rate = sentinel.Rate{Count: 1 + i/2, Per: time.Minute}
		blocks = append(blocks, sentinel.MakeBlock(r))
	}
	d.Load(blocks, nil)
	rep, err := n.Apply(ctx, d.Changes(0))
	if err != nil || rep.Have != 2*maxRates || rep.Rejected != 6 || len(rep.Samples) == 0 || rep.Samples[0].Error != errRates.Error() {
		t.Errorf("%+v, %v", rep, err)
	}
	v := d.Changes(0).Version
	for _, b := range blocks[8:] {
		d.Remove(b.Prefix())
	}
	if rep, err = n.Apply(ctx, d.Changes(v)); err != nil || rep.Have != 8 || rep.Rejected != 0 {
		t.Errorf("%+v, %v", rep, err)
	}
	if rep, err = n.Check(ctx); err != nil || rep.Rebuilt || rep.Have != 8 || rep.Drift != 0 {
		t.Errorf("check: %+v, %v", rep, err)
	}
	if got := strings.Count(ns.Command("ipset", "list", "-n"), "limit"); got != 8 {
		t.Errorf("%d sets of limits are left, want 8", got)
	}
}

// FuzzIPTablesOutput: whatever iptables prints, we pick our own lines from it.
func FuzzIPTablesOutput(f *testing.F) {
	f.Add("-P PREROUTING ACCEPT\n-N SENTINEL\n-A PREROUTING -m set ! --match-set sentinel-allow4 src -m comment --comment \"sentinel/1:jump\" -j SENTINEL\n" +
		"-A SENTINEL -m set --match-set sentinel-block4 src -c 10 800 -j DROP\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range ourRules(text) {
			if !strings.HasPrefix(line, "-A ") || !strings.Contains(line, iptChain) || strings.Contains(line, "\n") {
				t.Errorf("%q", line)
			}
		}
		parseCounters(text)
		newIPTFamily(false, "iptables").intact(ourRules(text))
	})
}
