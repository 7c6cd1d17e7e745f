package ctl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func newConfig(a *app) *cobra.Command {
	return group("config", "The configuration: show it, check it", newConfigShow(a), newConfigValidate(a))
}

func newConfigShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the configuration in use, secrets hidden", Args: noArgs,
		Long: `Show the configuration that the agent uses, each value with where it comes from.
Secrets are hidden. If the agent is not running, the file is shown instead.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Config(ctx)
				if err != nil {
					return err
				}
				return a.showConfig(r)
			})
			var dial *control.DialError
			if !errors.As(err, &dial) || !dial.NotRunning {
				return err
			}
			cfg, fileErr := config.Load(a.configFile)
			if fileErr != nil {
				return err // that there is no agent is the better answer
			}
			a.err.printf("%s\n", a.err.paint(styleWarn, clean("the agent is not running: this is "+a.configFile)))
			return a.showConfig(&control.ConfigResult{File: cfg.File(), YAML: config.Show(cfg)})
		},
	}
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
			_, err := config.Load(path)
			var problems config.Problems
			switch {
			case errors.As(err, &problems):
			case err != nil:
				return failf(exitFailed, "%w", err)
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
					s.lines("  ", fmt.Sprintf("These take effect after a restart (systemctl restart sentinel-agent): %s", strings.Join(r.Restart, ", ")))
				}
				for i := range r.Rules.Problems {
					s.lines("  ", problemText(&r.Rules.Problems[i]))
				}
				return nil
			})
		},
	}
}
