package agent

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/geo"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
	"github.com/sentinel-ai/sentinel-ai/models"
)

// judging returns an agent with an engine without rules and a database at path,
// that does not run.
func judging(t *testing.T, path string) *Agent {
	t.Helper()
	st, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	set, _ := rule.Compile(nil)
	a := &Agent{
		log: slog.New(slog.DiscardHandler), store: st, cfg: config.Default(), tally: newTally(),
		geo: &geo.DB{}, calls: make(chan func()), gone: make(chan struct{}), opt: Options{Forest: models.Forest},
		engine: engine.New(engine.Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()}),
	}
	return a
}

// visit feeds days of clients who each ask for a few pages, from an hour on.
func visit(a *Agent, from time.Time, clients int) time.Time {
	src := a.engine.NewSource("access.log", parse.Config{Type: sentinel.TypeNginx})
	at := from
	for i := range clients {
		at = from.Add(time.Duration(i) * 10 * time.Minute)
		for j := range 4 + i%5 {
			line := fmt.Sprintf(`10.%d.%d.1 - - [%s] "GET /page/%d HTTP/1.1" 200 512 "https://example.org/" "Mozilla/5.0"`, i/200, i%200, at.Format("02/Jan/2006:15:04:05 -0700"), j)
			a.engine.Line(src, line, at, at)
			at = at.Add(time.Duration(3+j) * time.Second)
		}
	}
	a.engine.Tick(at.Add(time.Hour))
	return at
}

// What was learned of clients outlives the agent, and is forgotten when a person
// says so.
func TestClientsAreKept(t *testing.T) {
	path := t.TempDir() + "/s.db"
	now := time.Now()
	a := judging(t, path)
	a.startClients(t.Context(), now)
	visit(a, now, 400)
	want := a.clientsStatus()
	if want.Judged < 300 || want.Remembered < 200 || !want.Learning {
		t.Fatalf("%+v", want)
	}
	a.keepClients(now, true)
	if err := a.store.Commit(t.Context(), a.pending.results); err != nil {
		t.Fatal(err)
	}
	_ = a.store.Close()
	b := judging(t, path)
	b.startClients(t.Context(), now)
	got := b.clientsStatus()
	if got.Judged != want.Judged || got.Remembered != want.Remembered || len(b.alarms) != 0 {
		t.Errorf("%+v after a restart, was %+v; alarms %v", got, want, b.alarms)
	}
	if !b.clients.busy { // enough for a forest of its own
		t.Error("no forest is fitted after a restart")
	}
	call := <-b.calls
	if call(); b.clientsStatus().Fitted.IsZero() || !b.engine.Clients().Status().Local {
		t.Error("the forest was not taken")
	}
	if err := b.forgetClients(t.Context(), now); err != nil || b.clientsStatus().Judged != 0 || len(b.pending.results.AnomalyStates) != 1 {
		t.Errorf("%v, %+v", err, b.clientsStatus())
	}
}

func TestClientsOff(t *testing.T) {
	a := judging(t, t.TempDir()+"/s.db")
	a.cfg.Detection.Anomaly.Enabled = false
	a.startClients(t.Context(), time.Now())
	visit(a, time.Now(), 10)
	if a.engine.Clients() != nil || a.keepCount() != 0 {
		t.Error("it is on")
	}
	a.cfg.Detection.Anomaly.Enabled = true
	a.startClients(t.Context(), time.Now())
	a.cfg.Detection.Anomaly.Enabled = false
	a.startClients(t.Context(), time.Now())
	if a.engine.Clients() != nil || a.keepCount() != 1 {
		t.Error("what was learned until it was switched off is not kept")
	}
}

func (a *Agent) keepCount() int { return len(a.pending.results.AnomalyStates) }

func TestFaultClients(t *testing.T) {
	t.Run("a model that is damaged is named, and the rest goes on", func(t *testing.T) {
		a := judging(t, t.TempDir()+"/s.db")
		a.opt.Forest = func() (*anomaly.Model, error) { return anomaly.Load([]byte("no model")) }
		a.startClients(t.Context(), time.Now())
		visit(a, time.Now(), 10)
		if st := a.clientsStatus(); a.engine.Clients() != nil || !strings.Contains(st.Error, "forest.model") || len(a.alarms) != 1 {
			t.Errorf("%+v, alarms %v", st, a.alarms)
		}
	})
	t.Run("what was learned and is damaged is learned anew", func(t *testing.T) {
		path := t.TempDir() + "/s.db"
		for _, data := range [][]byte{[]byte("rubbish"), pack([]byte("rubbish")), pack(make([]byte, maxClientState+1))} {
			a := judging(t, path)
			if err := a.store.Commit(t.Context(), store.Results{AnomalyStates: []store.AnomalyState{{Name: nameClients, Kind: kindClients, Data: data}}}); err != nil {
				t.Fatal(err)
			}
			_ = a.store.Close()
			b := judging(t, path)
			b.startClients(t.Context(), time.Now())
			if b.engine.Clients() == nil || len(b.alarms) != 1 || !strings.Contains(b.alarms[0].Text, "learned anew") {
				t.Errorf("alarms %v", b.alarms)
			}
			_ = b.store.Close()
		}
	})
	t.Run("a database that cannot be read", func(t *testing.T) {
		a := judging(t, t.TempDir()+"/s.db")
		_ = a.store.Close()
		a.startClients(t.Context(), time.Now())
		if a.engine.Clients() != nil || a.clients.fault == "" {
			t.Errorf("fault %q", a.clients.fault)
		}
	})
}
