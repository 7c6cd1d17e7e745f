package detect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// counterKind is how a counter counts.
type counterKind uint8

const (
	kindStamps counterKind = iota
	kindPanes
	kindLeaky
	kindDistinct
	kindSteps
	kindPast
	kindOnce // nothing but the cooldown of a rule that fires on one event
	numCounterKinds
)

var counterNames = [numCounterKinds]string{"sliding", "panes", "leaky", "distinct", "sequence", "guard", "cooldown"}

// counter is what rules count together: same conditions, same key, same kind.
type counter struct {
	id   uint16
	kind counterKind
	// name tells what it counts; seed is its hash. Both are the same in every
	// set that has such a counter.
	name string
	seed uint64
	key  *keyFn
	// class is the number of its conditions, for the joiner; -1 counts events
	// as they are.
	class    int
	value    rule.Field // of kindDistinct
	v4, v6   int        // what an address in value is masked to
	stamps   stamps
	panes    panes
	leaky    leaky
	distinct distinct
	steps    steps
	past     past
	slots    []string // ids of the rules whose cooldowns its entries keep
	// What the event in hand did to it.
	tick  uint64
	at    uint64 // its key
	entry *entry
	over  bool
	level int
}

// keyFn makes the key of a group.
type keyFn struct {
	fields []rule.Field
	v4, v6 int
	seed   uint64
	// addr is the field that is the attacker's address, NoField if the group
	// has none.
	addr rule.Field
	tick uint64 // memo of the event in hand
	hash uint64
	ok   bool
}

// form is what kind of rule it is.
type form uint8

const (
	formSingle form = iota // fires on one event
	formCount
	formSequence
)

// plan is how the matches of one rule are counted.
type plan struct {
	r         *rule.Rule
	form      form
	class     int
	main      *counter // nil: fires on one event, without cooldown
	slot      int      // its place among the cooldowns of main
	cooldown  uint32
	window    uint32
	threshold int
	shown     time.Duration // window as shown
	maxTries  int
	spread    *counter
	spreadMin int
	part, all *counter // both sides of a ratio
	ratio     float64
	guards    []*counter
	steps     int // of a sequence
	// stepKeys are the keys of steps that have fields of their own, by step.
	stepKeys []*keyFn
	// classes are those of the sequence's steps.
	classes []int
	feeds   []feed
}

// feed says that a firing of a rule is a step, or a guard, of a sequence.
type feed struct {
	rule int32
	step int16
}

// counterID tells counters apart while plans are made.
type counterID struct {
	kind     counterKind
	key      *keyFn
	class    int
	value    rule.Field
	window   uint32 // of counters that cannot serve several
	capacity int    // of kindLeaky; 1 for wide panes
	leak     time.Duration
}

// planner makes the plans of a rule set.
type planner struct {
	d        *Detector
	counters map[counterID]*counter
	keys     []*keyFn
	classes  map[string]int // by what they match
	names    []string       // of classes
}

func seconds(d time.Duration) uint32 {
	return uint32(min(max((d+time.Second-1)/time.Second, 0), 1<<30))
}

func (d *Detector) plan(set *rule.Set) {
	p := &planner{d: d, counters: map[counterID]*counter{}, classes: map[string]int{}}
	d.plans = make([]plan, set.Len())
	for i := range d.plans {
		r := set.Rule(i)
		pl := &d.plans[i]
		pl.r, pl.class, pl.cooldown = r, -1, seconds(r.Cooldown)
		switch {
		case r.Aggregation != nil:
			pl.form = formCount
			p.aggregation(pl, i, r.Aggregation)
		case r.Sequence != nil:
			pl.form, pl.steps = formSequence, len(r.Sequence.Steps)
			p.sequence(pl, i, r.Sequence)
		case pl.cooldown > 0:
			pl.main = p.counter(counterID{kind: kindOnce, key: p.key([]rule.Field{rule.SrcIP}, 32, 64), class: -1})
		}
		if pl.main != nil {
			pl.slot = len(pl.main.slots)
			pl.main.slots = append(pl.main.slots, r.ID)
		}
	}
	for i := range d.plans {
		if s := d.plans[i].r.Sequence; s != nil {
			p.feeds(set, int32(i), s)
		}
	}
}

func (p *planner) aggregation(pl *plan, i int, a *rule.Aggregation) {
	key := p.key(a.GroupBy, a.V4, a.V6)
	pl.class = p.class(p.d.set.MatchKey(i))
	pl.threshold, pl.window, pl.shown = max(a.Threshold, 1), max(seconds(a.Window), 1), a.Window
	pl.maxTries = a.MaxPerValue
	switch {
	case a.Mode == rule.Leaky:
		id := counterID{kind: kindLeaky, key: key, class: pl.class, capacity: a.Capacity, leak: a.Leak}
		pl.main = p.counter(id)
		pl.main.leaky = leaky{max(a.Capacity, 1), uint64(max(a.Leak.Milliseconds(), 1))}
		pl.threshold, pl.shown = pl.main.leaky.capacity+1, time.Duration(a.Capacity)*a.Leak
	case a.Distinct != rule.NoField:
		pl.main = p.distinct(pl, a, a.Distinct, pl.threshold)
	default:
		pl.main = p.sliding(pl, key)
	}
	if a.SpreadField != rule.NoField && a.SpreadMin > 1 {
		pl.spread, pl.spreadMin = p.distinct(pl, a, a.SpreadField, min(a.SpreadMin, maxExact)), a.SpreadMin
	}
	if a.MinRatio > 0 {
		pl.ratio = a.MinRatio
		pl.part = p.counter(counterID{kind: kindPanes, key: key, class: pl.class, window: pl.window})
		pl.part.panes = newPanes(pl.window)
		pl.all = p.base(pl, key)
	}
}

// base returns the counter of all events of the types that a rule can match.
func (p *planner) base(pl *plan, key *keyFn) *counter {
	c := p.counter(counterID{kind: kindPanes, key: key, class: -2, window: pl.window})
	c.panes = newPanes(pl.window)
	i := slices.IndexFunc(p.d.bases, func(b base) bool { return b.counter == c })
	if i < 0 {
		i = len(p.d.bases)
		p.d.bases = append(p.d.bases, base{counter: c})
	}
	b := &p.d.bases[i]
	for t := range sentinel.NumEventTypes {
		if !pl.r.MayMatch(t) {
			continue
		}
		for u := range sentinel.NumEventTypes {
			b.types[u] = b.types[u] || population(u) == population(t)
		}
	}
	return c
}

func (p *planner) sliding(pl *plan, key *keyFn) *counter {
	if pl.threshold > maxExact {
		id := counterID{kind: kindPanes, key: key, class: pl.class, window: pl.window}
		if pl.threshold >= maxPane {
			id.capacity = 1
		}
		c := p.counter(id)
		c.panes = newPanes(pl.window)
		c.panes.wide = id.capacity == 1
		return c
	}
	c := p.counter(counterID{kind: kindStamps, key: key, class: pl.class})
	c.stamps.cap = max(c.stamps.cap, pl.threshold)
	c.stamps.window = max(c.stamps.window, pl.window)
	return c
}

func (p *planner) distinct(pl *plan, a *rule.Aggregation, field rule.Field, threshold int) *counter {
	id := counterID{kind: kindDistinct, key: p.key(a.GroupBy, a.V4, a.V6), class: pl.class, value: field}
	room := threshold
	if a.MaxPerValue > 0 {
		room = min(2*threshold, maxExact) // for values that come too often to count
	}
	if threshold > maxExact {
		id.window, room = pl.window, maxExact/2
	}
	c := p.counter(id)
	c.value, c.v4, c.v6 = field, 32, 64
	if id.key.addr == rule.NoField {
		c.v4, c.v6 = a.V4, a.V6 // "distinct networks": the group has no address to mask
	}
	c.distinct.cap = max(c.distinct.cap, room)
	c.distinct.window = max(c.distinct.window, pl.window)
	if threshold > maxExact {
		c.distinct.sketch = p.d.sketches
	}
	return c
}

func (p *planner) sequence(pl *plan, n int, s *rule.Sequence) {
	counts := make([]int, len(s.Steps))
	for i, st := range s.Steps {
		counts[i] = max(st.Count, 1)
		pl.classes = append(pl.classes, p.class(p.d.set.StepKey(n, i)))
	}
	for len(counts) > 0 && sum(counts) > maxSteps { // the longest gives way
		longest := 0
		for i := range counts {
			if counts[i] > counts[longest] {
				longest = i
			}
		}
		counts[longest]--
	}
	pl.window, pl.shown, pl.threshold = max(seconds(s.Within), 1), s.Within, sum(counts)
	pl.main = p.counter(counterID{kind: kindSteps, key: p.key(s.By, s.V4, s.V6), class: p.newClass(fmt.Sprintf("%s %v %t", pl.r.ID, counts, s.Ordered)), window: pl.window})
	pl.main.steps = newSteps(counts, s.Ordered, pl.window)
	for _, st := range s.Steps {
		pl.stepKeys = append(pl.stepKeys, p.like(pl.main.key, st.By))
	}
	for i, g := range s.Unless {
		same := g.Same
		if len(same) == 0 {
			same = s.By
		}
		within := g.Within
		if within == 0 {
			within = s.Within
		}
		class := p.newClass(fmt.Sprintf("guard %d of %s", i, pl.r.ID))
		c := p.counter(counterID{kind: kindPast, key: p.key(same, s.V4, s.V6), class: class})
		c.past = newPast(max(seconds(within), 1))
		pl.guards = append(pl.guards, c)
	}
}

// feeds notes whose firings are steps or guards of the sequence of a rule.
func (p *planner) feeds(set *rule.Set, i int32, s *rule.Sequence) {
	note := func(id string, step int) {
		if j, ok := set.ByID(id); id != "" && ok && j != int(i) {
			p.d.plans[j].feeds = append(p.d.plans[j].feeds, feed{i, int16(step)})
		}
	}
	for k, st := range s.Steps {
		note(st.Rule, k)
	}
	for k, g := range s.Unless {
		note(g.Rule, len(s.Steps)+k)
	}
}

// counter returns the counter with an identity, a new one if there is none.
func (p *planner) counter(id counterID) *counter {
	c := p.counters[id]
	if c == nil {
		c = &counter{id: uint16(len(p.d.counters)), kind: id.kind, key: id.key, class: id.class}
		c.name = fmt.Sprintf("%s by %s of %s, %s in %d s, %d, %s", counterNames[id.kind], id.key.name(), p.className(id.class),
			id.value.Name(), id.window, id.capacity, id.leak)
		c.seed = p.d.hash.Str(0, c.name)
		p.counters[id] = c
		p.d.counters = append(p.d.counters, c)
	}
	return c
}

// key returns the key function of a group.
func (p *planner) key(fields []rule.Field, v4, v6 int) *keyFn {
	k := &keyFn{fields: fields, v4: maskBits(v4, 32, 32), v6: maskBits(v6, 128, 64)}
	k.findAddr()
	for _, old := range p.keys {
		if slices.Equal(old.fields, k.fields) && old.v4 == k.v4 && old.v6 == k.v6 {
			return old
		}
	}
	for _, f := range fields {
		k.seed = p.d.hash.Word(k.seed, uint64(f))
	}
	k.seed = p.d.hash.Word(k.seed, uint64(k.v4)<<8|uint64(k.v6))
	p.keys = append(p.keys, k)
	return k
}

// like returns a key function that gives other fields the keys of k; k itself
// without any.
func (p *planner) like(k *keyFn, fields []rule.Field) *keyFn {
	if len(fields) == 0 {
		return k
	}
	other := &keyFn{fields: fields, v4: k.v4, v6: k.v6, seed: k.seed}
	other.findAddr()
	return other
}

// findAddr notes which field is the attacker's address.
func (k *keyFn) findAddr() {
	for _, f := range k.fields {
		if f == rule.SrcIP || k.addr == rule.NoField && f == rule.PeerIP {
			k.addr = f
		}
	}
}

// name says what the key is made of.
func (k *keyFn) name() string {
	var b strings.Builder
	for _, f := range k.fields {
		b.WriteString(f.Name())
		b.WriteByte(' ')
	}
	fmt.Fprintf(&b, "/%d /%d", k.v4, k.v6)
	return b.String()
}

func maskBits(bits, most, unset int) int {
	if bits <= 0 || bits > most {
		return unset
	}
	return bits
}

// newClass makes a class of conditions known by a name.
func (p *planner) newClass(name string) int {
	p.names = append(p.names, name)
	p.d.classSeeds = append(p.d.classSeeds, p.d.hash.Str(0, name))
	return len(p.names) - 1
}

func (p *planner) className(class int) string {
	if class < 0 {
		return "all events"
	}
	return p.names[class]
}

// class returns the number of a rule's conditions: equal for rules that match
// the same events, which is what key says.
func (p *planner) class(key string) int {
	n, ok := p.classes[key]
	if !ok {
		n = p.newClass(key)
		p.classes[key] = n
	}
	return n
}

func sum(ns []int) int {
	n := 0
	for _, v := range ns {
		n += v
	}
	return n
}
