package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// lists leaves out rules whose lists cannot be read.
func (c *compiler) lists() {
	c.files = map[string]*list{}
	kept := c.set.rules[:0:0]
	for _, r := range c.set.rules {
		if c.readable(r) {
			kept = append(kept, r)
		}
	}
	c.set.rules = kept
}

func (c *compiler) readable(r *Rule) bool {
	ok := true
	conds := r.trees()
	for _, e := range r.Exceptions {
		conds = append(conds, e.Match)
	}
	for _, cond := range conds {
		if line, err := c.check(cond); err != nil {
			c.problem(r, line, false, "%v", err)
			ok = false
		}
	}
	return ok
}

// check reads the lists of a condition and returns the first fault.
func (c *compiler) check(cond *Cond) (line int, err error) {
	cond.walk(false, func(l *leaf, _ bool) {
		if l.file == "" || err != nil {
			return
		}
		line = l.line
		own := *l
		if e := c.fill(&own); e != nil {
			err = fmt.Errorf("in_file %s: %w", l.file, e)
		}
	})
	return line, err
}

// filled returns a condition with the entries of its lists. Only what has a
// list is copied. The lists are known to be good.
func (c *compiler) filled(cond *Cond) *Cond {
	if cond == nil {
		return nil
	}
	has := false
	cond.walk(false, func(l *leaf, _ bool) { has = has || l.file != "" })
	if !has {
		return cond
	}
	out := *cond
	if cond.kind == condLeaf {
		own := *cond.leaf
		if c.fill(&own) == nil {
			out.leaf = &own
		}
		return &out
	}
	out.kids = make([]*Cond, len(cond.kids))
	for i, k := range cond.kids {
		out.kids[i] = c.filled(k)
	}
	return &out
}

// Bounds of a list named by in_file: whole values and networks are looked up,
// parts of texts are searched for one by one where an event may have one.
const (
	maxListLines = 200_000
	maxListParts = 5_000
)

func (c *compiler) fill(l *leaf) error {
	f := c.files[l.file]
	if f == nil {
		f = c.readList(l.file)
		c.files[l.file] = f
	}
	if f.err != nil {
		return f.err
	}
	if l.op != opCIDR && l.op != opEquals && len(f.lines) > maxListParts {
		return fmt.Errorf("the list has %d entries; %s takes at most %d", len(f.lines), l.op, maxListParts)
	}
	l.texts, l.prefixes = slices.Clone(l.texts), slices.Clone(l.prefixes)
	for i, line := range f.lines {
		if l.op == opCIDR {
			p, err := parsePrefix(line)
			if err != nil {
				return fmt.Errorf("entry %d: %q is neither an address nor a network", i+1, line)
			}
			l.prefixes = append(l.prefixes, p)
			continue
		}
		if !l.cased {
			line = fold(line)
		}
		l.texts = append(l.texts, line)
	}
	return nil
}

func (c *compiler) readList(name string) *list {
	if c.o.ReadFile == nil {
		return &list{err: errors.New("lists are not available here")}
	}
	data, err := c.o.ReadFile(name)
	if err != nil {
		return &list{err: err}
	}
	l := &list{}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if len(line) > MaxPattern {
			return &list{err: fmt.Errorf("an entry is longer than %d bytes", MaxPattern)}
		}
		l.lines = append(l.lines, line)
	}
	switch {
	case len(l.lines) == 0:
		l.err = errors.New("the list is empty")
	case len(l.lines) > maxListLines:
		l.err = fmt.Errorf("the list has %d entries; at most %d are allowed", len(l.lines), maxListLines)
	}
	return l
}
