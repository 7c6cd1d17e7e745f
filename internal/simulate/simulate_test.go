package simulate

import (
	"slices"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// everything is a plan of two days with each behaviour that a site has.
func everything(site string) *Plan {
	p := &Plan{Seed: 5, Site: site, Start: start, Days: 2, Clients: 40}
	for _, b := range attackers {
		if b.ssh != (site == "ssh") {
			continue
		}
		if b.whole {
			p.Attacks = append(p.Attacks, Attack{Behaviour: b.name, Count: 1})
			continue
		}
		for _, s := range Speeds {
			p.Attacks = append(p.Attacks, Attack{Behaviour: b.name, Speed: s, Count: 1})
		}
	}
	return p
}

// Every line is one that servers write, in order, and of the client that it is
// said to be of; every behaviour and every kind of client is there.
func TestLines(t *testing.T) {
	for _, site := range append(slices.Clone(Sites), "ssh") {
		t.Run(site, func(t *testing.T) {
			p := everything(site)
			if err := p.Validate(); err != nil {
				t.Fatal(err)
			}
			lines := p.Lines()
			typ := sentinel.TypeNginx
			if site == "ssh" {
				typ = sentinel.TypeSSH
			}
			parser := parse.New(parse.Config{Type: typ, Location: time.UTC})
			behaviours, harmless := map[string]int{}, 0
			var ev sentinel.Event
			for i, l := range lines {
				if !parser.Parse(l.Text, l.Time, l.Time, &ev) {
					t.Fatalf("not understood: %s", l.Text)
				}
				if ev.SrcIP.IsValid() && ev.SrcIP != l.Client || !ev.SrcIP.IsValid() && site != "ssh" {
					t.Fatalf("%s is of %s, not of %s", l.Text, ev.SrcIP, l.Client)
				}
				if d := l.Time.Sub(ev.Time); d < 0 || d >= time.Second {
					t.Fatalf("%s is of %s", l.Text, l.Time)
				}
				if i > 0 && l.Time.Before(lines[i-1].Time) || l.Time.Before(start) || !l.Time.Before(start.AddDate(0, 0, 2)) {
					t.Fatalf("line %d is out of order: %s", i, l.Text)
				}
				if l.Label == Harmless {
					harmless++
				}
				behaviours[l.Label+l.Speed]++
			}
			for _, a := range p.Attacks {
				if behaviours[a.Behaviour+a.Speed] < 5 {
					t.Errorf("%s %s has %d lines", a.Behaviour, a.Speed, behaviours[a.Behaviour+a.Speed])
				}
			}
			if harmless < 100 {
				t.Errorf("%d harmless lines", harmless)
			}
		})
	}
}

func TestSameLines(t *testing.T) {
	for _, site := range append(slices.Clone(Sites), "ssh") {
		a, b := everything(site).Lines(), everything(site).Lines()
		if !slices.Equal(a, b) {
			t.Errorf("%s: the same plan gave other lines", site)
		}
		p := everything(site)
		p.Seed++
		if c := p.Lines(); slices.Equal(a, c) {
			t.Errorf("%s: another seed gave the same lines", site)
		}
	}
}

// Attackers begin when they should.
func TestQuiet(t *testing.T) {
	for _, site := range append(slices.Clone(Sites), "ssh") {
		p := everything(site)
		p.Days, p.Quiet = 3, 2
		for _, l := range p.Lines() {
			if l.Label != Harmless && l.Time.Before(start.AddDate(0, 0, 2)) {
				t.Fatalf("%s on a quiet day: %s", l.Label, l.Text)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*Plan){
		"site":            func(p *Plan) { p.Site = "forum" },
		"no day":          func(p *Plan) { p.Days = 0 },
		"clients":         func(p *Plan) { p.Clients = -1 },
		"quiet days":      func(p *Plan) { p.Quiet = 2 },
		"behaviour":       func(p *Plan) { p.Attacks[0].Behaviour = "magic" },
		"speed":           func(p *Plan) { p.Attacks[0].Speed = "warp" },
		"of another site": func(p *Plan) { p.Attacks[0].Behaviour = "ssh-brute" },
		"no speed":        func(p *Plan) { p.Attacks = []Attack{{Behaviour: "login-one-each", Speed: "slow"}} },
		"count":           func(p *Plan) { p.Attacks[0].Count = -1 },
	} {
		p := everything("blog")
		if change(p); p.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
