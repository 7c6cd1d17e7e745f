package agent

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
)

// maxKeyLogins bounds the networks that are protected since somebody logged in
// from there with a key; of more, those of the latest logins.
const maxKeyLogins = 1024

// keyLogins are the networks from which somebody logged in by SSH with a public
// key: nobody guesses one. Engine's goroutine only.
type keyLogins struct {
	last map[netip.Prefix]keyLogin
	// changed: the allowlist is out of date.
	changed bool
}

type keyLogin struct {
	at   time.Time
	user string
}

// load takes up what was stored.
func (k *keyLogins) load(good []sentinel.Regular) {
	k.last = make(map[netip.Prefix]keyLogin)
	for i := range good {
		if r := &good[i]; !r.KeyLogin.IsZero() && r.Network.IsValid() {
			k.put(r.Network, keyLogin{r.KeyLogin, r.KeyUser})
		}
	}
	k.changed = false
}

// note takes in an event; only logins by key matter, that are not old news.
func (k *keyLogins) note(ev *sentinel.Event, now time.Time) {
	if !engine.IsKeyLogin(ev) || ev.FromHeader || !ev.SrcIP.IsValid() || now.Sub(ev.Time) > time.Hour {
		return
	}
	at := now
	if !ev.Time.IsZero() && ev.Time.Before(now) {
		at = ev.Time
	}
	network := sentinel.Entity(ev.SrcIP)
	if old, known := k.last[network]; known && old.at.After(at) {
		return
	}
	k.put(network, keyLogin{at, strings.Clone(ev.User)})
}

func (k *keyLogins) put(network netip.Prefix, l keyLogin) {
	old, known := k.last[network]
	if !known && len(k.last) >= maxKeyLogins {
		var first netip.Prefix
		for p, l := range k.last {
			if !first.IsValid() || l.at.Before(k.last[first].at) {
				first = p
			}
		}
		if l.at.Before(k.last[first].at) {
			return
		}
		delete(k.last, first)
	}
	k.last[network] = l
	k.changed = k.changed || !known || old.user != l.user
}

// protections returns the networks of logins within a time.
func (k *keyLogins) protections(now time.Time, within time.Duration) []decide.Protection {
	var out []decide.Protection
	for p, l := range k.last {
		if now.Sub(l.at) < within {
			out = append(out, decide.Protection{Prefix: p, Kind: decide.KindKey, Reason: l.user + " logged in with a key on " + l.at.UTC().Format(time.DateOnly)})
		}
	}
	slices.SortFunc(out, func(x, y decide.Protection) int { return x.Prefix.Addr().Compare(y.Prefix.Addr()) })
	return out
}
