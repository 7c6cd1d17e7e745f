package detect

import "strings"

// owned holds the copies of an event's strings that its detections share, and
// those of the latest source, which the next event mostly has too.
type owned struct {
	lastSource, lastKind string
	sampleAt, userAt     uint64 // ticks
	lastSample, lastUser string
}

func (o *owned) source(s string) string {
	if o.lastSource != s {
		o.lastSource = strings.Clone(s)
	}
	return o.lastSource
}

func (o *owned) kind(s string) string {
	if o.lastKind != s {
		o.lastKind = strings.Clone(s)
	}
	return o.lastKind
}

// sample returns the copy of the line of the event with number tick.
func (o *owned) sample(tick uint64, s string) string {
	if o.sampleAt != tick {
		o.sampleAt, o.lastSample = tick, strings.Clone(s)
	}
	return o.lastSample
}

func (o *owned) user(tick uint64, s string) string {
	if o.userAt != tick {
		o.userAt, o.lastUser = tick, strings.Clone(s)
	}
	return o.lastUser
}
