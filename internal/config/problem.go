package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is one fault of a configuration file.
type Problem struct {
	// File is the name of the file; Line and Column, from 1 and in characters,
	// are where the fault begins. Line 0 is the file as a whole.
	File         string
	Line, Column int
	// Width is how many characters are wrong, at least 1 if Line is not 0.
	Width int
	// Key is the full name of the key concerned ("response.min_score"), if any.
	Key string
	// Message says what is wrong and what was expected.
	Message string
	// Hint says what to do or what was probably meant; it may be empty.
	Hint string
	// Source is the line of the file, without its newline.
	Source string
}

// Error returns the problem in one line, without its source line.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// String returns the problem for people: the place and the message, the source
// line with the fault underlined, and the hint. It holds no control characters
// but newlines and does not end in one.
func (p Problem) String() string {
	q := p
	q.Hint = ""
	var b strings.Builder
	b.WriteString(clean(q.Error()))
	if p.Line > 0 && strings.TrimSpace(p.Source) != "" {
		number := strconv.Itoa(p.Line)
		text, column := window(p.Source, p.Column)
		fmt.Fprintf(&b, "\n  %s | %s\n  %s | ", number, clean(text), strings.Repeat(" ", len(number)))
		line := []rune(text)
		for i := range column - 1 {
			if i < len(line) && line[i] == '\t' {
				b.WriteByte('\t')
			} else {
				b.WriteByte(' ')
			}
		}
		b.WriteString(strings.Repeat("^", max(1, min(p.Width, len(line)-column+1))))
	}
	if p.Hint != "" {
		b.WriteString("\n  " + clean(p.Hint))
	}
	return b.String()
}

// maxShown is how many characters of a source line are shown.
const maxShown = 120

// window cuts a long line to what is around the column, and returns the column
// within the rest.
func window(line string, column int) (string, int) {
	if utf8.RuneCountInString(line) <= maxShown {
		return line, column
	}
	runes := []rune(line)
	from := min(max(0, column-1-maxShown/3), len(runes))
	to := min(len(runes), from+maxShown)
	text, column := string(runes[from:to]), column-from
	if from > 0 {
		text, column = "…"+text, column+1
	}
	if to < len(runes) {
		text += "…"
	}
	return text, column
}

// clean makes text safe for a terminal: what is not printable becomes '?',
// except tabs.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// Problems are the faults of one file, in its order. It is an error if it is
// not empty.
type Problems []Problem

// Error returns all problems for people, with a count if there are many.
func (ps Problems) Error() string {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	if len(ps) > 1 {
		fmt.Fprintf(&b, "\n%d problems in %s", len(ps), ps[0].File)
	}
	return b.String()
}

// Err returns ps as an error, nil if it is empty.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}
