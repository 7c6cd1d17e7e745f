package ctl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
)

func newConfigEdit(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "edit", Short: "Edit the configuration file in $VISUAL or $EDITOR", Args: noArgs,
		Long: `Edit a copy of the configuration file in $VISUAL, $EDITOR or the first of
sensible-editor, nano and vi. The copy is checked when the editor ends: faults are
shown and it can be edited again. A copy without faults takes the file's place at
once, with its owner and mode, and a running agent reads it.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.editConfig(cmd) },
	}
}

func (a *app) editConfig(cmd *cobra.Command) error {
	if err := syscall.Access(filepath.Dir(a.configFile), 2 /* W_OK */); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return a.notWritten(err)
	}
	before, err := os.ReadFile(a.configFile)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return a.notWritten(err)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return failf(exitFailed, "%w", err)
	}
	dir, err := os.MkdirTemp("", "sentinelctl-")
	if err != nil {
		return failf(exitFailed, "%w", err)
	}
	copied := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(copied, before, 0o600); err != nil {
		return failf(exitFailed, "%w", err)
	}
	after, err := a.editUntilGood(cmd.Context(), copied, before)
	if err == nil {
		err = config.Update(a.configFile, config.Options{Lenient: true}, func(now []byte) ([]byte, error) {
			if !bytes.Equal(bytes.TrimPrefix(before, bom), now) {
				return nil, errors.New("somebody else has changed the file meanwhile")
			}
			return after, nil
		})
	}
	switch {
	case errors.Is(err, config.ErrNoChange):
		a.out.printf("  Nothing was changed.\n")
		return os.RemoveAll(dir)
	case err != nil:
		if text, readErr := os.ReadFile(copied); readErr == nil && bytes.Equal(text, before) {
			return errors.Join(a.notWritten(err), os.RemoveAll(dir))
		}
		a.warn("nothing was written; your text is kept in " + copied)
		return a.notWritten(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return failf(exitFailed, "%w", err)
	}
	return a.changedInFile(cmd, "", true)
}

var bom = []byte("\xef\xbb\xbf")

// editUntilGood runs the editor until the text has no faults or the user gives
// up. The error is ErrNoChange if the text stayed as it was.
func (a *app) editUntilGood(ctx context.Context, name string, before []byte) ([]byte, error) {
	answers := bufio.NewReader(a.stdin)
	for {
		if err := a.runEditor(ctx, name); err != nil {
			return nil, err
		}
		after, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(before, after) {
			return nil, config.ErrNoChange
		}
		_, problems := config.ParseWith(a.configFile, after, config.Options{Lenient: true})
		if len(problems) == 0 {
			return after, nil
		}
		a.out.printf("%s\nEdit again? [Y/n] ", problems.Error())
		_ = a.out.flush()
		line, err := answers.ReadString('\n')
		if err != nil || strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "n") {
			a.out.printf("\n")
			return nil, failf(exitFindings, "the configuration has faults")
		}
	}
}

// runEditor runs the user's editor, which may be a command with arguments. Ctrl-C
// is the editor's to act upon.
func (a *app) runEditor(ctx context.Context, name string) error {
	editor := a.env("VISUAL")
	if editor == "" {
		editor = a.env("EDITOR")
	}
	for _, usual := range []string{"sensible-editor", "nano", "vi"} {
		if _, err := exec.LookPath(usual); editor == "" && err == nil {
			editor = usual
		}
	}
	if editor == "" {
		return errors.New("there is no editor: set EDITOR to the command of one")
	}
	c := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", editor+` "$@"`, editor, name)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("running the editor %s: %w", editor, err)
	}
	return nil
}

// sameFile reports whether two names mean one file.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return a == b
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
