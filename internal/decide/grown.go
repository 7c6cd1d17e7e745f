package decide

import (
	"slices"

	"github.com/sentinel-ai/sentinel-ai"
)

// Counts of a case are handed out as a whole threat with the next Tick, since in
// a flood thousands of cases grow each second. Who stores how far was read must
// store the counts that belong to it, too, or a crash between two Ticks would
// lose them: Grown hands them out in short.

// TrackGrowth makes Grown work. Who tracks must call it again and again, or the
// list grows with every case.
func (d *Decider) TrackGrowth() { d.tracking = true }

// Grown returns what grew since the last call, each case once with its present
// counts. Cases whose whole state was handed out meanwhile may be among them.
func (d *Decider) Grown() []sentinel.Growth {
	if len(d.grown) == 0 {
		return nil
	}
	out := make([]sentinel.Growth, len(d.grown))
	for i, c := range d.grown {
		c.grew = false
		out[i] = c.growth()
	}
	clear(d.grown)
	d.grown = d.grown[:0]
	return out
}

// Waiting is how many cases have changes that the next Tick hands out.
func (d *Decider) Waiting() int { return len(d.dirty) }

// grow notes that a case has counted.
func (d *Decider) grow(c *openCase) {
	if d.tracking && !c.grew {
		c.grew = true
		d.grown = append(d.grown, c)
	}
}

func (c *openCase) growth() sentinel.Growth {
	t := &c.threat
	g := sentinel.Growth{ID: t.ID, EventCount: t.EventCount, LastSeen: t.LastSeen, Rules: make([]sentinel.RuleGrowth, len(t.Score.Rules))}
	for i := range t.Score.Rules {
		r := &t.Score.Rules[i]
		g.Rules[i] = sentinel.RuleGrowth{Firings: r.Firings, Count: r.Count, Last: r.Last}
	}
	return g
}

// Remember takes note of a firing whose effects are stored already, as when
// lines are read again after a crash: what an open case knows of its latest
// lines, which is not stored, and nothing else.
func (d *Decider) Remember(det *sentinel.Detection) {
	node := d.cases.get(keyOf(scopeOf(det), det.Key, groupOf(det)))
	if node == nil {
		return
	}
	c := node.value
	c.lastTime, c.lastLine = det.Time, fingerprint(det.Sample)
	i := slices.IndexFunc(c.threat.Score.Rules, func(r sentinel.RulePart) bool { return r.ID == det.RuleID })
	if i < 0 || !singleEvent(det) {
		return
	}
	m := &c.rules[i]
	if len(m.templates) < maxTemplates && !slices.Contains(m.templates, det.Template) {
		m.templates = append(m.templates, det.Template)
		d.weigh(c)
	}
}
