package enforce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// syncRanges rewrites a set of ranges if it is not what is wanted, atomically.
func (n *NFT) syncRanges(ctx context.Context, set setKind, rep *Report) error {
	if !n.stale[set] {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	want := n.segments(set, now)
	if sameRanges(want, n.ranges[set], now, tolerance) && len(want) == len(lasting(want, now)) {
		n.ranges[set], n.stale[set] = want, false
		return nil
	}
	changed, err := n.sendRanges(set, want, now)
	switch {
	case err == nil:
		rep.Changed += changed
		n.ranges[set], n.stale[set] = want, false
		return nil
	case !elementError(err):
		return err
	}
	b := n.conn.batch()
	b.flush(set)
	if err := n.conn.commit(b); err != nil {
		return err
	}
	n.ranges[set] = nil
	for len(want) > 0 {
		chunk := want[:min(len(want), MaxChunk/2)]
		want = want[len(chunk):]
		if err := n.bisectRanges(set, chunk, now, rep); err != nil {
			return err
		}
	}
	return nil
}

// segments returns the ranges that a set should hold.
func (n *NFT) segments(set setKind, now int64) []segment {
	if setSpecs[set].limits && !n.limits {
		return nil
	}
	return segmentsOf(n.nets[set], now)
}

// errNoLimits: an older kernel would take the elements without their rates, and
// drop everything.
var errNoLimits = errors.New("rate limits need Linux 5.7")

// kernelLimits reports whether elements of sets can have rates.
func kernelLimits() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	var major, minor int
	n, _ := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor)
	return n == 2 && (major > 5 || major == 5 && minor >= 7)
}

// sendRanges brings a set to the ranges wanted, atomically: by the difference if
// that is small, else, or if the kernel refuses it, by writing the set anew.
func (n *NFT) sendRanges(set setKind, want []segment, now int64) (int, error) {
	gone, added := difference(lasting(n.ranges[set], now-tolerance), want)
	if len(gone)+len(added) < len(want)/2 {
		b := n.conn.batch()
		b.elements(unix.NFT_MSG_DELSETELEM, set, boundaries(gone, now))
		b.elements(unix.NFT_MSG_NEWSETELEM, set, boundaries(added, now))
		err := n.conn.commit(b)
		if err == nil {
			return len(gone) + len(added), nil
		}
		// ENOENT: a range that is almost over has ended meanwhile.
		if !elementError(err) && !errors.Is(err, unix.ENOENT) {
			return 0, err
		}
	}
	b := n.conn.batch()
	b.flush(set)
	b.elements(unix.NFT_MSG_NEWSETELEM, set, boundaries(want, now))
	return len(want), n.conn.commit(b)
}

// difference compares sorted ranges that do not overlap.
func difference(have, want []segment) (gone, added []segment) {
	for len(have) > 0 && len(want) > 0 {
		switch {
		case have[0] == want[0]:
			have, want = have[1:], want[1:]
		case have[0].lo.Less(want[0].lo):
			gone, have = append(gone, have[0]), have[1:]
		case want[0].lo.Less(have[0].lo):
			added, want = append(added, want[0]), want[1:]
		default: // one start, other ends
			gone, have = append(gone, have[0]), have[1:]
			added, want = append(added, want[0]), want[1:]
		}
	}
	return append(gone, have...), append(added, want...)
}

func (n *NFT) bisectRanges(set setKind, part []segment, now int64, rep *Report) error {
	b := n.conn.batch()
	b.elements(unix.NFT_MSG_NEWSETELEM, set, boundaries(part, now))
	err := n.conn.commit(b)
	if err == nil {
		rep.Changed += len(part)
		n.ranges[set] = append(n.ranges[set], part...)
		return nil
	}
	if !elementError(err) {
		return err
	}
	if len(part) == 1 {
		p, _ := part[0].lo.Prefix(part[0].lo.BitLen())
		rep.reject(p, 1, err)
		return nil
	}
	half := len(part) / 2
	if err := n.bisectRanges(set, part[:half], now, rep); err != nil {
		return err
	}
	return n.bisectRanges(set, part[half:], now, rep)
}

// boundaries returns the elements of ranges: a start, and the first address
// behind the range as its end, unless it reaches to the last address there is.
func boundaries(in []segment, now int64) []element {
	out := make([]element, 0, 2*len(in))
	for _, s := range in {
		left, ok := rest(s.end, now)
		if !ok {
			continue
		}
		out = append(out, element{key: addrKey(s.lo), timeout: left, rate: s.rate})
		if next := s.hi.Next(); next.IsValid() {
			out = append(out, element{key: addrKey(next), last: true})
		}
	}
	return out
}
