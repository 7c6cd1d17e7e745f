package rule

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/corazawaf/libinjection-go"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule/norm"
)

// many is the number of values from which a leaf keeps a set or a finder.
const many = 6

// maxMulti bounds the bytes of the texts that a leaf's own finder finds.
const maxMulti = 16 << 10

// prepare builds what a leaf needs to be tested quickly. It changes the leaf,
// which must not be shared yet.
func (l *leaf) prepare() {
	size := 0
	for _, s := range l.texts {
		size += len(s)
	}
	switch {
	case l.field.Kind() == KindName:
		l.names = nameMask(l.numbers)
	case l.op == opCIDR:
		l.nets = newNetSet(l.prefixes)
	case l.all || len(l.texts) < many:
	case l.op == opStartsWith || l.op == opEndsWith:
		l.edges = newEdges(l.op, l.texts)
	case l.cased:
	case l.op == opEquals:
		l.set = make(map[string]struct{}, len(l.texts))
		for _, s := range l.texts {
			l.set[s] = struct{}{}
		}
	case l.op == opContains && size <= maxMulti:
		words := make([]word, len(l.texts))
		for i, s := range l.texts {
			words[i] = word{text: s, outs: []int32{0}}
		}
		l.multi, _ = newFinder(words)
	}
}

// eval decides a compiled tree for the matcher's event.
func (m *Matcher) eval(n *node) bool {
	switch n.kind {
	case condAll:
		for i := range n.kids {
			if !m.eval(&n.kids[i]) {
				return false
			}
		}
		return true
	case condAny:
		for i := range n.kids {
			if m.eval(&n.kids[i]) {
				return true
			}
		}
		return false
	case condNot:
		return !m.eval(&n.kids[0])
	}
	if n.memo < 0 {
		return m.test(n.leaf)
	}
	known := m.memo[n.memo]
	if known>>1 == m.epoch {
		return known&1 == 1
	}
	ok := m.test(n.leaf)
	m.memo[n.memo] = m.epoch << 1
	if ok {
		m.memo[n.memo] |= 1
	}
	return ok
}

// test decides one leaf.
func (m *Matcher) test(l *leaf) bool {
	ev := m.ev
	if geographic(l) {
		return m.testGeo(l)
	}
	switch l.field.Kind() {
	case KindName:
		return l.names>>m.place(l.field)&1 == 1
	case KindNumber:
		v, ok := l.field.number(ev)
		return l.testNumber(v, ok, ev)
	case KindAddr:
		a := m.addr(l.field)
		switch l.op {
		case opExists:
			return a.IsValid() == l.want
		case opFieldRef:
			b := m.addr(l.other)
			return a.IsValid() && b.IsValid() && sentinel.Normalize(a) == sentinel.Normalize(b)
		}
		return l.nets.contains(a)
	case KindBool:
		return l.field.flag(ev) == l.want
	case KindFlags:
		have := m.flags(norm.Flags(l.flags))
		if l.all {
			return have == norm.Flags(l.flags)
		}
		return have != 0
	case KindTexts:
		return m.testTexts(l)
	}
	s := m.text(l.field, l.view)
	switch l.op {
	case opExists:
		return (s != "") == l.want
	case opLengthGT:
		return int64(len(s)) > l.numbers[0]
	case opFieldRef:
		o := m.text(l.other, ViewRaw)
		return s != "" && (s == o || !l.cased && equalFold(s, o))
	}
	return m.testText(l, s)
}

// addr is Field.Addr, save that an address captured by a pattern stands in for
// the event's while exceptions are decided.
func (m *Matcher) addr(f Field) netip.Addr {
	if f == SrcIP && m.captured.IsValid() {
		return m.captured
	}
	return f.Addr(m.ev)
}

// place returns the index of a name field's value in its list; 63 stands for
// none.
func (m *Matcher) place(f Field) uint {
	switch f {
	case EventType:
		return uint(m.ev.Type)
	case AuthStep:
		return uint(m.ev.AuthStep)
	}
	return uint(m.source)
}

func (l *leaf) testNumber(v int64, ok bool, ev *sentinel.Event) bool {
	switch l.op {
	case opExists:
		return ok == l.want
	case opFieldRef:
		o, also := l.other.number(ev)
		return ok && also && v == o
	}
	if !ok {
		return false
	}
	switch l.op {
	case opGT:
		return v > l.numbers[0]
	case opGTE:
		return v >= l.numbers[0]
	case opLT:
		return v < l.numbers[0]
	case opLTE:
		return v <= l.numbers[0]
	}
	if len(l.numbers) < many {
		return slices.Contains(l.numbers, v)
	}
	_, found := slices.BinarySearch(l.numbers, v)
	return found
}

// testTexts decides a leaf on a field of many texts: one of them must do, and
// with "all", one for each value.
func (m *Matcher) testTexts(l *leaf) bool {
	if l.field == Audit {
		return m.testAudit(l)
	}
	args := m.args(l.view)
	switch l.op {
	case opExists:
		return (len(args) > 0) == l.want
	case opSQLi, opSQLiAny, opXSS:
		return m.inject(l, args) >= 0
	}
	if l.all {
		for i := range l.count() {
			if !slices.ContainsFunc(args, func(a arg) bool { return m.one(l, a.of(l.field), i) }) {
				return false
			}
		}
		return true
	}
	for i := range args {
		s := args[i].of(l.field)
		if l.op == opLengthGT {
			if int64(len(s)) > l.numbers[0] {
				return true
			}
		} else if m.testText(l, s) {
			return true
		}
	}
	return false
}

// inject returns the index of the first parameter that holds an injection, -1
// for none. http.args means values and names.
func (m *Matcher) inject(l *leaf, args []arg) int {
	for i := range args {
		if l.field == HTTPArgs && m.injection(l.op, args[i].value) || m.injection(l.op, args[i].name) {
			return i
		}
	}
	return -1
}

// injection asks libinjection, if the text has a byte without which it would
// say no. Its answers are remembered: the same values come again and again.
func (m *Matcher) injection(o op, s string) bool {
	if len(s) < 3 || !norm.SpecialByte(s) {
		return false
	}
	if o == opXSS && strings.IndexByte(s, '<') < 0 && strings.IndexByte(s, '=') < 0 {
		return false
	}
	e, known := m.verdicts.find(s)
	if !known {
		e.verdict = 0
	}
	if o == opXSS {
		if e.verdict&xssKnown == 0 {
			if !m.spend(4 * len(s)) {
				return false
			}
			e.verdict |= xssKnown
			if libinjection.IsXSS(s) {
				e.verdict |= xssFound
			}
		}
		return e.verdict&xssFound != 0
	}
	if e.verdict&sqliKnown == 0 {
		if !m.spend(4 * len(s)) {
			return false
		}
		e.verdict |= sqliKnown
		if found, print := libinjection.IsSQLi(s); found {
			e.verdict |= sqliFound
			if noisy(print) {
				e.verdict |= sqliNoisy
			}
		}
	}
	return e.verdict&sqliFound != 0 && (o == opSQLiAny || e.verdict&sqliNoisy == 0)
}

// What libinjection said of a text.
const (
	sqliKnown uint8 = 1 << iota
	sqliFound
	sqliNoisy
	xssKnown
	xssFound
)

// noisy reports whether a fingerprint of libinjection is met in ordinary text:
// two quoted words with a sign between (sos), a name before "!@#" (novc).
func noisy(print string) bool {
	switch print {
	case "sos", "novc":
		return true
	}
	return false
}

// count is the number of alternatives of a leaf.
func (l *leaf) count() int { return len(l.texts) + len(l.globs) + len(l.patterns) }

// testText decides a leaf on one text.
func (m *Matcher) testText(l *leaf, s string) bool {
	switch {
	case l.op == opSQLi || l.op == opSQLiAny || l.op == opXSS:
		return m.injection(l.op, s)
	case l.multi != nil:
		return l.multi.contains(s)
	case l.set != nil && m.inSet(l, s):
		return true
	case l.edges != nil:
		return m.hasEdge(l, s)
	}
	first := 0
	if l.set != nil {
		first = len(l.texts)
	}
	for i := first; i < l.count(); i++ {
		if m.one(l, s, i) != l.all {
			return !l.all
		}
	}
	return l.all
}

// inSet looks a text up in the set of an equals.
func (m *Matcher) inSet(l *leaf, s string) bool {
	if _, ok := l.set[s]; ok {
		return true
	}
	if !norm.Scan(s).Upper() {
		return false
	}
	m.low = append(m.low[:0], s...)
	norm.Lower(m.low)
	_, ok := l.set[string(m.low)]
	return ok
}

// one decides the i-th alternative of a leaf.
func (m *Matcher) one(l *leaf, s string, i int) bool {
	if i < len(l.texts) {
		v := l.texts[i]
		switch l.op {
		case opEquals:
			return len(s) == len(v) && (s == v || !l.cased && equalFold(s, v))
		case opStartsWith:
			return len(s) >= len(v) && (l.cased && s[:len(v)] == v || !l.cased && equalFold(s[:len(v)], v))
		case opEndsWith:
			return len(s) >= len(v) && (l.cased && s[len(s)-len(v):] == v || !l.cased && equalFold(s[len(s)-len(v):], v))
		}
		if l.cased {
			return strings.Contains(s, v)
		}
		return indexFold(s, v) >= 0
	}
	if i -= len(l.texts); i < len(l.globs) {
		return l.globs[i].match(s, l.cased)
	}
	i -= len(l.globs)
	p := l.patterns[i]
	if !m.spend(len(s)) || !m.dfas.matches(p, l.numbered[i], s) {
		return false
	}
	if p.addrGroup == 0 {
		return true
	}
	_, ok := p.addr(s)
	return ok
}

// addr returns the address that the pattern captures in s.
func (p *pattern) addr(s string) (netip.Addr, bool) {
	at := p.regexp().FindStringSubmatchIndex(s)
	if at == nil || at[2*p.addrGroup] < 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s[at[2*p.addrGroup]:at[2*p.addrGroup+1]])
	return sentinel.Normalize(a), err == nil
}

// spend takes from what the event's patterns may read and reports whether
// there was enough.
func (m *Matcher) spend(n int) bool {
	m.budget -= n
	if m.budget < 0 {
		m.over = true
		return false
	}
	return true
}

// equalFold compares two texts without regard to the case of ASCII letters; b
// is folded.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower[a[i]] != lower[b[i]] {
			return false
		}
	}
	return true
}

// indexFold returns the index of sub, which is folded, in s, -1 for none.
func indexFold(s, sub string) int {
	for i := 0; i+len(sub) <= len(s); i++ {
		if lower[s[i]] == sub[0] && equalFold(s[i:i+len(sub)], sub) {
			return i
		}
	}
	return -1
}

// nameMask makes the bit mask of a name leaf.
func nameMask(numbers []int64) (mask uint64) {
	for _, n := range numbers {
		mask |= 1 << n
	}
	return mask
}
