package detect

// distinct keeps the values of a field that a key showed last: a 64-bit hash, a
// stamp, and how often it came. With room for cap values, "at least k distinct
// values in [T-w, T]" is exact for every k ≤ cap and every w: the k values seen
// last are always among them.
//
// The first value stands in the entry; more stand in blocks, five to a block, in
// no order. A value is three words: 32 bits of its hash, 24 more of them and the
// tries (up to 255), and the stamp.
type distinct struct {
	cap    int
	window uint32 // largest window
	// sketch, unless nil, takes over when cap values are inside the window.
	sketch *sketches
}

const (
	valueWords = 3
	maxTries   = 255
)

// A value as it stands in an entry or a block: see distinct.
type value = [valueWords]uint32

func newValue(hash uint64, at uint32, tries int) value {
	return value{uint32(hash), uint32(hash>>32)&^maxTries | uint32(min(tries, maxTries)), at}
}

// at returns value i.
func (d distinct) at(t *table, e *entry, i int) *value {
	if e.data == 0 {
		return (*value)(e.inline[:])
	}
	blk := t.blocks.at(e.data)
	for ; i >= blockWords/valueWords; i -= blockWords / valueWords {
		blk = t.blocks.at(blk[0])
	}
	return (*value)(blk[1+i*valueWords:])
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
	v := newValue(hash, at, weight)
	var oldest *value
	left := int(e.n)
	vals, blk := d.first(t, e)
	for left > 0 {
		for i := 0; i+valueWords <= len(vals) && left > 0; i, left = i+valueWords, left-1 {
			if vals[i] == v[0] && (vals[i+1]^v[1])&^maxTries == 0 {
				d.again((*value)(vals[i:]), at, weight)
				e.newest = max(e.newest, at)
				return
			}
			if oldest == nil || vals[i+2] < oldest[2] {
				oldest = (*value)(vals[i:])
			}
		}
		if left > 0 {
			blk = t.blocks.at(blk[0])
			vals = blk[1:]
		}
	}
	newest := max(e.newest, at)
	full := oldest != nil && newest-oldest[2] <= d.window // no value has left the window
	switch {
	case oldest == nil || full && int(e.n) < d.cap && d.room(t, e):
		*d.at(t, e, int(e.n)) = v
		e.n++
	case d.sketch != nil && full && d.upgrade(t, e):
		d.sketch.add(e, hash, at)
	case at >= oldest[2]:
		*oldest = v
	}
	e.newest = newest
}

// again notes that a value came once more.
func (d distinct) again(v *value, at uint32, weight int) {
	if at > v[2] && at-v[2] > d.window {
		v[1] &^= maxTries
	}
	v[1] += uint32(min(weight, int(maxTries-v[1]&maxTries)))
	v[2] = max(v[2], at)
}

// first returns the words of the first values, and the block they stand in, nil
// if it is the entry.
func (d distinct) first(t *table, e *entry) ([]uint32, *block) {
	if e.data == 0 {
		return e.inline[:valueWords], nil
	}
	blk := t.blocks.at(e.data)
	return blk[1:], blk
}

// room makes place for one value more.
func (d distinct) room(t *table, e *entry) bool {
	moving := e.data == 0
	if !t.extend(e, &e.data, (int(e.n)+1)*valueWords) {
		if moving {
			t.blocks.release(e.data)
			e.data = 0
		}
		return false
	}
	if moving {
		t.blocks.store(e.data, e.inline[:valueWords])
	}
	return true
}

// upgrade moves the values into a sketch. Their hashes have lost 8 bits, so that
// a sketch takes 56 of all.
func (d distinct) upgrade(t *table, e *entry) bool {
	slot := d.sketch.alloc(d.window)
	if slot == 0 {
		return false
	}
	var moved [maxExact]value
	n := int(e.n)
	for i := range n {
		moved[i] = *d.at(t, e, i)
	}
	t.blocks.release(e.data)
	e.data, e.head = 0, 1
	e.inline = [4]uint32{slot}
	for _, v := range moved[:n] {
		d.sketch.add(e, uint64(v[1]&^maxTries)<<32|uint64(v[0]), v[2])
	}
	return true
}

// count returns the distinct values within window of the newest that came at
// most so often each (0: any number). It is at most cap, or an estimate.
func (d distinct) count(t *table, e *entry, window uint32, most int) int {
	if d.sketch != nil && e.head != 0 {
		return d.sketch.count(e)
	}
	n, left := 0, int(e.n)
	vals, blk := d.first(t, e)
	for left > 0 {
		for i := 0; i+valueWords <= len(vals) && left > 0; i, left = i+valueWords, left-1 {
			if e.newest-vals[i+2] <= window && (most == 0 || int(vals[i+1]&maxTries) <= most) {
				n++
			}
		}
		if left > 0 {
			blk = t.blocks.at(blk[0])
			vals = blk[1:]
		}
	}
	return n
}
