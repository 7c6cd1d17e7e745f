package detect

import (
	"net/netip"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// echoFor is how many seconds a repeated request is known to be one. It is far
// below the life of a case, which got the evidence the first time.
const echoFor = 60

// echoes remember which requests made which rules fire lately: who sends the
// same probe again and again adds no evidence, only to the count. Looking for
// it each time would be most of what such a line costs.
type echoes [1 << echoBits]echo

const echoBits = 10

// echo is one firing: a rule, an address and a request, by their hash.
type echo struct {
	key      uint64
	template uint64
	sec      uint32
	fresh    bool // key was just put here
}

// at returns the place of a key, which may have held another one.
func (es *echoes) at(key uint64) *echo {
	e := &es[key>>(64-echoBits)]
	e.fresh = e.key != key
	e.key = key
	return e
}

// again reports whether the same came within echoFor, and notes that it came.
func (e *echo) again(now uint32) bool {
	repeated := !e.fresh && e.key != 0 && now >= e.sec && now-e.sec <= echoFor
	if !repeated {
		e.sec = now
	}
	return repeated
}

// echo is the key of a firing; 0 for events that are no requests.
func (d *Detector) echo(ev *sentinel.Event, mt *rule.Match, addr netip.Addr) uint64 {
	if ev.HTTP.Target == "" {
		return 0
	}
	key := d.hash.Str(uint64(mt.Rule), ev.HTTP.Target)
	key = d.hash.Str(key, ev.HTTP.UserAgent)
	key = d.hash.Str(key, ev.HTTP.Referer)
	if !addr.IsValid() {
		return key
	}
	return d.hash.addr(key, addr, 32, 128)
}
