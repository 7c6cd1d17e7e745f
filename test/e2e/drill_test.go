package e2e

import (
	"encoding/json"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// drilled is what "doctor --drill" says.
type drilled struct {
	Faults int
	Checks []struct{ ID, Result, Evidence, Mend string }
	Drill  []struct {
		Name, Result, Found string
		Causes              []struct{ ID, Text, Mend string }
	}
	code int
	text string
}

// doctor runs "sentinelctl doctor" on the victim, with more arguments.
func (l *lab) doctor(t *testing.T, a *agentProc, args ...string) *drilled {
	t.Helper()
	must(t, sentinelctl())
	out, errs, code := l.ctl(t, a, append([]string{"doctor", "--format", "json"}, args...)...)
	d := &drilled{code: code, text: out + errs}
	if err := json.Unmarshal([]byte(out), d); err != nil {
		t.Fatalf("doctor %q: exit code %d: %v\n%s%s", args, code, err, out, errs)
	}
	return d
}

// passes wants a drill in which each of the steps succeeded.
func (d *drilled) passes(t *testing.T, steps ...string) {
	t.Helper()
	for _, s := range d.Drill {
		if s.Result == "fault" {
			t.Errorf("step %s: %s: %+v", s.Name, s.Found, s.Causes)
		}
	}
	for _, want := range append([]string{"network", "ports", "write", "read", "threat", "block", "kernel", "drop", "neighbour", "unblock", "tidy"}, steps...) {
		if d.step(want) != "ok" {
			t.Errorf("step %s: %q, want ok", want, d.step(want))
		}
	}
	if t.Failed() {
		t.Logf("%s", d.text)
	}
}

func (d *drilled) step(name string) string {
	for _, s := range d.Drill {
		if s.Name == name {
			return s.Result
		}
	}
	return ""
}

// names wants a drill that fails with one of the causes, says how to mend it,
// and tidies up.
func (d *drilled) names(t *testing.T, causes ...string) {
	t.Helper()
	var found []string
	for _, s := range d.Drill {
		for _, c := range s.Causes {
			found = append(found, c.ID)
			if c.Text == "" || c.Mend == "" {
				t.Errorf("cause %s: %q, mend: %q", c.ID, c.Text, c.Mend)
			}
		}
	}
	if !slices.ContainsFunc(causes, func(c string) bool { return slices.Contains(found, c) }) {
		t.Errorf("the drill names %q, want one of %q\n%s", found, causes, d.text)
	}
	if d.code != 6 {
		t.Errorf("exit code %d, want 6", d.code)
	}
	if tidy := d.step("tidy"); tidy != "ok" && len(d.Drill) > 1 {
		t.Errorf("tidying up: %q", tidy)
	}
}

// left wants nothing of a drill to be left on the victim.
func (l *lab) left(t *testing.T, a *agentProc) {
	t.Helper()
	if links := l.tool(t, "ip", "-o", "link"); strings.Contains(links, "sntdrill") {
		t.Errorf("the cable is left: %s", links)
	}
	if files, _ := filepath.Glob(a.path("drill/*")); len(files) > 0 {
		t.Errorf("files are left: %q", files)
	}
	until(t, "no block of the drill is left", func() bool { return len(a.blocks(t)) == 0 })
}

// drillLab is a victim with an SSH server whose log the agent reads.
func drillLab(t *testing.T, s settings) (*lab, *agentProc, *sshServer) {
	t.Helper()
	l := newLab(t)
	ssh := startSSHD(t, l)
	if s.logs == nil {
		s.logs = map[string]string{ssh.log: "ssh"}
	}
	return l, runAgent(t, l.victim, s), ssh
}

// The drill passes on a host that is as it should be, and names what is not.
func TestFaultDrill(t *testing.T) {
	t.Parallel()
	l, a, ssh := drillLab(t, settings{})
	t.Run("E20 the drill passes on a good host", func(t *testing.T) {
		l.doctor(t, a, "--drill").passes(t, "log", "established", "counter")
		l.left(t, a)
	})
	set := func(t *testing.T, s settings) {
		t.Helper()
		if s.logs == nil {
			s.logs = map[string]string{ssh.log: "ssh"}
		}
		a.configure(t, s)
		_, errs, code := l.ctl(t, a, "reload")
		if code != 0 {
			t.Fatalf("reload: %s", errs)
		}
		a.ready(t)
	}
	for _, c := range []struct {
		row, cause string
		settings
	}{
		{"E20 mode observe", "observe", settings{response: []string{"mode: observe"}}},
		{"E20 automatic blocks off", "auto-block-off", settings{response: []string{"auto_block: false"}}},
		{"E20 the whitelist holds the attacker", "whitelisted", settings{response: []string{"whitelist: [198.51.100.0/24, 192.0.2.0/24]"}}},
		{"E20 rules switched off", "rules-off", settings{rules: []string{"enabled: false"}}},
		{"E20 the log has the wrong type", "log-type", settings{logs: map[string]string{ssh.log: "nginx"}}},
		{"E20 the log is another one", "log-unknown", settings{logs: map[string]string{newLog(t, a.path("other.log")).path: "ssh"}}},
	} {
		t.Run(c.row, func(t *testing.T) {
			set(t, c.settings)
			l.doctor(t, a, "--drill").names(t, c.cause)
			l.left(t, a)
		})
	}
	set(t, settings{})
	t.Run("E20 another program flushes the rules", func(t *testing.T) {
		stop := l.meddle(t, "delete table inet sentinel")
		l.doctor(t, a, "--drill").names(t, "flushed")
		stop()
	})
	t.Run("E20 the chain has no hook", func(t *testing.T) {
		stop := l.meddle(t, "delete chain inet sentinel prerouting; add chain inet sentinel prerouting { }")
		l.doctor(t, a, "--drill").names(t, "hook-missing")
		stop()
	})
	t.Run("E20 the kernel's allow set holds the attacker", func(t *testing.T) {
		stop := l.meddle(t, "flush set inet sentinel allow4; add element inet sentinel allow4 { 198.51.100.0/24, 192.0.2.0/24 }")
		l.doctor(t, a, "--drill").names(t, "allowed")
		stop()
	})
	t.Run("E20 Ctrl-C leaves nothing", func(t *testing.T) {
		cmd := exec.Command(filepath.Join(bin, "sentinelctl"), "--config", a.path("config.yml"), "doctor", "--drill")
		p := start(t, l.victim, cmd)
		until(t, "the drill has begun", func() bool { return strings.Contains(l.tool(t, "ip", "-o", "link"), "sntdrill0") })
		p.signal(syscall.SIGINT)
		until(t, "the drill has ended", func() bool { return !p.running() })
		if code := cmd.ProcessState.ExitCode(); code != 130 {
			t.Errorf("exit code %d, want 130", code)
		}
		l.left(t, a)
	})
	t.Run("E20 the agent is dead", func(t *testing.T) {
		a.kill()
		l.doctor(t, a, "--drill").names(t, "agent-down")
	})
}

// meddle runs commands of nft again and again, as another program would, until
// stop is called.
func (l *lab) meddle(t *testing.T, commands string) (stop func()) {
	t.Helper()
	nft, err := lookPath("nft")
	must(t, err)
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-end:
				return
			case <-time.After(20 * time.Millisecond):
				l.victim.Do(func() { _ = exec.Command(nft, commands).Run() }) // what is not there cannot be deleted
			}
		}
	}()
	var once bool
	stop = func() {
		if !once {
			once = true
			close(end)
			<-done
			// In a flush war the agent waits before it puts its rules back.
			netnstest.Eventually(t, time.Minute, "the hook is back", func() (back bool) {
				l.victim.Do(func() {
					out, err := exec.Command(nft, "list", "chain", "inet", "sentinel", "prerouting").Output()
					back = err == nil && strings.Contains(string(out), "hook prerouting")
				})
				return back
			})
		}
	}
	t.Cleanup(stop)
	return stop
}

// container is a namespace behind the victim, as container engines make it, with
// an echo service at a port that the victim publishes.
func (l *lab) container(t *testing.T, program string) (published netip.AddrPort) {
	t.Helper()
	inner := netnstest.New(t)
	near, far := netip.MustParsePrefix("172.17.0.1/16"), netip.MustParsePrefix("172.17.0.2/16")
	netnstest.Connect(l.victim, "docker0", []netip.Prefix{near}, inner, "eth0", []netip.Prefix{far})
	inner.Route(netip.MustParsePrefix("0.0.0.0/0"), near.Addr())
	inner.Echo(netip.AddrPortFrom(far.Addr(), 80))
	l.victim.Sysctl("net/ipv4/ip_forward", "1")
	for _, rule := range []string{
		"-t nat -N DOCKER",
		"-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
		"-t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80",
		"-A FORWARD -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
	} {
		l.tool(t, program, strings.Fields(rule)...)
	}
	published = netip.AddrPortFrom(victim4, 8080)
	until(t, "the published port answers", func() bool { return l.world.Reaches(good, published) })
	return published
}
