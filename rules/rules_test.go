package rules

import (
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
)

// loaded returns the shipped rules, compiled without a fault.
func loaded(t *testing.T) *rule.Set {
	t.Helper()
	all, problems := Load()
	set, more := rule.Compile(all)
	for _, p := range append(problems, more...) {
		t.Error(p)
	}
	if set.Len() == 0 {
		t.Fatal("no rules")
	}
	return set
}

// TestLoad holds that the shipped rules have no fault.
func TestLoad(t *testing.T) { loaded(t) }

// TestInside runs the tests inside the rules.
func TestInside(t *testing.T) {
	set := loaded(t)
	ran := 0
	for i := range set.Len() {
		r := set.Rule(i)
		t.Run(r.ID, func(t *testing.T) {
			for _, res := range engine.RunTests(r, set) {
				ran++
				if !res.Passed() {
					t.Error(res)
				}
			}
		})
	}
	t.Logf("%d rules, %d tests", set.Len(), ran)
}
