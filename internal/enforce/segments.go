package enforce

import (
	"cmp"
	"net/netip"
	"slices"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// segment is a range of addresses, both ends included, its end in time, and what
// passes of it.
type segment struct {
	lo, hi netip.Addr
	end    int64
	rate   sentinel.Rate
}

// segmentsOf cuts networks of one family, which may lie in each other, into
// ranges that do not overlap, sorted. An address that several networks cover
// gets the latest end of them, and the rate that belongs to it. Ends not after
// now are left out. Ranges with a rate are not joined: each has its own.
func segmentsOf(nets map[netip.Prefix]force, now int64) []segment {
	order := make([]netip.Prefix, 0, len(nets))
	for p, f := range nets {
		if f.expires > now {
			order = append(order, p)
		}
	}
	// Outer networks come before what lies in them.
	slices.SortFunc(order, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	var (
		out  []segment
		open []segment  // networks around pos, outermost first, ends growing
		pos  netip.Addr // first address not yet given out; invalid past the last
	)
	emit := func(hi netip.Addr, from segment) {
		if !pos.IsValid() || pos.Compare(hi) > 0 {
			return
		}
		if n := len(out); n > 0 && from.rate.IsZero() && out[n-1].end == from.end && out[n-1].hi.Next() == pos {
			out[n-1].hi = hi
		} else {
			out = append(out, segment{pos, hi, from.end, from.rate})
		}
		pos = hi.Next()
	}
	closeBefore := func(limit netip.Addr) {
		for n := len(open); n > 0 && (!limit.IsValid() || open[n-1].hi.Less(limit)); n-- {
			emit(open[n-1].hi, open[n-1])
			open = open[:n-1]
		}
	}
	for _, p := range order {
		lo, hi := p.Addr(), lastOf(p)
		end, rate := nets[p].expires, nets[p].rate
		closeBefore(lo)
		if n := len(open); n > 0 {
			if open[n-1].end >= end {
				continue // covered as long
			}
			if before := lo.Prev(); before.IsValid() {
				emit(before, open[n-1])
			}
		}
		pos = lo
		open = append(open, segment{lo, hi, end, rate})
	}
	closeBefore(netip.Addr{})
	return out
}

// lastOf returns the last address of a masked network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
