package decide

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/gaissmai/bart"

	"github.com/sentinel-ai/sentinel-ai"
)

func TestBadNames(t *testing.T) {
	text := "# a list\n# reputation: 0.8\n\n203.0.113.9\n198.51.100.0/24 ; SBL1\n198.51.101.0/24,x\n2001:db8:1::/48\n2001:db8:2::7 # one host\n::ffff:192.0.2.1\r\n"
	l, err := ParseBadNames("reputation-x.txt", text, MaxListEntries)
	if err != nil || l.Weight != 0.8 || l.Entries != 6 || len(l.v4) != 3 {
		t.Fatalf("%+v, %v", l, err)
	}
	for addr, want := range map[string]bool{
		"203.0.113.9": true, "203.0.113.10": false, "198.51.100.0": true, "198.51.101.255": true, "198.51.102.0": false, "198.51.99.255": false,
		"2001:db8:1:ffff::1": true, "2001:db8:2::8": true, "2001:db8:2:1::7": false, "192.0.2.1": true, "::ffff:203.0.113.9": true, "0.0.0.0": false, "255.255.255.255": false,
	} {
		if got := l.Contains(ip(addr)); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
	if l.Contains(netip.Addr{}) {
		t.Error("it has no address")
	}
	if found := FindBadNames([]*BadNames{l, {Name: "empty"}}, ip("203.0.113.9")); len(found) != 1 || found[0].String() != "reputation-x.txt (0.80)" {
		t.Errorf("found %v", found)
	}
}

func TestFaultBadNames(t *testing.T) {
	t.Run("a broken line of a list is named, the others count", func(t *testing.T) {
		l, err := ParseBadNames("x", "203.0.113.9\nnonsense\n10.0.0.0/33\n0.0.0.0/0\n# reputation: 7\n198.51.100.7\n", MaxListEntries)
		if l.Entries != 2 || l.Weight != DefaultWeight || err == nil {
			t.Fatalf("%+v, %v", l, err)
		}
		for _, want := range []string{`line 2: "nonsense" is neither`, "line 3: ", "line 4: 0.0.0.0/0 is too wide", "line 5: the reputation must be a number"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %q", err, want)
			}
		}
	})
	t.Run("a list of rubbish", func(t *testing.T) {
		l, err := ParseBadNames("x", strings.Repeat("x\x00y\n", 10_000), MaxListEntries)
		if l.Entries != 0 || err == nil || !strings.Contains(err.Error(), "and 9995 more lines") || len(err.Error()) > 1000 {
			t.Errorf("%d entries, %v", l.Entries, err)
		}
	})
	t.Run("a list that is too long is cut and named", func(t *testing.T) {
		var b strings.Builder
		for i := range 100 {
			fmt.Fprintf(&b, "203.0.113.%d\n", i)
		}
		l, err := ParseBadNames("x", b.String(), 50)
		if l.Entries != 50 || err == nil || !l.Contains(ip("203.0.113.49")) || l.Contains(ip("203.0.113.50")) {
			t.Errorf("%d entries, %v", l.Entries, err)
		}
	})
}

// TestBadNamesAgainstTrie compares with another way of finding.
func TestBadNamesAgainstTrie(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() netip.Prefix {
		if r.IntN(2) == 0 {
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(r.IntN(4)), byte(r.IntN(4)), byte(r.Uint32()), byte(r.Uint32())}), 12+r.IntN(21)).Masked()
		}
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(r.IntN(4)), byte(r.IntN(4)), byte(r.Uint32())}), 20+r.IntN(45)).Masked()
	}
	for range 50 {
		trie := new(bart.Lite)
		var b strings.Builder
		for range 1 + r.IntN(60) {
			p := random()
			trie.Insert(p)
			fmt.Fprintln(&b, p)
		}
		l, err := ParseBadNames("x", b.String(), MaxListEntries)
		if err != nil {
			t.Fatal(err)
		}
		for range 2000 {
			a := random().Addr()
			if got, want := l.Contains(a), trie.Contains(a); got != want {
				t.Fatalf("%s: %t, the trie says %t\n%s", a, got, want, b.String())
			}
		}
	}
}

func FuzzBadNames(f *testing.F) {
	f.Add("203.0.113.9\n# reputation: 0.5\n2001:db8::/32 ; x\n")
	f.Add("0.0.0.0/8\n255.255.255.255\nffff:ffff:ffff:ffff::/64\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, _ := ParseBadNames("x", text, 100)
		if l.Entries > 100 || len(l.v4)+len(l.v6) > l.Entries || !(l.Weight >= 0 && l.Weight <= 1) {
			t.Fatalf("%+v", l)
		}
		for row := range strings.SplitSeq(text, "\n") {
			if a, err := netip.ParseAddr(strings.TrimSpace(row)); err == nil && l.Entries < 100 && !l.Contains(a) && sentinel.Entity(a).IsValid() {
				t.Fatalf("%q is not in the list", row)
			}
		}
	})
}

func BenchmarkBadNames(b *testing.B) {
	var text strings.Builder
	for i := range uint32(MaxListEntries) {
		n := i * 4001
		fmt.Fprintf(&text, "%d.%d.%d.%d\n", 1+n>>24, n>>16&255, n>>8&255, n&255)
	}
	l, err := ParseBadNames("x", text.String(), MaxListEntries)
	if err != nil {
		b.Fatal(err)
	}
	a := ip("100.20.30.40")
	for b.Loop() {
		l.Contains(a)
	}
}
