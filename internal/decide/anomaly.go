package decide

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// What is unusual raises the cases of an entity, those that are open and those
// that open within the next hour. Alone it makes a case that is only reported.

// AnomalyGroup is the group and the type of cases that no rule opened.
const AnomalyGroup = "anomaly"

const (
	// anomalyHolds is how long an anomaly counts for cases that open later.
	anomalyHolds = time.Hour
	// maxUnusual bounds the entities whose latest anomaly is kept.
	maxUnusual = 8192
)

// unusual is what is known of anomalies.
type unusual struct {
	recent *lru[netip.Prefix, recentAnomaly]
	// groups has the groups of open cases, with how many there are.
	groups map[string]int
	// learning has the percentage of the sources that are still learning.
	learning map[string]int
}

// recentAnomaly is the gravest anomaly of an entity within anomalyHolds.
type recentAnomaly struct {
	at       time.Duration
	a        float64
	reasons  []string
	learning bool
}

// ground is what judging a case has to know of its last detection.
type ground struct {
	addr                          netip.Addr
	fromHeader, behindProxy, late bool
	severity                      sentinel.Severity
	blockFor                      time.Duration
	known                         bool
}

func groundOf(det *sentinel.Detection) ground {
	return ground{
		addr: det.Addr, fromHeader: det.FromHeader, behindProxy: det.BehindProxy, late: det.Late,
		severity: det.Severity, blockFor: det.BlockFor, known: true,
	}
}

// detection makes of a ground what judge reads.
func (g ground) detection(c *openCase) *sentinel.Detection {
	return &sentinel.Detection{
		Addr: g.addr, Scope: c.threat.Scope, FromHeader: g.fromHeader, BehindProxy: g.behindProxy, Late: g.late,
		Severity: g.severity, BlockFor: g.blockFor,
	}
}

func newUnusual() unusual {
	return unusual{recent: newLRU[netip.Prefix, recentAnomaly](), groups: make(map[string]int), learning: make(map[string]int)}
}

func (u *unusual) opened(group string) { u.groups[group]++ }

func (u *unusual) closed(group string) {
	if u.groups[group]--; u.groups[group] <= 0 {
		delete(u.groups, group)
	}
}

// note remembers an anomaly for cases that open later.
func (u *unusual) note(at time.Duration, entity netip.Prefix, a *sentinel.Anomaly) {
	n := u.recent.ensure(entity, maxUnusual)
	if old := n.value; at-old.at < anomalyHolds && old.a > unit(a.A) {
		return
	}
	n.value = recentAnomaly{at: at, a: unit(a.A), reasons: reasonsOf(a), learning: a.Learning}
}

// greet gives a case that opens what is known of its entity and its source.
func (u *unusual) greet(at time.Duration, c *openCase) {
	s := &c.threat.Score
	s.Learning = u.learning[c.threat.Source]
	n := u.recent.get(c.threat.Scope)
	if n == nil || !c.threat.Scope.IsValid() || at-n.value.at >= anomalyHolds {
		return
	}
	s.A, s.Reasons = new(n.value.a), n.value.reasons
	c.threat.AnomalyScore = s.A
}

// Learning says how far the anomaly stage has learned what is usual for a source,
// in percent; 100 or more, or less than 0: it has nothing to learn. Cases that
// open later show it.
func (d *Decider) Learning(source string, percent int) {
	if percent < 0 || percent >= 100 {
		delete(d.unusual.learning, source)
		return
	}
	d.unusual.learning[source] = max(percent, 1)
}

// Anomaly takes in what the anomaly stage says of an entity, or of a source as a
// whole: the entity's open cases are raised and judged again, and cases that open
// within the next hour begin with it. If there is none, one that nothing blocks
// for is opened, provided that the anomaly is grave enough to be told. now is the
// arrival clock.
func (d *Decider) Anomaly(now time.Time, a *sentinel.Anomaly) Effects {
	var fx Effects
	at := d.clock(now)
	entity := sentinel.Entity(a.Addr)
	if !entity.IsValid() {
		if unit(a.A) >= alertScore {
			d.unusualCase(now, at, a, &fx)
		}
		return fx
	}
	d.unusual.note(at, entity, a)
	others, own := false, false
	for _, group := range d.openGroups() {
		n := d.cases.get(keyOf(entity, "", group))
		if n == nil || at-n.value.fired >= d.cfg.CaseIdle || at-n.value.opened >= d.cfg.CaseMax {
			continue
		}
		if group == AnomalyGroup {
			own = true
			continue
		}
		others = true
		d.raise(now, at, n.value, a, &fx)
	}
	if unit(a.A) >= alertScore && (own || !others && !a.Quiet) {
		d.unusualCase(now, at, a, &fx)
	}
	return fx
}

// openGroups returns the groups of open cases in their order.
func (d *Decider) openGroups() []string {
	groups := make([]string, 0, len(d.unusual.groups))
	for g := range d.unusual.groups {
		groups = append(groups, g)
	}
	slices.Sort(groups)
	return groups
}

// unusualCase opens or prolongs the case that an anomaly makes by itself.
func (d *Decider) unusualCase(now time.Time, at time.Duration, a *sentinel.Anomaly, fx *Effects) {
	det := &sentinel.Detection{
		Time: a.Time, Type: AnomalyGroup, Group: AnomalyGroup, Addr: a.Addr, Scope: sentinel.Entity(a.Addr),
		Source: a.Source, SourceType: a.SourceType,
	}
	if !det.Scope.IsValid() {
		det.Key = "all clients of " + a.Source
	}
	c, opened := d.join(now, at, det, fx)
	t := &c.threat
	t.EventCount = min(t.EventCount+1, maxCount)
	if a.Time.After(t.LastSeen) {
		t.LastSeen = a.Time
	}
	if opened {
		t.Type, t.AttackerIP = AnomalyGroup, sentinel.Normalize(a.Addr)
		t.Description = "What it does within " + durationText(a.Window) + " is unusual here; no rule says that it is an attack"
		c.ground = groundOf(det)
		d.settle(c)
	}
	if s := keep(a.Sample, maxSampleBytes); s != "" && len(t.Samples) < maxSamples && !slices.Contains(t.Samples, s) {
		t.Samples = append(t.Samples, s)
	}
	c.fired = at
	d.grow(c)
	if opened { // greet may have given it this very anomaly
		t.Score.A, t.Score.Reasons, t.AnomalyScore = nil, nil, nil
	}
	if !d.raise(now, at, c, a, fx) {
		d.soil(c)
	}
	d.weigh(c)
}

// raise gives a case a greater A and judges it again. It reports whether the case
// was handed out.
func (d *Decider) raise(now time.Time, at time.Duration, c *openCase, a *sentinel.Anomaly, fx *Effects) bool {
	t := &c.threat
	if t.Score.A != nil && *t.Score.A >= unit(a.A) {
		return false
	}
	t.Score.A, t.Score.Reasons = new(unit(a.A)), reasonsOf(a)
	t.AnomalyScore = t.Score.A
	if !a.Learning {
		t.Score.Learning = 0
	}
	severity, decision := t.Severity, t.Decision
	c.rescore()
	if c.ground.known { // after a restart it is judged with the next detection
		v := d.judge(now, at, c, c.ground.detection(c), fx)
		if v != c.verdict || t.Decision != decision || t.Action == "" {
			c.verdict = v
			t.Action, t.ActionReason = v.action(c), v.reason(c, d.cfg)
		}
	}
	d.weigh(c)
	if t.Severity == severity && t.Decision == decision && t.EventCount > 1 {
		d.soil(c)
		return true
	}
	d.clean(c)
	fx.Threats = append(fx.Threats, c.snapshot())
	return true
}

// reasonsOf returns the bounded reasons of an anomaly.
func reasonsOf(a *sentinel.Anomaly) []string {
	out := make([]string, 0, min(len(a.Reasons), sentinel.MaxReasons))
	for _, r := range a.Reasons[:min(len(a.Reasons), sentinel.MaxReasons)] {
		out = append(out, keep(r, maxUnusualBytes))
	}
	return out
}

// maxUnusualBytes bounds one reason of an anomaly.
const maxUnusualBytes = 200

// anomalyLines explain the anomaly stage's part of a score.
func anomalyLines(p sentinel.ScoreParts) []string {
	switch {
	case p.A == nil && p.Learning > 0:
		return []string{fmt.Sprintf("Anomaly: learning %d %%; it has no part in the score.", p.Learning)}
	case p.A == nil:
		return []string{"Anomaly: not available; it has no part in the score."}
	}
	line := "Anomaly " + scoreText(*p.A)
	if p.Learning > 0 {
		line += fmt.Sprintf(" (learning %d %%, capped until then)", p.Learning)
	}
	if len(p.Reasons) == 0 {
		return []string{line + "."}
	}
	out := []string{line + ":"}
	for _, r := range p.Reasons {
		out = append(out, "  "+plain(r))
	}
	return out
}
