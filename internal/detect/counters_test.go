package detect

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

const noon = 1_770_000_000

func testTable() *table { return newTable(1<<16, 1<<14, 4) }

func TestEntrySize(t *testing.T) {
	if n := unsafe.Sizeof(entry{}); n != entryBytes {
		t.Errorf("an entry has %d bytes, entryBytes says %d", n, entryBytes)
	}
	if n := unsafe.Sizeof(block{}); n != blockBytes {
		t.Errorf("a block has %d bytes, blockBytes says %d", n, blockBytes)
	}
}

// event is one of a random stream.
type event struct {
	at    uint32
	value uint64
	n     int
}

// stream makes random times: mostly in order, at times late, at times after a
// long silence, at times repeated.
func stream(r *rand.Rand, n, span int) []event {
	evs := make([]event, n)
	clock := uint32(noon)
	for i := range evs {
		switch r.IntN(20) {
		case 0:
			clock += uint32(r.IntN(3 * span))
		case 1, 2, 3, 4, 5, 6:
		default:
			clock += uint32(r.IntN(span/4 + 2))
		}
		e := event{at: clock, value: uint64(1 + r.IntN(1+r.IntN(2*n))), n: 1}
		if r.IntN(6) == 0 {
			e.at -= uint32(r.IntN(2 * span))
		}
		if r.IntN(10) == 0 {
			e.n = 1 + r.IntN(7)
		}
		evs[i] = e
	}
	return evs
}

func TestSlidingEqualsOracle(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := stamps{cap: 1 + r.IntN(maxExact), window: uint32(10 + r.IntN(2000))}
		if seed%3 == 0 {
			s.cap = 1 + r.IntN(16)
		}
		tab := testTable()
		e := tab.get(1, 0, 1)
		var all []uint32
		for i, ev := range stream(r, 150, int(s.window)) {
			s.add(tab, e, ev.at, ^uint32(0)-skewAllowed, ev.n)
			for range ev.n {
				all = append(all, ev.at)
			}
			newest := slices.Max(all)
			for range 3 {
				k, w := 1+r.IntN(s.cap), uint32(r.IntN(int(s.window)+1))
				n := 0
				for _, at := range all {
					if newest-at <= w {
						n++
					}
				}
				if got, want := s.reached(tab, e, k, w), n >= k; got != want {
					t.Fatalf("seed %d, event %d: %d within %d s: got %t, want %t", seed, i, k, w, got, want)
				}
				if got, want := s.count(tab, e, w), min(n, s.cap); got != want {
					t.Fatalf("seed %d, event %d: count within %d s = %d, want %d", seed, i, w, got, want)
				}
			}
		}
		tab.clear(e)
		if tab.blocks.used != 0 {
			t.Fatalf("seed %d: %d blocks are lost", seed, tab.blocks.used)
		}
	}
}

func TestDistinctEqualsOracle(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 2))
		d := distinct{cap: 1 + r.IntN(20), window: uint32(10 + r.IntN(2000))}
		if seed%5 == 0 {
			d.cap = 1 + r.IntN(maxExact)
		}
		tab := testTable()
		e := tab.get(1, 0, 1)
		last := map[uint64]uint32{}
		newest := uint32(0)
		for i, ev := range stream(r, 150, int(d.window)) {
			d.add(tab, e, ev.value, ev.at, ^uint32(0)-skewAllowed, 1)
			last[ev.value] = max(last[ev.value], ev.at)
			newest = max(newest, ev.at)
			w := uint32(r.IntN(int(d.window) + 1))
			n := 0
			for _, at := range last {
				if newest-at <= w {
					n++
				}
			}
			if got, want := d.count(tab, e, w, 0), min(n, d.cap); got != want {
				t.Fatalf("seed %d, event %d: %d values within %d s, want %d (room for %d)", seed, i, got, w, want, d.cap)
			}
		}
		tab.clear(e)
		if tab.blocks.used != 0 {
			t.Fatalf("seed %d: %d blocks are lost", seed, tab.blocks.used)
		}
	}
}

func TestDistinctTries(t *testing.T) {
	tab := testTable()
	e := tab.get(1, 0, 1)
	d := distinct{cap: 6, window: 3600}
	for i := range uint32(9) { // root nine times, three others once
		d.add(tab, e, 7, noon+i, noon+i, 1)
	}
	for v := range uint64(3) {
		d.add(tab, e, 100+v, noon+20, noon+20, 1)
	}
	if n := d.count(tab, e, 3600, 2); n != 3 {
		t.Errorf("%d values with at most 2 tries, want 3", n)
	}
	if n := d.count(tab, e, 3600, 0); n != 4 {
		t.Errorf("%d values, want 4", n)
	}
}

// A count by panes is never above the exact one, and not below the exact count
// of a window that is shorter by one pane.
func TestPanesWithinOnePane(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 3))
		window := uint32(32 * (1 + r.IntN(100)))
		p := newPanes(window)
		p.wide = seed%2 == 1
		tab := testTable()
		e := tab.get(1, 0, 1)
		var all []uint32
		for i, ev := range stream(r, 400, int(window)) {
			p.add(tab, e, ev.at, ^uint32(0)-skewAllowed, ev.n)
			for range ev.n {
				all = append(all, ev.at)
			}
			newest := slices.Max(all)
			low, high := 0, 0
			for _, at := range all {
				if newest-at < window-window/numPanes {
					low++
				}
				if newest-at < window {
					high++
				}
			}
			if got := p.count(e); got < low || got > high {
				t.Fatalf("seed %d, event %d: %d events, want %d to %d", seed, i, got, low, high)
			}
		}
	}
}

func TestPanesSaturate(t *testing.T) {
	for _, wide := range []bool{false, true} {
		p := newPanes(3200)
		p.wide = wide
		tab := testTable()
		e := tab.get(1, 0, 1)
		for i := range uint32(64) { // one window, and a second that replaces it
			p.add(tab, e, noon+100*i, noon+100*i, 50_000)
			p.add(tab, e, noon+100*i, noon+100*i, 50_000)
		}
		want := 32 * 100_000
		if !wide {
			want = 32 * maxPane
		}
		if n := p.count(e); n != want {
			t.Errorf("wide %t: count %d, want %d", wide, n, want)
		}
	}
}

func TestLeakyTable(t *testing.T) {
	every := func(n int, ms uint64) (at []uint64) {
		for i := range n {
			at = append(at, uint64(i)*ms)
		}
		return at
	}
	join := func(parts ...[]uint64) (all []uint64) { return slices.Concat(parts...) }
	shift := func(at []uint64, by uint64) (out []uint64) {
		for _, v := range at {
			out = append(out, v+by)
		}
		return out
	}
	for _, c := range []struct {
		name     string
		capacity int
		leakMS   uint64
		at       []uint64
		want     []int // numbers of the events, from 1, that overflow
	}{
		{"below capacity", 5, 10_000, every(5, 0), nil},
		{"capacity and one at once", 5, 10_000, every(6, 0), []int{6}},
		{"twice", 5, 10_000, every(12, 0), []int{6, 12}},
		{"a second apart", 5, 10_000, every(6, 1000), []int{6}},
		{"at the leak rate: never", 5, 10_000, every(200, 10_000), nil},
		{"just slower than the leak: never", 1, 10_000, every(50, 10_001), nil},
		{"just faster than the leak", 1, 10_000, every(2, 9_999), []int{2}},
		{"twice the leak rate", 5, 10_000, every(12, 5_000), []int{10}},
		{"capacity 1 at once", 1, 1000, every(4, 0), []int{2, 4}},
		{"emptied between", 2, 1000, join(every(2, 0), shift(every(2, 0), 2000)), nil},
		{"one leaked between", 2, 1000, join(every(2, 0), shift(every(2, 0), 1000)), []int{4}},
		{"half leaked is not one", 2, 1000, join(every(2, 0), shift(every(1, 0), 500)), []int{3}},
		{"after a long silence", 2, 1000, join(every(2, 0), shift(every(3, 0), 1<<40)), []int{5}},
		{"late line counts at the newest", 2, 1000, []uint64{5000, 5000, 1000}, []int{3}},
		{"late lines alone", 2, 1000, []uint64{5000, 4000, 3000, 2000}, []int{3}},
		{"milliseconds", 3, 100, every(6, 30), []int{4}},
		{"milliseconds, slower", 3, 100, every(5, 60), nil},
		{"slower, in the end", 3, 100, every(8, 60), []int{7}},
		{"large capacity", 100, 1000, every(101, 0), []int{101}},
		{"large capacity, one missing", 100, 1000, every(100, 0), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := leaky{c.capacity, c.leakMS}
			e := &entry{}
			var got []int
			for i, at := range c.at {
				if over, _ := l.add(e, noon*1000+at, 1<<42*1000, 1); over {
					got = append(got, i+1)
					l.reset(e)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("overflows at %v, want %v", got, c.want)
			}
		})
	}
}

func TestSketchError(t *testing.T) {
	h := newHasher([2]uint64{1, 2})
	for _, n := range []int{65, 100, 300, 600, 1000, 3000, 20000} {
		var sumErr float64
		for run := range 20 {
			pool := sketches{limit: 4}
			d := distinct{cap: maxExact / 2, window: 600, sketch: &pool}
			tab := testTable()
			e := tab.get(1, 0, 1)
			for i := range n {
				at := uint32(noon + i*400/n)
				d.add(tab, e, h.Word(uint64(run), uint64(i)), at, at, 1)
			}
			err := float64(d.count(tab, e, 600, 0))/float64(n) - 1
			sumErr += max(err, -err)
			if err > 0.12 || err < -0.12 {
				t.Errorf("%d values: error %.1f %%", n, 100*err)
			}
		}
		if mean := sumErr / 20; mean > 0.04 {
			t.Errorf("%d values: mean error %.1f %%", n, 100*mean)
		}
	}
}

func TestSketchForgets(t *testing.T) {
	h := newHasher([2]uint64{1, 2})
	pool := sketches{limit: 1}
	d := distinct{cap: maxExact / 2, window: 600, sketch: &pool}
	tab := testTable()
	tab.release = func(e *entry) {
		if e.head != 0 {
			pool.release(e.inline[0])
		}
	}
	e := tab.get(1, 0, 1)
	for i := range uint32(500) {
		d.add(tab, e, h.Word(0, uint64(i)), noon+i/10, noon+600, 1)
	}
	if n := d.count(tab, e, 600, 0); n < 440 {
		t.Fatalf("%d values, want about 500", n)
	}
	for i := range uint32(10) { // one more a minute
		d.add(tab, e, h.Word(1, uint64(i)), noon+60*(i+1), noon+700, 1)
	}
	if n := d.count(tab, e, 600, 0); n > 12 {
		t.Errorf("%d values ten minutes later, want about 10", n)
	}
	d.add(tab, e, 5, noon+5000, noon+5000, 1)
	if n := d.count(tab, e, 600, 0); n != 1 {
		t.Errorf("%d values after a silence, want 1", n)
	}
	if pool.alloc(600) == 0 {
		t.Error("the sketch was not given back")
	}
}

// The clock jumps a day ahead and back: stamps of the day that was not are
// forgotten, so that the key is not blind for a day.
func TestClockSetBack(t *testing.T) {
	const day = 86400
	tab := testTable()
	s := stamps{cap: 5, window: 300}
	e := tab.get(1, 0, 1)
	s.add(tab, e, noon, noon, 1)
	s.add(tab, e, noon+day, noon+day, 3)
	for i := range uint32(5) {
		s.add(tab, e, noon+i, noon+i, 1)
	}
	if !s.reached(tab, e, 5, 300) {
		t.Error("sliding: five in five seconds are not seen")
	}
	p := newPanes(300)
	e = tab.get(2, 0, 1)
	p.add(tab, e, noon+day, noon+day, 100)
	p.add(tab, e, noon, noon, 70)
	if n := p.count(e); n != 70 {
		t.Errorf("panes: count %d, want 70", n)
	}
	d := distinct{cap: 5, window: 300}
	e = tab.get(3, 0, 1)
	d.add(tab, e, 1, noon+day, noon+day, 1)
	d.add(tab, e, 2, noon, noon, 1)
	if n := d.count(tab, e, 300, 0); n != 1 {
		t.Errorf("distinct: count %d, want 1", n)
	}
	l := leaky{2, 1000}
	e = tab.get(4, 0, 1)
	l.add(e, (noon+day)*1000, (noon+day)*1000, 2)
	if over, _ := l.add(e, noon*1000, noon*1000, 1); over {
		t.Error("leaky: one event overflows")
	}
}

func TestStepsEqualOracle(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 4))
		var counts []int
		for range 1 + r.IntN(4) {
			counts = append(counts, 1+r.IntN(3))
		}
		s := newSteps(counts, true, uint32(20+r.IntN(100)))
		tab := testTable()
		e := tab.get(1, 0, 1)
		type hit struct {
			at   uint32
			step int
		}
		var hits []hit
		at := uint32(noon)
		for i := range 60 {
			at += uint32(r.IntN(12))
			h := hit{at, r.IntN(len(counts))}
			hits = append(hits, h)
			_, got := s.add(tab, e, h.step, h.at, at, 1)
			// Oracle: from each possible first hit, take greedily what comes next.
			want := false
			for first := range hits {
				if hits[first].step != 0 || at-hits[first].at > s.within {
					continue
				}
				step, n := 0, 0
				for k := first; k < len(hits) && step < len(counts); k++ {
					if hits[k].step == step {
						if n++; n == counts[step] {
							step, n = step+1, 0
							want = want || step == len(counts) && k == len(hits)-1
						}
					}
				}
			}
			if want && !got {
				t.Fatalf("seed %d, hit %d: the sequence is complete and was not seen", seed, i)
			}
			if got { // the state begins anew
				tab.clearState(e)
				if !want && h.step != len(counts)-1 {
					t.Fatalf("seed %d, hit %d: step %d completed the sequence", seed, i, h.step)
				}
				hits = nil
			}
		}
	}
}

func TestPast(t *testing.T) {
	const day = 86400
	tab := testTable()
	e := tab.get(1, 0, 1)
	p := newPast(30 * day)
	for i := range uint32(100) { // a login every eight hours
		p.add(e, noon+i*day/3)
	}
	end := uint32(noon + 33*day)
	if !p.before(e, end-3600, end) {
		t.Error("no login before the last hour is known")
	}
	if !p.before(e, end-4*day, end) {
		t.Error("no login before the last four days is known")
	}
	if p.before(e, end, end+31*day) {
		t.Error("a login 31 days ago counts")
	}
}
