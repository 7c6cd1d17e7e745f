package detect

// numPanes is how many parts a long count's window is cut into.
const numPanes = 32

// maxPane is the most that a pane counts unless panes are wide.
const maxPane = 1<<16 - 1

// panes counts events for thresholds that are too large to keep every stamp,
// and both sides of a ratio. The window is cut into 32 panes; the sum covers
// the current pane and the 31 before it, thus never more than the window, and
// less by at most window/32.
//
// A key seen in one pane only keeps its number and its sum in the entry
// (inline[0], inline[1]); then a ring of 32 counts stands in one block and
// inline[2], two counts to a word. Thresholds from maxPane on need wide panes: a
// word each, in three blocks.
type panes struct {
	width uint32 // seconds a pane, at least 1
	wide  bool
}

func newPanes(window uint32) panes {
	return panes{width: max((window+numPanes-1)/numPanes, 1)}
}

// read returns the count of pane i of the ring.
func (p panes) read(t *table, e *entry, i uint32) uint32 {
	if p.wide {
		return *t.blocks.word(e.data, int(i))
	}
	return *p.pair(t, e, i) >> (i & 1 * 16) & maxPane
}

func (p panes) write(t *table, e *entry, i, n uint32) {
	if p.wide {
		*t.blocks.word(e.data, int(i)) = n
		return
	}
	w := p.pair(t, e, i)
	*w = *w&^(maxPane<<(i&1*16)) | n<<(i&1*16)
}

// pair returns the word that holds pane i.
func (p panes) pair(t *table, e *entry, i uint32) *uint32 {
	if i /= 2; i < blockWords {
		return &t.blocks.at(e.data)[1+i]
	}
	return &e.inline[2]
}

// words is how long the chain of an entry is.
func (p panes) words() int {
	if p.wide {
		return numPanes
	}
	return blockWords
}

// most is the most that a pane counts.
func (p panes) most() uint32 {
	if p.wide {
		return 1 << 26
	}
	return maxPane
}

// add counts weight events at time at.
func (p panes) add(t *table, e *entry, at, now uint32, weight int) {
	q := at / p.width
	w := min(uint32(min(max(weight, 0), 1<<20)), p.most())
	if e.n != 0 && e.inline[0] > (now+skewAllowed)/p.width { // the clock was set back
		t.clearState(e)
	}
	if e.n != 0 && e.data != 0 && q >= e.inline[0]+numPanes { // all of it is over
		t.clearState(e)
	}
	if e.n == 0 {
		e.n, e.newest, e.inline[0], e.inline[1] = 1, at, q, w
		return
	}
	e.newest = max(e.newest, at)
	last := e.inline[0]
	if e.data == 0 {
		if q == last {
			e.inline[1] = min(e.inline[1]+w, p.most())
			return
		}
		if q > last && q-last >= numPanes {
			e.inline[0], e.inline[1] = q, w
			return
		}
		if !t.extend(e, &e.data, p.words()) {
			t.blocks.release(e.data)
			e.data = 0
			// Without memory: keep one pane that moves along.
			e.inline[0], e.inline[1] = max(q, last), min(e.inline[1]+w, p.most())
			return
		}
		e.inline[2] = 0
		p.write(t, e, last%numPanes, e.inline[1])
	}
	if q > last {
		passed := min(q-last, numPanes)
		if passed < numPanes && p.read(t, e, last%numPanes) == e.inline[1] {
			passed = 0 // all is in the last pane: the others are empty
		}
		for i := range passed {
			k := (last + 1 + i) % numPanes
			if c := p.read(t, e, k); c != 0 {
				e.inline[1] -= c
				p.write(t, e, k, 0)
			}
		}
		e.inline[0] = q
	} else if last-q >= numPanes {
		return // older than the window
	}
	old := p.read(t, e, q%numPanes)
	c := min(old+w, p.most())
	p.write(t, e, q%numPanes, c)
	e.inline[1] += c - old
}

// count returns the events in the window that ends with the newest.
func (p panes) count(e *entry) int { return int(e.inline[1]) }
