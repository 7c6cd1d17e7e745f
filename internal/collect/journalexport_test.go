package collect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestExport(t *testing.T) {
	le := func(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }
	long := strings.Repeat("x", exportBuffer)
	cases := []struct {
		name, in string
		messages []string
		err      error
	}{
		{"text", "MESSAGE=a=b\n\nMESSAGE=\n\n", []string{"a=b", ""}, io.EOF},
		{"binary", "MESSAGE\n" + le(3) + "a\nb\n\n", []string{"a\nb"}, io.EOF},
		{"other fields", "X=1\nY\n" + le(2) + "\n\n\nMESSAGE=a\n_Z\n" + le(0) + "\n\n", []string{"a"}, io.EOF},
		{"empty lines around", "\n\nMESSAGE=a\n\n\n\nMESSAGE=b\n\n\n", []string{"a", "b"}, io.EOF},
		{"long text", "MESSAGE=" + long + long + "\nX=1\n\nMESSAGE=b\n\n", []string{long[:sentinel.MaxLine], "b"}, io.EOF},
		{"long binary", "MESSAGE\n" + le(uint64(2*len(long))) + long + long + "\n\nMESSAGE=b\n\n", []string{long[:sentinel.MaxLine], "b"}, io.EOF},
		{"long unknown field", "X=" + long + long + "\nMESSAGE=b\n\n", []string{"b"}, io.EOF},
		{"torn", "MESSAGE=a\n\nMESSAGE=b\n", []string{"a"}, io.ErrUnexpectedEOF},
		{"torn in a line", "MESSAGE=a\n\nMESS", []string{"a"}, io.ErrUnexpectedEOF},
		{"torn length", "MESSAGE\n123", nil, io.ErrUnexpectedEOF},
		{"torn value", "MESSAGE\n" + le(9) + "123", nil, io.ErrUnexpectedEOF},
		{"huge length", "MESSAGE\n" + le(1<<62) + "123", nil, errExport},
		{"no newline after a value", "MESSAGE\n" + le(1) + "ab\n\n", nil, errExport},
		{"endless name", long + "\n", nil, errExport},
		{"endless entry", strings.Repeat("X=1\n", maxExportEntry+1), nil, errExport},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := newExportReader(strings.NewReader(c.in))
			for _, want := range c.messages {
				e, err := x.next()
				if err != nil {
					t.Fatal(err)
				}
				if got := string(e.values[fieldMessage]); got != want || e.cut != (len(want) == sentinel.MaxLine) {
					t.Errorf("message of %d bytes %.40q, cut %t; want %d bytes %.40q", len(got), got, e.cut, len(want), want)
				}
			}
			if _, err := x.next(); !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
		})
	}
}

// FuzzExport: whatever stands in the stream, a line has no control characters
// and is short enough.
func FuzzExport(f *testing.F) {
	f.Add(export(logins(0, 2)...))
	f.Add([]byte("__CURSOR=s=1;b=2\n__REALTIME_TIMESTAMP=1\nMESSAGE=a\n_UID=0\n\n"))
	f.Add([]byte("MESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		x := newExportReader(bytes.NewReader(data))
		var b journalBatch
		for n := 0; ; n++ {
			e, err := x.next()
			if err != nil {
				break
			}
			if n%8 == 0 {
				b.reset()
			}
			b.add(e)
			sameEntry(string(e.values[fieldCursor]), "s=1;b=2")
			cursorTime(string(e.values[fieldCursor]))
		}
		for _, l := range b.take() {
			if len(l.Text) > sentinel.MaxLine || strings.ContainsAny(l.Text, "\n\x00\x1b") {
				t.Fatalf("line %.200q", l.Text)
			}
		}
	})
}

// BenchmarkExport reads entries of sshd as journalctl writes them.
func BenchmarkExport(b *testing.B) {
	data := export(logins(0, 1000)...)
	b.SetBytes(int64(len(data)) / 1000)
	b.ReportAllocs()
	for b.Loop() {
		var batch journalBatch
		x := newExportReader(bytes.NewReader(data))
		for {
			e, err := x.next()
			if err != nil {
				break
			}
			batch.add(e)
		}
		if len(batch.take()) != 1000 {
			b.Fatal("lines are missing")
		}
	}
}
