package store

import (
	"net/netip"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// A network has one block or rate limit in force, and one may become the other.
func TestRateLimitInForce(t *testing.T) {
	s := open(t, Options{})
	network := netip.MustParsePrefix("203.0.113.42/32")
	b := testBlock(testID(1), network)
	b.Rate = sentinel.Rate{Count: 10, Per: time.Minute}
	check := func(kind string) {
		t.Helper()
		got, err := s.BlocksInForce(t.Context(), testTime)
		if err != nil || len(got) != 1 || got[0] != b {
			t.Errorf("in force: %+v, %v, want %+v", got, err, b)
		}
		list, _, err := s.Actions(t.Context(), ActionFilter{Status: StatusActive})
		if err != nil || len(list) != 1 || list[0].Type != kind || list[0].Rate != b.Rate {
			t.Errorf("actions: %+v, %v, want one %s", list, err, kind)
		}
	}
	commit(t, s, Results{Blocks: []sentinel.BlockRecord{b}})
	check("rate_limit")
	if rep, err := s.Reputation(t.Context(), network.Addr()); err == nil && rep.Blocked {
		t.Errorf("reputation = %+v: a rate limit is no block", rep)
	}
	b.Rate = sentinel.Rate{} // graver now
	commit(t, s, Results{Blocks: []sentinel.BlockRecord{b}})
	check("block")
	slower := testBlock(testID(2), network)
	slower.Rate = sentinel.Rate{Count: 1, Per: time.Second}
	b = slower // takes its place
	commit(t, s, Results{Blocks: []sentinel.BlockRecord{b}})
	check("rate_limit")
	if n, err := s.Expire(t.Context(), b.Expires.Add(time.Second)); err != nil || n != 1 {
		t.Errorf("expired %d, %v, want 1", n, err)
	}
}
