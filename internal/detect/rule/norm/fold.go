package norm

import "unicode/utf8"

// fold turns overlong UTF-8 into the byte meant and full-width forms into
// ASCII. The two letters outside ASCII that fold to ASCII ones, U+017F (s) and
// U+212A (k), become those. Other bytes stay.
func fold(b []byte) ([]byte, Flags) {
	var flags Flags
	w := 0
	for i := 0; i < len(b); {
		c := b[i]
		if c < 0x80 {
			b[w] = c
			w, i = w+1, i+1
			continue
		}
		r, n := overlong(b[i:])
		if n > 0 {
			w = putRune(b, w, r)
			i, flags = i+n, flags|Overlong
			continue
		}
		r, n = utf8.DecodeRune(b[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			flags |= InvalidUTF8
		case 0xff01 <= r && r <= 0xff5e:
			b[w] = byte(r - 0xff01 + '!')
			w, i, flags = w+1, i+n, flags|FullWidth
			continue
		case r == 0x17f:
			b[w] = 's'
			w, i, flags = w+1, i+n, flags|FullWidth
			continue
		case r == 0x212a:
			b[w] = 'k'
			w, i, flags = w+1, i+n, flags|FullWidth
			continue
		}
		copy(b[w:], b[i:i+n])
		w, i = w+n, i+n
	}
	return b[:w], flags
}

// overlong reads one overlong form at the start of b and returns its length, 0
// if there is none. C0 and C1 never occur in valid UTF-8; servers have also
// taken them with the bare slash and backslash that follow.
func overlong(b []byte) (rune, int) {
	switch c := b[0]; {
	case c == 0xc0 || c == 0xc1:
		if len(b) < 2 {
			return 0, 0
		}
		d := b[1]
		if d&0xc0 == 0x80 || c == 0xc0 && (d == '/' || d == '.') || c == 0xc1 && d == 0x1c {
			return rune(c&1)<<6 | rune(d&0x3f), 2
		}
	case c == 0xe0:
		if len(b) >= 3 && b[1]&0xe0 == 0x80 && b[2]&0xc0 == 0x80 {
			return rune(b[1]&0x3f)<<6 | rune(b[2]&0x3f), 3
		}
	case c == 0xf0:
		if len(b) >= 4 && b[1]&0xf0 == 0x80 && b[2]&0xc0 == 0x80 && b[3]&0xc0 == 0x80 {
			return rune(b[1]&0x3f)<<12 | rune(b[2]&0x3f)<<6 | rune(b[3]&0x3f), 4
		}
	}
	return 0, 0
}

// putRune writes r at b[w:] and returns the index after it. There is room: all
// forms that stand for a rune are longer than it.
func putRune(b []byte, w int, r rune) int {
	if r < 0x80 {
		b[w] = byte(r)
		return w + 1
	}
	return w + utf8.EncodeRune(b[w:], r)
}
