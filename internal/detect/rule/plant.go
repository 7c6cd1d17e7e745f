package rule

import (
	"fmt"
	"slices"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule/norm"
)

// plant makes the trees: one for all rules and steps with the same condition.
func (c *compiler) plant() {
	c.byKey = map[string]*tree{}
	c.memos = map[string]*shared{}
	for i, r := range c.set.rules {
		if !r.Enabled {
			continue
		}
		for step, cond := range r.trees() {
			if cond == nil {
				continue
			}
			if r.Sequence == nil {
				step = -1
			}
			key := fmt.Sprint(r.LogSource.mask, " ", cond.key())
			t := c.byKey[key]
			if t == nil {
				t = c.tree(c.filled(cond), r.LogSource.mask)
				c.byKey[key] = t
				c.set.trees = append(c.set.trees, c.cut(t)...)
			}
			c.set.treeOf[targetKey{int32(i), int16(step)}] = t
			t.targets = append(t.targets, Match{Rule: int32(i), Step: int16(step)})
			t.plain = t.plain && len(c.set.exc[i]) == 0
		}
	}
	for _, t := range c.set.trees {
		c.place(t.root)
		c.place(t.show)
	}
	for _, t := range c.byKey {
		if t.parts != nil {
			c.place(t.show)
		}
	}
}

// cut returns the parts of a tree, or the tree if it has none.
func (c *compiler) cut(t *tree) []*tree {
	if t.captures {
		return []*tree{t}
	}
	for _, cond := range parts(t.full) {
		p := c.tree(cond, t.mask)
		p.whole = t
		t.parts = append(t.parts, p)
	}
	if t.parts == nil {
		return []*tree{t}
	}
	return t.parts
}

func (c *compiler) tree(cond *Cond, mask uint32) *tree {
	t := &tree{full: cond, mask: mask, events: eventMask(cond, false), web: needsWeb(cond), plain: true}
	cond.walk(false, func(l *leaf, not bool) {
		t.late = t.late || norm.Flags(l.flags)&norm.Budget != 0
		for _, p := range l.patterns {
			t.captures = t.captures || !not && p.captures()
		}
	})
	t.plain = !t.captures
	t.root = c.node(strip(cond), true)
	t.show = c.node(cond, false)
	return t
}

// node makes a condition ready. memo asks for leaves to be kept.
func (c *compiler) node(cond *Cond, memo bool) *node {
	if cond == nil {
		return nil
	}
	n := &node{kind: cond.kind, memo: -1}
	if cond.kind == condLeaf {
		n.leaf = c.share(cond.leaf, memo)
		n.cost = cost(cond.leaf)
		if !memo {
			n.memo = -2
		}
		return n
	}
	for _, k := range cond.kids {
		kid := c.node(k, memo)
		n.kids = append(n.kids, *kid)
		n.cost += kid.cost
	}
	slices.SortStableFunc(n.kids, func(a, b node) int { return int(a.cost - b.cost) })
	return n
}

// share returns the one leaf of those that mean the same.
func (c *compiler) share(l *leaf, memo bool) *leaf {
	key := l.key()
	s := c.memos[key]
	if s == nil {
		own := *l
		own.prepare()
		own.numbered = c.number(own.patterns)
		s = &shared{leaf: &own}
		c.memos[key] = s
	}
	if memo {
		s.uses++
	}
	return s.leaf
}

// number numbers patterns; equal ones have one number.
func (c *compiler) number(list []*pattern) []int32 {
	out := make([]int32, len(list))
	for i, p := range list {
		n, ok := c.numbers[p.src]
		if !ok {
			n = int32(len(c.numbers))
			c.numbers[p.src] = n
		}
		out[i] = n
	}
	c.set.patterns = len(c.numbers)
	return out
}

// place gives places in the memo to leaves that are dear and shared.
func (c *compiler) place(n *node) {
	if n == nil {
		return
	}
	for i := range n.kids {
		c.place(&n.kids[i])
	}
	if n.kind != condLeaf || n.memo == -2 {
		n.memo = -1
		return
	}
	s := c.memos[n.leaf.key()]
	if s.uses < 2 || n.cost < memoCost {
		return
	}
	if s.place == 0 {
		c.set.leaves++
		s.place = int32(c.set.leaves)
	}
	n.memo = s.place
}

// Costs of leaves, in about nanoseconds.
const (
	memoCost    = 20
	costTyped   = 2
	costFlags   = 6
	costText    = 10
	costPattern = 2000
	costInject  = 1000
	costGeo     = 400
)

// cost estimates what a leaf takes.
func cost(l *leaf) int32 {
	if geographic(l) {
		return costGeo
	}
	switch l.field.Kind() {
	case KindName, KindNumber, KindAddr, KindBool:
		return costTyped
	case KindFlags:
		return costFlags
	}
	n := int32(costText)
	if l.view != ViewRaw {
		n *= 2
	}
	if l.field.Kind() == KindTexts {
		n *= 4
	}
	switch l.op {
	case opPattern:
		return n + costPattern*int32(len(l.patterns))
	case opSQLi, opSQLiAny, opXSS:
		return n + costInject
	case opContains:
		return n * int32(1+min(len(l.texts), many)) * 2
	}
	return n + int32(len(l.texts)+4*len(l.globs))
}

// eventMask returns the types of events for which a condition may hold.
func eventMask(c *Cond, not bool) uint32 {
	const every = 1<<sentinel.NumEventTypes - 1
	switch c.kind {
	case condLeaf:
		if c.leaf.field != EventType || c.leaf.op != opEquals {
			return every
		}
		if not {
			return every &^ uint32(nameMask(c.leaf.numbers))
		}
		return uint32(nameMask(c.leaf.numbers))
	case condNot:
		return eventMask(c.kids[0], !not)
	}
	all := (c.kind == condAll) != not
	mask := uint32(0)
	if all {
		mask = every
	}
	for _, k := range c.kids {
		if m := eventMask(k, not); all {
			mask &= m
		} else {
			mask |= m
		}
	}
	return mask
}

// needsWeb reports whether a condition cannot hold for an event without HTTP
// fields.
func needsWeb(c *Cond) bool {
	switch c.kind {
	case condAll:
		return slices.ContainsFunc(c.kids, needsWeb)
	case condAny:
		return !slices.ContainsFunc(c.kids, func(k *Cond) bool { return !needsWeb(k) })
	case condNot:
		return false
	}
	l := c.leaf
	if l.field < HTTPMethod || l.field > HTTPPathMasked {
		return false
	}
	if l.field.Kind() == KindNumber && l.op != opExists {
		return true
	}
	switch l.op {
	case opExists:
		return l.want
	case opContains, opStartsWith, opEndsWith, opSQLi, opSQLiAny, opXSS, opFieldRef:
		return true
	}
	return false
}

// strip removes the comparisons of the event's type that the selector has
// already made: those that every match must pass. It returns nil if nothing is
// left.
func strip(c *Cond) *Cond {
	selected := func(c *Cond) bool {
		return c.kind == condLeaf && c.leaf.field == EventType && c.leaf.op == opEquals
	}
	switch {
	case selected(c):
		return nil
	case c.kind == condAll:
		out := &Cond{kind: condAll, line: c.line}
		for _, k := range c.kids {
			if k = strip(k); k != nil {
				out.kids = append(out.kids, k)
			}
		}
		if len(out.kids) == 0 {
			return nil
		}
		return single(out)
	case c.kind == condAny && !slices.ContainsFunc(c.kids, func(k *Cond) bool { return !selected(k) }):
		return nil
	}
	return c
}
