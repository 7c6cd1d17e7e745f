package decide

import (
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// A block on trial is lifted by itself unless a person confirms it in time:
// whoever blocks the network that they sit in is back in after that. It ends in
// the kernel too, by its own timer, so that it does not need the agent for it.

// The bounds of a trial.
const (
	minTrial = time.Second
	maxTrial = 24 * time.Hour
)

// checkTrial refuses trials that make no sense.
func (d *Decider) checkTrial(o sentinel.Order, duration time.Duration, old *entry) error {
	switch {
	case o.Confirm == 0:
		return nil
	case o.Confirm < minTrial || o.Confirm > maxTrial:
		return refuse("give 1s to 24h, such as 60s", "a block cannot wait %v for its confirmation", o.Confirm)
	case !o.Permanent && o.Confirm >= duration:
		return refuse("give a longer --duration or a shorter --confirm", "a block of %v ends before the %v for its confirmation are over", duration, o.Confirm)
	case old == nil:
		return nil
	case old.rec.Trial:
		return refuse("sentinelctl confirm "+networkText(o.Prefix)+" keeps it", "%s is on trial %s already", networkText(o.Prefix), untilText(old.rec.Expires))
	}
	// Replaced by a trial that fails, the block that stands would be lost.
	return refuse("leave out --confirm to change that block", "%s is blocked %s already: there is nothing to try", networkText(o.Prefix), untilText(old.rec.Expires))
}

// onTrial turns a new block into one on trial.
func (e *entry) onTrial(now time.Time, at time.Duration, confirm time.Duration) {
	e.until, e.rec.Until = e.end, e.rec.Expires
	e.end, e.rec.Expires = at+confirm, now.Add(confirm)
	e.rec.Trial = true
}

// orderConfirm keeps a block that is on trial.
func (d *Decider) orderConfirm(now time.Time, at time.Duration, o sentinel.Order, fx *Effects) error {
	e := d.blocks.get(o.Prefix)
	switch {
	case e == nil || e.end <= at:
		return refuse("one that was not confirmed in time is lifted; to block it again: sentinelctl block "+networkText(o.Prefix), "%s is not blocked", networkText(o.Prefix))
	case !e.rec.Trial:
		return refuse("nothing needs to be done", "the block of %s needs no confirmation", networkText(o.Prefix))
	}
	e.rec.Trial, e.rec.Expires, e.rec.Until = false, e.rec.Until, time.Time{}
	e.end, e.until = e.until, 0
	d.blocks.put(e)
	d.emit(e, fx)
	d.note(now, fx, o, "confirm", o.Prefix, "confirmed: blocked "+untilText(e.rec.Expires), e.rec.ThreatID)
	return nil
}

// lapse lifts a block that was not confirmed in time. It does not count as one.
func (d *Decider) lapse(e *entry, now time.Time, fx *Effects) {
	d.history.forgive(e.rec.Prefix)
	d.retire(e, fx, "revoked", ByTrial, now)
}
