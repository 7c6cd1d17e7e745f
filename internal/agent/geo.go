package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/geo"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// geoEvery is how often the databases are looked at.
const geoEvery = 30 * time.Second

// geoConfig says which databases a configuration wants.
func geoConfig(cfg *config.Config) geo.Config {
	country, asn := cfg.Geo.Paths()
	return geo.Config{Country: country, ASN: asn}
}

// geoReads are the places of the databases.
func geoReads(cfg *config.Config) (out []string) {
	country, asn := cfg.Geo.Paths()
	for _, path := range [2]string{country, asn} {
		switch path {
		case "":
		case config.Auto:
			out = append(out, geo.Directories...)
		default:
			out = append(out, place(path))
			if target, ok := link(path); ok {
				out = append(out, place(target))
			}
		}
	}
	return out
}

// refreshGeo looks at the databases and tells what changed.
func (a *Agent) refreshGeo() {
	for _, text := range a.geo.Refresh() {
		a.log.Info("geography", "database", text)
	}
}

// followGeo takes up databases that are replaced, until ctx ends.
func (a *Agent) followGeo(ctx context.Context) {
	tick := time.NewTicker(geoEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			a.geo.Close()
			return
		case <-tick.C:
		case <-a.geoAgain:
		}
		a.refreshGeo()
	}
}

// configureGeo makes a new configuration count soon.
func (a *Agent) configureGeo(cfg *config.Config) {
	a.geo.Configure(geoConfig(cfg))
	select {
	case a.geoAgain <- struct{}{}:
	default:
	}
}

// geoReasons says what is wrong with the databases, and what of rules and
// whitelist has no effect without them.
func (a *Agent) geoReasons() (out []string) {
	_, faults := a.geo.Status()
	for _, f := range faults {
		out = append(out, fmt.Sprintf("geography: %s: %s", f.Path, f.Text))
	}
	countries, networks := a.geo.Knows()
	if countries && networks {
		return out
	}
	var lost []string
	for _, p := range a.geoPlaces.Load().list() {
		if p.Country != "" && !countries || p.ASN != 0 && !networks {
			lost = append(lost, p.String())
		}
	}
	if len(lost) > 0 {
		out = append(out, fmt.Sprintf("the whitelist names %s, and no database knows it: nobody is protected by that (see docs/geography.md)", strings.Join(lost, ", ")))
	}
	a.mu.Lock()
	rules := a.set.geographic(countries, networks)
	a.mu.Unlock()
	if len(rules) > 0 {
		out = append(out, fmt.Sprintf("rules ask where addresses are, and no database knows it: %s (see docs/geography.md)", strings.Join(rules[:min(len(rules), 5)], ", ")))
	}
	return out
}

// geographic returns the ids of custom rules that ask what is not known.
func (rs *ruleSet) geographic(countries, networks bool) (out []string) {
	for i := range rs.set.Len() {
		r := rs.set.Rule(i)
		country, network := r.Geographic()
		if r.Custom && r.Enabled && (country && !countries || network && !networks) {
			out = append(out, r.ID)
		}
	}
	return out
}

// places are the countries and networks of the whitelist.
type places []sentinel.Place

func (p *places) list() []sentinel.Place {
	if p == nil {
		return nil
	}
	return *p
}

// notePlaces keeps the places of an allowlist for status.
func (a *Agent) notePlaces(l *decide.Allowlist) {
	var all places
	for _, p := range l.Entries() {
		if !p.Place.IsZero() {
			all = append(all, p.Place)
		}
	}
	a.geoPlaces.Store(&all)
}

// geoStatus is what status shows of the databases.
func (a *Agent) geoStatus() *control.GeoStatus {
	s := &control.GeoStatus{Enabled: a.config().Geo.Enabled, Databases: []control.GeoDatabase{}, Faults: []control.GeoFault{}}
	sources, faults := a.geo.Status()
	for _, d := range sources {
		s.Databases = append(s.Databases, control.GeoDatabase(d))
	}
	for _, f := range faults {
		s.Faults = append(s.Faults, control.GeoFault(f))
	}
	return s
}

// Geo implements control.Agent.
func (p *api) Geo(_ context.Context, _ control.Peer, q control.GeoParams) (*control.GeoResult, error) {
	out := &control.GeoResult{GeoStatus: *p.agent().geoStatus(), Found: make([]control.GeoFound, 0, len(q.Addresses))}
	for _, addr := range q.Addresses {
		g := p.geo.Lookup(addr)
		out.Found = append(out.Found, control.GeoFound{IP: addr, Country: g.Country, ASN: g.ASN, Org: g.Org})
	}
	return out, nil
}

// changePlace puts a country or a network on the allowlist or takes it off.
func (p *api) changePlace(ctx context.Context, peer control.Peer, q control.AllowParams, kind sentinel.OrderKind) (*control.AllowResult, error) {
	a := p.agent()
	stored, err := p.store.AllowPlaces(ctx)
	if err != nil {
		return nil, err
	}
	known := slices.ContainsFunc(stored, func(e store.AllowPlace) bool { return e.Place == q.Place })
	configured := slices.Contains(a.config().Response.WhitelistPlaces, q.Place)
	now := time.Now()
	r := allowResults(now, peer, kind, q.Place.String(), q.Reason)
	switch {
	case kind == sentinel.OrderAllow && (known || configured):
		return nil, control.Errorf(control.CodeRefused, "%s is on the whitelist already", q.Place)
	case kind == sentinel.OrderAllow:
		r.AllowPlaces = []store.AllowPlace{{Place: q.Place, Reason: q.Reason, Origin: sentinel.OriginCLI, Actor: peer.String(), Created: now}}
	case known:
		r.DisallowPlaces = []sentinel.Place{q.Place}
	case configured:
		return nil, control.Errorf(control.CodeRefused, "%s stands in the configuration", q.Place).WithHint("change response.whitelist and reload the agent")
	default:
		return nil, control.Errorf(control.CodeRefused, "%s is not on the whitelist", q.Place).WithHint("sentinelctl whitelist list shows all entries")
	}
	if err := p.store.Commit(ctx, r); err != nil {
		return nil, err
	}
	var before, after []sentinel.BlockRecord
	var failed error
	if err := a.do(ctx, func() {
		before = records(p.engine.Decider().Blocks())
		allow, err := a.allowlist(ctx)
		if failed = err; err == nil {
			a.setAllow(allow)
		}
		after = records(p.engine.Decider().Blocks())
	}); err != nil || failed != nil {
		return nil, errors.Join(err, failed)
	}
	out := &control.AllowResult{
		Entry:   control.AllowEntry{Place: q.Place, Kind: string(decide.KindUser), Reason: q.Reason, Actor: peer.String(), Added: now, Removable: true},
		Changed: true, Unblocked: []sentinel.BlockRecord{},
	}
	out.Unblocked = append(out.Unblocked, nowFree(before, after)...)
	countries, networks := a.geo.Knows()
	if kind == sentinel.OrderAllow && (q.Place.Country != "" && !countries || q.Place.ASN != 0 && !networks) {
		out.Note = "no database knows countries or networks of that kind now: nobody is protected by it until there is one (sentinelctl geo)"
	}
	return out, nil
}
