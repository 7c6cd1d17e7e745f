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

// localConfig reads the configuration file and what was set at run time. The file
// must be there and good if it was asked for; else the defaults do, without the
// directories beside the file.
func (a *app) localConfig() (*config.Config, error) {
	cfg, note, err := a.readConfig()
	if note != "" {
		a.warn(note)
	}
	return cfg, err
}

// readConfig is localConfig that only returns what should be noted.
func (a *app) readConfig() (cfg *config.Config, note string, err error) {
	cfg, err = config.LoadWith(a.configFile, config.Options{Lenient: true})
	switch {
	case err == nil:
		if cfg, err = cfg.LoadRuntime(cfg.RuntimePath()); err != nil {
			note = err.Error()
		}
		return cfg, note, nil
	case a.configAsked:
		return nil, "", &failure{code: exitFailed, text: strings.TrimSpace(err.Error()), err: err}
	case !errors.Is(err, config.ErrMissing):
		note = "the defaults are used, since " + a.configFile + " cannot be: sentinelctl config validate says why"
	}
	cfg = config.Default()
	cfg.Detection.Rules.CustomDir, cfg.Detection.Rules.ExceptionsDir = "", ""
	return cfg, note, nil
}
