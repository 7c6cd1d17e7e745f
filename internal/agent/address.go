package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// Address implements control.Agent.
func (p *api) Address(ctx context.Context, _ control.Peer, q control.AddressParams) (*control.Address, error) {
	addr := sentinel.Normalize(q.IP.Addr())
	entity := sentinel.Entity(addr)
	out := &control.Address{
		IP: q.IP, Protections: []control.AllowEntry{}, Blocks: []sentinel.BlockRecord{},
		Recent: []control.ThreatRow{}, Actions: []sentinel.Action{},
	}
	rep, err := p.store.Reputation(ctx, addr)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	out.FirstSeen, out.LastSeen, out.Events, out.Threats, out.Good = rep.FirstSeen, rep.LastSeen, rep.Events, rep.Threats, rep.Good
	g := p.geo.Lookup(addr)
	out.Country, out.ASN, out.Org = g.Country, g.ASN, g.Org
	threats, _, err := p.store.Threats(ctx, store.ThreatFilter{Network: entity, Limit: pastCases})
	if err != nil {
		return nil, err
	}
	short, err := p.shortIDs(ctx, threats)
	if err != nil {
		return nil, err
	}
	for _, t := range threats {
		out.Recent = append(out.Recent, control.ThreatRow{ShortID: short[t.ID], Threat: t})
	}
	actions, _, err := p.store.Actions(ctx, store.ActionFilter{Network: entity, Limit: pastActions})
	if err != nil {
		return nil, err
	}
	out.Actions = append(out.Actions, actions...)
	err = p.agent().do(ctx, func() {
		d := p.engine.Decider()
		for _, pr := range d.Allowlist().Entries() {
			if pr.Place.Holds(g) {
				out.Protections = append(out.Protections, control.AllowEntry{Place: pr.Place, Kind: string(pr.Kind), Reason: pr.Reason})
			}
			if pr.Prefix.Overlaps(entity) && (pr.Prefix.Contains(addr) || entity.Bits() < pr.Prefix.Bits()) {
				out.Protections = append(out.Protections, control.AllowEntry{Prefix: control.Network{Prefix: pr.Prefix}, Kind: string(pr.Kind), Reason: pr.Reason})
			}
		}
		for _, b := range d.Blocks() {
			if b.Prefix().Overlaps(entity) && b.Prefix().Bits() <= entity.Bits() {
				out.Blocks = append(out.Blocks, b.Record())
			}
		}
		if r, ok := d.Regular(addr); ok {
			out.Good = r
		}
		k := d.Known(time.Now(), addr)
		for _, l := range k.Lists {
			out.Lists = append(out.Lists, control.Listing(l))
		}
		out.Earlier, out.Score, out.Graded, out.Neighbours = k.Earlier, k.Reputation, k.Graded, k.Neighbours
		out.Network = control.Network{Prefix: k.Network}
	})
	return out, err
}

// Bounds of what is suggested.
const (
	maxSuggestions = 50
	suggestDays    = 7 // days of harmless use
)

// Suggest implements control.Agent: it looks for addresses that would be missed,
// were they blocked.
func (p *api) Suggest(ctx context.Context, _ control.Peer) (*control.SuggestResult, error) {
	now := time.Now()
	good, err := p.store.Regulars(ctx, now.AddDate(0, 0, -90), decide.MaxRegulars)
	if err != nil {
		return nil, err
	}
	lifted, _, err := p.store.Actions(ctx, store.ActionFilter{Type: "unblock", Since: now.AddDate(0, 0, -90)})
	if err != nil {
		return nil, err
	}
	var allow *decide.Allowlist
	if err := p.agent().do(ctx, func() {
		allow = p.engine.Decider().Allowlist()
		for i := range good {
			if r, ok := p.engine.Decider().Regular(good[i].Network.Addr()); ok {
				good[i] = r
			}
		}
	}); err != nil {
		return nil, err
	}
	out := &control.SuggestResult{Suggestions: []control.Suggestion{}}
	seen := map[netip.Prefix]bool{}
	suggest := func(network netip.Prefix, format string, args ...any) {
		if seen[network] || len(out.Suggestions) == maxSuggestions || lastingly(allow, network) {
			return
		}
		seen[network] = true
		n := control.Network{Prefix: network}
		reason := fmt.Sprintf(format, args...)
		out.Suggestions = append(out.Suggestions, control.Suggestion{
			Prefix: n, Reason: reason, Command: fmt.Sprintf("sentinelctl whitelist add %s", n),
		})
	}
	for _, pr := range allow.Entries() {
		if pr.Kind == decide.KindAdmin {
			suggest(pr.Prefix, "an administrator is logged in from there now (%s)", pr.Reason)
		}
	}
	slices.SortStableFunc(good, func(x, y sentinel.Regular) int { return y.KeyLogin.Compare(x.KeyLogin) })
	for _, r := range good {
		if !r.KeyLogin.IsZero() {
			suggest(r.Network, "%s logged in with a key on %s; logins in all: %d", r.KeyUser, r.KeyLogin.Format(time.DateOnly), r.Logins)
		}
	}
	for _, act := range lifted {
		if act.Origin != sentinel.OriginRule && act.Target.IsValid() {
			suggest(act.Target, "%s unblocked it on %s", act.Actor, act.Created.Format(time.DateOnly))
		}
	}
	slices.SortStableFunc(good, func(x, y sentinel.Regular) int { return y.Days - x.Days })
	for _, r := range good {
		if r.Days < suggestDays {
			break
		}
		rep, err := p.store.Reputation(ctx, r.Network.Addr())
		if err == nil && rep.Threats == 0 {
			suggest(r.Network, "harmless use on %d days since %s, and no threat: a monitor, a proxy or an office?", r.Days, r.Since.Format(time.DateOnly))
		}
	}
	return out, nil
}

// lastingly reports whether a network is protected by something that does not
// pass: neither a session nor a login.
func lastingly(allow *decide.Allowlist, network netip.Prefix) bool {
	for _, p := range allow.Entries() {
		if p.Kind != decide.KindAdmin && p.Kind != decide.KindKey && p.Prefix.Bits() <= network.Bits() && p.Prefix.Contains(network.Addr()) {
			return true
		}
	}
	return false
}
