package setup

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/sigma"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

// Rules are the compiled rules and what was wrong with them.
type Rules struct {
	Set *rule.Set
	// Problems are the faults, each of which cost a rule, an exception or a
	// list, and the warnings.
	Problems []rule.Problem
	// Disabled are the rules that are switched off, in their file or by
	// detection.rules.disabled; they are not in Set.
	Disabled []*rule.Rule
	// Also are the rules of Options.Also that parsed, whether or not they
	// compiled, and AlsoFiles the files that they are from.
	Also      []*rule.Rule
	AlsoFiles []string
	// Sigma says what became of the documents in Sigma's format.
	Sigma []sigma.Report
	// overrides are those of Options.Also.
	overrides []*rule.Override
}

// Options say what to read besides what the configuration names.
type Options struct {
	// Now is the time by which exceptions are judged.
	Now time.Time
	// Trust lowers the confidence of a rule by a factor of 0 to 1; nil trusts
	// all rules as they are written.
	Trust func(id string) float64
	// Also names rule files, and directories of them, that are read too. Their
	// rules replace others of the same id and are used even if they are in
	// detection.rules.disabled.
	Also []string
	// NoExceptions leaves out the exceptions, those within rules too: what rules
	// would match without them.
	NoExceptions bool
	// NoTests forgets the rules' tests, which take as much memory as the rules:
	// for those who only match.
	NoTests bool
}

// LoadRules compiles the built-in rules and those of the custom directory, with
// the exceptions and lists beside them. A faulty rule is left out and named; an
// error means that a file of Options.Also cannot be read or that there is no
// set to be had at all.
func LoadRules(cfg *config.Config, o Options) (*Rules, error) {
	rs := &Rules{}
	dirs := cfg.Detection.Rules
	var all []*rule.Rule
	var overrides []*rule.Override
	if dirs.Enabled {
		builtin, problems := rules.Load()
		rs.problem(problems)
		var rr ruleReader
		rs.problem(readTree(dirs.CustomDir, rr.file))
		custom, reports := rr.rules()
		rs.Sigma, overrides = append(rs.Sigma, reports...), rr.overrides
		all = append(builtin, custom...)
	}
	rs.disabledUnknown(cfg, all)
	if err := rs.readAlso(o.Also); err != nil {
		return nil, err
	}
	for _, o := range append(overrides, rs.overrides...) {
		rs.problem(o.Apply(append(slices.Clip(all), rs.Also...)))
	}
	all = slices.DeleteFunc(all, func(r *rule.Rule) bool {
		replaced := r.Custom && rs.also(r.ID)
		off := !r.Enabled || slices.ContainsFunc(dirs.Disabled, r.Called)
		if off && !rs.also(r.ID) {
			rs.Disabled = append(rs.Disabled, r)
		}
		return off || replaced
	})
	all = append(all, rs.Also...)
	if o.NoTests {
		for _, r := range slices.Concat(all, rs.Disabled) {
			r.Tests = nil
		}
	}
	if o.Trust != nil {
		for _, r := range all {
			if f := o.Trust(r.ID); f < 1 {
				r.Written = r.Confidence
				r.Confidence *= f
			}
		}
	}
	if o.NoExceptions {
		dirs.ExceptionsDir = ""
		for _, r := range all {
			r.Exceptions = nil
		}
	}
	exceptions, problems := readDir(dirs.ExceptionsDir, rule.ParseExceptions)
	rs.problem(problems)
	set, problems := rule.CompileWith(all, rule.Options{
		Exceptions: exceptions, Now: o.Now,
		ReadFile: func(name string) ([]byte, error) { return readList(dirs.ListsDir, name) },
	})
	rs.problem(problems)
	if set == nil {
		return nil, fmt.Errorf("compiling the rules: %w", errors.Join(asErrors(problems)...))
	}
	rs.Set = set
	return rs, nil
}

func (rs *Rules) problem(ps []rule.Problem) { rs.Problems = append(rs.Problems, ps...) }

// also reports whether Options.Also has a rule of that id.
func (rs *Rules) also(id string) bool {
	return slices.ContainsFunc(rs.Also, func(r *rule.Rule) bool { return r.ID == id })
}

// disabledUnknown warns of ids that are switched off and belong to no rule.
func (rs *Rules) disabledUnknown(cfg *config.Config, all []*rule.Rule) {
	for _, id := range cfg.Detection.Rules.Disabled {
		if !slices.ContainsFunc(all, func(r *rule.Rule) bool { return r.Called(id) }) {
			rs.problem([]rule.Problem{{
				File: cfg.File(), RuleID: id, Message: "detection.rules.disabled names a rule that does not exist", Warning: true,
			}})
		}
	}
}

// readAlso reads the files of Options.Also. Who names a file answers for it, so
// its owner and mode do not matter.
func (rs *Rules) readAlso(paths []string) error {
	files, err := ruleFiles(paths)
	if err != nil {
		return err
	}
	var rr ruleReader
	for _, f := range files {
		data, err := readFile(f, rule.MaxFile)
		if err != nil {
			return err
		}
		rs.AlsoFiles = append(rs.AlsoFiles, f)
		rs.problem(rr.file(f, data))
	}
	got, reports := rr.rules()
	rs.Also, rs.Sigma, rs.overrides = got, append(rs.Sigma, reports...), rr.overrides
	return nil
}

func asErrors(ps []rule.Problem) []error {
	out := make([]error, len(ps))
	for i, p := range ps {
		out[i] = p
	}
	return out
}

// Faults counts the problems that cost a rule, and the warnings.
func Faults(ps []rule.Problem) (faults, warnings int) {
	for _, p := range ps {
		if p.Warning {
			warnings++
		} else {
			faults++
		}
	}
	return faults, warnings
}
