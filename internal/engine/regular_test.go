package engine

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// An office that reads a site every day, and logs in by key, is slowed at its
// first attack; a stranger is blocked.
func TestGoodHistory(t *testing.T) {
	e := newEngine(t)
	src := e.NewSource("log", parse.Config{})
	var blocks []sentinel.Block
	feed := func(at time.Time, format string, args ...any) {
		step := e.Line(src, fmt.Sprintf(format, args...), at, time.Time{})
		blocks = append(blocks, step.Effects.Blocks...)
	}
	for day := range 6 {
		for i := range 4 * sampling {
			at := noon.Add(time.Duration(day)*24*time.Hour + time.Duration(i)*time.Second)
			feed(at, `192.0.2.20 - - [%s] "GET /blog/%d HTTP/1.1" 200 9000 "https://example.org/" "Mozilla/5.0"`, at.Format("02/Jan/2006:15:04:05 -0700"), i)
		}
	}
	at := noon.Add(6 * 24 * time.Hour)
	feed(at, "%s host sshd[7]: Accepted publickey for bob from 192.0.2.21 port 5000 ssh2: ED25519 SHA256:abc", at.Format("Jan _2 15:04:05"))
	for i := range 6 {
		for _, from := range []string{"192.0.2.20", "192.0.2.21", "192.0.2.22"} {
			at = at.Add(time.Second / 2)
			feed(at, "%s host sshd[%d]: Failed password for root from %s port %d ssh2", at.Format("Jan _2 15:04:05"), 100+10*i, from, 4000+i)
		}
	}
	got := map[string]string{}
	for _, b := range blocks {
		got[b.Prefix().Addr().String()] = b.Rate().String()
	}
	if want := map[string]string{"192.0.2.20": "30/m", "192.0.2.21": "30/m", "192.0.2.22": ""}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	r, ok := e.Decider().Regular(netip.MustParseAddr("192.0.2.20"))
	if !ok || r.Days != 6 || r.Logins != 0 {
		t.Errorf("%+v", r)
	}
}

// A rule's rate_limit is what the attacker gets.
func TestRateLimitAction(t *testing.T) {
	for actions, want := range map[string][]string{
		"[rate_limit: {rate: 10/m}]":           {"10/m"},
		"[rate_limit: {rate: 10/m}, block_ip]": {"10/m", ""},
		"[block_ip, notify]":                   {""},
		"[notify]":                             {},
	} {
		rules, problems := rule.ParseFile("test.yml", []byte(`id: MY_FLOOD
name: too many forms
type: dos
severity: HIGH
conditions: [{field: http.path, equals: /form}]
aggregation: {group_by: attacker_ip, window: 60, threshold: 3}
cooldown: 20
actions: `+actions))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		set, more := rule.Compile(rules)
		if len(more) > 0 {
			t.Fatal(more)
		}
		e := New(Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
		src := e.NewSource("log", parse.Config{})
		got := []string{}
		reason := ""
		for i := range 60 {
			at := noon.Add(time.Duration(i) * time.Second)
			step := e.Line(src, fmt.Sprintf(`198.51.100.23 - - [%s] "POST /form HTTP/1.1" 200 1 "-" "x"`, at.Format("02/Jan/2006:15:04:05 -0700")), at, time.Time{})
			for _, b := range step.Effects.Blocks {
				if text := b.Rate().String(); len(got) == 0 || got[len(got)-1] != text {
					got = append(got, text)
				}
			}
			for _, th := range step.Effects.Threats {
				reason = th.ActionReason
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: rates %q, want %q (%s)", actions, got, want, reason)
		}
		if actions == "[notify]" && !strings.Contains(reason, "no rule matched that may block") {
			t.Errorf("reason %q", reason)
		}
	}
}
