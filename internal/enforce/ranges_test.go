package enforce

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Networks that overlap in every way come and go, in the kernel, and its
// answer is always what is wanted.
func TestOverlappingNetworks(t *testing.T) {
	ctx := context.Background()
	n, _ := newQuietNFT(t, 0)
	d := NewDesired()
	d.Load(nil, nil)
	random := rand.New(rand.NewPCG(1, 2))
	version := uint64(0)
	var in []netip.Prefix
	for step := range 400 {
		var p netip.Prefix
		if step%2 == 0 {
			bits := 8 + random.IntN(24)
			p = netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, byte(random.IntN(4)), byte(random.IntN(256))}), bits)
		} else {
			p = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(random.IntN(4)), byte(random.IntN(256))}), 20+random.IntN(44))
		}
		switch {
		case len(in) > 0 && random.IntN(3) == 0:
			i := random.IntN(len(in))
			d.Remove(in[i])
			in[i] = in[len(in)-1]
			in = in[:len(in)-1]
		default:
			p = p.Masked()
			in = append(in, p)
			d.Set(blockFor(p.String(), time.Duration(random.IntN(5))*time.Hour))
		}
		if step%50 == 49 {
			var allow []netip.Prefix
			for range random.IntN(20) {
				allow = append(allow, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(random.IntN(256)), 0, 0}), 8+random.IntN(25)))
			}
			d.Allow(allow)
		}
		c := d.Changes(version)
		version = c.Version
		if rep, err := n.Apply(ctx, c); err != nil || rep.Rejected != 0 {
			t.Fatalf("step %d: %+v, %v", step, rep, err)
		}
		if rep, err := n.Check(ctx); err != nil || rep.Drift != 0 || rep.Changed != 0 {
			t.Fatalf("step %d: check %+v, %v", step, rep, err)
		}
	}
}

// All of an address family is allowed, and the last address is blocked.
func TestRangesAtTheEdges(t *testing.T) {
	ctx := context.Background()
	n, _ := newQuietNFT(t, 0)
	d := NewDesired()
	d.Load(nil, prefixes("0.0.0.0/0", "::/0"))
	d.Set(blockFor("255.255.255.0/24", time.Hour), blockFor("0.0.0.0/8", 0),
		blockFor("ff00::/8", time.Hour), blockFor("::/8", 0), blockFor("255.255.255.255/32", 0))
	if rep, err := n.Apply(ctx, d.Changes(0)); err != nil || rep.Rejected != 0 || rep.Have != 5 {
		t.Fatalf("%+v, %v", rep, err)
	}
	if rep, err := n.Check(ctx); err != nil || rep.Drift != 0 || rep.Rebuilt {
		t.Fatalf("%+v, %v", rep, err)
	}
	v := d.Changes(0).Version
	d.Allow(nil)
	if rep, err := n.Apply(ctx, d.Changes(v)); err != nil {
		t.Fatalf("%+v, %v", rep, err)
	}
	if rep, err := n.Check(ctx); err != nil || rep.Drift != 0 || rep.Rebuilt {
		t.Fatalf("%+v, %v", rep, err)
	}
}

// What the kernel sends is walked through without harm whatever it holds.
func FuzzMessages(f *testing.F) {
	b := (&conn{}).batch()
	b.elements(unix.NFT_MSG_NEWSETELEM, block4, []element{{key: hashKey(7).bytes(block4), timeout: time.Hour}})
	f.Add(b.b)
	f.Add([]byte{16, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = eachMessage(data, func(_ header, payload []byte) error {
			if len(payload) < 4 {
				return nil
			}
			eachAttr(payload[4:], func(_ uint16, v []byte) {
				eachAttr(v, func(_ uint16, v []byte) { parseElement(v, 0) })
			})
			parseCounter(payload[4:])
			return nil
		})
		NewNFT(NFTConfig{}).concerns(data)
	})
}
