package norm

// lower maps ASCII capitals to small letters.
var lower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

// Lower puts b in lower case, in place.
func Lower(b []byte) {
	for i, c := range b {
		b[i] = lower[c]
	}
}

// Canon turns a decoded text into its canon view, in place. The result is a
// prefix of b and is its own canon view.
func Canon(b []byte, k Kind) []byte {
	if k == Agent {
		Lower(b)
		return b
	}
	if k == Path {
		for i, c := range b {
			if c == '\\' {
				b[i] = '/'
			}
		}
	}
	b = comments(b)
	if k == Path {
		b = slashes(b)
	}
	return b
}

// comments puts b in lower case, turns comments into a space, keeps the body of
// "/*!12345 body */", and makes runs of spaces one. A comment that never ends
// stays.
func comments(b []byte) []byte {
	w, bodies := 0, 0
	last := lastEnd(b)
	space := func() {
		if w == 0 || b[w-1] != ' ' {
			b[w] = ' '
			w++
		}
	}
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c == '/' && i+2 < len(b) && b[i+1] == '*' && b[i+2] == '!':
			i += 3
			for n := 0; n < 6 && i < len(b) && '0' <= b[i] && b[i] <= '9'; n++ {
				i++
			}
			bodies++
			space()
			continue
		case c == '*' && bodies > 0 && i+1 < len(b) && b[i+1] == '/':
			i += 2
			bodies--
			space()
			continue
		case c == '/' && i+3 < len(b) && b[i+1] == '*' && i+2 <= last:
			for i += 2; b[i] != '*' || b[i+1] != '/'; i++ {
			}
			i += 2
			space()
			continue
		case c == ' ':
			i++
			space()
			continue
		}
		b[w] = lower[c]
		w, i = w+1, i+1
	}
	return b[:w]
}

// lastEnd returns the index of the last "*/", -1 without one.
func lastEnd(b []byte) int {
	for i := len(b) - 2; i >= 0; i-- {
		if b[i] == '*' && b[i+1] == '/' {
			return i
		}
	}
	return -1
}

// slashes makes "//" and "/./" one slash.
func slashes(b []byte) []byte {
	w := 0
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '/' {
			if w > 0 && b[w-1] == '/' {
				continue
			}
			if w > 1 && b[w-1] == '.' && b[w-2] == '/' {
				w--
				continue
			}
		}
		b[w] = c
		w++
	}
	return b[:w]
}

// AppendResolved appends a canon path with its dot segments resolved, without
// leaving the root. "..;" counts as "..", as some servers have it.
func AppendResolved(dst []byte, path string) ([]byte, Flags) {
	var flags Flags
	base := len(dst)
	for i := 0; i < len(path); {
		j := i
		for j < len(path) && path[j] != '/' {
			j++
		}
		switch seg := path[i:j]; {
		case seg == "." || seg == "" && i > 0 && j < len(path):
		case seg == ".." || len(seg) > 2 && seg[:3] == "..;":
			end := len(dst)
			if end > base && dst[end-1] == '/' {
				end--
			}
			for end > base && dst[end-1] != '/' {
				end--
			}
			if len(dst) <= base+1 {
				flags |= EscapesRoot
			}
			dst = dst[:end]
			if end == base && path[0] == '/' {
				dst = append(dst, '/')
			}
		default:
			dst = append(dst, seg...)
			if j < len(path) {
				dst = append(dst, '/')
			}
		}
		i = j + 1
	}
	return dst, flags
}

// AppendMasked appends a path with runs of digits made "0" and runs of eight
// or more hexadecimal digits (with their dashes) made "x", so that pages of one
// kind look the same.
func AppendMasked(dst []byte, path string) []byte {
	for i := 0; i < len(path); {
		if j := hexRun(path[i:]); j > 0 && (i == 0 || unhex(path[i-1]) > 15) {
			dst = append(dst, 'x')
			i += j
			continue
		}
		c := path[i]
		if '0' <= c && c <= '9' {
			dst = append(dst, '0')
			for i < len(path) && '0' <= path[i] && path[i] <= '9' {
				i++
			}
			continue
		}
		dst = append(dst, c)
		i++
	}
	return dst
}

// maxRun bounds how far a run is followed, so that masking stays linear.
const maxRun = 64

// hexRun returns the length of a run of hexadecimal digits and dashes at the
// start of s if it has eight digits or more, one of them decimal, and no letter
// follows; else 0.
func hexRun(s string) int {
	n, digits, decimal := 0, 0, false
	for ; n < min(len(s), maxRun); n++ {
		c := s[n]
		if c == '-' && digits > 0 {
			continue
		}
		if unhex(c) > 15 {
			break
		}
		digits++
		decimal = decimal || c <= '9'
	}
	if digits < 8 || !decimal || n < len(s) && isLetter(s[n]) {
		return 0
	}
	return n
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
