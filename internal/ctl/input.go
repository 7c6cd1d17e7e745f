package ctl

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"time"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const (
	// chunkSize is how much is read at once; it holds many lines of the longest
	// length.
	chunkSize = 512 << 10
	// defaultMaxBytes is how much one file may decompress to.
	defaultMaxBytes = 64 << 30
	// maxRatio is how many times longer than its file a text may be, beyond
	// freeBytes: logs compress 10 to 30 times, bombs more than 1000.
	maxRatio  = 2000
	freeBytes = 64 << 20
	// maxZstdWindow is the most memory that a .zst file may ask for.
	maxZstdWindow = 128 << 20
)

// input is one log that is read in chunks of complete lines.
type input struct {
	name string
	// mod is the modification time; size, in bytes as stored, is 0 if unknown.
	mod  time.Time
	size int64
	// raw counts the stored bytes read so far.
	raw *counter

	src   io.Reader
	close []func()
	buf   []byte
	n     int  // bytes of buf that are still to be handed out
	skip  bool // within the rest of a line that was too long
	eof   bool
}

// counter counts what passes through a reader.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// openInput opens a log: a plain, gzip or zstd file, or stdin for "-".
// maxBytes bounds what it decompresses to.
func openInput(name string, stdin io.Reader, now time.Time, maxBytes int64) (*input, error) {
	in := &input{name: name, mod: now}
	var file io.Reader
	if name == "-" {
		in.name, file = "stdin", stdin
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, openError(name, err)
		}
		in.close = append(in.close, func() { _ = f.Close() })
		info, err := f.Stat()
		if err != nil {
			in.Close()
			return nil, fmt.Errorf("reading %s: %w", name, errors.Unwrap(err))
		}
		if info.IsDir() {
			in.Close()
			return nil, fmt.Errorf("%s is a directory: name the files in it", name)
		}
		if info.Mode().IsRegular() {
			in.mod, in.size = info.ModTime(), info.Size()
		}
		file = f
	}
	in.raw = &counter{r: file}
	if err := in.decompress(maxBytes); err != nil {
		in.Close()
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	in.buf = make([]byte, chunkSize)
	return in, nil
}

// openError says what to do about a file that cannot be opened.
func openError(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist", name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("you may not read %s: run this as root, or become a member of the group adm", name)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("reading %s: %w", name, err)
}

// decompress looks at the first bytes and puts the right reader in front.
func (in *input) decompress(maxBytes int64) error {
	b := bufio.NewReaderSize(in.raw, 64<<10)
	magic, err := b.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return plainError(err)
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := kgzip.NewReader(b)
		if err != nil {
			return fmt.Errorf("as gzip: %w", err)
		}
		in.src = &guard{r: z, raw: in.raw, max: maxBytes}
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return fmt.Errorf("as zstd: %w", err)
		}
		in.close = append(in.close, z.Close)
		in.src = &guard{r: z, raw: in.raw, max: maxBytes}
	case bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return errors.New("it is an xz file; pipe it: xz -dc FILE | sentinelctl ai analyze -")
	case bytes.HasPrefix(magic, []byte("BZh")):
		return errors.New("it is a bzip2 file; pipe it: bzip2 -dc FILE | sentinelctl ai analyze -")
	default:
		in.src = b
		return nil
	}
	ahead := readAhead(in.src)
	in.src = ahead
	in.close = append([]func(){ahead.stop}, in.close...)
	return nil
}

// plainError drops the name from a path error, which the caller adds.
func plainError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Close lets go of the file.
func (in *input) Close() {
	for _, f := range in.close {
		f()
	}
	in.close = nil
}

// chunk returns the next complete lines, each with its newline; the last line of
// the log gets one if it has none. Of a line longer than sentinel.MaxLine at
// least its beginning is there. At the end the text is empty and the error io.EOF.
func (in *input) chunk() (string, error) {
	for !in.eof {
		k, err := in.src.Read(in.buf[in.n:])
		fresh := in.buf[in.n : in.n+k]
		in.n += k
		switch {
		case errors.Is(err, io.EOF):
			in.eof = true
		case err != nil:
			in.eof = true
			return "", fmt.Errorf("reading %s: %w", in.name, readError(err))
		}
		if in.skip {
			i := bytes.IndexByte(fresh, '\n')
			if i < 0 {
				in.n = 0
				continue
			}
			in.n = copy(in.buf, fresh[i+1:])
			in.skip, fresh = false, in.buf[:in.n]
		}
		if i := bytes.LastIndexByte(fresh, '\n'); i >= 0 {
			end := in.n - len(fresh) + i + 1
			text := string(in.buf[:end])
			in.n = copy(in.buf, in.buf[end:in.n])
			return text, nil
		}
		if in.n == len(in.buf) {
			text := string(in.buf[:sentinel.MaxLine]) + "\n"
			in.n, in.skip = 0, true
			return text, nil
		}
	}
	if in.n > 0 {
		text := string(in.buf[:in.n]) + "\n"
		in.n = 0
		return text, nil
	}
	return "", io.EOF
}

// readError puts what decompressors say into words.
func readError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends in the middle: it is cut off or still being written")
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, kgzip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return errors.New("it is damaged: its checksum is wrong")
	}
	return plainError(err)
}

// guard ends a text that is longer than it should be.
type guard struct {
	r   io.Reader
	raw *counter
	out int64
	max int64
}

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	g.out += int64(n)
	switch {
	case g.out > g.max:
		return 0, fmt.Errorf("it decompresses to more than %s; --max-bytes allows more", size(uint64(g.max)))
	case g.out > freeBytes && g.out/maxRatio > g.raw.n.Load():
		return 0, fmt.Errorf("it decompresses to more than %d times its size, which no log does", maxRatio)
	}
	return n, err
}

// ahead decompresses in a goroutine of its own, a few blocks ahead.
type ahead struct {
	full, empty chan []byte
	quit        chan struct{}
	err         error // good once full is closed
	block, rest []byte
}

func readAhead(r io.Reader) *ahead {
	a := &ahead{full: make(chan []byte, 4), empty: make(chan []byte, 4), quit: make(chan struct{})}
	for range cap(a.empty) {
		a.empty <- make([]byte, 256<<10)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(a.full)
		for {
			select {
			case <-a.quit:
				return
			case b := <-a.empty:
				n, err := io.ReadFull(r, b[:cap(b)])
				if n > 0 {
					a.full <- b[:n] // there are as many places as blocks
				}
				if err != nil {
					if a.err = err; errors.Is(err, io.ErrUnexpectedEOF) && n > 0 {
						_, a.err = r.Read(b[:1]) // the end, or really cut off
						if a.err == nil {
							a.err = io.ErrUnexpectedEOF
						}
					}
					return
				}
			}
		}
	}()
	return a
}

// stop ends the goroutine.
func (a *ahead) stop() { close(a.quit) }

// Read implements io.Reader.
func (a *ahead) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		if a.block != nil {
			a.empty <- a.block
		}
		b, ok := <-a.full
		if !ok {
			a.block = nil
			return 0, a.err
		}
		a.block, a.rest = b, b
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// tidy returns a line as the engine wants it: without carriage return and the
// NULs that a truncated file leaves, and not longer than sentinel.MaxLine.
func tidy(line string) string {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if len(line) > 0 && line[0] == 0 {
		line = strings.TrimLeft(line, "\x00")
	}
	if len(line) > sentinel.MaxLine {
		line = line[:sentinel.MaxLine]
	}
	return line
}
