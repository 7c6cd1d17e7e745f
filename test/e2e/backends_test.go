package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/enforce"
)

// tables is what iptables and ipset hold of ours.
func (l *lab) tables(t *testing.T) string {
	t.Helper()
	return l.tool(t, "iptables-save", "-t", "raw") + l.tool(t, "ip6tables-save", "-t", "raw") + l.tool(t, "ipset", "save")
}

// Not one packet of who is blocked gets through iptables either, whatever
// happens to the agent, nor while the backend is changed.
func TestFaultIPTablesAgent(t *testing.T) {
	t.Parallel()
	need(t, "iptables", "ip6tables", "ipset")
	l := newLab(t)
	a, log := quiet(t, l, "firewall: {backend: iptables}")
	s := a.status()
	if s.Firewall.Backend != "iptables" || !strings.Contains(s.Firewall.Reason, "configured") {
		t.Fatalf("the firewall is %+v", s.Firewall)
	}
	t.Run("E14 an attacker is blocked by iptables", func(t *testing.T) {
		log.write(t, failures(evil[0].String(), 10)...)
		l.cut(t, evil[0])
		l.open(t, good)
	})
	t.Run("E18 a permanent block is only made in so many words, and has no end in the kernel", func(t *testing.T) {
		a.block(t, control.BlockParams{IP: network(t, evil[1].String()), Permanent: true})
		a.block(t, control.BlockParams{IP: network(t, evil[2].String())})
		l.cut(t, evil[1])
		permanent := "add sentinel-block4 " + evil[1].String() + " timeout 0"
		ending := "add sentinel-block4 " + evil[2].String() + " timeout 86"
		if got := l.tables(t); !strings.Contains(got, permanent+"\n") || !strings.Contains(got, ending) {
			t.Errorf("the sets hold %s", got)
		}
		if code := a.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		a.start(t)
		a.ready(t)
		if got := l.tables(t); !strings.Contains(got, permanent+"\n") {
			t.Errorf("after a restart the sets hold %s", got)
		}
	})
	bad, fine := newStream(t, l, evil[1], 9001), newStream(t, l, good, 9002)
	tight := func(t *testing.T) {
		t.Helper()
		before := fine.received.Load()
		bad.passes(t)
		if n := bad.received.Load(); n > 0 {
			t.Errorf("%d of %d packets got through", n, bad.sent.Load())
		}
		until(t, "others get through", func() bool { return fine.received.Load() > before })
	}
	t.Run("E19 no gap when it is killed, reloaded, stopped and upgraded, iptables", func(t *testing.T) {
		a.kill()
		tight(t)
		a.start(t)
		a.ready(t)
		tight(t)
		before := a.status()
		a.signal(syscall.SIGHUP)
		a.expect(t, "it has reloaded", func(s *control.Status) bool { return s.Generation > before.Generation })
		tight(t)
		replaceProgram(t)
		if code := a.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		tight(t)
		a.start(t)
		a.ready(t)
		tight(t)
	})
	t.Run("E19 no gap when the backend is changed, and the old one is left empty", func(t *testing.T) {
		if code := a.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		a.configure(t, settings{logs: map[string]string{log.path: "ssh"}, response: []string{"firewall: {backend: nftables}"}})
		a.start(t)
		a.ready(t)
		tight(t)
		until(t, "iptables holds nothing of ours", func() bool {
			got := l.tables(t)
			return !strings.Contains(got, "SENTINEL") && !strings.Contains(got, "sentinel-")
		})
		tight(t)
		if !l.isCut(t, evil[1]) {
			t.Error("nftables does not hold the block")
		}
	})
	t.Run("A13 all is removed when the agent is dead, whatever put it there", func(t *testing.T) {
		a.kill()
		var err error
		l.victim.Do(func() { err = enforce.RemoveAll(context.Background()) })
		must(t, err)
		l.open(t, evil[1])
		if got := l.tables(t) + l.tool(t, "nft", "list", "tables"); strings.Contains(strings.ToLower(got), "sentinel") {
			t.Errorf("left behind: %s", got)
		}
	})
}

// replaceProgram puts a copy of the agent's program in its place, as an upgrade
// does, while the old one runs.
func replaceProgram(t *testing.T) {
	t.Helper()
	path := filepath.Join(bin, "sentinel-agent")
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path+".new", data, 0o755))
	must(t, os.Rename(path+".new", path))
}

// After a reboot, and before the network and the agent are up, the kernel holds
// the blocks again.
func TestFaultReboot(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := quiet(t, l)
	c := a.client(t)
	within(t, func(ctx context.Context) error {
		_, err := c.Allow(ctx, control.AllowParams{IP: network(t, evil[5].String()), Reason: "ours"})
		return err
	})
	a.block(t, control.BlockParams{IP: network(t, evil[0].String()), Permanent: true})
	a.block(t, control.BlockParams{IP: network(t, "198.51.100.0/24")})
	want := l.kernel(t)
	a.kill()
	restore := func(t *testing.T) (string, error) {
		t.Helper()
		var out []byte
		var err error
		l.victim.Do(func() {
			out, err = exec.Command(filepath.Join(bin, "sentinel-agent"), "-restore", "-config", a.path("config.yml")).CombinedOutput()
		})
		return string(out), err
	}
	for _, boot := range []struct {
		name    string
		prepare func()
	}{
		{"E06 blocks are restored before the network is up", func() {}},
		{"E06 and with a faulty configuration", func() {
			f, err := os.OpenFile(a.path("config.yml"), os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteString("response:\n  min_score: much\nnonsense: true\n")
			must(t, err)
			must(t, f.Close())
		}},
	} {
		t.Run(boot.name, func(t *testing.T) {
			boot.prepare()
			l.tool(t, "nft", "flush", "ruleset")
			l.open(t, evil[0])
			before, err := os.ReadFile(a.path("db"))
			must(t, err)
			out, err := restore(t)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := l.kernel(t); strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("the kernel drops %v, want %v\n%s", got, want, out)
			}
			l.cut(t, evil[0])
			if got := l.tool(t, "nft", "list", "set", "inet", "sentinel", "allow4"); !strings.Contains(got, evil[5].String()) {
				t.Errorf("the allowlist was not loaded: %s", got)
			}
			if after, err := os.ReadFile(a.path("db")); err != nil || string(after) != string(before) {
				t.Errorf("the database was changed: %v", err)
			}
		})
	}
	t.Run("F06 a damaged database is left to the agent", func(t *testing.T) {
		must(t, os.WriteFile(a.path("db"), []byte(strings.Repeat("nonsense", 10_000)), 0o640))
		if out, err := restore(t); err == nil || !strings.Contains(out, "reading database") {
			t.Errorf("%v\n%s", err, out)
		}
		if got := l.kernel(t); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("the kernel drops %v, want %v", got, want)
		}
	})
}

// On a host with ufw: the own table stands beside it, or ufw's command does the
// blocking.
func TestFaultUFWAgent(t *testing.T) {
	t.Parallel()
	need(t, "ufw")
	// Files of its own, and ufw turned on, in the agent's mount namespace.
	private := func(dir string) string {
		return strings.ReplaceAll(`
			[ -e DIR/etc ] || { cp -a /etc/ufw DIR/etc; cp -a /etc/default/ufw DIR/default; mkdir DIR/run; }
			sed -i 's/^IPT_SYSCTL=.*/IPT_SYSCTL=/; s/^IPV6=.*/IPV6=yes/' DIR/default
			mount --make-rprivate /
			mount --bind DIR/etc /etc/ufw
			mount --bind DIR/default /etc/default/ufw
			mount --bind DIR/run /run
			ufw --force enable >/dev/null
			ufw allow 7/tcp >/dev/null`, "DIR", dir)
	}
	for _, backend := range []string{"auto", "ufw"} {
		t.Run("E14 an attacker is blocked on a host with ufw, backend "+backend, func(t *testing.T) {
			l := newLab(t)
			log := newLog(t, filepath.Join(tempDir(t), "auth.log"))
			dir := tempDir(t)
			a := newAgent(t, l.victim, settings{logs: map[string]string{log.path: "ssh"}, response: []string{"firewall: {backend: " + backend + "}"}})
			a.shell = private(dir)
			a.start(t)
			a.ready(t)
			s := a.status()
			if backend == "auto" && (s.Firewall.Backend != "nftables" || !strings.Contains(s.Firewall.Reason, "beside ufw")) ||
				backend == "ufw" && (s.Firewall.Backend != "ufw" || !strings.Contains(s.Firewall.Reason, "slow")) {
				t.Errorf("the firewall is %+v", s.Firewall)
			}
			l.open(t, evil[0])
			log.write(t, failures(evil[0].String(), 10)...)
			l.cut(t, evil[0])
			l.open(t, good)
			added, err := os.ReadFile(dir + "/etc/user.rules")
			must(t, err)
			if got := strings.Contains(string(added), evil[0].String()); got != (backend == "ufw") {
				t.Errorf("ufw's rules are %s", added)
			}
			if code := a.stop(t); code != 0 || l.reaches(evil[0]) {
				t.Errorf("a stop with exit code %d, or the block went with it", code)
			}
			a.start(t)
			a.ready(t)
			if l.reaches(evil[0]) {
				t.Error("it is open after a restart")
			}
			c := a.client(t)
			within(t, func(ctx context.Context) error {
				_, err := c.Unblock(ctx, control.UnblockParams{IP: network(t, evil[0].String())})
				return err
			})
			l.open(t, evil[0])
		})
	}
}
