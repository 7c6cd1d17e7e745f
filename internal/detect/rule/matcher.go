package rule

import (
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule/norm"
)

// Matcher matches events against a set. It holds scratch memory: one goroutine
// uses it at a time.
type Matcher struct {
	set   *Set
	ev    *sentinel.Event
	epoch uint32
	memo  []uint32
	out   []Match
	bits  []uint64
	found []uint64
	// hits are the parts of trees that hold for the event.
	hits []*tree
	// spanned are the spans of the tree that was explained last.
	spanned struct {
		tree  *tree
		epoch uint32
		list  []span
	}
	budget int
	over   bool
	// overruns counts events that used up their budget.
	overruns uint64
	captured netip.Addr
	source   int
	lastType sentinel.SourceType
	views    [numFields][numViews]viewText
	web      webParts
	low      []byte
	verdicts *textCache
	known    [homes]*knownCache
	// entries are those of the event's texts, sure the marked trees that hold,
	// judged the trees with a home that were tried.
	entries [homes]*knownEntry
	sure    []uint64
	judged  []judged
	dfas    dfas
	// reports are the matches that detectors made for the event.
	reports []report
	// silenced are the last matches that exceptions silenced, as a ring.
	silenced   [maxSilenced]Silenced
	silencedAt int
	// locator tells where addresses are; nil: nobody knows.
	locator func(netip.Addr) sentinel.Geo
}

// maxSilenced is how many silenced matches a matcher remembers.
const maxSilenced = 128

// Silenced says that an exception kept a rule from matching.
type Silenced struct {
	Rule int32
	Addr netip.Addr
	// Time is when the line arrived; Count how many lines in a row it is about.
	Time  time.Time
	Count int
}

// NewMatcher returns a matcher for one goroutine.
func (s *Set) NewMatcher() *Matcher {
	words := (len(s.trees) + 63) / 64
	return &Matcher{
		set: s, memo: make([]uint32, s.leaves+1), bits: make([]uint64, words), found: make([]uint64, words),
		source: classUnknown, lastType: "?", verdicts: newTextCache(),
		sure: make([]uint64, words), known: [homes]*knownCache{newKnownCache(), newKnownCache(), newKnownCache()},
		dfas: dfas{of: make([]*dfa, s.patterns)},
	}
}

// Overruns returns how many events used up Options.Budget.
func (m *Matcher) Overruns() uint64 { return m.overruns }

// Match returns the rules, and steps of sequence rules, whose conditions hold
// for ev and that no exception silences, in the order of the set. The result
// is valid until the next call. ev must not change until Evidence and Template
// have been called.
func (m *Matcher) Match(ev *sentinel.Event) []Match {
	m.begin(ev)
	p := m.plan(ev)
	m.out = append(m.out[:0], p.fixed...)
	for _, t := range p.always {
		m.try(t)
	}
	if hasWeb(ev) {
		for _, t := range p.webAlways {
			m.try(t)
		}
		if p.groups&(1<<groupTarget) != 0 {
			m.scanTarget()
		}
		if p.groups&(1<<groupAgent) != 0 {
			m.scanText(groupAgent, HTTPUserAgent, norm.Agent)
		}
		if p.groups&(1<<groupReferer) != 0 {
			m.scanText(groupReferer, HTTPReferer, norm.Text)
		}
	}
	if p.groups&(1<<groupText) != 0 {
		m.scanTexts(p)
	}
	if p.groups != 0 {
		m.candidates(p)
	}
	for _, t := range p.late {
		m.try(t)
	}
	if m.over {
		m.overruns++
	}
	if m.over || len(m.judged) > 0 {
		m.learn()
	}
	m.sort()
	return m.out
}

// begin makes ready for an event.
func (m *Matcher) begin(ev *sentinel.Event) {
	m.ev = ev
	if m.locator != nil {
		ev.LocateBy(m.locator)
	}
	m.budget, m.over = m.set.budget, false
	m.hits, m.judged, m.reports = m.hits[:0], m.judged[:0], m.reports[:0]
	m.entries = [homes]*knownEntry{}
	m.captured = netip.Addr{}
	if m.epoch++; m.epoch == 1<<31-1 {
		m.forget()
	}
	if ev.SourceType != m.lastType {
		m.lastType, m.source = ev.SourceType, classUnknown
		for i, t := range sourceTypes {
			if t == ev.SourceType {
				m.lastType, m.source = t, i
			}
		}
		if m.source == classUnknown {
			m.lastType = "?" // the event's text is not ours to keep
		}
	}
}

// forget starts the numbering of events anew.
func (m *Matcher) forget() {
	m.epoch = 1
	clear(m.memo)
	for f := range m.views {
		for v := range m.views[f] {
			m.views[f][v].at = 0
		}
	}
	w := &m.web
	w.epoch, w.flagsAt, w.resolvedAt, w.maskedAt = 0, 0, 0, 0
	w.argsAt = [numViews]uint32{}
}

// hasWeb reports whether an event has fields of HTTP.
func hasWeb(ev *sentinel.Event) bool {
	h := &ev.HTTP
	return h.Status != 0 || len(h.Target)|len(h.Path)|len(h.Query)|len(h.UserAgent)|len(h.Method)|len(h.Referer)|
		len(h.Host)|len(h.Proto) != 0 || h.Bytes >= 0 || h.Malformed || h.Duration != 0
}

// candidates tries the marked trees that the plan admits, and unmarks all.
func (m *Matcher) candidates(p *plan) {
	for w, word := range m.bits {
		if word == 0 {
			continue
		}
		sure := m.sure[w]
		m.bits[w], m.sure[w] = 0, 0
		for word &= p.admit[w]; word != 0; word &= word - 1 {
			i := w<<6 + trailing(word)
			t := m.set.trees[i]
			if t.home < 0 {
				m.try(t)
				continue
			}
			if t.whole != nil && m.hit(t.whole) != nil {
				continue
			}
			if sure&(word&-word) == 0 {
				ok := m.eval(t.root)
				m.judged = append(m.judged, judged{int32(i), ok})
				if !ok {
					continue
				}
			}
			m.accept(t)
		}
	}
}

// try adds the targets of a tree if it holds.
func (m *Matcher) try(t *tree) {
	if t.whole != nil && m.hit(t.whole) != nil || t.root != nil && !m.eval(t.root) {
		return
	}
	m.accept(t)
}

// accept adds the targets of a tree that holds.
func (m *Matcher) accept(t *tree) {
	if t.whole != nil {
		m.hits = append(m.hits, t)
		t = t.whole
	}
	if t.plain {
		m.out = append(m.out, t.targets...)
		return
	}
	var addr netip.Addr
	var user string
	if t.captures {
		m.capture(t.full, &addr, &user)
	}
	for _, target := range t.targets {
		target.Addr, target.User = addr, user
		if !m.excepted(target) {
			m.out = append(m.out, target)
		}
	}
}

// capture finds the first address and the first user that the true leaves of a
// true tree capture, in the order of the file.
func (m *Matcher) capture(c *Cond, addr *netip.Addr, user *string) {
	switch c.kind {
	case condNot:
		return
	case condAll, condAny:
		for _, k := range c.kids {
			m.capture(k, addr, user)
		}
		return
	}
	l := c.leaf
	if l.op != opPattern {
		return
	}
	if l.field == Audit {
		for i := range m.ev.Fields {
			if f := &m.ev.Fields[i]; l.named(f.Name) {
				m.captureText(l, cut(f.Value), addr, user)
			}
		}
		return
	}
	if l.field.Kind() == KindTexts {
		for _, a := range m.args(l.view) {
			m.captureText(l, a.of(l.field), addr, user)
		}
		return
	}
	m.captureText(l, m.text(l.field, l.view), addr, user)
}

func (m *Matcher) captureText(l *leaf, s string, addr *netip.Addr, user *string) {
	for _, p := range l.patterns {
		if !p.captures() || p.addrGroup > 0 && addr.IsValid() && (p.userGroup == 0 || *user != "") {
			continue
		}
		at := p.regexp().FindStringSubmatchIndex(s)
		if at == nil {
			continue
		}
		if p.addrGroup > 0 {
			a, ok := p.addr(s)
			if !ok {
				continue
			}
			if !addr.IsValid() {
				*addr = a
			}
		}
		if g := p.userGroup; g > 0 && at[2*g] >= 0 && *user == "" {
			*user = s[at[2*g]:at[2*g+1]]
		}
	}
}

// excepted reports whether an exception silences a match.
func (m *Matcher) excepted(target Match) bool {
	for i := range m.set.exc[target.Rule] {
		e := &m.set.exc[target.Rule][i]
		if !e.expires.IsZero() && !m.ev.Received.Before(e.expires) {
			continue
		}
		m.captured = target.Addr
		ok := m.eval(e.root)
		m.captured = netip.Addr{}
		if ok {
			m.silence(target)
			return true
		}
	}
	return false
}

// silence remembers a match that an exception silenced.
func (m *Matcher) silence(target Match) {
	addr := target.Addr
	if !addr.IsValid() {
		addr = m.ev.SrcIP
	}
	last := &m.silenced[(m.silencedAt+maxSilenced-1)%maxSilenced]
	if last.Count > 0 && last.Rule == target.Rule && last.Addr == addr {
		last.Count++
		last.Time = m.ev.Received
		return
	}
	m.silenced[m.silencedAt] = Silenced{target.Rule, addr, m.ev.Received, 1}
	m.silencedAt = (m.silencedAt + 1) % maxSilenced
}

// Silenced returns which rules exceptions silenced for an address, among the
// latest silenced matches of all addresses.
func (m *Matcher) Silenced(addr netip.Addr) (out []Silenced) {
	for i := range m.silenced {
		if s := &m.silenced[i]; s.Count > 0 && s.Addr == addr {
			out = append(out, *s)
		}
	}
	return out
}

// sort orders the matches by rule and step. They are few and nearly in order.
func (m *Matcher) sort() {
	out := m.out
	for i := 1; i < len(out); i++ {
		for j := i; j > 0 && less(&out[j], &out[j-1]); j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
}

func less(a, b *Match) bool { return a.Rule < b.Rule || a.Rule == b.Rule && a.Step < b.Step }
