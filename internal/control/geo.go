package control

import (
	"context"
	"net/netip"
	"time"
)

// MethodGeo is the name of the method about countries and networks.
const MethodGeo = "geo.lookup"

// maxGeo is how many addresses may be asked for at once.
const maxGeo = 256

// GeoParams names addresses to look up, at most 256; none asks for the databases
// alone.
type GeoParams struct {
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

func (p *GeoParams) check(Peer) *Error {
	if len(p.Addresses) > maxGeo {
		return invalid("addresses", "%d addresses are more than %d", len(p.Addresses), maxGeo)
	}
	for _, a := range p.Addresses {
		if !a.IsValid() {
			return invalid("addresses", "one of them is no address")
		}
	}
	return nil
}

// GeoStatus says by what countries and networks are told.
type GeoStatus struct {
	Enabled   bool          `json:"enabled"`
	Databases []GeoDatabase `json:"databases"`
	Faults    []GeoFault    `json:"faults"`
}

// GeoDatabase is a database in use. Use has "country", "network" or both; Licence
// says on what terms, as far as the type tells.
type GeoDatabase struct {
	Path    string    `json:"path"`
	Type    string    `json:"type"`
	Built   time.Time `json:"built"`
	Use     []string  `json:"use"`
	Size    int64     `json:"size_bytes"`
	Licence string    `json:"licence,omitempty"`
}

// GeoFault is a database that is not used, and why.
type GeoFault struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// ListStatus is a list of addresses with a bad name: how many entries it has, and
// the reputation, 0 to 1, that it gives by itself.
type ListStatus struct {
	Name    string  `json:"name"`
	Entries int     `json:"entries"`
	Weight  float64 `json:"weight"`
}

// GeoResult is what the databases know.
type GeoResult struct {
	GeoStatus
	Found []GeoFound `json:"found"`
}

// GeoFound is where an address is; Country is empty and ASN 0 if that is not known.
type GeoFound struct {
	IP      netip.Addr `json:"ip"`
	Country string     `json:"country,omitempty"`
	ASN     uint32     `json:"asn,omitempty"`
	Org     string     `json:"as_org,omitempty"`
}

// Geo calls geo.lookup.
func (c *Client) Geo(ctx context.Context, p GeoParams) (*GeoResult, error) {
	return ask[GeoResult](ctx, c, MethodGeo, p)
}
