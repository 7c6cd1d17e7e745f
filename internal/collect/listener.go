package collect

import (
	"context"
	"fmt"
	"sync"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// reopenEvery is how often a socket that cannot be opened is tried again.
const reopenEvery = 10 * time.Second

// listener hands over the lines of one socket. There is nothing to go on from: its
// batches have no positions.
type listener struct {
	c   *Collector
	src Source

	mu sync.Mutex // guards the rest
	st Status
}

func (c *Collector) newListener(src Source) *listener {
	return &listener{c: c, src: src, st: Status{
		Source: src.ID, Config: src.ID, Path: src.Path, Type: src.Type, State: StateWaiting, Hinted: true,
	}}
}

func (l *listener) status() Status {
	l.mu.Lock()
	st := l.st
	l.mu.Unlock()
	st.Looked = time.Now() // its reader waits for others, it cannot hang
	k := l.c.cfg.Sockets.get(l.src.Path)
	switch {
	case k == nil:
		return st
	case k.fault != nil:
		st.State, st.Error = StateFailing, k.fault.Error()
		return st
	}
	st.State = StateActive
	if st.Losses = k.dropped.Load(); st.Losses > 0 {
		st.Note = fmt.Sprintf("%d datagrams were dropped since it was opened: they came faster than they could be read", st.Losses)
	}
	if n := k.refused.Load(); n > 0 && st.Note == "" {
		st.Note = fmt.Sprintf("%d connections were closed: more than %d at a time, or with broken frames", n, maxStreams)
	}
	return st
}

func (l *listener) update(change func(*Status)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.st)
}

// run hands over lines until ctx ends.
func (l *listener) run(ctx context.Context) {
	timer := time.NewTicker(reopenEvery)
	defer timer.Stop()
	for ctx.Err() == nil {
		k := l.c.cfg.Sockets.get(l.src.Path)
		var lines chan []sentinel.Line // none: wait for the timer
		if k != nil && k.fault == nil {
			if len(k.left) > 0 {
				l.hand(ctx, k, k.left)
				continue
			}
			lines = k.lines
		}
		select {
		case <-ctx.Done():
		case got := <-lines:
			l.hand(ctx, k, got)
		case <-timer.C:
			if k == nil || k.fault != nil {
				l.c.cfg.Sockets.retry(l.src.Path)
			}
		}
	}
}

// hand delivers lines; what is not taken stays for the next collector.
func (l *listener) hand(ctx context.Context, k *socket, lines []sentinel.Line) {
	k.left = lines
	now := time.Now()
	l.update(func(st *Status) { st.Blocked = true })
	select {
	case l.c.out <- sentinel.Batch{Source: l.src.ID, Type: l.src.Type, Lines: lines, Read: now, ModTime: now}:
		k.left = nil
	case <-ctx.Done():
	}
	l.update(func(st *Status) {
		st.Blocked = false
		if k.left != nil {
			return
		}
		st.LastRead = now
		st.Lines += int64(len(lines))
		for i := range lines {
			st.Bytes += int64(len(lines[i].Text))
			if lines[i].Cut {
				st.Cut++
			}
		}
	})
}
