package rule

import (
	"slices"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule/norm"
)

// Bounds of evidence.
const (
	maxEvidence     = 3
	maxEvidenceText = 512
)

// span is where a leaf matched.
type span struct {
	leaf       *leaf
	text, name string // name: the parameter's
	start, end int
}

// Evidence says what made a rule match: at most three parts of fields, cut to
// 512 bytes around what matched. It may be called between Match(ev), which gave
// mt, and the next Match. The evidence owns its texts.
func (m *Matcher) Evidence(ev *sentinel.Event, mt Match) []sentinel.Evidence {
	if ev != m.ev {
		return nil
	}
	t := m.set.treeOf[targetKey{mt.Rule, mt.Step}]
	if t == nil {
		return m.reported(mt)
	}
	var out []sentinel.Evidence
	texts := false
	for _, s := range m.spans(t) {
		if len(out) == maxEvidence {
			break
		}
		texts = texts || isText(s.leaf)
		x := excerpt(s.leaf.field, s.leaf.view, s.text, s.start, s.end)
		if s.leaf.field == Audit {
			x.Field, x.View = auditPrefix+strings.Clone(s.name), ""
		}
		out = append(out, x)
	}
	if texts || len(out) == maxEvidence {
		return out
	}
	// Typed fields alone say little: show the text that they were read from.
	f := Message
	switch {
	case m.parts().target != "":
		f = HTTPTarget
	case ev.Message == "":
		f = Raw
	}
	if s := m.text(f, ViewRaw); s != "" {
		out = append(out, excerpt(f, ViewRaw, s, 0, len(s)))
	}
	return out
}

func isText(l *leaf) bool { return l.field.Kind() == KindText || l.field.Kind() == KindTexts }

// excerpt cuts a text to maxEvidenceText bytes around what matched.
func excerpt(f Field, v View, s string, start, end int) sentinel.Evidence {
	from, to := 0, len(s)
	if to > maxEvidenceText {
		end = min(end, start+maxEvidenceText)
		from = max(0, start-(maxEvidenceText-(end-start))/2)
		to = min(len(s), from+maxEvidenceText)
		from = max(0, to-maxEvidenceText)
	}
	e := sentinel.Evidence{Field: f.Name(), Text: strings.Clone(s[from:to]), Start: start - from, End: end - from}
	if k := f.Kind(); k == KindText || k == KindTexts {
		e.View = v.String()
	}
	return e
}

// spans finds where the true leaves of a true tree matched, the telling ones
// first.
func (m *Matcher) spans(t *tree) []span {
	if m.spanned.tree == t && m.spanned.epoch == m.epoch {
		return m.spanned.list // Template and Evidence ask for the same
	}
	m.budget = max(m.budget, m.set.budget)
	out := m.spanned.list[:0]
	m.collect(m.shown(t), &out)
	rank := func(s span) int {
		switch {
		case !isText(s.leaf):
			return 2
		case s.leaf.op == opExists || s.leaf.op == opLengthGT || s.leaf.op == opFieldRef:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b span) int { return rank(a) - rank(b) })
	m.spanned.tree, m.spanned.epoch, m.spanned.list = t, m.epoch, out
	return out
}

// collect walks the true branches of a true node.
func (m *Matcher) collect(n *node, out *[]span) {
	switch n.kind {
	case condNot:
		return
	case condLeaf:
		if s, ok := m.locate(n.leaf); ok {
			*out = append(*out, s)
		}
		return
	}
	for i := range n.kids {
		if len(*out) > 4*maxEvidence {
			return
		}
		if n.kind == condAll || m.eval(&n.kids[i]) {
			m.collect(&n.kids[i], out)
		}
	}
}

// locate says where a true leaf matched.
func (m *Matcher) locate(l *leaf) (span, bool) {
	switch l.field.Kind() {
	case KindText:
		s := m.text(l.field, l.view)
		if l.op == opExists && !l.want {
			return span{}, false
		}
		start, end := m.where(l, s)
		name := ""
		if l.field == HTTPQuery || l.field == HTTPTarget {
			name = nameAt(l.field, s, start)
		}
		return span{l, s, name, start, end}, true
	case KindTexts:
		return m.locateArg(l)
	case KindFlags:
		s := m.flags(norm.Flags(l.flags)).String()
		return span{l, s, "", 0, len(s)}, true
	}
	if geographic(l) {
		return m.locateGeo(l)
	}
	s := l.field.String(m.ev)
	if l.field == SrcIP && s == "" && m.captured.IsValid() {
		s = m.captured.String()
	}
	return span{l, s, "", 0, len(s)}, s != ""
}

// locateArg finds the parameter that made a leaf true.
func (m *Matcher) locateArg(l *leaf) (span, bool) {
	if l.field == Audit {
		return m.locateAudit(l)
	}
	args := m.args(l.view)
	if l.op == opExists {
		return span{}, false
	}
	if l.op == opSQLi || l.op == opSQLiAny || l.op == opXSS {
		i := m.inject(l, args)
		if i < 0 {
			return span{}, false
		}
		s := args[i].value
		if l.field == HTTPArgNames || !m.injection(l.op, s) {
			s = args[i].name
		}
		return span{l, s, args[i].name, 0, len(s)}, true
	}
	for _, a := range args {
		s := a.of(l.field)
		if l.op == opLengthGT {
			if int64(len(s)) > l.numbers[0] {
				return span{l, s, a.name, 0, len(s)}, true
			}
			continue
		}
		for i := range l.count() {
			if m.one(l, s, i) {
				start, end := l.whereOne(s, i)
				return span{l, s, a.name, start, end}, true
			}
		}
	}
	return span{}, false
}

// where returns the bounds of what a text leaf matched in s.
func (m *Matcher) where(l *leaf, s string) (int, int) {
	for i := range l.count() {
		if m.one(l, s, i) {
			return l.whereOne(s, i)
		}
	}
	return 0, len(s)
}

// whereOne returns the bounds of what the i-th alternative matched in s.
func (l *leaf) whereOne(s string, i int) (int, int) {
	if i < len(l.texts) {
		n := len(l.texts[i])
		switch l.op {
		case opStartsWith:
			return 0, n
		case opEndsWith:
			return len(s) - n, len(s)
		case opContains:
			at := indexFold(s, l.texts[i])
			if l.cased {
				at = strings.Index(s, l.texts[i])
			}
			return at, at + n
		}
		return 0, len(s)
	}
	if i -= len(l.texts) + len(l.globs); i >= 0 {
		if at := l.patterns[i].regexp().FindStringIndex(s); at != nil {
			return at[0], at[1]
		}
	}
	return 0, len(s)
}

// nameAt returns the name of the parameter at a place of a query or target.
func nameAt(f Field, s string, at int) string {
	if f == HTTPTarget {
		q := strings.IndexByte(s, '?')
		if q < 0 || at <= q {
			return ""
		}
		s, at = s[q+1:], at-q-1
	}
	from := strings.LastIndexByte(s[:min(at, len(s))], '&') + 1
	name, _, _ := strings.Cut(s[from:], "=")
	name, _, _ = strings.Cut(name, "&")
	return name
}

// Template is equal for repetitions of the same odd thing: the rule's type, the
// path with its digits masked and the name of the parameter concerned; for
// events without a request, the program and the message with digits masked.
// It is the same in every process.
func (m *Matcher) Template(ev *sentinel.Event, mt Match) uint64 {
	h := uint64(14695981039346656037)
	add := func(s string) {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	add(m.set.rules[mt.Rule].Type)
	w := m.parts()
	if w.target == "" && w.path == "" {
		add(ev.Program)
		m.low = norm.AppendMasked(m.low[:0], cut(ev.Message)[:min(len(ev.Message), maxEvidenceText)])
		add(str(m.low))
		return h
	}
	if w.path != "" {
		add(m.masked())
	} else {
		m.low = norm.AppendMasked(m.low[:0], w.target)
		add(str(m.low))
	}
	name := ""
	if t := m.set.treeOf[targetKey{mt.Rule, mt.Step}]; t != nil && ev == m.ev {
		for _, s := range m.spans(t) {
			if name = s.name; name != "" {
				break
			}
		}
	} else if r := m.reportOf(mt); r != nil && ev == m.ev {
		name = nameAt(r.found.Field, r.found.Text, r.found.Start)
	}
	add(name[:min(len(name), maxEvidenceText)])
	return h
}
