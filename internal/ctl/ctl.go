package ctl

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/drill"
)

// app is one run of sentinelctl: what it reads, writes and was told.
type app struct {
	version string
	stdin   io.Reader
	// out is where results go, err where everything else goes.
	out, err *screen
	now      func() time.Time
	// euid is who runs this; removeTable opens the firewall without an agent.
	euid        int
	removeTable func(context.Context) error
	// env looks up a variable of the environment.
	env func(string) string
	// inspect reads the kernel's firewall.
	inspect func(context.Context) (*drill.Kernel, error)
	// defaultConfig is the configuration file if none is named.
	defaultConfig string

	// Global flags.
	socket, configFile, format string
	noColour                   bool
	// configAsked: --config was given.
	configAsked bool
}

// askTimeout bounds one question to the agent.
const askTimeout = 35 * time.Second

// Main runs sentinelctl with the arguments after its name and returns the exit
// code. version is what "version" shows.
func Main(args []string, version string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := newApp(version)
	return a.run(ctx, args)
}

// run executes one command line.
func (a *app) run(ctx context.Context, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = a.out.flush()
	} else {
		_ = a.out.flush()
	}
	code := a.fail(cmd, err)
	_ = a.err.flush()
	return code
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "sentinelctl",
		Short: "Ask the SentinelAI agent of this host, and give it orders",
		Long: `sentinelctl talks to the SentinelAI agent of this host: what it watches, which
attacks it saw, whom it blocks and why. "ai analyze" looks through old logs with
the same engine and needs no agent.`,
		Example: `  sentinelctl status
  sentinelctl threats --since 1h --min-severity HIGH
  sentinelctl ai explain 7Q2M
  sentinelctl block 203.0.113.7 --duration 24h --reason "scans us"
  sentinelctl ai analyze --policy /var/log/auth.log*`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) },
	}
	f := root.PersistentFlags()
	f.StringVar(&a.socket, "socket", "", "the agent's `socket` (default: agent.socket of the configuration)")
	f.StringVar(&a.configFile, "config", a.defaultConfig, "configuration `file`")
	f.StringVar(&a.format, "format", "table", "output: table, json or jsonl")
	f.BoolVar(&a.noColour, "no-color", false, "no colours (also: NO_COLOR in the environment)")
	_ = root.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"table", "json", "jsonl"}, cobra.ShellCompDirectiveNoFileComp))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd, err) })
	root.AddGroup(
		&cobra.Group{ID: "watch", Title: "What is going on"},
		&cobra.Group{ID: "act", Title: "What to do about it"},
		&cobra.Group{ID: "logs", Title: "Logs and rules"},
		&cobra.Group{ID: "agent", Title: "The agent"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("watch", newStatus(a), newThreats(a), newAddress(a), newGeo(a), newAI(a))
	add("act", newBlock(a), newConfirm(a), newUnblock(a), newBlocklist(a), newWhitelist(a))
	add("logs", newLogs(a), newRules(a), newProfiles(a), newExplainLine(a))
	add("agent", newDoctor(a), newConfig(a), newReload(a), newMetrics(a), newVersion(a))
	add("agent", newInstall(a), newStart(a), newStop(a), newRestart(a), newUninstall(a))
	root.AddCommand(newExitCodes())
	root.SetUsageTemplate(strings.TrimRight(root.UsageTemplate(), "\n") + `{{if not .HasParent}}

Exit codes: 0 ok, 1 failed, 2 usage, 3 agent not reachable, 4 not found,
5 refused, 6 faults found. See "sentinelctl help exit-codes".{{end}}
`)
	return root
}

// prepare checks the global flags.
func (a *app) prepare(cmd *cobra.Command) error {
	a.configAsked = cmd.Flags().Changed("config")
	if a.noColour {
		a.out.colour, a.err.colour = false, false
	}
	switch a.format {
	case "table", "json", "jsonl":
		return nil
	}
	return usagef(`%s is no output format`, quote(a.format)).hint("write --format table, json or jsonl")
}

// dial connects to the agent.
func (a *app) dial(ctx context.Context) (*control.Client, error) {
	path := a.socket
	if path == "" {
		// A configuration that cannot be read leaves the usual place, unless it
		// was named.
		cfg, _, err := a.readConfig()
		if err != nil {
			return nil, err
		}
		path = cfg.Agent.Socket
	}
	return control.Dial(ctx, path)
}

// ask calls f with a connected client and a bounded time.
func (a *app) ask(cmd *cobra.Command, f func(context.Context, *control.Client) error) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
	defer cancel()
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(ctx, c)
}

// noArgs refuses arguments and says so in one line.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		e := usagef("%s has no command %s", cmd.CommandPath(), quote(args[0]))
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		if best := nearest(args[0], names, 1); len(best) > 0 {
			return e.hint("did you mean %q?", cmd.CommandPath()+" "+best[0])
		}
		return e.hint("%s --help lists them", cmd.CommandPath())
	}
	return usagef("%s takes no argument, but got %s", cmd.CommandPath(), quote(args[0])).hint("see %s --help", cmd.CommandPath())
}

// someArgs wants between low and high arguments; high < 0 is any number.
func someArgs(low, high int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < low:
			return usagef("%s needs %s", cmd.CommandPath(), what).hint("%s", cmd.UseLine())
		case high >= 0 && len(args) > high:
			return usagef("%s takes %s, but got %s as well", cmd.CommandPath(), what, quote(args[high])).hint("%s", cmd.UseLine())
		}
		return nil
	}
}

// group is a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(subs...)
	return c
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version of this program", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.format != "table" {
				return a.json(map[string]string{"version": a.version})
			}
			fmt.Fprintln(a.out, "sentinelctl", a.version)
			return nil
		},
	}
}
