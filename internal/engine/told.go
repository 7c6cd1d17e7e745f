package engine

import (
	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// Several lines of an audit log tell one event together, and the event of each
// has all that was told before. A rule, or step of a sequence, that held after
// one of them holds after the next ones, too; it is to be taken once.

// Bounds of what is remembered of such events, as many as parsers keep under
// way.
const (
	maxTold  = 16
	maxTaken = 32 // rules of one event; more of them are taken again
)

// told is what was taken for an event of which more may be told.
type told struct {
	serial uint64
	taken  []taken
}

type taken struct {
	rule int32
	step int16
}

// once leaves out the matches that were taken for an earlier line of the same
// event. It changes matches.
func (s *Source) once(ev *sentinel.Event, matches []rule.Match) []rule.Match {
	if ev.Serial == 0 || len(matches) == 0 {
		return matches
	}
	// Serials count up, so that each has its place until as many came after it.
	t := &s.told[ev.Serial%maxTold]
	if t.serial != ev.Serial {
		t.serial, t.taken = ev.Serial, t.taken[:0]
	}
	out := matches[:0]
	for _, m := range matches {
		if t.add(taken{m.Rule, m.Step}) {
			out = append(out, m)
		}
	}
	return out
}

// add reports whether x is new.
func (t *told) add(x taken) bool {
	for _, old := range t.taken {
		if old == x {
			return false
		}
	}
	if len(t.taken) < maxTaken {
		t.taken = append(t.taken, x)
	}
	return true
}
