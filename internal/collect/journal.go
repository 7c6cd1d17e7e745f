package collect

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"golang.org/x/sys/unix"
)

// The journal is read by a child, journalctl, which knows every version of the
// files' format. It writes to a pipe: while nobody takes a batch nothing is
// read, the pipe fills and journalctl waits. It ends when its standard output
// is closed, so that it does not outlive the agent however that ends.
const (
	journalPipe = 1 << 20 // bytes; the kernel may give less
	// A child that ends is started again after a pause that doubles.
	journalPause    = time.Second
	maxJournalPause = 30 * time.Second
	// steady is how long a child must have run to be called healthy before it
	// wrote anything, and for the pause to begin anew.
	steady = 2 * time.Second
	// journalWait bounds a look at the end of the journal, and how long a child
	// may take to end.
	journalWait = 20 * time.Second
	// aliveEvery is how often it is asked whether journald runs.
	aliveEvery = 5 * time.Second
	maxStderr  = 2 << 10
)

// JournalID is the id of the host's own journal as a source.
const JournalID = "journal"

// journaldSocket is where journald takes entries.
const journaldSocket = "/run/systemd/journal/socket"

// droppedID is the MESSAGE_ID with which journald says that it dropped entries
// of a service that wrote too many.
const droppedID = "a596d6fe7bfa4994828e72309e95d61e"

// journal follows one journal. All fields without a note belong to its
// goroutine.
type journal struct {
	c   *Collector
	src Source
	pos sentinel.Position
	// fresh: nothing was read yet since a child was started at pos.
	fresh bool
	// since is where to go on in place of a cursor that journalctl does not
	// take, if not zero.
	since time.Time

	mu      sync.Mutex // guards the rest
	st      Status
	last    time.Time // when the entry that is handed over was received
	behind  bool      // more waits to be handed over
	silence error     // why journald writes nothing
}

func (c *Collector) newJournal(src Source) *journal {
	j := &journal{c: c, src: src, pos: sentinel.Position{Source: src.ID}}
	if pos, ok := c.from[src.ID]; ok {
		j.pos = pos
	}
	j.st = Status{Source: src.ID, Config: src.ID, Path: cmp.Or(src.Path, JournalID), Type: src.Type, State: StateWaiting, Hinted: true}
	return j
}

func (j *journal) status() Status {
	j.mu.Lock()
	defer j.mu.Unlock()
	st := j.st
	if (j.behind || st.Blocked) && !j.last.IsZero() {
		st.Behind = max(0, time.Since(j.last))
	}
	if st.State == StateActive && j.silence != nil {
		st.State, st.Error = StateFailing, j.silence.Error()
	}
	return st
}

func (j *journal) update(change func(*Status)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.st)
}

func (j *journal) setState(s State, reason string) {
	j.update(func(st *Status) { st.State, st.Error = s, reason })
}

// run follows until ctx ends.
func (j *journal) run(ctx context.Context) {
	if j.src.Path == "" {
		var wg sync.WaitGroup
		wg.Go(func() { j.watchJournald(ctx) })
		defer wg.Wait()
	}
	pause := journalPause
	for {
		began := time.Now()
		err := j.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxJournalPause {
			pause = journalPause
		}
		state := StateFailing
		if isDenied(err) {
			state = StateDenied
		}
		j.setState(state, err.Error())
		j.c.cfg.Logger.Warn("reading the journal failed, it is tried again", "source", j.src.ID, "err", err, "in", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, maxJournalPause)
	}
}

// follow starts a child and hands over what it writes until it ends, which is
// an error unless ctx has ended.
func (j *journal) follow(ctx context.Context) error {
	if err := j.readable(); err != nil {
		return err
	}
	if j.pos.Cursor == "" && j.since.IsZero() && !j.src.FromStart {
		if err := j.seekEnd(ctx); err != nil {
			return err
		}
	}
	args := []string{"--follow", "--no-tail"}
	switch {
	case j.pos.Cursor == "" && !j.since.IsZero():
		args = append(args, fmt.Sprintf("--since=@%d", j.since.Unix()))
	case j.pos.Cursor != "":
		// Including the entry itself, to see that it is still there.
		args = append(args, "--cursor="+j.pos.Cursor)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	child, out, stderr, err := j.start(ctx, args)
	if err != nil {
		return err
	}
	j.fresh = j.pos.Cursor != ""
	healthy := time.AfterFunc(steady, func() { j.setState(StateActive, "") })
	err = j.read(ctx, newExportReader(out))
	healthy.Stop()
	stop()
	out.Close()
	werr := child.Wait()
	if text := lastLine(stderr.String()); text != "" {
		if strings.Contains(text, "cursor") && j.fresh {
			j.forget(text)
		}
		return errors.New(text)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("journalctl has ended: %w", cmp.Or(werr, errNoReason))
	}
	return fmt.Errorf("reading what journalctl writes: %w", err)
}

var (
	errNoReason     = errors.New("it gives no reason")
	errNoJournalctl = errors.New("journalctl is not installed")
)

// start runs journalctl with further arguments. It ends when ctx does.
func (j *journal) start(ctx context.Context, args []string) (*exec.Cmd, *os.File, *tailBuffer, error) {
	program, err := exec.LookPath(j.c.cfg.journalctl)
	if err != nil {
		return nil, nil, nil, errNoJournalctl
	}
	args = append([]string{"--quiet", "--no-pager", "--output=export", "--output-fields=" + exportFields}, args...)
	if j.src.Path != "" {
		args = append(args, "--directory="+j.src.Path)
	}
	for _, u := range j.src.Units {
		args = append(args, "--unit="+u)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer w.Close()
	// Without it the pipe is smaller, nothing else.
	_, _ = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, journalPipe)
	cmd := exec.CommandContext(ctx, program, args...)
	stderr := &tailBuffer{}
	cmd.Stdout, cmd.Stderr = w, stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_LOG_LEVEL=warning", "SYSTEMD_COLORS=0")
	cmd.WaitDelay = journalWait
	if err := cmd.Start(); err != nil {
		r.Close()
		return nil, nil, nil, fmt.Errorf("starting journalctl: %w", err)
	}
	return cmd, r, stderr, nil
}

// seekEnd takes the journal's newest entry as read, and hands over that
// position, so that what is written while the agent is stopped is found.
func (j *journal) seekEnd(parent context.Context) error {
	ctx, stop := context.WithTimeout(parent, journalWait)
	defer stop()
	child, out, stderr, err := j.start(ctx, []string{"--lines=1"})
	if err != nil {
		return err
	}
	e, err := newExportReader(out).next()
	var cursor string
	if err == nil {
		cursor = string(e.values[fieldCursor])
	}
	stop()
	out.Close()
	_ = child.Wait() // it was ended
	if err != nil && err != io.EOF {
		return fmt.Errorf("looking for the end of the journal: %w", err)
	}
	if text := lastLine(stderr.String()); text != "" && cursor == "" {
		return errors.New(text)
	}
	if cursor == "" {
		return nil // empty: all that comes is new
	}
	return j.deliver(parent, &journalBatch{cursor: cursor})
}

// read hands over entries until there is an error, as when the child ends.
func (j *journal) read(ctx context.Context, x *exportReader) error {
	var b journalBatch
	for {
		e, err := x.next()
		if err != nil {
			return err // lines that were not handed over are read again
		}
		if !j.resumed(e) {
			b.add(e)
			j.noteDropped(e)
		}
		full := len(b.lines) >= j.c.cfg.BatchLines || len(b.text) >= j.c.cfg.BatchBytes
		if len(b.lines) == 0 || x.buffered() && !full {
			continue
		}
		b.cursor = string(e.values[fieldCursor])
		j.mu.Lock()
		j.behind, j.last = x.buffered(), e.time()
		j.mu.Unlock()
		if err := j.deliver(ctx, &b); err != nil {
			return err
		}
		b.reset()
	}
}

// journalBatch gathers lines.
type journalBatch struct {
	text   []byte
	ends   []int // of each line in text
	lines  []sentinel.Line
	cut    int64
	cursor string // of the last entry
}

func (b *journalBatch) add(e *entry) {
	l := sentinel.Line{Cut: e.cut, Trust: e.trust()}
	from := len(b.text)
	b.text = e.appendLine(b.text, l.Trust)
	if len(b.text)-from > sentinel.MaxLine {
		b.text, l.Cut = b.text[:from+sentinel.MaxLine], true
	}
	if l.Cut {
		b.cut++
	}
	b.ends = append(b.ends, len(b.text))
	b.lines = append(b.lines, l)
}

func (b *journalBatch) reset() { *b = journalBatch{text: b.text[:0], ends: b.ends[:0]} }

// take returns the lines; their text is shared by all.
func (b *journalBatch) take() []sentinel.Line {
	text, from := string(b.text), 0
	for i, end := range b.ends {
		b.lines[i].Text = text[from:end]
		from = end
	}
	return b.lines
}

// deliver hands over a batch and waits until it is taken or ctx ends.
func (j *journal) deliver(ctx context.Context, b *journalBatch) error {
	now := time.Now()
	next := j.pos
	next.Path, next.Cursor = j.filter(), b.cursor
	batch := sentinel.Batch{Source: j.src.ID, Type: j.src.Type, Lines: b.take(), Next: next, Read: now}
	if len(batch.Lines) > 0 {
		batch.From, batch.To = j.pos, next
	}
	select {
	case j.c.out <- batch:
	default:
		j.update(func(st *Status) { st.Blocked = true })
		defer j.update(func(st *Status) { st.Blocked = false })
		select {
		case j.c.out <- batch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	j.pos = next
	j.update(func(st *Status) {
		st.State, st.Error = StateActive, ""
		st.Lines += int64(len(b.lines))
		st.Bytes += int64(len(b.text))
		st.Cut += b.cut
		if len(b.lines) > 0 {
			st.LastRead = now
		}
	})
	return nil
}

// filter says what part of the journal a position is of.
func (j *journal) filter() string {
	return strings.Join(append([]string{cmp.Or(j.src.Path, JournalID)}, j.src.Units...), " ")
}

// resumed reports whether e is the entry that was read last before the child
// was started. If another stands in its place, entries may be gone.
func (j *journal) resumed(e *entry) bool {
	if !j.fresh {
		return false
	}
	j.fresh = false
	if sameEntry(string(e.values[fieldCursor]), j.pos.Cursor) {
		return true
	}
	if j.pos.Path != j.filter() {
		return false // other units than before: the entry may be of another
	}
	gap := "the entry that was read last is no longer in the journal"
	if t := cursorTime(j.pos.Cursor); !t.IsZero() {
		gap = fmt.Sprintf("entries between %s and %s may be missing: the entry that was read last is no longer in the journal",
			t.Format(time.RFC3339), e.time().Format(time.RFC3339))
	}
	j.lose(gap)
	return false
}

// forget gives up a cursor that journalctl does not take.
func (j *journal) forget(why string) {
	j.lose(fmt.Sprintf("the place where reading stopped is lost (%s): entries may be missing", why))
	j.since = cursorTime(j.pos.Cursor)
	j.pos.Cursor = ""
}

// noteDropped counts what journald itself says that it dropped.
func (j *journal) noteDropped(e *entry) {
	if string(e.values[fieldMessageID]) != droppedID || string(e.values[fieldTransport]) != "driver" {
		return
	}
	j.lose("journald dropped entries: " + string(appendEscaped(nil, e.values[fieldMessage])))
}

func (j *journal) lose(note string) {
	j.update(func(st *Status) { st.Losses++; st.Note = note })
	j.c.cfg.Logger.Warn("entries of the journal may be lost", "source", j.src.ID, "why", note)
}

// readable says why the journal cannot be read by us, if so: journalctl shows
// what it may and calls that all.
func (j *journal) readable() error {
	dirs := []string{j.src.Path}
	if j.src.Path == "" {
		dirs = journalDirs
	}
	_, err := newestJournal(dirs)
	return err
}

// newestJournal returns when one of the journal's files was written to last,
// zero without files. It fails if there are files and none can be read.
func newestJournal(dirs []string) (newest time.Time, err error) {
	for _, dir := range dirs {
		for _, pattern := range []string{"*.journal", "*/system.journal"} {
			files, _ := filepath.Glob(filepath.Join(dir, pattern)) // the patterns are valid
			for _, path := range files {
				f, ferr := os.Open(path)
				if ferr != nil {
					if isDenied(ferr) {
						err = fmt.Errorf("opening %s: %w; add the agent's user to the group systemd-journal", path, os.ErrPermission)
					}
					continue
				}
				info, ferr := f.Stat()
				f.Close()
				if ferr == nil && info.ModTime().After(newest) {
					newest = info.ModTime()
				}
			}
		}
	}
	if !newest.IsZero() {
		return newest, nil
	}
	return newest, err
}

// copies are the files to which syslog writes what it has from the journal.
var copies = []string{"auth.log", "secure", "syslog", "messages", "kern.log", "mail.log", "mail.err", "maillog", "daemon.log", "user.log", "cron.log", "cron", "ufw.log"}

// CopyOfJournal reports whether a file below /var/log is one that syslog copies
// from the journal. One with lines that are newer than the journal is not.
func CopyOfJournal(path string) bool {
	if filepath.Dir(path) != "/var/log" || !slices.Contains(copies, filepath.Base(path)) {
		return false
	}
	info, err := os.Stat(path)
	if err != nil {
		return true
	}
	newest, err := newestJournal(journalDirs)
	return err == nil && info.ModTime().Before(newest.Add(copyLead))
}

// copyLead is how much newer than the journal its copy may look.
const copyLead = time.Minute

// journalDirs are where the host's own journal is kept.
var journalDirs = []string{"/run/log/journal", "/var/log/journal"}

// watchJournald asks from time to time whether journald takes entries: while it
// does not, journalctl just waits.
func (j *journal) watchJournald(ctx context.Context) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		err := journaldAlive()
		j.mu.Lock()
		j.silence = err
		j.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// journaldAlive connects to journald's socket and sends nothing.
func journaldAlive() error {
	c, err := net.Dial("unixgram", journaldSocket)
	if err != nil {
		return errors.New("systemd-journald does not run, so that nothing comes into the journal")
	}
	c.Close()
	return nil
}

// tailBuffer keeps the last maxStderr bytes written to it.
type tailBuffer struct {
	mu sync.Mutex
	b  []byte
}

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-maxStderr):]
	return len(p), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return string(bytes.ToValidUTF8([]byte(text[strings.LastIndexByte(text, '\n')+1:]), []byte("?")))
}

// JournalWorks says why the host's own journal cannot be followed, nil if it
// can: journald runs, journalctl is there, and the files can be read.
func JournalWorks() error {
	if err := journaldAlive(); err != nil {
		return err
	}
	if _, err := exec.LookPath("journalctl"); err != nil {
		return errNoJournalctl
	}
	newest, err := newestJournal(journalDirs)
	if err == nil && newest.IsZero() {
		err = errors.New("there are no files of a journal")
	}
	return err
}
