package detect

import (
	"net/netip"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// key makes the key of a counter for the event in hand. It reports false if the
// event lacks a field of the group: such an event does not count.
func (d *Detector) key(c *counter, ev *sentinel.Event, mt *rule.Match) (uint64, bool) {
	return d.keyBy(c, c.key, ev, mt)
}

// keyBy is key with other fields than the counter's own.
func (d *Detector) keyBy(c *counter, k *keyFn, ev *sentinel.Event, mt *rule.Match) (uint64, bool) {
	captured := mt.Addr.IsValid() || mt.User != ""
	if captured || k.tick != d.tick {
		hash, ok := k.seed, true
		for _, f := range k.fields {
			if hash, ok = d.field(hash, f, ev, mt, k.v4, k.v6); !ok {
				break
			}
		}
		if captured {
			return d.hash.join(hash, c.seed), ok
		}
		k.tick, k.hash, k.ok = d.tick, hash, ok
	}
	return d.hash.join(k.hash, c.seed), k.ok
}

// keyWith is key for a second counter of the same group.
func (d *Detector) keyWith(c *counter, key uint64, first *counter) uint64 {
	if c == first {
		return key
	}
	return d.hash.join(key, c.seed)
}

// field hashes one field of a group on top of seed. What a pattern captured
// stands in for the event's own field.
func (d *Detector) field(seed uint64, f rule.Field, ev *sentinel.Event, mt *rule.Match, v4, v6 int) (uint64, bool) {
	switch f {
	case rule.SrcIP:
		a := ev.SrcIP
		if mt.Addr.IsValid() {
			a = mt.Addr
		}
		return d.hash.addr(seed, a, v4, v6), a.IsValid()
	case rule.DstIP:
		return d.hash.addr(seed, ev.DstIP, v4, v6), ev.DstIP.IsValid()
	case rule.PeerIP:
		return d.hash.addr(seed, ev.PeerIP, v4, v6), ev.PeerIP.IsValid()
	case rule.User:
		if mt.User != "" {
			return d.hash.Str(seed, mt.User), true
		}
		return d.hash.Str(seed, ev.User), ev.User != ""
	case rule.DstPort:
		return d.hash.Word(seed, uint64(ev.DstPort)), ev.DstPort != 0
	case rule.SrcPort:
		return d.hash.Word(seed, uint64(ev.SrcPort)), ev.SrcPort != 0
	case rule.PID:
		return d.hash.Word(seed, uint64(ev.PID)), ev.PID != 0
	case rule.HTTPStatus:
		return d.hash.Word(seed, uint64(ev.HTTP.Status)), ev.HTTP.Status != 0
	case rule.HTTPBytes:
		return d.hash.Word(seed, uint64(ev.HTTP.Bytes)), ev.HTTP.Bytes >= 0
	case rule.EventType:
		return d.hash.Word(seed, uint64(ev.Type)), true
	}
	s := f.String(ev)
	return d.hash.Str(seed, s), s != ""
}

// weight is how many events the line counts for a class of conditions: its
// repeats, or what it adds to the login attempt that it is about.
func (d *Detector) weight(class int, ev *sentinel.Event, mt *rule.Match) int {
	n := d.repeat
	if class < 0 || ev.AuthStep == sentinel.AuthStepNone {
		return n
	}
	cw := &d.weights[class]
	if cw.tick == d.tick {
		return cw.weight
	}
	addr := ev.SrcIP
	if mt.Addr.IsValid() {
		addr = mt.Addr
	}
	if !addr.IsValid() && ev.PID == 0 {
		return n
	}
	h := d.hash.Str(d.classSeeds[class]+uint64(ev.PID), hostLabel(ev.Host))
	h = d.hash.addr(h, addrOrZero(addr), 32, 128)
	w := d.joiner.weight(h, ev.AuthStep, n, d.now.sec, ev.PID == 0)
	if w == 0 {
		d.stats.Joined++
	}
	*cw = classWeight{d.tick, w}
	return w
}

func addrOrZero(a netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return netip.IPv4Unspecified()
}

// touch counts the event in hand in a counter, once however many rules share
// it, and returns the key's entry: nil if there is none and the event counts
// nothing.
func (d *Detector) touch(c *counter, key uint64, ev *sentinel.Event, mt *rule.Match, w int) *entry {
	if c.tick == d.tick && c.at == key {
		return c.entry
	}
	c.tick, c.at, c.entry, c.over, c.level = d.tick, key, nil, false, 0
	if w == 0 {
		c.entry = d.table.find(key)
		return c.entry
	}
	var hash uint64
	if c.kind == kindDistinct {
		var ok bool
		if hash, ok = d.field(0, c.value, ev, mt, c.v4, c.v6); !ok {
			c.entry = d.table.find(key)
			return c.entry
		}
	}
	e := d.table.get(key, c.id, w)
	switch c.kind {
	case kindStamps:
		c.stamps.add(d.table, e, d.now.sec, d.now.clock, w)
	case kindPanes:
		c.panes.add(d.table, e, d.now.sec, d.now.clock, w)
	case kindDistinct:
		c.distinct.add(d.table, e, hash, d.now.sec, d.now.clock, w)
	case kindLeaky:
		c.over, c.level = c.leaky.add(e, d.now.ms, uint64(d.now.clock)*1000, w)
		if c.over {
			c.leaky.reset(e)
		}
	}
	c.entry = e
	return e
}
