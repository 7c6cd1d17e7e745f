package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxList is the longest list in the file.
const maxList = 10_000

// section is a mapping with known keys.
type section []entry

// entry is one key and its value.
type entry struct {
	key   string
	value value
}

func (s section) keys() []string {
	keys := make([]string, len(s))
	for i, e := range s {
		keys[i] = e.key
	}
	return keys
}

// walk calls f for each value that is not a section, with its full key.
func (s section) walk(prefix string, f func(key string, v value)) {
	for _, e := range s {
		key := join(prefix, e.key)
		if sub, ok := e.value.(section); ok {
			sub.walk(key, f)
			continue
		}
		f(key, e.value)
	}
}

func join(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

func (s section) decode(d *decoder, prefix string, n *yaml.Node) {
	if !d.plain(n, prefix) {
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // the key alone: all defaults
	}
	if n.Kind != yaml.MappingNode {
		d.at(n, prefix, "", "expected the keys %s, found %s", strings.Join(s.keys(), ", "), describe(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || !d.plain(k, prefix) {
			if k.Kind != yaml.ScalarNode && k.Kind != yaml.AliasNode {
				d.at(k, prefix, "", "expected a key, found %s", describe(k))
			}
			continue
		}
		key := join(prefix, k.Value)
		if first, ok := seen[k.Value]; ok {
			d.at(k, key, "remove one of them", "this key is already on line %d", first)
			continue
		}
		seen[k.Value] = k.Line
		at := slices.IndexFunc(s, func(e entry) bool { return e.key == k.Value })
		if at < 0 {
			d.unknown(s, prefix, k)
			continue
		}
		if _, ok := s[at].value.(section); !ok && d.refuse != nil && d.refuse(key) != "" {
			d.at(k, key, "", "%s", d.refuse(key))
			continue
		}
		d.set[key] = k.Line
		s[at].value.decode(d, key, v)
	}
}

// unknown reports a key that s does not have.
func (d *decoder) unknown(s section, prefix string, k *yaml.Node) {
	if d.full() {
		return
	}
	key := join(prefix, k.Value)
	if message, hint, ok := unsupported(key); ok {
		d.at(k, key, hint, "%s", message)
		return
	}
	if k.Tag == "!!merge" {
		d.at(k, prefix, "write the keys themselves", "merging (<<) is not supported")
		return
	}
	hint := didYouMean(k.Value, s.keys())
	if hint == "" {
		hint = elsewhere(k.Value)
	}
	if hint == "" {
		hint = "known here: " + strings.Join(s.keys(), ", ")
	}
	where := ""
	if prefix != "" {
		where = " in " + prefix
	}
	p := Problem{
		Line: k.Line, Column: k.Column, Width: d.width(k), Key: key, Hint: hint,
		Message: fmt.Sprintf("there is no key %s%s", quote(k.Value), where),
	}
	if s.secrets() && k.Line <= len(d.lines) {
		// What stands behind it may be meant for a key nearby.
		line := []rune(d.lines[k.Line-1])
		p.Source = string(line[:min(len(line), k.Column-1+p.Width)]) + ": " + hidden
	}
	d.add(p)
}

// secrets reports whether a section has a secret among its keys.
func (s section) secrets() bool {
	return slices.ContainsFunc(s, func(e entry) bool { _, ok := e.value.(*secret); return ok })
}

// elsewhere finds the keys of that name in other sections.
func elsewhere(name string) string {
	var found []string
	for _, key := range Keys() {
		if strings.HasSuffix(key, "."+name) {
			found = append(found, key)
		}
	}
	if len(found) == 0 || len(found) > 3 {
		return ""
	}
	return fmt.Sprintf("did you mean %s?", strings.Join(found, " or "))
}

func (s section) show() *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, e := range s {
		n.Content = append(n.Content, scalar("!!str", e.key), e.value.show())
	}
	return n
}

// items returns the entries of a list; nothing at all is no list (false), which
// leaves the default. form shows how one value is written as a list.
func (d *decoder) items(n *yaml.Node, key, what, form string) ([]*yaml.Node, bool) {
	if !d.plain(n, key) || n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil, false
	}
	if n.Kind != yaml.SequenceNode {
		hint := ""
		if n.Kind == yaml.ScalarNode {
			hint = "write " + fmt.Sprintf(form, n.Value)
		}
		d.at(n, key, hint, "expected a list, each %s, found %s", what, describe(n))
		return nil, false
	}
	if len(n.Content) > maxList {
		d.at(n, key, "", "the list has %d entries: at most %d are allowed", len(n.Content), maxList)
		return nil, false
	}
	return n.Content, true
}

// texts is a list of strings.
type texts struct {
	p     *[]string
	check func(string) error
	what  string
}

func (t *texts) decode(d *decoder, key string, n *yaml.Node) {
	nodes, ok := d.items(n, key, t.what, "[%s]")
	if !ok {
		return
	}
	seen := map[string]int{}
	var list []string
	for _, c := range nodes {
		v, ok := d.scalarOf(c, key, t.what)
		if !ok {
			continue
		}
		if err := t.check(v); err != nil {
			d.at(c, key, "", "%v", err)
			continue
		}
		if first, ok := seen[v]; ok {
			d.at(c, key, "remove one of them", "%s is already on line %d", quote(v), first)
			continue
		}
		seen[v] = c.Line
		list = append(list, v)
	}
	*t.p = list
}

func (t *texts) show() *yaml.Node {
	n := list(len(*t.p))
	for _, v := range *t.p {
		n.Content = append(n.Content, scalar("!!str", v))
	}
	return n
}

// networks is a list of addresses and networks.
type networks struct{ p *[]netip.Prefix }

func (t *networks) decode(d *decoder, key string, n *yaml.Node) {
	const what = "an address or a network"
	nodes, ok := d.items(n, key, what, "[%s]")
	if !ok {
		return
	}
	seen := map[netip.Prefix]int{}
	var list []netip.Prefix
	for _, c := range nodes {
		v, ok := d.scalarOf(c, key, what)
		if !ok {
			continue
		}
		p, hint, err := network(v)
		switch first := seen[p]; {
		case err != nil:
			d.at(c, key, hint, "%v", err)
		case p.Bits() == 0:
			d.at(c, key, "name the networks that you mean", "%s is every address there is", quote(v))
		case first > 0:
			d.at(c, key, "remove one of them", "%s is already on line %d", quote(v), first)
		default:
			seen[p] = c.Line
			list = append(list, p)
		}
	}
	*t.p = list
}

func (t *networks) show() *yaml.Node {
	n := list(len(*t.p))
	for _, p := range *t.p {
		text := p.String()
		if p.IsSingleIP() {
			text = p.Addr().String()
		}
		n.Content = append(n.Content, scalar("!!str", text))
	}
	return n
}

func list(length int) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	if length == 0 {
		n.Style = yaml.FlowStyle
	}
	return n
}

// sources is the list of sources.
type sources struct{ p *[]Source }

func (t *sources) decode(d *decoder, key string, n *yaml.Node) {
	nodes, ok := d.items(n, key, "a source with a path", "[{path: %s}]")
	if !ok {
		return
	}
	seen := map[string]int{}
	var list []Source
	for i, c := range nodes {
		name := fmt.Sprintf("%s[%d]", key, i)
		if c.Kind == yaml.ScalarNode && c.Tag != "!!null" && c.Style&yaml.TaggedStyle == 0 && c.Anchor == "" {
			d.at(c, name, "write '- path: "+c.Value+"'", "expected a source with a path, found %s", describe(c))
			continue
		}
		s := DefaultSource()
		before := len(d.problems)
		sourceSchema(&s).decode(d, name, c)
		if len(d.problems) > before {
			continue
		}
		if s.Path == "" {
			d.at(c, name, "add 'path: /var/log/…'", "this source has no path")
			continue
		}
		if s.Type == sentinel.TypeJournal && strings.ContainsAny(s.Path, "*?[") {
			d.at(c, name, "write the directory that holds the *.journal files", "%s is a pattern: expected the directory of a journal", quote(s.Path))
			continue
		}
		if first, ok := seen[s.Path]; ok {
			d.at(c, name, "remove one of them", "%s is already on line %d", quote(s.Path), first)
			continue
		}
		seen[s.Path] = c.Line
		list = append(list, s)
	}
	*t.p = list
}

func (t *sources) show() *yaml.Node {
	n := list(len(*t.p))
	for i := range *t.p {
		n.Content = append(n.Content, sourceSchema(&(*t.p)[i]).show())
	}
	return n
}
