package agent

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/host"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

// authGroup is the group of rules about logins.
const authGroup = "auth"

// watchEvery is how often the host's addresses and sessions are looked at.
const watchEvery = 15 * time.Second

// allowlist puts together everything that is never blocked.
func (a *Agent) allowlist(ctx context.Context) (*decide.Allowlist, error) {
	all, err := setup.Protections(a.cfg)
	if err != nil {
		a.alarm("lists", err.Error())
	}
	entries, err := a.store.Allow(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the whitelist: %w", err)
	}
	for _, e := range entries {
		all = append(all, decide.Protection{Prefix: e.Prefix, Kind: decide.KindUser, Reason: e.Reason})
	}
	places, err := a.store.AllowPlaces(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the countries and networks of the whitelist: %w", err)
	}
	for _, e := range places {
		all = append(all, decide.Protection{Place: e.Place, Kind: decide.KindUser, Reason: e.Reason})
	}
	if err := a.admins.load(ctx, a.store); err != nil {
		a.log.Warn("who was logged in is not known", "error", err)
	}
	found, err := host.Addresses()
	if err != nil {
		a.log.Warn("finding the host's own addresses", "error", err)
	}
	return a.withPeople(decide.NewAllowlist(append(all, protections(found)...))), nil
}

// withPeople puts who is or was logged in, and what names stand for, into a list.
func (a *Agent) withPeople(l *decide.Allowlist) *decide.Allowlist {
	now := time.Now()
	all := append(protections(a.admins.current(now)), a.keys.protections(now, a.config().Response.KeyLogins)...)
	return l.Replacing(append(all, a.nameProtections()...), decide.KindAdmin, decide.KindKey, decide.KindName)
}

func protections(found []host.Address) []decide.Protection {
	out := make([]decide.Protection, 0, len(found))
	for _, f := range found {
		p := decide.Protection{Prefix: netip.PrefixFrom(f.Addr, f.Addr.BitLen()), Reason: f.Reason}
		switch f.Role {
		case host.RoleOwn:
			p.Kind = decide.KindOwn
			if f.Addr.IsLoopback() {
				continue // the defaults hold the whole range
			}
		case host.RoleGateway:
			p.Kind = decide.KindGateway
		case host.RoleResolver:
			p.Kind = decide.KindResolver
		case host.RoleAdmin:
			p.Kind = decide.KindAdmin
		}
		out = append(out, p)
	}
	return out
}

// kernelAllow is what the firewall lets pass even inside a blocked network:
// everything but the default ranges and those of content delivery networks, which
// no automatic block can reach and which a person may block by force. Countries and
// networks as a whole are not in it: they are protected when a block is decided.
func kernelAllow(a *decide.Allowlist) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range a.Entries() {
		if p.Place.IsZero() && p.Kind != decide.KindDefault && p.Kind != decide.KindConfig && p.Kind != decide.KindKey && p.Kind != decide.KindSpecial && p.Kind != decide.KindCDN {
			out = append(out, p.Prefix)
		}
	}
	return out
}

// refreshAllow takes the current addresses of host and administrators into the
// allowlist. Engine's goroutine only.
func (a *Agent) refreshAllow() {
	start := time.Now()
	a.admins.changed, a.keys.changed = false, false
	a.saveAdmins()
	a.setAllow(a.withPeople(a.engine.Decider().Allowlist()))
	a.pace.allowed = time.Now().Add(allowPause * time.Since(start))
}

// saveAdmins stores who is logged in; a failure is tried again with the next
// change.
func (a *Agent) saveAdmins() {
	if err := a.admins.save(context.Background(), a.store); err != nil {
		a.log.Warn("who is logged in could not be stored", "error", err)
	}
}

func (a *Agent) setAllow(l *decide.Allowlist) {
	a.notePlaces(l)
	now := time.Now()
	fx := a.engine.Decider().SetAllow(now, l)
	a.pending.add(fx, now)
	a.raise(fx.Alarms)
}

// watchHost follows the host's addresses and the administrators' sessions: at once
// where the kernel tells of changes, else by looking now and then.
func (a *Agent) watchHost(ctx context.Context) {
	changed := make(chan struct{}, 1)
	go host.Watch(ctx, []string{a.opt.Utmp, a.opt.Sessions, "/etc/resolv.conf"}, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	timer := time.NewTicker(watchEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-changed:
		}
		found, err := host.Addresses()
		if err != nil {
			a.log.Debug("finding the host's own addresses", "error", err)
			continue
		}
		own := protections(found)
		if a.do(ctx, func() {
			a.admins.prune(time.Now())
			a.saveAdmins()
			l := a.engine.Decider().Allowlist().Replacing(own, decide.KindOwn, decide.KindGateway, decide.KindResolver)
			a.setAllow(a.withPeople(l))
		}) != nil {
			return
		}
	}
}
