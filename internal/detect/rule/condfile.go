package rule

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// cond reads a condition: a list is an "any", a mapping is a tree or a leaf.
// It returns nil after a problem.
func (r *reader) cond(n *yaml.Node, what string, depth int) *Cond {
	n, ok := r.follow(n)
	if !ok {
		return nil
	}
	if depth > MaxDepth {
		r.problem(n, "%s is nested deeper than %d", what, MaxDepth)
		return nil
	}
	if n.Kind == yaml.SequenceNode {
		return r.kids(n, condAny, what, depth)
	}
	es, ok := r.entries(n, what)
	if !ok {
		return nil
	}
	if len(es) == 0 {
		r.problem(n, "%s is empty", what)
		return nil
	}
	for _, e := range es {
		kind, ok := map[string]condKind{"all": condAll, "any": condAny, "not": condNot}[e.key]
		if !ok {
			continue
		}
		if len(es) > 1 {
			r.problem(e.node, "%s: %q must stand alone in its mapping", what, e.key)
			return nil
		}
		return r.kids(e.value, kind, e.key, depth+1)
	}
	if slices.ContainsFunc(es, func(e entry) bool { return e.key == "field" }) {
		return r.fieldLeaf(n, es, what)
	}
	// The short form: field expressions as keys, all of which must hold.
	c := &Cond{kind: condAll, line: n.Line + r.offset}
	for _, e := range es {
		x, ok := r.fieldExpr(e.node, e.key)
		if !ok {
			return nil
		}
		k := r.leaf(x, "", e.node, e.value)
		if k == nil {
			return nil
		}
		c.kids = append(c.kids, k)
	}
	return single(c)
}

// single replaces an all or any of one by that one.
func single(c *Cond) *Cond {
	if len(c.kids) == 1 && (c.kind == condAll || c.kind == condAny) {
		return c.kids[0]
	}
	return c
}

func (r *reader) kids(n *yaml.Node, kind condKind, what string, depth int) *Cond {
	if kind == condNot {
		k := r.cond(n, "not", depth)
		if k == nil {
			return nil
		}
		k.walk(false, func(l *leaf, _ bool) { l.negated = !l.negated })
		return &Cond{kind: condNot, kids: []*Cond{k}, line: n.Line + r.offset}
	}
	items, ok := r.list(n)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		r.problem(n, "%s is empty", what)
		return nil
	}
	c := &Cond{kind: kind, line: n.Line + r.offset}
	for _, item := range items {
		k := r.cond(item, "a condition", depth+1)
		if k == nil {
			return nil
		}
		c.kids = append(c.kids, k)
	}
	return single(c)
}

// fieldLeaf reads {field: F, op: value, ...}; several operators must all hold.
func (r *reader) fieldLeaf(n *yaml.Node, es []entry, what string) *Cond {
	c := &Cond{kind: condAll, line: n.Line + r.offset}
	var x fieldExpr
	for _, e := range es {
		if e.key != "field" {
			continue
		}
		s, ok := r.text(e.value, "field", 200)
		if !ok {
			return nil
		}
		if x, ok = r.fieldExpr(e.value, s); !ok {
			return nil
		}
	}
	for _, e := range es {
		if e.key == "field" {
			continue
		}
		if !slices.Contains(opKeys, e.key) {
			r.problem(e.node, "unknown key %q in %s: %s", e.key, what, oneOf(e.key, append([]string{"field"}, opKeys...)))
			return nil
		}
		k := r.leaf(x, e.key, e.node, e.value)
		if k == nil {
			return nil
		}
		c.kids = append(c.kids, k)
	}
	if len(c.kids) == 0 {
		r.problem(n, "%s names a field but no comparison: one of %s", what, strings.Join(opKeys, ", "))
		return nil
	}
	return single(c)
}

// fieldExpr is a field with its view and modifiers.
type fieldExpr struct {
	field      Field
	name       string // NAME of audit.NAME
	view       View
	op         string // empty: none given
	cased, all bool
	file       bool // in_file: the values are lines of a file
}

// viewAliases are fields with a view built in.
var viewAliases = map[string]fieldExpr{
	"http.path_dec": {field: HTTPPath, view: ViewDecoded}, "http.query_dec": {field: HTTPQuery, view: ViewDecoded},
	"http.canon": {field: HTTPTarget, view: ViewCanon},
}

var modifiers = append([]string{"raw", "decoded", "canon", "all", "cased"}, opKeys...)

// fieldExpr reads name|modifier|....
func (r *reader) fieldExpr(n *yaml.Node, s string) (fieldExpr, bool) {
	name, rest, _ := strings.Cut(s, "|")
	x, ok := viewAliases[name]
	if !ok {
		f, err := ParseField(name)
		if err != nil {
			r.problem(n, "%v", err)
			return x, false
		}
		x.field = f
		switch {
		case f == Audit:
			x.name, _ = auditName(name)
		case f.Kind() == KindTexts:
			x.view = ViewDecoded
		}
	}
	if rest == "" {
		return x, true
	}
	for m := range strings.SplitSeq(rest, "|") {
		view := slices.Index(viewNames[:], m)
		switch {
		case view >= 0:
			if x.field.Kind() != KindText && x.field.Kind() != KindTexts || x.field == HTTPPathMasked || x.field == HTTPPathResolved || x.field == Audit {
				r.problem(n, "field %s has no views such as %q", x.field.Name(), m)
				return x, false
			}
			x.view = View(view)
		case m == "all":
			x.all = true
		case m == "cased":
			x.cased = true
		case m == "in_file":
			x.file = true
		case slices.Contains(opKeys, m):
			if x.op != "" {
				r.problem(n, "field expression %q has two operators, %q and %q", s, x.op, m)
				return x, false
			}
			x.op = m
		default:
			r.problem(n, "unknown modifier %q in %q: %s", m, s, oneOf(m, modifiers))
			return x, false
		}
	}
	return x, true
}

// leaf reads the value of one comparison. key is the operator's key, empty in
// the short form.
func (r *reader) leaf(x fieldExpr, key string, at, value *yaml.Node) *Cond {
	if r.leaves++; r.leaves > MaxLeaves {
		if r.leaves == MaxLeaves+1 {
			r.problem(at, "the rule has more than %d comparisons", MaxLeaves)
		}
		return nil
	}
	l := &leaf{field: x.field, name: x.name, view: x.view, cased: x.cased, all: x.all, line: at.Line + r.offset}
	if x.file && (key == "" || key == "value" || key == "values") {
		key = "in_file"
	}
	name := key
	switch {
	case key == "" || key == "value" || key == "values":
		name = cmp.Or(x.op, "equals")
	case key == "in_file":
		name = cmp.Or(x.op, "in_file")
	case x.op != "" && x.op != key:
		r.problem(at, "the field has the operator %q and the key %q; one is enough", x.op, key)
		return nil
	}
	if key == "in_file" || name == "in_file" {
		if !r.inFile(l, name, at, value) {
			return nil
		}
		return &Cond{leaf: l, line: l.line}
	}
	if name == "libinjection" {
		if !r.libinjection(l, at, value) {
			return nil
		}
		return &Cond{leaf: l, line: l.line}
	}
	l.op = opNames[name]
	if !allowed(l.field.Kind(), l.op) {
		r.problem(at, "field %s is of kind %s and cannot be compared by %s", l.field.Name(), l.field.Kind(), name)
		return nil
	}
	if !r.values(l, name, value) {
		return nil
	}
	if l.op == opCountry && l.field == SrcIP {
		l.field, l.op = GeoCountry, opEquals // an event looks its own address up once
	}
	return &Cond{leaf: l, line: l.line}
}

// allowed says which operators go with which kind of field.
func allowed(k Kind, o op) bool {
	switch o {
	case opEquals:
		return true
	case opContains, opStartsWith, opEndsWith, opPattern, opLengthGT:
		return k == KindText || k == KindTexts
	case opCIDR, opCountry:
		return k == KindAddr
	case opGT, opGTE, opLT, opLTE:
		return k == KindNumber
	case opExists:
		return k == KindText || k == KindTexts || k == KindNumber || k == KindAddr || k == KindCountry
	case opFieldRef:
		return k == KindText || k == KindNumber || k == KindAddr
	}
	return false
}

func (r *reader) inFile(l *leaf, name string, at, value *yaml.Node) bool {
	switch k := l.field.Kind(); {
	case k == KindAddr && (name == "in_file" || name == "cidr" || name == "equals"):
		l.op = opCIDR
	case (k == KindText || k == KindTexts) && name == "in_file":
		l.op = opEquals
	case (k == KindText || k == KindTexts) && slices.Contains([]string{"equals", "contains", "startswith", "endswith"}, name):
		l.op = opNames[name]
	default:
		r.problem(at, "in_file does not go with field %s and %s", l.field.Name(), name)
		return false
	}
	var ok bool
	l.file, ok = r.text(value, "in_file", 255)
	return ok
}

func (r *reader) libinjection(l *leaf, at, value *yaml.Node) bool {
	if k := l.field.Kind(); k != KindText && k != KindTexts || l.field == Audit {
		r.problem(at, "libinjection needs a text field, not %s", l.field.Name())
		return false
	}
	s, ok := r.text(value, "libinjection", 40)
	if !ok {
		return false
	}
	kinds := map[string]op{"sqli": opSQLi, "sqli_any": opSQLiAny, "xss": opXSS}
	if l.op, ok = kinds[s]; !ok {
		r.problem(value, "libinjection %q is %s", s, oneOf(s, []string{"sqli", "sqli_any", "xss"}))
	}
	return ok
}
