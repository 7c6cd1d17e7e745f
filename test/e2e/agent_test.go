package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// settings is what tests set in the agent's configuration; everything else is
// as shipped, but nothing outside the test's directory is read.
type settings struct {
	// logs are the files to read, by path, with their types. They are read from
	// their beginning.
	logs map[string]string
	// discovery lets be read what else there is on the host, its journal included.
	discovery bool
	// agent, response and rules are lines below agent, response and
	// detection.rules.
	agent, response, rules []string
	// db is the path of the database, the test's directory if empty.
	db string
}

// agentProc is an agent in a namespace.
type agentProc struct {
	*proc
	// t is the test that made it, with which it ends.
	t  *testing.T
	ns *netnstest.Namespace
	// db is the database, db below dir unless the test puts it elsewhere.
	db string
	// dir holds everything: config.yml, rules, run/s (the socket), db, log.
	dir string
	// user is who runs it, root if nil; caps are what it may do besides.
	user *syscall.Credential
	caps []uintptr
	// env is added to its environment.
	env []string
	// shell, if set, is run before the agent in a mount namespace of its own.
	shell string
}

// newAgent writes a configuration and prepares an agent; start runs it.
func newAgent(t *testing.T, ns *netnstest.Namespace, s settings) *agentProc {
	t.Helper()
	a := &agentProc{t: t, ns: ns, dir: tempDir(t)}
	if a.db = s.db; a.db == "" {
		a.db = a.path("db")
	}
	must(t, os.Mkdir(a.path("run"), 0o755))
	must(t, os.Mkdir(a.path("rules"), 0o755))
	a.configure(t, s)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the agent's log:\n%s", lastLines(a.path("log"), 40))
		}
	})
	return a
}

// runAgent starts an agent and waits until it works.
func runAgent(t *testing.T, ns *netnstest.Namespace, s settings) *agentProc {
	t.Helper()
	a := newAgent(t, ns, s)
	a.start(t)
	a.ready(t)
	return a
}

func (a *agentProc) path(name string) string { return filepath.Join(a.dir, name) }

// configure writes the configuration file.
func (a *agentProc) configure(t *testing.T, s settings) {
	t.Helper()
	must(t, os.WriteFile(a.path("config.yml"), []byte(a.config(s)), 0o644))
}

func (a *agentProc) config(s settings) string {
	var b strings.Builder
	fmt.Fprintf(&b, "agent:\n  socket: %s\n", a.path("run/s"))
	for _, line := range s.agent {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	fmt.Fprintf(&b, "logs:\n  discovery: %t\n  sources:\n", s.discovery)
	for path, kind := range s.logs {
		fmt.Fprintf(&b, "    - {path: %s, type: %s, from_start: true}\n", path, kind)
	}
	fmt.Fprintf(&b, "detection:\n  rules:\n    custom_rules_dir: %s\n", a.path("rules"))
	for _, line := range s.rules {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	if len(s.response) > 0 {
		fmt.Fprintf(&b, "response:\n  %s\n", strings.Join(s.response, "\n  "))
	}
	fmt.Fprintf(&b, "database:\n  path: %s\n", a.db)
	return b.String()
}

// start runs the agent's program. A second start goes on with the same files.
func (a *agentProc) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(a.path("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	must(t, err)
	defer log.Close()
	args := []string{filepath.Join(bin, "sentinel-agent"), "-config", a.path("config.yml")}
	var cmd *exec.Cmd
	if a.shell != "" {
		cmd = exec.Command("/bin/sh", append([]string{"-ec", a.shell + "\n" + `exec "$@"`, "sh"}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	} else {
		cmd = exec.Command(args[0], args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.user, AmbientCaps: a.caps}
	}
	cmd.Env = append(os.Environ(), a.env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	a.proc = start(a.t, a.ns, cmd)
}

// ready waits until the agent answers, reads all logs and holds the firewall.
func (a *agentProc) ready(t *testing.T) {
	t.Helper()
	a.expect(t, "the agent is ready", func(s *control.Status) bool {
		for _, src := range s.Sources {
			if src.State != "active" {
				return false
			}
		}
		return s.Firewall.Healthy && len(s.Sources) > 0
	})
}

// stop ends the agent in order and returns its exit code.
func (a *agentProc) stop(t *testing.T) int {
	t.Helper()
	a.signal(syscall.SIGTERM)
	until(t, "the agent has ended", func() bool { return !a.running() })
	return a.cmd.ProcessState.ExitCode()
}

// client connects to the agent until the test ends.
func (a *agentProc) client(t *testing.T) *control.Client {
	t.Helper()
	var c *control.Client
	within(t, func(ctx context.Context) (err error) {
		c, err = control.Dial(ctx, a.path("run/s"))
		return err
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// status asks for the status; nil if the agent does not answer.
func (a *agentProc) status() *control.Status {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := control.Dial(ctx, a.path("run/s"))
	if err != nil {
		return nil
	}
	defer c.Close()
	s, err := c.Status(ctx)
	if err != nil {
		return nil
	}
	return s
}

// expect waits until the status is as wanted and returns it.
func (a *agentProc) expect(t *testing.T, what string, f func(*control.Status) bool) *control.Status {
	t.Helper()
	var last *control.Status
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if !a.running() {
			t.Fatalf("the agent ended with exit code %d, waiting until %s", a.cmd.ProcessState.ExitCode(), what)
		}
		if s := a.status(); s != nil {
			if last = s; f(s) {
				return s
			}
		}
		if time.Now().After(end) {
			t.Fatalf("it did not come true that %s; the status is %+v", what, last)
		}
	}
}

// read waits until the agent has read n lines of a log since it started.
func (a *agentProc) read(t *testing.T, path string, n int) {
	t.Helper()
	a.expect(t, fmt.Sprintf("%d lines of %s are read", n, path), func(s *control.Status) bool {
		return linesOf(s, path) >= uint64(n)
	})
}

func linesOf(s *control.Status, path string) uint64 {
	for _, src := range s.Sources {
		if src.ID == path {
			return src.Lines
		}
	}
	return 0
}

// blocks asks what is blocked, real and simulated, sorted as kernel() sorts.
func (a *agentProc) blocks(t *testing.T) []string {
	t.Helper()
	var list *control.BlocksResult
	c := a.client(t)
	within(t, func(ctx context.Context) (err error) {
		list, err = c.AllBlocks(ctx, control.BlocksParams{})
		return err
	})
	return names(list.Blocks)
}

// names writes blocks as the kernel lists them.
func names(blocks []sentinel.BlockRecord) []string {
	out := make([]string, 0, len(blocks))
	for _, b := range blocks {
		out = append(out, name(b.Prefix))
	}
	slices.Sort(out)
	return out
}

func name(p netip.Prefix) string {
	if p.IsSingleIP() || p.Addr().Is6() && p.Bits() == 64 {
		return p.Addr().String()
	}
	return p.String()
}

// stored opens the database of an agent that does not run and returns the
// blocks in force and the number of events ever counted.
func (a *agentProc) stored(t *testing.T) (blocks []string, events int64) {
	t.Helper()
	within(t, func(ctx context.Context) error {
		s, err := store.Open(ctx, a.db, store.Options{})
		if err != nil {
			return err
		}
		defer s.Close()
		list, err := s.BlocksInForce(ctx, time.Now())
		if err != nil {
			return err
		}
		blocks = names(list)
		totals, err := s.Totals(ctx, time.Now().Add(-24*time.Hour))
		events = totals.Sum.Events
		return err
	})
	return blocks, events
}

// block orders a block and fails the test if it is refused.
func (a *agentProc) block(t *testing.T, p control.BlockParams) *control.BlockResult {
	t.Helper()
	var r *control.BlockResult
	c := a.client(t)
	within(t, func(ctx context.Context) (err error) {
		r, err = c.Block(ctx, p)
		return err
	})
	return r
}

// network reads an address or a network for an order.
func network(t *testing.T, text string) control.Network {
	t.Helper()
	n, err := control.ParseNetwork(text)
	must(t, err)
	return n
}

// threats returns all threats.
func (a *agentProc) threats(t *testing.T) []control.ThreatRow {
	t.Helper()
	var r *control.ThreatsResult
	c := a.client(t)
	within(t, func(ctx context.Context) (err error) {
		r, err = c.Threats(ctx, control.ThreatsParams{Limit: control.MaxPage})
		return err
	})
	return r.Threats
}

// failure is one failed login as sshd writes it. Each n is an attempt of its own.
func failure(from string, n int) string {
	return fmt.Sprintf("%s victim sshd[%d]: Failed password for root from %s port %d ssh2",
		time.Now().Format(time.Stamp), 1000+n%30000, from, 1024+n%60000)
}

// failures are n failed logins of one address.
func failures(from string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = failure(from, i)
	}
	return out
}

func hasAlarm(s *control.Status, kind, text string) bool {
	return slices.ContainsFunc(s.Alarms, func(a control.Alarm) bool {
		return a.Kind == kind && strings.Contains(a.Text, text)
	})
}

// readAll reads until the other side closes or is silent for a second.
func readAll(c net.Conn) (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	if len(b) > 0 {
		err = nil
	}
	return string(b), err
}
