package rules

import (
	"slices"
	"strings"
	"testing"
	"time"

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
	for i := range set.Len() {
		r := set.Rule(i)
		t.Run(r.ID, func(t *testing.T) {
			for _, res := range engine.RunTests(r, set) {
				if !res.Passed() {
					t.Error(res)
				}
			}
		})
	}
}

// web reports whether a rule looks at requests.
func web(r *rule.Rule) bool {
	return strings.HasPrefix(r.ID, "WEB_") && !strings.HasPrefix(r.ID, "WEB_ERROR_")
}

// TestWebRulesAreDescribed holds that each rule on requests says in words what
// it finds, where to read on, and proves it by lines that it finds and lines
// like them that it lets pass.
func TestWebRulesAreDescribed(t *testing.T) {
	set := loaded(t)
	rules, probes := 0, 0
	for i := range set.Len() {
		r := set.Rule(i)
		if !web(r) {
			continue
		}
		rules++
		if len(r.Description) < 30 || !strings.HasSuffix(r.Description, ".") || len(r.References) == 0 {
			t.Errorf("%s: it needs a description of one sentence and a reference", r.ID)
		}
		if !strings.Contains(strings.Join(r.Tags, " "), "attack.t") {
			t.Errorf("%s: no tag names a technique of ATT&CK", r.ID)
		}
		var found, passed int
		for _, x := range r.Tests {
			switch {
			case x.Expect.Matches == 0 || x.Expect.Fires == 0:
				passed += len(x.Lines) * x.Repeat
			case r.Aggregation != nil || r.Sequence != nil:
				found += 2 * x.Expect.Fires
			default:
				found += x.Expect.Matches
				if r.Type == "vuln_probe" {
					probes += x.Expect.Matches
				}
			}
		}
		if r.Detector == rule.DetectorFloodDist {
			continue // no lines of a test make a log's usual days; package anomaly has its tests
		}
		if found < 2 || passed < 2 {
			t.Errorf("%s: its tests have %d lines to be found and %d to pass; at least 2 of each are needed", r.ID, found, passed)
		}
	}
	if rules < 80 {
		t.Errorf("%d rules on requests, want 80 at least", rules)
	}
	if probes < 300 {
		t.Errorf("%d probes for known holes, want 300 at least", probes)
	}
}

// unindexed are the rules on requests that may look at every line: they count
// all of them, or ask libinjection.
var unindexed = []string{
	"WEB_404_BURST", "WEB_SLOW_SCAN", "WEB_SCAN_NET", "WEB_FLOOD", "WEB_FLOOD_NET", "WEB_SQLI_TOKENS", "WEB_XSS_TOKENS",
}

// TestWebRulesAreIndexed holds that all other rules on requests are looked at
// only for lines with one of their literals. It tells how long each takes for
// the worst line; rule.MaxProgram, which Load enforces, is what bounds that.
func TestWebRulesAreIndexed(t *testing.T) {
	all, _ := Load()
	set := loaded(t)
	for i, res := range set.Lint() {
		r := set.Rule(i)
		if !web(r) || res.Direct || res.Indexed {
			continue
		}
		known := false
		for _, id := range unindexed {
			known = known || id == r.ID
		}
		if !known {
			t.Errorf("%s is evaluated for every line: %v", r.ID, res.Warnings)
		}
	}
	for _, r := range all {
		if !web(r) || r.Sequence != nil {
			continue
		}
		one, _ := rule.Compile([]*rule.Rule{r})
		m := one.NewMatcher()
		worst := time.Duration(0)
		for _, ev := range one.LintInputs(0) {
			best := time.Hour
			for range 4 {
				start := time.Now()
				m.Match(ev)
				best = min(best, time.Since(start))
			}
			worst = max(worst, best)
		}
		if worst > 200*time.Microsecond {
			t.Logf("%s: %v for its worst line", r.ID, worst)
		}
	}
}

// others are the files of rules on logs of other services and of the host itself.
var others = []string{
	"app.yml", "audit_exec.yml", "audit_system.yml", "auth.yml", "db.yml", "dns.yml", "firewall.yml", "ftp.yml", "kernel.yml",
	"mail.yml", "ssh.yml", "system.yml", "system_rights.yml",
}

// TestOtherRulesAreDescribed holds the same of the other rules, and that they say
// what harmless things match, too.
func TestOtherRulesAreDescribed(t *testing.T) {
	set := loaded(t)
	rules := 0
	for i := range set.Len() {
		r := set.Rule(i)
		if !slices.Contains(others, r.File) {
			continue
		}
		rules++
		if len(r.Description) < 20 || !strings.HasSuffix(r.Description, ".") || len(r.References) == 0 {
			t.Errorf("%s: it needs a description of one sentence and a reference", r.ID)
		}
		if !strings.Contains(strings.Join(r.Tags, " "), "attack.t") {
			t.Errorf("%s: no tag names a technique of ATT&CK", r.ID)
		}
		if len(r.FalsePositives) == 0 {
			t.Errorf("%s: it does not say what harmless things match", r.ID)
		}
		for _, s := range r.FalsePositives {
			if !strings.HasSuffix(s, ".") {
				t.Errorf("%s: %q is no sentence", r.ID, s)
			}
		}
		found, passed := 0, 0
		for _, x := range r.Tests {
			if x.Expect.Matches == 0 || x.Expect.Fires == 0 {
				passed++
			} else {
				found++
			}
		}
		if found < 2 || passed < 2 {
			t.Errorf("%s: %d of its tests are found and %d pass; at least 2 of each are needed", r.ID, found, passed)
		}
	}
	if rules < 90 {
		t.Errorf("%d such rules, want 90 at least", rules)
	}
}
