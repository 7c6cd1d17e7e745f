package enforce

import (
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Target is what the firewall needs to know of a block: the network, its end,
// and how much of it may pass. Only a sentinel.Block makes one, so that nothing but package decide can
// have anything dropped.
type Target struct {
	prefix netip.Prefix
	force
}

// force says until when something is dropped, and what not. The zero value: not
// at all.
type force struct {
	expires int64         // milliseconds since 1970, forever without end
	rate    sentinel.Rate // passes; zero: nothing
}

// forever is the end of what has no end.
const forever = int64(1<<63 - 1)

// TargetOf returns the target of a block. It is false for blocks that must not
// reach a firewall: simulated ones, those that a proxy enforces, those whose network is invalid or all of an
// address family, and those with a rate that none can keep.
func TargetOf(b sentinel.Block) (Target, bool) {
	p, ok := canonical(b.Prefix())
	if r := b.Rate(); !ok || b.Simulated() || b.Proxied() || !r.IsZero() && !r.Valid() {
		return Target{}, false
	}
	t := Target{p, force{forever, b.Rate()}}
	if !b.Permanent() {
		t.expires = max(b.Expires().UnixMilli(), 1)
	}
	return t, true
}

// Prefix returns what is dropped: an IPv4 network or an IPv6 network of at most
// 64 bits.
func (t Target) Prefix() netip.Prefix { return t.prefix }

// Rate returns what passes nevertheless, zero if everything is dropped.
func (t Target) Rate() sentinel.Rate { return t.rate }

// Expires returns the end, zero for a target without one.
func (t Target) Expires() time.Time {
	if t.expires == forever {
		return time.Time{}
	}
	return time.UnixMilli(t.expires)
}

// canonical returns the form in which a network is enforced: unmapped, masked,
// and the /64 of anything smaller in IPv6. It is false for invalid networks and
// for /0, which would cut the host off from everybody.
func canonical(p netip.Prefix) (netip.Prefix, bool) {
	p = unmapped(p)
	if !p.IsValid() || p.Bits() == 0 {
		return netip.Prefix{}, false
	}
	if p.Addr().Is6() && p.Bits() > 64 {
		p = netip.PrefixFrom(p.Addr(), 64)
	}
	return p.Masked(), true
}

// unmapped turns an IPv4-mapped IPv6 network into the IPv4 network.
func unmapped(p netip.Prefix) netip.Prefix {
	if !p.IsValid() {
		return netip.Prefix{}
	}
	addr := p.Addr().WithZone("")
	if addr.Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
	}
	return netip.PrefixFrom(addr, p.Bits())
}
