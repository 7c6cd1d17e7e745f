package anomaly

import (
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Window is what one client did in one stretch of time, as an Extractor tells it.
type Window struct {
	Addr        netip.Addr
	First, Last time.Time
	// Length is the length of the stretch.
	Length   time.Duration
	Requests int
	Features Vector
}

// Extractor cuts the windows out of events that a Stage would judge, to train on
// or to measure with.
type Extractor struct{ stage *Stage }

// NewExtractor returns one that hands each window that is over to tell.
func NewExtractor(tell func(Window)) *Extractor {
	s := New(Config{})
	s.extract = func(w *window) {
		tell(Window{
			Addr: w.address(), First: time.Unix(int64(w.first), 0).UTC(), Last: time.Unix(int64(w.last), 0).UTC(),
			Length: time.Duration(seconds[w.kind]) * time.Second, Requests: int(w.n), Features: w.vector(),
		})
	}
	return &Extractor{stage: s}
}

// Observe takes in an event, in the order of time.
func (x *Extractor) Observe(ev *sentinel.Event) { x.stage.Observe(ev, ev.Time) }

// Finish hands out the windows that are open.
func (x *Extractor) Finish() { x.stage.Finish() }
