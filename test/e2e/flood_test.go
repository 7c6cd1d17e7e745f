package e2e

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func TestFaultFlood(t *testing.T) {
	l := newLab(t)

	t.Run("B13 a thousand addresses of one IPv6 network", func(t *testing.T) {
		a, log := quiet(t, l)
		for n := range 1000 {
			log.write(t, failure(fmt.Sprintf("2001:db8:66:1:%x:%x:%x:%x", n*7919%65536, n*104729%65536, n, n*31%65536), n))
		}
		a.read(t, log.path, 1000)
		until(t, "the network is blocked", func() bool { return len(l.kernel(t)) > 0 })
		if k := l.kernel(t); !slices.Equal(k, []string{"2001:db8:66:1::"}) || !slices.Equal(a.blocks(t), k) {
			t.Errorf("the kernel drops %v, the agent lists %v; want the one network", k, a.blocks(t))
		}
		a.stop(t)
		l.tool(t, "nft", "flush", "ruleset")
	})

	t.Run("D08 two hundred thousand addresses, and real attackers among them", func(t *testing.T) {
		addresses := 200_000
		if testing.Short() {
			addresses = 50_000
		}
		const planted = 100
		path := filepath.Join(tempDir(t), "auth.log")
		attackers, lines := flood(t, path, addresses, planted)
		a := newAgent(t, l.victim, settings{logs: map[string]string{path: "ssh"}, response: []string{manyBlocks}})
		a.start(t)
		s := a.expect(t, "all is read and the attackers are cut off", func(s *control.Status) bool {
			return linesOf(s, path) == uint64(lines) && s.Firewall.Actual >= planted
		})
		if k := l.kernel(t); !slices.Equal(k, attackers) {
			t.Errorf("%d addresses are dropped, want the %d attackers", len(k), planted)
		}
		const most = 150 << 20
		peak := peakMemory(t, a.cmd.Process.Pid)
		if s.Memory > most || peak > most {
			t.Errorf("the agent holds %d MiB and held up to %d MiB, at most %d MiB are wanted", s.Memory>>20, peak>>20, most>>20)
		}
		t.Logf("%d lines: %d MiB in use, %d MiB at most; state %+v", lines, s.Memory>>20, peak>>20, s.State)
	})
}

// flood writes a log in which each of many addresses fails once, and some fail
// again and again between them.
func flood(t *testing.T, path string, addresses, planted int) (attackers []string, lines int) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	w := bufio.NewWriter(f)
	put := func(from netip.Addr) {
		_, err := w.WriteString(failure(from.String(), lines) + "\n")
		must(t, err)
		lines++
	}
	for n := range planted {
		attackers = append(attackers, netip.AddrFrom4([4]byte{198, 51, 100, byte(n + 1)}).String())
	}
	// Every attacker returns after addresses/10 others.
	const failures = 10
	every := addresses / (planted * failures)
	for n := range addresses {
		put(netip.AddrFrom4([4]byte{byte(20 + n>>16), byte(n >> 8), byte(n), 7}))
		if n%every == every-1 {
			put(addr(attackers[n/every%planted]))
		}
	}
	must(t, w.Flush())
	slices.Sort(attackers)
	return attackers, lines
}

// peakMemory returns the largest resident set of a process so far.
func peakMemory(t *testing.T, pid int) uint64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(data), "VmHWM:")
	var kib uint64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
