package rules

import (
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// TestLoad holds that the shipped rules have no fault.
func TestLoad(t *testing.T) {
	all, problems := Load()
	_, more := rule.Compile(all)
	for _, p := range append(problems, more...) {
		t.Error(p)
	}
	if len(all) == 0 {
		t.Error("no rules")
	}
}
