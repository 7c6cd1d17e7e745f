package config

import (
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v4"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxNames is the most names in a list of allowed networks: each is looked up
// again and again.
const maxNames = 64

// hosts is a list of addresses, networks and names of hosts.
type hosts struct {
	p     *[]netip.Prefix
	names *[]string
}

func (t *hosts) decode(d *decoder, key string, n *yaml.Node) {
	const what = "an address, a network or the name of a host"
	nodes, ok := d.items(n, key, what, "[%s]")
	if !ok {
		return
	}
	var rest []*yaml.Node
	var names []string
	seen := map[string]int{}
	for _, c := range nodes {
		name, err := hostName(c)
		switch first := seen[name]; {
		case err != nil:
			rest = append(rest, c) // whatever it is
		case first > 0:
			d.at(c, key, "remove one of them", "%s is already on line %d", quote(name), first)
		case len(names) == maxNames:
			d.at(c, key, "list their networks instead", "there are more than %d names", maxNames)
		default:
			seen[name] = c.Line
			names = append(names, name)
		}
	}
	others := *n
	others.Content = rest
	(&networks{t.p}).decode(d, key, &others)
	*t.names = names
}

// hostName reads an entry that is the name of a host.
func hostName(n *yaml.Node) (string, error) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" || strings.Contains(n.Value, "$") {
		return sentinel.ParseHostName("")
	}
	return sentinel.ParseHostName(n.Value)
}

func (t *hosts) show() *yaml.Node {
	n := (&networks{t.p}).show()
	for _, name := range *t.names {
		n.Style = 0
		n.Content = append(n.Content, scalar("!!str", name))
	}
	return n
}

func (t *hosts) jsonSchema() object { return listSchema(object{"type": "string"}) }

func (t *hosts) entries(text string) ([]*yaml.Node, error) { return wordEntries(text) }

func (t *hosts) same(have, named *yaml.Node) bool {
	a, err := hostName(have)
	b, wrong := hostName(named)
	if err == nil && wrong == nil {
		return a == b
	}
	return (&networks{t.p}).same(have, named)
}
