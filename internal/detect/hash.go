package detect

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
)

// hasher turns keys into 64-bit hashes. It is keyed: who writes log lines does
// not know the seeds, so nobody can aim two keys at one counter. It is our own
// (the construction is wyhash's) and not maphash, because its seeds can be saved
// beside the counters and used again after a restart.
type hasher struct{ k0, k1, k2 uint64 }

func newHasher(seed [2]uint64) hasher {
	if seed == ([2]uint64{}) {
		seed = randomSeed()
	}
	h := hasher{k0: mix(seed[0]^0xa0761d6478bd642f, seed[1]|1), k1: mix(seed[1]^0xe7037ed1a0b428db, seed[0]|1)}
	h.k2 = mix(h.k0^0x8ebc6af09c88c6e3, h.k1|1)
	return h
}

// randomSeed draws from the runtime's random numbers; this package may not read
// the operating system's itself.
func randomSeed() [2]uint64 {
	return [2]uint64{maphash.String(maphash.MakeSeed(), "0"), maphash.String(maphash.MakeSeed(), "1")}
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// word hashes one number on top of seed.
func (h *hasher) word(seed, v uint64) uint64 { return mix(mix(v^h.k1, seed^h.k2)^h.k0, h.k1) }

// join makes one hash of two.
func (h *hasher) join(a, b uint64) uint64 { return mix(a^b, h.k2) }

// str hashes a string on top of seed.
func (h *hasher) str(seed uint64, s string) uint64 {
	n := uint64(len(s))
	seed ^= h.k0
	for len(s) > 16 {
		seed = mix(le64(s)^h.k1, le64(s[8:])^seed)
		s = s[16:]
	}
	var a, b uint64
	switch {
	case len(s) >= 8:
		a, b = le64(s), le64(s[len(s)-8:])
	case len(s) >= 4:
		a, b = le32(s), le32(s[len(s)-4:])
	case len(s) > 0:
		a = uint64(s[0])<<16 | uint64(s[len(s)>>1])<<8 | uint64(s[len(s)-1])
	}
	return mix(h.k2^n, mix(a^h.k1, b^seed))
}

// addr hashes the first v4 or v6 bits of an address on top of seed.
func (h *hasher) addr(seed uint64, a netip.Addr, v4, v6 int) uint64 {
	if a.Is4() || a.Is4In6() {
		b := a.As4()
		w := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		w &= uint32(uint64(0xffffffff) << (32 - uint(v4)))
		return h.word(seed, 1<<32|uint64(w))
	}
	b := a.As16()
	hi, lo := be64(b[:8]), be64(b[8:])
	if v6 <= 64 {
		lo = 0
		hi &= ^uint64(0) << (64 - uint(v6))
	} else {
		lo &= ^uint64(0) << (128 - uint(v6))
	}
	return h.word(h.word(seed^6, hi), lo)
}

func le64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func le32(s string) uint64 {
	_ = s[3]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

func be64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[7]) | uint64(b[6])<<8 | uint64(b[5])<<16 | uint64(b[4])<<24 |
		uint64(b[3])<<32 | uint64(b[2])<<40 | uint64(b[1])<<48 | uint64(b[0])<<56
}
