package payload

import "time"

// memory knows the templates of pages (a path and its parameters' names) whose
// requests look like attacks and are none: they were answered with success, to
// many, over days, and no rule matched. It is a Bloom filter of fixed size and a
// table of fixed size of those on their way into it.
type memory struct {
	filter   [filterBytes]byte
	exempted int
	sets     [candidateSets][candidateWays]candidate
}

const (
	filterBytes = 32 << 10
	filterHits  = 4
	// maxExempt keeps the filter from answering yes to everything: at this many
	// it does so to one in 2,000.
	maxExempt     = 20_000
	candidateSets = 128
	candidateWays = 4
	// A template must have been served to so many, on so many days.
	leastServed = 20
	leastDays   = 3
)

// candidate is a template that may become exempt.
type candidate struct {
	template uint64
	day      int32 // the last one, since 1970
	days     uint8
	served   uint8
	to       [leastServed]uint32
}

// exempt reports whether a template is in the filter.
func (m *memory) exempt(template uint64) bool {
	if m.exempted == 0 {
		return false
	}
	for i := range uint64(filterHits) {
		if b := bitOf(template, i); m.filter[b>>3]&(1<<(b&7)) == 0 {
			return false
		}
	}
	return true
}

// bitOf is the i-th bit of a template, by double hashing (Kirsch and
// Mitzenmacher, 2006).
func bitOf(template, i uint64) uint64 {
	return (template + i*(template>>32|1)) % (8 * filterBytes)
}

// note takes in that a template was served to somebody.
func (m *memory) note(template, from uint64, now time.Time) {
	set := &m.sets[template%candidateSets]
	c := &set[0]
	for i := range set {
		if set[i].template == template && set[i].served > 0 {
			c = &set[i]
			break
		}
		if set[i].days < c.days || set[i].days == c.days && set[i].served < c.served {
			c = &set[i]
		}
	}
	if c.template != template || c.served == 0 {
		*c = candidate{template: template}
	}
	if day := int32(now.Unix() / 86400); day > c.day {
		c.day = day
		c.days = min(c.days+1, leastDays)
	}
	who, known := uint32(from^from>>32), false
	for _, w := range c.to[:c.served] {
		known = known || w == who
	}
	if !known && c.served < leastServed {
		c.to[c.served] = who
		c.served++
	}
	if c.served < leastServed || c.days < leastDays {
		return
	}
	if m.exempted < maxExempt {
		for i := range uint64(filterHits) {
			b := bitOf(template, i)
			m.filter[b>>3] |= 1 << (b & 7)
		}
		m.exempted++
	}
	*c = candidate{}
}
