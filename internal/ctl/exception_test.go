package ctl

import (
	"net/netip"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// TestException holds that what is proposed is an exception that loads.
func TestException(t *testing.T) {
	th := sentinel.Threat{ID: "01J0", Scope: netip.MustParsePrefix("203.0.113.7/32")}
	th.Score.Rules = []sentinel.RulePart{{ID: "WEB_SQLI_UNION"}, {ID: "WEB_XSS_TAG"}}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	got, problems := rule.ParseExceptions("x.yml", []byte(exception(&th, now)))
	if len(problems) > 0 || len(got) != 1 {
		t.Fatalf("%d exceptions, problems %v", len(got), problems)
	}
	if e := got[0]; len(e.Rules) != 2 || !e.Expires.After(now) || e.Reason == "" || e.Match == nil {
		t.Errorf("got %+v", e)
	}
	if text := exception(&sentinel.Threat{}, now); text != "" {
		t.Errorf("without an address: %q", text)
	}
}
