package collect

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// scanPolls is how many poll intervals lie between two looks at all globs
	// that nothing gave reason for.
	scanPolls = 10
	// scanPause is the least time between two looks: whoever makes files fast
	// does not keep us busy.
	scanPause = 50 * time.Millisecond
)

// scanLoop starts followers for what the sources name, until ctx ends.
func (c *Collector) scanLoop(ctx context.Context, wg *sync.WaitGroup) {
	dirs := map[string]dirWatch{}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer func() {
		for _, d := range dirs {
			d.remove()
		}
	}()
	for first := true; ; first = false {
		c.rescan.take()
		if c.watch != nil {
			c.watchGlobs(dirs)
		}
		c.scan(ctx, wg, first)
		timer.Reset(scanPause)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if len(c.globs) == 0 {
			<-ctx.Done()
			return
		}
		timer.Reset(scanPolls * c.interval(c.watch != nil))
		select {
		case <-ctx.Done():
			return
		case <-c.rescan.c:
		case <-timer.C:
		}
	}
}

// scan starts and stops followers.
func (c *Collector) scan(ctx context.Context, wg *sync.WaitGroup, first bool) {
	// The directories are read before the lock is taken: they may be slow.
	matches := make([][]string, len(c.globs))
	for i, s := range c.globs {
		matches[i], _ = filepath.Glob(s.Path) // the pattern was checked by New
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for path, f := range c.followers {
		if f.done {
			delete(c.followers, path)
		}
	}
	refused := 0
	start := func(s Source, path string, glob bool) {
		if c.followers[path] != nil {
			return
		}
		if len(c.followers) >= c.cfg.MaxFiles {
			refused++
			return
		}
		f := c.newFollower(s, path, glob, first && !s.FromStart)
		fctx, cancel := context.WithCancel(ctx)
		f.stop = cancel
		c.followers[path] = f
		wg.Go(func() {
			defer cancel()
			f.run(fctx)
			c.mu.Lock()
			f.done = true
			c.mu.Unlock()
			c.rescan.wake(wakePath) // its file may be back by now
		})
	}
	for _, s := range c.plain {
		start(s, s.Path, false)
	}
	c.waiting = c.waiting[:0]
	for i, s := range c.globs {
		names := c.current(matches[i])
		for _, path := range names {
			start(s, path, true)
		}
		if len(names) == 0 {
			c.waiting = append(c.waiting, Status{
				Source: s.ID, Config: s.ID, Path: s.Path, Type: s.Type, State: StateWaiting, Hinted: c.watch != nil,
			})
		}
	}
	if c.refused = refused; refused > 0 {
		c.warnOnce("max_files", "more log files than may be followed, the rest is left out",
			"limit", c.cfg.MaxFiles, "left_out", refused)
	}
}

// current leaves out of a glob's matches what is not a log of its own:
// compressed files, and rotated ones of a log that is followed or matched too.
// Followers of such, started before the log itself was there, are stopped.
// The caller holds c.mu.
func (c *Collector) current(paths []string) []string {
	known := make(map[string]bool, len(paths))
	for _, p := range paths {
		known[p] = true
	}
	kept := paths[:0]
	for _, p := range paths {
		if !c.isRotated(p, known) {
			kept = append(kept, p)
		} else if f := c.followers[p]; f != nil && f.glob {
			f.stop()
		}
	}
	return kept
}

func (c *Collector) isRotated(path string, known map[string]bool) bool {
	dir, name := filepath.Split(path)
	for _, ext := range [...]string{".gz", ".xz", ".bz2", ".zst", ".lz4"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	// Cut the name at each separator: what stands before may be the log, or,
	// with the extension put back, stem.ext of stem-date.ext.
	ext := filepath.Ext(name)
	for i := 1; i < len(name); i++ {
		if strings.IndexByte("._-", name[i]) < 0 {
			continue
		}
		for _, base := range [...]string{name[:i], name[:i] + ext} {
			if base == name || !known[dir+base] && c.followers[dir+base] == nil {
				continue
			}
			if _, _, ok := rotation(name, base); ok {
				return true
			}
		}
	}
	return false
}

// watchGlobs watches every directory in which a match may appear.
func (c *Collector) watchGlobs(dirs map[string]dirWatch) {
	want := map[string]bool{}
	for _, s := range c.globs {
		pattern := filepath.Dir(s.Path)
		for {
			if !isGlob(pattern) {
				dir := pattern
				for {
					undo, err := c.watch.addDir(dir, "", c.rescan)
					if err == nil {
						undo() // it only was to see whether there is one
						want[dir] = true
						break
					}
					if dir == "/" {
						break
					}
					dir = filepath.Dir(dir)
				}
				break
			}
			matches, _ := filepath.Glob(pattern)
			for _, m := range matches {
				if len(want) < c.cfg.MaxFiles {
					want[m] = true
				}
			}
			pattern = filepath.Dir(pattern)
		}
	}
	for dir, d := range dirs {
		if !want[dir] {
			d.remove()
			delete(dirs, dir)
		}
	}
	for dir := range want {
		undo, err := c.watch.addDir(dir, "", c.rescan)
		if err != nil {
			if !isMissing(err) {
				c.warnOnce("watch", "inotify watches are exhausted, polling some files instead", "path", dir, "err", err)
			}
			continue
		}
		// The new watch before the old one goes: usually they are the same.
		old := dirs[dir]
		dirs[dir] = dirWatch{undo: undo, dir: dir}
		old.remove()
	}
}
