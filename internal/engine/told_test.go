package engine

import (
	"strings"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// TestTold holds that a rule is taken once for an event that several lines tell,
// at the first line after which it holds, also where events are mixed.
func TestTold(t *testing.T) {
	rules, problems := rule.ParseFile("x.yml", []byte(strings.Join([]string{
		"{id: X_IMAGE, name: x, severity: LOW, log_source: audit, conditions: {exec.image: /bin/nc}}",
		"{id: X_ARGS, name: x, severity: LOW, log_source: audit, conditions: {event_type: exec, exec.cmdline|contains: ' -e '}}",
		"{id: X_FOLDER, name: x, severity: LOW, log_source: audit, conditions: {event_type: exec, exec.cwd: /tmp, audit.type|all: [SYSCALL, CWD]}}",
		"{id: X_COUNT, name: x, severity: LOW, log_source: audit, conditions: {event_type: exec}, aggregation: {group_by: program, window: 1m, threshold: 3}}",
	}, "\n---\n")))
	set, more := rule.Compile(rules)
	for _, p := range append(problems, more...) {
		t.Fatal(p)
	}
	e := New(Config{Set: set, DetectOnly: true})
	src := e.NewSource("audit", parse.Config{Type: "audit"})
	line := func(serial, rest string) string {
		kind, rest, _ := strings.Cut(rest, " ")
		return "type=" + kind + " msg=audit(1772366398.123:" + serial + "): " + rest
	}
	call := `SYSCALL arch=c000003e syscall=59 success=yes ppid=1 pid=2 auid=0 uid=0 comm="nc" exe="/bin/nc"`
	for i, x := range []struct{ line, matches, fires string }{
		{line("1", call), "X_IMAGE", "X_IMAGE"},
		{line("2", call), "X_IMAGE", "X_IMAGE"},
		{line("1", `EXECVE argc=3 a0="nc" a1="-e" a2="x"`), "X_ARGS X_COUNT", "X_ARGS"},
		{line("2", `EXECVE argc=3 a0="nc" a1="-e" a2="x"`), "X_ARGS X_COUNT", "X_ARGS"},
		{line("1", `CWD cwd="/tmp"`), "X_FOLDER", "X_FOLDER"},
		{line("1", `PROCTITLE proctitle="nc"`), "", ""},
		{line("2", `CWD cwd="/"`), "", ""},
		{line("2", `PROCTITLE proctitle="nc"`), "", ""},
		{line("3", `EXECVE argc=1 a0="/x/nc"`), "X_COUNT", "X_COUNT"},
		{line("4", call), "X_IMAGE", "X_IMAGE"},
		{line("4", `EXECVE argc=1 a0="nc"`), "X_COUNT", ""},
	} {
		st := e.Line(src, x.line, noon, noon)
		var matches, fires []string
		for _, m := range st.Matches {
			matches = append(matches, set.Rule(int(m.Rule)).ID)
		}
		for _, r := range st.Results {
			if r.Fired {
				fires = append(fires, set.Rule(int(r.Rule)).ID)
			}
		}
		if got := strings.Join(matches, " "); got != x.matches {
			t.Errorf("line %d: matches %q, want %q", i+1, got, x.matches)
		}
		if got := strings.Join(fires, " "); got != x.fires {
			t.Errorf("line %d: fires %q, want %q", i+1, got, x.fires)
		}
	}
}

// TestToldTwice holds that an audit event which both the audit daemon and the
// journal write down is one.
func TestToldTwice(t *testing.T) {
	rules, _ := rule.ParseFile("x.yml", []byte("{id: X_X, name: x, severity: LOW, log_source: audit, conditions: {exec.image: /bin/nc}}"))
	set, _ := rule.Compile(rules)
	e := New(Config{Set: set, DetectOnly: true})
	record := `type=SYSCALL msg=audit(1772366398.123:1): arch=c000003e syscall=59 success=yes ppid=1 pid=2 auid=0 uid=0 exe="/bin/nc" key=(null)`
	fired := 0
	for _, x := range []struct{ source, line string }{
		{"/var/log/audit/audit.log", record + "\x1dARCH=x86_64 SYSCALL=execve AUID=\"root\""},
		{"journal", "2026-03-01T11:59:58.123000Z h audit[2]: " + record},
		{"journal", "2026-03-01T11:59:58.123000Z h audit[2]: " + strings.Replace(record, ":1)", ":2)", 1)},
	} {
		for _, r := range e.Line(e.NewSource(x.source, parse.Config{}), x.line, noon, noon).Results {
			if r.Fired {
				fired++
			}
		}
	}
	if fired != 2 {
		t.Errorf("fired %d times, want 2", fired)
	}
}
