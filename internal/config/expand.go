package config

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Variables stand in values as ${NAME} or ${NAME:-default}; the default counts
// where NAME is unset or empty. $${ is the text ${. They are replaced after the
// YAML was read, so that what a variable holds is one value, whatever it looks
// like. A plain value, or one that is a variable alone, has the type that its
// text then looks like.
var (
	variable = regexp.MustCompile(`\$?\$\{[^}]*\}?`)
	varName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Options say how a file is read. The zero value is what the agent takes.
type Options struct {
	// Env looks a variable up; nil is the environment of the process.
	Env func(name string) (string, bool)
	// Lenient leaves a value out, which then has its default, if it names a
	// variable that is not set, and lists it in Config.Unset: the agent's
	// environment is another one than that of who looks at its file.
	Lenient bool
}

// expand replaces the variables in the values below a node. It returns false if
// the node is to be left out. Faults are kept until the value is looked at.
func (d *decoder) expand(n *yaml.Node, key string, o *Options) bool {
	switch n.Kind {
	case yaml.MappingNode:
		content := n.Content[:0]
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			if d.expand(v, join(key, k.Value), o) {
				content = append(content, k, v)
			}
		}
		n.Content = content
	case yaml.SequenceNode:
		content := n.Content[:0]
		for _, v := range n.Content {
			if d.expand(v, key, o) {
				content = append(content, v)
			}
		}
		n.Content = content
	case yaml.ScalarNode:
		if strings.Contains(n.Value, "${") {
			return d.expandText(n, key, o)
		}
	}
	return true
}

func (d *decoder) expandText(n *yaml.Node, key string, o *Options) bool {
	before := n.Value
	missing := ""
	fault := func(hint, format string, args ...any) string {
		if d.broken == nil {
			d.broken = map[*yaml.Node]Problem{}
		}
		if _, ok := d.broken[n]; !ok {
			d.broken[n] = Problem{Message: fmt.Sprintf(format, args...), Hint: hint}
		}
		return ""
	}
	text := variable.ReplaceAllStringFunc(before, func(ref string) string {
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		inner, closed := strings.CutSuffix(ref[len("${"):], "}")
		name, otherwise, hasDefault := strings.Cut(inner, ":-")
		if !closed || !varName.MatchString(name) {
			return fault("for the text itself write $${", "%s is not a variable: expected ${NAME} or ${NAME:-default}", quote(ref))
		}
		value, ok := o.lookup(name)
		switch {
		case hasDefault && value == "":
			return otherwise
		case !ok:
			missing = name
			return ""
		case badByte(value) >= 0:
			return fault("", "the variable %s holds what is no text of one line", name)
		}
		return value
	})
	if missing != "" {
		if o.Lenient {
			d.unset = append(d.unset, fmt.Sprintf("%s (%s)", missing, key))
			return false
		}
		fault("set it where the agent is started ('systemctl edit sentinel-agent': Environment=), or give a default: ${"+missing+":-…}",
			"the variable %s is not set", missing)
	}
	if _, ok := d.broken[n]; ok {
		return true
	}
	if d.widths == nil {
		d.widths = map[*yaml.Node]int{}
	}
	d.widths[n] = d.width(n)
	n.Value = text
	quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
	if !quoted || variable.FindString(before) == before && before[1] != '$' {
		n.Tag, n.Style = tagOf(text), 0
	}
	return true
}

// escape writes a text so that it has no variables.
func escape(text string) string { return strings.ReplaceAll(text, "${", "$${") }

func (o *Options) lookup(name string) (string, bool) {
	if o.Env != nil {
		return o.Env(name)
	}
	return os.LookupEnv(name)
}

// tagOf returns the type of a value that a variable gave.
func tagOf(text string) string {
	if _, err := strconv.Atoi(text); err == nil {
		return "!!int"
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return "!!float"
	}
	if strings.EqualFold(text, "true") || strings.EqualFold(text, "false") {
		return "!!bool"
	}
	return "!!str"
}
