package enforce

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// ufwLab is a lab whose victim runs the real ufw on files of its own.
type ufwLab struct {
	*lab
	program string
}

// newUFWLab gives ufw private copies of its files in a mount namespace, which a
// sleeping process keeps, and turns it on.
func newUFWLab(t *testing.T) *ufwLab {
	t.Helper()
	dir := t.TempDir()
	var program string
	l := newLabWith(t, firewall{"ufw", func(ns int, _ uint32) testBackend {
		program = installUFW(t, dir)
		return closable{NewUFW(UFWConfig{NetNS: ns, Program: program})}
	}})
	u := &ufwLab{l, program}
	u.ufw("--force", "enable")
	u.ufw("allow", "80/tcp")
	u.ufw("deny", "from", "192.0.2.99")
	u.ufw("allow", "from", "198.51.100.7", "comment", "office")
	l.expect(evil4, victim4, true)
	return u
}

type closable struct{ *UFW }

func (closable) Close() error { return nil }

// installUFW returns a program that is ufw with files of its own.
func installUFW(t *testing.T, dir string) string {
	t.Helper()
	for _, command := range [][]string{
		{"cp", "-a", "/etc/ufw", dir + "/etc"}, {"cp", "-a", "/etc/default/ufw", dir + "/default"}, {"mkdir", dir + "/run"},
		{"sed", "-i", "s/^IPT_SYSCTL=.*/IPT_SYSCTL=/", dir + "/default"}, {"sed", "-i", "s/^IPV6=.*/IPV6=yes/", dir + "/default"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", command, err, out)
		}
	}
	script := fmt.Sprintf("mount --bind %[1]s/etc /etc/ufw && mount --bind %[1]s/default /etc/default/ufw && mount --bind %[1]s/run /run && echo ready && exec cat", dir)
	keeper := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", script)
	in, err := keeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := keeper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // ends cat
		_ = keeper.Wait()
	})
	if n, err := out.Read(make([]byte, 16)); err != nil || n == 0 {
		t.Fatalf("making a mount namespace: %v", err)
	}
	program := filepath.Join(dir, "ufw")
	text := fmt.Sprintf("#!/bin/sh\nexec nsenter -t %d -m -- /usr/sbin/ufw \"$@\"\n", keeper.Process.Pid)
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return program
}

func (u *ufwLab) ufw(args ...string) string { return u.victim.Command(u.program, args...) }

// state is what a user of ufw sees, and what is in the kernel.
func (u *ufwLab) state() string {
	return u.ufw("show", "added") + u.ufw("status")
}

func TestFaultUFW(t *testing.T) {
	u := newUFWLab(t)
	before := u.state()
	t.Run("· a network is denied but for what is allowed, and others' rules stay", func(t *testing.T) {
		u.desired.Load(nil, prefixes("198.51.100.7/32"))
		u.desired.Set(blockFor("198.51.100.0/26", time.Hour), blockFor("198.51.100.64/28", time.Hour),
			blockFor("2001:db8:1::/64", time.Hour), blockFor("192.0.2.99/32", time.Hour), limitFor("203.0.113.5/32", "10/m", time.Hour))
		rep := u.apply()
		for rep.More {
			rep = u.check()
		}
		if rep.Want != 5 || rep.Have != 4 || rep.Rejected != 1 || rep.Samples[0].Error != errUFWRate.Error() {
			t.Errorf("%+v\n%s", rep, u.state())
		}
		u.expect(evil4, victim4, false)
		u.expect(evil6, victim6, false)
		u.expect(good4, victim4, true)
		u.expect(good6, victim6b, true)
		if got := u.ufw("show", "added"); !strings.Contains(got, "ufw deny from 192.0.2.99\n") || !strings.Contains(got, "comment 'office'") {
			t.Errorf("rules of others were changed: %s", got)
		}
	})
	t.Run("E04 a rule of ours is deleted by hand", func(t *testing.T) {
		u.ufw("delete", "deny", "from", "198.51.100.64/28")
		u.expect(evil4, victim4, true)
		if rep := u.check(); rep.Drift != 1 || rep.Changed != 1 {
			t.Errorf("check: %+v", rep)
		}
		u.expect(evil4, victim4, false)
	})
	t.Run("E03 ufw is reset or turned off", func(t *testing.T) {
		u.ufw("disable")
		if _, err := u.backend.Check(context.Background()); err == nil || !strings.Contains(err.Error(), "ufw enable") {
			t.Errorf("the error is %v", err)
		}
		u.ufw("--force", "enable")
		if rep := u.check(); rep.Changed != 0 || rep.Have != 4 {
			t.Errorf("check: %+v", rep)
		}
	})
	t.Run("A13 removal leaves nothing of ours and all of others", func(t *testing.T) {
		if err := removeAll(context.Background(), command{ns: u.victim.FD(), limit: ufwCommandTime}, u.program); err != nil {
			t.Fatal(err)
		}
		if after := u.state(); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
		u.expect(evil4, victim4, true)
	})
	t.Run("· an unblocked network is open again", func(t *testing.T) {
		u.check()
		u.expect(evil4, victim4, false)
		v := u.desired.Version()
		u.desired.Remove(netip.MustParsePrefix("198.51.100.64/28"))
		if _, err := u.backend.Apply(context.Background(), u.desired.Changes(v)); err != nil {
			t.Fatal(err)
		}
		u.expect(evil4, victim4, true)
	})
	t.Run("E15 an established connection ends with its entry in the connection table", func(t *testing.T) {
		u.desired.Load(nil, nil)
		rep := u.check()
		for u.apply(); rep.More; rep = u.check() {
		}
		var conn net.Conn
		netnstest.Eventually(t, 10*time.Second, "connected", func() bool {
			var err error
			conn, err = u.attacker.Dial(evil4, victim4)
			return err == nil
		})
		defer conn.Close()
		e := u.start(Config{Cutter: NewCutter(u.victim.FD(), nil)})
		u.desired.Set(blockFor("198.51.100.66/32", time.Hour))
		e.Wake()
		netnstest.Eventually(t, 60*time.Second, "cut", func() bool {
			return e.Status().Actual == 1 && !strings.Contains(u.victim.Command("conntrack", "-L"), "src=198.51.100.66")
		})
		if netnstest.Alive(conn) {
			t.Error("the connection goes on")
		}
	})
	t.Run("· our nftables table stands beside ufw", func(t *testing.T) {
		n := NewNFT(NFTConfig{NetNS: u.victim.FD()})
		defer n.Close()
		if _, err := n.Apply(context.Background(), u.desired.Changes(0)); err != nil {
			t.Fatal(err)
		}
		for _, c := range []string{"reload", "--force enable", "disable", "--force reset"} {
			u.ufw(strings.Fields(c)...)
			if rep, err := n.Check(context.Background()); err != nil || rep.Rebuilt || rep.Drift != 0 {
				t.Errorf("after ufw %s: %+v, %v", c, rep, err)
			}
		}
	})
}

// The enforcer goes on until all is done that a call left, up to the bound.
func TestUFWInParts(t *testing.T) {
	ns := netnstest.New(t)
	rules := filepath.Join(t.TempDir(), "rules")
	program := script(t, "ufw", `shift
case "$1 $2" in
status*) echo "Status: active" ;;
"show added") cat `+rules+` 2>/dev/null ;;
"prepend deny") echo "ufw deny from $4 comment 'sentinel'" >> `+rules+` ;;
*) exit 1 ;;
esac
exit 0
`)
	d := NewDesired()
	d.Load(manyBlocks(MaxUFW+10), nil)
	e := New(d, NewUFW(UFWConfig{NetNS: ns.FD(), Program: program}), Config{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	netnstest.Eventually(t, 2*time.Minute, "all rules are there that may be", func() bool {
		s := e.Status()
		return s.Actual == MaxUFW && s.Desired == MaxUFW+10 && s.Rejected == 10 && s.Samples[0].Error == errUFWFull.Error()
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Whatever lies in the others is in no part, everything else in exactly one.
func TestCarve(t *testing.T) {
	for _, c := range []struct{ p, others, want string }{
		{"192.0.2.0/24", "", "192.0.2.0/24"},
		{"192.0.2.0/24", "198.51.100.0/24", "192.0.2.0/24"},
		{"192.0.2.0/24", "192.0.2.0/24", ""},
		{"192.0.2.4/32", "192.0.2.0/24", ""},
		{"192.0.2.0/30", "192.0.2.1/32", "192.0.2.0/32 192.0.2.2/31"},
		{"192.0.2.0/30", "192.0.2.1/32 192.0.2.2/31", "192.0.2.0/32"},
		{"2001:db8::/62", "2001:db8::/64", "2001:db8:0:1::/64 2001:db8:0:2::/63"},
	} {
		var got []string
		for _, p := range carve(netip.MustParsePrefix(c.p), prefixes(strings.Fields(c.others)...)) {
			got = append(got, p.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s without %s is %v, want %s", c.p, c.others, got, c.want)
		}
	}
}

// FuzzUFWOutput: whatever ufw prints, only rules with our mark are ours.
func FuzzUFWOutput(f *testing.F) {
	f.Add("Added user rules (see 'ufw status' for running firewall):\nufw deny from 192.0.2.1 comment 'sentinel'\nufw deny from 2001:db8::/32\n")
	f.Fuzz(func(t *testing.T, text string) {
		ours, theirs := parseAdded(text)
		for p := range ours {
			if !p.IsValid() || !strings.Contains(text, ufwComment) {
				t.Errorf("%v is ours", p)
			}
		}
		for p := range theirs {
			if !p.IsValid() {
				t.Errorf("%v", p)
			}
		}
	})
}
