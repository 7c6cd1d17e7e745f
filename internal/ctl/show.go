package ctl

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
)

func newThreatShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show all that is known about a threat", Args: someArgs(1, 1, "the ID of a threat"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				t, err := c.Threat(ctx, threatID(args[0]))
				if err != nil {
					return a.noThreat(ctx, c, args[0], err)
				}
				if a.format != "table" {
					return a.json(t)
				}
				x, err := c.Explain(ctx, t.ID)
				if err != nil {
					return err
				}
				a.headline(x, t)
				a.facts(t)
				a.explain(x, t)
				a.samples(t)
				a.history(t)
				a.out.printf("\n")
				return nil
			})
		},
	}
}

func newExplain(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "explain ID", Short: "Explain a threat: what happened, how sure we are, what to do", Args: someArgs(1, 1, "the ID of a threat"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				x, err := c.Explain(ctx, threatID(args[0]))
				if err != nil {
					return a.noThreat(ctx, c, args[0], err)
				}
				if a.format != "table" {
					return a.json(x)
				}
				t, err := c.Threat(ctx, x.ID)
				if err != nil {
					return err
				}
				a.headline(x, t)
				a.explain(x, t)
				a.out.printf("\n")
				return nil
			})
		},
	}
}

// headline is the first line: what, who, where.
func (a *app) headline(x *control.Explanation, t *control.ThreatResult) {
	s := a.out
	line := clean(x.Headline)
	if rest, ok := strings.CutPrefix(line, t.Severity.String()); ok {
		line = s.paint(severityStyle(t.Severity), t.Severity.String()) + s.paint(styleBold, rest)
	}
	s.printf("\n  %s\n", line)
	s.printf("  %s\n", s.paint(styleDim, fmt.Sprintf("threat %s, %s, last seen %s", clean(cmp.Or(t.ShortID, t.ID)),
		strings.ReplaceAll(clean(string(t.Status)), "_", " "), ago(a.now(), t.LastSeen))))
}

// facts are what is not told in words.
func (a *app) facts(t *control.ThreatResult) {
	s := a.out
	s.printf("\n")
	row := func(label, text string) {
		if text != "" {
			s.printf("  %s %s\n", pad(label, 11), clean(text))
		}
	}
	row("ID:", t.ID)
	row("Attacker:", attacker(&t.Threat))
	if t.AttackerGeo != "" {
		row("Country:", t.AttackerGeo)
	}
	row("Account:", t.User)
	row("Source:", t.Source)
	row("First seen:", stampSeconds(t.CreatedAt))
	row("Last seen:", stampSeconds(t.LastSeen))
	row("Events:", thousands(t.EventCount))
	row("Type:", t.Type)
	row("Rule:", t.RuleID)
	row("Continues:", t.Previous)
}

// explain writes the parts of an explanation.
func (a *app) explain(x *control.Explanation, t *control.ThreatResult) {
	s := a.out
	title := func(text string) { s.printf("\n  %s\n", s.paint(styleBold, text)) }
	part := func(name string, lines []string) {
		if len(lines) > 0 {
			title(name)
			s.lines("    ", lines...)
		}
	}
	part("What happened", x.What)
	if len(x.Evidence) > 0 {
		title("Evidence")
		for _, e := range x.Evidence {
			a.evidence(&e)
		}
	}
	title("How sure: " + scoreText(t.Score.Score) + " of 1")
	a.score(&t.Score)
	if x.Action != "" {
		part("What was done", []string{x.Action})
	}
	part("What to check", x.Next)
	part("If this is wrong", x.Undo)
	if len(x.Attack) > 0 {
		part("ATT&CK", []string{strings.Join(x.Attack, ", ")})
	}
}

// evidence writes a field with the part that matched highlighted.
func (a *app) evidence(e *sentinel.Evidence) {
	s := a.out
	field := clean(e.Field)
	if e.View != "" && e.View != "raw" {
		field += " (" + clean(e.View) + ")"
	}
	from := min(max(e.Start, 0), len(e.Text))
	to := min(max(e.End, from), len(e.Text))
	room := 0
	if s.width > 0 {
		room = max(30, s.width-7-width(field))
	}
	before, match, after := fitSpan(clean(e.Text[:from]), clean(e.Text[from:to]), clean(e.Text[to:]), room)
	if match != "" {
		if s.colour {
			match = s.paint(styleHit, match)
		} else {
			match = "«" + match + "»"
		}
	}
	s.printf("    %s %s%s%s\n", s.paint(styleDim, field+":"), before, match, after)
}

// fitSpan cuts what stands around a match, and then the match, to n columns
// together; n ≤ 0 cuts nothing. Two columns are left for marks.
func fitSpan(before, match, after string, n int) (string, string, string) {
	if n <= 0 || width(before)+width(match)+width(after)+2 <= n {
		return before, match, after
	}
	match = truncate(match, max(10, n-2))
	room := max(0, n-2-width(match))
	left := min(width(before), max(room/2, room-width(after)))
	before = lastColumns(before, left)
	if right := room - width(before); right > 0 {
		after = truncate(after, right)
	} else {
		after = ""
	}
	return before, match, after
}

// lastColumns is truncate from the other side.
func lastColumns(s string, n int) string {
	if width(s) <= n {
		return s
	}
	if n <= 0 {
		return ""
	}
	for len(s) > 0 && width(s) > n-1 {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	return "…" + s
}

// score writes the parts that a score was computed from.
func (a *app) score(p *sentinel.ScoreParts) {
	t := &table{head: []string{"Part", "Value", "Because"}, flex: []int{2, 0}, indent: "    "}
	t.numbers(1)
	num := scoreText
	if len(p.Rules) == 0 {
		t.add(plain("rules"), plain("-"), plain("none matched"))
	} else {
		t.add(plain("rules"), plain(num(p.R)), plain(plural(len(p.Rules), "rule")+" matched"))
	}
	for i := range p.Rules {
		if i == shownReasons {
			t.add(plain(""), plain(""), plain(fmt.Sprintf("and %d more rules", len(p.Rules)-i)))
			break
		}
		r := &p.Rules[i]
		t.add(plain("  "+r.ID), plain(""), cell{ruleText(r), severityNote(r.Severity)})
	}
	if p.A != nil {
		t.add(plain("anomaly"), plain(num(*p.A)), plain("how unusual it is on this host"))
	} else {
		t.add(plain("anomaly"), plain("-"), cell{"not available, has no part", styleDim})
	}
	if p.P > 0 {
		t.add(plain("reputation"), plain(num(p.P)), plain(fmt.Sprintf("noticed before: lifts %s to %s", num(p.Base), num(p.WithReputation))))
	} else {
		t.add(plain("reputation"), plain("-"), cell{"nothing is known from before", styleDim})
	}
	if p.L != nil {
		t.add(plain("model"), plain(num(*p.L)), plain("a language model's opinion; it decides nothing"))
	}
	if p.Limit > 0 && p.Limit < 1 && p.WithReputation >= p.Limit {
		t.add(plain("limit"), plain(num(p.Limit)), plain("no graver rule matched"))
	}
	sev := sentinel.SeverityOf(p.Score)
	verdict := sev.String()
	if p.MayBlock {
		verdict += ", may block"
	} else {
		verdict += ", does not block"
	}
	t.add(cell{"score", styleBold}, cell{num(p.Score), styleBold}, cell{verdict, severityNote(sev)})
	t.print(a.out)
}

// scoreText writes a value of 0 to 1 with two decimals, or three if it has them;
// like the bands it is cut, not rounded.
func scoreText(x float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.3f", decide.Quant(x)), "0")
}

// severityNote is a severity's style without its background.
func severityNote(sev sentinel.Severity) style {
	if sev == sentinel.Critical {
		return styleHigh
	}
	return severityStyle(sev)
}

// ruleText is for example "HIGH × 1.00, 2 times, 12 of 5 in 5m".
func ruleText(r *sentinel.RulePart) string {
	text := fmt.Sprintf("%s × %.2f", r.Severity, r.Confidence)
	switch {
	case r.Firings == 1:
		text += ", once"
	case r.Firings > 1:
		text += fmt.Sprintf(", %s times", thousands(r.Firings))
	}
	if r.Window > 0 && r.Threshold > 0 {
		text += fmt.Sprintf(" (%s seen, needs %s in %s)", thousands(r.Count), thousands(r.Threshold), long(r.Window))
	}
	switch {
	case r.Advisory:
		text += ", advisory"
	case r.NoBlock:
		text += ", never blocks"
	}
	return text
}

// samples are lines of the log, as they were.
func (a *app) samples(t *control.ThreatResult) {
	if len(t.Samples) == 0 {
		return
	}
	s := a.out
	s.printf("\n  %s\n", s.paint(styleBold, "Log lines"))
	for _, line := range t.Samples {
		s.printf("    %s\n", truncate(clean(line), s.width-4))
	}
}

// history is what was done, oldest first, and what is in force.
func (a *app) history(t *control.ThreatResult) {
	s := a.out
	if len(t.Actions) > 0 {
		s.printf("\n  %s\n", s.paint(styleBold, "History"))
		tb := &table{head: []string{"Time", "What", "Target", "For", "State", "Reason"}, flex: []int{5}, indent: "    "}
		for i := range t.Actions {
			x := &t.Actions[i]
			length, target := "", ""
			if x.Duration > 0 {
				length = short(x.Duration.Round(time.Second))
			}
			if x.Target.IsValid() {
				target = control.Network{Prefix: x.Target}.String()
			}
			what := x.Type
			if x.Simulated {
				what += " (simulated)"
			}
			tb.add(plain(stampSeconds(x.Created)), plain(what), plain(target), plain(length), plain(x.Status), plain(x.Reason))
		}
		tb.print(s)
	}
	for i := range t.Blocks {
		b := &t.Blocks[i]
		verb := "is blocked"
		if b.Simulated {
			verb = "would be blocked"
		}
		s.printf("\n  %s %s; it ends %s\n", s.paint(styleGood, clean(networkText(b))), verb, ends(a.now(), b.Expires))
	}
}
