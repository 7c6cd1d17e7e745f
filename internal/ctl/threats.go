package ctl

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
)

// threatFlags select threats.
type threatFlags struct {
	window
	severity, minSeverity, kind, ip, source, status string
	limit                                           int
	watch                                           bool
}

// params turns the flags into a question.
func (f *threatFlags) params(a *app) (p control.ThreatsParams, err error) {
	if p.Severity, err = severityFlag("--severity", f.severity); err != nil {
		return p, err
	}
	if p.MinSeverity, err = severityFlag("--min-severity", f.minSeverity); err != nil {
		return p, err
	}
	if p.Since, p.Until, err = f.times(a.now()); err != nil {
		return p, err
	}
	p.Type, p.Source = f.kind, f.source
	if f.status != "" {
		if p.Status, err = sentinel.ParseStatus(f.status); err != nil {
			return p, usagef("--status: %v", err)
		}
	}
	if f.ip != "" {
		if p.IP, err = control.ParseNetwork(f.ip); err != nil {
			return p, usagef("--ip: %v", err)
		}
	}
	if f.limit < 1 || f.limit > control.MaxPage {
		return p, usagef("--limit: %d is not between 1 and %d", f.limit, control.MaxPage)
	}
	p.Limit = f.limit
	return p, nil
}

func newThreats(a *app) *cobra.Command {
	var f threatFlags
	c := &cobra.Command{
		Use: "threats", Aliases: []string{"threat"}, Short: "List the threats that were seen, newest first", Args: noArgs,
		Example: `  sentinelctl threats --since 24h --min-severity HIGH
  sentinelctl threats --ip 198.51.100.0/24 --format json
  sentinelctl threats --watch`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := f.params(a)
			if err != nil {
				return err
			}
			if f.watch {
				return a.watchThreats(cmd, p)
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Threats(ctx, p)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return list(a, r.Threats)
				}
				a.threats(r, p)
				return nil
			})
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.severity, "severity", "", "only this `severity`: INFO, LOW, MEDIUM, HIGH, CRITICAL")
	fl.StringVar(&f.minSeverity, "min-severity", "", "this `severity` and above")
	fl.StringVar(&f.since, "since", "", "active since `when`: 1h, 7d, today, 2026-11-01, RFC 3339")
	fl.StringVar(&f.until, "until", "", "last seen before `when`")
	fl.StringVar(&f.kind, "type", "", "only this `type`, for example brute_force, sqli")
	fl.StringVar(&f.ip, "ip", "", "only attackers in this `address` or network")
	fl.StringVar(&f.source, "source", "", "only from this `source`, for example /var/log/auth.log")
	fl.StringVar(&f.status, "status", "", "only this `status`: open, acknowledged, resolved, false_positive")
	fl.IntVarP(&f.limit, "limit", "n", 20, "at most `N`")
	fl.BoolVarP(&f.watch, "watch", "w", false, "keep showing new and changed threats until Ctrl-C")
	severities := cobra.FixedCompletions([]string{"INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"}, cobra.ShellCompDirectiveNoFileComp)
	_ = c.RegisterFlagCompletionFunc("severity", severities)
	_ = c.RegisterFlagCompletionFunc("min-severity", severities)
	c.AddCommand(newThreatShow(a), newWhyNot(a),
		newThreatStatus(a, "fp", "Mark a threat as a false positive and lift its block", sentinel.StatusFalsePositive),
		newThreatStatus(a, "ack", "Say that somebody is looking at a threat", sentinel.StatusAcknowledged),
		newThreatStatus(a, "resolve", "Mark a threat as dealt with", sentinel.StatusResolved))
	return c
}

// threats writes the plan's table.
func (a *app) threats(r *control.ThreatsResult, p control.ThreatsParams) {
	s := a.out
	if len(r.Threats) == 0 {
		s.printf("  No threats%s.\n", selected(p))
		return
	}
	t := &table{head: []string{"ID", "Last seen", "Source", "Severity", "Type", "Attacker", "Events", "Action"}, flex: []int{2, 5, 4}}
	t.numbers(6)
	now := a.now()
	for i := range r.Threats {
		x := &r.Threats[i]
		t.add(cell{cmp.Or(x.ShortID, x.ID), styleBold}, plain(ago(now, x.LastSeen)), plain(sourceName(&x.Threat)),
			cell{x.Severity.String(), severityStyle(x.Severity)}, plain(decide.TypeTitle(x.Type)), plain(located(&x.Threat)),
			plain(thousands(x.EventCount)), a.actionCell(&x.Threat))
	}
	t.print(s)
	if r.Total > len(r.Threats) {
		s.printf("\n  %s\n", s.paint(styleDim, fmt.Sprintf("%s of %s shown; --limit, --since or --min-severity show others", thousands(len(r.Threats)), thousands(r.Total))))
	}
}

func selected(p control.ThreatsParams) string {
	if p.Severity == nil && p.MinSeverity == nil && p.Since.IsZero() && p.Until.IsZero() && p.Type == "" && p.Source == "" && p.Status == "" && p.IP.IsZero() {
		return ""
	}
	return " match"
}

// sourceName is short: the kind of log, or its file's name.
func sourceName(t *sentinel.Threat) string {
	if t.SourceType != "" && t.SourceType != sentinel.TypeAuto {
		return string(t.SourceType)
	}
	return t.Source[strings.LastIndexByte(t.Source, '/')+1:]
}

// attacker says who a threat is about.
func attacker(t *sentinel.Threat) string {
	switch {
	case t.Scope.IsValid() && !t.Scope.IsSingleIP() && t.Scope != sentinel.Entity(t.AttackerIP):
		return t.Scope.String()
	case t.AttackerIP.IsValid():
		return t.AttackerIP.String()
	case t.Scope.IsValid():
		return t.Scope.String()
	}
	return t.Key
}

// located is attacker with the country.
func located(t *sentinel.Threat) string {
	if t.AttackerGeo == "" {
		return attacker(t)
	}
	return attacker(t) + " (" + t.AttackerGeo + ")"
}

// actionCell is what was done, and what people said since.
func (a *app) actionCell(t *sentinel.Threat) cell {
	switch t.Status {
	case sentinel.StatusFalsePositive:
		return cell{"false positive", styleDim}
	case sentinel.StatusResolved:
		return cell{"resolved", styleDim}
	}
	text, st := t.Action, stylePlain
	switch t.Action {
	case decide.ActionBlock:
		text, st = "blocked", styleGood
	case decide.ActionRateLimit:
		text, st = "slowed", styleGood
	case decide.ActionSimulated:
		text = "would block"
	case decide.ActionNone, "":
		text, st = "-", styleDim
	}
	if t.Status == sentinel.StatusAcknowledged {
		text += ", ack"
	}
	return cell{text, st}
}

func newThreatStatus(a *app, use, shortText string, status sentinel.Status) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: use + " ID", Short: shortText, Args: someArgs(1, 1, "the ID of a threat"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkReason(reason); err != nil {
				return err
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.SetThreatStatus(ctx, control.ThreatStatusParams{ID: threatID(args[0]), Status: status, Reason: reason})
				if err != nil {
					return a.noThreat(ctx, c, args[0], err)
				}
				if a.format != "table" {
					return a.json(r)
				}
				a.out.printf("  %s %s: %s from %s\n", cmp.Or(clean(r.ShortID), clean(r.ID)), strings.ReplaceAll(clean(string(status)), "_", " "),
					clean(decide.TypeTitle(r.Type)), clean(attacker(&r.Threat)))
				if status == sentinel.StatusFalsePositive && len(r.Blocks) == 0 && r.Scope.IsValid() {
					a.out.printf("  %s is not blocked. To keep it so: sentinelctl whitelist add %s\n", clean(attacker(&r.Threat)), clean(attacker(&r.Threat)))
				}
				if text := exception(&r.Threat, a.now()); status == sentinel.StatusFalsePositive && text != "" {
					a.out.printf("  The rules weigh less from now on. To keep them silent about it, put this into a file\n" +
						"  in exceptions.d and run 'sentinelctl reload':\n\n")
					for line := range strings.Lines(text) {
						a.out.printf("    %s\n", clean(strings.TrimSuffix(line, "\n")))
					}
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the records")
	return c
}

// threatID accepts ids as they are written elsewhere: "THR-0142", "#7q2m".
func threatID(text string) string {
	text = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(text)), "#")
	return strings.TrimPrefix(text, "THR-")
}

// checkReason keeps reasons within what is stored.
func checkReason(text string) error {
	if len(text) > control.MaxReason {
		return usagef("--reason: %d bytes are more than %d", len(text), control.MaxReason)
	}
	return nil
}

// noThreat adds ids that look like the one that is not known.
func (a *app) noThreat(ctx context.Context, c *control.Client, id string, err error) error {
	if control.CodeOf(err) != control.CodeNotFound {
		return err
	}
	f := failf(exitNotFound, "there is no threat %s", quote(id))
	r, listErr := c.Threats(ctx, control.ThreatsParams{Limit: 200})
	if listErr != nil || len(r.Threats) == 0 {
		return f.hint("sentinelctl threats lists them with their ids")
	}
	var names []string
	for i := range r.Threats {
		names = append(names, r.Threats[i].ShortID)
	}
	if best := nearest(threatID(id), names, 3); len(best) > 0 {
		return f.hint("did you mean %s? sentinelctl threats lists them all", strings.Join(best, " or "))
	}
	return f.hint("sentinelctl threats lists them with their ids; the newest is %s", r.Threats[0].ShortID)
}

// nearest returns up to n names that are spelled almost like text.
func nearest(text string, names []string, n int) []string {
	var out []string
	for d := 1; d <= max(1, len(text)/3) && len(out) < n; d++ {
		for _, name := range names {
			if len(out) < n && distance(strings.ToUpper(text), strings.ToUpper(name)) == d {
				out = append(out, name)
			}
		}
	}
	return out
}

// distance is how many letters must be inserted, left out or changed to turn
// one text into the other, or swapped with their neighbours. Texts of more than
// 64 bytes share nothing with others.
func distance(s, t string) int {
	if len(s) > 64 || len(t) > 64 {
		return len(s) + len(t)
	}
	var rows [3][65]int
	for j := range len(t) + 1 {
		rows[0][j] = j
	}
	before, last, next := &rows[2], &rows[0], &rows[1]
	for i := 1; i <= len(s); i++ {
		next[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, last, next = last, next, before
	}
	return last[len(t)]
}
