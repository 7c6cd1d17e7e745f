package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// The windows of the detectors outlive the agent. Once a minute, and at an
// orderly stop, a snapshot of them is written. Each commit notes in the journal
// where its lines were read. After a crash the snapshot is loaded and the lines
// committed since are read again, in the same batches, without effects: then the
// detectors are as they were at the last commit, where reading goes on.

const (
	windowsEvery = time.Minute
	// maxRebuild is how long reading again may take, and keep new lines waiting
	// in their files.
	maxRebuild = 30 * time.Second
	// maxJournal is how many commits back the journal reaches if no snapshot can
	// be written.
	maxJournal = 100_000
)

// windows is what the agent knows of the snapshots and the journal.
type windows struct {
	// of the engine's goroutine
	seq       uint64 // of the latest commit in the journal
	due       time.Time
	unsettled bool // the journal says things of threats that their rows do not
	partial   bool // a stop came while lines were read again

	saved   atomic.Uint64 // commit of the snapshot on disk
	writing sync.Mutex    // held while one is written
	status  atomic.Pointer[control.Snapshot]
	rebuilt atomic.Pointer[control.Rebuilt]
}

// journal returns what the next commit adds to the journal, nil for nothing.
func (a *Agent) journal() *store.Journal {
	p, w, d := &a.pending, &a.windows, a.engine.Decider()
	p.grown = append(p.grown, d.Grown()...)
	j := &store.Journal{Seq: w.seq + 1, Spans: p.spans, Forget: w.saved.Load()}
	if w.seq > maxJournal {
		j.Forget = max(j.Forget, w.seq-maxJournal)
	}
	if len(p.updates) == 0 && d.Waiting() == 0 {
		j.Settled = w.unsettled // all that grew is in the commit whole
		p.grown, p.fresh = nil, nil
	} else {
		for id := range p.fresh {
			if t, ok := p.updates[id]; ok {
				j.Changed = append(j.Changed, t)
			}
		}
		for i := range p.grown { // what the commit has whole anyway is not grown
			if !p.knows(&p.grown[i]) {
				j.Grown = append(j.Grown, p.grown[i])
			}
		}
	}
	if len(j.Spans)+len(j.Grown)+len(j.Changed) == 0 && !j.Settled {
		return nil
	}
	return j
}

// knows reports whether the next commit has the state of a threat with these
// counts.
func (p *pending) knows(g *sentinel.Growth) bool {
	if t, ok := p.updates[g.ID]; ok {
		_, fresh := p.fresh[g.ID]
		return fresh && t.EventCount == g.EventCount && t.LastSeen.Equal(g.LastSeen)
	}
	if !p.holds(g.ID) {
		return false
	}
	t := &p.results.Threats[p.at[g.ID]]
	return t.EventCount == g.EventCount && t.LastSeen.Equal(g.LastSeen)
}

// journaled is called after a commit.
func (a *Agent) journaled() {
	p, w := &a.pending, &a.windows
	if j := p.results.Journal; j != nil {
		w.seq = j.Seq
		w.unsettled = !j.Settled && (w.unsettled || len(j.Grown)+len(j.Changed) > 0)
	}
	p.spans, p.fresh, p.grown = nil, nil, nil
}

// boundJournal keeps what could not be stored from growing for ever: a start
// after a crash then sees a gap.
func (a *Agent) boundJournal() {
	if len(a.pending.spans) > maxKeptSpans {
		a.dropJournal()
	}
	a.pending.grown = last(a.pending.grown, maxKeptActions)
}

// dropJournal leaves a gap in the numbers of the commits, which says that lines
// are missing.
func (a *Agent) dropJournal() {
	a.windows.seq++
	a.pending.spans = nil
}

// saveWindows writes a snapshot if one is due and everything is committed. The
// engine copies; compressing and writing happen beside it.
func (a *Agent) saveWindows(now time.Time) {
	w := &a.windows
	if w.partial || now.Before(w.due) || now.Before(a.pace.retry) {
		return
	}
	if len(a.pending.spans) > 0 && a.flush() != nil || w.seq == w.saved.Load() || !w.writing.TryLock() {
		return
	}
	w.due = now.Add(windowsEvery)
	snap, copied := a.copyWindows()
	go func() {
		defer w.writing.Unlock()
		a.writeWindows(snap, copied)
	}()
}

// saveLastWindows writes the snapshot of an orderly stop, after which nothing
// has to be read again.
func (a *Agent) saveLastWindows() {
	w := &a.windows
	w.writing.Lock()
	defer w.writing.Unlock()
	if w.partial || len(a.pending.spans) > 0 || w.seq == w.saved.Load() {
		return
	}
	snap, copied := a.copyWindows()
	a.writeWindows(snap, copied)
}

func (a *Agent) copyWindows() (store.Windows, time.Duration) {
	start := time.Now()
	data := a.engine.Detector().AppendSnapshot(nil)
	return store.Windows{Commit: a.windows.seq, Taken: start, Data: data}, time.Since(start)
}

func (a *Agent) writeWindows(snap store.Windows, copied time.Duration) {
	start := time.Now()
	size, err := a.store.SaveWindows(snap)
	st := control.Snapshot{Taken: snap.Taken, Size: size, Copy: copied, Write: time.Since(start)}
	if err != nil {
		if old := a.windows.status.Load(); old != nil {
			st = *old // which is still there
		}
		st.Error = err.Error()
		a.log.Warn("the windows of the detectors were not saved", "error", err)
	} else {
		a.windows.saved.Store(snap.Commit)
	}
	a.windows.status.Store(&st)
}

// rebuild puts the detectors' memory back as it was at the last commit. It is
// the first thing that the engine's goroutine does.
func (a *Agent) rebuild(ctx context.Context) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, maxRebuild)
	defer cancel()
	w := &a.windows
	w.due = start.Add(windowsEvery)
	last, err := a.store.LastCommit(ctx)
	if err != nil {
		a.alarm("windows", fmt.Sprintf("the journal cannot be read, counters begin anew: %v", err))
		return
	}
	w.seq = last
	after, known := a.loadWindows(last)
	if last == 0 || after == last {
		return
	}
	r := &replay{a: a, next: after + 1, known: known}
	journals := slices.DeleteFunc(a.sourcesOf(a.config()), func(s collect.Source) bool { return s.Type != sentinel.TypeJournal })
	r.reader, err = collect.NewRereader(collect.Config{Sources: journals, Logger: a.log.With("part", "collect")})
	if err == nil {
		err = a.store.Spans(ctx, after, func(seq uint64, spans []sentinel.Span) error { return r.commit(ctx, seq, spans) })
		r.reader.Close()
	}
	took := time.Since(start)
	w.partial = errors.Is(err, context.Canceled)
	w.rebuilt.Store(&control.Rebuilt{Lines: r.lines, Lost: r.lost, Took: took})
	a.log.Info("read the lines since the last snapshot again", "lines", r.lines, "took", took)
	w.due = time.Time{} // now, so that crashes in a row do not read ever more again
	a.saveWindows(start)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		a.alarm("windows", fmt.Sprintf("reading again what came since the last snapshot was broken off after %s: counters lack what %d lines did not say", maxRebuild, r.lines))
	case err != nil && ctx.Err() == nil:
		a.alarm("windows", fmt.Sprintf("reading again what came since the last snapshot failed, counters may be too low: %v", err))
	case r.lost > 0:
		a.alarm("windows", fmt.Sprintf("%d batches of lines that came since the last snapshot are no longer there (%v): counters may be too low", r.lost, r.why))
	case r.gap:
		a.alarm("windows", "the journal does not reach back to the last snapshot: counters may be too low")
	}
}

// loadWindows loads the snapshot and returns the commit that it belongs to.
// known says that nothing that came before it is missing.
func (a *Agent) loadWindows(last uint64) (commit uint64, known bool) {
	snap, err := a.store.Windows()
	if err == nil && snap.Commit > last {
		err = fmt.Errorf("it belongs to commit %d, and the database ends with %d", snap.Commit, last)
	}
	if err == nil {
		err = a.engine.Detector().LoadSnapshot(snap.Data)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, false
	case err != nil:
		a.alarm("windows", fmt.Sprintf("the saved windows cannot be used, counters begin anew: %v", err))
		return 0, false
	}
	a.windows.saved.Store(snap.Commit)
	a.windows.status.Store(&control.Snapshot{Taken: snap.Taken, Size: snap.Size})
	return snap.Commit, true
}

// replay reads committed lines again.
type replay struct {
	a      *Agent
	reader *collect.Rereader
	next   uint64 // commit
	known  bool
	lines  int
	lost   int
	why    error // the first batch was lost
	gap    bool
}

// commit reads again what one commit took in.
func (r *replay) commit(ctx context.Context, seq uint64, spans []sentinel.Span) error {
	r.gap = r.gap || r.known && seq != r.next
	r.next = seq + 1
	for _, span := range spans {
		b, err := r.reader.Read(ctx, span)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if r.lost++; r.why == nil {
				r.why = err
			}
			continue
		}
		r.a.rebuildBatch(&b)
		r.lines += len(b.Lines)
		select {
		case call := <-r.a.calls: // people do not wait for this
			call()
		default:
		}
	}
	return nil
}

// rebuildBatch counts the lines of a batch without effects.
func (a *Agent) rebuildBatch(b *sentinel.Batch) {
	f := a.feed(*b)
	for i := range b.Lines {
		ev := a.engine.Rebuild(f.source, &b.Lines[i], b.Read, b.ModTime)
		if ev.Type == sentinel.EventAuthOK {
			a.admins.login(ev, b.Read, a.engine)
		}
	}
}
