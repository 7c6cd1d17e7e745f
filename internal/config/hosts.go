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

// hosts is a list of addresses, networks, names of hosts, countries and networks
// by their number.
type hosts struct {
	p      *[]netip.Prefix
	names  *[]string
	places *[]sentinel.Place
}

func (t *hosts) decode(d *decoder, key string, n *yaml.Node) {
	const what = "an address, a network, the name of a host, AS64500 or country:DE"
	nodes, ok := d.items(n, key, what, "[%s]")
	if !ok {
		return
	}
	var rest []*yaml.Node
	var names []string
	var places []sentinel.Place
	seen := map[string]int{}
	for _, c := range nodes {
		name, err := hostName(c)
		if place, ok := placeOf(c); ok {
			if first := seen[place.String()]; first > 0 {
				d.at(c, key, "remove one of them", "%s is already on line %d", place, first)
				continue
			}
			seen[place.String()] = c.Line
			places = append(places, place)
			continue
		}
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
	*t.names, *t.places = names, places
}

// placeOf reads an entry that is a country or the number of a network. Such a
// thing could be the name of a host, too, but for a dot.
func placeOf(n *yaml.Node) (p sentinel.Place, ok bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		return p, false
	}
	p, err := sentinel.ParsePlace(n.Value)
	return p, err == nil
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
	for _, place := range *t.places {
		n.Style = 0
		n.Content = append(n.Content, scalar("!!str", place.String()))
	}
	return n
}

func (t *hosts) jsonSchema() object { return listSchema(object{"type": "string"}) }

func (t *hosts) entries(text string) ([]*yaml.Node, error) { return wordEntries(text) }

func (t *hosts) same(have, named *yaml.Node) bool {
	if p, ok := placeOf(have); ok {
		q, also := placeOf(named)
		return also && p == q
	}
	a, err := hostName(have)
	b, wrong := hostName(named)
	if err == nil && wrong == nil {
		return a == b
	}
	return (&networks{t.p}).same(have, named)
}
