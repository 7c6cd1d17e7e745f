package decide

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// What is good about entities, and its bounds. Those seen on one day alone have
// a memory of their own, so that a flood of new visitors cannot push out the
// others.
const (
	// MaxRegulars is how many of them are remembered.
	MaxRegulars  = 16_384
	maxVisitors  = 8_192
	regularsEach = time.Minute // the least time between two hand-outs
	regularsPart = 512         // so many are handed out at a time

	goodTime     = 30 * 24 * time.Hour // what is older counts nothing
	goodLogins   = 3                   // so many logins
	goodOverDays = 2                   // on so many days are a good history,
	goodDays     = 5                   // and so is harmless use on so many
)

// regulars remembers what is good about entities.
type regulars struct {
	known, visitors *lru[netip.Prefix, regular]
	// dirty are the known ones that changed since they were handed out.
	dirty  []netip.Prefix
	handed time.Duration
}

// regular is what is good about one entity. Times are seconds since 1970, by the
// lines' own stamps; day is the day of the last.
type regular struct {
	logins, days     int32
	day              int32
	since, last, key int64
	user             string
	dirty            bool
}

func newRegulars() regulars {
	return regulars{known: newLRU[netip.Prefix, regular](), visitors: newLRU[netip.Prefix, regular]()}
}

// used counts a day on which the entity did no harm. It allocates nothing for
// those who were seen before.
func (g *regulars) used(entity netip.Prefix, t time.Time) {
	sec := t.Unix()
	day := int32(sec / 86_400)
	if n := g.known.get(entity); n != nil {
		if day > n.value.day {
			g.known.use(n)
			n.value.seen(day, sec)
			g.soil(n)
		}
		return
	}
	n := g.visitors.ensure(entity, maxVisitors)
	switch v := &n.value; {
	case v.days == 0:
		*v = regular{days: 1, day: day, since: sec, last: sec}
	case day > v.day:
		kept := *v
		g.visitors.remove(n)
		n = g.known.ensure(entity, MaxRegulars)
		n.value = kept
		n.value.seen(day, sec)
		g.soil(n)
	}
}

// login counts a login.
func (g *regulars) login(entity netip.Prefix, t time.Time, user string, key bool) {
	g.used(entity, t)
	n := g.known.get(entity)
	if n == nil {
		v := g.visitors.get(entity)
		n = g.known.ensure(entity, MaxRegulars)
		if v != nil {
			n.value = v.value
			g.visitors.remove(v)
		}
	}
	g.known.use(n)
	r, sec := &n.value, t.Unix()
	r.logins = min(r.logins+1, 1<<30)
	r.last = max(r.last, sec)
	if key && sec >= r.key {
		r.key, r.user = sec, strings.Clone(cut(user, maxNameBytes))
	}
	g.soil(n)
}

// seen counts a further day. After a long pause it begins anew.
func (r *regular) seen(day int32, sec int64) {
	if sec-r.last > int64(goodTime/time.Second) {
		*r = regular{since: sec}
	}
	r.days++
	r.day, r.last = day, sec
}

func (g *regulars) soil(n *lruNode[netip.Prefix, regular]) {
	if !n.value.dirty {
		n.value.dirty = true
		g.dirty = append(g.dirty, n.key)
	}
}

// take hands out what changed, now and then.
func (g *regulars) take(at time.Duration) (out []sentinel.Regular) {
	if len(g.dirty) == 0 || g.handed != 0 && at-g.handed < regularsEach && at >= g.handed {
		return nil
	}
	g.handed = max(at, 1)
	n := min(len(g.dirty), regularsPart)
	for _, entity := range g.dirty[:n] {
		if node := g.known.get(entity); node != nil && node.value.dirty {
			node.value.dirty = false
			out = append(out, node.value.out(entity))
		}
	}
	g.dirty = slices.Delete(g.dirty, 0, n)
	if len(g.dirty) > 2*MaxRegulars { // most of them are gone
		g.dirty = slices.DeleteFunc(g.dirty, func(p netip.Prefix) bool { return g.known.get(p) == nil })
	}
	return out
}

// Regulars hands out all of what is good about entities that changed, for an
// orderly stop; otherwise it comes with the effects of Tick.
func (d *Decider) Regulars() (out []sentinel.Regular) {
	for len(d.regulars.dirty) > 0 {
		d.regulars.handed = 0
		out = append(out, d.regulars.take(1)...)
	}
	return out
}

func (r *regular) out(entity netip.Prefix) sentinel.Regular {
	return sentinel.Regular{
		Network: entity, Logins: int(r.logins), Days: int(r.days), Since: unixTime(r.since), Last: unixTime(r.last),
		KeyLogin: unixTime(r.key), KeyUser: r.user,
	}
}

func unixTime(sec int64) time.Time {
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, 0).UTC()
}

// RestoreRegulars takes up what was stored as good about entities.
func (d *Decider) RestoreRegulars(list []sentinel.Regular) {
	sec := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.Unix()
	}
	for i := len(list) - 1; i >= 0; i-- { // the last seen are used last
		r := &list[i]
		entity := entityPrefix(r.Network)
		if !entity.IsValid() || wide(entity) {
			continue
		}
		d.regulars.known.ensure(entity, MaxRegulars).value = regular{
			logins: int32(min(r.Logins, 1<<30)), days: int32(min(r.Days, 1<<20)), day: int32(sec(r.Last) / 86_400),
			since: sec(r.Since), last: sec(r.Last), key: sec(r.KeyLogin), user: cut(r.KeyUser, maxNameBytes),
		}
	}
}

// Login notes that somebody logged in from an address, by a public key or
// otherwise. Who is suspected in the rules about logins earns nothing by it:
// passwords can be guessed.
func (d *Decider) Login(now, t time.Time, addr netip.Addr, user string, key bool) {
	entity := sentinel.Entity(addr)
	if !entity.IsValid() || !key && d.Suspected(addr, authGroup) {
		return
	}
	d.regulars.login(entity, past(now, t), user, key)
}

// authGroup is the group of rules about logins.
const authGroup = "auth"

// Used notes that an address did something harmless. Calling it for some of what
// an address does is enough.
func (d *Decider) Used(now, t time.Time, addr netip.Addr) {
	if entity := sentinel.Entity(addr); entity.IsValid() {
		d.regulars.used(entity, past(now, t))
	}
}

// past is the time of an event, which is not in the future.
func past(now, t time.Time) time.Time {
	if t.IsZero() || t.After(now) {
		return now
	}
	return t
}

// Regular returns what is good about an address's entity.
func (d *Decider) Regular(addr netip.Addr) (sentinel.Regular, bool) {
	entity := sentinel.Entity(addr)
	for _, table := range [...]*lru[netip.Prefix, regular]{d.regulars.known, d.regulars.visitors} {
		if n := table.get(entity); n != nil {
			return n.value.out(entity), true
		}
	}
	return sentinel.Regular{}, false
}

// good says what is good about an entity's history, nothing if it is not good
// enough to be slowed rather than blocked.
func (d *Decider) good(now time.Time, at time.Duration, entity netip.Prefix) string {
	n := d.regulars.known.get(entity)
	if n == nil || now.Unix()-n.value.last > int64(goodTime/time.Second) || d.history.earlier(entity, at) > 0 {
		return ""
	}
	r := &n.value
	since := unixTime(r.since).Format(time.DateOnly)
	switch {
	case r.key != 0 && now.Unix()-r.key <= int64(goodTime/time.Second):
		return fmt.Sprintf("%s logged in with a key on %s", plain(r.user), unixTime(r.key).Format(time.DateOnly))
	case r.logins >= goodLogins && r.days >= goodOverDays:
		return fmt.Sprintf("%d logins on %d days since %s", r.logins, r.days, since)
	case r.days >= goodDays:
		return fmt.Sprintf("harmless use on %d days since %s", r.days, since)
	}
	return ""
}
