package setup

import (
	"fmt"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// How long a rule may take for the worst line of 8 KiB. Above CostWarn it is
// worth a look; above CostLimit whoever sends such lines slows down the agent.
// The two are far apart since a busy machine measures too much.
const (
	CostWarn  = 200 * time.Microsecond
	CostLimit = 2 * time.Millisecond
)

// Cost measures how long a rule takes by itself for the line that is worst for
// it, the best of several runs.
func Cost(r *rule.Rule) time.Duration {
	set, _ := rule.Compile([]*rule.Rule{r})
	if set == nil || set.Len() == 0 {
		return 0
	}
	m := set.NewMatcher()
	worst := time.Duration(0)
	for _, ev := range set.LintInputs(0) {
		best := time.Hour
		for range 5 {
			start := time.Now()
			m.Match(ev)
			best = min(best, time.Since(start))
		}
		worst = max(worst, best)
	}
	return worst
}

// CheckCost returns what is to be said of a rule's cost, if anything: a warning
// above CostWarn, a fault above CostLimit.
func CheckCost(r *rule.Rule) (rule.Problem, bool) {
	cost := Cost(r)
	if cost <= CostWarn {
		return rule.Problem{}, false
	}
	return rule.Problem{
		File: r.File, Line: r.Line, RuleID: r.ID, Warning: cost <= CostLimit,
		Message: fmt.Sprintf("the rule takes %v for the worst line of 8 KiB; at most %v is good, %v allowed: anchor its patterns, and leave out what may repeat without end", cost.Round(time.Microsecond), CostWarn, CostLimit),
	}, true
}
