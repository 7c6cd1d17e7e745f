package parse

import (
	"slices"
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestGuess(t *testing.T) {
	access := `198.51.100.7 - - [01/Mar/2026:11:59:58 +0000] "GET / HTTP/1.1" 200 1 "-" "x"`
	cron := "Mar  1 11:59:58 web1 CRON[7]: (root) CMD (x)"
	for _, c := range []struct {
		name  string
		lines []string
		want  sentinel.SourceType
	}{
		{"nothing", nil, sentinel.TypeAuto},
		{"empty lines", []string{"", "  "}, sentinel.TypeAuto},
		{"prose", []string{"hello", "world"}, sentinel.TypeAuto},
		{"access", []string{access, access, "junk"}, sentinel.TypeNginx},
		{"Apache's escapes", []string{access, strings.Replace(access, `"x"`, `"\"x"`, 1)}, sentinel.TypeApache},
		{"virtual hosts", []string{"www.example.com:80 " + access}, sentinel.TypeApache},
		{"nginx errors", []string{`2026/03/01 11:59:58 [error] 1#1: *2 x, client: 198.51.100.7, server: y`, `2026/03/01 11:59:58 [notice] 1#1: x`}, sentinel.TypeNginx},
		{"Apache errors", []string{`[Sun Mar 01 11:59:58 2026] [core:notice] [pid 7] AH00094: x`}, sentinel.TypeApache},
		{"sshd", []string{head + failedRoot, head + "x"}, sentinel.TypeSSH},
		{"auth.log", []string{head + failedRoot, cron, cron}, sentinel.TypeSyslog},
		{"kernel", []string{"Mar  1 11:59:58 web1 kernel: IN=eth0 OUT= SRC=198.51.100.7 DST=192.0.2.1 PROTO=UDP", "Mar  1 11:59:58 web1 kernel: x"}, sentinel.TypeKernel},
		{"JSON", []string{`{"a":1}`}, sentinel.TypeJSON},
		{"audit", []string{`type=SYSCALL msg=audit(1.2:3): x`}, sentinel.TypeAudit},
		{"first hundred", append(slices.Repeat([]string{access}, 100), slices.Repeat([]string{cron}, 500)...), sentinel.TypeNginx},
	} {
		if got := Guess(c.lines); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestShape(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", ""},
		{"login from 198.51.100.7:22 failed 17 times", "login from <ip> failed # times"},
		{"peer 2001:db8::17: gone.", "peer <ip>: gone."},
		{`user "bob" and 'al' it's`, `user "*" and '*' it's`},
		{"id deadbeef01 0x7ffe12ab abc9 ab12 build-1.2.3", "id # # abc# ab# build-#.#.#"},
		{"12:34:56 x\x1b[2J\xff", "#:#:# x?[#J?"},
		{`open "quote`, `open "quote`},
		{strings.Repeat("word ", 100), strings.Repeat("word ", 40)},
	} {
		if got := Shape(c.line); got != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

func TestParseType(t *testing.T) {
	for _, typ := range []sentinel.SourceType{
		sentinel.TypeAuto, sentinel.TypeSSH, sentinel.TypeNginx, sentinel.TypeApache, sentinel.TypeSyslog, sentinel.TypeKernel, sentinel.TypeFirewall,
		sentinel.TypeAudit, sentinel.TypeMail, sentinel.TypeFTP, sentinel.TypeDNS, sentinel.TypeDB, sentinel.TypeJSON, sentinel.TypeApp,
	} {
		if got, err := ParseType(string(typ)); err != nil || got != typ {
			t.Errorf("%q: %q, %v", typ, got, err)
		}
	}
	for name, want := range map[string]sentinel.SourceType{
		"system": sentinel.TypeSyslog, "lighttpd": sentinel.TypeAuto, "haproxy": sentinel.TypeAuto, "traefik": sentinel.TypeAuto,
		"fail2ban": sentinel.TypeSyslog, " SSHD ": sentinel.TypeSSH, "postfix": sentinel.TypeMail,
	} {
		if got, err := ParseType(name); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := ParseType("nonsense"); err == nil || !strings.Contains(err.Error(), "nginx") {
		t.Errorf("error %v does not list the types", err)
	}
}

// A parser follows its source: the format may change from line to line.
func TestMixedFormats(t *testing.T) {
	p := New(Config{})
	for range 2 {
		for _, h := range hot {
			if h.name == "nginx_error" {
				continue
			}
			for _, line := range h.lines {
				var ev sentinel.Event
				if ok := p.Parse(line, arrival, arrival, &ev); ok == (line == "no known format at all") {
					t.Errorf("%q: understood %v", line, ok)
				}
			}
		}
	}
}
