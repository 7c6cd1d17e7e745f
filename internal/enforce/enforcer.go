package enforce

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Config tunes an Enforcer. Zero fields take the defaults named.
type Config struct {
	// CheckEvery is the pause between checks of the whole firewall (1 minute).
	CheckEvery time.Duration
	// CountEvery is the pause between readings of the drop counters (5 s).
	CountEvery time.Duration
	// Timeout is how long the firewall may take to answer (5 s, for ufw a minute;
	// a second more for each 10,000 elements).
	Timeout time.Duration
	// Logger gets what happens; nil discards it.
	Logger *slog.Logger
	// Cutter, if set, ends the connections of what is newly blocked.
	Cutter *Cutter
	// Alarm, if set, is called for what people should hear of. It must return
	// at once.
	Alarm func(Alarm)
}

// AlarmKind names a kind of alarm.
type AlarmKind string

// The kinds of alarms.
const (
	// AlarmRefused: the firewall does not take our blocks; nothing is blocked.
	AlarmRefused AlarmKind = "firewall_refused"
	// AlarmRecovered: it does again.
	AlarmRecovered AlarmKind = "firewall_recovered"
	// AlarmRestored: another program had changed our rules; they are back.
	AlarmRestored AlarmKind = "firewall_restored"
	// AlarmWar: another program keeps changing our rules; we restore them ever
	// more slowly.
	AlarmWar AlarmKind = "firewall_war"
	// AlarmRejected: the kernel refused some blocks, for example of a full set.
	AlarmRejected AlarmKind = "blocks_rejected"
)

// Alarm is something that people should hear of.
type Alarm struct {
	Time time.Time
	Kind AlarmKind
	Text string
}

// Enforcer keeps a firewall equal to what a Source says.
type Enforcer struct {
	source  Source
	backend Backend
	cfg     Config
	wake    chan struct{}
	foreign chan struct{}
	guard   guard

	// of the loop only
	version  uint64 // of the source that the firewall has reached
	applied  bool   // once at least
	pending  bool
	attempts int // failures in a row
	retryAt  time.Time
	checkAt  time.Time
	countAt  time.Time
	clock    time.Time // of the last check
	war      war
	rejected bool

	mu     sync.Mutex
	status Status
	// reached is version, for others; whoever waits for it gets a new channel
	// closed when it grows.
	reached uint64
	moved   chan struct{}
}

// New returns an enforcer that starts nothing yet.
func New(source Source, backend Backend, cfg Config) *Enforcer {
	cfg.CheckEvery = cmp.Or(cfg.CheckEvery, time.Minute)
	cfg.CountEvery = cmp.Or(cfg.CountEvery, 5*time.Second)
	if b, ok := backend.(interface{ callTime() time.Duration }); ok {
		cfg.Timeout = cmp.Or(cfg.Timeout, b.callTime())
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Enforcer{
		source: source, backend: backend, cfg: cfg,
		wake:    make(chan struct{}, 1),
		foreign: make(chan struct{}, 1),
		status:  Status{Backend: backend.Name()},
	}
}

// Wake says that the source has changed. It never blocks.
func (e *Enforcer) Wake() { poke(e.wake) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run keeps the firewall right until ctx ends; then it applies what is pending
// and leaves the firewall as it is. It always returns nil: a firewall that
// refuses shows in Status, raises an alarm, and is tried again with pauses that
// grow from 1 s to 60 s.
func (e *Enforcer) Run(ctx context.Context) error {
	e.pending = true
	watching := false
	var watch sync.WaitGroup
	defer watch.Wait()
	if e.cfg.Cutter != nil {
		watch.Go(func() { e.cfg.Cutter.run(ctx) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if e.pending = e.pending || len(e.wake) > 0; e.pending {
				e.step(context.WithoutCancel(ctx))
			}
			return nil
		case <-e.wake:
			e.pending = true
		case <-e.foreign:
			e.checkSoon(time.Now())
		case <-timer.C:
		}
		e.step(ctx)
		if w, ok := e.backend.(Watcher); ok && e.applied && !watching {
			watching = true
			watch.Go(func() { e.watch(ctx, w) })
		}
		timer.Reset(time.Until(e.next()))
	}
}

func (e *Enforcer) settle(version uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reached = version
	if e.moved != nil {
		close(e.moved)
		e.moved = nil
	}
}

// Settled waits until the firewall holds what a source said at a version, and
// reports whether that came to be before ctx ended.
func (e *Enforcer) Settled(ctx context.Context, version uint64) bool {
	for {
		e.mu.Lock()
		if e.reached >= version {
			e.mu.Unlock()
			return true
		}
		if e.moved == nil {
			e.moved = make(chan struct{})
		}
		moved := e.moved
		e.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

// settleTime lets another program finish what it does before we look.
const settleTime = 100 * time.Millisecond

func (e *Enforcer) checkSoon(now time.Time) {
	soon := now.Add(settleTime)
	if pause := e.war.until(now); pause.After(soon) {
		soon = pause
	}
	if e.checkAt.After(soon) {
		e.checkAt = soon
	}
}

// next returns when there is something to do without being woken.
func (e *Enforcer) next() time.Time {
	at := e.countAt
	if e.applied && e.checkAt.Before(at) {
		at = e.checkAt
	}
	if e.pending && e.retryAt.Before(at) {
		at = e.retryAt
	}
	if at.Before(e.retryAt) {
		at = e.retryAt
	}
	return at
}

// step does what is due.
func (e *Enforcer) step(ctx context.Context) {
	now := time.Now()
	if now.Before(e.retryAt) {
		return
	}
	if e.pending && !e.apply(ctx) {
		return
	}
	if e.applied && !now.Before(e.checkAt) && !e.check(ctx) {
		return
	}
	if !now.Before(e.countAt) {
		e.count(ctx)
	}
}

func (e *Enforcer) apply(ctx context.Context) bool {
	c := e.source.Changes(e.version)
	if c.Version == 0 || c.Empty() {
		e.pending = false
		return true
	}
	start := time.Now()
	limit := e.cfg.Timeout + time.Duration(len(c.Set)+len(c.Removed))*time.Second/10_000
	rep, err := do(ctx, &e.guard, limit, func(ctx context.Context) (Report, error) { return e.backend.Apply(ctx, c) })
	if err != nil {
		e.failed(err)
		return false
	}
	e.version, e.pending = c.Version, false
	if e.cfg.Cutter != nil {
		e.cfg.Cutter.add(c)
	}
	e.settle(c.Version)
	if !e.applied {
		e.applied = true
		e.checkAt, e.clock = time.Now().Add(e.cfg.CheckEvery), start
	} else if rep.Rebuilt && e.attempts == 0 {
		e.restored(rep, start)
	}
	e.succeeded(rep, start)
	return true
}

func (e *Enforcer) check(ctx context.Context) bool {
	start := time.Now()
	limit := e.cfg.Timeout + time.Duration(e.Status().Desired)*time.Second/10_000
	rep, err := do(ctx, &e.guard, limit, e.backend.Check)
	if err != nil {
		e.failed(err)
		return false
	}
	e.checkAt = time.Now().Add(e.cfg.CheckEvery)
	e.update(func(s *Status) { s.LastCheck = time.Now() })
	stepped := clockStepped(e.clock, start)
	e.clock = start
	if rep.Rebuilt || rep.Drift > 0 && !stepped {
		e.restored(rep, start)
	} else if e.war.calm(start) {
		e.cfg.Logger.Info("the firewall is left in peace again")
		e.update(func(s *Status) { s.FlushWar = false })
	}
	e.succeeded(rep, start)
	return true
}

// clockStepped reports whether the wall clock moved otherwise than time did, as
// it does when it is set and while the host sleeps: all ends are off then, and
// nobody is to blame.
func clockStepped(before, now time.Time) bool {
	step := now.Round(0).Sub(before.Round(0)) - now.Sub(before)
	return step.Abs() > time.Second
}

func (e *Enforcer) restored(rep Report, start time.Time) {
	now := time.Now()
	entered := e.war.note(now, now.Sub(start))
	what := fmt.Sprintf("another program changed our firewall rules (%d elements differed); they are back", rep.Drift)
	if rep.Rebuilt {
		what = "another program deleted or changed our firewall table; it is back"
	}
	e.update(func(s *Status) {
		s.Restores++
		s.LastRestore = now
		s.FlushWar = e.war.on
	})
	switch {
	case entered:
		e.alarm(AlarmWar, "another program keeps changing our firewall rules: blocks have gaps until it stops")
	case !e.war.on:
		e.alarm(AlarmRestored, what)
	}
}

func (e *Enforcer) count(ctx context.Context) {
	e.countAt = time.Now().Add(e.cfg.CountEvery)
	if !e.applied {
		return
	}
	drops, err := do(ctx, &e.guard, e.cfg.Timeout, e.backend.Drops)
	if err != nil {
		e.failed(err)
		return
	}
	e.update(func(s *Status) { s.Drops = drops })
}

// failed notes a failure and when to try again, with everything.
func (e *Enforcer) failed(err error) {
	now := time.Now()
	e.attempts++
	pause := min(time.Second<<min(e.attempts-1, 6), time.Minute)
	e.retryAt = now.Add(pause)
	e.version, e.pending = 0, true
	e.update(func(s *Status) {
		s.Healthy = false
		s.LastError, s.LastErrorAt = err.Error(), now
		s.Failures++
	})
	e.cfg.Logger.Error("the firewall refuses", "backend", e.backend.Name(), "error", err, "retry_in", pause)
	if e.attempts == 1 {
		e.alarm(AlarmRefused, "blocks are not in force: "+err.Error())
	}
}

func (e *Enforcer) succeeded(rep Report, start time.Time) {
	if e.attempts > 0 {
		e.alarm(AlarmRecovered, "the firewall takes our blocks again")
	}
	e.attempts, e.retryAt = 0, time.Time{}
	e.update(func(s *Status) {
		s.Healthy = rep.Rejected == 0
		s.Desired, s.Actual = rep.Want, rep.Have
		s.Rejected, s.Samples = rep.Rejected, rep.Samples
		s.LastApply, s.LastApplyTook = time.Now(), time.Since(start)
		if s.Healthy {
			s.LastError = ""
		} else {
			s.LastError = fmt.Sprintf("%d blocks were refused, for example %s: %s",
				rep.Rejected, rep.Samples[0].Prefix, rep.Samples[0].Error)
		}
	})
	if rep.More {
		e.checkAt = time.Now()
	}
	if rep.Rejected > 0 && !e.rejected {
		e.alarm(AlarmRejected, e.Status().LastError)
		// Often the reason passes soon: an element that is over but not yet
		// collected, a set that has just been emptied.
		e.checkAt = time.Now().Add(min(e.cfg.CheckEvery, 5*time.Second))
	}
	e.rejected = rep.Rejected > 0
}

func (e *Enforcer) alarm(kind AlarmKind, text string) {
	e.cfg.Logger.Warn(text, "alarm", kind, "backend", e.backend.Name())
	if e.cfg.Alarm != nil {
		e.cfg.Alarm(Alarm{time.Now(), kind, text})
	}
}

// watch listens for other programs, and again when that fails.
func (e *Enforcer) watch(ctx context.Context, w Watcher) {
	for pause := time.Second; ctx.Err() == nil; pause = min(2*pause, time.Minute) {
		if err := w.Watch(ctx, func() { poke(e.foreign) }); err != nil {
			e.cfg.Logger.Warn("not hearing of changes by other programs; checking once a minute only", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
