package anomaly

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// learned is a world that knows two weeks of itself.
func learned(t *testing.T) *world {
	w := newWorld(t)
	w.pass(14*binsOfDay, w.usual)
	if w.x.Learning() {
		t.Fatalf("after two weeks %.2f is learned", w.x.Progress())
	}
	w.got = nil
	return w
}

func (w *world) surge(times int) func() {
	return func() {
		for range times {
			w.usual()
		}
	}
}

// restarted is a world after a restart of the agent.
func (w *world) restarted() {
	w.t.Helper()
	w.rows, w.states = w.rows[:0], w.states[:0]
	for _, x := range w.set.all { // all of them, not only what changed
		for m := range NumMetrics {
			if x.base[m] == nil {
				continue
			}
			for hour := range HoursOfWeek {
				if x.base[m].Hours[hour].N > 0 {
					w.rows = append(w.rows, x.row(m, hour))
				}
			}
		}
		w.states = append(w.states, State{x.id, x.save()})
	}
	next := NewSeries(w.set.cfg)
	if err := next.Load(w.rows, w.states); err != nil {
		w.t.Fatal(err)
	}
	if err := next.LoadKnown(w.set.AppendKnown(nil)); err != nil {
		w.t.Fatal(err)
	}
	w.set, w.x = next, next.Source(w.x.id, "")
}

func TestRestart(t *testing.T) {
	w := learned(t)
	before := w.x.Progress()
	bins, since := w.x.bins, w.x.first
	mean, v, _ := w.x.base[Requests].expect(30, w.x.weeks())
	w.restarted()
	if w.x.Learning() || w.x.Progress() != before || w.x.bins != bins || w.x.first != since {
		t.Errorf("after the restart %d bins since %d, %.2f learned", w.x.bins, w.x.first, w.x.Progress())
	}
	if m, u, _ := w.x.base[Requests].expect(30, w.x.weeks()); math.Abs(m-mean) > 1e-4 || math.Abs(u-v) > 1e-4 {
		t.Errorf("expected are %v, %v; before it were %v, %v", m, u, mean, v)
	}
	// The bin in which it starts is not whole, nothing is said about it.
	w.now = w.now.Add(3*time.Hour + 4*time.Minute)
	w.pass(3*binsOfDay, w.usual)
	if n := len(w.anomalies()) + len(w.notices(NoticeQuiet)); n > 2 {
		t.Errorf("after the restart %d things are told: %+v", n, w.got)
	}
	w.got = nil
	w.pass(4, w.surge(8))
	w.pass(1, w.usual)
	if len(w.anomalies()) == 0 {
		t.Error("after the restart a surge is not seen")
	}
}

func TestChangedOnce(t *testing.T) {
	w := newWorld(t)
	w.pass(3, w.usual)
	rows, states := w.set.Changed()
	if len(rows) == 0 || len(states) != 1 || rows[0].Source != w.x.id || rows[0].Samples != 1 {
		t.Fatalf("%d rows, %d states: %+v", len(rows), len(states), rows)
	}
	if rows, states := w.set.Changed(); len(rows)+len(states) != 0 {
		t.Errorf("the same is handed out twice: %v", rows)
	}
	w.pass(2, w.usual)
	rows, _ = w.set.Changed()
	seen := map[[3]int]bool{}
	for _, r := range rows {
		m, _ := ParseMetric(r.Metric)
		k := [3]int{int(m), r.Weekday, r.Hour}
		if seen[k] {
			t.Errorf("a bucket is handed out twice: %+v", r)
		}
		seen[k] = true
	}
}

// TestGaps: a log that is silent has empty bins; a host that was off has none.
func TestGaps(t *testing.T) {
	t.Run("silent for an hour", func(t *testing.T) {
		w := newWorld(t)
		w.pass(10, w.usual)
		bins := w.x.bins
		w.pass(12, func() {})
		w.pass(2, w.usual)
		if got := w.x.bins - bins; got != 14 {
			t.Errorf("%d bins in an hour and ten minutes, want 14", got)
		}
	})
	t.Run("off for two days", func(t *testing.T) {
		w := newWorld(t)
		w.pass(10, w.usual)
		bins := w.x.bins
		w.now = w.now.Add(48 * time.Hour)
		w.pass(3, w.usual)
		if got := w.x.bins - bins; got > 3 {
			t.Errorf("%d bins were learned of two days off", got)
		}
	})
	t.Run("asleep without a tick", func(t *testing.T) {
		w := newWorld(t)
		w.pass(10, w.usual)
		bins := w.x.bins
		w.now = w.now.Add(3 * time.Hour)
		w.set.Advance(w.now)
		w.set.Advance(w.now.Add(time.Second))
		if got := w.x.bins - bins; got > 0 {
			t.Errorf("%d bins were learned while the host slept", got)
		}
	})
	t.Run("no line, but ticks", func(t *testing.T) {
		w := newWorld(t)
		w.pass(10, w.usual)
		bins := w.x.bins
		for range 60 {
			w.now = w.now.Add(time.Minute)
			w.set.Advance(w.now)
		}
		if got := w.x.bins - bins; got < 9 || got > 12 {
			t.Errorf("%d bins in an hour without a line", got)
		}
	})
	t.Run("a source without any line", func(t *testing.T) {
		w := newWorld(t)
		for range 100 {
			w.now = w.now.Add(time.Minute)
			if w.set.Advance(w.now) {
				t.Fatal("something is told about nothing")
			}
		}
		if st, _ := w.set.Status(); len(st) != 0 {
			t.Errorf("status has %+v", st)
		}
	})
}

// TestBacklog: lines that were written while the agent was down are read after
// its start; they count where they belong, and ticks do not run ahead of them.
func TestBacklog(t *testing.T) {
	w := newWorld(t)
	arrival := monday.Add(10 * time.Hour)
	for i := range 6 * 12 { // six hours of lines
		at := monday.Add(time.Duration(i) * BinLength)
		for range 40 {
			w.now = arrival
			w.send(client(i), "/", 200, at)
		}
		w.set.Advance(arrival)
		arrival = arrival.Add(time.Second)
	}
	if w.x.bins < 70 || w.x.bins > 72 {
		t.Errorf("%d bins of 72", w.x.bins)
	}
	for hour := range 5 {
		if m := w.x.base[Requests].Hours[24+hour]; m.N < 11 || math.Abs(float64(m.Mean)-math.Log1p(40)) > 0.01 {
			t.Errorf("hour %d: %+v", hour, m)
		}
	}
	// Lines that are late by less than ten minutes count, later ones do not.
	events := w.x.bin.events
	w.send(client(1), "/", 200, monday.Add(6*time.Hour-8*time.Minute))
	w.send(client(1), "/", 200, monday.Add(5*time.Hour))
	if w.x.bin.events != events+1 || w.set.Stats().Late != 1 {
		t.Errorf("%d events were counted, %d late", w.x.bin.events-events, w.set.Stats().Late)
	}
	// A stamp in the future is the time of arrival.
	w.send(client(1), "/", 200, arrival.AddDate(1, 0, 0))
	if w.x.open != w.now.Unix()/binSeconds {
		t.Errorf("a stamp in the future moved the bin to %d", w.x.open)
	}
}

// TestFaultClock: when clocks go back for the winter, an hour of the week is seen
// twice; when they go forward, one is missed. A clock that jumps loses bins, and
// nothing else.
func TestFaultClock(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		start time.Time
		hour  int // of Sunday
		most  int
	}{
		{"D15 clocks go forward an hour: it is missed", time.Date(2026, 3, 29, 0, 0, 0, 0, berlin), 2, 0},
		{"D15 clocks go back an hour: it is seen twice", time.Date(2026, 10, 25, 0, 0, 0, 0, berlin), 2, 24},
		{"D15 an ordinary day: an hour is seen once", time.Date(2026, 6, 7, 0, 0, 0, 0, berlin), 2, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.set.Configure(SeriesConfig{Location: berlin, Learning: 7 * 24 * time.Hour})
			w.now = c.start
			w.pass(binsOfDay+13, w.usual)
			if n := int(w.x.base[Requests].Hours[c.hour].N); n != c.most {
				t.Errorf("hour %d has %d samples, want %d", c.hour, n, c.most)
			}
			if n := w.x.base[Requests].Hours[5].N; n != 12 {
				t.Errorf("hour 5 has %d samples", n)
			}
		})
	}
	for name, jump := range map[string]time.Duration{"D15 the clock jumps a day ahead, and back": 24 * time.Hour, "D15 the clock jumps a day back, and ahead": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.now = w.now.AddDate(0, 0, 7)
			w.pass(2*binsOfDay, w.usual)
			bins := w.x.bins
			w.now = w.now.Add(jump)
			w.pass(6, w.usual)
			w.now = w.now.Add(-jump)
			w.pass(12, w.usual)
			if got := w.x.bins - bins; got < 14 || got > 18+binsOfDay {
				t.Errorf("%d bins in an hour and a half around the jump", got)
			}
			if n := w.set.Stats().Late; n > 200 {
				t.Errorf("%d lines do not count", n)
			}
			if p := w.x.Progress(); p < 0 || p > 0.4 {
				t.Errorf("%.2f is learned", p)
			}
			if n := len(w.anomalies()) + len(w.notices(NoticeQuiet)); n != 0 {
				t.Errorf("%d things are told", n)
			}
		})
	}
}

func TestQuiet(t *testing.T) {
	w := learned(t)
	w.pass(12, func() {})
	got := w.notices(NoticeQuiet)
	if len(got) != 1 || !strings.Contains(got[0], "fell quiet: 0 lines in five minutes, usual at Mon 00h are ") {
		t.Fatalf("told %q", got)
	}
	if len(w.anomalies()) != 0 {
		t.Errorf("silence raises scores: %+v", w.anomalies())
	}
	w.pass(12, w.usual)
	w.pass(12, func() {})
	if got := w.notices(NoticeQuiet); len(got) != 2 {
		t.Errorf("told %d times of two silences", len(got))
	}
}

// TestPoisonedWeek: an attack that goes on while the agent learns. Where rules
// see it, it teaches nothing; where they do not, it is bounded.
func TestPoisonedWeek(t *testing.T) {
	flood := func(w *world, said Said) func() {
		return func() {
			w.usual()
			if hour := w.now.Hour(); hour >= 2 && hour < 4 { // each night
				for range 3000 {
					w.ev = sentinel.Event{Time: w.now, Type: sentinel.EventHTTPAccess, SourceType: sentinel.TypeNginx, Repeat: 1, SrcIP: client(90_000)}
					w.ev.HTTP = sentinel.HTTP{Method: "GET", Path: "/", Status: 200, Bytes: 2000}
					w.observe(said)
				}
			}
		}
	}
	clean := newWorld(t)
	clean.pass(7*binsOfDay, clean.usual)
	seen := newWorld(t)
	seen.pass(7*binsOfDay, flood(seen, Hostile))
	unseen := newWorld(t)
	unseen.pass(7*binsOfDay, flood(unseen, 0))
	at := 24 + 12 // Monday noon, when nothing happened
	upper := func(w *world, hour int) float64 {
		m, v, _ := w.x.base[Requests].expect(hour, w.x.weeks())
		return Requests.undo(m + 4*math.Sqrt(v+leastVariance))
	}
	c, s, u := upper(clean, at), upper(seen, at), upper(unseen, at)
	t.Logf("from so many requests on a bin at noon is unusual: %.0f after a clean week, %.0f where rules saw the attack, %.0f where not", c, s, u)
	if math.Abs(s-c) > 0.1*c {
		t.Errorf("an attack that rules see moves the limit from %.0f to %.0f", c, s)
	}
	if u > 3*c {
		t.Errorf("an attack that no rule sees moves the limit at noon from %.0f to %.0f", c, u)
	}
	// A week of it after learning barely moves what is usual at noon, and people
	// are told that the nights changed.
	late := learned(t)
	before := upper(late, at)
	late.pass(7*binsOfDay, flood(late, 0))
	if after := upper(late, at); after > 1.5*before {
		t.Errorf("a poisoned week after learning moves the limit from %.0f to %.0f", before, after)
	}
	if len(late.anomalies()) == 0 {
		t.Error("the flood is not seen")
	}
}

func TestBaselineMoves(t *testing.T) {
	w := newWorld(t)
	w.pass(2*int(binsAWeek)+10, w.usual)
	if got := w.notices(NoticeMoved); len(got) != 0 {
		t.Fatalf("told %q of a week like the one before", got)
	}
	w.pass(int(binsAWeek)+10, w.surge(3))
	got := strings.Join(w.notices(NoticeMoved), "\n")
	if !strings.Contains(got, "what is usual of requests has risen within a week, from about ") || !strings.Contains(got, "sentinelctl ai forget") {
		t.Errorf("told %q", got)
	}
}

func TestFlood(t *testing.T) {
	w := learned(t)
	w.pass(3, func() {
		w.usual()
		for i := range 900 {
			w.send(client(100_000+w.random.IntN(1<<16)), "/checkout", 200, time.Time{})
			_ = i
		}
	})
	w.pass(1, w.usual)
	var f *Flood
	for _, c := range w.got {
		if c.Flood != nil && f == nil {
			f = c.Flood
		}
	}
	if f == nil {
		t.Fatalf("the flood is not seen: %+v", w.anomalies()[0].Reasons)
	}
	t.Logf("%+v", *f)
	if f.Path != "/checkout" || f.Addrs < FloodAddrs || f.Addrs > 900 || f.Rate < 800 || f.Usual > 200 {
		t.Errorf("the flood is %+v", f)
	}
	// A crowd that reads pages of all kinds is unusual and no such flood.
	w = learned(t)
	w.pass(3, func() {
		for range 600 {
			w.send(client(300_000+w.random.IntN(1<<16)), "/p/"+strings.Repeat("x", 1+w.random.IntN(60)), 200, time.Time{})
		}
	})
	for _, c := range w.got {
		if c.Flood != nil {
			t.Errorf("a crowd is taken for a flood: %+v", c.Flood)
		}
	}
}

func TestBounds(t *testing.T) {
	w := newWorld(t)
	for i := range 2 * MaxSources {
		x := w.set.Source(strings.Repeat("s", i+1), sentinel.TypeNginx)
		if (x == nil) != (i >= MaxSources-1) {
			t.Fatalf("source %d: %v", i, x != nil)
		}
		w.set.Source(strings.Repeat("s", i+1), sentinel.TypeNginx)
	}
	if _, left := w.set.Status(); left != MaxSources+1 {
		t.Errorf("%d sources are said not to be watched, want %d", left, MaxSources+1)
	}
	w = newWorld(t)
	w.set.LocateBy(func(a netip.Addr) string { return [...]string{"DE", "NL", "FR"}[a.As16()[15]%3] })
	w.pass(binsOfDay, w.usual)
	if n := w.x.bytes(); n > 48<<10 {
		t.Errorf("a source takes %d bytes", n)
	}
	if n := w.set.Stats().Bytes; n > 400<<10 {
		t.Errorf("the set takes %d bytes", n)
	}
}

func TestForget(t *testing.T) {
	w := learned(t)
	if !w.set.Forget(w.x.id) || w.set.Forget("none") || w.set.Baseline(w.x.id)["requests"] != nil || w.x.Progress() != 0 {
		t.Error("not all is forgotten")
	}
	w.pass(3, w.usual)
	if !w.x.Learning() || w.x.bins == 0 {
		t.Error("it does not learn anew")
	}
}

func TestLoadFaults(t *testing.T) {
	w := newWorld(t)
	w.pass(20, w.usual)
	rows, states := w.set.Changed()
	good := func() (r []Row, s []State) { return append(r, rows...), append(s, states...) }
	for name, spoil := range map[string]func(r []Row, s []State){
		"no such metric":         func(r []Row, _ []State) { r[0].Metric = "reqests" },
		"hour 24":                func(r []Row, _ []State) { r[0].Hour = 24 },
		"weekday -1":             func(r []Row, _ []State) { r[0].Weekday = -1 },
		"mean is not a number":   func(r []Row, _ []State) { r[0].Mean = math.NaN() },
		"deviation is negative":  func(r []Row, _ []State) { r[0].Stddev = -1 },
		"deviation is enormous":  func(r []Row, _ []State) { r[0].Stddev = 1e300 },
		"no sample":              func(r []Row, _ []State) { r[0].Samples = 0 },
		"too many samples":       func(r []Row, _ []State) { r[0].Samples = 49 },
		"state is no JSON":       func(_ []Row, s []State) { s[0].Data = []byte("{") },
		"state of another kind":  func(_ []Row, s []State) { s[0].Data = []byte(`{"v":2}`) },
		"state with few metrics": func(_ []Row, s []State) { s[0].Data = []byte(`{"v":1,"weekly":[]}`) },
	} {
		r, s := good()
		spoil(r, s)
		if err := NewSeries(SeriesConfig{}).Load(r, s); err == nil || !strings.Contains(err.Error(), w.x.id) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, s := good()
	if err := NewSeries(SeriesConfig{}).Load(r, s); err != nil {
		t.Error(err)
	}
	if err := NewSeries(SeriesConfig{}).LoadKnown([]byte("x")); err == nil {
		t.Error("a damaged record of addresses is taken")
	}
}

func FuzzLoadState(f *testing.F) {
	set := NewSeries(SeriesConfig{})
	x := set.Source("a", sentinel.TypeSSH)
	x.site = newSiteDist()
	f.Add(x.save())
	f.Add([]byte(`{"v":1,"geo":{"days":3,"shares":{"DE":2}},"weekly":[{},{},{},{},{},{},{},{},{},{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set := NewSeries(SeriesConfig{})
		if set.Load(nil, []State{{"a", data}}) != nil {
			return
		}
		x := set.Source("a", "")
		ev := sentinel.Event{Time: monday, Type: sentinel.EventHTTPAccess, Repeat: 1, SrcIP: client(1)}
		x.Observe(&ev, monday, 0)
		set.Advance(monday)
		x.save()
	})
}

// TestAbove: five times as many failed logins as usual.
func TestAbove(t *testing.T) {
	w := newWorld(t)
	fail := func(n int) {
		for range n {
			w.ev = sentinel.Event{Time: w.now, Type: sentinel.EventHTTPAccess, Repeat: 1, SrcIP: client(7)}
			w.ev.HTTP = sentinel.HTTP{Method: "POST", Path: "/wp-login.php", Status: 200}
			w.observe(LoginFailed)
		}
	}
	w.pass(4*binsOfDay, func() { w.usual(); fail(2) })
	if _, ok := w.x.Above(5, 10*time.Minute); ok {
		t.Error("it is known while it is learned")
	}
	w.pass(4*binsOfDay, func() { w.usual(); fail(2) })
	fail(9)
	if above, ok := w.x.Above(5, 10*time.Minute); above || !ok {
		t.Errorf("9 where 2 are usual: %v, %v", above, ok)
	}
	fail(3)
	if above, _ := w.x.Above(5, 10*time.Minute); !above {
		t.Error("12 where 2 are usual are not above")
	}
	w.pass(1, func() {}) // the bin before counts, too
	w.send(client(1), "/", 200, time.Time{})
	if above, _ := w.x.Above(5, 10*time.Minute); !above {
		t.Error("the bin before does not count")
	}
	// One in ten minutes is seen in an hour only.
	w.pass(binsOfDay, func() { w.usual() })
	if above, ok := w.x.Above(5, 24*time.Hour); above || !ok {
		t.Errorf("nothing in the last hour: %v, %v", above, ok)
	}
}
