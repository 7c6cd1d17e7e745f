package main

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// missedText says of cases that are not found why: a line is an expression for
// ids, blanks, and the reason.
//
//go:embed missed.txt
var missedText string

type reason struct {
	id  *regexp.Regexp
	why string
}

// reasons reads missed.txt.
func reasons() (out []reason, err error) {
	for n, line := range strings.Split(missedText, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		expr, why, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("missed.txt:%d: a reason is missing", n+1)
		}
		re, err := regexp.Compile("^(?:" + expr + ")$")
		if err != nil {
			return nil, fmt.Errorf("missed.txt:%d: %w", n+1, err)
		}
		out = append(out, reason{re, strings.TrimSpace(why)})
	}
	return out, nil
}

// notFound lists what is not found, by reason.
func (s *score) notFound(known []reason) table {
	t := table{
		title: "What is not found, and why",
		head:  []string{"reason", "type", "cases", "for example"},
		words: 2,
	}
	type group struct {
		why, typ string
		cases    []miss
	}
	var groups []*group
	total := 0
	for typ, list := range s.misses {
		for _, m := range list {
			why := "not looked into yet"
			if i := slices.IndexFunc(known, func(r reason) bool { return r.id.MatchString(m.id) }); i >= 0 {
				why = known[i].why
			}
			total++
			i := slices.IndexFunc(groups, func(g *group) bool { return g.why == why && g.typ == typ })
			if i < 0 {
				groups = append(groups, &group{why: why, typ: typ})
				i = len(groups) - 1
			}
			groups[i].cases = append(groups[i].cases, m)
		}
	}
	slices.SortFunc(groups, func(a, b *group) int {
		if n := strings.Compare(a.typ, b.typ); n != 0 {
			return n
		}
		return strings.Compare(a.why, b.why)
	})
	for _, g := range groups {
		slices.SortFunc(g.cases, func(a, b miss) int { return strings.Compare(a.id, b.id) })
		t.rows = append(t.rows, []string{g.why, g.typ, fmt.Sprint(len(g.cases)), g.cases[0].id})
	}
	t.note = fmt.Sprintf("%d of the cases of tiers 1 and 2 in all.", total)
	return t
}
