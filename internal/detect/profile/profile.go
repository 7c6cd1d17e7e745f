package profile

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const (
	// An application is recognised when it has answered so many addresses, with
	// so much time between the first and the last.
	needAddrs = 3
	needTime  = 24 * time.Hour
	// It is forgotten when it has not answered for so long.
	forgetAfter = 30 * 24 * time.Hour
	// answeredFor is how long an address counts as the application's user.
	answeredFor = 24 * time.Hour
	// maxUsers bounds the users that are known of one application in one log.
	maxUsers = 512
	// MaxSources bounds the logs that are looked at.
	MaxSources = 128
)

// Pin is what people say of an application.
type Pin uint8

// The pins. On: it is in use, whatever is recognised; Off: nothing is excepted.
const (
	Auto Pin = iota
	On
	Off
)

// Pins are those of all applications; the zero value recognises all of them.
type Pins [NumApps]Pin

// Set holds what is recognised in all logs. It is not safe for concurrent use.
type Set struct {
	pins  Pins
	all   []*Source
	dirty bool
}

// New returns a set that has recognised nothing.
func New(pins Pins) *Set { return &Set{pins: pins} }

// Configure changes the pins.
func (s *Set) Configure(pins Pins) { s.pins = pins }

// Source is one log.
type Source struct {
	set  *Set
	id   string
	apps [NumApps]*state
	any  bool // one of apps may except something
}

// state is what is known of an application in one log.
type state struct {
	addrs       []netip.Addr // the first needAddrs that it answered
	first, last int64        // answers, unix seconds
	since       int64        // it is recognised since, 0: it is not
	users       map[netip.Addr]int64
	excepted    uint64
}

// Source returns what is known of a log, made if there is nothing; nil beyond
// MaxSources.
func (s *Set) Source(id string) *Source {
	for _, x := range s.all {
		if x.id == id {
			return x
		}
	}
	if len(s.all) == MaxSources {
		return nil
	}
	x := &Source{set: s, id: strings.Clone(id)}
	s.all = append(s.all, x)
	return x
}

// Observe takes in a request to which no rule has an objection. now is its time.
func (x *Source) Observe(ev *sentinel.Event, now time.Time) {
	h := &ev.HTTP
	if h.Status/100 != 2 && h.Status != 101 || !ev.SrcIP.IsValid() || len(h.Path) < 2 {
		return
	}
	if h.Method == "GET" && !telling(h.Path) {
		return // most pages
	}
	for a := range NumApps {
		if x.set.pins[a] != Off && a.worked(h) {
			x.answered(a, sentinel.Entity(ev.SrcIP).Addr(), now.Unix())
		}
	}
}

// telling reports whether the first or second part of a path begins as those do
// whose GET some application's worked knows: wp-admin, api, _matrix.
func telling(path string) bool {
	begins := func(c byte) bool { return c == 'w' || c == 'a' || c == '_' }
	if begins(path[1]) {
		return true
	}
	i := strings.IndexByte(path[1:], '/') + 2 // after the second slash
	return i > 1 && i < len(path) && begins(path[i])
}

// answered notes that an application answered an address.
func (x *Source) answered(a App, addr netip.Addr, now int64) {
	st := x.apps[a]
	if st == nil {
		st = &state{users: make(map[netip.Addr]int64), first: now}
		x.apps[a] = st
	}
	if st.last != 0 && now-st.last > int64(forgetAfter/time.Second) {
		*st = state{users: st.users, first: now}
		clear(st.users)
	}
	st.last = max(st.last, now)
	if len(st.addrs) < needAddrs && !slices.Contains(st.addrs, addr) {
		st.addrs = append(st.addrs, addr)
		x.set.dirty = true
	}
	if st.since == 0 && len(st.addrs) == needAddrs && now-st.first >= int64(needTime/time.Second) {
		st.since = now
		x.set.dirty = true
	}
	if _, known := st.users[addr]; !known && len(st.users) >= maxUsers {
		st.forget(now)
	}
	st.users[addr] = now
	x.any = true
}

// forget makes room: who was not answered for a day goes, else the one who was
// answered longest ago.
func (st *state) forget(now int64) {
	var oldest netip.Addr
	for addr, at := range st.users {
		if now-at > int64(answeredFor/time.Second) {
			delete(st.users, addr)
		} else if !oldest.IsValid() || at < st.users[oldest] || at == st.users[oldest] && addr.Less(oldest) {
			oldest = addr
		}
	}
	if len(st.users) >= maxUsers {
		delete(st.users, oldest)
	}
}

// Excepts reports whether a request that failed is part of the ordinary use of an
// application that was recognised, by one of its users.
func (x *Source) Excepts(ev *sentinel.Event, now time.Time) (App, bool) {
	if !x.any || ev.HTTP.Status < 400 || !ev.SrcIP.IsValid() {
		return 0, false
	}
	addr, sec := sentinel.Entity(ev.SrcIP).Addr(), now.Unix()
	for a := range NumApps {
		st := x.apps[a]
		if st == nil || !x.set.on(a, st, sec) {
			continue
		}
		at, user := st.users[addr]
		if !user || sec-at > int64(answeredFor/time.Second) {
			continue
		}
		if a.ordinary(&ev.HTTP) || ev.HTTP.Method == "GET" && ev.HTTP.Referer != "" && asset(ev.HTTP.Path) {
			st.excepted++
			return a, true
		}
	}
	return 0, false
}

// on reports whether requests of an application are excepted.
func (s *Set) on(a App, st *state, now int64) bool {
	switch s.pins[a] {
	case On:
		return true
	case Off:
		return false
	}
	return st.since != 0 && now-st.last <= int64(forgetAfter/time.Second)
}

// Status is what is known of an application in a log.
type Status struct {
	Source string
	App    App
	// On: requests are excepted. Pinned: people said whether.
	On, Pinned bool
	// Since is when it was recognised, Last when it answered last; zero for never.
	Since, Last time.Time
	// Addrs are addresses that it answered, up to three; Excepted counts requests.
	Addrs    int
	Excepted uint64
}

// Status returns the applications that have answered, by log.
func (s *Set) Status() (out []Status) {
	for _, x := range s.all {
		for a := range NumApps {
			st := x.apps[a]
			if st == nil {
				continue
			}
			row := Status{Source: x.id, App: a, On: s.on(a, st, st.last), Pinned: s.pins[a] != Auto, Last: time.Unix(st.last, 0).UTC(), Addrs: len(st.addrs), Excepted: st.excepted}
			if st.since != 0 {
				row.Since = time.Unix(st.since, 0).UTC()
			}
			out = append(out, row)
		}
	}
	return out
}

// saved is the form of what Save writes: by log and application.
type saved map[string]map[string]savedApp

type savedApp struct {
	Addrs []netip.Addr `json:"addrs"`
	First int64        `json:"first"`
	Last  int64        `json:"last"`
	Since int64        `json:"since,omitempty"`
}

// Changed reports whether something was recognised since it was called last.
func (s *Set) Changed() bool {
	d := s.dirty
	s.dirty = false
	return d
}

// Save returns what was recognised, for Load. Who uses the applications is not
// kept: users are known again with their next answer.
func (s *Set) Save() []byte {
	out := saved{}
	for _, x := range s.all {
		for a := range NumApps {
			if st := x.apps[a]; st != nil {
				if out[x.id] == nil {
					out[x.id] = map[string]savedApp{}
				}
				out[x.id][a.String()] = savedApp{st.addrs, st.first, st.last, st.since}
			}
		}
	}
	data, err := json.Marshal(out)
	if err != nil { // no value of these types fails
		panic(err)
	}
	return data
}

// Load takes up what Save wrote, into an empty set.
func (s *Set) Load(data []byte) error {
	var in saved
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("reading what was recognised: %w", err)
	}
	for _, id := range slices.Sorted(maps.Keys(in)) {
		x := s.Source(id)
		if x == nil {
			return fmt.Errorf("there are more than %d logs", MaxSources)
		}
		for a := range NumApps {
			v, ok := in[id][a.String()]
			if !ok {
				continue
			}
			if len(v.Addrs) > needAddrs || v.First < 0 || v.Last < v.First || v.Since != 0 && (len(v.Addrs) < needAddrs || v.Since < v.First) {
				return fmt.Errorf("what was recognised of %s in %s cannot be", a.Title(), id)
			}
			x.apps[a] = &state{addrs: v.Addrs, first: v.First, last: v.Last, since: v.Since, users: make(map[netip.Addr]int64)}
			x.any = true
		}
	}
	return nil
}
