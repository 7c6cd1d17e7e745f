package agent

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/host"
)

// maxCommit is how long one commit may take before it counts as a stall. A disk
// that is slow does not get faster by starting again, so this is much.
const maxCommit = 10 * time.Minute

// pulse is the sign of life of the engine's goroutine, which the ticker wakes
// once a second at the least.
type pulse struct {
	// beaten is when it last came round, storing when it went into the store, 0
	// if it is not there; both in nanoseconds since the agent started.
	beaten, storing atomic.Int64
}

// beat says that the engine has come round.
func (a *Agent) beat() { a.pulse.beaten.Store(int64(time.Since(a.started))) }

// whileStoring runs f, which waits for the disk.
func (a *Agent) whileStoring(f func() error) error {
	begun := time.Since(a.started)
	a.pulse.storing.Store(int64(begun))
	defer func() {
		a.tally.commits.Observe(time.Since(a.started) - begun)
		a.beat()
		a.pulse.storing.Store(0)
	}()
	return f()
}

// stalled says what has not moved for longer than the bound, empty if the
// pipeline works: the engine comes round, and some reader looks at its file or
// waits for the engine. A reader that hangs alone, on a network file system
// perhaps, is shown in status; to start again would not help it, and would
// blind the others.
func (a *Agent) stalled(now time.Duration, readers []collect.Status, bound time.Duration) string {
	if since := a.pulse.storing.Load(); since != 0 {
		if d := now - time.Duration(since); d > maxCommit {
			return fmt.Sprintf("the engine has waited for the database for %s", d.Round(time.Second))
		}
		return ""
	}
	if d := now - time.Duration(a.pulse.beaten.Load()); d > bound {
		return fmt.Sprintf("the engine has not come round for %s", d.Round(time.Millisecond))
	}
	stuck := 0
	for i := range readers {
		if a.stuck(&readers[i], now, bound) {
			stuck++
		}
	}
	if stuck > 0 && stuck == len(readers) {
		return fmt.Sprintf("none of %d readers has looked at its log for %s", stuck, bound)
	}
	return ""
}

// stuck reports whether a reader neither looks at its file nor waits for the
// engine.
func (a *Agent) stuck(s *collect.Status, now, bound time.Duration) bool {
	return !s.Blocked && !s.Looked.IsZero() && now-s.Looked.Sub(a.started) > bound
}

// maxReaderPause is from when on status names a reader that does not look at
// its file.
const maxReaderPause = time.Minute

// watchdog feeds systemd's watchdog for as long as the pipeline works. It does
// nothing if there is none.
func (a *Agent) watchdog(ctx context.Context) {
	every, ok := host.Watchdog()
	if !ok {
		return
	}
	bound := max(every/2, 3*tickEvery)
	tick := time.NewTicker(every / 4)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a.mu.Lock()
		c := a.collector
		a.mu.Unlock()
		var readers []collect.Status
		if c != nil {
			readers = c.Status()
		}
		why := a.stalled(time.Since(a.started), readers, bound)
		if why == "" {
			a.notify("WATCHDOG=1\nSTATUS=" + a.summary(readers))
		} else if said == "" {
			a.log.Error("the pipeline stands still, the watchdog is not fed", "reason", why)
		}
		said = why
	}
}

// summary is what systemctl status shows.
func (a *Agent) summary(readers []collect.Status) string {
	active := 0
	for _, r := range readers {
		if r.State == collect.StateActive {
			active++
		}
	}
	blocks := 0
	if snap := a.snapshot.Load(); snap != nil {
		blocks = snap.blocks
	}
	fw := a.enforcer.Status()
	text := fmt.Sprintf("%s: %d of %d logs read, %d blocks in force", a.config().Response.Mode, active, len(readers), blocks)
	if !fw.Healthy {
		text += "; the firewall is failing"
	}
	return text
}
