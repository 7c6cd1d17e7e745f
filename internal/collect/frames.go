package collect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxFrameDigits are those of the longest message that a sender may announce.
const maxFrameDigits = 7

// errFrame is a message that is announced longer than any.
var errFrame = errors.New("a message of more than 9,999,999 bytes is announced")

// frames takes a stream of syslog apart (RFC 6587): a message is announced by its
// length, "83 <34>1 2026...", or ends with a newline.
type frames struct{ r *bufio.Reader }

// next returns a message without its frame, of at most sentinel.MaxLine bytes;
// what exceeds them is skipped. An empty one is possible. The error is io.EOF
// after the last message; one that was broken off is returned as it is.
func (f *frames) next() (line sentinel.Line, err error) {
	head := make([]byte, 0, 128)
	n := 0
	for {
		c, err := f.r.ReadByte()
		if err != nil {
			return textLine(head, false), endOf(err, len(head))
		}
		if c == '\n' {
			return textLine(head, false), nil
		}
		head = append(head, c)
		digit := c-'0' <= 9 && (c != '0' || len(head) > 1)
		switch {
		case digit && len(head) <= maxFrameDigits:
			n = 10*n + int(c-'0')
			continue
		case digit && len(head) == maxFrameDigits+1:
			continue // perhaps a text that begins with many digits
		case c == ' ' && len(head) > 1 && len(head) <= maxFrameDigits+2:
			// A length, if the message begins as all do.
			next, err := f.r.Peek(1)
			if err == nil && next[0] == '<' {
				if len(head) > maxFrameDigits+1 {
					return line, fmt.Errorf("reading a frame: %w", errFrame)
				}
				return f.counted(n)
			}
		}
		return f.rest(head)
	}
}

// counted reads a message of n bytes.
func (f *frames) counted(n int) (sentinel.Line, error) {
	buf := make([]byte, min(n, sentinel.MaxLine))
	k, err := io.ReadFull(f.r, buf)
	if err != nil {
		return textLine(buf[:k], false), endOf(err, k)
	}
	skipped, err := f.r.Discard(n - len(buf))
	return textLine(buf, n > len(buf)), endOf(err, k+skipped)
}

// rest reads up to a newline.
func (f *frames) rest(head []byte) (sentinel.Line, error) {
	cut := false
	for {
		part, err := f.r.ReadSlice('\n')
		room := sentinel.MaxLine - len(head)
		text := strings.TrimSuffix(string(part), "\n")
		cut = cut || len(text) > room
		head = append(head, text[:min(len(text), room)]...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return textLine(head, cut), endOf(err, len(head))
	}
}

// endOf makes the end of a stream within a message an ordinary one: what there is
// of it is returned first.
func endOf(err error, n int) error {
	if n > 0 && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return nil
	}
	return err
}

// textLine is a message as one line: the ends of lines within it are written as
// rsyslog does, so that nobody sends two as one.
func textLine(b []byte, cut bool) sentinel.Line {
	text := strings.TrimRight(string(b), "\r\n\x00")
	if strings.ContainsAny(text, "\r\n\x00") {
		text = strings.NewReplacer("\n", "#012", "\r", "#015", "\x00", "#000").Replace(text)
	}
	if len(text) > sentinel.MaxLine {
		text, cut = text[:sentinel.MaxLine], true
	}
	return sentinel.Line{Text: text, Cut: cut}
}
