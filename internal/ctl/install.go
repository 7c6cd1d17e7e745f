package ctl

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/service"
	"github.com/sentinel-ai/sentinel-ai/packaging"
)

func newInstall(a *app) *cobra.Command {
	var o service.Options
	var observe bool
	c := &cobra.Command{
		Use: "install", Short: "Put the agent in place on this host, and start it", Args: noArgs,
		Long: `Put the agent in place: the user sentinel and the group sentinel-admin, the
directories, both programs (from where this one is), a configuration if there is
none, and systemd's units; then start it. It asks nothing. Installing again
updates: the programs and units are renewed, the configuration stays. If a step
fails, those before it are undone, and what could not be is named.`,
		Example: "  sudo ./bin/sentinelctl install --observe\n  sudo ./bin/sentinelctl install --dry-run",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.install(cmd.Context(), o, observe) },
	}
	f := c.Flags()
	f.BoolVar(&o.NoStart, "no-start", false, "do not start the service")
	f.BoolVar(&observe, "observe", false, "begin in observe mode: everything is shown, nothing is dropped")
	f.BoolVar(&o.DryRun, "dry-run", false, "only say what would be done")
	f.StringVar(&o.Root, "root", "", "install into the system below this `directory`, for images")
	f.StringVar(&o.Prefix, "prefix", "/usr/local", "`directory` whose bin gets the programs")
	return c
}

func (a *app) install(ctx context.Context, o service.Options, observe bool) error {
	if err := a.rootOnly(o.DryRun, o.Root); err != nil {
		return err
	}
	if err := absolute("--prefix", o.Prefix); err != nil {
		return err
	}
	place := filepath.Join(o.Root, service.ConfigDir, "config.yml")
	_, err := config.Load(place)
	found := err == nil
	if err != nil && !errors.Is(err, config.ErrMissing) {
		return a.badConfig(err)
	}
	o.Config = packaging.Config
	if observe {
		if o.Config, err = config.Set(o.Config, "response.mode", string(config.ModeObserve)); err != nil {
			return failf(exitFailed, "choosing observe mode: %w", err)
		}
	}
	self, err := beside("")
	if err != nil {
		return err
	}
	o.From = filepath.Clean(self)
	o.Report = a.report
	if err := service.Install(ctx, o); err != nil {
		f := failf(exitFailed, "%w", err)
		if o.Root == "" && service.Systemd() {
			return f.hint("journalctl -u sentinel-agent -n 20 says more if the agent did not start")
		}
		return f
	}
	s := a.out
	switch {
	case o.DryRun:
		s.printf("\n  Nothing was changed.\n")
		return nil
	case o.Root != "":
		s.printf("\n  %s below %s.\n", s.paint(styleGood, "Installed"), clean(o.Root))
	case !service.Systemd():
		s.printf("\n  %s. systemd does not run here; start the agent with: sentinelctl start\n", s.paint(styleGood, "Installed"))
	case o.NoStart:
		s.printf("\n  %s. Start it with: sentinelctl start\n", s.paint(styleGood, "Installed"))
	default:
		s.printf("\n  %s and running. How is it doing? sentinelctl status\n", s.paint(styleGood, "Installed"))
	}
	if observe && found {
		s.printf("  The configuration was there and was kept: sentinelctl config set response.mode observe\n")
	}
	return nil
}

func newUninstall(a *app) *cobra.Command {
	var r service.Removal
	var keep bool
	c := &cobra.Command{
		Use: "uninstall", Short: "Take the agent away from this host", Args: noArgs,
		Long: `Stop the agent, lift all blocks by taking its rules out of the firewall, and remove
its units and programs. It asks nothing. Configuration, database and the accounts
that own them stay, for a later installation; with --purge they go, too, and
nothing is left.`,
		Example: "  sudo sentinelctl uninstall --purge",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep && r.Purge {
				return usagef("--keep-data and --purge contradict each other")
			}
			return a.uninstall(cmd.Context(), r)
		},
	}
	f := c.Flags()
	f.BoolVar(&keep, "keep-data", false, "keep configuration, database and accounts (this is the default)")
	f.BoolVar(&r.Purge, "purge", false, "remove configuration, database and accounts, too")
	f.BoolVar(&r.DryRun, "dry-run", false, "only say what would be done")
	f.StringVar(&r.Root, "root", "", "the system below this `directory`")
	f.StringVar(&r.Prefix, "prefix", "/usr/local", "`directory` whose bin has the programs")
	return c
}

func (a *app) uninstall(ctx context.Context, r service.Removal) error {
	if err := a.rootOnly(r.DryRun, r.Root); err != nil {
		return err
	}
	if err := absolute("--prefix", r.Prefix); err != nil {
		return err
	}
	r.Report = a.report
	if r.Root == "" {
		r.Firewall = a.removeTable
		if !service.Systemd() {
			r.Stop = a.stopAny
		}
	}
	if err := service.Uninstall(ctx, r); err != nil {
		return failf(exitFailed, "%w", err)
	}
	kept := r.Kept()
	switch {
	case r.DryRun:
		a.out.printf("\n  Nothing was changed.\n")
	case len(kept) > 0:
		a.out.printf("\n  %s. Kept, with the user sentinel: %s\n", a.out.paint(styleGood, "Uninstalled"), clean(strings.Join(kept, ", ")))
		a.out.printf("  To remove these as well: rm -r %s; userdel sentinel; groupdel sentinel-admin\n", clean(strings.Join(kept, " ")))
	default:
		a.out.printf("\n  %s; nothing is left.\n", a.out.paint(styleGood, "Uninstalled"))
	}
	return nil
}

// stopAny stops the agent of the usual configuration, if one runs.
func (a *app) stopAny(ctx context.Context) error {
	socket, pidFile := config.Default().Agent.Socket, ""
	if cfg, err := config.Load(a.configFile); err == nil {
		socket = cfg.Agent.Socket
	}
	pidFile = filepath.Join(filepath.Dir(socket), "sentinel-agent.pid")
	pid := answering(ctx, socket)
	if pid == 0 {
		pid, _ = service.ReadPID(pidFile)
	}
	if pid == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	return service.Stop(ctx, pid)
}

// report writes what became of a step.
func (a *app) report(what, result string) {
	st := styleDim
	switch {
	case result == "done":
		st = styleGood
	case strings.HasPrefix(result, "failed"):
		st = styleBad
	}
	a.out.printf("  %s %s\n", pad(clean(what)+" ", 56), a.out.paint(st, clean(result)))
	_ = a.out.flush()
}

// rootOnly refuses what only root can do.
func (a *app) rootOnly(dry bool, root string) error {
	if root != "" {
		if err := absolute("--root", root); err != nil {
			return err
		}
	}
	if a.euid != 0 && !dry {
		return failf(exitRefused, "only root can do this").hint("sudo, or --dry-run to see what would be done")
	}
	return nil
}

func absolute(flag, path string) error {
	if !filepath.IsAbs(path) {
		return usagef("%s: %s is not an absolute path", flag, quote(path))
	}
	return nil
}
