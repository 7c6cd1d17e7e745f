package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

// withRuntime returns the file's configuration with what was set at run time,
// and raises an alarm about what could not be taken of either.
func (a *Agent) withRuntime(file *config.Config) *config.Config {
	for _, p := range file.SecretFaults() {
		a.alarm("config", p.Error())
	}
	// The database does not move before the agent starts again.
	inForce := file
	if old := a.config(); old != nil {
		inForce = old
	}
	cfg, err := file.LoadRuntime(inForce.RuntimePath())
	if err != nil {
		a.alarm("config", "what was set at run time was not taken in full: "+err.Error())
	}
	return cfg
}

// adopt swaps a configuration in, between two batches. file is the one in the
// file, cfg the same with what was set at run time. The rules must be those of
// cfg; nil leaves them. The collectors start anew if logs says so. It returns the
// keys whose values changed, in cfg as it was given.
func (a *Agent) adopt(ctx context.Context, file, cfg *config.Config, set *ruleSet, logs bool) ([]string, error) {
	if logs {
		a.discover(ctx)
	}
	var changed []string
	err := a.do(ctx, func() {
		a.mu.Lock()
		changed = config.Changed(a.cfg, cfg)
		cfg.KeepFixed(a.cfg)
		a.file, a.cfg = file, cfg
		if set != nil {
			a.set = set
		}
		a.gen++
		a.loadedAt = time.Now()
		restart := a.restart
		a.mu.Unlock()
		a.checkSandbox(cfg)
		a.configureGeo(cfg)
		if a.opt.Level != nil {
			a.opt.Level.Set(cfg.Agent.Level())
		}
		if set != nil {
			a.engine.Swap(set.set, detect.DefaultConfig())
		}
		a.engine.Decider().Configure(setup.Policy(cfg))
		a.startSeries(ctx, time.Now())
		a.startProfiles(ctx)
		a.startClients(ctx, time.Now())
		a.startPayload(ctx, time.Now())
		if err := a.setNames(ctx); err != nil {
			a.log.Error("the names of the whitelist could not be read again", "error", err)
		}
		if allow, err := a.allowlist(ctx); err == nil {
			a.setAllow(allow)
		} else {
			a.log.Error("the whitelist could not be read again", "error", err)
		}
		if logs && restart != nil {
			restart()
		}
	})
	if err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // compiling rules left more behind than the agent needs
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log.Info("configuration loaded", "generation", a.gen, "rules", a.set.set.Len(), "changed", changed)
	return changed, nil
}

// Config implements control.Agent.
func (p *api) Config(_ context.Context, _ control.Peer, q control.ConfigParams) (*control.ConfigResult, error) {
	p.mu.Lock()
	cfg := p.cfg
	out := &control.ConfigResult{File: cfg.File(), Generation: p.gen, Loaded: p.loadedAt}
	p.mu.Unlock()
	var err error
	if out.YAML, err = config.ShowSection(cfg, q.Key); err == nil {
		out.Values, err = configValues(cfg, q.Key)
	}
	if err != nil {
		return nil, configError(q.Key, err)
	}
	return out, nil
}

func configValues(cfg *config.Config, key string) ([]control.ConfigValue, error) {
	values, err := cfg.Values(key)
	if err != nil {
		return nil, err
	}
	out := make([]control.ConfigValue, len(values))
	for i, v := range values {
		out[i] = control.ConfigValue(v)
	}
	return out, nil
}

// SetConfig implements control.Agent.
func (p *api) SetConfig(ctx context.Context, peer control.Peer, q control.ConfigSetParams) (*control.ConfigChange, error) {
	return p.agent().setRuntime(ctx, peer, q.Key, func(data []byte) ([]byte, error) { return config.Set(data, q.Key, q.Value) })
}

// UnsetConfig implements control.Agent.
func (p *api) UnsetConfig(ctx context.Context, peer control.Peer, q control.ConfigUnsetParams) (*control.ConfigChange, error) {
	return p.agent().setRuntime(ctx, peer, q.Key, func(data []byte) ([]byte, error) {
		if q.Key == "" {
			return nil, nil
		}
		return config.Unset(data, q.Key)
	})
}

// setRuntime edits what is set at run time, stores it, and swaps it in.
func (a *Agent) setRuntime(ctx context.Context, peer control.Peer, key string, edit func([]byte) ([]byte, error)) (*control.ConfigChange, error) {
	if values, err := a.config().Values(key); err != nil {
		return nil, configError(key, err)
	} else if key != "" && !slices.ContainsFunc(values, func(v config.Value) bool { return config.AtRuntime(v.Key) }) {
		return nil, control.Errorf(control.CodeRefused, "%s cannot be set at run time: who may do that could reach farther than this agent", key).
			WithHint("as root set it in the file: sentinelctl config set %s VALUE", key)
	}
	a.configuring.Lock()
	defer a.configuring.Unlock()
	a.mu.Lock()
	file, old := a.file, a.cfg
	a.mu.Unlock()
	cfg, err := config.UpdateRuntime(file, old.RuntimePath(), key, edit)
	changed := []string{}
	switch {
	case errors.Is(err, config.ErrNoChange):
	case err != nil:
		return nil, configError(key, err)
	default:
		var set *ruleSet
		next := config.Changed(old, cfg)
		if touches(next, "detection.") {
			if set, err = a.buildRules(ctx, cfg); err != nil {
				return nil, fmt.Errorf("compiling the rules: %w", err)
			}
		}
		if changed, err = a.adopt(ctx, file, cfg, set, touches(next, "logs.") || touches(next, "performance.")); err != nil {
			return nil, err
		}
		changed = slices.DeleteFunc(changed, config.NeedsRestart) // which the file has changed, and wait
		a.log.Info("configuration set at run time", "key", key, "changed", changed, "by", peer.String())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := &control.ConfigChange{Generation: a.gen, Changed: changed, Values: []control.ConfigValue{}}
	if key != "" {
		out.Values, err = configValues(a.cfg, key)
	}
	return out, err
}

func touches(keys []string, section string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, section) })
}

// configError turns what package config says into an answer.
func configError(key string, err error) error {
	var problems config.Problems
	var k *config.KeyError
	switch {
	case errors.As(err, &k) && errors.Is(err, config.ErrNoKey):
		return control.Errorf(control.CodeNotFound, "%s", k.Message).WithHint("%s", k.Hint)
	case errors.As(err, &problems):
		p := problems[0]
		e := control.Errorf(control.CodeInvalidParams, "%s: %s", key, p.Message)
		if p.Hint != "" {
			e = e.WithHint("%s", p.Hint)
		}
		return e
	}
	return control.Errorf(control.CodeRefused, "%v", err)
}
