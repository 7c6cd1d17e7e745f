package detect

// Stats is what a detector holds and has done since it was made.
type Stats struct {
	// Keys are remembered of at most MaxKeys; Protected of them were seen again.
	Keys, MaxKeys, Protected int
	// KeysByKind says what they count: sliding, panes, leaky, distinct,
	// sequence, guard, cooldown.
	KeysByKind map[string]int
	// Bytes of keys, of larger states, of estimates, and of all; at most
	// MaxBytes, plus a quarter MiB for joining lines.
	KeyBytes, StateBytes, SketchBytes, Bytes, MaxBytes int
	// Counters that the rules share.
	Counters int
	// Evicted keys; EvictedProtected of them were protected. Starved counters
	// could not grow; Cleared ones were emptied to let another grow.
	Evicted, EvictedProtected, Starved, Cleared uint64
	// Skewed events were stamped later than they arrived, Late ones too early to
	// justify a block. Joined lines said again what another line had said,
	// Duplicates were in two sources, Keyless matches lacked a field of their
	// rule's group. Guarded sequences were let pass.
	Skewed, Late, Joined, Duplicates, Keyless, Guarded uint64
}

// Stats returns a copy of the counters.
func (d *Detector) Stats() Stats {
	s, t := d.stats, d.table
	s.Keys, s.MaxKeys, s.Protected = t.len, t.limit, t.kept.len
	s.KeysByKind = make(map[string]int, numCounterKinds)
	for i, n := range t.keys {
		s.KeysByKind[counterNames[d.counters[i].kind]] += n
	}
	s.StateBytes, s.SketchBytes = t.blocks.bytes(), d.sketches.bytes()
	s.KeyBytes = t.bytes() - s.StateBytes
	s.Bytes, s.MaxBytes = t.bytes()+s.SketchBytes, d.cfg.MaxBytes
	s.Counters = len(d.counters)
	s.Evicted, s.EvictedProtected, s.Starved, s.Cleared = t.evicted, t.evictedKept, t.starved, t.cleared
	return s
}
