package anomaly

import "math"

// The baseline of a metric is 168 moments, one for each hour of the week. An
// hour that was seen a few times only borrows from the same hour of all days,
// and that from all hours.
const (
	// SampleCap bounds the samples that a bucket counts: four weeks of 12 bins an
	// hour. From then on its moments forget, the newest weighs 1/48.
	SampleCap = 48
	// HoursOfWeek is how many buckets there are; bucket 0 is Sunday, 00h.
	HoursOfWeek = 168
	// shrink is the weight, in samples, of the parent of a bucket.
	shrink = 24
	// leastVariance keeps what never varied from making every change enormous.
	leastVariance = 0.01
	// leastSamples of a metric are needed before values are compared.
	leastSamples = 100
)

// Moments are those of a metric's transformed values in one hour of the week.
type Moments struct {
	Mean, Var float32
	N         uint8
}

// learn takes in a value with weight 1/n, and at least 1/SampleCap.
func (m *Moments) learn(y float64) {
	if m.N < SampleCap {
		m.N++
	}
	w := 1 / float64(m.N)
	d := y - float64(m.Mean)
	m.Mean += float32(w * d)
	m.Var = float32((1 - w) * (float64(m.Var) + w*d*d))
}

// pooled are the moments of several buckets together.
type pooled struct{ n, mean, variance float64 }

func (p *pooled) add(m *Moments) {
	n := float64(m.N)
	p.n += n
	p.mean += n * float64(m.Mean)
	p.variance += n * (float64(m.Var) + float64(m.Mean)*float64(m.Mean))
}

func (p *pooled) done() {
	if p.n == 0 {
		return
	}
	p.mean /= p.n
	p.variance = max(p.variance/p.n-p.mean*p.mean, 0)
}

// shrunk returns the moments of a child with n samples, drawn to its parent's.
func (p pooled) shrunk(n, mean, variance float64) pooled {
	w := n + shrink
	return pooled{n: n, mean: (n*mean + shrink*p.mean) / w, variance: (n*variance + shrink*p.variance) / w}
}

// Baseline is what is usual of one metric of one source.
type Baseline struct {
	Hours [HoursOfWeek]Moments
}

// expect returns mean and variance of what is to be expected in an hour of the
// week, after so many weeks of learning, from n samples of all hours.
func (b *Baseline) expect(hour int, weeks float64) (mean, variance float64, n int) {
	var global, day pooled
	for i := range b.Hours {
		global.add(&b.Hours[i])
	}
	for i := hour % 24; i < HoursOfWeek; i += 24 {
		day.add(&b.Hours[i])
	}
	if global.n == 0 {
		return 0, 0, 0
	}
	global.done()
	day.done()
	d := global.shrunk(day.n, day.mean, day.variance)
	h := &b.Hours[hour]
	w := d.shrunk(float64(h.N), float64(h.Mean), float64(h.Var))
	return w.mean, w.variance * (1 + 0.5/max(weeks, 1)), int(global.n)
}

// deviation is z: how many standard deviations a value lies above the mean.
func deviation(y, mean, variance float64) float64 {
	return (y - mean) / math.Sqrt(variance+leastVariance)
}

// winsorised cuts a value that is to be learned to three standard deviations
// around the mean, so that a few wild bins do not move a baseline.
func winsorised(y, mean, variance float64) float64 {
	reach := 3 * math.Sqrt(variance+leastVariance)
	return min(max(y, mean-reach), mean+reach)
}
