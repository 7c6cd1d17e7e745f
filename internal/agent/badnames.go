package agent

import (
	"context"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

// badNamesEvery is how often the lists of addresses with a bad name are looked at.
const badNamesEvery = 15 * time.Second

// manyEntries is how many entries leave enough behind to be given back at once.
const manyEntries = 50_000

// loadBadNames reads lists that changed, and tells what is wrong with them. One
// goroutine at a time.
func (a *Agent) loadBadNames() {
	old := a.badNames.Load()
	now := setup.LoadBadNames(a.config(), old)
	if now == old {
		return
	}
	a.badNames.Store(now)
	entries := 0
	for _, l := range now.Lists {
		entries += l.Entries
	}
	if len(now.Lists) > 0 || old != nil {
		a.log.Info("lists of addresses with a bad name", "lists", len(now.Lists), "entries", entries)
	}
	if entries > manyEntries {
		debug.FreeOSMemory() // reading left more behind than the lists take
	}
	for _, f := range now.Faults {
		if old == nil || !slices.Contains(old.Faults, f) {
			a.log.Warn("part of a list was left out", "list", f)
		}
	}
}

// followBadNames takes up lists that change until ctx ends.
func (a *Agent) followBadNames(ctx context.Context) {
	tick := time.NewTicker(badNamesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.loadBadNames()
		}
	}
}

// listings says which lists have an address.
func (a *Agent) listings(addr netip.Addr) []decide.Listing {
	return decide.FindBadNames(a.badNames.Load().Lists, addr)
}

// badNameStatus is what status shows of the lists.
func (a *Agent) badNameStatus() []control.ListStatus {
	var out []control.ListStatus
	for _, l := range a.badNames.Load().Lists {
		out = append(out, control.ListStatus{Name: l.Name, Entries: l.Entries, Weight: l.Weight})
	}
	return out
}
