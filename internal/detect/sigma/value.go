package sigma

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
)

// value is one value of a selection: text with wildcards, or nothing (null).
type value struct {
	pieces []piece
	// raw is the value as it stands in the file; of regular expressions and
	// networks it is all that counts.
	raw    string
	null   bool
	number bool
	line   int
}

// piece is a run of text, or a wildcard ('*' or '?').
type piece struct {
	wild byte
	text string
}

// newValue reads the wildcards and escapes of a text: '\*', '\?' and '\\' stand
// for the character, any other backslash for itself.
func newValue(s string, line int) value {
	v := value{raw: s, line: line}
	var run strings.Builder
	flush := func() {
		if run.Len() > 0 {
			v.pieces = append(v.pieces, piece{text: run.String()})
			run.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`\*?`, s[i+1]) >= 0:
			i++
			run.WriteByte(s[i])
		case c == '*' || c == '?':
			flush()
			v.pieces = append(v.pieces, piece{wild: c})
		default:
			run.WriteByte(c)
		}
	}
	flush()
	return v
}

// plainValue is a text without wildcards.
func plainValue(s string, line int) value {
	v := value{raw: s, line: line}
	if s != "" {
		v.pieces = []piece{{text: s}}
	}
	return v
}

// plain returns the text of a value without wildcards.
func (v value) plain() (string, bool) {
	switch {
	case len(v.pieces) == 0:
		return "", true
	case len(v.pieces) == 1 && v.pieces[0].wild == 0:
		return v.pieces[0].text, true
	}
	return "", false
}

// anything reports whether a value is nothing but stars.
func (v value) anything() bool {
	for _, p := range v.pieces {
		if p.wild != '*' {
			return false
		}
	}
	return len(v.pieces) > 0
}

// glob writes a value as "equals" of a rule file reads it, with a star before
// and after it if asked for.
func (v value) glob(before, after bool) string {
	var b strings.Builder
	if before {
		b.WriteByte('*')
	}
	for _, p := range v.pieces {
		if p.wild != 0 {
			b.WriteByte(p.wild)
			continue
		}
		for i := range len(p.text) {
			if strings.IndexByte(`\*?`, p.text[i]) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(p.text[i])
		}
	}
	if after {
		b.WriteByte('*')
	}
	return b.String()
}

// matches reports whether a value is the text s, as far as op says; it is for
// fields of which the few values are known beforehand.
func (v value) matches(op, s string) bool {
	at := map[int]bool{0: true}
	if op == "contains" || op == "endswith" {
		for i := range len(s) + 1 {
			at[i] = true
		}
	}
	for _, p := range v.pieces {
		next := map[int]bool{}
		for i := range at {
			switch {
			case p.wild == '*':
				for j := i; j <= len(s); j++ {
					next[j] = true
				}
			case p.wild == '?':
				if i < len(s) {
					next[i+1] = true
				}
			case len(s)-i >= len(p.text) && strings.EqualFold(s[i:i+len(p.text)], p.text):
				next[i+len(p.text)] = true
			}
		}
		at = next
	}
	if op == "contains" || op == "startswith" {
		return len(at) > 0
	}
	return at[len(s)]
}

// dashes are what stands for the dash of an option under windash.
var dashes = []string{"-", "/", "–", "—", "―"}

// windash returns a value with each kind of dash at the beginnings of options.
func windash(v value) []value {
	var out []value
	seen := map[string]bool{}
	for _, d := range dashes {
		w := value{line: v.line}
		before := byte(' ')
		for _, p := range v.pieces {
			if p.wild == 0 {
				p.text = replaceDashes(p.text, before, d)
				before = p.text[len(p.text)-1]
			} else {
				before = ' '
			}
			w.pieces = append(w.pieces, p)
		}
		if w.raw = w.glob(false, false); !seen[w.raw] {
			seen[w.raw] = true
			out = append(out, w)
		}
	}
	return out
}

// replaceDashes puts d in the place of dashes and slashes that follow no letter
// or digit and come before one. before is the byte ahead of s.
func replaceDashes(s string, before byte, d string) string {
	word := func(c byte) bool {
		return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80
	}
	var b strings.Builder
	for i := range len(s) {
		if (s[i] == '-' || s[i] == '/') && !word(before) && i+1 < len(s) && word(s[i+1]) {
			b.WriteString(d)
		} else {
			b.WriteByte(s[i])
		}
		before = s[i]
	}
	return b.String()
}

// base64Offsets returns what the encoding of a text that holds s has in common,
// for each of the three places at which s may begin.
func base64Offsets(s string) []string {
	begins, ends := [3]int{0, 2, 3}, [3]int{0, 3, 2}
	var out []string
	for i := range 3 {
		enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", i) + s))
		if to := len(enc) - ends[(len(s)+i)%3]; to > begins[i] {
			out = append(out, enc[begins[i]:to])
		}
	}
	return out
}

// encode16 encodes text as UTF-16: little endian, big endian, or little endian
// after a byte order mark.
func encode16(s string, big, mark bool) string {
	var b strings.Builder
	units := utf16.Encode([]rune(s))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	for _, u := range units {
		if big {
			b.WriteByte(byte(u >> 8))
			b.WriteByte(byte(u))
		} else {
			b.WriteByte(byte(u))
			b.WriteByte(byte(u >> 8))
		}
	}
	return b.String()
}
