package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sentinel-ai/sentinel-ai"
)

// Explanation says what a threat is in the words of an administrator. All its
// texts are plain: what attackers wrote is stripped of control characters.
type Explanation struct {
	// Headline: severity, type, who, where.
	Headline string
	// What happened, a sentence each.
	What []string
	// Evidence is at most 3 spans; those left out are counted in MoreEvidence.
	Evidence     []Span
	MoreEvidence int
	// Score lines: how sure we are, and why, in the numbers of the score's parts.
	Score []string
	// Action is what was done until when and why, or why not more.
	Action string
	// Next is what to check, most useful first.
	Next []string
	// Undo is the commands for the case that this is wrong.
	Undo []string
	// MITRE has the ATT&CK ids.
	MITRE []string
}

// Span is a piece of evidence fit to be shown: plain, and cut to the
// neighbourhood of the match. Its Text is Before + Match + After.
type Span struct {
	sentinel.Evidence
	Before, Match, After string
}

const (
	shownSpans  = 3
	spanContext = 60 // bytes shown before and after a match
	shownMatch  = 160
	shownRules  = 8
)

// Explain says what happened, how sure we are and why, what was done, what to
// check and how to undo it. It needs nothing but the threat.
func Explain(t sentinel.Threat) Explanation {
	info := describeType(plain(t.Type))
	who := entityText(t)
	x := Explanation{
		Headline: fmt.Sprintf("%s %s from %s", t.Severity, info.title, who),
		What:     whatHappened(t, info),
		Score:    scoreLines(t),
		Action:   actionLine(t),
		Next:     slices.Clone(info.next),
		Undo:     undoLines(t),
		MITRE:    slices.Clone(t.MITRE),
	}
	if t.Source != "" {
		x.Headline += " on " + plain(t.Source)
	}
	for i, e := range t.Evidence {
		if i == shownSpans {
			x.MoreEvidence = len(t.Evidence) - shownSpans
			break
		}
		x.Evidence = append(x.Evidence, spanOf(e))
	}
	return x
}

// Text lays the explanation out for a terminal or a message, without colours.
// The matched part of each piece of evidence stands in »«.
func (x Explanation) Text() string {
	var b strings.Builder
	b.WriteString(x.Headline + "\n")
	part := func(title string, lines ...string) {
		if len(lines) == 0 {
			return
		}
		b.WriteString("\n" + title + "\n")
		for _, l := range lines {
			b.WriteString("  " + l + "\n")
		}
	}
	part("What happened", x.What...)
	var spans []string
	for _, s := range x.Evidence {
		spans = append(spans, s.String())
	}
	if x.MoreEvidence > 0 {
		spans = append(spans, fmt.Sprintf("and %d more", x.MoreEvidence))
	}
	part("Evidence", spans...)
	part("How sure", x.Score...)
	part("What was done", x.Action)
	part("What to check", x.Next...)
	part("If this is wrong", x.Undo...)
	if len(x.MITRE) > 0 {
		part("ATT&CK", strings.Join(x.MITRE, ", "))
	}
	return b.String()
}

// String writes a span in one line.
func (s Span) String() string {
	field := s.Field
	if s.View != "" && s.View != "raw" {
		field += " (" + s.View + ")"
	}
	return fmt.Sprintf("%s: %s»%s«%s", field, s.Before, s.Match, s.After)
}

func spanOf(e sentinel.Evidence) Span {
	e = boundEvidence(e)
	before, match, after := e.Text[:e.Start], e.Text[e.Start:e.End], e.Text[e.End:]
	if len(before) > spanContext {
		from := len(before) - spanContext
		for from < len(before) && !utf8.RuneStart(before[from]) {
			from++
		}
		before = "…" + before[from:]
	}
	if len(match) > shownMatch {
		match = cut(match, shownMatch) + "…"
	}
	if len(after) > spanContext {
		after = cut(after, spanContext) + "…"
	}
	before, match, after = plain(before), plain(match), plain(after)
	return Span{Before: before, Match: match, After: after, Evidence: sentinel.Evidence{
		Field: plain(e.Field), View: plain(e.View), Text: before + match + after, Start: len(before), End: len(before) + len(match),
	}}
}

func entityText(t sentinel.Threat) string {
	var text string
	switch {
	case t.Scope.IsValid() && wide(t.Scope):
		text = t.Scope.String()
	case t.AttackerIP.IsValid():
		text = t.AttackerIP.String()
	case t.Scope.IsValid():
		text = networkText(t.Scope)
	case t.Key != "":
		text = plain(t.Key)
	default:
		text = "this host"
	}
	if place := sentinel.PlaceText(t.AttackerGeo, t.AttackerNetwork); place != "" {
		text += " (" + plain(place) + ")"
	}
	return text
}

// whatHappened: the events, the rules that fired, the account, and the link to
// the case before.
func whatHappened(t sentinel.Threat, info typeInfo) []string {
	unit := info.many
	if t.EventCount == 1 {
		unit = info.one
	}
	first := fmt.Sprintf("%s %s", count(t.EventCount), unit)
	if d := t.LastSeen.Sub(t.CreatedAt); d >= time.Second {
		first += " in " + durationText(d) + ", from " + timeText(t.CreatedAt) + " to " + timeText(t.LastSeen)
	} else if !t.CreatedAt.IsZero() {
		first += " at " + timeText(t.CreatedAt)
	}
	out := []string{first + "."}
	if d := plain(t.Description); d != "" {
		out = append(out, strings.TrimSuffix(d, ".")+".")
	}
	for _, r := range byWeight(t.Score.Rules) {
		if r.Window > 0 && r.Threshold > 0 {
			out = append(out, fmt.Sprintf("Rule %s counted %s; it fires at %s in %s.", plain(r.ID), count(r.Count), count(r.Threshold), durationText(r.Window)))
		}
	}
	if t.Outcome != sentinel.OutcomeUnknown {
		out = append(out, fmt.Sprintf("Did they get in? %s: %s.", t.Outcome, plain(t.OutcomeWhy)))
	}
	if t.User != "" {
		out = append(out, fmt.Sprintf("The account concerned is %q.", plain(t.User)))
	}
	if t.Previous != "" {
		out = append(out, "It continues the earlier threat "+plain(t.Previous)+".")
	}
	return out
}

// scoreLines shows each part of the score with its number.
func scoreLines(t sentinel.Threat) []string {
	p := t.Score
	lines := []string{fmt.Sprintf("Score %s of 1 (%s).", scoreText(p.Score), sentinel.SeverityOf(p.Score))}
	if len(p.Rules) == 0 {
		lines = append(lines, "Rules: none matched.")
	} else {
		lines = append(lines, fmt.Sprintf("Rules say %s:", scoreText(Quant(p.R))))
		for _, r := range byWeight(p.Rules) {
			i := slices.IndexFunc(p.Rules, func(o sentinel.RulePart) bool { return o.ID == r.ID })
			line := "  " + ruleLine(r)
			if !Counts(p.Rules, i) {
				line += " (sees what a rule above sees: not counted twice)"
			}
			lines = append(lines, line)
		}
		if n := len(p.Rules) - shownRules; n > 0 {
			lines = append(lines, fmt.Sprintf("  and %d more rules", n))
		}
	}
	lines = append(lines, anomalyLines(p)...)
	switch {
	case len(p.Lists) > 0:
		lines = append(lines, fmt.Sprintf("Reputation %s: this address is on %s; that lifts the score from %s to %s.", scoreText(p.P), plain(strings.Join(p.Lists, " and ")), scoreText(Quant(p.Base)), scoreText(Quant(p.WithReputation))))
	case p.P > 0:
		lines = append(lines, fmt.Sprintf("Reputation %s: this address has been noticed before; that lifts the score from %s to %s.", scoreText(p.P), scoreText(Quant(p.Base)), scoreText(Quant(p.WithReputation))))
	default:
		lines = append(lines, "Reputation 0.00: nothing is known about this address from before.")
	}
	if p.Limit > 0 && p.Limit < 1 && Quant(p.WithReputation) >= p.Limit {
		lines = append(lines, fmt.Sprintf("Limited to %s, since no rule above %s that is not advisory matched.", scoreText(p.Limit), limitSeverity(p.Limit)))
	}
	switch {
	case p.L == nil:
		lines = append(lines, "Language model: not asked.")
	case p.Score == p.Decision:
		lines = append(lines, fmt.Sprintf("Language model %s (0 harmless, 1 malicious): it changed nothing.", scoreText(*p.L)))
	default:
		lines = append(lines, fmt.Sprintf("Language model %s (0 harmless, 1 malicious): it moved the shown score from %s to %s. Blocking was decided without it, on %s.",
			scoreText(*p.L), scoreText(p.Decision), scoreText(p.Score), scoreText(p.Decision)))
	}
	return lines
}

func limitSeverity(limit float64) sentinel.Severity {
	if limit == limitMedium {
		return sentinel.Medium
	}
	return sentinel.Low
}

// ruleLine is for example "SSH_BRUTE_001 HIGH x 1.00, 2 times".
func ruleLine(r sentinel.RulePart) string {
	line := fmt.Sprintf("%s %s x %s", plain(r.ID), r.Severity, scoreText(Quant(r.Confidence)))
	if r.Written > 0 {
		line += fmt.Sprintf(" (lowered from %s by your marks)", scoreText(Quant(r.Written)))
	}
	counts := "times"
	if r.Window == 0 && r.Threshold <= 1 {
		counts = "distinct events"
		if r.Firings >= maxTemplates {
			counts = "or more distinct events"
		}
	}
	if r.Firings == 1 {
		line += ", once"
	} else {
		line += fmt.Sprintf(", %d %s", r.Firings, counts)
	}
	switch {
	case r.Advisory:
		line += " (advisory: never blocks by itself)"
	case r.NoBlock:
		line += " (its actions do not block)"
	case r.LimitOnly:
		line += " (it asks for slowing to " + r.Limit.String() + ", not for a block)"
	case !r.Limit.IsZero():
		line += " (it asks for slowing to " + r.Limit.String() + " first)"
	}
	if r.Origin != "" {
		line += "; " + plain(r.Name) + ", " + plain(r.Origin)
	}
	return line
}

// byWeight returns the rules that say most, at most shownRules.
func byWeight(rules []sentinel.RulePart) []sentinel.RulePart {
	out := slices.Clone(rules)
	slices.SortStableFunc(out, func(a, b sentinel.RulePart) int {
		return cmp.Or(cmp.Compare(ruleWeight(&b), ruleWeight(&a)), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(len(out), shownRules)]
}

func actionLine(t sentinel.Threat) string {
	text := plain(t.ActionReason)
	if text == "" {
		text = plain(cmp.Or(t.Action, "nothing was done"))
	}
	r, n := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(r)) + text[n:] + "."
	switch t.Status {
	case sentinel.StatusAcknowledged:
		text += " Acknowledged."
	case sentinel.StatusResolved, sentinel.StatusFalsePositive:
		text += fmt.Sprintf(" Marked %s by %s.", strings.ReplaceAll(string(t.Status), "_", " "), plain(cmp.Or(t.ResolvedBy, "somebody")))
	}
	return text
}

// undoLines are commands that can be typed as they stand.
func undoLines(t sentinel.Threat) []string {
	var lines []string
	target := undoTarget(t)
	if (t.Action == ActionBlock || t.Action == ActionRateLimit) && target != "" {
		lines = append(lines, "sentinelctl unblock "+target)
	}
	if t.ID != "" {
		lines = append(lines, "sentinelctl threats fp "+plain(t.ID))
	}
	if target != "" && t.Action != ActionNone {
		lines = append(lines, "sentinelctl whitelist add "+target+"   (if it must never be blocked)")
	}
	return lines
}

func undoTarget(t sentinel.Threat) string {
	scope := t.Scope
	if !scope.IsValid() {
		scope = sentinel.Entity(t.AttackerIP)
	}
	switch {
	case !scope.IsValid():
		return ""
	case !wide(scope) && scope.Addr().Is6() && sentinel.Entity(t.AttackerIP) == scope:
		return t.AttackerIP.String() // its /64 is meant, and understood
	case scope.IsSingleIP():
		return scope.Addr().String()
	}
	return scope.String()
}

// plain drops what could act on a terminal or hide in a text: controls, escapes,
// and characters that change the direction of writing or have no width.
func plain(s string) string {
	ok := func(r rune) bool {
		return r != utf8.RuneError && (r == ' ' || unicode.IsGraphic(r)) && !unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Zl, r) && !unicode.Is(unicode.Zp, r)
	}
	if strings.IndexFunc(s, func(r rune) bool { return !ok(r) }) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if ok(r) {
			return r
		}
		return '·'
	}, s)
}

// count writes a number with its thousands apart.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// durationText writes a duration in its two largest units: "1 h 5 min".
func durationText(d time.Duration) string {
	d = d.Round(time.Second)
	units := []struct {
		name string
		d    time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	var parts []string
	for _, u := range units {
		if n := d / u.d; n > 0 && len(parts) < 2 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			d -= n * u.d
		} else if len(parts) > 0 {
			break
		}
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}
