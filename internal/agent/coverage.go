package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// The kinds of alarms about sources.
const (
	alarmBlind  = "source_blind"
	alarmSeeing = "source_recovered"
)

// What makes a source blind. Each bound is chosen so that the alarm comes within
// a minute of where it can be known at all.
const (
	// lookEvery is the pause between two looks at all sources.
	lookEvery = 5 * time.Second
	// unreadable is how long a log may be missing or denied, as it is for a
	// moment in every rotation, before that is an alarm.
	unreadable = 10 * time.Second

	// Of each blockOfLines lines at least the share coverage must be understood.
	blockOfLines = 20
	coverage     = 0.5

	// A source of which at least usualShare of usualLines lines were recognised
	// (more than their header was) is blind if none of the next strangeLines is,
	// or of so many that strangeTimes of them should have been.
	usualLines   = 200
	usualShare   = 0.05
	strangeLines = 50
	strangeTimes = 10

	// A source that had at least steadyRate lines a minute over steadyTime is
	// blind after quietTime without one, if that is also quietTimes as long as
	// it was ever silent before. A source with less is given slowQuiet and
	// slowTimes, after slowTime.
	steadyRate = 6.0
	steadyTime = 10 * time.Minute
	quietTime  = 50 * time.Second
	quietTimes = 3
	slowTime   = 24 * time.Hour
	slowQuiet  = time.Hour
	slowTimes  = 4
	// gapMemory is how long a gap is remembered at the least.
	gapMemory = 84 * time.Hour
)

// sight watches whether the sources are still read and understood. It raises one
// alarm when a source goes blind and one when it sees again.
type sight struct {
	mu      sync.Mutex
	sources map[string]*watched
}

// watched is what is remembered of one source.
type watched struct {
	since  time.Time // first look
	badAt  time.Time // since when its state is bad; zero: it is good
	newest time.Time // when lines last came
	lines  uint64    // at the last look

	// gap and oldGap are the longest silences of this and the last period.
	gap, oldGap time.Duration
	period      time.Time
	began       uint64 // lines when it was first seen

	blockLines, blockParsed uint64 // at the begin of the block in hand
	unparsed                bool   // the last whole block was not understood
	last                    string // what that came to

	knownLines, known uint64 // lines and recognised ones while it was usual
	seenLines, seen   uint64 // at the last look that recognised something
	strange           bool

	blind string // why, empty while it sees
}

// look judges the sources at a time and returns what people should hear.
func (s *sight) look(now time.Time, list []control.SourceStatus) (alarms []control.Alarm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := make(map[string]bool, len(list))
	for i := range list {
		x := &list[i]
		there[x.ID] = true
		w := s.sources[x.ID]
		if w == nil {
			if s.sources == nil {
				s.sources = make(map[string]*watched)
			}
			w = &watched{since: now, newest: now, period: now, lines: x.Lines, began: x.Lines}
			s.sources[x.ID] = w
		}
		why := w.look(now, x)
		switch {
		case why != "" && w.blind == "":
			alarms = append(alarms, control.Alarm{Time: now, Kind: alarmBlind, Text: x.ID + ": " + why})
		case why == "" && w.blind != "":
			alarms = append(alarms, control.Alarm{Time: now, Kind: alarmSeeing, Text: x.ID + " is read and understood again"})
		}
		w.blind = why
	}
	for id := range s.sources { // removed from the configuration, or a file of a pattern that is gone
		if !there[id] {
			delete(s.sources, id)
		}
	}
	return alarms
}

// reason says why a source is blind, or nothing.
func (s *sight) reason(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.sources[id]; w != nil {
		return w.blind
	}
	return ""
}

// look takes in the state of a source and says why it is blind, if it is.
func (w *watched) look(now time.Time, x *control.SourceStatus) string {
	state := collect.State(x.State)
	switch state {
	case collect.StateDenied, collect.StateRefused, collect.StateFailing, collect.StateMissing:
		if w.badAt.IsZero() {
			w.badAt = now
		}
		if now.Sub(w.badAt) >= unreadable {
			return unreadableText(state, x.Reason)
		}
		return w.blind
	}
	w.badAt = time.Time{}
	w.arrivals(now, x)
	w.block(x)
	w.recognised(x)
	switch {
	case w.unparsed:
		return w.last
	case w.strange:
		return fmt.Sprintf("of its last %d lines none was recognised, of the %d before %d were: has a program been renamed, or its log format changed?",
			x.Lines-w.seenLines, w.knownLines, w.known)
	}
	return w.silence(now, x)
}

func unreadableText(state collect.State, reason string) string {
	text := "it cannot be read"
	switch state {
	case collect.StateDenied:
		text = "permission to read it is missing"
	case collect.StateMissing:
		text = "the file is gone"
	case collect.StateRefused:
		text = "it is refused"
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}

// arrivals learns how long the source is silent between its lines.
func (w *watched) arrivals(now time.Time, x *control.SourceStatus) {
	if now.Sub(w.period) >= gapMemory {
		w.period, w.oldGap, w.gap = now, w.gap, 0
	}
	if x.Lines == w.lines {
		return
	}
	w.gap = max(w.gap, now.Sub(w.newest))
	w.newest, w.lines = now, x.Lines
}

// silence says for how long nothing came, if that is odd.
func (w *watched) silence(now time.Time, x *control.SourceStatus) string {
	age, quiet := w.newest.Sub(w.since), now.Sub(w.newest)
	if x.Lag > 0 { // we are behind, not it
		return ""
	}
	rate := 0.0
	if age > 0 {
		rate = float64(x.Lines-w.began) / age.Minutes()
	}
	longest := max(w.gap, w.oldGap)
	limit := max(quietTime, quietTimes*longest)
	switch {
	case age >= steadyTime && rate >= steadyRate:
	case age >= slowTime && rate*age.Minutes() >= blockOfLines:
		limit = max(slowQuiet, slowTimes*longest)
	default:
		return ""
	}
	if quiet < limit {
		return ""
	}
	return fmt.Sprintf("no line came for %s; before, it had %.1f a minute and was never silent for more than %s: does its program still write there?",
		quiet.Round(time.Second), rate, longest.Round(time.Second))
}

// block judges each whole block of lines by how much of it was understood.
func (w *watched) block(x *control.SourceStatus) {
	lines, parsed := x.Lines-w.blockLines, x.Parsed-w.blockParsed
	if lines < blockOfLines {
		return
	}
	w.unparsed = float64(parsed) < coverage*float64(lines)
	w.last = fmt.Sprintf("of its last %d lines only %d were understood; sentinelctl logs unparsed shows the others", lines, parsed)
	w.blockLines, w.blockParsed = x.Lines, x.Parsed
}

// recognised judges whether lines still say something.
func (w *watched) recognised(x *control.SourceStatus) {
	if x.Recognised > w.seen {
		w.knownLines += x.Lines - w.seenLines
		w.known += x.Recognised - w.seen
		if w.knownLines > 100*usualLines { // what was long ago counts less
			w.knownLines, w.known = w.knownLines/2, w.known/2
		}
		w.seenLines, w.seen, w.strange = x.Lines, x.Recognised, false
		return
	}
	since := x.Lines - w.seenLines
	share := float64(w.known) / float64(max(w.knownLines, 1))
	w.strange = w.knownLines >= usualLines && share >= usualShare && since >= strangeLines && float64(since)*share >= strangeTimes
}

// watchSources looks at all sources until ctx ends.
func (a *Agent) watchSources(ctx context.Context) {
	timer := time.NewTicker(lookEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-timer.C:
			for _, al := range a.sight.look(now, a.sources()) {
				a.alarm(al.Kind, al.Text)
			}
		}
	}
}
