package rule

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/corazawaf/libinjection-go"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// compile makes a set of rules that must be without fault.
func compile(t testing.TB, text string) *Set {
	t.Helper()
	rules, problems := ParseFile("test.yml", []byte(text))
	set, more := Compile(rules)
	for _, p := range append(problems, more...) {
		if !p.Warning {
			t.Fatal(p)
		}
	}
	return set
}

// access makes an access-log event.
func access(target string) *sentinel.Event {
	ev := &sentinel.Event{}
	ev.Reset()
	ev.Type, ev.SourceType = sentinel.EventHTTPAccess, sentinel.TypeNginx
	ev.SrcIP = netip.MustParseAddr("198.51.100.7")
	ev.Received = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	ev.HTTP.Method, ev.HTTP.Status, ev.HTTP.Target = "GET", 200, target
	ev.HTTP.Path, ev.HTTP.Query, _ = strings.Cut(target, "?")
	return ev
}

// login makes an event of sshd.
func login(kind sentinel.EventType, user string) *sentinel.Event {
	ev := &sentinel.Event{}
	ev.Reset()
	ev.Type, ev.SourceType, ev.Program = kind, sentinel.TypeSyslog, "sshd"
	ev.SrcIP = netip.MustParseAddr("203.0.113.42")
	ev.User, ev.Message = user, "Failed password for "+user+" from 203.0.113.42 port 4242 ssh2"
	ev.Received = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	return ev
}

// ids names what matched.
func ids(s *Set, ms []Match) string {
	var out []string
	for _, m := range ms {
		out = append(out, s.Rule(int(m.Rule)).ID)
	}
	return strings.Join(out, " ")
}

const planRule = `
id: SSH_BRUTE_001
name: SSH Brute Force Attack
description: Multiple failed SSH login attempts from same IP
severity: HIGH
log_source: ssh

conditions:
  - field: message
    pattern: "Failed password for .+ from (?P<attacker_ip>[\\d.]+)"
  - field: message
    pattern: "Invalid user .+ from (?P<attacker_ip>[\\d.]+)"

aggregation:
  group_by: attacker_ip
  window: 300        # 5 minutes
  threshold: 5       # 5 failures triggers

actions:
  - block_ip:
      duration: 3600   # 1 hour
  - notify:
      level: HIGH

tags: [ssh, brute-force, authentication]
`

func TestPlanRule(t *testing.T) {
	set := compile(t, planRule)
	r := set.Rule(0)
	if r.Aggregation.Window != 5*time.Minute || r.Aggregation.Threshold != 5 || r.Aggregation.GroupBy[0] != SrcIP ||
		r.Aggregation.V4 != 32 || r.Aggregation.V6 != 64 || r.Cooldown != 5*time.Minute || r.Confidence != 1 ||
		r.BlockFor() != time.Hour || r.NoBlock() || r.Deterministic {
		t.Errorf("read as %+v %+v", r, r.Aggregation)
	}
	m := set.NewMatcher()
	ev := login(sentinel.EventAuthFail, "root")
	got := m.Match(ev)
	if ids(set, got) != "SSH_BRUTE_001" || got[0].Addr != ev.SrcIP {
		t.Fatalf("matches %v", got)
	}
	e := m.Evidence(ev, got[0])
	if len(e) != 1 || e[0].Text[e[0].Start:e[0].End] != "Failed password for root from 203.0.113.42" {
		t.Errorf("evidence %+v", e)
	}
	ev.Message = "Failed password for root from 203.0.113. port 1"
	if got := m.Match(ev); len(got) != 0 {
		t.Errorf("an address that does not parse matches: %v", got)
	}
	ev.Message, ev.Program = "Failed password for root from 203.0.113.42 port 1", "cron"
	if got := m.Match(ev); len(got) != 0 {
		t.Errorf("another source matches: %v", got)
	}
}

func TestWebRules(t *testing.T) {
	set := compile(t, `
id: WEB_SQLI_UNION
name: union select
severity: HIGH
log_source: web
type: sqli
conditions: {field: http.target|canon, pattern: 'union\s+(?:all\s+)?select'}
---
id: WEB_LIB
name: libinjection
severity: HIGH
type: sqli
conditions: {field: http.args, libinjection: sqli}
---
id: WEB_FLAG
name: escapes root
severity: LOW
conditions: {norm.flags: [escapes_root, overlong]}
---
id: WEB_ENV
name: env
severity: MEDIUM
conditions:
  all:
    - {field: http.path_resolved, equals: [/.env, "*/.git/config"]}
    - {field: http.status, gte: 200, lt: 300}
    - not: {field: src_ip, cidr: [10.0.0.0/8]}
---
id: WEB_UA
name: tools
severity: MEDIUM
conditions: {http.ua|contains: [sqlmap, nikto], event_type: http_access}
exceptions:
  - {reason: our scanner, expires: 2027-01-01, match: {src_ip: 192.0.2.0/24}}
`)
	m := set.NewMatcher()
	for target, want := range map[string]string{
		"/":                                 "",
		"/?q=1%20UNION/**/SELECT%201":       "WEB_SQLI_UNION WEB_LIB",
		"/?q=-1'+union+all+select+1,2,3--+": "WEB_SQLI_UNION WEB_LIB",
		"/?id=1'+or+'1'='1":                 "WEB_LIB",
		"/a/%2e%2e/../../etc/passwd":        "WEB_FLAG",
		"/x/../.env":                        "WEB_ENV",
		"/x/.git/config?x":                  "WEB_ENV",
	} {
		if got := ids(set, m.Match(access(target))); got != want {
			t.Errorf("%s matches %q, not %q", target, got, want)
		}
	}
	ev := access("/")
	ev.HTTP.UserAgent = "SQLMap/1.7"
	for range 2 { // the second from the cache
		if got := ids(set, m.Match(ev)); got != "WEB_UA" {
			t.Errorf("agent matches %q", got)
		}
	}
	ev.SrcIP = netip.MustParseAddr("192.0.2.1")
	if got := ids(set, m.Match(ev)); got != "" {
		t.Errorf("excepted agent matches %q", got)
	}
	ev.Received = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := ids(set, m.Match(ev)); got != "WEB_UA" {
		t.Errorf("agent after the exception's end matches %q", got)
	}
}

// TestXSSNeedsSign holds libinjection to what the matcher takes for granted: no
// script without '<' or '='.
func TestXSSNeedsSign(t *testing.T) {
	words := []string{"onerror", "javascript:", "'", "\"", "`", " ", ">", "/", "style", "xmlns", "a", "!--", "x:", "\x00", "%", "&#61;", "\n"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var b strings.Builder
		for range r.IntN(8) {
			b.WriteString(words[r.IntN(len(words))])
		}
		if libinjection.IsXSS(b.String()) {
			t.Fatalf("%q is a script to libinjection", b.String())
		}
	}
}
