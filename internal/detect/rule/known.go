package rule

import (
	"hash/maphash"
	"slices"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule/norm"
)

// The same user agents, referers and targets come again and again, attacks above
// all: scanners repeat their probes. For each of the three a matcher remembers
// the trees whose literals were found in a text, and what became of those that
// look at nothing else. A text that is known is neither searched nor matched.

// homes is the number of groups whose texts are remembered: the groups before
// groupText.
const homes = groupText

// homeOf returns the group that a field is taken from, -1 if it is none of the
// remembered.
func homeOf(f Field) int {
	if f == HTTPPathMasked || f == NormFlags {
		return groupTarget
	}
	if g := groupOf(f); g < homes {
		return g
	}
	return -1
}

// homeOfCond returns the group whose text alone decides a condition once the
// event's type is settled, -1 if there is none.
func homeOfCond(c *Cond) int {
	const unset = -2
	g := unset
	c.walk(false, func(l *leaf, _ bool) {
		if l.field == EventType {
			return
		}
		h := homeOf(l.field)
		if h < 0 || l.op == opFieldRef && homeOf(l.other) != h || g != unset && h != g {
			g = -1
		} else if g == unset {
			g = h
		}
	})
	return max(g, -1)
}

// homes finds the trees that have a home. Such a tree does not hold for an event
// that lacks the text.
func (c *compiler) homes() {
	empty := c.set.NewMatcher()
	empty.begin(&sentinel.Event{})
	for i, t := range c.set.trees {
		if t.home = home(t); t.home < 0 || t.indexed {
			continue
		}
		if empty.eval(t.root) {
			t.home = -1
			continue
		}
		c.set.homes[t.home] = append(c.set.homes[t.home], int32(i))
	}
}

// home does so for a tree whose selector has settled the event's type.
func home(t *tree) int {
	if t.late || t.direct || t.root == nil || asksType(t.root) {
		return -1
	}
	return homeOfCond(t.full)
}

// asksType reports whether a tree still looks at the event's type.
func asksType(n *node) bool {
	if n.kind == condLeaf {
		return n.leaf.field == EventType
	}
	return slices.ContainsFunc(n.kids, func(k node) bool { return asksType(&k) })
}

const (
	knownSets  = 256
	knownWays  = 4
	knownText  = 512 // bytes; with 1,024 entries about 1 MiB a cache, lists included
	knownTrees = 64
)

// knownCache remembers texts: four to a set, the one that was asked for longest
// ago gives way.
type knownCache struct {
	seed maphash.Seed
	sets [][knownWays]knownEntry
	tick uint32
}

type knownEntry struct {
	hash uint64
	used uint32
	// path is the length of the path in a target.
	path int32
	text []byte
	// hold are the trees that hold; maybe those that are to be tried.
	hold, maybe []int32
}

func newKnownCache() *knownCache { return &knownCache{seed: maphash.MakeSeed()} }

// find returns the entry of a text and whether it was there; a new one is empty.
// It returns nil for texts that are not remembered.
func (c *knownCache) find(s string, path int) (*knownEntry, bool) {
	if len(s) > knownText {
		return nil, false
	}
	if c.sets == nil {
		c.sets = make([][knownWays]knownEntry, knownSets)
	}
	h := maphash.String(c.seed, s)
	set := &c.sets[h%knownSets]
	c.tick++
	old := &set[0]
	for i := range set {
		e := &set[i]
		if e.hash == h && e.used != 0 && int(e.path) == path && string(e.text) == s {
			e.used = c.tick
			return e, true
		}
		if e.used < old.used {
			old = e
		}
	}
	old.hash, old.used, old.path = h, c.tick, int32(path)
	old.text = append(old.text[:0], s...)
	old.hold, old.maybe = old.hold[:0], old.maybe[:0]
	return old, false
}

// drop forgets an entry.
func (e *knownEntry) drop() { *e = knownEntry{} }

// judged is what became of a tree that has a home.
type judged struct {
	tree int32
	ok   bool
}

// propose marks the trees that a text may make true. search marks in found those
// whose literals are in it, and is called for unknown texts only.
func (m *Matcher) propose(g int, s string, path int, search func(found []uint64)) {
	e, known := m.known[g].find(s, path)
	if !known {
		clear(m.found)
		search(m.found)
		m.addHomes(g, m.found)
		m.remember(e)
	}
	m.take(g, e, known)
}

// addHomes marks the trees without literals that a group's text decides.
func (m *Matcher) addHomes(g int, found []uint64) {
	for _, t := range m.set.homes[g] {
		found[t>>6] |= 1 << (t & 63)
	}
}

// remember puts the trees found for a text into its entry, and marks them for
// trial.
func (m *Matcher) remember(e *knownEntry) {
	for w, word := range m.found {
		m.bits[w] |= word
		if e == nil {
			continue
		}
		for ; word != 0; word &= word - 1 {
			e.maybe = append(e.maybe, int32(w<<6+trailing(word)))
		}
	}
}

// take notes the entry for what the event's trials will show and marks the trees
// of a known one.
func (m *Matcher) take(g int, e *knownEntry, known bool) {
	m.entries[g] = e
	if !known {
		return
	}
	for _, t := range e.hold {
		m.bits[t>>6] |= 1 << (t & 63)
		m.sure[t>>6] |= 1 << (t & 63)
	}
	for _, t := range e.maybe {
		m.bits[t>>6] |= 1 << (t & 63)
	}
}

// learn keeps what the event's trials showed, unless the budget cut them short.
func (m *Matcher) learn() {
	if m.over {
		for _, e := range m.entries {
			if e != nil {
				e.drop()
			}
		}
		return
	}
	for _, j := range m.judged {
		e := m.entries[m.set.trees[j.tree].home]
		if e == nil {
			continue
		}
		for i, t := range e.maybe {
			if t == j.tree {
				last := len(e.maybe) - 1
				e.maybe[i] = e.maybe[last]
				e.maybe = e.maybe[:last]
				break
			}
		}
		if j.ok {
			e.hold = append(e.hold, j.tree)
		}
	}
	for _, e := range m.entries {
		if e != nil && (len(e.maybe)+len(e.hold) > knownTrees || cap(e.maybe)+cap(e.hold) > 8*knownTrees) {
			e.drop()
		}
	}
}

// scanTarget marks the trees that the request target may make true. One that
// needs no decoding is searched first, since most have nothing to remember.
func (m *Matcher) scanTarget() {
	w := m.parts()
	g := &m.set.index.groups[groupTarget]
	if !w.joined {
		clear(m.found)
		m.searchTarget(m.found)
		m.addHomes(groupTarget, m.found)
		m.remember(nil)
		return
	}
	if w.pathCanon && w.queryCanon && len(m.set.homes[groupTarget]) == 0 && (len(w.query) < minEmbedded || g.need&(needArgs|needArgsCanon) == 0) {
		clear(m.found)
		if g.a == nil || !g.a.scan(w.target, m.found) {
			return
		}
		e, known := m.known[groupTarget].find(w.target, len(w.path))
		if !known {
			m.remember(e)
		}
		m.take(groupTarget, e, known)
		return
	}
	m.propose(groupTarget, w.target, len(w.path), m.searchTarget)
}

// scanText does so for the user agent and the referer.
func (m *Matcher) scanText(group int, f Field, k norm.Kind) {
	s := cut(f.text(m.ev))
	if s == "" {
		return
	}
	m.propose(group, s, 0, func(found []uint64) {
		g := &m.set.index.groups[group]
		if g.a == nil {
			return
		}
		if norm.Scan(s).Canonical(s, k) {
			g.a.scan(s, found)
			return
		}
		for v := range numViews {
			if g.need&(1<<v) != 0 {
				g.a.scan(m.text(f, v), found)
			}
		}
	})
}
