package decide

import (
	_ "embed"
	"fmt"
	"net/netip"
	"strings"

	"github.com/sentinel-ai/sentinel-ai"
)

// Content delivery networks and proxies: one address stands for all visitors
// behind it.

//go:embed cdn.txt
var cdnText string

// CDNProtections returns the shipped ranges of content delivery networks. A
// test holds that the list has no fault.
func CDNProtections() []Protection {
	out, _ := ParseCDN(cdnText)
	return out
}

// maxCDN bounds the ranges of one list.
const maxCDN = 10_000

// ParseCDN reads a list of ranges of content delivery networks: an address or a
// network a line; "# name: TEXT" names the network of the lines below it; other
// lines with # are comments. Ranges wider than a /8, in IPv6 a /16, are refused.
// What comes before a fault is returned with it.
func ParseCDN(text string) (out []Protection, err error) {
	name, n := "", 0
	for line := range strings.Lines(text) {
		n++
		line, comment, _ := strings.Cut(line, "#")
		if s, ok := strings.CutPrefix(strings.TrimSpace(comment), "name:"); ok {
			name = keep(strings.TrimSpace(s), maxNameBytes)
		}
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		p, perr := netip.ParsePrefix(line)
		if perr != nil {
			a, aerr := netip.ParseAddr(line)
			if aerr != nil {
				return out, fmt.Errorf("line %d: %.60q is neither an address nor a network", n, line)
			}
			p = netip.PrefixFrom(a.WithZone(""), a.BitLen())
		}
		p = NormalizePrefix(p)
		if tooWide(p, allowBits4, allowBits6) {
			return out, fmt.Errorf("line %d: %s is wider than a /%d, for IPv6 a /%d", n, p, allowBits4, allowBits6)
		}
		if len(out) == maxCDN {
			return out, fmt.Errorf("line %d: more than %d networks", n, maxCDN)
		}
		reason := "all visitors behind it share its addresses; see trusted_proxies"
		if name != "" {
			reason = name + ": " + reason
		}
		out = append(out, Protection{Prefix: p, Kind: KindCDN, Reason: reason})
	}
	return out, nil
}

// Shared reports whether an address can be that of a proxy in front of this
// host: a private one, loopback, or one of a content delivery network.
func (a *Allowlist) Shared(addr netip.Addr) bool {
	addr = sentinel.Normalize(addr)
	if addr.IsPrivate() || addr.IsLoopback() {
		return true
	}
	p, ok := a.Covers(addr)
	return ok && (p.Kind == KindCDN || p.Kind == KindProxy)
}

// reaches reports whether a block stops who a detection is about. One that the
// proxy enforces stops nobody who connects directly; one of the packet filter is
// in the proxy's list as well.
func reaches(e *entry, det *sentinel.Detection) bool {
	return !e.rec.Proxied || det.FromHeader
}
