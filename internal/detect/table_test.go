package detect

import (
	"math/rand/v2"
	"testing"
)

func TestTableFindsWhatItHolds(t *testing.T) {
	tab := newTable(2000, 1000, 1)
	r := rand.New(rand.NewPCG(1, 1))
	held := map[uint64]bool{}
	for range 50_000 {
		k := r.Uint64() % 6000 * 0x9e3779b97f4a7c15
		e := tab.get(k, 0, 1)
		if e.key != k {
			t.Fatalf("get(%x) returned the entry of %x", k, e.key)
		}
		e.inline[3] = uint32(k)
		held[k] = true
		if r.IntN(50) == 0 {
			tab.extend(e, &e.data, 1+r.IntN(100))
		}
	}
	found := 0
	for k := range held {
		if e := tab.find(k); e != nil {
			found++
			if e.inline[3] != uint32(k) && e.inline[3] != 0 {
				t.Fatalf("the state of %x belongs to another key", k)
			}
		}
	}
	if found != tab.len || tab.len != tab.limit || tab.fresh.len+tab.kept.len != tab.len {
		t.Errorf("%d keys found, %d held, %d + %d queued, limit %d", found, tab.len, tab.fresh.len, tab.kept.len, tab.limit)
	}
	if tab.keys[0] != tab.len {
		t.Errorf("keys by kind: %d, want %d", tab.keys[0], tab.len)
	}
}

// A flood of keys seen once pushes out neither a key that was hit again nor its
// state, and memory stays where it is.
func TestFloodOfOneHitKeys(t *testing.T) {
	tab := newTable(1<<16, 1<<12, 1)
	s := stamps{cap: 15, window: 86400}
	h := newHasher([2]uint64{3, 4})
	flood := uint64(2_000_000)
	hits := 0
	for i := range flood {
		if i%50_000 == 0 { // the slow attacker
			e := tab.get(h.Word(0, 1), 0, 1)
			s.add(tab, e, noon+uint32(i/1000), noon+uint32(i/1000), 1)
			if hits++; hits >= 15 && !s.reached(tab, e, 15, 86400) {
				t.Fatalf("after %d keys the slow attacker's %d hits are not all known", i, hits)
			}
		}
		e := tab.get(h.Word(1, i), 0, 1)
		s.add(tab, e, noon+uint32(i/1000), noon+uint32(i/1000), 1)
	}
	if tab.len > tab.limit || tab.evicted < flood-uint64(tab.limit)-1 {
		t.Errorf("%d keys of %d, %d evicted", tab.len, tab.limit, tab.evicted)
	}
	if perKey := float64(tab.bytes()) / float64(tab.len); perKey >= 60 {
		t.Errorf("%.1f bytes a key, want less than 60", perKey)
	}
}

// A flood of keys that are each hit twice cannot push out one that was hit often.
func TestFloodOfTwoHitKeys(t *testing.T) {
	tab := newTable(1<<12, 1<<12, 1)
	h := newHasher([2]uint64{3, 4})
	own := h.Word(0, 1)
	for range 200 {
		tab.get(own, 0, 1).inline[3] = 77
	}
	for i := range uint64(20_000) {
		tab.get(h.Word(1, i), 0, 1)
		tab.get(h.Word(1, i), 0, 1)
	}
	if e := tab.find(own); e == nil || e.inline[3] != 77 {
		t.Error("the key that was hit 200 times is gone")
	}
}

func TestBlocksRunOut(t *testing.T) {
	tab := newTable(10_000, 1, 1) // one chunk: 256 blocks
	s := stamps{cap: 60, window: 86400}
	h := newHasher([2]uint64{3, 4})
	for i := range uint64(5000) {
		e := tab.get(h.Word(1, i), 0, 1)
		s.add(tab, e, noon, noon, 60)
		if e.n == 0 || !s.reached(tab, e, 4, 10) {
			t.Fatalf("key %d: its stamps are lost (%d held)", i, e.n)
		}
	}
	if tab.cleared == 0 || tab.blocks.used > 256 {
		t.Errorf("%d states cleared, %d blocks in use", tab.cleared, tab.blocks.used)
	}
}

func BenchmarkTableHit(b *testing.B) {
	tab := newTable(1<<18, 1<<16, 1)
	h := newHasher([2]uint64{3, 4})
	s := stamps{cap: 15, window: 86400}
	for i := range uint64(100_000) {
		tab.get(h.Word(1, i), 0, 1)
	}
	at := uint32(noon)
	i := uint64(0)
	for b.Loop() {
		i++
		at += uint32(i & 1)
		e := tab.get(h.Word(1, i*7919%100_000), 0, 1)
		s.add(tab, e, at, at, 1)
	}
}
