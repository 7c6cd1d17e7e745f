package train

import (
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// Watched is what an agent would have said of a log.
type Watched struct {
	Log     string  `json:"log"`
	Days    float64 `json:"days"`
	Windows int     `json:"windows"`
	// AboveGate is the share of windows that the model alone finds unusual.
	AboveGate float64 `json:"above_gate"`
	// Learned is how far learning was at the end, in percent.
	Learned int `json:"learned"`
	// Unusual windows had A of 0.4 or more, of so many Clients; Told are those of
	// which a case would have been opened.
	Unusual int `json:"unusual"`
	Clients int `json:"clients"`
	Told    int `json:"told"`
}

// Watch replays a log. A forest is fitted to what is learned each day, as by an
// agent.
func Watch(m *anomaly.Model, l Log, s anomaly.Sensitivity, learning time.Duration) Watched {
	out := Watched{Log: l.Name}
	above := 0
	stage := anomaly.New(anomaly.Config{Model: m, Learning: learning, Sensitivity: s})
	x := anomaly.NewExtractor(func(w anomaly.Window) {
		out.Windows++
		if m.Forest.Score(&w.Features) > m.Gate {
			above++
		}
	})
	parser := parse.New(parse.Config{Type: sentinel.TypeAuto, Location: time.UTC})
	clients := make(map[netip.Addr]bool)
	take := func(list []sentinel.Anomaly) {
		for i := range list {
			if list[i].A < 0.4 {
				continue
			}
			out.Unusual++
			if a := list[i].Addr; !clients[a] {
				clients[a] = true
				if !list[i].Quiet {
					out.Told++
				}
			}
		}
	}
	var first, last, fitted time.Time
	var ev sentinel.Event
	for line := range l.Lines {
		if !parser.Parse(line, l.Mod, l.Mod, &ev) || ev.Type != sentinel.EventHTTPAccess {
			continue
		}
		if ev.Time.After(last) {
			last = ev.Time
		}
		if first.IsZero() {
			first, fitted = ev.Time, ev.Time
		}
		if ev.Time.Sub(fitted) >= 24*time.Hour {
			fitted = ev.Time
			if points := stage.Points(); points != nil {
				stage.Adopt(anomaly.FitLocal(m, points, uint64(fitted.Unix())))
			}
		}
		x.Observe(&ev)
		take(stage.Observe(&ev, last))
	}
	x.Finish()
	take(stage.Finish())
	out.Days, out.Clients, out.Learned = last.Sub(first).Hours()/24, len(clients), stage.Learned()
	if out.Windows > 0 {
		out.AboveGate = float64(above) / float64(out.Windows)
	}
	return out
}
