package rule

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// head is a rule but for its conditions.
const head = "id: R_1\nname: r\nseverity: LOW\n"

// TestFaults holds each fault to its place and to what its message says.
func TestFaults(t *testing.T) {
	const cond = "conditions: {field: user, equals: x}\n"
	for _, c := range []struct{ text, at, says string }{
		{head + cond + "sevrity: LOW", "5:1", `unknown key "sevrity" in the rule: none of schema, id`},
		{head + cond + "sevrity: LOW", "5:1", `did you mean "severity"?`},
		{head + cond + "enabled: maybe", "5:10", `enabled must be true or false, not "maybe"`},
		{head + cond + "enabled: [true]", "5:10", "enabled must be true or false, not a list"},
		{head + cond + "confidence: 1.5", "5:13", `confidence must be a number from 0 to 1, not "1.5"`},
		{head + cond + "confidence: NaN", "5:13", "confidence must be a number"},
		{head + cond + "schema: 2", "5:9", "schema: 2 is not between 1 and 1"},
		{head + cond + "type: Sql Injection", "5:7", "is not of the form"},
		{head + cond + "log_source: nginxx", "5:13", `did you mean "nginx"?`},
		{head + cond + "log_source: {product: windows}", "5:23", `product "windows" is neither linux nor`},
		{head + cond + "log_source: {servis: sshd}", "5:14", `did you mean "service"?`},
		{head + cond + "cooldown: -5", "5:11", "is not between 0s and 366d"},
		{head + cond + "cooldown: 5 minutes", "5:11", "must be whole seconds or a duration such as 90s, 5m, 1h or 1d"},
		{head + cond + "cooldown: 1h30", "5:11", "must be whole seconds or a duration"},
		{head + cond + "cooldown: 99999999999999999999", "5:11", "must be whole seconds or a duration"},
		{head + cond + "llm: sometimes", "5:6", "none of auto, never"},
		{head + cond + "tags: {a: b}", "5:7", "a tag must be text, not a mapping"},
		{head + cond + "name: twice", "5:1", "stands twice"},
		{head + cond + "actions: [block_ipp]", "5:11", `did you mean "block_ip"?`},
		{head + cond + "actions: [block_ip: {duration: 0}]", "5:32", "duration: 0 is not between 1s"},
		{head + cond + "actions: [block_ip: {scope: net}]", "5:29", "none of ip, prefix"},
		{head + cond + "actions: [rate_limit]", "5:11", "needs settings"},
		{head + cond + "actions: [rate_limit: {rate: ten/m}]", "5:30", "is not a count"},
		{head + cond + "actions: [notify: {level: LOUD}]", "5:27", "none of INFO, LOW"},
		{head + cond + "exceptions: [{match: {user: x}}]", "5:14", "needs a reason"},
		{head + cond + "exceptions: [{reason: x, expires: soon, match: {user: x}}]", "5:35", "expires must be a date"},
		{head + cond + "tests: [{lines: [a]}]", "5:9", "the test expects nothing"},
		{head + cond + "tests: [{lines: [a], expect: {fires: 1, fields: {attaker_ip: 1.2.3.4}}}]", "5:50", `did you mean "attacker_ip"?`},
		{head + cond + "tests: [{lines: [a], repeat: 20000, expect: {fires: 1}}]", "5:30", "not between 1 and 10000"},
		{head + cond + "sequence: {by: src_ip, within: 5m, steps: [{event_type: su}, {event_type: su}]}", "1:1", "either a sequence or conditions"},
		{head, "1:1", "neither conditions nor a sequence"},
		{"name: r\nseverity: LOW\n" + cond, "1:1", "the rule has no id"},
		{"id: r1\nname: r\nseverity: LOW\n" + cond, "1:5", "is not of the form"},
		{"id: R_1\nname: r\nseverity: LOUD\n" + cond, "3:11", `severity "LOUD" is none of`},
		{"- a\n- b", "1:1", "the rule must be a mapping (key: value), not a list"},
		{"just text", "1:1", `the rule must be a mapping (key: value), not "just text"`},
		{"a: [", "", "not valid YAML"},
		{"a: \tb: c", "", "not valid YAML"},
		{head + "conditions: !!python/object {a: b}", "4:13", "tags such as"},
		{head + "conditions: *x", "", "not valid YAML"},
		// Conditions.
		{head + "conditions: []", "4:13", "conditions is empty"},
		{head + "conditions: {}", "4:13", "conditions is empty"},
		{head + "conditions: {field: user}", "4:13", "names a field but no comparison"},
		{head + "conditions: {feild: user, equals: x}", "4:14", `there is no field "feild"`},
		{head + "conditions: {field: usr, equals: x}", "4:21", `there is no field "usr"; did you mean "user"?`},
		{head + "conditions: {field: http.satus, equals: 1}", "4:21", `did you mean "http.status"?`},
		{head + "conditions: {field: user|canno, equals: x}", "4:21", `did you mean "canon"?`},
		{head + "conditions: {field: user|contains|endswith, value: x}", "4:21", "two operators"},
		{head + "conditions: {field: user|contains, endswith: x}", "4:36", "one is enough"},
		{head + "conditions: {field: user, contians: x}", "4:27", `did you mean "contains"?`},
		{head + "conditions: {field: user, country: RU}", "4:27", "field user is of kind text and cannot be compared by country"},
		{head + "conditions: {field: user, contains: ''}", "4:37", "an empty text is found everywhere"},
		{head + "conditions: {field: user, contains: []}", "4:37", "has no values"},
		{head + "conditions: {field: user, contains: null}", "4:37", "must be text, not nothing"},
		{head + "conditions: {field: user, gt: 5}", "4:27", "of kind text and cannot be compared by gt"},
		{head + "conditions: {field: http.status, contains: 5}", "4:34", "of kind number and cannot be compared by contains"},
		{head + "conditions: {field: http.status, gte: many}", "4:39", `http.status must be an integer, not "many"`},
		{head + "conditions: {field: http.status, gte: [1, 2]}", "4:39", "takes one value, not a list"},
		{head + "conditions: {field: src_ip, cidr: 10.0.0.0/33}", "4:35", "neither an address nor a network"},
		{head + "conditions: {event_type: auth_fial}", "4:26", `did you mean "auth_fail"?`},
		{head + "conditions: {norm.flags: overlog}", "4:26", `did you mean "overlong"?`},
		{head + "conditions: {http.path_masked|canon: x}", "4:14", "has no views"},
		{head + "conditions: {src_ip|decoded: 1.2.3.4}", "4:14", "has no views"},
		{head + "conditions: {field: user, fieldref: src_ip}", "4:37", "src_ip is of kind address and user of kind text"},
		{head + "conditions: {field: http.args, libinjection: sql}", "4:46", `did you mean "sqli"?`},
		{head + "conditions: {field: http.status, libinjection: sqli}", "4:34", "libinjection needs a text field"},
		{head + "conditions: {field: user, pattern: '('}", "4:36", "missing closing )"},
		{head + "conditions: {field: user, pattern: '(?=x)'}", "4:36", "no look-around"},
		{head + "conditions: {field: user, pattern: '(?:x.{0,900}y){1}z'}", "4:36", "repeats up to 900 times; at most 200"},
		{head + "conditions: {field: user, pattern: '(?:a{0,30}b{0,30}){20}'}", "4:36", "counted repeats make"},
		{head + "conditions: {field: user, pattern: 'x{0,100}{0,100}'}", "4:36", ""},
		{head + "conditions: {field: user, pattern: [" + manyPatterns() + "]}", "", "the rule's patterns have"},
		{head + "conditions: {all: [{user: x}], user: y}", "4:14", `"all" must stand alone`},
		{head + "conditions: " + strings.Repeat("{not: ", 9) + "{user: x}" + strings.Repeat("}", 9), "", "nested deeper than 8"},
		{head + "conditions: {user: [" + strings.Repeat("a,", 40) + "a], host: {a: b}}", "", "must be text, not a mapping"},
		{head + "conditions: [" + strings.Repeat("{user: x}, ", 600) + "]", "", "more than 512 comparisons"},
		{head + "conditions: {field: user, pattern: '" + strings.Repeat("ab", 3000) + "'}", "4:36", "at most 4096 are allowed"},
		// Counting.
		{head + cond + "aggregation: {group_by: src_ip, window: 60}", "5:14", "needs threshold"},
		{head + cond + "aggregation: {group_by: srcip, window: 60, threshold: 5}", "5:25", `did you mean "src_ip"?`},
		{head + cond + "aggregation: {group_by: http.args, window: 60, threshold: 5}", "5:25", "has many values"},
		{head + cond + "aggregation: {group_by: [user, user], window: 60, threshold: 5}", "5:32", "names user twice"},
		{head + cond + "aggregation: {group_by: [], window: 60, threshold: 5}", "5:25", "needs one to eight fields"},
		{head + cond + "aggregation: {group_by: user, window: 0, threshold: 5}", "5:39", "is not between 1s and 366d"},
		{head + cond + "aggregation: {group_by: user, window: 60, threshold: 0}", "5:54", "is not between 1 and"},
		{head + cond + "aggregation: {group_by: user, window: 60, threshold: 5, capacity: 3}", "5:67", "capacity does not go with mode sliding"},
		{head + cond + "aggregation: {group_by: user, mode: leaky, capacity: 3}", "5:14", "needs leak"},
		{head + cond + "aggregation: {group_by: user, window: 60, threshold: 5, distinct: user}", "5:67", "there is only ever one value"},
		{head + cond + "aggregation: {group_by: user, window: 60, threshold: 5, prefix: {v4: 33}}", "5:70", "not between 8 and 32"},
		{head + "sequence: {by: src_ip, within: 5m, steps: [{event_type: su}]}", "4:11", "needs 2 to 8 steps"},
		{head + "sequence: {by: src_ip, within: 5m, steps: [{event_type: su}, {count: 2}]}", "4:62", "neither rule nor a condition"},
		{head + "sequence: {by: src_ip, within: 5m, steps: [{event_type: su}, {rule: R_2, user: x}]}", "4:62", "either rule or a condition"},
		{head + "sequence: {within: 5m, steps: [{event_type: su}, {event_type: su}]}", "4:11", "needs by"},
		{head + "sequence: {by: src_ip, within: 5m, steps: [{id: a, event_type: su}, {event_type: su}], unless: [{before: b, event_type: su}]}", "4:106", `there is no step "b"`},
	} {
		rules, problems := ParseFile("f.yml", []byte(c.text))
		if len(rules) != 0 || len(problems) == 0 {
			t.Errorf("%.300q is read", c.text)
			continue
		}
		p := problems[0]
		if at := fmt.Sprintf("%d:%d", p.Line, p.Column); c.at != "" && at != c.at || !strings.Contains(p.Message, c.says) {
			t.Errorf("%q: %v, not at %s with %q", c.text, p, c.at, c.says)
		}
		var err error = p
		if !errors.As(err, &p) || !strings.HasPrefix(err.Error(), "f.yml:") {
			t.Errorf("error %q", err)
		}
	}
}

// TestGoodAmongBad has one bad rule of each sort between good ones.
func TestGoodAmongBad(t *testing.T) {
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, "---\nid: R_%d\nname: r\nseverity: LOW\nconditions: {user: u%d}\n", 100+i, i)
		switch i {
		case 10:
			b.WriteString("---\nid: [broken\n  yaml: {\n")
		case 20:
			b.WriteString("---\nid: BAD_1\nname: r\nseverity: LOW\nconditions: {field: user, pattern: '('}\n")
		}
	}
	rules, problems := ParseFile("f.yml", []byte(b.String()))
	if len(rules) != 50 || len(problems) != 2 {
		t.Fatalf("%d rules, problems %v", len(rules), problems)
	}
	if p := problems[0]; p.Line < 57 || p.Line > 60 {
		t.Errorf("broken YAML is placed at line %d", p.Line)
	}
	if p := problems[1]; p.RuleID != "BAD_1" || p.Line != 113 {
		t.Errorf("the bad pattern is %v", p)
	}
	if r := rules[20]; r.Line != 105 || r.File != "f.yml" {
		t.Errorf("rule 20 stands at %s:%d", r.File, r.Line)
	}
}

// TestBombs has files made to take memory.
func TestBombs(t *testing.T) {
	var alias strings.Builder
	alias.WriteString("a: &a [x, x]\n")
	for c := 'b'; c < 'z'; c++ {
		fmt.Fprintf(&alias, "%c: &%c [*%c, *%c]\n", c, c, c-1, c-1)
	}
	refs := &strings.Builder{}
	refs.WriteString(head + "tags: [&a0 x")
	refs.WriteString("]\nconditions: &c {any: [{user: x}]}\n")
	for name, text := range map[string]string{
		"aliases": alias.String(), "deep": head + "conditions: " + strings.Repeat("[", 100_000),
		"maps": strings.Repeat("{a: ", 50_000), "long": strings.Repeat("x", MaxFile+1), "big rule": head + "description: " + strings.Repeat("x ", MaxDoc),
		"indent": "a:\n" + func() string {
			var b strings.Builder
			for i := range 200 {
				b.WriteString(strings.Repeat(" ", i+1) + "a:\n")
			}
			return b.String()
		}(),
		"dashes": strings.Repeat("- ", 10_000), "list": head + "tags: [" + strings.Repeat("a,", 110_000) + "]\nconditions: {user: x}",
	} {
		rules, problems := ParseFile(name, []byte(text))
		if len(rules) != 0 || len(problems) == 0 {
			t.Errorf("%s: %d rules", name, len(rules))
		}
	}
	// A condition that names itself many times over is bounded by its leaves.
	text := head + "conditions:\n  all:\n    - any: &a [{user: x}, {user: y}]\n    - any: &b [{any: *a}, {any: *a}, {any: *a}, {any: *a}]\n" +
		"    - any: &c [{any: *b}, {any: *b}, {any: *b}, {any: *b}]\n    - any: &d [{any: *c}, {any: *c}, {any: *c}, {any: *c}]\n" +
		"    - any: &e [{any: *d}, {any: *d}, {any: *d}, {any: *d}]\n    - any: [{any: *e}, {any: *e}]\n"
	if rules, problems := ParseFile("f", []byte(text)); len(rules) != 0 || len(problems) == 0 {
		t.Error("an alias bomb of conditions is read")
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "300": 5 * time.Minute, "90s": 90 * time.Second, "5m": 5 * time.Minute, "1h": time.Hour, "1d": 24 * time.Hour,
		"1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond, "-1": -time.Second,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s is %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "m", "5x", "1h30", "5 m", "1.5h", "9223372036854775807d", "0x5", "١"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestDefaults(t *testing.T) {
	rules, problems := ParseFile("f.yml", []byte(head+`
conditions: {http.status: 404}
log_source: [nginx, apache]
---
id: R_2
name: r
severity: critical
type: scan
conditions: [{event_type: auth_fail}, {user|cased: Root}]
aggregation: {group_by: [user, src_ip], window: 1h, threshold: 3, mode: sliding}
actions: [notify]
cooldown: 10
---
id: R_3
name: r
severity: LOW
conditions: {user: x}
aggregation: {group_by: src_ip, mode: leaky, capacity: 5, leak: 10s}
actions: [block_ip: {duration: 2h, scope: prefix}, rate_limit: {rate: 10/m}, tag: {tags: [a, b]}, notify: {level: HIGH}]
deterministic: false
confidence: 0.4
llm: never
enabled: false
advisory: true
---
id: R_4
name: r
severity: LOW
group: auth
sequence:
  by: [attacker_ip, user]
  within: 10m
  steps: [{id: fails, event_type: auth_fail, count: 5}, {id: ok, event_type: auth_ok}, {rule: R_2}]
  unless: [{event_type: auth_ok, before: fails, within: 30d}]
tests:
  - {name: t, start: 2026-02-09T14:00:00Z, every: 10s, repeat: 5, lines: [a], expect: {fires: 1, at: 5, fields: {attacker_ip: 203.0.113.42}}}
`))
	if len(problems) > 0 || len(rules) != 4 {
		t.Fatal(problems)
	}
	r := rules[0]
	if r.Confidence != 0.85 || r.Type != "other" || r.Group != "other" || !r.Enabled || r.Deterministic || r.HasActions || r.NoBlock() ||
		r.Cooldown != 0 || r.LogSource.String() != "nginx,apache" {
		t.Errorf("%+v", r)
	}
	r = rules[1]
	if r.Confidence != 1 || r.Group != "scan" || r.Severity != sentinel.Critical || !r.Deterministic || !r.NoBlock() || r.Cooldown != 10*time.Second {
		t.Errorf("%+v", r)
	}
	r = rules[2]
	a := r.Aggregation
	if a.Threshold != 6 || a.Mode != Leaky || a.Window != 50*time.Second || r.Deterministic || r.Confidence != 0.4 || !r.NoLLM || r.Enabled ||
		!r.Advisory || r.BlockFor() != 2*time.Hour || !r.Actions[0].Prefix || r.Actions[1].Rate.String() != "10/m" ||
		len(r.Actions[2].Tags) != 2 || r.Actions[3].Level != sentinel.High {
		t.Errorf("%+v %+v", r, a)
	}
	r = rules[3]
	s := r.Sequence
	if r.Group != "auth" || r.Cooldown != 10*time.Minute || len(s.Steps) != 3 || s.Steps[0].Count != 5 || s.Steps[2].Rule != "R_2" ||
		!s.Ordered || s.Unless[0].Within != 30*24*time.Hour || len(s.Unless[0].Same) != 2 || s.Unless[0].Before != "fails" {
		t.Errorf("%+v %+v", r, s)
	}
	if x := r.Tests[0]; x.Repeat != 5 || x.Expect.At != 5 || x.Expect.Fires != 1 || x.Expect.Matches != -1 || x.Expect.Fields["attacker_ip"] == "" {
		t.Errorf("%+v", x)
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(planRule))
	f.Add([]byte(head + "conditions: {http.args|contains|all: [a, b], src_ip: 10.0.0.0/8}"))
	f.Add([]byte(head + "sequence: {by: user, within: 5m, steps: [{event_type: su}, {rule: R_2, count: 2}], unless: [{user: x}]}"))
	f.Add([]byte(head + "conditions: {all: [{not: {norm.flags: nul}}, {field: http.args, libinjection: sqli}]}\nactions: [tag: {tags: a}]"))
	f.Add([]byte(head + "conditions: &a [*a]"))
	f.Add([]byte("---\n...\n--- !!x\n%YAML 1.2\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, problems := ParseFile("fuzz.yml", data)
		for _, p := range problems {
			if p.Error() == "" || p.Line < 0 {
				t.Errorf("problem %+v", p)
			}
		}
		set, _ := Compile(rules)
		set.Lint()
		m := set.NewMatcher()
		for i := range set.Len() {
			for _, ev := range set.LintInputs(i)[:1] {
				for _, mt := range m.Match(ev) {
					m.Evidence(ev, mt)
					m.Template(ev, mt)
				}
			}
		}
	})
}

// manyPatterns lists different patterns that are together larger than a rule
// may be, each of them small enough.
func manyPatterns() string {
	var list []string
	for c := 'a'; c <= 'z'; c++ {
		list = append(list, fmt.Sprintf("'%c(?:%s)'", c, strings.Repeat("[a-z]x", 600)))
	}
	return strings.Join(list, ", ")
}
