package enforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Cutter deletes the entries of newly blocked networks from the kernel's table
// of connections: those that an address opened to the host or, by address
// translation, through it, and those that were opened to the address. So nothing
// counts as established any more. Dropping does not need it where it comes
// before connection tracking; the ufw backend does.
//
// It works beside the Enforcer, at most once a second, and does what it can: it
// deletes at most maxCuts entries at a time and says in the log what it cannot.
// It looks for the entries of an address cutTries times, since what the host
// still has to send may make a new one.
type Cutter struct {
	ns   int
	log  *slog.Logger
	wake chan struct{}

	mu      sync.Mutex
	blocked map[netip.Prefix]int   // is to be cut so many times
	allow   map[netip.Prefix]force // is never cut
}

const (
	// maxCuts is how many entries are deleted in one pass.
	maxCuts = 10_000
	// maxWaiting bounds the networks that wait; those beyond it are not cut.
	maxWaiting = 1 << 17
	cutEvery   = time.Second
	cutTries   = 4
)

// NewCutter returns a cutter for a network namespace, that of the process if the
// descriptor is 0. A nil logger says nothing.
func NewCutter(ns int, log *slog.Logger) *Cutter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Cutter{ns: ns, log: log, wake: make(chan struct{}, 1), blocked: make(map[netip.Prefix]int)}
}

// add notes what a change blocks. It never waits.
func (c *Cutter) add(change Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if change.AllowChanged {
		c.allow = make(map[netip.Prefix]force, len(change.Allow))
		for _, p := range change.Allow {
			if p = unmapped(p).Masked(); p.IsValid() {
				c.allow[p] = force{expires: forever}
			}
		}
	}
	for _, t := range change.Set {
		if t.rate.IsZero() && len(c.blocked) < maxWaiting {
			c.blocked[t.prefix] = cutTries
		}
	}
	for _, p := range change.Removed {
		delete(c.blocked, p)
	}
	if len(c.blocked) > 0 {
		poke(c.wake)
	}
}

// run works until ctx ends.
func (c *Cutter) run(ctx context.Context) {
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		start := time.Now()
		n, err := c.pass(ctx)
		switch {
		case err != nil && !failed:
			c.log.Warn("entries of blocked addresses stay in the table of connections", "error", err)
		case n > 0:
			c.log.Debug("connections of blocked addresses were forgotten", "entries", n)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(cutEvery, 10*time.Since(start))): // a full table takes its time
		}
	}
}

// pass deletes the entries of all that waits, and returns how many.
func (c *Cutter) pass(ctx context.Context) (int, error) {
	c.mu.Lock()
	now := make(map[netip.Prefix]force, len(c.blocked))
	for p, tries := range c.blocked {
		now[p] = force{expires: forever}
		if c.blocked[p] = tries - 1; tries == 1 {
			delete(c.blocked, p)
		}
	}
	blocked, allowed := rangesIn(now), rangesIn(c.allow)
	if len(c.blocked) > 0 {
		poke(c.wake)
	}
	c.mu.Unlock()
	conn, err := dial(c.ns)
	if err != nil {
		return 0, err
	}
	defer conn.close()
	var found []flow
	err = conn.flows(func(f flow) {
		if len(found) < maxCuts && slices.ContainsFunc(f.ends[:], func(a netip.Addr) bool { return blocked.hold(a) && !allowed.hold(a) }) {
			f.tuple, f.zone = bytes.Clone(f.tuple), bytes.Clone(f.zone)
			found = append(found, f)
		}
	})
	if err != nil {
		return 0, fmt.Errorf("reading the table of connections: %w", err)
	}
	for i, f := range found {
		if ctx.Err() != nil {
			return i, nil
		}
		if err := conn.forget(f); err != nil && !errors.Is(err, unix.ENOENT) {
			return i, fmt.Errorf("deleting from the table of connections: %w", err)
		}
	}
	return len(found), nil
}

// ranges are sorted ranges of addresses: of IPv4, and of IPv6.
type ranges [2][]segment

func rangesIn(nets map[netip.Prefix]force) (r ranges) {
	families := [2]map[netip.Prefix]force{{}, {}}
	for p, f := range nets {
		if p.Addr().Is4() {
			families[0][p] = f
		} else {
			families[1][p] = f
		}
	}
	for i := range r {
		r[i] = segmentsOf(families[i], 0)
	}
	return r
}

// hold reports whether an address is in one of the ranges.
func (r ranges) hold(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	list := r[0]
	if a.Is6() {
		list = r[1]
	}
	_, found := slices.BinarySearchFunc(list, a, func(s segment, a netip.Addr) int {
		switch {
		case s.hi.Less(a):
			return -1
		case a.Less(s.lo):
			return 1
		}
		return 0
	})
	return found
}

// The netlink protocol of the table of connections, see
// linux/netfilter/nfnetlink_conntrack.h.
const (
	flowGet    = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1
	flowDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2

	flowAttrOrig  = 1
	flowAttrReply = 2
	flowAttrZone  = 18
	flowTupleIP   = 1
)

// flow is an entry of the table: where it comes from and goes to, in both
// directions, and what names it.
type flow struct {
	ends        [4]netip.Addr
	tuple, zone []byte
}

// flows gives every entry to f, whose slices are valid only during the call.
func (c *conn) flows(f func(flow)) error {
	return c.ask(flowGet, unix.AF_UNSPEC, unix.NLM_F_DUMP, nil, func(attrs []byte) error {
		f(parseFlow(attrs))
		return nil
	})
}

func parseFlow(attrs []byte) (f flow) {
	at := 0
	eachAttr(attrs, func(kind uint16, v []byte) {
		switch kind {
		case flowAttrOrig:
			f.tuple = v
		case flowAttrZone:
			f.zone = v
		}
		if kind != flowAttrOrig && kind != flowAttrReply {
			return
		}
		eachAttr(v, func(kind uint16, v []byte) {
			if kind != flowTupleIP {
				return
			}
			eachAttr(v, func(_ uint16, v []byte) {
				if a, ok := netip.AddrFromSlice(v); ok && at < len(f.ends) {
					f.ends[at] = a
					at++
				}
			})
		})
	})
	return f
}

// forget deletes an entry.
func (c *conn) forget(f flow) error {
	family := byte(unix.AF_INET)
	if f.ends[0].Is6() {
		family = unix.AF_INET6
	}
	return c.ask(flowDelete, family, unix.NLM_F_ACK, func(m *message) {
		m.bytes(flowAttrOrig|unix.NLA_F_NESTED, f.tuple)
		if len(f.zone) > 0 {
			m.bytes(flowAttrZone, f.zone)
		}
	}, func([]byte) error { return nil })
}
