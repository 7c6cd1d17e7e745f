package store

import (
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestVerdicts(t *testing.T) {
	s := open(t, Options{})
	all := fill(t, s, 5)
	for i, status := range []sentinel.Status{sentinel.StatusFalsePositive, sentinel.StatusFalsePositive, sentinel.StatusResolved, sentinel.StatusOpen, sentinel.StatusAcknowledged} {
		all[i].Status = status
		all[i].Score.Rules = []sentinel.RulePart{{ID: "A"}}
	}
	all[0].Score.Rules = append(all[0].Score.Rules, sentinel.RulePart{ID: "B"})
	commit(t, s, Results{Threats: all})
	got, err := s.Verdicts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (Verdicts{Right: 1, Wrong: 2}); got["A"] != want {
		t.Errorf("A: %+v, want %+v", got["A"], want)
	}
	if want := (Verdicts{Wrong: 1}); got["B"] != want || len(got) != 2 {
		t.Errorf("B: %+v of %v, want %+v", got["B"], got, want)
	}
}

// TestVerdictsOutliveThreats: what people said still counts when the threat is
// purged, once.
func TestVerdictsOutliveThreats(t *testing.T) {
	s := open(t, Options{})
	all := fill(t, s, 5)
	for i, status := range []sentinel.Status{sentinel.StatusFalsePositive, sentinel.StatusFalsePositive, sentinel.StatusResolved, sentinel.StatusOpen, sentinel.StatusFalsePositive} {
		all[i].Status = status
		all[i].Score.Rules = []sentinel.RulePart{{ID: "A"}, {ID: "B"}}
	}
	commit(t, s, Results{Threats: all})
	want := Verdicts{Right: 1, Wrong: 3}
	check := func(when string) {
		t.Helper()
		got, err := s.Verdicts(t.Context())
		if err != nil || got["A"] != want || got["B"] != want {
			t.Errorf("%s: %+v, %v; want %+v", when, got, err, want)
		}
	}
	check("before")
	if _, err := s.Purge(t.Context(), all[1].LastSeen.Add(time.Nanosecond), 1); err != nil {
		t.Fatal(err)
	}
	check("some are purged")
	for range 2 {
		if _, err := s.Purge(t.Context(), testTime.AddDate(10, 0, 0), 2); err != nil {
			t.Fatal(err)
		}
		check("all are purged")
	}
}

func TestTrust(t *testing.T) {
	for _, c := range []struct {
		v    Verdicts
		want float64
	}{
		{Verdicts{}, 1}, {Verdicts{Right: 100}, 1}, {Verdicts{Wrong: 5}, 0.5}, {Verdicts{Right: 5, Wrong: 10}, 0.5}, {Verdicts{Wrong: 1000}, 0.3},
	} {
		if got := c.v.Trust(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.v, got, c.want)
		}
	}
}
