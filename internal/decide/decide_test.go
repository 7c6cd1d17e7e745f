package decide

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

var t0 = time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)

func ids() func(time.Time) string {
	n := 0
	return func(time.Time) string { n++; return fmt.Sprintf("ID%06d", n) }
}

func newDecider(change func(*Config), protections ...Protection) *Decider {
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	return New(cfg, NewAllowlist(append(DefaultProtections(), protections...)), ids())
}

// brute is a firing of the SSH brute force rule.
func brute(addr string, at time.Time) *sentinel.Detection {
	a := ip(addr)
	return &sentinel.Detection{
		Time: at, RuleID: "SSH_BRUTE_001", RuleName: "SSH brute force", Type: "brute_force", Group: "auth",
		Description: "Multiple failed SSH logins", Severity: sentinel.High, Confidence: 1, Deterministic: true,
		Tags: []string{"ssh", "attack.credential_access", "attack.t1110.001"}, Addr: a, Scope: sentinel.Entity(a),
		Source: "/var/log/auth.log", SourceType: sentinel.TypeSSH, Count: 5, Threshold: 5, Window: 5 * time.Minute,
		Sample: "Failed password for root from " + addr, User: "root",
	}
}

// probe is a firing of a web rule on a single request.
func probe(addr string, at time.Time, template uint64) *sentinel.Detection {
	a := ip(addr)
	text := fmt.Sprintf("id=%d' UNION SELECT 1", template)
	return &sentinel.Detection{
		Time: at, RuleID: "WEB_SQLI", Type: "sqli", Group: "web", Description: "SQL in a parameter",
		Severity: sentinel.High, Confidence: 0.7, Addr: a, Scope: sentinel.Entity(a), Source: "access.log",
		SourceType: sentinel.TypeNginx, Count: 1, Template: template, Sample: "GET /?" + text,
		Evidence: []sentinel.Evidence{{Field: "http.query", View: "decoded", Text: text, Start: 5, End: 17}},
	}
}

// one returns the only threat of some effects.
func one(t *testing.T, fx Effects) sentinel.Threat {
	t.Helper()
	if len(fx.Threats) != 1 {
		t.Fatalf("%d threats, want 1", len(fx.Threats))
	}
	return fx.Threats[0]
}

func TestFirstTriggerBlocks(t *testing.T) {
	d := newDecider(nil)
	fx := d.Detect(t0, brute("203.0.113.42", t0))
	threat := one(t, fx)
	if len(fx.Blocks) != 1 || len(fx.Actions) != 1 {
		t.Fatalf("%+v", fx)
	}
	b, a := fx.Blocks[0].Record(), fx.Actions[0]
	if b.Prefix != pfx("203.0.113.42/32") || !b.Expires.Equal(t0.Add(time.Hour)) || b.ThreatID != threat.ID || b.ID != a.ID ||
		b.Origin != sentinel.OriginRule || b.Score != 0.75 || b.Simulated {
		t.Errorf("block %+v", b)
	}
	if a.Type != "block" || a.Status != "active" || a.Duration != time.Hour || a.ThreatID != threat.ID || a.Target != b.Prefix {
		t.Errorf("action %+v", a)
	}
	if threat.Severity != sentinel.High || threat.RiskScore != 0.75 || threat.EventCount != 5 || threat.Action != ActionBlock ||
		threat.Type != "brute_force" || threat.RuleID != "SSH_BRUTE_001" || threat.User != "root" || threat.Status != sentinel.StatusOpen ||
		len(threat.MITRE) != 1 || threat.MITRE[0] != "T1110.001" {
		t.Errorf("threat %+v", threat)
	}
	if want := "blocked until 2026-02-09 15:00:00 UTC because score 0.75 >= 0.60 and a rule matched"; threat.ActionReason != want {
		t.Errorf("reason %q, want %q", threat.ActionReason, want)
	}
	if b, ok := d.Blocked(ip("::ffff:203.0.113.42")); !ok || b.Prefix() != pfx("203.0.113.42/32") {
		t.Error("not found by its mapped address")
	}
	if fx := d.Tick(t0.Add(time.Hour - time.Second)); len(fx.Unblocked) != 0 {
		t.Error("ended too early")
	}
	fx = d.Tick(t0.Add(time.Hour))
	if len(fx.Unblocked) != 1 || len(fx.Actions) != 1 || fx.Actions[0].Status != "expired" || fx.Actions[0].ID != a.ID || len(d.Blocks()) != 0 {
		t.Errorf("%+v", fx)
	}
}

// D16: the bands of the decision score and what is done in each.
func TestBands(t *testing.T) {
	tests := []struct {
		sev      sentinel.Severity
		conf     float64
		action   string
		duration time.Duration
	}{
		{sentinel.Info, 1, ActionNone, 0},
		{sentinel.Low, 1, ActionNone, 0},
		{sentinel.Medium, 1, ActionAlert, 0},
		{sentinel.High, 0.7, ActionAlert, 0},
		{sentinel.High, 0.799, ActionAlert, 0},
		{sentinel.High, 0.8, ActionBlock, time.Hour},
		{sentinel.High, 1, ActionBlock, time.Hour},
		{sentinel.Critical, 0.842, ActionBlock, time.Hour},
		{sentinel.Critical, 0.95, ActionBlock, 24 * time.Hour},
		{sentinel.Critical, 1, ActionBlock, 24 * time.Hour},
	}
	for _, tt := range tests {
		d := newDecider(nil)
		det := brute("203.0.113.42", t0)
		det.Severity, det.Confidence = tt.sev, tt.conf
		fx := d.Detect(t0, det)
		threat := one(t, fx)
		var got time.Duration
		if len(fx.Blocks) > 0 {
			got = fx.Blocks[0].Expires().Sub(t0)
		}
		if threat.Action != tt.action || got != tt.duration {
			t.Errorf("%s x %v: %s %v (%s), want %s %v", tt.sev, tt.conf, threat.Action, got, threat.ActionReason, tt.action, tt.duration)
		}
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	type set = func(*Config)
	tests := []struct {
		name   string
		cfg    set
		det    func(*sentinel.Detection)
		action string
		want   string
	}{
		{"score", nil, func(x *sentinel.Detection) { x.Confidence = 0.7 }, ActionAlert, "alert only because score 0.525 < 0.60"},
		{"min score", func(c *Config) { c.MinScore = 0.9 }, nil, ActionAlert, "alert only because score 0.75 < 0.90"},
		{"low", nil, func(x *sentinel.Detection) { x.Severity = sentinel.Low }, ActionNone, "recorded only because score 0.30 < 0.60"},
		{"no block action", nil, func(x *sentinel.Detection) { x.NoBlock = true }, ActionAlert, "no block_ip action"},
		{"advisory", nil, func(x *sentinel.Detection) { x.Advisory = true }, ActionAlert, "score 0.599 < 0.60"},
		{"whitelisted", nil, func(x *sentinel.Detection) { x.Addr = ip("10.1.2.3") }, ActionNone, "alert only because whitelisted: 10.0.0.0/8 (private network, default)"},
		{"no address", nil, func(x *sentinel.Detection) { x.Addr, x.Scope, x.Key = netip.Addr{}, netip.Prefix{}, "user=root" }, ActionAlert, "no single address"},
		{"header", nil, func(x *sentinel.Detection) { x.FromHeader = true }, ActionAlert, "forwarding header"},
		{"late", nil, func(x *sentinel.Detection) { x.Late = true }, ActionAlert, "replayed line"},
		{"off", func(c *Config) { c.AutoBlock = false }, nil, ActionAlert, "auto_block is off"},
		{"wide", nil, func(x *sentinel.Detection) { x.Scope = pfx("203.0.0.0/16") }, ActionAlert, "203.0.0.0/16 is wider than an automatic block may be (/24, IPv6 /56)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDecider(tt.cfg)
			det := brute("203.0.113.42", t0)
			if tt.det != nil {
				tt.det(det)
			}
			if det.Addr == ip("10.1.2.3") {
				det.Scope = sentinel.Entity(det.Addr)
			}
			fx := d.Detect(t0, det)
			threat := one(t, fx)
			if len(fx.Blocks)+len(d.Blocks()) != 0 || threat.Action != tt.action || !strings.Contains(threat.ActionReason, tt.want) {
				t.Errorf("%d blocks, %s: %q, want %s: %q", len(fx.Blocks), threat.Action, threat.ActionReason, tt.action, tt.want)
			}
		})
	}
}

func TestPrefixRuleBlocksPrefix(t *testing.T) {
	d := newDecider(nil)
	det := brute("203.0.113.42", t0)
	det.Scope = pfx("203.0.113.0/24")
	if fx := d.Detect(t0, det); len(fx.Blocks) != 1 || fx.Blocks[0].Prefix() != det.Scope {
		t.Fatalf("%+v", fx)
	}
	// An address in it is blocked with it.
	fx := d.Detect(t0.Add(time.Second), brute("203.0.113.9", t0.Add(time.Second)))
	if threat := one(t, fx); len(fx.Blocks) != 0 || threat.Action != ActionBlock || !strings.Contains(threat.ActionReason, "with 203.0.113.0/24") {
		t.Errorf("%+v", fx)
	}
	// A08: a prefix that contains something protected is not blocked.
	d = newDecider(nil, Protection{Prefix: pfx("203.0.113.7"), Kind: KindUser, Reason: "monitoring"})
	if threat := one(t, d.Detect(t0, det)); len(d.Blocks()) != 0 || !strings.Contains(threat.ActionReason, "203.0.113.7 (monitoring, user)") {
		t.Errorf("%q", threat.ActionReason)
	}
}

func TestIPv6IsBlockedWithItsNetwork(t *testing.T) {
	d := newDecider(nil, Protection{Prefix: pfx("2001:db8:0:2::5"), Kind: KindOwn, Reason: "eth0"})
	det := brute("2001:db8:0:1:aaaa::1", t0)
	det.Scope = pfx("2001:db8:0:1:aaaa::1/128")
	if fx := d.Detect(t0, det); len(fx.Blocks) != 1 || fx.Blocks[0].Prefix() != pfx("2001:db8:0:1::/64") {
		t.Errorf("%+v", fx)
	}
	if d.Detect(t0, brute("2001:db8:0:1:bbbb::2", t0)); len(d.Blocks()) != 1 || d.Stats().Cases != 1 {
		t.Error("another case or block for the same /64")
	}
	fx := d.Detect(t0, brute("2001:db8:0:2:bad::1", t0))
	if threat := one(t, fx); len(fx.Blocks) != 0 || threat.Action != ActionNone {
		t.Errorf("the /64 of an own address was blocked: %q", threat.ActionReason)
	}
}

// A01: the owner attacks: an alarm, once, and no block.
func TestProtectedAddressAlarm(t *testing.T) {
	d := newDecider(nil, Protection{Prefix: pfx("203.0.113.42"), Kind: KindAdmin, Reason: "root is logged in"})
	alarms := 0
	for i := range 100 {
		at := t0.Add(time.Duration(i) * time.Second)
		fx := d.Detect(at, brute("203.0.113.42", at))
		alarms += len(fx.Alarms)
		if len(fx.Blocks) != 0 {
			t.Fatal("blocked")
		}
		for _, a := range fx.Alarms {
			if a.Kind != AlarmProtected || !strings.Contains(a.Text, "root is logged in") {
				t.Errorf("%+v", a)
			}
		}
	}
	if alarms != 1 {
		t.Errorf("%d alarms", alarms)
	}
}

func TestEscalation(t *testing.T) {
	d := newDecider(nil)
	at := t0
	want := []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 168, 168, 168}
	for i, hours := range want {
		det := brute("203.0.113.42", at)
		det.Confidence = 0.8 // reputation must not lift it to CRITICAL: .6 -> at most .7
		fx := d.Detect(at, det)
		if len(fx.Blocks) != 1 {
			t.Fatalf("block %d: %+v", i, fx.Threats)
		}
		if got := fx.Blocks[0].Expires().Sub(at); got != hours*time.Hour && i < 8 || got > 7*24*time.Hour {
			t.Errorf("block %d lasts %v, want %d h", i, got, hours)
		}
		at = at.Add(fx.Blocks[0].Expires().Sub(at) + 2*time.Hour)
		d.Tick(at)
	}
	// 30 days later it begins anew.
	at = at.Add(31 * 24 * time.Hour)
	d.Tick(at)
	det := brute("203.0.113.42", at)
	det.Confidence = 0.8
	if got := d.Detect(at, det).Blocks[0].Expires().Sub(at); got != time.Hour {
		t.Errorf("after 31 days %v", got)
	}
}

func TestRuleDuration(t *testing.T) {
	tests := []struct {
		sev  sentinel.Severity
		own  time.Duration
		want time.Duration
	}{
		{sentinel.High, 10 * time.Minute, 10 * time.Minute}, // as specified
		{sentinel.High, 5 * time.Hour, 5 * time.Hour},
		{sentinel.High, 30 * 24 * time.Hour, 7 * 24 * time.Hour},
		{sentinel.Critical, time.Hour, time.Hour},
		{sentinel.High, 0, time.Hour},
	}
	for _, tt := range tests {
		d := newDecider(nil)
		det := brute("203.0.113.42", t0)
		det.Severity, det.BlockFor = tt.sev, tt.own
		if got := d.Detect(t0, det).Blocks[0].Expires().Sub(t0); got != tt.want {
			t.Errorf("%s %v: %v, want %v", tt.sev, tt.own, got, tt.want)
		}
	}
	// The case grows graver than the rule: the policy's duration, as it is longer.
	d := newDecider(nil)
	var last sentinel.Block
	for i := range 4 {
		at := t0.Add(time.Duration(i) * time.Minute)
		det := brute("203.0.113.42", at)
		det.BlockFor = time.Hour
		if fx := d.Detect(at, det); len(fx.Blocks) > 0 {
			last = fx.Blocks[0]
		}
	}
	if got := last.Expires().Sub(t0); got < 23*time.Hour {
		t.Errorf("fourth trigger: %v", got)
	}
}

func TestNeverShorter(t *testing.T) {
	d := newDecider(nil)
	det := brute("203.0.113.42", t0)
	det.BlockFor = 48 * time.Hour
	d.Detect(t0, det)
	for i := 1; i < 20; i++ {
		at := t0.Add(time.Duration(i) * time.Second)
		if fx := d.Detect(at, probe("203.0.113.42", at, uint64(i))); len(fx.Blocks) != 0 {
			t.Fatalf("changed to %v", fx.Blocks[0].Expires())
		}
	}
	if got := d.Blocks()[0].Expires(); !got.Equal(t0.Add(48 * time.Hour)) {
		t.Errorf("ends %v", got)
	}
}

func TestObserve(t *testing.T) {
	d := newDecider(func(c *Config) { c.Observe = true })
	fx := d.Detect(t0, brute("203.0.113.42", t0))
	threat := one(t, fx)
	if len(fx.Blocks) != 1 || !fx.Blocks[0].Simulated() || !fx.Actions[0].Simulated || threat.Action != ActionSimulated ||
		!strings.HasPrefix(threat.ActionReason, "would be blocked until") {
		t.Errorf("%+v", fx)
	}
	// A simulated block does not stand in the way of a real one.
	d.Configure(DefaultConfig())
	at := t0.Add(time.Minute)
	fx = d.Detect(at, brute("203.0.113.42", at))
	if len(fx.Blocks) != 1 || fx.Blocks[0].Simulated() || len(fx.Unblocked) != 0 || len(d.Blocks()) != 1 {
		t.Errorf("%+v", fx)
	}
}

// D15: the wall clock jumps. Nothing lasts longer than allowed, nothing stops.
func TestClockJumps(t *testing.T) {
	d := newDecider(nil)
	at := t0
	for i, jump := range []time.Duration{0, -24 * time.Hour, 48 * time.Hour, -time.Hour, 365 * 24 * time.Hour, -365 * 24 * time.Hour, time.Hour} {
		at = at.Add(jump)
		addr := fmt.Sprintf("203.0.113.%d", i+1)
		fx := d.Detect(at, brute(addr, at))
		if len(fx.Blocks) != 1 || fx.Blocks[0].Expires().Sub(at) != time.Hour {
			t.Errorf("jump %v: %+v", jump, fx.Blocks)
		}
		d.Tick(at)
	}
	for i := range 200 {
		d.Tick(at.Add(time.Duration(i) * 5 * 24 * time.Hour))
	}
	if n := len(d.Blocks()); n != 0 {
		t.Errorf("%d blocks never end", n)
	}
	// The monotonic reading survives, so that ends do not move with the wall clock.
	now := time.Now()
	fx := newDecider(nil).Detect(now, brute("203.0.113.42", now))
	if end := fx.Blocks[0].Expires(); !strings.Contains(end.String(), "m=") || end.Sub(now) != time.Hour {
		t.Errorf("%v lost its monotonic reading", end)
	}
}
