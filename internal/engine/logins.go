package engine

import (
	"fmt"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// The country of a login is compared with those that the user came from before.
// That is no condition on one event, nor a count: the memory of logins finds it, and
// rules with these detectors carry it on.

// login remembers a login that succeeded, and returns the matches of the event with
// those of the rules about what is odd.
func (e *Engine) login(ev *sentinel.Event, matches []rule.Match, now time.Time) []rule.Match {
	if e.locate == nil || ev.User == "" || !ev.SrcIP.IsValid() {
		return matches
	}
	at := ev.Time
	if at.IsZero() || at.After(now) {
		at = now
	}
	g := ev.Geo()
	f := e.logins.Note(at, ev.User, ev.SrcIP, g)
	if f.New {
		text := fmt.Sprintf("%s; in 90 days from %s only", g, strings.Join(f.Before, ", "))
		matches = e.odd(rule.DetectorNewCountry, matches, g, text)
	}
	if f.Travel {
		text := fmt.Sprintf("%s; %s before from %s in %s, at least %.0f km away", g, lapse(f.Within), f.From.Addr, f.From.Country, f.Km)
		matches = e.odd(rule.DetectorTravel, matches, g, text)
	}
	return matches
}

// odd reports what is odd about a login to the rules of a detector.
func (e *Engine) odd(detector string, matches []rule.Match, g sentinel.Geo, text string) []rule.Match {
	for _, r := range e.set.ByDetector(detector) {
		if e.matcher.Admits(r) {
			matches = e.matcher.Report(r, rule.Found{Field: rule.GeoCountry, Text: text, End: len(g.String())})
		}
	}
	return matches
}

// lapse writes a time in whole minutes or hours.
func lapse(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}

// RestoreLogins takes up where users logged in from, as it was handed out in
// Effects, the last seen first.
func (e *Engine) RestoreLogins(list []sentinel.LoginPlace) { e.logins.Restore(list) }
