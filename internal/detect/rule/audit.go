package rule

import (
	"slices"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// named reports whether a leaf on audit.NAME looks at fields of a name.
func (l *leaf) named(name string) bool { return l.name == AnyAudit || l.name == name }

// testAudit decides a leaf on raw fields of audit records: one of its name must
// do, and with "all", one for each value.
func (m *Matcher) testAudit(l *leaf) bool {
	if l.op == opExists {
		return slices.ContainsFunc(m.ev.Fields, func(f sentinel.Field) bool { return l.named(f.Name) }) == l.want
	}
	if l.all {
		for i := range l.count() {
			if m.auditField(l, i) < 0 {
				return false
			}
		}
		return true
	}
	return m.auditField(l, -1) >= 0
}

// auditField returns the index of the first field for which the i-th value of a
// leaf holds, any value for -1; -1 for none.
func (m *Matcher) auditField(l *leaf, i int) int {
	for k := range m.ev.Fields {
		f := &m.ev.Fields[k]
		if !l.named(f.Name) {
			continue
		}
		s := cut(f.Value)
		switch {
		case l.op == opLengthGT:
			if int64(len(s)) > l.numbers[0] {
				return k
			}
		case i >= 0:
			if m.one(l, s, i) {
				return k
			}
		case m.testText(l, s):
			return k
		}
	}
	return -1
}

// locateAudit says which field made a leaf true.
func (m *Matcher) locateAudit(l *leaf) (span, bool) {
	if l.op == opExists && !l.want {
		return span{}, false
	}
	for k := range m.ev.Fields {
		f := &m.ev.Fields[k]
		if !l.named(f.Name) {
			continue
		}
		s := cut(f.Value)
		if l.op == opExists || l.op == opLengthGT && int64(len(s)) > l.numbers[0] {
			return span{l, s, f.Name, 0, len(s)}, true
		}
		for i := range l.count() {
			if m.one(l, s, i) {
				start, end := l.whereOne(s, i)
				return span{l, s, f.Name, start, end}, true
			}
		}
	}
	return span{}, false
}

// AuditText returns the values of a field audit.NAME, joined by ", ".
func AuditText(field string, ev *sentinel.Event) string {
	l := leaf{}
	l.name, _ = auditName(field)
	var values []string
	for _, f := range ev.Fields {
		if l.named(f.Name) {
			values = append(values, f.Value)
		}
	}
	return strings.Join(values, ", ")
}
