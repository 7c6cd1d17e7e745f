package agent

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/host"
)

// authGroup is the group of rules about logins.
const authGroup = "auth"

const (
	// watchEvery is how often the host's addresses and sessions are looked at.
	watchEvery = 15 * time.Second
	// maxLogins bounds the logins that are remembered as possible sessions.
	maxLogins = 1024
	// loginGrace keeps a login protected before its connection is looked for.
	loginGrace = 5 * time.Second
)

// allowlist puts together everything that is never blocked.
func (a *Agent) allowlist(ctx context.Context) (*decide.Allowlist, error) {
	all := decide.DefaultProtections()
	for _, p := range a.cfg.Response.Whitelist {
		all = append(all, decide.Protection{Prefix: p, Kind: decide.KindConfig, Reason: "response.whitelist"})
	}
	for _, s := range a.cfg.Logs.Sources {
		for _, p := range s.TrustedProxies {
			all = append(all, decide.Protection{Prefix: p, Kind: decide.KindProxy, Reason: "trusted proxy of " + s.Path})
		}
	}
	entries, err := a.store.Allow(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the whitelist: %w", err)
	}
	for _, e := range entries {
		all = append(all, decide.Protection{Prefix: e.Prefix, Kind: decide.KindUser, Reason: e.Reason})
	}
	found, err := host.Addresses()
	if err != nil {
		a.log.Warn("finding the host's own addresses", "error", err)
	}
	return decide.NewAllowlist(append(all, protections(found)...)).
		Replacing(protections(a.admins.current(time.Now())), decide.KindAdmin), nil
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
// everything but the default ranges, which no automatic block can reach and
// which a person may block by force.
func kernelAllow(a *decide.Allowlist) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range a.Entries() {
		if p.Kind != decide.KindDefault && p.Kind != decide.KindConfig && p.Kind != decide.KindSpecial {
			out = append(out, p.Prefix)
		}
	}
	return out
}

// refreshAllow takes the current addresses of host and administrators into the
// allowlist. Engine's goroutine only.
func (a *Agent) refreshAllow() {
	a.admins.changed = false
	a.setAllow(a.engine.Decider().Allowlist().Replacing(protections(a.admins.current(time.Now())), decide.KindAdmin))
}

func (a *Agent) setAllow(l *decide.Allowlist) {
	now := time.Now()
	fx := a.engine.Decider().SetAllow(now, l)
	a.pending.add(fx, now)
	for _, al := range fx.Alarms {
		a.alarm(string(al.Kind), al.Text)
	}
}

// watchHost follows the host's addresses and the administrators' sessions.
func (a *Agent) watchHost(ctx context.Context) {
	timer := time.NewTicker(watchEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		found, err := host.Addresses()
		if err != nil {
			a.log.Debug("finding the host's own addresses", "error", err)
			continue
		}
		own := protections(found)
		if a.do(ctx, func() {
			a.admins.prune(time.Now())
			l := a.engine.Decider().Allowlist().
				Replacing(own, decide.KindOwn, decide.KindGateway, decide.KindResolver).
				Replacing(protections(a.admins.current(time.Now())), decide.KindAdmin)
			a.setAllow(l)
		}) != nil {
			return
		}
	}
}

// admins are the people who are logged in, so that they are never locked out:
// those of utmp, and those whose login was read in a log and whose connection
// is still there. Engine's goroutine only.
type admins struct {
	utmp   string
	logins map[netip.Addr]login
	// changed: the allowlist is out of date.
	changed bool
}

type login struct {
	at     time.Time
	reason string
}

func newAdmins(utmp string) *admins {
	return &admins{utmp: utmp, logins: make(map[netip.Addr]login)}
}

// login notes a successful login, unless its address is one that attacks:
// whoever guessed a password does not become an administrator by it.
func (ad *admins) login(ev *sentinel.Event, now time.Time, e *engine.Engine) {
	addr := ev.SrcIP
	if !addr.IsValid() || ev.FromHeader || ev.Program == "" || now.Sub(ev.Time) > time.Hour {
		return
	}
	if ev.Method != "publickey" && e.Decider().Suspected(addr, authGroup) {
		return
	}
	if _, known := ad.logins[addr]; !known && len(ad.logins) >= maxLogins {
		return
	}
	if _, known := ad.logins[addr]; !known {
		ad.changed = true
	}
	ad.logins[addr] = login{now, "session of " + ev.User}
}

// prune forgets logins whose connection is gone.
func (ad *admins) prune(now time.Time) {
	of := make(map[netip.Addr]bool, len(ad.logins))
	for a, l := range ad.logins {
		if now.Sub(l.at) > loginGrace {
			of[a] = true
		}
	}
	there, err := host.Connected(of)
	if err != nil {
		return // better to protect for longer
	}
	for a := range of {
		if !there[a] {
			delete(ad.logins, a)
		}
	}
}

// current returns the administrators' addresses, in a stable order.
func (ad *admins) current(now time.Time) []host.Address {
	out, _ := host.LoggedIn(ad.utmp) // without utmp the logs are what there is
	for a, l := range ad.logins {
		out = append(out, host.Address{Addr: a, Role: host.RoleAdmin, Reason: l.reason})
	}
	slices.SortFunc(out, func(x, y host.Address) int {
		return cmp.Or(x.Addr.Compare(y.Addr), cmp.Compare(x.Reason, y.Reason))
	})
	return out
}
