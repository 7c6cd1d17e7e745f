package logging

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Bounds of what is repeated: so many records of one kind within so long are
// written, and so many kinds are told apart.
const (
	limitBurst  = 20
	limitWindow = time.Minute
	limitKinds  = 256
)

// limiter leaves out warnings and errors that are repeated all too often. The
// first one after a pause says how many were left out. What is the same is
// decided by the message and the attributes "kind" and "part", never by text
// that an attacker can vary.
type limiter struct {
	next slog.Handler
	// part is the attribute of With.
	part string
	all  *kinds
}

// kinds are the counts of all handlers that come from one.
type kinds struct {
	mu  sync.Mutex
	of  map[string]*kind
	now func() time.Time
}

type kind struct {
	begun   time.Time
	written int
	omitted int
}

func newLimiter(next slog.Handler) *limiter {
	return &limiter{next: next, all: &kinds{of: make(map[string]*kind), now: time.Now}}
}

// Enabled implements slog.Handler.
func (l *limiter) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l *limiter) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return l.next.Handle(ctx, r)
	}
	key := l.part + "\x00" + r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "kind" {
			key += "\x00" + a.Value.String()
		}
		return true
	})
	omitted, ok := l.all.admit(key)
	if !ok {
		return nil
	}
	if omitted > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out_before", omitted))
	}
	return l.next.Handle(ctx, r)
}

// admit counts one record and says whether it is written, and how many were
// left out before it.
func (k *kinds) admit(key string) (omitted int, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	c := k.of[key]
	if c == nil {
		if len(k.of) >= limitKinds {
			k.forget(now)
		}
		c = &kind{begun: now}
		k.of[key] = c
	}
	if now.Sub(c.begun) >= limitWindow {
		omitted = c.omitted
		*c = kind{begun: now}
	}
	if c.written >= limitBurst {
		c.omitted++
		return 0, false
	}
	c.written++
	return omitted, true
}

// forget makes room: for what is over, or else for everything.
func (k *kinds) forget(now time.Time) {
	for key, c := range k.of {
		if now.Sub(c.begun) >= limitWindow {
			delete(k.of, key)
		}
	}
	if len(k.of) >= limitKinds {
		clear(k.of)
	}
}

// WithAttrs implements slog.Handler.
func (l *limiter) WithAttrs(attrs []slog.Attr) slog.Handler {
	d := *l
	d.next = l.next.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key == "part" {
			d.part = strings.Clone(a.Value.String())
		}
	}
	return &d
}

// WithGroup implements slog.Handler.
func (l *limiter) WithGroup(name string) slog.Handler {
	d := *l
	d.next = l.next.WithGroup(name)
	return &d
}
