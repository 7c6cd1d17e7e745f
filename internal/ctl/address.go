package ctl

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
)

func newAddress(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "ip ADDRESS", Short: "Show what is known of an address", Args: someArgs(1, 1, "one address"),
		Long: `Show what the agent knows of an address: whether it is blocked or protected, its
reputation, what is good about it, its threats and what was done about it. Why it is
not blocked: sentinelctl threats why-not.`,
		Example: "  sentinelctl ip 203.0.113.7",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := networkArg(args[0])
			if err != nil {
				return err
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Address(ctx, control.AddressParams{IP: n})
				if err != nil {
					return err
				}
				if a.format != "table" {
					return a.json(r)
				}
				a.address(r)
				return nil
			})
		},
	}
}

func (a *app) address(r *control.Address) {
	s, now := a.out, a.now()
	fact := func(name, format string, args ...any) {
		s.printf("  %-11s %s\n", name, clean(fmt.Sprintf(format, args...)))
	}
	s.printf("\n  %s\n\n", s.paint(styleBold, clean(r.IP.String())))
	if place := (sentinel.Geo{Country: r.Country, ASN: r.ASN, Org: r.Org}).String(); place != "" {
		fact("Place", "%s", place)
	}
	for i := range r.Blocks {
		b := &r.Blocks[i]
		what := "blocked"
		if !b.Rate.IsZero() {
			what = "slowed to " + b.Rate.String()
		}
		if b.Simulated {
			what += " (simulated)"
		}
		fact("State", "%s, ends %s, as %s: %s", what, ends(now, b.Expires), networkText(b), b.Reason)
	}
	if len(r.Blocks) == 0 {
		fact("State", "not blocked")
	}
	for i := range r.Protections {
		p := &r.Protections[i]
		if p.Place.IsZero() {
			fact("Protected", "by %s (%s)", p.Prefix, cmp.Or(p.Reason, p.Kind))
		} else {
			fact("Protected", "from automatic blocks by %s (%s)", p.Place, cmp.Or(p.Reason, p.Kind))
		}
	}
	if r.FirstSeen.IsZero() {
		fact("History", "nothing is stored of it")
	} else {
		fact("History", "%s in %s, first seen %s, last %s", plural(int(r.Events), "event"), plural(int(r.Threats), "threat"), ago(now, r.FirstSeen), ago(now, r.LastSeen))
	}
	fact("Reputation", "%.2f of 1 (what lifts the score of a new threat), %s within 30 days", r.Score, plural(r.Earlier, "block"))
	for _, l := range r.Lists {
		fact("Listed", "in %s, which gives %.2f", l.List, l.Weight)
	}
	if g := &r.Good; g.Logins > 0 || g.Days > 1 {
		text := fmt.Sprintf("%s, harmless on %s since %s", plural(g.Logins, "login"), plural(g.Days, "day"), g.Since.Format(time.DateOnly))
		if !g.KeyLogin.IsZero() {
			text += fmt.Sprintf("; %s logged in with a key %s", g.KeyUser, ago(now, g.KeyLogin))
		}
		fact("Good", "%s", text)
	}
	if r.Graded != "" {
		fact("Answer", "it would be slowed before it is blocked: %s", r.Graded)
	}
	if r.Neighbours > 0 {
		fact("Neighbours", "%d of %s blocked within a day", r.Neighbours, r.Network)
	}
	if len(r.Recent) > 0 {
		s.printf("\n")
		t := &table{head: []string{"ID", "Last seen", "Severity", "Type", "Events", "Action"}, flex: []int{3}}
		t.numbers(4)
		for i := range r.Recent {
			x := &r.Recent[i]
			t.add(cell{cmp.Or(x.ShortID, x.ID), styleBold}, plain(ago(now, x.LastSeen)), cell{x.Severity.String(), severityStyle(x.Severity)},
				plain(decide.TypeTitle(x.Type)), plain(thousands(x.EventCount)), a.actionCell(&x.Threat))
		}
		t.print(s)
	}
	if len(r.Actions) > 0 {
		s.printf("\n")
		t := &table{head: []string{"Time", "What", "State", "By", "Reason"}, flex: []int{4, 3}}
		for i := range r.Actions {
			x := &r.Actions[i]
			t.add(plain(stampSeconds(x.Created)), plain(x.Type), plain(x.Status), plain(orDash(cmp.Or(x.Actor, string(x.Origin)))), plain(x.Reason))
		}
		t.print(s)
	}
	s.printf("\n")
}

func newSuggest(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "suggest", Short: "Suggest who belongs on the whitelist", Args: noArgs,
		Long: `Suggest addresses that you would miss if they were blocked: where administrators
logged in from, what you unblocked, and who has used this host day by day without
harm. Nothing is added: each comes with the command that does.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Suggest(ctx)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return list(a, r.Suggestions)
				}
				if len(r.Suggestions) == 0 {
					a.out.printf("  Nothing to suggest: nobody else has a history that speaks for it.\n")
					return nil
				}
				t := &table{head: []string{"Network", "Because", "Command"}, flex: []int{1}}
				for i := range r.Suggestions {
					x := &r.Suggestions[i]
					t.add(cell{x.Prefix.String(), styleBold}, plain(x.Reason), plain(x.Command))
				}
				t.print(a.out)
				return nil
			})
		},
	}
}
