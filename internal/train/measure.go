package train

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/simulate"
)

// Rates are the shares of harmless windows above which recall is told.
var Rates = [2]float64{0.001, 0.01}

// Figures say how good a model is.
type Figures struct {
	// Harmless windows were judged; Bytes is the size of the model's file.
	Harmless int `json:"harmless_windows"`
	Bytes    int `json:"bytes"`
	// Rows are by behaviour and speed; the last is of all.
	Rows []Row `json:"rows"`
}

// Row is one behaviour in one speed.
type Row struct {
	Behaviour string `json:"behaviour"`
	Speed     string `json:"speed,omitempty"`
	Clients   int    `json:"clients"`
	Windows   int    `json:"windows"`
	// AUC is the chance that an attacker's window scores higher than a harmless
	// one.
	AUC float64 `json:"auc"`
	// Recall is the share of windows, Found that of attackers with at least one
	// window, above the scores that Rates of the harmless windows exceed.
	Recall [2]float64 `json:"recall"`
	Found  [2]float64 `json:"found"`
}

// scored is a window's score.
type scored struct {
	behaviour, speed string
	client           netip.Addr
	score            float64
}

// Measure judges the windows of plans with attackers.
func Measure(m *anomaly.Model, plans []simulate.Plan) (*Figures, error) {
	file, err := m.MarshalBinary()
	if err != nil {
		return nil, err
	}
	var harmless []float64
	var hostile []scored
	for i := range plans {
		p := &plans[i]
		if err := p.Validate(); err != nil {
			return nil, err
		}
		lines := p.Lines()
		labels := make(map[netip.Addr]*simulate.Line)
		for j := range lines {
			if l := &lines[j]; l.Label != simulate.Harmless {
				labels[l.Client] = l
			}
		}
		Windows(func(yield func(string) bool) {
			for j := range lines {
				if !yield(lines[j].Text) {
					return
				}
			}
		}, p.Start.AddDate(0, 0, p.Days), func(w anomaly.Window) {
			score := m.Forest.Score(&w.Features)
			if l := labels[w.Addr]; l != nil {
				hostile = append(hostile, scored{l.Label, l.Speed, l.Client, score})
				return
			}
			harmless = append(harmless, score)
		})
	}
	if len(harmless) == 0 {
		return nil, fmt.Errorf("the plans have no harmless windows")
	}
	slices.Sort(harmless)
	f := &Figures{Harmless: len(harmless), Bytes: len(file)}
	for _, b := range simulate.WebBehaviours() {
		for _, s := range simulate.Speeds {
			f.add(b, s, harmless, hostile)
		}
	}
	f.add("all", "", harmless, hostile)
	return f, nil
}

// add adds a row.
func (f *Figures) add(behaviour, speed string, harmless []float64, hostile []scored) {
	r := Row{Behaviour: behaviour, Speed: speed}
	seen := make(map[netip.Addr]bool)
	var found [2]map[netip.Addr]bool
	var limits [2]float64
	for i, rate := range Rates {
		found[i] = make(map[netip.Addr]bool)
		limits[i] = harmless[min(int((1-rate)*float64(len(harmless))), len(harmless)-1)]
	}
	for _, h := range hostile {
		if behaviour != "all" && (h.behaviour != behaviour || h.speed != speed) {
			continue
		}
		r.Windows++
		seen[h.client] = true
		below, _ := slices.BinarySearch(harmless, h.score)
		r.AUC += float64(below)
		for i, limit := range limits {
			if h.score > limit {
				r.Recall[i]++
				found[i][h.client] = true
			}
		}
	}
	r.Clients = len(seen)
	if r.Windows > 0 {
		n := float64(r.Windows)
		r.AUC /= n * float64(len(harmless))
		for i := range Rates {
			r.Recall[i] /= n
			r.Found[i] = float64(len(found[i])) / float64(r.Clients)
		}
	}
	f.Rows = append(f.Rows, r)
}

// Markdown writes the figures as a table.
func (f *Figures) Markdown() string {
	var b strings.Builder
	b.WriteString("| behaviour | speed | attackers | windows | AUC | windows at 0.1 % | at 1 % | attackers at 0.1 % | at 1 % |\n")
	b.WriteString("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, r := range f.Rows {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %.3f | %.0f %% | %.0f %% | %.0f %% | %.0f %% |\n",
			r.Behaviour, cmp.Or(r.Speed, "-"), r.Clients, r.Windows, r.AUC, 100*r.Recall[0], 100*r.Recall[1], 100*r.Found[0], 100*r.Found[1])
	}
	return b.String()
}
