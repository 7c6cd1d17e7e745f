package enforce

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// longLived is an end so far away that a set cannot hold it, or nearly so: when
// less is left, the element is given its time again.
const longLived = (maxSetSeconds - 5*24*3600) * 1000

// loadSets learns what the sets hold.
func (n *IPT) loadSets(f *iptFamily, rep *Report) error {
	found, err := n.conn.headers("")
	if err != nil {
		return err
	}
	have := make(map[string]setHeader)
	for _, h := range found {
		have[h.name] = h
	}
	for _, s := range f.sets() {
		h, ok := have[s.name]
		s.exists = ok
		if ok && (h.kind != ipsetType || h.v6 != f.v6 || !h.timeouts || h.size != n.cfg.SetSize) {
			if err := n.replaceSet(f, s); err != nil {
				return err
			}
			rep.Rebuilt = true
		}
		if err := n.loadSet(s, rep); err != nil {
			return err
		}
	}
	return nil
}

// replaceSet puts a set of the right shape in the place of another, with what is
// wanted in it: packets see the old one or the new one.
func (n *IPT) replaceSet(f *iptFamily, s *ipSet) error {
	spare := f.spare()
	if err := n.conn.destroySet(spare); err != nil {
		return err
	}
	if err := n.conn.createSet(spare, f.v6, n.cfg.SetSize); err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	var add []setEntry
	for p, e := range s.elems {
		if left, ok := rest(e.want, now); ok {
			add = append(add, setEntry{p, secondsOf(left)})
		}
	}
	for len(add) > 0 {
		chunk := add[:min(len(add), MaxChunk)]
		add = add[len(chunk):]
		if err := n.conn.changeSet(ipsetAdd, spare, chunk); err != nil {
			break // what does not fit is found and named later
		}
	}
	if err := n.conn.swapSets(spare, s.name); err != nil {
		return fmt.Errorf("exchanging the set %s: %w", s.name, err)
	}
	return n.conn.destroySet(spare)
}

// loadSet reads a set and compares it with how it was left.
func (n *IPT) loadSet(s *ipSet, rep *Report) error {
	for p, e := range s.elems {
		e.seen = 0
		s.put(p, e)
	}
	if s.exists {
		err := n.conn.readIPSet(s.name, func(p netip.Prefix, end int64) {
			p = p.Masked()
			e := s.elems[p]
			e.seen = end
			s.put(p, e)
		})
		if err != nil {
			return fmt.Errorf("reading the set %s: %w", s.name, err)
		}
	}
	now := time.Now().UnixMilli()
	s.dirty = s.dirty[:0]
	for p, e := range s.elems {
		left := at(e.have, now)
		switch {
		case sameEnd(e.seen, left, now, tolerance), e.seen == 0 && left < now+tolerance:
			e.seen = e.have // as we left it, or just over
		case !sameEnd(e.seen, left, now, slack):
			rep.Drift++
		}
		if e.seen != 0 && sameEnd(e.seen, e.want, now, tolerance) {
			e.seen = e.want
		}
		e.have, e.seen = e.seen, 0
		s.put(p, e)
		if e.want != e.have {
			s.dirty = append(s.dirty, p)
		}
	}
	return nil
}

// sameEnd is near, for ends of which a set may hold an earlier one.
func sameEnd(a, b, now, by int64) bool {
	if a != forever && b != forever && a-now > longLived && b-now > longLived {
		return true
	}
	return near(a, b, by)
}

// secondsOf rounds what is left up to what a set holds, 0 for no end.
func secondsOf(left time.Duration) uint32 {
	return uint32(min((left+time.Second-1)/time.Second, maxSetSeconds))
}

// syncSet sends what differs: first what is to be taken out.
func (n *IPT) syncSet(ctx context.Context, s *ipSet, rep *Report) error {
	now := time.Now().UnixMilli()
	var gone, set []netip.Prefix
	for _, p := range s.dirty {
		e := s.elems[p]
		if _, left := rest(e.want, now); !left {
			gone = append(gone, p)
		} else if e.want != e.have {
			set = append(set, p)
		}
	}
	full := false
	if err := n.send(ctx, ipsetDelete, s, gone, now, &full, rep); err != nil {
		return err
	}
	if err := n.send(ctx, ipsetAdd, s, set, now, &full, rep); err != nil {
		return err
	}
	s.dirty = s.dirty[:0]
	return nil
}

func (n *IPT) send(ctx context.Context, kind uint16, s *ipSet, list []netip.Prefix, now int64, full *bool, rep *Report) error {
	for len(list) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		chunk := list[:min(len(list), MaxChunk)]
		list = list[len(chunk):]
		if err := n.bisect(kind, s, chunk, now, full, rep); err != nil {
			return err
		}
	}
	return nil
}

// bisect sends elements in one message. If the kernel refuses one of them,
// halves are tried, so that all but the bad ones are applied.
func (n *IPT) bisect(kind uint16, s *ipSet, chunk []netip.Prefix, now int64, full *bool, rep *Report) error {
	if *full && kind == ipsetAdd {
		rep.reject(chunk[0], len(chunk), ipsetError{ipsetErrFull})
		return nil
	}
	entries := make([]setEntry, 0, len(chunk))
	for _, p := range chunk {
		left, _ := rest(s.elems[p].want, now)
		entries = append(entries, setEntry{p, secondsOf(left)})
	}
	err := n.conn.changeSet(kind, s.name, entries)
	switch {
	case err == nil:
		for _, p := range chunk {
			e := s.elems[p]
			e.have = e.want
			s.put(p, e)
		}
		rep.Changed += len(chunk)
		return nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EPERM):
		return err
	case len(chunk) == 1:
		*full = *full || errors.Is(err, ipsetErrFull)
		rep.reject(chunk[0], 1, err)
		return nil
	}
	half := len(chunk) / 2
	if err := n.bisect(kind, s, chunk[:half], now, full, rep); err != nil {
		return err
	}
	return n.bisect(kind, s, chunk[half:], now, full, rep)
}

// ourSets are the names of our sets, of either family.
func ourSets(found []setHeader) (names []string) {
	for _, h := range found {
		if strings.HasPrefix(h.name, setPrefix) {
			names = append(names, h.name)
		}
	}
	return names
}
