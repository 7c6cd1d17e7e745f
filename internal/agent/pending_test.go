package agent

import (
	"fmt"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// TestPendingThreats holds that a commit has each threat once, in its latest
// state, also after the oldest were dropped and after a commit.
func TestPendingThreats(t *testing.T) {
	var p pending
	p.bound()
	add := func(id string, n int) int64 {
		return p.add(decide.Effects{Threats: []sentinel.Threat{{ID: id, EventCount: n}}}, time.Time{})
	}
	const n = maxKeptThreats + 100
	for round := 1; round <= 2; round++ {
		for i := range n {
			if opened := add(fmt.Sprint(i), round); (opened == 1) != (round == 1) {
				t.Fatalf("round %d: %d opened", round, opened)
			}
		}
	}
	check := func(want int) {
		t.Helper()
		seen := map[string]bool{}
		for _, threat := range p.results.Threats {
			if seen[threat.ID] {
				t.Fatalf("%s is there twice", threat.ID)
			}
			seen[threat.ID] = true
		}
		if len(seen) != want {
			t.Fatalf("%d threats, want %d", len(seen), want)
		}
	}
	check(n)
	p.bound()
	check(maxKeptThreats)
	add("500", 9)
	add("50", 9) // was dropped
	check(maxKeptThreats)
	now := time.Now()
	p.takeUpdates(now)
	check(maxKeptThreats + 1)
	latest := 0
	for _, threat := range p.results.Threats {
		if threat.EventCount == 9 {
			latest++
		}
	}
	if latest != 2 {
		t.Errorf("%d latest states", latest)
	}
	p.results = store.Results{}
	add("7", 3)
	add("7", 4)
	if p.takeUpdates(now.Add(updateEvery - 1)); len(p.results.Threats) != 0 {
		t.Errorf("a known threat did not wait: %+v", p.results.Threats)
	}
	p.takeUpdates(now.Add(updateEvery))
	if got := p.results.Threats; len(got) != 1 || got[0].EventCount != 4 {
		t.Errorf("%+v", got)
	}

	// What is done about a threat does not wait, and takes its state along.
	p.results = store.Results{}
	add("8", 5)
	p.add(decide.Effects{Threats: []sentinel.Threat{{ID: "8", EventCount: 6}}, Actions: []sentinel.Action{{ID: "a"}}}, now)
	if got := p.results.Threats; len(got) != 1 || got[0].EventCount != 6 || len(p.updates) != 0 {
		t.Errorf("%+v, %d wait", got, len(p.updates))
	}
}
