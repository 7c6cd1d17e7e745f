package decide

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// SetAllow puts another allowlist into force and lifts the blocks that it does
// not permit. A list equal to the one in force changes nothing.
func (d *Decider) SetAllow(now time.Time, a *Allowlist) Effects {
	var fx Effects
	d.clock(now)
	if d.allow.Equal(a) {
		return fx
	}
	d.allow = a
	fx.AllowChanged = true
	d.recheck(now, ByAllowlist, netip.Prefix{}, &fx)
	return fx
}

// recheck lifts blocks that the allowlist does not permit any more and returns
// how many. A block by a person that only contains something allowed stays, with
// a hole: allowed networks are matched before blocked ones. asked is what a
// person has just allowed, against which an earlier force does not count.
func (d *Decider) recheck(now time.Time, by string, asked netip.Prefix, fx *Effects) (lifted int) {
	for _, e := range d.blocks.sorted() {
		p, ok := d.allow.Overlaps(e.rec.Prefix)
		if _, place := d.Sheltered(e.rec.Prefix.Addr()); !ok && place && e.automatic() {
			d.retire(e, fx, "revoked", by, now)
			lifted++
			continue
		}
		if !ok {
			continue
		}
		if !p.Kind.Hard() && !e.automatic() {
			inside := p.Prefix.Bits() <= e.rec.Prefix.Bits() // the block lies in the protection
			again := asked.IsValid() && asked.Overlaps(e.rec.Prefix) && asked.Bits() <= e.rec.Prefix.Bits()
			if e.rec.Forced && !again {
				continue
			}
			if !inside && !again {
				e.rec.Forced = true
				d.emit(e, fx)
				continue
			}
		}
		d.retire(e, fx, "revoked", by, now)
		lifted++
	}
	return lifted
}

// Restore takes up stored blocks and open cases at the start. Every block is
// checked against the allowlist and the bounds again. Those that are over are
// only remembered, for escalation: give all of the last 30 days. Simulated
// blocks are dropped unless the mode is still observe. Blocks that go on are in
// Blocks(), not in the effects.
func (d *Decider) Restore(now time.Time, blocks []sentinel.BlockRecord, open []sentinel.Threat) Effects {
	var fx Effects
	at := d.clock(now)
	blocks = slices.Clone(blocks)
	slices.SortStableFunc(blocks, func(a, b sentinel.BlockRecord) int { return a.Created.Compare(b.Created) })
	for _, r := range blocks {
		r.Prefix = entityPrefix(r.Prefix)
		if !r.Prefix.IsValid() || r.Created.IsZero() {
			continue
		}
		created := at - max(0, now.Sub(r.Created))
		e := &entry{rec: r, end: never, began: created, earlier: d.history.earlier(r.Prefix, created), expiryAt: -1, worthAt: -1}
		if !r.Expires.IsZero() {
			e.end = at + r.Expires.Sub(now)
		}
		if r.Trial {
			if e.until = never; !r.Until.IsZero() {
				e.until = at + r.Until.Sub(now)
			}
		}
		if !r.Rate.IsZero() {
			e.why = "it was so before a restart"
		} else if now.Sub(r.Created) <= escalation {
			d.history.blocked(r.Prefix, created)
			if e.automatic() && !r.Proxied {
				d.remember(r.Prefix, created)
			}
		}
		if e.end <= at || r.Simulated && !d.cfg.Observe {
			continue
		}
		if why := d.unfit(e); why != "" {
			e.rec.Prefix = r.Prefix
			fx.Merge(Effects{Unblocked: []netip.Prefix{r.Prefix}})
			a := actionOf(r, "revoked")
			a.RevokedBy, a.RevokedAt = ByAllowlist, now
			fx.Actions = append(fx.Actions, a)
			d.alarm(now, &fx, AlarmRestore, "the stored block of %s was not taken up again: %s", networkText(r.Prefix), why)
			continue
		}
		if old := d.blocks.get(r.Prefix); old != nil && old.end >= e.end {
			continue
		}
		d.blocks.put(e)
	}
	for d.blocks.len() > d.cfg.MaxBlocks && d.evict(now, &fx) {
	}
	d.spend(now, at, blocks)
	d.reopen(now, at, open)
	return fx
}

// spend takes from the breaker what the automatic blocks of the last minute,
// oldest first, have used of it, so that a restart does not let through as many
// again.
func (d *Decider) spend(now time.Time, at time.Duration, blocks []sentinel.BlockRecord) {
	for _, r := range blocks {
		if age := now.Sub(r.Created); r.Origin == sentinel.OriginRule && age >= 0 && age < time.Minute {
			d.take(at - age)
		}
	}
}

// unfit says why a stored block must not go on, or nothing.
func (d *Decider) unfit(e *entry) string {
	bits4, bits6 := orderBits4, orderBits6
	if e.automatic() {
		bits4, bits6 = d.cfg.MinBits4, d.cfg.MinBits6
		if e.end == never {
			return "an automatic block must have an end"
		}
	}
	if tooWide(e.rec.Prefix, bits4, bits6) {
		return "it is too wide"
	}
	p, ok := d.allow.Overlaps(e.rec.Prefix)
	if ok && (p.Kind.Hard() || !e.rec.Forced || e.automatic()) {
		return "it is protected by " + p.String()
	}
	if p, ok := d.Sheltered(e.rec.Prefix.Addr()); ok && e.automatic() {
		return "it is protected by " + p.String()
	}
	return ""
}

// reopen takes up cases that are still open, oldest first.
func (d *Decider) reopen(now time.Time, at time.Duration, open []sentinel.Threat) {
	open = slices.Clone(open)
	slices.SortStableFunc(open, func(a, b sentinel.Threat) int { return a.LastSeen.Compare(b.LastSeen) })
	for _, t := range open {
		idle, age := max(0, now.Sub(t.LastSeen)), max(0, now.Sub(t.CreatedAt))
		key := keyOf(t.Scope, t.Key, t.Group)
		if t.ID == "" || len(t.Score.Rules) == 0 && t.Score.A == nil || len(t.Score.Rules) > maxRules || d.byID[t.ID] != nil {
			continue
		}
		d.history.open(key, at-age, t.ID)
		if t.Score.MayBlock {
			d.history.justified(key, at-age)
		}
		if idle >= d.cfg.CaseIdle || age >= d.cfg.CaseMax || d.cases.get(key) != nil || d.cases.len() >= d.cfg.MaxCases || d.crowded() {
			continue
		}
		c := &openCase{threat: cloneThreat(t), placed: t.AttackerIP, opened: at - age, fired: at - idle, dirty: -1}
		c.rules = make([]ruleMemory, len(t.Score.Rules))
		for i := range t.Score.Rules {
			c.bestWeight = max(c.bestWeight, ruleWeight(&t.Score.Rules[i]))
		}
		if c.rescore(); c.threat.RiskScore != t.RiskScore {
			d.soil(c) // its counts were stored without the score that they give
		}
		c.justified = c.threat.Score.MayBlock
		if e := d.blocks.get(key.scope); e != nil && t.Action != ActionAlert && t.Action != ActionNone {
			c.verdict = verdictOf(e)
		}
		d.weigh(c)
		d.cases.add(key, c)
		d.byID[t.ID] = c
		d.unusual.opened(key.group)
	}
}
