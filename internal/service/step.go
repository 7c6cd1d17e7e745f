// Package service puts the agent in place on a host, takes it away again, and
// starts and stops it: by systemd where that runs, by hand elsewhere.
package service

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// step is one thing that is done.
type step struct {
	// what says it, like "write /etc/sentinel/config.yml".
	what string
	// done reports whether there is nothing to do, and why; nil: there is.
	done func() (why string, ok bool)
	do   func(context.Context) error
	// undo takes back what do did; nil: nothing is left behind that matters.
	undo func(context.Context) error
}

// Report hears of each step: what it is, and what became of it: "done",
// "already", "would be done", or an error.
type Report func(what, result string)

// run does steps in order. If one fails, those before it are undone in the
// reverse order; the error says what could not be.
func run(ctx context.Context, steps []step, dry bool, report Report) error {
	var undo []step
	for _, s := range steps {
		if s.done != nil {
			if why, ok := s.done(); ok {
				report(s.what, why)
				continue
			}
		}
		if dry {
			report(s.what, "would be done")
			continue
		}
		if err := s.do(ctx); err != nil {
			report(s.what, "failed: "+err.Error())
			return errors.Join(fmt.Errorf("%s: %w", s.what, err), takeBack(context.WithoutCancel(ctx), undo, report))
		}
		report(s.what, "done")
		if s.undo != nil {
			undo = append(undo, s)
		}
	}
	return nil
}

func takeBack(ctx context.Context, steps []step, report Report) error {
	var left []string
	for i := len(steps) - 1; i >= 0; i-- {
		if err := steps[i].undo(ctx); err != nil {
			report("undo: "+steps[i].what, "failed: "+err.Error())
			left = append(left, steps[i].what)
			continue
		}
		report("undo: "+steps[i].what, "done")
	}
	if len(left) > 0 {
		return fmt.Errorf("this is still in place: %s", strings.Join(left, "; "))
	}
	return nil
}

// command runs a program and puts what it says into the error.
func command(ctx context.Context, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			return fmt.Errorf("the program %s is not there", name)
		}
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		text, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
	}
	return nil
}
