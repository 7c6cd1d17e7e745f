// Package logging writes the agent's own log: as text for people, as JSON for
// collectors, or, below systemd, in the form that the journal understands.
//
// What an attacker wrote may become part of a record. So every character that
// is not printable is written as an escape, whatever the format: one record is
// one line, and it changes nothing on a terminal. A warning that is repeated
// again and again is counted instead of written.
package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Format is how records are written.
type Format string

// The formats. FormatAuto is FormatJournal where standard error is connected to
// the journal and FormatText elsewhere.
const (
	FormatAuto    Format = "auto"
	FormatText    Format = "text"
	FormatJSON    Format = "json"
	FormatJournal Format = "journal"
)

// New returns a logger that writes to w what has the level. A format it does not
// know means text.
func New(w io.Writer, format Format, level slog.Leveler) *slog.Logger {
	opt := &slog.HandlerOptions{Level: level}
	if format == FormatAuto {
		format = detect(os.Getenv("JOURNAL_STREAM"), w)
	}
	var h slog.Handler
	switch format {
	case FormatJSON:
		h = slog.NewJSONHandler(&escaper{w: w}, opt)
	case FormatJournal:
		h = newJournal(w, opt)
	default:
		h = slog.NewTextHandler(w, opt) // it quotes what is not printable
	}
	return slog.New(newLimiter(h))
}

// detect says what to write to w. Systemd puts the device and inode of the
// stream to the journal into JOURNAL_STREAM; a program that redirected its
// output elsewhere still has the variable.
func detect(stream string, w io.Writer) Format {
	f, ok := w.(*os.File)
	if !ok || stream == "" {
		return FormatText
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil || stream != fmt.Sprintf("%d:%d", st.Dev, st.Ino) {
		return FormatText
	}
	return FormatJournal
}

// journal writes "<4>msg key=value": the journal reads the priority of
// sd-daemon(3) and has a clock of its own.
type journal struct {
	out  *prefixer
	text slog.Handler
}

func newJournal(w io.Writer, opt *slog.HandlerOptions) *journal {
	p := &prefixer{w: w}
	text := slog.NewTextHandler(p, &slog.HandlerOptions{
		Level: opt.Level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return a
		},
	})
	return &journal{p, text}
}

// Enabled implements slog.Handler.
func (j *journal) Enabled(ctx context.Context, l slog.Level) bool { return j.text.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (j *journal) Handle(ctx context.Context, r slog.Record) error {
	j.out.mu.Lock()
	defer j.out.mu.Unlock()
	j.out.prefix = priority(r.Level)
	return j.text.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (j *journal) WithAttrs(a []slog.Attr) slog.Handler { return &journal{j.out, j.text.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (j *journal) WithGroup(name string) slog.Handler { return &journal{j.out, j.text.WithGroup(name)} }

// prefixer puts a prefix in front of each record. Its user holds mu.
type prefixer struct {
	mu     sync.Mutex
	prefix string
	w      io.Writer
	buf    []byte
}

// Write implements io.Writer for one record.
func (p *prefixer) Write(record []byte) (int, error) {
	p.buf = append(append(p.buf[:0], p.prefix...), strings.TrimPrefix(string(record), "msg=")...)
	if _, err := p.w.Write(p.buf); err != nil {
		return 0, err
	}
	return len(record), nil
}

// priority is the level as syslog knows it.
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "<3>"
	case l >= slog.LevelWarn:
		return "<4>"
	case l >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

// escaper escapes what JSON leaves as it is though no terminal should see it.
// In JSON such characters stand in texts only.
type escaper struct{ w io.Writer }

// Write implements io.Writer for one record.
func (e *escaper) Write(record []byte) (int, error) {
	if _, err := e.w.Write(escape(record)); err != nil {
		return 0, err
	}
	return len(record), nil
}

func escape(record []byte) []byte {
	text := string(record)
	if strings.IndexFunc(text, hidden) < 0 {
		return record
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return []byte(b.String())
}

func hidden(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }
