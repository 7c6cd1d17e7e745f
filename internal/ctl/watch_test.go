package ctl

import (
	"bufio"
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestWatcher(t *testing.T) {
	w := &watcher{seen: map[string]mark{}}
	th := sentinel.Threat{ID: "1", Severity: sentinel.Medium, EventCount: 3, LastSeen: clock}
	for i, c := range []struct {
		change func()
		want   bool
	}{
		{func() {}, true},                                  // new
		{func() {}, false},                                 // the same
		{func() { th.EventCount = 5 }, false},              // a few more
		{func() { th.EventCount = 6 }, true},               // twice as many
		{func() { th.Severity = sentinel.High }, true},     // graver
		{func() { th.Action = "block" }, true},             // blocked
		{func() { th.Status = sentinel.StatusOpen }, true}, // somebody did something
		{func() { th.LastSeen = clock.Add(time.Hour) }, false},
	} {
		c.change()
		if got := w.changed(&th); got != c.want {
			t.Errorf("step %d: %v, want %v", i, got, c.want)
		}
	}
	if !w.from.Equal(clock.Add(time.Hour)) {
		t.Errorf("the next question begins at %v", w.from)
	}
	for i := range maxWatched + 10 {
		w.changed(&sentinel.Threat{ID: string(rune(i + 1000))})
	}
	if len(w.seen) > maxWatched {
		t.Errorf("%d remembered", len(w.seen))
	}
}

// signalBuffer tells when something was written.
type signalBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	c  chan struct{}
}

func (s *signalBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.b.Write(p)
	select {
	case s.c <- struct{}{}:
	default:
	}
	return n, err
}

func (s *signalBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestWatch: what is there is shown, oldest first, and Ctrl-C ends it in order.
func TestWatch(t *testing.T) {
	for _, format := range []string{"table", "jsonl"} {
		out := &signalBuffer{c: make(chan struct{}, 1)}
		a := &app{
			version: "1", stdin: strings.NewReader(""), now: func() time.Time { return clock },
			out: &screen{w: bufio.NewWriter(out)}, err: &screen{w: bufio.NewWriter(out)}, defaultConfig: "none",
		}
		ctx, cancel := context.WithCancel(t.Context())
		socket := startAgent(t, newFake())
		done := make(chan int)
		go func() {
			done <- a.run(ctx, []string{"threats", "--watch", "--socket", socket, "--format", format})
		}()
		for !strings.Contains(out.String(), "7Q2M") {
			<-out.c
		}
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("%s: exit code %d", format, code)
		}
		text := out.String()
		first, last := strings.Index(text, "R3AB"), strings.Index(text, "7Q2M")
		if first < 0 || first > last || strings.Count(text, "7Q2M") > 2 {
			t.Errorf("%s:\n%s", format, text)
		}
		if !safe(strings.ReplaceAll(text, "\n", "")) {
			t.Errorf("a terminal would obey %q", text)
		}
	}
}
