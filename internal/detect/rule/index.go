package rule

import (
	"slices"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule/norm"
)

// The classes of texts; each has one automaton.
const (
	groupTarget = iota
	groupAgent
	groupReferer
	groupText // all other fields
	numGroups
)

// index finds the trees whose conditions may hold.
type index struct {
	groups [numGroups]struct {
		a *automaton
		// need says which views are to be searched; for groupTarget by the bits
		// below.
		need uint16
	}
	// texts are the fields and views of groupText.
	texts []fieldView
}

type fieldView struct {
	field Field
	view  View
}

// The texts of groupTarget.
const (
	needRaw uint16 = 1 << iota
	needDecoded
	needCanon
	needArgs
	needArgsCanon
	needResolved
)

// maxIndexed bounds the bytes of all texts of a group.
const maxIndexed = 100_000

// indexable reports whether texts of a field are searched by the index.
func indexable(f Field) bool {
	k := f.Kind()
	return (k == KindText || k == KindTexts) && f != HTTPPathMasked
}

func groupOf(f Field) int {
	switch f {
	case HTTPTarget, HTTPPath, HTTPQuery, HTTPArgs, HTTPArgNames, HTTPPathResolved:
		return groupTarget
	case HTTPUserAgent:
		return groupAgent
	case HTTPReferer:
		return groupReferer
	}
	return groupText
}

// direct reports whether a tree is decided faster than looked up: it compares
// typed fields and short texts only.
func direct(c *Cond) bool {
	ok := true
	c.walk(false, func(l *leaf, _ bool) {
		switch l.field.Kind() {
		case KindName, KindNumber, KindAddr, KindBool, KindFlags:
			return
		}
		switch l.field {
		case Message, Raw, XFF, HTTPReferer, HTTPUserAgent, HTTPPathMasked:
			ok = ok && l.op == opExists
			return
		}
		if groupOf(l.field) == groupTarget {
			ok = ok && (l.op == opExists || l.op == opLengthGT) && l.view == ViewRaw
			return
		}
		ok = ok && l.op != opPattern && l.view == ViewRaw && (l.op == opExists || l.op == opFieldRef || l.op == opLengthGT ||
			l.op == opEquals && len(l.globs) == 0 || len(l.texts) <= 4)
	})
	return ok
}

// newIndex chooses literals for each tree and builds the automata. Trees
// without literals keep group -1.
func newIndex(trees []*tree) *index {
	x := &index{}
	var words [numGroups]map[string][]int32
	var size [numGroups]int
	for i, t := range trees {
		if t.direct = direct(t.full); t.direct || t.late {
			continue
		}
		req, ok := require(t.full)
		if !ok {
			continue
		}
		var add [numGroups]int
		for _, l := range req.literals {
			add[groupOf(l.field)] += len(l.text)
		}
		full := false
		for g := range add {
			full = full || size[g]+add[g] > maxIndexed
		}
		if full {
			continue
		}
		t.indexed = true
		for _, l := range req.literals {
			g := groupOf(l.field)
			size[g] += len(l.text)
			if words[g] == nil {
				words[g] = map[string][]int32{}
			}
			if !slices.Contains(words[g][l.text], int32(i)) {
				words[g][l.text] = append(words[g][l.text], int32(i))
				t.literals = append(t.literals, l.text)
			}
			t.groups |= 1 << g
			x.want(g, l)
		}
		slices.Sort(t.literals)
		t.literals = slices.Compact(t.literals)
	}
	for g := range words {
		list := make([]word, 0, len(words[g]))
		for text, outs := range words[g] {
			list = append(list, word{text, outs})
		}
		slices.SortFunc(list, func(a, b word) int { return strings.Compare(a.text, b.text) })
		var added []int
		x.groups[g].a, added = newAutomaton(list)
		for i, w := range list {
			for _, t := range w.outs {
				trees[t].states += added[i]
			}
		}
	}
	return x
}

// want notes which text a literal is looked for in.
func (x *index) want(g int, l literal) {
	switch g {
	case groupTarget:
		x.groups[g].need |= needOf(l.field, l.view)
	case groupText:
		if v := (fieldView{l.field, l.view}); !slices.Contains(x.texts, v) {
			x.texts = append(x.texts, v)
		}
	default:
		x.groups[g].need |= 1 << l.view
	}
}

func needOf(f Field, v View) uint16 {
	args := f == HTTPArgs || f == HTTPArgNames
	switch {
	case f == HTTPPathResolved:
		return needResolved
	case v == ViewRaw:
		return needRaw
	case args && v == ViewDecoded:
		return needArgs
	case args:
		return needArgsCanon
	case v == ViewDecoded:
		return needDecoded
	}
	return needCanon
}

// scanTarget marks the trees whose literals are in the request target.
func (m *Matcher) scanTarget() {
	g := &m.set.index.groups[groupTarget]
	w := m.parts()
	if w.pathCanon && w.queryCanon {
		// All views are parts of the target but for letter case.
		if w.joined {
			g.a.scan(w.target, m.bits)
		} else {
			m.scanApart(g.a, ViewRaw)
			m.scanOdd(g.a, g.need)
		}
		if g.need&(needArgs|needArgsCanon) != 0 && len(w.query) >= minEmbedded {
			if m.args(ViewDecoded); w.embedded {
				m.scanArgs(g.a, g.need)
			}
		}
		return
	}
	for v, need := range [numViews]uint16{needRaw, needDecoded, needCanon} {
		if g.need&need == 0 {
			continue
		}
		if w.joined {
			g.a.scan(m.webText(HTTPTarget, View(v)), m.bits)
		} else {
			m.scanApart(g.a, View(v))
		}
	}
	m.scanArgs(g.a, g.need)
	if g.need&needResolved != 0 {
		g.a.scan(m.resolved(), m.bits)
	}
}

// scanApart searches target, path and query one by one.
func (m *Matcher) scanApart(a *automaton, v View) {
	for _, f := range [...]Field{HTTPTarget, HTTPPath, HTTPQuery} {
		a.scan(m.webText(f, v), m.bits)
	}
}

// scanOdd searches the decoded views of a target that is not path and query.
func (m *Matcher) scanOdd(a *automaton, need uint16) {
	if need&needDecoded != 0 {
		a.scan(m.webText(HTTPTarget, ViewDecoded), m.bits)
	}
	if need&needCanon != 0 {
		a.scan(m.webText(HTTPTarget, ViewCanon), m.bits)
	}
}

func (m *Matcher) scanArgs(a *automaton, need uint16) {
	if need&needArgs != 0 {
		for _, p := range m.args(ViewDecoded) {
			a.scan(p.name, m.bits)
			a.scan(p.value, m.bits)
		}
	}
	if need&needArgsCanon != 0 {
		for _, p := range m.args(ViewCanon) {
			a.scan(p.name, m.bits)
			a.scan(p.value, m.bits)
		}
	}
}

// scanCached marks the trees whose literals are in the user agent or referer.
// The same texts come again and again, so that the answer is remembered.
func (m *Matcher) scanCached(group int, f Field, k norm.Kind, cache *textCache) {
	s := cut(f.text(m.ev))
	if s == "" {
		return
	}
	e, known := cache.find(s)
	if !known {
		g := &m.set.index.groups[group]
		clear(m.found)
		if norm.Scan(s).Canonical(s, k) {
			g.a.scan(s, m.found)
		} else {
			for v := range numViews {
				if g.need&(1<<v) != 0 {
					g.a.scan(m.text(f, v), m.found)
				}
			}
		}
		e.trees = e.trees[:0]
		for w, word := range m.found {
			for ; word != 0; word &= word - 1 {
				e.trees = append(e.trees, int32(w<<6+trailing(word)))
			}
		}
	}
	for _, t := range e.trees {
		m.bits[t>>6] |= 1 << (t & 63)
	}
}

// scanTexts marks the trees whose literals are in the other fields.
func (m *Matcher) scanTexts() {
	a := m.set.index.groups[groupText].a
	for _, v := range m.set.index.texts {
		if s := m.text(v.field, v.view); s != "" {
			a.scan(s, m.bits)
		}
	}
}
