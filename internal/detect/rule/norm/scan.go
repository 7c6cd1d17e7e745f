package norm

import "strings"

// Class says which bytes a text has that may need work. Most log lines have
// none, which one pass finds out.
type Class uint16

const (
	hasPercent Class = 1 << iota
	hasPlus
	hasHigh
	hasControl
	hasAmp
	hasSemi
	hasHash
	hasStar
	hasBackslash
	hasSpace
	hasUpper
	hasEqual
	hasSpecial
	hasDash
)

// Upper reports whether the text has an ASCII capital.
func (c Class) Upper() bool { return c&hasUpper != 0 }

var classes = func() (t [256]Class) {
	for i := range t {
		c := byte(i)
		switch {
		case c >= 0x80:
			t[i] = hasHigh
		case c < 0x20 && c != '\r' && c != '\n', c == 0x7f:
			t[i] = hasControl
		case 'A' <= c && c <= 'Z':
			t[i] = hasUpper
		}
	}
	for c, v := range map[byte]Class{
		'%': hasPercent, '+': hasPlus, '&': hasAmp, ';': hasSemi, '#': hasHash, '*': hasStar, '\\': hasBackslash,
		' ': hasSpace, '=': hasEqual, '-': hasDash,
	} {
		t[c] |= v
	}
	for _, c := range []byte("'\"<>;()|`#*\\\r\n") {
		t[c] |= hasSpecial
	}
	return t
}()

// Scan classifies a text.
func Scan(s string) (c Class) {
	for i := 0; i < len(s); i++ {
		c |= classes[s[i]]
	}
	return c
}

func scanBytes(b []byte) (c Class) {
	for _, x := range b {
		c |= classes[x]
	}
	return c
}

// SpecialByte reports whether a decoded value has something without which it is
// no injection: ' " < > ; ( ) | ` # * \ -- = or white space.
func SpecialByte(s string) bool {
	c := Scan(s)
	return c&(hasSpecial|hasSpace|hasEqual) != 0 || c&hasDash != 0 && strings.Contains(s, "--")
}

// Decoded reports whether the decoded view of s is s itself. It may say no
// where the view is the same.
func (c Class) Decoded(k Kind) bool {
	if c&(hasPercent|hasHigh|hasControl) != 0 || c&hasAmp != 0 && c&(hasSemi|hasHash) != 0 {
		return false
	}
	return c&hasPlus == 0 || k == Path || k == Agent
}

// Canonical reports whether the canon view of s is s itself but for letter
// case, where c is the class of s.
func (c Class) Canonical(s string, k Kind) bool {
	if !c.Decoded(k) {
		return false
	}
	if k == Agent {
		return true
	}
	if c&hasStar != 0 && strings.Contains(s, "/*") || c&hasSpace != 0 && strings.Contains(s, "  ") {
		return false
	}
	return k != Path || c&hasBackslash == 0 && tidy(s)
}

// tidy reports whether a path has no "//" and no "/." in it.
func tidy(s string) bool {
	for i := 0; i+1 < len(s); {
		j := strings.IndexByte(s[i:], '/')
		if j < 0 || i+j+1 >= len(s) {
			return true
		}
		i += j + 1
		if s[i] == '/' || s[i] == '.' {
			return false
		}
	}
	return true
}

// Tidy reports whether the last steps of the canon view (comments and spaces)
// leave a decoded text of class c as it is.
func (c Class) Tidy(s string) bool {
	return (c&hasStar == 0 || !strings.Contains(s, "/*")) && (c&hasSpace == 0 || !strings.Contains(s, "  "))
}
