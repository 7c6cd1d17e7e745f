package enforce

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

// held returns a backend that holds n blocks, and listens to news as in an
// agent.
func held(b *testing.B, n int) (*NFT, *Desired, uint64) {
	b.Helper()
	nft, _ := newQuietNFT(b, 0)
	d := NewDesired()
	d.Load(manyBlocks(n), prefixes("10.0.0.0/8"))
	c := d.Changes(0)
	if _, err := nft.Apply(context.Background(), c); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- nft.Watch(ctx, func() {}) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return nft, d, c.Version
}

// BenchmarkOneBlock adds one block to 100,000 and lifts it.
func BenchmarkOneBlock(b *testing.B) {
	for _, prefix := range []string{"192.0.2.7/32", "2a00:1:2:3::/64", "192.0.2.0/24"} {
		b.Run(prefix, func(b *testing.B) {
			nft, d, v := held(b, 100_000)
			block := blockFor(prefix, time.Hour)
			for i := 0; b.Loop(); i++ {
				if i%2 == 0 {
					d.Set(block)
				} else {
					d.Remove(block.Prefix())
				}
				c := d.Changes(v)
				v = c.Version
				if _, err := nft.Apply(context.Background(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkThousandBlocks adds 1,000 blocks to 50,000 at once, and lifts them.
func BenchmarkThousandBlocks(b *testing.B) {
	nft, d, v := held(b, 50_000)
	blocks := manyBlocks(51_000)[50_000:]
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			d.Set(blocks...)
		} else {
			for _, block := range blocks {
				d.Remove(block.Prefix())
			}
		}
		c := d.Changes(v)
		v = c.Version
		if _, err := nft.Apply(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRestore is a start with 100,000 blocks and no table (E06).
func BenchmarkRestore(b *testing.B) {
	nft, _ := newQuietNFT(b, 0)
	d := NewDesired()
	d.Load(manyBlocks(100_000), prefixes("10.0.0.0/8"))
	for b.Loop() {
		if rep, err := nft.Apply(context.Background(), d.Changes(0)); err != nil || rep.Have != 100_000 {
			b.Fatal(rep, err)
		}
		b.StopTimer()
		if err := nft.Remove(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkTakeOver is a start with 100,000 blocks that are all in the kernel.
func BenchmarkTakeOver(b *testing.B) {
	nft, d, _ := held(b, 100_000)
	for b.Loop() {
		second := NewNFT(nft.cfg)
		if rep, err := second.Apply(context.Background(), d.Changes(0)); err != nil || rep.Changed != 0 {
			b.Fatal(rep, err)
		}
		_ = second.Close()
	}
}

// BenchmarkCheck reads 100,000 blocks back.
func BenchmarkCheck(b *testing.B) {
	nft, _, _ := held(b, 100_000)
	for b.Loop() {
		if rep, err := nft.Check(context.Background()); err != nil || rep.Drift != 0 {
			b.Fatal(rep, err)
		}
	}
}

// BenchmarkNetworks changes one of 5,000 wider networks.
func BenchmarkNetworks(b *testing.B) {
	nft, d, v := held(b, 0)
	for i := range 5000 { // with gaps between them
		a := netip.AddrFrom4([4]byte{11, byte(i >> 7), byte(i << 1), 0})
		d.Set(blockFor(netip.PrefixFrom(a, 24).String(), time.Hour))
	}
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			d.Set(blockFor("192.0.2.0/24", time.Hour))
		} else {
			d.Remove(blockFor("192.0.2.0/24", 0).Prefix())
		}
		c := d.Changes(v)
		v = c.Version
		if _, err := nft.Apply(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}
