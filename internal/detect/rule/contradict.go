package rule

import (
	"fmt"
	"slices"
	"strings"
)

// contradiction finds comparisons that cannot hold at once where all must, and
// says which; empty if there are none that are plain to see.
func (c *Cond) contradiction() (line int, text string) {
	if c == nil || c.kind == condLeaf {
		return 0, ""
	}
	if c.kind == condAll {
		for i, a := range c.kids {
			for _, b := range c.kids[:i] {
				if text := contradict(b, a); text != "" {
					return a.at(), text
				}
			}
		}
	}
	if c.kind == condNot {
		return 0, "" // what is in it may well never hold
	}
	never := 0
	for _, k := range c.kids {
		if at, why := k.contradiction(); why != "" {
			if never++; text == "" {
				line, text = at, why
			}
		}
	}
	if c.kind == condAny && never < len(c.kids) {
		return 0, ""
	}
	return line, text
}

// at is the line of a condition.
func (c *Cond) at() int {
	if c.kind == condLeaf {
		return c.leaf.line
	}
	return c.line
}

// contradict says why two conditions cannot hold at once, if that is plain.
func contradict(a, b *Cond) string {
	if a.kind == condNot && len(a.kids) == 1 && a.kids[0].key() == b.key() || b.kind == condNot && len(b.kids) == 1 && b.kids[0].key() == a.key() {
		return "a condition and its opposite must hold at once"
	}
	if a.kind != condLeaf || b.kind != condLeaf {
		return ""
	}
	x, y := a.leaf, b.leaf
	if x.field != y.field || x.name != y.name || x.view != y.view || x.field == Audit || x.field.Kind() == KindTexts || x.field.Kind() == KindFlags {
		return ""
	}
	never := false
	switch {
	case x.op == opEquals && y.op == opEquals && x.field.Kind() == KindName:
		never = x.names&y.names == 0
	case x.op == opEquals && y.op == opEquals && len(x.numbers) > 0 && len(y.numbers) > 0:
		never = !slices.ContainsFunc(x.numbers, func(n int64) bool { return slices.Contains(y.numbers, n) })
	case x.op == opEquals && y.op == opEquals && plainTexts(x) && plainTexts(y):
		never = !slices.ContainsFunc(x.texts, func(s string) bool {
			return slices.ContainsFunc(y.texts, func(t string) bool { return strings.EqualFold(s, t) })
		})
	case x.op == opEquals && plainTexts(x):
		never = apart(x, y)
	case y.op == opEquals && plainTexts(y):
		never = apart(y, x)
	default:
		low, okLow := lower64(x, y)
		high, okHigh := upper64(x, y)
		never = okLow && okHigh && low > high
	}
	if !never {
		return ""
	}
	return fmt.Sprintf("what is asked of %s can never hold at once", x.field.Name())
}

func plainTexts(l *leaf) bool {
	return len(l.texts) > 0 && len(l.globs) == 0 && l.file == "" && l.field.Kind() == KindText
}

// apart reports whether no text that x names is as y asks.
func apart(x, y *leaf) bool {
	var holds func(s, want string) bool
	switch y.op {
	case opContains:
		holds = strings.Contains
	case opStartsWith:
		holds = strings.HasPrefix
	case opEndsWith:
		holds = strings.HasSuffix
	default:
		return false
	}
	if y.file != "" || y.all || len(y.texts) == 0 {
		return false
	}
	for _, s := range x.texts {
		for _, want := range y.texts {
			if holds(fold(s), fold(want)) {
				return false
			}
		}
	}
	return true
}

// lower64 and upper64 are the bounds that comparisons of one number ask for.
func lower64(leaves ...*leaf) (bound int64, ok bool) {
	for _, l := range leaves {
		if (l.op == opGT || l.op == opGTE) && len(l.numbers) == 1 {
			n := l.numbers[0]
			if l.op == opGT {
				n++
			}
			if !ok || n > bound {
				bound, ok = n, true
			}
		}
	}
	return bound, ok
}

func upper64(leaves ...*leaf) (bound int64, ok bool) {
	for _, l := range leaves {
		if (l.op == opLT || l.op == opLTE) && len(l.numbers) == 1 {
			n := l.numbers[0]
			if l.op == opLT {
				n--
			}
			if !ok || n < bound {
				bound, ok = n, true
			}
		}
	}
	return bound, ok
}

// same is a text that is equal for rules that fire for the same events alike.
func (r *Rule) same() string {
	if r.When == nil || r.Sequence != nil {
		return ""
	}
	text := fmt.Sprintf("%d|%s|", r.LogSource.mask, r.When.key())
	if r.Aggregation != nil {
		text += fmt.Sprintf("%+v", *r.Aggregation)
	}
	for _, e := range r.Exceptions {
		text += "|" + e.Match.key()
	}
	return text
}
