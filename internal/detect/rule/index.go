package rule

import (
	"slices"
	"strings"
)

// The classes of texts; each has one finder.
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
		a *finder
		// need says which views are to be searched; for groupTarget by the bits
		// below.
		need uint16
	}
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

// maxIndexed bounds the bytes of all texts of a group, some 100,000 rules.
const maxIndexed = 4 << 20

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
		case KindName, KindNumber, KindAddr, KindBool, KindFlags, KindCountry:
			return
		}
		switch l.field {
		case Message, Raw, XFF, HTTPReferer, HTTPUserAgent, HTTPPathMasked, ExecImage, ExecCmdline, ExecCwd, ExecParentImage,
			ExecParentCmdline, FilePath, Audit:
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

// newIndex chooses literals for each tree and builds the finders. Trees
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
			x.want(t, g, l)
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
		x.groups[g].a, added = newFinder(list)
		for i, w := range list {
			for _, t := range w.outs {
				trees[t].states += added[i]
			}
		}
	}
	return x
}

// want notes which text a literal is looked for in.
func (x *index) want(t *tree, g int, l literal) {
	switch g {
	case groupTarget:
		x.groups[g].need |= needOf(l.field, l.view)
	case groupText:
		t.texts = withText(t.texts, fieldView{l.field, l.view})
	default:
		x.groups[g].need |= 1 << l.view
	}
}

// withText adds a text that is not there yet.
func withText(list []fieldView, v fieldView) []fieldView {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
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

// searchTarget marks the trees whose literals are in the request target.
func (m *Matcher) searchTarget(found []uint64) {
	g := &m.set.index.groups[groupTarget]
	w := m.parts()
	if g.a == nil {
		return
	}
	if w.pathCanon && w.queryCanon {
		// All views are parts of the target but for letter case.
		if w.joined {
			g.a.scan(w.target, found)
		} else {
			m.scanApart(g.a, found, ViewRaw)
			m.scanOdd(g.a, found, g.need)
		}
		if g.need&(needArgs|needArgsCanon) != 0 && len(w.query) >= minEmbedded {
			if m.args(ViewDecoded); w.embedded {
				m.scanArgs(g.a, found, g.need)
			}
		}
		return
	}
	for v, need := range [numViews]uint16{needRaw, needDecoded, needCanon} {
		if g.need&need == 0 {
			continue
		}
		if w.joined {
			g.a.scan(m.webText(HTTPTarget, View(v)), found)
		} else {
			m.scanApart(g.a, found, View(v))
		}
	}
	m.scanArgs(g.a, found, g.need)
	if g.need&needResolved != 0 {
		g.a.scan(m.resolved(), found)
	}
}

// scanApart searches target, path and query one by one.
func (m *Matcher) scanApart(a *finder, found []uint64, v View) {
	for _, f := range [...]Field{HTTPTarget, HTTPPath, HTTPQuery} {
		a.scan(m.webText(f, v), found)
	}
}

// scanOdd searches the decoded views of a target that is not path and query.
func (m *Matcher) scanOdd(a *finder, found []uint64, need uint16) {
	if need&needDecoded != 0 {
		a.scan(m.webText(HTTPTarget, ViewDecoded), found)
	}
	if need&needCanon != 0 {
		a.scan(m.webText(HTTPTarget, ViewCanon), found)
	}
}

func (m *Matcher) scanArgs(a *finder, found []uint64, need uint16) {
	if need&needArgs != 0 {
		for _, p := range m.args(ViewDecoded) {
			a.scan(p.name, found)
			a.scan(p.value, found)
		}
	}
	if need&needArgsCanon != 0 {
		for _, p := range m.args(ViewCanon) {
			a.scan(p.name, found)
			a.scan(p.value, found)
		}
	}
}

// scanTexts marks the trees whose literals are in the other fields.
func (m *Matcher) scanTexts(p *plan) {
	a := m.set.index.groups[groupText].a
	for _, v := range p.texts {
		if v.field == Audit {
			for i := range m.ev.Fields {
				a.scan(cut(m.ev.Fields[i].Value), m.bits)
			}
			continue
		}
		if s := m.text(v.field, v.view); s != "" {
			a.scan(s, m.bits)
		}
	}
}
