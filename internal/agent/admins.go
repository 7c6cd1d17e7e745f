package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/host"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

const (
	// maxLogins bounds the logins that are remembered as possible sessions.
	maxLogins = 1024
	// loginGrace keeps a login protected before its connection is looked for.
	loginGrace = 5 * time.Second
	// loginsKey is where they are stored: a session outlives the agent.
	loginsKey = "admin_logins"
)

// admins are the people who are logged in, so that they are never locked out:
// those of utmp and of logind, and those whose login by SSH was read in a log and
// whose connection is still there. Engine's goroutine only.
type admins struct {
	utmp, sessions string
	logins         map[netip.AddrPort]login // by the client's end of the connection
	// changed: the allowlist is out of date. unsaved: the store is.
	changed, unsaved bool
	loaded           bool
}

type login struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// load takes up the sessions that were there when the agent ended, once, and
// forgets those that ended meanwhile.
func (ad *admins) load(ctx context.Context, st *store.Store) error {
	if ad.loaded {
		return nil
	}
	text, err := st.State(ctx, loginsKey)
	switch {
	case errors.Is(err, store.ErrNotFound):
		text = "{}"
	case err != nil:
		return fmt.Errorf("reading the sessions of administrators: %w", err)
	}
	ad.loaded = true
	logins := make(map[netip.AddrPort]login)
	if err := json.Unmarshal([]byte(text), &logins); err != nil || len(logins) > maxLogins {
		return nil // by another version: those who are logged in are found as they come
	}
	ad.logins = logins
	ad.prune(time.Now())
	return nil
}

// save stores the sessions if they have changed.
func (ad *admins) save(ctx context.Context, st *store.Store) error {
	if !ad.unsaved {
		return nil
	}
	text, err := json.Marshal(ad.logins)
	if err == nil {
		err = st.SetState(ctx, loginsKey, string(text))
	}
	if err != nil {
		return fmt.Errorf("storing the sessions of administrators: %w", err)
	}
	ad.unsaved = false
	return nil
}

func newAdmins(utmp, sessions string) *admins {
	return &admins{utmp: utmp, sessions: sessions, logins: make(map[netip.AddrPort]login)}
}

// login notes a successful login by SSH, unless its address is one that attacks:
// whoever guessed a password does not become an administrator by it.
func (ad *admins) login(ev *sentinel.Event, now time.Time, e *engine.Engine) {
	if !ev.SrcIP.IsValid() || ev.FromHeader || ev.SourceType != sentinel.TypeSSH || now.Sub(ev.Time) > time.Hour {
		return
	}
	if !engine.IsKeyLogin(ev) && e.Decider().Suspected(ev.SrcIP, authGroup) {
		return
	}
	peer := netip.AddrPortFrom(ev.SrcIP, ev.SrcPort)
	if _, known := ad.logins[peer]; !known {
		if len(ad.logins) >= maxLogins {
			return
		}
		// A host may see many sessions a second from the same places.
		ad.changed, ad.unsaved = ad.changed || !ad.from(ev.SrcIP), true
	}
	ad.logins[peer] = login{now, "session of " + strings.Clone(ev.User)}
}

// from reports whether a login from an address is known.
func (ad *admins) from(addr netip.Addr) bool {
	for peer := range ad.logins {
		if peer.Addr() == addr {
			return true
		}
	}
	return false
}

// prune forgets logins whose connection is gone.
func (ad *admins) prune(now time.Time) {
	of := make(map[netip.AddrPort]bool, len(ad.logins))
	for a, l := range ad.logins {
		if now.Sub(l.At) > loginGrace {
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
			ad.unsaved = true
		}
	}
}

// current returns the administrators' addresses, in a stable order.
func (ad *admins) current(now time.Time) []host.Address {
	out, _ := host.LoggedIn(ad.utmp) // without either the logs are what there is
	sessions, _ := host.Sessions(ad.sessions)
	out = append(out, sessions...)
	for a, l := range ad.logins {
		out = append(out, host.Address{Addr: a.Addr(), Role: host.RoleAdmin, Reason: l.Reason})
	}
	slices.SortFunc(out, func(x, y host.Address) int {
		return cmp.Or(x.Addr.Compare(y.Addr), cmp.Compare(x.Reason, y.Reason))
	})
	return slices.CompactFunc(out, func(x, y host.Address) bool { return x.Addr == y.Addr })
}
