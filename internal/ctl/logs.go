package ctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func newLogs(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "logs", Short: "Show which logs are read, and how much of them is understood", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Sources(ctx)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return list(a, r.Sources)
				}
				a.sourcesTable(r.Sources)
				return nil
			})
		},
	}
	c.AddCommand(newDiscover(a), newTail(a), newUnparsed(a))
	return c
}

func (a *app) sourcesTable(list []control.SourceStatus) {
	s := a.out
	if len(list) == 0 {
		s.printf("  No logs are read. Name them in logs.sources of the configuration.\n")
		return
	}
	now := a.now()
	t := &table{head: []string{"Log", "Type", "State", "Last line", "Lines", "Understood", "Behind", "Note"}, flex: []int{7, 0}}
	t.numbers(4, 5, 6)
	for i := range list {
		x := &list[i]
		share, st := "-", stylePlain
		if all := x.Parsed + x.Unparsed; all > 0 {
			share = percent(x.Parsed, all)
		}
		note := x.Reason
		if mostlyUnparsed(x) {
			st = styleWarn
			note = strings.TrimPrefix(note+"; see logs unparsed", "; ")
		}
		if x.Path != "" && x.Path != x.ID {
			note = strings.TrimPrefix(note+"; reads "+x.Path, "; ")
		}
		t.add(plain(cmp.Or(x.ID, x.Path)), plain(string(x.Type)), cell{x.State, stateStyle(x.State)}, plain(ago(now, x.LastEvent)),
			plain(thousands(x.Lines)), cell{share, st}, plain(behind(x)), plain(note))
	}
	t.print(s)
}

// behind is how much of a log is still to be read.
func behind(x *control.SourceStatus) string {
	if d := time.Duration(x.Behind); d >= time.Second {
		return short(d)
	}
	return size(uint64(max(0, x.Lag)))
}

func newTail(a *app) *cobra.Command {
	var (
		p  control.TailParams
		ip string
	)
	c := &cobra.Command{
		Use: "tail", Short: "Show lines as they are read, and which rules they match, until Ctrl-C", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if ip != "" {
				if p.IP, err = control.ParseNetwork(ip); err != nil {
					return usagef("--ip: %v", err)
				}
			}
			if p.Type != "" {
				if _, err := sentinel.ParseEventType(p.Type); err != nil {
					return usagef("--type: %v", err)
				}
			}
			ctx := cmd.Context()
			c, err := a.dial(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			err = c.Tail(ctx, p, a.tailLine)
			if ctx.Err() != nil {
				return nil // Ctrl-C is how it ends
			}
			var remote *control.Error
			if err != nil && !errors.As(err, &remote) {
				return failf(exitNoAgent, "the agent ended the stream: %w", err)
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&p.Source, "source", "", "only from this `source`, for example /var/log/auth.log")
	f.StringVar(&p.Type, "type", "", "only events of this `type`: auth_fail, auth_ok, http_access, ...")
	f.StringVar(&ip, "ip", "", "only from this `address` or network")
	f.BoolVar(&p.Matched, "matched", false, "only lines that a rule matches")
	f.BoolVar(&p.Unparsed, "unparsed", false, "only lines that are not understood")
	return c
}

// tailLine writes one event.
func (a *app) tailLine(ev control.LogEvent) error {
	s := a.out
	if a.format != "table" {
		line, err := encode(ev)
		if err != nil {
			return err
		}
		s.printf("%s\n", line)
		return s.flush()
	}
	if ev.Missed > 0 {
		s.printf("  %s\n", s.paint(styleDim, fmt.Sprintf("... %s left out: more came than can be shown", plural(ev.Missed, "line"))))
	}
	at := ev.Time
	if at.IsZero() {
		at = ev.Received
	}
	text, st := eventText(&ev), stylePlain
	switch {
	case !ev.Parsed:
		st = styleDim
	case len(ev.Fired) > 0 && ev.Severity != nil:
		st = severityNote(*ev.Severity)
	case len(ev.Rules) > 0:
		st = styleWarn
	}
	head := fmt.Sprintf("%s %s ", at.Local().Format("15:04:05"), pad(truncate(clean(string(ev.SourceType)), 8), 8))
	s.printf("  %s%s\n", s.paint(styleDim, head), s.paint(st, truncate(clean(text), s.width-2-width(head))))
	return s.flush()
}

// eventText is an event in one line.
func eventText(ev *control.LogEvent) string {
	if !ev.Parsed {
		return "not understood: " + ev.Raw
	}
	parts := []string{ev.Type}
	for _, p := range []string{ev.IP, ev.User, ev.Outcome, ev.Method, ev.Target} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if ev.Status != 0 {
		parts = append(parts, fmt.Sprint(ev.Status))
	}
	text := strings.Join(parts, " ")
	if len(ev.Rules) > 0 {
		text += "  ← " + strings.Join(ev.Rules, ", ")
	}
	if len(parts) == 1 {
		text += ": " + ev.Raw
	}
	return text
}

func newUnparsed(a *app) *cobra.Command {
	var p control.UnparsedParams
	c := &cobra.Command{
		Use: "unparsed", Short: "Show what lines that are not understood look like, the commonest first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.Limit < 1 || p.Limit > control.MaxPage {
				return usagef("--limit: %d is not between 1 and %d", p.Limit, control.MaxPage)
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Unparsed(ctx, p)
				if err != nil {
					return err
				}
				return answer(a, r, r.Shapes, a.unparsed)
			})
		},
	}
	c.Flags().StringVar(&p.Source, "source", "", "only from this `source`")
	c.Flags().IntVarP(&p.Limit, "limit", "n", 20, "at most `N`")
	return c
}

func (a *app) unparsed(r *control.UnparsedResult) {
	s := a.out
	if len(r.Shapes) == 0 {
		s.printf("  All of %s were understood.\n", plural(r.Lines, "line"))
		return
	}
	s.printf("  %s of %s not understood (%s)\n\n", thousands(r.Unparsed), plural(r.Lines, "line"), percent(r.Unparsed, r.Lines))
	t := &table{head: []string{"Lines", "Log", "Last", "Shape"}, flex: []int{3, 1}}
	t.numbers(0)
	for i := range r.Shapes {
		x := &r.Shapes[i]
		t.add(plain(thousands(x.Count)), plain(x.Source), plain(ago(a.now(), x.Last)), plain(x.Shape))
	}
	t.print(s)
}
