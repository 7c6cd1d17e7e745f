package ctl

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/drill"
)

// The results of a check.
const (
	resultOK      = "ok"
	resultWarning = "warning"
	resultFault   = "fault"
	resultSkipped = "skipped"
)

// check is one thing that was looked at.
type check struct {
	ID     string `json:"id"`
	Result string `json:"result"`
	// Evidence is what was found, Mend how to put it right.
	Evidence string `json:"evidence"`
	Mend     string `json:"mend,omitempty"`
}

// diagnosis is the answer of "doctor".
type diagnosis struct {
	Time     time.Time `json:"time"`
	Faults   int       `json:"faults"`
	Warnings int       `json:"warnings"`
	Checks   []check   `json:"checks"`
	// Drill has the steps of the drill, if there was one.
	Drill []step `json:"drill,omitempty"`
}

// doctor looks at a host and its agent.
type doctor struct {
	a      *app
	cfg    *config.Config
	status *control.Status // nil if the agent does not answer
	allow  *control.AllowListResult
	found  *control.DiscoverResult
	kernel *drill.Kernel // nil if it cannot be read
	checks []check
}

func (d *doctor) ok(id, format string, args ...any) {
	d.checks = append(d.checks, check{ID: id, Result: resultOK, Evidence: fmt.Sprintf(format, args...)})
}

func (d *doctor) warn(id, mend, format string, args ...any) {
	d.checks = append(d.checks, check{ID: id, Result: resultWarning, Evidence: fmt.Sprintf(format, args...), Mend: mend})
}

func (d *doctor) fault(id, mend, format string, args ...any) {
	d.checks = append(d.checks, check{ID: id, Result: resultFault, Evidence: fmt.Sprintf(format, args...), Mend: mend})
}

func (d *doctor) skip(id, format string, args ...any) {
	d.checks = append(d.checks, check{ID: id, Result: resultSkipped, Evidence: fmt.Sprintf(format, args...)})
}

func newDoctor(a *app) *cobra.Command {
	var withDrill bool
	c := &cobra.Command{
		Use: "doctor", Short: "Look for everything that could keep the agent from working, and prove that it blocks", Args: noArgs,
		Long: `Look at permissions, sources, the order of the firewall, clock, disk, versions and
protections, and say of each whether it is right, what was found, and how to mend
it. It works with the agent stopped, too, as far as that goes.

--drill also attacks this host, harmlessly: from a network namespace with an address
for documentation it knocks at every port that answers, lets a login attack of that
address go through a log file that the agent reads, and shows that the kernel drops
the address at each port, and lets it pass again when it is unblocked. It needs root,
changes no rule of the host and removes what it made, also after Ctrl-C.

The exit code is 6 if there are faults.`,
		Example: `  sudo sentinelctl doctor
  sudo sentinelctl doctor --drill
  sentinelctl doctor --format json | jq '.checks[] | select(.result != "ok")'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd, withDrill) },
	}
	c.Flags().BoolVar(&withDrill, "drill", false, "also prove with real packets that attackers are blocked")
	return c
}

func (a *app) doctor(cmd *cobra.Command, withDrill bool) error {
	ctx := cmd.Context()
	d := &doctor{a: a}
	out := &diagnosis{Time: a.now()}
	d.configuration()
	d.agent(ctx)
	d.firewall(ctx)
	d.host()
	out.Checks = d.checks
	if a.format == "table" {
		a.checks(d.checks)
	}
	if withDrill && ctx.Err() == nil {
		x := &exercise{a: a, d: d}
		x.run(ctx)
		out.Drill = x.steps
	}
	for _, c := range d.checks {
		out.Faults += one(c.Result == resultFault)
		out.Warnings += one(c.Result == resultWarning)
	}
	for _, s := range out.Drill {
		out.Faults += max(one(s.Result == resultFault), len(s.Causes))
		out.Warnings += one(s.Result == resultWarning)
	}
	if a.format != "table" {
		if err := a.json(out); err != nil {
			return err
		}
	} else {
		a.conclusion(out, withDrill)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case out.Faults > 0:
		return silent(exitFindings)
	}
	return nil
}

// mark is the sign before a result.
func (a *app) mark(result string) string {
	s := a.out
	switch result {
	case resultOK:
		return s.paint(styleGood, "● ok     ")
	case resultWarning:
		return s.paint(styleWarn, "▲ warning")
	case resultFault:
		return s.paint(styleBad, "✗ FAULT  ")
	}
	return s.paint(styleDim, "○ skipped")
}

// checks writes the list, faults first.
func (a *app) checks(list []check) {
	s := a.out
	s.printf("\n")
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(x, y check) int { return one(y.Result == resultFault) - one(x.Result == resultFault) })
	for _, c := range list {
		a.found(c.Result, c.ID, c.Evidence, c.Mend)
	}
}

// found writes one result with what is to be done about it.
func (a *app) found(result, id, evidence, mend string) {
	s := a.out
	indent := pad("", 34)
	n := 0
	if s.width > 0 {
		n = max(30, s.width-len(indent))
	}
	for i, l := range wrap(clean(evidence), n) {
		if i == 0 {
			s.printf("  %s  %s %s\n", a.mark(result), pad(clean(id), 20), l)
		} else {
			s.printf("%s%s\n", indent, l)
		}
	}
	if mend != "" {
		for _, l := range wrap(clean("mend: "+mend), n) {
			s.printf("%s%s\n", indent, s.paint(styleDim, l))
		}
	}
	_ = s.flush()
}

func (a *app) conclusion(out *diagnosis, drilled bool) {
	s := a.out
	switch {
	case out.Faults > 0:
		s.printf("\n  %s\n\n", s.paint(styleBad, fmt.Sprintf("%s, %s", plural(out.Faults, "fault"), plural(out.Warnings, "warning"))))
	case drilled:
		s.printf("\n  %s\n\n", s.paint(styleGood, "The drill passed: attackers are seen and blocked; "+plural(out.Warnings, "warning")))
	default:
		s.printf("\n  %s\n\n", s.paint(styleGood, "No faults, "+plural(out.Warnings, "warning")+". sentinelctl doctor --drill proves that blocking works."))
	}
}

// configuration looks at the configuration file, as the agent would read it.
func (d *doctor) configuration() {
	cfg, err := config.Load(d.a.configFile)
	if err != nil {
		d.cfg = config.Default()
		d.fault("config.valid", "sentinelctl config validate shows the places", "%s", firstLine(err))
		return
	}
	d.cfg = cfg
	d.ok("config.valid", "%s is valid", cfg.File())
	d.mode("config.mode", cfg.File(), 0o022, "chmod go-w "+cfg.File())
	r := cfg.Response
	if r.Mode == config.ModeObserve {
		d.warn("config.mode_observe", "set response.mode: protect", "response.mode is observe: nothing is dropped")
	}
	if !r.AutoBlock {
		d.warn("config.auto_block", "set response.auto_block: true", "response.auto_block is off: only people block")
	}
	if r.Firewall.Backend == config.BackendDryRun {
		d.warn("config.backend", "set response.firewall.backend: auto", "response.firewall.backend is dryrun: nothing reaches the kernel")
	}
	if !cfg.Detection.Rules.Enabled {
		d.fault("config.rules", "set detection.rules.enabled: true", "detection.rules.enabled is off: nothing can be detected")
	}
}

// firstLine is an error without the excerpt of a file below it.
func firstLine(err error) string {
	text, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return text
}

// agent asks the agent, and looks at what it says of itself.
func (d *doctor) agent(ctx context.Context) {
	c, err := d.a.dial(ctx)
	if err == nil {
		defer c.Close()
		ask, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		if d.status, err = c.Status(ask); err == nil {
			d.found, err = c.Discover(ask)
		}
		if err == nil {
			d.allow, err = c.Allowed(ask)
		}
	}
	if err != nil {
		_, text, more := d.a.describe(nil, err)
		d.fault("agent.running", more, "%s", text)
		for _, id := range []string{"agent.sources", "agent.firewall", "agent.process"} {
			d.skip(id, "only the agent can tell")
		}
		return
	}
	st := d.status
	d.ok("agent.running", "version %s, pid %d, up %s", st.Version, st.PID, long(st.Uptime.Duration()))
	if st.Version != d.a.version {
		d.warn("agent.version", "update both, and restart the agent", "the agent is version %s, this program %s", st.Version, d.a.version)
	}
	d.process(st.PID)
	d.sources()
	d.rules()
	d.decisions()
}

// rules looks at what was loaded.
func (d *doctor) rules() {
	r := &d.status.Rules
	switch {
	case r.Loaded == 0:
		d.fault("rules.loaded", "set detection.rules.enabled: true, and see sentinelctl rules list", "no rule is loaded: nothing can be detected")
	case r.Skipped > 0:
		first := ""
		for _, p := range r.Problems {
			if !p.Warning {
				first = ": " + p.File + ": " + p.Message
				break
			}
		}
		d.fault("rules.loaded", "sentinelctl rules lint names the faults", "%s left out for faults%s", plural(r.Skipped, "rule"), first)
	default:
		d.ok("rules.loaded", "%s loaded, %d disabled", plural(r.Loaded, "rule"), r.Disabled)
	}
	if d.status.ConfigError != "" {
		d.fault("config.loaded", "mend the file, then: sentinelctl reload", "the last reload was refused: %s", d.status.ConfigError)
	}
}

// decisions looks at what keeps the agent from blocking, and at late lines.
func (d *doctor) decisions() {
	st := d.status
	if st.Mode == string(config.ModeObserve) && d.cfg.Response.Mode != config.ModeObserve {
		d.warn("agent.mode", "sentinelctl reload", "the agent runs in mode observe, its file says %s", d.cfg.Response.Mode)
	}
	if st.Database.Error != "" {
		d.fault("database.writes", "see whether the disk is full and the database belongs to the agent's user", "storing fails: %s", st.Database.Error)
	} else {
		d.ok("database.writes", "%s, %s", st.Database.Path, size(uint64(max(0, st.Database.Size))))
	}
	hour := d.a.now().Add(-time.Hour)
	seen := map[string]bool{}
	for _, al := range st.Alarms {
		if al.Time.After(hour) && !seen[al.Kind] {
			seen[al.Kind] = true
			d.warn("alarm."+al.Kind, "sentinelctl status lists the alarms", "%s: %s", ago(d.a.now(), al.Time), al.Text)
		}
	}
	var lines uint64
	for i := range st.Sources {
		lines += st.Sources[i].Lines
	}
	if odd := st.Skewed + st.Late; odd > 100 && odd*20 > lines {
		d.warn("clock.lines", "compare the clock and time zone of the programs that write with this host's; logs.sources[].timezone names a zone",
			"%s of %s lines are stamped too late or too early: such lines block nobody", thousands(odd), thousands(lines))
	} else {
		d.ok("clock.lines", "stamps of lines agree with the clock (%s of %s do not)", thousands(odd), thousands(lines))
	}
}
