package decide

import (
	"fmt"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// Not every attacker is dropped at once. Whoever has a good history is slowed
// first, and so is everybody whom the rules say to slow (rate_limit). Who goes
// on is dropped, unless the rules ask for nothing but slowing.

// slowGrace is how long after an address was slowed a further firing still says
// nothing: lines of the same moment fire several rules.
const slowGrace = 10 * time.Second

// limits returns the least rate that the rules of a case ask for, whether all of
// those that justify a block ask for one, and whether all ask for nothing else.
func (c *openCase) limits() (least sentinel.Rate, all, only bool) {
	all, only = true, true
	for i := range c.threat.Score.Rules {
		r := &c.threat.Score.Rules[i]
		if !justifies(r) {
			continue
		}
		if r.Limit.IsZero() {
			return least, false, false
		}
		only = only && r.LimitOnly
		if least.IsZero() || slower(r.Limit, least) {
			least = r.Limit
		}
	}
	return least, all && !least.IsZero(), only
}

// slower reports whether a lets less pass than b.
func slower(a, b sentinel.Rate) bool {
	return float64(a.Count)*float64(b.Per) < float64(b.Count)*float64(a.Per)
}

// answer decides how hard an attacker is hit: the rate that is to pass, zero if
// nothing is, and the reason for a rate. old is the block of the same network
// that is in force, if any.
func (d *Decider) answer(now time.Time, at time.Duration, c *openCase, old *entry) (rate sentinel.Rate, why string) {
	if old != nil && old.rec.Rate.IsZero() {
		return rate, "" // never less than there was
	}
	further := old != nil && at-old.began >= slowGrace
	if least, all, only := c.limits(); all {
		if only {
			return least, "the rules that matched ask for slowing only"
		}
		if !further {
			return least, "the rules that matched ask for slowing first; if it goes on it is blocked"
		}
		return rate, ""
	}
	switch {
	case d.cfg.SlowRate.IsZero() || further || sentinel.SeverityOf(c.threat.Decision) == sentinel.Critical:
		return rate, ""
	case old != nil:
		return old.rec.Rate, old.why
	}
	if good := d.good(now, at, sentinel.Entity(c.threat.AttackerIP)); good != "" {
		return d.cfg.SlowRate, "it has a good history (" + good + "); if it goes on it is blocked"
	}
	return rate, ""
}

// slowText says how a verdict that is a rate limit came about.
func (v verdict) slowText() string {
	if v.rate.IsZero() {
		return ""
	}
	return fmt.Sprintf("; slowed to %s new connections instead of blocked, since %s", v.rate, v.why)
}
