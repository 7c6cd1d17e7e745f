package ctl

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

// maxExplained is how many lines of standard input are explained at once.
const maxExplained = 100

// lineFlags are what "explain-line" was told.
type lineFlags struct {
	kind, timezone string
	rules          []string
	live           bool
}

func newExplainLine(a *app) *cobra.Command {
	f := lineFlags{}
	c := &cobra.Command{
		Use: "explain-line [LINE]", Short: "Say what the agent would make of a line of a log",
		Long: `Take one line of a log through the same parser, rules and policy as the agent,
and show what was understood, which rules match it and where, what each of them
counts towards, what score the line gives by itself, and what would be done.

Without LINE, lines are read from standard input and explained one by one, each
as if it were the only one. No agent is needed; with --live the running agent
adds what it knows about the line's address.`,
		Example: `  sentinelctl explain-line 'sshd[81]: Failed password for root from 203.0.113.42 port 4242 ssh2'
  tail -n 1 /var/log/nginx/access.log | sentinelctl explain-line --source-type nginx
  sentinelctl explain-line --rules my-rules.yml --format json < sample.log`,
		Args: someArgs(0, 1, "one line in quotation marks"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.explainLines(cmd, &f, args) },
	}
	fl := c.Flags()
	fl.StringVar(&f.kind, "source-type", "auto", "`type` of the log: auto, ssh, nginx, apache, syslog, ...")
	fl.StringVar(&f.timezone, "timezone", "local", "`zone` of stamps that name none: local, UTC, Europe/Vienna, ...")
	fl.StringArrayVar(&f.rules, "rules", nil, "also use the rules in this `file or directory`")
	fl.BoolVar(&f.live, "live", false, "also ask the running agent about the address and the rules")
	return c
}

// lineExplanation is what one line leads to.
type lineExplanation struct {
	Line       string          `json:"line"`
	Understood bool            `json:"understood"`
	Event      json.RawMessage `json:"event"`
	// Matches are the rules whose conditions the line meets.
	Matches []lineMatch `json:"matches"`
	// Excepted are rules that would match but for an exception.
	Excepted []string `json:"excepted"`
	// Threat is what the line leads to by itself, if it leads to one.
	Threat *sentinel.Threat `json:"threat,omitempty"`
	// Verdict says what would be done, and why not more.
	Verdict string `json:"verdict"`
	// Live is what the running agent knows, with --live.
	Live *liveLine `json:"live,omitempty"`

	event sentinel.Event
	addr  netip.Addr
}

// lineMatch is one rule that a line matches.
type lineMatch struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Severity   sentinel.Severity `json:"severity"`
	Confidence float64           `json:"confidence"`
	Fires      bool              `json:"fires"`
	// Step is the step of a sequence that the line is.
	Step string `json:"step,omitempty"`
	// Count of Threshold within Window is what one such line counts.
	Count     int           `json:"count,omitempty"`
	Threshold int           `json:"threshold,omitempty"`
	Window    time.Duration `json:"window,omitempty"`
	// Counts says it in words.
	Counts   string              `json:"counts"`
	Evidence []sentinel.Evidence `json:"evidence"`
}

// liveLine is what the running agent says.
type liveLine struct {
	Mode     string          `json:"mode"`
	Disabled []string        `json:"rules_not_in_use"`
	Address  *control.WhyNot `json:"address,omitempty"`
}

// lineExplainer has what lines are explained with.
type lineExplainer struct {
	// payload makes the model of requests for an engine.
	payload    func() *payload.Stage
	parse      parse.Config
	set, plain *rule.Set // plain has no exceptions
	policy     decide.Config
	allow      *decide.Allowlist
	locate     func(netip.Addr) sentinel.Geo
	listed     func(netip.Addr) []decide.Listing
}

func (a *app) explainLines(cmd *cobra.Command, f *lineFlags, args []string) error {
	kind, err := parse.ParseType(f.kind)
	if err != nil {
		return usagef("--source-type: %v", err)
	}
	zone, err := location(f.timezone)
	if err != nil {
		return err
	}
	lines := args
	if len(args) == 0 {
		if lines, err = readLines(a.stdin, maxExplained); err != nil {
			return err
		}
	}
	x, err := a.newLineExplainer(f.rules)
	if err != nil {
		return err
	}
	x.parse = parse.Config{Type: kind, Location: zone, TrustedProxies: config.DefaultSource().TrustedProxies}
	var out []*lineExplanation
	for _, text := range lines {
		e := x.explain(text, a.now())
		if f.live {
			if err := a.ask(cmd, func(ctx context.Context, c *control.Client) error { return e.ask(ctx, c) }); err != nil {
				return err
			}
		}
		out = append(out, e)
	}
	if a.format != "table" {
		return list(a, out)
	}
	for _, e := range out {
		a.explainedLine(e)
	}
	return nil
}

// readLines reads up to n lines that are not empty.
func readLines(r io.Reader, n int) (out []string, err error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for sc.Scan() {
		if text := strings.TrimRight(sc.Text(), "\r"); text != "" {
			if len(out) == n {
				return nil, usagef("more than %d lines", n).hint("sentinelctl ai analyze looks through whole logs")
			}
			out = append(out, text)
		}
	}
	switch err := sc.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, usagef("a line is longer than a megabyte")
	case err != nil:
		return nil, fmt.Errorf("reading standard input: %w", err)
	case len(out) == 0:
		return nil, usagef("there is no line to explain").hint("sentinelctl explain-line 'LINE', or give it on standard input")
	}
	return out, nil
}

// newLineExplainer compiles the rules that the agent would use.
func (a *app) newLineExplainer(paths []string) (*lineExplainer, error) {
	cfg, err := a.localConfig()
	if err != nil {
		return nil, err
	}
	rs, err := a.loadRules(cfg, paths)
	if err != nil {
		return nil, err
	}
	a.leftOut(rs.Problems)
	bare, err := setup.LoadRules(cfg, setup.Options{Now: a.now(), Also: paths, NoExceptions: true})
	if err != nil {
		return nil, err
	}
	protected, err := setup.Protections(cfg)
	if err != nil {
		return nil, err
	}
	policy := setup.Policy(cfg)
	policy.Observe = true // nothing here reaches a kernel
	return &lineExplainer{set: rs.Set, plain: bare.Set, policy: policy, allow: decide.NewAllowlist(protected), locate: a.locator(cfg), listed: a.listings(cfg),
		payload: func() *payload.Stage { return a.payload(cfg) }}, nil
}

// explain takes one line through an engine of its own.
func (x *lineExplainer) explain(text string, now time.Time) *lineExplanation {
	eng := engine.New(engine.Config{Set: x.set, Payload: x.payload(), Detect: detect.DefaultConfig(), Decide: x.policy, Allow: x.allow, Locate: x.locate, Listed: x.listed})
	src := eng.NewSource("line", x.parse)
	st := eng.Replay(src, text, now)
	e := &lineExplanation{Line: text, Understood: st.Parsed, Event: appendEvent(nil, st), Matches: []lineMatch{}, Excepted: []string{}}
	e.event, e.addr = *st.Event, st.Event.SrcIP
	for _, mt := range st.Matches {
		res := resultOf(st.Results, mt.Rule)
		e.Matches = append(e.Matches, x.match(eng, st, mt, res))
		if mt.Addr.IsValid() {
			e.addr = mt.Addr
		}
	}
	slices.SortStableFunc(e.Matches, func(p, q lineMatch) int {
		return cmp.Or(-cmp.Compare(one(p.Fires), one(q.Fires)), -cmp.Compare(p.Severity, q.Severity), cmp.Compare(p.ID, q.ID))
	})
	if n := len(st.Effects.Threats); n > 0 {
		e.Threat = &st.Effects.Threats[n-1]
	}
	e.Excepted = x.excepted(st, text, now)
	e.Verdict = e.verdict(x.allow)
	return e
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// match tells what one rule makes of the line.
func (x *lineExplainer) match(eng *engine.Engine, st *engine.Step, mt rule.Match, res *detect.Result) lineMatch {
	r := x.set.Rule(int(mt.Rule))
	m := lineMatch{ID: r.ID, Name: r.Name, Severity: r.Severity, Confidence: r.Confidence, Evidence: eng.Matcher().Evidence(st.Event, mt)}
	if m.Evidence == nil {
		m.Evidence = []sentinel.Evidence{}
	}
	m.Fires = res != nil && res.Fired
	switch {
	case r.Aggregation != nil:
		m.Threshold, m.Window = r.Aggregation.Threshold, r.Aggregation.Window
		if res != nil {
			m.Count = res.Count
		}
		m.Counts = aggregationText(r.Aggregation, m.Count)
	case r.Sequence != nil:
		m.Step, m.Counts = stepText(r.Sequence, int(mt.Step))
		m.Window = r.Sequence.Within
	default:
		m.Counts = "fires on a single line"
	}
	return m
}

// aggregationText is for example "1 of 5 within 5m for each src_ip".
func aggregationText(g *rule.Aggregation, count int) string {
	var by []string
	for _, f := range g.GroupBy {
		name := f.Name()
		if (f == rule.SrcIP || f == rule.PeerIP || f == rule.DstIP) && g.V4 > 0 && g.V4 < 32 {
			name += fmt.Sprintf(" network (/%d, IPv6 /%d)", g.V4, g.V6)
		}
		by = append(by, name)
	}
	what := ""
	if g.Distinct != rule.NoField {
		what = " different values of " + g.Distinct.Name()
	}
	text := fmt.Sprintf("counts %d of %d%s within %s", count, g.Threshold, what, long(g.Window))
	if g.Mode == rule.Leaky {
		text = fmt.Sprintf("counts %d of %d, of which one is forgotten each %s,", count, g.Capacity+1, g.Leak)
	}
	text += " for each " + strings.Join(by, " and ")
	if g.SpreadField != rule.NoField && g.SpreadMin > 1 {
		text += fmt.Sprintf(", from at least %d different %s", g.SpreadMin, g.SpreadField.Name())
	}
	if g.AboveUsual > 0 {
		text += fmt.Sprintf(", while more than %d times as many logins fail in the log as usual", g.AboveUsual)
	}
	if g.MinRatio > 0 {
		text += fmt.Sprintf(", if they are %.0f%% of all", 100*g.MinRatio)
	}
	return text
}

// stepText says which part of a sequence a match is.
func stepText(s *rule.Sequence, step int) (id, text string) {
	if step >= len(s.Steps) {
		return "", "is what keeps the sequence from firing"
	}
	id = s.Steps[max(step, 0)].ID
	text = fmt.Sprintf("is step %q, %d of %d of a sequence within %s", id, step+1, len(s.Steps), long(s.Within))
	if n := s.Steps[max(step, 0)].Count; n > 1 {
		text += fmt.Sprintf("; the step needs %d", n)
	}
	return id, text
}

// excepted names the rules that an exception keeps from matching.
func (x *lineExplainer) excepted(st *engine.Step, text string, now time.Time) []string {
	out := []string{}
	had := map[string]bool{}
	for _, m := range st.Matches {
		had[x.set.Rule(int(m.Rule)).ID] = true
	}
	eng := engine.New(engine.Config{Set: x.plain, Payload: x.payload(), Detect: detect.DefaultConfig(), DetectOnly: true, Locate: x.locate})
	for _, m := range eng.Replay(eng.NewSource("line", x.parse), text, now).Matches {
		if id := x.plain.Rule(int(m.Rule)).ID; !had[id] && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// verdict says what would be done about the line alone, and why not more.
func (e *lineExplanation) verdict(allow *decide.Allowlist) string {
	switch {
	case e.Threat != nil:
		return strings.ReplaceAll(e.Threat.ActionReason, " (response.mode is observe: the firewall is not touched)", "")
	case !e.Understood && len(e.Matches) == 0:
		return "nothing: no parser understands the line, and no rule matches its text"
	case len(e.Matches) == 0 && len(e.Excepted) > 0:
		return "nothing: an exception silences every rule that would match"
	case len(e.Matches) == 0:
		return "nothing: no rule matches"
	}
	if p, ok := allow.Covers(e.addr); ok {
		return "nothing yet: one such line fires no rule; and the address is never blocked because of " + p.String()
	}
	return "nothing yet: one such line fires no rule, it is only counted"
}

// ask adds what the running agent knows.
func (e *lineExplanation) ask(ctx context.Context, c *control.Client) error {
	st, err := c.Status(ctx)
	if err != nil {
		return err
	}
	e.Live = &liveLine{Mode: st.Mode, Disabled: []string{}}
	rows, err := c.Rules(ctx, control.RulesParams{})
	if err != nil {
		return err
	}
	on := map[string]bool{}
	for _, r := range rows.Rules {
		on[r.ID] = r.Enabled
	}
	for _, m := range e.Matches {
		if !on[m.ID] && !slices.Contains(e.Live.Disabled, m.ID) {
			e.Live.Disabled = append(e.Live.Disabled, m.ID)
		}
	}
	if !e.addr.IsValid() {
		return nil
	}
	n, err := control.ParseNetwork(e.addr.String())
	if err != nil {
		return err
	}
	e.Live.Address, err = c.WhyNot(ctx, control.WhyNotParams{IP: n})
	return err
}

// explainedLine writes one explanation.
func (a *app) explainedLine(e *lineExplanation) {
	s := a.out
	title := func(text string) { s.printf("\n  %s\n", s.paint(styleBold, text)) }
	s.printf("\n  %s\n", s.paint(styleDim, truncate(clean(e.Line), max(0, s.width-4))))
	title("What was understood")
	a.understoodLine(e)
	title("Rules that match: " + thousands(len(e.Matches)))
	shown := map[string]bool{} // many rules match the same words
	for i := range e.Matches {
		m := &e.Matches[i]
		mark := "counts"
		if m.Fires {
			mark = s.paint(styleBad, "fires")
		}
		s.printf("    %s %s  %s  %s\n", s.paint(styleBold, clean(m.ID)), s.paint(severityNote(m.Severity), fmt.Sprintf("%s × %.2f", m.Severity, m.Confidence)),
			mark, s.paint(styleDim, clean(m.Name)))
		s.lines("      ", m.Counts)
		for _, x := range excerpts(m.Evidence) {
			if key := fmt.Sprint(x); !shown[key] {
				shown[key] = true
				s.printf("  ")
				a.excerpt(&x)
			}
		}
	}
	if len(e.Matches) == 0 {
		s.printf("    none\n")
	}
	for _, id := range e.Excepted {
		s.printf("    %s  %s\n", s.paint(styleDim, clean(id)), "would match, but an exception silences it")
	}
	if e.Threat != nil {
		title("Score of this line alone: " + scoreText(e.Threat.Score.Score) + " of 1")
		a.score(&e.Threat.Score)
	}
	title("What would be done")
	s.lines("    ", e.Verdict)
	if e.Threat != nil && e.Threat.Outcome != sentinel.OutcomeUnknown {
		s.lines("    ", fmt.Sprintf("did they get in? %s: %s", e.Threat.Outcome, e.Threat.OutcomeWhy))
	}
	if e.Threat != nil && e.Threat.Action == decide.ActionSimulated && e.Live == nil {
		s.lines("    ", "nothing was done now: the line was only explained")
	}
	if e.Live != nil {
		title("On this host now")
		s.lines("    ", "mode is "+e.Live.Mode)
		if len(e.Live.Disabled) > 0 {
			s.lines("    ", "not in use there: "+strings.Join(e.Live.Disabled, ", "))
		}
		if e.Live.Address != nil {
			a.whyNot(e.Live.Address)
		}
	}
	s.printf("\n")
}

// understoodLine lists the fields of the event.
func (a *app) understoodLine(e *lineExplanation) {
	s := a.out
	if !e.Understood {
		s.printf("    %s\n", s.paint(styleWarn, "nothing but the text: no parser knows this form"))
	}
	ev := &e.event
	row := func(name, value string) {
		if value != "" {
			s.printf("    %s %s\n", pad(name, 11), truncate(clean(value), max(0, s.width-17)))
		}
	}
	addr := func(ip netip.Addr, port uint16) string {
		switch {
		case !ip.IsValid():
			return ""
		case port == 0:
			return ip.String()
		}
		return netip.AddrPortFrom(ip, port).String()
	}
	if e.Understood {
		row("event", ev.Type.String())
	}
	if !ev.Time.IsZero() {
		row("time", ev.Time.UTC().Format(time.RFC3339))
	}
	row("address", addr(ev.SrcIP, ev.SrcPort))
	if ev.FromHeader {
		row("", "taken from a forwarding header of "+addr(ev.PeerIP, 0))
	}
	row("place", ev.Geo().String())
	row("to", addr(ev.DstIP, ev.DstPort))
	row("user", ev.User)
	row("outcome", ev.Outcome)
	row("program", ev.Program)
	row("host", ev.Host)
	row("image", ev.Exec.Image)
	row("command", ev.Exec.Cmdline)
	row("in", ev.Exec.Cwd)
	row("started by", ev.Exec.ParentImage)
	row("file", ev.File)
	row("request", strings.TrimSpace(ev.HTTP.Method+" "+ev.HTTP.Target))
	if ev.HTTP.Status != 0 {
		row("status", fmt.Sprint(ev.HTTP.Status))
	}
	row("user agent", ev.HTTP.UserAgent)
	row("referer", ev.HTTP.Referer)
	if ev.Repeat > 1 {
		row("counts as", fmt.Sprintf("%d lines", ev.Repeat))
	}
}
