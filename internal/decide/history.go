package decide

import (
	"math"
	"net/netip"
	"time"
)

// Bounds of what is remembered about networks after their cases and blocks
// ended. Blocks and cases have memories of their own, so that a flood of new
// addresses cannot push out who was blocked before.
const (
	maxBlockMemory = 32_768
	maxCaseMemory  = 16_384
	maxPastBlocks  = 8 // twice as long each time: 7 days are reached before
	maxLinks       = 4
	escalation     = 30 * 24 * time.Hour
	halfLife       = 7 * 24 * time.Hour
)

// history is the memory of earlier blocks, for escalation, and of earlier cases,
// for reputation and for linking a case to the one before.
type history struct {
	blocks   *lru[netip.Prefix, pastBlocks]
	cases    *lru[caseKey, pastCases] // key: scope, or key in words; no group
	networks *lru[netip.Prefix, neighbours]
}

// pastBlocks are the starts of the latest blocks of a network, oldest first.
type pastBlocks struct {
	n     int
	start [maxPastBlocks]time.Duration
}

// pastCases is what an entity did earlier. The counts decay with halfLife and
// are as of at.
type pastCases struct {
	at            time.Duration
	cases, blocks float64
	links         [maxLinks]caseLink
}

type caseLink struct{ group, id string }

func newHistory() history {
	return history{
		blocks: newLRU[netip.Prefix, pastBlocks](), cases: newLRU[caseKey, pastCases](), networks: newLRU[netip.Prefix, neighbours](),
	}
}

func (h *history) len() int { return h.blocks.len() + h.cases.len() + h.networks.len() }

// earlier returns how many blocks of a network began within the last 30 days.
func (h *history) earlier(p netip.Prefix, at time.Duration) int {
	node := h.blocks.get(p)
	if node == nil {
		return 0
	}
	k := 0
	for _, start := range node.value.start[:node.value.n] {
		if at-start <= escalation {
			k++
		}
	}
	return k
}

// blocked remembers the start of a block.
func (h *history) blocked(p netip.Prefix, at time.Duration) {
	b := &h.blocks.ensure(p, maxBlockMemory).value
	if b.n == maxPastBlocks {
		copy(b.start[:], b.start[1:])
		b.n--
	}
	b.start[b.n] = at
	b.n++
}

// forgive forgets the latest block of a network: a person took it back.
func (h *history) forgive(p netip.Prefix) {
	for _, bits := range [2]int{networkBits4, networkBits6} {
		if bits < p.Bits() {
			if node := h.networks.get(netip.PrefixFrom(p.Addr(), bits).Masked()); node != nil {
				node.value.drop(p)
			}
		}
	}
	if node := h.blocks.get(p); node != nil && node.value.n > 0 {
		node.value.n--
	}
}

// open counts a new case. It returns the reputation that the entity had before
// and the id of the case that the new one continues, if any.
func (h *history) open(key caseKey, at time.Duration, id string) (reputation float64, previous string) {
	group := key.group
	key.group = ""
	p := &h.cases.ensure(key, maxCaseMemory).value
	weight := p.decay(at)
	reputation = p.reputation()
	p.cases += weight
	i := 0
	for i < maxLinks-1 && p.links[i].group != group && p.links[i].id != "" {
		i++
	}
	if p.links[i].group == group {
		previous = p.links[i].id
	}
	p.links[i] = caseLink{group, id}
	return reputation, previous
}

// justified counts a case that justified a block, whether or not one was made:
// what the allowlist holds must not change a score.
func (h *history) justified(key caseKey, at time.Duration) {
	key.group = ""
	p := &h.cases.ensure(key, maxCaseMemory).value
	p.blocks += p.decay(at)
}

// decay brings the counts up to date and returns what something that happens now
// counts. What happened before the counts' own time, as it is told at the start,
// counts as much less as it would have decayed since.
func (p *pastCases) decay(at time.Duration) (weight float64) {
	switch {
	case p.cases == 0 && p.blocks == 0:
		p.at = at
	case at < p.at:
		return math.Exp2(-float64(p.at-at) / float64(halfLife))
	default:
		f := math.Exp2(-float64(at-p.at) / float64(halfLife))
		p.cases, p.blocks, p.at = p.cases*f, p.blocks*f, at
	}
	return 1
}

// PastCase is a case that was closed, as far as reputation needs it.
type PastCase struct {
	ID         string
	Created    time.Time
	Scope      netip.Prefix
	Key, Group string
	// Justified: it justified a block, whether or not one was made.
	Justified bool
}

// MaxPastCases is how many of them are remembered.
const MaxPastCases = maxCaseMemory

// RestorePast takes up cases that were closed before the start, oldest first, for
// reputation and for linking later ones to them. It comes before Restore.
func (d *Decider) RestorePast(now time.Time, list []PastCase) {
	at := d.clock(now)
	for i := range list {
		c := &list[i]
		key := keyOf(c.Scope, c.Key, c.Group)
		if c.ID != "" && (key.scope.IsValid() || key.key != "") {
			key.key, key.group = keep(key.key, maxNameBytes), keep(key.group, maxNameBytes)
			began := at - max(0, now.Sub(c.Created))
			d.history.open(key, began, c.ID)
			if c.Justified {
				d.history.justified(key, began)
			}
		}
	}
}

// reputation is P_local of section 11. Its thousandths are enough, and make it
// read the same wherever it is shown.
func (p *pastCases) reputation() float64 {
	return Quant(1 - math.Exp(-(0.5*p.blocks + 0.1*p.cases)))
}
