package ctl

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

func newConfig(a *app) *cobra.Command {
	return group("config", "The configuration: show it, change it, check it", newConfigShow(a), newConfigGet(a), newConfigDiff(a),
		newConfigSet(a), newConfigUnset(a), newConfigAdd(a), newConfigRemove(a), newConfigEdit(a), newConfigValidate(a), newConfigSchema(a))
}

func newConfigShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the configuration in use, secrets hidden", Args: noArgs,
		Long: `Show the configuration that the agent uses, each value with where it comes from.
Secrets are hidden. If the agent is not running, the file is shown instead.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.configInUse(cmd, "")
			if err != nil {
				return err
			}
			return a.showConfig(r)
		},
	}
}

// configInUse asks the agent for a key or section of its configuration; if it is
// not running, the file has the answer.
func (a *app) configInUse(cmd *cobra.Command, key string) (r *control.ConfigResult, err error) {
	err = a.ask(cmd, func(ctx context.Context, c *control.Client) error {
		r, err = c.Config(ctx, key)
		return err
	})
	var dial *control.DialError
	if err == nil || !errors.As(err, &dial) || !dial.NotRunning {
		return r, err
	}
	cfg, fileErr := config.LoadWith(a.configFile, config.Options{Lenient: true})
	if fileErr != nil {
		return nil, err // that there is no agent is the better answer
	}
	a.warn("the agent is not running: this is " + a.configFile)
	a.unset(cfg)
	cfg, err = cfg.LoadRuntime(cfg.RuntimePath())
	if err != nil {
		a.warn(err.Error())
	}
	r = &control.ConfigResult{File: cfg.File(), Values: []control.ConfigValue{}}
	values, err := cfg.Values(key)
	if err != nil {
		return nil, configFailure(err)
	}
	for _, v := range values {
		r.Values = append(r.Values, control.ConfigValue(v))
	}
	r.YAML, err = config.ShowSection(cfg, key)
	return r, err
}

// warn writes a line beside the results.
func (a *app) warn(text string) {
	a.err.printf("%s\n", a.err.paint(styleWarn, clean(text)))
	_ = a.err.flush()
}

func (a *app) showConfig(r *control.ConfigResult) error {
	if a.format != "table" {
		return a.json(r)
	}
	for _, line := range strings.Split(strings.TrimRight(r.YAML, "\n"), "\n") {
		text, note := line, ""
		if i := strings.Index(line, " #"); i >= 0 {
			text, note = line[:i], line[i:]
		}
		a.out.printf("%s%s\n", clean(text), a.out.paint(styleDim, clean(note)))
	}
	return nil
}

func newConfigValidate(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "validate [FILE]", Short: "Check a configuration file; all faults at once", Args: someArgs(0, 1, "one file"),
		RunE: func(_ *cobra.Command, args []string) error {
			path := a.configFile
			if len(args) > 0 {
				path = args[0]
			}
			cfg, err := config.LoadWith(path, config.Options{Lenient: true})
			var problems config.Problems
			switch {
			case errors.As(err, &problems):
			case err != nil:
				return failf(exitFailed, "%w", err)
			default:
				problems = append(cfg.SecretFaults(), setup.CheckFormats(cfg)...)
				a.unset(cfg)
			}
			if a.format != "table" {
				return a.problemsJSON(path, problems)
			}
			if len(problems) > 0 {
				// It has made its texts safe, and its lines are to stay lines.
				a.out.printf("%s\n", problems.Error())
				return silent(exitFindings)
			}
			a.out.printf("%s: %s\n", clean(path), a.out.paint(styleGood, "no faults"))
			return nil
		},
	}
}

func newConfigSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print a JSON Schema of the configuration file, for editors", Args: noArgs,
		Long: `Print a JSON Schema of the configuration file. Editors with a YAML language server
complete and check keys by it if the file begins with
# yaml-language-server: $schema=PATH`,
		RunE: func(*cobra.Command, []string) error {
			text, err := config.JSONSchema()
			if err == nil {
				a.out.printf("%s\n", text)
			}
			return err
		},
	}
}

// unset names the variables that only the agent's environment may have.
func (a *app) unset(cfg *config.Config) {
	for _, v := range cfg.Unset() {
		a.warn("not set here, and so not checked: the variable " + v)
	}
}

func (a *app) problemsJSON(path string, problems config.Problems) error {
	type fault struct {
		File    string `json:"file"`
		Line    int    `json:"line,omitempty"`
		Column  int    `json:"column,omitempty"`
		Key     string `json:"key,omitempty"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
	}
	out := []fault{}
	for _, p := range problems {
		out = append(out, fault{p.File, p.Line, p.Column, p.Key, p.Message, p.Hint})
	}
	err := a.json(map[string]any{"file": path, "valid": len(out) == 0, "problems": out})
	if err == nil && len(out) > 0 {
		err = silent(exitFindings)
	}
	return err
}

func restartText(keys []string) string {
	return "These take effect after a restart (systemctl restart sentinel-agent): " + strings.Join(keys, ", ")
}

func newReload(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "reload", Short: "Have the agent read its configuration and rules again", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Reload(ctx)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return a.json(r)
				}
				s := a.out
				s.printf("  %s: generation %d, %s\n", s.paint(styleGood, "Reloaded"), r.Generation, a.rulesText(&r.Rules))
				if len(r.Changed) > 0 {
					s.lines("  ", "Changed: "+strings.Join(r.Changed, ", "))
				}
				if len(r.Restart) > 0 {
					s.lines("  ", restartText(r.Restart))
				}
				if len(r.Runtime) > 0 {
					s.lines("  ", "Set at run time, over the file: "+strings.Join(r.Runtime, ", "))
				}
				for i := range r.Rules.Problems {
					s.lines("  ", problemText(&r.Rules.Problems[i]))
				}
				return nil
			})
		},
	}
}
