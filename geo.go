package sentinel

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Geo says where an address is: what an offline database knows of it. The zero
// value means that nothing is known.
type Geo struct {
	// Country is the ISO 3166-1 code in capitals ("NL"), empty if unknown.
	Country string
	// ASN is the number of the network (autonomous system), 0 if unknown, and Org
	// the name of who runs it.
	ASN uint32
	Org string
}

// IsZero reports whether nothing is known.
func (g Geo) IsZero() bool { return g == Geo{} }

// String returns what is known, for people: "NL, AS64500 Example", empty for the
// zero value.
func (g Geo) String() string { return PlaceText(g.Country, g.Network()) }

// Network returns the network as "AS64500 Example", empty if it is not known.
func (g Geo) Network() string {
	if g.ASN == 0 {
		return g.Org
	}
	return strings.TrimSpace(fmt.Sprintf("AS%d %s", g.ASN, g.Org))
}

// PlaceText joins a country and a network: "NL, AS64500 Example".
func PlaceText(country, network string) string {
	if country == "" || network == "" {
		return country + network
	}
	return country + ", " + network
}

// ParseCountry reads an ISO 3166-1 code of two letters, in either case, and
// returns it in capitals.
func ParseCountry(text string) (string, error) {
	code, ok := InternCountry(text)
	if !ok {
		return "", fmt.Errorf("%q is not a country code of two letters such as DE (ISO 3166)", text)
	}
	return code, nil
}

// ParseASN reads the number of a network: "AS64500" or "64500".
func ParseASN(text string) (uint32, error) {
	digits := text
	if len(text) > 2 && strings.EqualFold(text[:2], "as") {
		digits = text[2:]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not the number of a network such as AS64500", text)
	}
	return uint32(n), nil
}

// Place is a country or a network (autonomous system), as people name them. One
// of the fields is set.
type Place struct {
	Country string
	ASN     uint32
}

// countryPrefix begins a Place that is a country.
const countryPrefix = "country:"

// ParsePlace reads "AS64500" or "country:DE". The number of a network alone is
// none: it would be too easy to mean something else.
func ParsePlace(text string) (p Place, err error) {
	if rest, ok := cutFold(text, countryPrefix); ok {
		p.Country, err = ParseCountry(rest)
		return p, err
	}
	if _, ok := cutFold(text, "as"); ok {
		p.ASN, err = ParseASN(text)
		return p, err
	}
	return p, fmt.Errorf("%q is neither a network such as AS64500 nor a country such as country:DE", text)
}

// cutFold cuts a prefix off, whatever its case; the prefix is lower case.
func cutFold(text, prefix string) (rest string, ok bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

// IsZero reports whether p is no place.
func (p Place) IsZero() bool { return p == Place{} }

// String returns what ParsePlace reads.
func (p Place) String() string {
	switch {
	case p.Country != "":
		return countryPrefix + p.Country
	case p.ASN != 0:
		return fmt.Sprintf("AS%d", p.ASN)
	}
	return ""
}

// MarshalText implements encoding.TextMarshaler.
func (p Place) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; no text is no place.
func (p *Place) UnmarshalText(text []byte) (err error) {
	*p = Place{}
	if len(text) > 0 {
		*p, err = ParsePlace(string(text))
	}
	return err
}

// Holds reports whether what is known of an address puts it there.
func (p Place) Holds(g Geo) bool {
	return p.Country != "" && p.Country == g.Country || p.ASN != 0 && p.ASN == g.ASN
}

// LoginPlace is a country that a user logs in from.
type LoginPlace struct {
	User, Country string
	// First and Last are the first and the last login from there, Days on how many
	// days there was one.
	First, Last time.Time
	Days        int
	// Addr is where the last one came from, ASN its network.
	Addr netip.Addr
	ASN  uint32
}

// place is what an event knows of where its address is.
type place struct {
	find  func(netip.Addr) Geo
	asked bool
	geo   Geo
}

// LocateBy says who knows where the event's address is; nil: nobody.
func (e *Event) LocateBy(find func(netip.Addr) Geo) { e.place.find = find }

// Geo returns where SrcIP is. It is looked up when it is first asked for, and
// once only.
func (e *Event) Geo() Geo {
	if !e.place.asked {
		e.place.asked = true
		if e.place.find != nil && e.SrcIP.IsValid() {
			e.place.geo = e.place.find(e.SrcIP)
		}
	}
	return e.place.geo
}
