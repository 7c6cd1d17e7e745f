package sigma

import (
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// FuzzSigma reads any bytes as a file of rules: what loads compiles, and matches
// lines without a panic.
func FuzzSigma(f *testing.F) {
	f.Add(correlated + "  {type: event_count, rules: [missing], group-by: [c-ip], timespan: 1m, condition: {gte: 2}}")
	f.Add(sigmaRule(process, "s: {CommandLine|windash|utf16le|base64offset|contains|all: ['-a', b]}\nk: [x, 6, null]\ncondition: 1 of s* and not all of them"))
	f.Add(sigmaRule(web, "s: [{sc-status: '4*'}, {cs-uri-query|re|i: '^a'}]\ncondition: s"))
	f.Add(sigmaRule(network, "s: {DestinationIp|startswith: '10.', DestinationPort|gt: 4}\ncondition: (s)"))
	f.Add("title: F\nfilter: {rules: any, s: {c-ip: 192.0.2.1}, condition: not s}")
	lines := append([]string{get("/?q=%3Cscript%3E"), syslog("sshd[1]", "fatal: x")[0]}, started("/bin/sh", "/", "bob", "sh", "-c")...)
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := rule.Documents("f.yml", []byte(text))
		c := &Collection{}
		for _, d := range docs {
			if Is(d) {
				c.Add(d)
			}
		}
		rules, reports := c.Rules()
		loaded := 0
		for _, r := range reports {
			if r.RuleID != "" {
				loaded++
			}
			if r.Loaded == (r.Reason != "") {
				t.Errorf("loaded %v with the reason %q", r.Loaded, r.Reason)
			}
		}
		if loaded != len(rules) || len(reports) != c.Len() {
			t.Errorf("%d rules, %d said to be loaded, of %d documents", len(rules), loaded, c.Len())
		}
		AuditRules(reports)
		set, _ := rule.Compile(rules)
		m, p := set.NewMatcher(), parse.New(parse.Config{})
		var ev sentinel.Event
		for _, l := range lines {
			p.Parse(l, arrival, arrival, &ev)
			for _, mt := range m.Match(&ev) {
				m.Evidence(&ev, mt)
			}
		}
	})
}
