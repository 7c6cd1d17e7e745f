package norm

import (
	"bytes"
	"unicode/utf8"
)

// names are the named entities that are undone; they end with ';'.
var names = map[string]byte{
	"lt": '<', "gt": '>', "quot": '"', "apos": '\'', "amp": '&', "colon": ':', "lpar": '(', "rpar": ')',
	"newline": '\n', "tab": '\t', "sol": '/', "excl": '!', "equals": '=', "grave": '`',
}

// entities undoes decimal, hexadecimal and named HTML entities once. Numeric
// ones need no ';', as in browsers.
func entities(b []byte) ([]byte, Flags) {
	var flags Flags
	w := 0
	for i := 0; i < len(b); {
		if b[i] == '&' {
			if r, n := entity(b[i:]); n > 0 {
				w = putRune(b, w, r)
				i, flags = i+n, flags|Entity
				continue
			}
		}
		b[w] = b[i]
		w, i = w+1, i+1
	}
	return b[:w], flags
}

// entity reads one entity at the start of b and returns its length, 0 if there
// is none.
func entity(b []byte) (rune, int) {
	if len(b) < 4 {
		return 0, 0
	}
	if b[1] == '#' {
		return numeric(b)
	}
	end := bytes.IndexByte(b[:min(len(b), 10)], ';')
	if end < 0 {
		return 0, 0
	}
	var low [10]byte
	for i, c := range b[1:end] {
		low[i] = lower[c]
	}
	if c, ok := names[string(low[:end-1])]; ok {
		return rune(c), end + 1
	}
	return 0, 0
}

func numeric(b []byte) (rune, int) {
	i, base := 2, rune(10)
	if b[i]|0x20 == 'x' {
		i, base = 3, 16
	}
	first := i
	var r rune
	for ; i < len(b); i++ {
		d := rune(unhex(b[i]))
		if d >= base {
			break
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, 0
		}
	}
	if i == first || 0xd800 <= r && r <= 0xdfff {
		return 0, 0
	}
	if i < len(b) && b[i] == ';' {
		i++
	}
	return r, i
}
