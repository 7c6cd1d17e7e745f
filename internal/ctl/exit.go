package ctl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// The exit codes.
const (
	exitOK        = 0
	exitFailed    = 1
	exitUsage     = 2
	exitNoAgent   = 3
	exitNotFound  = 4
	exitRefused   = 5
	exitFindings  = 6
	exitInterrupt = 130
)

const exitCodesHelp = `Exit codes of sentinelctl:

  0  it worked
  1  it failed: the agent answered with an error, a file could not be read
  2  wrong usage: an unknown command or flag, an argument that makes no sense
  3  the agent cannot be reached: it is not running, or you may not talk to it
  4  what was named does not exist: a threat, rule, block or source
  5  refused: the agent understood and did not do it, for the reason given
  6  faults were found: rules lint, rules test, config, doctor, status --check

130 means that Ctrl-C ended it.`

// newExitCodes is a help topic.
func newExitCodes() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesHelp}
}

// failure is an error with its exit code and, perhaps, what would be right.
type failure struct {
	code int
	text string
	more string
	err  error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// hint returns f with what would be right.
func (f *failure) hint(format string, args ...any) *failure {
	f.more = fmt.Sprintf(format, args...)
	return f
}

func failf(code int, format string, args ...any) *failure {
	err := fmt.Errorf(format, args...)
	return &failure{code: code, text: err.Error(), err: errors.Unwrap(err)}
}

func usagef(format string, args ...any) *failure { return failf(exitUsage, format, args...) }

// silent ends a command with a code after it has said everything itself.
func silent(code int) error { return &failure{code: code} }

// flagError turns what the flag library says into ours.
func flagError(cmd *cobra.Command, err error) error {
	var f *failure
	if errors.As(err, &f) {
		return err
	}
	text := err.Error()
	// "invalid argument "x" for "--since" flag: reason" is best told from its end.
	if rest, ok := strings.CutPrefix(text, "invalid argument "); ok {
		if i := strings.Index(rest, " flag: "); i >= 0 {
			if j := strings.LastIndex(rest[:i], ` for "`); j >= 0 {
				name := strings.Trim(rest[j+len(" for "):i], `"`)
				if k := strings.Index(name, "--"); k >= 0 {
					name = name[k:]
				}
				reason := rest[i+len(" flag: "):]
				if strings.HasPrefix(reason, "strconv.") {
					reason = rest[:j] + " is no number"
				}
				return usagef("%s: %s", name, reason)
			}
		}
	}
	return usagef("%s", text).hint("see %s --help", cmd.CommandPath())
}

// fail says what went wrong, if anything did, and returns the exit code.
func (a *app) fail(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	code, text, more := a.describe(cmd, err)
	if text != "" {
		a.err.printf("%s %s\n", a.err.paint(styleBad, "error:"), clean(text))
	}
	if more != "" {
		for _, line := range strings.Split(more, "\n") {
			a.err.printf("  %s\n", clean(line))
		}
	}
	return code
}

// describe maps an error to exit code, text and hint.
func (a *app) describe(cmd *cobra.Command, err error) (code int, text, more string) {
	var (
		f *failure
		d *control.DialError
		e *control.Error
	)
	switch {
	case errors.As(err, &f):
		return f.code, f.text, f.more
	case errors.As(err, &d):
		switch {
		case d.NotRunning:
			return exitNoAgent, "the agent is not running: nobody listens on " + d.Path, d.Hint
		case d.Denied:
			return exitNoAgent, "you may not talk to the agent on " + d.Path, d.Hint
		}
		return exitNoAgent, err.Error(), ""
	case errors.As(err, &e):
		return describeRemote(e)
	case errors.Is(err, context.Canceled) && cmd != nil && cmd.Context() != nil && cmd.Context().Err() != nil:
		return exitInterrupt, "", ""
	case errors.Is(err, context.DeadlineExceeded):
		return exitNoAgent, "the agent does not answer", "see whether it is busy: systemctl status sentinel-agent"
	case strings.HasPrefix(err.Error(), "unknown command "):
		return describeUnknown(err.Error())
	}
	return exitFailed, err.Error(), ""
}

// describeRemote is for errors that the agent sent.
func describeRemote(e *control.Error) (code int, text, more string) {
	more = e.Hint
	if len(e.Candidates) > 0 {
		list := strings.Join(e.Candidates[:min(len(e.Candidates), 8)], ", ")
		more = strings.TrimPrefix(more+"\n"+"perhaps one of these: "+list, "\n")
	}
	switch e.Code {
	case control.CodeNotFound, control.CodeAmbiguous:
		return exitNotFound, e.Message, more
	case control.CodeRefused:
		return exitRefused, e.Message, more
	case control.CodeDenied:
		if more == "" {
			more = "run this as root"
		}
		return exitRefused, e.Message, more
	case control.CodeInvalidParams:
		return exitUsage, e.Message, more
	case control.CodeMethodNotFound:
		return exitFailed, e.Message, "agent and sentinelctl differ in version: update both"
	case control.CodeInternal:
		return exitFailed, "the agent met an error of its own", "journalctl -u sentinel-agent shows it"
	}
	return exitFailed, e.Message, more
}

// describeUnknown shortens cobra's several lines about an unknown command.
func describeUnknown(text string) (code int, first, more string) {
	first, rest, _ := strings.Cut(text, "\n")
	if name, _, ok := strings.Cut(strings.TrimPrefix(first, "unknown command "), " for "); ok {
		first = "there is no command " + strings.Trim(name, `"`)
	}
	var names []string
	for _, l := range strings.Split(rest, "\n") {
		if name, ok := strings.CutPrefix(l, "\t"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	if len(names) > 0 {
		return exitUsage, first, "did you mean " + strings.Join(names, " or ") + "?"
	}
	return exitUsage, first, "sentinelctl --help lists them"
}
