package ctl

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// readAll reads an input to its end.
func readAll(t *testing.T, in *input) (string, error) {
	t.Helper()
	defer in.Close()
	var b strings.Builder
	for {
		text, err := in.chunk()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return b.String(), err
		}
		if !strings.HasSuffix(text, "\n") {
			t.Fatalf("a chunk ends in the middle: %.80q", text)
		}
		b.WriteString(text)
	}
}

func openBytes(t *testing.T, data []byte, maxBytes int64) (*input, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.log")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return openInput(path, nil, clock, maxBytes)
}

func gz(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zst(t *testing.T, text string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll([]byte(text), nil)
}

func TestInputText(t *testing.T) {
	many := strings.Repeat("a line of some length that comes again and again\n", 60_000)
	for name, c := range map[string]struct{ text, want string }{
		"empty":      {"", ""},
		"no newline": {"a\nb", "a\nb\n"},
		"newlines":   {"\n\n", "\n\n"},
		"many":       {many, many},
	} {
		for kind, data := range map[string][]byte{"plain": []byte(c.text), "gzip": gz(t, c.text), "zstd": zst(t, c.text)} {
			in, err := openBytes(t, data, defaultMaxBytes)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, kind, err)
			}
			got, err := readAll(t, in)
			if err != nil || got != c.want {
				t.Errorf("%s, %s: %d bytes, want %d; %v", name, kind, len(got), len(c.want), err)
			}
		}
	}
}

// TestInputLong: of a line longer than the buffer the beginning is there, and
// the next line begins where it should.
func TestInputLong(t *testing.T) {
	text := "before\n" + strings.Repeat("x", 3*chunkSize) + "\nafter\n"
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(text), "halves": iotest.HalfReader(strings.NewReader(text)),
	} {
		in, err := openInput("-", r, clock, defaultMaxBytes)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(t, in)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(got, "\n")
		if len(lines) != 4 || lines[0] != "before" || lines[2] != "after" || len(lines[1]) < sentinel.MaxLine {
			t.Errorf("%s: %d lines, of %d bytes", name, len(lines), len(got))
		}
		if n := len(tidy(lines[1])); n != sentinel.MaxLine {
			t.Errorf("%s: a line of %d bytes", name, n)
		}
	}
}

func TestInputFaults(t *testing.T) {
	log := strings.Repeat("Feb  9 14:00:01 web01 sshd[1]: hello there\n", 20_000)
	for name, c := range map[string]struct {
		data []byte
		max  int64
		want string
	}{
		"cut gzip":     {gz(t, log)[:1000], defaultMaxBytes, "it ends in the middle"},
		"cut zstd":     {zst(t, log)[:100], defaultMaxBytes, "it ends in the middle"},
		"damaged gzip": {append(gz(t, log)[:500], make([]byte, 4096)...), defaultMaxBytes, "reading"},
		"too much":     {gz(t, log), 1000, "decompresses to more than 1.0 kB"},
		"xz":           {[]byte("\xfd7zXZ\x00aaaa"), defaultMaxBytes, "xz -dc"},
		"bzip2":        {[]byte("BZh91AY"), defaultMaxBytes, "bzip2 -dc"},
		"no gzip":      {[]byte("\x1f\x8bxxxxxxxxxxxxxxxxxxxxxxx"), defaultMaxBytes, "as gzip"},
	} {
		in, err := openBytes(t, c.data, c.max)
		if err == nil {
			_, err = readAll(t, in)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestGuard: what is far longer than its file is no log.
func TestGuard(t *testing.T) {
	raw := &counter{r: strings.NewReader("")}
	raw.n.Store(1000)
	g := &guard{r: endless{}, raw: raw, max: defaultMaxBytes}
	n, err := io.Copy(io.Discard, struct{ io.Reader }{g})
	if err == nil || !strings.Contains(err.Error(), "times its size") || n > freeBytes+1<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestAheadStop: nothing is left running when an input is closed early.
func TestAheadStop(t *testing.T) {
	for range 20 {
		in, err := openBytes(t, gz(t, strings.Repeat("x\n", 2<<20)), defaultMaxBytes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.chunk(); err != nil {
			t.Fatal(err)
		}
		in.Close()
	}
}

func TestTidy(t *testing.T) {
	for in, want := range map[string]string{"a\r": "a", "\x00\x00a": "a", "\r": "", "": "", "\x00": "", "a": "a"} {
		if got := tidy(in); got != want {
			t.Errorf("tidy(%q) = %q", in, got)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := openInput(dir, nil, time.Time{}, 1); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
	if _, err := openInput(filepath.Join(dir, "none"), nil, time.Time{}, 1); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Error(err)
	}
}
