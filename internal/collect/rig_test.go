package collect

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// rig runs a collector and keeps what it hands over.
type rig struct {
	t      *testing.T
	c      *Collector
	cancel context.CancelFunc
	ended  chan struct{}
	log    *logBuffer

	mu    sync.Mutex
	lines []string // cloned
	cut   int
	last  map[string]sentinel.Position
	spans []sentinel.Span
	moved chan struct{} // a batch came
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// follow starts a collector that is stopped at the end of the test.
func follow(t *testing.T, cfg Config, from map[string]sentinel.Position) *rig {
	t.Helper()
	r := &rig{t: t, ended: make(chan struct{}), last: map[string]sentinel.Position{}, moved: make(chan struct{}, 1), log: &logBuffer{}}
	if cfg.Poll == 0 {
		cfg.Poll = 50 * time.Millisecond
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var list []sentinel.Position
	for _, p := range from {
		list = append(list, p)
	}
	c, err := New(cfg, list)
	if err != nil {
		t.Fatal(err)
	}
	r.c = c
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	out := make(chan sentinel.Batch)
	run := make(chan struct{})
	go func() {
		defer close(run)
		if err := c.Run(ctx, out); err != nil {
			t.Error(err)
		}
	}()
	go func() {
		defer close(r.ended)
		for {
			select {
			case b := <-out:
				r.take(b)
			case <-run:
				return
			}
		}
	}()
	t.Cleanup(r.stop)
	return r
}

func (r *rig) take(b sentinel.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range b.Lines {
		r.lines = append(r.lines, strings.Clone(l.Text))
		if l.Cut {
			r.cut++
		}
	}
	r.last[b.Source] = b.Next
	if len(b.Lines) > 0 {
		r.spans = append(r.spans, b.Span())
	}
	select {
	case r.moved <- struct{}{}:
	default:
	}
}

// stop ends the collector and waits for it.
func (r *rig) stop() {
	r.cancel()
	<-r.ended
}

// positions stops and returns what a store would have kept.
func (r *rig) positions() map[string]sentinel.Position {
	r.stop()
	return r.last
}

func (r *rig) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

// until waits for a condition.
func (r *rig) until(what string, cond func() bool) {
	r.t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-limit.C:
			r.t.Fatalf("waiting for %s: got %d lines %.300q, status %+v", what, len(r.got()), r.got(), r.c.Status())
		}
	}
}

// want waits until exactly these lines came.
func (r *rig) want(lines ...string) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d lines", len(lines)), func() bool { return len(r.got()) >= len(lines) })
	if got := r.got(); !slices.Equal(got, lines) {
		r.t.Fatalf("got %.2000q, want %.2000q", got, lines)
	}
}

// state waits until the one source is in a state.
func (r *rig) state(s State) Status {
	r.t.Helper()
	var st Status
	r.until("state "+string(s), func() bool {
		for _, st = range r.c.Status() {
			if st.State == s {
				return true
			}
		}
		return false
	})
	return st
}

func (r *rig) status(path string) Status {
	for _, st := range r.c.Status() {
		if st.Path == path {
			return st
		}
	}
	return Status{}
}

func one(path string) Config {
	return Config{Sources: []Source{{Path: path, Type: sentinel.TypeAuto, FromStart: true}}}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func tempLog(t *testing.T) string { return filepath.Join(t.TempDir(), "app.log") }

// numbered returns n lines that all differ.
func numbered(from, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("2026-01-31T10:00:00Z host app[1]: line %08d of the log", from+i)
	}
	return list
}

func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }
