package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// The bounds of names, and how long their addresses are kept.
const (
	// MaxNames is how many names are followed.
	MaxNames = 64
	// maxNameAddrs is how many addresses of one name are kept, the last seen.
	maxNameAddrs = 32
	// NameLinger is how long an address is kept that a name does not have any
	// more: some names have other addresses at each look-up.
	NameLinger = 15 * time.Minute
	// NameKeep is how long the addresses of a name are kept that cannot be looked
	// up.
	NameKeep = 24 * time.Hour

	lookupTimeout = 5 * time.Second
	lookupsAtOnce = 8
)

// Name is a name of a host and its addresses.
type Name struct {
	Name string `json:"name"`
	// Addrs has the addresses and when each was last seen.
	Addrs map[netip.Addr]time.Time `json:"addrs"`
	// Resolved is when a look-up last succeeded, zero if none did yet; Error is
	// why the last one did not.
	Resolved time.Time `json:"resolved"`
	Error    string    `json:"-"`
}

// Sorted returns the addresses in order.
func (n Name) Sorted() []netip.Addr {
	out := make([]netip.Addr, 0, len(n.Addrs))
	for a := range n.Addrs {
		out = append(out, a)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// Lookup returns the addresses of a name.
type Lookup func(ctx context.Context, name string) ([]netip.Addr, error)

// NewLookup returns a look-up in /etc/hosts and by a name server, that of the
// system if the address is invalid.
func NewLookup(server netip.AddrPort) Lookup {
	r := &net.Resolver{PreferGo: true}
	if server.IsValid() {
		r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, server.String())
		}
	}
	return func(ctx context.Context, name string) ([]netip.Addr, error) {
		ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
		defer cancel()
		return r.LookupNetIP(ctx, "ip", name+".") // as it stands, without search domains
	}
}

// Names follows the addresses of names. Its methods may be called at any time.
type Names struct {
	mu     sync.Mutex
	lookup Lookup
	every  time.Duration
	list   map[string]*Name
	wake   chan struct{}
}

// NewNames returns one that follows no names yet.
func NewNames() *Names { return &Names{list: make(map[string]*Name), wake: make(chan struct{}, 1)} }

// Restore takes up what was known of names before, as far as it still counts.
// Names that are not Set later are forgotten.
func (s *Names) Restore(list []Name, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range list {
		if len(s.list) < MaxNames && len(n.Addrs) <= maxNameAddrs && now.Sub(n.Resolved) < NameKeep && n.Addrs != nil {
			s.list[n.Name] = &n
		}
	}
}

// Set says which names are followed, at most MaxNames, how they are looked up and
// how often. All are looked up soon.
func (s *Names) Set(names []string, lookup Lookup, every time.Duration) {
	s.mu.Lock()
	s.lookup, s.every = lookup, every
	list := make(map[string]*Name, len(names))
	for _, name := range names[:min(len(names), MaxNames)] {
		if list[name] = s.list[name]; list[name] == nil {
			list[name] = &Name{Name: name, Addrs: make(map[netip.Addr]time.Time)}
		}
	}
	s.list = list
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// All returns what is known, in the order of the names.
func (s *Names) All() []Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Name, 0, len(s.list))
	for _, n := range s.list {
		c := *n
		c.Addrs = make(map[netip.Addr]time.Time, len(n.Addrs))
		for a, seen := range n.Addrs {
			c.Addrs[a] = seen
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Name) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Run looks the names up until ctx ends and calls changed when some have other
// addresses than before, or fail otherwise than before.
func (s *Names) Run(ctx context.Context, changed func()) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if s.refresh(ctx) {
			changed()
		}
		s.mu.Lock()
		wait := s.every
		s.mu.Unlock()
		timer.Reset(max(wait, time.Second))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.wake:
		}
	}
}

// refresh looks all names up once. It reports whether something changed.
func (s *Names) refresh(ctx context.Context) bool {
	s.mu.Lock()
	lookup := s.lookup
	names := make([]string, 0, len(s.list))
	for name := range s.list {
		names = append(names, name)
	}
	s.mu.Unlock()
	var changed bool
	var group errgroup.Group
	group.SetLimit(lookupsAtOnce)
	for _, name := range names {
		group.Go(func() error {
			found, err := lookup(ctx, name)
			if ctx.Err() != nil {
				return nil
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if n := s.list[name]; n != nil && n.take(found, err, time.Now()) {
				changed = true
			}
			return nil
		})
	}
	_ = group.Wait() // they return no errors
	return changed
}

// take takes in the result of a look-up. It reports whether anything changed.
func (n *Name) take(found []netip.Addr, err error, now time.Time) (changed bool) {
	before, wrong := n.Sorted(), n.Error
	if err == nil && len(found) == 0 {
		err = errors.New("it has no address")
	}
	if err != nil {
		n.Error = reason(err)
		if now.Sub(n.Resolved) >= NameKeep {
			clear(n.Addrs)
		}
		return n.Error != wrong || len(n.Addrs) != len(before)
	}
	first := n.Resolved.IsZero()
	n.Error, n.Resolved = "", now
	for _, a := range found {
		if a = sentinel.Normalize(a); a.IsValid() && !a.IsUnspecified() {
			n.Addrs[a] = now
		}
	}
	for a, seen := range n.Addrs {
		if now.Sub(seen) >= NameLinger {
			delete(n.Addrs, a)
		}
	}
	for len(n.Addrs) > maxNameAddrs {
		oldest := netip.Addr{}
		for a, seen := range n.Addrs {
			if !oldest.IsValid() || seen.Before(n.Addrs[oldest]) || seen.Equal(n.Addrs[oldest]) && a.Compare(oldest) > 0 {
				oldest = a
			}
		}
		delete(n.Addrs, oldest)
	}
	return first || wrong != "" || !slices.Equal(before, n.Sorted())
}

// reason shortens the error of a look-up.
func reason(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no such name"
	case errors.As(err, &dns) && dns.IsTimeout:
		return "the name server does not answer"
	case errors.As(err, &dns):
		return dns.Err
	}
	return fmt.Sprint(err)
}
