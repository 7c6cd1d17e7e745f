package sigma

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Watch is what the audit system must be told to record for a rule.
type Watch struct {
	// Exec, Connect and Create are programs that start, connections that are
	// opened, and files that come into being, wherever.
	Exec, Connect, Create bool
	// Syscalls are named system calls; Paths files, and directories with a slash
	// at the end. Read: reading a path counts, too.
	Syscalls, Paths []string
	Read            bool
	// Loose are paths with wildcards that no rule of the audit system can say.
	Loose []string
	// Own are the rules that the author gives.
	Own []string
}

// watch says what a rule needs.
func (e *entry) watch() (w Watch) {
	if e.src.needs != "audit" {
		return w
	}
	for line := range strings.Lines(e.doc.definition) {
		if line = strings.TrimSpace(line); ownRule.MatchString(line) {
			w.Own = append(w.Own, line)
		}
	}
	switch {
	case len(w.Own) > 0:
		return w
	case e.src.kind == "process_creation":
		w.Exec = true
		return w
	case e.src.kind == "network_connection":
		w.Connect = true
		return w
	}
	w.Read = e.src.kind == "auditd"
	e.when.walk(func(c *expr) {
		switch c.field {
		case "exec.cmdline":
			w.Exec = true
		case "audit.type":
			w.Exec = w.Exec || slices.ContainsFunc(c.values, func(v string) bool { return strings.EqualFold(v, "EXECVE") })
		case "audit.exe", "audit.comm":
			w.Exec = true
		case "audit.SYSCALL", "audit.syscall":
			w.Syscalls = append(w.Syscalls, c.values...)
		case "audit.name", "file.path":
			for _, v := range c.values {
				w.path(c.op, v)
			}
		}
	})
	if e.src.kind == "file_event" && len(w.Paths) == 0 {
		w.Create = true
	}
	return w
}

// ownRule is the form of a rule of the audit system.
var ownRule = regexp.MustCompile(`^(?:-w /|-a (?:always,exit|exit,always) )`)

// path adds a file or directory that a comparison names.
func (w *Watch) path(op, v string) {
	switch {
	case v == "" || v[0] != '/':
		w.Create = w.Create || !w.Read
		return
	case op == "startswith":
		v += "*"
	case op != "equals":
		w.Create = w.Create || !w.Read
		return
	}
	plain, wild := strings.CutSuffix(v, "*")
	switch {
	case strings.ContainsAny(plain, `*?\`) || wild && !strings.HasSuffix(plain, "/"):
		w.Loose = append(w.Loose, v)
	default:
		w.Paths = append(w.Paths, plain)
	}
}

// walk calls f for each comparison that is not under a not.
func (e *expr) walk(f func(*expr)) {
	switch e.kind {
	case exprCompare:
		f(e)
	case exprAnd, exprOr:
		for _, k := range e.kids {
			k.walk(f)
		}
	}
}

// AuditRules lists the rules that the audit system needs for the loaded ones of
// the reports, as auditctl -R reads them. Rules that an author gives stand as
// they are.
func AuditRules(reports []Report) []string {
	var all Watch
	var read, written []string
	for _, r := range reports {
		if !r.Loaded {
			continue
		}
		w := r.Watch
		all.Exec, all.Connect, all.Create = all.Exec || w.Exec, all.Connect || w.Connect, all.Create || w.Create
		all.Syscalls, all.Loose, all.Own = append(all.Syscalls, w.Syscalls...), append(all.Loose, w.Loose...), append(all.Own, w.Own...)
		if w.Read {
			read = append(read, w.Paths...)
		} else {
			written = append(written, w.Paths...)
		}
	}
	var out []string
	both := func(format string, args ...any) {
		for _, arch := range []string{"b64", "b32"} {
			out = append(out, "-a always,exit -F arch="+arch+" "+fmt.Sprintf(format, args...))
		}
	}
	// The audit system gives a record the key of the first rule that is met, and
	// some of the authors' rules ask for their own.
	if own := sorted(all.Own); len(own) > 0 {
		out = append(append(out, "# as the authors of the rules give them"), own...)
	}
	if all.Exec {
		out = append(out, "# programs that are started")
		both("-S execve,execveat -k sentinel_exec")
	}
	if all.Connect {
		out = append(out, "# connections over IPv4 and IPv6; those of other families are not recorded")
		both("-S connect -F a2=16 -k sentinel_connect")
		both("-S connect -F a2=28 -k sentinel_connect")
	}
	if all.Create {
		out = append(out, "# files that are made (O_CREAT), whatever they are called")
		both("-S open -F a1&0100 -k sentinel_create")
		both("-S openat -F a2&0100 -k sentinel_create")
		both("-S creat,rename,renameat,renameat2 -k sentinel_create")
	}
	for _, s := range sorted(all.Syscalls) {
		if s = strings.ToLower(s); syscallName.MatchString(s) && s != "execve" && s != "execveat" {
			both("-S %s -k sentinel_%s", s, s)
		}
	}
	watch := func(paths []string, perm, key string) {
		for _, p := range sorted(paths) {
			kind := "path"
			if strings.HasSuffix(p, "/") {
				kind = "dir"
			}
			if !strings.ContainsAny(p, " \t\n") {
				out = append(out, fmt.Sprintf("-a always,exit -F %s=%s -F perm=%s -k %s", kind, p, perm, key))
			}
		}
	}
	watch(read, "rwa", "sentinel_path")
	watch(written, "wa", "sentinel_write")
	for _, p := range sorted(all.Loose) {
		out = append(out, "# not watched, since the audit system has no wildcards: "+p)
	}
	return out
}

var syscallName = regexp.MustCompile(`^[a-z][a-z0-9_]{1,40}$`)

// sorted returns the different texts of a list in order.
func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
