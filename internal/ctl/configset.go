package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func newConfigGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get KEY|SECTION", Short: "Show one value of the configuration in use, or one section", Args: someArgs(1, 1, "one key or section"),
		ValidArgsFunction: completeKey,
		Long: `Show the value of a key that the agent uses, or a whole section. Standard output
has the value alone; where it comes from is told beside it, on standard error.
If the agent is not running, the file is asked instead.`,
		Example: "  sentinelctl config get response.mode\n  sentinelctl config get response",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.configInUse(cmd, args[0])
			if err != nil {
				return err
			}
			if a.format != "table" {
				return list(a, r.Values)
			}
			if len(r.Values) != 1 || r.Values[0].Key != args[0] {
				return a.showConfig(r)
			}
			v := &r.Values[0]
			a.out.printf("%s\n", clean(v.Value))
			_ = a.out.flush()
			a.err.printf("%s\n", a.err.paint(styleDim, clean(v.Key+": "+originText(v, r.File))))
			return nil
		},
	}
}

// originText says where a value comes from.
func originText(v *control.ConfigValue, file string) string {
	text := "the default"
	switch {
	case v.Waiting:
		text = "what " + file + " says waits for a restart"
	case v.Origin == config.FromRuntime && v.Line > 0:
		text = fmt.Sprintf("set at run time, over line %d of %s", v.Line, file)
	case v.Origin == config.FromRuntime:
		text = "set at run time"
	case v.Line > 0:
		text = fmt.Sprintf("line %d of %s", v.Line, file)
	}
	if v.Value != v.Default {
		text += "; the default is " + v.Default
	}
	return text
}

func newConfigDiff(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "diff", Short: "Show which values in use are not the defaults", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.configInUse(cmd, "")
			if err != nil {
				return err
			}
			values := slices.DeleteFunc(r.Values, func(v control.ConfigValue) bool { return v.Value == v.Default })
			if a.format != "table" {
				return list(a, values)
			}
			if len(values) == 0 {
				a.out.printf("  All values are the defaults.\n")
				return nil
			}
			t := &table{head: []string{"Key", "Value", "Default", "From"}, flex: []int{1, 2}}
			for i := range values {
				v := &values[i]
				from := fmt.Sprintf("line %d", v.Line)
				if v.Origin == config.FromRuntime {
					from = "run time"
				}
				t.add(cell{v.Key, styleBold}, plain(v.Value), plain(orDash(v.Default)), plain(from))
			}
			t.print(a.out)
			return nil
		},
	}
}

// completeKey offers the keys to the shell, and behind a key its words.
func completeKey(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) == 0:
		return config.Keys(), cobra.ShellCompDirectiveNoFileComp
	case len(args) == 1 && cmd.Name() == "set":
		return config.Words(args[0]), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// whereLong is what all changes have in common.
const whereLong = `

The configuration file is changed, for which you must be root: comments and order
stay, it is checked whole before anything is written, and a running agent reads
it again at once. With --runtime the running agent alone is told, which members
of the group sentinel-admin may do too; that wins over the file and outlives a
restart, until 'config unset --runtime' takes it back. Keys that name files,
directories or addresses to listen on cannot be set at run time.`

// change is one edit of the configuration.
type change struct {
	key     string
	runtime bool
	// edit changes the text of a file; remote tells the agent.
	edit   func([]byte) ([]byte, error)
	remote func(context.Context, *control.Client) (*control.ConfigChange, error)
}

func (ch *change) flag(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&ch.runtime, "runtime", false, "tell the running agent only, and leave the file as it is")
	return c
}

func newConfigSet(a *app) *cobra.Command {
	var ch change
	return ch.flag(&cobra.Command{
		Use: "set KEY VALUE", Short: "Change one value of the configuration", Args: someArgs(2, 2, "a key and its value"),
		ValidArgsFunction: completeKey,
		Long:              "Give a key of the configuration a value. That of a list is written [a, b] or a,b." + whereLong,
		Example: `  sentinelctl config set response.mode observe
  sentinelctl config set response.block_duration.HIGH 6h
  sentinelctl config set detection.rules.disabled '[WEB_FLOOD]'
  sentinelctl config set --runtime agent.log_level debug`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ch.key = args[0]
			ch.edit = func(data []byte) ([]byte, error) { return config.Set(data, args[0], args[1]) }
			ch.remote = func(ctx context.Context, c *control.Client) (*control.ConfigChange, error) {
				return c.SetConfig(ctx, args[0], args[1])
			}
			return a.change(cmd, &ch)
		},
	})
}

func newConfigUnset(a *app) *cobra.Command {
	var ch change
	return ch.flag(&cobra.Command{
		Use: "unset KEY|SECTION", Short: "Take a value out of the configuration, so that the default holds", Args: someArgs(0, 1, "one key or section"),
		ValidArgsFunction: completeKey,
		Long:              "Take a key or section out of the configuration, so that the defaults hold.\nWith --runtime and no key, all that was set at run time is taken back." + whereLong,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
				ch.key = args[0]
			case !ch.runtime:
				return usagef("%s needs one key or section", cmd.CommandPath()).hint("%s", cmd.UseLine())
			}
			ch.edit = func(data []byte) ([]byte, error) { return config.Unset(data, ch.key) }
			ch.remote = func(ctx context.Context, c *control.Client) (*control.ConfigChange, error) {
				return c.UnsetConfig(ctx, ch.key)
			}
			return a.change(cmd, &ch)
		},
	})
}

func newConfigAdd(a *app) *cobra.Command {
	return newConfigList(a, config.Add, &cobra.Command{
		Use: "add KEY ENTRY", Short: "Add an entry to a list of the configuration",
		Long: "Add an entry to a list. A list that the file does not have then has the entries\nof the default and the new one." + whereLong,
		Example: `  sentinelctl config add response.whitelist 198.51.100.0/24
  sentinelctl config add logs.sources '{path: /srv/*/access.log, type: nginx}'`,
	})
}

func newConfigRemove(a *app) *cobra.Command {
	return newConfigList(a, config.Remove, &cobra.Command{
		Use: "remove KEY ENTRY", Short: "Remove an entry from a list of the configuration",
		Long: "Remove an entry from a list; of logs.sources the path is enough." + whereLong,
	})
}

// newConfigList is a command that changes one entry of a list.
func newConfigList(a *app, edit func(data []byte, key, entry string) ([]byte, error), c *cobra.Command) *cobra.Command {
	var ch change
	c.Args, c.ValidArgsFunction = someArgs(2, 2, "the key of a list and an entry"), completeKey
	c.RunE = func(cmd *cobra.Command, args []string) error {
		key, entry := args[0], args[1]
		ch.key = key
		ch.edit = func(data []byte) ([]byte, error) { return edit(data, key, entry) }
		ch.remote = func(ctx context.Context, c *control.Client) (*control.ConfigChange, error) {
			r, err := c.Config(ctx, key)
			if err != nil || len(r.Values) != 1 {
				return nil, err
			}
			list, err := editList(edit, key, entry, r.Values[0].Value)
			if err != nil {
				return nil, err
			}
			return c.SetConfig(ctx, key, list)
		}
		return a.change(cmd, &ch)
	}
	return ch.flag(c)
}

// editList applies an edit to a list alone and returns it.
func editList(edit func(data []byte, key, entry string) ([]byte, error), key, entry, list string) (string, error) {
	data, err := config.Set(nil, key, list)
	if err == nil {
		data, err = edit(data, key, entry)
	}
	if err != nil {
		return "", configFailure(err)
	}
	cfg, problems := config.Parse("the list", data)
	if err := problems.Err(); err != nil {
		return "", configFailure(err)
	}
	values, err := cfg.Values(key)
	if err != nil {
		return "", configFailure(err)
	}
	return values[0].Value, nil
}

func (a *app) change(cmd *cobra.Command, ch *change) error {
	if ch.runtime {
		return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
			r, err := ch.remote(ctx, c)
			if err != nil {
				return err
			}
			return a.changedAtRuntime(r)
		})
	}
	err := config.Update(a.configFile, config.Options{Lenient: true}, ch.edit)
	changed := !errors.Is(err, config.ErrNoChange)
	if err != nil && changed {
		return a.notWritten(err)
	}
	return a.changedInFile(cmd, ch.key, changed)
}

func (a *app) changedAtRuntime(r *control.ConfigChange) error {
	if a.format != "table" {
		return a.json(r)
	}
	s := a.out
	switch {
	case len(r.Values) == 0 && len(r.Changed) == 0:
		s.printf("  Nothing was set at run time.\n")
	case len(r.Changed) == 0:
		s.printf("  It was so already.\n")
	default:
		s.printf("  %s %s\n", s.paint(styleGood, "Taken by the agent:"), clean(strings.Join(r.Changed, ", ")))
	}
	for i := range r.Values {
		s.lines("  ", r.Values[i].Key+": "+r.Values[i].Value)
	}
	return nil
}

// notWritten says why the file stayed as it was.
func (a *app) notWritten(err error) error {
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		if a.format != "table" {
			return a.problemsJSON(a.configFile, problems)
		}
		a.out.printf("%s\n", problems.Error())
		return failf(exitFindings, "nothing was written: the configuration would have these faults")
	case errors.Is(err, fs.ErrPermission):
		return failf(exitRefused, "you may not write %s", a.configFile).
			hint("run this as root; members of sentinel-admin can tell the running agent with --runtime")
	}
	return configFailure(err)
}

// configFailure gives an error of package config its exit code.
func configFailure(err error) error {
	var f *failure
	var k *config.KeyError
	switch {
	case errors.As(err, &f):
		return err
	case errors.As(err, &k):
		code := exitUsage
		if errors.Is(err, config.ErrNoKey) {
			code = exitNotFound
		}
		return failf(code, "%s", k.Message).hint("%s", k.Hint)
	}
	return failf(exitFailed, "%w", err)
}

// written is what came of a change of the file.
type written struct {
	File    string                `json:"file"`
	Changed bool                  `json:"changed"`
	Values  []control.ConfigValue `json:"values"`
	// Agent is "reloaded", "not running", "another file" or "failed"; Note says
	// more.
	Agent      string   `json:"agent"`
	Generation int      `json:"generation,omitempty"`
	Restart    []string `json:"restart"`
	Note       string   `json:"note,omitempty"`
}

// changedInFile has the agent read the file that was changed, and reports.
func (a *app) changedInFile(cmd *cobra.Command, key string, changed bool) error {
	w := &written{File: a.configFile, Changed: changed, Values: []control.ConfigValue{}, Restart: []string{}}
	cfg, err := config.LoadWith(a.configFile, config.Options{Lenient: true})
	if err != nil {
		return failf(exitFailed, "%w", err)
	}
	if values, err := cfg.Values(key); err == nil && key != "" {
		for _, v := range values {
			w.Values = append(w.Values, control.ConfigValue(v))
		}
	}
	failed := a.reloadAgent(cmd, key, w)
	if a.format != "table" {
		if err := a.json(w); err != nil {
			return err
		}
		return failed
	}
	s := a.out
	if changed {
		s.printf("  %s %s\n", s.paint(styleGood, "Written:"), clean(w.File))
	} else {
		s.printf("  %s says so already\n", clean(w.File))
	}
	for i := range w.Values {
		s.lines("  ", w.Values[i].Key+": "+w.Values[i].Value)
	}
	if len(w.Restart) > 0 {
		s.lines("  ", restartText(w.Restart))
	}
	if w.Note != "" {
		s.lines("  ", w.Note)
	}
	return failed
}

// reloadAgent asks a running agent to read its file again.
func (a *app) reloadAgent(cmd *cobra.Command, key string, w *written) error {
	w.Agent = "failed"
	err := a.ask(cmd, func(ctx context.Context, c *control.Client) error {
		st, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if !sameFile(st.ConfigFile, w.File) {
			w.Agent, w.Note = "another file", "The running agent reads another file, "+st.ConfigFile+"."
			return nil
		}
		r, err := c.Reload(ctx)
		if err != nil {
			return err
		}
		w.Agent, w.Generation, w.Restart = "reloaded", r.Generation, r.Restart
		w.Note = fmt.Sprintf("The agent has read it (generation %d).", r.Generation)
		if slices.ContainsFunc(r.Runtime, func(k string) bool { return k == key || strings.HasPrefix(k, key+".") }) {
			w.Note = fmt.Sprintf("But the agent was told another value at run time, which wins: sentinelctl config unset --runtime %s", key)
		}
		return nil
	})
	var dial *control.DialError
	switch {
	case errors.As(err, &dial) && dial.NotRunning:
		w.Agent, w.Note = "not running", "The agent is not running; it takes effect when it starts."
	case err != nil:
		w.Note = "The file is changed, but the agent has not taken it."
		return err
	}
	return nil
}
