// Package agent is the daemon: it joins collecting, detecting, deciding,
// storing, enforcing and the control socket into one process.
//
// Read [New] first, where everything is made, then [Agent.Run], where
// everything runs, then loop.go: one goroutine, the engine, owns the detectors'
// memory and is the only writer of threats and blocks.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/enforce"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/geo"
	"github.com/sentinel-ai/sentinel-ai/internal/host"
	"github.com/sentinel-ai/sentinel-ai/internal/metrics"
	"github.com/sentinel-ai/sentinel-ai/internal/sandbox"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
	"github.com/sentinel-ai/sentinel-ai/models"
)

// batchDepth is how many batches may wait for the engine. The files are the
// buffer; this one only keeps a reader from waiting for a commit.
const batchDepth = 4

// ballast is given up when the disk is full, so that writing can go on.
const ballast = 4 << 20

// Options say how to start an agent.
type Options struct {
	// Config is the configuration in force at the start; Reload reads it again
	// for SIGHUP (nil: there is nothing to read again).
	Config *config.Config
	Reload func() (*config.Config, error)
	// Version is shown in status.
	Version string
	// Logger hears of everything; nil discards.
	Logger *slog.Logger
	// Confine lets Run lock the process in as agent.sandbox says: it is the
	// agent's alone.
	Confine bool
	// Level, if not nil, is Logger's; it follows agent.log_level.
	Level *slog.LevelVar
	// Utmp is the file of login sessions, /var/run/utmp if empty.
	Utmp string
	// Forest reads the model of clients, models.Forest if nil.
	Forest func() (*anomaly.Model, error)
	// Sessions is the directory of logind's sessions, host.SessionsDir if empty.
	Sessions string
}

// Agent is one daemon. Make it with New and call Run once.
type Agent struct {
	opt     Options
	log     *slog.Logger
	started time.Time
	id      string
	name    string

	store    *store.Store
	desired  *enforce.Desired
	enforcer *enforce.Enforcer
	denied   *enforce.DenyList // nil without response.proxy_denylist
	backend  enforce.Backend
	why      string // the reason for the backend
	server   *control.Server
	metrics  *metrics.Server // nil: not configured, or it cannot be had

	// calls are functions to run in the engine's goroutine; gone is closed
	// when it has ended.
	calls chan func()
	gone  chan struct{}

	// of the engine's goroutine only
	engine   *engine.Engine
	feeds    map[string]*feed
	pending  pending
	windows  windows
	reserve  reserve
	series   seriesState
	profiled time.Time // applications were stored
	clients  clientState
	payload  payloadState
	admins   *admins
	keys     keyLogins
	pace     pace
	purged   time.Time
	loadedAt time.Time

	// configuring is held while the configuration changes, so that changes come
	// one after the other.
	configuring sync.Mutex

	// shared; file is the configuration of the file, cfg the same with what was
	// set at run time
	mu        sync.Mutex
	file, cfg *config.Config
	set       *ruleSet
	collector *collect.Collector
	sockets   *collect.Sockets
	restart   context.CancelFunc // ends the collectors in use, for a reload
	alarms    []control.Alarm    // newest last
	gen       int
	cfgErr    string
	dbErr     string
	usage     usage
	pulse     pulse
	tally     *tally
	tails     tails
	lines     sync.Map // source id to *lineCounts
	proxied   sync.Map // source id to what the proxy guard says of it
	sight     sight
	drill     string // the log for drills, empty if there is none
	names     *host.Names
	geo       *geo.DB
	geoAgain  chan struct{} // look at its files now
	geoPlaces atomic.Pointer[places]
	badNames  atomic.Pointer[setup.BadNames]
	finds     finds
	formats   atomic.Pointer[formatBook]
	snapshot  atomic.Pointer[snapshot]
	sandbox   atomic.Pointer[sandbox.Report] // nil: none
	beyond    []string                       // what it keeps from being read
}

// utmpPath is the file of login sessions.
const utmpPath = "/var/run/utmp"

// New makes an agent: it opens the store, reads the rules and decides which
// firewall to use, but starts nothing. Run releases what New opened; call Close
// if Run is never called.
func New(ctx context.Context, opt Options) (*Agent, error) {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Utmp == "" {
		opt.Utmp = utmpPath
	}
	if opt.Forest == nil {
		opt.Forest = models.Forest
	}
	if opt.Sessions == "" {
		opt.Sessions = host.SessionsDir
	}
	a := &Agent{
		opt: opt, log: opt.Logger, started: time.Now(), file: opt.Config, gen: 1, loadedAt: time.Now(),
		desired: enforce.NewDesired(),
		calls:   make(chan func()),
		gone:    make(chan struct{}),
		feeds:   make(map[string]*feed),
		tally:   newTally(),
		sockets: collect.NewSockets(opt.Logger.With("part", "collect")),
	}
	a.admins, a.names = newAdmins(opt.Utmp, opt.Sessions), host.NewNames()
	cfg := a.withRuntime(opt.Config)
	a.cfg = cfg
	a.geo, a.geoAgain = geo.New(geoConfig(cfg)), make(chan struct{}, 1)
	a.refreshGeo()
	a.loadBadNames()
	if opt.Level != nil {
		opt.Level.Set(cfg.Agent.Level())
	}

	st, err := store.Open(ctx, cfg.Database.Path, store.Options{Ballast: ballast})
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	a.store = st
	if r := st.Report(); r.Damaged {
		a.alarm("database", fmt.Sprintf("the database was damaged (%s); it was kept as %s and what could be read was carried over: %v", r.Problem, r.Aside, r.Salvaged))
	}
	if deny := cfg.Response.ProxyDenylist; deny.Path != "" {
		a.denied = enforce.NewDenyList(enforce.DenyConfig{Path: deny.Path, Format: enforce.DenyFormat(deny.Format), Failed: a.denyFailed})
	}
	a.prepareDrill()
	if err := a.recall(ctx); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	a.chooseFirewall(ctx)
	a.enforcer = enforce.New(a.desired, a.backend, enforce.Config{
		Logger:     a.log.With("part", "enforce"),
		CountEvery: 2 * time.Second,
		Cutter:     a.cutter(),
		Alarm:      func(al enforce.Alarm) { a.alarm(string(al.Kind), al.Text) },
	})
	a.server, err = control.Listen((*api)(a), control.Options{
		Path: cfg.Agent.Socket, Logger: a.log.With("part", "control"),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the control socket: %w", err), st.Close())
	}
	a.listenMetrics()
	return a, nil
}

// Close releases what New opened.
func (a *Agent) Close() error {
	var err error
	if a.metrics != nil {
		err = a.metrics.Close()
	}
	return errors.Join(err, a.server.Close(), a.store.Close())
}

// Run works until ctx ends, then stops in order: the readers first, then the
// engine, which takes in what was read and commits it, then the rest. The
// kernel keeps the blocks. It returns nil after an orderly stop.
func (a *Agent) Run(ctx context.Context) error {
	batches := make(chan sentinel.Batch, batchDepth)
	// The rest outlives the readers and the engine.
	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRest()

	read, stopReading := context.WithCancel(ctx)
	defer stopReading()
	rules := a.set.set.Len()
	a.discover(ctx)
	a.confine()

	var readers, loop, others errgroup.Group
	fail := make(chan error, 4)
	readers.Go(func() error {
		defer close(batches)
		defer a.sockets.Close()
		return a.collect(read, batches)
	})
	loop.Go(func() error { return a.loop(read, batches) })
	others.Go(func() error { return a.enforcer.Run(rest) })
	others.Go(func() error { return a.denied.Run(rest) })
	others.Go(func() error { a.clearOldFirewall(rest); return nil })
	others.Go(func() error {
		err := a.server.Run(rest)
		if err != nil {
			fail <- fmt.Errorf("serving the control socket: %w", err)
		}
		return err
	})
	others.Go(func() error { a.watchHost(rest); return nil })
	others.Go(func() error { a.followNames(rest); return nil })
	others.Go(func() error { a.watchLogs(rest); return nil })
	others.Go(func() error { a.watchSources(rest); return nil })
	others.Go(func() error { a.followGeo(rest); return nil })
	others.Go(func() error { a.followBadNames(rest); return nil })

	others.Go(func() error { a.tidy(rest); return nil })
	others.Go(func() error { a.watchdog(rest); return nil })
	if a.metrics != nil {
		others.Go(func() error { a.serveMetrics(rest); return nil })
	}
	a.notify("READY=1\nSTATUS=" + fmt.Sprintf("%d rules loaded", rules))
	a.log.Info("agent started", "version", a.opt.Version, "mode", a.config().Response.Mode, "firewall", a.backend.Name(),
		"rules", rules, "pid", os.Getpid())

	var err error
	select {
	case <-ctx.Done():
	case err = <-fail:
	case <-a.gone:
		if ctx.Err() == nil {
			err = errors.New("reading logs has ended by itself")
		}
	}
	a.notify("STOPPING=1")
	stopReading()
	err = errors.Join(err, readers.Wait(), loop.Wait())
	stopRest()
	err = errors.Join(err, others.Wait(), a.store.Close())
	a.log.Info("agent stopped", "error", err)
	return err
}

// settleTimes are how long starting takes: as a rule, and then, counted from
// there, where the machine is busy or much was done for the first time only.
var settleTimes = [...]time.Duration{3 * time.Second, 12 * time.Second}

// tidy gives back the memory that starting took and running does not need:
// what compiling the rules left behind, and pages of the program itself.
func (a *Agent) tidy(ctx context.Context) {
	debug.FreeOSMemory()
	for _, d := range settleTimes {
		select {
		case <-ctx.Done():
			return
		case <-time.After(d):
		}
		debug.FreeOSMemory()
		if err := host.ForgetProgram(); err != nil {
			a.log.Debug("the pages of starting stay in memory", "error", err)
		}
	}
}

// notify tells systemd; it is no fault if there is none.
func (a *Agent) notify(state string) {
	if err := host.Notify(state); err != nil {
		a.log.Warn("telling systemd failed", "error", err)
	}
}

// identify gives the agent its id and its host's name.
func (a *Agent) identify(ctx context.Context) error {
	a.name = a.cfg.Agent.Hostname
	if a.name == config.Auto {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("asking for the host's name: %w", err)
		}
		a.name = name
	}
	a.id = a.cfg.Agent.ID
	if a.id != config.Auto {
		return nil
	}
	const key = "agent_id"
	id, err := a.store.State(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		id = newID(time.Now())
		err = a.store.SetState(ctx, key, id)
	}
	if err != nil {
		return fmt.Errorf("looking up the agent's id: %w", err)
	}
	a.id = id
	return nil
}

// escalation is how far back earlier blocks count, as in package decide.
const escalation = 30 * 24 * time.Hour

// recall compiles the rules and takes up what was stored. Of many blocks the
// reading takes about as long as the compiling, so both are done at once.
func (a *Agent) recall(ctx context.Context) (err error) {
	now := time.Now()
	var past past
	var reading errgroup.Group
	reading.Go(func() (err error) {
		past, err = a.read(ctx, now)
		return err
	})
	a.set, err = a.buildRules(ctx, a.cfg)
	if err = errors.Join(err, reading.Wait()); err != nil {
		return err
	}
	if err := a.identify(ctx); err != nil {
		return err
	}
	return a.restore(ctx, now, past)
}

// past is what was stored of blocks and cases.
type past struct {
	blocks []sentinel.BlockRecord
	cases  []sentinel.Threat
	// closed are cases that were closed before, good what is good about
	// addresses: both are reputation.
	closed []decide.PastCase
	good   []sentinel.Regular
	// logins are the places that users log in from.
	logins []sentinel.LoginPlace
}

func (a *Agent) read(ctx context.Context, now time.Time) (p past, err error) {
	if _, err := a.store.Expire(ctx, now); err != nil {
		return p, fmt.Errorf("ending old blocks: %w", err)
	}
	if p.blocks, err = a.earlierBlocks(ctx, now); err != nil {
		return p, err
	}
	if p.cases, err = a.store.OpenCases(ctx, now.Add(-setup.Policy(a.cfg).CaseIdle)); err != nil {
		return p, fmt.Errorf("reading open cases: %w", err)
	}
	closed, err := a.store.PastCases(ctx, now.Add(-escalation), now.Add(-setup.Policy(a.cfg).CaseIdle), decide.MaxPastCases)
	if err != nil {
		return p, fmt.Errorf("reading closed cases: %w", err)
	}
	for _, c := range closed {
		p.closed = append(p.closed, decide.PastCase(c))
	}
	if p.good, err = a.store.Regulars(ctx, now.Add(-max(escalation, a.cfg.Response.KeyLogins)), decide.MaxRegulars); err != nil {
		return p, fmt.Errorf("reading what is known of addresses: %w", err)
	}
	if p.logins, err = a.store.Logins(ctx, now.Add(-detect.LoginMemory), detect.MaxLogins); err != nil {
		return p, fmt.Errorf("reading where users log in from: %w", err)
	}
	return p, nil
}

// restore takes up the blocks, the open cases and the allowlist. Positions come
// later, with the collector.
func (a *Agent) restore(ctx context.Context, now time.Time, p past) error {
	a.keys.load(p.good)
	if err := errors.Join(a.loadNames(ctx), a.setNames(ctx)); err != nil {
		return err
	}
	allow, err := a.allowlist(ctx)
	if err != nil {
		return err
	}
	a.engine = engine.New(engine.Config{
		Set: a.set.set, Detect: detect.DefaultConfig(), Decide: setup.Policy(a.cfg), Allow: allow, NewID: newID,
		Locate: a.geo.Lookup, Listed: a.listings,
	})
	a.notePlaces(allow)
	a.engine.Decider().TrackGrowth()
	a.engine.RestoreLogins(p.logins)
	a.engine.Decider().RestorePast(now, p.closed)
	a.engine.Decider().RestoreRegulars(p.good)
	fx := a.engine.Decider().Restore(now, p.blocks, p.cases)
	a.pending.add(fx, now)
	a.raise(fx.Alarms)
	a.pending.forget() // all of it is in Blocks() below
	a.desired.Load(a.engine.Decider().Blocks(), kernelAllow(allow))
	a.denied.Load(a.engine.Decider().Blocks())
	a.startSeries(ctx, now)
	a.startProfiles(ctx)
	a.startClients(ctx, now)
	a.startPayload(ctx, now)
	return nil
}

// earlierBlocks returns the blocks in force and those that ended within the time
// that counts for escalation.
func (a *Agent) earlierBlocks(ctx context.Context, now time.Time) ([]sentinel.BlockRecord, error) {
	inForce, err := a.store.BlocksInForce(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("reading the blocks in force: %w", err)
	}
	var out []sentinel.BlockRecord
	for _, status := range []string{store.StatusExpired, store.StatusRevoked} {
		ended, _, err := a.store.Actions(ctx, store.ActionFilter{Type: "block", Status: status, Since: now.Add(-escalation)})
		if err != nil {
			return nil, fmt.Errorf("reading earlier blocks: %w", err)
		}
		for _, act := range ended {
			if takenBack(act) {
				continue
			}
			rec := sentinel.BlockRecord{
				ID: act.ID, Prefix: act.Target, Reason: act.Reason, Origin: act.Origin, Actor: act.Actor,
				ThreatID: act.ThreatID, Score: act.Score, Created: act.Created, Expires: act.Expires, Simulated: act.Simulated,
			}
			if !act.RevokedAt.IsZero() && (rec.Expires.IsZero() || act.RevokedAt.Before(rec.Expires)) {
				rec.Expires = act.RevokedAt
			}
			out = append(out, rec)
		}
	}
	return append(out, inForce...), nil
}

// takenBack reports whether a block that ended does not count: it was never
// confirmed, or a person lifted what a rule had blocked.
func takenBack(act sentinel.Action) bool {
	if act.Trial {
		return true
	}
	if act.Origin != sentinel.OriginRule || act.Status != store.StatusRevoked {
		return false
	}
	byUs := act.RevokedBy == decide.ByLimit || act.RevokedBy == decide.ByAllowlist || strings.HasPrefix(act.RevokedBy, "block ")
	return !byUs
}

// maxAlarms is how many alarms status shows.
const maxAlarms = 20

// alarm remembers and logs something about the agent itself.
func (a *Agent) alarm(kind, text string) {
	a.log.Warn("alarm", "kind", kind, "text", text)
	a.tally.alarm(kind)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.alarms) == maxAlarms {
		a.alarms = append(a.alarms[:0], a.alarms[1:]...)
	}
	a.alarms = append(a.alarms, control.Alarm{Time: time.Now(), Kind: kind, Text: text})
}
