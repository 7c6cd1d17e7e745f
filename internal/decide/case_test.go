package decide

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// A legitimate client that repeats one odd request does not accumulate; one
// that tries different things does.
func TestDistinctTemplates(t *testing.T) {
	d := newDecider(nil)
	for i := range 100 {
		at := t0.Add(time.Duration(i) * time.Second)
		if fx := d.Detect(at, probe("203.0.113.42", at, 7)); len(fx.Blocks) != 0 {
			t.Fatal("blocked for repeating one request")
		}
	}
	at := t0.Add(2 * time.Minute)
	fx := d.Detect(at, probe("203.0.113.42", at, 8))
	threat := one(t, fx)
	if len(fx.Blocks) != 1 || threat.Score.Rules[0].Firings != 2 || threat.Decision != 0.605 || threat.EventCount != 101 {
		t.Errorf("%+v", threat)
	}
}

func TestCaseBounds(t *testing.T) {
	d := newDecider(nil)
	threats := 0
	for i := range 10_000 {
		at := t0.Add(time.Duration(i) * time.Millisecond)
		det := probe("203.0.113.42", at, uint64(i))
		det.RuleID = fmt.Sprintf("WEB_%d", i%100)
		det.Sample = strings.Repeat("x", 60_000) + fmt.Sprint(i)
		if i%2 == 0 {
			det.Sample = fmt.Sprint(i) + strings.Repeat("é", 30_000)
		}
		det.Evidence = []sentinel.Evidence{{Field: strings.Repeat("f", 1000), Text: strings.Repeat("a", 5000) + fmt.Sprint(i), Start: 4999, End: 9999}}
		det.Tags = []string{fmt.Sprintf("attack.t%04d", i), "attack.tactic", "attack.t12", "attack.t1110.00x"}
		det.Description, det.User = strings.Repeat("d", 5000), strings.Repeat("u", 5000)
		threats += len(d.Detect(at, det).Threats)
	}
	if threats > 300 {
		t.Errorf("%d copies of the threat for 10,000 firings", threats)
	}
	fx := d.Tick(t0.Add(11 * time.Second))
	threat := one(t, fx)
	if threat.EventCount != 10_000 {
		t.Errorf("%d events", threat.EventCount)
	}
	if len(threat.Samples) != maxSamples || len(threat.Evidence) != maxEvidence || len(threat.Score.Rules) != maxRules || len(threat.MITRE) != maxTechniques {
		t.Errorf("%d samples, %d spans, %d rules, %d techniques", len(threat.Samples), len(threat.Evidence), len(threat.Score.Rules), len(threat.MITRE))
	}
	for _, s := range threat.Samples {
		if len(s) > maxSampleBytes {
			t.Errorf("sample of %d bytes", len(s))
		}
	}
	for _, e := range threat.Evidence {
		if len(e.Text) > maxSpanBytes || e.Start >= e.End || e.End > len(e.Text) || len(e.Field) > maxNameBytes {
			t.Errorf("span of %d bytes, %d to %d", len(e.Text), e.Start, e.End)
		}
	}
	if len(threat.Description) > maxTextBytes || len(threat.User) > maxNameBytes {
		t.Error("long texts are kept")
	}
	for _, c := range d.byID {
		for _, m := range c.rules {
			if len(m.templates) > maxTemplates {
				t.Errorf("%d templates", len(m.templates))
			}
		}
	}
}

// An attacker who fires all the time costs one copy a Tick.
func TestCountsAreCoalesced(t *testing.T) {
	d := newDecider(nil)
	threats := 0
	for i := range 10_000 {
		at := t0.Add(time.Duration(i) * time.Millisecond)
		det := brute("203.0.113.42", at)
		det.Sample = "the same line"
		threats += len(d.Detect(at, det).Threats)
	}
	if threats > 5 {
		t.Errorf("%d copies", threats)
	}
	if threat := one(t, d.Tick(t0.Add(10*time.Second))); threat.Score.Rules[0].Firings != 10_000 {
		t.Errorf("%+v", threat.Score.Rules)
	}
	if fx := d.Tick(t0.Add(11 * time.Second)); !fx.Empty() {
		t.Errorf("again: %+v", fx)
	}
}

func TestSeen(t *testing.T) {
	d := newDecider(nil)
	scope := pfx("203.0.113.42/32")
	d.Seen(t0, scope, "", "auth", 3) // no such case
	if fx := d.Tick(t0); !fx.Empty() {
		t.Fatalf("%+v", fx)
	}
	d.Detect(t0, brute("203.0.113.42", t0))
	at := t0.Add(time.Minute)
	for range 1000 {
		d.Seen(at, scope, "", "auth", 2)
	}
	d.Seen(at, scope, "", "web", 5)
	threat := one(t, d.Tick(at))
	if threat.EventCount != 2005 || !threat.LastSeen.Equal(at) {
		t.Errorf("%d events, last %v", threat.EventCount, threat.LastSeen)
	}
	if n := testing.AllocsPerRun(1000, func() { d.Seen(at, scope, "", "auth", 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// One line that fires two rules is one event.
func TestOneEventTwoRules(t *testing.T) {
	d := newDecider(nil)
	d.Detect(t0, probe("203.0.113.42", t0, 1))
	second := probe("203.0.113.42", t0, 1)
	second.RuleID, second.Type, second.Confidence = "WEB_UNION", "sqli", 0.9
	threat := one(t, d.Detect(t0, second))
	if threat.EventCount != 1 || len(threat.Score.Rules) != 2 || threat.RuleID != "WEB_UNION" || threat.Action != ActionBlock {
		t.Errorf("%+v", threat)
	}
}

func TestCaseCloses(t *testing.T) {
	d := newDecider(nil)
	first := one(t, d.Detect(t0, probe("203.0.113.42", t0, 1)))
	d.Seen(t0.Add(59*time.Minute), pfx("203.0.113.42/32"), "", "web", 1) // does not keep it open
	fx := d.Tick(t0.Add(time.Hour))
	if threat := one(t, fx); threat.EventCount != 2 || d.Stats().Cases != 0 {
		t.Errorf("%+v", threat)
	}
	at := t0.Add(2 * time.Hour)
	second := one(t, d.Detect(at, probe("203.0.113.42", at, 1)))
	if second.ID == first.ID || second.Previous != first.ID || second.EventCount != 1 || second.Score.P == 0 {
		t.Errorf("%+v", second)
	}
	if other := one(t, d.Detect(at, brute("203.0.113.42", at))); other.Previous != "" {
		t.Errorf("linked to another group: %+v", other)
	}
	// It keeps firing, but a case lasts a day at most.
	d = newDecider(nil)
	seen := map[string]bool{}
	for i := range 50 {
		at := t0.Add(time.Duration(i) * 30 * time.Minute)
		for _, threat := range d.Detect(at, probe("203.0.113.42", at, 1)).Threats {
			seen[threat.ID] = true
		}
		d.Tick(at)
	}
	if len(seen) != 2 {
		t.Errorf("%d cases in 25 h, want 2", len(seen))
	}
}

func TestCasesByKey(t *testing.T) {
	d := newDecider(nil)
	det := brute("203.0.113.42", t0)
	det.Addr, det.Scope, det.Key = netip.Addr{}, netip.Prefix{}, "user=root"
	first := one(t, d.Detect(t0, det))
	det.Key = "user=admin"
	second := one(t, d.Detect(t0, det))
	if first.ID == second.ID || first.Key != "user=root" || first.Scope.IsValid() {
		t.Errorf("%+v", first)
	}
	d.Seen(t0, netip.Prefix{}, "user=root", "auth", 1)
	if threat := one(t, d.Tick(t0)); threat.ID != first.ID || threat.EventCount != 6 {
		t.Errorf("%+v", threat)
	}
}

// No end of addresses: memory is bounded, and nothing that changed is lost.
func TestManyCases(t *testing.T) {
	d := newDecider(func(c *Config) { c.MaxCases, c.MaxBlocks, c.NewBlocksPerMinute = 100, 50, 1000 })
	n := 300_000
	if testing.Short() {
		n = 50_000
	}
	seen := 0
	for i := range n {
		at := t0.Add(time.Duration(i) * time.Millisecond)
		a := netip.AddrFrom4([4]byte{198, byte(18 + i>>16), byte(i >> 8), byte(i)})
		det := &sentinel.Detection{Time: at, RuleID: "R", Type: "dos", Severity: sentinel.High, Confidence: 1, Addr: a, Scope: sentinel.Entity(a), Count: 1}
		fx := d.Detect(at, det)
		seen += len(fx.Threats)
		if len(d.byID) > 100 || d.blocks.len() > 50 || len(d.dirty) > 100 {
			t.Fatalf("%d cases, %d blocks, %d dirty", len(d.byID), d.blocks.len(), len(d.dirty))
		}
		d.Seen(at, det.Scope, "", "dos", 1)
	}
	if s := d.Stats(); s.Remembered > maxBlockMemory+maxCaseMemory || s.CasesEvicted != uint64(n-100) || s.BreakerRefused == 0 {
		t.Errorf("%+v", s)
	}
	if seen != 2*n-100 { // opened, and the count when it gave way
		t.Errorf("%d states handed out, want %d", seen, 2*n-100)
	}
}

// Cases with all that they may hold give way before they fill the memory.
func TestFullCases(t *testing.T) {
	d := newDecider(func(c *Config) { c.MaxCases = 500 })
	states := map[string]bool{}
	for i := range 500 {
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		for k := range 40 {
			at := t0.Add(time.Duration(i)*time.Second + time.Duration(k)*time.Millisecond)
			det := probe(a.String(), at, uint64(k))
			det.RuleID = fmt.Sprintf("WEB_%d", k)
			det.Sample = fmt.Sprint(k) + strings.Repeat("x", 2000)
			det.Evidence = []sentinel.Evidence{{Field: "raw", Text: fmt.Sprint(k) + strings.Repeat("a", 600), Start: 1, End: 9}}
			for _, threat := range d.Detect(at, det).Threats {
				states[threat.ID] = true
			}
			if limit := 500*meanCaseBytes + 32<<10; d.caseBytes > limit {
				t.Fatalf("%d bytes, more than %d", d.caseBytes, limit)
			}
		}
	}
	sum := 0
	for _, c := range d.byID {
		sum += c.bytes()
		if c.bytes() > 24<<10 {
			t.Errorf("a case takes %d bytes", c.bytes())
		}
	}
	if sum != d.caseBytes || len(d.byID) < 50 || len(states) != 500 || d.Stats().CasesEvicted != uint64(500-len(d.byID)) {
		t.Errorf("%d bytes counted, %d taken by %d cases, %d seen, %+v", d.caseBytes, sum, len(d.byID), len(states), d.Stats())
	}
	d.Tick(t0.Add(48 * time.Hour))
	if d.caseBytes != 0 {
		t.Errorf("%d bytes of no case", d.caseBytes)
	}
}

// What is handed out shares nothing with the case.
func TestEffectsAreOwned(t *testing.T) {
	d := newDecider(nil)
	threat := one(t, d.Detect(t0, probe("203.0.113.42", t0, 1)))
	threat.Samples[0], threat.Evidence[0].Text, threat.Score.Rules[0].ID = "x", "x", "x"
	again, ok := d.Case(threat.ID)
	if !ok || again.Samples[0] == "x" || again.Evidence[0].Text == "x" || again.Score.Rules[0].ID == "x" {
		t.Errorf("%+v", again)
	}
	if _, ok := d.Case("unknown"); ok {
		t.Error("a case that nobody opened")
	}
}

func BenchmarkSeen(b *testing.B) {
	d := newDecider(nil)
	d.Detect(t0, brute("203.0.113.42", t0))
	scope := pfx("203.0.113.42/32")
	b.ReportAllocs()
	for b.Loop() {
		d.Seen(t0, scope, "", "auth", 1)
	}
}

func BenchmarkDetectAgain(b *testing.B) {
	d := newDecider(nil)
	det := brute("203.0.113.42", t0)
	d.Detect(t0, det)
	b.ReportAllocs()
	for b.Loop() {
		d.Detect(t0, det)
	}
}

func BenchmarkNewAttackers(b *testing.B) {
	d := newDecider(func(c *Config) { c.NewBlocksPerMinute = 1 << 30 })
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		a := netip.AddrFrom4([4]byte{198, byte(18 + i>>16), byte(i >> 8), byte(i)})
		d.Detect(t0, &sentinel.Detection{Time: t0, RuleID: "R", Type: "dos", Severity: sentinel.High, Confidence: 1, Addr: a, Scope: sentinel.Entity(a), Count: 1})
		i++
	}
}
