package collect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"golang.org/x/sys/unix"
)

const (
	// maxQueue is how many generations of a source are held open while they
	// wait for their turn; those beyond are found by name later.
	maxQueue = 16
	// maxLinger is how many replaced files are held open in case somebody still
	// writes to them.
	maxLinger = 4
	// maxFails is how often in a row reading a replaced file may fail.
	maxFails = 30
)

// follower reads the generations of one path. All fields without a note belong
// to its goroutine.
type follower struct {
	c    *Collector
	src  Source
	id   string
	path string
	glob bool // a member of a glob: it ends when its file is gone
	wake *waker
	// fromEnd: a file found now was there before us and is not read.
	fromEnd bool
	// resume is the stored position until a file was opened.
	resume *sentinel.Position

	// queue holds the generations in the order of reading. The last is what
	// stands at path, unless that is gone.
	queue []*generation
	// linger holds replaced ones that were read to their end.
	linger []*generation
	pathOK bool      // the last of queue stands at path
	since  time.Time // when the path was seen missing
	// pending are wake-ups that came while a batch waited.
	pending uint32
	// lingering: a replaced file is being read, so that looking must wait.
	lingering bool
	pos       sentinel.Position // sent last
	dir, real dirWatch          // where the path and what it links to stand
	hinted    bool
	// announce: the position is to be sent even without lines.
	announce bool
	looked   State // what the last look came to
	lookErr  error
	stop     context.CancelFunc // called by the scanner
	done     bool               // guarded by Collector.mu: run has ended

	mu sync.Mutex // guards st
	st Status
}

func (c *Collector) newFollower(src Source, path string, glob, fromEnd bool) *follower {
	f := &follower{c: c, src: src, id: src.ID, path: path, glob: glob, wake: newWaker(), fromEnd: fromEnd}
	if glob {
		f.id = path
	}
	if pos, ok := c.from[f.id]; ok {
		f.resume = &pos
		delete(c.from, f.id) // later files of this path have nothing to do with it
	}
	f.st = Status{Source: f.id, Config: src.ID, Path: path, Type: src.Type, State: StateWaiting}
	return f
}

func (f *follower) status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.st
}

func (f *follower) update(change func(*Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.st)
}

// run follows until ctx ends or, for a member of a glob, the file is gone.
func (f *follower) run(ctx context.Context) {
	defer f.close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	bits := wakeAll
	for {
		if bits&wakePath != 0 {
			was := f.looked
			if f.look(); f.looked != was {
				f.report(nil) // reading what is there may take long
			}
		}
		err := f.read(ctx)
		if errors.Is(err, unix.ESTALE) { // of a network file system: open it anew
			f.drop(f.queue[0])
			f.queue = f.queue[1:]
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			f.skipBroken(err)
		}
		f.report(err)
		if f.glob && len(f.queue) == 0 && len(f.linger) == 0 && !f.since.IsZero() && f.resume == nil {
			return
		}
		bits = f.wake.take() | f.pending
		f.pending = 0
		if bits != 0 && err == nil {
			continue
		}
		timer.Reset(f.c.interval(f.hinted))
		select {
		case <-ctx.Done():
			return
		case <-f.wake.c:
			bits |= f.wake.take()
		case <-timer.C:
			bits = wakeAll
		}
	}
}

// skipBroken gives up a replaced file that cannot be read, so that it does not
// keep its successors from being read: a packed one at once, others when they
// have failed for a while.
func (f *follower) skipBroken(err error) {
	if len(f.queue) == 0 {
		return
	}
	g := f.queue[0]
	if g.fails++; !g.fixed && (len(f.queue) == 1 || g.fails < maxFails) {
		return
	}
	f.c.cfg.Logger.Warn("a rotated log file is given up", "source", f.id, "path", g.path, "err", err)
	f.update(func(st *Status) { st.Losses++ })
	f.drop(g)
	f.queue = f.queue[1:]
	f.pending |= wakeAll
}

func (f *follower) close() {
	for _, g := range append(f.queue, f.linger...) {
		f.drop(g)
	}
	f.dir.remove()
	f.real.remove()
}

func (f *follower) drop(g *generation) {
	if g.unwatch != nil {
		g.unwatch()
	}
	f.c.claims.release(g)
	g.src.Close()
}

// keep watches a generation that was opened and gives it to f. It fails if
// another source has it.
func (f *follower) keep(g *generation) bool {
	if !f.c.claims.claim(g, f) {
		g.src.Close()
		return false
	}
	if f.c.watch == nil || g.fd < 0 {
		return true
	}
	undo, err := f.c.watch.addFile(g.fd, f.wake)
	if err != nil {
		f.c.warnOnce("watch", "inotify watches are exhausted, polling some files instead", "path", g.path, "err", err)
		return true
	}
	g.unwatch = undo
	return true
}

// read hands over all that there is, oldest generation first.
func (f *follower) read(ctx context.Context) error {
	if f.announce && len(f.queue) > 0 {
		b := sentinel.Batch{Source: f.id, Type: f.src.Type, Read: time.Now(), ModTime: f.queue[0].mod}
		b.Next = f.queue[0].position(f.id)
		if err := f.deliver(ctx, b); err != nil {
			return err
		}
		f.pos, f.announce = b.Next, false
	}
	for len(f.queue) > 0 {
		g := f.queue[0]
		if err := f.drain(ctx, g); err != nil {
			return err
		}
		if f.queue[0] != g { // truncated, and what was not read is in a copy
			continue
		}
		if len(f.queue) == 1 {
			if g.fixed {
				f.queue = nil
				f.retire(ctx, g)
			}
			break
		}
		if !g.fixed {
			if !f.successorStarted() {
				break
			}
			// The writer has moved on, so that this is the last of g.
			if err := f.drain(ctx, g); err != nil {
				return err
			}
			if f.queue[0] != g {
				continue
			}
		}
		f.queue = append(f.queue[:0], f.queue[1:]...)
		f.retire(ctx, g)
	}
	return f.readLingering(ctx)
}

// successorStarted says whether something was written to a generation after
// the first.
func (f *follower) successorStarted() bool {
	if len(f.queue) > 2 {
		return true
	}
	next := f.queue[1]
	if next.fixed {
		return true
	}
	_, err := next.refresh()
	return err != nil || next.size > 0
}

// retire keeps a generation that was read to its end open for a while.
func (f *follower) retire(ctx context.Context, g *generation) {
	if g.fixed {
		f.tail(ctx, g)
		f.drop(g)
		return
	}
	g.quiet, g.replaced = time.Now(), true
	f.linger = append(f.linger, g)
	if len(f.linger) > maxLinger {
		old := f.linger[0]
		f.linger = append(f.linger[:0], f.linger[1:]...)
		f.tail(ctx, old)
		f.drop(old)
	}
}

// readLingering reads what somebody still wrote to replaced files, and closes
// those that are silent. A file without a name that nobody replaced is treated
// likewise.
func (f *follower) readLingering(ctx context.Context) error {
	kept := f.linger[:0]
	var fault error
	f.lingering = true
	defer func() { f.lingering = false }()
	for i, g := range f.linger {
		if fault = f.drain(ctx, g); fault != nil {
			if ctx.Err() != nil {
				f.linger = append(kept, f.linger[i:]...)
				return fault
			}
			fault = nil // it is leaving anyway
		} else if time.Since(g.quiet) < f.c.cfg.Linger {
			kept = append(kept, g)
			continue
		}
		f.tail(ctx, g)
		f.drop(g)
	}
	f.linger = kept
	if len(f.queue) == 1 && !f.pathOK {
		if g := f.queue[0]; g.nlink == 0 && time.Since(g.quiet) >= f.c.cfg.Linger {
			f.tail(ctx, g)
			f.drop(g)
			f.queue = nil
		}
	}
	return fault
}

// drain hands over the complete lines of g.
func (f *follower) drain(ctx context.Context, g *generation) error {
	changed, err := g.refresh()
	if err != nil || !changed {
		return err
	}
	g.checked = false // until all of it was read
	buf := f.c.bufs.Get().(*[]byte)
	defer func() {
		if buf != nil {
			f.c.bufs.Put(buf)
		}
	}()
	if g.fd >= 0 {
		same, err := g.verify(*buf)
		if err != nil {
			return err
		}
		if !same {
			if f.truncated(g) {
				return nil // the copy first
			}
		}
	}
	for ctx.Err() == nil {
		if g.fd >= 0 && max(g.off, g.scan) >= g.size {
			break
		}
		ch, err := g.next(g.src, *buf)
		if err != nil {
			return fmt.Errorf("reading %s: %w", g.path, err)
		}
		if ch.nuls > 0 {
			f.update(func(st *Status) { st.NULs += ch.nuls })
		}
		if ch.text == "" {
			g.off = max(g.off, ch.end)
			if ch.eof {
				break
			}
			continue
		}
		// Nothing is held while the batch waits to be taken.
		f.c.bufs.Put(buf)
		buf = nil
		if err := f.hand(ctx, g, ch); err != nil {
			return err
		}
		buf = f.c.bufs.Get().(*[]byte)
	}
	g.checked, g.fails = true, 0
	return ctx.Err()
}

// hand delivers a chunk in batches and moves g behind each.
func (f *follower) hand(ctx context.Context, g *generation, ch chunk) error {
	g.quiet = time.Now()
	if ch.cut {
		return f.send(ctx, g, []sentinel.Line{{Text: ch.text, Cut: true}}, ch.end, 0, 1)
	}
	start := ch.end - int64(len(ch.text))
	rest := ch.text
	for rest != "" {
		n := min(strings.Count(rest, "\n"), f.c.cfg.BatchLines)
		var lines []sentinel.Line
		var nuls, cut int
		lines, rest, nuls, cut = split(rest, make([]sentinel.Line, 0, n), n, g.maxLine)
		if err := f.send(ctx, g, lines, start+int64(len(ch.text)-len(rest)), nuls, cut); err != nil {
			return err
		}
	}
	return nil
}

// send delivers one batch and, once it is taken, moves g to end.
func (f *follower) send(ctx context.Context, g *generation, lines []sentinel.Line, end int64, nuls, cut int) error {
	now := time.Now()
	b := sentinel.Batch{Source: f.id, Type: f.src.Type, Lines: lines, Read: now, ModTime: g.mod}
	// A replaced file does not move the source's position, which is already in
	// the next one.
	switch {
	case !g.replaced:
		g.print(end)
		b.Next = g.position(f.id)
		b.Next.Offset = end
	case len(f.queue) > 0:
		b.Next = f.queue[0].position(f.id)
	default:
		b.Next = f.pos
	}
	b.From = g.position(f.id)
	b.To = b.From
	b.To.Offset = end
	if err := f.deliver(ctx, b); err != nil {
		return err
	}
	f.pos = b.Next
	size := end - g.off
	g.off = end
	f.update(func(st *Status) {
		st.LastRead, st.Looked = now, now
		st.Lines += int64(len(lines))
		st.Bytes += size
		st.NULs += int64(nuls)
		st.Cut += int64(cut)
		f.measure(st)
	})
	return nil
}

// deliver blocks until b is taken or ctx ends. Meanwhile it notices what
// replaces the file, so that even one that comes and goes is opened in time.
func (f *follower) deliver(ctx context.Context, b sentinel.Batch) error {
	select {
	case f.c.out <- b:
		return nil
	default:
	}
	f.update(func(st *Status) { st.Blocked = true })
	defer f.update(func(st *Status) { st.Blocked = false })
	tick := time.NewTicker(f.c.interval(f.hinted))
	defer tick.Stop()
	for {
		bits := wakePath
		select {
		case f.c.out <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-f.wake.c:
			bits = f.wake.take()
		case <-tick.C:
		}
		f.pending |= bits | wakeData
		if bits&wakePath != 0 && !f.lingering {
			f.look()
		}
		for _, g := range f.queue {
			if g.fd < 0 {
				continue
			}
			var st unix.Stat_t
			if unix.Fstat(g.fd, &st) == nil {
				g.ahead = st.Size
			}
		}
		f.update(f.measure)
	}
}

// tail hands over what is left of a file that is closed for good: a last line
// without newline. Failing is no loss that anybody could mend.
func (f *follower) tail(ctx context.Context, g *generation) {
	buf := make([]byte, g.maxLine)
	n, err := readAt(g.src, buf, g.off)
	if skip := leadingNULs(buf[:n]); err == nil && n > skip && ctx.Err() == nil {
		line := sentinel.Line{Text: string(buf[skip:n]), Cut: n == len(buf)}
		err = f.send(ctx, g, []sentinel.Line{line}, g.off+int64(n), skip, 0)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		f.c.cfg.Logger.Debug("the end of a rotated file was not read", "path", g.path, "err", err)
	}
}

// measure brings offset, lag and the like up to date.
func (f *follower) measure(st *Status) {
	st.Offset, st.Lag, st.File = 0, 0, ""
	for i, g := range f.queue {
		if i == 0 {
			st.Offset, st.File = g.off, g.path
		}
		if g.fd >= 0 {
			st.Lag += max(0, max(g.size, g.ahead)-g.off)
		}
	}
}
