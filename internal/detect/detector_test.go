package detect

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

var start = time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)

// rig is a detector with its matcher and a clock.
type rig struct {
	t   testing.TB
	set *rule.Set
	m   *rule.Matcher
	d   *Detector
	now time.Time
}

func newRig(t testing.TB, rules string) *rig {
	t.Helper()
	set := compile(t, rules)
	return &rig{t: t, now: start, set: set, m: set.NewMatcher(), d: New(set, Config{Seed: [2]uint64{1, 2}})}
}

func compile(t testing.TB, rules string) *rule.Set {
	t.Helper()
	rs, problems := rule.ParseFile("test.yml", []byte(rules))
	for _, p := range problems {
		t.Fatal(p)
	}
	set, problems := rule.Compile(rs)
	for _, p := range problems {
		t.Fatal(p)
	}
	return set
}

// see observes an event that arrives at once.
func (r *rig) see(ev *sentinel.Event) []Result {
	if ev.Repeat == 0 {
		ev.Repeat = 1
	}
	return r.d.Observe(ev, r.m, r.m.Match(ev), r.now)
}

// at moves the clock to so long after the start.
func (r *rig) at(d time.Duration) *rig {
	r.now = start.Add(d)
	return r
}

// fired lists the ids of the rules that fired.
func fired(results []Result) string {
	var ids []string
	for _, res := range results {
		if res.Fired {
			ids = append(ids, res.Detection.RuleID)
		}
	}
	return strings.Join(ids, " ")
}

// authFail is a failed login at the rig's present time.
func (r *rig) authFail(ip, user string) *sentinel.Event {
	return &sentinel.Event{
		Time: r.now, Source: "auth", SourceType: sentinel.TypeSSH, Type: sentinel.EventAuthFail, Repeat: 1,
		Program: "sshd", Raw: "Failed password for " + user + " from " + ip, Message: "Failed password for " + user + " from " + ip,
		SrcIP: netip.MustParseAddr(ip), User: user, Outcome: "failure",
	}
}

func (r *rig) authOK(ip, user string) *sentinel.Event {
	ev := r.authFail(ip, user)
	ev.Type, ev.Outcome = sentinel.EventAuthOK, "success"
	return ev
}

func (r *rig) access(ip, path string, status int) *sentinel.Event {
	return &sentinel.Event{
		Time: r.now, Source: "web", SourceType: sentinel.TypeNginx, Type: sentinel.EventHTTPAccess, Repeat: 1,
		Raw: path, Message: path, SrcIP: netip.MustParseAddr(ip),
		HTTP: sentinel.HTTP{Method: "GET", Target: path, Path: path, Proto: "HTTP/1.1", Status: status, Bytes: 100},
	}
}

// authRule returns a rule on failed logins with the aggregation given.
func authRule(id, severity, aggregation string) string {
	return fmt.Sprintf(`---
id: %s
name: %s
severity: %s
type: brute_force
group: auth
log_source: ssh
conditions: {field: event_type, equals: auth_fail}
aggregation: %s
`, id, id, severity, aggregation)
}

// sshRules are the rules of an agent on failed logins, in short.
var sshRules = strings.Join([]string{
	authRule("SSH_BRUTE", "HIGH", "{group_by: src_ip, window: 5m, threshold: 5}"),
	authRule("SSH_BRUTE_HOUR", "HIGH", "{group_by: src_ip, window: 1h, threshold: 10}"),
	authRule("SSH_BRUTE_DAY", "HIGH", "{group_by: src_ip, window: 1d, threshold: 15}"),
	authRule("SSH_FEW", "MEDIUM", "{group_by: src_ip, window: 5m, threshold: 3}"),
	authRule("SSH_USER_ENUM", "HIGH", "{group_by: src_ip, window: 10m, threshold: 5, distinct: user}"),
	authRule("SSH_SPRAY", "HIGH", "{group_by: src_ip, window: 1h, threshold: 10, distinct: user, max_per_value: 2}"),
	authRule("SSH_PREFIX", "HIGH", "{group_by: src_ip, prefix: {v4: 24, v6: 48}, window: 1h, threshold: 20, spread: {field: src_ip, min: 4}}"),
	authRule("SSH_USER_DIST", "HIGH", "{group_by: user, prefix: {v4: 24, v6: 48}, window: 1h, threshold: 10, distinct: src_ip}"),
	authRule("SSH_LEAKY", "MEDIUM", "{group_by: src_ip, mode: leaky, capacity: 5, leak: 10s}"),
	authRule("SSH_MANY", "MEDIUM", "{group_by: src_ip, window: 1h, threshold: 200}"),
	`---
id: SSH_COMPROMISE
name: login after failures
severity: CRITICAL
type: compromise
group: auth
log_source: ssh
sequence:
  by: [src_ip, user]
  within: 10m
  steps:
    - {id: fails, event_type: auth_fail, count: 5}
    - {id: ok, event_type: auth_ok}
  unless:
    - {event_type: auth_ok, before: fails, within: 30d, same: [src_ip, user]}
`, `---
id: SSH_SPRAY_HIT
name: login after spraying
severity: CRITICAL
type: compromise
group: auth
log_source: ssh
sequence:
  by: [src_ip]
  within: 1h
  steps:
    - {id: spray, rule: SSH_USER_ENUM}
    - {id: ok, event_type: auth_ok}
`}, "")

func TestThresholdsShareOneRing(t *testing.T) {
	r := newRig(t, sshRules)
	first := map[string]int{}
	for i := 1; i <= 25; i++ {
		r.at(time.Duration(i) * 10 * time.Second)
		for _, id := range strings.Fields(fired(r.see(r.authFail("203.0.113.9", "root")))) {
			if _, ok := first[id]; !ok {
				first[id] = i
			}
		}
	}
	want := map[string]int{"SSH_FEW": 3, "SSH_BRUTE": 5, "SSH_BRUTE_HOUR": 10, "SSH_BRUTE_DAY": 15, "SSH_LEAKY": 0}
	for id, n := range want {
		if n != 0 && first[id] != n {
			t.Errorf("%s fires first at event %d, want %d", id, first[id], n)
		}
	}
	for id := range first {
		if _, ok := want[id]; !ok {
			t.Errorf("%s fires", id)
		}
	}
	sliding := 0
	for _, c := range r.d.counters {
		if c.kind == kindStamps {
			sliding++
		}
	}
	if sliding != 2 { // by address, and by network
		t.Errorf("%d sliding counters, want 2", sliding)
	}
}

func TestDetectionOwnsAndTells(t *testing.T) {
	r := newRig(t, authRule("SSH_BRUTE", "HIGH", "{group_by: src_ip, window: 5m, threshold: 3}"))
	var det *sentinel.Detection
	raw := []byte("Failed password for root from 2001:db8:1:2::5")
	for i := range 3 {
		ev := r.at(time.Duration(i)*time.Second).authFail(fmt.Sprintf("2001:db8:1:2::%d", i), "root")
		ev.Raw = string(raw)
		res := r.see(ev)
		if len(res) != 1 || !res[0].Aggregated || res[0].Count != i+1 {
			t.Fatalf("event %d: %+v", i, res)
		}
		det = res[0].Detection
	}
	if det == nil {
		t.Fatal("three addresses of one /64 do not fire")
	}
	if det.Scope.String() != "2001:db8:1:2::/64" || det.Addr.String() != "2001:db8:1:2::2" || det.Key != "" {
		t.Errorf("scope %s, address %s, key %q", det.Scope, det.Addr, det.Key)
	}
	if det.Count != 3 || det.Threshold != 3 || det.Window != 5*time.Minute || det.User != "root" || det.Sample != string(raw) {
		t.Errorf("detection %+v", det)
	}
}

func TestKeyInWords(t *testing.T) {
	r := newRig(t, authRule("SSH_USER_DIST", "HIGH", "{group_by: user, prefix: {v4: 24, v6: 48}, window: 1h, threshold: 3, distinct: src_ip}"))
	ips := []string{"198.51.100.1", "198.51.100.2", "198.51.101.1", "198.51.102.1"}
	for i, ip := range ips {
		res := r.at(time.Duration(i) * time.Minute).see(r.authFail(ip, "alice"))
		if want := i == 3; res[0].Fired != want {
			t.Fatalf("address %d: fired %t", i, res[0].Fired)
		}
		if res[0].Fired {
			if det := res[0].Detection; det.Key != "user=alice" || det.Addr.IsValid() || det.Scope.IsValid() {
				t.Errorf("key %q, address %s, scope %s", det.Key, det.Addr, det.Scope)
			}
		}
	}
}

func TestCooldown(t *testing.T) {
	r := newRig(t, authRule("SSH_BRUTE", "HIGH", "{group_by: src_ip, window: 1m, threshold: 3}\ncooldown: 10m"))
	var at []int
	for i := range 130 {
		res := r.at(time.Duration(i) * 10 * time.Second).see(r.authFail("203.0.113.9", "root"))
		if res[0].Fired {
			at = append(at, i)
		} else if i > 2 && (!res[0].Silent || res[0].Scope.String() != "203.0.113.9/32" || res[0].Weight != 1) {
			t.Fatalf("event %d: %+v", i, res[0])
		}
	}
	if fmt.Sprint(at) != "[2 62 122]" {
		t.Errorf("fires at events %v, want [2 62 122]", at)
	}
}

func TestRepeatAndLate(t *testing.T) {
	r := newRig(t, authRule("SSH_BRUTE", "HIGH", "{group_by: src_ip, window: 5m, threshold: 5}"))
	r.see(r.authFail("203.0.113.9", "root"))
	ev := r.authFail("203.0.113.9", "root")
	ev.Repeat = 5
	if res := r.see(ev); !res[0].Fired || res[0].Weight != 5 {
		t.Errorf("repeated five times: %+v", res[0])
	}
	// Late lines fire, marked, and do not silence what comes in time.
	late := r.authFail("203.0.113.10", "root")
	late.Time, late.Repeat = r.now.Add(-11*time.Minute), 9
	if res := r.see(late); !res[0].Fired || !res[0].Detection.Late {
		t.Errorf("late lines: %+v", res[0])
	}
	r.d.plans[0].cooldown = 3600
	late.Repeat = 1
	late.Time = r.now.Add(-11 * time.Minute)
	if res := r.see(late); res[0].Fired {
		t.Error("a second late line fires within the cooldown")
	}
	now := r.authFail("203.0.113.10", "root")
	now.Repeat = 5
	if res := r.see(now); !res[0].Fired || res[0].Detection.Late {
		t.Errorf("in time, after late lines: %+v", res[0])
	}
	// A stamp in the future counts as now.
	ev = r.authFail("203.0.113.11", "root")
	ev.Time, ev.Repeat = r.now.Add(time.Hour), 5
	if res := r.see(ev); !res[0].Fired || !res[0].Detection.Time.Equal(r.now) {
		t.Errorf("from the future: %+v", res[0])
	}
	if s := r.d.Stats(); s.Skewed != 1 || s.Late != 2 {
		t.Errorf("%d skewed and %d late, want 1 and 2", s.Skewed, s.Late)
	}
}

func TestLinesOfOneAttempt(t *testing.T) {
	any := strings.Replace(authRule("SSH_BRUTE", "HIGH", "{group_by: src_ip, window: 5m, threshold: 5}"),
		"equals: auth_fail", "equals: [auth_fail, auth_invalid_user]", 1)
	failed := authRule("SSH_FAILED", "HIGH", "{group_by: src_ip, window: 5m, threshold: 4}")
	r := newRig(t, any+failed)
	first := map[string]int{}
	for i := 1; i <= 6; i++ {
		r.at(time.Duration(i) * 10 * time.Second)
		for _, step := range []sentinel.AuthStep{sentinel.AuthStepInvalid, sentinel.AuthStepPAM, sentinel.AuthStepFailed} {
			ev := r.authFail("203.0.113.9", "x")
			ev.PID, ev.Host, ev.AuthStep = 1000+i, "h", step
			if step == sentinel.AuthStepInvalid {
				ev.Type = sentinel.EventAuthInvalidUser
			}
			for _, id := range strings.Fields(fired(r.see(ev))) {
				if first[id] == 0 {
					first[id] = i
				}
			}
		}
	}
	if first["SSH_BRUTE"] != 5 || first["SSH_FAILED"] != 4 {
		t.Errorf("fires at attempts %v, want 5 and 4", first)
	}
}

func TestSameEventFromTwoSources(t *testing.T) {
	r := newRig(t, authRule("SSH_BRUTE", "HIGH", "{group_by: src_ip, window: 5m, threshold: 5}"))
	for i := 1; i <= 5; i++ {
		r.at(time.Duration(i) * 10 * time.Second)
		for _, source := range []string{"auth.log", "journal"} {
			ev := r.authFail("203.0.113.9", "x")
			ev.PID, ev.Host, ev.Source, ev.Message = 1000+i, "h", source, fmt.Sprintf("try %d", i)
			if res := r.see(ev); (fired(res) != "") != (i == 5 && source == "auth.log") {
				t.Fatalf("attempt %d in %s: %+v", i, source, res)
			}
		}
	}
}

func TestSpray(t *testing.T) {
	r := newRig(t, sshRules)
	got := map[string]int{}
	for i := 1; i <= 12; i++ {
		r.at(time.Duration(i) * 4 * time.Minute)
		for _, id := range strings.Fields(fired(r.see(r.authFail("203.0.113.9", fmt.Sprint("u", i))))) {
			if got[id] == 0 {
				got[id] = i
			}
		}
	}
	if got["SSH_SPRAY"] != 10 || got["SSH_USER_ENUM"] != 0 {
		t.Errorf("first firings: %v", got)
	}
}

func TestNetworkWithSpread(t *testing.T) {
	r := newRig(t, sshRules)
	for i := range 40 {
		id := fired(r.at(time.Duration(i) * time.Second).see(r.authFail("203.0.113.9", "x")))
		if strings.Contains(id, "SSH_PREFIX") {
			t.Fatal("one address is not a network")
		}
	}
	for i := range 3 {
		r.at(time.Minute)
		id := fired(r.see(r.authFail(fmt.Sprintf("203.0.113.%d", 20+i), "x")))
		if strings.Contains(id, "SSH_PREFIX") != (i == 2) {
			t.Errorf("address %d: fired %q", i+2, id)
		}
	}
}

func TestCompromise(t *testing.T) {
	fail := func(r *rig, n int, user string) {
		for range n {
			r.now = r.now.Add(5 * time.Second)
			r.see(r.authFail("203.0.113.9", user))
		}
	}
	r := newRig(t, sshRules)
	fail(r, 4, "root")
	if id := fired(r.see(r.authOK("203.0.113.9", "root"))); id != "" {
		t.Errorf("four failures and a success: %s", id)
	}
	r = newRig(t, sshRules)
	fail(r, 5, "root")
	if id := fired(r.see(r.authOK("203.0.113.10", "root"))); id != "" {
		t.Errorf("success from another address: %s", id)
	}
	res := r.see(r.authOK("203.0.113.9", "root"))
	if fired(res) != "SSH_COMPROMISE" {
		t.Fatalf("five failures and a success: %+v", res)
	}
	if det := res[0].Detection; det.Addr.String() != "203.0.113.9" || det.User != "root" || det.Severity != sentinel.Critical {
		t.Errorf("detection %+v", det)
	}
	r = newRig(t, sshRules) // who logged in last week and mistypes today
	r.see(r.authOK("203.0.113.9", "bob"))
	r.at(7 * 24 * time.Hour)
	fail(r, 5, "bob")
	if id := fired(r.see(r.authOK("203.0.113.9", "bob"))); id != "" {
		t.Errorf("a known user's success fires %s", id)
	}
	if s := r.d.Stats(); s.Guarded != 1 {
		t.Errorf("%d guarded, want 1", s.Guarded)
	}
	r = newRig(t, sshRules) // too slow
	fail(r, 3, "root")
	r.now = r.now.Add(11 * time.Minute)
	fail(r, 2, "root")
	if id := fired(r.see(r.authOK("203.0.113.9", "root"))); id != "" {
		t.Errorf("failures eleven minutes apart: %s", id)
	}
}

func TestFiringIsAStep(t *testing.T) {
	r := newRig(t, sshRules)
	for i := range 6 {
		r.at(time.Duration(i) * 20 * time.Second)
		r.see(r.authFail("203.0.113.9", fmt.Sprint("user", i)))
	}
	r.at(50 * time.Minute)
	if id := fired(r.see(r.authOK("203.0.113.9", "user7"))); id != "SSH_SPRAY_HIT" {
		t.Errorf("success after enumeration fires %q", id)
	}
}

const webRules = `---
id: WEB_404_BURST
name: missing pages
severity: MEDIUM
type: scanner
group: web
log_source: web
conditions:
  all:
    - {field: event_type, equals: http_access}
    - {field: http.status, equals: [400, 403, 404]}
aggregation: {group_by: src_ip, window: 60s, threshold: 20, distinct: http.path, min_ratio: 0.7}
---
id: WEB_FLOOD
name: many requests
severity: HIGH
type: flood
group: web
log_source: web
conditions: {field: event_type, equals: http_access}
aggregation: {group_by: src_ip, window: 2m, threshold: 600}
`

func TestRatio(t *testing.T) {
	for _, c := range []struct {
		good int // pages found after each 10 missing; a ratio begins with the first match
		want bool
	}{{0, true}, {8, true}, {9, false}, {40, false}} {
		r := newRig(t, webRules)
		got := false
		for i := range 400 {
			r.at(time.Duration(i) * 100 * time.Millisecond)
			status, path := 200, "/"
			if i%(10+c.good) < 10 {
				status, path = 404, fmt.Sprint("/missing", i)
			}
			got = got || strings.Contains(fired(r.see(r.access("203.0.113.9", path, status))), "WEB_404_BURST")
		}
		if got != c.want {
			t.Errorf("10 missing and %d found: fires %t, want %t", c.good, got, c.want)
		}
	}
}

func TestFlood(t *testing.T) {
	r := newRig(t, webRules)
	first := 0
	for i := 1; i <= 700; i++ {
		r.at(time.Duration(i) * 150 * time.Millisecond)
		if fired(r.see(r.access("203.0.113.9", "/", 200))) != "" && first == 0 {
			first = i
		}
	}
	if first < 600 || first > 620 {
		t.Errorf("fires at request %d, want 600", first)
	}
}

// An event without the field that the group needs counts nowhere.
func TestKeyless(t *testing.T) {
	r := newRig(t, authRule("SSH_BRUTE", "HIGH", "{group_by: [src_ip, user], window: 5m, threshold: 2}"))
	for range 5 {
		if res := r.see(r.authFail("203.0.113.9", "")); len(res) != 0 {
			t.Fatalf("an event without a user: %+v", res)
		}
	}
	if s := r.d.Stats(); s.Keyless != 5 || s.Keys != 0 {
		t.Errorf("%d keyless, %d keys", s.Keyless, s.Keys)
	}
}

func TestAdopt(t *testing.T) {
	r := newRig(t, sshRules+webRules)
	for i := range 14 {
		r.at(time.Duration(i) * time.Minute)
		r.see(r.authFail("203.0.113.9", fmt.Sprint("u", i%3)))
	}
	set := compile(t, webRules+sshRules+authRule("SSH_NEW", "HIGH", "{group_by: src_ip, window: 1d, threshold: 40}"))
	next := New(set, DefaultConfig())
	next.Adopt(r.d)
	r.d, r.set, r.m = next, set, set.NewMatcher()
	if id := fired(r.at(14 * time.Minute).see(r.authFail("203.0.113.9", "root"))); !strings.Contains(id, "SSH_BRUTE_DAY") || strings.Contains(id, "HOUR") {
		t.Errorf("after the change of rules event 15 fires %q", id)
	}
	for i := 15; i < 39; i++ {
		r.at(time.Duration(i) * time.Minute).see(r.authFail("203.0.113.9", "root"))
	}
	if id := fired(r.at(39 * time.Minute).see(r.authFail("203.0.113.9", "root"))); !strings.Contains(id, "SSH_NEW") {
		t.Errorf("event 40 fires %q, want the new rule that shares the ring", id)
	}
}
