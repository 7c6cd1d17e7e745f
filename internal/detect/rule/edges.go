package rule

import "math"

// edges choose among many texts that another may begin or end with: those that
// have its first two bytes, or its last two, folded.
type edges struct {
	// heads have for each hash of two bytes the first text that it stands for,
	// next for each text the one after it; both count from 1, 0 is none.
	heads [math.MaxUint8 + 1]uint8
	next  []uint8
}

// newEdges returns nil if there are too many texts or one has no two bytes.
func newEdges(op op, texts []string) *edges {
	if len(texts) > math.MaxUint8 {
		return nil
	}
	e := &edges{next: make([]uint8, len(texts))}
	for i, s := range texts {
		if len(s) < 2 {
			return nil
		}
		h := hashEdge(op, s)
		e.next[i], e.heads[h] = e.heads[h], uint8(i+1)
	}
	return e
}

// hasEdge reports whether s begins (opStartsWith) or ends (opEndsWith) with a text
// of a leaf that has edges.
func (m *Matcher) hasEdge(l *leaf, s string) bool {
	if len(s) < 2 {
		return false
	}
	for n := l.edges.heads[hashEdge(l.op, s)]; n != 0; n = l.edges.next[n-1] {
		if m.one(l, s, int(n)-1) {
			return true
		}
	}
	return false
}

func hashEdge(op op, s string) uint8 {
	i := 0
	if op == opEndsWith {
		i = len(s) - 2
	}
	return lower[s[i]]*31 + lower[s[i+1]]
}
