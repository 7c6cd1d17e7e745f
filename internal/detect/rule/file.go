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
	docs, problems := Documents(name, data)
	for _, d := range docs {
		rule, ps := ParseDocument(d)
		if rule != nil {
			rules = append(rules, rule)
		}
		problems = append(problems, ps...)
	}
	sortProblems(problems)
	return rules, problems
}

// ParseDocument reads a rule. It is nil if it has a fault.
func ParseDocument(d Document) (*Rule, []Problem) {
	r := d.reader()
	rule := r.rule(d.Root)
	if r.failed() {
		rule = nil
	}
	return rule, r.problems
}

// ParseExceptions reads a file of exceptions that stand outside rules: one
// document each, with the keys rules, match, reason and expires.
func ParseExceptions(name string, data []byte) ([]Exception, []Problem) {
	var out []Exception
	docs, problems := Documents(name, data)
	for _, d := range docs {
		r := d.reader()
		e := r.exception(d.Root, true)
		if !r.failed() {
			out = append(out, e)
		}
		problems = append(problems, r.problems...)
	}
	sortProblems(problems)
	return out, problems
}

// Document is one YAML document of a file.
type Document struct {
	// File is the name that stands in problems; Offset how many lines come
	// before the document.
	File   string
	Offset int
	Root   *yaml.Node
}

// Keys lists the keys of a document that is a mapping.
func (d Document) Keys() []string {
	var out []string
	if d.Root.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(d.Root.Content); i += 2 {
			out = append(out, d.Root.Content[i].Value)
		}
	}
	return out
}

func (d Document) reader() *reader { return &reader{file: d.File, offset: d.Offset} }

// Documents cuts a file into its documents. Those that are no YAML are left out
// and named.
func Documents(name string, data []byte) (docs []Document, problems []Problem) {
	if len(data) > MaxFile {
		return nil, []Problem{{File: name, Message: fmt.Sprintf("the file has %d bytes; at most %d are allowed", len(data), MaxFile)}}
	}
	for _, d := range split(data) {
		r := &reader{file: name, offset: d.line}
		if len(d.text) > MaxDoc {
			r.problem(nil, "the document that begins on line %d has %d bytes; at most %d are allowed", d.line+1, len(d.text), MaxDoc)
		} else if n := r.load(d.text); n != nil {
			docs = append(docs, Document{name, d.line, n})
		}
		problems = append(problems, r.problems...)
	}
	return docs, problems
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
