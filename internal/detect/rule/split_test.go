package rule

import (
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// TestParts holds that a condition of many patterns is cut so that each is
// found by its own literals, matches once, and is explained by what matched.
func TestParts(t *testing.T) {
	const file = `
id: CUT_ONE
name: cut
severity: HIGH
log_source: web
conditions:
  all:
    - {field: http.status, gte: 400}
    - any:
        - {field: http.target|canon, pattern: ['union\s+select', 'xp_cmdshell', '\d+\s*=\s*\d+x']}
        - {field: http.ua, contains: [sqlmap, nikto]}
`
	rules, problems := ParseFile("t", []byte(file))
	set, more := Compile(rules)
	for _, p := range append(problems, more...) {
		t.Fatal(p)
	}
	whole := set.treeOf[targetKey{0, -1}]
	if len(whole.parts) != 4 {
		t.Fatalf("the condition has %d parts, want 4", len(whole.parts))
	}
	if l := set.Lint()[0]; l.Indexed || len(l.Warnings) != 2 {
		t.Errorf("lint says indexed %t, warnings %v; want the one pattern without literal and the lack of tests", l.Indexed, l.Warnings)
	}
	m := set.NewMatcher()
	for _, c := range []struct {
		target, ua string
		status     int
		want       int
		evidence   string
	}{
		{"/?q=1+union+select+2+xp_cmdshell", "sqlmap/1", 404, 1, ""},
		{"/?q=1=1x", "curl", 404, 1, "http.target"},
		{"/?q=1", "Nikto", 404, 1, "http.ua"},
		{"/?q=xp_cmdshell", "curl", 200, 0, ""},
		{"/?q=select+union", "curl", 404, 0, ""},
	} {
		ev := &sentinel.Event{}
		ev.Reset()
		ev.Type, ev.SourceType = sentinel.EventHTTPAccess, sentinel.TypeNginx
		ev.HTTP.Target, ev.HTTP.Path, ev.HTTP.Query = c.target, c.target[:1], c.target[2:]
		ev.HTTP.UserAgent, ev.HTTP.Status = c.ua, c.status
		got := m.Match(ev)
		if len(got) != c.want {
			t.Errorf("%s by %s matches %d times, want %d", c.target, c.ua, len(got), c.want)
		} else if c.evidence != "" {
			if e := m.Evidence(ev, got[0]); len(e) == 0 || e[0].Field != c.evidence {
				t.Errorf("%s by %s is explained by %+v, want %s", c.target, c.ua, e, c.evidence)
			}
		}
	}
}
