package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// ctl runs sentinelctl on the victim and returns its output and exit code.
func (l *lab) ctl(t *testing.T, a *agentProc, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(filepath.Join(bin, "sentinelctl"), append([]string{"--config", a.path("config.yml")}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	var err error
	l.victim.Do(func() { err = cmd.Run() })
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// A person at a terminal: what is going on, who is it, block, unblock, panic.
func TestFaultSentinelctl(t *testing.T) {
	t.Parallel()
	must(t, sentinelctl())
	l := newLab(t)
	a, log := quiet(t, l)
	log.write(t, failures(evil[0].String(), 10)...)
	l.cut(t, evil[0])
	attacker, other := evil[0].String(), evil[1].String()
	// wants runs a command that should succeed and say something.
	wants := func(t *testing.T, says string, args ...string) string {
		t.Helper()
		out, errs, code := l.ctl(t, a, args...)
		if code != 0 || !strings.Contains(out, says) {
			t.Errorf("sentinelctl %q: exit code %d, want 0 and %q in\n%s%s", args, code, says, out, errs)
		}
		return out
	}
	// fails runs one that should not, and say what would be right.
	fails := func(t *testing.T, want int, args ...string) {
		t.Helper()
		out, errs, code := l.ctl(t, a, args...)
		if code != want || errs == "" || strings.Contains(errs, "goroutine ") {
			t.Errorf("sentinelctl %q: exit code %d, want %d and a reason in\n%s%s", args, code, want, out, errs)
		}
	}
	t.Run("status, threats and an explanation", func(t *testing.T) {
		wants(t, "protect", "status")
		if out := wants(t, attacker, "threats"); strings.Contains(out, "\x1b") {
			t.Errorf("colours in what is no terminal: %q", out)
		}
		var list struct {
			Threats []control.ThreatRow `json:"threats"`
		}
		text := wants(t, attacker, "threats", "--format", "json")
		if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Threats) == 0 {
			// A plain list is as good.
			if err := json.Unmarshal([]byte(text), &list.Threats); err != nil || len(list.Threats) == 0 {
				t.Fatalf("%v: %s", err, text)
			}
		}
		wants(t, attacker, "ai", "explain", list.Threats[0].ShortID)
		wants(t, attacker, "blocklist")
		fails(t, 4, "ai", "explain", "nonesuch")
	})
	t.Run("block and unblock", func(t *testing.T) {
		wants(t, other, "block", other, "--duration", "1h", "--reason", "a test")
		l.cut(t, evil[1])
		if k := l.kernel(t); !slices.Equal(k, []string{attacker, other}) {
			t.Errorf("the kernel drops %v", k)
		}
		wants(t, other, "unblock", other)
		l.open(t, evil[1])
	})
	t.Run("A03 what is whitelisted is not blocked by hand", func(t *testing.T) {
		fails(t, 5, "block", "10.1.1.1")
	})
	t.Run("A10 networks that cut off everybody are refused", func(t *testing.T) {
		fails(t, 2, "block", "0.0.0.0/0")
		fails(t, 5, "block", "8.0.0.0/15")
		fails(t, 5, "block", victim4.String(), "--force")
		fails(t, 2, "block", "1.1.1.1; reboot")
		fails(t, 2, "block", "999.1.1.1")
	})
	t.Run("A13 unblock --all when the agent is dead", func(t *testing.T) {
		a.kill()
		fails(t, 3, "status")
		if l.reaches(evil[0]) {
			t.Error("the block went with the agent")
		}
		wants(t, "", "unblock", "--all", "--yes")
		l.open(t, evil[0])
		if k := l.kernel(t); k != nil {
			t.Errorf("the kernel drops %v", k)
		}
	})
}
