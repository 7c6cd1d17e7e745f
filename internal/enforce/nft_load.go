package enforce

import (
	"bytes"
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// load learns what the kernel holds, unless that is known, and makes the table
// if it is missing or not as it should be.
func (n *NFT) load(ctx context.Context, rep *Report) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.loaded {
		return nil
	}
	if err := n.open(); err != nil {
		return err
	}
	good, err := intact(n.conn, n.cfg.SetSize)
	if err != nil {
		return err
	}
	if !good {
		return n.rebuild(rep)
	}
	for _, set := range []setKind{block4, block6} {
		if err := n.loadHash(set, rep); err != nil {
			return err
		}
	}
	for _, set := range rangeSets {
		if err := n.loadRanges(set, rep); err != nil {
			return err
		}
	}
	n.markDirty()
	n.loaded = true
	return nil
}

func (n *NFT) loadHash(set setKind, rep *Report) error {
	m := n.hash[set]
	err := readSet(n.conn, set,
		func() {
			for k, e := range m {
				e.seen = 0
				n.put(set, k, e)
			}
		},
		func(f found) {
			k := hashKeyOf(set, f.key)
			e := m[k]
			e.seen = f.end
			n.put(set, k, e)
		})
	if err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	for k, e := range m {
		left := at(e.have, now)
		switch {
		case near(e.seen, left, tolerance), e.seen == 0 && left < now+tolerance:
			e.seen = e.have // as we left it, or just over
		case !near(e.seen, left, slack):
			rep.Drift++
		}
		if e.seen != 0 && near(e.seen, e.want, tolerance) {
			e.seen = e.want
		}
		e.have, e.seen = e.seen, 0
		n.put(set, k, e)
	}
	return nil
}

// near reports whether two ends are the same but for some milliseconds.
func near(a, b, by int64) bool {
	if a == 0 || b == 0 || a == forever || b == forever {
		return a == b
	}
	return a-b <= by && b-a <= by
}

func (n *NFT) loadRanges(set setKind, rep *Report) error {
	var all []found
	err := readSet(n.conn, set, func() { all = all[:0] }, func(f found) { all = append(all, f) })
	if err != nil {
		return err
	}
	held := rangesOf(set, all)
	now := time.Now().UnixMilli()
	if !sameRanges(held, n.ranges[set], now, slack) {
		rep.Drift++
	}
	n.ranges[set] = held
	n.stale[set] = true
	return nil
}

// rangesOf puts the starts and ends of a dump together, in any order.
func rangesOf(set setKind, all []found) []segment {
	slices.SortFunc(all, func(a, b found) int {
		ends := 0
		if a.last != b.last {
			ends = 1
			if a.last {
				ends = -1
			}
		}
		return cmp.Or(bytes.Compare(a.key[:], b.key[:]), ends)
	})
	var out []segment
	open := false
	for _, f := range all {
		addr := addrOf(set, f.key)
		if open {
			out[len(out)-1].hi = addr.Prev()
		}
		open = !f.last
		if open {
			out = append(out, segment{addr, addr, f.end, f.rate})
		}
	}
	if open {
		out[len(out)-1].hi = lastOf(netip.PrefixFrom(out[len(out)-1].lo, 0))
	}
	return out
}

// sameRanges compares sorted ranges, leaving out what is over or nearly so.
func sameRanges(a, b []segment, now, by int64) bool {
	a, b = lasting(a, now), lasting(b, now)
	return slices.EqualFunc(a, b, func(a, b segment) bool {
		return a.lo == b.lo && a.hi == b.hi && a.rate == b.rate && near(a.end, b.end, by)
	})
}

func lasting(in []segment, now int64) []segment {
	out := make([]segment, 0, len(in))
	for _, s := range in {
		if s.end > now+tolerance {
			out = append(out, s)
		}
	}
	return out
}

// rebuild replaces the table with one that holds everything, in one
// transaction: packets see the old one or the new one. If the kernel refuses
// some element, the empty table is made and sync fills it piece by piece.
func (n *NFT) rebuild(rep *Report) error {
	if err := n.readDrops(); err != nil {
		return err
	}
	rep.Rebuilt = true
	now := time.Now().UnixMilli()
	b, err := n.emptyTable()
	if err != nil {
		return err
	}
	wanted := n.addAll(b, now)
	if n.conn.commit(b) == nil {
		for set := range n.hash {
			for k, e := range n.hash[set] {
				e.have = e.want
				n.put(setKind(set), k, e)
			}
		}
		rep.Changed += wanted
		n.made()
		return nil
	}
	if b, err = n.emptyTable(); err != nil {
		return err
	}
	if err := n.conn.commit(b); err != nil {
		return err
	}
	for set := range n.hash {
		for k, e := range n.hash[set] {
			e.have = 0
			n.put(setKind(set), k, e)
		}
		n.ranges[set], n.stale[set] = nil, true
	}
	n.made()
	return nil
}

// made notes that the table is new: its counters start from 0.
func (n *NFT) made() {
	for set := range n.last {
		n.base.add(n.last[set])
		n.last[set] = Drops{}
	}
	n.loaded = true
	n.markDirty()
}

func (n *NFT) emptyTable() (*batch, error) {
	b := n.conn.batch()
	deleteTable(b)
	return b, addSchema(b, n.cfg.SetSize, n.limits)
}

// addAll adds every wanted element to a batch and returns how many.
func (n *NFT) addAll(b *batch, now int64) int {
	total := 0
	for _, set := range []setKind{block4, block6} {
		elems := make([]element, 0, MaxChunk)
		for k, e := range n.hash[set] {
			if left, ok := rest(e.want, now); ok {
				elems = append(elems, element{key: k.bytes(set), timeout: left})
				total++
			}
			if len(elems) == MaxChunk {
				b.elements(unix.NFT_MSG_NEWSETELEM, set, elems)
				elems = elems[:0]
			}
		}
		b.elements(unix.NFT_MSG_NEWSETELEM, set, elems)
	}
	for _, set := range rangeSets {
		n.ranges[set] = n.segments(set, now)
		n.stale[set] = false
		b.elements(unix.NFT_MSG_NEWSETELEM, set, boundaries(n.ranges[set], now))
		total += len(n.ranges[set])
	}
	return total
}
