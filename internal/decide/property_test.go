package decide

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sentinel-ai/sentinel-ai"
)

// world is a decider, what its effects add up to, and a second decider that
// sees the same detections but protects nothing.
type world struct {
	now   time.Time
	d     *Decider
	bare  *Decider
	model map[netip.Prefix]sentinel.BlockRecord
}

func smallConfig() Config {
	cfg := DefaultConfig()
	cfg.MaxBlocks, cfg.MaxCases, cfg.NewBlocksPerMinute = 6, 8, 20
	cfg.PrefixBlock = true
	return cfg
}

func newWorld() *world {
	protections := append(DefaultProtections(),
		Protection{Prefix: pfx("203.0.113.1"), Kind: KindOwn}, Protection{Prefix: pfx("2001:db8::1"), Kind: KindOwn},
		Protection{Prefix: pfx("203.0.113.2"), Kind: KindAdmin}, Protection{Prefix: pfx("203.0.114.0/24"), Kind: KindConfig})
	return &world{
		now: t0, model: map[netip.Prefix]sentinel.BlockRecord{},
		d:    New(smallConfig(), NewAllowlist(protections), ids()),
		bare: New(smallConfig(), NewAllowlist(nil), ids()),
	}
}

// apply adds up effects as a store would.
func (w *world) apply(t failer, fx Effects) {
	for _, p := range fx.Unblocked {
		delete(w.model, p)
	}
	for _, b := range fx.Blocks {
		w.model[b.Prefix()] = b.Record()
	}
	for _, threat := range fx.Threats {
		if len(threat.Samples) > maxSamples || len(threat.Evidence) > maxEvidence || len(threat.Score.Rules) > maxRules {
			t.Fatalf("threat out of bounds: %+v", threat)
		}
		if again := Score(InputOf(threat.Score)); !reflect.DeepEqual(again, threat.Score) {
			t.Fatalf("the score cannot be computed again: %+v %+v", again, threat.Score)
		}
		if threat.Action == "" || threat.ActionReason == "" {
			t.Fatalf("no reason: %+v", threat)
		}
	}
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// check holds what must be true after every step.
func (w *world) check(t failer) {
	t.Helper()
	d := w.d
	cfg := d.Config()
	if d.blocks.len() > cfg.MaxBlocks || d.cases.len() > cfg.MaxCases || len(d.byID) != d.cases.len() || len(d.dirty) > d.cases.len() {
		t.Fatalf("%d blocks, %d cases, %d ids, %d dirty", d.blocks.len(), d.cases.len(), len(d.byID), len(d.dirty))
	}
	blocks := d.Blocks()
	if len(blocks) != len(w.model) {
		t.Fatalf("%d blocks, but the effects add up to %d", len(blocks), len(w.model))
	}
	for _, b := range blocks {
		r := b.Record()
		if !reflect.DeepEqual(w.model[b.Prefix()], r) {
			t.Fatalf("block %+v, by its effects %+v", r, w.model[b.Prefix()])
		}
		automatic := r.Origin == sentinel.OriginRule
		if p, ok := d.Allowlist().Overlaps(r.Prefix); ok && (p.Kind.Hard() || automatic || !r.Forced) {
			t.Fatalf("%s is blocked, although %s is protected", r.Prefix, p)
		}
		if automatic && (b.Permanent() || r.Expires.Sub(w.now) > cfg.MaxDuration || r.Score < cfg.MinScore || tooWide(r.Prefix, cfg.MinBits4, cfg.MinBits6)) {
			t.Fatalf("automatic block %+v", r)
		}
		if tooWide(r.Prefix, orderBits4, orderBits6) {
			t.Fatalf("%s is too wide", r.Prefix)
		}
	}
	if len(d.blocks.worth.list) > len(blocks) || len(d.blocks.expiry.list) > len(blocks) {
		t.Fatalf("the heaps hold blocks that are gone")
	}
	simulated := 0
	for _, e := range d.blocks.byPrefix {
		if e.rec.Simulated {
			simulated++
		}
		if top := d.blocks.expiry.top(); top != nil && top.end > e.end {
			t.Fatalf("%s ends before %s", e.rec.Prefix, top.rec.Prefix)
		}
		top := d.blocks.worth.top()
		if e.automatic() && (top == nil || top.rec.Score > e.rec.Score || top.rec.Score == e.rec.Score && top.end > e.end) {
			t.Fatalf("%s should give way before any other", e.rec.Prefix)
		}
	}
	if simulated != d.Stats().Simulated {
		t.Fatalf("%d simulated blocks, counted %d", simulated, d.Stats().Simulated)
	}
	// P10: protection changes the action, never the score.
	for n := d.cases.oldest(); n != nil && n != &d.cases.root; n = n.next {
		other := w.bare.cases.get(n.key)
		if other == nil || !reflect.DeepEqual(other.value.threat.Score, n.value.threat.Score) {
			t.Fatalf("the allowlist changed the score of %+v", n.key)
		}
	}
}

var addresses = []string{
	"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.114.7", "198.51.100.3", "198.51.100.4", "198.51.100.5", "203.0.115.1", "10.0.0.1", "127.0.0.1",
	"::ffff:203.0.113.1", "::ffff:203.0.113.4", "::1", "fe80::1%eth0", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::2", "2001:db8:0:1::3",
	"169.254.169.254", "224.0.0.1", "255.255.255.255", "198.51.100.1", "198.51.100.2",
}

func drawDetection(t *rapid.T, now time.Time) *sentinel.Detection {
	addr := ip(rapid.SampledFrom(addresses).Draw(t, "addr"))
	n := rapid.Uint64().Draw(t, "bits")
	det := &sentinel.Detection{
		Time: now, RuleID: fmt.Sprintf("RULE_%d", n%5), Type: "sqli", Group: []string{"web", "auth"}[n>>3&1],
		Severity: sentinel.Severity(n >> 4 % 5), Confidence: float64(n>>8%21) / 20, Addr: addr, Scope: sentinel.Entity(addr),
		Count: 1, Template: n >> 16 % 20, Sample: fmt.Sprint(n >> 16 % 20),
		Advisory: n>>24%8 == 0, NoBlock: n>>27%8 == 0, Late: n>>30%8 == 0, FromHeader: n>>33%8 == 0, Deterministic: n>>36%2 == 0,
	}
	if n>>40%4 == 0 {
		det.Window, det.Threshold = time.Minute, 5
	}
	if n>>46%8 == 0 {
		det.Limit, det.LimitOnly = sentinel.Rate{Count: 10, Per: time.Minute}, n>>49%2 == 0
	}
	if n>>42%4 == 0 {
		det.BlockFor = time.Duration(n>>44%1000) * time.Minute
	}
	switch n >> 56 % 16 {
	case 0:
		det.Addr, det.Scope, det.Key = netip.Addr{}, netip.Prefix{}, "user=root"
	case 1:
		if addr := sentinel.Normalize(addr); addr.Is4() {
			det.Scope, _ = addr.Prefix(16 + int(n>>60%16))
		} else {
			det.Scope, _ = addr.Prefix(40 + int(n>>60%16))
		}
	}
	return det
}

func drawOrder(t *rapid.T, d *Decider) sentinel.Order {
	n := rapid.Uint64().Draw(t, "bits")
	o := sentinel.Order{
		Kind:   sentinel.OrderKind(1 + n%6),
		Origin: []sentinel.Origin{sentinel.OriginCLI, sentinel.OriginBot, sentinel.OriginCloud, sentinel.OriginRule, ""}[n>>4%5],
		Force:  n>>8%2 == 0, Permanent: n>>9%4 == 0,
		Status:   []sentinel.Status{sentinel.StatusOpen, sentinel.StatusFalsePositive, sentinel.StatusResolved}[n>>12%3],
		ThreatID: fmt.Sprintf("ID%06d", n>>16%200),
	}
	addr := ip(rapid.SampledFrom(addresses).Draw(t, "addr"))
	o.Prefix = netip.PrefixFrom(addr.WithZone(""), addr.BitLen()-int([]uint64{0, 0, 1, 8, 16, 20, 32}[n>>24%7]))
	if n>>32%2 == 0 && !o.Permanent {
		o.Duration = time.Duration(n>>34%10_000) * time.Minute
	}
	if n>>48%4 == 0 {
		o.Confirm = time.Duration(n>>34%100) * time.Minute
	}
	if blocks := d.Blocks(); len(blocks) > 0 && n>>50%2 == 0 {
		o.Prefix = blocks[n>>52%uint64(len(blocks))].Prefix()
	}
	return o
}

// Whatever comes in whatever order, nothing protected is ever blocked, no bound is
// exceeded, and the allowlist has no part in a score.
func TestFaultAnySequence(t *testing.T) {
	t.Run("A12 10,000 random sequences of attacks, orders, logins and restarts", func(t *testing.T) {
		batches := 100 // of 100 sequences each
		if testing.Short() {
			batches = 3
		}
		for range batches {
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld()
				for range rapid.IntRange(1, 40).Draw(t, "steps") {
					w.step(t)
					w.check(t)
				}
			})
		}
	})
}

func (w *world) step(t *rapid.T) {
	switch k := rapid.IntRange(0, 19).Draw(t, "step"); {
	case k < 10:
		det := drawDetection(t, w.now)
		w.bare.Detect(w.now, det)
		w.apply(t, w.d.Detect(w.now, det))
	case k < 14:
		fx, err := w.d.Order(w.now, drawOrder(t, w.d))
		if err != nil && (len(fx.Blocks) != 0 || len(fx.Unblocked) != 0 || fx.AllowChanged) {
			t.Fatalf("a refused order had effects: %+v", fx)
		}
		if len(fx.Actions) == 0 {
			t.Fatalf("an order left no trace")
		}
		w.apply(t, fx)
	case k < 16:
		w.now = w.now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "passed")))
		w.bare.Tick(w.now)
		w.apply(t, w.d.Tick(w.now))
		for _, b := range w.d.Blocks() {
			if !b.Permanent() && !b.Expires().After(w.now) {
				t.Fatalf("%s is over but in force", b.Prefix())
			}
		}
	case k < 17:
		addr := ip(rapid.SampledFrom(addresses).Draw(t, "admin"))
		kind := rapid.SampledFrom([]Kind{KindAdmin, KindAdmin, KindName, KindKey}).Draw(t, "kind")
		list := w.d.Allowlist().Replacing([]Protection{{Prefix: netip.PrefixFrom(addr.WithZone(""), addr.BitLen()), Kind: kind}}, kind)
		w.apply(t, w.d.SetAllow(w.now, list))
	case k < 18:
		w.restart()
	case k < 19:
		scope := sentinel.Entity(ip(rapid.SampledFrom(addresses).Draw(t, "seen")))
		w.d.Seen(w.now, scope, "", "web", 2)
		w.bare.Seen(w.now, scope, "", "web", 2)
		// What is good about an address changes what is done, never the score.
		w.d.Login(w.now, w.now, scope.Addr(), "alice", rapid.Bool().Draw(t, "key"))
		w.d.Used(w.now, w.now, scope.Addr())
	default:
		cfg := smallConfig()
		if rapid.Bool().Draw(t, "graded") {
			cfg.SlowRate = sentinel.Rate{}
		}
		cfg.Observe, cfg.PrefixBlock = rapid.Bool().Draw(t, "observe"), rapid.Bool().Draw(t, "prefix_block")
		w.d.Configure(cfg)
		w.apply(t, w.d.Tick(w.now))
		w.bare.Tick(w.now)
	}
}

// restart makes new deciders, the first one from what was stored; cases are not
// taken along, so that the two can be compared.
func (w *world) restart() {
	var records []sentinel.BlockRecord
	for _, b := range w.d.Blocks() {
		records = append(records, b.Record())
	}
	cfg, allow := w.d.Config(), w.d.Allowlist()
	w.d, w.bare = New(cfg, allow, ids()), New(smallConfig(), NewAllowlist(nil), ids())
	w.d.Restore(w.now, records, nil)
	for _, r := range records {
		if e := w.d.blocks.get(r.Prefix); e == nil {
			delete(w.model, r.Prefix)
		}
	}
	w.bare.history.cases = newLRU[caseKey, pastCases]()
	w.d.history.cases = newLRU[caseKey, pastCases]()
}

// P10 at the decider: of two that see the same, one protects the attackers. The
// scores are equal, the actions are not.
func TestP10AllowlistAndScore(t *testing.T) {
	t.Parallel()
	everything := []Protection{{Prefix: pfx("198.18.0.0/15"), Kind: KindConfig}}
	cfg := DefaultConfig()
	cfg.MaxBlocks = 100
	open, closed := New(cfg, NewAllowlist(nil), ids()), New(cfg, NewAllowlist(everything), ids())
	r := rand.New(rand.NewPCG(3, 4))
	for i := range cases(t) {
		at := t0.Add(time.Duration(i) * 100 * time.Millisecond)
		a := netip.AddrFrom4([4]byte{198, 18, 0, byte(r.IntN(200))})
		det := &sentinel.Detection{
			Time: at, RuleID: []string{"A", "B", "C", "D"}[r.IntN(4)], Group: []string{"web", "auth"}[r.IntN(2)],
			Severity: sentinel.Severity(r.IntN(5)), Confidence: randomUnit(r), Addr: a, Scope: sentinel.Entity(a), Count: 1, Template: r.Uint64N(30),
		}
		open.Detect(at, det)
		if fx := closed.Detect(at, det); len(fx.Blocks) != 0 {
			t.Fatalf("blocked: %+v", fx)
		}
		key := keyOf(det.Scope, "", det.Group)
		p, q := open.cases.get(key).value.threat, closed.cases.get(key).value.threat
		if p.Score.Score != q.Score.Score || p.Score.Decision != q.Score.Decision || p.Score.P != q.Score.P || p.Score.MayBlock != q.Score.MayBlock || p.Severity != q.Severity {
			t.Fatalf("%d: %+v and %+v", i, p.Score, q.Score)
		}
		if i%1000 == 0 {
			open.Tick(at)
			closed.Tick(at)
		}
	}
	if open.Stats().Blocks == 0 {
		t.Error("nothing was blocked: the test says nothing")
	}
}
