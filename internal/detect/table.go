package detect

// An entry is the state of one key of one counter. It is 48 bytes and holds no
// pointer; a key that was seen once needs nothing else but its index slot.
type entry struct {
	key    uint64
	inline [4]uint32 // the state while it is small; see each counter
	data   uint32    // chain of blocks for a larger state, 0 for none
	cool   uint32    // chain with the stamps of the last firings, 0 for none
	next   uint32    // next younger entry of the same queue
	newest uint32    // newest stamp seen
	kind   uint16    // the counter's number, for Stats and saving
	n      uint16    // stamps or values held
	head   uint16    // oldest stamp of a full ring
	hits   uint8     // look-ups that found it, up to 255
	main   bool      // in the protected queue
}

const (
	entryBytes   = 48
	entryChunk   = 512
	indexIDBits  = 20
	maxTableKeys = 1<<indexIDBits - 1
	// mainShare is the part of all keys, in percent, that protected keys may
	// take from keys seen once.
	mainShare = 80
)

// queue is a first-in first-out list through entry.next.
type queue struct {
	oldest, youngest uint32
	len              int
}

// table holds the keys of all counters in one budget. Keys leave in the order
// in which they came, from one of two queues: newcomers, and keys that were hit
// again, which newcomers cannot push out. A hit only counts; nothing is moved.
// A protected key leaves when protected keys are too many, it is the oldest of
// them, and it was not hit since it was last passed over.
type table struct {
	index   []uint32 // tag (12 bits) and number (20 bits) of an entry, 0 empty
	mask    uint64
	chunks  []*[entryChunk]entry
	blocks  *blocks
	free    uint32 // given-back entries, through entry.next
	nextID  uint32 // first entry never used
	limit   int
	len     int
	ghosts  []uint16
	fresh   queue // seen once, or not hit again yet
	kept    queue // protected
	evicted uint64
	// evictedKept counts the protected ones among them; starved the times that
	// no block was free; cleared the states dropped to free one.
	evictedKept, starved, cleared uint64
	keys                          []int        // by kind
	release                       func(*entry) // gives back what an entry holds elsewhere
}

func newTable(maxKeys, maxBlocks, kinds int) *table {
	t := &table{keys: make([]int, kinds), limit: min(max(maxKeys, 16), maxTableKeys), nextID: 1, blocks: newBlocks(maxBlocks)}
	t.resize(256)
	return t
}

func (t *table) at(id uint32) *entry { return &t.chunks[id/entryChunk][id%entryChunk] }

func tagOf(key uint64) uint32 { return uint32(key>>52) << indexIDBits }

func (t *table) resize(n int) {
	old := t.index
	t.index, t.mask = make([]uint32, n), uint64(n-1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := t.at(s&maxTableKeys).key & t.mask
		for t.index[i] != 0 {
			i = (i + 1) & t.mask
		}
		t.index[i] = s
	}
}

// find returns the entry of key, nil if there is none.
func (t *table) find(key uint64) *entry {
	tag := tagOf(key)
	for i := key & t.mask; ; i = (i + 1) & t.mask {
		s := t.index[i]
		if s == 0 {
			return nil
		}
		if s&^maxTableKeys == tag {
			if e := t.at(s & maxTableKeys); e.key == key {
				return e
			}
		}
	}
}

// get returns the entry of key and makes it, with a zero state, if there is
// none. Finding it counts as a hit if the event counts at all.
func (t *table) get(key uint64, kind uint16, weight int) *entry {
	if e := t.find(key); e != nil {
		if weight > 0 && e.hits != 255 {
			e.hits++
		}
		return e
	}
	if t.len >= t.limit && t.cameBack(key) {
		return t.add(key, kind, &t.kept)
	}
	return t.add(key, kind, &t.fresh)
}

// add makes the entry of a key that has none, with a zero state, as the youngest
// of a queue.
func (t *table) add(key uint64, kind uint16, q *queue) *entry {
	if t.len >= t.limit {
		t.evict()
	}
	id := t.free
	if id != 0 {
		t.free = t.at(id).next
	} else {
		id = t.nextID
		if int(id/entryChunk) == len(t.chunks) {
			t.chunks = append(t.chunks, new([entryChunk]entry))
		}
		t.nextID++
	}
	t.keys[kind]++
	t.len++
	if 4*t.len > 3*len(t.index) {
		t.resize(2 * len(t.index))
	}
	e := t.at(id)
	*e = entry{key: key, kind: kind}
	i := key & t.mask
	for t.index[i] != 0 {
		i = (i + 1) & t.mask
	}
	t.index[i] = tagOf(key) | id
	t.push(q, id)
	return e
}

func (t *table) push(q *queue, id uint32) {
	e := t.at(id)
	e.next, e.main = 0, q == &t.kept
	if q.youngest != 0 {
		t.at(q.youngest).next = id
	} else {
		q.oldest = id
	}
	q.youngest = id
	q.len++
}

func (t *table) pop(q *queue) uint32 {
	id := q.oldest
	q.oldest = t.at(id).next
	if q.oldest == 0 {
		q.youngest = 0
	}
	q.len--
	return id
}

// evict makes room for one key. It looks at a bounded number of entries: each
// step either removes one, or moves one for the last time, or halves its hits.
func (t *table) evict() {
	for range 64 {
		if t.kept.len*100 > t.limit*mainShare || t.fresh.len == 0 {
			id := t.pop(&t.kept)
			e := t.at(id)
			if e.hits > 1 {
				e.hits /= 2
				t.push(&t.kept, id)
				continue
			}
			t.evictedKept++
			t.remove(id)
			return
		}
		id := t.pop(&t.fresh)
		if e := t.at(id); e.hits == 0 {
			t.remember(e.key)
			t.remove(id)
			return
		}
		t.push(&t.kept, id)
	}
	q := &t.fresh // all were hit: the oldest newcomer leaves, else the oldest
	if q.len == 0 {
		q = &t.kept
	}
	t.remove(t.pop(q))
}

// remove takes an entry that is in no queue out of the table.
func (t *table) remove(id uint32) {
	e := t.at(id)
	t.clear(e)
	t.keys[e.kind]--
	i := e.key & t.mask
	for t.index[i]&maxTableKeys != id {
		i = (i + 1) & t.mask
	}
	// Close the gap, so that no search stops too early (linear probing).
	for j := (i + 1) & t.mask; t.index[j] != 0; j = (j + 1) & t.mask {
		home := t.at(t.index[j]&maxTableKeys).key & t.mask
		if (j-home)&t.mask >= (j-i)&t.mask {
			t.index[i] = t.index[j]
			i = j
		}
	}
	t.index[i] = 0
	*e = entry{next: t.free}
	t.free = id
	t.len--
	t.evicted++
}

// clear drops an entry's state and its last firings.
func (t *table) clear(e *entry) {
	t.clearState(e)
	t.blocks.release(e.cool)
	e.cool = 0
}

// clearState drops an entry's state; its last firings stay.
func (t *table) clearState(e *entry) {
	if t.release != nil {
		t.release(e)
	}
	t.blocks.release(e.data)
	e.data, e.n, e.head, e.newest, e.inline = 0, 0, 0, 0, [4]uint32{}
}

// extend gives an entry's chain room for n words. Without a free block the
// oldest states give way; if none of the oldest holds any, it reports false and
// the chain is as it was.
func (t *table) extend(e *entry, chain *uint32, n int) bool {
	first, ok := t.blocks.extend(*chain, n)
	*chain = first
	if ok {
		return true
	}
	for range 8 {
		if !t.yield(&t.fresh, e) && !t.yield(&t.kept, e) {
			break
		}
		if first, ok = t.blocks.extend(*chain, n); ok {
			*chain = first
			return true
		}
		*chain = first
	}
	t.starved++
	return false
}

// yield clears the oldest entry of a queue that holds blocks, among the 32
// oldest; not keep.
func (t *table) yield(q *queue, keep *entry) bool {
	id := q.oldest
	for range 32 {
		if id == 0 {
			return false
		}
		e := t.at(id)
		if e != keep && (e.data != 0 || e.cool != 0) {
			t.clear(e)
			t.cleared++
			// To the young end, so that the next search begins behind it.
			if q.oldest == id {
				t.push(q, t.pop(q))
			}
			return true
		}
		if q.oldest == id && q.youngest != id {
			t.push(q, t.pop(q))
			id = q.oldest
			continue
		}
		id = e.next
	}
	return false
}

func (t *table) bytes() int {
	return len(t.chunks)*entryChunk*entryBytes + len(t.index)*4 + t.blocks.bytes()
}
