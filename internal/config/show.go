package config

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v4"
)

// Show returns the configuration as YAML that Parse reads again, each value
// with a comment that says where it comes from ("default", the line of the file,
// or that it was set at run time), and secrets hidden.
func Show(c *Config) string { return render(schema(c), c) }

// render writes a section with the origin of each value.
func render(s section, c *Config) string {
	n := s.show()
	annotate(s, n, "", c)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		// The nodes are ours and always encode.
		return "# " + err.Error() + "\n"
	}
	_ = enc.Close()
	return b.String()
}

func annotate(s section, n *yaml.Node, prefix string, c *Config) {
	for i, e := range s {
		key, k, v := join(prefix, e.key), n.Content[2*i], n.Content[2*i+1]
		if sub, ok := e.value.(section); ok {
			annotate(sub, v, key, c)
			continue
		}
		origin := c.origin(key)
		if s, ok := e.value.(*secret); ok && s.p.from != "" {
			origin = "hidden, from " + s.p.from
		}
		// On a list that fills lines of its own, the comment goes to the key.
		if v.Kind == yaml.ScalarNode || v.Style&yaml.FlowStyle != 0 {
			v.LineComment = origin
		} else {
			k.LineComment = origin
		}
	}
}

// flat returns a node as text that is equal for equal values.
func flat(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return fmt.Sprintf("%q", n.Value)
	}
	text := fmt.Sprint(n.Kind)
	for _, c := range n.Content {
		text += " " + flat(c)
	}
	return "(" + text + ")"
}
