// Package engine joins the rules of the pipeline: a line is parsed, matched,
// counted and decided on by plain function calls.
//
// It does no I/O and reads no clock. The agent, the analysis of old logs, the
// tests inside rules, the benchmarks and the fuzzers run the same engine: the
// same log gives the same threats every time.
package engine

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/profile"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// Config is what an Engine is made of.
type Config struct {
	// Set holds the compiled rules.
	Set *rule.Set
	// Detect bounds the counters; Decide is the policy. Decide must be valid
	// unless DetectOnly.
	Detect detect.Config
	Decide decide.Config
	// Allow is never blocked; nil: decide.DefaultProtections.
	Allow *decide.Allowlist
	// NewID returns a new unique id (a ULID) for a time. Nil numbers them, which
	// is enough where nothing is stored.
	NewID func(time.Time) string
	// DetectOnly leaves out decisions: Step.Effects stays empty.
	DetectOnly bool
	// Payload judges requests; nil: nothing does. It belongs to this engine alone.
	Payload *payload.Stage
	// Locate says where addresses are; nil: nobody knows. It is called by the
	// engine's goroutine, for few events, and must not wait.
	Locate func(netip.Addr) sentinel.Geo
	// Listed says which lists of addresses with a bad name have one; nil: none.
	Listed func(netip.Addr) []decide.Listing
}

// Engine is the pipeline without hands. It is not safe for concurrent use.
type Engine struct {
	set      *rule.Set
	matcher  *rule.Matcher
	locate   func(netip.Addr) sentinel.Geo
	detector *detect.Detector
	decider  *decide.Decider // nil with DetectOnly
	clock    time.Time       // of replays: the greatest event time so far
	step     Step
	seen     []seen
	stats    Stats
	// sources are their names by number, for sightings.
	sources   []string
	sightings *sightings
	answers   *answers
	logins    *detect.Logins
	series    series
	profiles  profiles
	clients   *anomaly.Stage // nil: off
	payload   payloads
}

// Source is one source of lines. It belongs to the engine that made it.
type Source struct {
	id     string
	number uint16
	parser *parse.Parser
	event  sentinel.Event
	// behindProxy: see BehindProxy.
	behindProxy bool
	// series is nil for none, and belongs to watched.
	kind    sentinel.SourceType
	series  *anomaly.Series
	watched *anomaly.SeriesSet
	// profile is nil for none, and belongs to profiled.
	profile  *profile.Source
	profiled *profile.Set
	// told are events that several lines tell, by serial.
	told [maxTold]told
}

// BehindProxy says whether the addresses in the source's lines are those of a
// proxy in front of this host, so that no block follows from them.
func (s *Source) BehindProxy(yes bool) { s.behindProxy = yes }

// ID returns the source's id.
func (s *Source) ID() string { return s.id }

// Step is what one line led to. It is valid until the engine's next call;
// Effects and detections are owned by the receiver.
type Step struct {
	// Parsed says that the line was understood.
	Parsed  bool
	Event   *sentinel.Event
	Matches []rule.Match
	Results []detect.Result
	Effects decide.Effects
}

// Stats counts what an engine has seen since it was made.
type Stats struct {
	Lines, Unparsed, Matches, Firings uint64
	Detect                            detect.Stats
	Decide                            decide.Stats
}

// seen is a case that the event in hand was counted into.
type seen struct {
	scope netip.Prefix
	key   string
	group string
}

// New returns an engine.
func New(cfg Config) *Engine {
	e := &Engine{set: cfg.Set, matcher: cfg.Set.NewMatcher(), detector: detect.New(cfg.Set, cfg.Detect),
		sightings: &sightings{seed: rand.Uint64()}, answers: &answers{}, logins: detect.NewLogins(), locate: cfg.Locate}
	e.matcher.LocateBy(e.locate)
	e.SetPayload(cfg.Payload)
	if !cfg.DetectOnly {
		newID := cfg.NewID
		if newID == nil {
			newID = numbered()
		}
		e.decider = decide.New(cfg.Decide, cfg.Allow, newID)
		e.decider.LocateBy(cfg.Locate)
		e.decider.ListBy(cfg.Listed)
	}
	return e
}

// NewSource returns a source of lines with the id that events and threats name.
func (e *Engine) NewSource(id string, cfg parse.Config) *Source {
	id = strings.Clone(id)
	return &Source{id: id, number: e.number(id), parser: parse.New(cfg), kind: cfg.Type}
}

// Line takes in one line that arrived at now. mod is the modification time of
// the file, to which the year of stamps without one is fitted; zero means now.
// A line that matches nothing allocates nothing.
func (e *Engine) Line(src *Source, text string, now, mod time.Time) *Step {
	parsed := src.parser.Parse(text, now, mod, &src.event)
	return e.take(src, parsed, now)
}

// Entry is Line for a line that says how far its header is to be believed.
func (e *Engine) Entry(src *Source, l *sentinel.Line, now, mod time.Time) *Step {
	parsed := src.parser.ParseAs(l.Trust, l.Text, now, mod, &src.event)
	return e.take(src, parsed, now)
}

// Replay takes in one line of an old log. It happens at the greatest event time
// so far, as far as that is not beyond mod (if given): a single line with a
// stamp in the future must not make all others late.
func (e *Engine) Replay(src *Source, text string, mod time.Time) *Step {
	now := e.clock
	if now.IsZero() {
		now = mod
	}
	parsed := src.parser.Parse(text, now, mod, &src.event)
	if t := src.event.Time; t.After(e.clock) && (mod.IsZero() || !t.After(mod.Add(maxAhead))) {
		e.clock = t
	}
	if !e.clock.IsZero() {
		now = e.clock
	}
	src.event.Received = now
	return e.take(src, parsed, now)
}

// Rebuild counts a line whose effects are stored already, as when the last minute
// is read again after a crash: the counters and what cases know of their latest
// lines become what they were, and nothing else happens. The event is valid until
// the next call.
func (e *Engine) Rebuild(src *Source, l *sentinel.Line, now, mod time.Time) *sentinel.Event {
	ev := &src.event
	src.parser.ParseAs(l.Trust, l.Text, now, mod, ev)
	ev.Source = src.id
	results := e.detector.Observe(ev, e.matcher, e.profile(src, ev, src.once(ev, e.match(ev, now)), now), now)
	e.weigh(results)
	for i := range results {
		if r := &results[i]; r.Fired && e.decider != nil {
			e.decider.Remember(r.Detection)
		}
	}
	return ev
}

// maxAhead is how much later than the modification of its file a line of a
// replay may be stamped and still move the clock (a copy's time may be off by a
// time zone).
const maxAhead = 24 * time.Hour

// take matches, counts and decides.
func (e *Engine) take(src *Source, parsed bool, now time.Time) *Step {
	ev := &src.event
	ev.Source = src.id
	e.stats.Lines++
	if !parsed {
		e.stats.Unparsed++
	}
	if ev.SrcIP.IsValid() {
		e.sightings.note(ev.SrcIP, src.number, now)
	}
	st := &e.step
	st.Parsed, st.Event = parsed, ev
	st.Effects = decide.Effects{}
	st.Matches = src.once(ev, e.match(ev, now))
	if ev.Type == sentinel.EventAuthOK {
		st.Matches = e.login(ev, st.Matches, now)
	}
	st.Matches = e.profile(src, ev, st.Matches, now)
	e.stats.Matches += uint64(len(st.Matches))
	st.Results = e.detector.Observe(ev, e.matcher, st.Matches, now)
	e.unusualOnly(src, st.Results)
	e.weigh(st.Results)
	if ev.Type == sentinel.EventHTTPAccess {
		e.answer(ev, st)
	}
	e.seen = e.seen[:0]
	for _, fired := range [2]bool{true, false} { // what a detection counts is not more of its case
		for i := range st.Results {
			if r := &st.Results[i]; r.Fired == fired {
				e.decide(src, r, now)
			}
		}
	}
	if e.decider != nil {
		e.good(ev, st.Matches, now)
	}
	if e.series.set != nil {
		e.observe(src, st, now)
	}
	if e.clients != nil {
		e.client(src, st, now)
	}
	return st
}

// sampling is how many lines there are for each that is looked at as harmless
// use: whoever uses a site for days is in the sample.
const sampling = 16

// good notes what is good about the address of an event: a login, or harmless
// use. An address from a header is nobody whom the firewall could block.
func (e *Engine) good(ev *sentinel.Event, matches []rule.Match, now time.Time) {
	switch {
	case ev.Type == sentinel.EventAuthOK:
		if !ev.FromHeader {
			e.decider.Login(now, ev.Time, ev.SrcIP, ev.User, IsKeyLogin(ev))
		}
	case ev.Type == sentinel.EventHTTPAccess && e.stats.Lines%sampling == 0:
		if s := ev.HTTP.Status; s >= 200 && s < 400 && !ev.FromHeader && e.harmless(matches) {
			e.decider.Used(now, ev.Time, ev.SrcIP)
		}
	}
}

// harmless reports whether none of the matches says anything by itself.
func (e *Engine) harmless(matches []rule.Match) bool {
	for i := range matches {
		if !e.set.Rule(int(matches[i].Rule)).Ambient() {
			return false
		}
	}
	return true
}

// IsKeyLogin reports whether an event is a login by public key, by the word of an
// SSH server.
func IsKeyLogin(ev *sentinel.Event) bool {
	return ev.Type == sentinel.EventAuthOK && ev.Method == "publickey" && (ev.Program == "sshd" || ev.Program == "dropbear")
}

// decide hands one result to the decider: a detection as such, a silent firing
// as more of a case that is open. An event counts once in a case, however many
// rules it belongs to.
func (e *Engine) decide(src *Source, r *detect.Result, now time.Time) {
	if r.Fired {
		e.stats.Firings++
	}
	if e.decider == nil || !r.Fired && (!r.Silent || r.Weight == 0) {
		return
	}
	k := seen{scope: r.Scope, key: r.Key, group: e.set.Rule(int(r.Rule)).Group}
	if r.Fired {
		r.Detection.BehindProxy = src.behindProxy
		e.step.Effects.Merge(e.decider.Detect(now, r.Detection))
		e.seen = append(e.seen, k)
		return
	}
	for _, old := range e.seen {
		if old == k {
			return
		}
	}
	e.decider.Seen(now, r.Scope, r.Key, k.group, r.Weight)
	e.seen = append(e.seen, k)
}

// Order does what a person, a bot or the cloud wants; see decide.Decider.Order.
// It must not be called with DetectOnly.
func (e *Engine) Order(now time.Time, o sentinel.Order) (decide.Effects, error) {
	return e.decider.Order(now, o)
}

// Tick does what time brings: blocks end, cases close, counts that changed are
// handed out.
func (e *Engine) Tick(now time.Time) decide.Effects {
	if e.decider == nil {
		return decide.Effects{}
	}
	fx := e.decider.Tick(now)
	fx.Logins = e.logins.Changed()
	if e.series.set != nil && e.series.set.Advance(now) {
		fx.Merge(e.deviations(now))
	}
	if e.clients != nil {
		fx.Merge(e.unusual(e.clients.Tick(now), now))
	}
	return fx
}

// Swap puts another rule set in force. The counters of rules that did not
// change go on, also where they are shared with rules that did.
func (e *Engine) Swap(set *rule.Set, cfg detect.Config) {
	next := detect.New(set, cfg)
	next.Adopt(e.detector)
	e.set, e.matcher, e.detector = set, set.NewMatcher(), next
	e.matcher.LocateBy(e.locate)
	e.SetPayload(e.payload.stage)
	e.step.Matches, e.step.Results = nil, nil
}

// Decider returns what decides, nil with DetectOnly.
func (e *Engine) Decider() *decide.Decider { return e.decider }

// Detector returns what counts.
func (e *Engine) Detector() *detect.Detector { return e.detector }

// Matcher returns what matches.
func (e *Engine) Matcher() *rule.Matcher { return e.matcher }

// Set returns the rules in force.
func (e *Engine) Set() *rule.Set { return e.set }

// Clock returns the greatest event time that replays have seen.
func (e *Engine) Clock() time.Time { return e.clock }

// Stats returns a copy of the counters.
func (e *Engine) Stats() Stats {
	s := e.stats
	s.Detect = e.detector.Stats()
	if e.decider != nil {
		s.Decide = e.decider.Stats()
	}
	return s
}

// numbered returns ids that are numbers, as long as a ULID.
func numbered() func(time.Time) string {
	n := 0
	return func(time.Time) string {
		n++
		id := []byte("00000000000000000000000000")
		for i, v := len(id)-1, n; v > 0; i, v = i-1, v/10 {
			id[i] = byte('0' + v%10)
		}
		return string(id)
	}
}
