package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one fault of a rule file: where, in which rule, and what would be
// right. A Warning leaves the rule in force.
type Problem struct {
	File string
	// Line and Column count from 1; 0 means unknown.
	Line, Column int
	// RuleID is empty while the id is not known.
	RuleID  string
	Message string
	Warning bool
}

// Error returns "file:line:column: rule ID: message".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	b.WriteString(": ")
	if p.RuleID != "" {
		b.WriteString("rule " + p.RuleID + ": ")
	}
	if p.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// sortProblems puts problems in the order of the file.
func sortProblems(ps []Problem) {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// nearest returns the known word that is closest to word, or "" if none is
// close: at most a third of its letters may differ (and at least 1, at most 3).
func nearest(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	limit := min(max(len(word)/3, 1), 3)
	best, bestDist := "", limit+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < bestDist {
			best, bestDist = k, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete, change or swap with
// their neighbour to turn a into b.
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}

// oneOf says what was expected and what was perhaps meant: "none of a, b, c;
// did you mean b?".
func oneOf(word string, known []string) string {
	s := "none of " + strings.Join(known, ", ")
	if n := nearest(word, known); n != "" {
		s += fmt.Sprintf("; did you mean %q?", n)
	}
	return s
}
