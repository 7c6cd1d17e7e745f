package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

var answersAt = time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)

// webEngine is an engine with the built-in rules, and a source of a web server
// that has answered n requests for /item in about size bytes.
func webEngine(t testing.TB, n, size int) (*Engine, *Source) {
	t.Helper()
	all, _ := rules.Load()
	set, _ := rule.Compile(all)
	e := New(Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
	src := e.NewSource("web", parse.Config{Type: sentinel.TypeNginx})
	for i := range n {
		access(e, src, fmt.Sprintf("198.51.100.%d", i%200+1), fmt.Sprintf("/item?id=%d", i), 200, size+i%7*10)
	}
	return e, src
}

func access(e *Engine, src *Source, from, target string, status, bytes int) *Step {
	return e.Line(src, fmt.Sprintf(`%s - - [09/Feb/2026:14:00:00 +0000] "GET %s HTTP/1.1" %d %d "-" "Mozilla/5.0"`, from, target, status, bytes), answersAt, answersAt)
}

// TestOutcome: an attack on a web server says what the server answered, against
// what it usually answers there.
func TestOutcome(t *testing.T) {
	const attack = "/item?id=1%27%20UNION%20SELECT%20login,password%20FROM%20users--"
	for _, c := range []struct {
		name          string
		usual         int // requests before
		target        string
		status, bytes int
		want          sentinel.Outcome
		why           string
		raised        bool
	}{
		{"refused", 50, attack, 403, 150, sentinel.OutcomeBlocked, "refused with status 403", false},
		{"not found", 50, attack, 404, 150, sentinel.OutcomeFailed, "error 404", false},
		{"the page as always", 50, attack, 200, 1230, sentinel.OutcomeAnswered, "as it usually does", false},
		{"another page than always", 50, attack, 200, 48_000, sentinel.OutcomeLikely, "usually sends about 1", true},
		{"an empty page", 50, attack, 200, 0, sentinel.OutcomeLikely, "usually sends about 1", true},
		{"an error of the application", 50, attack, 500, 900, sentinel.OutcomeLikely, "error 500", true},
		{"nothing is known about the path", 3, attack, 200, 48_000, sentinel.OutcomeAnswered, "not known", false},
		{"a redirection", 50, attack, 302, 0, sentinel.OutcomeAnswered, "redirection 302", false},
		{"a file that is not there", 50, "/.env", 404, 150, sentinel.OutcomeFailed, "error 404", false},
		{"a file that is there", 50, "/.env", 200, 700, sentinel.OutcomeAnswered, "not known", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, src := webEngine(t, c.usual, 1200)
			st := access(e, src, "203.0.113.9", c.target, c.status, c.bytes)
			if len(st.Effects.Threats) == 0 {
				t.Fatal("no threat")
			}
			th := st.Effects.Threats[len(st.Effects.Threats)-1]
			if th.Outcome != c.want || !strings.Contains(th.OutcomeWhy, c.why) {
				t.Errorf("outcome %q because %q, want %q because %q", th.Outcome, th.OutcomeWhy, c.want, c.why)
			}
			raised := false
			for i, p := range th.Score.Rules {
				n, _ := e.Set().ByID(p.ID)
				if own := e.Set().Rule(n).Severity; p.Raised != (p.Severity == own+1) {
					t.Errorf("rule %d %s of %s has %s, raised %v", i, p.ID, own, p.Severity, p.Raised)
				}
				raised = raised || p.Raised
			}
			if raised != c.raised {
				t.Errorf("raised %v, want %v: %+v", raised, c.raised, th.Score.Rules)
			}
			if text := strings.Join(decide.Explain(th).What, " "); !strings.Contains(text, "Did they get in? "+c.want.String()) {
				t.Errorf("the explanation does not say it: %s", text)
			}
		})
	}
}

// TestOutcomeStays: what may have worked once stays grave, whatever comes next;
// attacks teach nothing.
func TestOutcomeStays(t *testing.T) {
	e, src := webEngine(t, 50, 1200)
	const attack = "/item?id=1%27%20UNION%20SELECT%20login,password%20FROM%20users--"
	id := ""
	for i, size := range []int{48_000, 1200, 48_000, 1200} {
		st := access(e, src, "203.0.113.9", attack+strings.Repeat("-", i), 200, size)
		for _, th := range st.Effects.Threats {
			id = th.ID
		}
	}
	th, ok := e.Decider().Case(id)
	if !ok || th.Outcome != sentinel.OutcomeLikely {
		t.Errorf("outcome %q", th.Outcome)
	}
	for range 200 {
		access(e, src, "203.0.113.10", attack, 200, 48_000)
	}
	h := sentinel.HTTP{Path: "/item", Status: 200, Bytes: 48_000}
	if got, why := e.answers.judge(&h, true); got != sentinel.OutcomeLikely {
		t.Errorf("after many attacks their answer is %s: %s", got, why)
	}
}

// TestAnswersBounded: a flood of paths neither grows the table nor makes a busy
// path forgotten at once, and learning allocates nothing.
func TestAnswersBounded(t *testing.T) {
	var a answers
	busy := sentinel.HTTP{Path: "/", Status: 200, Bytes: 5000}
	for range 1000 {
		a.learn(&busy)
	}
	paths := make([]sentinel.HTTP, 20_000)
	for i := range paths {
		paths[i] = sentinel.HTTP{Path: fmt.Sprintf("/p/%d", i), Status: 200, Bytes: int64(i)}
	}
	i := 0
	if n := testing.AllocsPerRun(len(paths)-1, func() { a.learn(&paths[i]); i++ }); n != 0 {
		t.Errorf("%v allocations a line", n)
	}
	if e, ok := a.find(&busy); !ok || e.odd(5000) || !e.odd(50_000) {
		t.Errorf("what is usual at a busy path: %+v, %v", e, ok)
	}
}
