package parse

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Programs beside sudo and cron that say which commands were run. What was run is
// the user's text, so that nothing but the command line is taken from behind its
// beginning.

// systemd reads "Stopped UNIT", and the commands of units that systemd-run made:
//
//	Started /usr/bin/sh -c true.
//	Started run-u7.service - [systemd-run] /usr/bin/sh -c true.
func systemd(s string, ev *sentinel.Event) {
	switch {
	case strings.HasPrefix(s, "Stopped "):
		ev.Type = sentinel.EventSvcStop
	case strings.HasPrefix(s, "Started /"):
		ev.Type, ev.Exec.Cmdline = sentinel.EventExec, strings.TrimSuffix(s[len("Started "):], ".")
	case strings.HasPrefix(s, "Started run-"):
		if _, cmd, ok := strings.Cut(s, " - [systemd-run] "); ok {
			ev.Type, ev.Exec.Cmdline = sentinel.EventExec, strings.TrimSuffix(cmd, ".")
		}
	}
}

// pkexec reads polkit's way to become another user:
//
//	bob: Executing command [USER=root] [TTY=/dev/pts/0] [CWD=/home/bob] [COMMAND=/usr/bin/id]
//	bob: Error executing command as another user: Not authorized [USER=root] [TTY=...] [CWD=...] [COMMAND=...]
func pkexec(s string, ev *sentinel.Event) {
	user, rest, ok := strings.Cut(s, ": ")
	if !ok || !oneWord(user) {
		return
	}
	ev.Type, ev.User, ev.Outcome = sentinel.EventSudo, user, "failure"
	if strings.HasPrefix(rest, "Executing command [") {
		ev.Outcome = "success"
	}
	if _, cwd, ok := strings.Cut(rest, " [CWD="); ok {
		ev.Exec.Cwd, rest, _ = strings.Cut(cwd, "] ")
	}
	if _, cmd, ok := strings.Cut(rest, "[COMMAND="); ok {
		ev.Exec.Cmdline = strings.TrimSuffix(cmd, "]")
	}
}

// polkitd reads "Operator of unix-session:2 FAILED to authenticate to gain
// authorization for action ACTION for unix-process:7:1 [TITLE] (owned by
// unix-user:bob)". The title of the process is the user's text.
func polkitd(s string, ev *sentinel.Event) {
	if !strings.HasPrefix(s, "Operator of unix-session:") || !strings.Contains(s, " FAILED to authenticate to gain authorization for action ") {
		return
	}
	ev.Type, ev.Outcome = sentinel.EventSudo, "failure"
	if i := strings.LastIndex(s, " (owned by unix-user:"); i >= 0 {
		ev.User = strings.TrimSuffix(s[i+len(" (owned by unix-user:"):], ")")
	}
}

// doas reads
//
//	bob ran command /usr/bin/id as root from /home/bob
//	failed auth for bob
//	command not permitted for bob: /usr/bin/id
func doas(s string, ev *sentinel.Event) {
	if user, ok := strings.CutPrefix(s, "failed auth for "); ok && oneWord(user) {
		ev.Type, ev.User, ev.Outcome = sentinel.EventSudo, user, "failure"
		return
	}
	if rest, ok := strings.CutPrefix(s, "command not permitted for "); ok {
		ev.Type, ev.Outcome = sentinel.EventSudo, "failure"
		ev.User, ev.Exec.Cmdline, _ = strings.Cut(rest, ": ")
		return
	}
	user, rest, ok := strings.Cut(s, " ran command ")
	if !ok || !oneWord(user) {
		return
	}
	ev.Type, ev.User, ev.Outcome, ev.Exec.Cmdline = sentinel.EventSudo, user, "success", rest
	if i := strings.LastIndex(rest, " from "); i >= 0 {
		ev.Exec.Cwd, rest = rest[i+len(" from "):], rest[:i]
	}
	if i := strings.LastIndex(rest, " as "); i >= 0 {
		ev.Exec.Cmdline = rest[:i]
	}
}

// snoopy reads "[uid:0 sid:7 tty:/dev/pts/0 cwd:/root filename:/usr/bin/id]: id -u";
// which words stand in the brackets is for its configuration to say.
func snoopy(s string, ev *sentinel.Event) {
	head, cmd, ok := strings.Cut(s, "]: ")
	if !ok || !strings.HasPrefix(head, "[") {
		return
	}
	ev.Type, ev.Exec.Cmdline = sentinel.EventExec, cmd
	for part := range strings.SplitSeq(head[1:], " ") {
		name, value, _ := strings.Cut(part, ":")
		switch name {
		case "cwd":
			ev.Exec.Cwd = value
		case "filename":
			ev.Exec.Image = value
		case "login", "username":
			ev.User = value
		}
	}
}

// history reads what bash says of typed commands where it is made to:
// "HISTORY: PID=7 UID=1000 id".
func history(s string, ev *sentinel.Event) {
	rest, ok := strings.CutPrefix(s, "HISTORY: ")
	if !ok {
		return
	}
	for strings.HasPrefix(rest, "PID=") || strings.HasPrefix(rest, "PPID=") || strings.HasPrefix(rest, "SID=") ||
		strings.HasPrefix(rest, "UID=") || strings.HasPrefix(rest, "User=") {
		word, after, ok := strings.Cut(rest, " ")
		if !ok {
			return
		}
		if user, ok := strings.CutPrefix(word, "User="); ok {
			ev.User = user
		}
		rest = strings.TrimLeft(after, " ")
	}
	ev.Type, ev.Exec.Cmdline = sentinel.EventExec, rest
}
