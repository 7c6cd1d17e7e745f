package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// host is who has been seen in a log, and when something was done about it.
type host struct {
	events int
	first  time.Time
	days   map[string]bool
	// alerted and blocked count the events until then, 0: never; the durations
	// are from the first event.
	alerted, blocked           int
	untilAlerted, untilBlocked time.Duration
}

// outcome is what a whole log led to, with decisions made as the agent makes
// them.
type outcome struct {
	lines   int
	hosts   map[netip.Prefix]*host
	threats map[string]sentinel.Threat
	// anyAlert and anyBlock count the lines until the first threat at or above
	// MEDIUM, whoever it is about, and the first block.
	anyAlert, anyBlock int
}

// shortLearning is how long the anomaly stage learns from a whole log; the logs
// are too short for the usual seven days.
const shortLearning = 24 * time.Hour

// watch reads a log from beginning to end. alertFrom is the least severity that
// counts as an alert.
func (r *runner) watch(source string, lines []string, alertFrom sentinel.Severity) (*outcome, error) {
	e, err := r.engine(false, shortLearning)
	if err != nil {
		return nil, err
	}
	typ, err := parse.ParseType(source)
	if err != nil {
		typ = sentinel.TypeAuto
	}
	src := e.NewSource(source, parse.Config{Type: typ})
	o := &outcome{hosts: map[netip.Prefix]*host{}, threats: map[string]sentinel.Threat{}}
	tick := time.Time{}
	for _, line := range lines {
		step := e.Replay(src, line, r.now)
		o.lines++
		at := e.Clock()
		if p := sentinel.Entity(step.Event.SrcIP); p.IsValid() {
			h := o.hosts[p]
			if h == nil {
				h = &host{first: at, days: map[string]bool{}}
				o.hosts[p] = h
			}
			h.events++
			h.days[at.Format(time.DateOnly)] = true
		}
		o.take(step.Effects, at, alertFrom)
		if at.Sub(tick) >= time.Second {
			tick = at
			o.take(e.Tick(at), at, alertFrom)
		}
	}
	return o, nil
}

func (o *outcome) take(fx decide.Effects, at time.Time, alertFrom sentinel.Severity) {
	for i := range fx.Threats {
		t := &fx.Threats[i]
		o.threats[t.ID] = *t
		if t.Severity < alertFrom {
			continue
		}
		if o.anyAlert == 0 {
			o.anyAlert = o.lines
		}
		if h := o.hosts[t.Scope]; h != nil && h.alerted == 0 {
			h.alerted, h.untilAlerted = h.events, at.Sub(h.first)
		}
	}
	for _, b := range fx.Blocks {
		if o.anyBlock == 0 {
			o.anyBlock = o.lines
		}
		for p, h := range o.hosts {
			if h.blocked == 0 && b.Prefix().Overlaps(p) {
				h.blocked, h.untilBlocked = h.events, at.Sub(h.first)
			}
		}
	}
}

// realLogs are the suites of real, harmless logs, each the pieces of one log in
// their order.
var realLogs = []string{"benign_blog", "benign_judge", "benign_nasa", "benign_syslog"}

// wholeLogs reads each real log as one, as the agent would have: the single
// cases begin with nothing remembered, so that what builds up over a day is only
// seen here.
func wholeLogs(cases []*Case, off, on *runner) (table, error) {
	t := table{
		title: "Real, harmless logs, each from beginning to end",
		about: "Addresses blocked is what counts: somebody was kept out for nothing. Threats are at or above MEDIUM; below it nobody is told. The anomaly stage learns for a day only, since the logs are short, and for 2,000 windows as always. An address-day is one address on one day.",
		head:  []string{"log", "lines", "addresses", "address-days", "threats", "with anomaly", "blocked", "with anomaly", "at most per 10,000 address-days"},
		words: 1,
	}
	for _, suite := range realLogs {
		var lines []string
		source := ""
		for _, c := range cases {
			if c.Suite == suite {
				lines, source = append(lines, c.lines()...), c.Source
			}
		}
		if lines == nil {
			continue
		}
		a, err := off.watch(source, lines, sentinel.Medium)
		if err != nil {
			return t, err
		}
		b, err := on.watch(source, lines, sentinel.Medium)
		if err != nil {
			return t, err
		}
		days, blocked, blockedOn := 0, 0, 0
		for p, h := range a.hosts {
			days += len(h.days)
			blocked += bit(h.blocked > 0)
			blockedOn += bit(b.hosts[p].blocked > 0)
		}
		t.rows = append(t.rows, []string{suite, fmt.Sprint(len(lines)), fmt.Sprint(len(a.hosts)), fmt.Sprint(days),
			fmt.Sprint(a.alerts()), fmt.Sprint(b.alerts()), fmt.Sprint(blocked), fmt.Sprint(blockedOn), upperBound(blockedOn, days)})
	}
	return t, nil
}

// upperBound is how many of 10,000 there are at most, at 95 %: 3/n where none
// was seen (the rule of three), else the end of Wilson's interval.
func upperBound(k, n int) string {
	if n == 0 {
		return "-"
	}
	if k == 0 {
		return fmt.Sprintf("%.1f", 3e4/float64(n))
	}
	_, hi := wilson(k, n)
	return fmt.Sprintf("%.1f", 100*hi)
}

func (o *outcome) alerts() (n int) {
	for _, t := range o.threats {
		n += bit(t.Severity >= sentinel.Medium)
	}
	return n
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// timesToDetect says after how many of an attacker's lines, and how long after
// the first, it was reported and blocked, in sequences that name attackers.
func timesToDetect(cases []*Case, r *runner) (table, error) {
	t := table{
		title: "Time to detect, in sequences",
		about: "Lines and seconds from an attacker's first line in the sequence to the first threat about it, and to its block. Many sequences begin in the middle of an attack, and hold harmless lines of the same address.",
		head:  []string{"suite", "attackers", "reported", "blocked", "lines to report, median", "95 %", "seconds, median", "95 %", "lines to block, median", "95 %"},
		words: 1,
	}
	type figures struct {
		attackers, reported, blocked int
		lines, blocks                []float64
		seconds                      []float64
	}
	by := map[string]*figures{}
	var names []string
	for _, c := range cases {
		if !c.sequence() || c.Expect.Attack == nil || !*c.Expect.Attack || c.Tier > 2 {
			continue
		}
		f := by[c.Suite]
		if f == nil {
			f = &figures{}
			by[c.Suite], names = f, append(names, c.Suite)
		}
		o, err := r.watch(c.Source, c.lines(), sentinel.Info)
		if err != nil {
			return t, err
		}
		for _, w := range wants(&c.Expect) {
			a, err := netip.ParseAddr(w.ip)
			if err != nil {
				continue
			}
			f.attackers++
			h := o.hosts[sentinel.Entity(a)]
			if h == nil {
				continue
			}
			if h.alerted > 0 {
				f.reported++
				f.lines, f.seconds = append(f.lines, float64(h.alerted)), append(f.seconds, h.untilAlerted.Seconds())
			}
			if h.blocked > 0 {
				f.blocked++
				f.blocks = append(f.blocks, float64(h.blocked))
			}
		}
	}
	for _, name := range names {
		f := by[name]
		t.rows = append(t.rows, []string{name, fmt.Sprint(f.attackers), fmt.Sprint(f.reported), fmt.Sprint(f.blocked),
			quantile(f.lines, 0.5), quantile(f.lines, 0.95), quantile(f.seconds, 0.5), quantile(f.seconds, 0.95),
			quantile(f.blocks, 0.5), quantile(f.blocks, 0.95)})
	}
	return t, nil
}

// quantile is the smallest value that a share q of all does not exceed.
func quantile(v []float64, q float64) string {
	if len(v) == 0 {
		return "-"
	}
	v = slices.Sorted(slices.Values(v))
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v[min(int(q*float64(len(v))), len(v)-1)]), ".0")
}
