package engine

import (
	"fmt"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/models"
)

func clientStage(t testing.TB) *anomaly.Stage {
	t.Helper()
	m, err := models.Forest()
	if err != nil {
		t.Fatal(err)
	}
	return anomaly.New(anomaly.Config{Model: m, Learning: time.Hour, Sensitivity: anomaly.SensitivityMedium})
}

// browse is a client who reads four pages with a picture each.
func browse(e *Engine, src *Source, i int, at time.Time) {
	for j := range 8 {
		target, status := fmt.Sprintf("/page/%d", (i+j)%20), 200
		if j%2 == 1 {
			target = fmt.Sprintf("/img/%d.png", (i*3+j)%9)
		}
		if (i+j)%37 == 0 {
			status = 404
		}
		at = at.Add(time.Duration(1+(i*7+j*5)%9) * time.Second)
		e.Line(src, fmt.Sprintf(`10.%d.%d.9 - - [%s] "GET %s HTTP/1.1" %d 512 "https://example.org/" "Mozilla/5.0"`,
			i/250, i%250, at.Format("02/Jan/2006:15:04:05 -0700"), target, status), at, at)
	}
}

// What no rule knows is told once it is known what is usual, and blocks nothing.
func TestClients(t *testing.T) {
	set, _ := rule.Compile(nil)
	e := New(Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
	src := e.NewSource("access.log", parse.Config{Type: sentinel.TypeNginx})
	hunt := func(at time.Time) (fx decide.Effects) {
		for j := range 200 {
			at = at.Add(time.Second)
			fx.Merge(e.Line(src, fmt.Sprintf(`203.0.113.9 - - [%s] "POST /x%d/%%24%%7b%d%%7d HTTP/1.1" 403 9 "-" "-"`, at.Format("02/Jan/2006:15:04:05 -0700"), j, j), at, at).Effects)
		}
		for range 10 {
			at = at.Add(time.Minute)
			fx.Merge(e.Tick(at))
		}
		return fx
	}
	if fx := hunt(noon); !fx.Empty() {
		t.Errorf("it is off: %+v", fx)
	}
	e.WatchClients(clientStage(t))
	at := noon.Add(time.Hour)
	if fx := hunt(at); len(fx.Threats) != 0 {
		t.Errorf("told while learning: %+v", fx.Threats)
	}
	for i := range 2600 {
		at = at.Add(time.Minute)
		browse(e, src, i, at)
	}
	fx := hunt(at.Add(2 * time.Minute))
	if len(fx.Threats) == 0 || len(fx.Blocks) != 0 {
		t.Fatalf("%d threats, %d blocks; %+v", len(fx.Threats), len(fx.Blocks), e.Clients().Status())
	}
	threat := fx.Threats[0]
	if threat.Type != decide.AnomalyGroup || threat.AttackerIP.String() != "203.0.113.9" || len(threat.Score.Reasons) != sentinel.MaxReasons || len(threat.Samples) != 1 {
		t.Errorf("%+v", threat)
	}
	t.Log("\n" + decide.Explain(threat).Text())
}

// Where a log has the addresses of a proxy, there is no client to be judged, and
// whoever a rule fired for is not learned from.
func TestClientsBehindProxy(t *testing.T) {
	e := newEngine(t)
	e.WatchClients(clientStage(t))
	src := e.NewSource("access.log", parse.Config{Type: sentinel.TypeNginx})
	src.BehindProxy(true)
	browse(e, src, 1, noon)
	if n := e.Clients().Status().Clients; n != 0 {
		t.Errorf("%d clients", n)
	}
	src.BehindProxy(false)
	browse(e, src, 1, noon)
	if n := e.Clients().Status().Clients; n != 1 {
		t.Errorf("%d clients", n)
	}
}

// The cost of the stage on a line: run with and without.
func BenchmarkClients(b *testing.B) {
	for _, on := range []bool{false, true} {
		b.Run(fmt.Sprint(on), func(b *testing.B) {
			set, _ := rule.Compile(nil)
			e := New(Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
			if on {
				e.WatchClients(clientStage(b))
			}
			src := e.NewSource("access.log", parse.Config{Type: sentinel.TypeNginx})
			var lines []string
			for i := range 50_000 {
				at := noon.Add(time.Duration(i) * 10 * time.Millisecond)
				lines = append(lines, fmt.Sprintf(`10.%d.%d.9 - - [%s] "GET /shop/list?page=%d HTTP/1.1" 200 512 "https://example.org/" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/129.0 Safari/537.36"`,
					i%7, i*31%250, at.Format("02/Jan/2006:15:04:05 -0700"), i%50))
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				at := noon.Add(time.Duration(i%len(lines)) * 10 * time.Millisecond)
				e.Line(src, lines[i%len(lines)], at, at)
				i++
			}
		})
	}
}
