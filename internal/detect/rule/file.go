package rule

import (
	"bytes"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// ParseFile reads the rules of a file, one YAML document each. name stands in
// problems. Documents with a fault are left out and named; the others load.
func ParseFile(name string, data []byte) ([]*Rule, []Problem) {
	var rules []*Rule
	problems := eachDocument(name, data, func(r *reader, n *yaml.Node) {
		rule := r.rule(n)
		if rule != nil && !r.failed() {
			rules = append(rules, rule)
		}
	})
	return rules, problems
}

// ParseExceptions reads a file of exceptions that stand outside rules: one
// document each, with the keys rules, match, reason and expires.
func ParseExceptions(name string, data []byte) ([]Exception, []Problem) {
	var out []Exception
	problems := eachDocument(name, data, func(r *reader, n *yaml.Node) {
		e := r.exception(n, true)
		if !r.failed() {
			out = append(out, e)
		}
	})
	return out, problems
}

// eachDocument calls f for each document of a file.
func eachDocument(name string, data []byte, f func(*reader, *yaml.Node)) []Problem {
	if len(data) > MaxFile {
		return []Problem{{File: name, Message: fmt.Sprintf("the file has %d bytes; at most %d are allowed", len(data), MaxFile)}}
	}
	var problems []Problem
	for _, d := range split(data) {
		r := &reader{file: name, offset: d.line}
		if len(d.text) > MaxDoc {
			r.problem(nil, "the document that begins on line %d has %d bytes; at most %d are allowed", d.line+1, len(d.text), MaxDoc)
		} else if n := r.load(d.text); n != nil {
			f(r, n)
		}
		problems = append(problems, r.problems...)
	}
	return problems
}

type document struct {
	line int // lines before it
	text []byte
}

// split cuts a file at its document markers, so that one document's syntax
// does not spoil the next.
func split(data []byte) []document {
	var docs []document
	start, startLine := 0, 0
	add := func(end int) {
		if text := data[start:end]; !blank(text) {
			docs = append(docs, document{startLine, text})
		}
	}
	for i, line := 0, 0; i < len(data); line++ {
		end := len(data)
		if j := bytes.IndexByte(data[i:], '\n'); j >= 0 {
			end = i + j + 1
		}
		if marker(data[i:end]) {
			add(i)
			start, startLine = end, line+1
		}
		i = end
	}
	add(len(data))
	return docs
}

// marker reports whether a line is a document marker. "--- text" is not: the
// rest of the line belongs to the document.
func marker(line []byte) bool {
	line = bytes.TrimRight(line, " \t\r\n")
	if i := bytes.IndexByte(line, '#'); i > 3 && (line[i-1] == ' ' || line[i-1] == '\t') {
		line = bytes.TrimRight(line[:i], " \t")
	}
	return string(line) == "---" || string(line) == "..."
}

// blank reports whether there is nothing but comments and white space.
func blank(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

// load parses one document and returns its root, nil after a problem.
func (r *reader) load(text []byte) (root *yaml.Node) {
	defer func() {
		if p := recover(); p != nil {
			r.problem(nil, "the document that begins on line %d is not YAML that can be read: %v", r.offset+1, p)
			root = nil
		}
	}()
	var doc yaml.Node
	if err := yaml.Load(text, &doc, yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxNesting)))); err != nil {
		at, message := &yaml.Node{}, err.Error()
		var le *yaml.LoadError
		if errors.As(err, &le) {
			at.Line, at.Column = le.Mark.Line, le.Mark.Column
			message = le.Message
		}
		r.problem(at, "not valid YAML: %s", message)
		return nil
	}
	n := &doc
	for n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	return n
}

// maxNesting bounds the nesting of a document.
const maxNesting = 64
