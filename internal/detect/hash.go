package detect

import (
	"hash/maphash"
	"net/netip"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/keyed"
)

// hasher turns keys into 64-bit hashes.
type hasher struct{ keyed.Hash }

func newHasher(seed [2]uint64) hasher {
	if seed == ([2]uint64{}) {
		seed = randomSeed()
	}
	h := keyed.Hash{K0: keyed.Mix(seed[0]^0xa0761d6478bd642f, seed[1]|1), K1: keyed.Mix(seed[1]^0xe7037ed1a0b428db, seed[0]|1)}
	h.K2 = keyed.Mix(h.K0^0x8ebc6af09c88c6e3, h.K1|1)
	return hasher{h}
}

// randomSeed draws from the runtime's random numbers; this package may not read
// the operating system's itself.
func randomSeed() [2]uint64 {
	return [2]uint64{maphash.String(maphash.MakeSeed(), "0"), maphash.String(maphash.MakeSeed(), "1")}
}

// join makes one hash of two.
func (h *hasher) join(a, b uint64) uint64 { return keyed.Mix(a^b, h.K2) }

// addr hashes the first v4 or v6 bits of an address on top of seed.
func (h *hasher) addr(seed uint64, a netip.Addr, v4, v6 int) uint64 {
	if a.Is4() || a.Is4In6() {
		b := a.As4()
		w := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		w &= uint32(uint64(0xffffffff) << (32 - uint(v4)))
		return h.Word(seed, 1<<32|uint64(w))
	}
	b := a.As16()
	hi, lo := be64(b[:8]), be64(b[8:])
	if v6 <= 64 {
		lo = 0
		hi &= ^uint64(0) << (64 - uint(v6))
	} else {
		lo &= ^uint64(0) << (128 - uint(v6))
	}
	return h.Word(h.Word(seed^6, hi), lo)
}

func be64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[7]) | uint64(b[6])<<8 | uint64(b[5])<<16 | uint64(b[4])<<24 |
		uint64(b[3])<<32 | uint64(b[2])<<40 | uint64(b[1])<<48 | uint64(b[0])<<56
}
