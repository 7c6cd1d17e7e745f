package detect

import (
	"net/netip"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

const lookupRules = `
id: FAILS
name: failures
severity: HIGH
type: brute_force
conditions: {field: event_type, equals: auth_fail}
aggregation: {group_by: src_ip, window: 60, threshold: 5}
---
id: USERS
name: many users
severity: HIGH
type: brute_force
conditions: {field: event_type, equals: auth_fail}
aggregation: {group_by: src_ip, window: 120, threshold: 4, distinct: user}
---
id: MANY
name: very many
severity: HIGH
type: brute_force
conditions: {field: event_type, equals: auth_fail}
aggregation: {group_by: src_ip, window: 3600, threshold: 500}
---
id: LEAKY
name: leaky
severity: HIGH
type: brute_force
conditions: {field: event_type, equals: auth_fail}
aggregation: {group_by: src_ip, mode: leaky, capacity: 10, leak: 10s}
---
id: PAIR
name: pair
severity: HIGH
type: brute_force
conditions: {field: event_type, equals: auth_fail}
aggregation: {group_by: [src_ip, user], window: 60, threshold: 5}
---
id: THEN
name: then
severity: HIGH
type: brute_force
sequence:
  by: [src_ip]
  within: 10m
  ordered: true
  steps:
    - {id: fails, event_type: auth_fail, count: 3}
    - {id: ok, event_type: auth_ok}
`

// TestLookup: what a rule counted about an address is found by the address, as
// of now, and looking changes nothing.
func TestLookup(t *testing.T) {
	rs, problems := rule.ParseFile("lookup.yml", []byte(lookupRules))
	set, more := rule.Compile(rs)
	for _, p := range append(problems, more...) {
		t.Fatal(p)
	}
	d, m := New(set, DefaultConfig()), set.NewMatcher()
	begin := time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)
	addr := netip.MustParseAddr("203.0.113.9")
	for i := range 3 {
		ev := &sentinel.Event{Time: begin.Add(time.Duration(i) * 10 * time.Second), Type: sentinel.EventAuthFail, SrcIP: addr, User: string(rune('a' + i)), Repeat: 1}
		ev.Received = ev.Time
		d.Observe(ev, m, m.Match(ev), ev.Time)
	}
	counts := func(after time.Duration) map[string]int {
		known, others := d.Lookup(addr, begin.Add(after))
		if len(others) != 1 || set.Rule(int(others[0])).ID != "PAIR" {
			t.Errorf("rules that cannot be told: %v", others)
		}
		out := map[string]int{}
		for _, s := range known {
			out[set.Rule(int(s.Rule)).ID] = s.Count
			if want := begin.Add(20 * time.Second); !s.Last.Equal(want) {
				t.Errorf("%s: last event at %s, want %s", set.Rule(int(s.Rule)).ID, s.Last, want)
			}
		}
		return out
	}
	for _, c := range []struct {
		after time.Duration
		want  map[string]int
	}{
		{20 * time.Second, map[string]int{"FAILS": 3, "USERS": 3, "MANY": 3, "LEAKY": 1, "THEN": 3}},
		{65 * time.Second, map[string]int{"FAILS": 2, "USERS": 3, "MANY": 3, "THEN": 3}},
		{2 * time.Hour, map[string]int{}},
	} {
		got := counts(c.after)
		for id, n := range c.want {
			if got[id] != n {
				t.Errorf("after %s rule %s counts %d, want %d", c.after, id, got[id], n)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("after %s: %v, want %v", c.after, got, c.want)
		}
	}
	if known, _ := d.Lookup(netip.MustParseAddr("203.0.113.10"), begin); len(known) != 0 {
		t.Errorf("an address that was never seen is counted: %v", known)
	}
}
