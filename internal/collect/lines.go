package collect

import (
	"bytes"
	"errors"
	"io"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// lineReader finds complete lines in a file that grows. It holds no text
// between calls: what is left of an incomplete line is read again when its end
// is there.
type lineReader struct {
	// off is the first byte not handed over; [off, scan) holds no newline.
	off, scan int64
	// maxLine is the longest text of a line.
	maxLine int
}

// chunk is what one step of a lineReader found.
type chunk struct {
	// text holds complete lines with their newlines, or, if cut, the beginning
	// of a line that is too long, without.
	text string
	cut  bool
	// end is the offset after text's last line.
	end int64
	// nuls is the number of bytes skipped in front of text.
	nuls int64
	// eof says that nothing is left but an incomplete line.
	eof bool
}

// next reads from src at the reader's place, using buf, which must be larger
// than twice maxLine. It moves scan, never off: the caller sets off to end when
// the lines are delivered.
func (r *lineReader) next(src io.ReaderAt, buf []byte) (chunk, error) {
	r.scan = max(r.scan, r.off)
	if r.scan > r.off {
		n, err := readAt(src, buf, r.scan)
		if err != nil {
			return chunk{}, err
		}
		if n == 0 {
			return chunk{eof: true}, nil
		}
		i := bytes.IndexByte(buf[:n], '\n')
		if i < 0 {
			r.scan += int64(n)
			return chunk{end: r.off}, nil
		}
		r.scan += int64(i)
		if r.scan-r.off >= int64(len(buf)) {
			return r.cutLine(src, buf)
		}
		// All of the line fits: read it below.
	}
	n, err := readAt(src, buf, r.off)
	if err != nil {
		return chunk{}, err
	}
	b := buf[:n]
	nuls := leadingNULs(b)
	if nuls == len(b) {
		if nuls < len(buf) {
			// Perhaps space that a writer has reserved and fills later.
			return chunk{eof: true}, nil
		}
		r.scan = r.off
		return chunk{nuls: int64(nuls), end: r.off + int64(nuls)}, nil
	}
	last := bytes.LastIndexByte(b, '\n')
	if last < nuls {
		if nuls > 0 {
			return chunk{nuls: int64(nuls), end: r.off + int64(nuls)}, nil
		}
		r.scan = r.off + int64(n)
		// A full buffer says nothing about what follows.
		return chunk{eof: n < len(buf), end: r.off}, nil
	}
	return chunk{text: string(b[nuls : last+1]), nuls: int64(nuls), end: r.off + int64(last) + 1}, nil
}

// cutLine returns the beginning of the line that ends at scan.
func (r *lineReader) cutLine(src io.ReaderAt, buf []byte) (chunk, error) {
	n, err := readAt(src, buf[:r.maxLine], r.off)
	if err != nil {
		return chunk{}, err
	}
	return chunk{text: string(buf[:n]), cut: true, end: r.scan + 1}, nil
}

// readAt reads as much as there is, up to len(buf).
func readAt(src io.ReaderAt, buf []byte, off int64) (int, error) {
	n, err := src.ReadAt(buf, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func leadingNULs(b []byte) int {
	n := 0
	for n < len(b) && b[n] == 0 {
		n++
	}
	return n
}

// split appends up to limit lines of text, which holds complete lines, to lines
// and returns what is left. Carriage returns before the newline and NUL bytes
// at the beginning of a line do not belong to it.
func split(text string, lines []sentinel.Line, limit, maxLine int) (all []sentinel.Line, rest string, nuls, cut int) {
	for len(lines) < limit && len(text) > 0 {
		i := strings.IndexByte(text, '\n')
		line := text[:i]
		text = text[i+1:]
		if len(line) > 0 && line[len(line)-1] == '\r' {
			line = line[:len(line)-1]
		}
		for len(line) > 0 && line[0] == 0 {
			line = line[1:]
			nuls++
		}
		l := sentinel.Line{Text: line}
		if len(line) > maxLine {
			l.Text, l.Cut = line[:maxLine], true
			cut++
		}
		lines = append(lines, l)
	}
	return lines, text, nuls, cut
}
