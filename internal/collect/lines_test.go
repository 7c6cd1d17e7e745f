package collect

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// reference splits as simply as possible.
func reference(data []byte, maxLine int) (lines []sentinel.Line) {
	all := bytes.Split(data, []byte("\n"))
	for _, b := range all[:len(all)-1] {
		b = bytes.TrimLeft(b, "\x00")
		b = bytes.TrimSuffix(b, []byte("\r"))
		l := sentinel.Line{Text: string(b)}
		if len(b) > maxLine {
			l = sentinel.Line{Text: string(b[:maxLine]), Cut: true}
		}
		lines = append(lines, l)
	}
	return lines
}

// readGrowing lets a file grow by the sizes given, in turn, and reads after
// each step what there is.
func readGrowing(t *testing.T, data []byte, steps []int, bufSize, limit, maxLine int) []sentinel.Line {
	t.Helper()
	r := lineReader{maxLine: maxLine}
	buf := make([]byte, bufSize)
	var all []sentinel.Line
	for size, i := 0, 0; size < len(data); i++ {
		size = min(len(data), size+steps[i%len(steps)])
		src := bytes.NewReader(data[:size])
		for max(r.off, r.scan) < int64(size) {
			before := r
			ch, err := r.next(src, buf)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case ch.cut:
				all = append(all, sentinel.Line{Text: ch.text, Cut: true})
			case ch.text != "":
				if len(ch.text) > bufSize {
					t.Fatalf("%d bytes from a buffer of %d", len(ch.text), bufSize)
				}
				for rest := ch.text; rest != ""; {
					var lines []sentinel.Line
					lines, rest, _, _ = split(rest, nil, limit, maxLine)
					all = append(all, lines...)
				}
			}
			r.off = max(r.off, ch.end)
			if r.off > int64(size) || r.off > 0 && ch.text != "" && data[r.off-1] != '\n' {
				t.Fatalf("offset %d of %d is not behind a line", r.off, size)
			}
			if ch.eof {
				break
			}
			if r == before {
				t.Fatalf("no progress at %+v", r)
			}
		}
	}
	return all
}

func compareLines(t *testing.T, got, want []sentinel.Line) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%d lines, want %d; line %d differs:\n%.300v\n%.300v", len(got), len(want), i, got[min(i, len(got)):], want[min(i, len(want)):])
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\nthree"), uint64(1))
	f.Add([]byte("\x00\x00\x00\x00one\n\x00\x00\n\x00"), uint64(2))
	f.Add([]byte(strings.Repeat("x", 100)+"\n"+strings.Repeat("y", 40)+"\r\nz\n"), uint64(3))
	f.Add([]byte(strings.Repeat("\x00", 100)+strings.Repeat("y", 50)+"\n"), uint64(4))
	f.Add([]byte("h\u00e4lf \u20ac\xff\xfe\n\r\r\n"), uint64(5))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, seed))
		steps := make([]int, 1+rnd.IntN(8))
		for i := range steps {
			steps[i] = 1 + rnd.IntN(40)
		}
		const maxLine = 16
		got := readGrowing(t, data, steps, 2*maxLine+1+rnd.IntN(40), 1+rnd.IntN(5), maxLine)
		compareLines(t, got, reference(data, maxLine))
	})
}

// A reader that is never given the end of a line holds nothing and reads each
// byte a bounded number of times.
func TestEndlessLineIsReadOnce(t *testing.T) {
	const size = 8 << 20
	src := &counting{r: bytes.NewReader(bytes.Repeat([]byte{'x'}, size))}
	r := lineReader{maxLine: sentinel.MaxLine}
	buf := make([]byte, defaultBatchBytes)
	for range 10 * size / len(buf) {
		if _, err := r.next(src, buf); err != nil {
			t.Fatal(err)
		}
	}
	if r.off != 0 || r.scan != size || src.n > size+len(buf) {
		t.Errorf("read %d bytes of %d, at %+v", src.n, size, r)
	}
}

type counting struct {
	r io.ReaderAt
	n int
}

func (c *counting) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(b, off)
	c.n += n
	return n, err
}
