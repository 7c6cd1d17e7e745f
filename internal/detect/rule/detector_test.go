package rule

import (
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const codedRule = `
id: R_MODEL
name: r
severity: MEDIUM
type: web_attack
log_source: web
detector: payload
exceptions:
  - {reason: a search box, match: {http.path: /search}}
`

func TestDetector(t *testing.T) {
	set := compile(t, codedRule+one("R_1", "{http.path: /x}")+"---"+strings.Replace(strings.Replace(codedRule, "R_MODEL", "R_OFF", 1), "name: r", "name: r\nenabled: false", 1))
	coded := set.ByDetector(DetectorPayload)
	if len(coded) != 1 || set.Rule(int(coded[0])).ID != "R_MODEL" || len(set.ByDetector("")) != 1 {
		t.Fatalf("the rules of the detector are %v", coded)
	}
	m := set.NewMatcher()
	request := func(kind sentinel.SourceType, path, query string) *sentinel.Event {
		ev := &sentinel.Event{SourceType: kind, Type: sentinel.EventHTTPAccess}
		ev.HTTP.Target, ev.HTTP.Path, ev.HTTP.Query = path+"?"+query, path, query
		return ev
	}
	found := func(ev *sentinel.Event) Found {
		return Found{Field: HTTPTarget, View: ViewCanon, Text: ev.HTTP.Target, Start: 5, End: 8}
	}
	ev := request(sentinel.TypeNginx, "/x", "q=evil")
	if got := m.Match(ev); len(got) != 1 || !m.Admits(coded[0]) {
		t.Fatalf("matches %v before the report", got)
	}
	got := m.Report(coded[0], found(ev))
	if len(got) != 2 || got[0].Rule != coded[0] || got[0].Step != -1 {
		t.Fatalf("matches %v after the report", got)
	}
	if e := m.Evidence(ev, got[0]); len(e) != 1 || e[0].Text[e[0].Start:e[0].End] != "evi" || e[0].Field != "http.target" || e[0].View != "canon" {
		t.Errorf("evidence %+v", e)
	}
	other := request(sentinel.TypeNginx, "/x", "r=evil")
	first := m.Template(ev, got[0])
	m.Match(other)
	if got := m.Report(coded[0], found(other)); m.Template(other, got[0]) == first {
		t.Error("another parameter has the same template")
	}
	ev = request(sentinel.TypeNginx, "/search", "q=evil")
	m.Match(ev)
	if got := m.Report(coded[0], found(ev)); len(got) != 0 || len(m.Evidence(ev, Match{Rule: coded[0], Step: -1})) != 0 {
		t.Errorf("an exception does not silence the detector: %v", got)
	}
	m.Match(request(sentinel.TypeSSH, "", ""))
	ssh := &sentinel.Event{SourceType: sentinel.TypeSSH, Type: sentinel.EventAuthFail}
	if m.Match(ssh); m.Admits(coded[0]) {
		t.Error("a rule for web servers admits a line of sshd")
	}
}

func TestDetectorFaults(t *testing.T) {
	for _, text := range []string{
		strings.Replace(codedRule, "detector: payload", "detector: paylod", 1),
		codedRule + "conditions: {user: a}\n",
		strings.Replace(codedRule, "detector: payload\n", "", 1),
		codedRule + "aggregation: {group_by: src_ip, window: 60, threshold: 5}\n",
	} {
		if rules, problems := ParseFile("f.yml", []byte(text)); len(rules) != 0 || len(problems) == 0 {
			t.Errorf("%q is taken", text)
		}
	}
}
