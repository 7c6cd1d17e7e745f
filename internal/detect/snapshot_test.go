package detect

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// everyKind are rules whose counters the other test rules do not have.
var everyKind = authRule("SSH_MANY_USERS", "HIGH", "{group_by: src_ip, window: 1h, threshold: 100, distinct: user}") +
	authRule("SSH_VERY_MANY", "HIGH", "{group_by: src_ip, window: 12h, threshold: 70000}") +
	authRule("SSH_LONG", "HIGH", "{group_by: src_ip, window: 1d, threshold: 60}") + `---
id: SSH_ONE
name: one event
severity: LOW
type: x
group: auth
log_source: ssh
cooldown: 5m
conditions: {all: [{field: event_type, equals: auth_fail}, {field: user, equals: u7}]}
---
id: SSH_ANY_ORDER
name: three of each
severity: HIGH
type: x
group: auth
log_source: ssh
sequence:
  by: [src_ip]
  within: 10m
  ordered: false
  steps:
    - {id: fails, event_type: auth_fail, count: 6}
    - {id: ok, event_type: auth_ok, count: 3}
`

// traffic is a random mix of what the test rules count.
func traffic(r *rig, rnd *rand.Rand) *sentinel.Event {
	ip := fmt.Sprintf("203.0.113.%d", rnd.IntN(12))
	user := fmt.Sprint("u", rnd.IntN(200))
	switch rnd.IntN(10) {
	case 0:
		return r.authOK(ip, user)
	case 1, 2, 3:
		return r.access(ip, fmt.Sprint("/p", rnd.IntN(500)), []int{200, 404, 403}[rnd.IntN(3)])
	}
	ev := r.authFail(ip, user)
	ev.PID, ev.Host, ev.AuthStep = 1+rnd.IntN(30), "host", sentinel.AuthStepInvalid+sentinel.AuthStep(rnd.IntN(4))
	ev.Source = []string{"auth", "journal"}[rnd.IntN(2)]
	ev.Repeat = 1 + rnd.IntN(2)
	return ev
}

func summary(results []Result) string {
	var b strings.Builder
	for _, res := range results {
		fmt.Fprintf(&b, "%d %t %t %d %d %s %s;", res.Rule, res.Fired, res.Silent, res.Count, res.Weight, res.Scope, res.Key)
	}
	return b.String()
}

// A detector that goes on from snapshots says to every event what one says that
// was never interrupted.
func TestSnapshotGoesOn(t *testing.T) {
	text := sshRules + webRules + everyKind
	one, two := newRig(t, text), newRig(t, text)
	rnd := rand.New(rand.NewPCG(3, 4))
	firings := 0
	for i := range 30_000 {
		at := time.Duration(i) * 700 * time.Millisecond
		ev := traffic(one.at(at), rnd)
		want := summary(one.see(ev))
		got := summary(two.at(at).see(ev))
		if got != want {
			t.Fatalf("event %d: %q, want %q", i, got, want)
		}
		firings += strings.Count(want, " true false ")
		if rnd.IntN(500) == 0 {
			next := New(two.set, Config{})
			if err := next.LoadSnapshot(two.d.AppendSnapshot(nil)); err != nil {
				t.Fatal(err)
			}
			two.d = next
		}
	}
	a, b := one.d.Stats(), two.d.Stats()
	if a.Keys != b.Keys || !reflect.DeepEqual(a.KeysByKind, b.KeysByKind) || a.SketchBytes == 0 || firings < 100 {
		t.Errorf("%d firings\n%+v\n%+v", firings, a, b)
	}
}

// A detector of other rules takes up what it counts as well.
func TestSnapshotForOtherRules(t *testing.T) {
	r := newRig(t, sshRules+webRules)
	for i := range 14 {
		r.at(time.Duration(i) * time.Minute).see(r.authFail("203.0.113.9", fmt.Sprint("u", i%3)))
	}
	saved := r.d.AppendSnapshot(nil)
	set := compile(t, webRules+sshRules+authRule("SSH_NEW", "HIGH", "{group_by: src_ip, window: 1d, threshold: 40}"))
	next := New(set, DefaultConfig())
	if err := next.LoadSnapshot(saved); err != nil {
		t.Fatal(err)
	}
	r.d, r.set, r.m = next, set, set.NewMatcher()
	if id := fired(r.at(14 * time.Minute).see(r.authFail("203.0.113.9", "root"))); !strings.Contains(id, "SSH_BRUTE_DAY") || strings.Contains(id, "HOUR") {
		t.Errorf("after the change of rules event 15 fires %q", id)
	}
	none := New(compile(t, webRules), DefaultConfig())
	if err := none.LoadSnapshot(saved); err != nil || none.Stats().Keys != 0 {
		t.Errorf("rules that count nothing of it: %v, %d keys", err, none.Stats().Keys)
	}
}

func TestSnapshotDamaged(t *testing.T) {
	r := newRig(t, sshRules+webRules+everyKind)
	rnd := rand.New(rand.NewPCG(5, 6))
	for i := range 5000 {
		r.at(time.Duration(i) * time.Second).see(traffic(r, rnd))
	}
	whole := r.d.AppendSnapshot(nil)
	for range 500 {
		n := rnd.IntN(len(whole))
		d := New(r.set, DefaultConfig())
		if d.LoadSnapshot(whole[:n]) == nil {
			t.Fatalf("the first %d of %d bytes are a snapshot", n, len(whole))
		}
		if d.Stats().Keys != 0 {
			t.Fatal("it did not begin with nothing")
		}
	}
	for range 300 { // bytes that say something else do no harm
		bad := append([]byte(nil), whole...)
		for range 1 + rnd.IntN(20) {
			bad[rnd.IntN(len(bad))] = byte(rnd.IntN(256))
		}
		survive(r, bad, rnd)
	}
}

// survive loads bytes that may be damaged and uses what came of them.
func survive(r *rig, b []byte, rnd *rand.Rand) {
	d := New(r.set, Config{MaxKeys: 1024, MaxBytes: 1 << 20})
	_ = d.LoadSnapshot(b)
	use := rig{t: r.t, set: r.set, m: r.m, d: d, now: r.now}
	for range 50 {
		use.now = use.now.Add(time.Duration(rnd.IntN(90)) * time.Second)
		use.see(traffic(&use, rnd))
	}
	again := New(r.set, Config{MaxKeys: 1024, MaxBytes: 1 << 20})
	if err := again.LoadSnapshot(d.AppendSnapshot(nil)); err != nil {
		r.t.Fatal(err)
	}
}

func FuzzSnapshot(f *testing.F) {
	r := newRig(f, sshRules+everyKind)
	rnd := rand.New(rand.NewPCG(7, 8))
	f.Add(r.d.AppendSnapshot(nil))
	for i := range 300 {
		r.at(time.Duration(i) * time.Second).see(traffic(r, rnd))
	}
	f.Add(r.d.AppendSnapshot(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r.t = t
		survive(r, b, rand.New(rand.NewPCG(1, 1)))
	})
}

// BenchmarkSnapshot is what the engine stands still for, once a minute, with a
// table that is full.
func BenchmarkSnapshot(b *testing.B) {
	for _, keys := range []int{100, 10_000, 250_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			r := newRig(b, sshRules)
			ips := addresses(keys)
			ev := r.authFail("203.0.113.9", "root")
			matches := r.m.Match(ev)
			for i := range 3 * keys {
				ev.Time, ev.SrcIP, ev.PID = r.now, ips[i%keys], i
				r.d.Observe(ev, r.m, matches, r.now)
			}
			var out []byte
			for b.Loop() {
				out = r.d.AppendSnapshot(nil)
			}
			b.ReportMetric(float64(len(out)), "bytes")
			b.ReportMetric(float64(r.d.Stats().Keys), "keys")
		})
	}
}
