package rule

import (
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Override changes how rules are taken whose files are not to be changed: built-in
// ones, and those that come from elsewhere. What it does not say stays.
type Override struct {
	// Rules are ids, or those that the rules have in their origin.
	Rules      []string
	Reason     string
	Enabled    *bool
	Severity   *sentinel.Severity
	Confidence *float64
	Cooldown   *time.Duration
	Group      string
	Actions    []Action
	HasActions bool
	// File and Line say where it stands.
	File string
	Line int
}

var overrideKeys = []string{"override", "reason", "enabled", "severity", "confidence", "cooldown", "group", "actions"}

// IsOverride reports whether a document is an override.
func IsOverride(d Document) bool { return slices.Contains(d.Keys(), "override") }

// ParseOverride reads an override. It is nil if it has a fault.
func ParseOverride(d Document) (*Override, []Problem) {
	r := d.reader()
	o := &Override{File: d.File, Line: d.Root.Line + d.Offset}
	r.mapping(d.Root, "the override", overrideKeys, func(e entry) {
		switch v := e.value; e.key {
		case "override":
			o.Rules = r.texts(v, "the id of a rule", 200)
		case "reason":
			o.Reason, _ = r.text(v, "reason", 1000)
		case "enabled":
			o.Enabled = new(bool)
			r.boolean(v, "enabled", o.Enabled)
		case "severity":
			o.Severity = new(sentinel.Severity)
			r.severity(v, "severity", o.Severity)
		case "confidence":
			o.Confidence = new(float64)
			r.fraction(v, "confidence", o.Confidence)
		case "cooldown":
			o.Cooldown = new(time.Duration)
			r.duration(v, "cooldown", 0, o.Cooldown)
		case "group":
			r.form(v, "group", typeForm, &o.Group)
		case "actions":
			o.HasActions = true
			o.Actions = r.actions(v)
		}
	})
	switch {
	case r.failed():
	case len(o.Rules) == 0:
		r.problem(d.Root, "the override names no rule")
	case o.Enabled == nil && o.Severity == nil && o.Confidence == nil && o.Cooldown == nil && o.Group == "" && !o.HasActions:
		r.problem(d.Root, "the override changes nothing: it needs one of enabled, severity, confidence, cooldown, group, actions")
	}
	if r.failed() {
		return nil, r.problems
	}
	return o, r.problems
}

// Apply changes those of the rules that the override names. It returns a warning
// for each name that none has.
func (o *Override) Apply(rules []*Rule) (problems []Problem) {
	for _, name := range o.Rules {
		found := false
		for _, r := range rules {
			if r.Called(name) {
				o.change(r)
				found = true
			}
		}
		if !found {
			problems = append(problems, Problem{File: o.File, Line: o.Line, RuleID: name, Message: "the override names a rule that is not loaded", Warning: true})
		}
	}
	return problems
}

func (o *Override) change(r *Rule) {
	if o.Enabled != nil {
		r.Enabled = *o.Enabled
	}
	if o.Severity != nil {
		r.Severity = *o.Severity
	}
	if o.Confidence != nil {
		r.Confidence = *o.Confidence
	}
	if o.Cooldown != nil {
		r.Cooldown = *o.Cooldown
	}
	if o.Group != "" {
		r.Group = o.Group
	}
	if o.HasActions {
		r.Actions, r.HasActions = o.Actions, true
	}
}
