package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// alive reports whether the victim still echoes on a connection.
var alive = netnstest.Alive

// checkFault runs the agent on a faulty configuration.
func checkFault(t *testing.T, args []string, place string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "sentinel-agent"), args...)
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	if text := string(out); !strings.Contains(text, place) || strings.Contains(text, "goroutine ") {
		t.Errorf("%s\nwant %s and no stack trace", text, place)
	}
}

// marker is a rule that matches one made-up request.
func marker(id, path string) string {
	return `---
id: ` + id + `
name: marker
severity: CRITICAL
confidence: 0.95
type: scanner
log_source: web
conditions: {field: http.path, equals: ` + path + `}
`
}

// request is a line of an access log.
func request(from, target string) string {
	return from + " - - [" + time.Now().Format("02/Jan/2006:15:04:05 -0700") + `] "GET ` + target + ` HTTP/1.1" 200 5 "-" "Mozilla/5.0"`
}

func TestFaultReload(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dir := tempDir(t)
	first := newLog(t, filepath.Join(dir, "first.log"))
	second := newLog(t, filepath.Join(dir, "second.log"))
	s := settings{logs: map[string]string{first.path: "nginx"}}
	a := newAgent(t, l.victim, s)
	must(t, os.WriteFile(a.path("rules/one.yml"), []byte(marker("MARK_ONE", "/mark-one")), 0o644))
	must(t, os.WriteFile(a.path("rules/two.yml"), []byte(marker("MARK_TWO", "/mark-two")), 0o644))
	a.start(t)
	a.ready(t)

	t.Run("D06 a faulty configuration changes nothing", func(t *testing.T) {
		before := a.status()
		must(t, os.WriteFile(a.path("config.yml"), []byte(a.config(s)+"respones: {}\n"), 0o644))
		a.signal(syscall.SIGHUP)
		after := a.expect(t, "the fault is in the status", func(s *control.Status) bool { return s.ConfigError != "" })
		if after.Generation != before.Generation || !strings.Contains(after.ConfigError, "config.yml:") || after.Health != control.HealthDegraded {
			t.Errorf("generation %d (before: %d), health %s, error %q", after.Generation, before.Generation, after.Health, after.ConfigError)
		}
		first.write(t, request(evil[0].String(), "/mark-one"))
		l.cut(t, evil[0])
	})
	t.Run("a good configuration takes effect", func(t *testing.T) {
		s.logs[second.path] = "nginx"
		s.rules = []string{"disabled: [MARK_TWO]"}
		a.configure(t, s)
		before := a.status()
		a.signal(syscall.SIGHUP)
		a.expect(t, "the new configuration is in force", func(s *control.Status) bool {
			return s.Generation == before.Generation+1 && s.ConfigError == "" && s.Rules.Disabled == before.Rules.Disabled+1
		})
		// What was read is not read again; what is new is.
		second.write(t, request(evil[1].String(), "/mark-two"), request(evil[2].String(), "/mark-one"))
		l.cut(t, evil[2])
		l.open(t, evil[1])
		if got := linesOf(a.status(), first.path); got != 1 {
			t.Errorf("%d lines of the first log were read, want 1", got)
		}
	})
	t.Run("D02 a broken rule is left out and named", func(t *testing.T) {
		broken := strings.Replace(marker("BROKEN", "/x"), "equals: /x", `re: "("`, 1)
		must(t, os.WriteFile(a.path("rules/three.yml"), []byte(marker("MARK_THREE", "/mark-three")+broken), 0o644))
		before := a.status()
		a.signal(syscall.SIGHUP)
		after := a.expect(t, "the rules are read again", func(s *control.Status) bool { return s.Generation > before.Generation })
		if after.Rules.Skipped != before.Rules.Skipped+1 || after.Rules.Loaded != before.Rules.Loaded+1 || after.Health != control.HealthDegraded {
			t.Errorf("%d rules left out, %d loaded (before: %d), health %s", after.Rules.Skipped, after.Rules.Loaded, before.Rules.Loaded, after.Health)
		}
		named := false
		for _, p := range after.Rules.Problems {
			named = named || p.File == a.path("rules/three.yml") && p.Line > 0 && p.RuleID == "BROKEN"
		}
		if !named {
			t.Errorf("the problems %+v do not name the rule and its place", after.Rules.Problems)
		}
		first.write(t, request(evil[3].String(), "/mark-three"))
		l.cut(t, evil[3])
	})
	t.Run("D05 a rule file that others can write is refused", func(t *testing.T) {
		must(t, os.WriteFile(a.path("rules/four.yml"), []byte(marker("MARK_FOUR", "/mark-four")), 0o644))
		must(t, os.Chmod(a.path("rules/four.yml"), 0o666))
		before := a.status()
		a.signal(syscall.SIGHUP)
		after := a.expect(t, "the rules are read again", func(s *control.Status) bool { return s.Generation > before.Generation })
		if after.Rules.Loaded != before.Rules.Loaded || after.Rules.Skipped != before.Rules.Skipped+1 {
			t.Errorf("%d rules loaded, %d left out; before %d and %d", after.Rules.Loaded, after.Rules.Skipped, before.Rules.Loaded, before.Rules.Skipped)
		}
	})
}
