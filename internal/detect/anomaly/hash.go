package anomaly

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// hasher makes 64-bit hashes of strings, keyed so that who writes log lines
// cannot aim at what is counted (the construction is wyhash's).
type hasher struct{ k0, k1, k2 uint64 }

func newHasher(seed uint64) hasher {
	h := hasher{k0: scramble(seed^0xa0761d6478bd642f, 0xe7037ed1a0b428db), k1: scramble(seed^0x8ebc6af09c88c6e3, 0x589965cc75374cc3)}
	h.k2 = scramble(h.k0, h.k1|1)
	return h
}

func scramble(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// word hashes a number.
func (h *hasher) word(v uint64) uint64 { return scramble(scramble(v^h.k1, h.k2)^h.k0, h.k1) }

// str hashes a string.
func (h *hasher) str(s string) uint64 {
	n, seed := uint64(len(s)), h.k0
	for len(s) > 16 {
		seed = scramble(le64(s)^h.k1, le64(s[8:])^seed)
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
	return scramble(h.k2^n, scramble(a^h.k1, b^seed))
}

func le64(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func le32(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// clientOf makes a number of an entity: the IPv4 address, or the upper half of
// the IPv6 one.
func clientOf(a netip.Addr) (client uint64, v6 bool) {
	a = a.Unmap()
	b := a.As16()
	if a.Is4() {
		return uint64(binary.BigEndian.Uint32(b[12:])), false
	}
	return binary.BigEndian.Uint64(b[:]), true
}

// addressOf is the first address of a client's entity.
func addressOf(client uint64, v6 bool) netip.Addr {
	if !v6 {
		return netip.AddrFrom4([4]byte{byte(client >> 24), byte(client >> 16), byte(client >> 8), byte(client)})
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], client)
	return netip.AddrFrom16(b)
}

// networkOf is the /24 of an IPv4 client, the /48 of an IPv6 one.
func networkOf(client uint64, v6 bool) uint64 {
	if v6 {
		return client >> 16
	}
	return client>>8 | 1<<63
}
