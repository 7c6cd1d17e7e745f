package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// journalHost is an agent beside a real systemd-journald, in a mount namespace
// that hides the host's journal and logs.
type journalHost struct {
	*agentProc
}

const runJournald = `/lib/systemd/systemd-journald >/dev/null 2>&1 & echo $! >%[1]s/journald.pid
for i in $(seq 200); do test -S /run/systemd/journal/socket && break; sleep 0.05; done
`

// startJournalHost starts journald and then the agent.
func startJournalHost(t *testing.T, l *lab, s settings) *journalHost {
	t.Helper()
	need(t, "journalctl", "logger", "nsenter")
	s.discovery = true
	a := newAgent(t, l.victim, s)
	h := &journalHost{a}
	// Somebody who bears sshd's name.
	logger, err := lookPath("logger")
	must(t, err)
	data, err := os.ReadFile(logger)
	must(t, err)
	must(t, os.WriteFile(a.path("sshd"), data, 0o755))
	a.shell = fmt.Sprintf(`mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mount -t tmpfs tmpfs /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/urandom c 1 9
mkdir -p /run/systemd /var/log/journal
echo '2026-01-31T10:00:00+00:00 h sshd[1]: Server listening on 0.0.0.0 port 22.' >/var/log/auth.log
cp /var/log/auth.log /var/log/vsftpd.log
`+runJournald, a.dir)
	t.Cleanup(func() { h.killJournald(t) })
	a.start(t)
	a.ready(t)
	return h
}

func (h *journalHost) killJournald(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(h.path("journald.pid"))
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// run runs a program where the agent sees its files, as a user.
func (h *journalHost) run(t *testing.T, uid int, stdin string, args ...string) string {
	t.Helper()
	user := strconv.Itoa(uid)
	cmd := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(h.cmd.Process.Pid), "-m", "-S", user, "-G", user, "--"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("running %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// sshd writes lines to syslog as a process called sshd would, all of one
// process.
func (h *journalHost) sshd(t *testing.T, uid int, lines ...string) {
	t.Helper()
	h.run(t, uid, strings.Join(lines, "\n")+"\n", h.path("sshd"), "--socket", "/run/systemd/journal/dev-log", "-t", "sshd")
}

func journalLines(s *control.Status) uint64 { return linesOf(s, "journal") }

// attempt is what sshd writes about one failed login.
func attempt(from string) []string {
	return []string{
		"Invalid user guest from " + from + " port 4242",
		"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=" + from,
		"Failed password for invalid user guest from " + from + " port 4242 ssh2",
	}
}

func TestFaultJournald(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dir := tempDir(t)
	file := newLog(t, filepath.Join(dir, "auth.log"))
	h := startJournalHost(t, l, settings{logs: map[string]string{file.path: "ssh"}})
	journalOf := func() control.SourceStatus {
		for _, src := range h.status().Sources {
			if src.ID == "journal" {
				return src
			}
		}
		return control.SourceStatus{}
	}

	t.Run("the journal is found, and what syslog copies from it left out", func(t *testing.T) {
		var found *control.DiscoverResult
		within(t, func(ctx context.Context) (err error) {
			found, err = h.client(t).Discover(ctx)
			return err
		})
		got := map[string]string{}
		for _, x := range found.Logs {
			got[x.Path] = x.State
		}
		for path, state := range map[string]string{"journal": control.LogRead, "/var/log/auth.log": control.LogCopy, "/var/log/vsftpd.log": control.LogRead} {
			if got[path] != state {
				t.Errorf("%s is %q, want %q", path, got[path], state)
			}
		}
	})
	t.Run("B09 a local user writes lines of sshd", func(t *testing.T) {
		before := journalLines(h.status())
		for range 10 {
			h.run(t, 65534, "", "logger", "--socket", "/run/systemd/journal/dev-log", "-t", "sshd", "Failed password for root from "+forged+" port 22 ssh2")
			h.sshd(t, 65534, attempt(forged)...)
		}
		until(t, "the lines are read", func() bool { return journalLines(h.status()) >= before+40 })
		if b := h.blocks(t); len(b) > 0 {
			t.Errorf("blocked are %v", b)
		}
		if th := h.threats(t); len(th) > 0 {
			t.Errorf("threats: %+v", th)
		}
	})
	t.Run("C24 one event in auth.log and in the journal", func(t *testing.T) {
		from := evil[0].String()
		seen := map[string]bool{}
		// Writes an attempt, and copies into the file what is new in the journal.
		try := func() {
			h.sshd(t, 0, attempt(from)...)
			until(t, "the attempt is in the file", func() bool {
				copied := 0
				for _, line := range strings.Split(h.run(t, 0, "", "journalctl", "-q", "-o", "short", "--no-hostname", "-t", "sshd"), "\n") {
					if strings.Contains(line, from) && !seen[line] {
						seen[line] = true
						host, err := os.Hostname()
						must(t, err)
						file.write(t, line[:16]+host+" "+line[16:])
						copied++
					}
				}
				return copied > 0
			})
		}
		for range 4 {
			try()
		}
		until(t, "both are read", func() bool {
			return linesOf(h.status(), file.path) == uint64(len(seen)) && len(seen) >= 12
		})
		if b := h.blocks(t); len(b) > 0 {
			t.Errorf("four attempts count as more: %v", b)
		}
		try()
		l.cut(t, evil[0])
	})
	t.Run("C22 journald is killed", func(t *testing.T) {
		h.killJournald(t)
		until(t, "it is said", func() bool { return journalOf().State == "failing" })
		if r := h.status().Reasons; !slices.ContainsFunc(r, func(s string) bool { return strings.Contains(s, "systemd-journald does not run") }) {
			t.Errorf("reasons %q", r)
		}
		h.expect(t, "an alarm", func(s *control.Status) bool { return hasAlarm(s, "source_blind", "journal") })
	})
	t.Run("C23 journald is started again", func(t *testing.T) {
		h.run(t, 0, "", "sh", "-c", fmt.Sprintf(runJournald, h.dir))
		until(t, "it is well", func() bool { return journalOf().State == "active" })
		for range 6 {
			h.sshd(t, 0, attempt(evil[1].String())...)
		}
		l.cut(t, evil[1])
	})
	t.Run("C23 rotation and vacuum", func(t *testing.T) {
		h.run(t, 0, "", "journalctl", "-q", "--rotate", "--vacuum-size=1")
		for range 6 {
			h.sshd(t, 0, attempt(evil[2].String())...)
		}
		l.cut(t, evil[2])
		if src := journalOf(); src.Losses != 0 {
			t.Errorf("losses %d: %s", src.Losses, src.Reason)
		}
	})
	t.Run("journalctl ends with a killed agent", func(t *testing.T) {
		children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", h.cmd.Process.Pid))
		must(t, err)
		reader := ""
		for _, file := range children {
			text, err := os.ReadFile(file)
			must(t, err)
			for _, pid := range strings.Fields(string(text)) {
				if comm, _ := os.ReadFile("/proc/" + pid + "/comm"); string(comm) == "journalctl\n" {
					reader = pid
				}
			}
		}
		if reader == "" {
			t.Fatal("the agent has no journalctl")
		}
		h.kill()
		until(t, "journalctl is gone", func() bool {
			comm, err := os.ReadFile("/proc/" + reader + "/comm")
			return err != nil || string(comm) != "journalctl\n"
		})
	})
}
