package anomaly

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

var t0 = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// get is a request.
func get(addr string, at time.Time, target string, status int) *sentinel.Event {
	path, query := target, ""
	for i := range len(target) {
		if target[i] == '?' {
			path, query = target[:i], target[i+1:]
			break
		}
	}
	return &sentinel.Event{
		Time: at, Type: sentinel.EventHTTPAccess, Source: "access.log", SourceType: sentinel.TypeNginx, SrcIP: netip.MustParseAddr(addr), Repeat: 1,
		Raw:  fmt.Sprintf("%s - - [] \"GET %s HTTP/1.1\" %d", addr, target, status),
		HTTP: sentinel.HTTP{Method: "GET", Target: target, Path: path, Query: query, Status: status, UserAgent: "Mozilla/5.0", Referer: "https://example.org/"},
	}
}

// toyModel is of windows as toyWindow makes them.
func toyModel(tb testing.TB) *Model {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	var all []Vector
	for range 3000 {
		all = append(all, toyWindow(r))
	}
	m, err := Train(all, 7, Card{Name: "toy"})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func toyWindow(r *rand.Rand) (v Vector) {
	for f := range v {
		v[f] = float32(r.NormFloat64()*0.1 + 0.5)
	}
	return v
}

func TestVector(t *testing.T) {
	var w window
	for i, target := range []string{"/a?x=%27", "/b", "/a?x=1"} {
		ev := get("203.0.113.9", t0, target, []int{404, 500, 200}[i])
		s := Stage{hash: newHasher(2)}
		if i == 1 {
			ev.HTTP.Method, ev.HTTP.Referer, ev.HTTP.UserAgent = "POST", "", "curl/8"
		}
		s.read(ev, uint32(100+i*i*10))
		w.add(&s.request)
	}
	v := w.vector()
	mean, sd := 20.0, 10.0
	want := Vector{
		featRequests: float32(math.Log1p(3)), feat4xx: 0.2, feat5xx: 0.2, featPaths: float32(math.Log1p(2)),
		featEntropy: 0.9182958, featSpread: 0.4, featPause: float32(math.Log1p(mean)), featRhythm: float32(sd / mean),
		featDynamic: 1, featPost: 1. / 3, featLength: float32(math.Log1p(16. / 3)), featSpecial: 1. / 16, featNoReferer: 1. / 3,
	}
	want[featAgents] = float32(math.Log1p(estimate(2, 32)))
	for f := range v {
		if math.Abs(float64(v[f]-want[f])) > 1e-5 {
			t.Errorf("%s is %v, want %v", FeatureNames[f], v[f], want[f])
		}
	}
}

// Features are bounded whatever comes, and about right for many paths.
func TestVectorOfMany(t *testing.T) {
	s := Stage{hash: newHasher(1)}
	var w window
	for i := range 300 {
		ev := get("203.0.113.9", t0, fmt.Sprintf("/p%d", i), 404)
		s.read(ev, uint32(i))
		w.add(&s.request)
	}
	v := w.vector()
	if d := math.Expm1(float64(v[featPaths])); d < 200 || d > 300 {
		t.Errorf("%.0f of 300 paths", d)
	}
	if h := float64(v[featEntropy]); h < 7.5 || h > math.Log2(300)+0.01 {
		t.Errorf("%.2f bits, want about %.2f", h, math.Log2(300))
	}
	w.n, w.squares, w.last = math.MaxUint32, math.MaxFloat32, math.MaxUint32
	for f, x := range w.vector() {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) || x > 64 || x < 0 {
			t.Errorf("%s is %v", FeatureNames[f], x)
		}
	}
	for f, x := range (&window{}).vector() {
		if x != 0 {
			t.Errorf("%s of nothing is %v", FeatureNames[f], x)
		}
	}
}

// A window taken in parts is the window.
func TestMerge(t *testing.T) {
	s := Stage{hash: newHasher(1)}
	var whole, a, b window
	for i := range 9 {
		s.read(get("203.0.113.9", t0, fmt.Sprintf("/p%d?a=%d", i%4, i), 200+i%2*204), uint32(i*i))
		whole.add(&s.request)
		if i < 4 {
			a.add(&s.request)
		} else {
			b.add(&s.request)
		}
	}
	a.merge(&b)
	x, y := whole.vector(), a.vector()
	for f := range x {
		if math.Abs(float64(x[f]-y[f])) > 1e-5 {
			t.Errorf("%s: %v in one, %v in parts", FeatureNames[f], x[f], y[f])
		}
	}
}

// Each request belongs to one window that is judged, or to one with too few.
func TestWindowsOfAStage(t *testing.T) {
	s := New(Config{Model: toyModel(t)})
	at := t0
	send := func(addr string, n int) {
		for i := range n {
			s.Observe(get(addr, at, fmt.Sprintf("/%d", i), 200), at)
		}
	}
	send("203.0.113.1", 5) // judged
	send("203.0.113.2", 2) // goes on in its hour
	at = at.Add(6 * time.Minute)
	send("203.0.113.2", 2)
	send("2001:db8::1", 3)
	if s.Stats().Windows != 1 {
		t.Errorf("%d windows judged, want 1", s.Stats().Windows)
	}
	at = at.Add(5 * time.Minute)
	s.Tick(at)
	if s.Stats().Windows != 2 || s.Stats().Clients != 1 {
		t.Errorf("%+v", s.Stats())
	}
	at = at.Add(time.Hour)
	s.Tick(at)
	if s.Stats().Windows != 3 || s.Stats().Clients != 0 {
		t.Errorf("after an hour %+v", s.Stats())
	}
	send("203.0.113.3", 2)
	s.Observe(get("203.0.113.3", at.Add(-11*time.Minute), "/", 200), at) // too late to count
	s.Observe(&sentinel.Event{Type: sentinel.EventAuthFail, SrcIP: netip.MustParseAddr("203.0.113.3")}, at)
	s.Finish()
	if s.Stats().Windows != 3 || s.Stats().Clients != 0 {
		t.Errorf("at the end %+v", s.Stats())
	}
}

// A flood of addresses with one request each neither grows the table nor pushes
// out a client who is at work.
func TestFloodOfClients(t *testing.T) {
	s := New(Config{Model: toyModel(t), MaxClients: 1000})
	for i := range 5 {
		s.Observe(get("203.0.113.1", t0, fmt.Sprintf("/%d", i), 200), t0)
	}
	ev := get("10.0.0.0", t0, "/", 200)
	for i := range 200_000 {
		ev.SrcIP = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		s.Observe(ev, t0)
	}
	if st := s.Stats(); st.Clients != 1000 || st.Evicted < 190_000 {
		t.Errorf("%+v", st)
	}
	client, v6 := clientOf(netip.MustParseAddr("203.0.113.1"))
	if id := s.table.find(client, v6, short); id == 0 || s.table.at(id).n != 5 {
		t.Error("the client at work is gone")
	}
	for i := range 100_000 { // even if each comes four times
		for range 4 {
			ev.SrcIP = netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
			s.Observe(ev, t0)
		}
	}
	if st := s.Stats(); st.Clients != 1000 || st.Windows < 90_000 {
		t.Errorf("%+v", st)
	}
}

// The table against a map.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	tab := newTable(500, newHasher(5))
	type key struct {
		client uint64
		k      kind
	}
	want := map[key]uint32{}
	for step := range 200_000 {
		k := key{r.Uint64N(700), kind(r.UintN(2))}
		id := tab.find(k.client, false, k.k)
		if w, ok := want[k]; ok != (id != 0) || ok && tab.at(id).n != w {
			t.Fatalf("step %d: %v is %d, want %v", step, k, id, ok)
		}
		switch {
		case id != 0 && r.UintN(3) == 0:
			tab.remove(id)
			delete(want, k)
		case id != 0:
			tab.at(id).n++
			want[k]++
			tab.keep(id)
		default:
			for tab.len >= tab.limit {
				v := tab.victim()
				delete(want, key{tab.at(v).client, tab.at(v).kind})
				tab.remove(v)
			}
			tab.make(k.client, false, k.k, 0)
			want[k] = 0
		}
		if tab.len != len(want) {
			t.Fatalf("step %d: %d windows, want %d", step, tab.len, len(want))
		}
	}
	all := 0
	for _, q := range tab.queues {
		all += q.len
	}
	if all != tab.len {
		t.Errorf("%d in queues of %d", all, tab.len)
	}
}

func TestNoAllocationPerEvent(t *testing.T) {
	s := New(Config{Model: toyModel(t)})
	ev := get("203.0.113.1", t0, "/a/b?c=1", 200)
	i := 0
	if n := testing.AllocsPerRun(20_000, func() {
		i++
		ev.SrcIP = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8 & 15), byte(i)})
		s.Observe(ev, t0)
	}); n > 0.1 { // a chunk now and then while it grows
		t.Errorf("%v allocations an event", n)
	}
}

func TestMemoryOfManyClients(t *testing.T) {
	s := New(Config{Model: toyModel(t)})
	ev := get("10.0.0.0", t0, "/", 200)
	for i := range 300_000 {
		ev.SrcIP = netip.AddrFrom4([4]byte{10, byte(i % 100_000 >> 16), byte(i % 100_000 >> 8), byte(i % 100_000)})
		s.Observe(ev, t0)
	}
	st := s.Stats()
	t.Logf("%d clients, %.1f MB", st.Clients, float64(st.Bytes)/1e6)
	if st.Bytes > 20_000_000 || st.Clients < 98_000 {
		t.Errorf("%+v", st)
	}
}

// Many clients at work, whose windows end and are judged.
func BenchmarkObserve(b *testing.B) {
	for _, clients := range []int{100, 100_000} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			s := New(Config{Model: toyModel(b)})
			ev := get("10.0.0.0", t0, "/shop/products/list?page=3&sort=price", 200)
			ev.HTTP.UserAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36"
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				c := i % clients
				ev.SrcIP = netip.AddrFrom4([4]byte{10, byte(c >> 16), byte(c >> 8), byte(c)})
				ev.Time = t0.Add(time.Duration(i) * time.Millisecond)
				s.Observe(ev, ev.Time)
			}
		})
	}
}

func BenchmarkScore(b *testing.B) {
	m := toyModel(b)
	v := toyWindow(rand.New(rand.NewPCG(9, 9)))
	for b.Loop() {
		m.Forest.Score(&v)
	}
}
