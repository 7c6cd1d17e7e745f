package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// forged is the address that attackers of this file write into their names and
// banners, to have it blocked.
const forged = "8.8.8.8"

// A real client attacks a real sshd until its packets drop.
func TestFaultSSH(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startSSHD(t, l)
	a := newAgent(t, l.victim, settings{logs: map[string]string{s.log: "ssh"}})
	resolver := addr("203.0.113.53")
	must(t, os.WriteFile(a.path("resolv.conf"), []byte("nameserver "+resolver.String()+"\n"), 0o644))
	a.shell = "mount --bind " + a.path("resolv.conf") + " /etc/resolv.conf"
	a.start(t)
	a.ready(t)
	seen := watchEvents(t, a)
	ours := map[string]bool{}
	attacker := func(n int) netip.Addr { ours[evil[n].String()] = true; return evil[n] }

	t.Run("brute force is cut off", func(t *testing.T) {
		from := attacker(0)
		s.guessUntilCut(t, from, "root")
		if !slices.Equal(a.blocks(t), []string{from.String()}) {
			t.Errorf("blocked are %v, want %s", a.blocks(t), from)
		}
		l.open(t, good)
		conn, err := l.dial(good, s.port)
		if err != nil {
			t.Fatalf("an innocent address does not reach sshd: %v", err)
		}
		_ = conn.Close()
	})
	t.Run("B01 a forged failure before authentication", func(t *testing.T) {
		from := attacker(1)
		for range 20 {
			if _, err := l.talk(from, s.port, "Failed password for root from "+forged+" port 22 ssh2\r\n"); err != nil {
				break // it may be cut off for what it does
			}
		}
		s.logged(t, "Failed password for root from "+forged)
	})
	t.Run("B02 a user name that names another address", func(t *testing.T) {
		s.guessUntilCut(t, attacker(2), "x from "+forged+" port 1 ssh2")
		s.logged(t, "user x from "+forged+" port 1 ssh2 from "+evil[2].String())
	})
	t.Run("B03 a user name in the line of a closed connection", func(t *testing.T) {
		from := attacker(3)
		for range 30 {
			if l.isCut(t, from) {
				break
			}
			s.finish(t, from, start(t, l.world, s.ssh(t.Context(), from, "root "+forged, "-o", "BatchMode=yes", "-o", "PubkeyAuthentication=no")))
		}
		l.cut(t, from)
		s.logged(t, "by invalid user root "+forged+" "+from.String())
	})
	t.Run("B04 empty and very long user names", func(t *testing.T) {
		from := attacker(4)
		for _, user := range []string{"", strings.Repeat("u", 400)} {
			s.guess(t, from, user)
			shown := user[:min(len(user), 60)]
			until(t, fmt.Sprintf("a failure of user %.10q is seen", user), func() bool {
				return seen(func(e control.LogEvent) bool {
					return e.IP == from.String() && e.Parsed && strings.HasPrefix(e.Type, "auth_") &&
						strings.HasPrefix(e.User, shown) && strings.Contains(e.Raw, "Failed password")
				}) >= 1
			})
		}
		n := seen(func(e control.LogEvent) bool {
			return e.IP == from.String() && e.Parsed && strings.Contains(e.Raw, "Failed password")
		})
		if n != 2 {
			t.Errorf("%d failures were seen, want 2", n)
		}
		if n := seen(func(e control.LogEvent) bool { return e.IP == from.String() && !e.Parsed }); n > 0 {
			t.Errorf("%d lines were not understood", n)
		}
	})
	t.Run("A01 an administrator who is logged in is not locked out", func(t *testing.T) {
		session := s.login(t, admin)
		session.echoes(t, "hello")
		until(t, "the login is seen", func() bool {
			return seen(func(e control.LogEvent) bool { return e.IP == admin.String() && e.Type == "auth_ok" }) > 0
		})
		s.append(failures(admin.String(), 100)...)
		a.expect(t, "there is an alarm", func(st *control.Status) bool { return hasAlarm(st, "protected", admin.String()) })
		session.echoes(t, "still here")
		l.open(t, admin)
		if slices.Contains(a.blocks(t), admin.String()) || slices.Contains(l.kernel(t), admin.String()) {
			t.Error("the administrator is blocked")
		}
		// Who was logged in before the agent started still is.
		a.kill()
		a.start(t)
		a.ready(t)
		s.append(failures(admin.String(), 100)...)
		a.expect(t, "there is an alarm", func(st *control.Status) bool { return hasAlarm(st, "protected", admin.String()) })
		session.echoes(t, "and here")
		if slices.Contains(a.blocks(t), admin.String()) || slices.Contains(l.kernel(t), admin.String()) {
			t.Error("the administrator is blocked after a restart")
		}
	})
	t.Run("A02 the host's own addresses, gateway and resolvers", func(t *testing.T) {
		protected := []netip.Addr{victim4, victim6, gateway, resolver, addr("127.0.0.1"), addr("::1")}
		for _, p := range protected {
			s.append(failures(p.String(), 100)...)
		}
		for _, p := range protected {
			a.expect(t, "there is an alarm about "+p.String(), func(st *control.Status) bool { return hasAlarm(st, "protected", p.String()) })
		}
	})
	t.Run("nobody else was blocked", func(t *testing.T) {
		for _, b := range append(a.blocks(t), l.kernel(t)...) {
			if !ours[b] {
				t.Errorf("%s is blocked", b)
			}
		}
		for _, th := range a.threats(t) {
			if th.AttackerIP.String() == forged {
				t.Errorf("a threat by %s: %+v", forged, th)
			}
		}
		if n := seen(func(e control.LogEvent) bool { return e.IP == forged }); n > 0 {
			t.Errorf("%d events by %s", n, forged)
		}
		l.open(t, good)
	})
}
