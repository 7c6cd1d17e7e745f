package anomaly

// table holds the windows that are open, in chunks made when they are needed: a
// host with few clients pays for few. All windows are of one size, so that what
// attackers choose is only how many there are, and that is bounded.
//
// Windows leave in the order in which they came, from one of two queues for each
// kind: those with too few requests to be judged, and the others, which newcomers
// cannot push out: a flood of addresses with one request each pushes out its like.
type table struct {
	index  []uint32 // tag (15 bits) and number (17 bits) of a window, 0 empty
	mask   uint64
	chunks []*[chunkWindows]window
	hash   hasher
	free   uint32 // given-back windows, through window.next
	nextID uint32 // first window never used
	limit  int
	len    int
	queues [2 * numKinds]queue
}

type queue struct {
	oldest, youngest uint32
	len              int
}

const (
	chunkWindows = 64
	idBits       = 17
	maxWindows   = 1<<idBits - 1
	// keptShare is the part of all windows, in percent, that those worth judging
	// may take.
	keptShare = 80
)

func newTable(limit int, h hasher) *table {
	t := &table{hash: h, limit: min(max(limit, 16), maxWindows), nextID: 1}
	t.resize(256)
	return t
}

func (t *table) at(id uint32) *window { return &t.chunks[id/chunkWindows][id%chunkWindows] }

// key mixes client and kind.
func (t *table) key(client uint64, v6 bool, k kind) uint64 {
	x := uint64(k) << 1
	if v6 {
		x |= 1
	}
	return t.hash.word(client ^ x<<56)
}

func tagOf(key uint64) uint32 { return uint32(key>>49) << idBits }

// find returns the number of a client's window, 0 if there is none.
func (t *table) find(client uint64, v6 bool, k kind) uint32 {
	key := t.key(client, v6, k)
	tag := tagOf(key)
	for i := key & t.mask; ; i = (i + 1) & t.mask {
		s := t.index[i]
		if s == 0 {
			return 0
		}
		if s&^maxWindows == tag {
			if w := t.at(s & maxWindows); w.client == client && w.v6 == v6 && w.kind == k {
				return s & maxWindows
			}
		}
	}
}

// make makes a client's window, which has none. There must be room.
func (t *table) make(client uint64, v6 bool, k kind, span uint32) *window {
	id := t.free
	if id != 0 {
		t.free = t.at(id).next
	} else {
		id = t.nextID
		if int(id/chunkWindows) == len(t.chunks) {
			t.chunks = append(t.chunks, new([chunkWindows]window))
		}
		t.nextID++
	}
	t.len++
	if 4*t.len > 3*len(t.index) {
		t.resize(2 * len(t.index))
	}
	w := t.at(id)
	*w = window{client: client, v6: v6, kind: k, span: span}
	key := t.key(client, v6, k)
	i := key & t.mask
	for t.index[i] != 0 {
		i = (i + 1) & t.mask
	}
	t.index[i] = tagOf(key) | id
	t.push(uint8(k), id)
	return w
}

// keep moves a window that is worth judging out of the reach of newcomers.
func (t *table) keep(id uint32) {
	w := t.at(id)
	if w.queue < uint8(numKinds) {
		t.unlink(id)
		t.push(uint8(w.kind)+uint8(numKinds), id)
	}
}

func (t *table) push(queue uint8, id uint32) {
	q, w := &t.queues[queue], t.at(id)
	w.queue, w.prev, w.next = queue, q.youngest, 0
	if q.youngest != 0 {
		t.at(q.youngest).next = id
	} else {
		q.oldest = id
	}
	q.youngest = id
	q.len++
}

func (t *table) unlink(id uint32) {
	w := t.at(id)
	q := &t.queues[w.queue]
	if w.prev != 0 {
		t.at(w.prev).next = w.next
	} else {
		q.oldest = w.next
	}
	if w.next != 0 {
		t.at(w.next).prev = w.prev
	} else {
		q.youngest = w.prev
	}
	q.len--
}

// remove forgets a window.
func (t *table) remove(id uint32) {
	w := t.at(id)
	t.unlink(id)
	key := t.key(w.client, w.v6, w.kind)
	i := key & t.mask
	for t.index[i]&maxWindows != id || t.index[i] == 0 {
		i = (i + 1) & t.mask
	}
	// Close the gap: what comes later in the run moves up if it may.
	for j := (i + 1) & t.mask; t.index[j] != 0; j = (j + 1) & t.mask {
		o := t.at(t.index[j] & maxWindows)
		home := t.key(o.client, o.v6, o.kind) & t.mask
		if (j-home)&t.mask >= (j-i)&t.mask {
			t.index[i] = t.index[j]
			i = j
		}
	}
	t.index[i] = 0
	w.next, w.n = t.free, 0
	t.free = id
	t.len--
}

func (t *table) resize(n int) {
	old := t.index
	t.index, t.mask = make([]uint32, n), uint64(n-1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		w := t.at(s & maxWindows)
		i := t.key(w.client, w.v6, w.kind) & t.mask
		for t.index[i] != 0 {
			i = (i + 1) & t.mask
		}
		t.index[i] = s
	}
}

// victim returns the window that has to go when there is no room.
func (t *table) victim() uint32 {
	kept := t.queues[numKinds+kind(short)].len + t.queues[numKinds+kind(long)].len
	order := [...]uint8{uint8(long), uint8(short), uint8(numKinds) + uint8(long), uint8(numKinds) + uint8(short)}
	if 100*kept > keptShare*t.limit {
		order = [...]uint8{uint8(numKinds) + uint8(long), uint8(numKinds) + uint8(short), uint8(long), uint8(short)}
	}
	// Of those with few requests the longer queue gives way: slow clients are
	// not pushed out for good by fast ones.
	if t.queues[order[1]].len > t.queues[order[0]].len {
		order[0], order[1] = order[1], order[0]
	}
	for _, q := range order {
		if id := t.queues[q].oldest; id != 0 {
			return id
		}
	}
	return 0
}

// bytes is what the table takes.
func (t *table) bytes() int { return len(t.chunks)*chunkWindows*windowBytes + 4*len(t.index) }
