package agent

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// discoverEvery is how often it is looked for logs that came later: of a web
// server that was installed, of a new virtual host.
const discoverEvery = 5 * time.Minute

// finds is what discovery found, guarded by Agent.mu.
type finds struct {
	collect.Discovery
	// at is when it was looked, before the time before that.
	at, before time.Time
}

// hasJournal reports whether the host's journal is among the logs.
func hasJournal(logs []collect.Found) bool {
	return slices.ContainsFunc(logs, func(f collect.Found) bool { return f.Type == sentinel.TypeJournal && f.Path == "" })
}

// discover looks for logs. Programs are asked only as long as the sandbox is
// open; it keeps them from running.
func (a *Agent) discover(ctx context.Context) {
	now := time.Now()
	found := collect.Discoverer{Commands: a.sandbox.Load() == nil, Guess: parse.Guess}.Discover(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	if hasJournal(a.finds.Logs) && !hasJournal(found.Logs) {
		// It stays, so that its failing is seen; its copies are read as well.
		found.Logs = append([]collect.Found{{Type: sentinel.TypeJournal, By: []string{"it was read before"}}}, found.Logs...)
	}
	a.finds = finds{Discovery: found, at: now, before: a.finds.at}
	a.formats.Store(newFormatBook(found.Logs, a.formats.Load()))
}

// sourcesOf are the configured sources, then the journal and what discovery
// found besides.
func (a *Agent) sourcesOf(cfg *config.Config) []collect.Source {
	a.mu.Lock()
	defer a.mu.Unlock()
	return sources(cfg, &a.finds)
}

func sources(cfg *config.Config, found *finds) []collect.Source {
	var out []collect.Source
	known := func(path string) bool {
		return slices.ContainsFunc(out, func(s collect.Source) bool { return s.Path == path || matches(s.Path, path) })
	}
	for _, s := range cfg.Logs.Sources {
		out = append(out, collect.Source{Path: s.Path, Type: s.Type, FromStart: s.FromStart})
	}
	journal := cfg.Logs.Journal == config.JournalOn ||
		cfg.Logs.Journal == config.JournalAuto && cfg.Logs.Discovery && hasJournal(found.Logs)
	if journal {
		out = append(out, collect.Source{Type: sentinel.TypeJournal, Units: cfg.Logs.JournalUnits})
	}
	for i := range found.Logs {
		f := &found.Logs[i]
		if !cfg.Logs.Discovery {
			break
		}
		if f.Denied && f.Type == sentinel.TypeAudit {
			continue // made for root alone: no fault that should be shown for ever
		}
		if f.Path == "" || f.Absent || f.Unknown || leftOut(cfg, f, journal) || known(f.Path) {
			continue
		}
		out = append(out, collect.Source{
			Path: f.Path, Type: f.Type,
			// What was not there when it was looked last is new as a whole.
			FromStart: !found.before.IsZero() && f.Born.After(found.before),
		})
	}
	return append(out, drillSource(cfg))
}

// leftOut reports whether a log is not read because the journal has all of it.
func leftOut(cfg *config.Config, f *collect.Found, journal bool) bool {
	return journal && f.Copy && len(cfg.Logs.JournalUnits) == 0
}

// watchLogs looks for logs from time to time.
func (a *Agent) watchLogs(ctx context.Context) {
	tick := time.NewTicker(discoverEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if a.config().Logs.Discovery {
				a.rediscover(ctx)
			}
		}
	}
}

// rediscover looks for logs and lets the readers begin anew if there are others
// than before; they go on where they stopped.
func (a *Agent) rediscover(ctx context.Context) {
	cfg := a.config()
	old := a.sourcesOf(cfg)
	a.discover(ctx)
	list := a.sourcesOf(cfg)
	if slices.EqualFunc(old, list, sameSource) {
		return
	}
	for _, s := range list {
		if !slices.ContainsFunc(old, func(o collect.Source) bool { return sameSource(o, s) }) {
			a.log.Info("a log was found", "path", s.Path, "type", s.Type)
		}
	}
	a.checkSandbox(cfg)
	a.mu.Lock()
	restart := a.restart
	a.mu.Unlock()
	if restart != nil {
		restart()
	}
}

func sameSource(a, b collect.Source) bool {
	a.FromStart, b.FromStart = false, false
	return reflect.DeepEqual(a, b)
}

// Discover implements control.Agent.
func (p *api) Discover(ctx context.Context, _ control.Peer) (*control.DiscoverResult, error) {
	a := p.agent()
	a.rediscover(ctx)
	cfg := a.config()
	a.mu.Lock()
	found := a.finds
	a.mu.Unlock()
	read, book := sources(cfg, &found), a.formats.Load()
	out := &control.DiscoverResult{Logs: []control.DiscoveredLog{}, Notes: slices.Clone(found.Notes)}
	if out.Notes == nil {
		out.Notes = []string{}
	}
	for _, f := range found.Logs {
		row := control.DiscoveredLog{Path: f.Path, Type: f.Type, By: f.By, Problem: f.Problem, Hint: f.Hint}
		if page := book.page(f.Path); page != nil {
			row.Formats = page.names
		}
		if f.Path == "" {
			row.Path = collect.JournalID
		}
		isRead := slices.ContainsFunc(read, func(s collect.Source) bool {
			return s.Path == f.Path && (f.Path != "" || s.Type == sentinel.TypeJournal) || f.Path != "" && (matches(s.Path, f.Path) || f.Unknown && matches(f.Path, s.Path))
		})
		switch {
		case f.Denied:
			row.State = control.LogDenied
		case f.Absent:
			row.State = control.LogAbsent
		case isRead:
			row.State = control.LogRead
			if !formatGiven(cfg, f.Path) {
				row.Problem, row.Hint = book.fault(f.Path), ""
			}
			if row.Problem != "" {
				row.Hint = "change that format, or give the log's in logs.sources"
			}
		case f.Unknown:
			row.State, row.Problem, row.Hint = control.LogOff, "what it holds is not known", "name it in logs.sources, with its type"
		case f.Copy:
			row.State, row.Problem = control.LogCopy, "left out: the journal has all of it"
		case f.Path == "":
			row.State, row.Problem, row.Hint = control.LogOff, "left out by the configuration", "set logs.journal: true"
		default:
			row.State, row.Problem, row.Hint = control.LogOff, "left out by the configuration", "set logs.discovery: true, or name it in logs.sources"
		}
		out.Logs = append(out.Logs, row)
	}
	return out, nil
}

// containerOf names the container that a log is of, for people: its path has only
// a number.
func (a *Agent) containerOf(path string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.finds.Logs {
		f := &a.finds.Logs[i]
		if len(f.By) > 0 && strings.Contains(f.By[0], " container ") && (f.Path == path || matches(f.Path, path)) {
			return f.By[0]
		}
	}
	return ""
}
