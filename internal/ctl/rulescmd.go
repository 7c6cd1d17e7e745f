package ctl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

func newRules(a *app) *cobra.Command {
	return group("rules", "Detection rules: list, show, check and try them",
		newRulesList(a), newRuleShow(a), newRulesLint(a), newRulesTest(a), newRulesNew(a), newRulesCoverage(a), newRulesSchema(a), newRulesImport(a))
}

func newRulesList(a *app) *cobra.Command {
	var severity string
	var p control.RulesParams
	c := &cobra.Command{
		Use: "list", Short: "List the agent's rules and how often they matched", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if p.Severity, err = severityFlag("--severity", severity); err != nil {
				return err
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Rules(ctx, p)
				if err != nil {
					return err
				}
				return answer(a, r, r.Rules, a.rules)
			})
		},
	}
	c.Flags().StringVar(&p.Type, "type", "", "only rules for this `type` of threat")
	c.Flags().StringVar(&severity, "severity", "", "only rules of this `severity`")
	return c
}

func (a *app) rules(r *control.RulesResult) {
	s := a.out
	t := &table{head: []string{"ID", "Severity", "Type", "Matches", "Fired", "Name"}, flex: []int{5}}
	t.numbers(3, 4)
	for i := range r.Rules {
		x := &r.Rules[i]
		name, id := x.Name, styleBold
		if x.Custom {
			name += " (custom)"
		}
		if x.Written > 0 {
			name += fmt.Sprintf(" (%.2f instead of %.2f: marked as false %s)", x.Confidence, x.Written, times(x.WrongMarks))
		}
		if !x.Enabled {
			name, id = "(disabled) "+name, styleDim
		}
		t.add(cell{x.ID, id}, cell{x.Severity.String(), severityStyle(x.Severity)}, plain(x.Type), plain(thousands(x.Matches)), plain(thousands(x.Fired)), plain(name))
	}
	if len(r.Rules) == 0 {
		s.printf("  No rules.\n")
	} else {
		t.print(s)
	}
	for i := range r.Problems {
		if i == 0 {
			s.printf("\n  %s\n", s.paint(styleWarn, "Faults:"))
		}
		s.lines("    ", problemText(&r.Problems[i]))
	}
	if r.NotApplicable > 0 {
		s.printf("\n  %s in Sigma's format not applicable here; sentinelctl rules lint says why.\n", plural(r.NotApplicable, "rule"))
	}
}

func problemText(p *control.RuleProblem) string {
	return rule.Problem{File: p.File, Line: p.Line, Column: p.Column, RuleID: p.RuleID, Message: p.Message, Warning: p.Warning}.Error()
}

func newRuleShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one rule in full", Args: someArgs(1, 1, "the id of a rule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Rule(ctx, args[0])
				if err != nil {
					return a.noRule(ctx, c, args[0], err)
				}
				if a.format != "table" {
					return a.json(r)
				}
				a.rule(r)
				return nil
			})
		},
	}
}

// noRule adds ids that look like the one that is not known.
func (a *app) noRule(ctx context.Context, c *control.Client, id string, err error) error {
	if control.CodeOf(err) != control.CodeNotFound {
		return err
	}
	f := failf(exitNotFound, "there is no rule %s", quote(id)).hint("sentinelctl rules list names them all")
	if all, listErr := c.Rules(ctx, control.RulesParams{}); listErr == nil {
		var names []string
		for i := range all.Rules {
			names = append(names, all.Rules[i].ID)
		}
		if best := nearest(id, names, 3); len(best) > 0 {
			return f.hint("did you mean %s?", strings.Join(best, " or "))
		}
	}
	return f
}

// confidenceText says what marks have made of a rule's confidence.
func confidenceText(r *control.RuleRow) string {
	text := fmt.Sprintf("%.2f", r.Confidence)
	if r.Written > 0 {
		text += fmt.Sprintf(" here, %.2f as written", r.Written)
	}
	if r.RightMarks+r.WrongMarks > 0 {
		text += fmt.Sprintf(" (%s marked as resolved, %s as false)", plural(r.RightMarks, "threat"), thousands(r.WrongMarks))
	}
	return text
}

func (a *app) rule(r *control.RuleResult) {
	s := a.out
	s.printf("\n  %s  %s  %s\n", s.paint(styleBold, clean(r.ID)), s.paint(severityStyle(r.Severity), r.Severity.String()), clean(r.Name))
	s.lines("  ", strings.Join(strings.Fields(r.Description), " "))
	s.printf("\n")
	row := func(label, text string) {
		if text != "" {
			s.printf("  %s %s\n", pad(label, 12), clean(text))
		}
	}
	row("Type:", r.Type)
	row("Confidence:", confidenceText(&r.RuleRow))
	row("Logs:", strings.Join(r.Sources, ", "))
	row("Tags:", strings.Join(r.Tags, ", "))
	row("ATT&CK:", strings.Join(r.MITRE, ", "))
	for i, text := range r.References {
		row([]string{"See:", ""}[min(i, 1)], text)
	}
	place := r.File
	if r.Line > 0 {
		place += fmt.Sprintf(":%d", r.Line)
	}
	if !r.Custom {
		place = "built in, " + place
	}
	for i, text := range r.FalsePositives {
		label := ""
		if i == 0 {
			label = "Harmless:"
		}
		row(label, strings.Join(strings.Fields(text), " "))
	}
	row("From:", place)
	if o := r.Origin; o != nil {
		row("Origin:", (&rule.Origin{Format: o.Format, ID: o.ID, Author: o.Author}).String())
		row("Licence:", o.License)
	}
	row("So far:", fmt.Sprintf("%s, fired %s", plural(r.Matches, "matche"), plural(r.Fired, "time")))
	if r.YAML != "" {
		s.printf("\n")
		for _, line := range strings.Split(strings.TrimRight(r.YAML, "\n"), "\n") {
			s.printf("  %s\n", s.paint(styleDim, clean(line)))
		}
	}
	s.printf("\n")
}

// pickRules compiles the agent's rules with those that paths name, and picks the
// rules to look at and what was wrong with them: those of paths, or all.
func (a *app) pickRules(paths []string) (set *rule.Set, picked []*rule.Rule, problems []rule.Problem, err error) {
	cfg, err := a.localConfig()
	if err != nil {
		return nil, nil, nil, err
	}
	rs, err := a.loadRules(cfg, paths)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(paths) == 0 {
		for i := range rs.Set.Len() {
			picked = append(picked, rs.Set.Rule(i))
		}
		return rs.Set, picked, append(rs.Problems, rs.NotApplicable()...), nil
	}
	problems = slices.DeleteFunc(append(rs.Problems, rs.NotApplicable()...), func(p rule.Problem) bool { return !slices.Contains(rs.AlsoFiles, p.File) })
	return rs.Set, rs.Also, problems, nil
}

func newRulesLint(a *app) *cobra.Command {
	var quiet bool
	var benign []string
	c := &cobra.Command{
		Use: "lint [FILE|DIR...]", Short: "Check rule files: faults, slow conditions, odd things",
		Long: `Check rule files, as the agent would read them from its rules directory. Without
any, all that the agent loads is checked: the built-in rules, and the rules,
exceptions and lists of the configured directories. Rules of your own are also
tried on harmless lines, some that are built in and those of --benign. Exit code 6
if there are faults; warnings are no faults.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			set, picked, problems, err := a.pickRules(args)
			if err != nil {
				return err
			}
			mine := map[string]bool{}
			for _, r := range picked {
				mine[r.ID] = true
			}
			slow := 0
			for _, l := range set.Lint() {
				if mine[l.ID] {
					problems = append(problems, l.Warnings...)
					if !l.Direct && !l.Indexed {
						slow++
					}
				}
			}
			harmless, err := a.lintBenign(set, picked, len(args) > 0, benign)
			if err != nil {
				return err
			}
			problems = append(problems, harmless...)
			for _, r := range picked {
				if !r.Custom && len(args) == 0 {
					continue // the shipped ones are measured before a release
				}
				if p, found := setup.CheckCost(r); found {
					problems = append(problems, p)
				}
			}
			return a.lint(problems, len(picked), slow, quiet)
		},
	}
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "no warnings")
	c.Flags().StringArrayVar(&benign, "benign", nil, "a `log` of harmless lines on which no rule should fire; may be given again")
	return c
}

func (a *app) lint(problems []rule.Problem, n, slow int, quiet bool) error {
	errs, warnings := setup.Faults(problems)
	if a.format != "table" {
		out := make([]control.RuleProblem, len(problems))
		for i, p := range problems {
			out[i] = control.RuleProblem{File: p.File, Line: p.Line, Column: p.Column, RuleID: p.RuleID, Message: p.Message, Warning: p.Warning}
		}
		if err := list(a, out); err != nil {
			return err
		}
	} else {
		s := a.out
		for _, p := range problems {
			switch {
			case !p.Warning:
				s.printf("%s %s\n", s.paint(styleBad, "fault:"), clean(p.Error()))
			case !quiet:
				s.printf("%s %s\n", s.paint(styleWarn, "warning:"), clean(p.Error()))
			}
		}
		verdict := s.paint(styleGood, "no faults")
		if errs > 0 {
			verdict = s.paint(styleBad, plural(errs, "fault"))
		}
		s.printf("%s: %s, %s; %d looked at for every event\n", plural(n, "rule"), verdict, plural(warnings, "warning"), slow)
	}
	if errs > 0 {
		return silent(exitFindings)
	}
	return nil
}

func newRulesTest(a *app) *cobra.Command {
	var verbose bool
	c := &cobra.Command{
		Use: "test [FILE|DIR...]", Short: "Run the tests inside rule files",
		Long: `Run the tests inside rule files. Without any, those of all rules that the agent
loads. Exit code 6 if a test fails or a rule has a fault.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			set, picked, problems, err := a.pickRules(args)
			if err != nil {
				return err
			}
			return a.test(set, picked, problems, verbose)
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "name the tests that pass, too")
	return c
}

func (a *app) test(set *rule.Set, picked []*rule.Rule, problems []rule.Problem, verbose bool) error {
	type outcome struct {
		Rule     string   `json:"rule_id"`
		Test     string   `json:"test"`
		File     string   `json:"file"`
		Line     int      `json:"line"`
		Passed   bool     `json:"passed"`
		Failures []string `json:"failures"`
	}
	s := a.out
	var out []outcome
	passed, failed, untested := 0, 0, 0
	for _, p := range problems {
		if !p.Warning {
			failed++
			if a.format == "table" {
				s.printf("%s %s\n", s.paint(styleBad, "fault:"), clean(p.Error()))
			}
		}
	}
	for _, r := range picked {
		if len(r.Tests) == 0 {
			untested++
		}
		for _, t := range engine.RunTests(r, set) {
			out = append(out, outcome{t.RuleID, t.Name, t.File, t.Line, t.Passed(), orEmpty(t.Failures)})
			if t.Passed() {
				passed++
			} else {
				failed++
			}
			if a.format == "table" && (verbose || !t.Passed()) {
				st := styleGood
				if !t.Passed() {
					st = styleBad
				}
				s.printf("%s\n", s.paint(st, clean(t.String())))
			}
		}
	}
	if a.format != "table" {
		if err := list(a, out); err != nil {
			return err
		}
	} else {
		verdict := s.paint(styleGood, "all passed")
		if failed > 0 {
			verdict = s.paint(styleBad, fmt.Sprintf("%d failed", failed))
		}
		s.printf("%s of %s: %s", plural(passed+failed, "test"), plural(len(picked), "rule"), verdict)
		if untested > 0 {
			s.printf("; %s without a test", plural(untested, "rule"))
		}
		s.printf("\n")
	}
	if failed > 0 {
		return silent(exitFindings)
	}
	return nil
}
