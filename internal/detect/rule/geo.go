package rule

import (
	"net/netip"
	"slices"

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

// Geographic reports whether a condition asks where an address is.
func (c *Cond) Geographic() bool {
	found := false
	c.walk(false, func(l *leaf, _ bool) { found = found || geographic(l) })
	return found
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
