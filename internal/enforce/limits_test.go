package enforce

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
	"golang.org/x/sys/unix"
)

// manyBlocks returns n different blocks: half addresses, half /64s.
func manyBlocks(n int) []sentinel.Block {
	out := make([]sentinel.Block, n)
	now := time.Now()
	for i := range out {
		var p netip.Prefix
		if i%2 == 0 {
			p = netip.PrefixFrom(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 0x0b000000+uint32(i)))), 32)
		} else {
			a := [16]byte{0x20, 0x01, 0x0d, 0xb8}
			binary.BigEndian.PutUint32(a[4:], uint32(i)*2654435761)
			p = netip.PrefixFrom(netip.AddrFrom16(a), 64)
		}
		out[i] = sentinel.MakeBlock(sentinel.BlockRecord{Prefix: p, Created: now, Expires: now.Add(time.Hour + time.Duration(i)*time.Second)})
	}
	return out
}

func newQuietNFT(t testing.TB, size uint32) (*NFT, *netnstest.Namespace) {
	ns := netnstest.New(t)
	n := NewNFT(NFTConfig{NetNS: ns.FD(), SetSize: size})
	t.Cleanup(func() { _ = n.Close() })
	return n, ns
}

// E06: many blocks are restored, checked, found missing, and lifted. The
// benchmark does 100,000.
func testManyBlocks(t *testing.T) {
	count := sizeOf(20_000, 100_000)
	ctx := context.Background()
	n, ns := newQuietNFT(t, 0)
	d := NewDesired()
	blocks := manyBlocks(count)
	d.Load(blocks, prefixes("127.0.0.0/8"))
	rep, err := n.Apply(ctx, d.Changes(0))
	if err != nil || rep.Have != count || rep.Want != count {
		t.Fatalf("restoring: %+v, %v", rep, err)
	}
	if rep, err = n.Check(ctx); err != nil || rep.Drift != 0 || rep.Have != count {
		t.Fatalf("checking: %+v, %v", rep, err)
	}
	ns.Command("nft", "flush", "set", "inet", Table, "block6")
	if rep, err = n.Check(ctx); err != nil || rep.Drift != count/2 || rep.Changed != count/2 {
		t.Fatalf("checking after a flush: %+v, %v", rep, err)
	}
	second := NewNFT(n.cfg)
	defer second.Close()
	if rep, err = second.Apply(ctx, d.Changes(0)); err != nil || rep.Changed != 0 || rep.Have != count {
		t.Fatalf("taking over: %+v, %v", rep, err)
	}
	v := d.Changes(0).Version
	for _, b := range blocks {
		d.Remove(b.Prefix())
	}
	if rep, err = n.Apply(ctx, d.Changes(v)); err != nil || rep.Have != 0 || rep.Want != 0 {
		t.Fatalf("lifting: %+v, %v", rep, err)
	}
	if rep, err = n.Check(ctx); err != nil || rep.Drift != 0 {
		t.Fatalf("checking at the end: %+v, %v", rep, err)
	}
}

// E07: what fits into a full set is in it, the rest is named, and nothing that
// was in it is lost. Once there is room, the rest follows.
func testFullSet(t *testing.T) {
	ctx := context.Background()
	n, _ := newQuietNFT(t, 1000)
	d := NewDesired()
	d.Load(manyBlocks(1000), nil) // 500 of each family
	if rep, err := n.Apply(ctx, d.Changes(0)); err != nil || rep.Have != 1000 {
		t.Fatalf("before: %+v, %v", rep, err)
	}
	v := d.Changes(0).Version
	d.Set(manyBlocks(2600)...) // the first 1000 get new ends
	rep, err := n.Apply(ctx, d.Changes(v))
	if err != nil {
		t.Fatal(err)
	}
	if rep.Want != 2600 || rep.Have > 2000 || rep.Have < 1990 || rep.Rejected != rep.Want-rep.Have || len(rep.Samples) == 0 {
		t.Errorf("filling: %+v; want all but the last few places taken", rep)
	}
	v = d.Changes(0).Version
	for _, b := range manyBlocks(1000) {
		d.Remove(b.Prefix())
	}
	if rep, err = n.Apply(ctx, d.Changes(v)); err != nil {
		t.Fatal(err)
	}
	if rep, err = n.Check(ctx); err != nil || rep.Have != 1600 || rep.Rejected != 0 {
		t.Errorf("after making room: %+v, %v", rep, err)
	}
	// A start with more than fits applies what does.
	second := NewNFT(NFTConfig{NetNS: n.cfg.NetNS, SetSize: 500})
	defer second.Close()
	if rep, err = second.Apply(ctx, d.Changes(0)); err != nil || rep.Have < 990 || rep.Rejected != 1600-rep.Have {
		t.Errorf("starting with too many: %+v, %v", rep, err)
	}
}

// E08: one bad element among many is found, and all others are applied.
func testBadElement(t *testing.T) {
	n, _ := newQuietNFT(t, 0)
	d := NewDesired()
	d.Load(nil, nil)
	ctx := context.Background()
	if _, err := n.Apply(ctx, d.Changes(0)); err != nil {
		t.Fatal(err)
	}
	bad := netip.MustParsePrefix("11.0.1.0/32")
	n.refuse = func(set setKind, keys []hashKey) error {
		for _, k := range keys {
			if k.prefix(set) == bad {
				return unix.EINVAL
			}
		}
		return nil
	}
	v := d.Changes(0).Version
	d.Set(manyBlocks(3000)...)
	rep, err := n.Apply(ctx, d.Changes(v))
	if err != nil || rep.Have != 2999 || rep.Rejected != 1 || rep.Samples[0].Prefix != bad {
		t.Errorf("%+v, %v", rep, err)
	}
	if rep, err = n.Check(ctx); err != nil || rep.Have != 2999 || rep.Rejected != 1 || rep.Drift != 0 {
		t.Errorf("check: %+v, %v", rep, err)
	}
	n.refuse = nil
	if rep, err = n.Check(ctx); err != nil || rep.Have != 3000 || rep.Rejected != 0 {
		t.Errorf("check when it is good again: %+v, %v", rep, err)
	}
}

// A batch that the kernel refuses changes nothing.
func TestBatchIsAtomic(t *testing.T) {
	n, _ := newQuietNFT(t, 0)
	ctx := context.Background()
	d := NewDesired()
	d.Load(nil, nil)
	if _, err := n.Apply(ctx, d.Changes(0)); err != nil {
		t.Fatal(err)
	}
	b := n.conn.batch()
	b.elements(unix.NFT_MSG_NEWSETELEM, block4, []element{{key: hashKey(1).bytes(block4)}})
	b.elements(unix.NFT_MSG_DELSETELEM, block4, []element{{key: hashKey(2).bytes(block4)}})
	if err := n.conn.commit(b); !errors.Is(err, unix.ENOENT) {
		t.Fatalf("deleting what is not there: %v, want ENOENT", err)
	}
	if rep, err := n.Check(ctx); err != nil || rep.Drift != 0 {
		t.Errorf("%+v, %v", rep, err)
	}
}
