package setup

import (
	"os"
	"strings"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

const sigmaFile = `title: A scanner
id: aaaaaaaa-0000-4000-8000-000000000001
status: stable
author: Ann Author
license: DRL 1.1
logsource: {category: webserver}
detection:
  s: {cs-user-agent|contains: evilscan}
  condition: s
level: high
---
title: For a proxy
id: bbbbbbbb-0000-4000-8000-000000000002
logsource: {category: proxy}
detection: {s: {c-uri: x}, condition: s}
`

const ownRule = `id: MINE
name: mine
severity: LOW
conditions: {user: bob}
`

// find returns the loaded rule with a name.
func (rs *Rules) find(name string) *rule.Rule {
	for i := range rs.Set.Len() {
		if r := rs.Set.Rule(i); r.Called(name) {
			return r
		}
	}
	return nil
}

// TestSigmaBeside holds that rules in Sigma's format lie in the rules directory,
// in folders and in one file with others; what is not applicable is no fault.
func TestSigmaBeside(t *testing.T) {
	h := newHost(t)
	h.write("rules.d/both.yml", ownRule+"---\n"+sigmaFile)
	h.write("rules.d/a/b/c.yaml", strings.Replace(strings.Split(sigmaFile, "---")[0], "aaaaaaaa", "cccccccc", 1))
	h.write("rules.d/.git/d.yml", "not a rule")
	rs := h.load()
	if len(rs.Problems) != 0 {
		t.Fatal(rs.Problems)
	}
	for _, name := range []string{"MINE", "SIGMA_AAAAAAAA", "AAAAAAAA-0000-4000-8000-000000000001", "SIGMA_CCCCCCCC"} {
		if rs.find(name) == nil {
			t.Errorf("%s is not loaded", name)
		}
	}
	if r := rs.find("SIGMA_AAAAAAAA"); !r.NoBlock() || r.Origin.Author != "Ann Author" || r.Origin.License != "DRL 1.1" || r.Confidence != 0.85 {
		t.Errorf("%+v of %+v", r, r.Origin)
	}
	if out := rs.NotApplicable(); len(out) != 1 || !out[0].Warning || !strings.Contains(out[0].Error(), "both.yml:17: warning: the Sigma rule \"For a proxy\" is not applicable: category proxy") {
		t.Errorf("not applicable: %v", out)
	}
	// What is named on the command line is read in the same way.
	if rs := h.load(h.path("rules.d")); len(rs.Also) != 3 || len(rs.AlsoFiles) != 2 || rs.find("SIGMA_CCCCCCCC") == nil {
		t.Errorf("%d rules of %v", len(rs.Also), rs.AlsoFiles)
	}
}

// TestSigmaNamed holds that disabled rules and exceptions may be named by the
// ids that Sigma gives.
func TestSigmaNamed(t *testing.T) {
	h := newHost(t)
	h.write("rules.d/s.yml", sigmaFile)
	h.write("exceptions.d/e.yml", "rules: [aaaaaaaa-0000-4000-8000-000000000001]\nreason: ours\nexpires: 2026-08-01\nmatch: {src_ip: 192.0.2.1}\n")
	if rs := h.load(); len(rs.Problems) != 0 || rs.find("SIGMA_AAAAAAAA") == nil {
		t.Fatal(rs.Problems)
	}
	h.cfg.Detection.Rules.Disabled = []string{"AAAAAAAA-0000-4000-8000-000000000001"}
	rs := h.load()
	if rs.find("SIGMA_AAAAAAAA") != nil || len(rs.Disabled) != 1 {
		t.Errorf("%d rules are disabled", len(rs.Disabled))
	}
}

// TestOverrides holds that an override changes rules whose files stay as they
// are, built-in ones too, and says which it did not find.
func TestOverrides(t *testing.T) {
	h := newHost(t)
	h.write("rules.d/s.yml", sigmaFile)
	path := h.write("rules.d/z-override.yml", `override: aaaaaaaa-0000-4000-8000-000000000001
reason: nobody scans us for good
severity: MEDIUM
confidence: 0.9
cooldown: 5m
group: web
actions: [block_ip: {duration: 2h}]
---
override: [SSH_BRUTE_001, NO_SUCH_RULE]
enabled: false
`)
	rs := h.load()
	r := rs.find("SIGMA_AAAAAAAA")
	if r == nil || r.Severity.String() != "MEDIUM" || r.Confidence != 0.9 || r.Group != "web" || r.NoBlock() || r.BlockFor().Hours() != 2 || r.Cooldown.Minutes() != 5 {
		t.Fatalf("%+v", r)
	}
	if rs.find("SSH_BRUTE_001") != nil || len(rs.Disabled) != 1 {
		t.Error("the built-in rule is still there")
	}
	if len(rs.Problems) != 1 || !rs.Problems[0].Warning || !strings.Contains(rs.Problems[0].Error(), "z-override.yml:9: rule NO_SUCH_RULE: warning: the override names a rule that is not loaded") {
		t.Errorf("%v", rs.Problems)
	}
	for text, want := range map[string]string{
		"override: A\n":                        "changes nothing",
		"override: []\nenabled: false\n":       "names no rule",
		"override: A\nseverity: HIHG\n":        "HIHG",
		"override: A\nconditions: {user: a}\n": `unknown key "conditions"`,
	} {
		h.write("rules.d/z-override.yml", text)
		if got := h.load().fault(t); !strings.Contains(got, want) {
			t.Errorf("%q: %q does not say %q", text, got, want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestTreeTrust holds that folders, too, must not be writable by others.
func TestTreeTrust(t *testing.T) {
	h := newHost(t)
	h.write("rules.d/good/a.yml", ownRule)
	h.write("rules.d/bad/b.yml", strings.Replace(ownRule, "MINE", "THEIRS", 1))
	if err := os.Chmod(h.path("rules.d/bad"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(h.path("rules.d/good"), h.path("rules.d/link.yml")); err != nil {
		t.Fatal(err)
	}
	rs := h.load()
	if rs.find("MINE") == nil || rs.find("THEIRS") != nil {
		t.Error("a folder that all can write is read, or a good one is not")
	}
	var said []string
	for _, p := range rs.Problems {
		said = append(said, p.Error())
	}
	all := strings.Join(said, "\n")
	if !strings.Contains(all, "rules.d/bad: writable by group or others") || !strings.Contains(all, "link.yml: not a regular file") || len(said) != 2 {
		t.Errorf("%s", all)
	}
}
