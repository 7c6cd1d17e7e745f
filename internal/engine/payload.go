package engine

import (
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// payloads is the model of requests at work, and the rules that it decides.
type payloads struct {
	stage *payload.Stage
	rules []int32
	// probability is what it said of the event in hand, 0 if nothing.
	probability float64
}

// SetPayload puts another payload stage to work, nil for none.
func (e *Engine) SetPayload(s *payload.Stage) {
	e.payload = payloads{stage: s}
	if s != nil {
		e.payload.rules = e.set.ByDetector(rule.DetectorPayload)
	}
}

// Payload returns the payload stage at work, nil if there is none or no rule
// asks for it.
func (e *Engine) Payload() *payload.Stage {
	if len(e.payload.rules) == 0 {
		return nil
	}
	return e.payload.stage
}

// match finds the rules that an event matches, by conditions and by detectors.
func (e *Engine) match(ev *sentinel.Event, now time.Time) []rule.Match {
	matches := e.matcher.Match(ev)
	e.payload.probability = 0
	if ev.Type != sentinel.EventHTTPAccess || len(e.payload.rules) == 0 || ev.HTTP.Malformed || !e.payload.stage.Wants(&ev.HTTP) {
		return matches
	}
	return e.judge(ev, matches, now)
}

// judge asks the model about a request.
func (e *Engine) judge(ev *sentinel.Event, matches []rule.Match, now time.Time) []rule.Match {
	s := e.payload.stage
	text := e.matcher.Text(rule.HTTPTarget, rule.ViewCanon)
	v, found := s.Judge(text)
	if !found {
		if e.harmless(matches) {
			s.Learn(v.Score, now)
		}
		return matches
	}
	page := template(e.matcher.Text(rule.HTTPPathMasked, rule.ViewRaw), ev.HTTP.Query)
	if s.Exempt(page) {
		return matches
	}
	if ev.HTTP.Status/100 == 2 && ev.SrcIP.IsValid() && e.harmless(matches) {
		s.Served(page, entityHash(ev.SrcIP), now)
	}
	e.payload.probability = v.Probability
	for _, r := range e.payload.rules {
		if e.matcher.Admits(r) {
			matches = e.matcher.Report(r, rule.Found{Field: rule.HTTPTarget, View: rule.ViewCanon, Text: text, Start: v.Segment.Start, End: v.Segment.End})
		}
	}
	return matches
}

// weigh gives the detections of the model its own probability: what it claims at
// most is the confidence of the rule.
func (e *Engine) weigh(results []detect.Result) {
	if e.payload.probability == 0 {
		return
	}
	for i := range results {
		if r := &results[i]; r.Fired && e.set.Rule(int(r.Rule)).Detector == rule.DetectorPayload {
			r.Detection.Confidence *= e.payload.probability / payload.MaxProbability
		}
	}
}

// template hashes a masked path and the names of a query's parameters.
func template(path, query string) uint64 {
	h := uint64(14695981039346656037)
	add := func(c byte) { h = (h ^ uint64(c)) * 1099511628211 }
	for i := range len(path) {
		add(path[i])
	}
	name := true
	for i := range len(query) {
		switch c := query[i]; {
		case c == '&':
			name = true
			add(c)
		case c == '=':
			name = false
		case name:
			add(c)
		}
	}
	return h ^ h>>29
}

// entityHash hashes the network that stands for an address.
func entityHash(a netip.Addr) uint64 {
	b := sentinel.Entity(a).Addr().As16()
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h ^ h>>29
}
