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
	byName := d.countersByName()
	to := make([]*counter, len(old.counters))
	slots := make([][]int, len(old.counters))
	for i, c := range old.counters {
		if to[i] = byName[c.name]; to[i] != nil {
			slots[i] = to[i].slotsIn(c.slots)
		}
	}
	var s saved
	for _, q := range []*queue{&old.table.fresh, &old.table.kept} {
		for id := q.oldest; id != 0; {
			e := old.table.at(id)
			id = e.next
			if c := to[e.kind]; c != nil {
				old.save(old.counters[e.kind], e, &s)
				d.put(c, slots[e.kind], &s)
			}
		}
	}
	for i := range d.bases {
		for j := range old.bases {
			if d.bases[i].counter == to[old.bases[j].counter.id] {
				d.bases[i].asked = old.bases[j].asked
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

func (d *Detector) countersByName() map[string]*counter {
	byName := make(map[string]*counter, len(d.counters))
	for _, c := range d.counters {
		byName[c.name] = c
	}
	return byName
}
