package enforce

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// E03, E04: whatever another program does to our table, packets are dropped
// again soon, by the monitor and long before the check of the minute.
func testForeignChangeIsUndone(t *testing.T) {
	cases := map[string][]string{
		"flush ruleset":      {"flush ruleset"},
		"delete table":       {"delete table inet sentinel"},
		"flush table":        {"flush table inet sentinel"},
		"flush set":          {"flush set inet sentinel block4"},
		"flush networks":     {"flush set inet sentinel net6"},
		"delete element":     {"delete element inet sentinel block4 { 198.51.100.66 }"},
		"flush chain":        {"flush chain inet sentinel prerouting"},
		"insert accept":      {"insert rule inet sentinel prerouting accept"},
		"allow the attacker": {"add element inet sentinel allow4 { 198.51.100.66 }"},
		"dormant":            {"add table inet sentinel { flags dormant ; }"},
		"shorten": {"delete element inet sentinel block4 { 198.51.100.66 }",
			"add element inet sentinel block4 { 198.51.100.66 timeout 3s }"},
		"replace rule": {"replace rule inet sentinel prerouting handle HANDLE accept"},
	}
	for name, commands := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.desired.Load(nil, prefixes("198.51.100.7/32"))
			l.desired.Set(blockFor("198.51.100.66/32", time.Hour), blockFor("2001:db8::/32", time.Hour))
			var alarms atomic.Int32
			e := l.start(Config{Alarm: func(a Alarm) {
				if a.Kind == AlarmRestored {
					alarms.Add(1)
				}
			}})
			netnstest.Eventually(t, 5*time.Second, "healthy", func() bool { return e.Status().Healthy })
			l.expect(evil4, victim4, false)
			before := l.elements()
			netnstest.Eventually(t, 5*time.Second, "listening", func() bool { return !e.Status().LastCheck.IsZero() })
			for _, c := range commands {
				l.nft(strings.Fields(strings.ReplaceAll(c, "HANDLE", l.handleOf("@block4")))...)
			}
			netnstest.Eventually(t, 2*time.Second, "restored", func() bool { return e.Status().Restores == 1 && alarms.Load() == 1 })
			l.expect(evil4, victim4, false)
			l.expect(evil6, victim6, false)
			l.expect(good4, victim4, true)
			if after := l.elements(); after != before {
				t.Errorf("the table was\n%s\nand is\n%s", before, after)
			}
			if rep := e.Status(); !rep.Healthy || rep.Desired != 2 || rep.Actual != 2 || rep.FlushWar {
				t.Errorf("status %+v", rep)
			}
		})
	}
}

// elements returns the table as nft shows it, without times, counts and
// handles.
func (l *lab) elements() string {
	words := strings.Fields(l.nft("list", "table", "inet", Table))
	var out []string
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "timeout", "expires", "packets", "bytes":
			if i+1 < len(words) && words[i+1] != "" && words[i+1][0] >= '0' && words[i+1][0] <= '9' {
				i++
				if strings.HasSuffix(words[i], ",") {
					out = append(out, ",")
				}
				continue
			}
		}
		out = append(out, words[i])
	}
	return strings.Join(out, " ")
}

// handleOf returns the handle of the rule that contains a text.
func (l *lab) handleOf(text string) string {
	for _, line := range strings.Split(l.nft("-a", "list", "chain", "inet", Table, Chain), "\n") {
		if _, handle, ok := strings.Cut(line, "# handle "); ok && strings.Contains(line, text) {
			return handle
		}
	}
	return "0"
}

// What is not ours is neither touched nor a reason to do anything.
func TestOtherTablesAreLeftAlone(t *testing.T) {
	l := newLab(t)
	l.desired.Load(nil, nil)
	l.desired.Set(blockFor("198.51.100.66/32", time.Hour))
	e := l.start(Config{})
	netnstest.Eventually(t, 5*time.Second, "healthy", func() bool { return e.Status().Healthy })
	netnstest.Eventually(t, 5*time.Second, "listening", func() bool { return !e.Status().LastCheck.IsZero() })
	checked := e.Status().LastCheck
	l.nft("add table inet other")
	l.nft("add set inet other block4 { type ipv4_addr ; }")
	l.nft("add element inet other block4 { 192.0.2.1 }")
	l.nft("add table ip sentinel")
	l.nft("delete table ip sentinel")
	l.desired.Set(blockFor("192.0.2.9/32", time.Hour))
	e.Wake()
	netnstest.Eventually(t, 2*time.Second, "the new block", func() bool { return l.hasElement("block4", "192.0.2.9") })
	if s := e.Status(); s.Restores != 0 || !s.LastCheck.Equal(checked) {
		t.Errorf("status %+v", s)
	}
	if err := l.backendCopy().Remove(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := l.nft("list", "table", "inet", "other"); !strings.Contains(got, "192.0.2.1") {
		t.Errorf("the other table was touched: %s", got)
	}
}

// backendCopy returns a second backend in the same namespace.
func (l *lab) backendCopy() *NFT {
	n := NewNFT(NFTConfig{NetNS: l.victim.FD()})
	l.t.Cleanup(func() { _ = n.Close() })
	return n
}

// E17, A13: a stop keeps the blocks, removal leaves nothing.
func testStopKeepsRemoveRemoves(t *testing.T) {
	l := newLab(t)
	l.desired.Load(nil, nil)
	e := New(l.desired, l.backend, Config{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	netnstest.Eventually(t, 5*time.Second, "running", func() bool { return e.Status().Healthy })
	l.desired.Set(blockFor("198.51.100.66/32", time.Hour))
	e.Wake()
	cancel() // what is pending is still applied
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_ = l.backend.Close()
	l.expect(evil4, victim4, false)

	var err error
	l.victim.Do(func() { err = RemoveAll(context.Background()) })
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(l.nft("list", "ruleset")); got != "" {
		t.Errorf("left behind: %s", got)
	}
	l.expect(evil4, victim4, true)
	l.victim.Do(func() { err = RemoveAll(context.Background()) })
	if err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
}

// A start takes over what an earlier process left, without touching what is
// right, and replaces a table of another shape.
func TestTakeOver(t *testing.T) {
	l := newLab(t)
	l.desired.Load(nil, prefixes("10.0.0.0/8", "127.0.0.0/8", "::1/128"))
	l.desired.Set(blockFor("198.51.100.66/32", time.Hour), blockFor("192.0.2.0/24", 0), blockFor("2001:db8:7::/48", time.Hour))
	l.apply()
	l.nft("add element inet sentinel block4 { 203.0.113.5 }")
	second := l.backendCopy()
	rep, err := second.Apply(context.Background(), l.desired.Changes(0))
	if err != nil || rep.Rebuilt || rep.Changed != 1 || rep.Want != 3 || rep.Have != 3 {
		t.Errorf("taking over: %+v, %v; want the foreign element removed and nothing else", rep, err)
	}
	if l.hasElement("block4", "203.0.113.5") {
		t.Error("a block that nobody wants was kept")
	}
	third := NewNFT(NFTConfig{NetNS: l.victim.FD(), SetSize: 5000})
	t.Cleanup(func() { _ = third.Close() })
	rep, err = third.Apply(context.Background(), l.desired.Changes(0))
	if err != nil || !rep.Rebuilt || rep.Have != 3 {
		t.Errorf("replacing a table of another shape: %+v, %v", rep, err)
	}
	l.expect(evil4, victim4, false)
}

// A source that knows nothing yet unblocks nobody.
func TestUnloadedSourceChangesNothing(t *testing.T) {
	l := newLab(t)
	l.desired.Load(nil, nil)
	l.desired.Set(blockFor("198.51.100.66/32", time.Hour))
	l.apply()
	l.desired = NewDesired()
	e := l.start(Config{CountEvery: time.Millisecond})
	e.Wake()
	l.expect(evil4, victim4, false)
	l.desired.Load(nil, nil)
	e.Wake()
	l.blocked(5*time.Second, evil4, victim4, false)
}
