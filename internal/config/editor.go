package config

import (
	"bytes"
	"errors"
	"slices"
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

// set gives the value at a path a text: block is how it is written in lines of
// its own, flow how it is written between braces.
func (e *editor) set(path []string, block, flow string) error {
	if e.root == nil {
		lines := nest(path, block, e.step())
		if strings.TrimSpace(e.text) != "" {
			lines = append([]string{""}, lines...)
		}
		e.insertLines(len(e.text), 0, lines)
		return nil
	}
	m, s := e.root, schema(Default())
	for i, word := range path {
		if m.Kind != yaml.MappingNode {
			return errors.New("the file has a value where the section should be")
		}
		at := indexOf(m, word)
		if at < 0 {
			return e.insert(m, s, path[i:], block, flow)
		}
		k, v := m.Content[at], m.Content[at+1]
		switch {
		case i == len(path)-1:
			return e.replace(m, k, v, block, flow)
		case v.Kind == yaml.ScalarNode && v.Tag == "!!null":
			return e.fill(m, k, v, path[i+1:], block, flow)
		}
		s, _ = s[slices.IndexFunc(s, func(e entry) bool { return e.key == word })].value.(section)
		m = v
	}
	return nil
}

// replace writes a new value for a key of m.
func (e *editor) replace(m, k, v *yaml.Node, block, flow string) error {
	text := block
	if m.Style&yaml.FlowStyle != 0 {
		text = flow
	}
	from, err := e.colon(k)
	if err != nil {
		return err
	}
	to, err := e.end(v)
	switch {
	case err != nil:
		return err
	case v.Kind == yaml.ScalarNode && v.Value == "" && v.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0:
		e.splice(from, from, " "+text)
	case v.Kind != yaml.ScalarNode && v.Style&yaml.FlowStyle == 0:
		// A comment behind the key stays.
		e.splice(e.lineEnd(from), e.lineEnd(to), "")
		e.splice(from, from, " "+text)
	default:
		e.splice(e.offset(v), to, text)
	}
	return nil
}

// fill puts a key into a section that is there without a value.
func (e *editor) fill(m, k, v *yaml.Node, path []string, block, flow string) error {
	if m.Style&yaml.FlowStyle != 0 || v.Value != "" {
		inline := "{" + nestFlow(path, flow) + "}"
		return e.replace(m, k, v, inline, inline)
	}
	at, err := e.colon(k)
	if err != nil {
		return err
	}
	e.insertLines(e.nextLine(at), k.Column-1+e.step(), nest(path, block, e.step()))
	return nil
}

// insert puts a key into a section that does not have it, behind the key that
// comes before it in the manual, or else at the end.
func (e *editor) insert(m *yaml.Node, s section, path []string, block, flow string) error {
	var before *yaml.Node
	for _, x := range s {
		if x.key == path[0] {
			break
		}
		if i := indexOf(m, x.key); i >= 0 {
			before = m.Content[i+1]
		}
	}
	if before == nil && len(m.Content) > 0 {
		before = m.Content[len(m.Content)-1]
	}
	if m.Style&yaml.FlowStyle != 0 {
		if before == nil {
			e.splice(e.offset(m)+1, e.offset(m)+1, nestFlow(path, flow))
			return nil
		}
		at, err := e.end(before)
		if err == nil {
			e.splice(at, at, ", "+nestFlow(path, flow))
		}
		return err
	}
	end, err := e.end(before)
	if err != nil {
		return err
	}
	indent := m.Column - 1
	lines := nest(path, block, e.step())
	if m == e.root && len(path) > 1 {
		lines = append([]string{""}, lines...)
	}
	e.insertLines(e.behind(end, indent), indent, lines)
	return nil
}

// behind returns where the line begins that follows a value and the comments
// which belong to its section, being indented deeper.
func (e *editor) behind(end, indent int) int {
	after := e.nextLine(end)
	for at := after; at < len(e.text); at = e.nextLine(at) {
		line := e.text[at:e.lineEnd(at)]
		text := strings.TrimLeft(line, " ")
		switch {
		case text == "":
		case text[0] == '#' && len(line)-len(text) > indent:
			after = e.nextLine(at)
		default:
			return after
		}
	}
	return after
}

// unset removes the value at a path, and sections that have nothing else.
func (e *editor) unset(path []string) error {
	for len(path) > 1 && e.find(path) != nil && len(e.find(path[:len(path)-1]).Content) == 2 {
		path = path[:len(path)-1]
	}
	m := e.find(path[:len(path)-1])
	i := indexOf(m, path[len(path)-1])
	if i < 0 {
		return ErrNoKey
	}
	k, v := m.Content[i], m.Content[i+1]
	end, err := e.end(v)
	if err != nil {
		return err
	}
	if m.Style&yaml.FlowStyle == 0 {
		return e.removeLines(e.offset(k), max(end, e.offset(k)))
	}
	return e.dropFlow(m.Content, i, 2, end)
}

// dropFlow removes n nodes between braces or brackets, the last of which ends at
// end, with the comma before or behind them.
func (e *editor) dropFlow(nodes []*yaml.Node, i, n, end int) error {
	from := e.offset(nodes[i])
	switch {
	case i+n < len(nodes):
		end = e.offset(nodes[i+n])
	case i > 0:
		before, err := e.end(nodes[i-1])
		if err != nil {
			return err
		}
		from = before
	}
	e.splice(from, end, "")
	return nil
}

// dropItem removes an entry of a block list.
func (e *editor) dropItem(list *yaml.Node, i int) error {
	end, err := e.end(list.Content[i])
	if err != nil {
		return err
	}
	return e.removeLines(e.offset(list.Content[i]), end)
}

// appendItems puts entries behind the last one of a block list.
func (e *editor) appendItems(list *yaml.Node, items []*yaml.Node) error {
	if len(items) == 0 {
		return nil
	}
	end, err := e.end(list)
	if err == nil {
		e.insertLines(e.nextLine(end), list.Column-1, itemLines(items))
	}
	return err
}

// rewriteList replaces all entries of a block list.
func (e *editor) rewriteList(list *yaml.Node, items []*yaml.Node) error {
	end, err := e.end(list)
	if err != nil {
		return err
	}
	begin, indent := e.lineBegin(e.offset(list)), list.Column-1
	if err := e.removeLines(e.offset(list), end); err != nil {
		return err
	}
	e.insertLines(begin, indent, itemLines(items))
	return nil
}
