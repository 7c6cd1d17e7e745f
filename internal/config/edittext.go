package config

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// These texts need no quotes, the first kind outside of braces only.
var (
	plainBlock = regexp.MustCompile(`^([A-Za-z0-9_./]|\$\{)([A-Za-z0-9_./:+@%*?{}$-]*[A-Za-z0-9_./+@%*?{}$-])?$`)
	plainFlow  = regexp.MustCompile(`^[A-Za-z0-9_./]([A-Za-z0-9_./:+@%*?-]*[A-Za-z0-9_./+@%*?-])?$`)
)

// scalarText writes a value as YAML, with quotes where it needs them.
func scalarText(v string, flow bool) string {
	plain := plainBlock
	if flow {
		plain = plainFlow
	}
	if plain.MatchString(v) && !strings.EqualFold(v, "null") {
		return v
	}
	return strconv.Quote(v)
}

// inlineOf writes a node in one line.
func inlineOf(n *yaml.Node) string {
	var parts []string
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, n.Content[i].Value+": "+inlineOf(n.Content[i+1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		for _, c := range n.Content {
			parts = append(parts, inlineOf(c))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return scalarText(n.Value, true)
}

// itemLines writes the entries of a block list.
func itemLines(items []*yaml.Node) []string {
	lines := make([]string, len(items))
	for i, n := range items {
		lines[i] = "- " + inlineOf(n)
	}
	return lines
}

// nest writes a value below the keys of a path, a line each.
func nest(path []string, value string, step int) []string {
	lines := make([]string, len(path))
	for i, word := range path {
		lines[i] = strings.Repeat(" ", i*step) + word + ":"
	}
	lines[len(path)-1] += " " + value
	return lines
}

// nestFlow is nest between braces, without the outermost ones.
func nestFlow(path []string, value string) string {
	return strings.Join(path, ": {") + ": " + value + strings.Repeat("}", len(path)-1)
}

// listValue is a value that is a list.
type listValue interface {
	value
	// entries reads entries as they are given on a command line.
	entries(text string) ([]*yaml.Node, error)
	// same reports whether an entry of the file is what was named.
	same(have, named *yaml.Node) bool
}

// wordEntries reads entries that are words: a YAML list, or words with commas
// between them.
func wordEntries(text string) ([]*yaml.Node, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		return flowEntries(text)
	}
	var out []*yaml.Node
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			return nil, errors.New("an entry is empty; write '[]' for an empty list")
		}
		out = append(out, scalar("!!str", word))
	}
	return out, nil
}

// flowEntries reads the entries of a YAML list.
func flowEntries(text string) ([]*yaml.Node, error) {
	d := &decoder{file: "the value"}
	n := d.document([]byte(text))
	if err := d.problems.Err(); err != nil {
		return nil, err
	}
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil, errors.New("expected a list: [a, b]")
	}
	return n.Content, nil
}

func (t *texts) entries(text string) ([]*yaml.Node, error) { return wordEntries(text) }

func (t *texts) same(have, named *yaml.Node) bool { return equal(have, named) }

func (t *networks) entries(text string) ([]*yaml.Node, error) { return wordEntries(text) }

func (t *networks) same(have, named *yaml.Node) bool {
	a, _, err := network(have.Value)
	b, _, err2 := network(named.Value)
	return equal(have, named) || err == nil && err2 == nil && a == b && a != (netip.Prefix{})
}

// entries reads sources: a list of them, one of them in braces, or a path.
func (t *sources) entries(text string) ([]*yaml.Node, error) {
	switch text = strings.TrimSpace(text); {
	case strings.HasPrefix(text, "["):
		return flowEntries(text)
	case strings.HasPrefix(text, "{"):
		return flowEntries("[" + text + "]")
	}
	return []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{scalar("!!str", "path"), scalar("!!str", text)}}}, nil
}

func (t *sources) same(have, named *yaml.Node) bool {
	i, j := indexOf(have, "path"), indexOf(named, "path")
	return i >= 0 && j >= 0 && have.Content[i+1].Value == named.Content[j+1].Value
}
