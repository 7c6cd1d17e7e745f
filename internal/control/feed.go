package control

import (
	"context"
	"sync"
	"sync/atomic"
)

// feedBuffer is how many events wait for one reader.
const feedBuffer = 256

// Feed hands events to whoever is reading logs.tail. Publishing never waits: a
// reader that is too slow misses events, and is told how many. The zero Feed is
// ready for use and safe for many goroutines.
type Feed struct {
	readers atomic.Int32
	mu      sync.Mutex
	subs    map[*subscription]struct{}
}

type subscription struct {
	params TailParams
	events chan LogEvent
	// missed is guarded by the feed's mutex.
	missed uint64
}

// Active reports whether anybody reads, so that events need not be made for
// nobody. It costs one atomic load.
func (f *Feed) Active() bool { return f.readers.Load() > 0 }

// Publish hands an event to all readers that want it. The event must own its
// strings; of a long line only the first MaxRaw bytes are kept.
func (f *Feed) Publish(e LogEvent) {
	e.Raw = cut(e.Raw, MaxRaw)
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.subs {
		if !s.params.Match(&e) {
			continue
		}
		e.Missed = s.missed
		select {
		case s.events <- e:
			s.missed = 0
		default:
			s.missed++
		}
	}
}

// Tail calls send for each event published that p wants, until ctx ends or send
// fails, and returns that error. It is what Agent.Tail needs.
func (f *Feed) Tail(ctx context.Context, p TailParams, send func(LogEvent) error) error {
	s := &subscription{params: p, events: make(chan LogEvent, feedBuffer)}
	f.mu.Lock()
	if f.subs == nil {
		f.subs = map[*subscription]struct{}{}
	}
	f.subs[s] = struct{}{}
	f.mu.Unlock()
	f.readers.Add(1)
	defer func() {
		f.readers.Add(-1)
		f.mu.Lock()
		delete(f.subs, s)
		f.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-s.events:
			if err := send(e); err != nil {
				return err
			}
		}
	}
}

// Match reports whether p selects e.
func (p *TailParams) Match(e *LogEvent) bool {
	switch {
	case p.Source != "" && p.Source != e.Source,
		p.Type != "" && p.Type != e.Type,
		p.Matched && len(e.Rules) == 0,
		p.Unparsed && e.Parsed:
		return false
	case p.IP.IsZero():
		return true
	}
	n, err := ParseNetwork(e.IP)
	return err == nil && p.IP.Contains(n.Addr())
}
