package decide

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

var slowRate = sentinel.Rate{Count: 30, Per: time.Minute}

func TestGradedAnswers(t *testing.T) {
	const addr = "203.0.113.42"
	day := 24 * time.Hour
	logins := func(n int, every time.Duration, key bool) func(*Decider) {
		return func(d *Decider) {
			for i := range n {
				at := t0.Add(-time.Duration(i) * every)
				d.Login(t0, at, ip(addr), "alice", key)
			}
		}
	}
	ascending := func(n int, every time.Duration) func(*Decider) {
		return func(d *Decider) {
			for i := range n {
				d.Login(t0, t0.Add(-time.Duration(n-1-i)*every), ip(addr), "alice", false)
			}
		}
	}
	use := func(days int, end time.Duration) func(*Decider) {
		return func(d *Decider) {
			for i := range days {
				for range 3 {
					d.Used(t0, t0.Add(-end-time.Duration(days-1-i)*day), ip(addr))
				}
			}
		}
	}
	for _, tt := range []struct {
		name    string
		history func(*Decider)
		change  func(*Config)
		det     func(*sentinel.Detection)
		why     string // empty: dropped
	}{
		{name: "nothing known"},
		{name: "a key login", history: logins(1, 0, true), why: "alice logged in with a key on 2026-02-09"},
		{name: "one login by password", history: logins(1, 0, false)},
		{name: "many logins on one day", history: logins(9, time.Minute, false)},
		{name: "logins on several days", history: ascending(3, day), why: "3 logins on 3 days since 2026-02-07"},
		{name: "four days of use", history: use(4, 0)},
		{name: "five days of use", history: use(5, 0), why: "harmless use on 5 days since 2026-02-05"},
		{name: "five days of use, long ago", history: use(5, 31*day)},
		{name: "five days, the first before a long pause", history: func(d *Decider) { use(4, 31*day)(d); use(1, 0)(d) }},
		{name: "CRITICAL", history: use(5, 0), det: func(det *sentinel.Detection) { det.Severity = sentinel.Critical }},
		{name: "switched off", history: use(5, 0), change: func(c *Config) { c.SlowRate = sentinel.Rate{} }},
		{name: "blocked before", history: func(d *Decider) {
			use(5, 0)(d)
			d.history.blocked(pfx(addr), d.clock(t0))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDecider(tt.change)
			d.clock(t0)
			if tt.history != nil {
				tt.history(d)
			}
			det := brute(addr, t0)
			if tt.det != nil {
				tt.det(det)
			}
			fx := d.Detect(t0, det)
			if len(fx.Blocks) != 1 {
				t.Fatalf("%+v", fx)
			}
			b, threat := fx.Blocks[0].Record(), one(t, fx)
			if tt.why == "" {
				if !b.Rate.IsZero() || threat.Action != ActionBlock {
					t.Errorf("slowed: %+v, %s", b, threat.ActionReason)
				}
				return
			}
			want := "slowed to 30/m new connections instead of blocked, since it has a good history (" + tt.why + "); if it goes on it is blocked"
			if b.Rate != slowRate || threat.Action != ActionRateLimit || !strings.HasPrefix(threat.ActionReason, "slowed until 2026-02-09 15:00:00 UTC because score 0.75") ||
				!strings.Contains(threat.ActionReason, want) || !strings.Contains(b.Reason, tt.why) || fx.Actions[0].Type != sentinel.ActionRateLimit {
				t.Errorf("block %+v, threat %s %q, want %q", b, threat.Action, threat.ActionReason, want)
			}
		})
	}
}

func TestSlowedThenBlocked(t *testing.T) {
	d := newDecider(func(c *Config) { c.Durations[sentinel.Critical] = time.Hour })
	a := ip("203.0.113.42")
	d.Login(t0, t0, a, "alice", true)
	d.Detect(t0, brute("203.0.113.42", t0))
	if n := d.history.earlier(pfx("203.0.113.42"), d.clock(t0)); n != 0 {
		t.Error("a rate limit counts as a block")
	}
	// Another rule of the same moment says nothing more.
	other := probe("203.0.113.42", t0.Add(time.Second), 1)
	other.Confidence = 1
	if fx := d.Detect(t0.Add(time.Second), other); len(fx.Blocks) != 0 || one(t, fx).Action != ActionRateLimit {
		t.Errorf("%+v", fx)
	}
	// It goes on.
	at := t0.Add(time.Minute)
	det := brute("203.0.113.42", at)
	det.RuleID = "SSH_USER_ENUM"
	fx := d.Detect(at, det)
	if len(fx.Blocks) != 1 || !fx.Blocks[0].Rate().IsZero() || len(fx.Unblocked) != 0 || one(t, fx).Action != ActionBlock {
		t.Fatalf("%+v", fx)
	}
	if len(fx.Actions) != 2 || fx.Actions[0].Type != sentinel.ActionRateLimit || fx.Actions[0].Status != "revoked" || fx.Actions[0].RevokedBy != ByRaised {
		t.Errorf("%+v", fx.Actions)
	}
	// A person's block replaces a rate limit.
	d = newDecider(nil)
	d.Login(t0, t0, a, "alice", true)
	d.Detect(t0, brute("203.0.113.42", t0))
	o := order(sentinel.OrderBlock, "203.0.113.42")
	o.Duration = time.Minute
	if fx, err := d.Order(t0, o); err != nil || len(fx.Blocks) != 1 || !fx.Blocks[0].Rate().IsZero() {
		t.Errorf("%+v, %v", fx, err)
	}
	// After a restart it is still slowed, and then blocked.
	d = newDecider(nil)
	d.Login(t0, t0, a, "alice", true)
	fx = d.Detect(t0, brute("203.0.113.42", t0))
	next := newDecider(nil)
	next.Restore(t0.Add(time.Minute), []sentinel.BlockRecord{fx.Blocks[0].Record()}, fx.Threats)
	if b, ok := next.Blocked(a); !ok || b.Rate() != slowRate {
		t.Errorf("%+v", b)
	}
	at = t0.Add(2 * time.Minute)
	if fx := next.Detect(at, brute("203.0.113.42", at)); len(fx.Blocks) != 1 || !fx.Blocks[0].Rate().IsZero() {
		t.Errorf("%+v", fx)
	}
}

func TestRulesThatSlow(t *testing.T) {
	limit := sentinel.Rate{Count: 10, Per: time.Minute}
	for _, tt := range []struct {
		name   string
		first  func(*sentinel.Detection)
		then   func(*sentinel.Detection)
		want   [2]sentinel.Rate
		reason string
	}{
		{"slowing only", func(d *sentinel.Detection) { d.Limit, d.LimitOnly = limit, true }, nil, [2]sentinel.Rate{limit, limit}, "ask for slowing only"},
		{"slowing first", func(d *sentinel.Detection) { d.Limit = limit }, nil, [2]sentinel.Rate{limit, {}}, "ask for slowing first"},
		{"another rule wants a block", func(d *sentinel.Detection) { d.Limit, d.LimitOnly = limit, true },
			func(d *sentinel.Detection) { d.RuleID, d.Limit, d.LimitOnly = "B", sentinel.Rate{}, false }, [2]sentinel.Rate{limit, {}}, "ask for slowing only"},
		{"another rule wants less", func(d *sentinel.Detection) { d.Limit, d.LimitOnly = limit, true },
			func(d *sentinel.Detection) {
				d.RuleID, d.Limit = "B", sentinel.Rate{Count: 100, Per: time.Hour}
			}, [2]sentinel.Rate{limit, {Count: 100, Per: time.Hour}}, "ask for slowing only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDecider(nil)
			det := brute("203.0.113.42", t0)
			tt.first(det)
			fx := d.Detect(t0, det)
			if len(fx.Blocks) != 1 || fx.Blocks[0].Rate() != tt.want[0] || !strings.Contains(one(t, fx).ActionReason, tt.reason) {
				t.Fatalf("%+v", fx)
			}
			at := t0.Add(time.Minute)
			det = brute("203.0.113.42", at)
			tt.first(det)
			if tt.then != nil {
				tt.then(det)
			}
			d.Detect(at, det)
			if b, _ := d.Blocked(ip("203.0.113.42")); b.Rate() != tt.want[1] {
				t.Errorf("then it is %v, want %v", b.Rate(), tt.want[1])
			}
		})
	}
}

func TestLoginsOfSuspects(t *testing.T) {
	d := newDecider(nil)
	det := brute("203.0.113.42", t0)
	det.Severity = sentinel.Medium
	d.Detect(t0, det)
	d.Login(t0, t0, ip("203.0.113.42"), "root", false)
	if r, ok := d.Regular(ip("203.0.113.42")); ok {
		t.Errorf("a guessed password counts: %+v", r)
	}
}

func TestRegularsAreHandedOut(t *testing.T) {
	d := newDecider(nil)
	a := ip("2001:db8::7")
	d.Tick(t0)
	d.Used(t0, t0, a)
	if fx := d.Tick(t0.Add(time.Minute)); len(fx.Regulars) != 0 {
		t.Errorf("one visit is stored: %+v", fx.Regulars)
	}
	at := t0.Add(24 * time.Hour)
	d.Login(at, at, a, "bob", true)
	fx := d.Tick(at)
	want := sentinel.Regular{Network: pfx("2001:db8::/64"), Logins: 1, Days: 2, Since: t0, Last: at, KeyLogin: at, KeyUser: "bob"}
	if len(fx.Regulars) != 1 || fx.Regulars[0] != want {
		t.Fatalf("%+v, want %+v", fx.Regulars, want)
	}
	if fx := d.Tick(at.Add(time.Hour)); !fx.Empty() {
		t.Errorf("handed out again: %+v", fx)
	}
	next := newDecider(nil)
	next.RestoreRegulars(fx.Regulars)
	if r, ok := next.Regular(a); !ok || r != want {
		t.Errorf("%+v", r)
	}
	// Those who are known stay in a flood of others.
	for i := range 3 * maxVisitors {
		next.Used(at, at, netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if _, ok := next.Regular(a); !ok || next.regulars.visitors.len() != maxVisitors {
		t.Errorf("pushed out; %d visitors", next.regulars.visitors.len())
	}
	for i := range MaxRegulars + 100 {
		next.Login(at, at, netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), "x", false)
	}
	if n := next.regulars.known.len(); n != MaxRegulars {
		t.Errorf("%d are known", n)
	}
	d = newDecider(nil)
	for i := range 3 * regularsPart {
		d.Login(at, at, netip.AddrFrom4([4]byte{20, 0, byte(i >> 8), byte(i)}), "x", false)
	}
	if n := len(d.Regulars()); n != 3*regularsPart || len(d.Regulars()) != 0 {
		t.Errorf("%d handed out at the stop", n)
	}
	handed := 0
	for i := range 100 {
		handed += len(next.Tick(at.Add(time.Duration(i) * regularsEach)).Regulars)
	}
	if handed != MaxRegulars || len(next.regulars.dirty) != 0 {
		t.Errorf("%d handed out, %d left", handed, len(next.regulars.dirty))
	}
}

// What was known of an address before a restart counts as if there had been none.
func TestPastCases(t *testing.T) {
	one, other := newDecider(nil), newDecider(nil)
	var past []PastCase
	at := t0
	for i := range 3 {
		at = t0.Add(time.Duration(i) * 48 * time.Hour)
		det := brute("203.0.113.42", at)
		det.Severity = sentinel.Medium
		fx := one.Detect(at, det)
		past = append(past, PastCase{ID: fx.Threats[0].ID, Created: at, Scope: fx.Threats[0].Scope, Group: "auth"})
		one.Tick(at.Add(2 * time.Hour))
	}
	at = at.Add(24 * time.Hour)
	other.RestorePast(at, past)
	x, y := one.Detect(at, brute("203.0.113.42", at)).Threats[0], other.Detect(at, brute("203.0.113.42", at)).Threats[0]
	if x.Score.P == 0 || fmt.Sprintf("%.2f", x.Score.P) != fmt.Sprintf("%.2f", y.Score.P) || x.Previous != y.Previous {
		t.Errorf("reputation %v after %q, restarted %v after %q", x.Score.P, x.Previous, y.Score.P, y.Previous)
	}
}

func BenchmarkUsed(b *testing.B) {
	d := newDecider(nil)
	a := ip("203.0.113.42")
	b.ReportAllocs()
	for b.Loop() {
		d.Used(t0, t0, a)
	}
}
