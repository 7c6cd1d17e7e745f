package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// prefix is a header of syslog for lines that have one.
func prefix(format string) string {
	if strings.HasPrefix(format, "{") {
		return ""
	}
	return "Feb  9 14:00:00 victim "
}

// within waits until the status is as wanted, for a time.
func (a *agentProc) within(t *testing.T, limit time.Duration, what string, f func(*control.Status) bool) {
	t.Helper()
	netnstest.Eventually(t, limit, what, func() bool {
		s := a.status()
		return s != nil && f(s)
	})
}

// An agent that cannot see says so, once, and says when it sees again.
func TestFaultBlind(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dir := tempDir(t)
	logs := map[string]*logFile{}
	paths := map[string]string{}
	for _, name := range []string{"denied", "format", "renamed", "gone"} {
		logs[name] = newLog(t, filepath.Join(dir, name+".log"))
		paths[logs[name].path] = "ssh"
	}
	a := newAgent(t, l.victim, settings{logs: paths, response: []string{"firewall: {backend: dryrun}"}})
	a.user = &syscall.Credential{Uid: 65534, Gid: 65534}
	must(t, chown(a.dir, 65534))
	a.start(t)
	a.ready(t)
	lines := func(n int, format string) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf(prefix(format)+format, i))
		}
		return out
	}
	// Each user comes once, from an address of its own network: nothing to block.
	usual := "sshd[%d]: Accepted publickey for operator from 192.0.2.7 port 4242 ssh2: ED25519 SHA256:x"
	for _, log := range logs {
		log.write(t, lines(300, usual)...)
		a.read(t, log.path, 300)
	}
	// The agent looks at its sources each five seconds.
	time.Sleep(6 * time.Second)
	for _, c := range []struct {
		row, log    string
		cause, mend func()
	}{
		{"C22 permission is lost", "denied",
			func() { must(t, os.Chmod(logs["denied"].path, 0)) }, func() { must(t, os.Chmod(logs["denied"].path, 0o644)) }},
		{"C22 the format changes", "format",
			func() { logs["format"].write(t, lines(60, "{{{%d")...) }, func() { logs["format"].write(t, lines(60, usual)...) }},
		{"C22 the program is renamed", "renamed",
			func() { logs["renamed"].write(t, lines(80, "mysshd[%d]: Accepted publickey, as ever")...) },
			func() { logs["renamed"].write(t, lines(60, usual)...) }},
		{"C22 the file is gone", "gone",
			func() { must(t, os.Remove(logs["gone"].path)) },
			func() { newLog(t, logs["gone"].path).write(t, lines(60, usual)...) }},
	} {
		t.Run(c.row, func(t *testing.T) {
			path := logs[c.log].path
			begin := time.Now()
			c.cause()
			a.within(t, time.Minute, path+" is blind", func(s *control.Status) bool { return hasAlarm(s, "source_blind", path) })
			t.Logf("after %s", time.Since(begin).Round(time.Second))
			if s := a.status(); s.Health != control.HealthDegraded {
				t.Errorf("health %s", s.Health)
			}
			c.mend()
			a.within(t, time.Minute, path+" sees again", func(s *control.Status) bool { return hasAlarm(s, "source_recovered", path) })
			blind := 0
			for _, al := range a.status().Alarms {
				if al.Kind == "source_blind" && strings.Contains(al.Text, path) {
					blind++
				}
			}
			if blind != 1 {
				t.Errorf("%d alarms, want 1", blind)
			}
		})
	}
}
