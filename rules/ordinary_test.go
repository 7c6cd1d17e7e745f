package rules

import (
	"os"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// TestOrdinaryRequests holds that no rule raises an alert on a single request
// that nobody means ill by.
func TestOrdinaryRequests(t *testing.T) {
	set := loaded(t)
	text, err := os.ReadFile("testdata/ordinary.log")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		lines++
		e := engine.New(engine.Config{Set: set, Detect: detect.DefaultConfig(), DetectOnly: true})
		step := e.Replay(e.NewSource("nginx", parse.Config{Type: sentinel.TypeNginx}), line, time.Now())
		if !step.Parsed {
			t.Errorf("not understood: %s", line)
		}
		for _, res := range step.Results {
			if res.Fired {
				t.Errorf("%s: %s", set.Rule(int(res.Rule)).ID, line)
			}
		}
	}
	if lines < 300 {
		t.Errorf("%d lines, want 300 at least", lines)
	}
}
