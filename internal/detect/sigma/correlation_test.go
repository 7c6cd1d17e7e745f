package sigma

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

const correlated = `
title: Missing page
id: 00000000-0000-4000-8000-00000000000a
name: missing
status: test
level: low
logsource: {category: webserver}
detection: {s: {sc-status: 404}, condition: s}
---
title: Admin page
id: 00000000-0000-4000-8000-00000000000b
name: admin
status: test
level: low
logsource: {category: webserver}
detection: {s: {cs-uri-stem: /admin}, condition: s}
---
title: Failure
id: 00000000-0000-4000-8000-00000000000c
name: failure
level: low
logsource: {product: linux, service: sshd}
detection: {k: [Failed password], condition: k}
---
title: Connection out
name: outward
level: low
logsource: {product: linux, category: network_connection}
detection: {s: {DestinationPort: 443}, condition: s}
---
title: A correlation
id: 00000000-0000-4000-8000-0000000000ff
name: many
status: stable
level: high
correlation:
`

// firings reads lines a second apart and returns which of them made the rule
// with a title fire, by number from 1.
func firings(t *testing.T, text, title string, lines ...string) (out []int) {
	t.Helper()
	set := compileAll(t, text)
	e := engine.New(engine.Config{Set: set, Detect: detect.DefaultConfig(), DetectOnly: true})
	src := e.NewSource("log", parse.Config{})
	for i, l := range lines {
		st := e.Line(src, l, arrival.Add(time.Duration(i)*time.Second), arrival)
		for _, r := range st.Results {
			if r.Fired && r.Detection != nil {
				if set.Rule(int(r.Rule)).Name != title {
					t.Errorf("line %d: %s fires", i+1, set.Rule(int(r.Rule)).Name)
					continue
				}
				out = append(out, i+1)
			}
		}
	}
	return out
}

// TestCorrelations holds what the types of correlations become.
func TestCorrelations(t *testing.T) {
	from := func(addr, target, status string) string {
		return strings.Replace(get(target, status), "203.0.113.9", addr, 1)
	}
	failed := func(addr string) string {
		return "Feb 10 14:00:00 h sshd[81]: Failed password for root from " + addr + " port 4242 ssh2"
	}
	a, b := "203.0.113.9", "203.0.113.10"
	for _, x := range []struct {
		name, body string
		lines      []string
		want       string
	}{
		{"events of one address", "{type: event_count, rules: missing, group-by: c-ip, timespan: 1m, condition: {gte: 3}}",
			[]string{from(a, "/1", "404"), from(b, "/2", "404"), from(a, "/3", "404"), from(a, "/4", "404"), from(a, "/5", "404")}, "[4]"},
		{"more than", "{type: event_count, rules: [missing], group-by: [c-ip], timespan: 1m, condition: {gt: 1}}",
			[]string{from(a, "/1", "404"), from(b, "/2", "404"), from(b, "/3", "404")}, "[3]"},
		{"of several rules, named by their ids", "{type: event_count, rules: [00000000-0000-4000-8000-00000000000a, admin], group-by: [c-ip], timespan: 1m, condition: {gte: 2}}",
			[]string{from(a, "/1", "404"), from(a, "/admin", "200")}, "[2]"},
		{"without a group", "{type: event_count, rules: [missing], timespan: 1m, condition: {gte: 2}}",
			[]string{from(a, "/1", "404"), from(b, "/2", "404")}, "[2]"},
		{"beyond the timespan", "{type: event_count, rules: [missing], group-by: [c-ip], timespan: 2s, condition: {gte: 2}}",
			[]string{strings.Replace(from(a, "/1", "404"), "14:00:00", "13:59:00", 1), from(a, "/2", "404")}, "[]"},
		{"different values", "{type: value_count, rules: [missing], group-by: [c-ip], timespan: 1m, condition: {field: cs-uri-stem, gte: 2}}",
			[]string{from(a, "/1", "404"), from(a, "/1", "404"), from(a, "/2", "404")}, "[3]"},
		{"in any order", "{type: temporal, rules: [missing, admin], group-by: [c-ip], timespan: 1m}",
			[]string{from(a, "/admin", "200"), from(b, "/1", "404"), from(a, "/1", "404")}, "[3]"},
		{"in this order", "{type: temporal_ordered, rules: [missing, admin], group-by: [c-ip], timespan: 1m}",
			[]string{from(a, "/admin", "200"), from(a, "/1", "404"), from(a, "/admin", "200")}, "[3]"},
		{"of two logs, by an alias", "{type: temporal, rules: [failure, admin], group-by: [client], timespan: 1m, aliases: {client: {failure: SourceIP, admin: c-ip}}}",
			[]string{failed(a), from(b, "/admin", "200"), from(a, "/admin", "200")}, "[3]"},
		{"of two logs, by another field", "{type: temporal_ordered, rules: [admin, outward], group-by: [peer], timespan: 1d, aliases: {peer: {outward: DestinationIp, admin: c-ip}}}",
			append([]string{from(b, "/admin", "200"), from(a, "/admin", "200")}, connected("/bin/sh")...), "[4]"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got := fmt.Sprint(firings(t, correlated+"  "+x.body, "A correlation", x.lines...)); got != x.want {
				t.Errorf("fires at %s, want %s", got, x.want)
			}
		})
	}
}

// TestChains holds correlations of correlations: the inner one is a step, and
// gives no alert of its own.
func TestChains(t *testing.T) {
	missing, admin := get("/1", "404"), get("/admin", "200")
	inner := correlated + "  {type: event_count, rules: [missing], group-by: [c-ip], timespan: 1m, condition: {gte: 2}}\n---\ntitle: Outer\ncorrelation: "
	got := firings(t, inner+"{type: temporal_ordered, rules: [many, admin], group-by: [c-ip], timespan: 5m}", "Outer", admin, missing, missing, admin)
	if fmt.Sprint(got) != "[4]" {
		t.Errorf("an ordered chain fires at %v", got)
	}
	got = firings(t, inner+"{type: event_count, rules: [many], group-by: [c-ip], timespan: 5m, condition: {gte: 1}}", "Outer", missing, missing, missing)
	if fmt.Sprint(got) != "[2]" {
		t.Errorf("a counted chain fires at %v", got)
	}
	rules, _ := collect(t, inner+"{type: temporal, rules: [many, admin], group-by: [c-ip], timespan: 5m, generate: true}").Rules()
	hidden := 0
	for _, r := range rules {
		if r.Hidden {
			hidden++
		}
	}
	if hidden != 0 || len(rules) != 5 {
		t.Errorf("%d rules, %d of them hidden; generate: true leaves all with alerts of their own", len(rules), hidden)
	}
}

// TestCorrelationReasons holds why correlations are not taken.
func TestCorrelationReasons(t *testing.T) {
	for body, want := range map[string]string{
		"{type: event_count, rules: [gone], timespan: 1m, condition: {gte: 2}}":                                                                                   `the rule "gone", which it names, is not there`,
		"{type: event_count, rules: [missing], timespan: 1m, condition: {lt: 2}}":                                                                                 "only gte and gt",
		"{type: event_count, rules: [missing], timespan: 1m, condition: {gte: 2, lte: 5}}":                                                                        "only gte and gt",
		"{type: event_count, rules: [missing], timespan: 1m}":                                                                                                     "needs one of gte and gt",
		"{type: value_count, rules: [missing], timespan: 1m, condition: {gte: 2}}":                                                                                "value_count needs a field",
		"{type: value_count, rules: [missing], timespan: 1m, condition: {gte: 2, field: cs-uri-query}}":                                                           "several values",
		"{type: event_count, rules: [missing], group-by: [nosuch], timespan: 1m, condition: {gte: 2}}":                                                            "field nosuch",
		"{type: event_count, rules: [missing, outward], group-by: [c], timespan: 1m, condition: {gte: 2}, aliases: {c: {missing: c-ip, outward: DestinationIp}}}": "different fields",
		"{type: temporal, rules: [missing], group-by: [c-ip], timespan: 1m}":                                                                                      "2 to 8 rules",
		"{type: temporal, rules: [missing, admin], group-by: [c-ip], timespan: 1m, condition: {gte: 1}}":                                                          "only all rules",
		"{type: temporal, rules: [missing, outward], group-by: [c], timespan: 1m, aliases: {c: {missing: c-ip, outward: Image}}}":                                 "different kinds",
		"{type: temporal, rules: [missing, outward], group-by: [c], timespan: 1m, aliases: {c: {missing: c-ip}}}":                                                 "names no field",
		"{type: value_avg, rules: [missing], timespan: 1m, condition: {gte: 2}}":                                                                                  "type value_avg",
		"{type: event_count, rules: [many], timespan: 1m, condition: {gte: 2}}":                                                                                   "depends on itself",
	} {
		_, reports := collect(t, correlated+"  "+body).Rules()
		last := reports[len(reports)-1]
		if last.Loaded || !strings.Contains(last.Reason, want) {
			t.Errorf("%s\n%q does not say %q", body, last.Reason, want)
		}
		for _, r := range reports[:len(reports)-1] {
			if !r.Loaded || r.RuleID == "" {
				t.Errorf("%s: %q is not loaded, though only the correlation is wrong", body, r.Title)
			}
		}
	}
}

// TestMeta holds what is taken over of what a document says about itself.
func TestMeta(t *testing.T) {
	rules, reports := collect(t, `
title: A title
id: 5BDE2ba5-0000-4000-8000-000000000001
status: stable
level: critical
description: |
  What it finds.
author: Ann Author, Bob Builder
license: DRL 1.1
references: [https://example.org/a]
falsepositives: [Backups]
tags: [attack.defense-evasion, attack.t1070.002, cve.2026-1]
logsource: {product: linux}
detection: {k: [secret], condition: k}
---
title: Another with the same beginning
id: 5bde2ba5-1111-4000-8000-000000000001
logsource: {product: linux}
detection: {k: [secret], condition: k}
---
title: Without an id!
level: informational
logsource: {product: linux}
detection: {k: [secret], condition: k}
`).Rules()
	if len(rules) != 3 || len(reports) != 3 {
		t.Fatalf("%d rules", len(rules))
	}
	r := rules[0]
	if r.ID != "SIGMA_5BDE2BA5_0000_4000_8000_000000000001" || r.Confidence != 0.85 || r.Severity.String() != "CRITICAL" || r.Type != "defense_evasion" ||
		r.Name != "A title" || r.Description != "What it finds." || !r.NoBlock() || len(r.Tags) != 3 || r.FalsePositives[0] != "Backups" || !r.Custom {
		t.Errorf("%+v", r)
	}
	if o := r.Origin; o.String() != "Sigma rule 5BDE2ba5-0000-4000-8000-000000000001 by Ann Author, Bob Builder" || o.License != "DRL 1.1" || o.Status != "stable" {
		t.Errorf("%+v", o)
	}
	if !r.Called("5bde2ba5-0000-4000-8000-000000000001") || !r.Called(r.ID) || r.Called("A title") {
		t.Error("the names of the rule")
	}
	if rules[1].Confidence != 0.5 || rules[1].Type != "sigma" || rules[2].ID != "SIGMA_WITHOUT_AN_ID_" || rules[2].Severity.String() != "INFO" {
		t.Errorf("%+v %+v", rules[1], rules[2])
	}
}

// TestFilters holds that a filter excepts what it does not let pass, from the
// rules that it names, be they counted or not.
func TestFilters(t *testing.T) {
	filter := "\n---\ntitle: Not the monitor\nlogsource: {category: webserver}\nfilter:\n  rules: [missing]\n  s: {cs-user-agent: monitor}\n  condition: not s\n"
	base := strings.Split(correlated, "---")[0]
	set := compileAll(t, base+filter)
	if !matchesLines(t, set, get("/", "404")) || matchesLines(t, set, get("/", "404", "-", "monitor")) {
		t.Error("the filter does not decide")
	}
	if x := set.Rule(0).Exceptions; len(x) != 1 || x[0].Reason != "filter: Not the monitor" {
		t.Errorf("exceptions %+v", x)
	}
	counting := correlated + "  {type: event_count, rules: missing, group-by: c-ip, timespan: 1m, condition: {gte: 2}}" + filter
	got := firings(t, counting, "A correlation", get("/1", "404"), get("/2", "404", "-", "monitor"), get("/3", "404"))
	if fmt.Sprint(got) != "[3]" {
		t.Errorf("fires at %v", got)
	}
	for body, want := range map[string]string{
		"rules: [gone]\n  s: {c-ip: 192.0.2.1}\n  condition: not s":    "none of the rules",
		"rules: any\n  s: {nosuch: 1}\n  condition: not s":             "field nosuch",
		"rules: [admin]\n  s: {c-ip: 192.0.2.1}\n  condition: s and t": `no selection "t"`,
		"rules: [outward]\n  s: {c-ip: 192.0.2.1}\n  condition: not s": "none of the rules",
	} {
		_, reports := collect(t, strings.TrimSuffix(correlated, "---\ntitle: A correlation\nid: 00000000-0000-4000-8000-0000000000ff\nname: many\nstatus: stable\nlevel: high\ncorrelation:\n")+
			"---\ntitle: F\nlogsource: {category: webserver}\nfilter:\n  "+body+"\n").Rules()
		last := reports[len(reports)-1]
		if last.Loaded || !strings.Contains(last.Reason, want) {
			t.Errorf("%s: %q does not say %q", body, last.Reason, want)
		}
	}
}
