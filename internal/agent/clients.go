package agent

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// What clients of web servers do is judged in the engine. What was learned of
// that is stored once an hour and at the end; once a night, and after a start,
// a forest is fitted to it beside the engine.

const (
	kindClients  = "clients"
	nameClients  = "*clients"
	clientsEvery = time.Hour
	fitEvery     = 24 * time.Hour
	// fitHour is when a night's fitting may begin, in local time.
	fitHour = 3
	// firstFit is how often it is looked whether there is enough for a first one.
	firstFit = 10 * time.Minute
	// maxClientState bounds what is unpacked.
	maxClientState = 8 << 20
)

// clientState is what the engine's goroutine knows of the stage.
type clientState struct {
	fault  string    // why the stage is off although it is wanted
	saved  time.Time // what was learned was stored
	looked time.Time // whether a forest can be fitted
	fitted time.Time
	busy   bool // one is being fitted
}

// startClients puts the stage as configured in force. A fault of its model or of
// what was learned is told and leaves it off: the rest goes on.
func (a *Agent) startClients(ctx context.Context, now time.Time) {
	cfg := a.config().Detection.Anomaly
	stage := a.engine.Clients()
	switch {
	case !cfg.Enabled:
		if stage != nil {
			a.storeClients(now)
		}
		a.engine.WatchClients(nil)
		a.clients = clientState{}
		return
	case stage != nil:
		stage.Configure(cfg.LearningPeriod, anomaly.Sensitivity(cfg.Sensitivity))
		return
	}
	stage, err := a.loadClients(ctx)
	if err != nil {
		if a.clients.fault != err.Error() {
			a.alarm("anomaly", "nothing unusual is told of clients: "+err.Error())
		}
		a.clients.fault = err.Error()
		return
	}
	a.clients = clientState{saved: now}
	a.engine.WatchClients(stage)
	a.fitClients(now)
}

// loadClients makes a stage of the shipped model and what was learned. What was
// learned and cannot be read is told, and learned anew.
func (a *Agent) loadClients(ctx context.Context) (*anomaly.Stage, error) {
	sc, err := a.clientConfig(ctx)
	if err != nil {
		return nil, err
	}
	states, err := a.store.AnomalyStates(ctx, kindClients)
	if err != nil {
		return nil, err
	}
	stage := anomaly.New(sc)
	for _, st := range states {
		data, err := unpack(st.Data)
		if err == nil {
			err = stage.LoadState(data)
		}
		if err != nil {
			a.alarm("anomaly", fmt.Sprintf("what was learned of clients cannot be used and is learned anew: %v", err))
			return anomaly.New(sc), nil
		}
	}
	return stage, nil
}

// clientConfig is what a stage is made of.
func (a *Agent) clientConfig(ctx context.Context) (c anomaly.Config, err error) {
	if c.Model, err = a.opt.Forest(); err != nil {
		return c, fmt.Errorf("the model forest.model of this program: %w", err)
	}
	cfg := a.config().Detection.Anomaly
	c.Learning, c.Sensitivity = cfg.LearningPeriod, anomaly.Sensitivity(cfg.Sensitivity)
	c.Country = func(addr netip.Addr) string { return a.geo.Lookup(addr).Country }
	c.Seed, err = a.seed(ctx)
	return c, err
}

// storeClients puts what was learned into the next commit.
func (a *Agent) storeClients(now time.Time) {
	a.clients.saved = now
	r := &a.pending.results
	r.AnomalyStates = replaceState(r.AnomalyStates, store.AnomalyState{
		Name: nameClients, Kind: kindClients, Data: pack(a.engine.Clients().AppendState(nil)),
	})
}

// keepClients stores what was learned when it is time.
func (a *Agent) keepClients(now time.Time, end bool) {
	if a.engine.Clients() != nil && (end || now.Sub(a.clients.saved) >= clientsEvery) {
		a.storeClients(now)
	}
}

// forgetClients lets go of what was learned.
func (a *Agent) forgetClients(ctx context.Context, now time.Time) error {
	if a.engine.Clients() == nil {
		return nil
	}
	sc, err := a.clientConfig(ctx)
	if err != nil {
		return err
	}
	a.engine.WatchClients(anomaly.New(sc))
	a.clients = clientState{}
	a.storeClients(now)
	return nil
}

// tickClients fits a forest when it is time: by night, or as soon as there is
// enough for a first one.
func (a *Agent) tickClients(now time.Time) {
	c := &a.clients
	if a.engine.Clients() == nil || c.busy {
		return
	}
	first := c.fitted.IsZero() && now.Sub(c.looked) >= firstFit
	nightly := !c.fitted.IsZero() && (now.Sub(c.fitted) >= fitEvery || now.Hour() == fitHour && now.Sub(c.fitted) >= fitEvery/2)
	if first || nightly {
		a.fitClients(now)
	}
}

// fitClients fits a forest beside the engine, which then judges by it.
func (a *Agent) fitClients(now time.Time) {
	c, stage := &a.clients, a.engine.Clients()
	c.looked = now
	points := stage.Points()
	if points == nil {
		return
	}
	model, err := a.opt.Forest()
	if err != nil {
		return // as at the start, where it was told
	}
	c.busy = true
	go func() {
		local := anomaly.FitLocal(model, points, uint64(now.Unix()))
		err := a.do(context.Background(), func() {
			a.clients.busy = false
			if a.engine.Clients() == stage { // not switched off or forgotten meanwhile
				a.clients.fitted = now
				stage.Adopt(local)
			}
		})
		if err == nil {
			a.log.Debug("fitted a forest to what clients do here", "windows", len(points))
		}
	}()
}

// clientsStatus is called in the engine's goroutine.
func (a *Agent) clientsStatus() *control.AnomalyClients {
	out := &control.AnomalyClients{Error: a.clients.fault}
	stage := a.engine.Clients()
	if stage == nil {
		return out
	}
	st := stage.Status()
	out.Percent, out.Learning = st.Percent, st.Percent < 100
	out.Judged, out.Remembered, out.Fitted = st.Judged, st.Remembered, a.clients.fitted
	out.Open, out.Bytes, out.Unusual, out.Evicted = st.Clients, int64(st.Bytes), st.Unusual, st.Evicted
	return out
}

// pack compresses a state, most of which is zeros.
func pack(data []byte) []byte {
	var b bytes.Buffer
	z, _ := flate.NewWriter(&b, flate.BestSpeed) // the level is right
	_, _ = z.Write(data)                         // a buffer does not fail
	_ = z.Close()
	return b.Bytes()
}

func unpack(data []byte) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), maxClientState+1))
	if err == nil && len(out) > maxClientState {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	return out, nil
}
