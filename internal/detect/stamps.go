package detect

// maxExact is the largest threshold that is counted exactly.
const maxExact = 64

// inlineWords is how many words of state an entry itself holds.
const inlineWords = 4

// stamps is a sliding counter: the last cap stamps of a key, in seconds. With
// the newest at T, "at least k events in [T-w, T]" holds exactly if the k-th
// newest is not older than T-w, for every k ≤ cap and every w; one ring serves
// all rules that count the same thing.
//
// While at most 4 stamps are held they stand in the entry, oldest first; more
// stand in blocks, as a ring whose oldest stamp is at entry.head once it is
// full.
type stamps struct {
	cap    int    // largest threshold, 1..maxExact
	window uint32 // largest window
}

// word returns stamp number i by place, not by age.
func (s stamps) word(t *table, e *entry, i int) *uint32 {
	if e.data == 0 {
		return &e.inline[i]
	}
	return t.blocks.word(e.data, i)
}

// nth returns the k-th newest stamp, k from 1 to e.n.
func (s stamps) nth(t *table, e *entry, k int) uint32 {
	i := int(e.head) + int(e.n) - k
	if i >= s.cap {
		i -= s.cap
	}
	if e.data == 0 {
		return e.inline[i]
	}
	blk := t.blocks.at(e.data)
	for i >= blockWords {
		blk = t.blocks.at(blk[0])
		i -= blockWords
	}
	return blk[1+i]
}

// add counts weight events at time at. now is the arrival time: stamps beyond
// it can only come from a clock that was set back since, and are dropped.
func (s stamps) add(t *table, e *entry, at, now uint32, weight int) {
	switch {
	case e.n == 0:
	case e.newest > now+skewAllowed:
		s.dropFuture(t, e, now)
	case at > e.newest && at-e.newest > s.window:
		e.n, e.head = 0, 0 // all are out of every window
	}
	for range min(weight, s.cap) {
		if e.n != 0 && at < e.newest {
			s.insert(t, e, at)
		} else {
			s.push(t, e, at)
		}
	}
}

// push adds a stamp that is not older than any.
func (s stamps) push(t *table, e *entry, at uint32) {
	e.newest = at
	if int(e.n) == s.cap {
		*s.word(t, e, int(e.head)) = at
		if e.head++; int(e.head) == s.cap {
			e.head = 0
		}
		return
	}
	if !s.room(t, e) {
		return
	}
	*s.word(t, e, int(e.n)) = at
	e.n++
}

// room makes place for one stamp more. Without memory the oldest stamp gives
// way: the counter then sees less far back.
func (s stamps) room(t *table, e *entry) bool {
	n := int(e.n)
	if e.data == 0 && n < inlineWords {
		return true
	}
	moving := e.data == 0
	if !t.extend(e, &e.data, n+1) {
		if moving { // extend may have left a short chain
			t.blocks.release(e.data)
			e.data = 0
		}
		for i := 1; i < n; i++ {
			*s.word(t, e, i-1) = *s.word(t, e, i)
		}
		*s.word(t, e, n-1) = e.newest
		return false
	}
	if moving {
		t.blocks.store(e.data, e.inline[:n])
	}
	return true
}

// insert adds a stamp older than the newest, at its place in time. A stamp older
// than all of a full ring changes no count.
func (s stamps) insert(t *table, e *entry, at uint32) {
	var buf [maxExact + 1]uint32
	n := int(e.n)
	for i := range n {
		buf[i] = s.nth(t, e, n-i)
	}
	i := n
	for ; i > 0 && buf[i-1] > at; i-- {
		buf[i] = buf[i-1]
	}
	buf[i] = at
	from := 0
	if n == s.cap {
		from = 1
	} else if s.room(t, e) {
		n++
	} else {
		from = 1
	}
	for j := range n {
		*s.word(t, e, j) = buf[from+j]
	}
	e.n, e.head = uint16(n), 0
}

// dropFuture removes the stamps that lie beyond now.
func (s stamps) dropFuture(t *table, e *entry, now uint32) {
	var buf [maxExact]uint32
	n := 0
	for k := int(e.n); k > 0; k-- {
		if v := s.nth(t, e, k); v <= now+skewAllowed {
			buf[n] = v
			n++
		}
	}
	for i := range n {
		*s.word(t, e, i) = buf[i]
	}
	e.n, e.head, e.newest = uint16(n), 0, 0
	if n > 0 {
		e.newest = buf[n-1]
	}
}

// reached reports whether at least k events lie within window of the newest.
func (s stamps) reached(t *table, e *entry, k int, window uint32) bool {
	return int(e.n) >= k && e.newest-s.nth(t, e, k) <= window
}

// count returns how many of the stamps held lie within window of the newest, at
// most the largest threshold.
func (s stamps) count(t *table, e *entry, window uint32) int {
	if n := int(e.n); n == 0 || e.newest-s.nth(t, e, n) <= window {
		return n
	}
	lo, hi := 0, int(e.n) // the lo newest are inside, the hi+1-th is not
	for lo < hi {
		if mid := (lo + hi + 1) / 2; e.newest-s.nth(t, e, mid) <= window {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}
