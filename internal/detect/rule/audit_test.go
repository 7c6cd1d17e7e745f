package rule

import (
	"slices"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// TestAuditFields holds how the fields of programs, files and audit records are
// compared, found by the index and shown.
func TestAuditFields(t *testing.T) {
	ev := func() *sentinel.Event {
		ev := &sentinel.Event{}
		ev.Reset()
		ev.Type, ev.SourceType = sentinel.EventExec, sentinel.TypeAudit
		ev.Message = "arch=c000003e"
		ev.Exec = sentinel.Exec{Image: "/usr/bin/bash", Cmdline: "bash -i", Cwd: "/tmp", ParentImage: "/usr/sbin/nginx", ParentCmdline: "nginx: worker", PID: 7, PPID: 6}
		ev.File = "/etc/ld.so.preload"
		ev.Fields = []sentinel.Field{{Name: "type", Value: "SYSCALL"}, {Name: "type", Value: "PATH"}, {Name: "a0", Value: "2"}, {Name: "name", Value: "/etc/"},
			{Name: "name", Value: "/etc/ld.so.preload"}, {Name: "a1[0]", Value: "x"}}
		return ev
	}
	for _, x := range []struct {
		name, cond string
		want       bool
		field      string // of the first evidence
	}{
		{"image", "{field: exec.image, endswith: /bash}", true, "exec.image"},
		{"parent", "{exec.parent_image|endswith: /nginx, exec.image|contains: bash}", true, ""},
		{"parent's command line", "{field: exec.parent_cmdline, startswith: 'nginx: w'}", true, ""},
		{"folder", "{field: exec.cwd, equals: [/tmp, /dev/shm]}", true, ""},
		{"file", "{field: file.path, pattern: '^/etc/ld\\.so\\.preload$'}", true, "file.path"},
		{"ids", "{exec.ppid: 6, exec.pid: 7}", true, ""},
		{"one of many", "{field: audit.name, equals: /etc/ld.so.preload}", true, "audit.name"},
		{"all of many", "{field: audit.type|all, equals: [SYSCALL, PATH]}", true, "audit.type"},
		{"not all of many", "{field: audit.type|all, equals: [SYSCALL, CWD]}", false, ""},
		{"any name", "{field: audit.*, pattern: 'preload$'}", true, "audit.name"},
		{"a pattern", "{field: audit.name, pattern: '^/etc/$'}", true, "audit.name"},
		{"a name of another field", "{field: audit.a0, contains: preload}", false, ""},
		{"the case of a name", "{field: audit.Type, equals: SYSCALL}", false, ""},
		{"a part of an argument", "{field: 'audit.a1[0]', equals: x}", true, ""},
		{"there", "{field: audit.a0, exists: true}", true, ""},
		{"not there", "{field: audit.a9, exists: true}", false, ""},
		{"absent", "{field: audit.a9, exists: false}", true, ""},
		{"longer", "{field: audit.name, length_gt: 10}", true, "audit.name"},
		{"none so long", "{field: audit.name, length_gt: 100}", false, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			rules, problems := ParseFile("x.yml", []byte("id: X_X\nname: x\nseverity: LOW\nlog_source: audit\nconditions: "+x.cond+"\n"))
			set, more := Compile(rules)
			for _, p := range append(problems, more...) {
				t.Fatal(p)
			}
			m := set.NewMatcher()
			e := ev()
			got := m.Match(e)
			if len(got) == 1 != x.want {
				t.Fatalf("%d matches, want %t", len(got), x.want)
			}
			if x.field == "" {
				return
			}
			ev := m.Evidence(e, got[0])
			if !slices.ContainsFunc(ev, func(v sentinel.Evidence) bool { return v.Field == x.field }) {
				t.Errorf("evidence %+v, want field %s", ev, x.field)
			}
		})
	}
}

// TestAuditCaptures holds that a pattern over raw fields captures as others do.
func TestAuditCaptures(t *testing.T) {
	rules, _ := ParseFile("x.yml", []byte("id: X_X\nname: x\nseverity: LOW\nconditions: {field: audit.addr, pattern: '^(?P<attacker_ip>[0-9.]+)$'}\n"))
	set, _ := Compile(rules)
	e := &sentinel.Event{Fields: []sentinel.Field{{Name: "acct", Value: "198.51.100.1"}, {Name: "addr", Value: "203.0.113.9"}}}
	got := set.NewMatcher().Match(e)
	if len(got) != 1 || got[0].Addr.String() != "203.0.113.9" {
		t.Errorf("got %+v", got)
	}
}
