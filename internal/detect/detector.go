package detect

import (
	"net/netip"
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// Result is what one match led to.
type Result struct {
	Rule int32
	// Aggregated: the rule counts (aggregation or sequence).
	Aggregated bool
	// Fired: there is a Detection. Silent: there would be one, but the rule
	// fired for this key within its cooldown.
	Fired, Silent bool
	// Count is how many events (or distinct values) the key has in the rule's
	// window, as far as they are remembered: at least the threshold if reached.
	Count int
	// Weight is how many events this line added: Event.Repeat, or 0 for a line
	// that says again what another line of the same login attempt said.
	Weight int
	// Scope and Key are what the detection is or would be about, as in
	// Detection; set if Fired or Silent.
	Scope netip.Prefix
	Key   string
	// Detection is nil unless Fired. It owns its strings.
	Detection *sentinel.Detection
}

// Detector counts the matches of one rule set. It is not safe for concurrent
// use.
type Detector struct {
	cfg        Config
	set        *rule.Set
	hash       hasher
	table      *table
	sketches   *sketches
	counters   []*counter
	plans      []plan
	bases      []base
	joiner     joiner
	echoes     echoes
	twins      twins
	owned      owned
	tick       uint64
	now        moment
	repeat     int           // how often the event in hand happened, unless another source said so
	weights    []classWeight // by class
	classSeeds []uint64
	results    []Result
	steps      []rule.Match // matches of sequence steps of the event in hand
	fed        []rule.Match // and those that firings brought
	guards     []rule.Match
	done       []int32    // sequences that the event in hand completed
	none       rule.Match // of events that count whatever rules say
	stats      Stats
}

// base is the denominator of ratios: all events of some types, of keys that had
// a matching event within the window. Events before a key's first match are not
// counted: of a thousand visitors a few have one, and counting the others would
// cost more than all rules together.
type base struct {
	counter *counter
	types   [sentinel.NumEventTypes]bool
	// asked has the second of the last match, by a part of the key's hash; keys
	// that share a place are counted more often than need be.
	asked [1 << askedBits]uint32
}

const askedBits = 13

// wanted reports whether an event of the key is to be counted; asks says that
// it matches a rule with a ratio itself.
func (b *base) wanted(key uint64, asks bool, now uint32) bool {
	last := &b.asked[key>>(64-askedBits)]
	if asks {
		*last = now
		return true
	}
	return *last != 0 && (now <= *last || now-*last <= b.counter.panes.width*numPanes)
}

// moment is the time of the event in hand.
type moment struct {
	at    time.Time
	sec   uint32 // of the event
	ms    uint64
	clock uint32 // of arrival
	late  bool
}

// classWeight is what the event in hand counts for one class of conditions.
type classWeight struct {
	tick   uint64
	weight int
}

// New returns a detector for a set. Settings of cfg that are out of range take
// their defaults.
func New(set *rule.Set, cfg Config) *Detector {
	cfg = cfg.withDefaults()
	return newDetector(set, cfg, newHasher(cfg.Seed))
}

func newDetector(set *rule.Set, cfg Config, hash hasher) *Detector {
	d := &Detector{cfg: cfg, set: set, hash: hash}
	keys, blocks, estimates := cfg.limits()
	d.sketches = &sketches{limit: estimates}
	d.plan(set)
	d.weights = make([]classWeight, len(d.classSeeds))
	d.table = newTable(keys, blocks, len(d.counters))
	d.table.release = d.releaseSketch
	return d
}

func (d *Detector) releaseSketch(e *entry) {
	if c := d.counters[e.kind]; c.kind == kindDistinct && c.distinct.sketch != nil && e.head != 0 && e.n != 0 {
		d.sketches.release(e.inline[0])
	}
}

// Observe counts the matches that m found in ev. now is the arrival clock; in a
// replay, the greatest event time so far. The results, one a match of a rule
// (none for steps that completed nothing), are valid until the next call. m may
// be nil: detections are then without evidence.
//
// An event that only counts allocates nothing once its counters have grown.
func (d *Detector) Observe(ev *sentinel.Event, m *rule.Matcher, matches []rule.Match, now time.Time) []Result {
	if len(matches) == 0 && len(d.bases) == 0 {
		return nil
	}
	d.begin(ev, now)
	if len(matches) > 0 {
		if d.repeat = d.repeats(ev); d.repeat == 0 {
			d.stats.Duplicates++
			return nil
		}
	}
	for i := range d.bases {
		b := &d.bases[i]
		if !b.types[ev.Type] {
			continue
		}
		if key, ok := d.key(b.counter, ev, &d.none); ok {
			key = d.hash.Word(key, uint64(population(ev.Type)))
			if b.wanted(key, d.asks(b.counter, matches), d.now.sec) {
				d.touch(b.counter, key, ev, &d.none, d.repeat)
			}
		}
	}
	for i := range matches {
		mt := &matches[i]
		p := &d.plans[mt.Rule]
		switch {
		case mt.Step < 0:
			d.match(p, ev, m, mt)
		case p.form != formSequence:
		case int(mt.Step) < p.steps:
			d.steps = append(d.steps, *mt)
		default:
			d.guards = append(d.guards, *mt)
		}
	}
	if len(d.steps)+len(d.fed)+len(d.guards) > 0 {
		d.sequences(ev, m)
	}
	return d.results
}

// asks reports whether one of the matches is of a rule whose ratio has the
// counter as its whole.
func (d *Detector) asks(all *counter, matches []rule.Match) bool {
	for i := range matches {
		if d.plans[matches[i].Rule].all == all {
			return true
		}
	}
	return false
}

// begin puts the scratch memory and the event's time right.
func (d *Detector) begin(ev *sentinel.Event, now time.Time) {
	d.tick++
	d.repeat = max(ev.Repeat, 1)
	d.results, d.steps, d.fed, d.guards, d.done = d.results[:0], d.steps[:0], d.fed[:0], d.guards[:0], d.done[:0]
	t := ev.Time
	if t.IsZero() {
		t = now
	}
	age := now.Sub(t)
	if age < -skewAllowed*time.Second {
		t, age = now, 0
		d.stats.Skewed++
	}
	late := age > d.cfg.MaxLateness
	if late {
		d.stats.Late++
	}
	ms := max(t.UnixMilli(), 1000)
	d.now = moment{at: t, sec: clip(ms / 1000), ms: uint64(ms), clock: clip(max(now.Unix(), t.Unix())), late: late}
}

// clip fits seconds since 1970 into 32 bits; they end in 2106.
func clip(s int64) uint32 { return uint32(min(max(s, 1), 1<<32-1-2*skewAllowed)) }

// population groups event types for ratios: a ratio's whole are all requests,
// or all logins, of the key.
func population(t sentinel.EventType) sentinel.EventType {
	switch t {
	case sentinel.EventAuthOK, sentinel.EventAuthInvalidUser:
		return sentinel.EventAuthFail
	}
	return t
}

// match counts one match of a rule that is no sequence.
func (d *Detector) match(p *plan, ev *sentinel.Event, m *rule.Matcher, mt *rule.Match) {
	if p.form == formSingle {
		d.single(p, ev, m, mt)
		return
	}
	key, ok := d.key(p.main, ev, mt)
	if !ok {
		d.stats.Keyless++
		return
	}
	w := d.weight(p.class, ev, mt)
	e := d.touch(p.main, key, ev, mt, w)
	if p.spread != nil && p.near(e) {
		d.touch(p.spread, d.keyWith(p.spread, key, p.main), ev, mt, w)
	}
	if p.part != nil {
		d.touch(p.part, d.keyWith(p.part, key, p.main), ev, mt, w)
	}
	res := d.result(mt.Rule, true, 0, w)
	if e == nil {
		return
	}
	var reached bool
	if reached, res.Count = d.reached(p, e); reached && w > 0 {
		d.fire(p, e, ev, m, mt, res)
	}
}

// near reports whether a count is high enough for its spread to matter: a long
// count of ordinary traffic is far from its threshold for almost all keys, and
// half of it is still enough to find the values that make it up.
func (p *plan) near(e *entry) bool {
	return p.main.kind != kindPanes || e == nil || p.main.panes.count(e) >= p.threshold/2
}

// result adds a result in place.
func (d *Detector) result(r int32, aggregated bool, count, weight int) *Result {
	n := len(d.results)
	if n == cap(d.results) {
		d.results = append(d.results, Result{})
	} else if d.results = d.results[:n+1]; d.results[n].Silent || d.results[n].Fired {
		d.results[n] = Result{}
	}
	res := &d.results[n]
	res.Rule, res.Aggregated, res.Count, res.Weight = r, aggregated, count, weight
	return res
}

// single handles a rule that fires on one event.
func (d *Detector) single(p *plan, ev *sentinel.Event, m *rule.Matcher, mt *rule.Match) {
	res := d.result(mt.Rule, false, 1, d.repeat)
	var e *entry
	if p.main != nil {
		if key, ok := d.key(p.main, ev, mt); ok {
			e = d.table.get(key, p.main.id, 1)
			e.newest = max(e.newest, d.now.sec)
		}
	}
	d.fire(p, e, ev, m, mt, res)
}

// reached reports whether a rule's threshold is met by the window that ends with
// the key's newest event, and how much is in it.
func (d *Detector) reached(p *plan, e *entry) (bool, int) {
	c := p.main
	if e.newest > d.now.sec && e.newest-d.now.sec > p.window {
		return false, 0 // an old line, which says nothing about the present window
	}
	var n int
	switch c.kind {
	case kindStamps:
		n = c.stamps.count(d.table, e, p.window)
	case kindPanes:
		n = c.panes.count(e)
	case kindDistinct:
		n = c.distinct.count(d.table, e, p.window, p.maxTries)
	case kindLeaky:
		return c.over, c.level
	}
	if n < p.threshold {
		return false, n
	}
	if s := p.spread; s != nil && (s.entry == nil || s.distinct.count(d.table, s.entry, p.window, 0) < p.spreadMin) {
		return false, n
	}
	if p.part != nil {
		all, part := 0, 0
		if p.all.entry != nil {
			all = p.all.panes.count(p.all.entry)
		}
		if p.part.entry != nil {
			part = p.part.panes.count(p.part.entry)
		}
		if all >= maxPane {
			return false, n // more than is counted: the ratio is not known
		}
		if float64(part) < p.ratio*float64(max(all, part)) {
			return false, n
		}
	}
	return true, n
}

// sequences advances the sequences that the event is a step of, then notes it
// for the guards of those that it did not complete.
func (d *Detector) sequences(ev *sentinel.Event, m *rule.Matcher) {
	for range 4 { // a sequence's firing may be a step of another's
		d.steps = append(d.steps, d.fed...)
		d.fed = d.fed[:0]
		if len(d.steps) == 0 {
			break
		}
		// Later steps first, so that one event is not two steps.
		slices.SortStableFunc(d.steps, func(a, b rule.Match) int { return int(b.Step) - int(a.Step) })
		for i := range d.steps {
			mt := &d.steps[i]
			p := &d.plans[mt.Rule]
			if int(mt.Step) >= p.steps {
				d.guards = append(d.guards, *mt)
				continue
			}
			d.step(p, ev, m, mt)
		}
		d.steps = d.steps[:0]
	}
	for i := range d.guards {
		mt := &d.guards[i]
		p := &d.plans[mt.Rule]
		if slices.Contains(d.done, mt.Rule) {
			continue
		}
		g := p.guards[int(mt.Step)-p.steps]
		if key, ok := d.key(g, ev, mt); ok {
			e := d.table.get(key, g.id, 1)
			g.past.add(e, d.now.sec)
		}
	}
}

// step counts one match of a step.
func (d *Detector) step(p *plan, ev *sentinel.Event, m *rule.Matcher, mt *rule.Match) {
	c := p.main
	key, ok := d.keyBy(c, p.stepKeys[mt.Step], ev, mt)
	if !ok {
		d.stats.Keyless++
		return
	}
	w := 1
	if p.r.Sequence.Steps[mt.Step].Rule == "" {
		w = d.weight(p.classes[mt.Step], ev, mt)
	}
	if w == 0 {
		return
	}
	e := d.table.find(key)
	if e == nil {
		if c.steps.ordered && mt.Step > 0 {
			return // nothing begun that it could go on with
		}
		e = d.table.get(key, c.id, 1)
	} else if e.hits != 255 {
		e.hits++
	}
	began, done := c.steps.add(d.table, e, int(mt.Step), d.now.sec, d.now.clock, w)
	if !done {
		return
	}
	d.table.clearState(e)
	e.newest = d.now.sec
	if d.guarded(p, ev, mt, began) {
		d.stats.Guarded++
		return
	}
	d.done = append(d.done, mt.Rule)
	d.fire(p, e, ev, m, mt, d.result(mt.Rule, true, p.threshold, w))
}

// guarded reports whether a guard of the sequence holds: an event like it came
// before the sequence began.
func (d *Detector) guarded(p *plan, ev *sentinel.Event, mt *rule.Match, began uint32) bool {
	for i, g := range p.guards {
		key, ok := d.key(g, ev, mt)
		if !ok {
			continue
		}
		e := d.table.find(key)
		if e == nil {
			continue
		}
		limit := began
		if p.r.Sequence.Unless[i].Before == "" {
			limit = d.now.sec + 1
		}
		if g.past.before(e, limit, d.now.sec) {
			return true
		}
	}
	return false
}
