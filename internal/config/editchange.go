package config

import (
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

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
