package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/packaging"
)

// Removal says what to take away.
type Removal struct {
	// Root and Prefix are those of Options.
	Root, Prefix string
	// Purge takes configuration, database and accounts away, too.
	Purge  bool
	DryRun bool
	// Stop ends an agent that systemd did not start; Firewall takes our rules
	// out of the kernel. Both are for this system, not for another root.
	Stop, Firewall func(context.Context) error
	Report         Report
}

// Uninstall takes away what Install put in place. It goes on after a failure;
// the error says everything that is left.
func Uninstall(ctx context.Context, r Removal) error {
	o := Options{Root: r.Root, Prefix: r.Prefix}
	o.complete()
	var failed []error
	act := func(what string, there bool, do func(context.Context) error) {
		switch {
		case !there:
			r.Report(what, "already")
		case r.DryRun:
			r.Report(what, "would be done")
		default:
			err := do(ctx)
			if err != nil {
				r.Report(what, "failed: "+err.Error())
				failed = append(failed, fmt.Errorf("%s: %w", what, err))
				return
			}
			r.Report(what, "done")
		}
	}
	units, err := fs.Glob(packaging.Units, "*.service")
	if err != nil {
		return fmt.Errorf("looking for the units: %w", err)
	}
	var known []string
	for _, name := range units {
		if exists(o.at(unitDir + "/" + name)) {
			known = append(known, name)
		}
	}
	names := strings.Join(known, " ")
	if o.Root == "" {
		act("stop and disable "+Unit, Systemd() && len(known) > 0, func(ctx context.Context) error {
			return command(ctx, "systemctl", append([]string{"disable", "--now"}, known...)...)
		})
		if r.Stop != nil {
			act("stop the agent", true, r.Stop)
		}
		if r.Firewall != nil {
			act("remove our rules from the firewall", true, r.Firewall)
		}
	} else {
		act("disable "+names, len(known) > 0 && o.hasSystemd(), func(ctx context.Context) error {
			return command(ctx, "systemctl", append([]string{"--root", o.Root, "disable"}, known...)...)
		})
	}
	for _, name := range units {
		at := o.at(unitDir + "/" + name)
		act("remove "+at, exists(at) || exists(at+".d"), func(context.Context) error {
			return errors.Join(remove(at), os.RemoveAll(at+".d"))
		})
	}
	if o.Root == "" {
		act("have systemd read its units", Systemd() && len(known) > 0, func(ctx context.Context) error {
			return command(ctx, "systemctl", "daemon-reload")
		})
	}
	for _, name := range Programs {
		at := o.at(o.Prefix + "/bin/" + name)
		act("remove "+at, exists(at), func(context.Context) error { return remove(at) })
	}
	trees := []string{RunDir}
	if r.Purge {
		trees = append(trees, ConfigDir, StateDir, LogDir)
	}
	for _, path := range trees {
		at := o.at(path)
		act("remove "+at, exists(at), func(context.Context) error { return os.RemoveAll(at) })
	}
	if r.Purge {
		_, _, user := userIDs(o.Root, User)
		_, group := groupID(o.Root, User)
		act("remove the user and group "+User, user || group, func(ctx context.Context) error { return removeUser(ctx, o.Root) })
		_, admins := groupID(o.Root, AdminGroup)
		act("remove the group "+AdminGroup, admins, func(ctx context.Context) error { return removeGroup(ctx, o.Root, AdminGroup) })
	}
	return errors.Join(failed...)
}

// Kept are the places that an Uninstall without Purge leaves, as far as they
// are there.
func (r *Removal) Kept() (out []string) {
	for _, path := range []string{ConfigDir, StateDir, LogDir} {
		if at := filepath.Join(r.Root, path); exists(at) {
			out = append(out, at)
		}
	}
	return out
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
