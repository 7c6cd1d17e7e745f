// Package simulate makes days of logs as web and SSH servers write them: sites
// with people, programs and crawlers, and attackers who say what they are.
//
// The same plan gives the same lines: one generator of random
// numbers (PCG) drives all of it, in one goroutine, and no map is walked. Models
// are trained and measured on such days, and people can see on them what a
// detector finds after how long.
package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Version names the generator: other lines come with another one.
const Version = "simulate/1"

// Harmless is the label of clients that do no harm.
const Harmless = ""

// Line is one line of a log and who is behind it.
type Line struct {
	Time   time.Time
	Text   string
	Client netip.Addr
	// Label is the behaviour of the client: Harmless or one of Behaviours, with
	// its Speed.
	Label string
	Speed string
	// Kind is what sort of client it is, for harmless ones.
	Kind string
}

// Speeds of attackers, in the order of their pauses.
var Speeds = []string{"fast", "medium", "slow"}

// Sites that can be made.
var Sites = []string{"blog", "shop", "api", "webdav", "intranet"}

// Plan says what is to be made.
type Plan struct {
	Seed uint64
	// Site is one of Sites, or "ssh".
	Site string
	// Start is the first day and Days how many follow.
	Start time.Time
	Days  int
	// Clients is how many harmless clients come a day, about.
	Clients int
	// Attacks are the attackers; they begin after Quiet days.
	Attacks []Attack
	Quiet   int
}

// Attack is a group of attackers of one sort.
type Attack struct {
	// Behaviour is one of Behaviours.
	Behaviour string
	// Speed is one of Speeds; "" for behaviours that have none.
	Speed string
	// Count is how many attackers come, spread over all days.
	Count int
}

// Validate reports the first thing in a plan that makes no sense.
func (p *Plan) Validate() error {
	switch {
	case p.Site != "ssh" && !slices.Contains(Sites, p.Site):
		return fmt.Errorf("site %q is none of %s, ssh", p.Site, strings.Join(Sites, ", "))
	case p.Days < 1 || p.Days > 366:
		return fmt.Errorf("days: %d is not between 1 and 366", p.Days)
	case p.Quiet < 0 || p.Quiet >= p.Days:
		return fmt.Errorf("quiet days: %d are not between 0 and %d", p.Quiet, p.Days-1)
	case p.Clients < 0 || p.Clients > 100_000:
		return fmt.Errorf("clients: %d is not between 0 and 100000", p.Clients)
	}
	for _, a := range p.Attacks {
		b, ok := behaviour(a.Behaviour)
		switch {
		case !ok:
			return fmt.Errorf("behaviour %q is none of %s", a.Behaviour, strings.Join(Behaviours(), ", "))
		case b.ssh != (p.Site == "ssh"):
			return fmt.Errorf("behaviour %s does not belong to site %s", a.Behaviour, p.Site)
		case b.whole && a.Speed != "" || !b.whole && !slices.Contains(Speeds, a.Speed):
			return fmt.Errorf("behaviour %s has no speed %q", a.Behaviour, a.Speed)
		case a.Count < 0 || a.Count > 10_000:
			return fmt.Errorf("behaviour %s: %d attackers are not between 0 and 10000", a.Behaviour, a.Count)
		}
	}
	return nil
}

// Lines returns the lines of a plan in the order of their times. The plan must be
// valid.
func (p *Plan) Lines() []Line {
	m := &maker{Rand: rand.New(rand.NewPCG(p.Seed, 0x51e7)), plan: p}
	if p.Site == "ssh" {
		m.sshDays()
	} else {
		m.site = sites[slices.Index(Sites, p.Site)]
		m.webDays()
	}
	for _, a := range p.Attacks {
		b, _ := behaviour(a.Behaviour)
		for range a.Count {
			m.label, m.speed, m.kind = a.Behaviour, a.Speed, "attacker"
			m.addr = m.address()
			day, hours := m.IntN(p.Days-p.Quiet), m.Float64()*22 // the last two hours are left for the attack
			start := p.Start.AddDate(0, 0, p.Quiet)
			if !b.whole {
				start = start.AddDate(0, 0, day).Add(time.Duration(hours * float64(time.Hour)))
			}
			b.run(m, start)
		}
	}
	slices.SortStableFunc(m.lines, func(a, b Line) int { return a.Time.Compare(b.Time) })
	return m.lines
}

// maker makes lines for the client in hand.
type maker struct {
	*rand.Rand
	plan  *Plan
	site  *site
	lines []Line
	pids  int

	addr               netip.Addr
	label, speed, kind string
	agent              string
}

// end is when the last day is over.
func (m *maker) end() time.Time { return m.plan.Start.AddDate(0, 0, m.plan.Days) }

// emit adds a line of the client in hand.
func (m *maker) emit(at time.Time, text string) {
	if at.Before(m.end()) {
		m.lines = append(m.lines, Line{Time: at, Text: text, Client: m.addr, Label: m.label, Speed: m.speed, Kind: m.kind})
	}
}

// get adds a request in the combined format.
func (m *maker) request(at time.Time, method, target string, status, size int, referer string) {
	b := make([]byte, 0, 256)
	b = m.addr.AppendTo(b)
	b = append(b, " - - ["...)
	b = at.UTC().AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, ` HTTP/1.1" `...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(size), 10)
	b = append(b, ` "`...)
	b = append(b, dash(referer)...)
	b = append(b, `" "`...)
	b = append(b, dash(m.agent)...)
	b = append(b, '"')
	m.emit(at, string(b))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// address draws a public address; some are IPv6.
func (m *maker) address() netip.Addr {
	if m.IntN(8) == 0 {
		b := [16]byte{0x2a, byte(m.IntN(16)), byte(m.IntN(256)), byte(m.IntN(256)), byte(m.IntN(256)), byte(m.IntN(256)), 0, byte(m.IntN(256)), 15: byte(1 + m.IntN(255))}
		return netip.AddrFrom16(b)
	}
	first := []byte{23, 31, 45, 62, 77, 81, 84, 91, 94, 103, 109, 138, 151, 176, 178, 185, 188, 195, 212, 217}
	return netip.AddrFrom4([4]byte{first[m.IntN(len(first))], byte(m.IntN(256)), byte(m.IntN(256)), byte(1 + m.IntN(254))})
}

// pick returns one of some words.
func (m *maker) pick(words []string) string { return words[m.IntN(len(words))] }

// pause draws a time of about mean, never less than a tenth of it.
func (m *maker) pause(mean time.Duration) time.Duration {
	return time.Duration((0.1 + 0.9*m.exponential()) * float64(mean))
}

// exponential is drawn by hand, so that other versions of Go draw the same.
func (m *maker) exponential() float64 { return min(-math.Log(1-m.Float64()), 8) }

// chance is true with a probability.
func (m *maker) chance(p float64) bool { return m.Float64() < p }
