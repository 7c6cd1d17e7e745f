package rule

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// reader reads one document and gathers its problems.
type reader struct {
	file     string
	offset   int // lines before the document
	id       string
	problems []Problem
	visits   int
	leaves   int
	insts    int
	patterns map[string]*pattern // of this rule, by their text
}

// maxVisits bounds the nodes read of one document, aliases followed.
const maxVisits = 100_000

func (r *reader) problem(n *yaml.Node, format string, args ...any) {
	r.report(n, false, format, args...)
}

func (r *reader) warn(n *yaml.Node, format string, args ...any) { r.report(n, true, format, args...) }

func (r *reader) report(n *yaml.Node, warning bool, format string, args ...any) {
	if len(r.problems) >= 100 {
		return
	}
	p := Problem{File: r.file, RuleID: r.id, Message: fmt.Sprintf(format, args...), Warning: warning}
	if n != nil && n.Line > 0 {
		p.Line, p.Column = n.Line+r.offset, n.Column
	}
	r.problems = append(r.problems, p)
}

func (r *reader) failed() bool {
	return slices.ContainsFunc(r.problems, func(p Problem) bool { return !p.Warning })
}

// follow returns what an alias stands for, and reports false for nodes that are
// refused: explicit tags, aliases nested too deep.
func (r *reader) follow(n *yaml.Node) (*yaml.Node, bool) {
	if r.visits++; r.visits > maxVisits {
		if r.visits == maxVisits+1 {
			r.problem(n, "the document has more than %d values", maxVisits)
		}
		return n, false
	}
	for depth := 0; n.Kind == yaml.AliasNode; depth++ {
		if depth >= MaxAlias || n.Alias == nil {
			r.problem(n, "aliases are nested deeper than %d", MaxAlias)
			return n, false
		}
		n = n.Alias
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.problem(n, "tags such as %s are not allowed", n.Tag)
		return n, false
	}
	return n, true
}

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	node  *yaml.Node // the key
	value *yaml.Node
}

// entries returns the entries of a mapping. what names it in problems.
func (r *reader) entries(n *yaml.Node, what string) ([]entry, bool) {
	n, ok := r.follow(n)
	if !ok {
		return nil, false
	}
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s must be a mapping (key: value), not %s", what, describe(n))
		return nil, false
	}
	out := make([]entry, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, ok := r.follow(n.Content[i])
		if !ok {
			return nil, false
		}
		if k.Kind != yaml.ScalarNode {
			r.problem(k, "a key of %s must be text, not %s", what, describe(k))
			return nil, false
		}
		if k.Tag == "!!merge" {
			r.problem(k, "merge keys (<<) are not allowed")
			return nil, false
		}
		if slices.ContainsFunc(out, func(e entry) bool { return e.key == k.Value }) {
			r.problem(k, "key %q stands twice in %s", k.Value, what)
			return nil, false
		}
		out = append(out, entry{k.Value, k, n.Content[i+1]})
	}
	return out, true
}

// mapping calls f for each entry whose key is known and reports the others.
func (r *reader) mapping(n *yaml.Node, what string, known []string, f func(e entry)) {
	es, ok := r.entries(n, what)
	if !ok {
		return
	}
	for _, e := range es {
		if !slices.Contains(known, e.key) {
			r.problem(e.node, "unknown key %q in %s: %s", e.key, what, oneOf(e.key, known))
			continue
		}
		f(e)
	}
}

// list returns the items of a sequence; a single value is a list of one.
func (r *reader) list(n *yaml.Node) ([]*yaml.Node, bool) {
	n, ok := r.follow(n)
	if !ok {
		return nil, false
	}
	if n.Kind == yaml.SequenceNode {
		return n.Content, true
	}
	return []*yaml.Node{n}, true
}

// scalar returns a scalar that is not null.
func (r *reader) scalar(n *yaml.Node, what, want string) (*yaml.Node, bool) {
	n, ok := r.follow(n)
	if !ok {
		return n, false
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.problem(n, "%s must be %s, not %s", what, want, describe(n))
		return n, false
	}
	return n, true
}

// text reads text of at most max bytes. Numbers and dates are taken as written.
func (r *reader) text(n *yaml.Node, what string, max int) (string, bool) {
	n, ok := r.scalar(n, what, "text")
	if !ok {
		return "", false
	}
	if len(n.Value) > max {
		r.problem(n, "%s is %d bytes long; at most %d are allowed", what, len(n.Value), max)
		return "", false
	}
	return n.Value, true
}

func (r *reader) texts(n *yaml.Node, what string, max int) []string {
	items, ok := r.list(n)
	if !ok {
		return nil
	}
	var out []string
	for _, item := range items {
		if s, ok := r.text(item, what, max); ok {
			out = append(out, s)
		}
	}
	return out
}

func (r *reader) boolean(n *yaml.Node, what string, to *bool) {
	n, ok := r.scalar(n, what, "true or false")
	if !ok {
		return
	}
	switch strings.ToLower(n.Value) {
	case "true", "yes", "on":
		*to = true
	case "false", "no", "off":
		*to = false
	default:
		r.problem(n, "%s must be true or false, not %s", what, describe(n))
	}
}

func (r *reader) integer(n *yaml.Node, what string, lo, hi int64, to *int) bool {
	n, ok := r.scalar(n, what, "an integer")
	if !ok {
		return false
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		r.problem(n, "%s must be an integer from %d to %d, not %s", what, lo, hi, describe(n))
		return false
	}
	if v < lo || v > hi {
		r.problem(n, "%s: %d is not between %d and %d", what, v, lo, hi)
		return false
	}
	*to = int(v)
	return true
}

func (r *reader) fraction(n *yaml.Node, what string, to *float64) {
	n, ok := r.scalar(n, what, "a number from 0 to 1")
	if !ok {
		return
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > 1 {
		r.problem(n, "%s must be a number from 0 to 1, not %s", what, describe(n))
		return
	}
	*to = v
}

// maxDuration is the longest duration in a rule.
const maxDuration = 366 * 24 * time.Hour

func (r *reader) duration(n *yaml.Node, what string, lo time.Duration, to *time.Duration) bool {
	n, ok := r.scalar(n, what, "a duration")
	if !ok {
		return false
	}
	d, err := parseDuration(n.Value)
	if err != nil {
		r.problem(n, "%s must be whole seconds or a duration such as 90s, 5m, 1h or 1d, not %s", what, describe(n))
		return false
	}
	if d < lo || d > maxDuration {
		r.problem(n, "%s: %s is not between %s and 366d", what, n.Value, lo)
		return false
	}
	*to = d
	return true
}

var errDuration = errors.New("not a duration")

// parseDuration reads whole seconds, or numbers with the units d, h, m, s and
// ms: "300", "5m", "1h30m", "30d".
func parseDuration(s string) (time.Duration, error) {
	if s == "" || len(s) > 32 {
		return 0, errDuration
	}
	var total time.Duration
	neg := strings.HasPrefix(s, "-")
	rest := strings.TrimPrefix(s, "-")
	for rest != "" {
		i := 0
		for i < len(rest) && '0' <= rest[i] && rest[i] <= '9' {
			i++
		}
		n, err := strconv.ParseInt(rest[:i], 10, 64)
		if err != nil {
			return 0, errDuration
		}
		rest = rest[i:]
		j := 0
		for j < len(rest) && 'a' <= rest[j] && rest[j] <= 'z' {
			j++
		}
		unit, ok := units[rest[:j]]
		if !ok || j == 0 && (i != len(strings.TrimPrefix(s, "-"))) || n > int64(math.MaxInt64/unit) {
			return 0, errDuration
		}
		rest = rest[j:]
		if total += time.Duration(n) * unit; total < 0 {
			return 0, errDuration
		}
	}
	if neg {
		total = -total
	}
	return total, nil
}

var units = map[string]time.Duration{
	"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "ms": time.Millisecond,
}

// instant reads a date or a time in RFC 3339.
func (r *reader) instant(n *yaml.Node, what string, to *time.Time) bool {
	n, ok := r.scalar(n, what, "a date")
	if !ok {
		return false
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if t, err := time.Parse(layout, n.Value); err == nil {
			*to = t.UTC()
			return true
		}
	}
	r.problem(n, "%s must be a date (2027-01-31) or a time (2027-01-31T08:00:00Z), not %s", what, describe(n))
	return false
}

// describe says what a value is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	v := n.Value
	if len(v) > 60 {
		v = v[:60] + "…"
	}
	return strconv.Quote(v)
}
