package engine

import (
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
)

// WatchClients puts a stage in force that judges what clients of web servers do,
// nil for none.
func (e *Engine) WatchClients(stage *anomaly.Stage) { e.clients = stage }

// Clients returns what judges clients, nil if nothing does.
func (e *Engine) Clients() *anomaly.Stage { return e.clients }

// client shows an event to the stage. Where a source has the addresses of a proxy
// there are no clients to be told apart. It comes after the rules: for whom they
// fire is not learned from.
func (e *Engine) client(src *Source, st *Step, now time.Time) {
	for i := range st.Results {
		if r := &st.Results[i]; r.Fired && r.Detection.Severity >= sentinel.Low {
			e.clients.Flag(r.Detection.Addr, now)
		}
	}
	if st.Event.Type == sentinel.EventHTTPAccess && !src.behindProxy {
		if list := e.clients.Observe(st.Event, now); len(list) > 0 {
			st.Effects.Merge(e.unusual(list, now))
		}
	}
}

// unusual hands what the stage says to the decider.
func (e *Engine) unusual(list []sentinel.Anomaly, now time.Time) (fx decide.Effects) {
	if e.decider == nil {
		return fx
	}
	for i := range list {
		fx.Merge(e.decider.Anomaly(now, &list[i]))
	}
	return fx
}
