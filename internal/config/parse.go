package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxProblems is how many problems of one file are reported.
const maxProblems = 100

// Parse reads a configuration from data; name is the file's name in problems.
// It returns either a configuration or at least one problem. The file system is
// not touched, except for the time-zone database: secrets in files are read by
// Load.
func Parse(name string, data []byte) (*Config, Problems) { return ParseWith(name, data, Options{}) }

// ParseWith is Parse with options.
func ParseWith(name string, data []byte, o Options) (*Config, Problems) {
	c, problems := parse(name, data, o)
	if len(problems) > 0 {
		return nil, problems
	}
	return c, nil
}

// parse returns what it understood, also if there are problems.
func parse(name string, data []byte, o Options) (*Config, Problems) {
	d := &decoder{file: name, set: map[string]int{}}
	c := Default()
	if root := d.document(data); root != nil && d.expand(root, "", &o) {
		schema(c).decode(d, "", root)
		d.checkSecrets(schema(c))
	}
	if len(d.problems) > 0 {
		slices.SortStableFunc(d.problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		if more := len(d.problems) - maxProblems + d.more; more > 0 {
			d.problems = append(d.problems[:maxProblems], Problem{File: name, Message: fmt.Sprintf("and %d more problems", more)})
		}
	}
	c.file, c.set, c.unset = name, d.set, d.unset
	return c, d.problems
}

// decoder collects what is wrong with a file and which keys it gives.
type decoder struct {
	file     string
	lines    []string
	problems Problems
	set      map[string]int
	// more counts problems that were not even looked at, since there are so
	// many.
	more int
	// refuse says why a key may not stand in this file, if so; nil allows all.
	refuse func(key string) string
	// widths has how many characters values took before variables were
	// replaced; unset has variables that are not set, and where they stand.
	widths map[*yaml.Node]int
	unset  []string
	// broken has what is wrong with the variables in a value.
	broken map[*yaml.Node]Problem
}

// full reports whether there are problems enough; one more is then counted.
func (d *decoder) full() bool {
	if len(d.problems) < 2*maxProblems {
		return false
	}
	d.more++
	return true
}

// add reports a problem at a place of the file.
func (d *decoder) add(p Problem) {
	if d.full() {
		return
	}
	p.File = d.file
	if p.Line > 0 && p.Line <= len(d.lines) && p.Source == "" {
		p.Source = secretInLine.ReplaceAllString(d.lines[p.Line-1], "${1}"+hidden)
	}
	if p.Line > 0 {
		p.Column, p.Width = max(1, p.Column), max(1, p.Width)
	}
	d.problems = append(d.problems, p)
}

// at reports a problem with a node.
func (d *decoder) at(n *yaml.Node, key, hint, format string, args ...any) {
	d.add(Problem{
		Line: n.Line, Column: n.Column, Width: d.width(n),
		Key: key, Hint: hint, Message: fmt.Sprintf(format, args...),
	})
}

// width returns how many characters of its line a node takes.
func (d *decoder) width(n *yaml.Node) int {
	if w, ok := d.widths[n]; ok {
		return w
	}
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return 1
	}
	w := utf8.RuneCountInString(n.Value)
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		w += 2
	}
	if n.Line <= len(d.lines) && n.Line > 0 {
		w = min(w, utf8.RuneCountInString(strings.TrimRight(d.lines[n.Line-1], " \t"))-n.Column+1)
	}
	return max(1, w)
}

// document reads the YAML and returns the node of its one mapping, nil if there
// is none or it is not fit to be looked at.
func (d *decoder) document(data []byte) *yaml.Node {
	if len(data) > MaxSize {
		d.add(Problem{Message: fmt.Sprintf("the file is larger than %d bytes", MaxSize), Hint: "is this the configuration?"})
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	d.lines = strings.Split(string(data), "\n")
	for i, line := range d.lines {
		d.lines[i] = strings.TrimSuffix(line, "\r")
		if at := badByte(d.lines[i]); at >= 0 {
			d.add(Problem{
				Line: i + 1, Column: utf8.RuneCountInString(d.lines[i][:at]) + 1,
				Message: fmt.Sprintf("byte 0x%02x is not text", d.lines[i][at]), Hint: "the file must be UTF-8 without control characters",
			})
			return nil
		}
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		d.add(Problem{Message: err.Error()})
		return nil
	}
	var doc, more yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	switch err := loader.Load(&more); {
	case err == nil:
		d.at(&more, "", "put all keys into one document", "a second document begins here")
	case !errors.Is(err, io.EOF):
		d.syntax(err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

// badByte returns the index of the first byte of a line that is not UTF-8 or a
// control character, -1 if there is none.
func badByte(line string) int {
	for i, r := range line {
		if r < ' ' && r != '\t' || r == 0x7f {
			return i
		}
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(line[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// syntax reports what the YAML reader could not read.
func (d *decoder) syntax(err error) {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		d.add(Problem{Message: "this is not YAML: " + err.Error()})
		return
	}
	p := Problem{Line: le.Mark.Line, Column: le.Mark.Column, Message: "this is not YAML: " + le.Message}
	if le.ContextMsg != "" && le.ContextMark.Line > 0 && le.ContextMark != le.Mark {
		p.Hint = fmt.Sprintf("%s that begins on line %d", le.ContextMsg, le.ContextMark.Line)
	}
	if p.Line > 0 && p.Line <= len(d.lines) && strings.Contains(d.lines[p.Line-1], "${") {
		p.Hint = "within braces and brackets a value with a variable needs quotes: \"${NAME}\""
	}
	if strings.Contains(le.Message, "mapping values are not allowed") {
		p.Hint = "the line is indented wrongly, or a value that holds ': ' needs quotes"
	}
	if p.Line > 0 && p.Line <= len(d.lines) && strings.HasPrefix(strings.TrimLeft(d.lines[p.Line-1], " "), "\t") {
		p.Hint = "indent with spaces, not with tabs"
	}
	// The end of the file has no line of its own.
	if p.Line > len(d.lines) || p.Line == len(d.lines) && p.Line > 1 && d.lines[p.Line-1] == "" {
		p.Line = min(p.Line, len(d.lines)) - 1
		p.Column = utf8.RuneCountInString(d.lines[max(0, p.Line-1)]) + 1
	}
	d.add(p)
}

// plain reports an alias, an anchor or a tag on a node, which have no use here
// and let a small file mean a huge one. It returns false if the node's value
// must not be looked at.
func (d *decoder) plain(n *yaml.Node, key string) bool {
	p, broken := d.broken[n]
	switch {
	case broken:
		d.at(n, key, p.Hint, "%s", p.Message)
		return false
	case n.Kind == yaml.AliasNode:
		d.at(n, key, "write the value itself", "aliases (*%s) are not supported", n.Value)
		return false
	case n.Anchor != "":
		d.at(n, key, "write the value where it is needed", "anchors (&%s) are not supported", n.Anchor)
		return false
	case n.Style&yaml.TaggedStyle != 0:
		d.at(n, key, "remove it", "the tag %s is not supported", n.Tag)
		return false
	}
	return true
}

// describe says what a node is, for "expected …, found …".
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!null":
			return "nothing"
		case "!!str":
			return fmt.Sprintf("the text %s", quote(n.Value))
		}
		return quote(n.Value)
	}
	return "something else"
}

// quote quotes a value of the file, cut to 60 characters.
func quote(value string) string {
	if runes := []rune(value); len(runes) > 60 {
		value = string(runes[:60]) + "…"
	}
	return fmt.Sprintf("%q", value)
}
