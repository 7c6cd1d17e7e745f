package detect

// Adopt takes over the counters of a detector that d is to replace: all those
// that count the same thing under the same key. It must be called before the
// first Observe. Both detectors must not be used at once, and old not any more.
//
// What is not taken over begins anew: counters of rules whose conditions,
// grouping or, where it matters, window changed. The bounds are d's own.
func (d *Detector) Adopt(old *Detector) {
	if d.hash != old.hash {
		// Keys are hashed by the old seeds: plan again with these.
		*d = *newDetector(d.set, d.cfg, old.hash)
	}
	byName := make(map[string]*counter, len(d.counters))
	for _, c := range d.counters {
		byName[c.name] = c
	}
	to := make([]*counter, len(old.counters))
	for i, c := range old.counters {
		to[i] = byName[c.name]
	}
	for _, q := range []*queue{&old.table.fresh, &old.table.kept} {
		for id := q.oldest; id != 0; id = old.table.at(id).next {
			e := old.table.at(id)
			if c := to[e.kind]; c != nil {
				d.take(c, e, old, q == &old.table.kept)
			}
		}
	}
	d.joiner, d.twins, d.stats = old.joiner, old.twins, old.stats
	t := old.table
	d.table.evicted += t.evicted
	d.table.evictedKept += t.evictedKept
	d.table.starved += t.starved
	d.table.cleared += t.cleared
}

// take copies the state of one key.
func (d *Detector) take(c *counter, from *entry, old *Detector, kept bool) {
	oc := old.counters[from.kind]
	words, ok := old.words(oc, from)
	if !ok {
		return
	}
	e := d.table.get(from.key, c.id, 1)
	if kept {
		e.hits = max(from.hits, 1)
	}
	e.newest = from.newest
	if c.kind == kindStamps {
		for _, at := range words {
			c.stamps.push(d.table, e, at)
		}
	} else {
		e.n, e.inline = from.n, from.inline
		if c.kind == kindDistinct {
			e.n = uint16(min(int(e.n), max(c.distinct.cap, 1)))
		}
		if from.data != 0 {
			if !d.table.extend(e, &e.data, len(words)) {
				d.table.clear(e)
				return
			}
			d.table.blocks.store(e.data, words)
		}
	}
	d.takeCooldowns(c, e, oc, from, old)
}

// words returns the state of an entry that lies in blocks, or for stamps all of
// them, oldest first. It reports false for what is not worth moving.
func (d *Detector) words(c *counter, e *entry) ([]uint32, bool) {
	switch c.kind {
	case kindStamps:
		out := make([]uint32, 0, e.n)
		for k := int(e.n); k > 0; k-- {
			out = append(out, c.stamps.nth(d.table, e, k))
		}
		return out, true
	case kindDistinct:
		if c.distinct.sketch != nil && e.head != 0 {
			return nil, false
		}
	}
	if e.data == 0 {
		return nil, true
	}
	n := 0
	for ref := e.data; ref != 0; ref = d.table.blocks.at(ref)[0] {
		n += blockWords
	}
	out := make([]uint32, n)
	d.table.blocks.load(e.data, out)
	return out, true
}

// takeCooldowns copies the last firings of the rules that both sets have.
func (d *Detector) takeCooldowns(c *counter, e *entry, oc *counter, from *entry, old *Detector) {
	if from.cool == 0 {
		return
	}
	for slot, id := range c.slots {
		for oldSlot, oldID := range oc.slots {
			if id != oldID {
				continue
			}
			at := *old.table.blocks.word(from.cool, 1+oldSlot)
			if at == 0 || !d.table.extend(e, &e.cool, 1+len(c.slots)) {
				continue
			}
			*d.table.blocks.word(e.cool, 1+slot) = at
			if slot < 32 && oldSlot < 32 && *old.table.blocks.word(from.cool, 0)&(1<<oldSlot) != 0 {
				*d.table.blocks.word(e.cool, 0) |= 1 << slot
			}
		}
	}
}
