package rule

import (
	"fmt"
	"slices"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// MatchKey returns a text that is equal for rules without steps that match the
// same events, so that these can be counted together.
func (s *Set) MatchKey(i int) string {
	r := s.rules[i]
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", r.LogSource.mask, r.When.key())
	for _, e := range r.Exceptions {
		fmt.Fprintf(&b, " except %d %s", e.Expires.Unix(), e.Match.key())
	}
	if own := len(r.Exceptions); len(s.exc[i]) > own {
		for _, e := range s.exc[i][own:] {
			fmt.Fprintf(&b, " outside %d", s.outside(e.root))
		}
	}
	return b.String()
}

// outside numbers the exceptions that stand outside rules, in the order in which
// the rules name them.
func (s *Set) outside(root *node) int {
	var seen []*node
	for i, list := range s.exc {
		for _, e := range list[min(len(s.rules[i].Exceptions), len(list)):] {
			if !slices.Contains(seen, e.root) {
				seen = append(seen, e.root)
			}
			if e.root == root {
				return slices.Index(seen, root)
			}
		}
	}
	return -1
}

// MayMatch reports whether the conditions of a rule without steps can hold for
// events of a type.
func (r *Rule) MayMatch(t sentinel.EventType) bool {
	if r.When == nil || needsWeb(r.When) && t != sentinel.EventHTTPAccess && t != sentinel.EventHTTPError {
		return false
	}
	return eventMask(r.When, false)&(1<<t) != 0
}

// StepKey is MatchKey for a step of a sequence, or for a guard (numbered after
// the steps). It is empty for those that name a rule.
func (s *Set) StepKey(i, step int) string {
	r := s.rules[i]
	trees := r.trees()
	if r.Sequence == nil || step >= len(trees) || trees[step] == nil {
		return ""
	}
	as := *r
	as.When = trees[step]
	one := Set{rules: []*Rule{&as}, exc: s.exc[i : i+1]}
	if len(s.exc[i]) > len(r.Exceptions) {
		return fmt.Sprintf("%s of %s", one.MatchKey(0), r.ID)
	}
	return one.MatchKey(0)
}
