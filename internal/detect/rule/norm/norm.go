// Package norm undoes the disguises that requests wear: percent-encoding in
// several rounds, overlong UTF-8, full-width letters, HTML entities, control
// bytes, comments, doubled slashes and dot segments.
//
// Every text has three views. Raw is what was logged. Decoded has the encodings
// undone. Canon is decoded, in lower case, with comments and runs of spaces made
// one space, and, for paths, with slashes and "/./" tidied. No step makes a text
// longer. Letter case is that of ASCII.
package norm

import (
	"strings"
)

// Kind says which steps a text goes through.
type Kind uint8

// The kinds of text.
const (
	// Text takes every step; '+' is a space after the first '?' only. It is
	// meant for a referer and for free text.
	Text Kind = iota
	// Path is the part of a request target before the first '?'.
	Path
	// Query is the part after it, or one parameter; '+' is a space.
	Query
	// Agent is decoded and put in lower case, no more.
	Agent
)

// Flags says which disguises were met.
type Flags uint16

// The flags.
const (
	// MultiEncoded: a second round of percent-decoding found work.
	MultiEncoded Flags = 1 << iota
	// UEncoded: %uXXXX was met.
	UEncoded
	// Overlong UTF-8 stood for a byte that needs no such form.
	Overlong
	// FullWidth letters stood for ASCII.
	FullWidth
	// InvalidUTF8 bytes were met and kept.
	InvalidUTF8
	// Entity: an HTML entity was met.
	Entity
	// NUL was met and removed.
	NUL
	// Control bytes other than CR and LF were met and made spaces.
	Control
	// EscapesRoot: the path leaves its root by "..".
	EscapesRoot
	// Embedded: a parameter held JSON escapes or base64 of readable text.
	Embedded
	// Truncated: the text was longer than what is examined.
	Truncated
	// Budget: an event used up what it may cost; some patterns were not tried.
	Budget
	numFlags = iota
)

var flagNames = [numFlags]string{
	"multi_encoded", "u_encoded", "overlong", "full_width", "invalid_utf8", "entity", "nul", "control",
	"escapes_root", "embedded", "truncated", "budget",
}

// FlagNames lists the names of all flags.
func FlagNames() []string { return append([]string(nil), flagNames[:]...) }

// ParseFlag returns the flag of a name.
func ParseFlag(name string) (Flags, bool) {
	for i, n := range flagNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// String returns the names of the flags that are set, joined by commas.
func (f Flags) String() string {
	var names []string
	for i, n := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, ",")
}

// Append appends the canon view of s to dst.
func Append(dst []byte, s string, k Kind) ([]byte, Flags) {
	n := len(dst)
	dst, flags := AppendDecoded(dst, s, k)
	return dst[:n+len(Canon(dst[n:], k))], flags
}

// AppendDecoded appends the decoded view of s to dst. What it appends is never
// longer than s.
func AppendDecoded(dst []byte, s string, k Kind) ([]byte, Flags) {
	n := len(dst)
	dst = append(dst, s...)
	b, flags := decode(dst[n:], k)
	return dst[:n+len(b)], flags
}

// rounds is how often percent-encoding is undone.
const rounds = 3

// decode runs the steps of the decoded view in place.
func decode(b []byte, k Kind) ([]byte, Flags) {
	var flags Flags
	c := scanBytes(b)
	if c&hasPlus != 0 {
		plus(b, k)
	}
	if c&hasPercent != 0 {
		for round := 1; round <= rounds; round++ {
			var changed bool
			var f Flags
			b, changed, f = percent(b)
			flags |= f
			if !changed {
				break
			}
			if round == 2 {
				flags |= MultiEncoded
			}
		}
		c = scanBytes(b)
	}
	if c&hasHigh != 0 {
		var f Flags
		b, f = fold(b)
		flags |= f
		c = scanBytes(b)
	}
	if c&hasAmp != 0 && c&(hasSemi|hasHash) != 0 {
		var f Flags
		b, f = entities(b)
		flags |= f
		c = scanBytes(b)
	}
	if c&hasControl != 0 {
		var f Flags
		b, f = control(b)
		flags |= f
	}
	return b, flags
}

// plus turns '+' into a space where the kind has it so.
func plus(b []byte, k Kind) {
	on := k == Query
	for i, c := range b {
		switch {
		case c == '+' && on:
			b[i] = ' '
		case c == '?' && k == Text:
			on = true
		}
	}
}

// percent undoes one round of %XX and %uXXXX. Malformed ones are kept.
func percent(b []byte) (_ []byte, changed bool, flags Flags) {
	w := 0
	for i := 0; i < len(b); {
		if b[i] != '%' {
			b[w] = b[i]
			w, i = w+1, i+1
			continue
		}
		if i+2 < len(b) {
			if hi, lo := unhex(b[i+1]), unhex(b[i+2]); hi < 16 && lo < 16 {
				b[w] = hi<<4 | lo
				w, i, changed = w+1, i+3, true
				continue
			}
		}
		if i+5 < len(b) && b[i+1]|0x20 == 'u' {
			if r, ok := hex4(b[i+2 : i+6]); ok && (r < 0xd800 || r > 0xdfff) {
				w = putRune(b, w, r)
				i, changed, flags = i+6, true, flags|UEncoded
				continue
			}
		}
		b[w] = b[i]
		w, i = w+1, i+1
	}
	return b[:w], changed, flags
}

func hex4[T string | []byte](b T) (rune, bool) {
	var r rune
	for i := range 4 {
		d := unhex(b[i])
		if d > 15 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

// unhex returns the value of a hexadecimal digit, 255 for other bytes.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// control removes NUL and turns other control bytes but CR and LF into spaces.
func control(b []byte) ([]byte, Flags) {
	var flags Flags
	w := 0
	for _, c := range b {
		switch {
		case c == 0:
			flags |= NUL
			continue
		case c < 0x20 && c != '\r' && c != '\n', c == 0x7f:
			c, flags = ' ', flags|Control
		}
		b[w] = c
		w++
	}
	return b[:w], flags
}
