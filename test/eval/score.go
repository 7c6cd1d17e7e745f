package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// tally counts one suite, type or tier.
type tally struct {
	want, got, typed    int
	ipWant, ipGot       int
	harmless, falsely   int
	extra, clean        int
	unscored, unscored1 int // all, and those that were flagged
}

// score adds up verdicts.
type score struct {
	suites, types, tiers map[string]*tally
	total                tally
	misses               map[string][]miss
	falses               map[string][]string
}

// miss is one address that a case asks for and that was not reported.
type miss struct{ id, ip, line string }

func (m miss) String() string { return fmt.Sprintf("%s %s: %.260q", m.id, m.ip, m.line) }

func newScore() *score {
	return &score{
		suites: map[string]*tally{}, types: map[string]*tally{}, tiers: map[string]*tally{},
		misses: map[string][]miss{}, falses: map[string][]string{},
	}
}

func at(m map[string]*tally, key string) *tally {
	t := m[key]
	if t == nil {
		t = &tally{}
		m[key] = t
	}
	return t
}

// want is one address that a case asks for, and the types that are right.
type want struct {
	ip    string
	types []string
}

// wants lists them, one for each address.
func wants(e *Expect) (out []want) {
	add := func(ip, typ string, accept []string) {
		ip = address(ip)
		i := slices.IndexFunc(out, func(w want) bool { return w.ip == ip })
		if i < 0 {
			out = append(out, want{ip: ip})
			i = len(out) - 1
		}
		for _, t := range append([]string{typ}, accept...) {
			if t != "" && !slices.Contains(out[i].types, t) {
				out[i].types = append(out[i].types, t)
			}
		}
	}
	if len(e.Alerts) == 0 {
		add(e.IP, e.Type, e.Accept)
	}
	for _, a := range e.Alerts {
		add(a.IP, a.Type, a.Accept)
	}
	return out
}

func address(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "%")
	a, err := netip.ParseAddr(s)
	if err != nil {
		return s
	}
	return sentinel.Normalize(a).String()
}

// add takes in one case.
func (s *score) add(c *Case, v Verdict) {
	groups := []*tally{at(s.suites, c.Suite), at(s.tiers, fmt.Sprintf("tier %d", c.Tier)), &s.total}
	switch {
	case c.Expect.Attack == nil:
		for _, t := range groups {
			t.unscored++
			if v.Attack {
				t.unscored1++
			}
		}
	case *c.Expect.Attack:
		s.attack(c, v, groups)
	default:
		n := len(c.lines())
		for _, t := range groups {
			t.harmless += n
			t.falsely += min(v.Hits, n)
		}
		if v.Hits > 0 {
			for _, h := range v.rules {
				s.falses[h.rule] = append(s.falses[h.rule], fmt.Sprintf("%s: %.300q", c.ID, h.line))
			}
		}
	}
}

func (s *score) attack(c *Case, v Verdict, groups []*tally) {
	reported := v.Alerts
	if v.Attack && len(reported) == 0 {
		reported = []Alert{{v.Type, v.IP}}
	}
	list := wants(&c.Expect)
	for _, w := range list {
		mine := reported
		if c.sequence() && len(c.Expect.Alerts) > 0 && w.ip != "" {
			mine = slices.DeleteFunc(slices.Clone(reported), func(a Alert) bool { return a.IP != w.ip })
		}
		typ := c.Expect.Type
		if len(list) > 1 && len(w.types) > 0 {
			typ = w.types[0]
		}
		found := len(mine) > 0
		for _, t := range append(groups, at(s.types, typ)) {
			t.want++
			if !found {
				continue
			}
			t.got++
			if len(w.types) == 0 || slices.ContainsFunc(mine, func(a Alert) bool { return slices.Contains(w.types, a.Type) }) {
				t.typed++
			}
			if w.ip != "" {
				t.ipWant++
				if slices.ContainsFunc(mine, func(a Alert) bool { return a.IP == w.ip }) {
					t.ipGot++
				}
			}
		}
		if !found {
			s.misses[typ] = append(s.misses[typ], miss{c.ID, w.ip, c.lines()[0]})
		}
	}
	if !c.sequence() || len(c.Expect.Alerts) == 0 {
		return
	}
	extra := map[string]bool{}
	for _, a := range reported {
		if a.IP != "" && !slices.ContainsFunc(list, func(w want) bool { return w.ip == a.IP || w.ip == "" }) {
			extra[a.IP] = true
		}
	}
	for _, t := range groups {
		t.extra += len(extra)
		for _, ip := range c.Expect.CleanIPs {
			if extra[address(ip)] {
				t.clean++
			}
		}
	}
}

// wilson is the 95 % interval of k out of n (E. B. Wilson, 1927), in percent.
func wilson(k, n int) (lo, hi float64) {
	if n == 0 {
		return 0, 0
	}
	const z = 1.96
	p, m := float64(k)/float64(n), float64(n)
	mid := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z * math.Sqrt(p*(1-p)/m+z*z/(4*m*m)) / (1 + z*z/m)
	return 100 * max(0, mid-half), 100 * min(1, mid+half)
}

func percent(a, b int) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", 100*float64(a)/float64(b))
}

// mean is the mean recall, in percent, over the types with at least five cases,
// and how many these are.
func (s *score) mean() (percent float64, types int) {
	sum := 0.0
	for _, t := range s.types {
		if t.want >= 5 {
			sum += float64(t.got) / float64(t.want)
			types++
		}
	}
	if types == 0 {
		return 0, 0
	}
	return 100 * sum / float64(types), types
}

// tables returns the results of one pass, and those of a second one with the
// anomaly stage and the payload model beside them.
func (s *score) tables(with *score) []table {
	byCount := func(m map[string]*tally) []string {
		return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
			return cmp.Or(cmp.Compare(m[b].want, m[a].want), cmp.Compare(a, b))
		})
	}
	off, on := maps.Clone(s.tiers), maps.Clone(with.tiers)
	off["all"], on["all"] = &s.total, &with.total
	return []table{
		{title: "All suites together", head: tallyHead("tier"), rows: tallyRows(slices.Sorted(maps.Keys(off)), off, on), words: 1},
		{title: "By suite", head: tallyHead("suite"), rows: tallyRows(slices.Sorted(maps.Keys(s.suites)), s.suites, with.suites), words: 1},
		{title: "By type of attack", head: tallyHead("type"), rows: tallyRows(byCount(s.types), s.types, with.types), words: 1},
	}
}

func tallyHead(what string) []string {
	return []string{what, "attacks", "recall %", "95 %", "with anomaly", "right type %", "right address %",
		"harmless lines", "false alerts", "per 100,000", "with anomaly", "extra/clean", "unscored flagged"}
}

func tallyRows(keys []string, off, on map[string]*tally) (rows [][]string) {
	for _, k := range keys {
		t, u := off[k], at(on, k)
		lo, hi := wilson(t.got, t.want)
		interval := "-"
		if t.want > 0 {
			interval = fmt.Sprintf("%.0f-%.0f", lo, hi)
		}
		rows = append(rows, []string{k, fmt.Sprint(t.want), percent(t.got, t.want), interval, percent(u.got, u.want),
			percent(t.typed, t.got), percent(t.ipGot, t.ipWant), fmt.Sprint(t.harmless), fmt.Sprint(t.falsely),
			t.falseRate(), u.falseRate(), fmt.Sprintf("%d/%d", t.extra, t.clean), fmt.Sprintf("%d/%d", t.unscored1, t.unscored)})
	}
	return rows
}

// falseRate is how many of 100,000 harmless lines raise an alert.
func (t *tally) falseRate() string {
	if t.harmless == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", 1e5*float64(t.falsely)/float64(t.harmless))
}

func list[T any](out io.Writer, title string, m map[string][]T, most int) {
	if most == 0 {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(out, "\n%s %s (%d)\n", title, k, len(m[k]))
		for _, line := range m[k][:min(most, len(m[k]))] {
			fmt.Fprintln(out, "  ", line)
		}
	}
}
