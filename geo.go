package sentinel

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
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
func (g Geo) String() string {
	net := g.Org
	if g.ASN != 0 {
		net = strings.TrimSpace(fmt.Sprintf("AS%d %s", g.ASN, g.Org))
	}
	if g.Country == "" || net == "" {
		return g.Country + net
	}
	return g.Country + ", " + net
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
