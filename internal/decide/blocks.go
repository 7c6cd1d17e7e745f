package decide

import (
	"cmp"
	"container/heap"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"

	"github.com/sentinel-ai/sentinel-ai"
)

// never is the end of a permanent block on the decider's clock.
const never = time.Duration(math.MaxInt64)

// entry is a block in force.
type entry struct {
	rec sentinel.BlockRecord
	// end is when it ends, on the decider's clock; until is the end of one on
	// trial, if it is confirmed.
	end, until time.Duration
	// began is when it was made; why is the reason for a rate limit.
	began time.Duration
	why   string
	// earlier is how many blocks of the same network it followed.
	earlier int
	// expiryAt and worthAt are the places in the heaps, -1 if not there.
	expiryAt, worthAt int
}

// automatic reports whether the block may give way to another one.
func (e *entry) automatic() bool { return e.rec.Origin == sentinel.OriginRule }

func (e *entry) covers(end time.Duration) bool { return e.end >= end }

// blockTable holds the blocks in force, by prefix, by end and by worth.
type blockTable struct {
	byPrefix map[netip.Prefix]*entry
	wide     bart.Table[*entry] // those wider than an entity
	expiry   entryHeap          // the one that ends first is on top
	worth    entryHeap          // automatic ones: lowest score, then nearest end
	// simulated counts those that are for show only.
	simulated int
}

func newBlockTable() *blockTable {
	return &blockTable{
		byPrefix: make(map[netip.Prefix]*entry),
		expiry: entryHeap{
			less: func(a, b *entry) bool {
				if a.end != b.end {
					return a.end < b.end
				}
				return comparePrefix(a.rec.Prefix, b.rec.Prefix) < 0
			},
			place: func(e *entry) *int { return &e.expiryAt },
		},
		worth: entryHeap{
			less: func(a, b *entry) bool {
				if a.rec.Score != b.rec.Score {
					return a.rec.Score < b.rec.Score
				}
				if a.end != b.end {
					return a.end < b.end
				}
				return comparePrefix(a.rec.Prefix, b.rec.Prefix) < 0
			},
			place: func(e *entry) *int { return &e.worthAt },
		},
	}
}

func (t *blockTable) len() int { return len(t.byPrefix) }

// get returns the block of exactly this prefix.
func (t *blockTable) get(p netip.Prefix) *entry { return t.byPrefix[p] }

// covering returns the block that holds all of p, p itself excluded, and that
// ends last.
func (t *blockTable) covering(p netip.Prefix) *entry {
	if t.wide.Size() == 0 {
		return nil
	}
	var found *entry
	for q, e := range t.wide.Supernets(p) {
		if q != p && (found == nil || e.end > found.end) {
			found = e
		}
	}
	return found
}

// put adds or replaces the block of a prefix.
func (t *blockTable) put(e *entry) {
	if old := t.byPrefix[e.rec.Prefix]; old != nil {
		t.remove(old)
	}
	e.expiryAt, e.worthAt = -1, -1
	t.byPrefix[e.rec.Prefix] = e
	if wide(e.rec.Prefix) {
		t.wide.Insert(e.rec.Prefix, e)
	}
	if e.rec.Simulated {
		t.simulated++
	}
	if e.end != never {
		heap.Push(&t.expiry, e)
	}
	if e.automatic() {
		heap.Push(&t.worth, e)
	}
}

// moved puts right the heaps after the end or the score of e changed.
func (t *blockTable) moved(e *entry) {
	if e.expiryAt >= 0 {
		heap.Fix(&t.expiry, e.expiryAt)
	}
	if e.worthAt >= 0 {
		heap.Fix(&t.worth, e.worthAt)
	}
}

func (t *blockTable) remove(e *entry) {
	delete(t.byPrefix, e.rec.Prefix)
	if e.rec.Simulated {
		t.simulated--
	}
	if wide(e.rec.Prefix) {
		t.wide.Delete(e.rec.Prefix)
	}
	if e.expiryAt >= 0 {
		heap.Remove(&t.expiry, e.expiryAt)
	}
	if e.worthAt >= 0 {
		heap.Remove(&t.worth, e.worthAt)
	}
}

// nextExpiry returns the block that ends first, nil if none ends.
func (t *blockTable) nextExpiry() *entry { return t.expiry.top() }

// leastWorth returns the automatic block that gives way first, or nil.
func (t *blockTable) leastWorth() *entry { return t.worth.top() }

// sorted returns all entries in order of their prefixes.
func (t *blockTable) sorted() []*entry {
	out := make([]*entry, 0, len(t.byPrefix))
	for _, e := range t.byPrefix {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *entry) int { return comparePrefix(a.rec.Prefix, b.rec.Prefix) })
	return out
}

// wide reports whether a prefix holds more than one entity.
func wide(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < 32
	}
	return p.Bits() < 64
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// entryHeap is a heap whose entries know their place.
type entryHeap struct {
	list  []*entry
	less  func(a, b *entry) bool
	place func(*entry) *int
}

func (h *entryHeap) top() *entry {
	if len(h.list) == 0 {
		return nil
	}
	return h.list[0]
}

func (h *entryHeap) Len() int           { return len(h.list) }
func (h *entryHeap) Less(i, j int) bool { return h.less(h.list[i], h.list[j]) }

func (h *entryHeap) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	*h.place(h.list[i]), *h.place(h.list[j]) = i, j
}

// Push implements heap.Interface.
func (h *entryHeap) Push(x any) {
	e := x.(*entry)
	*h.place(e) = len(h.list)
	h.list = append(h.list, e)
}

// Pop implements heap.Interface.
func (h *entryHeap) Pop() any {
	last := len(h.list) - 1
	e := h.list[last]
	h.list[last] = nil
	h.list = h.list[:last]
	*h.place(e) = -1
	return e
}
