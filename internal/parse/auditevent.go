package parse

import (
	"net/netip"
	"path"
	"strconv"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// What the kernel says of one system call are several records, a line each:
//
//	type=SYSCALL msg=audit(1772366398.123:9): arch=c000003e syscall=59 success=yes exit=0 ... ppid=70 pid=77 auid=1000 uid=33 ... comm="nc" exe="/usr/bin/nc" key="exec"
//	type=EXECVE msg=audit(1772366398.123:9): argc=3 a0="nc" a1="-e" a2="/bin/sh"
//	type=CWD msg=audit(1772366398.123:9): cwd="/tmp"
//	type=PATH msg=audit(1772366398.123:9): item=0 name="/usr/bin/nc" inode=7 ... nametype=NORMAL
//	type=PROCTITLE msg=audit(1772366398.123:9): proctitle=6E63002D65002F62696E2F7368
//
// They have the stamp and the serial number in common; records of two events
// may be mixed. Each line still gives one event of its own: all that its audit
// event is known to be up to this record, with the same Serial. So nothing waits
// for an end that the log may not have (the last record is often missing), and a
// line by itself says what it can. It is for those who match rules to take a
// rule for one audit event once.

// maxAuditEvents is how many events may be under way; the one whose last record
// was longest ago gives way.
const maxAuditEvents = 16

// maxCmdline bounds the bytes of a command line.
const maxCmdline = 8 << 10

// auditRecords are the events of one source that are under way, and the
// processes that were seen to begin.
type auditRecords struct {
	events [maxAuditEvents]auditEvent
	turn   uint64 // of records
	serial uint64 // of the latest event
	procs  procs
	alone  []sentinel.Field // of a record that stands alone
}

// auditEvent is an event under way. Its texts alias lines.
type auditEvent struct {
	id     auditID
	serial uint64 // 0: free
	turn   uint64 // of its last record
	ended  bool   // by its last record
	seen   recordSet
	fields []sentinel.Field

	call, arch string // the system call, by name where it is known
	flags      int64  // of an open; -1: not known
	exec       sentinel.Exec
	outcome    string
	user, comm string
	// cmd is the command line as far as it is known; argc the number of
	// arguments, args how many of them were read.
	cmd        []byte
	argc, args int
	dir        string // of the last PATH of type PARENT
	item       int    // of the last PATH
	kind       sentinel.EventType
	file       string
	dst        netip.Addr
	port       uint16
}

// recordSet is a set of types of records of which an event has one each.
type recordSet uint8

const (
	recSyscall recordSet = 1 << iota
	recExecve
	recSockaddr
	recAVC
	recPath
)

// joins reports whether records of a type are part of an event that may have
// more of them.
func joins(kind string) bool {
	switch kind {
	case "SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE", "SOCKADDR", "SOCKETCALL", "EOE", "AVC", "SELINUX_ERR", "BPRM_FCAPS",
		"CAPSET", "FD_PAIR", "IPC", "IPC_SET_PERM", "KERN_MODULE", "MMAP", "OBJ_PID", "OPENAT2", "BPF", "FANOTIFY",
		"NETFILTER_CFG", "NETFILTER_PKT", "URINGOP", "INTEGRITY_RULE", "INTEGRITY_DATA", "INTEGRITY_PCR":
		return true
	}
	return strings.HasPrefix(kind, "APPARMOR_") || strings.HasPrefix(kind, "MQ_")
}

// join adds a record to its event and fills ev from that.
func (r *auditRecords) join(id auditID, kind, s string, ev *sentinel.Event) {
	if kind == "EOE" {
		return // it says nothing
	}
	e := r.find(id, kind)
	if e == nil {
		e = r.begin(id)
	}
	r.turn++
	e.turn = r.turn
	from := len(e.fields)
	e.fields = appendAudit(e.fields, kind, s)
	e.add(kind, e.fields[from:], &r.procs)
	e.fill(ev)
}

// find returns the event that a record belongs to, nil if it begins one: there
// is none, or it has such a record already.
func (r *auditRecords) find(id auditID, kind string) *auditEvent {
	var found *auditEvent
	for i := range r.events {
		e := &r.events[i]
		if e.serial != 0 && e.id == id && (found == nil || e.turn > found.turn) {
			found = e
		}
	}
	if found == nil || found.ended || found.repeats(kind) {
		return nil
	}
	return found
}

// repeats reports whether a record of a type cannot be more of an event.
func (e *auditEvent) repeats(kind string) bool {
	switch kind {
	case "SYSCALL":
		return e.seen&recSyscall != 0
	case "EXECVE":
		return e.seen&recExecve != 0 && e.args >= e.argc
	case "SOCKADDR":
		return e.seen&recSockaddr != 0
	case "AVC":
		// The kernel writes these first; each is a denial of its own.
		return e.seen != 0
	}
	return false
}

// begin returns a place for a new event.
func (r *auditRecords) begin(id auditID) *auditEvent {
	old := &r.events[0]
	for i := range r.events {
		if r.events[i].turn < old.turn {
			old = &r.events[i]
		}
	}
	r.serial++
	*old = auditEvent{id: id, serial: r.serial, fields: old.fields[:0], cmd: old.cmd[:0], flags: -1, item: -1}
	return old
}

// add takes in a record with its fields.
func (e *auditEvent) add(kind string, fields []sentinel.Field, procs *procs) {
	switch kind {
	case "SYSCALL":
		e.seen |= recSyscall
		e.syscall(fields, procs)
	case "EXECVE":
		e.execve(fields)
	case "CWD":
		e.exec.Cwd = auditField(fields, "cwd")
	case "PATH":
		e.path(fields)
	case "SOCKADDR":
		e.seen |= recSockaddr
		e.dst, e.port = sockaddr(auditField(fields, "saddr"))
	case "AVC":
		e.seen |= recAVC
		e.denied(fields)
	case "OPENAT2":
		// oflag=0100101, in octal
		if v, err := strconv.ParseInt(auditField(fields, "oflag"), 8, 64); err == nil {
			e.flags = v
		}
	case "PROCTITLE":
		e.ended = true
		if e.seen&recExecve == 0 {
			e.cmd = appendCut(e.cmd[:0], auditField(fields, "proctitle"))
			e.exec.Cmdline = string(e.cmd)
		}
	}
	was := e.kind
	e.kind = e.typ(kind)
	if was != sentinel.EventExec && e.kind == sentinel.EventExec {
		procs.ran(e.id.node, &e.exec)
	}
}

// syscall reads "arch=c000003e syscall=59 success=yes exit=0 a0=... ppid=1 pid=2
// auid=1000 uid=0 ... comm="x" exe="/bin/x" key="k"".
func (e *auditEvent) syscall(fields []sentinel.Field, procs *procs) {
	e.arch = auditField(fields, "arch")
	number := auditField(fields, "syscall")
	e.call = auditField(fields, "SYSCALL")
	if e.call == "" {
		if e.call = syscallName(e.arch, number); e.call == "" && !isNumber(number) {
			e.call = number // ausearch -i
		}
		if e.call != "" {
			e.fields = addField(e.fields, "SYSCALL", e.call)
		}
	}
	switch auditField(fields, "success") {
	case "yes":
		e.outcome = "success"
	case "no":
		e.outcome = "failure"
	}
	flags := ""
	switch e.call {
	case "open":
		flags = auditField(fields, "a1")
	case "openat":
		flags = auditField(fields, "a2")
	}
	if flags != "" {
		if v, err := strconv.ParseInt(flags, 16, 64); err == nil {
			e.flags = v
		}
	}
	if e.call == "connect" && auditField(fields, "exit") == "-115" {
		e.outcome = "success" // it is under way
	}
	e.exec.Image = auditField(fields, "exe")
	e.exec.PID, _ = atoi(auditField(fields, "pid"))
	e.exec.PPID, _ = atoi(auditField(fields, "ppid"))
	e.user, e.comm = auditUser(fields), auditField(fields, "comm")
	e.exec.ParentImage, e.exec.ParentCmdline = procs.parent(e.id.node, e.exec.PPID)
	if !e.execs() {
		procs.is(e.id.node, e.exec.PID, e.exec.Image)
	}
}

func isNumber(s string) bool {
	_, ok := atoi(s)
	return ok
}

// execs reports whether the system call starts a program.
func (e *auditEvent) execs() bool { return e.call == "execve" || e.call == "execveat" }

// execve reads "argc=3 a0="sh" a1="-c" a2=6C73". A long argument comes in pieces,
// a2[0], a2[1], ..., over several records.
func (e *auditEvent) execve(fields []sentinel.Field) {
	e.seen |= recExecve
	for i := range fields {
		f := &fields[i]
		switch {
		case f.Name == "argc":
			e.argc, _ = atoi(f.Value)
		case isArg(f.Name):
			number, piece, _ := strings.Cut(f.Name[1:], "[")
			n, _ := atoi(number)
			if n > 0 && (piece == "" || piece == "0]") && len(e.cmd) < maxCmdline {
				e.cmd = append(e.cmd, ' ')
			}
			e.cmd = appendCut(e.cmd, f.Value)
			e.args = max(e.args, n+1)
			if n == 0 && e.exec.Image == "" && strings.HasPrefix(f.Value, "/") {
				e.exec.Image = f.Value
			}
		}
	}
	if len(e.fields) >= maxAuditFields || len(e.cmd) >= maxCmdline {
		e.args = max(e.args, e.argc) // the rest is left out
	}
	e.exec.Cmdline = string(e.cmd)
}

// appendCut appends as much of s as a command line may have.
func appendCut(b []byte, s string) []byte {
	return append(b, s[:min(len(s), max(0, maxCmdline-len(b)))]...)
}

// path reads "item=1 name="/etc/x" inode=7 ... nametype=CREATE".
func (e *auditEvent) path(fields []sentinel.Field) {
	e.seen |= recPath
	name := auditField(fields, "name")
	if name == "" || name == "(null)" {
		return
	}
	switch kind := auditField(fields, "nametype"); kind {
	case "PARENT":
		e.dir = name
	case "CREATE", "DELETE", "NORMAL":
		if e.execs() || kind == "NORMAL" && !e.writes() {
			return
		}
		e.file = e.absolute(name)
	}
}

// absolute is the whole path of a name: from the folder that the kernel names
// beside it, or the one that the process was in.
func (e *auditEvent) absolute(name string) string {
	if strings.HasPrefix(name, "/") {
		if strings.Contains(name, "/.") || strings.Contains(name, "//") {
			return path.Clean(name)
		}
		return name
	}
	dir := e.exec.Cwd
	if strings.HasPrefix(e.dir, "/") {
		// The parent of "a/b" is written "/cwd/a" or "a/".
		dir, name = e.dir, base(name)
	}
	if !strings.HasPrefix(dir, "/") {
		return name
	}
	return path.Join(dir, name)
}

// writes reports whether the system call may change a file that is there. One
// that is not known may.
func (e *auditEvent) writes() bool {
	const (
		accessMode = 3
		create     = 0o100
		truncate   = 0o1000
	)
	switch e.call {
	case "open", "openat", "openat2":
		return e.flags < 0 || e.flags&accessMode != 0 || e.flags&(create|truncate) != 0
	case "read", "readlink", "readlinkat", "access", "faccessat", "faccessat2", "stat", "lstat", "newfstatat", "fstatat",
		"fstatat64", "stat64", "lstat64", "statx", "statfs", "fstatfs", "getxattr", "lgetxattr", "fgetxattr", "listxattr",
		"llistxattr", "flistxattr", "getdents", "getdents64", "chdir", "fchdir", "inotify_add_watch", "connect", "bind",
		"mmap", "uselib", "name_to_handle_at", "sendto", "sendmsg", "swapon", "quotactl", "ptrace", "kill":
		return false
	}
	return true
}

// denied reads the fields of a denial of SELinux or AppArmor, for a log that has
// nothing else of it.
func (e *auditEvent) denied(fields []sentinel.Field) {
	if auditField(fields, "seresult") == "denied" || auditField(fields, "apparmor") == "DENIED" {
		e.outcome = "failure"
	}
	e.comm = auditField(fields, "comm")
	e.exec.PID, _ = atoi(auditField(fields, "pid"))
}

// typ says what the event is, after a record of a type.
func (e *auditEvent) typ(kind string) sentinel.EventType {
	failed := e.outcome == "failure"
	switch {
	case e.kind == sentinel.EventExec:
	case e.seen&recExecve != 0:
		if e.args < e.argc {
			return sentinel.EventOther // not all of its arguments are known
		}
		return sentinel.EventExec
	case e.execs() && kind == "PROCTITLE" && !failed && e.seen&recSyscall != 0:
		return sentinel.EventExec // the log leaves out EXECVE
	case e.call == "connect" && e.dst.IsValid() && !failed:
		return sentinel.EventNetConnect
	case e.file != "" && !failed:
		return sentinel.EventFileWrite
	}
	return e.kind
}

// fill makes ev what the event is known to be.
func (e *auditEvent) fill(ev *sentinel.Event) {
	ev.Type, ev.Serial, ev.Fields = e.kind, e.serial, e.fields
	ev.Outcome, ev.User, ev.PID = e.outcome, e.user, e.exec.PID
	ev.Exec, ev.File = e.exec, e.file
	ev.DstIP, ev.DstPort = e.dst, e.port
	if ev.Program = base(e.exec.Image); ev.Program == "" {
		ev.Program = e.comm
	}
}
