package detect

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestFaultMemory(t *testing.T) {
	t.Run("D08 a million addresses, and a hundred slow attackers among them", testSlowAttackersInAFlood)
	t.Run("D09 a million user names on one address", testManyNamesOfOneAddress)
	t.Run("D10 a flood of others to push out one's own counter", testEvictionAsEvasion)
}

// A day of a million addresses, each seen once, hides none of a hundred slow
// attackers, and memory stays within its bound.
func testSlowAttackersInAFlood(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	r := newRig(t, sshRules)
	r.d = New(r.set, Config{Seed: [2]uint64{1, 2}, MaxBytes: 24 << 20})
	caught := map[netip.Prefix]bool{}
	const attackers, hits = 100, 30
	every := n / (attackers * hits)
	sent := 0
	for i := range n {
		r.now = r.now.Add(12 * time.Hour / time.Duration(n))
		ev := r.authFail("203.0.113.1", "root")
		ev.User = "" // no key in words
		ev.SrcIP = netip.AddrFrom4([4]byte{byte(10 + i>>20), byte(i >> 12), byte(i >> 4), byte(i << 4)})
		r.see(ev)
		if i%every == 0 {
			ev.SrcIP = netip.AddrFrom4([4]byte{203, byte(sent % attackers), 7, 7})
			sent++
			for _, res := range r.see(ev) {
				if res.Fired && strings.HasPrefix(res.Detection.RuleID, "SSH_BRUTE") {
					caught[res.Detection.Scope] = true
				}
			}
		}
	}
	if len(caught) != attackers {
		t.Errorf("%d of %d attackers caught", len(caught), attackers)
	}
	s := r.d.Stats()
	if s.Bytes > s.MaxBytes || s.Keys > s.MaxKeys {
		t.Errorf("%d bytes of %d, %d keys of %d", s.Bytes, s.MaxBytes, s.Keys, s.MaxKeys)
	}
	if !testing.Short() && s.Evicted == 0 {
		t.Error("nothing was evicted: the flood is too small for this test")
	}
}

// An attacker who tries a new name each time fills one counter, not the memory.
func testManyNamesOfOneAddress(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	r := newRig(t, sshRules)
	name := []byte("user00000000")
	for i := range n {
		r.now = r.now.Add(10 * time.Millisecond)
		for k, v := len(name)-1, i; v > 0; k, v = k-1, v/10 {
			name[k] = byte('0' + v%10)
		}
		ev := r.authFail("203.0.113.9", "x")
		ev.User = string(name)
		r.see(ev)
	}
	// Rules that group by the name keep names, within the bound of all keys.
	if s := r.d.Stats(); s.Bytes > s.MaxBytes || s.KeysByKind["distinct"] > s.MaxKeys {
		t.Errorf("%d bytes of %d", s.Bytes, s.MaxBytes)
	}
}

// Between each two tries an attacker has failures of twenty thousand other
// addresses logged, more than the table holds. His tries are
// counted all the same.
func testEvictionAsEvasion(t *testing.T) {
	r := newRig(t, sshRules)
	r.d = New(r.set, Config{Seed: [2]uint64{1, 2}, MaxBytes: 1 << 20})
	flood := 20_000
	if testing.Short() {
		flood = 8_000
	}
	caught := 0
	for try := range 12 {
		ev := r.authFail("203.0.113.9", "root")
		for _, res := range r.see(ev) {
			if res.Fired && strings.HasPrefix(res.Detection.RuleID, "SSH_BRUTE") {
				caught++
			}
		}
		for i := range flood {
			r.now = r.now.Add(20 * time.Second / time.Duration(flood))
			ev := r.authFail("203.0.113.1", "x")
			ev.User = ""
			ev.SrcIP = netip.AddrFrom4([4]byte{byte(11 + try), byte(i >> 16), byte(i >> 8), byte(i)})
			r.see(ev)
		}
	}
	s := r.d.Stats()
	if caught == 0 {
		t.Errorf("twelve tries within five minutes were not counted; %d keys, %d evicted", s.Keys, s.Evicted)
	}
	if s.Evicted == 0 || s.Bytes > s.MaxBytes {
		t.Errorf("%d evicted, %d bytes of %d", s.Evicted, s.Bytes, s.MaxBytes)
	}
}
