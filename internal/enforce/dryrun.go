package enforce

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
)

// DryRun is a firewall that drops nothing: it says what it would do. It is the
// backend "dryrun" and serves tests.
type DryRun struct {
	log *slog.Logger
	mu  sync.Mutex
	set map[netip.Prefix]Target
	// allow is sorted as it was given.
	allow []netip.Prefix
}

// NewDryRun returns an empty one. A nil logger says nothing.
func NewDryRun(log *slog.Logger) *DryRun {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &DryRun{log: log, set: make(map[netip.Prefix]Target)}
}

// Name implements Backend.
func (d *DryRun) Name() string { return "dryrun" }

// Apply implements Backend. It logs single changes, and only the number of a
// full one.
func (d *DryRun) Apply(_ context.Context, c Change) (Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.Full {
		clear(d.set)
		d.log.Info("dry run: would hold", "blocks", len(c.Set), "allowed", len(c.Allow))
	}
	for _, t := range c.Set {
		d.set[t.prefix] = t
		if !c.Full {
			d.log.Info("dry run: would block", "prefix", t.prefix, "expires", t.Expires())
		}
	}
	for _, p := range c.Removed {
		delete(d.set, p)
		d.log.Info("dry run: would unblock", "prefix", p)
	}
	if c.AllowChanged {
		d.allow = c.Allow
	}
	n := len(d.set)
	return Report{Want: n, Have: n, Changed: len(c.Set) + len(c.Removed)}, nil
}

// Check implements Backend; nobody can change a dry run.
func (d *DryRun) Check(context.Context) (Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Report{Want: len(d.set), Have: len(d.set)}, nil
}

// Drops implements Backend: none.
func (d *DryRun) Drops(context.Context) (Drops, error) { return Drops{}, nil }

// Remove implements Backend.
func (d *DryRun) Remove(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.set)
	d.allow = nil
	return nil
}

// Targets returns what would be dropped, sorted.
func (d *DryRun) Targets() []Target {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Target, 0, len(d.set))
	for _, t := range d.set {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Target) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()))
	})
	return out
}

// Allow returns what would never be dropped.
func (d *DryRun) Allow() []netip.Prefix {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.allow)
}
