package collect

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// rejournal reads a journal again, from where the last span of it ended.
type rejournal struct {
	j      *journal
	at     string // cursor of the entry read last
	stop   context.CancelFunc
	child  *exec.Cmd
	out    *os.File
	stderr *tailBuffer
	x      *exportReader
}

// journal returns the lines of a span of a journal.
func (r *Rereader) journal(ctx context.Context, span sentinel.Span) ([]sentinel.Line, error) {
	g := r.journals[span.Source]
	if g == nil {
		return nil, fmt.Errorf("source %q: %w", span.Source, ErrGone)
	}
	if g.x == nil || g.at != span.From.Cursor {
		if err := g.seek(ctx, span.From.Cursor); err != nil {
			return nil, err
		}
	}
	var b journalBatch
	for len(b.lines) < span.Lines {
		e, err := g.x.next()
		if err == io.EOF {
			err = ErrGone
		}
		if err != nil {
			g.close()
			return nil, err
		}
		b.add(e)
		g.at = string(e.values[fieldCursor])
	}
	if !sameEntry(g.at, span.To.Cursor) { // entries between them are gone
		g.close()
		return nil, ErrGone
	}
	g.at = span.To.Cursor
	return b.take(), nil
}

// seek starts reading after an entry, or at the beginning.
func (g *rejournal) seek(ctx context.Context, cursor string) error {
	g.close()
	ctx, g.stop = context.WithCancel(ctx)
	args := []string{"--no-tail"}
	if cursor != "" {
		args = append(args, "--cursor="+cursor)
	}
	var err error
	if g.child, g.out, g.stderr, err = g.j.start(ctx, args); err != nil {
		g.child = nil
		return err
	}
	g.x = newExportReader(g.out)
	if cursor == "" {
		return nil
	}
	e, err := g.x.next()
	if err != nil || !sameEntry(string(e.values[fieldCursor]), cursor) {
		text := lastLine(g.stderr.String())
		g.close()
		if err != nil && err != io.EOF {
			return fmt.Errorf("reading what journalctl writes: %w", err)
		}
		return fmt.Errorf("%w: its beginning is not in the journal %s", ErrGone, text)
	}
	g.at = cursor
	return nil
}

// close ends the child, if there is one.
func (g *rejournal) close() {
	if g.stop != nil {
		g.stop()
	}
	if g.child != nil {
		g.out.Close()
		_ = g.child.Wait() // it was ended
	}
	g.child, g.x, g.stop = nil, nil, nil
}
