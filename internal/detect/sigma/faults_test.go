package sigma

import (
	"slices"
	"strings"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// TestReasons holds why rules are not applicable. Such a rule costs no other one
// of its file.
func TestReasons(t *testing.T) {
	good := "\n---\n" + strings.Replace(sigmaRule(linux, "k: [x]\ncondition: k"), "-4000-", "-4001-", 1)
	for _, x := range []struct{ source, detection, missing, want string }{
		{"category: proxy", "s: {c-uri: x}\ncondition: s", "category proxy", "forward proxy"},
		{"{product: windows, category: process_creation}", "s: {Image: x}\ncondition: s", "product windows, category process_creation", "product windows"},
		{"{category: antivirus}", "s: {Signature: x}\ncondition: s", "category antivirus", "category antivirus"},
		{"{category: dns_query, product: linux}", "s: {QueryName: x}\ncondition: s", "product linux, category dns_query", "no log that is read here"},
		{"{}", "k: [x]\ncondition: k", "", "names neither product"},
		{network, "s: {DestinationHostname: x}\ncondition: s", "field DestinationHostname", "addresses, not names"},
		{process, "s: {IntegrityLevel: High}\ncondition: s", "field IntegrityLevel", "no such field"},
		{web, "s: {cs-cookie|contains: x}\ncondition: s", "field cs-cookie", "cookies"},
		{web, "s: {cs-uri-query|nosuch: x}\ncondition: s", "", `modifier "nosuch" is not known`},
		{web, "s: {cs-uri-query|contains|i: x}\ncondition: s", "", `modifier "i" is not known`},
		{web, "s: {cs-uri-query|contains|re: x}\ncondition: s", "", "do not go together"},
		{process, "s: {CommandLine|expand: '%admins%'}\ncondition: s", "", "placeholder %admins% has no values"},
		{process, "s: {CommandLine|base64: 'a*b'}\ncondition: s", "", "wildcards"},
		{process, "s: {CommandLine|re: '(?=x)'}\ncondition: s", "", "look-around"},
		{process, "s: {CommandLine|cidr: 10.0.0.0/8}\ncondition: s", "", "needs an address"},
		{process, "s: {CommandLine|gt: 5}\ncondition: s", "", "does not compare"},
		{process, "s: {CommandLine|exists: maybe}\ncondition: s", "", "true or false"},
		{network, "s: {DestinationPort|contains: 44}\ncondition: s", "", "parts"},
		{network, "s: {DestinationIp|endswith: '.1'}\ncondition: s", "", "parts"},
		{network, "s: {DestinationIp|startswith: '10.1'}\ncondition: s", "", "ends with a dot"},
		{network, "s: {DestinationIp: somewhere}\ncondition: s", "", "neither an address"},
		{network, "s: {Initiated: 'false'}\ncondition: s", "", "can never hold"},
		{process, "s: {CommandLine|fieldref: nosuch}\ncondition: s", "field nosuch", "no such field"},
		{linux, "k: ['']\ncondition: k", "", "empty"},
		{linux, "k: ['*']\ncondition: k", "", "empty"},
		{linux, "k: [x]\ncondition: k | count() > 5", "", "a correlation says the same"},
		{linux, "k: [x]\ncondition: k and", "", "it ends"},
		{linux, "k: [x]\ncondition: (k", "", "not closed"},
		{linux, "k: [x]\ncondition: k)", "", "not expected"},
		{linux, "k: [x]\ncondition: k k", "", "not expected"},
		{linux, "k: [x]\ncondition: 2 of k*", "", "only 1, any and all"},
		{linux, "k: [x]\ncondition: 1 of j*", "", `no selection is called "j*"`},
		{linux, "k: [x]\ncondition: " + strings.Repeat("(", 100) + "k", "", "nested deeper"},
		{linux, "k: [x]\nj: [y]\ncondition: 1 of", "", "it ends"},
	} {
		rules, reports := collect(t, sigmaRule(x.source, x.detection)+good).Rules()
		if len(rules) != 1 || len(reports) != 2 || !reports[1].Loaded {
			t.Fatalf("%s: %d rules, %+v", x.detection, len(rules), reports)
		}
		if r := reports[0]; r.Loaded || r.RuleID != "" || r.Missing != x.missing || !strings.Contains(r.Reason, x.want) {
			t.Errorf("%s: %q (missing %q) does not say %q (%q)", x.detection, r.Reason, r.Missing, x.want, x.missing)
		}
	}
	unsupported := strings.Replace(sigmaRule(linux, "k: [x]\ncondition: k"), "status: test", "status: unsupported", 1)
	if rules, reports := collect(t, unsupported).Rules(); len(rules) != 0 || !strings.Contains(reports[0].Reason, "unsupported") {
		t.Errorf("an unsupported rule: %+v", reports)
	}
}

// TestFaults holds what is not in Sigma's form at all, with its place.
func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"title: T\nlogsource: {product: linux}\ndetection: [a]":                                     "t.yml:3:12: Sigma document \"T\": rule must be a mapping",
		"title: T\nlogsource: {product: linux}\ndetection: {k: [x]}":                                "there is no condition",
		"title: T\nlogsource: linux\ndetection: {k: [x], condition: k}":                             "logsource must be a mapping",
		"logsource: {product: linux}\ndetection: {k: [x], condition: k}":                            "no title",
		"title: T\nid: 1\nid: 2\nlogsource: {product: linux}\ndetection: {k: [x], condition: k}":    `key "id" stands twice`,
		"title: T\naction: global\nlogsource: {product: linux}":                                     "no longer part of Sigma",
		"title: T\ncorrelation: {rules: [a], timespan: 1m}":                                         "has no type",
		"title: T\ncorrelation: {type: event_count, timespan: 1m}":                                  "names no rules",
		"title: T\ncorrelation: {type: event_count, rules: [a]}":                                    "no timespan",
		"title: T\ncorrelation: {type: event_count, rules: [a], timespan: 1x}":                      "timespan",
		"title: T\ncorrelation: {type: event_count, rules: [a], timespan: 1m, condition: a}":        "must be a mapping",
		"title: T\ncorrelation: {type: event_count, rules: [a], timespan: 1m, condition: {gte: x}}": "is not a number",
		"title: T\nfilter: {s: {a: b}, condition: s}":                                               "for which rules",
	} {
		docs, problems := rule.Documents("t.yml", []byte(text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		c := &Collection{}
		if !Is(docs[0]) {
			t.Errorf("%q is not taken for Sigma's", text)
		}
		got := c.Add(docs[0])
		if len(got) != 1 || !strings.Contains(got[0].Error(), want) || got[0].Line == 0 {
			t.Errorf("%q: %v does not say %q", text, got, want)
		}
	}
	for _, text := range []string{"id: A_RULE\nname: x\nseverity: LOW\nconditions: {user: a}", "override: A_RULE\nenabled: false", "[a, b]", "x"} {
		docs, _ := rule.Documents("t.yml", []byte(text))
		if Is(docs[0]) {
			t.Errorf("%q is taken for Sigma's", text)
		}
	}
}

// TestEncodings holds the values that modifiers make, as other readers of Sigma
// make them.
func TestEncodings(t *testing.T) {
	if got := base64Offsets("foobar"); !slices.Equal(got, []string{"Zm9vYmFy", "Zvb2Jhc", "mb29iYX"}) {
		t.Errorf("base64offset: %v", got)
	}
	if got := base64Offsets("/bin/bash"); !slices.Equal(got, []string{"L2Jpbi9iYXNo", "9iaW4vYmFza", "vYmluL2Jhc2"}) {
		t.Errorf("base64offset: %v", got)
	}
	if got := encode16("aé", false, false); got != "a\x00\xe9\x00" {
		t.Errorf("utf16le: %q", got)
	}
	if got := encode16("a", true, false) + encode16("a", false, true); got != "\x00a\xff\xfea\x00" {
		t.Errorf("utf16be and utf16: %q", got)
	}
	var got []string
	for _, v := range windash(newValue("cmd -f x-y /g", 1)) {
		got = append(got, v.raw)
	}
	if want := []string{"cmd -f x-y -g", "cmd /f x-y /g", "cmd –f x-y –g", "cmd —f x-y —g", "cmd ―f x-y ―g"}; !slices.Equal(got, want) {
		t.Errorf("windash: %q", got)
	}
	if got := windash(newValue("none", 1)); len(got) != 1 {
		t.Errorf("windash without a dash: %v", got)
	}
}

// TestBounds holds that what one rule can make of its values is bounded.
func TestBounds(t *testing.T) {
	many := "s:\n  CommandLine|windash|base64offset:\n" + strings.Repeat("    - ' -a'\n", 2000) + "condition: s"
	if _, reports := collect(t, sigmaRule(process, many)).Rules(); reports[0].Loaded || !strings.Contains(reports[0].Reason, "more than 20000 values") {
		t.Errorf("%+v", reports[0])
	}
	var b strings.Builder
	for i := range 600 {
		b.WriteString("s" + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + ": {User: u, Image|re: 'x', CurrentDirectory|contains: '" + strings.Repeat("y", i+1) + "'}\n")
	}
	if _, reports := collect(t, sigmaRule(process, b.String()+"condition: 1 of s*")).Rules(); reports[0].Loaded || !strings.Contains(reports[0].Reason, "comparisons") {
		t.Errorf("%+v", reports[0].Reason)
	}
}
