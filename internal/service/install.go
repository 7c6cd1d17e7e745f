package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/packaging"
)

// The places of what is installed, below the root.
const (
	ConfigDir = "/etc/sentinel"
	StateDir  = "/var/lib/sentinel"
	LogDir    = "/var/log/sentinel"
	RunDir    = "/run/sentinel"
	unitDir   = "/etc/systemd/system"
	// Unit is the service.
	Unit = "sentinel-agent.service"
	// usualPrefix is what the unit names.
	usualPrefix = "/usr/local"
)

// Programs are what is installed.
var Programs = []string{"sentinel-agent", "sentinelctl"}

// Options say what to install, and where.
type Options struct {
	// Root is the directory of another system, empty for this one.
	Root string
	// Prefix is the directory with bin, /usr/local if empty.
	Prefix string
	// From is the directory that the programs are copied from.
	From string
	// Config is written where there is no configuration.
	Config []byte
	// NoStart leaves the service stopped. DryRun only reports.
	NoStart, DryRun bool
	Report          Report
}

func (o *Options) complete() {
	if o.Prefix == "" {
		o.Prefix = usualPrefix
	}
	if o.Root != "" {
		o.Root = filepath.Clean(o.Root)
	}
	if o.Root == "/" {
		o.Root = ""
	}
}

// Install puts everything in place and starts the service, if systemd runs. What
// is there already stays or is renewed, so that installing again updates. If
// something fails, what was done is undone.
func Install(ctx context.Context, o Options) error {
	o.complete()
	for _, name := range Programs {
		if info, err := os.Stat(filepath.Join(o.From, name)); err != nil || !info.Mode().IsRegular() {
			return fmt.Errorf("there is no program %s in %s", name, o.From)
		}
	}
	// The directories of the system are not ours to make on a host.
	if o.Root != "" {
		if _, err := os.Stat(filepath.Join(o.Root, "/etc/passwd")); err != nil {
			return fmt.Errorf("%s is no root of a system: %w", o.Root, err)
		}
	}
	changed := false
	note := func(s step) step {
		do := s.do
		s.do = func(ctx context.Context) error {
			changed = true
			return do(ctx)
		}
		return s
	}
	var steps []step
	if o.Root == "" && Systemd() {
		steps = append(steps, lookAtSystemd())
	}
	steps = append(steps, addUser(o.Root), addGroup(o.Root))
	for _, d := range []struct{ path, owner string }{
		{ConfigDir, "root"}, {ConfigDir + "/rules.d", "root"}, {ConfigDir + "/exceptions.d", "root"}, {ConfigDir + "/lists", "root"},
		{StateDir, User},
	} {
		steps = append(steps, o.directory(d.path, d.owner))
	}
	for _, name := range Programs {
		steps = append(steps, note(o.program(name)))
	}
	config := o.file(ConfigDir+"/config.yml", o.Config, 0o640, User)
	if _, err := os.Lstat(o.at(ConfigDir + "/config.yml")); err == nil {
		config.done = func() (string, bool) { return "kept as it is", true }
	}
	steps = append(steps, note(config))
	units, err := fs.Glob(packaging.Units, "*.service")
	if err != nil {
		return fmt.Errorf("looking for the units: %w", err)
	}
	if !o.hasSystemd() {
		return run(ctx, steps, o.DryRun, o.Report)
	}
	var enable []string
	for _, name := range units {
		text, err := packaging.Units.ReadFile(name)
		if err != nil {
			return fmt.Errorf("reading the unit %s: %w", name, err)
		}
		text = bytes.ReplaceAll(text, []byte(usualPrefix+"/bin/"), []byte(o.Prefix+"/bin/"))
		steps = append(steps, note(o.file(unitDir+"/"+name, supplementary(o.Root, text), 0o644, "")))
		if bytes.Contains(text, []byte("\n[Install]\n")) {
			enable = append(enable, name)
		}
	}
	steps = append(steps, o.systemd(enable, &changed)...)
	return run(ctx, steps, o.DryRun, o.Report)
}

// lookAtSystemd comes first, so that undoing it comes last: then the files of
// before are back, and what ran before is to run again.
func lookAtSystemd() step {
	ran := false
	return step{
		what: "look at systemd",
		do: func(ctx context.Context) error {
			ran = active(ctx)
			return command(ctx, "systemctl", "--version")
		},
		undo: func(ctx context.Context) error {
			err := command(ctx, "systemctl", "daemon-reload")
			if ran {
				err = errors.Join(err, command(ctx, "systemctl", "restart", Unit))
			}
			return err
		},
	}
}

// active reports whether the service runs.
func active(ctx context.Context) bool {
	return command(ctx, "systemctl", "is-active", "--quiet", Unit) == nil
}

// systemd has systemd read the units, enable them and start the service.
func (o *Options) systemd(enable []string, changed *bool) []step {
	if o.Root != "" {
		return []step{{
			what: "enable " + strings.Join(enable, " "),
			do: func(ctx context.Context) error {
				return command(ctx, "systemctl", append([]string{"--root", o.Root, "enable"}, enable...)...)
			},
		}}
	}
	steps := []step{{
		what: "have systemd read its units",
		do:   func(ctx context.Context) error { return command(ctx, "systemctl", "daemon-reload") },
	}, {
		what: "enable " + strings.Join(enable, " "),
		do: func(ctx context.Context) error {
			return command(ctx, "systemctl", append([]string{"enable"}, enable...)...)
		},
		undo: func(ctx context.Context) error {
			return command(ctx, "systemctl", append([]string{"disable"}, enable...)...)
		},
	}}
	if o.NoStart {
		return steps
	}
	return append(steps, step{
		what: "start " + Unit,
		done: func() (string, bool) {
			return "already", !*changed && !o.DryRun && active(context.Background())
		},
		do: func(ctx context.Context) error { return command(ctx, "systemctl", "restart", Unit) },
	})
}

// hasSystemd reports whether the units are of use: systemd runs here, or it is
// in the system below root.
func (o *Options) hasSystemd() bool {
	if o.Root == "" {
		return Systemd()
	}
	for _, path := range []string{"/usr/lib/systemd/systemd", "/lib/systemd/systemd"} {
		if _, err := os.Stat(o.at(path)); err == nil {
			return true
		}
	}
	return false
}

// at is the place of a path below the root.
func (o *Options) at(path string) string { return filepath.Join(o.Root, path) }

// directory makes a directory that the agent may read, with mode 0750.
func (o *Options) directory(path, owner string) step {
	at := o.at(path)
	return step{
		what: "make " + at,
		done: func() (string, bool) {
			info, err := os.Stat(at)
			return "already", err == nil && info.IsDir()
		},
		do: func(context.Context) error {
			uid, gid, err := owned(o.Root, owner)
			if err != nil {
				return err
			}
			// Whatever the umask is, it is closed before it is given away.
			if err := os.Mkdir(at, 0o700); err != nil {
				return err
			}
			return errors.Join(os.Lchown(at, uid, gid), os.Chmod(at, 0o750))
		},
		undo: func(context.Context) error { return os.Remove(at) },
	}
}

// program copies a program into the prefix.
func (o *Options) program(name string) step {
	from, dir := filepath.Join(o.From, name), o.at(o.Prefix+"/bin")
	at := filepath.Join(dir, name)
	data, readErr := os.ReadFile(from)
	s := o.file(o.Prefix+"/bin/"+name, data, 0o755, "")
	s.what = "copy " + from + " to " + at
	do := s.do
	s.do = func(ctx context.Context) error {
		if readErr != nil {
			return readErr
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		return do(ctx)
	}
	return s
}

// file writes a file in one step; with a group, it belongs to root and that
// group. What was there comes back if it is undone.
func (o *Options) file(path string, data []byte, mode fs.FileMode, group string) step {
	at := o.at(path)
	var before []byte
	var had bool
	write := func(text []byte) error {
		gid := 0
		if group != "" {
			var err error
			if _, gid, err = owned(o.Root, "root"); err != nil {
				return err
			}
		}
		return replace(at, text, mode, gid)
	}
	return step{
		what: "write " + at,
		done: func() (string, bool) {
			now, err := os.ReadFile(at)
			info, serr := os.Lstat(at)
			return "already", err == nil && serr == nil && info.Mode() == mode && bytes.Equal(now, data)
		},
		do: func(context.Context) error {
			var err error
			if before, err = os.ReadFile(at); err == nil {
				had = true
			} else if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return write(data)
		},
		undo: func(context.Context) error {
			if had {
				return write(before)
			}
			return os.Remove(at)
		},
	}
}

// replace puts a file in place in one step.
func replace(at string, data []byte, mode fs.FileMode, gid int) error {
	f, err := os.CreateTemp(filepath.Dir(at), ".sentinel-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already if all went well
	_, err = f.Write(data)
	err = errors.Join(err, f.Chown(0, gid), f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), at)
}
