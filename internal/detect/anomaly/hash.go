package anomaly

import (
	"encoding/binary"
	"net/netip"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/keyed"
)

// hasher makes 64-bit hashes.
type hasher struct{ keyed.Hash }

func newHasher(seed uint64) hasher {
	h := keyed.Hash{K0: keyed.Mix(seed^0xa0761d6478bd642f, 0xe7037ed1a0b428db), K1: keyed.Mix(seed^0x8ebc6af09c88c6e3, 0x589965cc75374cc3)}
	h.K2 = keyed.Mix(h.K0, h.K1|1)
	return hasher{h}
}

// word hashes a number.
func (h *hasher) word(v uint64) uint64 { return h.Word(0, v) }

// str hashes a string.
func (h *hasher) str(s string) uint64 { return h.Str(0, s) }

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
