package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

// ruleSet is the compiled rules, what was wrong with them, and how often each
// matched since it was loaded.
type ruleSet struct {
	set      *rule.Set
	problems []rule.Problem
	disabled []*rule.Rule
	matched  []atomic.Uint64
	fired    []atomic.Uint64
}

// loadRules compiles the built-in rules and those of the custom directory, with
// the exceptions beside them. verdicts are what people said about earlier
// threats. A faulty rule is left out and named; an error means that there is no
// engine to be had at all.
func loadRules(cfg *config.Config, verdicts map[string]store.Verdicts) (*ruleSet, error) {
	rs := &ruleSet{}
	var all []*rule.Rule
	dirs := cfg.Detection.Rules
	if dirs.Enabled {
		builtin, problems := rules.Load()
		rs.problems = append(rs.problems, problems...)
		custom, problems := readDir(dirs.CustomDir, rule.ParseFile)
		rs.problems = append(rs.problems, problems...)
		for _, r := range custom {
			r.Custom = true
		}
		all = append(builtin, custom...)
	}
	known := make(map[string]bool, len(all))
	all = slices.DeleteFunc(all, func(r *rule.Rule) bool {
		known[r.ID] = true
		off := !r.Enabled || slices.Contains(dirs.Disabled, r.ID)
		if off {
			rs.disabled = append(rs.disabled, r)
		}
		return off
	})
	for _, id := range dirs.Disabled {
		if !known[id] {
			rs.problems = append(rs.problems, rule.Problem{File: cfg.File(), RuleID: id, Message: "detection.rules.disabled names a rule that does not exist", Warning: true})
		}
	}
	for _, r := range all {
		r.Confidence *= verdicts[r.ID].Trust()
	}
	exceptions, problems := readDir(dirs.ExceptionsDir, rule.ParseExceptions)
	rs.problems = append(rs.problems, problems...)
	set, problems := rule.CompileWith(all, rule.Options{
		Exceptions: exceptions, Now: time.Now(),
		ReadFile: func(name string) ([]byte, error) { return readList(dirs.ListsDir, name) },
	})
	rs.problems = append(rs.problems, problems...)
	if set == nil {
		return nil, fmt.Errorf("compiling the rules: %w", errors.Join(asErrors(problems)...))
	}
	rs.set = set
	rs.matched, rs.fired = make([]atomic.Uint64, set.Len()), make([]atomic.Uint64, set.Len())
	return rs, nil
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
	rs, err := a.buildRules(ctx, a.config())
	if err != nil {
		a.log.Error("rules stay as they are", "error", err)
		return
	}
	err = a.do(ctx, func() {
		a.mu.Lock()
		a.set = rs
		a.mu.Unlock()
		a.engine.Swap(rs.set, detect.DefaultConfig())
	})
	debug.FreeOSMemory() // compiling rules left more behind than the agent needs
	if err != nil {
		a.log.Debug("rules stay as they are", "error", err)
	}
}

// maxList is the largest list that a rule may name, in bytes.
const maxList = 16 << 20

// readList reads a list by its bare name.
func readList(dir, name string) ([]byte, error) {
	if name == "" || name != filepath.Base(name) || name[0] == '.' {
		return nil, fmt.Errorf("%q is not the name of a file in %s", name, dir)
	}
	return readTrusted(filepath.Join(dir, name), maxList)
}

// readDir reads the *.yml files of a directory, which need not exist. Files that
// others than root and this process's user can write are refused, since whoever
// writes rules decides what is blocked.
func readDir[T any](dir string, parse func(string, []byte) ([]T, []rule.Problem)) (all []T, problems []rule.Problem) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []rule.Problem{{File: dir, Message: fmt.Sprintf("reading the directory: %v", err)}}
	}
	for _, e := range entries {
		if e.IsDir() || !(strings.HasSuffix(e.Name(), ".yml") || strings.HasSuffix(e.Name(), ".yaml")) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		data, err := readTrusted(path, rule.MaxFile)
		if err != nil {
			problems = append(problems, rule.Problem{File: path, Message: err.Error()})
			continue
		}
		got, ps := parse(path, data)
		all, problems = append(all, got...), append(problems, ps...)
	}
	return all, problems
}

// readTrusted reads a regular file of at most limit bytes that nobody but root
// and this process's user can write.
func readTrusted(path string, limit int64) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file: links and devices are refused")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("writable by group or others (%v): run chmod go-w %s", info.Mode().Perm(), path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("owned by user %d: run chown root %s", st.Uid, path)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%d bytes long, more than %d", info.Size(), limit)
	}
	return os.ReadFile(path)
}

func asErrors(ps []rule.Problem) []error {
	out := make([]error, len(ps))
	for i, p := range ps {
		out[i] = p
	}
	return out
}

// faults counts the problems that cost a rule.
func (rs *ruleSet) faults() int {
	n := 0
	for _, p := range rs.problems {
		if !p.Warning {
			n++
		}
	}
	return n
}

// report logs what was wrong.
func (rs *ruleSet) report(log *slog.Logger) {
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

// Check reads the rules as the agent would and returns an error that names
// every fault, or nil.
func Check(cfg *config.Config, log *slog.Logger) error {
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
