package ctl

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

// loadRules compiles the rules that the agent would use by cfg, and those that
// paths name on top of them.
func (a *app) loadRules(cfg *config.Config, paths []string) (*setup.Rules, error) {
	rs, err := setup.LoadRules(cfg, setup.Options{Now: a.now(), Also: paths})
	var pe *fs.PathError
	switch {
	case errors.As(err, &pe):
		return nil, openError(pe.Path, err)
	case err != nil:
		return nil, err
	}
	return rs, nil
}

// localConfig reads the configuration file. It must be there and good if it was
// asked for; else the defaults do, without the directories beside the file.
func (a *app) localConfig() (*config.Config, error) {
	cfg, err := config.LoadWith(a.configFile, config.Options{Lenient: true})
	switch {
	case err == nil:
		cfg, err = cfg.LoadRuntime(cfg.RuntimePath())
		if err != nil {
			a.warn(err.Error())
		}
		return cfg, nil
	case a.configAsked:
		return nil, &failure{code: exitFailed, text: strings.TrimSpace(err.Error()), err: err}
	case !errors.Is(err, config.ErrMissing):
		a.warn("the defaults are used, since " + a.configFile + " cannot be: sentinelctl config validate says why")
	}
	cfg = config.Default()
	cfg.Detection.Rules.CustomDir, cfg.Detection.Rules.ExceptionsDir = "", ""
	return cfg, nil
}
