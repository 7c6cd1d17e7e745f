package rule

import (
	"slices"
	"strings"
	"time"
)

// exceptions makes ready the exceptions of rules and those outside.
func (c *compiler) exceptions() {
	c.memos = map[string]*shared{}
	c.set.exc = make([][]exception, len(c.set.rules))
	for i, r := range c.set.rules {
		for _, e := range r.Exceptions {
			c.set.exc[i] = append(c.set.exc[i], exception{e.Expires, c.node(c.filled(e.Match), false)})
		}
	}
	for _, e := range c.o.Exceptions {
		at := &Rule{File: e.File}
		if !c.o.Now.IsZero() && e.Expires.After(c.o.Now.AddDate(1, 0, 1)) {
			c.problem(at, e.Line, false, "the exception expires on %s, more than a year ahead", e.Expires.Format(time.DateOnly))
			continue
		}
		if _, err := c.check(e.Match); err != nil {
			c.problem(at, e.Line, false, "%v", err)
			continue
		}
		root := c.node(c.filled(e.Match), false)
		used := false
		for i, r := range c.set.rules {
			if slices.ContainsFunc(e.Rules, func(p string) bool { return matchesID(p, r.ID) || r.Called(p) }) {
				c.set.exc[i] = append(c.set.exc[i], exception{e.Expires, root})
				used = true
			}
		}
		if !used {
			c.problem(at, e.Line, true, "the exception names no rule that is there: %s", strings.Join(e.Rules, ", "))
		}
	}
	for _, list := range c.set.exc {
		for _, e := range list {
			c.place(e.root)
		}
	}
}

func matchesID(p, id string) bool {
	if prefix, ok := strings.CutSuffix(p, "*"); ok {
		return strings.HasPrefix(id, prefix)
	}
	return p == id
}
