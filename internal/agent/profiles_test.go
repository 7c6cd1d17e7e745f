package agent

import (
	"slices"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/profile"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

// TestProfileNames: the keys of the configuration are the applications that are
// known, in the same order.
func TestProfileNames(t *testing.T) {
	if !slices.Equal(config.ProfileNames(), profile.Names()) {
		t.Errorf("%v, %v", config.ProfileNames(), profile.Names())
	}
	cfg := config.Default()
	cfg.Detection.Profiles[profile.Grafana], cfg.Detection.Profiles[profile.Git] = config.ProfileOn, config.ProfileOff
	if got := pinsOf(cfg.Detection.Profiles); got[profile.Grafana] != profile.On || got[profile.Git] != profile.Off || got[profile.Matrix] != profile.Auto {
		t.Errorf("%v", got)
	}
}

// TestProfileRules: the rules that applications are excepted from are there, and
// about nothing but searching.
func TestProfileRules(t *testing.T) {
	all, _ := rules.Load()
	for _, id := range profile.Rules {
		i := slices.IndexFunc(all, func(r *rule.Rule) bool { return r.ID == id })
		if i < 0 || all[i].Type != "scanner" || !all[i].Ambient() {
			t.Errorf("%s is not among the shipped rules, or not about searching", id)
		}
	}
}
