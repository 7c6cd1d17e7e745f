package decide

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// attackFrom blocks n addresses of a network, a second apart, and returns the
// effects of the last.
func attackFrom(t *testing.T, d *Decider, format string, n int) (fx Effects, at time.Time) {
	t.Helper()
	for i := range n {
		at = t0.Add(time.Duration(i) * time.Second)
		fx = d.Detect(at, brute(fmt.Sprintf(format, 10+i), at))
	}
	return fx, at
}

func TestManyNeighbours(t *testing.T) {
	for _, tt := range []struct {
		name, format, network string
		change                func(*Config)
		protect               Protection
		after                 int    // it takes so many to be told; 0: never
		blocked               bool   // the network is
		alarm                 string // part of the text
	}{
		{name: "people are asked", format: "203.0.113.%d", network: "203.0.113.0/24", after: 4,
			alarm: "4 addresses of 203.0.113.0/24 were blocked within a day (203.0.113.10, 203.0.113.11, 203.0.113.12, 203.0.113.13): block the network? sentinelctl block 203.0.113.0/24 --duration 24h --confirm 60s"},
		{name: "blocked where policy says so", format: "203.0.113.%d", network: "203.0.113.0/24", after: 4, blocked: true,
			change: func(c *Config) { c.PrefixBlock = true }, alarm: "the network is blocked until"},
		{name: "IPv6", format: "2001:db8:0:ab%d::7", network: "2001:db8:0:ab00::/56", after: 4, blocked: true,
			change: func(c *Config) { c.PrefixBlock = true }, alarm: "4 neighbours (/64) of 2001:db8:0:ab00::/56 were blocked within a day (2001:db8:0:ab10::/64, "},
		{name: "not with an administrator in it", format: "203.0.113.%d", network: "203.0.113.0/24", after: 4,
			change:  func(c *Config) { c.PrefixBlock = true },
			protect: Protection{Prefix: pfx("203.0.113.200"), Kind: KindAdmin, Reason: "session of alice"},
			alarm:   "it is not blocked as a whole, since it holds 203.0.113.200 (session of alice, admin)"},
		{name: "not with somebody whitelisted in it", format: "203.0.113.%d", network: "203.0.113.0/24", after: 4,
			change:  func(c *Config) { c.PrefixBlock = true },
			protect: Protection{Prefix: pfx("203.0.113.64/26"), Kind: KindUser, Reason: "a friend"},
			alarm:   "since it holds 203.0.113.64/26 (a friend, user)"},
		{name: "narrower where policy allows no more", format: "203.0.113.%d", network: "203.0.113.0/28", after: 4, blocked: true,
			change: func(c *Config) { c.PrefixBlock, c.MinBits4 = true, 28 }, alarm: "4 addresses of 203.0.113.0/28"},
		{name: "never where policy allows addresses alone", format: "203.0.113.%d", change: func(c *Config) { c.PrefixBlock, c.MinBits4 = true, 32 }},
		{name: "not further apart", format: "203.0.%d.7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var protections []Protection
			if tt.protect.Prefix.IsValid() {
				protections = append(protections, tt.protect)
			}
			d := newDecider(tt.change, protections...)
			for i := range 6 {
				at := t0.Add(time.Duration(i) * time.Second)
				fx := d.Detect(at, brute(fmt.Sprintf(tt.format, 10+i), at))
				told := countAlarms(fx, AlarmNetwork)
				switch {
				case i+1 != tt.after:
					if told != 0 {
						t.Errorf("%d: told again: %+v", i+1, fx.Alarms)
					}
				case told != 1 || !strings.Contains(fx.Alarms[0].Text, tt.alarm):
					t.Errorf("alarms %+v, want %q", fx.Alarms, tt.alarm)
				default:
					reason := one(t, fx).ActionReason
					if !strings.Contains(reason, tt.network) || !strings.Contains(reason, "were blocked within a day") {
						t.Errorf("reason %q", reason)
					}
				}
			}
			if got := slicesHas(d.Blocks(), tt.network); got != tt.blocked {
				t.Errorf("blocked: %v, want %v", got, tt.blocked)
			}
		})
	}
}

func slicesHas(blocks []sentinel.Block, network string) bool {
	for _, b := range blocks {
		if b.Prefix().String() == network {
			return true
		}
	}
	return false
}

func TestNeighbourBlock(t *testing.T) {
	d := newDecider(func(c *Config) { c.PrefixBlock, c.Durations[sentinel.Critical] = true, time.Hour })
	fx, at := attackFrom(t, d, "203.0.113.%d", 4)
	if len(fx.Blocks) != 2 || len(fx.Actions) != 2 {
		t.Fatalf("%+v", fx)
	}
	r := fx.Blocks[1].Record()
	if r.Prefix != pfx("203.0.113.0/24") || r.Origin != sentinel.OriginRule || r.ThreatID != one(t, fx).ID ||
		!strings.HasPrefix(r.Reason, "4 addresses of this network were blocked within a day (203.0.113.10, ") {
		t.Errorf("block %+v", r)
	}
	// More of the same address changes nothing in what is said of the network.
	if fx := d.Detect(at.Add(time.Second), brute("203.0.113.13", at.Add(time.Second))); len(fx.Blocks) != 0 {
		t.Errorf("blocked again: %+v", fx.Blocks)
	}
	if c, _ := d.Case(one(t, fx).ID); !strings.HasPrefix(c.ActionReason, "blocked with 203.0.113.0/24") || !strings.HasSuffix(c.ActionReason, "; 4 addresses of it were blocked within a day") {
		t.Errorf("reason %q", c.ActionReason)
	}
	// Neighbours that come now are dropped with the network.
	if fx := d.Detect(at, brute("203.0.113.99", at)); len(fx.Blocks) != 0 || !strings.Contains(one(t, fx).ActionReason, "with 203.0.113.0/24") {
		t.Errorf("%+v", fx)
	}
	// The administrator who appears in it opens it again.
	fx = d.SetAllow(at, d.Allowlist().With(Protection{Prefix: pfx("203.0.113.200"), Kind: KindAdmin}))
	if len(fx.Unblocked) != 1 || fx.Unblocked[0] != r.Prefix {
		t.Errorf("%v", fx.Unblocked)
	}
}

func TestNeighboursForgotten(t *testing.T) {
	d := newDecider(nil)
	_, at := attackFrom(t, d, "203.0.113.%d", 3)
	// A block that a person took back does not count.
	if _, err := d.Order(at, order(sentinel.OrderUnblock, "203.0.113.10")); err != nil {
		t.Fatal(err)
	}
	if fx := d.Detect(at, brute("203.0.113.50", at)); countAlarms(fx, AlarmNetwork) != 0 {
		t.Errorf("%+v", fx.Alarms)
	}
	// Nor does one of yesterday.
	at = at.Add(24*time.Hour + time.Second)
	d.Tick(at)
	if fx := d.Detect(at, brute("203.0.113.51", at)); countAlarms(fx, AlarmNetwork) != 0 {
		t.Errorf("%+v", fx.Alarms)
	}
	// After a restart they are known again.
	d = newDecider(nil)
	var stored []sentinel.BlockRecord
	for i := range 3 {
		stored = append(stored, sentinel.BlockRecord{
			ID: fmt.Sprint(i), Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32), Origin: sentinel.OriginRule,
			Score: 0.75, Created: t0.Add(-2 * time.Hour), Expires: t0.Add(-time.Hour),
		})
	}
	d.Restore(t0, stored, nil)
	if fx := d.Detect(t0, brute("203.0.113.50", t0)); countAlarms(fx, AlarmNetwork) != 1 {
		t.Errorf("%+v", fx.Alarms)
	}
}

func TestNetworksAreBounded(t *testing.T) {
	d := newDecider(func(c *Config) { c.MaxBlocks, c.NewBlocksPerMinute = 100, 1_000_000 })
	for i := range maxNetworks + 1000 {
		at := t0.Add(time.Duration(i) * time.Millisecond)
		d.Detect(at, brute(fmt.Sprintf("%d.%d.%d.9", 20+i>>16, i>>8&255, i&255), at))
	}
	if n := d.history.networks.len(); n != maxNetworks {
		t.Errorf("%d networks are remembered", n)
	}
}

func TestEscalationFactor(t *testing.T) {
	for _, tt := range []struct {
		factor float64
		want   []time.Duration
	}{
		{1, []time.Duration{time.Hour, time.Hour, time.Hour}},
		{2, []time.Duration{time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour, 24 * time.Hour, 24 * time.Hour}},
		{10, []time.Duration{time.Hour, 10 * time.Hour, 24 * time.Hour, 24 * time.Hour}},
	} {
		d := newDecider(func(c *Config) { c.Factor, c.MaxDuration = tt.factor, 24*time.Hour })
		at := t0
		for i, want := range tt.want {
			det := brute("203.0.113.9", at)
			det.Severity, det.BlockFor = sentinel.Critical, time.Hour // in one band, whatever the reputation
			fx := d.Detect(at, det)
			if len(fx.Blocks) != 1 {
				t.Fatalf("factor %v, %d: %+v", tt.factor, i, fx)
			}
			if r := fx.Blocks[0].Record(); r.Expires.Sub(r.Created) != want {
				t.Errorf("factor %v, block %d lasts %v, want %v", tt.factor, i, r.Expires.Sub(r.Created), want)
			}
			at = fx.Blocks[0].Expires().Add(time.Hour + time.Second)
			d.Tick(at)
		}
	}
}
