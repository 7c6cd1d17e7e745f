package decide

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// odd is an anomaly of an address.
func odd(addr string, at time.Time, a float64) *sentinel.Anomaly {
	x := &sentinel.Anomaly{
		Time: at, Source: "access.log", SourceType: sentinel.TypeNginx, A: a, Window: 5 * time.Minute,
		Reasons: []string{"412 requests, usual are 6", "0.93 of them not found, usual are 0.02", "no page named where it came from"},
		Sample:  "GET /wp-login.php",
	}
	if addr != "" {
		x.Addr = ip(addr)
	}
	return x
}

// burst404 is a firing of a rule of severity MEDIUM.
func burst404(addr string, at time.Time) *sentinel.Detection {
	det := brute(addr, at)
	det.RuleID, det.Type, det.Group, det.Severity, det.Description = "WEB_404", "scanner", "web", sentinel.Medium, "Many pages that are not there"
	return det
}

func TestAnomalyAlone(t *testing.T) {
	d := newDecider(nil)
	if fx := d.Anomaly(t0, odd("203.0.113.42", t0, 0.39)); !fx.Empty() {
		t.Fatalf("told of A 0.39: %+v", fx)
	}
	at := t0.Add(5 * time.Minute)
	fx := d.Anomaly(at, odd("203.0.113.42", at, 1))
	threat := one(t, fx)
	if len(fx.Blocks) != 0 || threat.Group != AnomalyGroup || threat.Type != AnomalyGroup || threat.RiskScore != 0.599 ||
		threat.Severity != sentinel.Medium || threat.Action != ActionAlert || threat.AttackerIP != ip("203.0.113.42") ||
		threat.ActionReason != "alert only because no rule matched" || *threat.AnomalyScore != 1 || len(threat.Samples) != 1 {
		t.Errorf("%+v", threat)
	}
	for i := range 50 { // however often, and from whomever with a past
		at = at.Add(5 * time.Minute)
		if fx := d.Anomaly(at, odd("203.0.113.42", at, 1)); len(fx.Blocks) != 0 {
			t.Fatalf("blocked for the window %d", i)
		}
	}
	if open := d.About(ip("203.0.113.42")); len(open) != 1 || open[0].EventCount != 51 {
		t.Errorf("%+v", open)
	}
	text := Explain(d.About(ip("203.0.113.42"))[0]).Text()
	for _, want := range []string{"MEDIUM Unusual Behaviour from 203.0.113.42", "51 unusual stretches of time", "Anomaly 1.00:\n    412 requests, usual are 6\n", "Rules: none matched."} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestAnomalyOfSource(t *testing.T) {
	d := newDecider(nil)
	threat := one(t, d.Anomaly(t0, odd("", t0, 0.6)))
	if threat.Scope.IsValid() || threat.Key != "all clients of access.log" || threat.Action != ActionAlert {
		t.Errorf("%+v", threat)
	}
	if fx := d.Detect(t0.Add(time.Minute), burst404("203.0.113.42", t0)); one(t, fx).Score.A != nil {
		t.Error("an address answers for the source")
	}
}

func TestAnomalyRaisesOpenCases(t *testing.T) {
	d := newDecider(nil)
	before := one(t, d.Detect(t0, burst404("203.0.113.42", t0)))
	if before.Decision != 0.5 || before.Action != ActionAlert || before.Score.A != nil {
		t.Fatalf("%+v", before)
	}
	d.Detect(t0, burst404("203.0.113.43", t0))
	at := t0.Add(3 * time.Minute)
	fx := d.Anomaly(at, odd("203.0.113.42", at, 0.9))
	threat := one(t, fx)
	if threat.ID != before.ID || threat.Decision != 0.65 || threat.Action != ActionBlock || len(fx.Blocks) != 1 {
		t.Fatalf("%+v, blocks %v", threat, fx.Blocks)
	}
	if fx := d.Anomaly(at, odd("203.0.113.42", at, 0.5)); !fx.Empty() {
		t.Errorf("a lesser one changed something: %+v", fx)
	}
	other := d.About(ip("203.0.113.43"))
	if len(other) != 1 || other[0].Score.A != nil {
		t.Errorf("it raised a neighbour: %+v", other)
	}
	parts, err := json.Marshal(threat.Score)
	if err != nil {
		t.Fatal(err)
	}
	var back sentinel.ScoreParts
	if err = json.Unmarshal(parts, &back); err != nil || Score(InputOf(back)).Score != threat.RiskScore || len(back.Reasons) != 3 {
		t.Errorf("the score is not what its parts give: %s %v", parts, err)
	}
}

// What the policy refused for the detection it refuses for the anomaly too.
func TestAnomalyKeepsTheGround(t *testing.T) {
	for name, change := range map[string]func(*sentinel.Detection){
		"from a header":  func(d *sentinel.Detection) { d.FromHeader = true },
		"behind a proxy": func(d *sentinel.Detection) { d.BehindProxy = true },
		"late":           func(d *sentinel.Detection) { d.Late = true },
	} {
		d := newDecider(nil)
		det := burst404("203.0.113.42", t0)
		change(det)
		d.Detect(t0, det)
		fx := d.Anomaly(t0, odd("203.0.113.42", t0, 1))
		if threat := one(t, fx); len(fx.Blocks) != 0 || threat.Action != ActionAlert || threat.Decision < 0.6 {
			t.Errorf("%s: %+v %+v", name, fx.Blocks, threat)
		}
	}
	d := newDecider(nil, Protection{Prefix: pfx("203.0.113.42/32"), Reason: "office"})
	d.Detect(t0, burst404("203.0.113.42", t0))
	if fx := d.Anomaly(t0, odd("203.0.113.42", t0, 1)); len(fx.Blocks) != 0 {
		t.Error("blocked what is allowed")
	}
}

func TestAnomalyBeforeTheCase(t *testing.T) {
	d := newDecider(nil)
	d.Anomaly(t0, odd("203.0.113.42", t0, 0.3))
	d.Anomaly(t0, odd("203.0.113.43", t0, 0.3))
	at := t0.Add(59 * time.Minute)
	threat := one(t, d.Detect(at, burst404("203.0.113.42", at)))
	if threat.Score.A == nil || *threat.Score.A != 0.3 || threat.AnomalyScore == nil || threat.Decision != 0.5 {
		t.Errorf("%+v", threat)
	}
	at = t0.Add(time.Hour)
	if threat = one(t, d.Detect(at, burst404("203.0.113.43", at))); threat.Score.A != nil {
		t.Errorf("it took one from an hour ago: %+v", threat.Score)
	}
}

func TestLearning(t *testing.T) {
	d := newDecider(nil)
	d.Learning("/var/log/auth.log", 43)
	threat := one(t, d.Detect(t0, brute("203.0.113.42", t0)))
	if text := Explain(threat).Text(); !strings.Contains(text, "Anomaly: learning 43 %; it has no part in the score.") {
		t.Error(text)
	}
	a := odd("203.0.113.42", t0, 0.35)
	a.Learning = true
	d.Anomaly(t0, a)
	if text := Explain(d.About(ip("203.0.113.42"))[0]).Text(); !strings.Contains(text, "Anomaly 0.35 (learning 43 %, capped until then):") {
		t.Error(text)
	}
	d.Learning("/var/log/auth.log", 100)
	threat = one(t, d.Detect(t0, brute("203.0.113.44", t0)))
	if threat.Score.Learning != 0 {
		t.Errorf("%+v", threat.Score)
	}
}

func TestAnomalyRestored(t *testing.T) {
	d := newDecider(nil)
	threat := one(t, d.Anomaly(t0, odd("203.0.113.42", t0, 0.45)))
	next := newDecider(nil)
	next.Restore(t0.Add(time.Minute), nil, []sentinel.Threat{threat})
	if open := next.About(ip("203.0.113.42")); len(open) != 1 || *open[0].Score.A != 0.45 || len(open[0].Score.Reasons) != 3 {
		t.Fatalf("%+v", open)
	}
	at := t0.Add(5 * time.Minute)
	if again := one(t, next.Anomaly(at, odd("203.0.113.42", at, 0.9))); again.ID != threat.ID || again.EventCount != 2 {
		t.Errorf("%+v", again)
	}
}

func TestAnomalyBounds(t *testing.T) {
	d := newDecider(nil)
	for i := range 3 * maxUnusual {
		a := odd(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), t0, 0.2)
		a.Reasons = []string{strings.Repeat("x", 5000), "b", "c", "d", "e"}
		d.Anomaly(t0, a)
	}
	if n := d.unusual.recent.len(); n != maxUnusual {
		t.Errorf("%d are remembered", n)
	}
	a := odd("203.0.113.42", t0, 2)
	a.Reasons, a.Sample = []string{strings.Repeat("x", 5000), "b", "c", "d", "e"}, strings.Repeat("s", 50_000)
	threat := one(t, d.Anomaly(t0, a))
	if len(threat.Score.Reasons) != sentinel.MaxReasons || len(threat.Score.Reasons[0]) > maxUnusualBytes || *threat.Score.A != 1 || len(threat.Samples[0]) > maxSampleBytes {
		t.Errorf("%+v", threat)
	}
	d.Tick(t0.Add(2 * time.Hour))
	if len(d.unusual.groups) != 0 {
		t.Errorf("groups without a case: %v", d.unusual.groups)
	}
}
