package decide

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/sentinel-ai/sentinel-ai"
)

func pfx(s string) netip.Prefix {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p
	}
	return sentinelPrefix(netip.MustParseAddr(s))
}

func sentinelPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestDefaultProtections(t *testing.T) {
	a := NewAllowlist(DefaultProtections())
	tests := []struct {
		addr string
		kind Kind // empty: not protected
	}{
		{"127.0.0.1", KindLoopback}, {"127.255.255.254", KindLoopback}, {"::1", KindLoopback},
		{"::ffff:127.0.0.1", KindLoopback},
		{"10.1.2.3", KindDefault}, {"172.16.0.1", KindDefault}, {"172.31.255.255", KindDefault}, {"192.168.1.1", KindDefault},
		{"100.64.0.1", KindDefault}, {"169.254.1.1", KindDefault}, {"fc00::1", KindDefault}, {"fd12:3456::1", KindDefault},
		{"64:ff9b::1.2.3.4", KindDefault},
		{"fe80::1", KindSpecial}, {"fe80::1%eth0", KindSpecial}, {"ff02::1", KindSpecial}, {"224.0.0.1", KindSpecial},
		{"255.255.255.255", KindSpecial}, {"0.0.0.0", KindSpecial}, {"0.1.2.3", KindSpecial}, {"::", KindSpecial}, {"240.0.0.1", KindSpecial},
		{"169.254.169.254", KindMetadata}, {"fd00:ec2::254", KindMetadata}, {"100.100.100.200", KindMetadata}, {"168.63.129.16", KindMetadata},
		{"::ffff:169.254.169.254", KindMetadata},
		{"192.0.2.1", ""}, {"198.51.100.1", ""}, {"203.0.113.42", ""}, {"2001:db8::1", ""},
		{"8.8.8.8", ""}, {"172.32.0.1", ""}, {"100.128.0.1", ""}, {"2a00:1450::1", ""}, {"11.0.0.0", ""},
	}
	for _, tt := range tests {
		p, ok := a.Covers(ip(tt.addr))
		if p.Kind != tt.kind || ok != (tt.kind != "") {
			t.Errorf("%s: %v %v, want %q", tt.addr, p, ok, tt.kind)
		}
	}
	for _, kind := range []Kind{KindLoopback, KindSpecial, KindMetadata, KindOwn, KindGateway, KindResolver, KindAdmin, "unheard-of"} {
		if !kind.Hard() {
			t.Errorf("%s is not hard", kind)
		}
	}
	for _, kind := range []Kind{KindDefault, KindConfig, KindUser, KindProxy} {
		if kind.Hard() {
			t.Errorf("%s is hard", kind)
		}
	}
}

func TestAllowlistHardWins(t *testing.T) {
	a := NewAllowlist([]Protection{
		{Prefix: pfx("198.51.100.0/24"), Kind: KindOwn, Reason: "own network"},
		{Prefix: pfx("198.51.100.7"), Kind: KindUser, Reason: "friend"},
		{Prefix: pfx("198.51.100.9"), Kind: KindUser},
		{Prefix: pfx("198.51.100.9"), Kind: KindAdmin, Reason: "root is logged in"},
		{Prefix: netip.Prefix{}, Kind: KindUser},
	})
	if p, ok := a.Covers(ip("198.51.100.7")); !ok || p.Kind != KindOwn {
		t.Errorf("covers: %v", p)
	}
	if p, _ := a.Covers(ip("198.51.100.9")); p.Kind != KindAdmin {
		t.Errorf("covers: %v", p)
	}
	if p, ok := a.Overlaps(pfx("198.51.0.0/16")); !ok || p.Kind != KindOwn {
		t.Errorf("overlaps: %v", p)
	}
	if p, ok := a.Overlaps(pfx("198.51.100.7")); !ok || p.Kind != KindOwn {
		t.Errorf("overlaps: %v", p)
	}
	if p, ok := a.Overlaps(pfx("198.51.101.0/24")); ok {
		t.Errorf("overlaps: %v", p)
	}
	if n := len(a.Entries()); n != 3 {
		t.Errorf("%d entries", n)
	}
	for _, wide := range []string{"::/0", "::/64", "::ffff:0:0/90"} {
		if p, ok := NewAllowlist(nil).Overlaps(pfx(wide)); !ok || !p.Kind.Hard() {
			t.Errorf("%s holds all mapped addresses: %v", wide, p)
		}
	}
	if _, ok := a.Covers(netip.Addr{}); ok {
		t.Error("covers the invalid address")
	}
}

func TestAllowlistChanges(t *testing.T) {
	a := NewAllowlist(DefaultProtections())
	n := len(a.Entries())
	p := Protection{Prefix: pfx("203.0.113.0/24"), Kind: KindUser}
	b := a.With(p)
	if len(a.Entries()) != n || len(b.Entries()) != n+1 || a.Equal(b) || !b.Without(p.Prefix).Equal(a) {
		t.Error("With and Without do not mirror each other")
	}
	c := b.Replacing([]Protection{{Prefix: pfx("198.51.100.1"), Kind: KindAdmin}}, KindAdmin, KindOwn)
	d := c.Replacing([]Protection{{Prefix: pfx("198.51.100.2"), Kind: KindAdmin}}, KindAdmin, KindOwn)
	if _, ok := d.Covers(ip("198.51.100.1")); ok {
		t.Error("the administrator who left is still protected")
	}
	if _, ok := d.Covers(ip("203.0.113.9")); !ok || len(d.Entries()) != n+2 {
		t.Error("a refresh touched what people said")
	}
}

// randomAddr returns an address near the borders of protected networks, so that
// both answers are common.
func randomAddr(r *rand.Rand) netip.Addr {
	if r.IntN(2) == 0 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], r.Uint32())
		if r.IntN(2) == 0 {
			b[0] = [...]byte{10, 127, 172, 192, 100, 169, 203, 224}[r.IntN(8)]
			b[1] = [...]byte{0, 16, 31, 64, 168, 254}[r.IntN(6)]
		}
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], r.Uint64())
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	if r.IntN(2) == 0 {
		b[0] = [...]byte{0xfe, 0xfc, 0xfd, 0xff, 0x20}[r.IntN(5)]
	}
	return netip.AddrFrom16(b)
}

// A05 and A06: however an address is written, the answers are the same.
func TestNotationsOfAddresses(t *testing.T) {
	const n = 100_000
	r := rand.New(rand.NewPCG(5, 6))
	var list []Protection
	for range 50 {
		a := randomAddr(r)
		list = append(list, Protection{Prefix: netip.PrefixFrom(a, 8+r.IntN(a.BitLen()-8)), Kind: KindUser})
	}
	plain := NewAllowlist(append(list, DefaultProtections()...))
	for i, p := range list { // the same list, IPv4 written as IPv6
		if a := p.Prefix.Addr(); a.Is4() {
			list[i].Prefix = netip.PrefixFrom(netip.AddrFrom16(a.As16()), 96+p.Prefix.Bits())
		}
	}
	mapped := NewAllowlist(append(list, DefaultProtections()...))
	if !plain.Equal(mapped) {
		t.Fatal("the lists differ")
	}
	covered := 0
	for range n {
		a := randomAddr(r)
		p, ok := plain.Covers(a)
		if ok {
			covered++
		}
		other := netip.AddrFrom16(a.As16())
		if a.Is6() {
			other = a.WithZone("eth0")
		}
		q, qok := mapped.Covers(other)
		if p != q || ok != qok {
			t.Fatalf("%s is %v, %s is %v", a, p, other, q)
		}
		if _, over := plain.Overlaps(netip.PrefixFrom(other, other.BitLen())); a.Is4() && over != ok {
			t.Fatalf("%s: covered %v, overlaps %v", other, ok, over)
		}
		if e := sentinel.Entity(other); e != sentinel.Entity(a) {
			t.Fatalf("entity %v, %v", e, sentinel.Entity(a))
		} else if _, over := plain.Overlaps(e); ok && !over {
			t.Fatalf("the entity of the protected %s is not protected", a)
		}
	}
	if covered < n/10 || covered > n*9/10 {
		t.Errorf("%d of %d covered: the test is one-sided", covered, n)
	}
}

func BenchmarkCovers(b *testing.B) {
	a := NewAllowlist(DefaultProtections())
	addr := ip("203.0.113.42")
	b.ReportAllocs()
	for b.Loop() {
		a.Covers(addr)
	}
}
