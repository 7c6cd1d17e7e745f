package ctl

import (
	"fmt"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// exceptionFor is how long a proposed exception holds; a year is the most.
const exceptionFor = 180 * 24 * time.Hour

// exception is the smallest exception that keeps the rules of a threat silent
// about its attacker, as a file for exceptions.d. It is empty for threats
// without an address or rule.
func exception(t *sentinel.Threat, now time.Time) string {
	if !t.Scope.IsValid() || len(t.Score.Rules) == 0 {
		return ""
	}
	ids := make([]string, len(t.Score.Rules))
	for i, r := range t.Score.Rules {
		ids[i] = r.ID
	}
	return fmt.Sprintf("rules: [%s]\nreason: false positive, threat %s\nexpires: %s\nmatch: {src_ip: [%s]}\n",
		strings.Join(ids, ", "), t.ID, now.Add(exceptionFor).UTC().Format(time.DateOnly), t.Scope)
}
