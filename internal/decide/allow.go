package decide

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"

	"github.com/sentinel-ai/sentinel-ai"
)

// Kind says why a network is protected.
type Kind string

// The kinds of protection. The hard ones hold whatever a person orders.
const (
	KindDefault Kind = "default" // shipped: private and other local ranges
	KindConfig  Kind = "config"  // the configuration file
	KindUser    Kind = "user"    // sentinelctl whitelist add
	KindProxy   Kind = "proxy"   // a trusted proxy: behind it are all visitors
	KindCDN     Kind = "cdn"     // a content delivery network: the same
	KindName    Kind = "name"    // a whitelisted name resolves to it
	KindKey     Kind = "key"     // somebody logged in with a key from there lately

	KindLoopback Kind = "loopback" // hard
	KindSpecial  Kind = "special"  // hard: multicast, broadcast, unspecified, IPv6 link-local
	KindMetadata Kind = "metadata" // hard: services of the cloud provider
	KindOwn      Kind = "own"      // hard: addresses of this host
	KindGateway  Kind = "gateway"  // hard
	KindResolver Kind = "resolver" // hard
	KindAdmin    Kind = "admin"    // hard: administrators who are logged in
)

// Hard reports whether Force does not override the protection.
func (k Kind) Hard() bool {
	switch k {
	case KindDefault, KindConfig, KindUser, KindProxy, KindCDN, KindName, KindKey:
		return false
	}
	return true // an unknown kind as well: rather too safe
}

// Protection is a network that must not be blocked, and why.
type Protection struct {
	Prefix netip.Prefix
	// Place, instead of a Prefix, protects a country or a network as a whole from
	// automatic blocks.
	Place  sentinel.Place
	Kind   Kind
	Reason string
}

// Local reports whether the protection is about addresses of private networks:
// RFC 1918, carrier-grade NAT and unique local IPv6.
func (p Protection) Local() bool {
	a := p.Prefix.Addr()
	return a.IsPrivate() || sharedRange.Contains(a)
}

// sharedRange is that of carrier-grade NAT, RFC 6598.
var sharedRange = netip.MustParsePrefix("100.64.0.0/10")

// String returns for example "10.0.0.0/8 (private network, default)".
func (p Protection) String() string {
	what := p.Place.String()
	if p.Place.IsZero() {
		what = networkText(p.Prefix)
	}
	if p.Reason == "" {
		return fmt.Sprintf("%s (%s)", what, p.Kind)
	}
	return fmt.Sprintf("%s (%s, %s)", what, p.Reason, p.Kind)
}

// Allowlist answers whether a network is protected. It never changes after it
// was made; look-ups are safe from any goroutine. Every look-up normalises
// first: IPv4-mapped IPv6 is IPv4, and zones are dropped.
type Allowlist struct {
	table   *bart.Table[Protection]
	places  []Protection // sorted by place
	entries []Protection // sorted by prefix, then the places
}

// NewAllowlist makes an allowlist. Prefixes are normalised and masked; of two
// equal ones a hard kind wins, otherwise the first. Invalid ones are left out. Of
// equal places the first stays.
func NewAllowlist(protections []Protection) *Allowlist {
	a := &Allowlist{table: new(bart.Table[Protection])}
	for _, p := range protections {
		if !p.Place.IsZero() {
			p.Prefix = netip.Prefix{}
			if !slices.ContainsFunc(a.places, func(o Protection) bool { return o.Place == p.Place }) {
				a.places = append(a.places, p)
			}
			continue
		}
		p.Prefix = NormalizePrefix(p.Prefix)
		if !p.Prefix.IsValid() {
			continue
		}
		if old, ok := a.table.Get(p.Prefix); ok && (old.Kind.Hard() || !p.Kind.Hard()) {
			continue
		}
		a.table.Insert(p.Prefix, p)
	}
	for _, p := range a.table.AllSorted() {
		a.entries = append(a.entries, p)
	}
	slices.SortFunc(a.places, func(x, y Protection) int { return strings.Compare(x.Place.String(), y.Place.String()) })
	a.entries = append(a.entries, a.places...)
	return a
}

// NormalizePrefix masks a prefix, drops the zone of its address and makes an
// IPv4-mapped one IPv4. It returns the zero Prefix for an invalid one.
func NormalizePrefix(p netip.Prefix) netip.Prefix {
	if !p.IsValid() {
		return netip.Prefix{}
	}
	addr, bits := p.Addr().WithZone(""), p.Bits()
	if addr.Is4In6() && bits >= 96 {
		addr, bits = addr.Unmap(), bits-96
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

// Covers returns the protection that holds an address: a hard one if there is
// any, otherwise the narrowest. It allocates nothing.
func (a *Allowlist) Covers(addr netip.Addr) (Protection, bool) {
	addr = sentinel.Normalize(addr)
	if a == nil || !addr.IsValid() {
		return Protection{}, false
	}
	found, ok := a.table.Lookup(addr)
	if !ok || found.Kind.Hard() {
		return found, ok
	}
	for _, p := range a.table.Supernets(netip.PrefixFrom(addr, addr.BitLen())) {
		if p.Kind.Hard() {
			return p, true
		}
	}
	return found, true
}

// Overlaps returns a protection that shares an address with the prefix: one that
// holds it, or one that lies inside it. A hard one is returned if there is any.
func (a *Allowlist) Overlaps(prefix netip.Prefix) (Protection, bool) {
	prefix = NormalizePrefix(prefix)
	if a == nil || !prefix.IsValid() {
		return Protection{}, false
	}
	// IPv4-mapped addresses inside a wide IPv6 prefix are IPv4 in the table.
	if mappedRange.Overlaps(prefix) {
		return Protection{Prefix: mappedRange, Kind: KindSpecial, Reason: "IPv4-mapped addresses"}, true
	}
	if !a.table.OverlapsPrefix(prefix) {
		return Protection{}, false
	}
	var found Protection
	for _, p := range a.table.Supernets(prefix) {
		if p.Kind.Hard() {
			return p, true
		}
		if !found.Prefix.IsValid() {
			found = p
		}
	}
	for _, p := range a.table.Subnets(prefix) {
		if p.Kind.Hard() {
			return p, true
		}
		if !found.Prefix.IsValid() {
			found = p
		}
	}
	return found, found.Prefix.IsValid()
}

// Get returns the protection of exactly this prefix.
func (a *Allowlist) Get(prefix netip.Prefix) (Protection, bool) {
	prefix = NormalizePrefix(prefix)
	if a == nil || !prefix.IsValid() {
		return Protection{}, false
	}
	return a.table.Get(prefix)
}

// Entries returns all protections, sorted by prefix, as a copy; those of places
// come last and have no prefix.
func (a *Allowlist) Entries() []Protection {
	if a == nil {
		return nil
	}
	return slices.Clone(a.entries)
}

// With returns a list that also holds p.
func (a *Allowlist) With(p Protection) *Allowlist {
	return NewAllowlist(append(a.Entries(), p))
}

// Without returns a list without the protection of exactly this prefix.
func (a *Allowlist) Without(prefix netip.Prefix) *Allowlist {
	prefix = NormalizePrefix(prefix)
	return NewAllowlist(slices.DeleteFunc(a.Entries(), func(p Protection) bool { return p.Prefix == prefix }))
}

// Replacing returns a list in which the protections of these kinds are exactly
// those given. It is how addresses that change (own, gateway, resolver, admin)
// are refreshed without touching what people and the configuration said.
func (a *Allowlist) Replacing(protections []Protection, kinds ...Kind) *Allowlist {
	kept := slices.DeleteFunc(a.Entries(), func(p Protection) bool { return slices.Contains(kinds, p.Kind) })
	return NewAllowlist(append(kept, protections...))
}

// Equal reports whether two lists protect the same networks for the same
// reasons.
func (a *Allowlist) Equal(b *Allowlist) bool { return slices.Equal(a.Entries(), b.Entries()) }

var mappedRange = netip.MustParsePrefix("::ffff:0:0/96")

// DefaultProtections returns what is never blocked without being told:
// loopback, private and link-local ranges, multicast, and the addresses at which
// cloud providers serve their guests. Networks set aside for documentation are
// not among them: tests and demonstrations attack from there.
func DefaultProtections() []Protection {
	list := []struct {
		kind   Kind
		reason string
		nets   []string
	}{
		{KindLoopback, "loopback", []string{"127.0.0.0/8", "::1/128"}},
		{KindDefault, "private network", []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}},
		{KindDefault, "carrier-grade NAT", []string{"100.64.0.0/10"}},
		{KindDefault, "link-local", []string{"169.254.0.0/16"}},
		{KindDefault, "unique local addresses", []string{"fc00::/7"}},
		{KindDefault, "NAT64: all of IPv4", []string{"64:ff9b::/96", "64:ff9b:1::/48"}},
		{KindSpecial, "link-local: neighbours and routers", []string{"fe80::/10"}},
		{KindSpecial, "this network", []string{"0.0.0.0/8"}},
		{KindSpecial, "unspecified", []string{"::/128"}},
		{KindSpecial, "multicast", []string{"224.0.0.0/4", "ff00::/8"}},
		{KindSpecial, "reserved", []string{"240.0.0.0/4"}},
		{KindSpecial, "broadcast", []string{"255.255.255.255/32"}},
		{KindMetadata, "cloud metadata", []string{
			"169.254.169.254/32", "fd00:ec2::254/128", "fd20:ce::254/128", // AWS, Google, Azure, Oracle and others
			"169.254.170.2/32", "169.254.170.23/32", "fd00:ec2::23/128", // AWS containers
			"168.63.129.16/32",                    // Azure: health, DHCP and DNS
			"100.100.100.200/32",                  // Alibaba
			"169.254.0.23/32",                     // Tencent
			"169.254.42.42/32", "fd00:42::42/128", // Scaleway
			"192.0.0.192/32", // Oracle, earlier
		}},
		{KindMetadata, "cloud name and time servers", []string{
			"169.254.169.253/32", "fd00:ec2::253/128", "169.254.169.123/32", "fd00:ec2::123/128",
		}},
	}
	var out []Protection
	for _, l := range list {
		for _, n := range l.nets {
			out = append(out, Protection{Prefix: netip.MustParsePrefix(n), Kind: l.kind, Reason: l.reason})
		}
	}
	slices.SortStableFunc(out, func(x, y Protection) int {
		return cmp.Or(x.Prefix.Addr().Compare(y.Prefix.Addr()), cmp.Compare(x.Prefix.Bits(), y.Prefix.Bits()))
	})
	return out
}

// networkText writes a network as people do: an address alone without "/32".
func networkText(p netip.Prefix) string {
	if p.IsValid() && p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
