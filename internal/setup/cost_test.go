package setup

import (
	"strings"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

func one(t *testing.T, pattern string) (*rule.Rule, []rule.Problem) {
	t.Helper()
	rs, problems := rule.ParseFile("test.yml", []byte("id: R_1\nname: r\nseverity: LOW\nlog_source: any\nconditions: {field: message, pattern: '"+pattern+"'}\n"))
	if len(rs) == 0 {
		return nil, problems
	}
	return rs[0], problems
}

func TestFaultCost(t *testing.T) {
	t.Run("D01 patterns that are too expensive are refused", func(t *testing.T) {
		for _, p := range []string{
			"(?:x.{0,900}y){1}z", "(?:a.{0,200}){20}b", "x{201}", "(?:(?:(?:a{1,100}){1,100}){1,100}){1,100}", "(a|b|c){0,1000}",
		} {
			r, problems := one(t, p)
			if r != nil {
				_, more := rule.Compile([]*rule.Rule{r})
				problems = append(problems, more...)
			}
			faults := 0
			for _, x := range problems {
				if !x.Warning {
					faults++
				}
			}
			if faults == 0 {
				t.Errorf("%s is taken", p)
			}
		}
	})
	t.Run("D01 a rule's cost for its worst line is measured", func(t *testing.T) {
		cheap, _ := one(t, "^Failed password for root$")
		if c := Cost(cheap); c <= 0 || c > CostLimit {
			t.Errorf("a plain rule takes %v", c)
		}
		dear, problems := one(t, "a.{0,200}b.*c.{0,200}d")
		if dear == nil {
			t.Fatal(problems)
		}
		cost := Cost(dear)
		p, found := CheckCost(dear)
		if found && (!strings.Contains(p.Message, "worst line") || p.RuleID != "R_1") || !found && cost > 2*CostWarn {
			t.Errorf("%v: %+v", cost, p)
		}
		t.Logf("plain %v, dear %v", Cost(cheap), cost)
	})
}
