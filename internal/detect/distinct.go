package detect

// distinct keeps the values of a field that a key showed last: a 64-bit hash, a
// stamp, and how often it came. With room for cap values, "at least k distinct
// values in [T-w, T]" is exact for every k ≤ cap and every w: the k values seen
// last are always among them.
//
// The first value stands in the entry; more stand in blocks, four words each,
// in no order.
type distinct struct {
	cap    int
	window uint32 // largest window
	// sketch, unless nil, takes over when cap values are inside the window.
	sketch *sketches
}

const valueWords = 4

type value struct {
	hash  uint64
	stamp uint32
	tries uint32
}

func (d distinct) read(t *table, e *entry, i int) value {
	var w [valueWords]uint32
	if e.data == 0 {
		w = e.inline
	} else {
		for j := range w {
			w[j] = *t.blocks.word(e.data, i*valueWords+j)
		}
	}
	return value{uint64(w[0]) | uint64(w[1])<<32, w[2], w[3]}
}

func (d distinct) write(t *table, e *entry, i int, v value) {
	w := [valueWords]uint32{uint32(v.hash), uint32(v.hash >> 32), v.stamp, v.tries}
	if e.data == 0 {
		e.inline = w
		return
	}
	for j := range w {
		*t.blocks.word(e.data, i*valueWords+j) = w[j]
	}
}

// add notes a value at time at; weight is how often it came, 0 for a line that
// says again what another one said.
func (d distinct) add(t *table, e *entry, hash uint64, at, now uint32, weight int) {
	if e.n != 0 && e.newest > now+skewAllowed { // the clock was set back
		t.clearState(e)
	}
	if e.n != 0 && at > e.newest && at-e.newest > d.window {
		t.clearState(e)
	}
	if d.sketch != nil && e.head != 0 {
		d.sketch.add(e, hash, at)
		e.newest = max(e.newest, at)
		return
	}
	oldest, oldestStamp := -1, ^uint32(0)
	lo, hi := uint32(hash), uint32(hash>>32)
	for c := d.values(t, e); c.next(); {
		if c.word(0) == lo && c.word(1) == hi {
			v := d.read(t, e, c.i)
			if at > v.stamp && at-v.stamp > d.window {
				v.tries = 0
			}
			v.stamp, v.tries = max(v.stamp, at), v.tries+uint32(weight)
			d.write(t, e, c.i, v)
			e.newest = max(e.newest, at)
			return
		}
		if s := c.word(2); s < oldestStamp {
			oldest, oldestStamp = c.i, s
		}
	}
	v := value{hash, at, uint32(max(weight, 1))}
	newest := max(e.newest, at)
	switch {
	case int(e.n) < d.cap && (oldest < 0 || newest-oldestStamp <= d.window) && d.room(t, e):
		d.write(t, e, int(e.n), v)
		e.n++
	case oldest < 0:
		return
	case d.sketch != nil && newest-oldestStamp <= d.window && d.upgrade(t, e):
		d.sketch.add(e, hash, at)
	case at >= oldestStamp:
		d.write(t, e, oldest, v)
	}
	e.newest = newest
}

// room makes place for one value more.
func (d distinct) room(t *table, e *entry) bool {
	if e.n == 0 {
		return true
	}
	moving := e.data == 0
	first := e.inline
	if !t.extend(e, &e.data, (int(e.n)+1)*valueWords) {
		if moving {
			t.blocks.release(e.data)
			e.data = 0
		}
		return false
	}
	if moving {
		t.blocks.store(e.data, first[:])
	}
	return true
}

// upgrade moves the values into a sketch.
func (d distinct) upgrade(t *table, e *entry) bool {
	slot := d.sketch.alloc(d.window)
	if slot == 0 {
		return false
	}
	var moved [maxExact]value
	n := int(e.n)
	for i := range n {
		moved[i] = d.read(t, e, i)
	}
	t.blocks.release(e.data)
	e.data, e.head = 0, 1
	e.inline = [4]uint32{slot}
	for _, v := range moved[:n] {
		d.sketch.add(e, v.hash, v.stamp)
	}
	return true
}

// count returns the distinct values within window of the newest that came at
// most maxTries times each (0: any number). It is at most cap, or an estimate.
func (d distinct) count(t *table, e *entry, window uint32, maxTries int) int {
	if d.sketch != nil && e.head != 0 {
		return d.sketch.count(e)
	}
	n := 0
	for c := d.values(t, e); c.next(); {
		if e.newest-c.word(2) <= window && (maxTries == 0 || int(c.word(3)) <= maxTries) {
			n++
		}
	}
	return n
}

// values walks the values without copying them.
func (d distinct) values(t *table, e *entry) cursor {
	c := cursor{t: t, i: -1, n: int(e.n)}
	if e.data == 0 {
		c.inline = &e.inline
		return c
	}
	c.blk = t.blocks.at(e.data)
	return c
}

// cursor is a place in a list of values. Values are four words and blocks have
// fifteen, so that a value may lie in two blocks.
type cursor struct {
	t      *table
	inline *[4]uint32
	blk    *block
	off    int // word of the value's start within blk
	i, n   int
}

func (c *cursor) next() bool {
	c.i++
	if c.i >= c.n {
		return false
	}
	if c.i > 0 && c.inline == nil {
		if c.off += valueWords; c.off >= blockWords {
			c.off -= blockWords
			c.blk = c.t.blocks.at(c.blk[0])
		}
	}
	return true
}

func (c *cursor) word(j int) uint32 {
	if c.inline != nil {
		return c.inline[j]
	}
	if k := c.off + j; k < blockWords {
		return c.blk[1+k]
	} else {
		return c.t.blocks.at(c.blk[0])[1+k-blockWords]
	}
}
