package e2e

import (
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// Other programs change the firewall under the agent's feet.
func TestFaultForeignChanges(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := quiet(t, l)
	for _, e := range evil[:3] {
		a.block(t, control.BlockParams{IP: network(t, e.String())})
	}
	a.block(t, control.BlockParams{IP: network(t, "198.51.100.0/24"), Permanent: true})
	want := l.kernel(t)
	if len(want) != 4 {
		t.Fatalf("the kernel drops %v, want four", want)
	}
	for _, test := range []struct{ name, command string }{
		{"E03 nft flush ruleset", "flush ruleset"},
		{"E03 nft delete table", "delete table inet sentinel"},
		{"E04 the set is emptied", "flush set inet sentinel block4"},
		{"E04 the rules are deleted", "flush chain inet sentinel prerouting"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l.cut(t, evil[0])
			restored := func(s *control.Status) int {
				n := 0
				for _, al := range s.Alarms {
					if al.Kind == "firewall_restored" || al.Kind == "firewall_war" {
						n++
					}
				}
				return n
			}
			before := restored(a.status())
			l.tool(t, "nft", strings.Fields(test.command)...)
			began := time.Now()
			a.expect(t, "there is an alarm", func(s *control.Status) bool { return restored(s) > before })
			until(t, "the blocks are back", func() bool { return slices.Equal(l.kernel(t), want) })
			t.Logf("restored within %v", time.Since(began).Round(time.Millisecond))
			l.cut(t, evil[0])
			l.open(t, good)
		})
	}
}

// A container's published port is reached by address translation, past the
// host's input chain.
func TestFaultContainer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	container := netnstest.New(t)
	inner := netip.MustParsePrefix("10.0.3.1/24")
	netnstest.Connect(l.victim, "docker0", []netip.Prefix{inner}, container, "eth0", []netip.Prefix{netip.MustParsePrefix("10.0.3.2/24")})
	container.Route(netip.MustParsePrefix("0.0.0.0/0"), inner.Addr())
	container.Echo(netip.MustParseAddrPort("10.0.3.2:80"))
	l.victim.Sysctl("net/ipv4/ip_forward", "1")
	for _, command := range []string{
		"add table ip nat",
		"add chain ip nat prerouting { type nat hook prerouting priority -100 ; }",
		"add rule ip nat prerouting tcp dport 8080 dnat to 10.0.3.2:80",
	} {
		l.tool(t, "nft", command)
	}
	published := func(from netip.Addr) bool {
		return l.world.Reaches(from, netip.AddrPortFrom(victim4, 8080))
	}
	until(t, "the published port works", func() bool { return published(evil[0]) })
	a, log := quiet(t, l)
	t.Run("E14 a container's published port is closed to attackers", func(t *testing.T) {
		conn, err := l.dial(evil[0], 8080)
		must(t, err)
		defer conn.Close()
		log.write(t, failures(evil[0].String(), 10)...)
		l.cut(t, evil[0])
		if published(evil[0]) || alive(conn) {
			t.Error("the attacker still reaches the container")
		}
		until(t, "others reach it", func() bool { return published(good) })
		if got := a.blocks(t); !slices.Equal(got, []string{evil[0].String()}) {
			t.Errorf("blocked are %v", got)
		}
	})
}

// An agent that may not touch the firewall detects and says so.
func TestFaultNoCapability(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	log := newLog(t, tempDir(t)+"/auth.log")
	a := newAgent(t, l.victim, settings{logs: map[string]string{log.path: "ssh"}})
	const nobody = 65534
	must(t, chown(a.dir, nobody))
	a.user = &syscall.Credential{Uid: nobody, Gid: nobody}
	a.start(t)
	t.Run("E11 detection only, and loud", func(t *testing.T) {
		s := a.expect(t, "the refusal is in the status", func(s *control.Status) bool { return s.Firewall.Error != "" })
		if s.Firewall.Healthy || s.Health != control.HealthDegraded || !strings.Contains(s.Firewall.Error, "operation not permitted") ||
			!strings.Contains(strings.Join(s.Reasons, "\n"), "the firewall refuses") || !hasAlarm(s, "firewall_refused", "") {
			t.Errorf("the status is %+v", s)
		}
		log.write(t, failures(evil[0].String(), 10)...)
		a.expect(t, "the attack is seen", func(s *control.Status) bool { return s.Last24h.Threats == 1 })
		if k := l.kernel(t); k != nil {
			t.Errorf("the kernel drops %v", k)
		}
		l.open(t, evil[0])
		r := a.block(t, control.BlockParams{IP: network(t, evil[1].String())})
		if r.Applied || !strings.Contains(r.Note, "operation not permitted") {
			t.Errorf("%+v, want a note that it is not applied", r)
		}
		if code := a.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}
