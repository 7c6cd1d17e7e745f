package decide

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// Bounds of what people may order.
const (
	// maxOrder is the longest block with an end; beyond it say Permanent.
	maxOrder = 366 * 24 * time.Hour
	// The widest networks that may be blocked and allowed by an order.
	orderBits4, orderBits6 = 16, 32
	allowBits4, allowBits6 = 8, 16
	maxReasonBytes         = 500
)

// Refusal is the error for an order that makes no sense or would do harm.
type Refusal struct {
	// What is wrong, and what would be right.
	What, Hint string
}

// Error returns both sentences.
func (r *Refusal) Error() string {
	if r.Hint == "" {
		return r.What
	}
	return r.What + "; " + r.Hint
}

func refuse(hint, format string, args ...any) error {
	return &Refusal{What: fmt.Sprintf(format, args...), Hint: hint}
}

// Order does what a person, a bot or the cloud wants, or refuses with a
// *Refusal. Both leave an Action, so the effects matter in both cases.
func (d *Decider) Order(now time.Time, o sentinel.Order) (Effects, error) {
	var fx Effects
	at := d.clock(now)
	o.Reason, o.Actor = keep(clean(o.Reason), maxReasonBytes), keep(clean(o.Actor), maxNameBytes)
	o.ThreatID = keep(clean(o.ThreatID), maxNameBytes)
	err := d.obey(now, at, o, &fx)
	if err != nil {
		fx = Effects{Actions: []sentinel.Action{{
			ID: d.newID(now), ThreatID: o.ThreatID, Created: now, Type: "refused", Target: NormalizePrefix(o.Prefix),
			Status: "refused", Reason: fmt.Sprintf("%s: %s", o.Kind, err), Origin: o.Origin, Actor: o.Actor,
		}}}
	}
	return fx, err
}

func (d *Decider) obey(now time.Time, at time.Duration, o sentinel.Order, fx *Effects) error {
	if o.Origin == sentinel.OriginRule {
		return refuse("only detections block on behalf of rules", "an order needs a person, a bot or the cloud as its origin")
	}
	if o.Kind == sentinel.OrderStatus {
		return d.orderStatus(now, o, fx)
	}
	o.Prefix = entityPrefix(o.Prefix)
	if !o.Prefix.IsValid() {
		return refuse("give an address such as 203.0.113.7 or a network such as 203.0.113.0/24", "no address was given to %s", o.Kind)
	}
	switch o.Kind {
	case sentinel.OrderBlock:
		return d.orderBlock(now, at, o, fx)
	case sentinel.OrderUnblock:
		return d.orderUnblock(now, at, o, fx)
	case sentinel.OrderAllow:
		return d.orderAllow(now, o, fx)
	case sentinel.OrderDisallow:
		return d.orderDisallow(now, o, fx)
	case sentinel.OrderConfirm:
		return d.orderConfirm(now, at, o, fx)
	}
	return refuse("the orders are block, unblock, confirm, allow, disallow and status", "%s is not an order", o.Kind)
}

func (d *Decider) orderBlock(now time.Time, at time.Duration, o sentinel.Order, fx *Effects) error {
	duration, err := d.orderDuration(o)
	if err != nil {
		return err
	}
	if tooWide(o.Prefix, orderBits4, orderBits6) {
		return refuse(fmt.Sprintf("block at most a /%d, for IPv6 a /%d", orderBits4, orderBits6), "%s is too wide to block", o.Prefix)
	}
	forced, err := d.mayForce(o)
	if err != nil {
		return err
	}
	end, expires := never, time.Time{}
	if !o.Permanent {
		end, expires = at+duration, now.Add(duration)
	}
	old := d.blocks.get(o.Prefix)
	if old != nil && old.end <= at {
		d.retire(old, fx, "expired", "", now)
		old = nil
	}
	if err := d.checkTrial(o, duration, old); err != nil {
		return err
	}
	if e := d.standing(o.Prefix, at, end, false); e != nil && !e.rec.Proxied && (e != old || !e.automatic() || e.end > end) {
		hint := fmt.Sprintf("give a longer --duration to prolong it, or sentinelctl unblock %s first", networkText(e.rec.Prefix))
		if e.end == never {
			hint = fmt.Sprintf("sentinelctl unblock %s ends it", networkText(e.rec.Prefix))
		}
		if e != old {
			return refuse(hint, "%s lies in %s, which is blocked %s already", networkText(o.Prefix), e.rec.Prefix, untilText(e.rec.Expires))
		}
		return refuse(hint, "%s is blocked %s already", networkText(o.Prefix), untilText(e.rec.Expires))
	}
	if old == nil && d.blocks.len() >= d.cfg.MaxBlocks && !d.evict(now, fx) {
		return refuse("unblock some (sentinelctl blocklist) or raise response.max_blocks", "the limit of %d blocks is reached, and all were made by hand", d.cfg.MaxBlocks)
	}
	if old != nil {
		d.retire(old, fx, "revoked", by(o), now)
	}
	reason := o.Reason
	if reason == "" {
		reason = "ordered by " + by(o)
	}
	e := &entry{end: end, rec: sentinel.BlockRecord{
		ID: d.newID(now), Prefix: o.Prefix, Reason: reason, Origin: o.Origin, Actor: o.Actor, ThreatID: o.ThreatID,
		Score: 1, Created: now, Expires: expires, Simulated: d.cfg.Observe, Forced: forced,
	}}
	if o.Confirm > 0 {
		e.onTrial(now, at, o.Confirm)
	}
	d.place(e, at, fx)
	return nil
}

// orderDuration returns how long a block is ordered for; CRITICAL's duration if
// the order does not say.
func (d *Decider) orderDuration(o sentinel.Order) (time.Duration, error) {
	switch {
	case o.Permanent && o.Duration != 0:
		return 0, refuse("leave one of them out", "a block cannot be permanent and last %v", o.Duration)
	case o.Permanent:
		return 0, nil
	case o.Duration == 0:
		return d.cfg.Durations[sentinel.Critical], nil
	case o.Duration < time.Second:
		return 0, refuse("give at least 1s, such as 30m or 24h", "a block cannot last %v", o.Duration)
	case o.Duration > maxOrder:
		return 0, refuse("give at most 8784h (366 days), or ask for a permanent block in so many words", "a block of %v is too long", o.Duration)
	}
	return o.Duration, nil
}

// mayForce refuses to block what is protected, unless a person on this host or
// through the bot insists and the protection is not a hard one. It reports
// whether force was needed.
func (d *Decider) mayForce(o sentinel.Order) (bool, error) {
	p, protected := d.allow.Overlaps(o.Prefix)
	if !protected {
		return false, nil
	}
	what := fmt.Sprintf("%s is protected by %s", networkText(o.Prefix), p)
	if p.Prefix.Bits() > o.Prefix.Bits() {
		what = fmt.Sprintf("%s contains the protected %s", o.Prefix, p)
	}
	switch {
	case p.Kind.Hard():
		return false, refuse("it cannot be blocked, since that could lock you out", "%s", what)
	case !o.Force && p.Kind == KindUser:
		return false, refuse("take it off the allowlist first: sentinelctl whitelist remove "+networkText(p.Prefix), "%s", what)
	case p.Kind == KindName:
		return false, refuse("take the name off the whitelist first: sentinelctl whitelist list", "%s", what)
	case !o.Force:
		return false, refuse("add --force if you are sure", "%s", what)
	case o.Origin != sentinel.OriginCLI && o.Origin != sentinel.OriginBot:
		return false, refuse("only a person on this host can force it: sentinelctl block --force "+networkText(o.Prefix), "%s", what)
	}
	return true, nil
}

func (d *Decider) orderUnblock(now time.Time, at time.Duration, o sentinel.Order, fx *Effects) error {
	e := d.blocks.get(o.Prefix)
	if e == nil || e.end <= at {
		if w := d.blocks.covering(o.Prefix); w != nil {
			return refuse("to lift that: sentinelctl unblock "+w.rec.Prefix.String()+"; to let only this through: sentinelctl whitelist add "+networkText(o.Prefix),
				"%s is not blocked by itself, it lies in %s, which is blocked %s", networkText(o.Prefix), w.rec.Prefix, untilText(w.rec.Expires))
		}
		if inside := d.inside(o.Prefix); len(inside) > 0 {
			return refuse("unblock them one by one", "%s is not blocked as such, but it contains blocked addresses: %s", o.Prefix, strings.Join(inside, ", "))
		}
		return refuse("sentinelctl blocklist shows what is", "%s is not blocked", networkText(o.Prefix))
	}
	d.history.forgive(e.rec.Prefix)
	d.retire(e, fx, "revoked", by(o), now)
	d.note(now, fx, o, "unblock", o.Prefix, "unblocked", e.rec.ThreatID)
	return nil
}

// inside names up to four of the blocks inside a prefix.
func (d *Decider) inside(p netip.Prefix) (names []string) {
	if !wide(p) {
		return nil
	}
	n := 0
	for _, e := range d.blocks.sorted() {
		if p.Overlaps(e.rec.Prefix) {
			if n++; n <= 3 {
				names = append(names, networkText(e.rec.Prefix))
			}
		}
	}
	if n > 3 {
		names = append(names, fmt.Sprintf("and %d more", n-3))
	}
	return names
}

func (d *Decider) orderAllow(now time.Time, o sentinel.Order, fx *Effects) error {
	if tooWide(o.Prefix, allowBits4, allowBits6) {
		return refuse(fmt.Sprintf("allow at most a /%d, for IPv6 a /%d; to block nothing at all set response.mode to observe", allowBits4, allowBits6),
			"%s is too wide to allow", o.Prefix)
	}
	if p, ok := d.allow.Get(o.Prefix); ok && p.Kind != KindUser {
		return refuse("nothing needs to be done", "%s is protected already", p)
	} else if ok {
		return refuse("sentinelctl whitelist remove "+networkText(o.Prefix)+" takes it off", "%s is on the allowlist already", networkText(o.Prefix))
	}
	reason := o.Reason
	if reason == "" {
		reason = "allowed by " + by(o)
	}
	p := Protection{Prefix: o.Prefix, Kind: KindUser, Reason: reason}
	d.allow = d.allow.With(p)
	fx.AllowChanged, fx.Allowed = true, []Protection{p}
	lifted := d.recheck(now, by(o), o.Prefix, fx)
	text := reason
	if lifted > 0 {
		text = fmt.Sprintf("%s; %d blocks lifted", reason, lifted)
	}
	d.note(now, fx, o, "allow", o.Prefix, text, "")
	return nil
}

func (d *Decider) orderDisallow(now time.Time, o sentinel.Order, fx *Effects) error {
	p, ok := d.allow.Get(o.Prefix)
	switch {
	case ok && p.Kind == KindUser:
	case ok && (p.Kind == KindConfig || p.Kind == KindProxy):
		return refuse("change the configuration file and reload the agent", "%s stands in the configuration", p)
	case ok && p.Kind == KindName:
		return refuse("take the name off instead: sentinelctl whitelist remove NAME", "%s follows from a name", p)
	case ok && p.Kind == KindKey:
		return refuse("sentinelctl block --force blocks it; response.key_logins says for how long logins protect", "%s is protected by a login", p)
	case ok && p.Kind == KindDefault:
		return refuse("sentinelctl block --force blocks an address in it", "%s is built in", p)
	case ok:
		return refuse("this protection cannot be removed", "%s is protected so that nobody is locked out", p)
	default:
		if q, covered := d.allow.Overlaps(o.Prefix); covered {
			return refuse("sentinelctl whitelist list shows all entries", "%s is not on the allowlist as such, but %s is", networkText(o.Prefix), q)
		}
		return refuse("sentinelctl whitelist list shows all entries", "%s is not on the allowlist", networkText(o.Prefix))
	}
	d.allow = d.allow.Without(o.Prefix)
	fx.AllowChanged, fx.Disallowed = true, []netip.Prefix{o.Prefix}
	d.note(now, fx, o, "disallow", o.Prefix, "taken off the allowlist", "")
	return nil
}

func (d *Decider) orderStatus(now time.Time, o sentinel.Order, fx *Effects) error {
	status, err := sentinel.ParseStatus(string(o.Status))
	if err != nil {
		return &Refusal{What: err.Error()}
	}
	if o.ThreatID == "" {
		return refuse("sentinelctl threats shows their ids", "no threat was named")
	}
	fx.Statuses = []StatusChange{{ThreatID: o.ThreatID, Status: status, By: by(o), At: now}}
	text := "status " + string(status)
	if status == sentinel.StatusFalsePositive {
		if n := d.liftThreat(now, o, fx); n > 0 {
			text += "; its block is lifted"
		}
	}
	if c := d.byID[o.ThreatID]; c != nil {
		c.setStatus(status, by(o), now)
		if status == sentinel.StatusFalsePositive {
			c.verdict = verdict{ruling: rulingFalsePositive}
			c.threat.Action, c.threat.ActionReason = c.verdict.action(c), c.verdict.reason(c, d.cfg)
		}
		d.clean(c)
		fx.Threats = append(fx.Threats, c.snapshot())
	}
	d.note(now, fx, o, "status", netip.Prefix{}, text, "")
	return nil
}

// liftThreat lifts the automatic blocks that a threat led to.
func (d *Decider) liftThreat(now time.Time, o sentinel.Order, fx *Effects) (lifted int) {
	for _, e := range d.blocks.sorted() {
		if e.automatic() && e.rec.ThreatID == o.ThreatID {
			d.history.forgive(e.rec.Prefix)
			d.retire(e, fx, "revoked", by(o), now)
			lifted++
		}
	}
	return lifted
}

func (c *openCase) setStatus(status sentinel.Status, by string, now time.Time) {
	t := &c.threat
	t.Status, t.ResolvedAt, t.ResolvedBy = status, time.Time{}, ""
	if status == sentinel.StatusResolved || status == sentinel.StatusFalsePositive {
		t.ResolvedAt, t.ResolvedBy = now, by
	}
}

// note writes a row of the audit trail for something that is done at once.
func (d *Decider) note(now time.Time, fx *Effects, o sentinel.Order, kind string, target netip.Prefix, text, threatID string) {
	if o.Reason != "" && text != o.Reason && !strings.HasPrefix(text, o.Reason) {
		text += ": " + o.Reason
	}
	if o.ThreatID != "" {
		threatID = o.ThreatID
	}
	fx.Actions = append(fx.Actions, sentinel.Action{
		ID: d.newID(now), ThreatID: threatID, Created: now, Type: kind, Target: target,
		Status: "done", Reason: text, Origin: o.Origin, Actor: o.Actor,
	})
}

// by names who gave an order.
func by(o sentinel.Order) string {
	switch {
	case o.Actor != "":
		return o.Actor
	case o.Origin != "":
		return string(o.Origin)
	}
	return "unknown"
}

// clean drops control characters: reasons and names are shown on terminals.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(cut(s, 4*maxReasonBytes), "?"))
}
