package sigma

import (
	"slices"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// expr is a condition in the engine's words. Constants are folded as it is made,
// so that a part which can never hold costs nothing.
type expr struct {
	kind exprKind
	kids []*expr
	// Of a comparison: one of values must do. field is as in rule files, with its
	// view ("http.path|decoded"), op one of the operators.
	field, op string
	cased     bool
	values    []string
	line      int
	// guarded: it says itself for which types of events it is.
	guarded bool
}

type exprKind uint8

const (
	exprFalse exprKind = iota
	exprTrue
	exprAnd
	exprOr
	exprNot
	exprCompare
)

var (
	never  = &expr{kind: exprFalse}
	always = &expr{kind: exprTrue}
)

func constant(v bool) *expr {
	if v {
		return always
	}
	return never
}

func compare(line int, field, op string, values ...string) *expr {
	return &expr{kind: exprCompare, field: field, op: op, values: values, line: line}
}

func and(kids ...*expr) *expr { return join(exprAnd, always, never, kids) }

func or(kids ...*expr) *expr { return join(exprOr, never, always, kids) }

// join makes an and or an or. unit is what it is without kids, zero what one kid
// makes it.
func join(kind exprKind, unit, zero *expr, kids []*expr) *expr {
	out := &expr{kind: kind}
	for _, k := range kids {
		switch {
		case k.kind == zero.kind:
			return zero
		case k.kind == unit.kind:
		case k.kind == kind:
			out.kids = append(out.kids, k.kids...)
		default:
			out.kids = append(out.kids, k)
		}
	}
	if kind == exprOr {
		out.merge()
	}
	switch len(out.kids) {
	case 0:
		return unit
	case 1:
		return out.kids[0]
	}
	return out
}

// merge joins the comparisons of an or that differ in their values only.
func (e *expr) merge() {
	kids := e.kids[:0:0]
	for _, k := range e.kids {
		i := slices.IndexFunc(kids, func(o *expr) bool {
			return k.kind == exprCompare && o.kind == exprCompare && k.field == o.field && k.op == o.op && k.cased == o.cased && lists(k.op)
		})
		if i < 0 {
			kids = append(kids, k)
			continue
		}
		joined := *kids[i]
		joined.values = append(slices.Clone(joined.values), k.values...)
		kids[i] = &joined
	}
	e.kids = kids
}

// lists reports whether an operator takes several values.
func lists(op string) bool {
	switch op {
	case "gt", "gte", "lt", "lte", "exists", "fieldref":
		return false
	}
	return true
}

func not(e *expr) *expr {
	switch e.kind {
	case exprFalse:
		return always
	case exprTrue:
		return never
	case exprNot:
		return e.kids[0]
	}
	return &expr{kind: exprNot, kids: []*expr{e}}
}

// build makes the engine's condition of an expr that is no constant.
func (e *expr) build(b *rule.Builder, line int) (*rule.Cond, error) {
	if e.kind == exprCompare {
		name := e.field + "|" + e.op
		if e.cased {
			name += "|cased"
		}
		return b.Compare(e.line, name, e.values...)
	}
	kids := make([]*rule.Cond, len(e.kids))
	for i, k := range e.kids {
		var err error
		if kids[i], err = k.build(b, line); err != nil {
			return nil, err
		}
	}
	switch e.kind {
	case exprAnd:
		return rule.All(line, kids...), nil
	case exprNot:
		return rule.Not(line, kids[0]), nil
	}
	return rule.Any(line, kids...), nil
}
