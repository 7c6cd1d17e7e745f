package rule

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// fields reads a list of fields that can be part of a key.
func (r *reader) fields(n *yaml.Node, what string) []Field {
	items, ok := r.list(n)
	if !ok {
		return nil
	}
	var out []Field
	for _, item := range items {
		f := r.keyField(item, what)
		if f == NoField {
			return nil
		}
		if slices.Contains(out, f) {
			r.problem(item, "%s names %s twice", what, f.Name())
			return nil
		}
		out = append(out, f)
	}
	if len(out) == 0 || len(out) > 8 {
		r.problem(n, "%s needs one to eight fields", what)
	}
	return out
}

// keyField reads a field of which an event has one value.
func (r *reader) keyField(n *yaml.Node, what string) Field {
	s, ok := r.text(n, what, 100)
	if !ok {
		return NoField
	}
	f, err := ParseField(s)
	if err != nil {
		r.problem(n, "%s: %v", what, err)
		return NoField
	}
	if k := f.Kind(); k == KindTexts || k == KindFlags {
		r.problem(n, "%s: field %s has many values; a key needs one", what, s)
		return NoField
	}
	return f
}

var aggregationKeys = []string{
	"group_by", "prefix", "window", "threshold", "distinct", "mode", "capacity", "leak", "max_keys",
	"max_per_value", "min_ratio", "spread", "above_usual", "ambient",
}

// The keys of what stands within rules; Schema has the same.
var (
	prefixKeys   = []string{"v4", "v6"}
	spreadKeys   = []string{"field", "min"}
	sequenceKeys = []string{"by", "prefix", "within", "ordered", "steps", "unless"}
	stepKeys     = []string{"id", "count"}
	guardKeys    = []string{"before", "within", "same"}
	testKeys     = []string{"name", "source", "start", "every", "repeat", "lines", "geo", "expect"}
	expectKeys   = []string{"fires", "at", "matches", "fields", "extracted"}
)

func (r *reader) aggregation(n *yaml.Node) *Aggregation {
	a := &Aggregation{V4: defaultV4, V6: defaultV6, MaxKeys: defaultMaxKeys}
	seen := map[string]*yaml.Node{}
	r.mapping(n, "aggregation", aggregationKeys, func(e entry) {
		seen[e.key] = e.value
		switch e.key {
		case "group_by":
			a.GroupBy = r.fields(e.value, "group_by")
		case "prefix":
			r.prefixLengths(e.value, &a.V4, &a.V6)
		case "window":
			r.duration(e.value, "window", time.Second, &a.Window)
		case "threshold":
			r.integer(e.value, "threshold", 1, 1_000_000, &a.Threshold)
		case "distinct":
			a.Distinct = r.keyField(e.value, "distinct")
		case "mode":
			if r.choice(e.value, "mode", "sliding", "leaky") == "leaky" {
				a.Mode = Leaky
			}
		case "capacity":
			r.integer(e.value, "capacity", 1, 1_000_000, &a.Capacity)
		case "leak":
			r.duration(e.value, "leak", time.Millisecond, &a.Leak)
		case "max_keys":
			r.integer(e.value, "max_keys", 16, 1_000_000, &a.MaxKeys)
		case "max_per_value":
			r.integer(e.value, "max_per_value", 1, 1_000_000, &a.MaxPerValue)
		case "min_ratio":
			r.fraction(e.value, "min_ratio", &a.MinRatio)
		case "spread":
			r.spread(e.value, a)
		case "above_usual":
			r.integer(e.value, "above_usual", 2, 1000, &a.AboveUsual)
		case "ambient":
			r.boolean(e.value, "ambient", &a.Ambient)
		}
	})
	if r.failed() {
		return nil
	}
	need := []string{"group_by", "window", "threshold"}
	deny := []string{"capacity", "leak"}
	if a.Mode == Leaky {
		need, deny = []string{"group_by", "capacity", "leak"},
			[]string{"threshold", "distinct", "max_per_value", "min_ratio", "spread"}
	}
	for _, key := range need {
		if seen[key] == nil {
			r.problem(n, "aggregation (mode %s) needs %s", a.Mode, key)
		}
	}
	for _, key := range deny {
		if v := seen[key]; v != nil {
			r.problem(v, "%s does not go with mode %s", key, a.Mode)
		}
	}
	if a.Mode == Leaky {
		a.Threshold = a.Capacity + 1
		if a.Window == 0 {
			a.Window = min(time.Duration(a.Capacity)*a.Leak, maxDuration)
		}
	}
	if a.Distinct != NoField && slices.Contains(a.GroupBy, a.Distinct) && !masks(a) {
		r.problem(seen["distinct"], "distinct %s is part of group_by: there is only ever one value", a.Distinct.Name())
	}
	return a
}

// spread reads a second condition of an aggregation: "spread: {field: src_ip,
// min: 4}".
func (r *reader) spread(n *yaml.Node, a *Aggregation) {
	r.mapping(n, "spread", spreadKeys, func(e entry) {
		if e.key == "field" {
			a.SpreadField = r.keyField(e.value, "spread")
		} else {
			r.integer(e.value, "min", 2, 64, &a.SpreadMin)
		}
	})
	if !r.failed() && (a.SpreadField == NoField || a.SpreadMin == 0) {
		r.problem(n, "spread needs field and min")
	}
}

// masks reports whether keys are wider than one address, so that distinct
// addresses within a key make sense.
func masks(a *Aggregation) bool {
	return a.Distinct.Kind() == KindAddr && (a.V4 < 32 || a.V6 < 64)
}

func (r *reader) prefixLengths(n *yaml.Node, v4, v6 *int) {
	r.mapping(n, "prefix", prefixKeys, func(e entry) {
		if e.key == "v4" {
			r.integer(e.value, "v4", 8, 32, v4)
		} else {
			r.integer(e.value, "v6", 16, 128, v6)
		}
	})
}

func (r *reader) sequence(n *yaml.Node) *Sequence {
	s := &Sequence{V4: defaultV4, V6: defaultV6, Ordered: true}
	var unless *yaml.Node
	r.mapping(n, "sequence", sequenceKeys, func(e entry) {
		switch e.key {
		case "by":
			s.By = r.fields(e.value, "by")
		case "prefix":
			r.prefixLengths(e.value, &s.V4, &s.V6)
		case "within":
			r.duration(e.value, "within", time.Second, &s.Within)
		case "ordered":
			r.boolean(e.value, "ordered", &s.Ordered)
		case "steps":
			items, _ := r.list(e.value)
			for _, item := range items {
				s.Steps = append(s.Steps, r.step(item))
			}
		case "unless":
			unless = e.value
		}
	})
	if r.failed() {
		return nil
	}
	switch {
	case len(s.By) == 0:
		r.problem(n, "sequence needs by, the fields that its events have in common")
	case s.Within == 0:
		r.problem(n, "sequence needs within, the longest time from first to last event")
	case len(s.Steps) < 2 || len(s.Steps) > MaxSteps:
		r.problem(n, "sequence needs 2 to %d steps, not %d", MaxSteps, len(s.Steps))
	}
	for i, step := range s.Steps {
		if step.ID != "" && slices.ContainsFunc(s.Steps[:i], func(o Step) bool { return o.ID == step.ID }) {
			r.problem(n, "two steps have the id %q", step.ID)
		}
	}
	if unless != nil && !r.failed() {
		items, _ := r.list(unless)
		if len(items) > MaxSteps {
			r.problem(unless, "unless has more than %d guards", MaxSteps)
			return nil
		}
		for _, item := range items {
			s.Unless = append(s.Unless, r.guard(item, s))
		}
	}
	return s
}

// rest reads the predicate of a step or guard: a rule's id, or a condition made
// of the keys that are not settings.
func (r *reader) rest(n *yaml.Node, what string, settings []string, f func(entry)) (string, *Cond) {
	es, ok := r.entries(n, what)
	if !ok {
		return "", nil
	}
	n, _ = r.follow(n)
	tree := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column}
	var ref string
	for _, e := range es {
		switch {
		case e.key == "rule":
			r.form(e.value, "rule", idForm, &ref)
		case slices.Contains(settings, e.key):
			f(e)
		default:
			tree.Content = append(tree.Content, e.node, e.value)
		}
	}
	switch {
	case r.failed():
		return ref, nil
	case ref != "" && len(tree.Content) > 0:
		r.problem(n, "%s has either rule or a condition, not both", what)
		return ref, nil
	case ref != "":
		return ref, nil
	case len(tree.Content) == 0:
		r.problem(n, "%s has neither rule nor a condition such as event_type: auth_fail", what)
		return "", nil
	}
	return "", r.cond(tree, what, 1)
}

func (r *reader) step(n *yaml.Node) Step {
	s := Step{Count: 1}
	s.Rule, s.When = r.rest(n, "a step", stepKeys, func(e entry) {
		if e.key == "id" {
			s.ID, _ = r.text(e.value, "id", 64)
		} else {
			r.integer(e.value, "count", 1, 1000, &s.Count)
		}
	})
	return s
}

func (r *reader) guard(n *yaml.Node, s *Sequence) Guard {
	g := Guard{}
	g.Rule, g.When = r.rest(n, "a guard", guardKeys, func(e entry) {
		switch e.key {
		case "before":
			g.Before, _ = r.text(e.value, "before", 64)
			if !slices.ContainsFunc(s.Steps, func(o Step) bool { return o.ID == g.Before }) {
				r.problem(e.value, "before: there is no step %q", g.Before)
			}
		case "within":
			r.duration(e.value, "within", time.Second, &g.Within)
		case "same":
			g.Same = r.fields(e.value, "same")
		}
	})
	if g.Within == 0 {
		g.Within = s.Within
	}
	if g.Same == nil {
		g.Same = s.By
	}
	return g
}

// maxTestLines bounds the lines that one test feeds, repeats included.
const maxTestLines = 10_000

func (r *reader) test(n *yaml.Node) Test {
	t := Test{Repeat: 1, Expect: Expect{Fires: -1, Matches: -1}, Line: n.Line + r.offset}
	r.mapping(n, "a test", testKeys, func(e entry) {
		switch e.key {
		case "name":
			t.Name, _ = r.text(e.value, "name", 200)
		case "source":
			known := nameList(SourceType)
			t.Source = sentinel.SourceType(r.choice(e.value, "source", known...))
		case "start":
			r.instant(e.value, "start", &t.Start)
		case "every":
			r.duration(e.value, "every", 0, &t.Every)
		case "repeat":
			r.integer(e.value, "repeat", 1, maxTestLines, &t.Repeat)
		case "lines":
			t.Lines = r.texts(e.value, "a line", sentinel.MaxLine)
		case "geo":
			t.Geo = r.places(e.value)
		case "expect":
			r.expect(e.value, &t.Expect)
		}
	})
	if r.failed() {
		return t
	}
	if len(t.Lines) == 0 {
		r.problem(n, "the test has no lines")
	}
	if len(t.Lines)*t.Repeat > maxTestLines {
		r.problem(n, "the test has %d lines; at most %d are allowed", len(t.Lines)*t.Repeat, maxTestLines)
	}
	if x := t.Expect; x.Fires < 0 && x.Matches < 0 && x.At == 0 && x.Fields == nil && x.Extracted == nil {
		r.problem(n, "the test expects nothing: it needs expect: {fires: 1} or alike")
	}
	return t
}

func (r *reader) expect(n *yaml.Node, x *Expect) {
	r.mapping(n, "expect", expectKeys, func(e entry) {
		switch e.key {
		case "fires":
			r.integer(e.value, "fires", 0, maxTestLines, &x.Fires)
		case "at":
			r.integer(e.value, "at", 1, maxTestLines, &x.At)
		case "matches":
			r.integer(e.value, "matches", 0, maxTestLines, &x.Matches)
		case "fields":
			x.Fields = r.fieldTexts(e.value, "fields")
		case "extracted":
			x.Extracted = r.fieldTexts(e.value, "extracted")
		}
	})
}

// fieldTexts reads a mapping of field names to text.
func (r *reader) fieldTexts(n *yaml.Node, what string) map[string]string {
	es, ok := r.entries(n, what)
	if !ok {
		return nil
	}
	out := make(map[string]string, len(es))
	for _, e := range es {
		if _, err := ParseField(e.key); err != nil {
			r.problem(e.node, "%s: %v", what, err)
			continue
		}
		if s, ok := r.text(e.value, e.key, MaxPattern); ok {
			out[e.key] = s
		}
	}
	return out
}
