package collect

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"golang.org/x/sys/unix"
)

// look asks what stands at the path. A file that was not there before is
// opened and becomes the last generation, after those that came and went
// unseen in between.
func (f *follower) look() {
	f.dir.set(f, f.path)
	var st unix.Stat_t
	if err := stat(f.path, &st); err != nil {
		f.pathOK = false
		if isMissing(err) {
			f.missing()
		} else {
			f.state(stateOf(err), err)
		}
		return
	}
	f.since = time.Time{}
	if last := f.last(); last != nil && last.key == keyOf(&st) {
		f.pathOK = true
		// Reading goes on, but a restart would fail.
		if err := unix.Faccessat(unix.AT_FDCWD, f.path, unix.R_OK, unix.AT_EACCESS); err == unix.EACCES {
			f.state(StateDenied, err)
		} else {
			f.state(StateActive, nil)
		}
		return
	}
	f.pathOK = false
	if len(f.queue) >= maxQueue {
		f.pending |= wakePath // once there is room
		return
	}
	if f.returned(keyOf(&st)) {
		return
	}
	g, err := f.c.openFile(f.path)
	if err != nil {
		if isMissing(err) {
			f.missing()
			return
		}
		s := stateOf(err)
		f.state(s, err)
		if s == StateRefused {
			f.fromEnd = false // what comes later was not there before us
			f.c.warnOnce("refused "+f.path, "a log file is refused", "source", f.id, "err", err)
		}
		return
	}
	real := g.path
	f.adopt(g)
	if real != f.path {
		f.real.set(f, real)
	}
}

func (f *follower) last() *generation {
	if len(f.queue) == 0 {
		return nil
	}
	return f.queue[len(f.queue)-1]
}

// returned takes back a file that was replaced a moment ago and now stands at
// the path again, as a symbolic link may do.
func (f *follower) returned(key fileKey) bool {
	for _, g := range f.queue {
		if g.key == key {
			return true // its turn comes
		}
	}
	for i, g := range f.linger {
		if g.key == key {
			f.linger = append(f.linger[:i], f.linger[i+1:]...)
			g.replaced, g.checked = false, false
			f.queue = append(f.queue, g)
			f.pathOK = true
			f.state(StateActive, nil)
			return true
		}
	}
	return false
}

// missing notes that nothing stands at the path.
func (f *follower) missing() {
	f.fromEnd = false
	if f.since.IsZero() {
		f.since = time.Now()
	}
	if f.resume != nil && len(f.queue) == 0 {
		// Rotated while we were away, and not yet made anew?
		if g := f.c.locate(f.path, "", *f.resume, fileKey{}); g != nil && f.keep(g) {
			f.queue = append(f.queue, g)
			f.resume = nil
		}
	}
	if last := f.last(); last != nil && len(f.queue) < maxQueue {
		// Its successor may have been moved away too.
		known := append(append([]*generation{}, f.queue...), f.linger...)
		missed := f.kept(f.c.between(f.path, "", last, nil, known))
		f.queue = append(f.queue, missed...)
		f.update(func(st *Status) { st.Rotations += int64(len(missed)) })
	}
	for _, g := range f.queue {
		g.moved()
	}
	if len(f.queue) > 0 {
		f.state(StateDraining, nil)
	} else {
		f.state(StateMissing, nil)
	}
}

// adopt makes the file found at the path the last generation.
func (f *follower) adopt(g *generation) {
	if !f.keep(g) {
		f.state(StateDuplicate, errDuplicate)
		return
	}
	f.pathOK = true
	switch {
	case f.resume != nil:
		f.resumed(g, *f.resume)
		f.resume = nil
	case len(f.queue) > 0 || len(f.linger) > 0:
		f.rotated(g)
	case f.fromEnd:
		f.begin(g)
	default:
		g.off = f.c.claims.left(g)
		g.print(g.off)
		f.queue = append(f.queue, g)
		f.announce = true
	}
	f.fromEnd = false
	f.state(StateActive, nil)
}

// rotated puts g behind the generations that are open.
func (f *follower) rotated(g *generation) {
	old := f.last()
	if old == nil {
		old = f.linger[len(f.linger)-1]
	}
	old.moved()
	g.off = f.c.claims.left(g)
	g.print(g.off)
	known := append(append([]*generation{g}, f.queue...), f.linger...)
	missed := f.kept(f.c.between(f.path, g.path, old, g, known))
	f.queue = append(append(f.queue, missed...), g)
	f.update(func(st *Status) { st.Rotations += 1 + int64(len(missed)) })
}

// kept claims and watches each generation and leaves out what others follow.
func (f *follower) kept(list []*generation) []*generation {
	mine := list[:0]
	for _, g := range list {
		if f.keep(g) {
			mine = append(mine, g)
		}
	}
	return mine
}

// begin starts at the end of a file that was there before us.
func (f *follower) begin(g *generation) {
	end, err := g.lastLineEnd()
	if err != nil {
		f.c.cfg.Logger.Warn("a log file is read from its beginning", "source", f.id, "err", err)
		end = 0
	}
	g.off = end
	g.print(end)
	f.queue = append(f.queue, g)
	f.announce = true
}

// resumed puts g and what is to be read before it into the queue.
func (f *follower) resumed(g *generation, pos sentinel.Position) {
	var buf [fingerprintMax]byte
	_, same, err := fingerprint(g.src, buf[:], pos.Fingerprint, pos.FingerprintLen, pos.FingerprintLen)
	sameFile := g.key.ino == pos.Inode && (pos.FingerprintLen > 0 || g.key.dev == pos.Device)
	if sameFile && err == nil && same && g.size >= pos.Offset {
		g.off, g.fp, g.fpLen = pos.Offset, pos.Fingerprint, pos.FingerprintLen
		f.queue = append(f.queue, g)
		return
	}
	old := f.c.locate(f.path, g.path, pos, g.key)
	if old == nil || !f.keep(old) {
		lost := pos.Offset > 0
		f.c.cfg.Logger.Warn("the file read last is gone, reading the new one from its beginning",
			"source", f.id, "path", pos.Path)
		f.queue = append(f.queue, g)
		f.update(func(st *Status) {
			if lost {
				st.Losses++
			}
		})
		return
	}
	young := g
	if sameFile {
		young = nil // older than its copies
		// Truncated after a copy was made: between the two lines may be lost.
		f.update(func(st *Status) { st.Losses++ })
	}
	f.queue = append(f.queue, old)
	missed := f.kept(f.c.between(f.path, g.path, old, young, []*generation{old, g}))
	f.queue = append(append(f.queue, missed...), g)
	f.update(func(st *Status) { st.Rotations += 1 + int64(len(missed)) })
}

// truncated makes g begin anew. If it was copied before, what was not read yet
// is read from the copy first. Lines written between the copy and the
// truncation are lost to everybody.
func (f *follower) truncated(g *generation) (copied bool) {
	pos := g.position(f.id)
	real := g.path
	first := len(f.queue) > 0 && f.queue[0] == g
	g.restart()
	f.update(func(st *Status) { st.Losses++ })
	if !first || pos.FingerprintLen < minCopyPrint {
		return false
	}
	rest := f.c.locate(f.path, real, pos, g.key)
	if rest == nil {
		return false
	}
	if rest.size <= pos.Offset {
		rest.src.Close()
		return false
	}
	if !f.keep(rest) {
		return false
	}
	f.queue = append([]*generation{rest}, f.queue...)
	return true
}

func stateOf(err error) State {
	switch {
	case isDenied(err):
		return StateDenied
	case errors.Is(err, errRefused):
		return StateRefused
	}
	return StateFailing
}

func (f *follower) state(s State, err error) {
	f.looked, f.lookErr = s, err
}

// report publishes what the last look and the last reading came to.
func (f *follower) report(err error) {
	f.hinted = f.c.watch != nil && f.dir.exact
	for _, g := range f.queue {
		f.hinted = f.hinted && (g.unwatch != nil || g.fd < 0)
	}
	s, why := f.looked, f.lookErr
	if s == StateDraining && len(f.queue) == 0 {
		s = StateMissing
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s, why = StateFailing, err
	}
	f.update(func(st *Status) {
		st.State, st.Error, st.Hinted, st.Looked = s, "", f.hinted, time.Now()
		if why != nil {
			st.Error = why.Error()
		}
		f.measure(st)
	})
}

// dirWatch is the watch on the directory in which a path's name stands, or on
// the nearest one above that exists.
type dirWatch struct {
	undo  func()
	dir   string
	ino   uint64
	exact bool // on the directory itself
}

func (d *dirWatch) remove() {
	if d.undo != nil {
		d.undo()
		d.undo = nil
	}
}

// set watches the directory of path for f, if that is not watched already.
func (d *dirWatch) set(f *follower, path string) {
	if f.c.watch == nil {
		return
	}
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	var st unix.Stat_t
	for {
		err := stat(dir, &st)
		if err == nil || dir == "/" {
			break
		}
		name = filepath.Base(dir)
		dir = filepath.Dir(dir)
	}
	if d.undo != nil && d.dir == dir && d.ino == st.Ino {
		return
	}
	d.remove()
	undo, err := f.c.watch.addDir(dir, name, f.wake)
	if err != nil {
		if !isMissing(err) {
			f.c.warnOnce("watch", "inotify watches are exhausted, polling some files instead", "path", dir, "err", err)
		}
		*d = dirWatch{}
		return
	}
	*d = dirWatch{undo: undo, dir: dir, ino: st.Ino, exact: dir == filepath.Dir(path)}
}
