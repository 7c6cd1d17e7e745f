package enforce

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"pgregory.net/rapid"
)

func TestTargetOf(t *testing.T) {
	cases := []struct{ in, want string }{
		{"192.0.2.1/32", "192.0.2.1/32"},
		{"192.0.2.1/24", "192.0.2.0/24"},
		{"::ffff:192.0.2.1/128", "192.0.2.1/32"},
		{"::ffff:192.0.2.0/120", "192.0.2.0/24"},
		{"2001:db8::1/128", "2001:db8::/64"},
		{"2001:db8::1:0:0:1/80", "2001:db8::/64"},
		{"2001:db8::/48", "2001:db8::/48"},
		{"0.0.0.0/0", ""},
		{"::/0", ""},
		{"::ffff:0.0.0.0/96", ""},
	}
	for _, c := range cases {
		got, ok := TargetOf(blockFor(c.in, 0))
		if ok != (c.want != "") || ok && got.Prefix().String() != c.want {
			t.Errorf("%s: %v, %t, want %q", c.in, got.Prefix(), ok, c.want)
		}
	}
	if _, ok := TargetOf(sentinel.Block{}); ok {
		t.Error("the zero block has a target")
	}
	end := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	got, _ := TargetOf(sentinel.MakeBlock(sentinel.BlockRecord{Prefix: netip.MustParsePrefix("192.0.2.1/32"), Expires: end}))
	if !got.Expires().Equal(end) {
		t.Errorf("expires %s, want %s", got.Expires(), end)
	}
	if got, _ := TargetOf(blockFor("192.0.2.1/32", 0)); !got.Expires().IsZero() {
		t.Errorf("a permanent block expires %s", got.Expires())
	}
}

func TestSimulatedBlocksAreNotDesired(t *testing.T) {
	real := blockFor("192.0.2.1/32", time.Hour)
	r := real.Record()
	r.Simulated = true
	simulated := sentinel.MakeBlock(r)
	d := NewDesired()
	d.Load([]sentinel.Block{simulated}, nil)
	d.Set(simulated)
	if c := d.Changes(0); len(c.Set) != 0 {
		t.Errorf("desired %v", c.Set)
	}
	d.Set(real)
	v := d.Changes(0).Version
	d.Set(simulated)
	if c := d.Changes(v); len(c.Removed) != 1 || d.Len() != 0 {
		t.Errorf("a simulated block does not end the real one: %+v", c)
	}
}

// A block may become a rate limit and the other way round; a rate that no
// firewall can keep is no target.
func TestDesiredRates(t *testing.T) {
	r := blockFor("192.0.2.1/32", time.Hour).Record()
	d := NewDesired()
	d.Load(nil, nil)
	for _, rate := range []sentinel.Rate{{}, {Count: 10, Per: time.Minute}, {Count: 5, Per: time.Second}, {}} {
		v := d.Version()
		r.Rate = rate
		d.Set(sentinel.MakeBlock(r))
		if c := d.Changes(v); len(c.Set) != 1 && v != 1 || len(c.Set) == 1 && c.Set[0].Rate() != rate {
			t.Errorf("%q: %+v", rate, c)
		}
	}
	r.Rate = sentinel.Rate{Count: 1, Per: time.Millisecond}
	if _, ok := TargetOf(sentinel.MakeBlock(r)); ok {
		t.Error("a rate of 1/ms has a target")
	}
}

func TestDesiredBeforeLoad(t *testing.T) {
	d := NewDesired()
	d.Set(blockFor("192.0.2.1/32", 0))
	if c := d.Changes(0); c.Version != 0 || !c.Empty() {
		t.Errorf("%+v", c)
	}
	d.Load(nil, nil)
	if c := d.Changes(0); c.Version == 0 || !c.Full || len(c.Set) != 0 {
		t.Errorf("%+v", c)
	}
	if c := d.Changes(1 << 40); !c.Full {
		t.Errorf("a version of the future: %+v", c)
	}
}

// What a follower gathers from changes, however rarely it asks, is what the
// source says at once; and the log stays bounded.
func TestDesiredChangesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := NewDesired()
		d.Load(nil, nil)
		held := map[netip.Prefix]int64{}
		var allow []netip.Prefix
		version := uint64(0)
		now := time.Now()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(0, 9).Draw(t, "host"))}), 32)
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0, 1:
				d.Set(sentinel.MakeBlock(sentinel.BlockRecord{Prefix: p, Expires: now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "end")) * time.Second)}))
			case 2:
				d.Remove(p)
			case 3:
				d.Allow([]netip.Prefix{p})
			case 4:
				for range logSize { // more than the log holds
					d.Set(blockFor("198.51.100.1/32", time.Hour))
					d.Remove(netip.MustParsePrefix("198.51.100.1/32"))
				}
			case 5:
				c := d.Changes(version)
				version = c.Version
				if c.Full {
					clear(held)
				}
				for _, target := range c.Set {
					held[target.prefix] = target.expires
				}
				for _, gone := range c.Removed {
					delete(held, gone)
				}
				if c.AllowChanged {
					allow = c.Allow
				}
				full := d.Changes(0)
				if len(full.Set) != len(held) || !slices.Equal(allow, full.Allow) {
					t.Fatalf("gathered %v, %v; want %+v", held, allow, full)
				}
				for _, target := range full.Set {
					if held[target.prefix] != target.expires {
						t.Fatalf("gathered %v; want %+v", held, full.Set)
					}
				}
				if again := d.Changes(version); !again.Empty() || again.Version != version {
					t.Fatalf("asking again gives %+v", again)
				}
			}
			if len(d.log) > logSize {
				t.Fatalf("the log has %d entries", len(d.log))
			}
		}
	})
}

// Ranges do not overlap, are sorted, and give each address the latest end of
// the networks around it.
func TestSegments(t *testing.T) {
	base := netip.MustParseAddr("255.255.255.0").As4() // up to the last address
	rapid.Check(t, func(t *rapid.T) {
		nets := map[netip.Prefix]force{}
		limits := rapid.Bool().Draw(t, "limits")
		base[0] = rapid.SampledFrom([]byte{0, 10, 255}).Draw(t, "first byte")
		base[1], base[2] = base[0], base[0]
		for range rapid.IntRange(0, 12).Draw(t, "networks") {
			a := base
			a[3] = byte(rapid.IntRange(0, 255).Draw(t, "host"))
			p := netip.PrefixFrom(netip.AddrFrom4(a), rapid.IntRange(24, 32).Draw(t, "bits")).Masked()
			end := rapid.IntRange(1, 6).Draw(t, "end")
			nets[p] = force{expires: int64(end)}
			if limits { // the rate tells the ends apart
				nets[p] = force{int64(end), sentinel.Rate{Count: end, Per: time.Second}}
			}
		}
		const now = 2
		got := segmentsOf(nets, now)
		for i, s := range got {
			if s.hi.Less(s.lo) || i > 0 && !got[i-1].hi.Less(s.lo) {
				t.Fatalf("ranges %v", got)
			}
			if i > 0 && got[i-1].hi.Next() == s.lo && got[i-1].end == s.end && !limits {
				t.Fatalf("ranges %v are not joined", got)
			}
		}
		for host := range 256 {
			a := base
			a[3] = byte(host)
			addr := netip.AddrFrom4(a)
			var want, have int64
			for p, f := range nets {
				if p.Contains(addr) && f.expires > now {
					want = max(want, f.expires)
				}
			}
			for _, s := range got {
				if !addr.Less(s.lo) && !s.hi.Less(addr) {
					have = s.end
					if limits && int64(s.rate.Count) != s.end {
						t.Fatalf("range %v has the rate of another", s)
					}
				}
			}
			if want != have {
				t.Fatalf("%s has end %d, want %d; networks %v, ranges %v", addr, have, want, nets, got)
			}
		}
	})
}
