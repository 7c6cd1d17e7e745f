package agent

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

const (
	tickEvery = time.Second
	// flushEvery is how long positions and counts without a threat may wait.
	flushEvery = time.Second
	purgeEvery = time.Hour

	// Writing down every count that changed pauses for so many times as long as
	// it took, within these bounds: a flood grows thousands of cases a second.
	countPause    = 30
	maxCountPause = 15 * time.Second
	// What is to take effect is committed at once, unless the last commit was
	// just now: then it waits for so many times as long as that took, and takes
	// along what comes meanwhile.
	groupPause    = 4
	maxGroupPause = 100 * time.Millisecond
	// A commit that failed is tried again after so many times as long as it took
	// to fail: at once on a full disk, later if another program has a lock.
	failPause = 3
	// Taking new logins into the allowlist pauses for so many times as long as it
	// took, since every block is looked at; the next tick does it at the latest.
	allowPause = 20
)

// pace says when the next commit is due. Engine's goroutine only.
type pace struct {
	flushed time.Time     // the last commit was begun
	ended   time.Time     // and ended
	took    time.Duration // so long did it take
	counted time.Time     // when counts may be written down again
	timer   *time.Timer   // runs while a commit waits
	waiting bool
	retry   time.Time // after a commit that failed: not before
	allowed time.Time // new logins are taken into the allowlist: not before
}

// feed is what the engine's goroutine knows of one source.
type feed struct {
	source *engine.Source
	counts *lineCounts
	cfg    *config.Config // the configuration it was made for
	book   *formatBook    // and the formats known then
	kind   sentinel.SourceType
	guard  *proxyGuard // nil where the proxies are configured
}

// loop is the engine's goroutine: batches, calls and the passing of time. It
// ends when in is closed, after a last commit.
func (a *Agent) loop(ctx context.Context, in <-chan sentinel.Batch) error {
	defer close(a.gone)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	a.pace.timer = time.NewTimer(time.Hour)
	defer a.pace.timer.Stop()
	a.rebuild(ctx)
	a.takeSnapshot()
	for {
		a.beat()
		select {
		case <-a.pace.timer.C:
			a.pace.waiting = false
			if a.pending.urgent {
				a.tryFlush()
			}
		case b, ok := <-in:
			if !ok {
				a.pace.counted = time.Time{}
				a.pending.updated = time.Time{} // all of it, now
				a.tick(time.Now())
				a.pending.updated = time.Time{}
				a.pending.results.Regulars = append(a.pending.results.Regulars, a.engine.Decider().Regulars()...)
				a.keepSeries(time.Now(), true)
				a.keepProfiles(time.Now(), true)
				a.keepClients(time.Now(), true)
				a.keepPayload(time.Now(), true)
				err := a.flush()
				a.saveLastWindows()
				return err
			}
			a.batch(b)
		case call := <-a.calls:
			call()
		case now := <-tick.C:
			a.tick(now)
		}
	}
}

// do runs fn in the engine's goroutine and waits for it.
func (a *Agent) do(ctx context.Context, fn func()) error {
	done := make(chan struct{})
	select {
	case a.calls <- func() { defer close(done); fn() }:
	case <-a.gone:
		return errStopping
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done
	return nil
}

// batch takes in the lines of one batch and commits at once if they led to
// something that should take effect.
func (a *Agent) batch(b sentinel.Batch) {
	f := a.feed(b)
	var n store.Count
	n.Source, n.Type, n.Minute = b.Source, b.Type, b.Read.Truncate(time.Minute)
	watched := a.tails.watched()
	recognised := uint64(0)
	for i := range b.Lines {
		text := b.Lines[i].Text
		step := a.engine.Entry(f.source, &b.Lines[i], b.Read, b.ModTime)
		n.Events++
		if step.Parsed {
			n.Parsed++
		} else {
			n.Unparsed++
			a.pending.unparsed(b.Source, text, b.Read)
		}
		if step.Event.Type != sentinel.EventOther {
			recognised++
		}
		if len(step.Matches) > 0 {
			n.Matched++
			a.set.count(step)
		}
		if !step.Effects.Empty() {
			n.Threats += a.pending.add(step.Effects, b.Read)
			a.raise(step.Effects.Alarms)
		}
		if f.guard != nil {
			f.guard.observe(step.Event, b.Read, a.engine.Decider().Allowlist().Shared)
		}
		if step.Event.Type == sentinel.EventAuthOK {
			a.admins.login(step.Event, b.Read, a.engine)
			a.keys.note(step.Event, b.Read)
		}
		if watched {
			a.tails.publish(step, a.set.set)
		}
	}
	if len(b.Lines) > 0 {
		n.LastEvent = b.Read
	}
	a.guardProxy(b.Source, f, b.Read)
	f.counts.add(n)
	f.counts.recognised.Add(recognised)
	a.pending.count(n)
	if b.Next.Source != "" { // of a socket there is no position, and nothing to read again
		a.pending.position(b.Next)
	}
	if len(b.Lines) > 0 && b.Next.Source != "" {
		a.pending.spans = append(a.pending.spans, b.Span())
	}
	if (a.admins.changed || a.keys.changed) && !time.Now().Before(a.pace.allowed) {
		a.refreshAllow()
	}
	if a.pending.urgent {
		a.commitSoon()
	}
}

// commitSoon commits what is to take effect: at once, or together with what
// follows if commits come thick and fast. Failures are remembered in dbErr and
// tried again.
func (a *Agent) commitSoon() {
	p := &a.pace
	if p.waiting {
		return
	}
	if wait := min(groupPause*p.took, maxGroupPause) - time.Since(p.ended); wait > 0 {
		p.waiting = true
		p.timer.Reset(wait)
		return
	}
	a.tryFlush()
}

// tryFlush is flush, unless the last one failed after a long wait: then what was
// decided takes effect, and is stored later. Most of the time is for lines.
func (a *Agent) tryFlush() {
	if time.Now().Before(a.pace.retry) {
		a.takeEffect()
		return
	}
	_ = a.flush()
}

// takeEffect tells the firewall what was decided.
func (a *Agent) takeEffect() {
	p := &a.pending
	if p.takeEffect(a.desired, a.denied, func() []netip.Prefix { return kernelAllow(a.engine.Decider().Allowlist()) }) {
		a.enforcer.Wake()
		a.takeSnapshot()
	}
	p.urgent = false
}

// feed returns the source of a batch, made anew after a reload.
func (a *Agent) feed(b sentinel.Batch) *feed {
	f := a.feeds[b.Source]
	cfg, book := a.config(), a.formats.Load()
	// A batch that was read before a reload still has the type of before.
	if f != nil && f.cfg == cfg && f.book == book && f.kind == b.Type {
		return f
	}
	if f == nil {
		f = &feed{counts: &lineCounts{}}
		if c, ok := a.lines.LoadOrStore(b.Source, f.counts); ok {
			f.counts = c.(*lineCounts)
		}
		a.feeds[b.Source] = f
	}
	f.cfg, f.book, f.kind = cfg, book, b.Type
	pc := parse.Config{Type: b.Type, Location: time.Local}
	s, ok := sourceConfig(cfg, b.Source)
	if ok {
		pc.Location = s.Location
	} else {
		s = config.DefaultSource()
	}
	pc.TrustedProxies = s.TrustedProxies
	if format, err := parse.ParseLogFormat(s.LogFormat); s.LogFormat != "" && err == nil { // checked before the configuration was taken
		pc.Formats = []*parse.LogFormat{format}
	} else {
		book.apply(b.Source, &pc)
	}
	f.source = a.engine.NewSource(b.Source, pc)
	switch {
	case cfg.ProxiesGiven(s.Path):
		f.guard = nil
		a.proxied.Delete(b.Source)
	case f.guard == nil:
		f.guard = newProxyGuard()
	}
	f.source.BehindProxy(f.guard != nil && f.guard.on)
	return f
}

// raise passes on what the decider wants people to know.
func (a *Agent) raise(alarms []decide.Alarm) {
	for _, al := range alarms {
		a.alarm(string(al.Kind), al.Text)
	}
}

// tick does what time brings.
func (a *Agent) tick(now time.Time) {
	a.guardProxies(now)
	if a.admins.changed || a.keys.changed {
		a.refreshAllow()
	}
	counting := !now.Before(a.pace.counted)
	if counting {
		fx := a.engine.Tick(now)
		a.pending.ticking = true
		a.pending.add(fx, now)
		a.pending.ticking = false
		a.raise(fx.Alarms)
	}
	// With all counts just handed out, the journal can be settled: a flood of
	// commits in between must not keep it from that for ever.
	settle := counting && a.windows.unsettled && now.Sub(a.pending.updated) >= updateEvery
	if a.pending.urgent || settle || now.Sub(a.pace.flushed) >= flushEvery {
		a.tryFlush()
	}
	a.saveWindows(now)
	a.tickClients(now)
	a.watchReserve(now)
	if counting { // half a tick early, since the ticker is not exact
		a.pace.counted = now.Add(min(countPause*time.Since(now), maxCountPause) - tickEvery/2)
	}
	a.takeSnapshot()
	if now.Sub(a.purged) >= purgeEvery {
		a.purged = now
		before := now.AddDate(0, 0, -a.config().Database.RetentionDays)
		go a.purge(before)
	}
}

// purge removes what is older than the retention, in small steps that let
// commits pass.
func (a *Agent) purge(before time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	p, err := a.store.Purge(ctx, before, 0)
	if err != nil && ctx.Err() == nil {
		a.log.Warn("removing old rows failed", "error", err)
		return
	}
	if p.Rows() > 0 {
		a.log.Info("removed old rows", "rows", p.Rows(), "before", before.Format(time.DateOnly))
	}
}

// flush commits what is pending and lets it take effect. A store that fails
// does not keep blocks from the kernel: detection and blocking go on, and the
// same results are committed again later.
func (a *Agent) flush() error {
	start := time.Now()
	a.pace.flushed = start
	defer func() {
		a.pace.ended = time.Now()
		a.pace.took = a.pace.ended.Sub(start)
	}()
	p := &a.pending
	p.takeUpdates(start)
	a.keepSeries(start, false)
	a.keepProfiles(start, false)
	a.keepClients(start, false)
	a.keepPayload(start, false)
	p.results.Journal = a.journal()
	if p.results.Empty() && !p.effects() {
		return nil
	}
	err := a.whileStoring(func() error { return a.store.Commit(context.Background(), p.results) })
	switch {
	case err == nil:
		a.journaled()
		a.pace.retry = time.Time{}
		p.results, p.shapes = store.Results{}, 0
	case store.Retryable(err):
		a.pace.retry = time.Now().Add(failPause * time.Since(start))
		p.bound()
		a.boundJournal()
	default:
		a.log.Error("results were lost", "error", err)
		a.dropJournal()
		p.results = store.Results{}
	}
	a.setDBError(err)
	a.takeEffect()
	return err
}

func (a *Agent) setDBError(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	a.mu.Lock()
	old := a.dbErr
	a.dbErr = text
	a.mu.Unlock()
	switch {
	case text != "" && old == "":
		a.alarm("database", fmt.Sprintf("storing fails, detection and blocking go on from memory: %s", text))
	case text == "" && old != "":
		a.alarm("database", "storing works again")
	}
}

// config returns the configuration in force.
func (a *Agent) config() *config.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cfg
}

// sourceConfig finds the configured source that an id belongs to.
func sourceConfig(cfg *config.Config, id string) (config.Source, bool) {
	for _, s := range cfg.Logs.Sources {
		if s.Path == id || (strings.ContainsAny(s.Path, "*?[") && matches(s.Path, id)) {
			return s, true
		}
	}
	return config.Source{}, false
}
