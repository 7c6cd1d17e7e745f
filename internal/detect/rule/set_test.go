package rule

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// parse reads rules that must be without fault.
func parse(t testing.TB, text string) []*Rule {
	t.Helper()
	rules, problems := ParseFile("test.yml", []byte(text))
	for _, p := range problems {
		if !p.Warning {
			t.Fatal(p)
		}
	}
	return rules
}

// one is a rule of an id and conditions.
func one(id, conditions string) string {
	return fmt.Sprintf("---\nid: %s\nname: r\nseverity: LOW\ntype: t\nconditions: %s\n", id, conditions)
}

func TestDuplicates(t *testing.T) {
	builtin, custom := parse(t, one("R_1", "{user: a}")), parse(t, one("R_1", "{user: b}"))
	custom[0].Custom, custom[0].File = true, "custom.yml"
	set, problems := Compile(append(builtin, custom...))
	if set.Len() != 1 || !set.Rule(0).Custom || len(problems) != 1 || !problems[0].Warning || !strings.Contains(problems[0].Message, "replaces the built-in rule") {
		t.Errorf("%d rules, %v", set.Len(), problems)
	}
	if i, ok := set.ByID("R_1"); !ok || i != 0 {
		t.Error("the rule is not found by its id")
	}
	set, problems = Compile(append(slices.Clone(builtin), parse(t, one("R_1", "{user: c}"))...))
	if set.Len() != 0 || len(problems) != 2 || problems[0].Warning || !strings.Contains(problems[0].Message, "both are refused") {
		t.Errorf("%d rules, %v", set.Len(), problems)
	}
	custom[0].Enabled = false
	set, _ = Compile(append(builtin, custom...))
	if got := set.NewMatcher().Match(login(sentinel.EventAuthFail, "a")); len(got) != 0 || set.Len() != 1 {
		t.Errorf("a disabled custom rule leaves the built-in one in force: %v", got)
	}
}

func TestReferences(t *testing.T) {
	seq := func(id, ref string) string {
		return fmt.Sprintf("---\nid: %s\nname: r\nseverity: LOW\nsequence: {by: src_ip, within: 5m, steps: [{rule: %s}, {event_type: auth_ok}]}\n", id, ref)
	}
	set, problems := Compile(parse(t, one("R_1", "{user: a}")+seq("S_1", "R_1")+seq("S_2", "S_1")))
	if set.Len() != 3 || len(problems) != 0 {
		t.Errorf("%d rules, %v", set.Len(), problems)
	}
	set, problems = Compile(parse(t, seq("S_1", "R_1")+seq("S_2", "S_1")))
	if set.Len() != 0 || len(problems) != 2 {
		t.Errorf("%d rules, %v", set.Len(), problems)
	}
	set, problems = Compile(parse(t, seq("S_1", "S_2")+seq("S_2", "S_1")+seq("S_3", "S_3")))
	if set.Len() != 0 || len(problems) != 3 || !strings.Contains(problems[0].Message, "depends on itself") {
		t.Errorf("%d rules, %v", set.Len(), problems)
	}
}

func TestSteps(t *testing.T) {
	set := compile(t, `
id: S_1
name: r
severity: LOW
sequence:
  by: src_ip
  within: 5m
  steps: [{id: a, event_type: auth_fail}, {event_type: auth_ok}]
  unless: [{event_type: auth_ok, user: root}]
`)
	m := set.NewMatcher()
	for kind, want := range map[sentinel.EventType][]int16{sentinel.EventAuthFail: {0}, sentinel.EventAuthOK: {1, 2}, sentinel.EventSudo: nil} {
		var got []int16
		for _, mt := range m.Match(login(kind, "root")) {
			got = append(got, mt.Step)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: steps %v, not %v", kind, got, want)
		}
	}
}

func TestLists(t *testing.T) {
	text := one("R_1", "{field: src_ip, in_file: bad.txt}") + one("R_2", "{http.ua|contains|in_file: tools.txt}") +
		one("R_3", "{field: http.path, in_file: paths.txt}") + one("R_4", "{user|in_file: missing.txt}") + one("R_5", "{src_ip|in_file: tools.txt}")
	files := map[string]string{
		"bad.txt":   "# comment\n192.0.2.0/24\n\n2001:db8::1\r\n" + manyNets(),
		"tools.txt": "sqlmap\nNikto\n",
		"paths.txt": "/Shell.php\n/x/*.aspx\n",
	}
	o := Options{ReadFile: func(name string) ([]byte, error) {
		if s, ok := files[name]; ok {
			return []byte(s), nil
		}
		return nil, fs.ErrNotExist
	}}
	set, problems := CompileWith(parse(t, text), o)
	if set.Len() != 3 || len(problems) != 2 || problems[0].RuleID != "R_4" || !strings.Contains(problems[1].Message, `entry 1: "sqlmap"`) {
		t.Fatalf("%d rules, %v", set.Len(), problems)
	}
	m := set.NewMatcher()
	ev := access("/shell.PHP")
	ev.SrcIP = netip.MustParseAddr("::ffff:192.0.2.99")
	ev.HTTP.UserAgent = "nikto/2"
	if got := ids(set, m.Match(ev)); got != "R_1 R_2 R_3" {
		t.Errorf("matches %q", got)
	}
	if r := set.Lint()[2]; !r.Indexed {
		t.Errorf("a list is not indexed: %+v", r)
	}
	if set, problems = Compile(parse(t, text)); set.Len() != 0 || len(problems) != 5 {
		t.Errorf("without files: %d rules, %v", set.Len(), problems)
	}
	failing := Options{ReadFile: func(string) ([]byte, error) { return nil, errors.New("no") }}
	if set, _ = CompileWith(parse(t, text), failing); set.Len() != 0 {
		t.Errorf("with failing files: %d rules", set.Len())
	}
}

func manyNets() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "203.0.%d.0/25\n", i)
	}
	return b.String()
}

func TestGlobalExceptions(t *testing.T) {
	exceptions, problems := ParseExceptions("x.yml", []byte(`
rules: [R_*]
reason: our scanner
expires: 2027-01-01
match: {src_ip: 203.0.113.42}
---
rules: R_2
reason: too long
expires: 2037-01-01
match: {user: x}
---
rules: [NONE_1]
reason: names nothing
expires: 2027-01-01
match: {user: x}
---
rules: [R_1]
reason: no end
match: {user: x}
`))
	if len(exceptions) != 3 || len(problems) != 1 || problems[0].Line != 17 || !strings.Contains(problems[0].Message, "needs expires") {
		t.Fatal(len(exceptions), problems)
	}
	o := Options{Exceptions: exceptions, Now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	set, problems := CompileWith(parse(t, one("R_1", "{user: a}")+one("R_2", "{user: a}")+one("Q_1", "{user: a}")), o)
	if len(problems) != 2 || !strings.Contains(problems[0].Message, "more than a year ahead") || !problems[1].Warning {
		t.Error(problems)
	}
	ev := login(sentinel.EventAuthFail, "a")
	if got := ids(set, set.NewMatcher().Match(ev)); got != "Q_1" {
		t.Errorf("matches %q", got)
	}
	ev.Received = ev.Received.AddDate(1, 0, 0)
	if got := ids(set, set.NewMatcher().Match(ev)); got != "R_1 R_2 Q_1" {
		t.Errorf("after the exception's end: %q", got)
	}
}

// TestExceptionOfCapture has an exception for an address that a pattern
// captures.
func TestExceptionOfCapture(t *testing.T) {
	set := compile(t, one("R_1", `{field: message, pattern: 'denied (?P<user>\w+) at (?P<attacker_ip>\S+)'}`)+
		"exceptions: [{reason: ours, match: {src_ip: [192.0.2.0/24]}}]\n")
	m := set.NewMatcher()
	ev := &sentinel.Event{Message: "denied bob at 192.0.2.1"}
	if got := m.Match(ev); len(got) != 0 {
		t.Errorf("matches %v", got)
	}
	ev.Message = "denied bob at ::ffff:198.51.100.1"
	got := m.Match(ev)
	if len(got) != 1 || got[0].Addr.String() != "198.51.100.1" || got[0].User != "bob" {
		t.Errorf("matches %v", got)
	}
}

func TestOperators(t *testing.T) {
	ev := access("/A/b.php?Name=V&x=1")
	ev.User, ev.Host, ev.HTTP.Host, ev.HTTP.UserAgent = "Bob", "bob", "example.org", ""
	ev.HTTP.Duration, ev.HTTP.Bytes, ev.PID, ev.Time = 1500*time.Millisecond, 10, 0, time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for cond, want := range map[string]bool{
		"{user: bob}":                                        true,
		"{user|cased: bob}":                                  false,
		"{user|cased: Bob}":                                  true,
		"{user: 'b*'}":                                       true,
		"{user: 'b?'}":                                       false,
		"{user: '?o?'}":                                      true,
		`{user: 'b\*'}`:                                      false,
		"{user|contains|all: [b, o]}":                        true,
		"{user|contains|all: [b, x]}":                        false,
		"{user|fieldref: host}":                              true,
		"{user|fieldref|cased: host}":                        false,
		"{user|startswith: BO}":                              true,
		"{user|endswith: OB}":                                true,
		"{user|length_gt: 2}":                                true,
		"{user|length_gt: 3}":                                false,
		"{user|re: '^b'}":                                    false,
		"{user|re: '(?i)^b'}":                                true,
		"{http.ua|exists: true}":                             false,
		"{http.ua|exists: false}":                            true,
		"{http.ua: ''}":                                      true,
		"{pid|exists: true}":                                 false,
		"{pid|lt: 5}":                                        false,
		"{http.bytes|lte: 10}":                               true,
		"{http.rt|gt: 1.4}":                                  true,
		"{http.rt|gte: 1500ms}":                              true,
		"{http.rt|gt: 2}":                                    false,
		"{ts|lt: 2026-02-02}":                                true,
		"{http.args: v}":                                     true,
		"{http.args|cased: v}":                               false,
		"{http.args|canon|cased: v}":                         true,
		"{http.arg_names: [name, none]}":                     true,
		"{http.args|equals|all: [v, 1]}":                     true,
		"{http.args|equals|all: [v, 2]}":                     false,
		"{http.args|exists: true}":                           true,
		"{http.args|length_gt: 1}":                           false,
		"{http.path_masked: '/A/b.php'}":                     true,
		"{http.malformed: false}":                            true,
		"{from_header: true}":                                false,
		"{source_type: nginx}":                               true,
		"{auth_step: none}":                                  true,
		"{http.status: [200, 404], http.method: get}":        true,
		"{field: http.status, gte: 200, lt: 200}":            false,
		"{src_ip: 198.51.100.7}":                             true,
		"{src_ip|cidr: ['2001:db8::/32', 198.51.0.0/16]}":    true,
		"{src_ip|cidr: '::ffff:198.51.100.0/120'}":           true,
		"{dst_ip|exists: false}":                             true,
		"{not: {dst_ip: 1.2.3.4}}":                           true,
		"{src_ip|fieldref: dst_ip}":                          false,
		"{any: [{user: x}, {all: [{user: bob}, {pid: 0}]}]}": false,
		"[{user: x}, {user: bob}]":                           true,
		"{attacker_ip: 198.51.100.7}":                        true,
		"{http.canon: '/a/b.php?name=v&x=1'}":                true,
		"{http.query|decoded|cased: 'Name=V&x=1'}":           true,
	} {
		set := compile(t, one("R_1", cond))
		if got := len(set.NewMatcher().Match(ev)) == 1; got != want {
			t.Errorf("%s is %t", cond, got)
		}
	}
}

func TestFlags(t *testing.T) {
	for target, want := range map[string]string{
		"/": "", "/%2541": "multi_encoded", "/?a=%2541": "multi_encoded", "/%c0%ae": "overlong", "/?%00": "nul",
		"/../x": "escapes_root", "/a/../x": "", "/?a=eyJhIjoiPHNjcmlwdD4ifSAg": "embedded", "/?&lt;": "entity",
		"/?" + strings.Repeat("a", MaxText): "truncated", "..": "escapes_root", "/%u0041": "u_encoded", "/%01": "control",
		"/\xff": "invalid_utf8", "/%ef%bc%87": "full_width",
	} {
		var got []string
		for _, f := range []string{"multi_encoded", "u_encoded", "overlong", "full_width", "invalid_utf8", "entity", "nul", "control", "escapes_root", "embedded", "truncated"} {
			set := compile(t, one("R_1", "{norm.flags: "+f+"}"))
			m := set.NewMatcher()
			ev := access(target)
			if ms := m.Match(ev); len(ms) == 1 {
				got = append(got, f)
				if e := m.Evidence(ev, ms[0]); e[0].Field != "norm.flags" || e[0].Text != f || e[1].Field != "http.target" {
					t.Errorf("%s: evidence %+v", target, e)
				}
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%.40s has flags %q, not %q", target, s, want)
		}
	}
}

func TestEvidence(t *testing.T) {
	set := compile(t, one("R_1", `{field: http.target|canon, pattern: 'union\s+select'}`)+one("R_2", "{field: http.args, libinjection: sqli}")+
		one("R_3", "{event_type: auth_fail, user: root}")+one("R_4", "{field: http.args|canon, contains: information_schema}"))
	m := set.NewMatcher()
	pad := strings.Repeat("a", 1000)
	ev := access("/p/77?pad=" + pad + "&id=1'+UNION/**/SELECT+2+from+information_schema--&z=" + pad)
	got := m.Match(ev)
	if ids(set, got) != "R_1 R_2 R_4" {
		t.Fatal(ids(set, got))
	}
	for i, want := range []struct{ field, view, part string }{
		{"http.target", "canon", "union select"},
		{"http.args", "decoded", "1' UNION/**/SELECT 2 from information_schema--"},
		{"http.args", "canon", "information_schema"},
	} {
		e := m.Evidence(ev, got[i])
		if len(e) != 1 || e[0].Field != want.field || e[0].View != want.view || e[0].Text[e[0].Start:e[0].End] != want.part || len(e[0].Text) > 512 {
			t.Errorf("evidence %+v, not %+v", e, want)
		}
	}
	first := m.Template(ev, got[1])
	again := access("/p/78?id=2'+UNION/**/SELECT+3+from+information_schema--")
	other := access("/p/78?name=2'+UNION/**/SELECT+3+from+information_schema--")
	if got = m.Match(again); m.Template(again, got[0]) != first || m.Template(again, got[1]) != first || m.Template(again, got[2]) != first {
		t.Error("the same thing on another page has another template")
	}
	if got = m.Match(other); m.Template(other, got[1]) == first || m.Template(other, got[0]) == first {
		t.Error("another parameter has the same template")
	}
	fail := login(sentinel.EventAuthFail, "root")
	got = m.Match(fail)
	if e := m.Evidence(fail, got[0]); len(e) != 2 || e[0].Field != "user" || e[1].Field != "event_type" {
		t.Errorf("evidence %+v", e)
	}
	set = compile(t, one("R_3", "{event_type: auth_fail}"))
	m = set.NewMatcher()
	if e := m.Evidence(fail, m.Match(fail)[0]); len(e) != 2 || e[0].Text != "auth_fail" || e[1].Field != "message" || e[1].Text != fail.Message {
		t.Errorf("evidence %+v", e)
	}
}

func TestLint(t *testing.T) {
	rules := parse(t, one("R_1", `{field: http.target|canon, pattern: 'union\s+select'}`)+one("R_2", `{field: http.target, pattern: '[a-z]+\d'}`)+
		one("R_3", "{event_type: auth_fail}")+"aggregation: {group_by: src_ip, window: 60, threshold: 100}\n"+
		"exceptions: [{reason: x, expires: 2026-11-10, match: {user: x}}]\n"+one("R_4", "{field: http.args|canon, pattern: '(?:o|i)\\b'}")+
		one("R_5", `{field: http.target|canon, pattern: 'Union\s+select'}`)+"tests: [{lines: [a], expect: {fires: 0}}]\n")
	set, _ := CompileWith(rules, Options{Now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)})
	res := set.Lint()
	for i, want := range []struct {
		direct, indexed bool
		warnings        string
	}{
		{false, true, "no tests"}, {false, false, "no literal text"}, {true, false, "approximate"}, {false, false, "no literal text"}, {false, true, ""},
	} {
		r := res[i]
		if r.Direct != want.direct || r.Indexed != want.indexed || want.warnings == "" != (len(r.Warnings) == 0) {
			t.Errorf("%+v, not %+v", r, want)
		}
		if want.warnings != "" && !strings.Contains(r.Warnings[0].Message, want.warnings) {
			t.Errorf("%s: %v, not %s", r.ID, r.Warnings, want.warnings)
		}
	}
	if r := res[0]; len(r.Literals) != 1 || r.States == 0 {
		t.Errorf("%+v", r)
	}
	if r := res[2]; !strings.Contains(r.Warnings[1].Message, "expires on 2026-11-10") {
		t.Errorf("%v", r.Warnings)
	}
	_, problems := ParseFile("f", []byte(one("R_5", `{field: http.target|canon, pattern: 'Union\s+select'}`)))
	if len(problems) != 1 || !problems[0].Warning || !strings.Contains(problems[0].Message, "lower case") {
		t.Errorf("%v", problems)
	}
}

// TestBudget holds one event to what it may cost.
func TestBudget(t *testing.T) {
	var b strings.Builder
	for i := range 40 {
		b.WriteString(one(fmt.Sprintf("R_%02d", i), fmt.Sprintf(`{field: http.target, pattern: 'needle[^x]*%dx'}`, i)))
	}
	b.WriteString(one("Z_1", "{norm.flags: budget}"))
	set, problems := CompileWith(parse(t, b.String()), Options{Budget: 4 * MaxText})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	m := set.NewMatcher()
	m.Match(access("/needle7x"))
	if m.Overruns() != 0 {
		t.Error("a short target uses up the budget")
	}
	got := ids(set, m.Match(access("/needle"+strings.Repeat("a", MaxText))))
	if m.Overruns() != 1 || got != "Z_1" {
		t.Error("a long target does not use up the budget")
	}
	if got := ids(set, m.Match(access("/needle7x"))); got != "R_07" {
		t.Errorf("the next event matches %q", got)
	}
}

// TestCacheIsBounded feeds more texts than are kept.
func TestCacheIsBounded(t *testing.T) {
	set := compile(t, one("R_1", "{http.ua|contains: [sqlmap]}"))
	m := set.NewMatcher()
	ev := access("/")
	for i := range 20_000 {
		ev.HTTP.UserAgent = fmt.Sprintf("agent %d", i)
		want := 0
		if i%3 == 0 {
			ev.HTTP.UserAgent, want = fmt.Sprintf("sqlmap %d", i%3000), 1
		}
		if i%1000 == 0 {
			ev.HTTP.UserAgent += strings.Repeat("a", 1000)
		}
		if got := len(m.Match(ev)); got != want {
			t.Fatalf("agent %q has %d matches", ev.HTTP.UserAgent, got)
		}
	}
	if n := len(m.known[groupAgent].sets) * knownWays; n > 1024 {
		t.Errorf("the cache keeps %d texts", n)
	}
}

// TestEpochWraps lets the numbering of events begin anew.
func TestEpochWraps(t *testing.T) {
	set := compile(t, one("R_1", "{field: http.target|canon, contains: needle}")+one("R_2", "{all: [{field: http.target|canon, contains: needle}, {http.status: 200}]}"))
	m := set.NewMatcher()
	m.Match(access("/%6eeedle"))
	m.epoch = 1<<31 - 3
	for _, target := range []string{"/a%41", "/%6eeedle", "/b%41", "/%6eeedle", "/c%41"} {
		want := ""
		if strings.Contains(target, "eedle") {
			want = "R_1 R_2"
		}
		if got := ids(set, m.Match(access(target))); got != want {
			t.Errorf("%s matches %q", target, got)
		}
	}
}
