package anomaly

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// rig feeds a stage with windows directly.
type rig struct {
	*Stage
	rand *rand.Rand
	at   time.Time
}

func newRig(t testing.TB, cfg Config) *rig {
	cfg.Model = toyModel(t)
	return &rig{Stage: New(cfg), rand: rand.New(rand.NewPCG(11, 12)), at: t0}
}

// pass judges a window with some features, of a client, after a pause.
func (r *rig) pass(client uint64, v Vector, pause time.Duration) []sentinel.Anomaly {
	r.at = r.at.Add(pause)
	r.out = r.out[:0]
	r.advance(uint32(r.at.Unix()))
	r.judgeVector(&window{client: scattered(client), n: 5, first: r.Stage.now - 60, last: r.Stage.now, source: 0}, &v)
	return r.out
}

// scattered spreads clients over networks.
func scattered(client uint64) uint64 { return uint64(uint32(client * 2654435761)) }

func (r *rig) usual() Vector { return toyWindow(r.rand) }

// odd is a window that no model has seen the like of.
func (r *rig) odd() Vector {
	v := r.usual()
	for f := range v {
		v[f] += 0.8
	}
	return v
}

// A is capped during the learning period, which needs time and windows.
func TestLearningCaps(t *testing.T) {
	r := newRig(t, Config{Learning: 7 * 24 * time.Hour, Sensitivity: SensitivityMedium})
	for i := range 3000 { // many windows in one day
		r.pass(uint64(i), r.usual(), 20*time.Second)
	}
	out := r.pass(7777, r.odd(), time.Second)
	if len(out) != 1 || out[0].A != learningCap || !out[0].Learning || len(out[0].Reasons) != sentinel.MaxReasons || r.Learned() != 9 {
		t.Errorf("%+v, learned %d %%", out, r.Learned())
	}
	r.at = r.at.Add(7 * 24 * time.Hour)
	out = r.pass(7778, r.odd(), time.Second)
	if len(out) != 1 || out[0].A < 0.4 || out[0].Learning || r.Learned() != 100 || out[0].Quiet {
		t.Errorf("%+v, learned %d %%", out, r.Learned())
	}
	if out := r.pass(7779, r.usual(), time.Second); len(out) != 0 {
		t.Errorf("the usual is told: %+v", out)
	}
	few := newRig(t, Config{Learning: time.Hour})
	for i := range 100 { // much time and few windows
		few.pass(uint64(i), few.usual(), time.Hour)
	}
	if few.Learned() != 5 {
		t.Errorf("learned %d %%", few.Learned())
	}
}

// So many alerts as the sensitivity allows, whatever comes; the same client is
// told of without counting again.
func TestBudget(t *testing.T) {
	for sensitivity, most := range map[Sensitivity]int{SensitivityLow: allowance, SensitivityMedium: allowance + 4, SensitivityHigh: allowance + 29} {
		r := newRig(t, Config{Sensitivity: sensitivity})
		for i := range 2500 {
			r.pass(uint64(i), r.usual(), time.Minute)
		}
		told := 0
		for i := range 1000 { // ten days
			r.at = r.at.Add(864 * time.Second)
			r.advance(uint32(r.at.Unix()))
			if flag := r.hashOf(uint64(i), false); r.afford(flag) {
				told++
				if !r.afford(flag) {
					t.Fatal("a client who was told of is counted again")
				}
			}
		}
		if told < most-3 || told > most+1 {
			t.Errorf("%s: %d alerts in ten days, want about %d", sensitivity, told, most)
		}
	}
}

// What many different clients do becomes usual; what few do often does not.
func TestCrowd(t *testing.T) {
	r := newRig(t, Config{})
	for i := range 4000 {
		v := r.usual()
		if i%10 == 0 {
			v = r.odd()
		}
		r.pass(uint64(i), v, time.Minute)
	}
	if out := r.pass(9_999_999, r.odd(), time.Minute); len(out) > 0 && out[0].A >= tell {
		t.Errorf("a tenth of all clients do that: %+v", out[0])
	}
	r = newRig(t, Config{})
	for i := range 4000 {
		v, client := r.usual(), uint64(i)
		if i%10 == 0 {
			v, client = r.odd(), 77
		}
		r.pass(client, v, time.Minute)
	}
	if out := r.pass(9_999_999, r.odd(), time.Minute); len(out) == 0 || out[0].A < tell {
		t.Errorf("one client did that: %+v", out)
	}
}

// The share of attacks that is still unusual when so many of all windows, from
// few addresses or from many that rules fired for, were attacks while the host
// was learned.
func TestPoisoning(t *testing.T) {
	for _, share := range []float64{0, 0.05, 0.20} {
		for _, from := range []string{"few", "many, of whom rules told"} {
			t.Run(fmt.Sprintf("%.0f %% from %s", 100*share, from), func(t *testing.T) {
				r := newRig(t, Config{Learning: 24 * time.Hour})
				attack := func() Vector {
					v := r.usual()
					for f := range v {
						v[f] += 0.25 + float32(r.rand.Float64())*0.2
					}
					return v
				}
				for i := range 6000 {
					v, client := r.usual(), uint64(i)
					if r.rand.Float64() < share {
						v = attack()
						if from == "few" {
							client = 50 + uint64(i%3)
						} else {
							r.Flag(addressOf(scattered(client), false), r.at)
						}
					}
					r.pass(client, v, time.Minute)
					if i == 3000 {
						if p := r.Points(); p != nil {
							r.Adopt(FitLocal(r.cfg.Model, p, 1))
						}
					}
				}
				if p := r.Points(); p != nil {
					r.Adopt(FitLocal(r.cfg.Model, p, 2))
				}
				found, wrong := 0, 0
				a := func(v Vector) float64 {
					base := r.cfg.Model.Forest.Score(&v)
					return r.value(base, r.score(&v, base), false)
				}
				for range 500 {
					if a(attack()) >= tell {
						found++
					}
					if a(r.usual()) >= tell {
						wrong++
					}
				}
				poisoned := 0
				for _, w := range r.reservoir.windows {
					if w.v[0] > 0.5+0.25-0.1 && r.cfg.Model.Forest.Score(&w.v) > r.cfg.Model.Gate {
						poisoned++
					}
				}
				t.Logf("%.1f %% found, %d of 500 harmless told, %d of %d remembered windows are attacks", float64(found)/5, wrong, poisoned, len(r.reservoir.windows))
				if found < 450 || wrong > 2 || poisoned > 0 {
					t.Errorf("%d of 500 attacks are unusual, and %d harmless windows", found, wrong)
				}
			})
		}
	}
}

// Nobody fills the reservoir alone.
func TestShares(t *testing.T) {
	r := newRig(t, Config{})
	for range 5000 {
		r.pass(7, r.usual(), time.Minute)
	}
	if n := len(r.reservoir.windows); n != oneShare {
		t.Errorf("one client has %d windows", n)
	}
	for i := range 5000 {
		w, v := window{client: 0x0a000100 + uint64(i%200), n: 5}, r.usual()
		r.judgeVector(&w, &v)
	}
	if n := len(r.reservoir.windows); n > oneShare+netShare {
		t.Errorf("and one network %d", n-oneShare)
	}
	if r.Points() != nil {
		t.Error("a forest of 60 windows")
	}
}

// A rule that fired takes the client's windows out of what a forest is fitted to.
func TestFlag(t *testing.T) {
	r := newRig(t, Config{})
	for i := range 1000 {
		r.pass(uint64(i), r.usual(), time.Second)
	}
	before := len(r.Points())
	for i := range 100 {
		r.Flag(addressOf(scattered(uint64(i)), false), r.at)
	}
	if after := len(r.Points()); before-after < 95 || before-after > 105 {
		t.Errorf("%d windows, then %d", before, after)
	}
	n := len(r.reservoir.windows)
	if r.pass(5, r.usual(), time.Second); len(r.reservoir.windows) != n {
		t.Error("it learned from a client for whom a rule fired")
	}
	r.at = r.at.Add(50 * time.Hour)
	if r.pass(5, r.usual(), time.Second); len(r.reservoir.windows) != n+1 {
		t.Error("it does not learn from the client ever again")
	}
	r.Flag(netip.Addr{}, r.at)
}

func TestSideFeatures(t *testing.T) {
	r := newRig(t, Config{})
	for i := range 2500 {
		r.pass(uint64(i), r.usual(), time.Minute)
	}
	r.hours[3] = 1000 // everybody comes at 3
	v := r.usual()
	v[featRhythm] = 0
	at := uint32(time.Date(2026, 3, 9, 3, 30, 0, 0, time.UTC).Unix())
	for _, tt := range []struct {
		w    window
		want float64
	}{
		{window{n: 30, last: at, newAgent: false}, 0.05},
		{window{n: 30, last: at, newAgent: true}, 0.1},
		{window{n: 30, last: at + 12*3600, newAgent: true}, 0.1}, // at most
		{window{n: 10, last: at}, 0},
	} {
		if got := r.side(&tt.w, &v); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%+v: %v, want %v", tt.w, got, tt.want)
		}
	}
}

// A country from which nobody ever tried to log in is one more reason, once.
func TestNewCountry(t *testing.T) {
	r := newRig(t, Config{Country: func(a netip.Addr) string {
		switch {
		case a.As4()[0] < 100:
			return "DE"
		case a.As4()[0] < 200:
			return "FR"
		}
		return ""
	}})
	r.hours[r.at.Hour()] = 1
	v, at := r.usual(), uint32(r.at.Unix())
	for i, tt := range []struct {
		client uint64
		login  bool
		want   float64
	}{{10 << 24, false, 0}, {10 << 24, true, 0.05}, {11 << 24, true, 0}, {150 << 24, true, 0.05}, {151 << 24, true, 0}, {210 << 24, true, 0}} {
		w := window{client: tt.client, login: tt.login, n: 5, last: at}
		if got := r.side(&w, &v); got != tt.want {
			t.Errorf("%d: %v, want %v", i, got, tt.want)
		}
		r.judgeVector(&w, &v)
	}
}

// Reasons say what differs, in the words of people.
func TestReasons(t *testing.T) {
	m := toyModel(t)
	m.Usual = Vector{featRequests: float32(math.Log1p(6)), featEntropy: 2, featPause: float32(math.Log1p(20)), featRhythm: 1, featDynamic: 0.4, featLength: float32(math.Log1p(20)), featPaths: float32(math.Log1p(4)), featAgents: float32(math.Log1p(1))}
	v := m.Usual
	v[featRequests], v[feat4xx], v[featRhythm] = float32(math.Log1p(412)), 0.92, 0.02
	for f, want := range map[int]string{
		featRequests: "412 requests, usual 6", feat4xx: "92 % of the answers are 4xx, usual 0 %", featRhythm: "its pauses are more even (variation 0.02, usual 1.00)",
	} {
		if got := reason(f, &v, &m.Usual); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for f := range NumFeatures {
		if text := reason(f, &v, &m.Usual); text == "" || strings.Contains(text, "NaN") || len(text) > 150 {
			t.Errorf("%s: %q", FeatureNames[f], text)
		}
	}
}

func TestState(t *testing.T) {
	r := newRig(t, Config{Seed: 99, Learning: time.Hour})
	r.logins[countryPlace("DE")] = true
	for i := range 3000 {
		r.pass(uint64(i), r.usual(), time.Minute)
		if i%100 == 0 {
			r.Flag(addressOf(scattered(uint64(i)), false), r.at)
			r.pass(uint64(i+10_000), r.odd(), time.Second)
		}
	}
	data := r.AppendState(nil)
	t.Logf("%d bytes", len(data))
	next := newRig(t, Config{Seed: 1, Learning: time.Hour})
	if err := next.LoadState(data); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(next.AppendState(nil), data) {
		t.Error("another state came back")
	}
	next.at = r.at
	v := r.odd()
	a, b := r.pass(5_000_000, v, time.Second), next.pass(5_000_000, v, time.Second)
	if len(a) != 1 || len(b) != 1 || a[0].A != b[0].A || r.Learned() != next.Learned() {
		t.Errorf("%+v and %+v", a, b)
	}
	for _, bad := range [][]byte{nil, []byte("rubbish"), data[:len(data)/2], data[:len(data)-1], append(bytes.Clone(data), 0)} {
		s := newRig(t, Config{})
		if err := s.LoadState(bad); !errors.Is(err, ErrState) || s.seen != 0 {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

func FuzzState(f *testing.F) {
	m := toyModel(f)
	s := New(Config{Model: m, Seed: 3})
	ev := get("203.0.113.9", t0, "/", 200)
	for i := range 200 {
		s.Observe(ev, t0.Add(time.Duration(i)*7*time.Minute))
		ev.Time = t0.Add(time.Duration(i) * 7 * time.Minute)
	}
	f.Add(s.AppendState(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := New(Config{Model: m})
		if s.LoadState(data) != nil {
			return
		}
		for i := range 20 {
			s.Observe(ev, t0.Add(time.Duration(i)*time.Minute))
		}
		s.Finish()
		s.Points()
		s.AppendState(nil)
	})
}
