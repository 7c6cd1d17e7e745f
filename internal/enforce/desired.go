package enforce

import (
	"net/netip"
	"slices"
	"sync"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Source says what should be in force. Changes must be quick and must not
// block: it is memory, never the store.
type Source interface {
	// Changes returns what has changed since a version it returned before, or
	// everything (Full) if since is 0 or too long ago. Version 0 says that the
	// source knows nothing yet; the firewall is then left as it is.
	Changes(since uint64) Change
}

// Change leads from one version of what should be in force to another.
type Change struct {
	// Version is what the firewall has reached with this change.
	Version uint64
	// Full: Set is all there is, whatever was before.
	Full bool
	// Set holds new and changed targets; Removed the networks that are free.
	Set     []Target
	Removed []netip.Prefix
	// Allow is the whole list of networks never dropped, if AllowChanged.
	Allow        []netip.Prefix
	AllowChanged bool
}

// Empty reports whether there is nothing to do.
func (c Change) Empty() bool {
	return !c.Full && !c.AllowChanged && len(c.Set) == 0 && len(c.Removed) == 0
}

// logSize bounds the change log of a Desired: who is further behind gets all.
const logSize = 1 << 15

// Desired is what should be in force, in memory. The agent fills it once with
// Load, then after each commit with Set, Remove and Allow, and wakes the
// Enforcer. It is safe for concurrent use.
type Desired struct {
	mu      sync.Mutex
	version uint64
	loaded  bool
	blocks  map[netip.Prefix]force
	allow   []netip.Prefix
	allowed uint64 // version of the last change of allow
	// log holds the prefixes changed by versions first, first+1, ... version.
	log   []netip.Prefix
	first uint64
}

// NewDesired returns a Desired that knows nothing yet: until Load, the enforcer
// does not touch the firewall, so that a slow start unblocks nobody.
func NewDesired() *Desired {
	return &Desired{blocks: make(map[netip.Prefix]force), first: 1}
}

// Load says all that should be in force. Simulated blocks are left out.
func (d *Desired) Load(blocks []sentinel.Block, allow []netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blocks = make(map[netip.Prefix]force, len(blocks))
	for _, b := range blocks {
		if t, ok := TargetOf(b); ok {
			d.blocks[t.prefix] = t.force
		}
	}
	d.allow = slices.Clone(allow)
	d.loaded = true
	d.version++
	d.allowed = d.version
	d.log, d.first = nil, d.version+1
}

// Set adds blocks or gives them a new end or rate. The last one wins where two stand
// for the same network. A simulated block takes a real one away.
func (d *Desired) Set(blocks ...sentinel.Block) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range blocks {
		t, ok := TargetOf(b)
		if !ok {
			d.remove(b.Prefix())
			continue
		}
		if old, known := d.blocks[t.prefix]; known && old == t.force {
			continue
		}
		d.blocks[t.prefix] = t.force
		d.note(t.prefix)
	}
}

// Remove takes networks out; those that are not in force are passed over.
func (d *Desired) Remove(prefixes ...netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range prefixes {
		d.remove(p)
	}
}

func (d *Desired) remove(p netip.Prefix) {
	p, ok := canonical(p)
	if _, known := d.blocks[p]; ok && known {
		delete(d.blocks, p)
		d.note(p)
	}
}

// Allow replaces the list of networks that are never dropped.
func (d *Desired) Allow(allow []netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Equal(allow, d.allow) {
		return
	}
	d.allow = slices.Clone(allow)
	d.note(netip.Prefix{})
	d.allowed = d.version
}

// Len returns how many blocks should be in force.
func (d *Desired) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.blocks)
}

// note appends to the change log and drops its older half when it is full.
func (d *Desired) note(p netip.Prefix) {
	d.version++
	if len(d.log) >= logSize {
		half := len(d.log) / 2
		d.log = append(d.log[:0], d.log[half:]...)
		d.first += uint64(half)
	}
	d.log = append(d.log, p)
}

// Version returns the version that the next Changes leads to.
func (d *Desired) Version() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.version
}

// Changes implements Source.
func (d *Desired) Changes(since uint64) Change {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.loaded:
		return Change{}
	case since == d.version:
		return Change{Version: since}
	case since == 0, since > d.version, since+1 < d.first:
		return d.full()
	}
	c := Change{Version: d.version}
	changed := d.log[since+1-d.first:]
	seen := make(map[netip.Prefix]struct{}, len(changed))
	for _, p := range changed {
		if _, twice := seen[p]; twice || !p.IsValid() {
			continue
		}
		seen[p] = struct{}{}
		if f, in := d.blocks[p]; in {
			c.Set = append(c.Set, Target{p, f})
		} else {
			c.Removed = append(c.Removed, p)
		}
	}
	if d.allowed > since {
		c.Allow, c.AllowChanged = slices.Clone(d.allow), true
	}
	return c
}

func (d *Desired) full() Change {
	c := Change{
		Version: d.version, Full: true, Set: make([]Target, 0, len(d.blocks)),
		Allow: slices.Clone(d.allow), AllowChanged: true,
	}
	for p, f := range d.blocks {
		c.Set = append(c.Set, Target{p, f})
	}
	return c
}
