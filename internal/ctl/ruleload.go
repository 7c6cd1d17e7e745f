package ctl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

// readRuleFile reads one rule file; custom marks its rules.
func readRuleFile(path string) ([]*rule.Rule, []rule.Problem, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, openError(path, err)
	}
	if info.Size() > rule.MaxFile {
		return nil, nil, fmt.Errorf("%s is %s long, more than %s", path, size(uint64(info.Size())), size(rule.MaxFile))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, openError(path, err)
	}
	rs, problems := rule.ParseFile(path, data)
	for _, r := range rs {
		r.Custom = true
	}
	return rs, problems, nil
}

// ruleFiles lists the rule files that paths name: files as they are, of
// directories the *.yml and *.yaml files in them.
func ruleFiles(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, openError(p, err)
		}
		if !info.IsDir() {
			out = append(out, p)
			continue
		}
		entries, err := os.ReadDir(p)
		if err != nil {
			return nil, openError(p, err)
		}
		for _, e := range entries {
			if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yml" || ext == ".yaml") {
				out = append(out, filepath.Join(p, e.Name()))
			}
		}
	}
	return out, nil
}

// loadRules compiles the rules that the agent would use by cfg, and those that
// paths name on top of them.
func loadRules(cfg *config.Config, paths []string) (*rule.Set, []rule.Problem, error) {
	var (
		all      []*rule.Rule
		problems []rule.Problem
	)
	if cfg.Detection.Rules.Enabled {
		all, problems = rules.Load()
		if dir := cfg.Detection.Rules.CustomDir; dir != "" && cfg.File() != "" {
			if _, err := os.Stat(dir); err == nil {
				paths = append([]string{dir}, paths...)
			}
		}
	}
	files, err := ruleFiles(paths)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range files {
		rs, ps, err := readRuleFile(f)
		if err != nil {
			return nil, nil, err
		}
		all, problems = append(all, rs...), append(problems, ps...)
	}
	all = slices.DeleteFunc(all, func(r *rule.Rule) bool {
		return !r.Enabled || slices.Contains(cfg.Detection.Rules.Disabled, r.ID)
	})
	set, more := rule.CompileWith(all, ruleOptions())
	problems = append(problems, more...)
	if set == nil {
		return nil, problems, errors.New("the rules cannot be used: " + firstFault(problems))
	}
	return set, problems, nil
}

// ruleOptions let rules name lists in files.
func ruleOptions() rule.Options { return rule.Options{ReadFile: os.ReadFile} }

func firstFault(ps []rule.Problem) string {
	for _, p := range ps {
		if !p.Warning {
			return p.Error()
		}
	}
	return "no reason was given"
}

// faults counts the problems that cost a rule.
func faults(ps []rule.Problem) (errs, warnings int) {
	for _, p := range ps {
		if p.Warning {
			warnings++
		} else {
			errs++
		}
	}
	return errs, warnings
}

// localConfig reads the configuration file. It must be there and good if it was
// asked for; else the defaults do.
func (a *app) localConfig() (*config.Config, error) {
	cfg, err := config.Load(a.configFile)
	switch {
	case err == nil:
		return cfg, nil
	case a.configAsked:
		return nil, &failure{code: exitFailed, text: strings.TrimSpace(err.Error()), err: err}
	}
	return config.Default(), nil
}
