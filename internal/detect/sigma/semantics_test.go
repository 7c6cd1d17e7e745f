package sigma

import (
	"fmt"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

var arrival = time.Date(2026, 2, 10, 14, 0, 30, 0, time.UTC)

// collect reads the documents of a text.
func collect(t testing.TB, text string) *Collection {
	t.Helper()
	docs, problems := rule.Documents("t.yml", []byte(text))
	c := &Collection{}
	for _, d := range docs {
		if !Is(d) {
			t.Fatalf("not taken for Sigma's format: %v", d.Keys())
		}
		problems = append(problems, c.Add(d)...)
	}
	for _, p := range problems {
		t.Fatal(p)
	}
	return c
}

// compileAll makes a set of all rules of a text, which must load.
func compileAll(t testing.TB, text string) *rule.Set {
	t.Helper()
	rules, reports := collect(t, text).Rules()
	for _, r := range reports {
		if !r.Loaded {
			t.Fatalf("%s %q is not loaded: %s", r.Form, r.Title, r.Reason)
		}
	}
	set, problems := rule.Compile(rules)
	for _, p := range problems {
		t.Fatal(p)
	}
	return set
}

// sigmaRule makes a rule of a log source and a detection, both indented by two.
func sigmaRule(source, detection string) string {
	return "title: A rule\nid: 00000000-0000-4000-8000-000000000001\nstatus: test\nlevel: high\nauthor: Ann Author\nlogsource:\n" +
		indent(source) + "detection:\n" + indent(detection)
}

func indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(s) + "\n") {
		b.WriteString("  " + line)
	}
	return b.String()
}

// matchesLines reports whether one of the lines, read in order, matches.
func matchesLines(t testing.TB, set *rule.Set, lines ...string) bool {
	t.Helper()
	m, p := set.NewMatcher(), parse.New(parse.Config{})
	var ev sentinel.Event
	found := false
	for _, l := range lines {
		if !p.Parse(l, arrival, arrival, &ev) {
			t.Fatalf("not understood: %s", l)
		}
		ev.Source = "/var/log/some.log"
		found = found || len(m.Match(&ev)) > 0
	}
	return found
}

// get is an access line; more are the status, the referer and the user agent.
func get(target string, more ...string) string {
	x := []string{"200", "-", "Mozilla/5.0"}
	copy(x, more)
	return fmt.Sprintf(`203.0.113.9 - - [10/Feb/2026:14:00:00 +0000] "GET %s HTTP/1.1" %s 12 "%s" "%s"`, target, x[0], x[1], x[2])
}

const auditHead = " msg=audit(1772366398.123:9): "

// started are the records of a program that ran.
func started(exe, cwd, auid string, argv ...string) []string {
	args := fmt.Sprintf("argc=%d", len(argv))
	for i, a := range argv {
		args += fmt.Sprintf(" a%d=%q", i, a)
	}
	return []string{
		"type=SYSCALL" + auditHead + `arch=c000003e syscall=59 success=yes exit=0 a0=55d a1=55e a2=55f a3=8 items=2 ppid=70 pid=77 auid=1000 uid=33 gid=33 euid=33 tty=(none) ses=4 comm="x" exe="` + exe + `" key="exec"` + "\x1d" + `ARCH=x86_64 SYSCALL=execve AUID="` + auid + `" UID="www-data"`,
		"type=EXECVE" + auditHead + args,
		"type=CWD" + auditHead + `cwd="` + cwd + `"`,
		"type=PATH" + auditHead + `item=0 name="` + exe + `" inode=7 nametype=NORMAL`,
		"type=PROCTITLE" + auditHead + `proctitle="x"`,
	}
}

// wrote are the records of a file that a program made.
func wrote(exe, file string) []string {
	return []string{
		"type=SYSCALL" + auditHead + `arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=7ff a2=241 a3=1b6 ppid=1 pid=2 auid=0 uid=0 euid=0 ses=1 comm="tee" exe="` + exe + `" key="files"`,
		"type=CWD" + auditHead + `cwd="/root"`,
		"type=PATH" + auditHead + `item=1 name="` + file + `" inode=2 nametype=CREATE`,
	}
}

// connected are the records of a connection to 203.0.113.9 port 443.
func connected(exe string) []string {
	return []string{
		"type=SYSCALL" + auditHead + `arch=c000003e syscall=42 success=yes exit=0 ppid=1 pid=2 auid=0 uid=0 comm="x" exe="` + exe + `"`,
		"type=SOCKADDR" + auditHead + `saddr=020001BBCB0071090000000000000000`,
	}
}

const (
	web     = "category: webserver"
	process = "{product: linux, category: process_creation}"
	auditd  = "{product: linux, service: auditd}"
	files   = "{product: linux, category: file_event}"
	network = "{product: linux, category: network_connection}"
	linux   = "product: linux"
)

func syslog(program, message string) []string {
	return []string{"Feb 10 14:00:00 h " + program + ": " + message}
}

func lines(l ...string) []string { return l }

// TestSemantics is the table of what rules mean: a log source, a detection, the
// lines of one event, and whether the rule matches.
func TestSemantics(t *testing.T) {
	curl := started("/usr/bin/curl", "/tmp", "bob", "curl", "-s", "http://203.0.113.9/x.sh")
	for i, x := range []struct {
		source, detection string
		lines             []string
		want              bool
	}{
		// A mapping is an "and", a list of values and a list of mappings an "or".
		{process, "s: {Image: /usr/bin/curl, CommandLine: 'curl -s http://203.0.113.9/x.sh'}\ncondition: s", curl, true},
		{process, "s: {Image: /usr/bin/curl, CommandLine: curl}\ncondition: s", curl, false},
		{process, "s: {Image: [/usr/bin/wget, /usr/bin/curl]}\ncondition: s", curl, true},
		{process, "s: [{Image: /usr/bin/wget}, {CurrentDirectory: /tmp}]\ncondition: s", curl, true},
		{process, "s: [{Image: /usr/bin/wget}, {CurrentDirectory: /var}]\ncondition: s", curl, false},
		// Letters' case counts only under cased.
		{process, "s: {Image: /USR/bin/CURL}\ncondition: s", curl, true},
		{process, "s: {Image|cased: /USR/bin/CURL}\ncondition: s", curl, false},
		{process, "s: {CommandLine|contains|cased: HTTP}\ncondition: s", curl, false},
		{process, "s: {Image|cased|endswith: /curl}\ncondition: s", curl, true},
		// Wildcards and escapes.
		{process, "s: {Image: '*/curl'}\ncondition: s", curl, true},
		{process, "s: {Image: '*/cur?'}\ncondition: s", curl, true},
		{process, "s: {Image: '*/curl?'}\ncondition: s", curl, false},
		{process, `s: {Image: '\*/curl'}` + "\ncondition: s", curl, false},
		{process, `s: {CommandLine|contains: 'a\*b'}` + "\ncondition: s", started("/bin/x", "/", "bob", "x", "a*b"), true},
		{process, `s: {CommandLine|contains: 'a\*b'}` + "\ncondition: s", started("/bin/x", "/", "bob", "x", "aXb"), false},
		{process, `s: {CommandLine|contains: 'a*b'}` + "\ncondition: s", started("/bin/x", "/", "bob", "x", "aXb"), true},
		{process, `s: {CommandLine|endswith: 'dir\\*'}` + "\ncondition: s", started("/bin/x", "/", "bob", "x", `dir\\end`), true},
		{process, `s: {CommandLine|endswith: 'c\d'}` + "\ncondition: s", started("/bin/x", "/", "bob", "x", `c\\d`), false},
		{process, "s: {CommandLine|startswith: 'curl -? http'}\ncondition: s", curl, true},
		{process, "s: {CommandLine|contains: 'x.sh '}\ncondition: s", curl, false},
		// contains, startswith, endswith, all.
		{process, "s: {CommandLine|contains: '-s http'}\ncondition: s", curl, true},
		{process, "s: {CommandLine|startswith: curl}\ncondition: s", curl, true},
		{process, "s: {CommandLine|startswith: url}\ncondition: s", curl, false},
		{process, "s: {CommandLine|endswith: .sh}\ncondition: s", curl, true},
		{process, "s: {CommandLine|endswith: .s}\ncondition: s", curl, false},
		{process, "s: {CommandLine|contains|all: [' -s ', 'http://']}\ncondition: s", curl, true},
		{process, "s: {CommandLine|contains|all: [' -s ', 'https://']}\ncondition: s", curl, false},
		{process, "s: {CommandLine|all|contains: [' -s ', 'http://']}\ncondition: s", curl, true},
		// Regular expressions are searched, with the case of letters unless |i.
		{process, `s: {CommandLine|re: 'http://[\d.]+/'}` + "\ncondition: s", curl, true},
		{process, `s: {CommandLine|re: '^http'}` + "\ncondition: s", curl, false},
		{process, `s: {CommandLine|re: 'HTTP://'}` + "\ncondition: s", curl, false},
		{process, `s: {CommandLine|re|i: 'HTTP://'}` + "\ncondition: s", curl, true},
		// Nothing, and what is there.
		{process, "s: {ParentImage: null}\ncondition: s", curl, true},
		{process, "s: {Image: null}\ncondition: s", curl, false},
		{process, "s: {Image: [null, /usr/bin/curl]}\ncondition: s", curl, true},
		{process, "s: {Image|exists: true, ParentImage|exists: false}\ncondition: s", curl, true},
		{process, "s: {Image|exists: false}\ncondition: s", curl, false},
		{process, "s: {Image: '*'}\ncondition: s", curl, true},
		{process, "s: {ParentImage: '*'}\ncondition: s", curl, false},
		{process, "s: {CommandLine: ''}\ncondition: s", curl, false},
		// Conditions.
		{process, "a: {Image: /usr/bin/curl}\nb: {User: root}\ncondition: a and not b", curl, true},
		{process, "a: {Image: /usr/bin/curl}\nb: {User: bob}\ncondition: a and not b", curl, false},
		{process, "a: {Image: /x}\nb: {User: bob}\nc: {CurrentDirectory: /tmp}\ncondition: a and b or c", curl, true},
		{process, "a: {Image: /x}\nb: {User: bob}\nc: {CurrentDirectory: /tmp}\ncondition: a and (b or c)", curl, false},
		{process, "a: {User: bob}\nb: {User: ann}\ncondition: not a or not b", curl, true},
		{process, "sel_a: {Image: /x}\nsel_b: {User: bob}\ncondition: 1 of sel_*", curl, true},
		{process, "sel_a: {Image: /x}\nsel_b: {User: bob}\ncondition: all of sel_*", curl, false},
		{process, "sel: {Image: /usr/bin/curl}\nfilter_a: {User: bob}\nfilter_b: {User: ann}\ncondition: sel and not 1 of filter_*", curl, false},
		{process, "sel: {Image: /usr/bin/curl}\nfilter_a: {User: bob}\nfilter_b: {User: ann}\ncondition: sel and not all of filter_*", curl, true},
		{process, "a: {User: bob}\n_b: {User: ann}\ncondition: all of them", curl, true},
		{process, "a: {User: bob}\nb: {User: ann}\ncondition: any of them", curl, true},
		{process, "a: {User: ann}\nb: {User: bob}\ncondition: [a, b]", curl, true},
		{process, "a: {User: ann}\nb: {User: bob}\ncondition: a OR b", curl, true},
		// Other fields of programs, whose parents are known from what ran before.
		{process, "s: {LogonId: 4, User: bob, ProcessId: 77, ParentProcessId: 70}\ncondition: s", curl, true},
		{process, "s: {ParentImage|endswith: /sh, ParentCommandLine|contains: '-c'}\ncondition: s", append(lines(
			`type=SYSCALL msg=audit(1772366398.100:8): arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid=70 auid=1000 uid=33 ses=4 comm="sh" exe="/bin/sh"`,
			`type=EXECVE msg=audit(1772366398.100:8): argc=2 a0="sh" a1="-c"`), curl...), true},
		{process, "s: {Image: /usr/bin/tee}\ncondition: s", wrote("/usr/bin/tee", "/etc/x"), false},
		// Windows' dashes, and encodings.
		{process, "s: {CommandLine|windash|contains: ' -s '}\ncondition: s", curl, true},
		{process, "s: {CommandLine|contains|windash: ' -s '}\ncondition: s", started("/bin/x", "/", "bob", "x", "/s", "a"), true},
		{process, "s: {CommandLine|base64|contains: 'wget http://'}\ncondition: s", started("/bin/sh", "/", "bob", "sh", "d2dldCBodHRwOi8v"), true},
		{process, "s: {CommandLine|base64offset|contains: 'wget http://'}\ncondition: s", started("/bin/sh", "/", "bob", "sh", "YTt3Z2V0IGh0dHA6Ly94"), true},
		{process, "s: {CommandLine|base64offset|contains: 'wget http://'}\ncondition: s", started("/bin/sh", "/", "bob", "sh", "YTt3Z2V0IGZ0cDovL3gv"), false},
		{process, "s: {CommandLine|utf16le|base64offset|contains: 'ping'}\ncondition: s", started("/bin/sh", "/", "bob", "sh", "cABpAG4AZwA="), true},
		{process, "s: {CommandLine|wide|base64|contains: 'ping'}\ncondition: s", started("/bin/sh", "/", "bob", "sh", "cGluZw=="), false},
		// Raw records.
		{auditd, "s: {type: EXECVE, a0: curl, a1: '-s'}\ncondition: s", curl, true},
		{auditd, "s: {type: execve, a0|endswith: url}\ncondition: s", curl, true},
		{auditd, "s: {type: SYSCALL, SYSCALL: execve, euid: 33, exe|startswith: /usr/}\ncondition: s", curl, true},
		{auditd, "s: {type: PATH, name: /etc/shadow}\ncondition: s", curl, false},
		{auditd, "s: {type: PATH, nametype: CREATE, name: '/etc/cron.d/*'}\ncondition: s", wrote("/usr/bin/tee", "/etc/cron.d/x"), true},
		{auditd, "s: {key: [exec, susp]}\ncondition: s", curl, true},
		{auditd, "s: {type: [ADD_USER, SERVICE_STOP], unit: ufw}\ncondition: s",
			lines(`type=SERVICE_STOP` + auditHead + `pid=1 uid=0 auid=4294967295 ses=4294967295 msg='unit=ufw comm="systemd" exe="/usr/lib/systemd/systemd" hostname=? addr=? terminal=? res=success'`), true},
		{auditd, "e: {type: EXECVE}\nk: {'|all': [curl, x.sh]}\ncondition: e and k", curl, true},
		{auditd, "e: {type: EXECVE}\nk: {'|all': [curl, x.py]}\ncondition: e and k", curl, false},
		{auditd, "e: {type: EXECVE}\nk: [init]\nn: [0, 6]\ncondition: e and k and n", started("/sbin/init", "/", "root", "init", "6"), true},
		{auditd, "e: {type: EXECVE}\nk: [init]\nn: [0, 6]\ncondition: e and k and n", started("/bin/initdb", "/", "root", "initdb", "16"), false},
		// Files.
		{files, "s: {TargetFilename|startswith: /etc/cron.d/}\ncondition: s", wrote("/usr/bin/tee", "/etc/cron.d/x"), true},
		{files, "s: {TargetFilename|endswith: .sh, Image|endswith: /wget}\ncondition: s", wrote("/usr/bin/tee", "/tmp/x.sh"), false},
		{files, "s: {TargetFilename|contains: curl}\ncondition: s", curl, false},
		// Connections.
		{network, "s: {DestinationIp: 203.0.113.9, DestinationPort: 443, Initiated: 'true'}\ncondition: s", connected("/bin/bash"), true},
		{network, "s: {DestinationIp|cidr: [10.0.0.0/8, 203.0.113.0/24]}\ncondition: s", connected("/bin/bash"), true},
		{network, "s: {DestinationIp|startswith: '203.0.'}\nf: {DestinationPort: [80, 443]}\ncondition: s and not f", connected("/bin/bash"), false},
		{network, "s: {DestinationPort|gt: 442, DestinationPort|lte: 443}\ncondition: s", connected("/bin/bash"), true},
		{network, "s: {DestinationPort|lt: 443}\ncondition: s", connected("/bin/bash"), false},
		// Requests: a field of several readings is true if one of them is.
		{web, "s: {cs-uri-query|contains: '<script'}\ncondition: s", lines(get("/?q=%3Cscript%3E")), true},
		{web, "s: {cs-uri-query|contains: '%3Cscript'}\ncondition: s", lines(get("/?q=%3cscript%3E")), true},
		{web, "s: {cs-uri-query|contains: /cgi-bin/}\ncondition: s", lines(get("/cgi-bin/x")), true},
		{web, "s: {cs-uri-query|startswith: cmd=}\ncondition: s", lines(get("/x?cmd=id")), true},
		{web, "s: {cs-uri-stem: /x, cs-method: get, sc-status: 404}\ncondition: s", lines(get("/x?cmd=id", "404")), true},
		{web, "s: {cs-uri-stem: /x, sc-status: [200, 204]}\ncondition: s", lines(get("/x?cmd=id", "404")), false},
		{web, "s: {sc-status: '4*'}\ncondition: s", lines(get("/", "404")), true},
		{web, "s: {sc-status|startswith: 5}\ncondition: s", lines(get("/", "404")), false},
		{web, "s: {cs-user-agent|contains: evil, cs-referer|startswith: http}\ncondition: s", lines(get("/", "200", "http://x/", "Evil/1.0")), true},
		{web, "s: {c-useragent: evil}\ncondition: s", lines(get("/", "200", "-", "Evil/1.0")), false},
		{web, "s: {c-ip|cidr: 203.0.113.0/24}\ncondition: s", lines(get("/")), true},
		// Under "not" it is excluded if one of its readings is.
		{web, "s: {cs-uri-query|contains: q=}\nf: {cs-uri-query|contains: ' ok'}\ncondition: s and not f", lines(get("/?q=%20ok")), false},
		{web, "s: {cs-uri-query|contains: q=}\nf: {cs-uri-query|contains: '%20ok'}\ncondition: s and not f", lines(get("/?q=%20ok")), false},
		{web, "s: {cs-uri-query|contains: q=}\nf: {cs-uri-query|contains: nok}\ncondition: s and not f", lines(get("/?q=%20ok")), true},
		// Keywords: in what a client writes, with its disguises undone.
		{web, "k: ['union select']\ncondition: k", lines(get("/?q=1%20UNION/**/SELECT%201")), true},
		{web, "k: [sqlmap]\ncondition: k", lines(get("/", "200", "-", "sqlmap/1.7")), true},
		{web, "k: ['/etc/passwd']\ns: {sc-status: 200}\ncondition: k and s", lines(get("/", "404", "/etc/passwd")), false},
		{web, "k: ['\" 404 ']\ncondition: k", lines(get("/", "404")), true},
		{web, "k: {'|re': 'x=[0-9]{3}'}\ncondition: k", lines(get("/?x=123")), true},
		{"service: nginx", "k: [core dumped]\ncondition: k", lines("2026/02/10 14:00:00 [alert] 12#12: worker process 13 exited on signal 6 (core dumped)"), true},
		{"{product: apache, service: error}", "k: [exit signal Segmentation fault]\ncondition: k",
			lines("[Tue Feb 10 14:00:00.123456 2026] [core:notice] [pid 1:tid 2] AH00051: child pid 9 exit signal Segmentation fault (11), possible coredump in /tmp"), true},
		// Texts of programs.
		{linux, "k: ['rm -rf /var/log']\ncondition: k", syslog("sudo", "bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/rm -rf /var/log"), true},
		{linux, "k: ['rm *log']\ncondition: k", syslog("sudo", "bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/rm -rf /var/log"), true},
		{linux, "k: ['rm -rf']\ncondition: k", curl, false},
		{"{product: linux, service: sshd}", "k: [fatal]\ncondition: k", syslog("sshd[1]", "fatal: buffer_get_string: bad string"), true},
		{"{product: linux, service: sshd}", "k: [fatal]\ncondition: k", syslog("other[1]", "fatal: buffer_get_string: bad string"), false},
		{"{product: linux, service: cron}", "k: [REPLACE]\ncondition: k", syslog("crontab[9]", "(root) REPLACE (root)"), true},
		{"{product: linux, service: cron}", "k: [REPLACE]\ncondition: k", syslog("sudo", "(root) REPLACE (root)"), false},
		{"{product: linux, service: auth}", "k: [authentication failure]\ncondition: k", syslog("su", "pam_unix(su:auth): authentication failure; logname= uid=1000 euid=0 tty=pts/0 ruser=bob rhost=  user=root"), true},
	} {
		set := compileAll(t, sigmaRule(x.source, x.detection))
		if got := matchesLines(t, set, x.lines...); got != x.want {
			t.Errorf("%d: %v, want %v: %s\n%s\n%s", i, got, x.want, x.source, x.detection, strings.Join(x.lines, "\n"))
		}
	}
}
