package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/rules"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

var noon = time.Date(2026, 2, 9, 12, 0, 0, 0, time.UTC)

// builtin returns the shipped rules, compiled.
func builtin(t testing.TB) *rule.Set {
	t.Helper()
	all, problems := rules.Load()
	set, more := rule.Compile(all)
	for _, p := range append(problems, more...) {
		t.Error(p)
	}
	return set
}

func newEngine(t testing.TB) *Engine {
	return New(Config{Set: builtin(t), Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
}

// attackLog is a host's day in short: what people do, and three attacks.
func attackLog() []string {
	var lines []string
	add := func(at time.Time, format string, args ...any) {
		lines = append(lines, at.Format("Jan _2 15:04:05")+" host "+fmt.Sprintf(format, args...))
	}
	at := noon
	for i := range 40 {
		at = at.Add(20 * time.Second)
		add(at, "sshd[%d]: Invalid user admin%d from 203.0.113.7 port %d", 100+i, i%3, 4000+i)
		add(at, "sshd[%d]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.7", 100+i)
		add(at.Add(2*time.Second), "sshd[%d]: Failed password for invalid user admin%d from 203.0.113.7 port %d ssh2", 100+i, i%3, 4000+i)
		if i%4 == 0 {
			add(at.Add(3*time.Second), "sshd[%d]: Accepted publickey for bob from 192.0.2.10 port %d ssh2: ED25519 SHA256:abc", 900+i, 5000+i)
			add(at.Add(4*time.Second), "sshd[%d]: Failed password for root from 2001:db8:7::%x port 22 ssh2", 1900+i, i)
		}
		add(at.Add(5*time.Second), "CRON[77]: (root) CMD (run-parts /etc/cron.hourly)")
	}
	for i := range 30 {
		at = at.Add(time.Second)
		lines = append(lines, fmt.Sprintf(`198.51.100.23 - - [%s] "GET /item.php?id=%d%%27%%20UNION%%20SELECT%%201,2,password%%20FROM%%20users-- HTTP/1.1" 200 512 "-" "curl/8.5"`,
			at.Format("02/Jan/2006:15:04:05 -0700"), i))
		lines = append(lines, fmt.Sprintf(`192.0.2.%d - - [%s] "GET /blog/%d HTTP/1.1" 200 9000 "https://example.org/" "Mozilla/5.0"`,
			20+i%5, at.Format("02/Jan/2006:15:04:05 -0700"), i))
	}
	return lines
}

// replay runs lines and returns all that came of them, as text.
func replay(t *testing.T, lines []string) (string, *Engine) {
	t.Helper()
	e := newEngine(t)
	src := e.NewSource("log", parse.Config{})
	var out strings.Builder
	note := func(i int, fx decide.Effects) {
		if fx.Empty() {
			return
		}
		var blocks []sentinel.BlockRecord
		for _, b := range fx.Blocks {
			blocks = append(blocks, b.Record())
		}
		text, err := json.Marshal([]any{fx.Threats, blocks, fx.Actions, fx.Alarms})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%d: %s\n", i, text)
	}
	for i, line := range lines {
		st := e.Replay(src, line, noon.Add(time.Hour))
		note(i, st.Effects)
		if i%50 == 0 {
			note(i, e.Tick(e.Clock()))
		}
	}
	note(len(lines), e.Tick(e.Clock()))
	return out.String(), e
}

// The same log gives the same threats every time.
func TestReplayIsDeterministic(t *testing.T) {
	lines := attackLog()
	first, e := replay(t, lines)
	for range 3 {
		if again, _ := replay(t, lines); again != first {
			t.Fatal("the same log gave other threats")
		}
	}
	blocked := map[string]bool{}
	for _, b := range e.Decider().Blocks() {
		blocked[b.Prefix().String()] = true
	}
	for _, want := range []string{"203.0.113.7/32", "2001:db8:7::/64", "198.51.100.23/32"} {
		if !blocked[want] {
			t.Errorf("%s is not blocked; blocked are %v", want, blocked)
		}
	}
	if len(blocked) != 3 {
		t.Errorf("blocked are %v, want the three attackers", blocked)
	}
	s := e.Stats()
	if s.Lines != uint64(len(lines)) || s.Detect.Joined == 0 || s.Firings == 0 {
		t.Errorf("stats %+v", s)
	}
}

// An event counts once in a case, however many rules are silent about it.
func TestEventCountIsAttempts(t *testing.T) {
	e := newEngine(t)
	src := e.NewSource("auth", parse.Config{Type: sentinel.TypeSSH})
	now := noon
	const attempts = 60
	for i := range attempts {
		now = now.Add(time.Second)
		e.Line(src, fmt.Sprintf("%s h sshd[%d]: Failed password for root from 203.0.113.7 port 22 ssh2", now.Format("Jan _2 15:04:05"), 100+i), now, time.Time{})
	}
	var most int
	for _, th := range e.Tick(now).Threats {
		most = max(most, th.EventCount)
	}
	if most < attempts-2 || most > attempts {
		t.Errorf("%d events in the case, want about %d", most, attempts)
	}
}

func TestReplayClock(t *testing.T) {
	e := newEngine(t)
	src := e.NewSource("auth", parse.Config{})
	mod := noon.Add(time.Minute)
	line := "2026-02-09T%02d:00:00Z h sshd[1]: Failed password for root from 203.0.113.7 port 22 ssh2"
	e.Replay(src, fmt.Sprintf(line, 10), mod)
	e.Replay(src, strings.Replace(fmt.Sprintf(line, 10), "2026", "2031", 1), mod)
	if want := time.Date(2026, 2, 9, 10, 0, 0, 0, time.UTC); !e.Clock().Equal(want) {
		t.Errorf("one stamp of 2031 moved the clock to %s", e.Clock())
	}
	e.Replay(src, fmt.Sprintf(line, 11), mod)
	if want := time.Date(2026, 2, 9, 11, 0, 0, 0, time.UTC); !e.Clock().Equal(want) {
		t.Errorf("the clock is at %s, want %s", e.Clock(), want)
	}
}

// Swapping rules keeps what the counters know.
func TestSwapKeepsWindows(t *testing.T) {
	e := newEngine(t)
	src := e.NewSource("auth", parse.Config{})
	line := func(i int) string {
		return fmt.Sprintf("2026-02-09T12:00:%02dZ h sshd[%d]: Failed password for root from 203.0.113.7 port 22 ssh2", i, i)
	}
	for i := range 4 {
		e.Line(src, line(i), noon.Add(time.Duration(i)*time.Second), noon)
	}
	e.Swap(builtin(t), detect.DefaultConfig())
	st := e.Line(src, line(4), noon.Add(4*time.Second), noon)
	if len(st.Effects.Blocks) != 1 {
		t.Errorf("the fifth failure after a change of rules leads to %d blocks, want 1", len(st.Effects.Blocks))
	}
}

func TestQuietLinesAllocateNothing(t *testing.T) {
	e := newEngine(t)
	web, auth := e.NewSource("web", parse.Config{Type: sentinel.TypeNginx}), e.NewSource("auth", parse.Config{Type: sentinel.TypeSSH})
	now := noon
	step := func() {
		now = now.Add(10 * time.Second)
		e.Line(web, `192.0.2.7 - - [09/Feb/2026:12:00:00 +0000] "GET /blog/index.html HTTP/1.1" 200 9000 "https://example.org/" "Mozilla/5.0 (X11; Linux x86_64)"`, now, now)
		e.Line(auth, "2026-02-09T12:00:00Z h systemd[1]: Started Session 7 of User bob.", now, now)
		e.Line(auth, "complete nonsense", now, now)
	}
	for range 100 {
		step()
	}
	if n := testing.AllocsPerRun(100, step); n > 0 && !race {
		t.Errorf("%v allocations for three quiet lines", n)
	}
}

func FuzzLine(f *testing.F) {
	for i, line := range attackLog() {
		if i%9 == 0 {
			f.Add(line, int64(i))
		}
	}
	f.Add(`{"time":"2026-02-09T12:00:00Z","remote_addr":"203.0.113.7","request":"GET /.env HTTP/1.1","status":404}`, int64(1))
	f.Add("Feb  9 14:00:00 h sshd[81]: message repeated 99999999999 times: [ Failed password for root from 203.0.113.42 port 4242 ssh2]", int64(-1))
	f.Add("Feb  9 14:00:00 h sshd[81]: Failed password for invalid user x from 10.0.0.1 from 203.0.113.9 port 4 ssh2", int64(1)<<40)
	set := builtin(f)
	e := New(Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
	src := e.NewSource("fuzz", parse.Config{})
	f.Fuzz(func(t *testing.T, line string, offset int64) {
		now := noon.Add(time.Duration(offset % (1 << 45)))
		for range 3 {
			st := e.Line(src, line, now, noon)
			for _, b := range st.Effects.Blocks {
				if !strings.Contains(line, ".") && !strings.Contains(line, ":") {
					t.Errorf("a line without an address blocks %s", b.Prefix())
				}
			}
		}
		e.Replay(src, line, noon)
		e.Tick(now)
		if s := e.Stats().Detect; s.Bytes > s.MaxBytes+1<<20 || s.Keys > s.MaxKeys {
			t.Errorf("over the bounds: %+v", s)
		}
	})
}

func BenchmarkLine(b *testing.B) {
	for _, c := range []struct{ name, line string }{
		{"sshd", "Feb  9 12:00:00 host sshd[4242]: Failed password for root from 203.0.113.42 port 4242 ssh2"},
		{"web", `192.0.2.7 - - [09/Feb/2026:12:00:00 +0000] "GET /blog/index.html?page=2 HTTP/1.1" 200 9000 "https://example.org/" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"`},
		{"cron", "Feb  9 12:00:00 host CRON[4242]: (root) CMD (run-parts /etc/cron.hourly)"},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := newEngine(b)
			src := e.NewSource("log", parse.Config{})
			b.ReportAllocs()
			for b.Loop() {
				e.Line(src, c.line, noon, noon)
			}
		})
	}
}
