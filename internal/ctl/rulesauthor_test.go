package ctl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

// shipped are the built-in rules, compiled with others.
func shipped(t *testing.T, more ...*rule.Rule) *rule.Set {
	t.Helper()
	all, problems := rules.Load()
	set, others := rule.Compile(append(all, more...))
	for _, p := range append(problems, others...) {
		if !p.Warning {
			t.Fatal(p)
		}
	}
	return set
}

// Every new rule loads, passes its tests and is free of warnings.
func TestRulesNew(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	check := func(name, text string) {
		if err := checkDraft(text); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			return
		}
		mine, problems := rule.ParseFile("new.yml", []byte(text))
		for _, p := range problems {
			t.Errorf("%s: %v", name, p)
		}
		for _, l := range shipped(t, mine...).Lint() {
			if l.ID == "MY_RULE" && len(l.Warnings) > 0 {
				t.Errorf("%s: %v", name, l.Warnings)
			}
		}
	}
	for _, kind := range ruleKinds {
		d := draftOf(kind)
		check(kind, d.text("MY_RULE", kind))
	}
	for _, c := range []struct{ kind, line, want string }{
		{kindSingle, `203.0.113.9 - - [10/Feb/2026:14:00:00 +0000] "GET /Shop/x?a=1 HTTP/1.1" 404 12 "-" "x"`, `startswith: "/shop/x"`},
		{kindSingle, `203.0.113.9 - - [10/Feb/2026:14:00:00 +0000] "GET /?a=<b>&c=\x22 HTTP/1.1" 404 12 "-" "x"`, `http.target|canon`},
		{kindCount, `203.0.113.9 - - [10/Feb/2026:14:00:00 +0000] "POST /shop HTTP/1.1" 404 12 "-" "x"`, "threshold: 5"},
		{kindDistinct, `203.0.113.9 - - [10/Feb/2026:14:00:00 +0000] "POST /shop HTTP/1.1" 404 12 "-" "x"`, "distinct: http.path"},
		{kindCount, `Feb  9 14:00:00 h vsftpd[77]: [bob] FAIL LOGIN: Client "198.51.100.7"`, "equals: auth_fail"},
		{kindSingle, `Feb  9 14:00:00 h myapp[81]: the cache was emptied`, `contains: "the cache was emptied"`},
		{kindCount, `Feb  9 14:00:00 h myapp[81]: bad token 17 for "x: y" from 203.0.113.42 (try 3)`, `from (?P<attacker_ip>[0-9a-fA-F.:]+) \\(try \\d+\\)$`},
		{kindCount, `Feb  9 14:00:00 h myapp[81]: bad token from [2001:db8::7]`, `\\[(?P<attacker_ip>`},
	} {
		d, err := draftFrom(c.line, sentinel.TypeAuto, c.kind, now)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		text := d.text("MY_RULE", c.kind)
		if !strings.Contains(text, c.want) {
			t.Errorf("%s: no %q in\n%s", c.line, c.want, text)
		}
		check(c.line, text)
	}
	for line, kind := range map[string]string{
		"this is no log line at all":                                    kindSingle,
		"Feb  9 14:00:00 h myapp[81]: no address here":                  kindCount,
		"Feb  9 14:00:00 h myapp[81]: from 203.0.113.4 to 203.0.113.5":  kindCount,
		"Feb  9 14:00:00 h sshd[81]: Accepted password for a from b":    kindSequence,
		"Feb  9 14:00:00 h myapp[81]: bad token from 203.0.113.42 here": kindDistinct,
	} {
		if _, err := draftFrom(line, sentinel.TypeAuto, kind, now); err == nil {
			t.Errorf("%s: a rule of kind %s was made", line, kind)
		}
	}
	if err := checkDraft(strings.Replace((&draft{}).text("lower", kindSingle), "[]", "[]", 1)); err == nil {
		t.Error("a bad id was taken")
	}
}

// No shipped rule fires on an ordinary hour; a bad rule is named.
func TestLintBenign(t *testing.T) {
	const form = "id: %s\nname: x\nseverity: LOW\nlog_source: %s\nconditions: %s\n"
	var mine []*rule.Rule
	for id, r := range map[string][2]string{
		"ALL_WEB": {"web", "{http.path|startswith: /}"}, "SOME_WEB": {"web", "{http.query|contains: drop}"},
		"GOOD_WEB": {"web", "{http.path|startswith: /nowhere}"}, "SSH_OK": {"ssh", "{event_type: auth_ok}"},
	} {
		rs, problems := rule.ParseFile("my.yml", fmt.Appendf(nil, form, id, r[0], r[1]))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		mine = append(mine, rs...)
	}
	set := shipped(t, mine...)
	b := newBenignRun(set)
	if err := b.own(); err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for i := range set.Len() {
		all[set.Rule(i).ID] = true
	}
	got := map[string]string{}
	for _, p := range b.problems(all) {
		got[p.RuleID] = p.Message
	}
	for id, want := range map[string]string{"ALL_WEB": "matches nearly everything", "SOME_WEB": "fires on harmless lines", "SSH_OK": "fires on harmless lines"} {
		if !strings.Contains(got[id], want) {
			t.Errorf("%s: %q, want %q", id, got[id], want)
		}
		delete(got, id)
	}
	for id, text := range got {
		t.Errorf("%s: %s", id, text)
	}
	if b.lines < 300 {
		t.Errorf("only %d lines", b.lines)
	}
	a := &app{}
	file := filepath.Join(t.TempDir(), "my.log")
	if err := os.WriteFile(file, []byte(`198.51.100.7 - - [02/Mar/2026:09:00:00 +0000] "GET /nowhere HTTP/1.1" 200 1 "-" "x"`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	problems, err := a.lintBenign(set, mine, true, []string{file})
	if err != nil || len(problems) != 4 {
		t.Errorf("%v, %v", problems, err)
	}
}

// Every technique that a shipped rule names has its name and tactic.
func TestCoverage(t *testing.T) {
	set := shipped(t)
	var all []*rule.Rule
	for i := range set.Len() {
		all = append(all, set.Rule(i))
	}
	rows := coverage(all, false)
	for _, r := range rows {
		if r.Name == "" || r.Tactic == "other" || len(r.Rules) == 0 {
			t.Errorf("%+v", r)
		}
	}
	if len(rows) < 40 || rows[0].Tactic != tactics[0] {
		t.Errorf("%d rows, the first %+v", len(rows), rows[0])
	}
	if more := coverage(nil, true); len(more) != len(techniques) {
		t.Errorf("%d techniques without a rule of %d", len(more), len(techniques))
	}
	odd := coverage([]*rule.Rule{{ID: "A_A", Tags: []string{"attack.t1110.999", "attack.impact", "x", "attack.t9999"}}}, false)
	if len(odd) != 2 || odd[0].Tactic != "other" || odd[0].Name != "Brute Force" || odd[1].Name != "" {
		t.Errorf("%+v", odd)
	}
}
