package decide

import (
	"net/netip"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// Known is what the decider remembers of an entity besides its cases and blocks.
type Known struct {
	// Earlier counts its blocks that began within the last 30 days.
	Earlier int
	// Reputation is P of the score.
	Reputation float64
	// Graded says why it would be slowed before it is blocked, empty if not.
	Graded string
	// Neighbours is how many of Network were blocked within a day, it included.
	Network    netip.Prefix
	Neighbours int
	// Lists are the lists of addresses with a bad name that it is on; Reputation
	// has their share.
	Lists []Listing
}

// Known returns what is remembered of an address's entity.
func (d *Decider) Known(now time.Time, addr netip.Addr) (k Known) {
	entity := sentinel.Entity(addr)
	if !entity.IsValid() {
		return k
	}
	at := d.clock(now)
	k.Earlier = d.history.earlier(entity, at)
	if n := d.history.cases.get(caseKey{scope: entity}); n != nil {
		p := n.value // a copy: asking changes nothing
		p.decay(at)
		k.Reputation = p.reputation()
	}
	if d.listed != nil {
		k.Lists = d.listed(entity.Addr())
		k.Reputation = withLists(k.Reputation, k.Lists)
	}
	if !d.cfg.SlowRate.IsZero() {
		k.Graded = d.good(now, at, entity)
	}
	if k.Network = d.cfg.network(entity); k.Network.IsValid() {
		if n := d.history.networks.get(k.Network); n != nil {
			for i := range n.value.n {
				if seconds(at)-n.value.since[i] <= seconds(neighbourTime) {
					k.Neighbours++
				}
			}
		}
	}
	return k
}
