package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// TestFaultSandbox: the agent as it is shipped, run by root, works locked in,
// and what is outside stays outside.
func TestFaultSandbox(t *testing.T) {
	whole := t
	l := newLab(t)
	dir := tempDir(t)
	must(t, os.Mkdir(dir+"/logs", 0o755))
	log := newLog(t, dir+"/logs/auth.log")
	a := runAgent(t, l.victim, settings{logs: map[string]string{log.path: "ssh"}})

	t.Run("it is closed and says so", func(t *testing.T) {
		s := a.status()
		if s == nil || s.Sandbox == nil || s.Sandbox.Off || s.Sandbox.Landlock == 0 || !s.Sandbox.Seccomp || len(s.Sandbox.Problems) > 0 {
			t.Fatalf("%+v", s.Sandbox)
		}
		if slices.Contains(s.Sandbox.Capabilities, "CAP_SYS_ADMIN") || !slices.Contains(s.Sandbox.Capabilities, "CAP_NET_ADMIN") {
			t.Errorf("capabilities: %v", s.Sandbox.Capabilities)
		}
	})
	t.Run("it detects, blocks and stores", func(t *testing.T) {
		log.write(t, failures(evil[0].String(), 12)...)
		l.cut(t, evil[0])
		if s := a.status(); s.Database.Error != "" {
			t.Error(s.Database.Error)
		}
	})
	// Another part of the disk, with a file that any log reader would like.
	outside := tempDir(t)
	secret := filepath.Join(outside, "auth.log")
	must(t, os.WriteFile(secret, []byte(strings.Join(failures(evil[1].String(), 12), "\n")+"\n"), 0o644))

	t.Run("C14 a log becomes a link to a file outside", func(t *testing.T) {
		must(t, os.Rename(log.path, log.path+".1"))
		must(t, os.Symlink(secret, log.path))
		a.expect(t, "the link is refused", func(s *control.Status) bool {
			return len(s.Sources) == 1 && (s.Sources[0].State == "denied" || s.Sources[0].State == "refused" || s.Sources[0].State == "failing")
		})
		must(t, os.Remove(log.path))
		log = newLog(whole, log.path)
		a.ready(t)
		log.write(t, failures(evil[2].String(), 12)...)
		l.cut(t, evil[2])
	})
	t.Run("a reload that names a place outside: restart needed", func(t *testing.T) {
		a.configure(t, settings{logs: map[string]string{log.path: "ssh", secret: "ssh"}})
		within(t, func(ctx context.Context) error { _, err := a.client(t).Reload(ctx); return err })
		s := a.expect(t, "status says so", func(s *control.Status) bool {
			return slices.ContainsFunc(s.Reasons, func(r string) bool {
				return strings.Contains(r, outside) && strings.Contains(r, "restart needed")
			})
		})
		if linesOf(s, secret) != 0 {
			t.Errorf("%d lines were read", linesOf(s, secret))
		}
		// The rest goes on, with the new configuration.
		log.write(t, failures(evil[3].String(), 12)...)
		l.cut(t, evil[3])
		if l.isCut(t, evil[1]) {
			t.Error("what is outside had an effect")
		}
	})
	t.Run("F06 after a restart it reads there, and a damaged database is salvaged", func(t *testing.T) {
		if code := a.stop(t); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		f, err := os.OpenFile(a.path("db"), os.O_WRONLY, 0)
		must(t, err)
		info, err := f.Stat()
		must(t, err)
		_, err = f.WriteAt(bytes.Repeat([]byte{0xaa}, 8192), info.Size()/2&^4095)
		must(t, err)
		must(t, f.Close())
		a.start(t)
		a.ready(t)
		l.cut(t, evil[1])
		for _, from := range []int{0, 2, 3} {
			if !l.isCut(t, evil[from]) {
				t.Errorf("%s is not blocked any more", evil[from])
			}
		}
	})
}

// TestFaultLeastPrivilege: the agent as the unit runs it, an ordinary user with
// one capability who is in the group of the logs.
func TestFaultLeastPrivilege(t *testing.T) {
	const nobody, logGroup = 65534, 4242
	l := newLab(t)
	dir := tempDir(t)
	log := newLog(t, dir+"/auth.log")
	must(t, os.Chown(log.path, 0, logGroup))
	must(t, os.Chmod(log.path, 0o640))
	a := newAgent(t, l.victim, settings{logs: map[string]string{log.path: "ssh"}})
	must(t, chown(a.dir, nobody))
	a.user = &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{logGroup}}
	a.caps = []uintptr{unix.CAP_NET_ADMIN}
	a.start(t)
	a.ready(t)
	t.Run("CAP_NET_ADMIN and the group of the logs are enough", func(t *testing.T) {
		log.write(t, failures(evil[0].String(), 12)...)
		l.cut(t, evil[0])
		s := a.status()
		if want := []string{"CAP_NET_ADMIN"}; !slices.Equal(s.Sandbox.Capabilities, want) || len(s.Sandbox.Problems) > 0 {
			t.Errorf("sandbox %+v, want %v", s.Sandbox, want)
		}
		if s.Health != control.HealthOK {
			t.Errorf("%s: %v", s.Health, s.Reasons)
		}
	})
	t.Run("C16 without the group the log is denied, and status says so", func(t *testing.T) {
		a.stop(t)
		a.user.Groups = nil
		a.start(t)
		a.expect(t, "the log is denied", func(s *control.Status) bool {
			return len(s.Sources) == 1 && s.Sources[0].State == "denied" && s.Health == control.HealthDegraded
		})
	})
}

// TestFaultSandboxFirewalls: the sandbox lets the agent run what its firewall is
// made of, also that of an earlier start.
func TestFaultSandboxFirewalls(t *testing.T) {
	need(t, "iptables", "ip6tables", "ipset")
	l := newLab(t)
	dir := tempDir(t)
	log := newLog(t, dir+"/auth.log")
	use := func(backend string) settings {
		return settings{logs: map[string]string{log.path: "ssh"}, response: []string{"firewall: {backend: " + backend + "}"}}
	}
	a := runAgent(t, l.victim, use("iptables"))
	t.Run("iptables", func(t *testing.T) {
		log.write(t, failures(evil[0].String(), 12)...)
		l.cut(t, evil[0])
		if s := a.status(); s.Firewall.Backend != "iptables" || !s.Firewall.Healthy || !s.Sandbox.Exec || s.Sandbox.Landlock == 0 {
			t.Errorf("%+v %+v", s.Firewall, s.Sandbox)
		}
	})
	t.Run("from iptables to nftables: the old rules are cleared", func(t *testing.T) {
		a.stop(t)
		a.configure(t, use("nftables"))
		a.start(t)
		a.ready(t)
		until(t, "our rules are gone from iptables", func() bool {
			return !strings.Contains(l.tool(t, "iptables", "-t", "raw", "-S"), "sentinel")
		})
		if l.reaches(evil[0]) {
			t.Error("it is not blocked any more")
		}
		a.stop(t)
		a.start(t)
		if s := a.expect(t, "it runs nothing any more", func(s *control.Status) bool { return s.Sandbox != nil }); s.Sandbox.Exec {
			t.Errorf("%+v", s.Sandbox)
		}
	})
}
