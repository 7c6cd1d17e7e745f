package rule

import (
	"hash/maphash"
	"math/bits"
	"strings"
)

// textCache remembers what was found out about texts: 4 entries a set, the
// oldest used gives way. It holds at most cacheSets*4 texts of at most
// cacheText bytes.
type textCache struct {
	seed maphash.Seed
	sets [][4]cacheEntry
	tick uint32
	// spare serves texts that are too long to be kept.
	spare cacheEntry
	last  *cacheEntry
}

type cacheEntry struct {
	hash    uint64
	used    uint32
	text    string
	verdict uint8 // what libinjection says
}

const (
	cacheSets = 256
	cacheText = 512
)

func newTextCache() *textCache {
	return &textCache{seed: maphash.MakeSeed(), sets: make([][4]cacheEntry, cacheSets)}
}

// find returns the entry of a text and whether it was there. If it was not, the
// caller sets what it keeps, which may be an older text's.
func (c *textCache) find(s string) (*cacheEntry, bool) {
	if c.last != nil && c.last.text == s {
		return c.last, true
	}
	if len(s) > cacheText {
		return &c.spare, false
	}
	h := maphash.String(c.seed, s)
	set := &c.sets[h%cacheSets]
	c.tick++
	old := &set[0]
	for i := range set {
		e := &set[i]
		if e.hash == h && e.text == s {
			e.used = c.tick
			c.last = e
			return e, true
		}
		if e.used < old.used {
			old = e
		}
	}
	old.hash, old.used, old.text = h, c.tick, strings.Clone(s)
	c.last = old
	return old, false
}

func trailing(w uint64) int { return bits.TrailingZeros64(w) }
