package main

import (
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/models"
)

// Verdict is what the engine said about a case.
type Verdict struct {
	ID     string  `json:"id"`
	Attack bool    `json:"attack"`
	Type   string  `json:"type,omitempty"`
	IP     string  `json:"ip,omitempty"`
	Alerts []Alert `json:"alerts,omitempty"`
	// Hits is how many lines raised an alert of their own.
	Hits int `json:"hits"`
	// rules are those that matched (a single line) or fired, for the listing.
	rules []hit
}

// hit is a rule and the line that it matched.
type hit struct{ rule, line string }

// Alert is one address that was reported.
type Alert struct {
	Type string `json:"type"`
	IP   string `json:"ip"`
}

// runner judges cases, each with an engine that has seen nothing before.
type runner struct {
	set *rule.Set
	now time.Time
	// anomaly: with the anomaly stage and the payload model.
	anomaly bool
}

// engine returns one that has seen nothing. Nobody is protected: attackers in the
// cases have private addresses, too. learning is how long the anomaly stage, if
// it is on, only learns.
func (r *runner) engine(detectOnly bool, learning time.Duration) (*engine.Engine, error) {
	e := engine.New(engine.Config{
		Set: r.set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig(),
		Allow: decide.NewAllowlist(nil), DetectOnly: detectOnly,
	})
	if !r.anomaly {
		return e, nil
	}
	requests, err := models.Payload()
	if err != nil {
		return nil, err
	}
	e.SetPayload(payload.NewStage(requests, payload.Config{Learning: learning}))
	if detectOnly {
		return e, nil
	}
	model, err := models.Forest()
	if err != nil {
		return nil, err
	}
	e.WatchClients(anomaly.New(anomaly.Config{Model: model, Learning: learning, Sensitivity: anomaly.SensitivityMedium, MaxClients: 4096}))
	e.WatchSeries(anomaly.NewSeries(anomaly.SeriesConfig{Location: time.UTC, Learning: learning, Sensitivity: anomaly.SensitivityMedium}))
	return e, nil
}

func (r *runner) judge(c *Case) (Verdict, error) {
	e, err := r.engine(true, 0)
	if err != nil {
		return Verdict{}, err
	}
	typ, err := parse.ParseType(c.Source)
	if err != nil {
		typ = sentinel.TypeAuto
	}
	src := e.NewSource(c.Source, parse.Config{Type: typ})
	v := Verdict{ID: c.ID}
	best := -1.0
	seen := make(map[Alert]bool)
	for _, line := range c.lines() {
		step := e.Replay(src, line, r.now)
		fired := false
		for _, res := range step.Results {
			ru := r.set.Rule(int(res.Rule))
			if res.Fired && res.Detection != nil {
				fired = true
				a := Alert{ru.Type, text(res.Detection.Addr)}
				if c.sequence() && !seen[a] {
					seen[a] = true
					v.Alerts = append(v.Alerts, a)
				}
			}
			if !res.Fired && (c.sequence() || ru.Ambient()) {
				continue
			}
			v.Attack = true
			v.rules = append(v.rules, hit{ru.ID, line})
			// The gravest rule names the type of a single line; one that only
			// counts does so where no alert is raised.
			w := float64(ru.Severity) + ru.Confidence
			if res.Fired {
				w += float64(sentinel.NumSeverities)
			}
			if w > best {
				best, v.Type = w, ru.Type
				addr := step.Event.SrcIP
				if res.Detection != nil {
					addr = res.Detection.Addr
				}
				v.IP = text(addr)
			}
		}
		if fired {
			v.Hits++
		}
	}
	return v, nil
}

func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return sentinel.Normalize(a).String()
}
