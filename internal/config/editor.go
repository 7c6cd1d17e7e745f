package config

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// editor changes the text of a file at the places of its nodes. After a change
// the nodes are stale until parse.
type editor struct {
	bom  bool
	text string
	root *yaml.Node // nil if the file has no values
	// begins has the offset of each line; nl is how lines end.
	begins []int
	nl     string
}

func newEditor(data []byte) (*editor, error) {
	rest, bom := bytes.CutPrefix(data, []byte("\xef\xbb\xbf"))
	e := &editor{bom: bom, text: string(rest), nl: "\n"}
	if i := strings.IndexByte(e.text, '\n'); i > 0 && e.text[i-1] == '\r' {
		e.nl = "\r\n"
	}
	return e, e.parse()
}

// parse reads the text again. Its error is Problems.
func (e *editor) parse() error {
	d := &decoder{}
	e.root = d.document([]byte(e.text))
	if err := d.problems.Err(); err != nil {
		return err
	}
	if e.root != nil && e.root.Kind == yaml.ScalarNode && e.root.Tag == "!!null" {
		e.root = nil
	}
	e.begins = []int{0}
	for i := range len(e.text) {
		if e.text[i] == '\n' {
			e.begins = append(e.begins, i+1)
		}
	}
	return nil
}

func (e *editor) bytes() []byte {
	if e.bom {
		return []byte("\xef\xbb\xbf" + e.text)
	}
	return []byte(e.text)
}

// splice replaces a part of the text.
func (e *editor) splice(from, to int, with string) { e.text = e.text[:from] + with + e.text[to:] }

// find returns the value at a path, nil if there is none.
func (e *editor) find(path []string) *yaml.Node {
	n := e.root
	for _, word := range path {
		i := indexOf(n, word)
		if i < 0 {
			return nil
		}
		n = n.Content[i+1]
	}
	return n
}

// indexOf returns the index of a key in a mapping's content, -1 if n is none or
// does not have it.
func indexOf(n *yaml.Node, key string) int {
	if n == nil || n.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// offset returns where a node begins.
func (e *editor) offset(n *yaml.Node) int {
	if n.Line < 1 || n.Line > len(e.begins) {
		return len(e.text)
	}
	at := e.begins[n.Line-1]
	for range n.Column - 1 {
		if at >= len(e.text) || e.text[at] == '\n' {
			break
		}
		_, size := utf8.DecodeRuneInString(e.text[at:])
		at += size
	}
	return at
}

// end returns where the text of a node ends; of a block that is the end of its
// last value.
func (e *editor) end(n *yaml.Node) (int, error) {
	at := e.offset(n)
	switch {
	case n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0, n.Kind == yaml.AliasNode, n.Anchor != "":
		return 0, errShape
	case n.Kind == yaml.ScalarNode && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		return e.quoted(at)
	case n.Kind == yaml.ScalarNode:
		if !strings.HasPrefix(e.text[at:], n.Value) {
			return 0, errShape
		}
		return at + len(n.Value), nil
	case n.Style&yaml.FlowStyle != 0:
		at++
	}
	if len(n.Content) > 0 {
		last, err := e.end(n.Content[len(n.Content)-1])
		if err != nil {
			return 0, err
		}
		at = last
	}
	if n.Style&yaml.FlowStyle == 0 {
		return at, nil
	}
	for at < len(e.text) {
		switch e.text[at] {
		case ']', '}':
			return at + 1, nil
		case '#':
			at = e.lineEnd(at)
		case ' ', '\t', '\r', '\n', ',', ':':
			at++
		default:
			return 0, errShape
		}
	}
	return 0, errShape
}

// quoted returns the end of a quoted text.
func (e *editor) quoted(at int) (int, error) {
	if at >= len(e.text) {
		return 0, errShape
	}
	quote := e.text[at]
	for at++; at < len(e.text); at++ {
		switch {
		case e.text[at] == '\\' && quote == '"':
			at++
		case e.text[at] == quote && quote == '\'' && strings.HasPrefix(e.text[at:], "''"):
			at++
		case e.text[at] == quote:
			return at + 1, nil
		}
	}
	return 0, errShape
}

// lineBegin and lineEnd return the bounds of the line around an offset, without
// its end.
func (e *editor) lineBegin(at int) int { return strings.LastIndexByte(e.text[:at], '\n') + 1 }

func (e *editor) lineEnd(at int) int {
	i := strings.IndexByte(e.text[at:], '\n')
	if i < 0 {
		return len(e.text)
	}
	return len(strings.TrimSuffix(e.text[:at+i], "\r"))
}

// nextLine returns where the line after the one around an offset begins.
func (e *editor) nextLine(at int) int {
	i := strings.IndexByte(e.text[at:], '\n')
	if i < 0 {
		return len(e.text)
	}
	return at + i + 1
}

// colon returns where the value of a key may begin: after its colon.
func (e *editor) colon(key *yaml.Node) (int, error) {
	at, err := e.end(key)
	if err != nil {
		return 0, err
	}
	rest := strings.TrimLeft(e.text[at:], " \t")
	if !strings.HasPrefix(rest, ":") {
		return 0, errShape
	}
	return len(e.text) - len(rest) + 1, nil
}

// insertLines puts lines, each indented by so many spaces, where a line begins.
func (e *editor) insertLines(at, indent int, lines []string) {
	var b strings.Builder
	if at > 0 && e.text[at-1] != '\n' {
		b.WriteString(e.nl)
	}
	for i, line := range lines {
		if line != "" {
			b.WriteString(strings.Repeat(" ", indent) + line)
		}
		// A file that ends without a newline goes on doing so.
		if i < len(lines)-1 || at < len(e.text) || at == 0 || e.text[at-1] == '\n' {
			b.WriteString(e.nl)
		}
	}
	e.splice(at, at, b.String())
}

// removeLines removes the lines from one offset to another.
func (e *editor) removeLines(from, to int) error {
	begin := e.lineBegin(from)
	if strings.Trim(e.text[begin:from], " -") != "" {
		return errShape
	}
	if rest := strings.TrimSpace(e.text[to:e.lineEnd(to)]); rest != "" && rest[0] != '#' {
		return errShape
	}
	e.splice(begin, e.nextLine(to), "")
	return nil
}

// step is how far the file indents: as its first nested key, or by two.
func (e *editor) step() int {
	if e.root != nil && e.root.Kind == yaml.MappingNode {
		for i := 1; i < len(e.root.Content); i += 2 {
			if v := e.root.Content[i]; v.Kind == yaml.MappingNode && v.Style&yaml.FlowStyle == 0 && v.Column > e.root.Column {
				return v.Column - e.root.Column
			}
		}
	}
	return 2
}
