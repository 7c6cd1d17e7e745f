// Package collect finds and follows log files and turns what is written to
// them into batches of lines, resuming where it stopped.
//
// The log files themselves are the buffer: a follower that cannot hand over its
// batch does not read on, so that neither a flood nor a slow reader fills
// memory. Each path has one goroutine that reads its generations (the file, and
// what it was renamed to) strictly one after the other, so that one Position
// says how far the source was examined.
//
// inotify events are hints that save waiting. They overflow and get lost, so
// every file is also looked at once per Config.Poll.
package collect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Source is one entry of the configuration: a file, a glob or, by its Type, a
// journal.
type Source struct {
	// ID names the source. Empty means Path, or JournalID without one.
	ID string
	// Path is an absolute path of a file, a pattern of filepath.Match, or a socket
	// as sentinel.ParseListen reads it, which Config.Sockets must have. Each
	// file that a pattern matches is a source of its own, whose id is its path.
	// Of a journal it is the directory of its files; empty is the host's own.
	Path string
	// Units are the only ones whose entries are read of a journal; they may be
	// patterns. None means all.
	Units []string
	// Type goes into every batch.
	Type sentinel.SourceType
	// FromStart reads files without a stored position from their beginning
	// even if they exist when Run starts.
	FromStart bool
}

// Config says what to follow and how. Zero values mean the default given.
type Config struct {
	Sources []Source
	// Poll is how often each file is looked at besides inotify, 1 s. Where
	// inotify does not work it is at most 200 ms. With more than 2,000 files it
	// grows by half a millisecond a file.
	Poll time.Duration
	// Roots are the directories that a file must be in after all symbolic links
	// are resolved. Empty means anywhere.
	Roots []string
	// BatchLines is the greatest number of lines in a batch, 512.
	BatchLines int
	// BatchBytes is the greatest text of a batch, 256 KiB; at least 128 KiB.
	BatchBytes int
	// MaxFiles is the greatest number of files followed at once, 5,000.
	MaxFiles int
	// Linger is how long a file that was replaced or deleted must be silent
	// before it is closed, 30 s.
	Linger time.Duration
	// Logger hears of what operators should know, each once. Nil discards.
	Logger *slog.Logger
	// Sockets are what sources that are sockets read from; nil without any.
	Sockets *Sockets

	// noInotify makes tests do without.
	noInotify bool
	// journalctl is another program in tests.
	journalctl string
}

// Bounds of Config.
const (
	defaultPoll       = time.Second
	fastPoll          = 200 * time.Millisecond
	minPoll           = 10 * time.Millisecond
	pollPerFile       = 500 * time.Microsecond
	defaultBatchLines = 512
	defaultBatchBytes = 256 << 10
	minBatchBytes     = 2 * sentinel.MaxLine
	defaultMaxFiles   = 5000
	defaultLinger     = 30 * time.Second
)

func (c *Config) complete() error {
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.BatchLines == 0 {
		c.BatchLines = defaultBatchLines
	}
	if c.BatchBytes == 0 {
		c.BatchBytes = defaultBatchBytes
	}
	if c.MaxFiles == 0 {
		c.MaxFiles = defaultMaxFiles
	}
	if c.Linger == 0 {
		c.Linger = defaultLinger
	}
	if c.journalctl == "" {
		c.journalctl = "journalctl"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Poll < minPoll:
		return fmt.Errorf("poll interval %s is shorter than %s", c.Poll, minPoll)
	case c.BatchLines < 1:
		return fmt.Errorf("batch of %d lines: at least 1 is needed", c.BatchLines)
	case c.BatchBytes < minBatchBytes:
		return fmt.Errorf("batch of %d bytes: at least %d are needed", c.BatchBytes, minBatchBytes)
	case c.MaxFiles < 1:
		return fmt.Errorf("limit of %d files: at least 1 is needed", c.MaxFiles)
	case c.Linger < 0:
		return fmt.Errorf("linger time %s is negative", c.Linger)
	}
	return nil
}

// Collector follows files. Make it with New, start it with Run.
type Collector struct {
	cfg      Config
	roots    []string
	plain    []Source // sources without pattern characters
	globs    []Source
	journals []*journal
	sockets  []*listener
	from     map[string]sentinel.Position

	out     chan<- sentinel.Batch
	stopped <-chan struct{}
	watch   *watcher // nil: polling only
	rescan  *waker   // wakes the scanner
	bufs    sync.Pool
	claims  claims
	warned  onceSet

	mu        sync.Mutex
	followers map[string]*follower // by path
	refused   int                  // files beyond MaxFiles at the last scan
	waiting   []Status             // globs that match nothing
}

// New checks cfg and remembers where to resume. It opens nothing.
func New(cfg Config, from []sentinel.Position) (*Collector, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	c := &Collector{
		from:      make(map[string]sentinel.Position, len(from)),
		rescan:    newWaker(),
		followers: map[string]*follower{},
	}
	c.bufs.New = func() any { b := make([]byte, cfg.BatchBytes); return &b }
	var faults []error
	ids := map[string]bool{}
	var journals []Source
	for _, s := range cfg.Sources {
		if sentinel.IsListen(s.Path) {
			if s.ID == "" {
				s.ID = s.Path
			}
			if ids[s.ID] || cfg.Sockets == nil {
				faults = append(faults, fmt.Errorf("source %q is given twice, or there are no sockets", s.ID))
				continue
			}
			ids[s.ID] = true
			c.sockets = append(c.sockets, c.newListener(s))
			continue
		}
		own := s.Type == sentinel.TypeJournal && s.Path == ""
		if own && s.ID == "" {
			s.ID = JournalID
		}
		if !own && !filepath.IsAbs(s.Path) {
			faults = append(faults, fmt.Errorf("source %q: path %q is not absolute", s.ID, s.Path))
			continue
		}
		if !own {
			s.Path = filepath.Clean(s.Path)
		}
		if s.ID == "" {
			s.ID = s.Path
		}
		if ids[s.ID] {
			faults = append(faults, fmt.Errorf("source %q is given twice", s.ID))
			continue
		}
		ids[s.ID] = true
		if s.Type == sentinel.TypeJournal {
			journals = append(journals, s)
			continue
		}
		if !isGlob(s.Path) {
			c.plain = append(c.plain, s)
			continue
		}
		if _, err := filepath.Match(s.Path, ""); err != nil {
			faults = append(faults, fmt.Errorf("source %q: pattern %q: %w", s.ID, s.Path, err))
			continue
		}
		c.globs = append(c.globs, s)
	}
	for _, r := range cfg.Roots {
		if !filepath.IsAbs(r) {
			faults = append(faults, fmt.Errorf("root %q is not absolute", r))
			continue
		}
		r = filepath.Clean(r)
		if real, err := filepath.EvalSymlinks(r); err == nil {
			r = real
		}
		c.roots = append(c.roots, r)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	for _, p := range from {
		c.from[p.Source] = p
	}
	c.cfg = cfg
	for _, s := range journals {
		c.journals = append(c.journals, c.newJournal(s))
	}
	return c, nil
}

// Run follows the sources until ctx ends, sending batches to out, which it does
// not close. A batch that out does not take before ctx ends is dropped and does
// not count as read: its lines come again after the position stored last. Run
// may be called once. It returns nil, within a second of the end of ctx.
//
// A batch without lines carries only the position of a source that was found
// for the first time, so that lines written while the agent is stopped are
// found even if none was seen before.
func (c *Collector) Run(ctx context.Context, out chan<- sentinel.Batch) error {
	c.out, c.stopped = out, ctx.Done()
	if !c.cfg.noInotify {
		w, err := newWatcher()
		if err != nil {
			c.warnOnce("inotify", "inotify is unavailable, polling instead", "err", err, "every", c.interval(false))
		} else {
			c.watch = w
		}
	}
	var wg sync.WaitGroup
	if c.watch != nil {
		wg.Go(func() { c.watch.run(c.overflow) })
	}
	for _, j := range c.journals {
		wg.Go(func() { j.run(ctx) })
	}
	for _, l := range c.sockets {
		wg.Go(func() { l.run(ctx) })
	}
	c.scanLoop(ctx, &wg)
	if c.watch != nil {
		c.watch.close()
	}
	wg.Wait()
	return nil
}

// overflow wakes everybody after events were lost.
func (c *Collector) overflow() {
	c.cfg.Logger.Debug("inotify queue overflowed, looking at every file")
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.followers {
		f.wake.wake(wakeAll)
	}
	c.rescan.wake(wakeAll)
}

// Status returns one entry for each file, journal and socket followed and for each glob
// that matches nothing, ordered by path. It may be called at any time.
func (c *Collector) Status() []Status {
	c.mu.Lock()
	list := make([]Status, 0, len(c.followers)+len(c.waiting))
	for _, f := range c.followers {
		list = append(list, f.status())
	}
	list = append(list, c.waiting...)
	c.mu.Unlock()
	for _, j := range c.journals {
		list = append(list, j.status())
	}
	for _, l := range c.sockets {
		list = append(list, l.status())
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Path < list[j].Path })
	return list
}

// Refused returns how many files the last scan left out because MaxFiles were
// followed already.
func (c *Collector) Refused() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

// interval is the pause between two looks at a file. hinted says that inotify
// tells of changes to it.
func (c *Collector) interval(hinted bool) time.Duration {
	d := c.cfg.Poll
	if !hinted {
		d = min(d, fastPoll)
	}
	c.mu.Lock()
	n := len(c.followers)
	c.mu.Unlock()
	return max(d, time.Duration(n)*pollPerFile)
}

func (c *Collector) warnOnce(key, msg string, args ...any) {
	if c.warned.first(key) {
		c.cfg.Logger.Warn(msg, args...)
	}
}

// onceSet remembers up to 1,024 keys that were seen.
type onceSet struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

func (o *onceSet) first(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.seen[key]; ok || len(o.seen) >= 1024 {
		return false
	}
	if o.seen == nil {
		o.seen = map[string]struct{}{}
	}
	o.seen[key] = struct{}{}
	return true
}

func isGlob(path string) bool { return strings.ContainsAny(path, `*?[\`) }
