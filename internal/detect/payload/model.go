package payload

import "math"

// MaxProbability caps what the model may claim.
const MaxProbability = 0.9

// Model is a trained model. It does not change and may be shared.
type Model struct {
	// Threshold is the score from which a request is reported.
	Threshold float64
	// Bias and Scale turn weights into a score: Bias + Scale·Σw/√n.
	Bias, Scale float64
	// PlattA and PlattB turn a score s into a probability 1/(1+exp(A·s+B)).
	PlattA, PlattB float64
	// Seed is that of the training; Benign is how many harmless requests the
	// threshold lies above, Attacks how many attacks were learnt from.
	Seed            uint64
	Benign, Attacks uint32
	weights         [buckets]int8
}

// Scorer scores texts with a model. One goroutine uses it at a time.
type Scorer struct {
	model *Model
	s     scratch
	// of Explain
	pos []int32
	at  []int32
	per []float64
}

// NewScorer returns a scorer.
func (m *Model) NewScorer() *Scorer { return &Scorer{model: m} }

// Score returns the score of a canonical text: canon(path), or
// canon(path)?canon(query).
func (s *Scorer) Score(text string) float64 { return s.model.sum(s.s.features(text)) }

func (m *Model) sum(list []uint16) float64 {
	if len(list) == 0 {
		return m.Bias
	}
	total := int32(0)
	for _, b := range list {
		total += int32(m.weights[b])
	}
	return m.Bias + m.Scale*float64(total)/math.Sqrt(float64(len(list)))
}

// Probability is how likely an attack is by a score, at most MaxProbability.
func (m *Model) Probability(score float64) float64 {
	p := 1 / (1 + math.Exp(m.PlattA*score+m.PlattB))
	if !(p > 0) { // also what is not a number
		return 0
	}
	return min(p, MaxProbability)
}

// Segment is the part of a text that speaks most for an attack: the run of
// bytes with the greatest sum, where the weight of each n-gram is spread over
// its bytes. Share is its part, 0 to 1, of all that speaks for an attack.
type Segment struct {
	Start, End int
	Share      float64
}

// Explain finds the segment of a canonical text. It takes about three times as
// long as Score.
func (s *Scorer) Explain(text string) Segment {
	s.pos = s.pos[:0]
	s.s.text = reduce(s.s.text[:0], text, &s.pos)
	s.per = append(s.per[:0], make([]float64, len(s.s.text))...)
	for i, b := range s.s.gramsAt(&s.at) {
		from, n := int(s.at[i]>>3), int(s.at[i]&7)
		w := float64(s.model.weights[b]) / float64(n)
		for k := from; k < from+n; k++ {
			s.per[k] += w
		}
	}
	from, to := kadane(s.per)
	if to == from {
		return Segment{}
	}
	positive, inside := 0.0, 0.0
	for i, w := range s.per {
		if w > 0 {
			positive += w
			if from <= i && i < to {
				inside += w
			}
		}
	}
	seg := Segment{Start: int(s.pos[from]), End: min(len(text), MaxText), Share: inside / positive}
	if to < len(s.pos) {
		seg.End = int(s.pos[to])
	}
	return seg
}

// kadane returns the bounds of the run with the greatest sum; an empty run if
// nothing is above 0.
func kadane(v []float64) (from, to int) {
	start, sum, best := 0, 0.0, 0.0
	for i, w := range v {
		if sum <= 0 {
			start, sum = i, 0
		}
		if sum += w; sum > best {
			from, to, best = start, i+1, sum
		}
	}
	return from, to
}
