// Package train makes the shipped forest model and says how good it is: the same
// code runs for "sentinelctl ai train", for "ai evaluate" and in the test that
// trains anew and compares.
package train

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/internal/simulate"
)

// Seed is what the shipped model is trained with.
const Seed = 20260302

// begin is the first of all generated days, a Monday.
var begin = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Plans are the harmless days that a model is trained on: a week of each site.
func Plans(seed uint64) (out []simulate.Plan) {
	for i, site := range simulate.Sites {
		out = append(out, simulate.Plan{Seed: seed + uint64(i), Site: site, Start: begin, Days: 7, Clients: 300})
	}
	return out
}

// perBehaviour is how many attackers of each behaviour and speed come to each
// site when a model is measured.
const perBehaviour = 12

// TestPlans are other days of the same sites, with attackers.
func TestPlans(seed uint64) (out []simulate.Plan) {
	for i, site := range simulate.Sites {
		p := simulate.Plan{Seed: seed + 1000 + uint64(i), Site: site, Start: begin.AddDate(0, 0, 7), Days: 7, Clients: 300}
		for _, b := range simulate.WebBehaviours() {
			for _, s := range simulate.Speeds {
				p.Attacks = append(p.Attacks, simulate.Attack{Behaviour: b, Speed: s, Count: perBehaviour})
			}
		}
		out = append(out, p)
	}
	return out
}

// Windows cuts the windows out of the lines of one log. mod is the modification
// time of its file, see parse.Parser. It returns how many lines were no requests.
func Windows(lines iter.Seq[string], mod time.Time, tell func(anomaly.Window)) (other int) {
	parser := parse.New(parse.Config{Type: sentinel.TypeAuto, Location: time.UTC})
	x := anomaly.NewExtractor(tell)
	var ev sentinel.Event
	for line := range lines {
		if !parser.Parse(line, mod, mod, &ev) || ev.Type != sentinel.EventHTTPAccess {
			other++
			continue
		}
		x.Observe(&ev)
	}
	x.Finish()
	return other
}

// perClient is how many windows of one client are learned from: whoever asks once
// a minute all week long is not what clients are like.
const perClient = 4

// Log is a log to train on.
type Log struct {
	Name  string
	Lines iter.Seq[string]
	Mod   time.Time
}

// Train makes a model of the windows of harmless logs.
func Train(logs []Log, seed uint64, name, generator string) (*anomaly.Model, error) {
	var all []anomaly.Vector
	card := anomaly.Card{Name: name, Generator: generator}
	for _, l := range logs {
		sum := sha256.New()
		before, taken := len(all), make(map[netip.Addr]int)
		Windows(func(yield func(string) bool) {
			for line := range l.Lines {
				_, _ = sum.Write([]byte(line + "\n"))
				if !yield(line) {
					return
				}
			}
		}, l.Mod, func(w anomaly.Window) {
			if taken[w.Addr]++; taken[w.Addr] <= perClient {
				all = append(all, w.Features)
			}
		})
		if len(all) == before {
			return nil, fmt.Errorf("%s has no client of a web server with enough requests to learn from", l.Name)
		}
		card.Data = append(card.Data, anomaly.DataHash{Name: l.Name, SHA256: hex.EncodeToString(sum.Sum(nil))})
	}
	return anomaly.Train(all, seed, card)
}

// Generated returns the logs of plans.
func Generated(plans []simulate.Plan) (out []Log) {
	for i := range plans {
		p := &plans[i]
		out = append(out, Log{
			Name: p.Site, Mod: p.Start.AddDate(0, 0, p.Days),
			Lines: func(yield func(string) bool) {
				for _, l := range p.Lines() {
					if !yield(l.Text) {
						return
					}
				}
			},
		})
	}
	return out
}

// Shipped makes the model that is shipped.
func Shipped() (*anomaly.Model, error) {
	return Train(Generated(Plans(Seed)), Seed, "forest", simulate.Version)
}
