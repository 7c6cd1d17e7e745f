package collect

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// messages takes a stream apart, with a small buffer so that every way is gone.
func messages(stream []byte) (texts []string, cut int, err error) {
	f := frames{bufio.NewReaderSize(bytes.NewReader(stream), 16)}
	for {
		line, err := f.next()
		if line.Text != "" {
			texts = append(texts, line.Text)
		}
		if line.Cut {
			cut++
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return texts, cut, err
		}
	}
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", sentinel.MaxLine+100)
	for stream, want := range map[string][]string{
		"<34>one\n<34>two\r\n\n\n<34>three":                    {"<34>one", "<34>two", "<34>three"},
		"7 <34>one7 <34>two":                                   {"<34>one", "<34>two"},
		"8 <34>one\n<34>two\n7 <34>end":                        {"<34>one", "<34>two", "<34>end"},
		"12 <34>one\n<1>x<34>two\n":                            {"<34>one#012<1>x", "<34>two"}, // one message cannot become two
		"100 <34>broken off":                                   {"<34>broken off"},
		"198.51.100.7 - - [x]\n2026-03-01T11:59:58Z h x\n":     {"198.51.100.7 - - [x]", "2026-03-01T11:59:58Z h x"},
		"12 monkeys\n0 <1>x\n123456789 <1>x\n12345 text\n7 ":   {"12 monkeys", "0 <1>x", "123456789 <1>x", "12345 text", "7 "},
		long + "\n<1>x\n":                                      {long[:sentinel.MaxLine], "<1>x"},
		fmt.Sprintf("%d <1>%s", len(long)+3, long) + "5 <2>ab": {("<1>" + long)[:sentinel.MaxLine], "<2>ab"},
		"<1>a\x00b\n":                                          {"<1>a#000b"},
	} {
		got, cut, err := messages([]byte(stream))
		if err != nil || !slices.Equal(got, want) || (cut > 0) != strings.Contains(stream, long) {
			t.Errorf("%.60q: %.60q, cut %d, %v; want %.60q", stream, got, cut, err, want)
		}
	}
	if _, _, err := messages([]byte("99999999 <1>x")); !errors.Is(err, errFrame) {
		t.Errorf("the longest frame: %v", err)
	}
}

// FuzzFrames: a stream of any bytes gives lines of bounded length without the end
// of a line in them, and never more than it had; what was framed comes out again.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("7 <34>one<34>two\n12 x\n"), true)
	f.Add([]byte("99999999 <"), false)
	f.Fuzz(func(t *testing.T, data []byte, counted bool) {
		texts, _, _ := messages(data)
		size := 0
		for _, text := range texts {
			size += len(strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(text, "#012", "\n"), "#015", "\r"), "#000", "\x00"))
			if len(text) > sentinel.MaxLine || strings.ContainsAny(text, "\n\r\x00") {
				t.Errorf("%.80q", text)
			}
		}
		if size > len(data) {
			t.Errorf("%d bytes of %d", size, len(data))
		}
		var stream bytes.Buffer
		var want []string
		for part := range bytes.SplitSeq(data, []byte{'\n'}) {
			text := "<1>" + string(part)
			if counted {
				fmt.Fprintf(&stream, "%d %s", len(text), text)
			} else {
				stream.WriteString(text + "\n")
			}
			want = append(want, textLine([]byte(text), false).Text)
		}
		if got, _, err := messages(stream.Bytes()); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, not %q: %v", got, want, err)
		}
	})
}
