package agent

import (
	"context"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

const (
	kindPayload = "payload"
	// namePayload is the state with what the model of requests knows of this
	// host.
	namePayload  = "*payload"
	payloadEvery = time.Hour
)

// payloadState is what the engine's goroutine knows of the payload stage.
type payloadState struct {
	stage *payload.Stage
	fault string // why the stage is off although it is wanted
	saved time.Time
}

// startPayload puts the payload stage as configured in force. What it learnt is
// read once; it goes on with it after a reload.
func (a *Agent) startPayload(ctx context.Context, now time.Time) {
	p := &a.payload
	cfg := a.config()
	if !cfg.Detection.Payload.Enabled {
		p.fault = ""
		a.engine.SetPayload(nil)
		return
	}
	if p.stage == nil {
		stage, err := setup.Payload(cfg)
		if err != nil {
			p.fault = err.Error()
			a.alarm("payload", "the model of requests is off: "+p.fault)
			return
		}
		a.loadPayload(ctx, stage, now)
		p.stage, p.fault, p.saved = stage, "", now
	}
	p.stage.Configure(payload.Config{Learning: cfg.Detection.Anomaly.LearningPeriod}, now)
	a.engine.SetPayload(p.stage)
}

// loadPayload reads what the stage learnt. What cannot be used is forgotten: it
// then learns anew.
func (a *Agent) loadPayload(ctx context.Context, stage *payload.Stage, now time.Time) {
	states, err := a.store.AnomalyStates(ctx, kindPayload)
	for _, st := range states {
		if err == nil && st.Name == namePayload {
			err = stage.LoadMemory(st.Data, now)
		}
	}
	if err != nil {
		a.log.Warn("what the payload stage knew of this host is forgotten", "error", err)
	}
}

// keepPayload puts what the stage learnt into the next commit, once an hour and
// at the end.
func (a *Agent) keepPayload(now time.Time, end bool) {
	p := &a.payload
	if p.stage == nil || !end && now.Sub(p.saved) < payloadEvery {
		return
	}
	p.saved = now
	r := &a.pending.results
	r.AnomalyStates = replaceState(r.AnomalyStates, store.AnomalyState{Name: namePayload, Kind: kindPayload, Data: p.stage.AppendMemory(nil)})
}

// payloadStatus is called in the engine's goroutine.
func (a *Agent) payloadStatus(now time.Time) *control.PayloadStatus {
	out := &control.PayloadStatus{Enabled: a.config().Detection.Payload.Enabled, Error: a.payload.fault}
	if a.payload.stage == nil {
		return out
	}
	s := a.payload.stage.State(now)
	out.Threshold, out.Shipped, out.Learned, out.Percent = s.Threshold, s.Shipped, s.Learned, int(100*s.Learning)
	out.Found, out.Exempt, out.Harmless = s.Found, s.Exempt, s.Harmless
	return out
}
