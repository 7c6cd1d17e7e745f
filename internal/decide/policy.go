package decide

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// What was done about a threat (Threat.Action).
const (
	// ActionBlock: the address is dropped.
	ActionBlock = "block"
	// ActionSimulated: it would be, but the mode is observe.
	ActionSimulated = "simulated"
	// ActionRateLimit: it is slowed.
	ActionRateLimit = "rate_limit"
	// ActionAlert: people are told.
	ActionAlert = "alert"
	// ActionNone: recorded only, because of a low score or the allowlist.
	ActionNone = "none"
)

// alertScore is the score from which people are told at all.
const alertScore = 0.4

// ruling says what the policy decided, and why.
type ruling uint8

const (
	rulingNone ruling = iota
	rulingBlocked
	rulingFalsePositive
	rulingScore
	rulingNoRule
	rulingNoBlockRule
	rulingAllowed
	rulingNoAddress
	rulingHeader
	rulingBehindProxy
	rulingLate
	rulingOff
	rulingWide
	rulingBreaker
	rulingFull
)

// verdict is a ruling with what its sentence needs. Verdicts are comparable.
type verdict struct {
	ruling    ruling
	prefix    netip.Prefix // the block, the protection, or what is too wide
	why       string       // the reason of a protection or of a rate limit
	until     time.Time    // the end of the block; zero: none
	simulated bool
	rate      sentinel.Rate // what passes of it; why says why
	// near is the network of which many addresses were blocked, nearWhy what of
	// it is protected.
	near    netip.Prefix
	nearWhy string
	proxied bool // the proxy's deny list enforces it
}

// action returns the word for Threat.Action.
func (v verdict) action(c *openCase) string {
	switch {
	case v.ruling == rulingBlocked && v.simulated:
		return ActionSimulated
	case v.ruling == rulingBlocked && !v.rate.IsZero():
		return ActionRateLimit
	case v.ruling == rulingBlocked:
		return ActionBlock
	case v.ruling == rulingAllowed, c.threat.Decision < alertScore:
		return ActionNone
	}
	return ActionAlert
}

// reason returns the sentence for Threat.ActionReason.
func (v verdict) reason(c *openCase, cfg Config) string {
	score := c.threat.Decision
	lead := "alert only because "
	if score < alertScore {
		lead = "recorded only because "
	}
	switch v.ruling {
	case rulingBlocked:
		what := "blocked"
		if !v.rate.IsZero() {
			what = "slowed"
		}
		if v.simulated {
			what = "would be " + what
		}
		if v.proxied {
			what = strings.Replace(what, "blocked", "denied at the proxy", 1)
		}
		if v.prefix != entityPrefix(c.threat.Scope) {
			what += " with " + networkText(v.prefix)
		}
		text := fmt.Sprintf("%s %s because score %s >= %s and a rule matched", what, untilText(v.until), scoreText(score), scoreText(cfg.MinScore)) + v.slowText() + v.nearText()
		if v.simulated {
			text += " (response.mode is observe: the firewall is not touched)"
		}
		return text
	case rulingFalsePositive:
		return lead + "this threat is marked as a false positive"
	case rulingScore:
		return fmt.Sprintf("%sscore %s < %s", lead, scoreText(score), scoreText(cfg.MinScore))
	case rulingNoRule:
		return lead + "no rule matched"
	case rulingNoBlockRule:
		return lead + "no rule matched that may block (they are advisory, below MEDIUM, or have no block_ip action)"
	case rulingAllowed:
		return "alert only because whitelisted: " + v.why
	case rulingNoAddress:
		return lead + "no single address is behind this"
	case rulingHeader:
		return lead + "the address came from a forwarding header: a packet filter cannot stop it (see response.proxy_denylist)"
	case rulingBehindProxy:
		return lead + "this log has the addresses of a proxy, not of clients: name the proxy under trusted_proxies of " + c.threat.Source
	case rulingLate:
		return lead + "replayed line: it is older than the time allowed for blocking"
	case rulingOff:
		return lead + "response.auto_block is off"
	case rulingWide:
		return fmt.Sprintf("%s%s is wider than an automatic block may be (/%d, IPv6 /%d)", lead, v.prefix, cfg.MinBits4, cfg.MinBits6)
	case rulingBreaker:
		return fmt.Sprintf("%snew blocks come faster than %d a minute (breaker)", lead, cfg.NewBlocksPerMinute)
	case rulingFull:
		return fmt.Sprintf("%sthe block limit of %d is reached by blocks made by hand", lead, cfg.MaxBlocks)
	}
	return lead + "nothing was decided"
}

// judge applies the policy to a case after a detection, and blocks if all says
// yes. A block that exists already is kept or prolonged, never shortened.
func (d *Decider) judge(now time.Time, at time.Duration, c *openCase, det *sentinel.Detection, fx *Effects) verdict {
	t := &c.threat
	mayBlock := t.Score.MayBlock && t.Decision >= d.cfg.MinScore
	if t.Score.MayBlock && !c.justified {
		c.justified = true
		d.history.justified(keyOf(t.Scope, t.Key, t.Group), at)
	}
	switch {
	case t.Status == sentinel.StatusFalsePositive:
		return verdict{ruling: rulingFalsePositive}
	case t.Score.R == 0:
		return verdict{ruling: rulingNoRule}
	case t.Decision < d.cfg.MinScore:
		return verdict{ruling: rulingScore}
	case !mayBlock:
		return verdict{ruling: rulingNoBlockRule}
	}
	if det.BehindProxy {
		return verdict{ruling: rulingBehindProxy}
	}
	target := d.target(det)
	if !target.IsValid() {
		if c.verdict.ruling == rulingBlocked && d.inForce(c.verdict.prefix, at) {
			return c.verdict
		}
		return verdict{ruling: rulingNoAddress}
	}
	if p, ok := d.allow.Overlaps(target); ok {
		if !c.alarmed {
			c.alarmed = true
			d.alarm(now, fx, AlarmProtected, "protected address: %s (threat %s, %s, score %s) is not blocked because of %s",
				networkText(target), t.ID, t.Type, scoreText(t.Decision), p)
		}
		return verdict{ruling: rulingAllowed, prefix: p.Prefix, why: p.String()}
	}
	if p, ok := d.Sheltered(det.Addr); ok {
		return verdict{ruling: rulingAllowed, why: p.String()}
	}
	refused := verdict{}
	switch {
	case det.FromHeader && !d.cfg.ProxyDeny:
		refused.ruling = rulingHeader
	case det.Late:
		refused.ruling = rulingLate
	case !d.cfg.AutoBlock:
		refused.ruling = rulingOff
	case tooWide(target, d.cfg.MinBits4, d.cfg.MinBits6):
		refused.ruling, refused.prefix = rulingWide, target
	}
	if refused.ruling != rulingNone {
		if e := d.standing(target, at, 0, true); e != nil && reaches(e, det) {
			return c.again(e) // it is blocked already
		}
		return refused
	}
	return d.block(now, at, target, c, det, fx)
}

// target returns what a detection would have blocked: the entity of its
// address, or the wider network that it is about. It is invalid without one.
func (d *Decider) target(det *sentinel.Detection) netip.Prefix {
	entity := sentinel.Entity(det.Addr)
	if !entity.IsValid() {
		return entity
	}
	if scope := entityPrefix(det.Scope); scope.IsValid() && scope.Bits() < entity.Bits() && scope.Contains(entity.Addr()) {
		return scope
	}
	return entity
}

// tooWide reports whether a prefix is shorter than allowed.
func tooWide(p netip.Prefix, bits4, bits6 int) bool {
	if p.Addr().Is4() {
		return p.Bits() < bits4
	}
	return p.Bits() < bits6
}

// again is the verdict of a block that was there before. What the case said of
// the network around it holds on.
func (c *openCase) again(e *entry) verdict {
	v := verdictOf(e)
	if old := c.verdict; old.ruling == rulingBlocked && old.prefix == v.prefix {
		v.near, v.nearWhy = old.near, old.nearWhy
	}
	return v
}

func verdictOf(e *entry) verdict {
	return verdict{ruling: rulingBlocked, prefix: e.rec.Prefix, until: e.rec.Expires, simulated: e.rec.Simulated, proxied: e.rec.Proxied, rate: e.rec.Rate, why: e.why}
}

// standing returns the block of target, or of a network around it, that lasts
// longest and at least until end. A simulated one does not count when blocks are
// real; a rate limit does if slowed says so.
func (d *Decider) standing(target netip.Prefix, at, end time.Duration, slowed bool) *entry {
	var found *entry
	for _, e := range [2]*entry{d.blocks.covering(target), d.blocks.get(target)} {
		if e != nil && e.end > at && e.covers(end) && (d.cfg.Observe || !e.rec.Simulated) &&
			(slowed || e.rec.Rate.IsZero()) && (found == nil || e.end > found.end) {
			found = e
		}
	}
	return found
}

// inForce reports whether a prefix is blocked as such.
func (d *Decider) inForce(p netip.Prefix, at time.Duration) bool {
	e := d.blocks.get(p)
	return e != nil && e.end > at
}

// block makes or prolongs the automatic block of target, or says why not.
func (d *Decider) block(now time.Time, at time.Duration, target netip.Prefix, c *openCase, det *sentinel.Detection, fx *Effects) verdict {
	t := &c.threat
	old := d.blocks.get(target)
	if old != nil && (old.end <= at || old.rec.Simulated && !d.cfg.Observe || !reaches(old, det)) {
		d.retire(old, fx, "expired", "", now)
		old = nil
	}
	if old != nil && old.rec.Trial {
		return c.again(old) // what a person tries ends when they said
	}
	k := d.history.earlier(target, at)
	if old != nil {
		k = old.earlier
	}
	rate, why := d.answer(now, at, c, old)
	if det.FromHeader { // a deny list denies all or nothing
		if _, all, only := c.limits(); all && only {
			return verdict{ruling: rulingHeader}
		}
		rate = sentinel.Rate{}
	}
	duration := d.duration(t.Decision, det, k)
	// A block is prolonged only by a good part of its length: an attacker must
	// not make us rewrite it with each packet that was still under way.
	if e := d.standing(target, at, at+duration-duration/4, !rate.IsZero()); e != nil && reaches(e, det) {
		return c.again(e)
	}
	rec := sentinel.BlockRecord{
		Prefix: target, Rate: rate, Reason: fmt.Sprintf("%s: %s", t.RuleID, t.Description), Origin: sentinel.OriginRule,
		ThreatID: t.ID, Score: t.Decision, Created: now, Expires: now.Add(duration), Simulated: d.cfg.Observe,
		Proxied: det.FromHeader,
	}
	if !rate.IsZero() {
		rec.Reason += "; slowed, since " + why
	}
	switch {
	case old != nil && old.rec.Rate == rate:
		d.prolong(old, rec, at+duration, fx)
		return c.again(old)
	case old != nil: // slowed it went on
		d.retire(old, fx, "revoked", ByRaised, now)
	case d.blocks.len() >= d.cfg.MaxBlocks && d.blocks.leastWorth() == nil:
		d.stats.FullRefused++
		d.alarm(now, fx, AlarmFull, "the block limit of %d is reached by blocks made by hand: nothing is blocked automatically any more; see sentinelctl blocklist, or raise response.max_blocks", d.cfg.MaxBlocks)
		return verdict{ruling: rulingFull}
	case !d.take(at):
		d.stats.BreakerRefused++
		d.alarm(now, fx, AlarmBreaker, "new blocks come faster than %d a minute: further attackers are only reported until it calms down; check whether a rule is wrong, see sentinelctl threats", d.cfg.NewBlocksPerMinute)
		return verdict{ruling: rulingBreaker}
	}
	for d.blocks.len() >= d.cfg.MaxBlocks && d.evict(now, fx) {
	}
	rec.ID = d.newID(now)
	e := &entry{rec: rec, end: at + duration, earlier: k, why: why}
	d.place(e, at, fx)
	if !rate.IsZero() {
		return verdictOf(e)
	}
	return d.escalate(now, at, e, c, det, fx)
}

// duration is base * Factor^k, at most MaxDuration. The base is that of the band
// of the decision score. A rule's own duration replaces it while the case is no
// graver than the rule; in a graver case it can only lengthen it.
func (d *Decider) duration(decision float64, det *sentinel.Detection, k int) time.Duration {
	band := sentinel.SeverityOf(decision)
	base := d.cfg.Durations[band]
	if det.BlockFor > 0 && (band <= det.Severity || det.BlockFor > base) {
		base = det.BlockFor
	}
	base = max(base, time.Second)
	limit := d.cfg.MaxDuration
	for ; k > 0 && base < limit; k-- {
		base = time.Duration(min(float64(base)*d.cfg.Factor, float64(limit)))
	}
	return min(base, limit)
}

// prolong gives a block a later end and the better reason.
func (d *Decider) prolong(e *entry, rec sentinel.BlockRecord, end time.Duration, fx *Effects) {
	e.end = end
	e.rec.Expires = rec.Expires
	if e.automatic() {
		e.rec.Score = max(e.rec.Score, rec.Score)
		e.rec.Reason, e.rec.ThreatID = rec.Reason, rec.ThreatID
	}
	d.blocks.moved(e)
	d.emit(e, fx)
}

// place puts a new block into force.
func (d *Decider) place(e *entry, at time.Duration, fx *Effects) {
	e.began = at
	d.blocks.put(e)
	if e.rec.Rate.IsZero() {
		d.history.blocked(e.rec.Prefix, at)
	}
	d.emit(e, fx)
}

// emit hands out a block and the row of its action.
func (d *Decider) emit(e *entry, fx *Effects) {
	fx.Merge(Effects{
		Blocks:  []sentinel.Block{sentinel.MakeBlock(e.rec)},
		Actions: []sentinel.Action{actionOf(e.rec, "active")},
	})
}

// retire takes a block out of force; status is expired or revoked, by whom.
func (d *Decider) retire(e *entry, fx *Effects, status, by string, now time.Time) {
	d.blocks.remove(e)
	a := actionOf(e.rec, status)
	if status == "revoked" {
		a.RevokedBy, a.RevokedAt = by, now
	}
	fx.Merge(Effects{Unblocked: []netip.Prefix{e.rec.Prefix}, Actions: []sentinel.Action{a}})
}

func (d *Decider) expire(e *entry, fx *Effects) { d.retire(e, fx, "expired", "", time.Time{}) }

// Who lifts blocks besides people (Action.RevokedBy).
const (
	ByLimit     = "max_blocks"
	ByAllowlist = "allowlist"
	ByTrial     = "not confirmed"
	ByRaised    = "slowed, it went on"
)

// evict lets the automatic block with the lowest score, then the nearest end,
// give way. It reports false if there is none.
func (d *Decider) evict(now time.Time, fx *Effects) bool {
	e := d.blocks.leastWorth()
	if e == nil {
		return false
	}
	d.stats.BlocksEvicted++
	d.retire(e, fx, "revoked", ByLimit, now)
	d.alarm(now, fx, AlarmFull, "the block limit of %d is reached: the automatic blocks with the lowest score and the nearest end give way; raise response.max_blocks if this host can hold more", d.cfg.MaxBlocks)
	return true
}

// take lets one new automatic block through the breaker.
func (d *Decider) take(at time.Duration) bool {
	limit := float64(d.cfg.NewBlocksPerMinute)
	if passed := at - d.refilled; passed > 0 {
		d.tokens = min(limit, d.tokens+limit*passed.Minutes())
	}
	d.refilled = at
	if d.tokens < 1 {
		return false
	}
	d.tokens--
	return true
}

// actionOf is the row of the audit trail that belongs to a block.
func actionOf(r sentinel.BlockRecord, status string) sentinel.Action {
	a := sentinel.Action{
		ID: r.ID, ThreatID: r.ThreatID, Created: r.Created, Type: r.ActionType(), Target: r.Prefix, Rate: r.Rate,
		Expires: r.Expires, Status: status, Reason: r.Reason, Origin: r.Origin, Actor: r.Actor,
		Simulated: r.Simulated, Score: r.Score, Forced: r.Forced, Trial: r.Trial, Until: r.Until,
	}
	if !r.Expires.IsZero() {
		a.Duration = r.Expires.Sub(r.Created)
	}
	if r.Proxied {
		a.Backend = sentinel.BackendProxy
	}
	return a
}

// scoreText writes a score with three digits, 0.60 as people know it.
func scoreText(x float64) string {
	s := fmt.Sprintf("%.3f", x)
	if s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	return s
}

// untilText writes the end of a block.
func untilText(t time.Time) string {
	if t.IsZero() {
		return "without an end"
	}
	return "until " + timeText(t)
}

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
