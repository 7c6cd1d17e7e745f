package anomaly

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
)

func hashed(seed uint64, a netip.Addr) uint64 {
	h := newHasher(seed)
	return h.addr(a)
}

// TestDistinct: the estimate is within 5 % (three standard errors) whatever the
// seed and however regular the addresses.
func TestDistinct(t *testing.T) {
	v6 := func(i int) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, byte(i >> 16), byte(i >> 8), byte(i), 15: 1})
	}
	for _, seed := range []uint64{0, 1, 7, math.MaxUint64} {
		for name, addr := range map[string]func(int) netip.Addr{"IPv4": client, "IPv6": v6} {
			for _, n := range []int{1, 10, 100, 2000, 20_000, 200_000} {
				var d distinct
				for i := range n {
					d.add(hashed(seed, addr(i)))
					d.add(hashed(seed, addr(i)))
				}
				if got := d.count(); math.Abs(got-float64(n)) > 0.05*float64(n)+0.5 {
					t.Errorf("seed %d, %s: %.1f of %d", seed, name, got, n)
				}
			}
		}
	}
	one := hashed(1, netip.MustParseAddr("2001:db8:1:2::3"))
	if hashed(1, netip.MustParseAddr("2001:db8:1:2:ffff::9")) != one || hashed(1, netip.MustParseAddr("2001:db8:1:3::3")) == one {
		t.Error("an IPv6 /64 is not one")
	}
	if hashed(1, netip.MustParseAddr("::ffff:192.0.2.1")) != hashed(1, netip.MustParseAddr("192.0.2.1")) {
		t.Error("a mapped address is another")
	}
}

// TestHashText: paths spread over places.
func TestHashText(t *testing.T) {
	h := newHasher(7)
	var places [pathPlaces]int
	for i := range 25_600 {
		places[h.str(fmt.Sprintf("/page/%d", i))%pathPlaces]++
	}
	for i, n := range places {
		if n < 50 || n > 160 {
			t.Errorf("place %d has %d of 100", i, n)
		}
	}
}

func TestKnownAddrs(t *testing.T) {
	k := newKnownAddrs()
	now := monday.Unix()
	wrong := 0
	for i := range 50_000 {
		if k.note(hashed(3, client(i)), now) {
			wrong++
		}
	}
	if wrong > 100 {
		t.Errorf("%d of 50,000 new addresses are taken for known", wrong)
	}
	for i := range 50_000 {
		if !k.note(hashed(3, client(i)), now) {
			t.Fatalf("address %d is forgotten", i)
		}
	}
	// What comes within a month stays known, what does not is forgotten.
	month := now + knownAge + 1
	if !k.note(hashed(3, client(1)), month) || !k.note(hashed(3, client(1)), month+knownAge+1) || k.note(hashed(3, client(2)), month+2*knownAge) {
		t.Error("addresses are not forgotten by age")
	}
	copied := newKnownAddrs()
	if err := copied.load(k.append(nil)); err != nil || copied.set != k.set || copied.since != k.since || copied.began != now {
		t.Errorf("stored and read: %v", err)
	}
}

func TestDivergence(t *testing.T) {
	var c countries
	day := func(shares map[string]int) {
		for name, n := range shares {
			for range n {
				c.visit(countryPlace(name))
			}
		}
	}
	for d := range int64(5) {
		c.turn(d + 1)
		day(map[string]int{"DE": 700, "NL": 200, "FR": 100})
	}
	if d, ok := c.divergence(); !ok || d > 0.01 {
		t.Errorf("an ordinary day diverges by %v, %v", d, ok)
	}
	c.turn(10)
	day(map[string]int{"DE": 100})
	if _, ok := c.divergence(); ok {
		t.Error("100 visits say something")
	}
	day(map[string]int{"BR": 600, "VN": 300})
	d, ok := c.divergence()
	name, now, before := c.strangest()
	if !ok || d < 0.5 || name != "BR" || now != 0.6 || before != 0 {
		t.Errorf("another world diverges by %v, %v; %s %v %v", d, ok, name, now, before)
	}
	c.spoiled = mostSpoiled + 1
	c.turn(11) // not learned
	day(map[string]int{"DE": 700, "NL": 200, "FR": 100})
	if d, _ := c.divergence(); d > 0.01 {
		t.Errorf("what was not to be learned was: %v", d)
	}
	for _, bad := range []string{"", "D", "de", "DEU", "É"} {
		if countryPlace(bad) >= 0 {
			t.Errorf("%q is a country", bad)
		}
	}
}
