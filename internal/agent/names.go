package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/host"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// namesKey is where the addresses of names are kept, for a start at which no name
// server answers.
const namesKey = "allow_names"

// loadNames takes up the addresses that were known when the agent ended.
func (a *Agent) loadNames(ctx context.Context) error {
	text, err := a.store.State(ctx, namesKey)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the addresses of names: %w", err)
	}
	var list []host.Name
	if json.Unmarshal([]byte(text), &list) == nil { // else of another version: they are looked up
		a.names.Restore(list, time.Now())
	}
	return nil
}

// setNames says which names are followed, by the configuration in force and by
// what people added.
func (a *Agent) setNames(ctx context.Context) error {
	cfg := a.config()
	stored, err := a.store.AllowNames(ctx)
	if err != nil {
		return fmt.Errorf("reading the names of the whitelist: %w", err)
	}
	names := slices.Clone(cfg.Response.WhitelistNames)
	for _, n := range stored {
		if !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
		}
	}
	a.names.Set(names, host.NewLookup(cfg.Response.Names.Server()), cfg.Response.Names.Refresh)
	return nil
}

// followNames looks the names up until ctx ends.
func (a *Agent) followNames(ctx context.Context) {
	a.names.Run(ctx, func() {
		text, err := json.Marshal(a.names.All())
		if err == nil {
			err = a.store.SetState(ctx, namesKey, string(text))
		}
		if err != nil && ctx.Err() == nil {
			a.log.Warn("the addresses of names could not be stored", "error", err)
		}
		_ = a.do(ctx, a.refreshNames)
	})
}

// refreshNames takes the addresses of names into the allowlist. Engine's
// goroutine only.
func (a *Agent) refreshNames() {
	a.setAllow(a.engine.Decider().Allowlist().Replacing(a.nameProtections(), decide.KindName))
}

func (a *Agent) nameProtections() []decide.Protection {
	var out []decide.Protection
	for _, n := range a.names.All() {
		for _, addr := range n.Sorted() {
			out = append(out, decide.Protection{Prefix: netip.PrefixFrom(addr, addr.BitLen()), Kind: decide.KindName, Reason: n.Name})
		}
	}
	return out
}

// nameFaults says which names fail.
func (a *Agent) nameFaults() (out []string) {
	for _, n := range a.names.All() {
		if n.Error == "" {
			continue
		}
		text := fmt.Sprintf("the whitelisted name %s cannot be looked up: %s", n.Name, n.Error)
		if len(n.Addrs) > 0 {
			text += fmt.Sprintf("; its last addresses are kept until %s", n.Resolved.Add(host.NameKeep).UTC().Format("2006-01-02 15:04 UTC"))
		}
		out = append(out, text)
	}
	return out
}

// changeName puts a name on the allowlist or takes it off.
func (p *api) changeName(ctx context.Context, peer control.Peer, q control.AllowParams, kind sentinel.OrderKind) (*control.AllowResult, error) {
	a := p.agent()
	stored, err := p.store.AllowNames(ctx)
	if err != nil {
		return nil, err
	}
	known := slices.ContainsFunc(stored, func(n store.AllowName) bool { return n.Name == q.Name })
	configured := slices.Contains(a.config().Response.WhitelistNames, q.Name)
	now := time.Now()
	r := allowResults(now, peer, kind, "name "+q.Name, q.Reason)
	switch {
	case kind == sentinel.OrderAllow && (known || configured):
		return nil, control.Errorf(control.CodeRefused, "%s is on the whitelist already", q.Name).WithHint("sentinelctl whitelist list shows its addresses")
	case kind == sentinel.OrderAllow && len(a.names.All()) >= host.MaxNames:
		return nil, control.Errorf(control.CodeRefused, "there are %d names on the whitelist, and more are not followed", host.MaxNames).WithHint("take one off: sentinelctl whitelist remove NAME")
	case kind == sentinel.OrderAllow:
		r.AllowNames = []store.AllowName{{Name: q.Name, Reason: q.Reason, Origin: sentinel.OriginCLI, Actor: peer.String(), Created: now}}
	case known:
		r.DisallowNames = []string{q.Name}
	case configured:
		return nil, control.Errorf(control.CodeRefused, "%s stands in the configuration", q.Name).WithHint("change response.whitelist and reload the agent")
	default:
		return nil, control.Errorf(control.CodeRefused, "%s is not on the whitelist", q.Name).WithHint("sentinelctl whitelist list shows all entries")
	}
	if err := p.store.Commit(ctx, r); err != nil {
		return nil, err
	}
	if err := a.setNames(ctx); err != nil {
		return nil, err
	}
	var before []sentinel.BlockRecord
	if err := a.do(ctx, func() {
		before = records(p.engine.Decider().Blocks())
		a.refreshNames()
	}); err != nil {
		return nil, err
	}
	out := &control.AllowResult{
		Entry:   control.AllowEntry{Name: q.Name, Kind: string(decide.KindName), Reason: q.Reason, Actor: peer.String(), Added: now, Removable: true},
		Changed: true, Unblocked: []sentinel.BlockRecord{},
	}
	if kind == sentinel.OrderAllow {
		n := p.lookedUp(ctx, q.Name)
		out.Addresses = n.Sorted()
		if n.Error != "" {
			out.Note = "it cannot be looked up now: " + n.Error
		}
		var after []sentinel.BlockRecord
		if err := a.do(ctx, func() { after = records(p.engine.Decider().Blocks()) }); err != nil {
			return nil, err
		}
		out.Unblocked = append(out.Unblocked, nowFree(before, after)...)
	}
	return out, nil
}

// allowResults begins what is to be stored when a person changes the whitelist:
// with the row of the audit trail.
func allowResults(now time.Time, peer control.Peer, kind sentinel.OrderKind, what, reason string) store.Results {
	if reason != "" {
		what += ": " + reason
	}
	return store.Results{Durable: true, Actions: []sentinel.Action{{
		ID: newID(now), Created: now, Type: kind.String(), Status: store.StatusDone, Reason: what,
		Origin: sentinel.OriginCLI, Actor: peer.String(),
	}}}
}

// nowFree are the blocks of before that are no more.
func nowFree(before, after []sentinel.BlockRecord) (out []sentinel.BlockRecord) {
	for _, b := range before {
		if !slices.ContainsFunc(after, func(c sentinel.BlockRecord) bool { return c.Prefix == b.Prefix }) {
			out = append(out, b)
		}
	}
	return out
}

// lookedUp waits for a moment until a name was looked up.
func (p *api) lookedUp(ctx context.Context, name string) (found host.Name) {
	ctx, cancel := context.WithTimeout(ctx, 7*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, n := range p.names.All() {
			if n.Name == name {
				found = n
			}
		}
		if !found.Resolved.IsZero() || found.Error != "" {
			// The engine has taken them in when it answers.
			_ = p.agent().do(ctx, p.agent().refreshNames)
			return found
		}
		select {
		case <-ctx.Done():
			return found
		case <-tick.C:
		}
	}
}

// namesList lists the names for people.
func (p *api) namesList(stored []store.AllowName) []control.AllowName {
	out := []control.AllowName{}
	for _, n := range p.names.All() {
		row := control.AllowName{Name: n.Name, Kind: string(decide.KindConfig), Addresses: n.Sorted(), Resolved: n.Resolved, Error: n.Error}
		for _, s := range stored {
			if s.Name == n.Name {
				row.Kind, row.Reason, row.Actor, row.Added, row.Removable = string(decide.KindUser), s.Reason, s.Actor, s.Created, true
			}
		}
		out = append(out, row)
	}
	return out
}
