// Package keyed hashes what stands in log lines. The hashes are keyed: who writes
// lines does not know the keys, so that nobody can aim two values at one counter.
// It is our own (the construction is wyhash's) and not maphash, because its keys
// can be saved beside what is counted and used again after a restart.
package keyed

import "math/bits"

// Hash has the three keys.
type Hash struct{ K0, K1, K2 uint64 }

// Mix makes one number of two.
func Mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// Word hashes one number on top of seed.
func (h *Hash) Word(seed, v uint64) uint64 { return Mix(Mix(v^h.K1, seed^h.K2)^h.K0, h.K1) }

// Str hashes a string on top of seed.
func (h *Hash) Str(seed uint64, s string) uint64 {
	n := uint64(len(s))
	seed ^= h.K0
	for len(s) > 16 {
		seed = Mix(le64(s)^h.K1, le64(s[8:])^seed)
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
	return Mix(h.K2^n, Mix(a^h.K1, b^seed))
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
