package detect

import (
	"math"
	"math/bits"
	"unsafe"
)

// Sketches estimate more than 64 distinct values: HyperLogLog with 1,024
// registers, in four panes of a quarter of the window, so that the estimate
// covers the window less at most a quarter and never more than the window. The
// union of the panes is kept beside them, which makes an event cost one
// register; it is made anew when a pane ends.
const (
	sketchBits  = 10
	sketchRegs  = 1 << sketchBits
	sketchPanes = 4
)

type sketch struct {
	panes  [sketchPanes][sketchRegs]uint8
	union  [sketchRegs]uint8
	zeros  int
	sum    uint64 // Σ 2^(32-register), exact
	last   uint32 // newest pane
	width  uint32 // seconds a pane
	nextID uint32 // next free one
}

// sketchBytes is the memory of one sketch.
const sketchBytes = int(unsafe.Sizeof(sketch{}))

// sketches hands out sketches up to a limit. Number 0 means none.
type sketches struct {
	pool  []*sketch
	free  uint32
	limit int
}

// alloc returns an empty sketch for a window in seconds, 0 at the limit.
func (s *sketches) alloc(window uint32) uint32 {
	id := s.free
	switch {
	case id != 0:
		s.free = s.pool[id-1].nextID
	case len(s.pool) >= s.limit:
		return 0
	default:
		s.pool = append(s.pool, new(sketch))
		id = uint32(len(s.pool))
	}
	*s.pool[id-1] = sketch{zeros: sketchRegs, sum: sketchRegs << 32, width: max((window+sketchPanes-1)/sketchPanes, 1)}
	return id
}

func (s *sketches) release(id uint32) {
	s.pool[id-1].nextID = s.free
	s.free = id
}

func (s *sketches) bytes() int { return len(s.pool) * sketchBytes }

func (s *sketches) add(e *entry, hash uint64, at uint32) {
	k := s.pool[e.inline[0]-1]
	q := at / k.width
	switch {
	case k.last == 0:
		k.last = q
	case q > k.last:
		for i := range min(q-k.last, sketchPanes) {
			k.panes[(k.last+1+i)%sketchPanes] = [sketchRegs]uint8{}
		}
		k.last = q
		k.unite()
	case k.last-q >= sketchPanes:
		return
	}
	hash = hash&^(maxTries<<32) ^ hash<<40 // the bits that distinct keeps; all take part
	r := hash >> (64 - sketchBits)
	rank := uint8(min(bits.LeadingZeros64(hash<<sketchBits)+1, 32))
	if p := &k.panes[q%sketchPanes][r]; rank > *p {
		*p = rank
	}
	if old := k.union[r]; rank > old {
		if old == 0 {
			k.zeros--
		}
		k.sum += 1<<(32-rank) - 1<<(32-old)
		k.union[r] = rank
	}
}

func (k *sketch) unite() {
	k.zeros, k.sum = 0, 0
	for r := range k.union {
		m := max(k.panes[0][r], k.panes[1][r], k.panes[2][r], k.panes[3][r])
		k.union[r] = m
		k.sum += 1 << (32 - m)
		if m == 0 {
			k.zeros++
		}
	}
}

// count estimates the distinct values of the window; the standard error is
// about 3 %.
func (s *sketches) count(e *entry) int {
	k := s.pool[e.inline[0]-1]
	const m = float64(sketchRegs)
	est := 0.7213 / (1 + 1.079/m) * m * m * (1 << 32) / float64(k.sum)
	if est <= 2.5*m && k.zeros > 0 {
		est = m * math.Log(m/float64(k.zeros))
	}
	return int(est + 0.5)
}
