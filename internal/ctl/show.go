package ctl

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
	row("Country:", t.AttackerGeo)
	row("Network:", t.AttackerNetwork)
	row("Account:", t.User)
	row("Source:", t.Source)
	row("First seen:", stampSeconds(t.CreatedAt))
	row("Last seen:", stampSeconds(t.LastSeen))
	row("Events:", thousands(t.EventCount))
	row("Type:", t.Type)
	if t.Outcome != sentinel.OutcomeUnknown {
		row("Outcome:", t.Outcome.String())
	}
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
		for _, e := range excerpts(x.Evidence) {
			a.excerpt(&e)
		}
	}
	title("How sure: " + scoreText(t.Score.Score) + " of 1")
	a.score(&t.Score)
	if x.Action != "" {
		part("What was done", []string{x.Action})
	}
	part("What to check", x.Next)
	undo := slices.Clone(x.Undo)
	if t.ID != "" && t.ShortID != "" {
		for i := range undo {
			undo[i] = strings.ReplaceAll(undo[i], t.ID, t.ShortID)
		}
	}
	part("If this is wrong", undo)
	if len(x.Attack) > 0 {
		part("ATT&CK", []string{strings.Join(x.Attack, ", ")})
	}
}

// excerpt is a text of a field with all parts of it that matched.
type excerpt struct {
	field string
	text  string
	spans [][2]int // in order, apart from each other
}

// excerpts joins evidence about the same text.
func excerpts(list []sentinel.Evidence) []excerpt {
	var out []excerpt
	for _, e := range list {
		field := e.Field
		if e.View != "" && e.View != "raw" {
			field += " (" + e.View + ")"
		}
		from := min(max(e.Start, 0), len(e.Text))
		span := [2]int{from, min(max(e.End, from), len(e.Text))}
		i := slices.IndexFunc(out, func(x excerpt) bool { return x.field == field && x.text == e.Text })
		if i < 0 {
			out = append(out, excerpt{field, e.Text, [][2]int{span}})
			continue
		}
		spans := append(out[i].spans, span)
		slices.SortFunc(spans, func(a, b [2]int) int { return cmp.Or(a[0]-b[0], a[1]-b[1]) })
		joined := spans[:1]
		for _, sp := range spans[1:] {
			if last := &joined[len(joined)-1]; sp[0] <= last[1] {
				last[1] = max(last[1], sp[1])
			} else {
				joined = append(joined, sp)
			}
		}
		out[i].spans = joined
	}
	return out
}

// excerpt writes a field with the parts that matched highlighted. Where the line
// is too long it is cut around the first of them.
func (a *app) excerpt(x *excerpt) {
	s := a.out
	field := clean(x.field)
	room := 0
	if s.width > 0 {
		room = max(30, s.width-6-width(field))
	}
	var b strings.Builder
	at := 0
	if room == 0 || width(clean(x.text))+2*len(x.spans) <= room {
		for _, sp := range x.spans {
			b.WriteString(clean(x.text[at:sp[0]]) + a.hit(clean(x.text[sp[0]:sp[1]])))
			at = sp[1]
		}
		b.WriteString(clean(x.text[at:]))
	} else {
		sp := x.spans[0]
		before, match, after := fitSpan(clean(x.text[:sp[0]]), clean(x.text[sp[0]:sp[1]]), clean(x.text[sp[1]:]), room)
		b.WriteString(before + a.hit(match) + after)
	}
	s.printf("    %s %s\n", s.paint(styleDim, field+":"), b.String())
}

// hit marks what matched: by colour, or by quotation marks.
func (a *app) hit(text string) string {
	switch {
	case text == "":
		return ""
	case a.out.colour:
		return a.out.paint(styleHit, text)
	}
	return "«" + text + "»"
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
	rules := slices.Clone(p.Rules)
	slices.SortStableFunc(rules, func(a, b sentinel.RulePart) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Confidence, a.Confidence))
	})
	for i := range rules {
		if i == shownReasons {
			t.add(plain(""), plain(""), plain(fmt.Sprintf("and %d more rules", len(rules)-i)))
			break
		}
		r := &rules[i]
		text, look := ruleText(r), severityNote(r.Severity)
		if !decide.Counts(rules, i) {
			text, look = text+", sees what a rule above sees", styleDim
		}
		t.add(plain("  "+r.ID), plain(""), cell{text, look})
	}
	switch {
	case p.A != nil && p.Learning > 0:
		t.add(plain("anomaly"), plain(num(*p.A)), plain(fmt.Sprintf("how unusual it is; capped while learning (%d %%)", p.Learning)))
	case p.A != nil:
		t.add(plain("anomaly"), plain(num(*p.A)), plain("how unusual it is on this host"))
	case p.Learning > 0:
		t.add(plain("anomaly"), plain("-"), cell{fmt.Sprintf("learning %d %%", p.Learning), styleDim})
	default:
		t.add(plain("anomaly"), plain("-"), cell{"not available, has no part", styleDim})
	}
	for _, reason := range p.Reasons {
		t.add(plain(""), plain(""), plain(reason))
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
	if r.Written > 0 {
		text += fmt.Sprintf(", lowered from %.2f by your marks", r.Written)
	}
	if r.Raised {
		text += ", one level up: it may have worked"
	}
	switch {
	case r.Advisory:
		text += ", advisory"
	case r.NoBlock:
		text += ", never blocks"
	case r.LimitOnly:
		text += ", only slows, to " + r.Limit.String()
	case !r.Limit.IsZero():
		text += ", slows first, to " + r.Limit.String()
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
