package rule

// automaton finds any of many texts in one pass over a text, without regard to
// the case of ASCII letters (Aho-Corasick as a dense table over byte classes).
//
// A state is the offset of its row in next; the highest bit of an entry says
// that texts end there.
type automaton struct {
	class  [256]uint8
	stride uint32
	next   []uint32
	// outs[row] lists the payloads that end in a state whose entry has the bit.
	outs map[uint32][]int32
	rows int
}

const outBit = 1 << 31

// word is one text with the numbers that are reported where it is found.
type word struct {
	text string // folded
	outs []int32
}

// newAutomaton builds an automaton, nil if there are no words. It reports the
// number of states each word added.
func newAutomaton(words []word) (*automaton, []int) {
	if len(words) == 0 {
		return nil, nil
	}
	a := &automaton{stride: 1}
	for _, w := range words {
		for i := range len(w.text) {
			if c := lower[w.text[i]]; a.class[c] == 0 && a.stride < 256 {
				a.class[c] = uint8(a.stride)
				a.stride++
			}
		}
	}
	for c := range a.class {
		a.class[c] = a.class[lower[c]]
	}
	k := int(a.stride)
	trie := make([]int32, k) // child states; 0: none
	ends := [][]int32{nil}
	added := make([]int, len(words))
	for wi, w := range words {
		s := 0
		for i := range len(w.text) {
			at := s*k + int(a.class[lower[w.text[i]]])
			if trie[at] == 0 {
				trie[at] = int32(len(ends))
				ends = append(ends, nil)
				trie = append(trie, make([]int32, k)...)
				added[wi]++
			}
			s = int(trie[at])
		}
		ends[s] = append(ends[s], w.outs...)
	}
	a.finish(trie, ends, k)
	return a, added
}

// finish numbers the states by breadth, so that the common shallow ones lie
// together, and fills in the failure transitions.
func (a *automaton) finish(trie []int32, ends [][]int32, k int) {
	n := len(ends)
	order := make([]int32, 1, n)
	fail := make([]int32, n)
	for i := 0; i < len(order); i++ {
		s := order[i]
		for c := range k {
			child := trie[int(s)*k+c]
			if child == 0 {
				if s != 0 {
					trie[int(s)*k+c] = trie[int(fail[s])*k+c]
				}
				continue
			}
			order = append(order, child)
			if s != 0 {
				fail[child] = trie[int(fail[s])*k+c]
			}
			ends[child] = merge(ends[child], ends[fail[child]])
		}
	}
	row := make([]uint32, n)
	for i, s := range order {
		row[s] = uint32(i * k)
	}
	a.rows = n
	a.next = make([]uint32, n*k)
	a.outs = make(map[uint32][]int32)
	for i, s := range order {
		for c := range k {
			to := trie[int(s)*k+c]
			e := row[to]
			if len(ends[to]) > 0 {
				e |= outBit
			}
			a.next[i*k+c] = e
		}
		if len(ends[s]) > 0 {
			a.outs[row[s]] = ends[s]
		}
	}
}

// merge returns the union of two lists, in the order of their elements.
func merge(a, b []int32) []int32 {
	if len(b) == 0 {
		return a
	}
	out := append([]int32(nil), a...)
	for _, x := range b {
		found := false
		for _, y := range out {
			if x == y {
				found = true
				break
			}
		}
		if !found {
			out = append(out, x)
		}
	}
	return out
}

// scan sets the bits of all payloads that are found in s and reports whether
// there were any.
func (a *automaton) scan(s string, bits []uint64) bool {
	next, class := a.next, &a.class
	state := uint32(0)
	found := false
	for i := 0; i < len(s); i++ {
		e := next[state+uint32(class[s[i]])]
		if e&outBit != 0 {
			e &^= outBit
			found = true
			for _, o := range a.outs[e] {
				bits[o>>6] |= 1 << (o & 63)
			}
		}
		state = e
	}
	return found
}

// contains reports whether any word is in s.
func (a *automaton) contains(s string) bool {
	state := uint32(0)
	for i := 0; i < len(s); i++ {
		state = a.next[state+uint32(a.class[s[i]])]
		if state&outBit != 0 {
			return true
		}
	}
	return false
}
