package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/metrics"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// What is usual of each log is learned in the engine and stored with the results
// of its lines, once a bin.

const (
	kindSeries    = "series"
	kindAddresses = "addresses"
	// nameAddresses is the state with the addresses that were seen, which is
	// large and stored seldom.
	nameAddresses  = "*addresses"
	addressesEvery = time.Hour
	// seriesRetry is how long a database that could not be read is left alone.
	seriesRetry = time.Minute
	// maxKeptBaselines bounds what waits while the database cannot be written.
	maxKeptBaselines = 20_000
	seedKey          = "anomaly_seed"
)

// seriesState is what the engine's goroutine knows of the series.
type seriesState struct {
	fault string // why the stage is off although it is wanted
	retry time.Time
	saved time.Time // the addresses were stored
}

// startSeries puts the series as configured in force.
func (a *Agent) startSeries(ctx context.Context, now time.Time) {
	cfg := a.config().Detection.Anomaly
	s := a.seriesConfig(cfg)
	set := a.engine.Series()
	switch {
	case !cfg.Enabled:
		a.engine.WatchSeries(nil)
		a.setSeriesFault("")
		return
	case set != nil:
		set.Configure(s)
		return
	}
	set, err := a.loadSeries(ctx, s)
	if err != nil {
		a.setSeriesFault(err.Error())
		a.series.retry = time.Time{}
		if store.Retryable(err) {
			a.series.retry = now.Add(seriesRetry)
		}
		return
	}
	a.series.saved = now
	a.engine.WatchSeries(set)
	a.engine.OnSeriesFire(func(rule int32) { a.set.fired[rule].Add(1) }) // both are swapped together
	a.setSeriesFault("")
}

// setSeriesFault tells once that the stage is off, and why.
func (a *Agent) setSeriesFault(fault string) {
	if fault != "" && fault != a.series.fault {
		a.alarm("anomaly", "what is usual of logs is not known, and nothing unusual is told: "+fault)
	}
	a.series.fault = fault
}

func (a *Agent) seriesConfig(cfg config.Anomaly) anomaly.SeriesConfig {
	return anomaly.SeriesConfig{Location: time.Local, Learning: cfg.LearningPeriod, Sensitivity: anomaly.Sensitivity(cfg.Sensitivity)}
}

// loadSeries reads what was learned.
func (a *Agent) loadSeries(ctx context.Context, cfg anomaly.SeriesConfig) (*anomaly.SeriesSet, error) {
	var err error
	if cfg.Seed, err = a.seed(ctx); err != nil {
		return nil, err
	}
	set := anomaly.NewSeries(cfg)
	stored, err := a.store.Baselines(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([]anomaly.Row, len(stored))
	for i, b := range stored {
		rows[i] = anomaly.Row(b)
	}
	states, err := a.store.AnomalyStates(ctx, kindSeries)
	if err != nil {
		return nil, err
	}
	parts := make([]anomaly.State, len(states))
	for i, st := range states {
		parts[i] = anomaly.State{Source: st.Name, Data: st.Data}
	}
	if err := set.Load(rows, parts); err != nil {
		return nil, fmt.Errorf("%w; sentinelctl ai forget lets go of it", err)
	}
	seen, err := a.store.AnomalyStates(ctx, kindAddresses)
	if err != nil {
		return nil, err
	}
	for _, st := range seen {
		if err := set.LoadKnown(st.Data); err != nil { // then all addresses are new for a while
			a.log.Warn("the addresses that were seen are forgotten", "error", err)
		}
	}
	return set, nil
}

// seed returns what keeps who writes log lines from choosing places in tables;
// what was stored depends on it.
func (a *Agent) seed(ctx context.Context) (uint64, error) {
	text, err := a.store.State(ctx, seedKey)
	if err == nil {
		return strconv.ParseUint(text, 36, 64)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	seed := rand.Uint64()
	return seed, a.store.SetState(ctx, seedKey, strconv.FormatUint(seed, 36))
}

// keepSeries puts what was learned since the last time into the next commit. At
// the end the addresses are stored, too.
func (a *Agent) keepSeries(now time.Time, end bool) {
	set := a.engine.Series()
	if set == nil {
		if retry := a.series.retry; !retry.IsZero() && !now.Before(retry) && !end {
			a.startSeries(context.Background(), now)
		}
		return
	}
	r := &a.pending.results
	rows, states := set.Changed()
	for _, row := range rows {
		r.Baselines = append(r.Baselines, store.Baseline(row))
	}
	r.Baselines = last(r.Baselines, maxKeptBaselines)
	for _, st := range states {
		r.AnomalyStates = replaceState(r.AnomalyStates, store.AnomalyState{Name: st.Source, Kind: kindSeries, Data: st.Data})
	}
	if end || now.Sub(a.series.saved) >= addressesEvery {
		a.series.saved = now
		r.AnomalyStates = replaceState(r.AnomalyStates, store.AnomalyState{Name: nameAddresses, Kind: kindAddresses, Data: set.AppendKnown(nil)})
	}
}

// replaceState appends a state, or puts it in the place of the same one.
func replaceState(all []store.AnomalyState, st store.AnomalyState) []store.AnomalyState {
	if i := slices.IndexFunc(all, func(x store.AnomalyState) bool { return x.Name == st.Name }); i >= 0 {
		all[i] = st
		return all
	}
	return append(all, st)
}

// seriesStatus is called in the engine's goroutine.
func (a *Agent) seriesStatus() *control.AnomalyStatus {
	out := &control.AnomalyStatus{Enabled: a.config().Detection.Anomaly.Enabled, Error: a.series.fault, Sources: []control.AnomalySource{}}
	if out.Enabled {
		out.Clients = a.clientsStatus()
	}
	set := a.engine.Series()
	if set == nil {
		return out
	}
	sources, left := set.Status()
	out.NotWatched = left
	for _, s := range sources {
		out.Sources = append(out.Sources, control.AnomalySource{
			Source: s.Source, Learning: s.Learning, Percent: int(100 * s.Progress), Since: s.Since, Bins: s.Bins, Deviated: s.Deviated,
		})
	}
	return out
}

// Baselines implements control.Agent.
func (p *api) Baselines(ctx context.Context, _ control.Peer, q control.BaselinesParams) (*control.BaselinesResult, error) {
	a := p.agent()
	var out *control.BaselinesResult
	err := a.do(ctx, func() {
		out = &control.BaselinesResult{Anomaly: *a.seriesStatus(), Source: q.Source}
		set := a.engine.Series()
		if set == nil || q.Source == "" {
			return
		}
		learned := set.Baseline(q.Source)
		for _, name := range slices.Sorted(maps.Keys(learned)) {
			m := control.BaselineMetric{Metric: name}
			for _, u := range learned[name] {
				m.Hours = append(m.Hours, control.UsualHour(u))
			}
			out.Metrics = append(out.Metrics, m)
		}
	})
	if err != nil {
		return nil, err
	}
	if q.Source != "" && out.Metrics == nil {
		return nil, control.Errorf(control.CodeNotFound, "nothing has been learned of %s", q.Source).WithHint("sentinelctl ai baselines lists what is watched")
	}
	return out, nil
}

// Forget implements control.Agent.
func (p *api) Forget(ctx context.Context, peer control.Peer, q control.ForgetParams) (*control.ForgetResult, error) {
	a := p.agent()
	out := &control.ForgetResult{Sources: []string{}}
	var err error
	if e := a.do(ctx, func() { err = a.forgetSeries(ctx, q, out) }); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	if len(out.Sources) == 0 && !q.All {
		return nil, control.Errorf(control.CodeNotFound, "nothing has been learned of %s", q.Source).WithHint("sentinelctl ai baselines lists what is watched")
	}
	a.log.Info("forgot what is usual", "sources", out.Sources, "by", peer.String())
	return out, nil
}

// forgetSeries lets go of what was learned, in memory and in the database, also
// of what cannot be read.
func (a *Agent) forgetSeries(ctx context.Context, q control.ForgetParams, out *control.ForgetResult) error {
	set := a.engine.Series()
	known := map[string]bool{}
	if set != nil {
		sources, _ := set.Status()
		for _, s := range sources {
			known[s.Source] = true
		}
	}
	stored, err := a.store.Baselines(ctx)
	if err != nil && !q.All {
		return err
	}
	for _, b := range stored {
		known[b.Source] = true
	}
	for _, source := range slices.Sorted(maps.Keys(known)) {
		if !q.All && source != q.Source {
			continue
		}
		out.Sources = append(out.Sources, source)
		if set != nil {
			set.Forget(source)
		}
	}
	r := &a.pending.results
	gone := func(source string) bool { return q.All || source == q.Source }
	r.Baselines = slices.DeleteFunc(r.Baselines, func(b store.Baseline) bool { return gone(b.Source) })
	r.AnomalyStates = slices.DeleteFunc(r.AnomalyStates, func(st store.AnomalyState) bool { return st.Kind == kindSeries && gone(st.Name) })
	if err := a.store.ForgetBaselines(ctx, q.Source); err != nil {
		return err
	}
	if set == nil {
		a.startSeries(ctx, time.Now())
	}
	if q.All {
		return a.forgetClients(ctx, time.Now())
	}
	return nil
}

// seriesSize is called in the engine's goroutine.
func (a *Agent) seriesSize() control.StateSize {
	out := control.StateSize{Name: "logs watched", Limit: anomaly.MaxSources}
	if set := a.engine.Series(); set != nil {
		st := set.Stats()
		out.Used, out.Bytes = st.Sources, int64(st.Bytes)
	}
	return out
}

// seriesFigures tell how far learning is.
func (a *Agent) seriesFigures(w *metrics.Writer) {
	snap := a.snapshot.Load()
	if snap == nil || snap.anomaly == nil {
		return
	}
	st := snap.anomaly
	w.One("sentinel_anomaly_enabled", metrics.Gauge, "1 if what is usual is learned, 0 if that is off or fails.", flag(st.Enabled && st.Error == ""))
	w.Family("sentinel_anomaly_learned_ratio", metrics.Gauge, "How far it is learned what is usual of a log, 0 to 1.")
	for _, s := range st.Sources {
		w.Sample(float64(s.Percent)/100, "source", s.Source)
	}
	w.Family("sentinel_anomaly_last_timestamp_seconds", metrics.Gauge, "When a log as a whole was unusual last, 0 for never.")
	for _, s := range st.Sources {
		w.Sample(seconds(s.Deviated), "source", s.Source)
	}
}
