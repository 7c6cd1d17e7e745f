package ctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// json writes a value in the format asked for: indented, or in one line.
func (a *app) json(v any) error {
	data, err := encode(v)
	if err != nil {
		return err
	}
	if a.format == "json" {
		var b bytes.Buffer
		if err := json.Indent(&b, data, "", "  "); err != nil {
			return err
		}
		data = b.Bytes()
	}
	_, err = fmt.Fprintf(a.out, "%s\n", data)
	return err
}

// list writes items in the format asked for: one array, or one a line.
func list[T any](a *app, items []T) error {
	if a.format == "json" {
		if items == nil {
			items = []T{}
		}
		return a.json(items)
	}
	for i := range items {
		if err := a.json(items[i]); err != nil {
			return err
		}
	}
	return nil
}

// answer writes an answer in the format asked for: as a whole, its items one a line,
// or as people read it.
func answer[R, T any](a *app, whole R, items []T, table func(R)) error {
	switch a.format {
	case "json":
		return a.json(whole)
	case "jsonl":
		return list(a, items)
	}
	table(whole)
	return nil
}

// encode is JSON in one line with every character escaped that a terminal might
// obey: programs read the same, and a screen shows nothing odd.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return escapeJSON(bytes.TrimRight(b.Bytes(), "\n")), nil
}

// escapeJSON escapes what clean would within JSON, which can stand in strings
// only. Control characters below 0x20 have been escaped already.
func escapeJSON(data []byte) []byte {
	i := dirty(string(data))
	if i < 0 {
		return data
	}
	out := append(make([]byte, 0, len(data)+32), data[:i]...)
	for i < len(data) {
		r, n := utf8.DecodeRune(data[i:])
		if shown(r) || r == '\n' {
			out = append(out, data[i:i+n]...)
		} else {
			out = appendEscape(out, r)
		}
		i += n
	}
	return out
}

// appendEscape appends \uXXXX, twice for characters beyond 0xffff.
func appendEscape(out []byte, r rune) []byte {
	if r1, r2 := utf16.EncodeRune(r); r1 != utf8.RuneError {
		return appendEscape(appendEscape(out, r1), r2)
	}
	hex := strconv.FormatInt(int64(r), 16)
	return append(append(out, `\u0000`[:6-len(hex)]...), hex...)
}

// lines writes clean lines of text with an indent, wrapped to the screen.
func (s *screen) lines(indent string, texts ...string) {
	n := 0
	if s.width > 0 {
		n = max(20, s.width-len(indent))
	}
	for _, text := range texts {
		for _, l := range wrap(clean(text), n) {
			fmt.Fprintf(s, "%s%s\n", indent, l)
		}
	}
}

// thousands writes a number with its thousands apart: "142,847".
func thousands[T int | int64 | uint64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes a number of bytes: "38 MB".
func size(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, u := float64(n), 0
	for f >= 1000 && u < len(units)-1 {
		f /= 1024
		u++
	}
	if u == 0 || f >= 10 {
		return fmt.Sprintf("%.0f %s", f, units[u])
	}
	return fmt.Sprintf("%.1f %s", f, units[u])
}

// plural is "1 line", "2 lines".
func plural[T int | int64 | uint64](n T, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + one + "s"
}
