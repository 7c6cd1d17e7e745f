package engine

import (
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/profile"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// profiles are the applications that were recognised in logs.
type profiles struct {
	set *profile.Set // nil: none are looked for
	// searching are the numbers of profile.Rules in the rules in force, which are
	// those of rules.
	searching []int32
	rules     *rule.Set
	kept      []rule.Match
}

// Profiles returns what recognises applications, nil if nothing does.
func (e *Engine) Profiles() *profile.Set { return e.profiles.set }

// WatchProfiles puts another set in force, nil for none.
func (e *Engine) WatchProfiles(set *profile.Set) { e.profiles.set = set }

// profile lets applications be recognised by a request, or takes the rules about
// searching out of its matches if it is part of an application's ordinary use.
func (e *Engine) profile(src *Source, ev *sentinel.Event, matches []rule.Match, now time.Time) []rule.Match {
	p := &e.profiles
	if p.set == nil || ev.Type != sentinel.EventHTTPAccess {
		return matches
	}
	if src.profiled != p.set {
		src.profiled, src.profile = p.set, p.set.Source(src.id)
	}
	if src.profile == nil {
		return matches
	}
	if p.rules != e.set {
		p.rules, p.searching = e.set, p.searching[:0]
		for _, id := range profile.Rules {
			if i, ok := e.set.ByID(id); ok {
				p.searching = append(p.searching, int32(i))
			}
		}
	}
	if ev.HTTP.Status < 400 {
		if e.harmless(matches) {
			src.profile.Observe(ev, now)
		}
		return matches
	}
	about := func(m rule.Match) bool { return slices.Contains(p.searching, m.Rule) }
	if !slices.ContainsFunc(matches, about) {
		return matches
	}
	if _, ok := src.profile.Excepts(ev, now); !ok {
		return matches
	}
	p.kept = p.kept[:0]
	for _, m := range matches {
		if !about(m) {
			p.kept = append(p.kept, m)
		}
	}
	return p.kept
}
