package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
)

// The names of what the agent puts into the kernel.
const (
	tableName = "sentinel"
	chainName = "prerouting"
	// mark is in the names of the sets and chains of every backend.
	mark = "sentinel"
)

// Kernel is what the kernel's firewall holds that bears on us, read without the
// agent's help.
type Kernel struct {
	// Table, Chain and Hooked say how whole our nftables table is. Rules is how
	// many rules the chain has.
	Table, Chain, Hooked bool
	Priority             int
	Rules                int
	// Earlier are chains of others that see packets before ours: "ip raw
	// PREROUTING (-400)". Flowtables let established connections by.
	Earlier, Flowtables []string
	// Raw4 and Raw6 are the rules of iptables' chain raw PREROUTING.
	Raw4, Raw6 []string
	// Filter is all of iptables' table filter.
	Filter4, Filter6 string
	// IPSets are the sets of ours.
	IPSets []string
}

// Inspect reads the kernel's firewall. What it cannot read is in the error; the
// rest is good.
func Inspect(ctx context.Context) (*Kernel, error) {
	k := &Kernel{}
	err := k.nft()
	for _, s := range savers {
		raw, e1 := tool(ctx, s.name, "-t", "raw")
		filter, e2 := tool(ctx, s.name, "-t", "filter")
		if !s.legacy {
			err = errors.Join(err, e1, e2)
		}
		if s.v6 {
			k.Raw6, k.Filter6 = append(k.Raw6, chainLines(raw, "PREROUTING")...), k.Filter6+filter
		} else {
			k.Raw4, k.Filter4 = append(k.Raw4, chainLines(raw, "PREROUTING")...), k.Filter4+filter
		}
	}
	sets, e := tool(ctx, "ipset", "list", "-n")
	for _, name := range strings.Fields(sets) {
		if strings.Contains(name, mark) {
			k.IPSets = append(k.IPSets, name)
		}
	}
	return k, errors.Join(err, e)
}

// nft reads our table, and what others hooked before it.
func (k *Kernel) nft() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("asking nftables: %w", err)
	}
	tables, err := c.ListTables()
	if err != nil {
		return fmt.Errorf("asking nftables for its tables: %w", err)
	}
	chains, err := c.ListChains()
	if err != nil {
		return fmt.Errorf("asking nftables for its chains: %w", err)
	}
	for _, t := range tables {
		if t.Name == tableName && t.Family == nftables.TableFamilyINet {
			k.Table = true
		}
		flows, err := c.ListFlowtables(t)
		if err != nil {
			continue // a kernel without them
		}
		for _, f := range flows {
			k.Flowtables = append(k.Flowtables, t.Name+" "+f.Name)
		}
	}
	for _, ch := range chains {
		if ours(ch) {
			k.Chain = true
			k.Hooked = ch.Hooknum != nil && *ch.Hooknum == *nftables.ChainHookPrerouting
			if ch.Priority != nil {
				k.Priority = int(*ch.Priority)
			}
			if rules, err := c.GetRules(ch.Table, ch); err == nil {
				k.Rules = len(rules)
			}
		}
	}
	for _, ch := range chains {
		if ours(ch) || ch.Hooknum == nil || ch.Priority == nil {
			continue
		}
		ingress := ch.Table.Family == nftables.TableFamilyNetdev
		if ingress || k.Hooked && *ch.Hooknum == *nftables.ChainHookPrerouting && int(*ch.Priority) < k.Priority {
			k.Earlier = append(k.Earlier, fmt.Sprintf("%s %s (%d)", ch.Table.Name, ch.Name, *ch.Priority))
		}
	}
	return nil
}

func ours(ch *nftables.Chain) bool {
	return ch.Table.Name == tableName && ch.Table.Family == nftables.TableFamilyINet && ch.Name == chainName
}

// Held says where the kernel's firewall names an address: in sets that are
// dropped, and in sets that let pass.
type Held struct{ Dropped, Passed []string }

// Find looks for an address in the sets and rules of the agent. An IPv6 address
// stands for its /64.
func (k *Kernel) Find(ctx context.Context, addr netip.Addr) (h Held, err error) {
	if k.Table {
		if h, err = findNFT(addr); err != nil {
			return h, err
		}
	}
	for _, set := range k.IPSets {
		if out, err := tool(ctx, "ipset", "test", "-q", set, addr.String()); err == nil && out == "" {
			h.set(set)
		}
	}
	filter := k.Filter4
	if addr.Is6() {
		filter = k.Filter6
	}
	for line := range strings.Lines(filter) {
		if drops(line, addr) {
			h.add("rule "+strings.TrimSpace(line), false)
			break
		}
	}
	return h, nil
}

// set adds a set of ours by what its name says that it does; sets of limited
// rates neither drop nor let pass.
func (h *Held) set(name string) {
	switch kind := strings.TrimPrefix(name, mark+"-"); {
	case strings.HasPrefix(kind, "allow"):
		h.add("set "+name, true)
	case strings.HasPrefix(kind, "block"), strings.HasPrefix(kind, "net"):
		h.add("set "+name, false)
	}
}

func (h *Held) add(where string, passes bool) {
	if passes {
		h.Passed = append(h.Passed, where)
	} else {
		h.Dropped = append(h.Dropped, where)
	}
}

// drops reports whether a rule, as iptables-save prints it, drops or rejects
// what comes from an address.
func drops(line string, addr netip.Addr) bool {
	if !strings.Contains(line, "-j DROP") && !strings.Contains(line, "-j REJECT") {
		return false
	}
	f := strings.Fields(line)
	i := slices.Index(f, "-s")
	if i < 0 || i+1 >= len(f) || i > 0 && f[i-1] == "!" {
		return false
	}
	n, err := netip.ParsePrefix(f[i+1])
	return err == nil && n.Bits() > 0 && n.Contains(addr)
}

// findNFT looks into the sets of our nftables table.
func findNFT(addr netip.Addr) (h Held, err error) {
	c, err := nftables.New()
	if err != nil {
		return h, fmt.Errorf("asking nftables: %w", err)
	}
	sets, err := c.GetSets(&nftables.Table{Name: tableName, Family: nftables.TableFamilyINet})
	if err != nil {
		return h, fmt.Errorf("asking nftables for the sets of table %s: %w", tableName, err)
	}
	for _, s := range sets {
		if (s.KeyType.Bytes == 16) != addr.Is6() || s.IsMap {
			continue
		}
		elements, err := c.GetSetElements(s)
		if err != nil {
			return h, fmt.Errorf("asking nftables for the set %s: %w", s.Name, err)
		}
		if holds(s, elements, addr) {
			h.set(s.Name)
		}
	}
	return h, nil
}

// holds reports whether a set's elements contain an address: single ones as they
// are (IPv6: the first address of a /64), intervals between their ends, which
// the kernel lists in any order.
func holds(s *nftables.Set, elements []nftables.SetElement, addr netip.Addr) bool {
	key := addr.AsSlice()
	if !s.Interval {
		if addr.Is6() {
			p, _ := addr.Prefix(64) // cannot fail
			key = p.Masked().Addr().AsSlice()
		}
		return slices.ContainsFunc(elements, func(e nftables.SetElement) bool { return bytes.Equal(e.Key, key) })
	}
	// The last border at or below the address says whether it is inside.
	var border []byte
	inside := false
	for _, e := range elements {
		if bytes.Compare(e.Key, key) > 0 {
			continue
		}
		if c := bytes.Compare(e.Key, border); border == nil || c > 0 || c == 0 && !e.IntervalEnd {
			border, inside = e.Key, !e.IntervalEnd
		}
	}
	return inside
}

// Fault is what is wrong with the firewall, and how to mend it.
type Fault struct{ ID, Text, Mend string }

// Faults are the reasons that can be seen in the kernel why packets of an
// address that is blocked by a backend may pass.
func (k *Kernel) Faults(backend string, h Held, addr netip.Addr) (out []Fault) {
	fault := func(id, text, mend string) { out = append(out, Fault{id, text, mend}) }
	if len(h.Passed) > 0 {
		fault("allowed", fmt.Sprintf("the kernel lets %s pass before anything is dropped: it is in %s", addr, strings.Join(h.Passed, ", ")),
			"sentinelctl whitelist list shows who put it there")
	}
	switch {
	case strings.HasPrefix(backend, "nft"):
		k.nftFaults(fault)
	case strings.HasPrefix(backend, "iptables"):
		k.iptablesFaults(fault, addr)
	case strings.HasPrefix(backend, "ufw"):
		fault("ufw-order", "ufw accepts established connections before the rules of users, and packets to published ports never pass its input rules",
			"set response.firewall.backend: nftables (or auto), which drops before both")
	}
	return out
}

func (k *Kernel) nftFaults(fault func(id, text, mend string)) {
	const find = "find out who does it: 'nft monitor' names the program's commands; services that flush are nftables.service, firewalld and own scripts"
	switch {
	case !k.Table:
		fault("table-missing", "the kernel has no table inet sentinel: another program has flushed the rules", find)
	case !k.Chain:
		fault("chain-missing", "the table inet sentinel has no chain prerouting: another program has deleted it", find)
	case !k.Hooked:
		fault("hook-missing", "the chain prerouting of the table inet sentinel has no hook, so that no packet passes it: another program has changed it", find)
	case k.Rules == 0:
		fault("rules-missing", "the chain prerouting of the table inet sentinel has no rules: another program has flushed it", find)
	}
	if len(k.Earlier) > 0 {
		fault("earlier-hook", "other chains see packets before ours and may take them: "+strings.Join(k.Earlier, ", "), "see 'nft list ruleset' and move them behind priority -310")
	}
	if len(k.Flowtables) > 0 {
		fault("flowtable", "flow tables let forwarded connections by, once they are established: "+strings.Join(k.Flowtables, ", "),
			"new connections are dropped; to cut established ones too, take 'flow add' out of the rules")
	}
}

// iptablesFaults looks at what comes before our rule in raw PREROUTING.
func (k *Kernel) iptablesFaults(fault func(id, text, mend string), addr netip.Addr) {
	rules, program := k.Raw4, "iptables"
	if addr.Is6() {
		rules, program = k.Raw6, "ip6tables"
	}
	at := slices.IndexFunc(rules, func(r string) bool { return strings.Contains(r, mark) })
	if at < 0 {
		fault("hook-missing", program+" has no rule of ours in raw PREROUTING: another program has deleted it", "sentinelctl status says whether the agent can put it back; look for a script that flushes iptables")
		return
	}
	for _, r := range rules[:at] {
		if strings.Contains(r, "-j ACCEPT") || strings.Contains(r, "-j RETURN") {
			fault("accepted-earlier", "a rule before ours in raw PREROUTING accepts packets: "+r, program+" -t raw -D"+strings.TrimPrefix(r, "-A")+" takes it away")
		}
	}
}
