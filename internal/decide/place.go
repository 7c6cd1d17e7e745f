package decide

import (
	"fmt"
	"net/netip"

	"github.com/sentinel-ai/sentinel-ai"
)

// Listing says that an address is on a list of addresses with a bad name.
type Listing struct {
	// List is the list's name; Weight, 0 to 1, is the reputation that it gives by
	// itself.
	List   string  `json:"list"`
	Weight float64 `json:"weight"`
}

// String returns for example "reputation-ssh.txt (0.50)".
func (l Listing) String() string { return fmt.Sprintf("%s (%s)", l.List, scoreText(Quant(l.Weight))) }

// maxListings is how many lists a threat names.
const maxListings = 4

// LocateBy says who knows where addresses are; nil: nobody. It is asked when a
// case gets a new address, and when a block may be made. Nothing that is known of
// earlier cases changes by it.
func (d *Decider) LocateBy(find func(netip.Addr) sentinel.Geo) { d.locate = find }

// ListBy says who knows the lists of addresses with a bad name; nil: nobody. It is
// asked once for each case.
func (d *Decider) ListBy(find func(netip.Addr) []Listing) { d.listed = find }

// settle says where the attacker of a case is, if it is a new one.
func (d *Decider) settle(c *openCase) {
	t := &c.threat
	if d.locate == nil || t.AttackerIP == c.placed {
		return
	}
	c.placed = t.AttackerIP
	g := d.locate(t.AttackerIP)
	t.AttackerGeo, t.AttackerNetwork = g.Country, keep(g.Network(), maxNameBytes)
}

// consult adds what lists say of an address to the reputation of a new case.
func (d *Decider) consult(c *openCase, addr netip.Addr) {
	if d.listed == nil || !addr.IsValid() {
		return
	}
	found := d.listed(sentinel.Normalize(addr))
	c.threat.Score.P = withLists(c.threat.Score.P, found)
	for _, l := range found[:min(len(found), maxListings)] {
		c.threat.Score.Lists = append(c.threat.Score.Lists, keep(l.String(), maxNameBytes))
	}
}

// withLists is P of section 11 with local lists in the part of the global ones:
// each is one more independent reason to distrust.
func withLists(local float64, found []Listing) float64 {
	trust := 1 - local
	for _, l := range found {
		trust *= 1 - unit(l.Weight)
	}
	return Quant(1 - trust)
}

// Sheltered returns the place of the allowlist that an address is in. Where the
// geography is not known, nothing is sheltered.
func (d *Decider) Sheltered(addr netip.Addr) (Protection, bool) {
	if len(d.allow.places) == 0 || d.locate == nil || !addr.IsValid() {
		return Protection{}, false
	}
	g := d.locate(sentinel.Normalize(addr))
	for _, p := range d.allow.places {
		if p.Place.Holds(g) {
			return p, true
		}
	}
	return Protection{}, false
}
