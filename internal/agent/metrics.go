package agent

import (
	"cmp"
	"context"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/host"
	"github.com/sentinel-ai/sentinel-ai/internal/metrics"
)

// Bounds of labels. What is beyond shares the value "other".
const (
	maxMetricSources = 200
	maxMetricRules   = 200
	maxMetricKinds   = 64
)

const otherLabel = "other"

// origins are the values of the label origin.
var origins = [...]sentinel.Origin{sentinel.OriginRule, sentinel.OriginCLI, sentinel.OriginBot, sentinel.OriginCloud}

// tally counts what nobody else does.
type tally struct {
	commits *metrics.Histogram

	mu     sync.Mutex
	alarms map[string]uint64 // by kind
}

func newTally() *tally {
	ms := time.Millisecond
	return &tally{
		commits: metrics.NewHistogram(ms/4, ms/2, ms, 2*ms, 5*ms, 10*ms, 25*ms, 50*ms, 100*ms, 250*ms, time.Second, 5*time.Second),
		alarms:  make(map[string]uint64),
	}
}

func (t *tally) alarm(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.alarms[kind]; !ok && len(t.alarms) >= maxMetricKinds {
		kind = otherLabel
	}
	t.alarms[kind]++
}

// listenMetrics opens the address for Prometheus, if there is one. Without it
// the agent protects as well as with it.
func (a *Agent) listenMetrics() {
	if a.cfg.Metrics.Listen == config.Off {
		return
	}
	s, err := metrics.Listen(a.cfg.Metrics.Listen, a.figures, a.log.With("part", "metrics"))
	if err != nil {
		a.alarm("metrics", err.Error())
		return
	}
	a.metrics = s
}

// serveMetrics serves Prometheus until ctx ends.
func (a *Agent) serveMetrics(ctx context.Context) {
	if err := a.metrics.Run(ctx); err != nil {
		a.alarm("metrics", err.Error())
	}
}

// Metrics implements control.Agent.
func (p *api) Metrics(context.Context, control.Peer) (*control.MetricsResult, error) {
	return &control.MetricsResult{Text: p.agent().figures()}, nil
}

// figures are all figures in the text format of Prometheus.
func (a *Agent) figures() string {
	var w metrics.Writer
	a.processFigures(&w)
	a.sourceFigures(&w)
	a.threatFigures(&w)
	a.firewallFigures(&w)
	a.stateFigures(&w)
	a.seriesFigures(&w)
	return w.String()
}

func (a *Agent) processFigures(w *metrics.Writer) {
	self := host.Self()
	w.Family("sentinel_build_info", metrics.Gauge, "Version of the agent; always 1.")
	w.Sample(1, "version", a.opt.Version, "goversion", runtime.Version())
	w.One("process_start_time_seconds", metrics.Gauge, "When the agent started, in seconds since 1970.", seconds(a.started))
	w.One("process_cpu_seconds_total", metrics.Counter, "CPU time that the agent has used, user and system.", self.CPU.Seconds())
	w.One("process_resident_memory_bytes", metrics.Gauge, "Resident memory of the agent.", float64(self.Memory))
	w.One("go_goroutines", metrics.Gauge, "Goroutines that exist.", float64(runtime.NumGoroutine()))
	a.mu.Lock()
	gen, failed, set, observe := a.gen, a.cfgErr != "", a.set.status(), a.cfg.Response.Mode == config.ModeObserve
	a.mu.Unlock()
	w.One("sentinel_observe_mode", metrics.Gauge, "1 in observe mode, in which nothing is dropped.", flag(observe))
	w.One("sentinel_config_generation", metrics.Gauge, "Configurations loaded since the start.", float64(gen))
	w.One("sentinel_config_last_reload_successful", metrics.Gauge, "0 if the last changed configuration was refused.", flag(!failed))
	w.One("sentinel_rules_loaded", metrics.Gauge, "Rules in use.", float64(set.Loaded))
	w.One("sentinel_rules_skipped", metrics.Gauge, "Rules left out for faults.", float64(set.Skipped))
	a.tally.mu.Lock()
	defer a.tally.mu.Unlock()
	w.Family("sentinel_alarms_total", metrics.Counter, "Alarms about the agent itself.")
	for _, kind := range slices.Sorted(maps.Keys(a.tally.alarms)) {
		w.Sample(float64(a.tally.alarms[kind]), "kind", kind)
	}
}

// sourceFigures has one row for each source, the busiest ones if they are many.
func (a *Agent) sourceFigures(w *metrics.Writer) {
	list := a.sources()
	slices.SortStableFunc(list, func(x, y control.SourceStatus) int { return cmp.Compare(y.Lines, x.Lines) })
	if len(list) > maxMetricSources {
		rest := control.SourceStatus{ID: otherLabel, State: "active"}
		for _, s := range list[maxMetricSources:] {
			rest.Lines += s.Lines
			rest.Parsed += s.Parsed
			rest.Unparsed += s.Unparsed
			rest.Lag += s.Lag
			rest.Cut += s.Cut
			rest.Rotations += s.Rotations
			rest.Losses += s.Losses
			if s.State != "active" {
				rest.State = s.State
			}
			if s.LastEvent.After(rest.LastEvent) {
				rest.LastEvent = s.LastEvent
			}
		}
		list = append(list[:maxMetricSources], rest)
	}
	for _, f := range []struct {
		name  string
		kind  metrics.Kind
		help  string
		value func(*control.SourceStatus) float64
	}{
		{"sentinel_source_active", metrics.Gauge, "1 if the log is followed.", func(s *control.SourceStatus) float64 { return flag(s.State == "active") }},
		{"sentinel_lines_total", metrics.Counter, "Lines that were read.", func(s *control.SourceStatus) float64 { return float64(s.Lines) }},
		{"sentinel_lines_parsed_total", metrics.Counter, "Lines that were understood.", func(s *control.SourceStatus) float64 { return float64(s.Parsed) }},
		{"sentinel_lines_unparsed_total", metrics.Counter, "Lines that were not understood.", func(s *control.SourceStatus) float64 { return float64(s.Unparsed) }},
		{"sentinel_lines_cut_total", metrics.Counter, "Lines that were longer than is examined.", func(s *control.SourceStatus) float64 { return float64(s.Cut) }},
		{"sentinel_last_line_timestamp_seconds", metrics.Gauge, "When the last line was read, 0 before the first.", func(s *control.SourceStatus) float64 { return seconds(s.LastEvent) }},
		{"sentinel_tail_lag_bytes", metrics.Gauge, "Bytes of the log that are still to be read.", func(s *control.SourceStatus) float64 { return float64(s.Lag) }},
		{"sentinel_tail_rotations_total", metrics.Counter, "Files that took the place of another.", func(s *control.SourceStatus) float64 { return float64(s.Rotations) }},
		{"sentinel_tail_truncations_total", metrics.Counter, "How often lines may have been lost: truncations, and files that were not found again.", func(s *control.SourceStatus) float64 { return float64(s.Losses) }},
	} {
		w.Family(f.name, f.kind, f.help)
		for i := range list {
			w.Sample(f.value(&list[i]), "source", list[i].ID)
		}
	}
}

func (a *Agent) threatFigures(w *metrics.Writer) {
	snap := a.snapshot.Load()
	if snap == nil { // nothing was read yet
		snap = &snapshot{}
	}
	w.Family("sentinel_threats_total", metrics.Counter, "Threats that were opened, by their severity at that time.")
	for sev, n := range snap.opened {
		w.Sample(float64(n), "severity", sentinel.Severity(sev).String())
	}
	w.One("sentinel_detections_total", metrics.Counter, "Times that a rule reached its threshold.", float64(snap.detections))
	a.mu.Lock()
	set := a.set
	a.mu.Unlock()
	type count struct {
		id string
		n  uint64
	}
	var rules []count
	for i := range set.set.Len() {
		if n := set.matched[i].Load(); n > 0 {
			rules = append(rules, count{set.set.Rule(i).ID, n})
		}
	}
	slices.SortFunc(rules, func(x, y count) int { return cmp.Or(cmp.Compare(y.n, x.n), cmp.Compare(x.id, y.id)) })
	if len(rules) > maxMetricRules {
		rest := count{id: otherLabel}
		for _, r := range rules[maxMetricRules:] {
			rest.n += r.n
		}
		rules = append(rules[:maxMetricRules], rest)
	}
	w.Family("sentinel_rule_matches_total", metrics.Counter, "Lines that a rule matched, since the rules were loaded.")
	for _, r := range rules {
		w.Sample(float64(r.n), "rule", r.id)
	}
	w.Family("sentinel_blocks_total", metrics.Counter, "Blocks that were decided, extensions included, by who wanted them.")
	for i, n := range snap.blocked {
		w.Sample(float64(n), "origin", string(origins[i]))
	}
	w.Family("sentinel_blocks_in_force", metrics.Gauge, "Blocks in force; simulated ones drop nothing.")
	w.Sample(float64(snap.blocks-snap.simulated), "simulated", "false")
	w.Sample(float64(snap.simulated), "simulated", "true")
}

func (a *Agent) firewallFigures(w *metrics.Writer) {
	fw := a.enforcer.Status()
	w.Family("sentinel_firewall_healthy", metrics.Gauge, "1 if the firewall holds what it should.")
	w.Sample(flag(fw.Healthy), "backend", fw.Backend)
	w.One("sentinel_firewall_desired", metrics.Gauge, "Networks that should be dropped.", float64(fw.Desired))
	w.One("sentinel_firewall_actual", metrics.Gauge, "Networks that the firewall drops.", float64(fw.Actual))
	w.One("sentinel_firewall_dropped_packets_total", metrics.Counter, "Packets dropped.", float64(fw.Drops.Packets))
	w.One("sentinel_firewall_dropped_bytes_total", metrics.Counter, "Bytes dropped.", float64(fw.Drops.Bytes))
	w.One("sentinel_firewall_restores_total", metrics.Counter, "How often changes by other programs were undone.", float64(fw.Restores))
	w.One("sentinel_firewall_failures_total", metrics.Counter, "How often the firewall refused.", float64(fw.Failures))
}

func (a *Agent) stateFigures(w *metrics.Writer) {
	var state []control.StateSize
	if snap := a.snapshot.Load(); snap != nil {
		state = snap.state
	}
	for _, f := range []struct {
		name  string
		kind  metrics.Kind
		help  string
		value func(control.StateSize) float64
	}{
		{"sentinel_state_entries", metrics.Gauge, "Entries in the engine's memory.", func(s control.StateSize) float64 { return float64(s.Used) }},
		{"sentinel_state_entries_limit", metrics.Gauge, "How many there may be.", func(s control.StateSize) float64 { return float64(s.Limit) }},
		{"sentinel_state_bytes", metrics.Gauge, "Their size, where it is known.", func(s control.StateSize) float64 { return float64(s.Bytes) }},
		{"sentinel_state_evictions_total", metrics.Counter, "Entries that gave way to others.", func(s control.StateSize) float64 { return float64(s.Evictions) }},
	} {
		w.Family(f.name, f.kind, f.help)
		for _, s := range state {
			w.Sample(f.value(s), "state", s.Name)
		}
	}
	a.mu.Lock()
	dbErr := a.dbErr
	a.mu.Unlock()
	w.One("sentinel_database_healthy", metrics.Gauge, "0 if the last commit failed.", flag(dbErr == ""))
	w.Family("sentinel_database_size_bytes", metrics.Gauge, "Size of the database's files.")
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(a.store.Path() + suffix); err == nil {
			w.Sample(float64(info.Size()), "file", cmp.Or(suffix, "main"))
		}
	}
	w.Histogram("sentinel_commit_duration_seconds", "How long commits took.", a.tally.commits)
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds is a time as Prometheus has it, 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
