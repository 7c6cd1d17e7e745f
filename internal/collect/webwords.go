package collect

import (
	"iter"
	"strings"
)

// statement is one directive of a configuration, in words without quotes.
type statement struct {
	words []string // not empty
	line  int      // where it begins
	file  string   // what nginx -T says it is from, empty otherwise
}

// maxWebWords bounds the words of one directive.
const maxWebWords = 1024

// nginxStatements takes the text of a configuration apart as nginx does. The
// word before an opening brace ends a directive, too.
func nginxStatements(text string) iter.Seq[statement] {
	return func(yield func(statement) bool) {
		st := statement{line: 1}
		line := 1
		flush := func() bool {
			words := st.words
			st.words = nil
			return len(words) == 0 || yield(statement{words: words, line: st.line, file: st.file})
		}
		for i := 0; i < len(text); {
			switch c := text[i]; {
			case c == '\n':
				line++
				i++
			case c == ' ' || c == '\t' || c == '\r':
				i++
			case c == '#':
				end := strings.IndexByte(text[i:], '\n')
				if end < 0 {
					end = len(text) - i
				}
				if file, ok := strings.CutPrefix(text[i:i+end], "# configuration file "); ok { // of nginx -T
					if !flush() {
						return
					}
					st.file, line = strings.TrimSuffix(strings.TrimSpace(file), ":"), 0
				}
				i += end
			case c == ';' || c == '{' || c == '}':
				if !flush() {
					return
				}
				i++
			default:
				word, n := nginxWord(text[i:])
				if len(st.words) == 0 {
					st.line = line
				}
				if len(st.words) < maxWebWords {
					st.words = append(st.words, word)
				}
				line += strings.Count(text[i:i+n], "\n")
				i += n
			}
		}
		flush()
	}
}

// nginxWord reads a word, in quotes or not, and returns its length with them.
func nginxWord(s string) (word string, n int) {
	var b strings.Builder
	quote := byte(0)
	if s[0] == '"' || s[0] == '\'' {
		quote, n = s[0], 1
	}
	for n < len(s) {
		c := s[n]
		switch {
		case c == '\\' && n+1 < len(s):
			switch e := s[n+1]; e {
			case '"', '\'', '\\':
				c = e
			case 't':
				c = '\t'
			case 'r':
				c = '\r'
			case 'n':
				c = '\n'
			default:
				b.WriteByte(c)
				c = e
			}
			n++
		case quote != 0 && c == quote:
			return b.String(), n + 1
		case quote == 0 && c == '$' && n+1 < len(s) && s[n+1] == '{': // its brace opens no block
			b.WriteByte(c)
			c = '{'
			n++
		case quote == 0 && strings.IndexByte(" \t\r\n;{", c) >= 0:
			return b.String(), n
		}
		b.WriteByte(c)
		n++
	}
	return b.String(), n
}

// apacheStatements takes the text of a configuration apart as Apache does: one
// directive a line, which a backslash at its end continues.
func apacheStatements(text string) iter.Seq[statement] {
	return func(yield func(statement) bool) {
		n, first, joined := 0, 0, ""
		for raw := range strings.Lines(text) {
			n++
			line := strings.TrimSpace(raw)
			if joined == "" {
				first = n
			}
			if rest, ok := strings.CutSuffix(line, `\`); ok {
				joined += rest + " "
				continue
			}
			line, joined = strings.TrimSpace(joined+line), ""
			if line == "" || line[0] == '#' {
				continue
			}
			st := statement{line: first}
			for line != "" && len(st.words) < maxWebWords {
				var word string
				word, line = apacheWord(line)
				st.words = append(st.words, word)
			}
			if !yield(st) {
				return
			}
		}
	}
}

// apacheWord cuts a word, in quotes or not; within quotes only a quote and a
// backslash can be escaped.
func apacheWord(s string) (word, rest string) {
	quote := s[0]
	if quote != '"' && quote != '\'' {
		end := strings.IndexAny(s, " \t")
		if end < 0 {
			return s, ""
		}
		return s[:end], strings.TrimLeft(s[end:], " \t")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (s[i+1] == quote || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case c == quote:
			return b.String(), strings.TrimLeft(s[i+1:], " \t")
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}
