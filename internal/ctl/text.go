package ctl

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// clean makes a text that others wrote safe to show: control characters, what
// is not UTF-8, and characters that are invisible or change the direction of
// writing are written as escapes (\x1b, \u202e). The result is one line of
// valid UTF-8; a clean text stays as it is.
func clean(s string) string {
	i := dirty(s)
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	b.WriteString(s[:i])
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case shown(r):
			b.WriteString(s[i : i+n])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteByte(' ')
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

// dirty returns where the first byte is that clean changes, -1 if none is.
func dirty(s string) int {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !shown(r) {
			return i
		}
		i += n
	}
	return -1
}

// shown reports whether a character is put on the screen as it is.
func shown(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r != 0x7f
	}
	return unicode.IsGraphic(r) && !unicode.In(r, unicode.Zl, unicode.Zp, unicode.Cf)
}

// quote puts a clean text of bounded length in quotation marks.
func quote(s string) string { return `"` + truncate(clean(s), 60) + `"` }

// width is how many columns a clean text takes.
func width(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return displaywidth.String(s)
		}
	}
	return len(s)
}

// truncate cuts a clean text to at most n columns, of which the last is then
// an ellipsis. n ≤ 0 cuts nothing.
func truncate(s string, n int) string {
	if n <= 0 || width(s) <= n {
		return s
	}
	return displaywidth.TruncateString(s, n, "…")
}

// pad fills a clean text with blanks up to n columns.
func pad(s string, n int) string {
	if w := width(s); w < n {
		return s + strings.Repeat(" ", n-w)
	}
	return s
}

// wrap breaks a clean text into lines of at most n columns at blanks; n ≤ 0
// leaves it whole. A word that is longer than a line is broken.
func wrap(s string, n int) []string {
	if n <= 0 || width(s) <= n {
		return []string{s}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) <= n:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
		for width(line) > n {
			head := displaywidth.TruncateString(line, n, "")
			if head == "" { // one character is wider than the line
				break
			}
			lines = append(lines, head)
			line = line[len(head):]
		}
	}
	return append(lines, line)
}
