package detect

// steps counts the steps of a sequence for one key. Ordered, it keeps for every
// prefix of the sequence (a step of count 5 is five steps) the latest time at
// which it can have begun: a later begin is never worse, so that one number a
// prefix decides exactly whether the whole lies within the window. Unordered,
// it keeps the last stamps of each step.
//
// The words (at most maxSteps) are stamps, 0 for "not reached"; up to 4 stand in the entry.
type steps struct {
	count   []int // how many matches complete each step
	base    []int // first word of each step
	total   int   // words
	ordered bool
	within  uint32
	scratch []uint32
}

// maxSteps bounds the words of a sequence's key, thus the sum of its counts.
const maxSteps = 1024

func newSteps(count []int, ordered bool, within uint32) steps {
	s := steps{ordered: ordered, within: within}
	for _, c := range count {
		s.base = append(s.base, s.total)
		s.count = append(s.count, c)
		s.total += c
	}
	s.scratch = make([]uint32, s.total)
	return s
}

// add notes weight matches of a step at time at. It returns when the sequence
// began if that completed it.
func (s *steps) add(t *table, e *entry, step int, at, now uint32, weight int) (began uint32, done bool) {
	w := s.scratch
	clear(w)
	s.load(t, e, w)
	if e.newest > now+skewAllowed { // the clock was set back
		clear(w)
		e.newest = 0
	}
	for i, v := range w { // forget what began too long ago
		if v != 0 && at > v && at-v > s.within {
			w[i] = 0
		}
	}
	from, n := s.base[step], s.count[step]
	for range min(weight, n) {
		if s.ordered {
			s.advance(w, from, n, at)
		} else {
			copy(w[from:from+n-1], w[from+1:from+n])
			w[from+n-1] = at
		}
	}
	e.newest = max(e.newest, at)
	began, done = s.done(w)
	if !s.save(t, e, w) {
		e.n = 0
	}
	return began, done
}

// advance moves each prefix that ends inside the step one match further, the
// longest first, so that one event is not used twice.
func (s *steps) advance(w []uint32, from, n int, at uint32) {
	for j := from + n - 1; j >= from; j-- {
		switch {
		case j == 0:
			w[0] = max(at, 1)
		case w[j-1] > w[j] && w[j-1] <= at:
			w[j] = w[j-1]
		}
	}
}

// done reports whether the sequence is complete, and when it began.
func (s *steps) done(w []uint32) (uint32, bool) {
	if s.ordered {
		began := w[s.total-1]
		return began, began != 0
	}
	began := ^uint32(0)
	for _, b := range s.base {
		if w[b] == 0 {
			return 0, false
		}
		began = min(began, w[b])
	}
	return began, true
}

// progress is how many matches of the sequence a key has, at most its total.
func (s *steps) progress(t *table, e *entry, at uint32) (n int) {
	w := s.scratch
	clear(w)
	s.load(t, e, w)
	for i, v := range w {
		if v == 0 || at > v && at-v > s.within {
			continue
		}
		if n++; s.ordered {
			n = i + 1
		}
	}
	return n
}

func (s *steps) load(t *table, e *entry, w []uint32) {
	switch {
	case e.n == 0:
	case s.total <= inlineWords:
		copy(w, e.inline[:])
	default:
		t.blocks.load(e.data, w)
	}
}

func (s *steps) save(t *table, e *entry, w []uint32) bool {
	if s.total <= inlineWords {
		copy(e.inline[:], w)
	} else {
		if !t.extend(e, &e.data, s.total) {
			return false
		}
		t.blocks.store(e.data, w)
	}
	e.n = 1
	return true
}

// past keeps up to four stamps of an event that clears a sequence (a login that
// worked): the newest, and older ones at least gap apart, so that "before the
// attack, within 30 days" can be answered later.
type past struct {
	gap, within uint32
}

func newPast(within uint32) past { return past{gap: within / 6, within: within} }

func (p past) add(e *entry, at uint32) {
	n := int(e.n)
	e.newest = max(e.newest, at)
	switch {
	case n > 0 && at <= e.inline[n-1]:
		return
	case n > 1 && e.inline[n-1]-e.inline[n-2] < p.gap:
		e.inline[n-1] = at
	case n < inlineWords:
		e.inline[n] = at
		e.n++
	default:
		copy(e.inline[:], e.inline[1:])
		e.inline[inlineWords-1] = at
	}
}

// before reports whether one of the stamps lies before the time limit and within
// the span before at.
func (p past) before(e *entry, limit, at uint32) bool {
	for _, v := range e.inline[:e.n] {
		if v < limit && (at <= v || at-v <= p.within) {
			return true
		}
	}
	return false
}
