package detect

// numPanes is how many parts a long count's window is cut into.
const numPanes = 32

// panes counts events for thresholds that are too large to keep every stamp,
// and both sides of a ratio. The window is cut into 32 panes; the sum covers
// the current pane and the 31 before it, thus never more than the window, and
// less by at most window/32.
//
// A key seen in one pane only keeps its number and its sum in the entry
// (inline[0], inline[1]); then a ring of 32 counts stands in blocks.
type panes struct {
	width uint32 // seconds a pane, at least 1
}

func newPanes(window uint32) panes { return panes{max((window+numPanes-1)/numPanes, 1)} }

// add counts weight events at time at.
func (p panes) add(t *table, e *entry, at, now uint32, weight int) {
	q := at / p.width
	w := uint32(min(max(weight, 0), 1<<20))
	if e.n != 0 && e.inline[0] > (now+skewAllowed)/p.width { // the clock was set back
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
			e.inline[1] = addCapped(e.inline[1], w)
			return
		}
		if q > last && q-last >= numPanes {
			e.inline[0], e.inline[1] = q, w
			return
		}
		if !t.extend(e, &e.data, numPanes) {
			t.blocks.release(e.data)
			e.data = 0
			// Without memory: keep one pane that moves along.
			e.inline[0], e.inline[1] = max(q, last), addCapped(e.inline[1], w)
			return
		}
		*t.blocks.word(e.data, int(last%numPanes)) = e.inline[1]
	}
	if q > last {
		for i := range min(q-last, numPanes) {
			c := t.blocks.word(e.data, int((last+1+i)%numPanes))
			e.inline[1] -= *c
			*c = 0
		}
		e.inline[0] = q
	} else if last-q >= numPanes {
		return // older than the window
	}
	c := t.blocks.word(e.data, int(q%numPanes))
	sum := addCapped(e.inline[1], w)
	*c += sum - e.inline[1]
	e.inline[1] = sum
}

// count returns the events in the window that ends with the newest.
func (p panes) count(e *entry) int { return int(e.inline[1]) }

// countAt is count for a window that ends at the time at: 0 if nothing of it is
// left.
func (p panes) countAt(e *entry, at uint32) int {
	if q := at / p.width; q > e.inline[0] && q-e.inline[0] >= numPanes {
		return 0
	}
	return int(e.inline[1])
}

func addCapped(a, b uint32) uint32 {
	if a > 1<<31-b {
		return 1 << 31
	}
	return a + b
}
