package agent

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/enforce"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// pending collects what is to be committed next, and what is to take effect
// after that.
type pending struct {
	results store.Results
	// urgent: something waits to take effect and not for the timer.
	urgent bool

	// changes are in the order in which they were decided.
	changes []change
	allow   bool

	// at is the place of each threat in results.Threats.
	at map[string]int
	// updates are new states of threats that are stored already and with which
	// nothing else changes. In a flood there are many for each threat, so they
	// are stored together, each updateEvery; updated is when they last were.
	updates map[string]sentinel.Threat
	updated time.Time
	// spans are where the lines of the next commit were read, fresh the updates
	// that the journal does not have yet, grown the counts for it. ticking: what
	// is added are counts that grown has, too.
	spans   []sentinel.Span
	fresh   map[string]struct{}
	grown   []sentinel.Growth
	ticking bool
	// open are the cases counted as opened, so that each counts once.
	open map[string]struct{}
	// opened counts them by severity, blocked the blocks by origin, since the
	// start.
	opened  [sentinel.NumSeverities]uint64
	blocked [len(origins)]uint64
	// shapes is how many unparsed lines were sampled since the last commit.
	shapes int
}

// change is a block that is new or has a new end, or a network to free.
type change struct {
	block sentinel.Block
	free  netip.Prefix
}

// updateEvery is how long the new state of a known threat may wait.
const updateEvery = 5 * time.Second

const (
	// maxOpen bounds open; the decider itself holds fewer cases.
	maxOpen = 64 << 10
	// maxShapes bounds the sampling of unparsed lines between two commits.
	maxShapes = 64
	// While the database cannot be written, so much is kept for later.
	maxKeptThreats  = 10_000
	maxKeptCounters = 10_000
	maxKeptActions  = 100_000
	maxKeptSpans    = 20_000
)

// add takes in effects and returns how many of the cases are new.
func (p *pending) add(fx decide.Effects, now time.Time) (opened int64) {
	acted := len(fx.Blocks)+len(fx.Unblocked)+len(fx.Actions)+len(fx.Statuses) > 0
	for i := range fx.Threats {
		t := &fx.Threats[i]
		_, known := p.open[t.ID]
		if !known {
			if p.open == nil || len(p.open) >= maxOpen {
				p.open = make(map[string]struct{})
			}
			p.open[t.ID] = struct{}{}
			p.opened[min(int(t.Severity), len(p.opened)-1)]++
			opened++
		}
		if known && !acted && !p.holds(t.ID) {
			if p.updates == nil {
				p.updates = make(map[string]sentinel.Threat)
			}
			p.updates[t.ID] = *t
			if !p.ticking {
				if p.fresh == nil {
					p.fresh = make(map[string]struct{})
				}
				p.fresh[t.ID] = struct{}{}
			}
			continue
		}
		delete(p.updates, t.ID)
		p.threat(t)
	}
	for _, b := range fx.Blocks {
		rec := b.Record()
		p.results.Blocks = append(p.results.Blocks, rec)
		if i := slices.Index(origins[:], rec.Origin); i >= 0 {
			p.blocked[i]++
		}
	}
	for _, prefix := range fx.Unblocked {
		u := store.Unblock{Prefix: prefix, At: now, Status: store.StatusExpired}
		for _, act := range fx.Actions {
			if act.Target == prefix && act.Status == store.StatusRevoked {
				u.Status, u.By = store.StatusRevoked, act.RevokedBy
			}
		}
		p.results.Unblock(u)
	}
	p.results.Actions = append(p.results.Actions, fx.Actions...)
	for _, al := range fx.Allowed {
		p.results.Allow = append(p.results.Allow, store.AllowEntry{
			Prefix: al.Prefix, Reason: al.Reason, Origin: sentinel.OriginCLI, Created: now,
		})
	}
	p.results.Disallow = append(p.results.Disallow, fx.Disallowed...)
	p.results.Regulars = append(p.results.Regulars, fx.Regulars...)
	p.results.Logins = append(p.results.Logins, fx.Logins...)
	for _, b := range fx.Blocks {
		p.changes = append(p.changes, change{block: b})
	}
	for _, prefix := range fx.Unblocked {
		p.changes = append(p.changes, change{free: prefix})
	}
	p.allow = p.allow || fx.AllowChanged
	p.urgent = p.urgent || len(fx.Blocks) > 0 || len(fx.Unblocked) > 0 || fx.AllowChanged
	return opened
}

// holds reports whether the next commit has a state of the threat.
func (p *pending) holds(id string) bool {
	_, ok := p.at[id]
	return ok && len(p.results.Threats) > 0
}

// takeUpdates puts the waiting updates into the next commit if it is time.
func (p *pending) takeUpdates(now time.Time) {
	if len(p.updates) == 0 || now.Sub(p.updated) < updateEvery {
		return
	}
	for _, t := range p.updates {
		p.threat(&t)
	}
	clear(p.updates)
	p.updated = now
}

// threat keeps the latest state of a threat for the next commit.
func (p *pending) threat(t *sentinel.Threat) {
	if len(p.results.Threats) == 0 {
		clear(p.at)
	}
	if i, ok := p.at[t.ID]; ok {
		p.results.Threats[i] = *t
		return
	}
	if p.at == nil {
		p.at = make(map[string]int)
	}
	p.at[t.ID] = len(p.results.Threats)
	p.results.Threats = append(p.results.Threats, *t)
}

func (p *pending) count(n store.Count) {
	if n.Events > 0 {
		p.results.Counters.Add(n)
	}
}

// position keeps the last one of a source.
func (p *pending) position(pos sentinel.Position) {
	for i := range p.results.Positions {
		if p.results.Positions[i].Source == pos.Source {
			p.results.Positions[i] = pos
			return
		}
	}
	p.results.Positions = append(p.results.Positions, pos)
}

// unparsed samples a line that was not understood.
func (p *pending) unparsed(source, line string, now time.Time) {
	if p.shapes >= maxShapes {
		return
	}
	p.shapes++
	const maxSample = 300
	shape := parse.Shape(line)
	for i := range p.results.Shapes {
		if s := &p.results.Shapes[i]; s.Source == source && s.Shape == shape {
			s.Count++
			s.LastSeen = now
			return
		}
	}
	p.results.Shapes = append(p.results.Shapes, store.Shape{
		Source: source, Shape: shape, Sample: strings.Clone(line[:min(len(line), maxSample)]), Count: 1, LastSeen: now,
	})
}

// effects reports whether something waits to take effect.
func (p *pending) effects() bool { return len(p.changes) > 0 || p.allow }

// takeEffect tells the firewall, once, what was decided. It reports whether
// that was anything.
func (p *pending) takeEffect(desired *enforce.Desired, denied *enforce.DenyList, allow func() []netip.Prefix) bool {
	if !p.effects() {
		return false
	}
	for _, c := range p.changes {
		if c.free.IsValid() {
			desired.Remove(c.free)
			denied.Remove(c.free)
		} else {
			desired.Set(c.block)
			denied.Set(c.block)
		}
	}
	if p.allow {
		desired.Allow(allow())
	}
	p.forget()
	return true
}

// forget drops what waits to take effect.
func (p *pending) forget() { p.changes, p.allow = nil, false }

// bound drops the oldest of what cannot be stored for long.
func (p *pending) bound() {
	p.results.Threats = last(p.results.Threats, maxKeptThreats)
	p.at = make(map[string]int, len(p.results.Threats))
	for i := range p.results.Threats {
		p.at[p.results.Threats[i].ID] = i
	}
	p.results.Counters = last(p.results.Counters, maxKeptCounters)
	p.results.Actions = last(p.results.Actions, maxKeptActions)
	p.results.Blocks = last(p.results.Blocks, maxKeptActions)
	p.results.Unblocked = last(p.results.Unblocked, maxKeptActions)
	p.results.Regulars = last(p.results.Regulars, maxKeptThreats)
	p.results.Logins = last(p.results.Logins, maxKeptThreats)
	p.results.Shapes = nil
}

func last[T any](s []T, n int) []T {
	if len(s) <= n {
		return s
	}
	return append([]T(nil), s[len(s)-n:]...)
}

// setStatus notes a status for a threat that is no longer an open case; an open
// one is in the effects' threats.
func (p *pending) setStatus(ctx context.Context, st *store.Store, c decide.StatusChange) {
	for i := range p.results.Threats {
		if p.results.Threats[i].ID == c.ThreatID && p.results.Threats[i].Status == c.Status {
			return
		}
	}
	t, err := st.Threat(ctx, c.ThreatID)
	if err != nil {
		return // it was removed meanwhile
	}
	t.Status, t.ResolvedBy, t.ResolvedAt = c.Status, c.By, c.At
	p.threat(&t)
}
