package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// The dead man's switch, with packets. The network in question is a part of the
// world that holds nobody else of the story.
func TestFaultTrialBlocks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := quiet(t, l)
	ctx := t.Context()
	// .16 to .19
	net, inside := network(t, "203.0.113.16/30"), evil[7]
	try := func(t *testing.T, confirm time.Duration) *control.BlockResult {
		t.Helper()
		r := a.block(t, control.BlockParams{IP: net, Confirm: control.Seconds(confirm)})
		if !r.Applied || !r.Block.Trial {
			t.Fatalf("%+v, want a block on trial", r)
		}
		if time.Now().Before(r.Block.Expires) && l.reaches(inside) && time.Now().Before(r.Block.Expires) {
			t.Error("the block is not in force")
		}
		return r
	}

	t.Run("A11 an unconfirmed block is lifted", func(t *testing.T) {
		r := try(t, 4*time.Second)
		l.open(t, inside)
		if time.Now().Before(r.Block.Expires.Add(-2 * time.Second)) {
			t.Error("lifted too early")
		}
		until(t, "it is no longer listed", func() bool { return len(a.blocks(t)) == 0 })
		_, err := a.client(t).Confirm(ctx, control.ConfirmParams{IP: net})
		refused(t, "confirming what was lifted", err)
	})
	t.Run("A11 a confirmed block stays", func(t *testing.T) {
		r := try(t, 6*time.Second)
		kept, err := a.client(t).Confirm(ctx, control.ConfirmParams{IP: net})
		must(t, err)
		if kept.Block.Trial || !kept.Applied || !kept.Block.Expires.Equal(r.Block.Until) {
			t.Errorf("%+v, want it until %s", kept, r.Block.Until)
		}
		until(t, "the time for confirming is over", func() bool { return time.Now().After(r.Block.Expires) })
		l.cut(t, inside)
		a.kill()
		a.start(t)
		a.ready(t)
		if l.reaches(inside) || len(a.blocks(t)) != 1 {
			t.Error("the confirmed block did not outlive a crash")
		}
		_, err = a.client(t).Unblock(ctx, control.UnblockParams{IP: net})
		must(t, err)
		l.open(t, inside)
	})
	t.Run("A11 the agent's death changes nothing", func(t *testing.T) {
		try(t, 4*time.Second)
		a.kill()
		l.open(t, inside)
		a.start(t)
		a.ready(t)
		if got := a.blocks(t); len(got) > 0 {
			t.Errorf("taken up again: %v", got)
		}
		l.open(t, inside)
	})
	t.Run("A11 a restart meanwhile changes nothing", func(t *testing.T) {
		r := try(t, 10*time.Second)
		a.kill()
		a.start(t)
		a.ready(t)
		if time.Now().Before(r.Block.Expires.Add(-time.Second)) {
			if got := a.blocks(t); len(got) != 1 {
				t.Errorf("blocks in force are %v", got)
			}
		}
		l.open(t, inside)
		until(t, "it is no longer listed", func() bool { return len(a.blocks(t)) == 0 })
	})
}

// dnsServer answers questions about one name in a namespace.
type dnsServer struct {
	mu    sync.Mutex
	addrs []netip.Addr
}

func (s *dnsServer) tell(addrs ...netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addrs = addrs
}

func newDNS(t *testing.T, ns *netnstest.Namespace, at string) *dnsServer {
	t.Helper()
	s := &dnsServer{}
	var conn net.PacketConn
	var err error
	ns.Do(func() { conn, err = net.ListenPacket("udp", at) })
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			r := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true}, Questions: m.Questions}
			s.mu.Lock()
			if len(s.addrs) == 0 || q.Name.String() != "office.example.net." {
				r.RCode = dnsmessage.RCodeNameError
			}
			for _, a := range s.addrs {
				if q.Type == dnsmessage.TypeA {
					r.Answers = append(r.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: a.As4()},
					})
				}
			}
			s.mu.Unlock()
			if out, err := r.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return s
}

// Names, sessions of logind and logins by key protect from blocks.
func TestFaultOwnerProtection(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dns := newDNS(t, l.victim, "127.0.0.1:5353")
	office := evil[0]
	dns.tell(office)
	log := newLog(t, filepath.Join(tempDir(t), "auth.log"))
	sessions := tempDir(t)
	a := newAgent(t, l.victim, settings{logs: map[string]string{log.path: "ssh"}, response: []string{
		"whitelist: [office.example.net]", `names: {resolver: "127.0.0.1:5353", refresh: 10s}`,
	}})
	a.shell = "mkdir -p /run/systemd/sessions && mount --bind " + sessions + " /run/systemd/sessions"
	a.start(t)
	a.ready(t)
	listed := func(kind string, want netip.Addr) bool {
		list, err := a.client(t).Allowed(t.Context())
		must(t, err)
		return slices.ContainsFunc(list.Entries, func(e control.AllowEntry) bool { return e.Kind == kind && e.Prefix.Addr() == want })
	}
	spared := func(t *testing.T, who netip.Addr) {
		t.Helper()
		log.write(t, failures(who.String(), 20)...)
		a.expect(t, "there is an alarm about "+who.String(), func(st *control.Status) bool { return hasAlarm(st, "protected", who.String()) })
		if slices.Contains(a.blocks(t), who.String()) || !l.reaches(who) {
			t.Errorf("%s is blocked", who)
		}
	}

	t.Run("A01 an address that a name stands for", func(t *testing.T) {
		until(t, "the name is looked up", func() bool { return listed("name", office) })
		spared(t, office)
	})
	t.Run("A01 a session that logind knows of", func(t *testing.T) {
		who := evil[1]
		must(t, os.WriteFile(filepath.Join(sessions, "7"), []byte("USER=alice\nSTATE=active\nREMOTE=1\nREMOTE_HOST="+who.String()+"\n"), 0o644))
		until(t, "the session is seen", func() bool { return listed("admin", who) })
		spared(t, who)
		must(t, os.Remove(filepath.Join(sessions, "7")))
		until(t, "its end is seen", func() bool { return !listed("admin", who) })
	})
	t.Run("A01 an address from which somebody logged in with a key", func(t *testing.T) {
		who := evil[2]
		log.write(t, fmt.Sprintf("%s host sshd[77]: Accepted publickey for alice from %s port 4242 ssh2: ED25519 SHA256:abc", time.Now().Format(time.Stamp), who))
		until(t, "the login is seen", func() bool { return listed("key", who) })
		spared(t, who)
		// People may block it, and a restart forgets neither.
		r := a.block(t, control.BlockParams{IP: network(t, who.String()), Force: true})
		if !r.Applied {
			t.Errorf("%+v", r)
		}
		l.cut(t, who)
		known, err := a.client(t).Address(t.Context(), control.AddressParams{IP: network(t, who.String())})
		if err != nil || len(known.Blocks) != 1 || known.Good.KeyUser != "alice" || known.Earlier != 1 || len(known.Protections) != 1 || len(known.Recent) == 0 {
			t.Errorf("%+v, %v", known, err)
		}
		a.stop(t)
		a.start(t)
		a.ready(t)
		if !listed("key", who) || l.reaches(who) {
			t.Errorf("after a restart %s is listed: %v, blocked: %v", who, listed("key", who), !l.reaches(who))
		}
		suggested, err := a.client(t).Suggest(t.Context())
		if err != nil || len(suggested.Suggestions) != 1 || suggested.Suggestions[0].Command != "sentinelctl whitelist add "+who.String() {
			t.Errorf("%+v, %v", suggested, err)
		}
	})
	t.Run("names are added and taken off", func(t *testing.T) {
		p := control.AllowParams{Name: "no-such.example.net", Reason: "test"}
		r, err := a.client(t).Allow(t.Context(), p)
		if err != nil || !r.Changed || !strings.Contains(r.Note, "there is no such name") {
			t.Errorf("%+v, %v", r, err)
		}
		_, err = a.client(t).Allow(t.Context(), p)
		refused(t, "a name twice", err)
		a.kill()
		a.start(t)
		a.ready(t)
		list, err := a.client(t).Allowed(t.Context())
		if err != nil || len(list.Names) != 2 || list.Names[0].Name != p.Name || !list.Names[0].Removable || list.Names[1].Removable {
			t.Errorf("%+v, %v", list, err)
		}
		if r, err := a.client(t).Disallow(t.Context(), p); err != nil || !r.Changed {
			t.Errorf("%+v, %v", r, err)
		}
		_, err = a.client(t).Disallow(t.Context(), p)
		refused(t, "taking off what is not there", err)
		_, err = a.client(t).Disallow(t.Context(), control.AllowParams{Name: "office.example.net"})
		refused(t, "taking off what is configured", err)
	})
	t.Run("A04 a name that moves to a blocked address opens it", func(t *testing.T) {
		moved := evil[3]
		log.write(t, failures(moved.String(), 20)...)
		l.cut(t, moved)
		dns.tell(moved)
		l.open(t, moved)
		dns.tell() // it fails: what was known stays, and people are told
		a.expect(t, "the fault is told", func(st *control.Status) bool {
			return slices.ContainsFunc(st.Reasons, func(s string) bool {
				return strings.HasPrefix(s, "the whitelisted name office.example.net cannot be looked up: there is no such name")
			})
		})
		if !listed("name", moved) || !l.reaches(moved) {
			t.Error("the last good address was given up")
		}
	})
}

// An attacker with a good history is slowed first, in the kernel too.
func TestGradedAnswer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	log := newLog(t, filepath.Join(tempDir(t), "auth.log"))
	a := runAgent(t, l.victim, settings{logs: map[string]string{log.path: "ssh"}, response: []string{"key_logins: 0", "graded: {rate: 5/m}"}})
	who := evil[0]
	log.write(t, fmt.Sprintf("%s host sshd[77]: Accepted publickey for alice from %s port 4242 ssh2: ED25519 SHA256:abc", time.Now().Format(time.Stamp), who))
	// Without a connection the session is over soon.
	until(t, "the login is seen and over", func() bool {
		known, err := a.client(t).Address(t.Context(), control.AddressParams{IP: network(t, who.String())})
		must(t, err)
		return known.Graded != "" && len(known.Protections) == 0
	})
	log.write(t, failures(who.String(), 20)...)
	a.expect(t, "it is slowed", func(st *control.Status) bool { return st.Blocks == 1 })
	list, err := a.client(t).Blocks(t.Context(), control.BlocksParams{})
	if err != nil || len(list.Blocks) != 1 || list.Blocks[0].Rate.String() != "5/m" || !strings.Contains(list.Blocks[0].Reason, "alice logged in with a key") {
		t.Fatalf("%+v, %v", list, err)
	}
	if th := a.threats(t); len(th) == 0 || th[0].Action != "rate_limit" {
		t.Errorf("%+v", th)
	}
	until(t, "the kernel slows it", func() bool { return !l.reaches(who) })
	l.open(t, good)
}
