package detect

// saved is the state of one key apart from where it lies, as it moves from one
// detector to another or to a snapshot.
type saved struct {
	key    uint64
	kept   bool // protected from newcomers
	hits   uint8
	n      uint16
	newest uint32
	inline [inlineWords]uint32
	// words is the state that lies in blocks; of stamps all, oldest first.
	words  []uint32
	sketch *sketch // of an estimate, else nil
	// fired has the latest firing of each slot of the counter, empty if none
	// fired; late has a bit for each of them that was by a late line.
	fired []uint32
	late  uint32
}

// save describes the state of an entry. It reuses the memory of s.
func (d *Detector) save(c *counter, e *entry, s *saved) {
	s.key, s.kept, s.hits, s.n, s.newest, s.inline = e.key, e.main, e.hits, e.n, e.newest, e.inline
	s.words, s.fired, s.sketch, s.late = s.words[:0], s.fired[:0], nil, 0
	switch {
	case c.kind == kindStamps:
		for k := int(e.n); k > 0; k-- {
			s.words = append(s.words, c.stamps.nth(d.table, e, k))
		}
	case c.kind == kindDistinct && c.distinct.sketch != nil && e.head != 0:
		s.sketch = d.sketches.pool[e.inline[0]-1]
	default:
		for ref := e.data; ref != 0; {
			blk := d.table.blocks.at(ref)
			s.words = append(s.words, blk[1:]...)
			ref = blk[0]
		}
	}
	if e.cool == 0 {
		return
	}
	s.late = *d.table.blocks.word(e.cool, 0)
	for slot := range c.slots {
		s.fired = append(s.fired, *d.table.blocks.word(e.cool, 1+slot))
	}
}

// put takes in the state of a key. slots says which slot of c each one of
// s.fired is, -1 for none. What does not fit the counter is left out: the bytes
// of a snapshot may say anything.
func (d *Detector) put(c *counter, slots []int, s *saved) {
	if d.table.find(s.key) != nil {
		return
	}
	q := &d.table.fresh
	if s.kept {
		q = &d.table.kept
	}
	e := d.table.add(s.key, c.id, q)
	e.hits = s.hits
	if !d.putState(c, e, s) {
		d.table.clear(e)
		return
	}
	e.newest = s.newest
	if len(s.fired) == 0 || !d.table.extend(e, &e.cool, 1+len(c.slots)) {
		return
	}
	for i, at := range s.fired {
		slot := slots[i]
		if slot < 0 || at == 0 {
			continue
		}
		*d.table.blocks.word(e.cool, 1+slot) = at
		if slot < 32 && i < 32 && s.late&(1<<i) != 0 {
			*d.table.blocks.word(e.cool, 0) |= 1 << slot
		}
	}
}

// putState reports whether the state fitted.
func (d *Detector) putState(c *counter, e *entry, s *saved) bool {
	t := d.table
	room := 0 // words in blocks that the state needs
	switch c.kind {
	case kindStamps:
		for _, at := range s.words {
			c.stamps.push(t, e, at)
		}
		return true
	case kindDistinct:
		if s.sketch != nil {
			return d.putSketch(c, e, s)
		}
		held := max(len(s.words)/valueWords, 1) // one stands in the entry
		e.n = uint16(min(int(s.n), max(c.distinct.cap, 1), held))
		if len(s.words) > 0 {
			room = int(e.n) * valueWords
		}
	case kindPanes:
		e.n = s.n
		if len(s.words) > 0 {
			room = c.panes.words()
		}
	case kindSteps:
		e.n = s.n
		if c.steps.total > inlineWords && e.n != 0 {
			room = c.steps.total
		}
	case kindPast:
		e.n = min(s.n, inlineWords)
	default:
		e.n = s.n
	}
	e.inline = s.inline
	if room == 0 {
		return true
	}
	if len(s.words) < room || !t.extend(e, &e.data, room) {
		return false
	}
	t.blocks.store(e.data, s.words[:room])
	return true
}

// putSketch copies an estimate.
func (d *Detector) putSketch(c *counter, e *entry, s *saved) bool {
	if c.distinct.sketch == nil {
		return false
	}
	slot := d.sketches.alloc(c.distinct.window)
	if slot == 0 {
		return false
	}
	k := d.sketches.pool[slot-1]
	k.last, k.panes = s.sketch.last, s.sketch.panes
	k.unite()
	e.n, e.head, e.inline = max(s.n, 1), 1, [inlineWords]uint32{slot}
	return true
}

// slotsIn says which slot of c each of the rules has, -1 for none.
func (c *counter) slotsIn(rules []string) []int {
	out := make([]int, len(rules))
	for i, id := range rules {
		out[i] = -1
		for slot, own := range c.slots {
			if own == id {
				out[i] = slot
			}
		}
	}
	return out
}
