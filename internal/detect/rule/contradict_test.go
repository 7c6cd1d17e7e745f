package rule

import (
	"fmt"
	"strings"
	"testing"
)

func TestLintContradictions(t *testing.T) {
	for cond, want := range map[string]string{
		"{all: [{http.method: GET}, {http.method: POST}]}":                                      "http.method can never hold",
		"{all: [{http.method: [GET, HEAD]}, {http.method: [head, POST]}]}":                      "",
		"{all: [{event_type: auth_fail}, {event_type: http_access}]}":                           "event_type can never hold",
		"{all: [{http.status: [401, 403]}, {http.status: 404}]}":                                "http.status can never hold",
		"{all: [{http.status|gte: 500}, {http.status|lt: 500}]}":                                "http.status can never hold",
		"{all: [{http.status|gte: 400}, {http.status|lt: 500}]}":                                "",
		"{all: [{user: root}, {not: {user: root}}]}":                                            "its opposite",
		"{all: [{program: sshd}, {program|startswith: ss}]}":                                    "",
		"{all: [{program: sshd}, {program|contains: cron}]}":                                    "program can never hold",
		"{any: [{all: [{program: a}, {program: b}]}, {program: c}]}":                            "",
		"{any: [{all: [{program: a}, {program: b}]}, {all: [{user: a}, {user: b}]}]}":           "can never hold",
		"{all: [{program: x}, {any: [{all: [{user: a}, {user: b}]}]}]}":                         "user can never hold",
		"{not: {all: [{program: a}, {program: b}]}}":                                            "",
		"{all: [{http.path|canon|startswith: /a}, {http.path|canon|endswith: b}, {user: '*'}]}": "",
	} {
		rs, problems := ParseFile("x.yml", fmt.Appendf(nil, "id: X_Y\nname: x\nseverity: LOW\nconditions: %s\n", cond))
		set, more := Compile(rs)
		if ps := append(problems, more...); len(ps) > 0 {
			t.Errorf("%s: %v", cond, ps)
			continue
		}
		got := ""
		for _, w := range set.Lint()[0].Warnings {
			if strings.Contains(w.Message, "never true") {
				got = w.Message
			}
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", cond, got, want)
		}
	}
}

func TestLintTwins(t *testing.T) {
	const form = "id: %s\nname: x\nseverity: LOW\nlog_source: web\nconditions: {http.path|startswith: %s}\naggregation: {group_by: src_ip, window: 60, threshold: %d}\n"
	var text []string
	for _, r := range []struct {
		id, path  string
		threshold int
	}{{"A_A", "/x", 3}, {"B_B", "/x", 5}, {"C_C", "/y", 3}, {"D_D", "/x", 3}} {
		text = append(text, fmt.Sprintf(form, r.id, r.path, r.threshold))
	}
	rs, problems := ParseFile("x.yml", []byte(strings.Join(text, "---\n")))
	set, more := Compile(rs)
	if ps := append(problems, more...); len(ps) > 0 {
		t.Fatal(ps)
	}
	for _, l := range set.Lint() {
		twin := false
		for _, w := range l.Warnings {
			twin = twin || strings.Contains(w.Message, "the same events as A_A")
		}
		if twin != (l.ID == "D_D") {
			t.Errorf("%s: %v", l.ID, l.Warnings)
		}
	}
}
