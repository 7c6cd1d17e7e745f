package decide

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// Escalation by prefix: so many entities of one network blocked within so long
// ask for a block of the network itself.
const (
	manyNeighbours = 4
	neighbourTime  = 24 * time.Hour
	maxNetworks    = 16_384 // remembered at a time
	// The network that is meant, unless policy allows only narrower ones.
	networkBits4, networkBits6 = 24, 56
)

// neighbours are the entities of one network that were blocked last: each is a
// byte, which tells those of a /24 or /56 apart, and the second of its block.
type neighbours struct {
	who   [manyNeighbours]byte
	n     uint8
	told  bool // people were told of it,
	asked int32
	since [manyNeighbours]int32
}

// network returns the network whose neighbours an entity counts among; invalid
// if policy forbids to block more than the entity.
func (c Config) network(entity netip.Prefix) netip.Prefix {
	bits, most := max(networkBits4, c.MinBits4), 32
	if entity.Addr().Is6() {
		bits, most = max(networkBits6, c.MinBits6), 64
	}
	if bits >= most || wide(entity) {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(entity.Addr(), bits).Masked()
}

// add remembers an entity that was blocked at a time; of too many the one that
// was blocked first is forgotten.
func (b *neighbours) add(entity netip.Prefix, at time.Duration) {
	who, sec := lastByte(entity), seconds(at)
	slot := 0
	for i := range int(b.n) {
		if b.who[i] == who {
			b.since[i] = max(b.since[i], sec)
			return
		}
		if b.since[i] < b.since[slot] {
			slot = i
		}
	}
	if b.n < manyNeighbours {
		slot = int(b.n)
		b.n++
	}
	b.who[slot], b.since[slot] = who, sec
}

// drop forgets an entity: a person took its block back.
func (b *neighbours) drop(entity netip.Prefix) {
	who := lastByte(entity)
	for i := range b.n {
		if b.who[i] == who {
			b.n--
			b.who[i], b.since[i] = b.who[b.n], b.since[b.n]
			return
		}
	}
}

// many reports whether enough of them were blocked lately.
func (b *neighbours) many(at time.Duration) bool {
	for i := range b.n {
		if seconds(at)-b.since[i] > seconds(neighbourTime) {
			return false
		}
	}
	return b.n == manyNeighbours
}

// names lists them, which are in a network.
func (b *neighbours) names(network netip.Prefix) string {
	list := make([]string, b.n)
	for i := range list {
		if a := network.Addr(); a.Is4() {
			raw := a.As4()
			raw[3] = b.who[i]
			list[i] = netip.AddrFrom4(raw).String()
		} else {
			raw := a.As16()
			raw[7] = b.who[i]
			list[i] = netip.PrefixFrom(netip.AddrFrom16(raw), 64).String()
		}
	}
	return strings.Join(list, ", ")
}

// lastByte tells the entities of a /24 or /56 apart.
func lastByte(entity netip.Prefix) byte {
	if a := entity.Addr(); a.Is4() {
		return a.As4()[3]
	}
	return entity.Addr().As16()[7]
}

func seconds(d time.Duration) int32 { return int32(d / time.Second) }

// remember counts an automatic block of an entity among its neighbours.
func (d *Decider) remember(entity netip.Prefix, at time.Duration) (netip.Prefix, *neighbours) {
	network := d.cfg.network(entity)
	if !network.IsValid() {
		return network, nil
	}
	b := &d.history.networks.ensure(network, maxNetworks).value
	b.add(entity, at)
	return network, b
}

// escalate looks at the neighbours of an entity that was just blocked. If they
// are many, it blocks their network, where policy says so, or asks people to,
// once within the time that is looked at.
func (d *Decider) escalate(now time.Time, at time.Duration, e *entry, c *openCase, det *sentinel.Detection, fx *Effects) verdict {
	v := verdictOf(e)
	if e.rec.Proxied {
		return v // the firewall does not see them
	}
	network, b := d.remember(e.rec.Prefix, at)
	if b == nil || !b.many(at) {
		return v
	}
	told := b.told && seconds(at)-b.asked < seconds(neighbourTime)
	p, protected := d.allow.Overlaps(network)
	if told && (protected || !d.cfg.PrefixBlock) || d.standing(network, at, 0, false) != nil {
		return v
	}
	what := fmt.Sprintf("%s of %s were blocked within a day (%s)", countOf(network), network, b.names(network))
	switch {
	case protected:
		what += fmt.Sprintf("; it is not blocked as a whole, since it holds %s", p)
		v.near, v.nearWhy = network, p.String()
	case !d.cfg.PrefixBlock:
		what += ": block the network? " + blockCommand(network)
		v.near = network
	default:
		w := d.blockNetwork(now, at, network, b, c, det, fx)
		if w == nil {
			return v
		}
		what += fmt.Sprintf(": the network is blocked %s (response.prefix_block)", untilText(w.rec.Expires))
		v = verdictOf(w)
		v.near = network
	}
	if !told {
		b.told, b.asked = true, seconds(at)
		d.alarm(now, fx, AlarmNetwork, "%s", what)
	}
	return v
}

// blockNetwork blocks a network because of its addresses, within the bounds that
// hold for every automatic block; nil if they do not allow it.
func (d *Decider) blockNetwork(now time.Time, at time.Duration, network netip.Prefix, b *neighbours, c *openCase, det *sentinel.Detection, fx *Effects) *entry {
	if d.blocks.len() >= d.cfg.MaxBlocks && d.blocks.leastWorth() == nil || !d.take(at) {
		return nil
	}
	for d.blocks.len() >= d.cfg.MaxBlocks && d.evict(now, fx) {
	}
	t := &c.threat
	k := d.history.earlier(network, at)
	duration := d.duration(t.Decision, det, k)
	w := &entry{end: at + duration, earlier: k, rec: sentinel.BlockRecord{
		ID: d.newID(now), Prefix: network, Origin: sentinel.OriginRule, ThreatID: t.ID, Score: t.Decision,
		Reason:  fmt.Sprintf("%s of this network were blocked within a day (%s); the last one for %s: %s", countOf(network), b.names(network), t.RuleID, t.Description),
		Created: now, Expires: now.Add(duration), Simulated: d.cfg.Observe,
	}}
	d.place(w, at, fx)
	return w
}

// nearText says in a threat what its neighbours have to do with it.
func (v verdict) nearText() string {
	switch {
	case !v.near.IsValid():
		return ""
	case v.prefix == v.near:
		return fmt.Sprintf("; %s of it were blocked within a day", countOf(v.near))
	case v.nearWhy != "":
		return fmt.Sprintf("; %s of %s were blocked within a day, but it holds %s", countOf(v.near), v.near, v.nearWhy)
	}
	return fmt.Sprintf("; %s of %s were blocked within a day, to block it: %s", countOf(v.near), v.near, blockCommand(v.near))
}

func countOf(network netip.Prefix) string {
	if network.Addr().Is6() {
		return fmt.Sprintf("%d neighbours (/64)", manyNeighbours)
	}
	return fmt.Sprintf("%d addresses", manyNeighbours)
}

func blockCommand(p netip.Prefix) string {
	return "sentinelctl block " + networkText(p) + " --duration 24h --confirm 60s"
}
