package setup

import (
	"fmt"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/sigma"
)

// ruleReader gathers the documents of rule files: rules in the engine's own
// format and in Sigma's, and overrides.
type ruleReader struct {
	own       []*rule.Rule
	sigma     sigma.Collection
	overrides []*rule.Override
}

// file takes one file.
func (rr *ruleReader) file(name string, data []byte) []rule.Problem {
	docs, problems := rule.Documents(name, data)
	for _, d := range docs {
		var ps []rule.Problem
		switch {
		case rule.IsOverride(d):
			var o *rule.Override
			if o, ps = rule.ParseOverride(d); o != nil {
				rr.overrides = append(rr.overrides, o)
			}
		case sigma.Is(d):
			ps = rr.sigma.Add(d)
		default:
			var r *rule.Rule
			if r, ps = rule.ParseDocument(d); r != nil {
				r.Custom = true
				rr.own = append(rr.own, r)
			}
		}
		problems = append(problems, ps...)
	}
	return problems
}

// rules returns the rules of all files, and what became of Sigma's.
func (rr *ruleReader) rules() ([]*rule.Rule, []sigma.Report) {
	made, reports := rr.sigma.Rules()
	return append(rr.own, made...), reports
}

// NotApplicable lists the rules in Sigma's format that have no log or no field
// here, as warnings: they are no faults.
func (rs *Rules) NotApplicable() (out []rule.Problem) {
	for _, r := range rs.Sigma {
		if !r.Loaded {
			out = append(out, rule.Problem{
				File: r.File, Line: r.Line, Warning: true,
				Message: fmt.Sprintf("the Sigma %s %q is not applicable: %s", r.Form, r.Title, r.Reason),
			})
		}
	}
	return out
}

// SigmaReport reads the files of directories, and files, as rules of the agent
// are read, and says of each document in Sigma's format what becomes of it.
func SigmaReport(paths []string) ([]sigma.Report, []rule.Problem, error) {
	rs := &Rules{}
	if err := rs.readAlso(paths); err != nil {
		return nil, nil, err
	}
	_, problems := rule.Compile(rs.Also)
	rs.problem(problems)
	reports := rs.Sigma
	for i := range reports {
		for _, p := range problems {
			if r := &reports[i]; !p.Warning && p.File == r.File && p.Line == r.Line && r.Loaded {
				r.Loaded, r.Reason = false, p.Message
			}
		}
	}
	return reports, rs.Problems, nil
}
