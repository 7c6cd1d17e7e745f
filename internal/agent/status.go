package agent

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/host"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// lineCounts counts the lines of one source since the start.
type lineCounts struct{ lines, parsed, unparsed, recognised atomic.Uint64 }

func (c *lineCounts) add(n store.Count) {
	c.lines.Add(uint64(n.Events))
	c.parsed.Add(uint64(n.Parsed))
	c.unparsed.Add(uint64(n.Unparsed))
}

// snapshot is what status shows of the engine's memory, taken each second and
// with each change of blocks.
type snapshot struct {
	blocks, simulated int
	skewed, late      uint64
	state             []control.StateSize
	opened            [sentinel.NumSeverities]uint64
	blocked           [len(origins)]uint64
	detections        uint64
	anomaly           *control.AnomalyStatus
	profiles          []control.ProfileStatus
	payload           *control.PayloadStatus
}

// takeSnapshot is called in the engine's goroutine.
func (a *Agent) takeSnapshot() {
	st := a.engine.Stats()
	a.snapshot.Store(&snapshot{
		blocks: st.Decide.Blocks, simulated: st.Decide.Simulated, skewed: st.Detect.Skewed, late: st.Detect.Late, state: a.stateSizes(st),
		opened: a.pending.opened, blocked: a.pending.blocked, detections: st.Decide.Detections,
		anomaly: a.seriesStatus(), profiles: a.profileStatus(), payload: a.payloadStatus(time.Now()),
	})
}

// stateSizes is called in the engine's goroutine.
func (a *Agent) stateSizes(st engine.Stats) []control.StateSize {
	cfg := a.engine.Decider().Config()
	return []control.StateSize{
		{Name: "counters", Used: st.Detect.Keys, Limit: st.Detect.MaxKeys, Bytes: int64(st.Detect.Bytes), Evictions: st.Detect.Evicted},
		{Name: "cases", Used: st.Decide.Cases, Limit: cfg.MaxCases, Evictions: st.Decide.CasesEvicted},
		{Name: "blocks", Used: st.Decide.Blocks, Limit: cfg.MaxBlocks, Evictions: st.Decide.BlocksEvicted},
		a.seriesSize(),
	}
}

// usage samples the CPU that the process uses.
type usage struct {
	mu      sync.Mutex
	at      time.Time
	cpu     time.Duration
	percent float64
}

// sample returns the share of one core since the last sample that is at least
// a second old, in percent.
func (u *usage) sample(now time.Time, self host.Usage) float64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	if d := now.Sub(u.at); u.at.IsZero() || d >= time.Second {
		if !u.at.IsZero() {
			u.percent = 100 * float64(self.CPU-u.cpu) / float64(d)
		}
		u.at, u.cpu = now, self.CPU
	}
	return u.percent
}

// Status implements control.Agent.
func (p *api) Status(ctx context.Context, _ control.Peer) (*control.Status, error) {
	a := p.agent()
	now := time.Now()
	self := host.Self()
	fw := a.enforcer.Status()
	s := &control.Status{
		Version: a.opt.Version, AgentID: a.id, Hostname: a.name, PID: os.Getpid(),
		Started: a.started, Uptime: control.Seconds(now.Sub(a.started)),
		CPUPercent: a.usage.sample(now, self), Memory: self.Memory,
		Firewall: control.FirewallStatus{
			Backend: fw.Backend, Healthy: fw.Healthy, Reason: a.why, Error: fw.LastError,
			Desired: fw.Desired, Actual: fw.Actual, Dropped: fw.Drops.Packets, Checked: fw.LastCheck,
			Restores: fw.Restores, FlushWar: fw.FlushWar,
		},
		Sources: a.sources(), DrillLog: a.drill,
		Reasons: []string{},
		Alarms:  []control.Alarm{},
	}
	a.mu.Lock()
	s.Mode = string(a.cfg.Response.Mode)
	s.ConfigRuntime = a.cfg.Overrides()
	s.Generation, s.ConfigFile, s.ConfigTime, s.ConfigError = a.gen, a.cfg.File(), a.loadedAt, a.cfgErr
	s.Rules = a.set.status()
	s.Database = control.Database{
		Path: a.store.Path(), Error: a.dbErr, Checked: cmp.Or(a.store.Report().Problem, "ok"),
		Snapshot: a.windows.status.Load(), Rebuilt: a.windows.rebuilt.Load(),
	}
	s.Alarms = append(s.Alarms, a.alarms...)
	s.Reasons = append(s.Reasons, a.sandboxReasons()...)
	a.mu.Unlock()
	s.Sandbox, s.Geo, s.Lists = a.sandboxStatus(), a.geoStatus(), a.badNameStatus()
	slices.Reverse(s.Alarms)
	s.Database.Size = size(a.store.Path()) + size(a.store.Path()+"-wal")
	if snap := a.snapshot.Load(); snap != nil {
		s.Blocks, s.Simulated, s.State = snap.blocks, snap.simulated, snap.state
		s.Skewed, s.Late = snap.skewed, snap.late
		s.Anomaly, s.Profiles, s.Payload = snap.anomaly, snap.profiles, snap.payload
	}
	if s.Payload != nil && s.Payload.Error != "" {
		s.Reasons = append(s.Reasons, "the model of requests is off: "+s.Payload.Error)
	}
	totals, err := a.store.Totals(ctx, now.Add(-24*time.Hour))
	if err != nil {
		s.Reasons = append(s.Reasons, "the database cannot be read: "+err.Error())
	}
	s.Last24h.Events, s.Last24h.Blocked = uint64(totals.Sum.Events), uint64(totals.Blocks)
	for sev, n := range totals.Threats {
		s.Last24h.Threats += uint64(n)
		if sev == len(totals.Threats)-1 {
			s.Last24h.Critical = uint64(n)
		}
	}
	s.Reasons = append(s.Reasons, a.reasons(s)...)
	s.Health = control.HealthOK
	if len(s.Reasons) > 0 {
		s.Health = control.HealthDegraded
	}
	return s, nil
}

// reasons says what is wrong.
func (a *Agent) reasons(s *control.Status) (out []string) {
	if !s.Firewall.Healthy && s.Firewall.Error != "" {
		out = append(out, "the firewall refuses: "+s.Firewall.Error)
	}
	if s.Database.Error != "" {
		out = append(out, "storing fails: "+s.Database.Error)
	}
	if s.Anomaly != nil && s.Anomaly.Error != "" {
		out = append(out, "nothing unusual is told: "+s.Anomaly.Error)
	}
	if s.ConfigError != "" {
		out = append(out, "the changed configuration was not taken: "+s.ConfigError)
	}
	if s.Rules.Skipped > 0 {
		out = append(out, fmt.Sprintf("%d rules were left out; sentinelctl rules lint names the faults", s.Rules.Skipped))
	}
	if path, _, err := a.denied.Status(); err != nil {
		out = append(out, fmt.Sprintf("the proxy's deny list %s is not up to date: %v", path, err))
	}
	out = append(out, a.proxyReasons()...)
	out = append(out, a.nameFaults()...)
	out = append(out, a.geoReasons()...)
	out = append(out, a.badNames.Load().Faults...)
	active := 0
	for _, src := range s.Sources {
		switch collect.State(src.State) {
		case collect.StateActive, collect.StateDraining:
			active++
		case collect.StateDenied, collect.StateRefused, collect.StateFailing, collect.StateMissing:
			out = append(out, fmt.Sprintf("%s: %s %s", src.Path, src.State, src.Reason))
		}
		if src.Blind != "" && collect.State(src.State) == collect.StateActive {
			out = append(out, fmt.Sprintf("%s: %s", src.Path, src.Blind))
		}
	}
	if active == 0 {
		out = append(out, "no log is read; name one under logs.sources")
	}
	return out
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// sources joins what the collector and the engine know.
func (a *Agent) sources() []control.SourceStatus {
	a.mu.Lock()
	c := a.collector
	a.mu.Unlock()
	out := []control.SourceStatus{}
	if c == nil {
		return out
	}
	for _, st := range c.Status() {
		if a.ofDrill(&st) {
			continue
		}
		row := control.SourceStatus{
			ID: st.Source, Path: st.Path, Type: st.Type, State: string(st.State), Reason: cmp.Or(st.Error, st.Note),
			LastEvent: st.LastRead, Lag: st.Lag, Behind: control.Seconds(st.Behind), Cut: uint64(st.Cut), Rotations: uint64(st.Rotations), Losses: uint64(st.Losses),
		}
		if a.stuck(&st, time.Since(a.started), maxReaderPause) {
			row.State, row.Reason = string(collect.StateFailing), "its reader hangs since "+st.Looked.Format(time.TimeOnly)
		}
		if v, ok := a.lines.Load(st.Source); ok {
			n := v.(*lineCounts)
			row.Lines, row.Parsed, row.Unparsed, row.Recognised = n.lines.Load(), n.parsed.Load(), n.unparsed.Load(), n.recognised.Load()
		}
		row.Blind = a.sight.reason(row.ID)
		if row.Reason == "" && !formatGiven(a.config(), row.ID) {
			row.Reason = cmp.Or(a.formats.Load().fault(row.ID), a.containerOf(row.ID))
		}
		out = append(out, row)
	}
	slices.SortFunc(out, func(x, y control.SourceStatus) int { return cmp.Compare(x.Path, y.Path) })
	return out
}

// Sources implements control.Agent.
func (p *api) Sources(context.Context, control.Peer) (*control.SourcesResult, error) {
	return &control.SourcesResult{Sources: p.agent().sources()}, nil
}

// Unparsed implements control.Agent.
func (p *api) Unparsed(ctx context.Context, _ control.Peer, q control.UnparsedParams) (*control.UnparsedResult, error) {
	shapes, err := p.store.Shapes(ctx, q.Source)
	if err != nil {
		return nil, err
	}
	limit := q.Limit
	if limit == 0 {
		limit = defaultPage
	}
	out := &control.UnparsedResult{Shapes: []control.UnparsedShape{}}
	for _, s := range shapes[:min(len(shapes), limit)] {
		out.Shapes = append(out.Shapes, control.UnparsedShape{Source: s.Source, Shape: s.Shape, Sample: s.Sample, Count: uint64(s.Count), Last: s.LastSeen})
	}
	p.lines.Range(func(id, v any) bool {
		if q.Source == "" || q.Source == id.(string) {
			out.Lines += v.(*lineCounts).lines.Load()
			out.Unparsed += v.(*lineCounts).unparsed.Load()
		}
		return true
	})
	return out, nil
}

// Reload implements control.Agent.
func (p *api) Reload(ctx context.Context, peer control.Peer) (*control.ReloadResult, error) {
	a := p.agent()
	a.log.Info("reading the configuration again", "by", peer.String())
	changed, err := a.Reload(ctx)
	if err != nil {
		return nil, control.Errorf(control.CodeRefused, "the configuration was not taken, the old one stays: %v", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := &control.ReloadResult{Generation: a.gen, Rules: a.set.status(), Changed: changed, Restart: []string{}, Runtime: a.cfg.Overrides()}
	for _, key := range changed {
		if config.NeedsRestart(key) {
			out.Restart = append(out.Restart, key)
		}
	}
	return out, nil
}

// Reload reads configuration and rules again. All of it is built first; only if
// that succeeds is it swapped in, between two batches. It returns the keys
// whose values changed.
func (a *Agent) Reload(ctx context.Context) ([]string, error) {
	a.notify(reloading())
	defer a.notify("READY=1")
	changed, err := a.reload(ctx)
	a.mu.Lock()
	a.cfgErr = ""
	if err != nil {
		a.cfgErr = err.Error()
	}
	a.mu.Unlock()
	if err != nil {
		a.log.Error("the configuration was not taken, the old one stays", "error", err)
	}
	return changed, err
}

func (a *Agent) reload(ctx context.Context) ([]string, error) {
	if a.opt.Reload == nil {
		return nil, fmt.Errorf("this agent was started without a configuration file")
	}
	a.configuring.Lock()
	defer a.configuring.Unlock()
	file, err := a.opt.Reload()
	if err != nil {
		return nil, err
	}
	cfg := a.withRuntime(file)
	set, err := a.buildRules(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return a.adopt(ctx, file, cfg, set, true)
}
