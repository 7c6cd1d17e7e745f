package decide

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/sentinel-ai/sentinel-ai"
)

// hostile is an attack of the gravest kind by an address as it was logged.
func hostile(addr netip.Addr) *sentinel.Detection {
	return &sentinel.Detection{
		Time: t0, RuleID: "R", Type: "dos", Group: "auth", Severity: sentinel.Critical, Confidence: 1, Addr: addr,
		Scope: sentinel.Entity(addr), Count: 1, Sample: addr.String(),
	}
}

func TestFaultLockout(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 2_000
	}
	// spared attacks with an address, and orders its block.
	origins := [...]sentinel.Origin{sentinel.OriginCLI, sentinel.OriginBot, sentinel.OriginCloud}
	spared := func(t *testing.T, d *Decider, i int, addr netip.Addr) {
		t.Helper()
		if fx := d.Detect(t0, hostile(addr)); len(fx.Blocks) != 0 {
			t.Fatalf("%s was blocked: %+v", addr, fx.Blocks)
		}
		o := sentinel.Order{Kind: sentinel.OrderBlock, Prefix: netip.PrefixFrom(addr.WithZone(""), addr.BitLen()), Origin: origins[i%3]}
		fx, err := d.Order(t0, o)
		var r *Refusal
		if !errors.As(err, &r) || len(fx.Blocks) != 0 {
			t.Fatalf("%s by %s: %v, %+v", addr, o.Origin, err, fx)
		}
	}
	t.Run("A05 IPv4-mapped addresses count as IPv4", func(t *testing.T) {
		d := newDecider(nil, Protection{Prefix: pfx("203.0.113.0/24"), Kind: KindUser})
		r := rand.New(rand.NewPCG(1, 2))
		for i := range n {
			raw := [4]byte{10, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
			if i%3 == 0 {
				raw[0], raw[1], raw[2] = 203, 0, 113
			}
			spared(t, d, i, netip.AddrFrom16(netip.AddrFrom4(raw).As16()))
		}
		// And what is not protected is blocked, as IPv4.
		fx := d.Detect(t0, hostile(ip("::ffff:198.51.100.7")))
		if len(fx.Blocks) != 1 || fx.Blocks[0].Prefix() != pfx("198.51.100.7/32") {
			t.Errorf("%+v", fx.Blocks)
		}
	})
	t.Run("A06 zones of addresses are dropped", func(t *testing.T) {
		d := newDecider(nil, Protection{Prefix: pfx("2001:db8::7"), Kind: KindAdmin})
		r := rand.New(rand.NewPCG(3, 4))
		for i := range n {
			raw := [16]byte{0xfe, 0x80 | byte(r.Uint32()&0x3f)}
			for j := 2; j < 16; j++ {
				raw[j] = byte(r.Uint32())
			}
			addr := netip.AddrFrom16(raw)
			if i%3 == 0 {
				addr = ip("2001:db8::7")
			}
			spared(t, d, i, addr.WithZone(fmt.Sprintf("eth%d", i%7)))
		}
	})
	t.Run("A07 the default list is complete", func(t *testing.T) {
		list := NewAllowlist(DefaultProtections())
		for _, p := range []string{
			"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fe80::/10", "fc00::/7", "169.254.0.0/16", "100.64.0.0/10",
			"169.254.169.254/32", "fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32", "224.0.0.0/4", "ff00::/8", "255.255.255.255/32",
		} {
			if _, ok := list.Get(pfx(p)); !ok {
				t.Errorf("%s is missing", p)
			}
		}
	})
	t.Run("A09 the cloud cannot block what is protected, by force or otherwise", func(t *testing.T) {
		protections := map[string]Kind{
			"192.0.2.1": KindGateway, "192.0.2.2": KindOwn, "192.0.2.3": KindResolver, "192.0.2.4": KindAdmin, "192.0.2.5": KindUser, "192.0.2.6": KindConfig,
			"192.0.2.7": KindProxy, "192.0.2.8": KindName, "192.0.2.9": KindKey, "192.0.2.10": KindCDN, "169.254.169.254": KindMetadata,
		}
		var list []Protection
		for addr, kind := range protections {
			list = append(list, Protection{Prefix: pfx(addr), Kind: kind})
		}
		for addr, kind := range protections {
			for _, force := range []bool{false, true} {
				for _, bits := range []int{32, 28} {
					d := newDecider(nil, list...)
					o := sentinel.Order{
						Kind: sentinel.OrderBlock, Prefix: netip.PrefixFrom(ip(addr), bits).Masked(), Force: force, Permanent: force, Origin: sentinel.OriginCloud, Actor: "console",
					}
					fx, err := d.Order(t0, o)
					var r *Refusal
					if !errors.As(err, &r) || len(fx.Blocks) != 0 || len(d.Blocks()) != 0 {
						t.Errorf("%s (%s)/%d: %v, %+v", addr, kind, bits, err, fx)
						continue
					}
					// It is reported: who wanted it, and why not.
					if len(fx.Actions) != 1 || fx.Actions[0].Type != "refused" || fx.Actions[0].Origin != sentinel.OriginCloud || fx.Actions[0].Actor != "console" || fx.Actions[0].Reason == "" {
						t.Errorf("%s: %+v", addr, fx.Actions)
					}
				}
			}
		}
	})
}
