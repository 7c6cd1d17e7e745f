package ctl

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func newWhyNot(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "why-not ADDRESS", Short: "Say why an address is not blocked", Args: someArgs(1, 1, "one address"),
		Long: `Say what the agent knows about an address and what keeps it from being blocked:
which rules have counted it and how far each is from firing, open and earlier
threats, what protects it, exceptions that applied, and where it was read last.`,
		Example: "  sentinelctl threats why-not 203.0.113.7",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := control.ParseNetwork(args[0])
			if err != nil {
				return usagef("%v", err)
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				w, err := c.WhyNot(ctx, control.WhyNotParams{IP: n})
				if err != nil {
					return err
				}
				if a.format != "table" {
					return a.json(w)
				}
				a.out.printf("\n")
				a.whyNot(w)
				a.out.printf("\n")
				return nil
			})
		},
	}
}

// shownSources is how many sources why-not lists.
const shownSources = 12

// whyNot writes what bears on whether an address is blocked.
func (a *app) whyNot(w *control.WhyNot) {
	s, now := a.out, a.now()
	title := func(text string) { s.printf("\n  %s\n", s.paint(styleBold, text)) }
	s.printf("  %s\n", s.paint(styleBold, clean(w.IP.String())))
	s.lines("    ", w.Verdict)
	if w.Block != nil {
		s.lines("    ", fmt.Sprintf("block of %s, ends %s: %s", networkText(w.Block), ends(now, w.Block.Expires), w.Block.Reason))
	}
	if w.Seen != nil {
		s.lines("    ", fmt.Sprintf("last read %s in %s, %s", ago(now, w.Seen.Last), w.Seen.Source, plural(w.Seen.Lines, "line")))
	}
	if len(w.Rules) > 0 {
		title("Rules that have counted it")
		t := &table{head: []string{"Rule", "Severity", "Count", "Needs", "Within", "Last event", "Note"}, flex: []int{6, 0}, indent: "    "}
		t.numbers(2, 3)
		for i := range w.Rules {
			r := &w.Rules[i]
			note := r.Also
			switch {
			case r.Silent:
				note = "fired " + ago(now, r.Fired) + ", silent for now"
			case !r.Fired.IsZero():
				note = "fired " + ago(now, r.Fired)
			}
			window := "-"
			if r.Window > 0 {
				window = long(r.Window.Duration())
			}
			t.add(cell{r.ID, styleBold}, cell{r.Severity.String(), severityNote(r.Severity)}, plain(thousands(r.Count)), plain(thousands(r.Threshold)),
				plain(window), plain(ago(now, r.Last)), plain(note))
		}
		t.print(s)
	}
	for i, x := range w.Silenced {
		if i == 0 {
			title("Silenced by exceptions")
		}
		s.printf("    %s  %s, last %s\n", clean(x.ID), plural(x.Count, "line"), ago(now, x.Last))
	}
	a.whyNotCases("Open threats", w.Cases)
	a.whyNotCases("Earlier threats", w.Past)
	for i := range w.Actions {
		if i == 0 {
			title("What was done")
		}
		x := &w.Actions[i]
		s.lines("    ", fmt.Sprintf("%s  %s %s, %s: %s", stampSeconds(x.Created), x.Type, control.Network{Prefix: x.Target}, x.Status, x.Reason))
	}
	if w.Seen == nil && w.Block == nil && len(w.Rules)+len(w.Cases) == 0 {
		title("What is read")
		for i := range w.Sources {
			if i == shownSources {
				s.printf("    and %d more\n", len(w.Sources)-i)
				break
			}
			x := &w.Sources[i]
			s.printf("    %s  %s, %s, last %s\n", clean(cmp.Or(x.ID, x.Path)), clean(x.State), plural(x.Lines, "line"), ago(now, x.LastEvent))
		}
		s.lines("    ", fmt.Sprintf("the agent has run since %s", stampSeconds(w.Since)))
	}
	if n := len(w.Others); n > 0 {
		s.printf("\n")
		s.lines("  ", fmt.Sprintf("%s by more than the address (by account, by path): what they hold about it cannot be told.",
			map[bool]string{true: "1 rule counts", false: fmt.Sprintf("%d rules count", n)}[n == 1]))
	}
	if len(w.Hints) > 0 {
		title("What to look at")
		s.lines("    ", w.Hints...)
	}
}

func (a *app) whyNotCases(name string, rows []control.ThreatRow) {
	s := a.out
	for i := range rows {
		if i == 0 {
			s.printf("\n  %s\n", s.paint(styleBold, name))
		}
		x := &rows[i]
		s.printf("    %s  %s  score %s, %s\n", s.paint(styleBold, clean(cmp.Or(x.ShortID, x.ID))), s.paint(severityNote(x.Severity), x.Severity.String()),
			scoreText(x.Decision), plural(x.EventCount, "event"))
		s.lines("      ", x.ActionReason)
	}
}
