// Command sentinel-agent watches the logs of this host, recognises attacks and
// has the kernel drop the attackers. sentinelctl talks to it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/agent"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/logging"
)

// version is set by the linker.
var version = "dev"

// Exit codes: what a service manager or script can tell apart.
const (
	exitOK     = 0
	exitFailed = 1 // something broke while running
	exitUsage  = 2 // wrong flags
	exitConfig = 3 // the configuration has faults, nothing was started
)

// stopWithin is how long an orderly stop may take before the process ends
// anyway. The kernel keeps the blocks.
const stopWithin = 5 * time.Second

// gcPercent keeps the heap close to what is live: the agent allocates little,
// and small is worth more than the last percent of speed.
const gcPercent = 50

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("sentinel-agent", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", config.DefaultPath, "configuration `file`")
	check := flags.Bool("check", false, "read configuration and rules, say what is wrong, and exit")
	restore := flags.Bool("restore", false, "load the blocks in force into the kernel, and exit: for boot, before the network is up")
	showVersion := flags.Bool("version", false, "print the version and exit")
	flags.Usage = func() {
		fmt.Fprint(stderr, "Usage: sentinel-agent [-config FILE] [-check | -restore | -version]\n\n"+
			"Watches logs and blocks attackers until it gets SIGTERM; SIGHUP reads the\n"+
			"configuration and the rules again. Exit codes: 0 stopped, 1 failed, 2 wrong\n"+
			"usage, 3 faulty configuration.\n\n")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "sentinel-agent: unexpected argument %q\n", flags.Arg(0))
		return exitUsage
	}
	if *showVersion {
		fmt.Fprintln(stdout, "sentinel-agent", version)
		return exitOK
	}
	if *restore {
		return restoreBlocks(*path, stderr)
	}
	cfg, err := config.Load(*path)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitConfig
	}
	level := new(slog.LevelVar)
	level.Set(cfg.Agent.Level())
	log := logging.New(stderr, logging.Format(cfg.Agent.LogFormat), level)
	if *check {
		if err := agent.Check(cfg, log); err != nil {
			fmt.Fprintln(stderr, err)
			return exitConfig
		}
		fmt.Fprintln(stdout, "configuration and rules are in order")
		return exitOK
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := serve(*path, cfg, log, level); err != nil {
		fmt.Fprintln(stderr, "sentinel-agent:", err)
		return exitFailed
	}
	return exitOK
}

// restoreBlocks loads the stored blocks into the kernel. A faulty configuration
// does not keep it from that: what is faulty has its default.
func restoreBlocks(path string, stderr io.Writer) int {
	cfg, err := config.LoadAnyway(path)
	if err != nil {
		fmt.Fprintf(stderr, "sentinel-agent: going on with defaults: %v\n", err)
	}
	level := new(slog.LevelVar)
	level.Set(cfg.Agent.Level())
	log := logging.New(stderr, logging.Format(cfg.Agent.LogFormat), level)
	if err := agent.Restore(context.Background(), cfg, log); err != nil {
		fmt.Fprintln(stderr, "sentinel-agent:", err)
		return exitFailed
	}
	return exitOK
}

// serve runs the agent until SIGTERM or SIGINT.
func serve(path string, cfg *config.Config, log *slog.Logger, level *slog.LevelVar) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // before it could end us
	defer signal.Stop(hup)
	a, err := agent.New(ctx, agent.Options{
		Config: cfg, Version: version, Logger: log, Level: level, Confine: true,
		Reload: func() (*config.Config, error) { return config.Load(path) },
	})
	if err != nil {
		return err
	}
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				_, _ = a.Reload(ctx) // the agent logs what came of it
			}
		}
	}()
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(stopWithin):
		return fmt.Errorf("stopping took longer than %v; the kernel keeps the blocks", stopWithin)
	}
}
