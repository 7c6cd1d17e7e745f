package rule

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

var ruleKeys = []string{
	"schema", "id", "name", "description", "severity", "confidence", "type", "group", "basis", "log_source", "enabled",
	"advisory", "deterministic", "conditions", "detector", "aggregation", "sequence", "cooldown", "actions", "llm", "exceptions",
	"tags", "references", "false_positives", "tests",
}

var (
	idForm   = regexp.MustCompile(`^[A-Z][A-Z0-9_]{2,63}$`)
	typeForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
)

// Defaults of a rule.
const (
	defaultConfidence = 0.85 // of rules that look at one event
	defaultMaxKeys    = 65536
	defaultV4         = 32
	defaultV6         = 64
)

// rule reads one document. The rule is of no use if problems were reported.
func (r *reader) rule(n *yaml.Node) *Rule {
	out := &Rule{Enabled: true, File: r.file, Line: n.Line + r.offset, Column: n.Column}
	r.findID(n)
	var (
		seen       = map[string]*yaml.Node{}
		confidence = -1.0
		determin   bool
	)
	r.mapping(n, "the rule", ruleKeys, func(e entry) {
		seen[e.key] = e.value
		switch v := e.value; e.key {
		case "schema":
			var schema int
			r.integer(v, "schema", 1, 1, &schema)
		case "id":
			r.form(v, "id", idForm, &out.ID)
		case "name":
			out.Name, _ = r.text(v, "name", 200)
		case "description":
			out.Description, _ = r.text(v, "description", 4000)
		case "severity":
			r.severity(v, "severity", &out.Severity)
		case "confidence":
			r.fraction(v, "confidence", &confidence)
		case "type":
			r.form(v, "type", typeForm, &out.Type)
		case "group":
			r.form(v, "group", typeForm, &out.Group)
		case "basis":
			r.form(v, "basis", typeForm, &out.Basis)
		case "log_source":
			out.LogSource = r.logSource(v)
		case "enabled":
			r.boolean(v, "enabled", &out.Enabled)
		case "advisory":
			r.boolean(v, "advisory", &out.Advisory)
		case "deterministic":
			r.boolean(v, "deterministic", &determin)
		case "conditions":
			out.When = r.cond(v, "conditions", 1)
		case "detector":
			out.Detector = r.choice(v, "detector", detectors...)
		case "aggregation":
			out.Aggregation = r.aggregation(v)
		case "sequence":
			out.Sequence = r.sequence(v)
		case "cooldown":
			r.duration(v, "cooldown", 0, &out.Cooldown)
		case "actions":
			out.HasActions = true
			out.Actions = r.actions(v)
		case "llm":
			out.NoLLM = r.choice(v, "llm", "auto", "never") == "never"
		case "exceptions":
			if items, ok := r.list(v); ok {
				for _, item := range items {
					out.Exceptions = append(out.Exceptions, r.exception(item, false))
				}
			}
		case "tags":
			out.Tags = r.texts(v, "a tag", 100)
		case "references":
			out.References = r.texts(v, "a reference", 1000)
		case "false_positives":
			out.FalsePositives = r.texts(v, "a false positive", 500)
		case "tests":
			if items, ok := r.list(v); ok {
				for _, item := range items {
					out.Tests = append(out.Tests, r.test(item))
				}
			}
		}
	})
	if r.failed() {
		return nil
	}
	for _, key := range []string{"id", "name", "severity"} {
		if seen[key] == nil {
			r.problem(n, "the rule has no %s", key)
		}
	}
	switch {
	case out.Sequence != nil && (seen["conditions"] != nil || seen["aggregation"] != nil):
		r.problem(n, "a rule has either a sequence or conditions (with an aggregation or without), not both")
	case out.Detector != "" && (out.When != nil || out.Sequence != nil || out.Aggregation != nil):
		r.problem(n, "a rule with a detector has no conditions, aggregation or sequence: the detector decides when it matches")
	case out.Sequence == nil && out.When == nil && out.Detector == "":
		r.problem(n, "the rule has neither conditions nor a sequence nor a detector")
	}
	if r.failed() {
		return nil
	}
	out.defaults(seen["cooldown"] != nil)
	if confidence >= 0 {
		out.Confidence = confidence
	}
	if seen["deterministic"] != nil {
		out.Deterministic = determin
	}
	return out
}

// defaults fills in what the file does not say.
func (r *Rule) defaults(cooldown bool) {
	r.Confidence = defaultConfidence
	if r.Type == "" {
		r.Type = "other"
	}
	if r.Group == "" {
		r.Group = r.Type
	}
	var window time.Duration
	switch {
	case r.Aggregation != nil:
		window = r.Aggregation.Window
	case r.Sequence != nil:
		window = r.Sequence.Within
	default:
		return
	}
	r.Confidence = 1
	if !cooldown {
		r.Cooldown = window
	}
	r.Deterministic = true
	for _, c := range r.trees() {
		c.walk(false, func(l *leaf, _ bool) {
			if l.field == Message || l.field == Raw {
				r.Deterministic = false
			}
		})
	}
}

// trees lists the condition trees of a rule: its own or its steps' and guards',
// nil for those that name a rule.
func (r *Rule) trees() []*Cond {
	if r.Sequence == nil {
		return []*Cond{r.When}
	}
	var out []*Cond
	for _, s := range r.Sequence.Steps {
		out = append(out, s.When)
	}
	for _, g := range r.Sequence.Unless {
		out = append(out, g.When)
	}
	return out
}

// findID reads the id ahead of all else, so that problems can name it.
func (r *reader) findID(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "id" && idForm.MatchString(n.Content[i+1].Value) {
			r.id = n.Content[i+1].Value
		}
	}
}

func (r *reader) form(n *yaml.Node, what string, form *regexp.Regexp, to *string) {
	s, ok := r.text(n, what, 200)
	if !ok {
		return
	}
	if !form.MatchString(s) {
		r.problem(n, "%s %q is not of the form %s", what, s, form)
		return
	}
	*to = s
}

func (r *reader) severity(n *yaml.Node, what string, to *sentinel.Severity) bool {
	s, ok := r.text(n, what, 100)
	if !ok {
		return false
	}
	v, err := sentinel.ParseSeverity(s)
	if err != nil {
		r.problem(n, "%s: %v", what, err)
		return false
	}
	*to = v
	return true
}

// choice reads one of a few words.
func (r *reader) choice(n *yaml.Node, what string, words ...string) string {
	s, ok := r.text(n, what, 100)
	if ok && !slices.Contains(words, s) {
		r.problem(n, "%s %q is %s", what, s, oneOf(s, words))
	}
	return s
}

var actionKeys = map[ActionKind][]string{
	ActionBlock: {"duration", "scope"}, ActionNotify: {"level"}, ActionRateLimit: {"rate"}, ActionTag: {"tags"},
}

// actions reads a list of actions: a name, or a name with settings.
func (r *reader) actions(n *yaml.Node) []Action {
	items, ok := r.list(n)
	if !ok {
		return nil
	}
	var out []Action
	kinds := []string{string(ActionBlock), string(ActionNotify), string(ActionRateLimit), string(ActionTag)}
	for _, item := range items {
		item, ok := r.follow(item)
		if !ok {
			continue
		}
		if item.Kind == yaml.ScalarNode {
			if k := r.choice(item, "action", kinds...); k == string(ActionBlock) || k == string(ActionNotify) {
				out = append(out, Action{Kind: ActionKind(k)})
			} else if slices.Contains(kinds, k) {
				r.problem(item, "action %s needs settings: {%s: ...}", k, actionKeys[ActionKind(k)][0])
			}
			continue
		}
		r.mapping(item, "an action", kinds, func(e entry) {
			if len(item.Content) > 2 {
				r.problem(e.node, "each action stands in a list item of its own")
				return
			}
			out = append(out, r.action(ActionKind(e.key), e.value))
		})
	}
	return out
}

func (r *reader) action(kind ActionKind, n *yaml.Node) Action {
	a := Action{Kind: kind}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" && (kind == ActionBlock || kind == ActionNotify) {
		return a
	}
	r.mapping(n, string(kind), actionKeys[kind], func(e entry) {
		switch e.key {
		case "duration":
			r.duration(e.value, "duration", time.Second, &a.Duration)
		case "scope":
			a.Prefix = r.choice(e.value, "scope", "ip", "prefix") == "prefix"
		case "level":
			a.HasLevel = r.severity(e.value, "level", &a.Level)
		case "rate":
			r.rate(e.value, &a)
		case "tags":
			a.Tags = r.texts(e.value, "a tag", 100)
		}
	})
	if kind == ActionRateLimit && a.Rate.IsZero() && !r.failed() {
		r.problem(n, "rate_limit needs a rate such as 10/m")
	}
	return a
}

// rate reads "10/m".
func (r *reader) rate(n *yaml.Node, a *Action) {
	s, ok := r.text(n, "rate", 40)
	if !ok {
		return
	}
	var err error
	if a.Rate, err = sentinel.ParseRate(s); err != nil {
		r.problem(n, "%v", err)
	}
}

var exceptionKeys = []string{"reason", "expires", "match"}

// exception reads one exception. Those outside rules name rules and must expire
// within a year; that is checked by CompileWith, which knows the time.
func (r *reader) exception(n *yaml.Node, global bool) Exception {
	e := Exception{File: r.file, Line: n.Line + r.offset}
	keys := exceptionKeys
	if global {
		keys = append(slices.Clone(keys), "rules")
	}
	r.mapping(n, "an exception", keys, func(x entry) {
		switch x.key {
		case "reason":
			e.Reason, _ = r.text(x.value, "reason", 1000)
		case "expires":
			r.instant(x.value, "expires", &e.Expires)
		case "match":
			e.Match = r.cond(x.value, "match", 1)
		case "rules":
			e.Rules = r.texts(x.value, "a rule id", 64)
		}
	})
	if r.failed() {
		return e
	}
	switch {
	case strings.TrimSpace(e.Reason) == "":
		r.problem(n, "an exception needs a reason")
	case e.Match == nil:
		r.problem(n, "an exception needs a match")
	case global && e.Expires.IsZero():
		r.problem(n, "an exception outside a rule needs expires, a date at most a year ahead")
	case global && len(e.Rules) == 0:
		r.problem(n, "an exception outside a rule needs rules, a list of ids (A_* for all that begin so)")
	}
	return e
}
