package collect

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// wantAgain reads all spans again and compares the lines.
func wantAgain(t *testing.T, spans []sentinel.Span, want []string) {
	t.Helper()
	r, err := NewRereader(Config{})
	must(t, err)
	defer r.Close()
	var got []string
	for _, span := range spans {
		b, err := r.Read(t.Context(), span)
		must(t, err)
		if len(b.Lines) != span.Lines {
			t.Fatalf("%d lines of %+v", len(b.Lines), span)
		}
		for _, l := range b.Lines {
			got = append(got, l.Text)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("read again: %d lines, want %d", len(got), len(want))
	}
}

func TestReread(t *testing.T) {
	long := strings.Repeat("x", 3*sentinel.MaxLine)
	for _, c := range []struct {
		name string
		then func(t *testing.T, path string)
		gone bool
	}{
		{name: "as it was", then: func(*testing.T, string) {}},
		{name: "grown", then: func(t *testing.T, path string) { write(t, path, "more\n") }},
		{name: "renamed", then: func(t *testing.T, path string) {
			must(t, os.Rename(path, path+".1"))
			write(t, path, "a successor\n")
		}},
		{name: "renamed twice", then: func(t *testing.T, path string) {
			must(t, os.Rename(path, path+".2"))
			write(t, path+".1", "a successor\n")
		}},
		{name: "packed", then: func(t *testing.T, path string) {
			must(t, os.Rename(path, path+".1"))
			pack(t, path+".1")
			write(t, path, "a successor\n")
		}},
		{name: "copied and truncated", then: func(t *testing.T, path string) {
			copyFile(t, path, path+".1")
			must(t, os.Truncate(path, 0))
			write(t, path, strings.Repeat("others\n", 60_000))
		}},
		{name: "deleted", then: func(t *testing.T, path string) {
			must(t, os.Remove(path))
			write(t, path, strings.Repeat("others\n", 60_000))
		}, gone: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := tempLog(t)
			lines := numbered(0, 1500)
			write(t, path, text(lines[:700])+"\x00\x00\x00"+text(lines[700:1499])+long+"\n"+text(lines[1499:])+"\r\n")
			r := follow(t, one(path), nil)
			r.until("the lines", func() bool { return len(r.got()) == 1502 })
			r.stop()
			c.then(t, path)
			if !c.gone {
				wantAgain(t, r.spans, r.lines)
				return
			}
			again, err := NewRereader(Config{})
			must(t, err)
			defer again.Close()
			if _, err := again.Read(t.Context(), r.spans[0]); !errors.Is(err, ErrGone) {
				t.Errorf("error = %v, want ErrGone", err)
			}
		})
	}
}

// What somebody still wrote to a file after its successor was begun, and a last
// line without newline, are read again as well.
func TestRereadOfReplacedFile(t *testing.T) {
	path := tempLog(t)
	cfg := one(path)
	cfg.Linger = 200 * time.Millisecond
	write(t, path, "one\n")
	r := follow(t, cfg, nil)
	r.want("one")
	must(t, os.Rename(path, path+".1"))
	write(t, path, "two\n")
	r.want("one", "two")
	write(t, path+".1", "late\nno newline")
	r.want("one", "two", "late", "no newline")
	r.stop()
	wantAgain(t, r.spans, r.lines)
}

// A position of a database that another program wrote leads nowhere.
func TestRereadRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	write(t, path, "one\n")
	r, err := NewRereader(Config{Roots: []string{"/var/empty"}})
	must(t, err)
	defer r.Close()
	for _, span := range []sentinel.Span{
		{},
		{Source: path, From: sentinel.Position{Path: path, Offset: 4}, To: sentinel.Position{Path: path, Offset: -1}},
		{Source: path, From: sentinel.Position{Path: path}, To: sentinel.Position{Path: path, Offset: 1 << 40}},
		{Source: path, From: sentinel.Position{Path: "/dev/zero"}, To: sentinel.Position{Path: "/dev/zero", Offset: 1 << 40}},
	} {
		if b, err := r.Read(t.Context(), span); !errors.Is(err, ErrGone) {
			t.Errorf("%+v: %d lines, %v", span, len(b.Lines), err)
		}
	}
}
