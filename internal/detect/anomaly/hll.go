package anomaly

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"net/netip"
)

// registers of a HyperLogLog with p = 12: 4 KiB, a standard error of 1.6 %.
const (
	registerBits = 12
	registers    = 1 << registerBits
)

// distinct estimates how many different hashes were added.
type distinct [registers]uint8

func (d *distinct) add(hash uint64) {
	r := hash >> (64 - registerBits)
	rank := uint8(bits.LeadingZeros64(hash<<registerBits|1<<(registerBits-1)) + 1)
	if rank > d[r] {
		d[r] = rank
	}
}

func (d *distinct) count() float64 {
	const m = float64(registers)
	sum, zeros := 0.0, 0
	for _, r := range d {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			zeros++
		}
	}
	est := 0.7213 / (1 + 1.079/m) * m * m / sum
	if est <= 2.5*m && zeros > 0 {
		est = m * math.Log(m/float64(zeros))
	}
	return est
}

// addr hashes the entity of an address: an IPv4 address, or the /64 of an IPv6
// one.
func (h *hasher) addr(a netip.Addr) uint64 {
	client, _ := clientOf(a)
	return h.word(client)
}

// knownAddrs remembers which addresses a source has seen, of all sources
// together: two Bloom filters, of which the older one is given up when the newer
// is half full or was filled for a month. With 200,000 addresses in both about
// one address in fifty is taken for known that is not.
type knownAddrs struct {
	bits  [2][]uint64 // the newer first
	set   int         // bits set in the newer
	since int64       // it was begun then, unix seconds
	began int64       // and the first of all
}

const (
	knownBits   = 1 << 20 // of one filter: 128 KiB
	knownProbes = 4
	knownAge    = 30 * 24 * 3600
	// knownReady is how long addresses must have been noted before one that is
	// not known means something.
	knownReady = 24 * 3600
)

func newKnownAddrs() *knownAddrs {
	return &knownAddrs{bits: [2][]uint64{make([]uint64, knownBits/64), make([]uint64, knownBits/64)}}
}

// note remembers a hash and reports whether it was known.
func (k *knownAddrs) note(hash uint64, now int64) (known bool) {
	if k.began == 0 {
		k.began, k.since = now, now
	}
	if 2*k.set > knownBits || now-k.since > knownAge {
		k.bits[0], k.bits[1] = k.bits[1], k.bits[0]
		clear(k.bits[0])
		k.set, k.since = 0, now
	}
	young, old := true, true
	step := hash>>32 | 1
	for i := range uint64(knownProbes) {
		bit := (hash + i*step) % knownBits
		word, mask := bit/64, uint64(1)<<(bit%64)
		old = old && k.bits[1][word]&mask != 0
		if k.bits[0][word]&mask == 0 {
			young = false
			k.bits[0][word] |= mask
			k.set++
		}
	}
	return young || old
}

// ready reports whether an address that is not known is a new one.
func (k *knownAddrs) ready(now int64) bool { return k.began != 0 && now-k.began >= knownReady }

const knownVersion = 1

// append appends the filters in the form that load reads.
func (k *knownAddrs) append(data []byte) []byte {
	data = append(data, knownVersion)
	data = binary.LittleEndian.AppendUint64(data, uint64(k.began))
	data = binary.LittleEndian.AppendUint64(data, uint64(k.since))
	for _, filter := range k.bits {
		for _, word := range filter {
			data = binary.LittleEndian.AppendUint64(data, word)
		}
	}
	return data
}

func (k *knownAddrs) load(data []byte) error {
	if len(data) != 17+2*knownBits/8 || data[0] != knownVersion {
		return errors.New("it is not a record of addresses, or a damaged one")
	}
	k.began, k.since, k.set = int64(binary.LittleEndian.Uint64(data[1:])), int64(binary.LittleEndian.Uint64(data[9:])), 0
	data = data[17:]
	for i, filter := range k.bits {
		for j := range filter {
			filter[j] = binary.LittleEndian.Uint64(data)
			data = data[8:]
			if i == 0 {
				k.set += bits.OnesCount64(filter[j])
			}
		}
	}
	return nil
}
