package detect

import (
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// Standing is how far a rule is from firing for an address.
type Standing struct {
	Rule int32
	// Count of Threshold events (or distinct values, or steps of a sequence) lie
	// within the Window that ends now, as far as they are remembered.
	Count, Threshold int
	Window           time.Duration
	// Spread of SpreadMin different values, and a share Part of All of at least
	// MinRatio, are needed as well where SpreadMin or MinRatio is not 0.
	Spread, SpreadMin int
	Part, All         int
	MinRatio          float64
	// Last is the newest event that was counted, zero if none was.
	Last time.Time
	// Fired is the last firing, zero if it is forgotten; Silent says that the
	// rule's cooldown still lasts.
	Fired  time.Time
	Silent bool
}

// Lookup returns the rules that have counted something about an address, as of
// now, without changing anything. others are the rules that count by more than
// an address (by account, by path): what they hold cannot be found by an address
// alone, since keys are stored as hashes.
func (d *Detector) Lookup(addr netip.Addr, now time.Time) (known []Standing, others []int32) {
	sec := clip(now.Unix())
	for i := range d.plans {
		p := &d.plans[i]
		if p.main == nil {
			continue
		}
		hash, ok := d.addressHash(p.main.key, addr)
		if !ok {
			others = append(others, int32(i))
			continue
		}
		key := d.hash.join(hash, p.main.seed)
		e := d.table.find(key)
		if e == nil {
			continue
		}
		s := Standing{Rule: int32(i), Threshold: max(p.threshold, 1), Window: p.shown, Last: fromClip(e.newest)}
		s.Count = d.held(p.main, e, p.window, p.maxTries, sec)
		s.Fired, s.Silent = d.lastFiring(p, e, sec)
		if p.spread != nil {
			s.SpreadMin = p.spreadMin
			s.Spread = d.heldBy(p.spread, d.keyWith(p.spread, key, p.main), p.window, sec)
		}
		if p.part != nil {
			s.MinRatio = p.ratio
			s.Part = d.heldBy(p.part, d.keyWith(p.part, key, p.main), p.window, sec)
			s.All = max(s.Part, d.whole(p, hash, sec))
		}
		if s.Count > 0 || !s.Fired.IsZero() {
			known = append(known, s)
		}
	}
	return known, others
}

// addressHash is the hash of a group for an address, false if the group has
// fields that an address does not tell.
func (d *Detector) addressHash(k *keyFn, addr netip.Addr) (uint64, bool) {
	hash := k.seed
	for _, f := range k.fields {
		if f != rule.SrcIP && f != rule.PeerIP {
			return 0, false
		}
		hash = d.hash.addr(hash, addr, k.v4, k.v6)
	}
	return hash, len(k.fields) > 0
}

// heldBy is held for the entry of a key.
func (d *Detector) heldBy(c *counter, key uint64, window uint32, sec uint32) int {
	e := d.table.find(key)
	if e == nil {
		return 0
	}
	return d.held(c, e, window, 0, sec)
}

// whole is the denominator of a ratio.
func (d *Detector) whole(p *plan, hash uint64, sec uint32) (n int) {
	key := d.hash.join(hash, p.all.seed)
	for t := range sentinel.NumEventTypes {
		if population(t) == t {
			n = max(n, d.heldBy(p.all, d.hash.Word(key, uint64(t)), p.window, sec))
		}
	}
	return n
}

// held is how much of what an entry counts lies within the window that ends now.
func (d *Detector) held(c *counter, e *entry, window uint32, maxTries int, sec uint32) int {
	age := uint32(0)
	if sec > e.newest {
		age = sec - e.newest
	}
	if e.newest == 0 || age > window {
		return 0
	}
	switch c.kind {
	case kindStamps:
		return c.stamps.count(d.table, e, window-age)
	case kindDistinct:
		return c.distinct.count(d.table, e, window-age, maxTries)
	case kindPanes:
		return c.panes.count(e)
	case kindLeaky:
		return c.leaky.level(e, uint64(sec)*1000)
	case kindSteps:
		return c.steps.progress(d.table, e, sec)
	case kindOnce:
		return 1
	}
	return 0
}

// lastFiring returns when a rule last fired for an entry's key, and whether its
// cooldown lasts.
func (d *Detector) lastFiring(p *plan, e *entry, sec uint32) (time.Time, bool) {
	if e.cool == 0 || p.cooldown == 0 {
		return time.Time{}, false
	}
	last := *d.table.blocks.word(e.cool, 1+p.slot)
	if last == 0 {
		return time.Time{}, false
	}
	return fromClip(last), sec < last || sec-last < p.cooldown
}

// fromClip turns a stamp into a time; 0 is the zero time.
func fromClip(sec uint32) time.Time {
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(int64(sec), 0).UTC()
}
