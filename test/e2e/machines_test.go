package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// These are the kinds of hosts that the agent is meant for. On each the drill
// passes, and names what is planted.

func TestFaultDrillUFW(t *testing.T) {
	t.Parallel()
	need(t, "ufw")
	l := newLab(t)
	ssh := startSSHD(t, l)
	u := newUFW(t, l)
	u.run(t, "allow", "22/tcp")
	u.run(t, "allow", "7/tcp")
	u.run(t, "--force", "enable")
	logs := map[string]string{ssh.log: "ssh"}
	t.Run("E20 the drill passes beside ufw", func(t *testing.T) {
		a := runAgent(t, l.victim, settings{logs: logs})
		l.doctor(t, a, "--drill").passes(t, "log", "established", "counter")
		l.left(t, a)
		a.stop(t)
		l.tool(t, "nft", "delete", "table", "inet", "sentinel")
	})
	t.Run("E20 the backend ufw and a published port", func(t *testing.T) {
		l.container(t, "iptables")
		a := newAgent(t, l.victim, settings{logs: logs, response: []string{"firewall: {backend: ufw}"}})
		a.shell = u.mounts
		a.start(t)
		a.ready(t)
		d := l.doctor(t, a, "--drill")
		d.names(t, "published-order")
		d.names(t, "ufw-order")
		l.left(t, a)
	})
}

func TestFaultDrillDocker(t *testing.T) {
	t.Parallel()
	l, a, _ := drillLab(t, settings{})
	l.container(t, "iptables")
	t.Run("E20 the drill passes with published ports", func(t *testing.T) {
		d := l.doctor(t, a, "--drill")
		d.passes(t, "log", "established", "counter")
		if !strings.Contains(d.text, "8080 (published, to 172.17.0.2:80)") {
			t.Errorf("the published port was not tried:\n%s", d.text)
		}
		l.left(t, a)
	})
}

func TestFaultDrillIPTables(t *testing.T) {
	t.Parallel()
	need(t, "iptables", "ipset")
	l, a, _ := drillLab(t, settings{response: []string{"firewall: {backend: iptables}"}})
	l.container(t, "iptables")
	t.Run("E20 the drill passes with iptables only", func(t *testing.T) {
		l.doctor(t, a, "--drill").passes(t, "log", "established", "counter")
		l.left(t, a)
	})
	t.Run("E20 a rule before ours accepts", func(t *testing.T) {
		l.tool(t, "iptables", "-t", "raw", "-I", "PREROUTING", "-j", "ACCEPT")
		l.doctor(t, a, "--drill").names(t, "accepted-earlier")
		l.tool(t, "iptables", "-t", "raw", "-D", "PREROUTING", "-j", "ACCEPT")
		l.left(t, a)
	})
	t.Run("E20 another program flushes iptables", func(t *testing.T) {
		stop := l.again(t, "iptables", "-t", "raw", "-F", "PREROUTING")
		l.doctor(t, a, "--drill").names(t, "hook-missing", "flushed")
		stop()
	})
}

func TestFaultDrillJournal(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ssh := startSSHD(t, l)
	h := startJournalHost(t, l, settings{})
	ssh.divert(func(line string) {
		if _, text, ok := strings.Cut(line, "]: "); ok {
			h.sshd(t, 0, text)
		}
	})
	t.Run("E20 the drill passes with the journal only", func(t *testing.T) {
		d := l.doctor(t, h.agentProc, "--drill")
		d.passes(t, "log", "established", "counter")
		if !strings.Contains(d.text, "is read (journal)") {
			t.Errorf("the line of sshd was not read from the journal:\n%s", d.text)
		}
		l.left(t, h.agentProc)
	})
	t.Run("E20 journald is dead", func(t *testing.T) {
		ssh.divert(func(string) {})
		h.killJournald(t)
		l.doctor(t, h.agentProc, "--drill").names(t, "log-unread", "log-unknown")
		l.left(t, h.agentProc)
	})
}

// The agent as its unit runs it: an ordinary user with one capability.
func TestFaultDrillPrivileges(t *testing.T) {
	t.Parallel()
	const nobody, logGroup = 65534, 4242
	l := newLab(t)
	ssh := startSSHD(t, l)
	must(t, os.Chown(ssh.log, 0, logGroup))
	must(t, os.Chmod(ssh.log, 0o640))
	a := newAgent(t, l.victim, settings{logs: map[string]string{ssh.log: "ssh"}})
	must(t, chown(a.dir, nobody))
	again := func(t *testing.T, groups []uint32, caps ...uintptr) {
		t.Helper()
		if a.proc != nil {
			a.stop(t)
		}
		a.user, a.caps = &syscall.Credential{Uid: nobody, Gid: nobody, Groups: groups}, caps
		a.start(t)
		a.expect(t, "the agent answers", func(s *control.Status) bool {
			return len(s.Sources) == 1 && (s.Firewall.Healthy || s.Firewall.Error != "")
		})
	}
	t.Run("E20 the drill passes with an agent of least privilege", func(t *testing.T) {
		again(t, []uint32{logGroup}, unix.CAP_NET_ADMIN)
		l.doctor(t, a, "--drill").passes(t, "log", "established", "counter")
		l.left(t, a)
	})
	t.Run("E20 the log is denied", func(t *testing.T) {
		again(t, nil, unix.CAP_NET_ADMIN)
		l.doctor(t, a, "--drill").names(t, "log-unread")
		l.left(t, a)
	})
	t.Run("E20 the capability is missing", func(t *testing.T) {
		l.tool(t, "nft", "delete", "table", "inet", "sentinel")
		again(t, []uint32{logGroup})
		d := l.doctor(t, a, "--drill")
		d.names(t, "refused")
		if !strings.Contains(d.text, "CAP_NET_ADMIN is missing") {
			t.Errorf("the missing capability is not named:\n%s", d.text)
		}
	})
}

// ufwHost is the real ufw in the victim's namespace, on files of its own.
type ufwHost struct {
	l *lab
	// mounts are commands that put its files into a mount namespace.
	mounts string
}

func newUFW(t *testing.T, l *lab) *ufwHost {
	t.Helper()
	dir := tempDir(t)
	for _, command := range []string{
		"cp -a /etc/ufw %s/etc", "cp -a /etc/default/ufw %s/default", "mkdir %s/run",
		"sed -i s/^IPT_SYSCTL=.*/IPT_SYSCTL=/ %s/default", "sed -i s/^IPV6=.*/IPV6=yes/ %s/default",
	} {
		words := strings.Fields(fmt.Sprintf(command, dir))
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", words, err, out)
		}
	}
	return &ufwHost{l, fmt.Sprintf("mount --make-rprivate /; mount --bind %[1]s/etc /etc/ufw; mount --bind %[1]s/default /etc/default/ufw; mount --bind %[1]s/run /run", dir)}
}

// run runs ufw with arguments.
func (u *ufwHost) run(t *testing.T, args ...string) {
	t.Helper()
	u.l.tool(t, "unshare", append([]string{"-m", "/bin/sh", "-ec", u.mounts + `; exec /usr/sbin/ufw "$@"`, "sh"}, args...)...)
}

// again runs a program in the victim's namespace again and again.
func (l *lab) again(t *testing.T, name string, args ...string) (stop func()) {
	t.Helper()
	path, err := lookPath(name)
	must(t, err)
	script := filepath.Join(tempDir(t), "again")
	must(t, os.WriteFile(script, []byte("#!/bin/sh\nwhile :; do \"$@\" 2>/dev/null; sleep 0.05; done\n"), 0o755))
	p := start(t, l.victim, exec.Command(script, append([]string{path}, args...)...))
	return p.kill
}
