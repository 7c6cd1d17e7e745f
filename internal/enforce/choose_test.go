package enforce

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// script writes a program that a shell runs.
func script(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChoose(t *testing.T) {
	ns := netnstest.New(t)
	t.Run("nftables where it works", func(t *testing.T) {
		c := choose(t.Context(), NameAuto, host{ns: ns.FD()})
		if c.Backend.Name() != "nftables" || !c.Working || strings.Contains(c.Reason, "ufw") {
			t.Errorf("%s: %s", c.Backend.Name(), c.Reason)
		}
	})
	t.Run("beside ufw", func(t *testing.T) {
		conf := filepath.Join(t.TempDir(), "ufw.conf")
		for text, want := range map[string]bool{"# x\nENABLED=yes\n": true, "ENABLED=no\n": false, "LOGLEVEL=low\n": false, "ENABLED=\"yes\"": true} {
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := ufwEnabled(conf); got != want {
				t.Errorf("%q: %t", text, got)
			}
		}
		c := choose(t.Context(), NameAuto, host{ns: ns.FD(), ufw: true})
		if c.Backend.Name() != "nftables" || !strings.Contains(c.Reason, "beside ufw") {
			t.Errorf("%s: %s", c.Backend.Name(), c.Reason)
		}
	})
	t.Run("probing leaves nothing", func(t *testing.T) {
		if err := probeIPT(t.Context(), IPTConfig{NetNS: ns.FD()}); err != nil {
			t.Errorf("iptables does not work here: %v", err)
		}
		if got := ns.Command("nft", "list", "tables") + ns.Command("ipset", "list", "-n"); strings.Contains(got, "sentinel") {
			t.Errorf("left behind: %s", got)
		}
	})
	t.Run("what is configured and does not work", func(t *testing.T) {
		c := choose(t.Context(), NameIPTables, host{ns: ns.FD(), ipt: IPTConfig{Command4: "no-such-iptables"}})
		if c.Backend.Name() != NameIPTables || c.Working || !strings.Contains(c.Reason, "no-such-iptables: command not found") {
			t.Errorf("%s: %s", c.Backend.Name(), c.Reason)
		}
	})
	t.Run("by name", func(t *testing.T) {
		for _, name := range []string{NameNFTables, NameIPTables, NameUFW, NameDryRun} {
			if c := choose(t.Context(), name, host{ns: ns.FD()}); c.Backend.Name() != name || !c.Working || !strings.HasPrefix(c.Reason, "configured") {
				t.Errorf("%s: %s: %s", name, c.Backend.Name(), c.Reason)
			}
		}
	})
}

func TestFaultCommands(t *testing.T) {
	t.Run("E11 iptables is not installed, or does not work", func(t *testing.T) {
		ns := netnstest.New(t)
		missing := IPTConfig{NetNS: ns.FD(), Command4: "no-such-iptables", Command6: "no-such-ip6tables"}
		if err := probeIPT(t.Context(), missing); err == nil || !strings.Contains(err.Error(), "no-such-iptables: command not found") {
			t.Errorf("the probe says %v", err)
		}
		n := NewIPT(missing)
		d := NewDesired()
		d.Load(manyBlocks(10), nil)
		if _, err := n.Apply(t.Context(), d.Changes(0)); err == nil || !strings.Contains(err.Error(), "command not found") {
			t.Errorf("applying says %v", err)
		}
		broken := IPTConfig{NetNS: ns.FD(), Command4: script(t, "iptables", "echo 'iptables: the module is missing' >&2; exit 3\n")}
		if _, err := NewIPT(broken).Apply(t.Context(), d.Changes(0)); err == nil || !strings.Contains(err.Error(), "the module is missing") {
			t.Errorf("applying says %v", err)
		}
	})
	t.Run("E11 a host with iptables only", func(t *testing.T) {
		ns := netnstest.New(t)
		for _, program := range []string{"iptables-legacy", "iptables-nft"} {
			ipt := IPTConfig{Command4: program, Command6: strings.Replace(program, "ip", "ip6", 1)}
			c := choose(t.Context(), NameAuto, host{ns: ns.FD(), ipt: ipt, noNFT: unix.EOPNOTSUPP})
			if c.Backend.Name() != NameIPTables || !c.Working || !strings.Contains(c.Reason, "because nftables does not work: operation not supported") {
				t.Errorf("%s: %s", c.Backend.Name(), c.Reason)
			}
		}
	})
	t.Run("E12 a command that hangs is killed, and the rest goes on", func(t *testing.T) {
		ns := netnstest.New(t)
		n := NewIPT(IPTConfig{NetNS: ns.FD(), Command4: script(t, "iptables", "sleep 1000 & sleep 1000\n")})
		n.command.limit = 300 * time.Millisecond
		d := NewDesired()
		d.Load(manyBlocks(10), nil)
		e := New(d, n, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		netnstest.Eventually(t, 20*time.Second, "the failure shows", func() bool {
			return strings.Contains(e.Status().LastError, "did not end within 300ms")
		})
		d.Set(manyBlocks(20)...) // nobody waits for it
		e.Wake()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("E13 only addresses, rates and words of ours become arguments", func(t *testing.T) {
		ns := netnstest.New(t)
		log := filepath.Join(t.TempDir(), "args")
		u := NewUFW(UFWConfig{NetNS: ns.FD(), Program: script(t, "ufw", `
printf '%s\n' "$@" >> `+log+`
[ "$2" = status ] && echo "Status: active"
exit 0
`)})
		d := NewDesired()
		d.Load(append(manyBlocks(6), blockFor("::ffff:192.0.2.1/128", time.Hour), blockFor("198.51.100.7/25", 0)), prefixes("198.51.100.9/32"))
		for rep := (Report{More: true}); rep.More; {
			var err error
			if rep, err = u.Apply(t.Context(), d.Changes(0)); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		fine := regexp.MustCompile(`^(--force|status|show|added|prepend|deny|from|comment|sentinel|delete|[0-9a-f:.]+/[0-9]+)$`)
		n := 0
		for arg := range strings.Lines(string(data)) {
			if n++; !fine.MatchString(strings.TrimSpace(arg)) {
				t.Errorf("argument %q", arg)
			}
		}
		if n < 50 {
			t.Errorf("only %d arguments were seen", n)
		}
	})
}
