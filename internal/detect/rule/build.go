package rule

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v4"
)

// Builder makes conditions of rules that are written in another language. It
// keeps to the limits of one rule.
type Builder struct {
	r *reader
}

// NewBuilder returns a builder for one rule.
func NewBuilder() *Builder { return &Builder{r: &reader{}} }

// Compare makes a comparison as a rule file has it in its short form: expr is a
// field with its modifiers ("http.path|canon|contains"), and one of values must
// do. line stands in the linter's warnings.
func (b *Builder) Compare(line int, expr string, values ...string) (*Cond, error) {
	text := func(s string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Line: line}
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: line}
	for _, v := range values {
		list.Content = append(list.Content, text(v))
	}
	before := len(b.r.problems)
	var c *Cond
	at := text(expr)
	if x, ok := b.r.fieldExpr(at, expr); ok {
		c = b.r.leaf(x, "", at, list)
	}
	found := b.r.problems[before:]
	if i := slices.IndexFunc(found, func(p Problem) bool { return !p.Warning }); i >= 0 {
		return nil, errors.New(found[i].Message)
	}
	return c, nil
}

// All returns a condition that holds if all of kids do; they must be one or more.
func All(line int, kids ...*Cond) *Cond { return single(&Cond{kind: condAll, kids: kids, line: line}) }

// Any returns a condition that holds if one of kids does; they must be one or
// more.
func Any(line int, kids ...*Cond) *Cond { return single(&Cond{kind: condAny, kids: kids, line: line}) }

// Not returns a condition that holds if c does not.
func Not(line int, c *Cond) *Cond { return &Cond{kind: condNot, kids: []*Cond{c}, line: line} }

// SelectSources returns the log source with some of the names that log_source
// may have; none selects all.
func SelectSources(names ...string) LogSource {
	var l LogSource
	for _, n := range names {
		mask, ok := lookSource(n)
		if !ok {
			panic("rule: there is no log source " + n)
		}
		l.Names = append(l.Names, n)
		l.mask |= mask
	}
	return l
}

// Join returns the log source that selects what either does.
func (l LogSource) Join(o LogSource) LogSource {
	if l.mask == 0 || o.mask == 0 {
		return LogSource{}
	}
	out := LogSource{Names: slices.Clone(l.Names), mask: l.mask | o.mask}
	for _, n := range o.Names {
		if !slices.Contains(out.Names, n) {
			out.Names = append(out.Names, n)
		}
	}
	return out
}
