package payload

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
)

// Example is a labelled text.
type Example struct {
	// Text is canonical: canon(path), or canon(path)?canon(query).
	Text   string
	Attack bool
	// Source names where it is from, to leave out one source at a time.
	Source string
}

// How a model is trained.
const (
	epochs = 4
	// falseWeight is how much more an error on a harmless text counts.
	falseWeight = 3
	rate        = 0.5
	// After an epoch, harmless texts that score more than near count twice as
	// much as before, at most mostWeight.
	near       = -1
	mostWeight = 48
)

// Train learns from examples, which it does not change. The same examples in the
// same order with the same seed give the same model, byte for byte, on machines
// of one kind. The threshold is left at 0: see SetThreshold.
func Train(examples []Example, seed uint64) (*Model, error) {
	t := newTrainer(examples)
	if t.attacks == 0 || t.attacks == len(t.list) {
		return nil, errors.New("there must be attacks and harmless requests to learn from")
	}
	t.run(seed, true)
	tried := t.quantized()
	tried.platt(t)
	t.run(seed, false)
	m := t.quantized()
	m.Seed, m.Attacks = seed, uint32(t.attacks)
	m.PlattA, m.PlattB = tried.PlattA, tried.PlattB
	return m, nil
}

type trainer struct {
	list    []trained
	attacks int
	weights []float64
	squares []float64 // AdaGrad's sums, of the bias last
	bias    float64
}

type trained struct {
	features []uint16
	norm     float64 // 1/√n
	attack   bool
	// held says that it serves to calibrate probabilities, not to learn.
	held bool
}

// heldOut is one in so many examples that serves to calibrate.
const heldOut = 10

// newTrainer takes each text once; one that is harmless and an attack is
// harmless.
func newTrainer(examples []Example) *trainer {
	t := &trainer{weights: make([]float64, buckets), squares: make([]float64, buckets+1)}
	at := map[string]int{}
	var s scratch
	for i := range examples {
		x := &examples[i]
		f := s.features(x.Text)
		if len(f) == 0 {
			continue
		}
		key := string(s.text)
		if k, known := at[key]; known {
			if old := &t.list[k]; old.attack && !x.Attack {
				old.attack = false
				t.attacks--
			}
			continue
		}
		at[key] = len(t.list)
		if x.Attack {
			t.attacks++
		}
		t.list = append(t.list, trained{features: slices.Clone(f), norm: 1 / math.Sqrt(float64(len(f))), attack: x.Attack, held: len(t.list)%heldOut == heldOut-1})
	}
	return t
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func (t *trainer) score(x *trained) float64 {
	sum := 0.0
	for _, f := range x.features {
		sum += t.weights[f]
	}
	return t.bias + float64(sum*x.norm)
}

// run is logistic regression by AdaGrad, one example at a time, from the
// beginning; without leaves out the examples that are held. Products are rounded
// before they are added, so that no machine fuses the two.
func (t *trainer) run(seed uint64, without bool) {
	clear(t.weights)
	clear(t.squares)
	t.bias = 0
	r := rand.New(rand.NewPCG(seed, 0x70617961))
	order := make([]int, len(t.list))
	weight := make([]float64, len(t.list))
	for i := range order {
		order[i], weight[i] = i, 1
		if !t.list[i].attack {
			weight[i] = falseWeight
		}
	}
	for range epochs {
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			if x := &t.list[i]; !x.held || !without {
				t.learn(x, weight[i])
			}
		}
		for i := range t.list {
			if x := &t.list[i]; !x.attack && weight[i] < mostWeight && t.score(x) > near {
				weight[i] *= 2
			}
		}
	}
}

// learn moves the weights by one example.
func (t *trainer) learn(x *trained, weight float64) {
	slope := sigmoid(t.score(x))
	if x.attack {
		slope--
	}
	slope *= weight
	g := slope * x.norm
	gg := float64(g * g)
	for _, f := range x.features {
		t.squares[f] += gg
		t.weights[f] -= float64(rate*g) / (1e-8 + math.Sqrt(t.squares[f]))
	}
	t.squares[buckets] += float64(slope * slope)
	t.bias -= float64(rate*slope) / (1e-8 + math.Sqrt(t.squares[buckets]))
}

// quantized makes weights of one byte with one scale.
func (t *trainer) quantized() *Model {
	most := 0.0
	for _, w := range t.weights {
		most = max(most, math.Abs(w))
	}
	m := &Model{Bias: t.bias, Scale: most / 127}
	for i, w := range t.weights {
		m.weights[i] = int8(math.Round(w / m.Scale))
	}
	return m
}

// platt fits the probability to the examples that were held out (J. Platt, 1999,
// with his smoothed targets), by Newton's method.
func (m *Model) platt(t *trainer) {
	var scores []float64
	var labels []bool
	pos, neg := 0, 0
	for i := range t.list {
		if x := &t.list[i]; x.held {
			scores, labels = append(scores, m.sum(x.features)), append(labels, x.attack)
			if x.attack {
				pos++
			} else {
				neg++
			}
		}
	}
	m.PlattA, m.PlattB = -1, 0
	if pos == 0 || neg == 0 {
		return
	}
	hi, lo := (float64(pos)+1)/(float64(pos)+2), 1/(float64(neg)+2)
	a, b := 0.0, math.Log((float64(neg)+1)/(float64(pos)+1))
	for range 100 {
		var ga, gb, haa, hab, hbb float64
		for i, s := range scores {
			target := lo
			if labels[i] {
				target = hi
			}
			p := sigmoid(-(float64(a*s) + b))
			d, w := target-p, p*(1-p)
			ga, gb = ga+float64(s*d), gb+d
			haa, hab, hbb = haa+float64(s*s*w), hab+float64(s*w), hbb+w
		}
		haa, hbb = haa+1e-9, hbb+1e-9
		det := float64(haa*hbb) - float64(hab*hab)
		da, db := (float64(hbb*ga)-float64(hab*gb))/det, (float64(haa*gb)-float64(hab*ga))/det
		step := min(1, 2/max(math.Abs(da), math.Abs(db), 1e-12))
		a, b = a-float64(step*da), b-float64(step*db)
		if math.Abs(da)+math.Abs(db) < 1e-9 {
			break
		}
	}
	if a < 0 && !math.IsNaN(a) && !math.IsNaN(b) {
		m.PlattA, m.PlattB = a, b
	}
}

// SetThreshold puts the threshold margin above the highest score of harmless
// texts, and not below what it is.
func (m *Model) SetThreshold(harmless []string, margin float64) {
	s := m.NewScorer()
	for _, text := range harmless {
		m.Threshold = max(m.Threshold, s.Score(text)+margin)
	}
	m.Benign += uint32(len(harmless))
}
