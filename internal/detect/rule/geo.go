package rule

import (
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// LocateBy says who knows where addresses are; nil, as at first, means nobody:
// conditions on geo.country, asn and country are then false, save exists: false.
// It is asked only when such a condition is decided, for the event's own address
// once at most.
func (m *Matcher) LocateBy(find func(netip.Addr) sentinel.Geo) { m.locator = find }

// geographic reports whether a leaf asks where an address is.
func geographic(l *leaf) bool {
	return l.field == GeoCountry || l.field == ASN || l.op == opCountry
}

// Geographic reports whether a rule, its groups and its exceptions included, asks
// for the country or the network of addresses.
func (r *Rule) Geographic() (country, network bool) {
	field := func(f Field) { country, network = country || f == GeoCountry, network || f == ASN }
	look := func(c *Cond) {
		c.walk(false, func(l *leaf, _ bool) {
			field(l.field)
			field(l.other)
			country = country || l.op == opCountry
		})
	}
	for _, c := range r.trees() {
		look(c)
	}
	for i := range r.Exceptions {
		look(r.Exceptions[i].Match)
	}
	if a := r.Aggregation; a != nil {
		for _, f := range append(slices.Clone(a.GroupBy), a.Distinct, a.SpreadField) {
			field(f)
		}
	}
	if s := r.Sequence; s != nil {
		for _, f := range s.By {
			field(f)
		}
	}
	return country, network
}

// geo returns where the address is that a geographic leaf is about. An address
// captured by a pattern stands in for the event's while exceptions are decided.
func (m *Matcher) geo(l *leaf) sentinel.Geo {
	a := m.captured
	if l.op == opCountry {
		a = m.addr(l.field)
	} else if !a.IsValid() {
		return m.ev.Geo()
	}
	if m.locator == nil || !a.IsValid() {
		return sentinel.Geo{}
	}
	return m.locator(sentinel.Normalize(a))
}

// testGeo decides a geographic leaf. Where nothing is known, it neither holds nor
// does its opposite: "not from DE" must not mean everybody when the database is
// gone.
func (m *Matcher) testGeo(l *leaf) bool {
	g := m.geo(l)
	known := g.Country != ""
	if l.field == ASN {
		known = g.ASN != 0
	}
	switch {
	case l.op == opExists:
		return known == l.want
	case !known:
		return l.negated
	case l.field == ASN:
		return l.testNumber(int64(g.ASN), true, m.ev)
	}
	return slices.Contains(l.texts, g.Country)
}

// locateGeo says what a true geographic leaf found.
func (m *Matcher) locateGeo(l *leaf) (span, bool) {
	s := m.geo(l).String()
	return span{leaf: l, text: s, end: len(s)}, s != ""
}

// places reads where addresses are in a test: {203.0.113.0/24: "NL AS64500 Org"}.
func (r *reader) places(n *yaml.Node) []TestPlace {
	es, _ := r.entries(n, "geo")
	out := make([]TestPlace, 0, len(es))
	for _, e := range es {
		p, err := parsePrefix(e.key)
		if err != nil {
			r.problem(e.node, "geo: %q is neither an address nor a network", e.key)
			continue
		}
		s, _ := r.text(e.value, "geo", 200)
		out = append(out, TestPlace{p, r.place(e.value, s)})
	}
	return out
}

// place reads a country, a network or both, and the network's name.
func (r *reader) place(n *yaml.Node, s string) (g sentinel.Geo) {
	var err error
	first, rest, _ := strings.Cut(s, " ")
	if g.Country, err = sentinel.ParseCountry(first); err == nil {
		first, rest, _ = strings.Cut(rest, " ")
	}
	if first != "" {
		if g.ASN, err = sentinel.ParseASN(first); err != nil {
			r.problem(n, "geo: %q is not a country, a network or both, such as \"NL AS64500 Example\"", s)
		}
	}
	g.Org = rest
	return g
}
