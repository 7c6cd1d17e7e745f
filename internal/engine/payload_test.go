package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/models"
)

// modelRule is the only rule of a set, so that only the model finds anything.
const modelRule = `
id: WEB_ML_PAYLOAD
name: r
severity: MEDIUM
confidence: 0.9
advisory: true
type: web_attack
group: web
log_source: web
detector: payload
exceptions:
  - {reason: a console, match: {http.path: /console}}
`

func modelEngine(t testing.TB) (*Engine, *Source) {
	t.Helper()
	m, err := models.Payload()
	if err != nil {
		t.Fatal(err)
	}
	rs, problems := rule.ParseFile("model.yml", []byte(modelRule))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set, problems := rule.Compile(rs)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	e := New(Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig(), Payload: payload.NewStage(m, payload.Config{})})
	return e, e.NewSource("web", parse.Config{Type: sentinel.TypeNginx})
}

const union = "1%27%20UNION%20SELECT%20login,password%20FROM%20users--%20-"

// TestPayloadAlone: what only the model finds is told, with the part that says
// so, and blocks nobody.
func TestPayloadAlone(t *testing.T) {
	e, src := modelEngine(t)
	for i := range 40 {
		st := access(e, src, "203.0.113.9", fmt.Sprintf("/item%c?id=%s", 'a'+i%26, union), 200, 900)
		if len(st.Effects.Blocks) > 0 {
			t.Fatal("the model blocks alone")
		}
		if len(st.Matches) != 1 || len(st.Results) != 1 || !st.Results[0].Fired {
			t.Fatalf("request %d: matches %v", i, st.Matches)
		}
		det := st.Results[0].Detection
		if !det.Advisory || det.Confidence <= 0.5 || det.Confidence > payload.MaxProbability {
			t.Errorf("advisory %v, confidence %v", det.Advisory, det.Confidence)
		}
		if i > 0 {
			continue
		}
		if len(det.Evidence) != 1 {
			t.Fatalf("evidence %+v", det.Evidence)
		}
		ev := det.Evidence[0]
		if part := ev.Text[ev.Start:ev.End]; ev.Field != "http.target" || ev.View != "canon" || !strings.Contains(part, "union select") {
			t.Errorf("evidence %+v: %q", ev, part)
		}
	}
	for _, th := range e.Tick(answersAt.Add(time.Minute)).Threats {
		if th.Score.Score >= 0.6 {
			t.Errorf("score %v", th.Score.Score)
		}
	}
}

func TestPayloadExceptions(t *testing.T) {
	e, src := modelEngine(t)
	if st := access(e, src, "203.0.113.9", "/console?q="+union, 200, 900); len(st.Matches) != 0 {
		t.Error("an exception does not keep the model quiet")
	}
	e.SetPayload(nil)
	if st := access(e, src, "203.0.113.9", "/x?q="+union, 200, 900); len(st.Matches) != 0 || e.Payload() != nil {
		t.Error("a model that is off finds something")
	}
	none, _ := rule.Compile(nil)
	e, src = modelEngine(t)
	e.Swap(none, detect.DefaultConfig())
	if st := access(e, src, "203.0.113.9", "/x?q="+union, 200, 900); len(st.Matches) != 0 || e.Payload() != nil {
		t.Error("the model is asked without a rule for it")
	}
}

// TestPayloadHarmlessPage: a page that answers many over days what looks like
// attacks is left alone; another page is not.
func TestPayloadHarmlessPage(t *testing.T) {
	e, src := modelEngine(t)
	at := answersAt
	ask := func(from int, target string) *Step {
		return e.Line(src, fmt.Sprintf(`198.51.100.%d - - [%s] "GET %s HTTP/1.1" 200 900 "-" "Mozilla/5.0"`, from, at.Format("02/Jan/2006:15:04:05 -0700"), target), at, at)
	}
	for i := range 60 {
		at = at.Add(2 * time.Hour)
		ask(i+1, fmt.Sprintf("/report?sql=%s%%20%d", union, i))
	}
	if st := ask(99, "/report?sql="+union+"x"); len(st.Matches) != 0 || e.Payload().State(at).Harmless != 1 {
		t.Error("a page that is used so by many is still reported")
	}
	if st := ask(99, "/report?id="+union); len(st.Matches) != 1 {
		t.Error("another parameter is not reported")
	}
}

func TestPayloadAllocatesNothing(t *testing.T) {
	e, src := modelEngine(t)
	lines := make([]string, 300)
	for i := range lines {
		lines[i] = fmt.Sprintf(`192.0.2.7 - - [09/Feb/2026:14:00:00 +0000] "GET /search?q=two+words%c%c HTTP/1.1" 200 9000 "-" "Mozilla/5.0"`, 'a'+i%26, 'a'+i/26)
	}
	for _, l := range lines[:100] {
		e.Line(src, l, answersAt, answersAt)
	}
	i := 100
	if n := testing.AllocsPerRun(150, func() { e.Line(src, lines[i], answersAt, answersAt); i++ }); n > 0.1 && !race {
		t.Errorf("%v allocations a request", n)
	}
}
