package engine

import (
	"strings"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// Every test inside the shipped rules passes.
func TestBuiltinRules(t *testing.T) {
	set := builtin(t)
	for i := range set.Len() {
		r := set.Rule(i)
		for _, res := range RunTests(r, set) {
			if !res.Passed() {
				t.Error(res)
			}
		}
	}
}

func TestFailuresOfRuleTests(t *testing.T) {
	const text = `id: MY_RULE
name: my rule
severity: HIGH
type: brute_force
log_source: ssh
conditions:
  - {field: message, pattern: 'Failed password for (?P<user>\S+) from (?P<attacker_ip>\S+) port'}
aggregation: {group_by: attacker_ip, window: 60s, threshold: 3}
tests:
  - {name: passes, every: 10s, repeat: 3, lines: [&line "Feb  9 14:00:00 h sshd[81]: Failed password for bob from 203.0.113.42 port 4242 ssh2"],
     expect: {fires: 1, at: 3, matches: 3, fields: {attacker_ip: 203.0.113.42, user: bob}, extracted: {user: bob}}}
  - {name: slow, every: 40s, repeat: 3, lines: [*line], expect: {fires: 1}}
  - {name: too early, every: 10s, repeat: 3, lines: [*line], expect: {at: 2}}
  - {name: other fields, every: 10s, repeat: 3, lines: [*line], expect: {fields: {user: eve}, extracted: {attacker_ip: 192.0.2.1}}}
  - {name: nothing, lines: [hello], expect: {fires: 1, fields: {user: bob}}}
  - {name: matches, repeat: 2, lines: [*line, hello], expect: {matches: 4}}
`
	rs, problems := rule.ParseFile("my.yml", []byte(text))
	set, more := rule.Compile(rs)
	for _, p := range append(problems, more...) {
		t.Fatal(p)
	}
	want := [][]string{
		nil,
		{"fires 0 times, want 1 (of 3 lines 3 were understood and 3 met the conditions; the highest count was 2 of 3)"},
		{"fires first at line 3, want line 2"},
		{`field user is "bob", want "eve"`, `extracted attacker_ip is "203.0.113.42", want "192.0.2.1"`},
		{"fires 0 times, want 1 (of 1 lines 0 were understood and 0 met the conditions; the highest count was 0 of 3)",
			`field user: the rule did not fire, want "bob"`},
		{"2 of 4 lines meet the conditions, want 4"},
	}
	results := RunTests(rs[0], set)
	if len(results) != len(want) {
		t.Fatalf("%d results, want %d", len(results), len(want))
	}
	for i, res := range results {
		if strings.Join(res.Failures, "|") != strings.Join(want[i], "|") {
			t.Errorf("%s\nwant %q", res, want[i])
		}
	}
	if got := results[1].String(); !strings.HasPrefix(got, `my.yml:12: rule MY_RULE, test "slow": fires 0 times`) {
		t.Errorf("text is %q", got)
	}
	empty, _ := rule.Compile(nil)
	if res := RunTests(rs[0], empty)[0]; res.Passed() {
		t.Error("a rule that is not in the set passes its tests")
	}
}
