package ctl

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/service"
)

// How long starting and stopping may take.
const (
	startWithin = 60 * time.Second
	stopWithin  = 20 * time.Second
	askEvery    = 50 * time.Millisecond
)

// shownLog is how many lines of the agent's log are shown if it does not start.
const shownLog = 8

func newStart(a *app) *cobra.Command {
	var log string
	c := &cobra.Command{
		Use: "start", Short: "Start the agent", Args: noArgs,
		Long: `Start the agent and wait until it answers. Where systemd runs, its service is
started. Elsewhere, and for another --config or --socket, the program beside this
one is run in the background: as the user sentinel with CAP_NET_ADMIN if root
starts it with the usual configuration, as whoever starts it otherwise. The file
sentinel-agent.pid beside the socket has its number.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.start(cmd.Context(), log) },
	}
	c.Flags().StringVar(&log, "log", "", "without systemd: `file` for what the agent says (default: /var/log/sentinel/agent.log,\nor agent.log beside the database of another --config)")
	return c
}

func newStop(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "stop", Short: "Stop the agent; the kernel keeps the blocks", Args: noArgs,
		Long: `Stop the agent and wait until it has ended. What it read is stored, and the kernel
keeps the blocks until each ends ("unblock --all" lifts them). Where systemd runs,
its service is stopped. The agent is asked to end, never killed.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.stop(cmd.Context()) },
	}
}

func newRestart(a *app) *cobra.Command {
	var log string
	c := &cobra.Command{
		Use: "restart", Short: "Stop the agent and start it again", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if unit, err := a.byUnit(ctx); err != nil || unit {
				return errors.Join(err, a.systemctl(ctx, unit, "restart", "restarted"))
			}
			if err := a.stop(ctx); err != nil {
				return err
			}
			return a.start(ctx, log)
		},
	}
	c.Flags().StringVar(&log, "log", "", "as for start: `file` for what the agent says")
	return c
}

// byUnit reports whether the agent in question is systemd's.
func (a *app) byUnit(ctx context.Context) (bool, error) {
	if a.configAsked || a.socket != "" || !service.Systemd() {
		return false, nil
	}
	if !service.Known(ctx) {
		return false, failf(exitNotFound, "systemd does not know %s", service.Unit).hint("sentinelctl install puts it in place")
	}
	return true, nil
}

func (a *app) systemctl(ctx context.Context, unit bool, verb, done string) error {
	if !unit {
		return nil
	}
	if err := service.Systemctl(ctx, verb); err != nil {
		return failf(exitFailed, "%w", err).hint("journalctl -u sentinel-agent -n 20 says why")
	}
	a.out.printf("  %s by systemd\n", a.out.paint(styleGood, "The agent was "+done))
	return nil
}

// daemon is the agent of the configuration, without systemd.
func (a *app) daemon(log string) (*service.Daemon, *config.Config, error) {
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return nil, nil, a.badConfig(err)
	}
	if a.socket != "" {
		cfg.Agent.Socket = a.socket
	}
	file, err := filepath.Abs(a.configFile)
	if err != nil {
		return nil, nil, failf(exitFailed, "looking for the configuration: %w", err)
	}
	state := filepath.Dir(cfg.Database.Path)
	d := &service.Daemon{
		Config: file, PIDFile: filepath.Join(filepath.Dir(cfg.Agent.Socket), "sentinel-agent.pid"),
		Log: log, Dirs: []string{state}, AsUser: !a.configAsked,
	}
	if log == "" {
		if d.Log = filepath.Join(service.LogDir, "agent.log"); a.configAsked {
			d.Log = filepath.Join(state, "agent.log")
		}
	} else if d.Log, err = filepath.Abs(log); err != nil {
		return nil, nil, failf(exitFailed, "looking for the log: %w", err)
	}
	return d, cfg, nil
}

// badConfig says what is wrong with a configuration that cannot be used.
func (a *app) badConfig(err error) error {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return failf(exitFailed, "%w", err)
	}
	// It has made its texts safe, and its lines are to stay lines.
	a.err.printf("%s\n", problems.Error())
	return failf(exitFailed, "the agent does not start with this configuration")
}

// beside returns a program in the directory of this one.
func beside(name string) (string, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", failf(exitFailed, "looking for this program: %w", err)
	}
	return filepath.Join(filepath.Dir(self), name), nil
}

// answering returns the number of the agent that answers on the socket, 0 if
// none does.
func answering(ctx context.Context, socket string) int {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	c, err := control.Dial(ctx, socket)
	if err != nil {
		return 0
	}
	defer c.Close()
	st, err := c.Status(ctx)
	if err != nil {
		return 0
	}
	return st.PID
}

func (a *app) start(ctx context.Context, log string) error {
	if unit, err := a.byUnit(ctx); err != nil || unit {
		return errors.Join(err, a.systemctl(ctx, unit, "start", "started"))
	}
	d, cfg, err := a.daemon(log)
	if err != nil {
		return err
	}
	if pid := answering(ctx, cfg.Agent.Socket); pid != 0 {
		a.out.printf("  The agent is running already (pid %d)\n", pid)
		return nil
	}
	if d.Program, err = beside(service.Programs[0]); err != nil {
		return err
	}
	r, err := d.Start()
	if err != nil {
		return failf(exitFailed, "%w", err)
	}
	limit := time.NewTimer(startWithin)
	defer limit.Stop()
	for {
		select {
		case <-r.Ended:
			_ = service.Forget(d.PIDFile)
			return a.notStarted(d, "the agent ended at once")
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return a.notStarted(d, "the agent runs, but does not answer")
		case <-time.After(askEvery):
		}
		if answering(ctx, cfg.Agent.Socket) == r.PID {
			a.out.printf("  %s (pid %d)\n  Log: %s\n", a.out.paint(styleGood, "The agent was started"), r.PID, clean(d.Log))
			return nil
		}
	}
}

// notStarted shows what the agent said last.
func (a *app) notStarted(d *service.Daemon, what string) error {
	f := failf(exitFailed, "%s; the end of %s:", what, d.Log)
	return f.hint("%s", strings.Join(service.Tail(d.Log, shownLog), "\n"))
}

func (a *app) stop(ctx context.Context) error {
	if unit, err := a.byUnit(ctx); err != nil || unit {
		return errors.Join(err, a.systemctl(ctx, unit, "stop", "stopped"))
	}
	d, cfg, err := a.daemon("")
	if err != nil {
		return err
	}
	pid := answering(ctx, cfg.Agent.Socket)
	if pid == 0 {
		pid, _ = service.ReadPID(d.PIDFile)
	}
	if pid == 0 {
		a.out.printf("  The agent is not running\n")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	if err := service.Stop(ctx, pid); err != nil {
		f := failf(exitFailed, "stopping the agent: %w", err)
		if errors.Is(err, service.ErrStillRunning) {
			return f.hint("it may be waiting for a disk; look at %s", d.Log)
		}
		return f
	}
	if err := service.Forget(d.PIDFile); err != nil && !errors.Is(err, os.ErrPermission) {
		return failf(exitFailed, "%w", err)
	}
	a.out.printf("  %s (pid %d); the kernel keeps the blocks\n", a.out.paint(styleGood, "The agent was stopped"), pid)
	return nil
}
