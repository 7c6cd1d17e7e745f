package enforce

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// UFWConfig tunes a UFW. The zero value is right outside tests.
type UFWConfig struct {
	// NetNS is the descriptor of the network namespace to work in; 0 means that
	// of the process.
	NetNS int
	// Program is the command, ufw if empty.
	Program string
}

// UFW is the backend ufw: rules "deny from NETWORK" before all others, with our
// mark as their comment, by its command. It is slow (a command takes a good part
// of a second, and more with each rule), needs root, and holds MaxUFW rules at
// most. ufw accepts packets of established connections before it looks at its
// rules, so that these end only with their entries in the connection table (see
// Cutter). There is no time-out in the kernel: a dead agent's rules stay.
//
// ufw has no rule that lets an address pass on to the other rules. So the
// networks that are never dropped are cut out of those that are.
type UFW struct {
	program string
	command command
	want    map[netip.Prefix]force
	allow   []netip.Prefix
	// held are the networks that our rules deny, theirs those that a rule of
	// somebody else does.
	held, theirs map[netip.Prefix]bool
	loaded       bool
}

const (
	// MaxUFW is how many rules of ours ufw holds at most.
	MaxUFW = 300
	// ufwComment is how our rules are known again.
	ufwComment = "sentinel"
	// A call changes ufwBatch rules at most and begins none after ufwTime.
	ufwBatch = 20
	ufwTime  = 20 * time.Second
	// ufwCommandTime bounds one run of ufw.
	ufwCommandTime = 20 * time.Second
)

var (
	errUFWRate = errors.New("ufw cannot limit rates")
	errUFWFull = fmt.Errorf("ufw is given at most %d rules", MaxUFW)
)

// NewUFW returns a backend that has not yet run a command.
func NewUFW(cfg UFWConfig) *UFW {
	if cfg.Program == "" {
		cfg.Program = "ufw"
	}
	return &UFW{
		program: cfg.Program, command: command{ns: cfg.NetNS, limit: ufwCommandTime}, want: make(map[netip.Prefix]force),
	}
}

// Name implements Backend.
func (u *UFW) Name() string { return "ufw" }

// callTime is how long a call may take; see Config.Timeout.
func (u *UFW) callTime() time.Duration { return ufwTime + 2*ufwCommandTime }

// Apply implements Backend.
func (u *UFW) Apply(ctx context.Context, c Change) (Report, error) {
	if c.Full {
		clear(u.want)
	}
	for _, t := range c.Set {
		u.want[t.prefix] = t.force
	}
	for _, p := range c.Removed {
		if p, ok := canonical(p); ok {
			delete(u.want, p)
		}
	}
	if c.AllowChanged {
		u.allow = u.allow[:0]
		for _, p := range c.Allow {
			if p = unmapped(p).Masked(); p.IsValid() {
				u.allow = append(u.allow, p)
			}
		}
	}
	return u.settle(ctx)
}

// Check implements Backend.
func (u *UFW) Check(ctx context.Context) (Report, error) {
	u.loaded = false
	return u.settle(ctx)
}

// settle runs as many commands as one call may.
func (u *UFW) settle(ctx context.Context) (rep Report, err error) {
	defer func() {
		if err != nil {
			u.loaded = false
			err = fmt.Errorf("using ufw: %w", err)
		}
	}()
	if err := u.load(ctx, &rep); err != nil {
		return rep, err
	}
	denied := u.denied(&rep)
	var gone, missing []netip.Prefix
	for p := range u.held {
		if !denied[p] {
			gone = append(gone, p)
		}
	}
	for p := range denied {
		if !u.held[p] && !u.theirs[p] {
			missing = append(missing, p)
		}
	}
	slices.SortFunc(gone, comparePrefix)
	slices.SortFunc(missing, comparePrefix)
	start := time.Now()
	for i, p := range append(gone, missing...) {
		if rep.Changed >= ufwBatch || time.Since(start) > ufwTime || ctx.Err() != nil {
			rep.More = true
			break
		}
		switch {
		case i < len(gone):
			if err := u.delete(ctx, p); err != nil {
				return rep, err
			}
			delete(u.held, p)
		case len(u.held) >= MaxUFW:
			rep.reject(p, 1, errUFWFull)
			continue
		default:
			if _, err := u.run(ctx, "prepend", "deny", "from", p.String(), "comment", ufwComment); err != nil {
				if ctx.Err() != nil {
					return rep, err
				}
				rep.reject(p, 1, err)
				continue
			}
			u.held[p] = true
		}
		rep.Changed++
	}
	rep.Want = len(u.want)
	for p, f := range u.want {
		if f.rate.IsZero() && u.holds(p) {
			rep.Have++
		}
	}
	return rep, nil
}

// holds reports whether all of a network that is to be denied is.
func (u *UFW) holds(p netip.Prefix) bool {
	for _, part := range carve(p, u.allow) {
		if !u.held[part] && !u.theirs[part] {
			return false
		}
	}
	return true
}

// denied returns the networks that there should be rules for.
func (u *UFW) denied(rep *Report) map[netip.Prefix]bool {
	now := time.Now().UnixMilli()
	out := make(map[netip.Prefix]bool, len(u.want))
	for p, f := range u.want {
		switch {
		case !f.rate.IsZero():
			rep.reject(p, 1, errUFWRate)
		case f.expires > now:
			for _, part := range carve(p, u.allow) {
				out[part] = true
			}
		}
	}
	return out
}

// carve returns the parts of a network that lie in none of the others.
func carve(p netip.Prefix, others []netip.Prefix) []netip.Prefix {
	whole := true
	for _, o := range others {
		if o.Overlaps(p) {
			if o.Bits() <= p.Bits() {
				return nil
			}
			whole = false
		}
	}
	if whole {
		return []netip.Prefix{p}
	}
	upper := p.Addr().AsSlice()
	upper[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	a, _ := netip.AddrFromSlice(upper)
	return append(carve(netip.PrefixFrom(p.Addr(), p.Bits()+1), others), carve(netip.PrefixFrom(a, p.Bits()+1), others)...)
}

// load learns which rules there are, unless that is known.
func (u *UFW) load(ctx context.Context, rep *Report) error {
	if u.loaded {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("the ufw command works for root only; run the agent as root, or use the backend nftables, which stands beside ufw's rules")
	}
	status, err := u.run(ctx, "status")
	if err != nil {
		return err
	}
	if first, _, _ := strings.Cut(status, "\n"); strings.TrimSpace(first) != "Status: active" {
		return errors.New("ufw is not active, so that its rules do nothing; turn it on by: ufw enable")
	}
	added, err := u.run(ctx, "show", "added")
	if err != nil {
		return err
	}
	before := u.held
	u.held, u.theirs = parseAdded(added)
	for p := range before {
		if !u.held[p] {
			rep.Drift++
		}
	}
	u.loaded = true
	return nil
}

// parseAdded reads "ufw show added": the networks that our rules deny, and those
// that other rules do.
func parseAdded(text string) (ours, theirs map[netip.Prefix]bool) {
	ours, theirs = make(map[netip.Prefix]bool), make(map[netip.Prefix]bool)
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 4 || words[0] != "ufw" || words[1] != "deny" || words[2] != "from" {
			continue
		}
		p, ok := parseNetwork(words[3])
		switch {
		case !ok:
		case len(words) == 6 && words[4] == "comment" && strings.Trim(words[5], "'") == ufwComment:
			ours[p] = true
		case len(words) == 4 || words[4] == "comment":
			theirs[p] = true
		}
	}
	return ours, theirs
}

// parseNetwork reads an address or a network.
func parseNetwork(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err == nil
}

func (u *UFW) delete(ctx context.Context, p netip.Prefix) error {
	_, err := u.run(ctx, "delete", "deny", "from", p.String(), "comment", ufwComment)
	return err
}

// run runs ufw. It must not ask.
func (u *UFW) run(ctx context.Context, args ...string) (string, error) {
	return u.command.run(ctx, "", u.program, append([]string{"--force"}, args...)...)
}

// Drops implements Backend: ufw's counters are not told apart.
func (u *UFW) Drops(context.Context) (Drops, error) { return Drops{}, nil }

// Remove implements Backend. It works without ufw being active.
func (u *UFW) Remove(ctx context.Context) error {
	u.loaded = false
	added, err := u.run(ctx, "show", "added")
	if err != nil {
		return fmt.Errorf("asking ufw for its rules: %w", err)
	}
	ours, _ := parseAdded(added)
	for p := range ours {
		if err := u.delete(ctx, p); err != nil {
			return fmt.Errorf("deleting our rules of ufw: %w", err)
		}
	}
	return nil
}

func comparePrefix(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}
