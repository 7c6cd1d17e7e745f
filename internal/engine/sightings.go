package engine

import (
	"math/bits"
	"net/netip"
	"time"
)

// sightings remembers which addresses were seen last, and in which source, so
// that "why was it not blocked?" can be told from "it was never read". It is a
// table of fixed size: 4 Ki places, in sets of four in which the oldest gives
// way. Who writes log lines does not know the seed and cannot aim at a place.
type sightings struct {
	seed uint64
	sets [sightingSets][sightingWays]sighting
}

const (
	sightingSets = 1 << 10
	sightingWays = 4
)

type sighting struct {
	key    uint64
	last   uint32 // seconds since 1970
	source uint16 // the source's number
	lines  uint16 // at most 65,535
}

// Sighting says where an address was read last.
type Sighting struct {
	Source string
	Last   time.Time
	// Lines with the address were read since it was first seen, at most 65,535.
	Lines int
}

// note counts a line with an address.
func (s *sightings) note(addr netip.Addr, source uint16, now time.Time) {
	key := s.key(addr)
	set := &s.sets[key%sightingSets]
	oldest := &set[0]
	for i := range set {
		e := &set[i]
		if e.key == key {
			e.last, e.source = uint32(now.Unix()), source
			if e.lines < 1<<16-1 {
				e.lines++
			}
			return
		}
		if e.last < oldest.last {
			oldest = e
		}
	}
	*oldest = sighting{key: key, last: uint32(now.Unix()), source: source, lines: 1}
}

// find returns what is known of an address.
func (s *sightings) find(addr netip.Addr) (sighting, bool) {
	key := s.key(addr)
	for _, e := range s.sets[key%sightingSets] {
		if e.key == key {
			return e, true
		}
	}
	return sighting{}, false
}

// key is never 0.
func (s *sightings) key(addr netip.Addr) uint64 {
	b := addr.As16()
	var hi, lo uint64
	for i := range 8 {
		hi, lo = hi<<8|uint64(b[i]), lo<<8|uint64(b[8+i])
	}
	h, l := bits.Mul64(hi^s.seed, lo^0x9e3779b97f4a7c15^s.seed<<1)
	h2, l2 := bits.Mul64(h^l^s.seed, 0xa0761d6478bd642f)
	return h2 ^ l2 | 1<<63
}

// maxSources is how many sources have a number of their own.
const maxSources = 1<<16 - 1

// number gives a source its number.
func (e *Engine) number(id string) uint16 {
	for i, name := range e.sources {
		if name == id {
			return uint16(i)
		}
	}
	if len(e.sources) == maxSources {
		return maxSources - 1
	}
	e.sources = append(e.sources, id)
	return uint16(len(e.sources) - 1)
}

// Seen returns where an address was read last, as far as that is remembered.
func (e *Engine) Seen(addr netip.Addr) (Sighting, bool) {
	s, ok := e.sightings.find(addr)
	if !ok {
		return Sighting{}, false
	}
	return Sighting{Source: e.sources[s.source], Last: time.Unix(int64(s.last), 0).UTC(), Lines: int(s.lines)}, true
}
