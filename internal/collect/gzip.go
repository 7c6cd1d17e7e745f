package collect

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
)

// The reading of a bomb ends after maxUnpacked bytes, or where they are more than
// maxRatio times what they were packed into. What a rotation compresses was a
// file before, so that the former is no real limit; logs shrink 10 to 50 times.
const (
	maxUnpacked = 64 << 30
	maxRatio    = 400
	freeRatio   = 64 << 20 // so many bytes may be packed as tightly as they like
)

// packedFile reads a gzip file as if it were plain. Reading goes forwards; a
// step back of more than is buffered begins anew.
type packedFile struct {
	raw  rawFile
	read int64 // bytes of raw that were read
	zip  *gzip.Reader
	at   int64  // offset, unpacked, of win's first byte
	win  []byte // unpacked and kept
	done bool
	stop <-chan struct{} // closed: reading fails
}

// unpack turns g into the content of the compressed file it is.
func (g *generation) unpack(stop <-chan struct{}) (*generation, error) {
	p := &packedFile{raw: rawFile(g.fd), stop: stop}
	if err := p.rewind(); err != nil {
		g.src.Close()
		return nil, fmt.Errorf("unpacking %s: %w", g.path, err)
	}
	g.src, g.fd, g.fixed, g.size = p, -1, true, math.MaxInt64
	return g, nil
}

func (p *packedFile) rewind() error {
	p.at, p.read, p.win, p.done = 0, 0, p.win[:0], false
	r := bufio.NewReader(&countingReader{io.NewSectionReader(p.raw, 0, math.MaxInt64), &p.read})
	if p.zip == nil {
		z, err := gzip.NewReader(r)
		p.zip = z
		return err
	}
	return p.zip.Reset(r)
}

// countingReader counts what is read of r.
type countingReader struct {
	r io.Reader
	n *int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	*c.n += int64(n)
	return n, err
}

// ReadAt implements io.ReaderAt.
func (p *packedFile) ReadAt(b []byte, off int64) (int, error) {
	if off < p.at {
		if err := p.rewind(); err != nil {
			return 0, err
		}
	}
	for !p.done && p.at+int64(len(p.win)) < off+int64(len(b)) {
		select {
		case <-p.stop:
			return 0, context.Canceled
		default:
		}
		// Forget what lies before off.
		if n := min(off-p.at, int64(len(p.win))); n > 0 {
			p.win = p.win[:copy(p.win, p.win[n:])]
			p.at += n
		}
		have := len(p.win)
		if cap(p.win) < have+unpackStep {
			p.win = append(make([]byte, 0, have+2*unpackStep), p.win...)
		}
		n, err := p.zip.Read(p.win[have : have+unpackStep])
		p.win = p.win[:have+n]
		if err == io.EOF || p.at > maxUnpacked || p.at > max(freeRatio, maxRatio*p.read) {
			p.done = true
		} else if err != nil {
			return 0, err
		}
	}
	if skip := off - p.at; skip < int64(len(p.win)) {
		if n := copy(b, p.win[skip:]); n == len(b) {
			return n, nil
		} else {
			return n, io.EOF
		}
	}
	return 0, io.EOF
}

const unpackStep = 32 << 10

// Close closes the file.
func (p *packedFile) Close() error { return p.raw.Close() }
