package store

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// The journal's columns are written with every commit, so they are encoded by
// hand: numbers as varints, texts with their length in front. Whole threats,
// which are few, follow as gob.

// errJournal says that a row of the journal makes no sense.
var errJournal = errors.New("a row of the journal is damaged")

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func packSpans(spans []sentinel.Span) []byte {
	b := make([]byte, 0, 32+128*len(spans))
	b = binary.AppendUvarint(b, uint64(len(spans)))
	for i := range spans {
		s := &spans[i]
		p := &s.To
		for _, text := range [...]string{s.Source, string(s.Type), p.Path, p.Cursor, s.From.Cursor} {
			b = appendText(b, text)
		}
		for _, n := range [...]uint64{p.Device, p.Inode, p.Fingerprint, uint64(p.FingerprintLen), uint64(s.Lines)} {
			b = binary.AppendUvarint(b, n)
		}
		mod := int64(0)
		if !s.ModTime.IsZero() {
			mod = s.ModTime.UnixNano()
		}
		for _, n := range [...]int64{s.From.Offset, p.Offset, s.Read.UnixNano(), mod} {
			b = binary.AppendVarint(b, n)
		}
	}
	return b
}

func unpackSpans(data []byte) ([]sentinel.Span, error) {
	r := journalReader{b: data}
	var spans []sentinel.Span
	for range r.count() {
		var s sentinel.Span
		s.Source, s.Type = r.text(), sentinel.SourceType(r.text())
		s.To.Source, s.To.Path, s.To.Cursor = s.Source, r.text(), r.text()
		from := r.text()
		s.To.Device, s.To.Inode, s.To.Fingerprint = r.uint(), r.uint(), r.uint()
		s.To.FingerprintLen, s.Lines = int(r.uint()), int(r.uint())
		s.From = s.To
		s.From.Cursor, s.From.Offset, s.To.Offset = from, r.int(), r.int()
		s.Read = time.Unix(0, r.int())
		if mod := r.int(); mod != 0 {
			s.ModTime = time.Unix(0, mod)
		}
		if r.bad {
			return nil, errJournal
		}
		spans = append(spans, s)
	}
	if r.bad || len(r.b) != 0 {
		return nil, errJournal
	}
	return spans, nil
}

func packCases(c *cases) ([]byte, error) {
	b := make([]byte, 0, 64*(len(c.Grown)+len(c.Whole)))
	b = binary.AppendUvarint(b, uint64(len(c.Grown)))
	for i := range c.Grown {
		g := &c.Grown[i]
		b = appendText(b, g.ID)
		b = binary.AppendUvarint(b, uint64(max(g.EventCount, 0)))
		b = binary.AppendVarint(b, g.LastSeen.UnixMicro())
		b = binary.AppendUvarint(b, uint64(len(g.Rules)))
		for _, r := range g.Rules {
			b = binary.AppendUvarint(b, uint64(max(r.Firings, 0)))
			b = binary.AppendUvarint(b, uint64(max(r.Count, 0)))
			b = binary.AppendVarint(b, r.Last.UnixMicro())
		}
	}
	b = binary.AppendUvarint(b, uint64(len(c.Whole)))
	for _, id := range c.Whole {
		b = appendText(b, id)
	}
	if len(c.Changed) == 0 {
		return b, nil
	}
	w := bytes.NewBuffer(b)
	if err := gob.NewEncoder(w).Encode(c.Changed); err != nil {
		return nil, fmt.Errorf("encoding the journal: %w", err)
	}
	return w.Bytes(), nil
}

func unpackCases(data []byte) (c cases, err error) {
	r := journalReader{b: data}
	for range r.count() {
		g := sentinel.Growth{ID: r.text(), EventCount: int(r.uint()), LastSeen: time.UnixMicro(r.int()).UTC()}
		for range r.count() {
			g.Rules = append(g.Rules, sentinel.RuleGrowth{Firings: int(r.uint()), Count: int(r.uint()), Last: time.UnixMicro(r.int()).UTC()})
		}
		if r.bad {
			return c, errJournal
		}
		c.Grown = append(c.Grown, g)
	}
	for range r.count() {
		c.Whole = append(c.Whole, r.text())
	}
	if r.bad {
		return c, errJournal
	}
	if len(r.b) > 0 {
		if err := gob.NewDecoder(bytes.NewReader(r.b)).Decode(&c.Changed); err != nil {
			return c, fmt.Errorf("%w: %w", errJournal, err)
		}
	}
	return c, nil
}

// journalReader takes a column apart. After the first fault it is bad, and all
// it returns is zero.
type journalReader struct {
	b   []byte
	bad bool
}

func (r *journalReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *journalReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many things follow: each takes a byte at least.
func (r *journalReader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *journalReader) text() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
