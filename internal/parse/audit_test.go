package parse

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// auditLines parses the lines of an audit log and returns the last event.
func auditLines(t *testing.T, p *Parser, lines ...string) sentinel.Event {
	t.Helper()
	var ev sentinel.Event
	for _, line := range lines {
		if !p.Parse(line, arrival, arrival, &ev) {
			t.Fatalf("not understood: %s", line)
		}
	}
	return ev
}

const (
	auditHead = " msg=audit(1772366398.123:9): "
	// shellCall is sh -c 'id; nc 203.0.113.9' of the web server's user.
	shellCall = "type=SYSCALL" + auditHead + `arch=c000003e syscall=59 success=yes exit=0 a0=55d a1=55e a2=55f a3=8 items=2 ppid=70 pid=77 auid=4294967295 uid=33 gid=33 euid=33 suid=33 fsuid=33 egid=33 sgid=33 fsgid=33 tty=(none) ses=4294967295 comm="sh" exe="/usr/bin/dash" subj=unconfined key="exec"` + "\x1d" + `ARCH=x86_64 SYSCALL=execve AUID="unset" UID="www-data" GID="www-data"`
	shellArgs = "type=EXECVE" + auditHead + `argc=3 a0="sh" a1="-c" a2=69643B206E63203230332E302E3131332E39`
	shellCwd  = "type=CWD" + auditHead + `cwd="/var/www"`
	shellPath = "type=PATH" + auditHead + `item=0 name="/bin/sh" inode=7 dev=08:01 mode=0100755 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL cap_fp=0`
	shellEnd  = "type=PROCTITLE" + auditHead + `proctitle=7368002D63006964`
)

// TestAuditExec holds what the records of a started program tell together, and
// what is known after each of them.
func TestAuditExec(t *testing.T) {
	p := New(Config{Type: sentinel.TypeAudit})
	want := sentinel.Exec{Image: "/usr/bin/dash", PID: 77, PPID: 70}
	var serial uint64
	for i, line := range []string{shellCall, shellArgs, shellCwd, shellPath, shellEnd} {
		ev := auditLines(t, p, line)
		kind := sentinel.EventExec
		switch i {
		case 0:
			kind = sentinel.EventOther
			serial = ev.Serial
		case 1:
			want.Cmdline = "sh -c id; nc 203.0.113.9"
		case 2:
			want.Cwd = "/var/www"
		}
		if ev.Type != kind || ev.Exec != want || ev.User != "www-data" || ev.Program != "dash" || ev.Outcome != "success" {
			t.Errorf("after record %d: %v %+v, user %q, program %q, outcome %q", i, ev.Type, ev.Exec, ev.User, ev.Program, ev.Outcome)
		}
		if ev.Serial == 0 || ev.Serial != serial {
			t.Errorf("after record %d: serial %d, want %d", i, ev.Serial, serial)
		}
		if ev.Raw != line || ev.Time.UnixMilli() != 1772366398123 {
			t.Errorf("after record %d: %q at %v", i, ev.Raw, ev.Time)
		}
		if ev.File != "" {
			t.Errorf("the program is taken for a file written: %q", ev.File)
		}
		if i < 4 {
			continue
		}
		var got []string
		for _, f := range ev.Fields {
			switch f.Name {
			case "type", "key", "SYSCALL", "a2", "UID", "nametype", "cwd":
				got = append(got, f.Name+"="+f.Value)
			}
		}
		all := "type=SYSCALL a2=55f key=exec SYSCALL=execve UID=www-data type=EXECVE a2=id; nc 203.0.113.9 type=CWD cwd=/var/www type=PATH nametype=NORMAL type=PROCTITLE"
		if s := strings.Join(got, " "); s != all {
			t.Errorf("fields %s\nwant   %s", s, all)
		}
	}
	// A child of the shell, in a log without names.
	ev := auditLines(t, p,
		`type=SYSCALL msg=audit(1772366398.200:10): arch=c00000b7 syscall=221 success=yes exit=0 ppid=77 pid=78 auid=1000 uid=33 comm="nc" exe="/usr/bin/nc" key=(null)`,
		`type=EXECVE msg=audit(1772366398.200:10): argc=1 a0="nc"`)
	if ev.Type != sentinel.EventExec || ev.Exec.ParentImage != "/usr/bin/dash" || ev.Exec.ParentCmdline != "sh -c id; nc 203.0.113.9" || ev.User != "1000" {
		t.Errorf("the child: %v %+v user %q", ev.Type, ev.Exec, ev.User)
	}
}

// TestAuditEvents holds what single events become.
func TestAuditEvents(t *testing.T) {
	call := func(rest string) string { return "type=SYSCALL" + auditHead + "arch=c000003e " + rest }
	for _, x := range []struct {
		name  string
		lines []string
		want  sentinel.Event
	}{
		{"a file is made", []string{
			call(`syscall=257 success=yes exit=3 a0=ffffff9c a1=7ff a2=241 a3=1b6 ppid=1 pid=2 auid=0 uid=0 comm="tee" exe="/usr/bin/tee" key="preload"`),
			"type=CWD" + auditHead + `cwd="/root"`,
			"type=PATH" + auditHead + `item=0 name="/etc/" inode=1 nametype=PARENT`,
			"type=PATH" + auditHead + `item=1 name="/etc/ld.so.preload" inode=2 nametype=CREATE`,
		}, sentinel.Event{Type: sentinel.EventFileWrite, File: "/etc/ld.so.preload", User: "root", Outcome: "success",
			Exec: sentinel.Exec{Image: "/usr/bin/tee", Cwd: "/root", PID: 2, PPID: 1}}},
		{"a name beside the folder", []string{
			call(`syscall=257 success=yes a0=4 a2=41 ppid=1 pid=2 auid=4294967295 uid=1000 exe="/usr/bin/vi"`),
			"type=CWD" + auditHead + `cwd="/root"`,
			"type=PATH" + auditHead + `item=0 name="/home/bob/.ssh/" nametype=PARENT`,
			"type=PATH" + auditHead + `item=1 name="authorized_keys" nametype=CREATE`,
		}, sentinel.Event{Type: sentinel.EventFileWrite, File: "/home/bob/.ssh/authorized_keys", User: "1000", Outcome: "success",
			Exec: sentinel.Exec{Image: "/usr/bin/vi", Cwd: "/root", PID: 2, PPID: 1}}},
		{"a name in the folder of the process, in hexadecimal", []string{
			call(`syscall=82 success=yes ppid=1 pid=2 auid=0 uid=0 exe=2F746D702F61206221`),
			"type=CWD" + auditHead + `cwd=2F746D702F7820`,
			"type=PATH" + auditHead + `item=2 name=2E2E2F612062 nametype=DELETE`,
		}, sentinel.Event{Type: sentinel.EventFileWrite, File: "/tmp/a b", User: "root", Outcome: "success",
			Exec: sentinel.Exec{Image: "/tmp/a b!", Cwd: "/tmp/x ", PID: 2, PPID: 1}}},
		{"a file is read", []string{
			call(`syscall=257 success=yes a2=80000 ppid=1 pid=2 auid=0 uid=0 exe="/usr/bin/cat"`),
			"type=PATH" + auditHead + `item=0 name="/etc/shadow" nametype=NORMAL`,
		}, sentinel.Event{User: "root", Outcome: "success", Exec: sentinel.Exec{Image: "/usr/bin/cat", PID: 2, PPID: 1}}},
		{"a file may not be written", []string{
			call(`syscall=2 success=no exit=-13 a1=1 ppid=1 pid=2 auid=1000 uid=1000 exe="/usr/bin/vi"`),
			"type=PATH" + auditHead + `item=0 name="/etc/shadow" nametype=NORMAL`,
		}, sentinel.Event{File: "/etc/shadow", User: "1000", Outcome: "failure", Exec: sentinel.Exec{Image: "/usr/bin/vi", PID: 2, PPID: 1}}},
		{"the mode of a file is changed", []string{
			call(`syscall=268 success=yes ppid=1 pid=2 auid=0 uid=0 exe="/usr/bin/chmod"`),
			"type=PATH" + auditHead + `item=0 name="/tmp/x" nametype=NORMAL`,
			"type=PROCTITLE" + auditHead + `proctitle=63686D6F6400752B73002F746D702F78`,
		}, sentinel.Event{Type: sentinel.EventFileWrite, File: "/tmp/x", User: "root", Outcome: "success",
			Exec: sentinel.Exec{Image: "/usr/bin/chmod", Cmdline: "chmod u+s /tmp/x", PID: 2, PPID: 1}}},
		{"a connection", []string{
			call(`syscall=42 success=no exit=-115 ppid=1 pid=2 auid=0 uid=0 exe="/usr/bin/nc"`),
			"type=SOCKADDR" + auditHead + `saddr=020001BBCB0071090000000000000000`,
		}, sentinel.Event{Type: sentinel.EventNetConnect, DstIP: netip.MustParseAddr("203.0.113.9"), DstPort: 443, User: "root", Outcome: "success",
			Exec: sentinel.Exec{Image: "/usr/bin/nc", PID: 2, PPID: 1}}},
		{"a connection by IPv6", []string{
			call(`syscall=42 success=yes exit=0 ppid=1 pid=2 auid=0 uid=0 exe="/usr/bin/nc"`),
			"type=SOCKADDR" + auditHead + `saddr=0A0001BB0000000020010DB8000000000000000000000001` + `00000000`,
		}, sentinel.Event{Type: sentinel.EventNetConnect, DstIP: netip.MustParseAddr("2001:db8::1"), DstPort: 443, User: "root", Outcome: "success",
			Exec: sentinel.Exec{Image: "/usr/bin/nc", PID: 2, PPID: 1}}},
		{"a connection to a socket file", []string{
			call(`syscall=42 success=yes exit=0 ppid=1 pid=2 auid=0 uid=0 exe="/usr/bin/nc"`),
			"type=SOCKADDR" + auditHead + `saddr=01002F72756E2F7800`,
		}, sentinel.Event{User: "root", Outcome: "success", Exec: sentinel.Exec{Image: "/usr/bin/nc", PID: 2, PPID: 1}}},
		{"a program that could not be started", []string{
			call(`syscall=59 success=no exit=-2 ppid=1 pid=2 auid=0 uid=0 exe="/usr/bin/bash"`),
			"type=PROCTITLE" + auditHead + `proctitle="bash"`,
		}, sentinel.Event{User: "root", Outcome: "failure", Exec: sentinel.Exec{Image: "/usr/bin/bash", Cmdline: "bash", PID: 2, PPID: 1}}},
		{"a log without EXECVE", []string{
			call(`syscall=322 success=yes ppid=1 pid=2 auid=0 uid=0 exe="/usr/bin/id"`),
			"type=PROCTITLE" + auditHead + `proctitle=6964002D75`,
		}, sentinel.Event{Type: sentinel.EventExec, User: "root", Outcome: "success", Exec: sentinel.Exec{Image: "/usr/bin/id", Cmdline: "id -u", PID: 2, PPID: 1}}},
		{"arguments of several records", []string{
			call(`syscall=59 success=yes ppid=1 pid=2 auid=0 uid=0 exe="/usr/bin/sh"`),
			"type=EXECVE" + auditHead + `argc=4 a0="sh" a1="-c" a2_len=6 a2[0]=6162`,
			"type=EXECVE" + auditHead + `a2[1]="cd" a3="x"`,
		}, sentinel.Event{Type: sentinel.EventExec, User: "root", Outcome: "success", Exec: sentinel.Exec{Image: "/usr/bin/sh", Cmdline: "sh -c abcd x", PID: 2, PPID: 1}}},
		{"arguments that are not all there", []string{
			"type=EXECVE" + auditHead + `argc=4 a0="sh" a1="-c"`,
		}, sentinel.Event{Exec: sentinel.Exec{Cmdline: "sh -c"}}},
		{"a record alone", []string{
			"type=EXECVE" + auditHead + `argc=2 a0="/bin/nc" a1="-e"`,
		}, sentinel.Event{Type: sentinel.EventExec, Exec: sentinel.Exec{Image: "/bin/nc", Cmdline: "/bin/nc -e"}}},
		{"a file alone", []string{
			"type=PATH" + auditHead + `item=1 name="/etc//cron.d/../x" nametype=CREATE`,
		}, sentinel.Event{Type: sentinel.EventFileWrite, File: "/etc/x"}},
		{"what sudo runs", []string{
			`type=USER_CMD` + auditHead + `pid=5 uid=1000 auid=1000 ses=2 subj=unconfined msg='cwd="/home/bob" cmd=6C73202D6C exe="/usr/bin/sudo" terminal=pts/0 res=success'` + "\x1d" + `UID="bob" AUID="bob"`,
		}, sentinel.Event{Type: sentinel.EventSudo, User: "bob", Outcome: "success", Exec: sentinel.Exec{Image: "/usr/bin/sudo", Cmdline: "ls -l", Cwd: "/home/bob", PID: 5}}},
		{"an account in hexadecimal", []string{
			`type=USER_AUTH` + auditHead + `pid=7 uid=0 msg='op=x acct=28756E6B6E6F776E20757365722920 exe="/usr/sbin/sshd" hostname=? addr=198.51.100.7 terminal=ssh res=failed'`,
		}, sentinel.Event{Type: sentinel.EventAuthFail, User: "(unknown user) ", Outcome: "failure", SrcIP: netip.MustParseAddr("198.51.100.7"),
			AuthStep: sentinel.AuthStepFailed, Exec: sentinel.Exec{Image: "/usr/sbin/sshd", PID: 7}}},
		{"through syslog", []string{
			`Mar  1 12:00:00 h audisp-syslog: node=web1 ` + call(`syscall=59 success=yes ppid=1 pid=2 auid=0 uid=0 exe="/usr/bin/id" key=(null)#035ARCH=x86_64 SYSCALL=execve AUID="bob" UID="root"`),
			`Mar  1 12:00:00 h audisp-syslog: node=web1 type=EXECVE` + auditHead + `argc=1 a0="id"`,
		}, sentinel.Event{Type: sentinel.EventExec, Host: "web1", User: "bob", Outcome: "success", Exec: sentinel.Exec{Image: "/usr/bin/id", Cmdline: "id", PID: 2, PPID: 1}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := auditLines(t, New(Config{Type: sentinel.TypeAuto}), x.lines...)
			w := &x.want
			if got.Type != w.Type || got.File != w.File || got.User != w.User || got.Outcome != w.Outcome || got.Exec != w.Exec ||
				got.DstIP != w.DstIP || got.DstPort != w.DstPort || got.SrcIP != w.SrcIP || got.AuthStep != w.AuthStep || got.Host != w.Host {
				t.Errorf("got  %+v\nwant %+v", got, *w)
			}
			if got.SourceType != sentinel.TypeAudit {
				t.Errorf("source type %s", got.SourceType)
			}
		})
	}
}

// TestAuditMixed holds that records of events that are under way together are
// not mixed up, nor those of two machines, and that more of them than are kept
// cost nothing but their context.
func TestAuditMixed(t *testing.T) {
	p := New(Config{Type: sentinel.TypeAudit})
	line := func(node string, serial int, rest string) string {
		kind, rest, _ := strings.Cut(rest, " ")
		return fmt.Sprintf("node=%s type=%s msg=audit(1772366398.123:%d): %s", node, kind, serial, rest)
	}
	var ev sentinel.Event
	seen := map[uint64]bool{}
	for i := range maxAuditEvents {
		ev = auditLines(t, p, line([]string{"a", "b"}[i%2], 100+i/2, fmt.Sprintf("SYSCALL arch=c000003e syscall=59 success=yes pid=%d ppid=1 uid=0 exe=\"/bin/p%d\"", i+1, i)))
		seen[ev.Serial] = true
	}
	for i := range maxAuditEvents {
		ev = auditLines(t, p, line([]string{"a", "b"}[i%2], 100+i/2, fmt.Sprintf("EXECVE argc=1 a0=\"x%d\"", i)))
		if ev.Exec.Image != fmt.Sprintf("/bin/p%d", i) || ev.Exec.Cmdline != fmt.Sprintf("x%d", i) || ev.Type != sentinel.EventExec {
			t.Errorf("event %d: %v %+v", i, ev.Type, ev.Exec)
		}
	}
	if len(seen) != maxAuditEvents {
		t.Errorf("%d serials, want %d", len(seen), maxAuditEvents)
	}
	first := line("a", 500, `SYSCALL arch=c000003e syscall=59 success=yes pid=1 ppid=1 uid=0 exe="/bin/first"`)
	auditLines(t, p, first)
	for i := range maxAuditEvents {
		auditLines(t, p, line("a", 501+i, `CWD cwd="/"`))
	}
	ev = auditLines(t, p, line("a", 500, `EXECVE argc=1 a0="late"`))
	if ev.Exec.Image != "" || ev.Exec.Cmdline != "late" || ev.Type != sentinel.EventExec {
		t.Errorf("a record of an event that gave way: %v %+v", ev.Type, ev.Exec)
	}
}

// TestAuditAnew holds that what cannot be more of an event begins another, as
// when a log is read again or a serial number comes back.
func TestAuditAnew(t *testing.T) {
	p := New(Config{Type: sentinel.TypeAudit})
	avc := "type=AVC" + auditHead + `avc:  denied  { read write } for  pid=77 comm="httpd" name="shadow" tclass=file permissive=0`
	last := uint64(0)
	for i, line := range []string{shellCall, shellCall, shellArgs, shellArgs, shellEnd, shellPath, avc, avc} {
		ev := auditLines(t, p, line)
		joined := i == 2 || i == 4
		if (ev.Serial == last) != joined {
			t.Errorf("line %d: serial %d after %d", i, ev.Serial, last)
		}
		last = ev.Serial
		if i == 7 && (len(ev.Fields) < 3 || ev.Fields[1].Value != "denied" || ev.Fields[2].Value != "read write" || ev.Outcome != "failure") {
			t.Errorf("a denial: %+v", ev.Fields)
		}
	}
}

// TestAuditBounds holds what one event and the memory of processes may take.
func TestAuditBounds(t *testing.T) {
	p := New(Config{Type: sentinel.TypeAudit})
	auditLines(t, p, shellCall)
	var ev sentinel.Event
	for i := range 300 {
		ev = auditLines(t, p, "type=EXECVE"+auditHead+fmt.Sprintf("argc=1000 a%d=%q a%d=%s", 2*i, strings.Repeat("x", 100), 2*i+1, strings.Repeat("41", 20000)))
	}
	if len(ev.Fields) > maxAuditFields || len(ev.Exec.Cmdline) > maxCmdline || ev.Type != sentinel.EventExec {
		t.Errorf("%d fields, a command line of %d bytes, %v", len(ev.Fields), len(ev.Exec.Cmdline), ev.Type)
	}
	for _, f := range ev.Fields {
		if len(f.Value) > maxAuditValue {
			t.Errorf("a value of %d bytes", len(f.Value))
		}
	}
	var ps procs
	for i := range 3 * maxProcs {
		ps.set("", i+1, "/bin/x", "")
	}
	if len(ps.byID) != maxProcs {
		t.Errorf("%d processes, want %d", len(ps.byID), maxProcs)
	}
	if image, _ := ps.parent("", 3*maxProcs); image != "/bin/x" {
		t.Error("the latest process was forgotten")
	}
	for i := range maxProcs {
		ps.set("", i+1, strings.Repeat("i", 1000), strings.Repeat("c", 1000))
	}
	n, text := 0, 0
	for x := ps.first; x != nil; x = x.next {
		n++
		text += len(x.id.node) + len(x.image) + len(x.cmdline)
	}
	if n != len(ps.byID) || text != ps.text || text > maxProcText || n == 0 {
		t.Errorf("%d processes in the list, %d in the map; %d bytes of text, %d counted", n, len(ps.byID), text, ps.text)
	}
}

// TestSyscalls holds some numbers of system calls.
func TestSyscalls(t *testing.T) {
	for _, x := range [][3]string{
		{archX64, "0", "read"}, {archX64, "59", "execve"}, {archX64, "42", "connect"}, {archX64, "257", "openat"}, {archX64, "313", "finit_module"},
		{archX64, "322", "execveat"}, {archX64, "437", "openat2"}, {archARM64, "56", "openat"}, {archARM64, "221", "execve"}, {archARM64, "203", "connect"},
		{archARM64, "105", "init_module"}, {archARM64, "281", "execveat"}, {archX86, "11", "execve"}, {archX86, "5", "open"},
		{archX64, "9999", ""}, {archX64, "x", ""}, {"0", "59", ""},
	} {
		if got := syscallName(x[0], x[1]); got != x[2] {
			t.Errorf("%s %s: %q, want %q", x[0], x[1], got, x[2])
		}
	}
}

// TestAuditSpeed holds that a log of the audit system is read without an
// allocation for each record.
func TestAuditSpeed(t *testing.T) {
	p := New(Config{Type: sentinel.TypeAudit})
	lines := []string{
		strings.NewReplacer("syscall=59", "syscall=257", "SYSCALL=execve", "SYSCALL=openat").Replace(shellCall), shellCwd,
		"type=PATH" + auditHead + `item=0 name="/etc/x" nametype=CREATE`, "type=PATH" + auditHead + `item=1 name="/etc/y" nametype=CREATE`,
	}
	var ev sentinel.Event
	read := func() {
		for _, line := range lines {
			p.Parse(line, arrival, arrival, &ev)
		}
	}
	for range maxAuditEvents {
		read() // each place for an event gets its room
	}
	if n := testing.AllocsPerRun(100, read); n > 0 {
		t.Errorf("%.1f allocations", n)
	}
}

// FuzzAudit reads any lines as an audit log: bounds hold, texts are of the lines
// or decoded from them, and reading the same again gives the same.
func FuzzAudit(f *testing.F) {
	f.Add(strings.Join([]string{shellCall, shellArgs, shellCwd, shellPath, shellEnd}, "\n"))
	f.Add("type=SOCKADDR" + auditHead + "saddr=0200")
	f.Add("type=EXECVE" + auditHead + "argc=99999999999 a0 a=1 a1= a2[=3 a4[0]=\"")
	f.Add("type=AVC" + auditHead + "avc:  denied  { a } for  x=\"")
	f.Add("type=USER_CMD" + auditHead + "uid=0 msg='cwd=\" cmd=4 res=1'\x1dUID=")
	f.Fuzz(func(t *testing.T, text string) {
		var runs [2][]sentinel.Event
		for i := range runs {
			p := New(Config{Type: sentinel.TypeAudit})
			for line := range strings.SplitSeq(text, "\n") {
				var ev sentinel.Event
				p.Parse(line, arrival, arrival, &ev)
				if len(ev.Fields) > maxAuditFields || len(ev.Exec.Cmdline) > maxCmdline {
					t.Fatalf("%d fields, a command line of %d bytes", len(ev.Fields), len(ev.Exec.Cmdline))
				}
				size := 0
				for _, f := range ev.Fields {
					size += len(f.Name) + len(f.Value)
				}
				if size > len(text)+64*maxAuditEvents || utf8.RuneCountInString(ev.File) > 2*len(text)+1 {
					t.Fatalf("fields of %d bytes, file %q, of %d bytes of text", size, ev.File, len(text))
				}
				ev.Fields = append([]sentinel.Field(nil), ev.Fields...)
				runs[i] = append(runs[i], ev)
			}
		}
		if !reflect.DeepEqual(runs[0], runs[1]) {
			t.Error("read again, it is something else")
		}
	})
}
