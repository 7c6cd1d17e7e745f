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

	"golang.org/x/sys/unix"
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
		want, have := f.count()
		rep.Want += want
		rep.Have += have
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

func (n *IPT) family(p netip.Prefix) *iptFamily {
	if p.Addr().Is4() {
		return n.families[0]
	}
	return n.families[1]
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
