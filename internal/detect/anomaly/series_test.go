package anomaly

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// monday is the start of the simulated time.
var monday = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// world is a web site with a few hundred regular visitors.
type world struct {
	t      *testing.T
	set    *SeriesSet
	x      *Series
	random *rand.Rand
	ev     sentinel.Event
	now    time.Time
	got    []Closed
	rows   []Row
	states []State
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(1, 2)), now: monday}
	w.set = NewSeries(SeriesConfig{Learning: 7 * 24 * time.Hour, Sensitivity: SensitivityMedium, Seed: 7})
	w.x = w.set.Source("/var/log/nginx/access.log", sentinel.TypeNginx)
	return w
}

func client(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{100, 64 + byte(i>>16), byte(i >> 8), byte(i)})
}

// send is one request; at the time of the world if at is zero.
func (w *world) send(addr netip.Addr, path string, status int, at time.Time) {
	if at.IsZero() {
		at = w.now
	}
	w.ev = sentinel.Event{Time: at, Type: sentinel.EventHTTPAccess, SourceType: sentinel.TypeNginx, Repeat: 1, SrcIP: addr}
	w.ev.HTTP = sentinel.HTTP{Method: "GET", Path: path, Status: status, Bytes: 2000}
	w.observe(0)
}

func (w *world) observe(said Said) {
	if w.x.Observe(&w.ev, w.now, said) {
		w.collect()
	}
}

func (w *world) collect() {
	w.got = append(w.got, w.set.Closed()...)
}

// usual is a bin of ordinary visits: about 60 by night and 160 by day.
func (w *world) usual() {
	hour := float64(w.now.Hour()) + float64(w.now.Minute())/60
	mean := 100 * math.Exp(0.5*math.Sin(2*math.Pi*(hour-8)/24))
	for range poisson(w.random, mean*gammaVariate(w.random, 20)/20) {
		status := 200
		if w.random.IntN(30) == 0 {
			status = 404
		}
		w.send(client(w.random.IntN(400)), fmt.Sprintf("/page/%d", w.random.IntN(40)), status, time.Time{})
	}
}

// pass lets so many bins go by, each filled by f.
func (w *world) pass(bins int, f func()) {
	for range bins {
		f()
		w.now = w.now.Add(BinLength)
		if w.set.Advance(w.now) {
			w.collect()
		}
	}
}

const binsOfDay = int(binsADay)

func (w *world) anomalies() (out []*sentinel.Anomaly) {
	for _, c := range w.got {
		if c.Anomaly != nil {
			out = append(out, c.Anomaly)
		}
	}
	return out
}

func (w *world) notices(kind string) (out []string) {
	for _, c := range w.got {
		for _, n := range c.Notices {
			if n.Kind == kind {
				out = append(out, n.Text)
			}
		}
	}
	return out
}

func TestSurge(t *testing.T) {
	w := newWorld(t)
	w.pass(6*binsOfDay, w.usual)
	w.pass(6, func() {
		for range 5 {
			w.usual()
		}
	})
	if n := len(w.anomalies()); n != 0 || !w.x.Learning() || w.x.Progress() < 0.84 || w.x.Progress() > 0.87 {
		t.Fatalf("while it learns: %d anomalies, %.2f", n, w.x.Progress())
	}
	w.pass(8*binsOfDay, w.usual)
	if n := len(w.anomalies()); n > 4 {
		t.Errorf("%d anomalies in a quiet week", n)
	}
	if w.x.Learning() {
		t.Fatal("it learns for ever")
	}
	w.got = nil
	w.pass(6, func() {
		for range 6 {
			w.usual()
		}
	})
	w.pass(1, w.usual)
	got := w.anomalies()
	if len(got) == 0 {
		t.Fatal("a surge is not seen")
	}
	a := got[0]
	t.Logf("%+v", a)
	if a.A < 0.4 || a.A > 0.8 || a.Addr.IsValid() || a.Source != w.x.id || a.Window != BinLength || len(a.Reasons) == 0 {
		t.Errorf("the anomaly is %+v", a)
	}
	if !strings.Contains(strings.Join(a.Reasons, "\n"), "requests ") || !strings.Contains(a.Reasons[0], ", usual at Mon 00h: ") || !strings.Contains(a.Reasons[0], "(z ") {
		t.Errorf("the reasons are %q", a.Reasons)
	}
}

func BenchmarkSeries(b *testing.B) {
	set := NewSeries(SeriesConfig{Learning: time.Hour, Seed: 3})
	x := set.Source("a", sentinel.TypeNginx)
	ev := sentinel.Event{Type: sentinel.EventHTTPAccess, Repeat: 1}
	ev.HTTP = sentinel.HTTP{Method: "GET", Status: 200, Bytes: 1000}
	paths := make([]string, 64)
	for i := range paths {
		paths[i] = fmt.Sprintf("/some/longer/path/of/a/page/%d/index.html", i)
	}
	now := monday
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		ev.SrcIP, ev.HTTP.Path = client(i*7919%2000), paths[i%64]
		if i%1000 == 0 {
			now = now.Add(time.Second)
		}
		ev.Time = now
		x.Observe(&ev, now, 0)
		set.out = set.out[:0]
		i++
	}
}

// TestSeriesAllocates: an event that ends no bin allocates nothing.
func TestSeriesAllocates(t *testing.T) {
	w := newWorld(t)
	w.send(client(1), "/", 200, time.Time{})
	w.send(client(1), "/", 200, time.Time{})
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		i++
		w.send(client(i), "/page", 200, time.Time{})
	}); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}
