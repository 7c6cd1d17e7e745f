package rule

import "slices"

// maxParts bounds the parts of one condition.
const maxParts = 400

// parts cuts a condition that is an "any" at heart into conditions of which one
// must hold, so that each is looked at only for events that have its own
// literals: one for each alternative and each pattern. Those without literals
// stay together, as far as they look at the same text. It returns nil if there is nothing to gain.
func parts(c *Cond) []*Cond {
	all := alternatives(c)
	if len(all) < 2 || len(all) > maxParts {
		return nil
	}
	var rests [homes + 1]*Cond // by home; the last one's has none
	n := 0
	out := slices.DeleteFunc(all, func(p *Cond) bool {
		if _, ok := require(p); ok || direct(p) {
			return false
		}
		h := homeOfCond(p)
		if h < 0 {
			h = homes
		}
		if rests[h] == nil {
			rests[h] = &Cond{kind: condAny, line: p.line}
			n++
		}
		rests[h].kids = append(rests[h].kids, p)
		return true
	})
	if len(out) == 0 && n < 2 {
		return nil
	}
	for _, rest := range rests {
		if rest != nil {
			out = append(out, single(rest))
		}
	}
	return out
}

// alternatives returns conditions that are true for the same events as c, taken
// together.
func alternatives(c *Cond) []*Cond {
	switch c.kind {
	case condAny:
		var out []*Cond
		for _, k := range c.kids {
			out = append(out, alternatives(k)...)
		}
		return out
	case condAll:
		return distribute(c)
	case condLeaf:
		l := c.leaf
		if l.op != opPattern || l.all || len(l.patterns) < 2 {
			break
		}
		out := make([]*Cond, len(l.patterns))
		for i := range l.patterns {
			one := *l
			one.patterns = l.patterns[i : i+1]
			out[i] = &Cond{leaf: &one, line: c.line}
		}
		return out
	}
	return []*Cond{c}
}

// distribute cuts the kid of an "all" that has the most alternatives, unless
// another is rare enough to lead.
func distribute(c *Cond) []*Cond {
	most, at := []*Cond(nil), -1
	for i, k := range c.kids {
		if _, ok := require(k); ok {
			return []*Cond{c}
		}
		if p := alternatives(k); len(p) > len(most) {
			most, at = p, i
		}
	}
	if len(most) < 2 {
		return []*Cond{c}
	}
	out := make([]*Cond, len(most))
	for i, p := range most {
		kids := slices.Clone(c.kids)
		kids[at] = p
		out[i] = &Cond{kind: condAll, kids: kids, line: p.line}
	}
	return out
}

// hit returns the part of a tree that held for the matcher's event, nil if it
// has no parts or none was found.
func (m *Matcher) hit(whole *tree) *tree {
	for _, t := range m.hits {
		if t.whole == whole {
			return t
		}
	}
	return nil
}

// shown returns the conditions to be explained: those of the part that held, or
// all.
func (m *Matcher) shown(t *tree) *node {
	if p := m.hit(t); p != nil {
		return p.show
	}
	return t.show
}
