package agent

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/sigma"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// ruleSet is the compiled rules, what was wrong with them, and how often each
// matched since it was loaded.
type ruleSet struct {
	set      *rule.Set
	problems []rule.Problem
	disabled []*rule.Rule
	matched  []atomic.Uint64
	fired    []atomic.Uint64
	verdicts map[string]store.Verdicts
	// sigma says what became of documents in Sigma's format.
	sigma []sigma.Report
}

// loadRules compiles the rules of a configuration. verdicts are what people said
// about earlier threats.
func loadRules(cfg *config.Config, verdicts map[string]store.Verdicts) (*ruleSet, error) {
	if problems := setup.CheckFormats(cfg); len(problems) > 0 {
		return nil, problems
	}
	r, err := setup.LoadRules(cfg, setup.Options{
		Now: time.Now(), Trust: func(id string) float64 { return verdicts[id].Trust() }, NoTests: true,
	})
	if err != nil {
		return nil, err
	}
	return &ruleSet{
		set: r.Set, problems: r.Problems, disabled: r.Disabled, sigma: r.Sigma,
		matched: make([]atomic.Uint64, r.Set.Len()), fired: make([]atomic.Uint64, r.Set.Len()), verdicts: verdicts,
	}, nil
}

// buildRules reads rules as loadRules does, with what people said in the past,
// and logs the faults.
func (a *Agent) buildRules(ctx context.Context, cfg *config.Config) (*ruleSet, error) {
	verdicts, err := a.store.Verdicts(ctx)
	if err != nil {
		a.log.Warn("rules are trusted as they are written", "error", err)
	}
	rs, err := loadRules(cfg, verdicts)
	if err != nil {
		return nil, err
	}
	rs.report(a.log)
	return rs, nil
}

// reviseRules compiles the rules again after people have judged a threat, so
// that rules which were wrong weigh less from now on.
func (a *Agent) reviseRules(ctx context.Context) {
	cfg := a.config()
	rs, err := a.buildRules(ctx, cfg)
	if err != nil {
		a.log.Error("rules stay as they are", "error", err)
		return
	}
	err = a.do(ctx, func() {
		a.mu.Lock()
		stale := a.cfg != cfg // a reload came in between, which knows the verdict too
		if !stale {
			a.set = rs
		}
		a.mu.Unlock()
		if !stale {
			a.engine.Swap(rs.set, detect.DefaultConfig())
		}
	})
	debug.FreeOSMemory() // compiling rules left more behind than the agent needs
	if err != nil {
		a.log.Debug("rules stay as they are", "error", err)
	}
}

// faults counts the problems that cost a rule.
func (rs *ruleSet) faults() int {
	n, _ := setup.Faults(rs.problems)
	return n
}

// notApplicable counts the rules in Sigma's format that have no log here.
func (rs *ruleSet) notApplicable() (n int) {
	for _, r := range rs.sigma {
		if !r.Loaded {
			n++
		}
	}
	return n
}

// report logs what was wrong.
func (rs *ruleSet) report(log *slog.Logger) {
	if n := len(rs.sigma); n > 0 {
		log.Info("rules in Sigma's format", "documents", n, "not_applicable", rs.notApplicable())
	}
	for _, p := range rs.problems {
		if p.Warning {
			log.Warn("rule", "problem", p.Error())
		} else {
			log.Error("rule left out", "problem", p.Error())
		}
	}
}

// count notes which rules a line matched.
func (rs *ruleSet) count(step *engine.Step) {
	for _, m := range step.Matches {
		if int(m.Rule) < len(rs.matched) {
			rs.matched[m.Rule].Add(1)
		}
	}
	for _, r := range step.Results {
		if r.Fired && int(r.Rule) < len(rs.fired) {
			rs.fired[r.Rule].Add(1)
		}
	}
}

// all returns the loaded and the disabled rules in the order of their ids, with
// the index of the loaded ones (-1 for the others).
func (rs *ruleSet) all() []indexedRule {
	out := make([]indexedRule, 0, rs.set.Len()+len(rs.disabled))
	for i := range rs.set.Len() {
		out = append(out, indexedRule{rs.set.Rule(i), i})
	}
	for _, r := range rs.disabled {
		out = append(out, indexedRule{r, -1})
	}
	slices.SortFunc(out, func(a, b indexedRule) int { return cmp.Compare(a.rule.ID, b.rule.ID) })
	return out
}

type indexedRule struct {
	rule  *rule.Rule
	index int
}

// Check reads secrets and rules as the agent would and returns an error that names
// every fault, or nil.
func Check(cfg *config.Config, log *slog.Logger) error {
	if err := cfg.SecretFaults().Err(); err != nil {
		return err
	}
	rs, err := loadRules(cfg, nil)
	if err != nil {
		return err
	}
	rs.report(log)
	if n := rs.faults(); n > 0 {
		return fmt.Errorf("%d rules have faults", n)
	}
	return nil
}
