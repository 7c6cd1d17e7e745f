package norm

import "unicode/utf8"

// AppendJSON appends s with the escapes of JSON strings undone. It does not ask
// whether s is JSON; unknown escapes are kept.
func AppendJSON(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' || i+1 == len(s) {
			dst = append(dst, c)
			continue
		}
		i++
		switch s[i] {
		case 'n', 'r', 't', 'b', 'f':
			dst = append(dst, ' ')
		case 'u':
			if i+4 < len(s) {
				if r, ok := hex4(s[i+1 : i+5]); ok && r != 0 {
					dst = utf8.AppendRune(dst, r)
					i += 4
					continue
				}
			}
			dst = append(dst, '\\', 'u')
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}

// AppendBase64 appends what s encodes, in the usual or the URL alphabet, with
// padding or without, if at least nine tenths of it are printable. A space is
// read as the '+' that it was.
func AppendBase64(dst []byte, s string) ([]byte, bool) {
	for len(s) > 0 && s[len(s)-1] == '=' {
		s = s[:len(s)-1]
	}
	if len(s)%4 == 1 {
		return dst, false
	}
	n := len(dst)
	var acc uint32
	var bits uint
	printable := 0
	for i := range len(s) {
		d := sixtyFour[s[i]]
		if d > 63 {
			return dst[:n], false
		}
		acc = acc<<6 | uint32(d)
		if bits += 6; bits >= 8 {
			bits -= 8
			c := byte(acc >> bits)
			if c >= ' ' && c < 0x7f || c == '\n' || c == '\r' || c == '\t' {
				printable++
			}
			dst = append(dst, c)
		}
		if i == 31 && printable*2 < len(dst)-n {
			return dst[:n], false
		}
	}
	if printable*10 < (len(dst)-n)*9 {
		return dst[:n], false
	}
	return dst, true
}

// sixtyFour maps base64 digits of both alphabets to their values.
var sixtyFour = func() (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	const std = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(std) {
		t[std[i]] = byte(i)
	}
	t['-'], t['_'], t[' '] = 62, 63, 62
	return t
}()
