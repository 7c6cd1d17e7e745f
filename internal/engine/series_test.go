package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

const watchedRules = `
id: FLOOD
name: flood
severity: HIGH
type: dos
group: dos_dist
log_source: web
detector: flood_dist
cooldown: 1h
---
id: DIST
name: guessing
severity: HIGH
type: brute_force
group: auth_dist
log_source: ssh
detector: site_dist
---
id: STUFF
name: stuffing
severity: HIGH
type: brute_force
group: web_auth
log_source: web
conditions: {http.path: /login, http.method: POST, http.status: 401}
aggregation: {group_by: http.path, window: 10m, threshold: 5, above_usual: 5}
cooldown: 1m
actions: [notify]
---
id: OFF
name: off
enabled: false
severity: HIGH
type: dos
detector: flood_dist
`

// watched is an engine that watches an access log and an SSH log.
type watched struct {
	t        *testing.T
	e        *Engine
	web, ssh *Source
	random   *rand.Rand
	now      time.Time
	threats  map[string]sentinel.Threat
	blocks   int
}

func newWatched(t *testing.T) *watched {
	rules, problems := rule.ParseFile("r.yml", []byte(watchedRules))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set, problems := rule.Compile(rules)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	w := &watched{t: t, random: rand.New(rand.NewPCG(4, 2)), now: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), threats: map[string]sentinel.Threat{}}
	w.e = New(Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
	w.e.WatchSeries(anomaly.NewSeries(anomaly.SeriesConfig{Learning: 24 * time.Hour, Sensitivity: anomaly.SensitivityMedium, Seed: 1}))
	w.web = w.e.NewSource("/var/log/nginx/access.log", parse.Config{Type: sentinel.TypeNginx})
	w.ssh = w.e.NewSource("/var/log/auth.log", parse.Config{Type: sentinel.TypeSSH})
	return w
}

func (w *watched) take(fx decide.Effects) {
	for _, th := range fx.Threats {
		w.threats[th.ID] = th
	}
	w.blocks += len(fx.Blocks)
}

func (w *watched) get(addr, path string) {
	w.take(w.e.Line(w.web, fmt.Sprintf(`%s - - [%s] "GET %s HTTP/1.1" 200 512 "-" "Mozilla/5.0"`, addr, w.now.Format("02/Jan/2006:15:04:05 -0700"), path), w.now, w.now).Effects)
}

func (w *watched) login(user, addr string, ok bool) {
	text := fmt.Sprintf("%s h sshd[7]: Failed password for %s from %s port 4242 ssh2", w.now.Format(time.RFC3339), user, addr)
	if ok {
		text = strings.Replace(text, "Failed", "Accepted", 1)
	}
	w.take(w.e.Line(w.ssh, text, w.now, w.now).Effects)
}

// pass lets days or minutes of ordinary use go by; more is done each five minutes.
func (w *watched) pass(d time.Duration, more func()) {
	for end := w.now.Add(d); w.now.Before(end); {
		for range 25 + w.random.IntN(20) {
			w.get(fmt.Sprintf("198.51.100.%d", w.random.IntN(200)), fmt.Sprintf("/p/%d", w.random.IntN(30)))
		}
		if w.random.IntN(3) == 0 {
			w.login(fmt.Sprintf("user%d", w.random.IntN(5)), "198.51.100.1", true)
		}
		if more != nil {
			more()
		}
		w.now = w.now.Add(5 * time.Minute)
		w.take(w.e.Tick(w.now))
	}
}

func (w *watched) find(ruleID string) (out []sentinel.Threat) {
	for _, th := range w.threats {
		if th.RuleID == ruleID {
			out = append(out, th)
		}
	}
	slices.SortFunc(out, func(a, b sentinel.Threat) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// TestWatchedFlood: a crowd nobody has seen before, at one path.
func TestWatchedFlood(t *testing.T) {
	w := newWatched(t)
	w.pass(4*24*time.Hour, nil)
	if n := len(w.threats); n > 2 {
		t.Errorf("%d threats where nothing happened: %+v", n, w.threats)
	}
	n := 0
	w.pass(30*time.Minute, func() {
		for range 600 {
			n++
			w.get(fmt.Sprintf("203.%d.%d.%d", n>>16, n>>8&255, n&255), "/checkout?id=7")
		}
	})
	got := w.find("FLOOD")
	if len(got) != 1 || len(w.find("OFF")) != 0 || w.blocks != 0 {
		t.Fatalf("%d threats, %d blocks: %+v", len(got), w.blocks, w.threats)
	}
	th := got[0]
	if th.Key != "source=/var/log/nginx/access.log" || th.AttackerIP.IsValid() || th.Severity != sentinel.High || th.EventCount < 500 || len(th.Samples) == 0 ||
		!strings.Contains(th.Description, "new addresses asked for /checkout within five minutes") || !strings.Contains(th.Description, "limit_req") {
		t.Errorf("the threat is %+v", th)
	}
	// The deviation itself is a case of the source, with its reasons.
	odd := 0
	for _, th := range w.threats {
		if th.Group == decide.AnomalyGroup && !th.AttackerIP.IsValid() && th.AnomalyScore != nil && len(th.Score.Reasons) > 0 {
			odd++
			if !strings.Contains(strings.Join(th.Score.Reasons, " "), "requests ") || th.Score.MayBlock {
				t.Errorf("the case of the source is %+v", th)
			}
		}
	}
	if odd == 0 {
		t.Errorf("no case says what is unusual: %+v", w.threats)
	}
}

// TestWatchedLogins: one attempt an address, at accounts that people use.
func TestWatchedLogins(t *testing.T) {
	w := newWatched(t)
	w.pass(4*24*time.Hour, nil)
	n := 0
	w.pass(8*time.Hour, func() {
		n++
		w.login(fmt.Sprintf("user%d", n%5), fmt.Sprintf("203.0.%d.%d", n>>8, n&255), false)
	})
	got := w.find("DIST")
	if len(got) == 0 || w.blocks != 0 {
		t.Fatalf("%d threats, %d blocks", len(got), w.blocks)
	}
	th := got[0]
	if th.Key != "source=/var/log/auth.log" || len(th.Samples) == 0 || !strings.Contains(th.Description, "logins of people who got in within the last week failed since ") ||
		!strings.Contains(th.Description, "203.0.0.") || strings.Contains(th.Description, "198.51.100.1") {
		t.Errorf("the threat is %+v", th)
	}
}

// TestAboveUsual: a rule that fires only above what is usual is silent while that
// is being learned, and where as many logins fail every day.
func TestAboveUsual(t *testing.T) {
	w := newWatched(t)
	fail := func(n int) func() {
		return func() {
			for i := range n {
				w.take(w.e.Line(w.web, fmt.Sprintf(`203.0.113.%d - - [%s] "POST /login HTTP/1.1" 401 512 "-" "Mozilla/5.0"`, i%200, w.now.Format("02/Jan/2006:15:04:05 -0700")), w.now, w.now).Effects)
			}
		}
	}
	w.pass(3*24*time.Hour, fail(8))
	if got := w.find("STUFF"); len(got) != 0 {
		t.Errorf("what happens every day is told: %+v", got)
	}
	w.pass(10*time.Minute, fail(60))
	if got := w.find("STUFF"); len(got) != 1 || w.blocks != 0 {
		t.Errorf("60 where 8 are usual: %d threats, %d blocks", len(got), w.blocks)
	}
}

// A threat says that its log is still learned from the beginning.
func TestLearningIsSaid(t *testing.T) {
	rules, problems := rule.ParseFile("r.yml", []byte("id: R_1\nname: r\nseverity: HIGH\nlog_source: web\nconditions: {http.path: /evil}\n"))
	set, more := rule.Compile(rules)
	if set.Len() != 1 {
		t.Fatal(problems, more)
	}
	e := New(Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
	e.WatchSeries(anomaly.NewSeries(anomaly.SeriesConfig{Learning: 7 * 24 * time.Hour}))
	src := e.NewSource("access.log", parse.Config{Type: sentinel.TypeNginx})
	now := time.Date(2026, 3, 2, 10, 0, 1, 0, time.UTC)
	e.Line(src, `203.0.113.9 - - [02/Mar/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x"`, now, now)
	st := e.Line(src, `203.0.113.9 - - [02/Mar/2026:10:00:01 +0000] "GET /evil HTTP/1.1" 200 1 "-" "x"`, now, now)
	if len(st.Effects.Threats) != 1 || st.Effects.Threats[0].Score.Learning != 1 {
		t.Fatalf("%+v", st.Effects.Threats)
	}
}
