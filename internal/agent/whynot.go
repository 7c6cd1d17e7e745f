package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

const (
	pastCases   = 5
	pastActions = 10
)

// WhyNot implements control.Agent.
func (p *api) WhyNot(ctx context.Context, _ control.Peer, q control.WhyNotParams) (*control.WhyNot, error) {
	a := p.agent()
	addr := sentinel.Normalize(q.IP.Addr())
	out := &control.WhyNot{
		IP: q.IP, Since: a.started, Sources: a.sources(), Hints: []string{}, Rules: []control.RuleStanding{},
		Silenced: []control.SilencedRule{}, Others: []string{}, Cases: []control.ThreatRow{}, Past: []control.ThreatRow{},
	}
	var cases []sentinel.Threat
	var auto bool
	err := a.do(ctx, func() {
		d := a.engine.Decider()
		cfg := d.Config()
		out.MinScore, auto = cfg.MinScore, cfg.AutoBlock
		out.Mode = "protect"
		if cfg.Observe {
			out.Mode = "observe"
		}
		if b, ok := d.Blocked(addr); ok {
			rec := b.Record()
			out.Block = &rec
		}
		if pr, ok := d.Allowlist().Covers(addr); ok {
			out.Protection = &control.AllowEntry{Prefix: control.Network{Prefix: pr.Prefix}, Kind: string(pr.Kind), Reason: pr.Reason}
		} else if pr, ok := d.Sheltered(addr); ok {
			out.Protection = &control.AllowEntry{Place: pr.Place, Kind: string(pr.Kind), Reason: pr.Reason}
		}
		if s, ok := a.engine.Seen(addr); ok {
			out.Seen = &control.Seen{Source: s.Source, Last: s.Last, Lines: s.Lines}
		}
		set := a.engine.Set()
		known, others := a.engine.Detector().Lookup(addr, time.Now())
		for _, k := range known {
			out.Rules = append(out.Rules, standing(set.Rule(int(k.Rule)), k))
		}
		for _, i := range others {
			out.Others = append(out.Others, set.Rule(int(i)).ID)
		}
		for _, s := range a.engine.Matcher().Silenced(addr) {
			out.Silenced = append(out.Silenced, control.SilencedRule{ID: set.Rule(int(s.Rule)).ID, Count: s.Count, Last: s.Time})
		}
		cases = d.About(addr)
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out.Rules, func(x, y control.RuleStanding) int {
		return cmp.Compare(y.Count*x.Threshold, x.Count*y.Threshold)
	})
	if err := p.addHistory(ctx, out, cases); err != nil {
		return nil, err
	}
	out.Verdict, out.Hints = whyNotBlocked(out, auto)
	return out, nil
}

// addHistory adds the cases, open and over, and what was done.
func (p *api) addHistory(ctx context.Context, out *control.WhyNot, open []sentinel.Threat) error {
	past, _, err := p.store.Threats(ctx, store.ThreatFilter{Network: out.IP.Prefix, Limit: pastCases + len(open)})
	if err != nil {
		return err
	}
	past = slices.DeleteFunc(past, func(t sentinel.Threat) bool {
		return slices.ContainsFunc(open, func(o sentinel.Threat) bool { return o.ID == t.ID })
	})
	past = past[:min(len(past), pastCases)]
	short, err := p.shortIDs(ctx, append(slices.Clone(open), past...))
	if err != nil {
		return err
	}
	for _, t := range open {
		out.Cases = append(out.Cases, control.ThreatRow{ShortID: cmp.Or(short[t.ID], t.ID), Threat: t})
	}
	for _, t := range past {
		out.Past = append(out.Past, control.ThreatRow{ShortID: short[t.ID], Threat: t})
	}
	out.Actions, _, err = p.store.Actions(ctx, store.ActionFilter{Network: out.IP.Prefix, Limit: pastActions})
	return err
}

// standing puts how far a rule is from firing into the socket's words.
func standing(r *rule.Rule, s detect.Standing) control.RuleStanding {
	out := control.RuleStanding{
		ID: r.ID, Name: r.Name, Severity: r.Severity, Count: s.Count, Threshold: s.Threshold,
		Window: control.Seconds(s.Window), Last: s.Last, Fired: s.Fired, Silent: s.Silent,
	}
	if s.SpreadMin > 1 {
		out.Also = fmt.Sprintf("%d of %d different %s", s.Spread, s.SpreadMin, r.Aggregation.SpreadField.Name())
	}
	if s.MinRatio > 0 {
		out.Also = fmt.Sprintf("%d of %d events are such, %.0f%% are needed", s.Part, s.All, 100*s.MinRatio)
	}
	return out
}

// whyNotBlocked says in a sentence why an address is not blocked, and what to
// look at next.
func whyNotBlocked(w *control.WhyNot, auto bool) (verdict string, hints []string) {
	ip := w.IP.String()
	hints = []string{}
	switch {
	case w.Block != nil && w.Block.Simulated:
		return "it would be blocked, but the mode is observe: nothing is dropped", append(hints, "set response.mode: protect to drop")
	case w.Block != nil:
		return "it is blocked", append(hints, "if packets still come through: sentinelctl doctor --drill")
	case w.Protection != nil:
		what := w.Protection.Prefix.String()
		if !w.Protection.Place.IsZero() {
			what = w.Protection.Place.String()
		}
		verdict = fmt.Sprintf("it is never blocked: %s is protected (%s%s)", what, w.Protection.Kind, because(w.Protection.Reason))
		if w.Protection.Kind == string(decide.KindProxy) {
			hints = append(hints, "it is a trusted proxy: its visitors are blocked by the address in X-Forwarded-For where that can be dropped")
		}
		return verdict, hints
	}
	for i := range w.Cases {
		if t := &w.Cases[i]; t.ActionReason != "" {
			return fmt.Sprintf("threat %s: %s", t.ShortID, t.ActionReason), append(hints, "sentinelctl threats show "+t.ShortID)
		}
	}
	if !auto {
		hints = append(hints, "response.auto_block is off: nothing is blocked automatically")
	}
	switch {
	case len(w.Rules) > 0:
		r := &w.Rules[0]
		if r.Count >= r.Threshold {
			return fmt.Sprintf("rule %s has fired, but its case is closed: a new event opens another", r.ID), hints
		}
		return fmt.Sprintf("no rule has fired: the nearest, %s, counts %d of %d", r.ID, r.Count, r.Threshold), hints
	case len(w.Silenced) > 0:
		return fmt.Sprintf("an exception silences rule %s for it", w.Silenced[0].ID), append(hints, "see the exceptions in the rule and in detection.rules.exceptions_dir")
	case w.Seen != nil:
		return fmt.Sprintf("its lines were read (%s), but no rule counts them", w.Seen.Source),
			append(hints, "sentinelctl explain-line 'LINE' says what the rules make of one of its lines")
	}
	hints = append(hints, blindSpots(w.Sources)...)
	hints = append(hints, "if a log names the address: sentinelctl explain-line 'LINE'", "if no log does, nobody but the kernel saw it")
	return fmt.Sprintf("no line with %s was read since the agent started, as far as is remembered", ip), hints
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// blindSpots names sources that are not read.
func blindSpots(list []control.SourceStatus) (out []string) {
	for _, s := range list {
		switch collect.State(s.State) {
		case collect.StateActive, collect.StateDraining, collect.StateWaiting, collect.StateDuplicate:
		default:
			out = append(out, fmt.Sprintf("%s is not read: %s %s", s.Path, s.State, s.Reason))
		}
	}
	return out
}
