package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// ErrGone says that what a batch was read from is not to be had any more.
var ErrGone = errors.New("no longer there")

// maxReread is how many files a Rereader holds open.
const maxReread = 16

// Rereader reads again what batches held. It is not safe for concurrent use;
// Close it after use.
type Rereader struct {
	c    *Collector
	buf  []byte
	open []*generation // the latest used is last
	// journals are those of the configuration, by source.
	journals map[string]*rejournal
}

// NewRereader checks cfg. Of its Sources only journals are needed.
func NewRereader(cfg Config) (*Rereader, error) {
	c, err := New(cfg, nil)
	if err != nil {
		return nil, err
	}
	r := &Rereader{c: c, buf: make([]byte, c.cfg.BatchBytes), journals: map[string]*rejournal{}}
	for _, j := range c.journals {
		r.journals[j.src.ID] = &rejournal{j: j}
	}
	return r, nil
}

// Close closes the files.
func (r *Rereader) Close() {
	for _, g := range r.open {
		g.src.Close()
	}
	r.open = nil
	for _, j := range r.journals {
		j.close()
	}
}

// Read returns the batch that span is of, with the same lines, also if its file
// was renamed, copied or packed by a rotation since. ErrGone says that there is
// no such file any more.
func (r *Rereader) Read(ctx context.Context, span sentinel.Span) (sentinel.Batch, error) {
	b := sentinel.Batch{
		Source: span.Source, Type: span.Type, From: span.From, To: span.To, Next: span.To, Read: span.Read, ModTime: span.ModTime,
	}
	if span.To.Cursor != "" {
		var err error
		if b.Lines, err = r.journal(ctx, span); err != nil {
			return b, fmt.Errorf("reading the journal again: %w", err)
		}
		return b, nil
	}
	g, err := r.find(span)
	if err != nil {
		return b, fmt.Errorf("reading %s again: %w", span.To.Path, err)
	}
	if b.Lines, err = r.lines(ctx, g, span.From.Offset, span.To.Offset); err != nil {
		return b, fmt.Errorf("reading %s again: %w", g.path, err)
	}
	return b, nil
}

// find returns the file of a span, open.
func (r *Rereader) find(span sentinel.Span) (*generation, error) {
	pos := span.To
	for i, g := range r.open {
		if g.key.ino == pos.Inode && g.key.dev == pos.Device && r.holds(g, span) {
			r.open = append(append(r.open[:i], r.open[i+1:]...), g)
			return g, nil
		}
	}
	if pos.Path == "" {
		return nil, ErrGone
	}
	g, err := r.c.openFile(pos.Path)
	if err != nil || g.key.ino != pos.Inode || !r.holds(g, span) {
		if err == nil {
			g.src.Close()
		}
		place := pos.Path
		if filepath.IsAbs(span.Source) && !isGlob(span.Source) {
			place = span.Source
		}
		if g = r.c.locate(place, pos.Path, pos, fileKey{}); g == nil {
			return nil, ErrGone
		}
	}
	if len(r.open) == maxReread {
		r.open[0].src.Close()
		r.open = append(r.open[:0], r.open[1:]...)
	}
	r.open = append(r.open, g)
	return g, nil
}

// holds reports whether the file still begins as it did and is long enough.
func (r *Rereader) holds(g *generation, span sentinel.Span) bool {
	if _, err := g.refresh(); err != nil || g.size < span.To.Offset {
		return false
	}
	_, same, err := fingerprint(g.src, r.buf, span.To.Fingerprint, span.To.FingerprintLen, span.To.FingerprintLen)
	return err == nil && same
}

// lines splits what lies between two offsets as it was split the first time.
func (r *Rereader) lines(ctx context.Context, g *generation, from, to int64) (all []sentinel.Line, err error) {
	src := io.NewSectionReader(g.src, 0, max(to, 0))
	at := lineReader{off: from, maxLine: sentinel.MaxLine}
	for at.off < to {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ch, err := at.next(src, r.buf)
		switch {
		case err != nil:
			return nil, err
		case ch.cut:
			all = append(all, sentinel.Line{Text: ch.text, Cut: true})
		case ch.text != "":
			for rest := ch.text; rest != ""; {
				all, rest, _, _ = split(rest, all, len(all)+r.c.cfg.BatchLines, sentinel.MaxLine)
			}
		case ch.eof: // the end of a closed file, without a newline
			n, err := readAt(src, r.buf[:sentinel.MaxLine], at.off)
			if err != nil {
				return nil, err
			}
			if skip := leadingNULs(r.buf[:n]); n > skip {
				all = append(all, sentinel.Line{Text: string(r.buf[skip:n]), Cut: n == sentinel.MaxLine})
			}
			return all, nil
		}
		at.off = max(at.off, ch.end)
	}
	return all, nil
}
