package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

// analyzeFlags are what "ai analyze" was told.
type analyzeFlags struct {
	window
	kind, timezone    string
	rules             []string
	everyLine, policy bool
	maxBytes          int64
	limit             int
}

func newAI(a *app) *cobra.Command {
	return group("ai", "Analyze old logs, explain threats, show what is usual, train models", newAnalyze(a), newExplain(a), newBaselines(a), newForget(a), newGenerate(a), newTrain(a), newEvaluate(a))
}

func newAnalyze(a *app) *cobra.Command {
	f := analyzeFlags{}
	c := &cobra.Command{
		Use: "analyze FILE...", Short: "Look through log files as the agent would, without it",
		Long: `Run the agent's engine over log files: plain, .gz or .zst, or "-" for standard
input. Nothing is blocked and nothing is stored. It reports the threats in them,
what would have been blocked, the busiest attackers, and how much was understood.

Files are read in the order of time, whatever the order they are named in. Stamps
without a year are taken to be from the year before the file's last change.`,
		Example: `  sentinelctl ai analyze /var/log/auth.log
  sentinelctl ai analyze --policy --since 7d /var/log/nginx/access.log*
  zcat old.gz | sentinelctl ai analyze --type nginx --format json -
  sentinelctl ai analyze --every-line --format jsonl auth.log | jq 'select(.risk > 0.5)'`,
		Args: someArgs(1, -1, "a log file (or - for standard input)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := a.newAnalysis(&f)
			if err != nil {
				return err
			}
			return x.run(cmd.Context(), args)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.kind, "type", "auto", "`type` of the logs: auto, ssh, nginx, apache, syslog, ...")
	fl.StringVar(&f.since, "since", "", "only lines since `when`")
	fl.StringVar(&f.until, "until", "", "only lines until `when`")
	fl.StringVar(&f.timezone, "timezone", "local", "`zone` of stamps that name none: local, UTC, Europe/Vienna, ...")
	fl.StringArrayVar(&f.rules, "rules", nil, "also use the rules in this `file or directory`; one with the id of a built-in rule replaces it")
	fl.BoolVar(&f.policy, "policy", false, "show each block that would have been made, with time, length and reason")
	fl.BoolVar(&f.everyLine, "every-line", false, "with --format jsonl: one object for each line, with all rules that match it")
	fl.Int64Var(&f.maxBytes, "max-bytes", defaultMaxBytes, "`bytes` that one file may decompress to")
	fl.IntVarP(&f.limit, "limit", "n", 40, "at most `N` threats and blocks in tables (0: all)")
	return c
}

// analysis is one run of "ai analyze".
type analysis struct {
	a      *app
	f      *analyzeFlags
	engine *engine.Engine
	parse  parse.Config
	// since and until bound the lines' times, if bounded.
	since, until time.Time
	bounded      bool

	report report
	lines  *lineWriter // nil unless --every-line
	bar    *progress
	tick   time.Time // event time of the engine's last tick
	// failed says that a file could not be read to its end.
	failed bool
}

// newAnalysis checks the flags and makes the engine.
func (a *app) newAnalysis(f *analyzeFlags) (*analysis, error) {
	if f.everyLine && a.format != "jsonl" {
		return nil, usagef("--every-line writes one JSON object a line, not %s", a.format).hint("add --format jsonl")
	}
	if f.maxBytes < 1 {
		return nil, usagef("--max-bytes: %d is less than 1", f.maxBytes)
	}
	x := &analysis{a: a, f: f}
	kind, err := parse.ParseType(f.kind)
	if err != nil {
		return nil, usagef("--type: %v", err)
	}
	zone, err := location(f.timezone)
	if err != nil {
		return nil, err
	}
	x.parse = parse.Config{Type: kind, Location: zone, TrustedProxies: config.DefaultSource().TrustedProxies}
	if x.since, x.until, err = f.times(a.now()); err != nil {
		return nil, err
	}
	x.bounded = !x.since.IsZero() || !x.until.IsZero()
	cfg, err := a.localConfig()
	if err != nil {
		return nil, err
	}
	rs, err := a.loadRules(cfg, f.rules)
	if err != nil {
		return nil, err
	}
	a.leftOut(rs.Problems)
	protected, err := setup.Protections(cfg)
	if err != nil {
		return nil, err
	}
	x.engine = engine.New(engine.Config{
		Set: rs.Set, Payload: a.payload(cfg), Detect: detect.DefaultConfig(), Decide: replayPolicy(cfg),
		// What protects this host's own addresses is left out: the log may be another's.
		Allow: decide.NewAllowlist(protected), Locate: a.locator(cfg), Listed: a.listings(cfg),
	})
	x.report.init(cfg)
	if f.everyLine {
		x.lines = newLineWriter(a.out, x.engine)
	}
	return x, nil
}

// leftOut names the rules that are not used for their faults.
func (a *app) leftOut(problems []rule.Problem) {
	n := 0
	for _, p := range problems {
		if p.Warning {
			continue
		}
		if n++; n <= 3 {
			a.err.printf("%s %s\n", a.err.paint(styleWarn, "rule left out:"), clean(p.Error()))
		}
	}
	if n > 3 {
		a.err.printf("%s %d more; sentinelctl rules lint names them\n", a.err.paint(styleWarn, "rule left out:"), n-3)
	}
	_ = a.err.flush()
}

// location reads the name of a time zone.
func location(name string) (*time.Location, error) {
	switch strings.ToLower(name) {
	case "", "local":
		return time.Local, nil
	case "utc":
		return time.UTC, nil
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, usagef("--timezone: %s is no time zone", quote(name)).hint("write local, UTC or a name such as Europe/Vienna")
	}
	return l, nil
}

// replayPolicy is the configuration's policy, without effects.
func replayPolicy(cfg *config.Config) decide.Config {
	p := setup.Policy(cfg)
	p.Observe = true // nothing here reaches a kernel
	// An old log has all its attackers within seconds, and here memory is no
	// matter: each stays one threat.
	p.MaxCases = 100_000
	return p
}

// run reads the files and reports.
func (x *analysis) run(ctx context.Context, names []string) error {
	// Chunks are most of what is allocated; memory is cheaper here than time.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	begin := startUsage()
	streams := x.open(names)
	x.bar = newProgress(x.a, streams)
	var err error
	if x.lines != nil {
		err = x.inOrder(ctx, streams)
	} else {
		err = x.byTime(ctx, streams)
	}
	x.bar.end()
	if err != nil {
		return err
	}
	x.report.effects(x.engine.Tick(x.engine.Clock()))
	if x.lines != nil {
		if err := x.lines.flush(); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
	} else {
		x.report.finish(x, streams, begin)
		if err := x.show(); err != nil {
			return err
		}
	}
	if x.failed {
		return silent(exitFailed)
	}
	return nil
}

// stream is one file at work.
type stream struct {
	in   *input
	src  *engine.Source
	file fileReport
	// rest is what is left of the chunk in hand; done says that nothing follows.
	rest string
	done bool
	// at is the time of the last line with one, or of the next one if that was
	// looked at already; ahead is what looks.
	at         time.Time
	ahead      *parse.Parser
	aheadEvent sentinel.Event
}

// time reads the time of a line that is still to come; zero if it has none, or
// one so long after the file's last change that it cannot be true.
func (s *stream) time(line string) time.Time {
	if !s.ahead.Parse(line, s.in.mod, s.in.mod, &s.aheadEvent) || s.aheadEvent.Time.After(s.in.mod.Add(24*time.Hour)) {
		return time.Time{}
	}
	return s.aheadEvent.Time
}

// open opens all files that can be; the others are named.
func (x *analysis) open(names []string) []*stream {
	var out []*stream
	for _, name := range names {
		in, err := openInput(name, x.a.stdin, x.a.now(), x.f.maxBytes)
		if err != nil {
			x.fail(err)
			continue
		}
		s := &stream{in: in, src: x.engine.NewSource(in.name, x.parse), ahead: parse.New(x.parse)}
		s.file.Name = in.name
		out = append(out, s)
	}
	return out
}

// fail names a file that cannot be read; the others go on.
func (x *analysis) fail(err error) {
	x.failed = true
	if x.bar != nil {
		x.bar.clear()
	}
	x.report.Errors = append(x.report.Errors, clean(err.Error()))
	x.a.err.printf("%s %s\n", x.a.err.paint(styleBad, "error:"), clean(err.Error()))
	_ = x.a.err.flush()
}

// more reads the next chunk if none is in hand; false: the file is over.
func (x *analysis) more(s *stream) bool {
	if s.rest != "" || s.done {
		return !s.done
	}
	text, err := s.in.chunk()
	x.bar.show()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			x.fail(err)
			s.file.Error = clean(err.Error())
		}
		s.done = true
		s.in.Close()
		return false
	}
	s.rest = text
	return true
}

// inOrder reads one file after the other.
func (x *analysis) inOrder(ctx context.Context, streams []*stream) error {
	for _, s := range streams {
		for x.more(s) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := x.every(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// byTime reads all files at once, always on from where the least time is, so
// that nothing comes late that did not come late to the agent.
func (x *analysis) byTime(ctx context.Context, streams []*stream) error {
	for _, s := range streams {
		s.reached(x.firstTime(s))
	}
	for {
		var next *stream
		var limit time.Time // where another file is
		for _, s := range streams {
			switch {
			case s.done:
			case next == nil:
				next = s
			case s.at.Before(next.at):
				next, limit = s, next.at
			case limit.IsZero() || s.at.Before(limit):
				limit = s.at
			}
		}
		if next == nil {
			return nil
		}
		if !limit.IsZero() {
			limit = limit.Add(time.Second)
		}
		for x.more(next) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if x.feed(next, limit) {
				break
			}
		}
	}
}

// firstTime looks for the time of the first line that has one.
func (x *analysis) firstTime(s *stream) time.Time {
	if !x.more(s) {
		return time.Time{}
	}
	text := s.rest
	for range 100 {
		line, rest, ok := strings.Cut(text, "\n")
		if !ok {
			break
		}
		if t := s.time(tidy(line)); !t.IsZero() {
			return t
		}
		text = rest
	}
	return time.Time{}
}

// tickEvery is how much event time passes between two ticks of the engine. It is
// longer than in the agent, since here nobody waits for counts; blocks and cases
// that are over are known to be without it.
const tickEvery = time.Hour

// feed takes in the lines in hand before the first one that is after limit, if
// there is a limit, and reports whether it came to such a line.
func (x *analysis) feed(s *stream, limit time.Time) bool {
	eng, src, mod, text := x.engine, s.src, s.in.mod, s.rest
	limited := !limit.IsZero()
	var lines, blank, unparsed uint64
	reached := false
	var last time.Time
	for len(text) > 0 {
		i := strings.IndexByte(text, '\n')
		line, next := text[:i], text[i+1:]
		if i == 0 || line[i-1] == '\r' || line[0] == 0 || i > sentinel.MaxLine {
			if line = tidy(line); line == "" {
				blank++
				text = next
				continue
			}
		}
		if limited || x.bounded {
			t := s.time(line)
			if reached = limited && t.After(limit); reached {
				last = t
				break
			}
			if x.bounded && !x.within(t) {
				text = next
				continue
			}
		}
		text = next
		lines++
		st := eng.Replay(src, line, mod)
		if !st.Parsed {
			unparsed++
			x.report.unparsed(line)
		}
		if len(st.Effects.Threats)+len(st.Effects.Blocks)+len(st.Effects.Alarms) > 0 {
			x.report.effects(st.Effects)
		}
		if lines&255 == 0 {
			x.time()
		}
		last = st.Event.Time
	}
	s.rest = text
	s.file.Lines += lines
	s.file.Blank += blank
	s.file.Unparsed += unparsed
	s.reached(last)
	return reached
}

// time lets the engine's clock do its work.
func (x *analysis) time() {
	if c := x.engine.Clock(); c.Sub(x.tick) >= tickEvery {
		x.report.effects(x.engine.Tick(c))
		x.tick = c
	}
}

// reached keeps the time that a file has come to; zero is a line without one.
func (s *stream) reached(t time.Time) {
	if t.IsZero() {
		return
	}
	s.at = t
	if s.file.First.IsZero() {
		s.file.First = t
	}
	if t.After(s.file.Last) {
		s.file.Last = t
	}
}

// within reports whether a line's own time is between --since and --until.
// Lines without a time are not.
func (x *analysis) within(t time.Time) bool {
	return !t.IsZero() && !t.Before(x.since) && (x.until.IsZero() || t.Before(x.until))
}

// every is feed for --every-line.
func (x *analysis) every(s *stream) error {
	text := s.rest
	for len(text) > 0 {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		line = tidy(line)
		if x.bounded && !x.within(s.time(line)) {
			continue
		}
		st := x.engine.Replay(s.src, line, s.in.mod)
		s.file.Lines++
		if err := x.lines.write(s.in.name, s.file.Lines, st); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
		if s.file.Lines&255 == 0 {
			x.time()
		}
	}
	s.rest = ""
	return nil
}
