package ctl

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func newStatus(a *app) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show how the agent is, what it watches and what it did today", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				st, err := c.Status(ctx)
				if err != nil {
					return err
				}
				if a.format != "table" {
					err = a.json(st)
				} else {
					a.status(st)
				}
				if err == nil && check && st.Health != control.HealthOK {
					return silent(exitFindings)
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "for monitoring: the exit code is 6 if the agent is degraded")
	return cmd
}

// shownReasons is how many reasons, rule problems and alarms status lists.
const shownReasons = 8

func (a *app) status(st *control.Status) {
	s := a.out
	now := a.now()
	title := "Sentinel AI Agent"
	if st.Version != "" {
		title += " " + versionText(st.Version)
	}
	s.printf("\n  %s\n", s.paint(styleBold, clean(title)))
	row := func(label, text string) { s.printf("  %s %s\n", pad(label, 12), text) }

	if st.Health == control.HealthOK {
		row("Status:", fmt.Sprintf("%s (pid %d)", s.paint(styleGood, "● Running"), st.PID))
	} else {
		row("Status:", fmt.Sprintf("%s (pid %d)", s.paint(styleWarn, "● Running, degraded"), st.PID))
		a.shortList(st.Reasons, "               ", styleWarn)
	}
	if st.Hostname != "" {
		row("Host:", clean(st.Hostname))
	}
	row("Uptime:", long(st.Uptime.Duration()))
	row("CPU/Mem:", fmt.Sprintf("%.1f%% / %s", st.CPUPercent, size(st.Memory)))
	row("Mode:", a.modeText(st.Mode))
	a.firewall(row, &st.Firewall, st)
	if f := &st.Firewall; f.Restores > 0 {
		text := "rules put back " + times(f.Restores) + " after other programs changed them"
		if f.FlushWar {
			text = s.paint(styleBad, text+", and it goes on")
		}
		s.printf("%s%s\n", pad("", 15), text)
	}
	row("Rules:", a.rulesText(&st.Rules))
	if text := stateText(st.State); text != "" {
		row("Memory:", text)
	}
	if st.ConfigFile != "" {
		text := clean(st.ConfigFile)
		if st.Generation > 1 {
			text += fmt.Sprintf(", reloaded %s", ago(now, st.ConfigTime))
		}
		row("Config:", text)
	}
	if len(st.ConfigRuntime) > 0 {
		s.lines("               ", "set at run time, over the file: "+strings.Join(st.ConfigRuntime, ", "))
	}
	if st.ConfigError != "" {
		s.printf("  %s\n", s.paint(styleWarn, pad("", 13)+"the last reload was refused:"))
		s.lines("               ", strings.Split(st.ConfigError, "\n")...)
	}
	if st.Database.Path != "" {
		text := fmt.Sprintf("%s (%s)", clean(st.Database.Path), size(uint64(max(0, st.Database.Size))))
		if st.Database.Error != "" {
			text += "  " + s.paint(styleBad, clean(st.Database.Error))
		}
		row("Database:", text)
		a.windows(row, &st.Database)
	}

	if text := a.learningText(st.Anomaly); text != "" {
		row("Anomaly:", text)
	}
	if len(st.Lists) > 0 {
		row("Lists:", listsText(st.Lists))
	}
	if st.Geo != nil {
		if text := geoText(st.Geo); text != "" {
			row("Geography:", text)
		}
	}
	if text := profilesText(st.Profiles); text != "" {
		row("Profiles:", text)
	}
	if st.Payload != nil {
		row("Payload:", a.payloadText(st.Payload))
	}
	if st.Sandbox != nil {
		row("Sandbox:", a.sandboxText(st.Sandbox))
	}

	s.printf("\n  %s\n", s.paint(styleBold, "Monitoring:"))
	if len(st.Sources) == 0 {
		s.printf("    nothing: no log file was found; name them in logs.sources of the configuration\n")
	} else {
		a.sources(st.Sources, "    ")
	}

	s.printf("\n  %s\n", s.paint(styleBold, "Last 24h:"))
	critical := thousands(st.Last24h.Critical)
	if st.Last24h.Critical > 0 {
		critical = s.paint(styleHigh, critical)
	}
	for _, r := range [][2]string{
		{"Events processed:", thousands(st.Last24h.Events)},
		{"Threats detected:", thousands(st.Last24h.Threats)},
		{"IPs blocked:", thousands(st.Last24h.Blocked)},
		{"Critical alerts:", critical},
	} {
		s.printf("    %s %s\n", pad(r[0], 18), r[1])
	}
	a.alarms(st.Alarms, now)
	s.printf("\n")
}

// manyCapabilities is from where on they are counted, not named.
const manyCapabilities = 6

func (a *app) sandboxText(x *control.SandboxStatus) string {
	var parts []string
	if x.Landlock > 0 {
		parts = append(parts, fmt.Sprintf("Landlock %d", x.Landlock))
	}
	if x.Seccomp {
		parts = append(parts, "seccomp")
	}
	text := strings.Join(parts, ", ")
	if text == "" {
		text = a.out.paint(styleWarn, "none")
	}
	switch n := len(x.Capabilities); {
	case n == 0:
		text += ", no capability"
	case n <= manyCapabilities:
		text += ", " + clean(strings.Join(x.Capabilities, " "))
	default:
		text += fmt.Sprintf(", %d capabilities", n)
	}
	for _, p := range x.Problems {
		text += "; " + a.out.paint(styleWarn, clean(p))
	}
	return text
}

func versionText(v string) string {
	if v != "" && v[0] >= '0' && v[0] <= '9' {
		return "v" + v
	}
	return v
}

func (a *app) modeText(mode string) string {
	if mode == "observe" {
		return a.out.paint(styleWarn, "observe") + " (nothing is dropped: blocks are shown only)"
	}
	return clean(mode)
}

// firewall tells whether the kernel drops what it should.
func (a *app) firewall(row func(string, string), f *control.FirewallStatus, st *control.Status) {
	s := a.out
	blocks := plural(f.Desired, "block") + " in force"
	if f.Actual != f.Desired {
		blocks = fmt.Sprintf("%s of %s in force", thousands(f.Actual), plural(f.Desired, "block"))
	}
	if st.Simulated > 0 {
		blocks += fmt.Sprintf(" (%s simulated)", thousands(st.Simulated))
	}
	state := s.paint(styleGood, "● "+clean(f.Backend))
	if f.Backend == "dryrun" {
		state = s.paint(styleWarn, "● dryrun") + " (nothing reaches the kernel)"
	}
	if !f.Healthy {
		state = s.paint(styleBad, "● "+clean(f.Backend)+" failing")
	}
	row("Firewall:", fmt.Sprintf("%s, %s, %s dropped", state, blocks, plural(f.Dropped, "packet")))
	if f.Error != "" {
		s.printf("%s%s\n", pad("", 15), s.paint(styleBad, clean(f.Error)))
	}
}

// stateText says how full the bounded memories are: "1,203 of 262,144 counters".
func stateText(sizes []control.StateSize) string {
	var parts []string
	for _, x := range sizes {
		text := thousands(x.Used)
		if x.Limit > 0 {
			text += " of " + thousands(x.Limit)
		}
		text += " " + clean(x.Name)
		if x.Evictions > 0 {
			text += fmt.Sprintf(" (%s gave way)", thousands(x.Evictions))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func (a *app) rulesText(r *control.RulesStatus) string {
	text := fmt.Sprintf("%s loaded", thousands(r.Loaded))
	if r.Disabled > 0 {
		text += fmt.Sprintf(", %d disabled", r.Disabled)
	}
	if r.Skipped > 0 {
		text += ", " + a.out.paint(styleWarn, fmt.Sprintf("%d skipped for faults", r.Skipped)) + " (sentinelctl rules list)"
	}
	if r.NotApplicable > 0 {
		text += fmt.Sprintf(", %d not applicable here (sentinelctl rules lint)", r.NotApplicable)
	}
	return text
}

func (a *app) shortList(items []string, indent string, st style) {
	for i, r := range items {
		if i == shownReasons {
			a.out.printf("%sand %d more\n", indent, len(items)-i)
			break
		}
		n := 0
		if a.out.width > 0 {
			n = max(20, a.out.width-len(indent)-2)
		}
		for j, l := range wrap(clean(r), n) {
			mark := "- "
			if j > 0 {
				mark = "  "
			}
			a.out.printf("%s%s\n", indent, a.out.paint(st, mark+l))
		}
	}
}

// sources writes the table of what is read.
func (a *app) sources(list []control.SourceStatus, indent string) {
	now := a.now()
	t := &table{head: []string{"", "", "", "", ""}, flex: []int{4, 0}}
	t.numbers(3)
	for i := range list {
		x := &list[i]
		last := "last: " + ago(now, x.LastEvent)
		if x.LastEvent.IsZero() {
			last = "no line yet"
		}
		note := understood(x)
		st := stateStyle(x.State)
		noteStyle := stylePlain
		if mostlyUnparsed(x) {
			noteStyle = styleWarn
		}
		if x.Blind != "" {
			note, noteStyle = strings.TrimPrefix(note+"; "+x.Blind, "; "), styleWarn
		} else if x.Reason != "" {
			note = strings.TrimPrefix(note+"; "+x.Reason, "; ")
		}
		if x.Lag > 1<<20 {
			note += "; " + size(uint64(x.Lag)) + " behind"
		}
		t.add(plain(cmp.Or(x.ID, x.Path)+"  "), cell{"● " + x.State + "  ", st}, plain(last+"  "),
			plain(plural(x.Lines, "line")), cell{"  " + note, noteStyle})
	}
	t.indent = indent
	t.print(a.out)
}

func stateStyle(state string) style {
	switch state {
	case "active":
		return styleGood
	case "waiting":
		return styleDim
	}
	return styleWarn
}

// understood is the share of lines that the parser knew.
func understood(x *control.SourceStatus) string {
	all := x.Parsed + x.Unparsed
	if all == 0 {
		return ""
	}
	return percent(x.Parsed, all) + " understood"
}

func mostlyUnparsed(x *control.SourceStatus) bool {
	return x.Unparsed >= 20 && x.Parsed < x.Unparsed
}

// percent is never 100 if something is missing, nor 0 if there is something.
func percent(part, all uint64) string {
	switch p := 100 * float64(part) / float64(max(all, 1)); {
	case part == all:
		return "100%"
	case p > 99.9:
		return ">99.9%"
	case part > 0 && p < 0.1:
		return "<0.1%"
	case p < 10 || p > 99:
		return fmt.Sprintf("%.1f%%", p)
	default:
		return fmt.Sprintf("%.0f%%", p)
	}
}

func (a *app) alarms(alarms []control.Alarm, now time.Time) {
	if len(alarms) == 0 {
		return
	}
	s := a.out
	s.printf("\n  %s\n", s.paint(styleBold, "Alarms:"))
	t := &table{head: []string{"", "", ""}, flex: []int{2}, indent: "    "}
	for i, al := range alarms {
		if i == shownReasons {
			break
		}
		t.add(plain(ago(now, al.Time)+" "), cell{al.Kind + " ", styleWarn}, plain(al.Text))
	}
	t.print(s)
}

// severityFlag reads a severity.
func severityFlag(flag, text string) (*sentinel.Severity, error) {
	if text == "" {
		return nil, nil
	}
	sev, err := sentinel.ParseSeverity(text)
	if err != nil {
		return nil, usagef("%s: %v", flag, err)
	}
	return &sev, nil
}
