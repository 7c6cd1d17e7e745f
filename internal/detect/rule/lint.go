package rule

import (
	"fmt"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// LintResult says how a rule is found and what is odd about it.
type LintResult struct {
	Rule int
	ID   string
	// Direct rules compare typed fields and short texts and are decided at
	// once. Indexed ones are looked at only for events that have one of
	// Literals. A rule that is neither is evaluated for every event that its
	// selector admits.
	Direct, Indexed bool
	Literals        []string
	// States is how many states the literals added to the automata.
	States   int
	Warnings []Problem
}

// soon is how long before its end an exception is warned of.
const soon = 30 * 24 * time.Hour

// exactThreshold is the greatest threshold that is counted exactly.
const exactThreshold = 64

// Lint looks at each rule of the set.
func (s *Set) Lint() []LintResult {
	out := make([]LintResult, len(s.rules))
	twins := map[string]string{} // what rules say to the id of the first
	for i, r := range s.rules {
		out[i] = s.lint(i, r)
		key := r.same()
		if first, ok := twins[key]; ok && key != "" {
			out[i].warn(r, r.Line, "the rule fires for the same events as %s: one of them is too many", first)
		} else {
			twins[key] = r.ID
		}
	}
	return out
}

func (l *LintResult) warn(r *Rule, line int, format string, args ...any) {
	l.Warnings = append(l.Warnings, Problem{
		File: r.File, Line: line, RuleID: r.ID, Message: fmt.Sprintf(format, args...), Warning: true,
	})
}

func (s *Set) lint(i int, r *Rule) LintResult {
	res := LintResult{Rule: i, ID: r.ID, Direct: true, Indexed: true}
	warn := func(line int, format string, args ...any) { res.warn(r, line, format, args...) }
	for step, cond := range r.trees() {
		if r.Sequence == nil {
			step = -1
		}
		t := s.treeOf[targetKey{int32(i), int16(step)}]
		if line, why := cond.contradiction(); why != "" {
			warn(line, "the condition is never true: %s", why)
		}
		if cond == nil || t == nil {
			continue
		}
		parts := t.parts
		if parts == nil {
			parts = []*tree{t}
		}
		for _, p := range parts {
			res.Direct = res.Direct && p.direct
			res.Indexed = res.Indexed && (p.indexed || p.direct)
			res.Literals = append(res.Literals, p.literals...)
			res.States += p.states
			if !p.direct && !p.indexed {
				warn(p.full.line, "the condition %shas no literal text that is rare enough for the index: it is evaluated for every event of %s",
					p.full.patterns(), selectorText(r))
			}
		}
	}
	if len(res.Literals) > 0 {
		res.Direct = false
	}
	res.Indexed = res.Indexed && !res.Direct
	if a := r.Aggregation; a != nil && a.Threshold > exactThreshold {
		warn(r.Line, "threshold %d is more than %d: the count is approximate", a.Threshold, exactThreshold)
	}
	for _, e := range r.Exceptions {
		switch {
		case e.Expires.IsZero() || s.now.IsZero():
		case !s.now.Before(e.Expires):
			warn(e.Line, "an exception has expired on %s", e.Expires.Format(time.DateOnly))
		case e.Expires.Sub(s.now) < soon:
			warn(e.Line, "an exception expires on %s", e.Expires.Format(time.DateOnly))
		}
	}
	if len(r.Tests) == 0 && r.Origin == nil {
		warn(r.Line, "the rule has no tests")
	}
	return res
}

// patterns names the patterns of a condition, the first few.
func (c *Cond) patterns() string {
	var b strings.Builder
	c.walk(false, func(l *leaf, _ bool) {
		for _, p := range l.patterns {
			if b.Len() < 200 {
				fmt.Fprintf(&b, "%.60q ", p.src)
			}
		}
	})
	return b.String()
}

func selectorText(r *Rule) string {
	if len(r.LogSource.Names) == 0 {
		return "every source"
	}
	return "log source " + r.LogSource.String()
}

// LintInputs makes events that are costly for the i-th rule: its fields filled
// to MaxText with pieces of what it looks for. Whoever measures a rule matches
// them with a set of that rule alone, and takes the slowest.
func (s *Set) LintInputs(i int) []*sentinel.Event {
	r := s.rules[i]
	var pieces []string
	var events uint32 = 1<<sentinel.NumEventTypes - 1
	audits := map[string]bool{}
	for step, cond := range r.trees() {
		if r.Sequence == nil {
			step = -1
		}
		if t := s.treeOf[targetKey{int32(i), int16(step)}]; t != nil {
			pieces = append(pieces, t.literals...)
			for _, p := range t.parts {
				pieces = append(pieces, p.literals...)
			}
			events = t.events
		}
		cond.walk(false, func(l *leaf, _ bool) {
			if l.field == Audit {
				audits[l.name] = true
			}
		})
	}
	kind := sentinel.EventOther
	for t := range sentinel.NumEventTypes {
		if events>>t&1 == 1 {
			kind = t
			break
		}
	}
	if events>>sentinel.EventHTTPAccess&1 == 1 {
		kind = sentinel.EventHTTPAccess
	}
	joined := strings.Join(pieces[:min(len(pieces), 8)], "a")
	fillings := []string{"a", "aA1 ", joined + " ", joined + "aaaaaaaaaaaaaaaa", "/" + joined, "%2e" + joined + "'"}
	var out []*sentinel.Event
	for _, f := range fillings {
		text := strings.Repeat(f, MaxText/len(f)+1)[:MaxText]
		ev := &sentinel.Event{}
		ev.Reset()
		ev.Type = kind
		if types := r.LogSource.Types(); len(types) > 0 {
			ev.SourceType = types[0]
		}
		ev.Raw, ev.Message, ev.User, ev.Program = text, text, text, "sshd"
		if kind != sentinel.EventHTTPAccess {
			ev.Exec.Image, ev.Exec.Cmdline, ev.Exec.Cwd, ev.File = text, text, text, text
			ev.Exec.ParentImage, ev.Exec.ParentCmdline = text, text
			for name := range audits {
				ev.Fields = append(ev.Fields, sentinel.Field{Name: name, Value: text})
			}
		}
		if kind == sentinel.EventHTTPAccess || kind == sentinel.EventHTTPError {
			half := text[:MaxText/2-2]
			ev.HTTP.Method, ev.HTTP.Status = "GET", 404
			ev.HTTP.Target = "/" + half + "?" + half
			ev.HTTP.Path, ev.HTTP.Query = ev.HTTP.Target[:len(half)+1], ev.HTTP.Target[len(half)+2:]
			ev.HTTP.UserAgent, ev.HTTP.Referer = text, text
		}
		out = append(out, ev)
	}
	return out
}
