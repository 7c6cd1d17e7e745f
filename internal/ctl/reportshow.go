package ctl

import (
	"fmt"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
)

// attackersTop is how many attackers the table has.
const attackersTop = 10

// show writes the report in the format asked for.
func (x *analysis) show() error {
	a, r := x.a, &x.report
	switch a.format {
	case "json":
		return a.json(r)
	case "jsonl":
		return x.showLines()
	}
	a.out.printf("\n")
	x.showThreats()
	x.showBlocks()
	x.showAttackers()
	x.showCoverage()
	speed := ""
	if r.Speed > 0 {
		speed = fmt.Sprintf(", %s lines/s", thousands(uint64(r.Speed)))
	}
	a.out.printf("\n  %s\n\n", a.out.paint(styleDim, fmt.Sprintf("%s and %s in %.2f s (CPU %.2f s%s)", plural(r.Lines, "line"), plural(r.Rules, "rule"), r.Elapsed, r.CPU, speed)))
	return nil
}

// showLines writes one object a line, each with its kind.
func (x *analysis) showLines() error {
	a, r := x.a, &x.report
	type item struct {
		Kind  string `json:"kind"`
		Value any    `json:"value"`
	}
	for i := range r.Threats {
		if err := a.json(item{"threat", r.Threats[i]}); err != nil {
			return err
		}
	}
	for i := range r.Blocks {
		if err := a.json(item{"would_block", r.Blocks[i]}); err != nil {
			return err
		}
	}
	rest := *r
	rest.Threats, rest.Blocks = nil, nil
	return a.json(item{"summary", struct {
		report
		Threats int `json:"threats"`
		Blocks  int `json:"would_block"`
	}{rest, len(r.Threats) + r.LeftOut, len(r.Blocks)}})
}

func (x *analysis) limit(n int) int {
	if x.f.limit <= 0 {
		return n
	}
	return min(n, x.f.limit)
}

func (x *analysis) showThreats() {
	s, r := x.a.out, &x.report
	all := len(r.Threats) + r.LeftOut
	if all == 0 {
		s.printf("  %s\n", s.paint(styleGood, "No threats were found."))
		return
	}
	s.printf("  %s%s\n", s.paint(styleBold, plural(all, "threat")), x.bySeverity())
	t := &table{head: []string{"Severity", "Risk", "Type", "Attacker", "First seen", "For", "Events", "Rule"}, flex: []int{7, 2, 3}}
	t.numbers(5, 6)
	for i := range x.limit(len(r.Threats)) {
		h := r.Threats[i]
		t.add(cell{h.Severity.String(), severityStyle(h.Severity)}, plain(fmt.Sprintf("%.2f", h.RiskScore)), plain(decide.TypeTitle(h.Type)),
			plain(located(h)), plain(stampSeconds(h.CreatedAt)), plain(short(max(0, h.LastSeen.Sub(h.CreatedAt)))),
			plain(thousands(h.EventCount)), plain(h.RuleID))
	}
	t.print(s)
	x.andMore(all)
}

// bySeverity is for example ": 3 CRITICAL, 12 HIGH".
func (x *analysis) bySeverity() string {
	var parts []string
	for sev := sentinel.Critical; ; sev-- {
		if n := x.report.BySeverity[sev.String()]; n > 0 {
			parts = append(parts, x.a.out.paint(severityNote(sev), thousands(n)+" "+sev.String()))
		}
		if sev == sentinel.Info {
			return ": " + strings.Join(parts, ", ")
		}
	}
}

func (x *analysis) andMore(all int) {
	if n := x.limit(all); n < all {
		x.a.out.printf("  %s\n", x.a.out.paint(styleDim, fmt.Sprintf("... and %s more; --limit 0 shows all", thousands(all-n))))
	}
}

func (x *analysis) showBlocks() {
	s, r := x.a.out, &x.report
	attackers := map[string]bool{}
	for i := range r.Blocks {
		attackers[r.Blocks[i].Prefix.String()] = true
	}
	s.printf("\n  %s", s.paint(styleBold, plural(len(attackers), "attacker")+" would have been blocked"))
	if len(r.Blocks) > len(attackers) {
		s.printf(" (%s in all)", plural(len(r.Blocks), "block"))
	}
	switch {
	case !x.f.policy && len(r.Blocks) > 0:
		s.printf("; --policy shows them")
	default:
		s.printf("; policy: %s", clean(r.Policy))
	}
	s.printf("\n")
	if x.f.policy && len(r.Blocks) > 0 {
		t := &table{head: []string{"Time", "Address", "For", "Reason"}, flex: []int{3}}
		t.numbers(2)
		for i := range x.limit(len(r.Blocks)) {
			b := &r.Blocks[i]
			length := "ever"
			if !b.Expires.IsZero() {
				length = short(b.Expires.Sub(b.Created).Round(time.Second))
			}
			t.add(plain(stampSeconds(b.Created)), cell{networkText(b), styleBold}, plain(length), plain(b.Reason))
		}
		t.print(s)
		x.andMore(len(r.Blocks))
	}
	for i, al := range r.Alarms {
		if i == shownReasons {
			s.printf("  and %s\n", plural(len(r.Alarms)-i, "more alarm"))
			break
		}
		s.printf("  %s %s\n", s.paint(styleWarn, "alarm "+stampSeconds(al.Time)+":"), truncate(clean(al.Text), s.width-30))
	}
}

func (x *analysis) showAttackers() {
	s, r := x.a.out, &x.report
	if len(r.Attackers) < 2 {
		return
	}
	s.printf("\n  %s\n", s.paint(styleBold, "Top attackers"))
	t := &table{head: []string{"Attacker", "Events", "Threats", "Worst", "Types"}, flex: []int{4}}
	t.numbers(1, 2)
	for i := range min(len(r.Attackers), attackersTop) {
		at := &r.Attackers[i]
		var types []string
		for _, name := range at.Types {
			types = append(types, decide.TypeTitle(name))
		}
		who := at.Attacker
		if place := sentinel.PlaceText(at.Country, at.Network); place != "" {
			who += " (" + place + ")"
		}
		t.add(cell{who, styleBold}, plain(thousands(at.Events)), plain(thousands(at.Threats)),
			cell{at.Worst.String(), severityStyle(at.Worst)}, plain(strings.Join(types, ", ")))
	}
	t.print(s)
}

func (x *analysis) showCoverage() {
	s, r := x.a.out, &x.report
	s.printf("\n  %s\n", s.paint(styleBold, "Coverage"))
	t := &table{head: []string{"File", "Lines", "Understood", "From", "To"}, flex: []int{0}}
	t.numbers(1, 2)
	for i := range r.Files {
		f := &r.Files[i]
		share, st := "-", stylePlain
		if f.Lines > 0 {
			share = percent(f.Lines-f.Unparsed, f.Lines)
			if f.Unparsed*2 > f.Lines {
				st = styleWarn
			}
		}
		t.add(plain(f.Name), plain(thousands(f.Lines)), cell{share, st}, plain(stampSeconds(f.First)), plain(stampSeconds(f.Last)))
	}
	t.print(s)
	if r.Unparsed == 0 {
		return
	}
	s.printf("\n  %s\n", s.paint(styleBold, plural(r.Unparsed, "line")+" not understood, most often:"))
	u := &table{head: []string{"", ""}, flex: []int{1}}
	u.numbers(0)
	for i := range r.Shapes {
		u.add(plain(thousands(r.Shapes[i].Count)), plain(" "+r.Shapes[i].Shape))
	}
	u.print(s)
}
