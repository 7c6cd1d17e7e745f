package agent

import (
	"context"
	"os"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

// maxProblems is how many faults of rules an answer holds.
const maxProblems = 100

// Rules implements control.Agent.
func (p *api) Rules(_ context.Context, _ control.Peer, q control.RulesParams) (*control.RulesResult, error) {
	rs := p.agent().rules()
	out := &control.RulesResult{Rules: []control.RuleRow{}, Problems: ruleProblems(rs), NotApplicable: rs.notApplicable()}
	for _, x := range rs.all() {
		if (q.Type != "" && x.rule.Type != q.Type) || (q.Severity != nil && x.rule.Severity != *q.Severity) {
			continue
		}
		out.Rules = append(out.Rules, rs.row(x))
	}
	return out, nil
}

// Rule implements control.Agent.
func (p *api) Rule(_ context.Context, _ control.Peer, q control.RuleParams) (*control.RuleResult, error) {
	rs := p.agent().rules()
	for _, x := range rs.all() {
		if !strings.EqualFold(x.rule.ID, q.ID) && !x.rule.Called(q.ID) {
			continue
		}
		out := &control.RuleResult{
			RuleRow: rs.row(x), Description: x.rule.Description, Tags: x.rule.Tags, References: x.rule.References,
			FalsePositives: x.rule.FalsePositives,
			MITRE:          techniques(x.rule.Tags), YAML: source(x.rule),
		}
		if o := x.rule.Origin; o != nil {
			out.Origin = &control.RuleOrigin{Format: o.Format, ID: o.ID, Author: o.Author, License: o.License, Status: o.Status}
		}
		return out, nil
	}
	return nil, control.Errorf(control.CodeNotFound, "there is no rule %.60q", q.ID).WithHint("sentinelctl rules list names them all")
}

// rules returns the rules in use.
func (a *Agent) rules() *ruleSet {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.set
}

func (rs *ruleSet) row(x indexedRule) control.RuleRow {
	r := x.rule
	row := control.RuleRow{
		ID: r.ID, Name: r.Name, Type: r.Type, Severity: r.Severity, Confidence: r.Confidence,
		Sources: r.LogSource.Names, Enabled: x.index >= 0, Custom: r.Custom, File: r.File, Line: r.Line,
	}
	v := rs.verdicts[r.ID]
	row.Written, row.RightMarks, row.WrongMarks = r.Written, v.Right, v.Wrong
	if x.index >= 0 {
		row.Matches, row.Fired = rs.matched[x.index].Load(), rs.fired[x.index].Load()
	}
	return row
}

// source returns the rule's text as it stands in its file, or nothing if that
// can no longer be read.
func source(r *rule.Rule) string {
	read := rules.Read
	if r.Custom {
		read = os.ReadFile
	}
	data, err := read(r.File)
	if err != nil {
		return ""
	}
	return excerpt(string(data), r.Line)
}

func ruleProblems(rs *ruleSet) []control.RuleProblem {
	out := []control.RuleProblem{}
	for _, p := range rs.problems {
		if len(out) == maxProblems {
			break
		}
		out = append(out, control.RuleProblem{File: p.File, Line: p.Line, Column: p.Column, RuleID: p.RuleID, Message: p.Message, Warning: p.Warning})
	}
	return out
}

func (rs *ruleSet) status() control.RulesStatus {
	return control.RulesStatus{
		Loaded: rs.set.Len(), Disabled: len(rs.disabled), Skipped: rs.faults(), NotApplicable: rs.notApplicable(), Problems: ruleProblems(rs),
	}
}

// techniques are the ATT&CK techniques among the tags: "attack.t1110.001" is
// T1110.001.
func techniques(tags []string) []string {
	out := []string{}
	for _, tag := range tags {
		if id, ok := decide.Technique(tag); ok {
			out = append(out, id)
		}
	}
	return out
}

// excerpt is the YAML document that begins at a line, counted from 1.
func excerpt(text string, line int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	lines = lines[line-1:]
	for i, l := range lines {
		if l == "---" {
			lines = lines[:i]
			break
		}
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}
