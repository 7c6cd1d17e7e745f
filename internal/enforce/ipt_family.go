package enforce

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// iptFamily is one address family of an IPT.
type iptFamily struct {
	v6      bool
	program string
	// missing says why the host has nothing of this family, nil if it has. Then
	// nothing of it is enforced, and nothing needs to be.
	missing error
	allow   *ipSet
	block   *ipSet
	limits  map[sentinel.Rate]*ipSet
	// rules are the lines of ours as the program shows them, once written.
	rules []string
	// written are the rates that the rules are for.
	written []sentinel.Rate
}

// ipSet is a set of ipset: what should be in it and what is.
type ipSet struct {
	name   string
	elems  map[netip.Prefix]entry
	dirty  []netip.Prefix
	wanted int // elements that should be in it
	held   int // and those that are
	exists bool
}

func newIPTFamily(v6 bool, program string) *iptFamily {
	digit := "4"
	if v6 {
		digit = "6"
	}
	return &iptFamily{
		v6: v6, program: program, allow: newIPSet("allow" + digit), block: newIPSet("block" + digit), limits: make(map[sentinel.Rate]*ipSet),
	}
}

func newIPSet(name string) *ipSet {
	return &ipSet{name: setPrefix + name, elems: make(map[netip.Prefix]entry)}
}

// limit returns the set of a rate.
func (f *iptFamily) limit(r sentinel.Rate) *ipSet {
	s := f.limits[r]
	if s == nil {
		s = newIPSet("limit" + f.digit() + "-" + strings.ReplaceAll(r.String(), "/", ""))
		f.limits[r] = s
	}
	return s
}

func (f *iptFamily) digit() string { return f.allow.name[len(f.allow.name)-1:] }

// sets returns all of them: what is allowed first.
func (f *iptFamily) sets() []*ipSet {
	out := []*ipSet{f.allow, f.block}
	for _, r := range f.rates() {
		out = append(out, f.limits[r])
	}
	return out
}

// rates returns those of the limits, sorted.
func (f *iptFamily) rates() []sentinel.Rate {
	out := make([]sentinel.Rate, 0, len(f.limits))
	for r := range f.limits {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b sentinel.Rate) int { return cmp.Or(cmp.Compare(a.Per, b.Per), cmp.Compare(a.Count, b.Count)) })
	return out
}

// put stores an entry, or forgets it if nothing is left of it.
func (s *ipSet) put(p netip.Prefix, e entry) {
	old := s.elems[p]
	s.wanted += one(e.want) - one(old.want)
	s.held += one(e.have) - one(old.have)
	if e == (entry{}) {
		delete(s.elems, p)
	} else {
		s.elems[p] = e
	}
}

// want notes the end that an element should have, 0 for none.
func (s *ipSet) want(p netip.Prefix, end int64) {
	e := s.elems[p]
	if e.want == end {
		return
	}
	e.want = end
	s.put(p, e)
	s.dirty = append(s.dirty, p)
}

// want notes what a network should be; it is in one of the sets at most.
func (f *iptFamily) want(p netip.Prefix, v force) {
	blocked := v.expires
	if !v.rate.IsZero() {
		blocked = 0
	}
	f.block.want(p, blocked)
	for r, s := range f.limits {
		if r != v.rate {
			s.want(p, 0)
		}
	}
	if !v.rate.IsZero() {
		f.limit(v.rate).want(p, v.expires)
	}
}

// count returns how many elements should be in the sets that drop, and how many
// are. If the host has nothing of this family, nobody of it can reach the host.
func (f *iptFamily) count() (want, have int) {
	for _, s := range f.sets()[1:] {
		want += s.wanted
		have += s.held
	}
	if f.missing != nil {
		have = want
	}
	return want, have
}

// dropEmptyLimits forgets limits that nothing is in and nothing should be.
func (f *iptFamily) dropEmptyLimits() {
	for r, s := range f.limits {
		if s.wanted == 0 && s.held == 0 {
			delete(f.limits, r)
		}
	}
}

// refuse notes that a set cannot be.
func (s *ipSet) refuse(rep *Report) {
	for p, e := range s.elems {
		if e.want != 0 {
			rep.reject(p, 1, errRates)
		}
	}
}

// spare is the name of the set that is exchanged for one of a wrong shape.
func (f *iptFamily) spare() string { return setPrefix + "spare" + f.digit() }

// halves splits all of an address family in two, since a set cannot hold it.
func halves(p netip.Prefix) []netip.Prefix {
	if p.Bits() > 0 {
		return []netip.Prefix{p}
	}
	upper := p.Addr().AsSlice()
	upper[0] = 0x80
	a, _ := netip.AddrFromSlice(upper)
	return []netip.Prefix{netip.PrefixFrom(p.Addr(), 1), netip.PrefixFrom(a, 1)}
}
