package decide

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// Decider remembers open cases and blocks in force, and decides. It is not safe
// for concurrent use.
type Decider struct {
	cfg   Config
	allow *Allowlist
	newID func(time.Time) string

	// epoch is the first time that came in. All differences are taken to it, so
	// that they are monotonic if the times are.
	epoch time.Time

	cases *lru[caseKey, *openCase] // by last firing
	byID  map[string]*openCase
	dirty []*openCase
	// grown are the cases that changed since Grown was called last, closed ones
	// included, if tracking.
	grown    []*openCase
	tracking bool
	// caseBytes is about what all open cases take.
	caseBytes int

	blocks   *blockTable
	history  history
	regulars regulars

	// tokens is how many new automatic blocks the breaker lets through now, as
	// of refilled.
	tokens   float64
	refilled time.Duration

	alarms map[AlarmKind]alarmHour
	stats  Stats

	unusual unusual

	// locate says where addresses are, listed what lists say of them; nil: nobody
	// knows.
	locate func(netip.Addr) sentinel.Geo
	listed func(netip.Addr) []Listing
}

type alarmHour struct {
	start time.Duration
	n     int
}

// Stats counts what the decider did since it was made. The first four are
// present sizes; Blocks includes the Simulated ones.
type Stats struct {
	Cases, Blocks, Simulated, Remembered int
	// Detections came in; CasesEvicted gave way at MaxCases, BlocksEvicted at
	// MaxBlocks; BreakerRefused and FullRefused were only reported.
	Detections, CasesEvicted, BlocksEvicted, BreakerRefused, FullRefused uint64
}

// New makes a decider. newID returns a new unique id (a ULID) for a time; a nil
// allowlist protects DefaultProtections. cfg must be valid.
func New(cfg Config, allow *Allowlist, newID func(time.Time) string) *Decider {
	if allow == nil {
		allow = NewAllowlist(DefaultProtections())
	}
	return &Decider{
		cfg: cfg, allow: allow, newID: newID,
		cases: newLRU[caseKey, *openCase](), byID: make(map[string]*openCase),
		blocks: newBlockTable(), history: newHistory(), regulars: newRegulars(),
		tokens: float64(cfg.NewBlocksPerMinute),
		alarms: make(map[AlarmKind]alarmHour), unusual: newUnusual(),
	}
}

// Configure changes the policy. Blocks in force stay; simulated ones become real
// only by a new firing; a smaller MaxBlocks takes effect with the next Tick.
func (d *Decider) Configure(cfg Config) {
	d.cfg = cfg
	d.tokens = min(d.tokens, float64(cfg.NewBlocksPerMinute))
}

// Config returns the policy.
func (d *Decider) Config() Config { return d.cfg }

// Allowlist returns the allowlist in force.
func (d *Decider) Allowlist() *Allowlist { return d.allow }

// clock maps a time to the decider's clock.
func (d *Decider) clock(now time.Time) time.Duration {
	if d.epoch.IsZero() {
		d.epoch = now
	}
	return now.Sub(d.epoch)
}

// Detect takes in one opinion: it joins a case, the case is scored, and the
// policy judges it. now is the arrival clock.
func (d *Decider) Detect(now time.Time, det *sentinel.Detection) Effects {
	var fx Effects
	at := d.clock(now)
	d.stats.Detections++
	c, visible := d.join(now, at, det, &fx)
	changed, rescore := c.add(det)
	rescore = rescore || visible
	c.ground = groundOf(det)
	d.settle(c)
	d.grow(c)
	if changed || rescore {
		d.weigh(c)
	}
	visible = visible || changed
	c.fired = at
	decision := c.threat.Decision
	if rescore {
		before := c.threat.Severity
		c.rescore()
		visible = visible || c.threat.Severity != before
	}
	v := d.judge(now, at, c, det, &fx)
	if v != c.verdict || c.threat.Decision != decision || c.threat.Action == "" {
		visible = visible || v != c.verdict
		c.verdict = v
		c.threat.Action, c.threat.ActionReason = v.action(c), v.reason(c, d.cfg)
	}
	if visible {
		d.clean(c)
		fx.Threats = append(fx.Threats, c.snapshot())
	} else {
		d.soil(c)
	}
	return fx
}

// Seen counts n more events of an open case without a firing, as during a
// rule's cooldown. Nothing happens if there is no such case. It allocates
// nothing; the new count comes with the next Tick.
func (d *Decider) Seen(now time.Time, scope netip.Prefix, key, group string, n int) {
	node := d.cases.get(keyOf(scope, key, group))
	if node == nil || n <= 0 {
		return
	}
	t := &node.value.threat
	t.EventCount = min(t.EventCount+n, maxCount)
	if now.After(t.LastSeen) {
		t.LastSeen = now
	}
	d.soil(node.value)
	d.grow(node.value)
}

// Suspected reports whether the entity of an address has an open case of at
// least medium severity in a group.
func (d *Decider) Suspected(addr netip.Addr, group string) bool {
	node := d.cases.get(keyOf(sentinel.Entity(addr), "", group))
	return node != nil && node.value.threat.Severity >= sentinel.Medium
}

// Tick does what time brings: it ends blocks and closes cases that are over, and
// hands out counts that changed. Once a second is often enough.
func (d *Decider) Tick(now time.Time) Effects {
	var fx Effects
	at := d.clock(now)
	for e := d.blocks.nextExpiry(); e != nil && e.end <= at; e = d.blocks.nextExpiry() {
		if e.rec.Trial {
			d.lapse(e, now, &fx)
			continue
		}
		d.expire(e, &fx)
	}
	for d.blocks.len() > d.cfg.MaxBlocks && d.evict(now, &fx) {
	}
	fx.Regulars = d.regulars.take(at)
	for _, c := range d.dirty {
		c.dirty = -1
		fx.Threats = append(fx.Threats, c.snapshot())
	}
	clear(d.dirty)
	d.dirty = d.dirty[:0]
	for n := d.cases.oldest(); n != nil && at-n.value.fired >= d.cfg.CaseIdle; n = d.cases.oldest() {
		d.closeCase(n, &fx)
	}
	for d.cases.len() > d.cfg.MaxCases || d.cases.len() > 1 && d.crowded() {
		d.stats.CasesEvicted++
		d.closeCase(d.cases.oldest(), &fx)
	}
	return fx
}

// join returns the open case of a detection, opened if there is none or if it
// has been open for too long.
func (d *Decider) join(now time.Time, at time.Duration, det *sentinel.Detection, fx *Effects) (c *openCase, opened bool) {
	key := keyOf(scopeOf(det), det.Key, groupOf(det))
	if n := d.cases.get(key); n != nil {
		if c = n.value; at-c.opened < d.cfg.CaseMax && at-c.fired < d.cfg.CaseIdle {
			d.cases.use(n)
			return c, false
		}
		d.closeCase(n, fx)
	}
	for d.cases.len() >= d.cfg.MaxCases || d.cases.len() > 0 && d.crowded() {
		d.stats.CasesEvicted++
		d.closeCase(d.cases.oldest(), fx)
	}
	key.key, key.group = keep(key.key, maxNameBytes), keep(key.group, maxNameBytes)
	c = &openCase{opened: at, dirty: -1}
	created := det.Time
	if created.IsZero() {
		created = now
	}
	c.threat = sentinel.Threat{
		ID: d.newID(now), CreatedAt: created, LastSeen: created,
		Source: keep(det.Source, maxNameBytes), SourceType: det.SourceType,
		Group: key.group, Scope: key.scope, Key: keep(det.Key, maxNameBytes),
		Status: sentinel.StatusOpen,
	}
	c.threat.Score.P, c.threat.Previous = d.history.open(key, at, c.threat.ID)
	d.consult(c, det.Addr)
	d.unusual.greet(at, c)
	d.cases.add(key, c)
	d.byID[c.threat.ID] = c
	d.unusual.opened(key.group)
	return c, true
}

// closeCase forgets a case; changes not handed out yet are.
func (d *Decider) closeCase(n *lruNode[caseKey, *openCase], fx *Effects) {
	c := n.value
	if c.dirty >= 0 {
		d.clean(c)
		fx.Threats = append(fx.Threats, c.snapshot())
	}
	delete(d.byID, c.threat.ID)
	d.cases.remove(n)
	d.unusual.closed(n.key.group)
	d.caseBytes -= c.size
}

// weigh counts the memory of a case anew.
func (d *Decider) weigh(c *openCase) {
	size := c.bytes()
	d.caseBytes += size - c.size
	c.size = size
}

// crowded reports whether the open cases take more memory than they may.
func (d *Decider) crowded() bool {
	return d.caseBytes > max(d.cfg.MaxCases*meanCaseBytes, leastCaseBytes)
}

// soil notes that a case has changes to be handed out later.
func (d *Decider) soil(c *openCase) {
	if c.dirty < 0 {
		c.dirty = len(d.dirty)
		d.dirty = append(d.dirty, c)
	}
}

// clean notes that a case's changes are handed out.
func (d *Decider) clean(c *openCase) {
	if c.dirty < 0 {
		return
	}
	last := len(d.dirty) - 1
	moved := d.dirty[last]
	d.dirty[c.dirty], moved.dirty = moved, c.dirty
	d.dirty[last] = nil
	d.dirty = d.dirty[:last]
	c.dirty = -1
}

// rescore computes the score of a case from its parts.
func (c *openCase) rescore() {
	t := &c.threat
	reasons, learning, lists := t.Score.Reasons, t.Score.Learning, t.Score.Lists
	t.Score = Score(InputOf(t.Score))
	t.Score.Reasons, t.Score.Learning, t.Score.Lists = reasons, learning, lists
	t.RiskScore, t.Decision = t.Score.Score, t.Score.Decision
	t.Severity = sentinel.SeverityOf(t.RiskScore)
}

// Blocks returns the blocks in force, simulated ones included, sorted by prefix.
func (d *Decider) Blocks() []sentinel.Block {
	entries := d.blocks.sorted()
	out := make([]sentinel.Block, len(entries))
	for i, e := range entries {
		out[i] = sentinel.MakeBlock(e.rec)
	}
	return out
}

// Blocked returns the block that holds an address: its own, or a wider one.
func (d *Decider) Blocked(addr netip.Addr) (sentinel.Block, bool) {
	p := sentinel.Entity(addr)
	if !p.IsValid() {
		return sentinel.Block{}, false
	}
	e := d.blocks.get(p)
	if e == nil {
		e = d.blocks.covering(p)
	}
	if e == nil {
		return sentinel.Block{}, false
	}
	return sentinel.MakeBlock(e.rec), true
}

// Case returns an open case.
func (d *Decider) Case(id string) (sentinel.Threat, bool) {
	c := d.byID[id]
	if c == nil {
		return sentinel.Threat{}, false
	}
	return c.snapshot(), true
}

// About returns the open cases about an address or a network that holds it,
// newest first.
func (d *Decider) About(addr netip.Addr) (out []sentinel.Threat) {
	addr = sentinel.Normalize(addr)
	for _, c := range d.byID {
		if c.threat.Scope.IsValid() && c.threat.Scope.Contains(addr) {
			out = append(out, c.snapshot())
		}
	}
	slices.SortFunc(out, func(a, b sentinel.Threat) int { return strings.Compare(b.ID, a.ID) })
	return out
}

// Stats returns counters and sizes.
func (d *Decider) Stats() Stats {
	s := d.stats
	s.Cases, s.Blocks, s.Remembered = d.cases.len(), d.blocks.len(), d.history.len()+d.regulars.known.len()+d.regulars.visitors.len()
	s.Simulated = d.blocks.simulated
	return s
}

// alarm raises an alarm unless its kind has had its share of this hour.
func (d *Decider) alarm(now time.Time, fx *Effects, kind AlarmKind, format string, args ...any) {
	at, h := d.clock(now), d.alarms[kind]
	if since := at - h.start; h.n == 0 || since >= time.Hour || since < 0 {
		h = alarmHour{start: at}
	}
	if h.n++; h.n <= alarmsPerHour(kind) {
		fx.Alarms = append(fx.Alarms, Alarm{Time: now, Kind: kind, Text: fmt.Sprintf(format, args...)})
	}
	d.alarms[kind] = h
}
