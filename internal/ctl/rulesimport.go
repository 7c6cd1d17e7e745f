package ctl

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/sigma"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

func newRulesImport(a *app) *cobra.Command {
	var to string
	var audit bool
	c := &cobra.Command{
		Use: "import DIR...", Short: "Say which rules in Sigma's format run here, and install them",
		Long: `Read rules in Sigma's format, in files and directories and those below, and say
which of them run on this agent, which do not, and why: the log or the field that
is missing. With --to the files of those that do are copied, as they are, into a
directory that the agent reads. With --audit-rules the rules are printed that the
audit system (auditd) needs, for /etc/audit/rules.d. Exit code 6 if a file is not
in Sigma's format or has a fault; rules that are not applicable are no faults.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if audit && to != "" {
				return usagef("--audit-rules only prints; --to goes without it")
			}
			reports, problems, err := setup.SigmaReport(args)
			var pe *fs.PathError
			switch {
			case errors.As(err, &pe):
				return openError(pe.Path, err)
			case err != nil:
				return err
			}
			if len(reports) == 0 && len(problems) == 0 {
				return failf(exitFailed, "there is no rule in Sigma's format in %s", strings.Join(args, " "))
			}
			x := newImported(reports, problems)
			if audit {
				a.out.printf("%s\n", strings.Join(append([]string{
					"# What the audit system must record for " + plural(x.Needs["audit"], "Sigma rule") + ".",
					"# A path that does not exist is no reason to stop:", "-c",
				}, sigma.AuditRules(reports)...), "\n"))
				return nil
			}
			if to != "" {
				if err := x.install(args, to); err != nil {
					return err
				}
			}
			if a.format != "table" {
				if err := a.json(x); err != nil {
					return err
				}
			} else {
				a.imported(x, to)
			}
			if x.Faults > 0 {
				return silent(exitFindings)
			}
			return nil
		},
	}
	c.Flags().StringVar(&to, "to", "", "copy the files of rules that run here into this `directory`, such as /etc/sentinel/rules.d/sigma")
	c.Flags().BoolVar(&audit, "audit-rules", false, "print the rules that the audit system needs, and nothing else")
	return c
}

// imported is what came of reading rules in Sigma's format.
type imported struct {
	Documents     int `json:"documents"`
	Loaded        int `json:"loaded"`
	NotApplicable int `json:"not_applicable"`
	Faults        int `json:"faults"`
	// Files counts files, FilesLoaded those with a rule that runs here.
	Files       int `json:"files"`
	FilesLoaded int `json:"files_loaded"`
	// Needs counts the loaded ones by the log that they read.
	Needs      map[string]int        `json:"needs"`
	Categories []importCategory      `json:"categories"`
	Reasons    []importReason        `json:"reasons"`
	Rules      []importRule          `json:"rules"`
	Problems   []control.RuleProblem `json:"problems"`
	// Installed are the files that were written.
	Installed []string `json:"installed,omitempty"`
}

type importCategory struct {
	Category      string `json:"category"`
	Needs         string `json:"needs,omitempty"`
	Loaded        int    `json:"loaded"`
	NotApplicable int    `json:"not_applicable"`
}

// importReason is why some are not applicable.
type importReason struct {
	Reason  string `json:"reason"`
	Missing string `json:"missing,omitempty"`
	Count   int    `json:"count"`
	rules   []*importRule
}

type importRule struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Form     string `json:"form"`
	SigmaID  string `json:"sigma_id,omitempty"`
	RuleID   string `json:"rule_id,omitempty"`
	Title    string `json:"title"`
	Author   string `json:"author,omitempty"`
	Category string `json:"category"`
	Needs    string `json:"needs,omitempty"`
	Loaded   bool   `json:"loaded"`
	Missing  string `json:"missing,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

func newImported(reports []sigma.Report, problems []rule.Problem) *imported {
	x := &imported{Documents: len(reports), Needs: map[string]int{}, Rules: []importRule{}, Categories: []importCategory{}, Reasons: []importReason{}, Problems: []control.RuleProblem{}}
	categories, reasons, files := map[string]*importCategory{}, map[string]*importReason{}, map[string]bool{}
	for i := range reports {
		r := &reports[i]
		x.Rules = append(x.Rules, importRule{
			File: r.File, Line: r.Line, Form: r.Form, SigmaID: r.ID, RuleID: r.RuleID, Title: r.Title, Author: r.Author,
			Category: r.Category, Needs: r.Needs, Loaded: r.Loaded, Missing: r.Missing, Reason: r.Reason,
		})
	}
	for i := range x.Rules {
		r := &x.Rules[i]
		files[r.File] = files[r.File] || r.Loaded
		c := categories[r.Category]
		if c == nil {
			c = &importCategory{Category: r.Category, Needs: r.Needs}
			categories[r.Category] = c
		}
		if r.Loaded {
			x.Loaded++
			x.Needs[cmp.Or(r.Needs, "none")]++
			c.Loaded++
			continue
		}
		x.NotApplicable++
		c.NotApplicable++
		if reasons[r.Reason] == nil {
			reasons[r.Reason] = &importReason{Reason: r.Reason, Missing: r.Missing}
		}
		reasons[r.Reason].Count++
		reasons[r.Reason].rules = append(reasons[r.Reason].rules, r)
	}
	for _, p := range problems {
		if !p.Warning && files[p.File] {
			continue // its rule is counted, with the problem as the reason
		}
		if !p.Warning {
			x.Faults++
			files[p.File] = files[p.File] || false
			x.Problems = append(x.Problems, control.RuleProblem{File: p.File, Line: p.Line, Column: p.Column, RuleID: p.RuleID, Message: p.Message})
		}
	}
	x.Files = len(files)
	for _, loaded := range files {
		if loaded {
			x.FilesLoaded++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(categories)) {
		x.Categories = append(x.Categories, *categories[name])
	}
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		x.Reasons = append(x.Reasons, *reasons[name])
	}
	slices.SortStableFunc(x.Reasons, func(a, b importReason) int { return b.Count - a.Count })
	return x
}

// logNames say what reads the logs that rules need.
var logNames = map[string]string{"audit": "audit log (auditd)", "syslog": "syslog files or the journal", "web": "access and error logs"}

// maxFilesShown is how many files are named for one reason.
const maxFilesShown = 5

func (a *app) imported(x *imported, to string) {
	s := a.out
	t := &table{head: []string{"Category", "Loaded", "Not applicable", "Reads"}, flex: []int{0}}
	t.numbers(1, 2)
	for _, c := range x.Categories {
		t.add(plain(c.Category), plain(thousands(c.Loaded)), plain(thousands(c.NotApplicable)), plain(logNames[c.Needs]))
	}
	t.print(s)
	s.printf("\n  %s of %s run here (%s of %s); %s not applicable, %s.\n", thousands(x.Loaded), plural(x.Documents, "rule"),
		thousands(x.FilesLoaded), plural(x.Files, "file"), thousands(x.NotApplicable), plural(x.Faults, "fault"))
	if n := x.Needs["audit"]; n > 0 {
		s.printf("  The audit log must be there for %s of them; --audit-rules prints what auditd must record.\n", thousands(n))
	}
	if len(x.Reasons) > 0 {
		s.printf("\n  %s\n", s.paint(styleBold, "Not applicable:"))
	}
	for _, r := range x.Reasons {
		s.lines("    ", fmt.Sprintf("%d: %s", r.Count, r.Reason))
		for i, f := range r.rules {
			if i == maxFilesShown && len(r.rules) > maxFilesShown+1 && a.format == "table" {
				s.printf("        %s\n", s.paint(styleDim, fmt.Sprintf("and %d more (--format json names them all)", len(r.rules)-i)))
				break
			}
			s.printf("        %s\n", s.paint(styleDim, clean(f.File)))
		}
	}
	for i := range x.Problems {
		if i == 0 {
			s.printf("\n  %s\n", s.paint(styleWarn, "Faults:"))
		}
		s.lines("    ", problemText(&x.Problems[i]))
	}
	if to != "" {
		s.printf("\n  %s written below %s. sentinelctl reload has the agent take them.\n", plural(len(x.Installed), "file"), clean(to))
	}
}

// install copies the files with a rule that runs here below a directory, under
// the names that they have below those that were asked for.
func (x *imported) install(from []string, to string) error {
	done := map[string]string{}
	for i := range x.Rules {
		r := &x.Rules[i]
		if !r.Loaded || done[r.File] != "" {
			continue
		}
		name := filepath.Base(r.File)
		for _, dir := range from {
			if rel, err := filepath.Rel(dir, r.File); err == nil && rel != "." && filepath.IsLocal(rel) {
				name = rel
				break
			}
		}
		target := filepath.Join(to, name)
		for other, t := range done {
			if t == target {
				return failf(exitFailed, "%s and %s would both become %s", other, r.File, target)
			}
		}
		if err := copyRule(r.File, target); err != nil {
			return fmt.Errorf("installing %s: %w", r.File, err)
		}
		done[r.File] = target
		x.Installed = append(x.Installed, target)
	}
	return nil
}

// copyRule writes a copy that is complete whenever it is there.
func copyRule(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := makeFolder(filepath.Dir(to)); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".import-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already if all went well
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), to)
}

// makeFolder makes a directory and those above it, so that the agent, which is
// another user, can read them whatever the umask is.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	return errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, 0o755))
}
