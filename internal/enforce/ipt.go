package enforce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// IPTConfig tunes an IPT. The zero value is right outside tests.
type IPTConfig struct {
	// NetNS is the descriptor of the network namespace to work in; 0 means that
	// of the process.
	NetNS int
	// SetSize is how many elements a set holds at most (DefaultSetSize if 0).
	SetSize uint32
	// Command4 and Command6 are the programs to use, iptables and ip6tables if
	// empty. Beside each stands another with -restore behind its name.
	Command4, Command6 string
}

// IPT is the backend iptables: a chain of our own in the table raw, for each
// address family, and sets of ipset that it looks into.
//
//	-A PREROUTING -m set ! --match-set sentinel-allow4 src -j SENTINEL
//	-A SENTINEL -m set --match-set sentinel-block4 src -j DROP
//	-A SENTINEL -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j RETURN
//	-A SENTINEL -m set --match-set sentinel-limit4-10m src -m hashlimit --hashlimit-above 10/min ... -j DROP
//
// The last two are there for each rate in use, of which there are at most
// maxRates. Each of our sets is looked into by exactly one rule: so the kernel's
// count of references tells whether the rules are still there (see Watch).
type IPT struct {
	cfg      IPTConfig
	command  command
	conn     *conn
	loaded   bool
	families [2]*iptFamily
	samples  []Rejection
	drops    dropCounts

	// watched is what Watch compares the kernel with.
	mu      sync.Mutex
	watched map[string]int // elements by set
}

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

// maxRates is how many different rates there may be at a time.
const maxRates = 16

var errRates = fmt.Errorf("there are more than %d different rates", maxRates)

// The names of what is ours in the kernel; they do not change.
const (
	iptChain  = "SENTINEL"
	setPrefix = "sentinel-"
	iptTable  = "raw"
)

// NewIPT returns a backend that has not yet touched the kernel.
func NewIPT(cfg IPTConfig) *IPT {
	cfg.SetSize = cmp.Or(cfg.SetSize, DefaultSetSize)
	return &IPT{
		cfg: cfg, command: command{ns: cfg.NetNS},
		families: [2]*iptFamily{
			newIPTFamily(false, cmp.Or(cfg.Command4, "iptables")), newIPTFamily(true, cmp.Or(cfg.Command6, "ip6tables")),
		},
	}
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

// Name implements Backend.
func (n *IPT) Name() string { return "iptables" }

// Close closes the socket. The kernel keeps the blocks.
func (n *IPT) Close() error {
	if n.conn != nil {
		n.conn.close()
		n.conn, n.loaded = nil, false
	}
	return nil
}

// Apply implements Backend.
func (n *IPT) Apply(ctx context.Context, c Change) (Report, error) {
	n.merge(c)
	return n.finish(ctx, false)
}

// Check implements Backend.
func (n *IPT) Check(ctx context.Context) (Report, error) {
	first := !n.loaded
	n.loaded = false
	return n.finish(ctx, !first)
}

// finish makes the kernel equal to what is wanted and reports.
func (n *IPT) finish(ctx context.Context, known bool) (rep Report, err error) {
	err = n.settle(ctx, &rep)
	if !known {
		rep.Drift = 0 // nothing was known to differ from
	}
	for _, f := range n.families {
		rep.Want += f.block.wanted
		rep.Have += f.block.held
		for _, s := range f.limits {
			rep.Want += s.wanted
			rep.Have += s.held
		}
		if f.missing != nil { // nobody of this family can reach the host
			rep.Have = rep.Want
		}
	}
	if len(rep.Samples) > 0 {
		n.samples = rep.Samples
	}
	if rep.Rejected = max(rep.Rejected, rep.Want-rep.Have); rep.Rejected > 0 {
		rep.Samples = n.samples
	}
	n.publish()
	if err != nil {
		n.loaded = false
		return rep, fmt.Errorf("writing iptables: %w%s", err, hintIPT(err))
	}
	return rep, nil
}

// hintIPT says what may be done about an error.
func hintIPT(err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "socket to ipset"):
		return " (CAP_NET_RAW is needed)"
	case strings.Contains(text, "xtables.lock"):
		return " (iptables-legacy needs root for its lock file)"
	}
	return hint(err)
}

// merge takes a change into what is wanted.
func (n *IPT) merge(c Change) {
	if c.Full {
		for _, f := range n.families {
			for _, s := range f.sets()[1:] {
				for p := range s.elems {
					s.want(p, 0)
				}
			}
		}
	}
	for _, t := range c.Set {
		n.family(t.prefix).want(t.prefix, t.force)
	}
	for _, p := range c.Removed {
		if p, ok := canonical(p); ok {
			n.family(p).want(p, force{})
		}
	}
	if !c.AllowChanged {
		return
	}
	for _, f := range n.families {
		for p := range f.allow.elems {
			f.allow.want(p, 0)
		}
	}
	for _, p := range c.Allow {
		if p = unmapped(p).Masked(); !p.IsValid() {
			continue
		}
		for _, half := range halves(p) {
			n.family(p).allow.want(half, forever)
		}
	}
}

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

func (n *IPT) family(p netip.Prefix) *iptFamily {
	if p.Addr().Is4() {
		return n.families[0]
	}
	return n.families[1]
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

// settle makes the kernel equal to what is wanted. If a set vanishes under its
// hands it starts again, once.
func (n *IPT) settle(ctx context.Context, rep *Report) error {
	for try := 0; ; try++ {
		err := n.pass(ctx, rep)
		if !errors.Is(err, unix.ENOENT) || errors.Is(err, errNoCommand) || try == 1 {
			return err
		}
		n.loaded = false
	}
}

func (n *IPT) pass(ctx context.Context, rep *Report) error {
	if n.conn == nil {
		c, err := dial(n.cfg.NetNS)
		if err != nil {
			return err
		}
		n.conn = c
	}
	for _, f := range n.families {
		if err := n.passFamily(ctx, f, rep); err != nil {
			return fmt.Errorf("%s: %w", f.program, err)
		}
	}
	n.loaded = true
	return nil
}

// passFamily brings one family to what is wanted: sets that a rule will look
// into come before it, and sets that none looks into any more are removed after.
func (n *IPT) passFamily(ctx context.Context, f *iptFamily, rep *Report) error {
	intact := n.loaded
	if !n.loaded {
		f.missing = nil
		lines, err := n.readRules(ctx, f)
		if err != nil && f.v6 && !n.hasIPv6() {
			f.missing = err
		}
		if f.missing != nil {
			return nil
		}
		if err != nil {
			return err
		}
		intact = f.intact(lines)
		if err := n.loadSets(f, rep); err != nil {
			return err
		}
	}
	if f.missing != nil {
		return nil
	}
	f.dropEmptyLimits()
	for i, s := range f.sets() {
		if i-2 >= maxRates {
			s.refuse(rep)
			continue
		}
		if !s.exists {
			if err := n.conn.createSet(s.name, f.v6, n.cfg.SetSize); err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, ipsetErrExist) {
				return err
			}
			s.exists = true
			rep.Rebuilt = rep.Rebuilt || s == f.allow || s == f.block
		}
		if err := n.syncSet(ctx, s, rep); err != nil {
			return err
		}
	}
	rates := f.rates()
	rates = rates[:min(len(rates), maxRates)]
	if intact && slices.Equal(rates, f.written) {
		return nil
	}
	if !intact {
		rep.Rebuilt = true
	}
	if err := n.writeRules(ctx, f, rates); err != nil {
		return err
	}
	return n.destroyOthers(f)
}

// hasIPv6 reports whether the host has IPv6 at all.
func (n *IPT) hasIPv6() (has bool) {
	_ = within(n.cfg.NetNS, func() error {
		_, err := os.Stat("/proc/thread-self/net/if_inet6")
		has = err == nil
		return nil
	})
	return has
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

// destroyOthers removes sets of ours that belong to this family and that no rule
// needs any more.
func (n *IPT) destroyOthers(f *iptFamily) error {
	all, err := n.conn.headers("")
	if err != nil {
		return err
	}
	for _, h := range all {
		if !strings.HasPrefix(h.name, setPrefix+"limit"+f.digit()+"-") && h.name != f.spare() || h.references > 0 {
			continue
		}
		if slices.ContainsFunc(f.sets(), func(s *ipSet) bool { return s.name == h.name }) {
			continue
		}
		if err := n.conn.destroySet(h.name); err != nil {
			return err
		}
	}
	return nil
}

// spare is the name of the set that is exchanged for one of a wrong shape.
func (f *iptFamily) spare() string { return setPrefix + "spare" + f.digit() }

// Remove implements Backend.
func (n *IPT) Remove(ctx context.Context) error {
	n.loaded = false
	for _, f := range n.families {
		for _, s := range f.sets() {
			s.exists = false
		}
	}
	return removeIPT(ctx, n.command, [2][]string{{n.families[0].program}, {n.families[1].program}})
}

// publish tells Watch what the sets hold.
func (n *IPT) publish() {
	held := make(map[string]int)
	for _, f := range n.families {
		if f.missing != nil {
			continue
		}
		for _, s := range f.sets() {
			if s.exists {
				held[s.name] = s.held
			}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watched = held
}

// pollEvery is the pause between two looks at the sets.
const pollEvery = time.Second

// Watch implements Watcher: once a second it asks the kernel how many elements
// the sets have and how many rules look into them. It returns nil when ctx ends.
func (n *IPT) Watch(ctx context.Context, changed func()) error {
	c, err := dial(n.cfg.NetNS)
	if err != nil {
		return err
	}
	defer c.close()
	changed() // what happened before was not seen
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		found, err := c.headers("")
		if err != nil {
			return fmt.Errorf("looking at the sets: %w", err)
		}
		if n.foreign(found) {
			changed()
		}
	}
}

// foreign reports whether the sets differ from what we left: one is missing,
// another number of rules looks into it, or it has lost or gained many elements.
// Some end by themselves at any time; the check of the minute compares each.
func (n *IPT) foreign(found []setHeader) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := 0
	for _, h := range found {
		held, ours := n.watched[h.name]
		if !ours {
			continue
		}
		seen++
		off := int(h.elements) - held
		few := 8 + held/10
		if h.references != 1 || off > few || off < -few || h.elements == 0 && held > 0 {
			return true
		}
	}
	return seen < len(n.watched)
}
