package anomaly

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Sensitivity is how many alerts about unusual things people want.
type Sensitivity string

// The sensitivities.
const (
	SensitivityLow    Sensitivity = "low"
	SensitivityMedium Sensitivity = "medium"
	SensitivityHigh   Sensitivity = "high"
)

// AlertsPerDay is the budget of a sensitivity: alerts a day and source. An
// unknown one counts as medium.
func (s Sensitivity) AlertsPerDay() float64 {
	switch s {
	case SensitivityLow:
		return 0.1
	case SensitivityHigh:
		return 3
	}
	return 0.5
}

// minScored is the least number of scores a day that a budget is spread over: a
// source with fewer gets fewer alerts than the budget.
const minScored = 2000

// AOf turns the rarity of a score into A: 0.4 where it is as rare as a budget of
// so many alerts a day allows when so many are scored a day, 0.1 more for each
// factor of ten.
func AOf(p, alertsPerDay, scoredPerDay float64) float64 {
	if !(p > 0) || !(alertsPerDay > 0) {
		return 0
	}
	rare := alertsPerDay / max(scoredPerDay, minScored)
	return min(max(0.4+0.1*math.Log10(rare/p), 0), 1)
}

const (
	// bulkPoints are kept of all scores, tailPoints of the excesses over their
	// 90 % point.
	bulkPoints = 256
	tailPoints = 512
	tailShare  = 0.1
	// leastTail is how many excesses a tail is fitted to.
	leastTail = 24
	// leastScores are needed to call anything unusual.
	leastScores = 20
	// memory is how many scores count: a newer one replaces an older with the
	// probability as if there had been so many, and no more.
	memory = 1 << 17
	// beyond bounds extrapolation: nothing is rarer than one in so many times the
	// scores seen.
	beyond = 100
)

// Calibration says how rare a score is among those that were added: a uniform
// sample of all of them, and a generalised Pareto distribution fitted to what
// exceeds their 90 % point (Siffer et al., Anomaly Detection in Streams with
// Extreme Value Theory, KDD 2017). It takes about 6 KiB. The zero value is ready.
// Its answers depend on the scores and their order alone.
type Calibration struct {
	seen  float64 // scores added, at most memory
	over  float64 // of these above limit
	total uint64
	limit float64 // the 90 % point that tail refers to
	bulk  []float64
	tail  []float64 // excesses over limit
	rand  uint64

	fitted       bool // shape and scale are of tail, and bulk is sorted in rank
	shape, scale float64
	rank         []float64
}

// Count returns how many scores were added.
func (c *Calibration) Count() uint64 { return c.total }

// Add takes in a score. One that is not finite is left out.
func (c *Calibration) Add(score float64) {
	if math.IsNaN(score) || math.IsInf(score, 0) {
		return
	}
	c.total++
	c.seen++
	c.fitted = false
	if len(c.bulk) < bulkPoints {
		c.bulk = append(c.bulk, score)
		if len(c.bulk) == bulkPoints {
			c.split()
		}
		return
	}
	if i := c.draw(c.seen); i < bulkPoints {
		c.bulk[i] = score
	}
	if score > c.limit {
		c.over++
		if len(c.tail) < tailPoints {
			c.tail = append(c.tail, score-c.limit)
		} else if i := c.draw(c.over); i < tailPoints {
			c.tail[i] = score - c.limit
		}
	}
	switch {
	case c.seen >= memory:
		c.seen, c.over = c.seen/2, c.over/2
		c.shift()
	case c.seen >= 1024 && c.total&(c.total-1) == 0: // at each doubling
		c.shift()
	}
}

// split begins the tail with the points that are there.
func (c *Calibration) split() {
	c.limit = quantile(slices.Sorted(slices.Values(c.bulk)), 1-tailShare)
	c.tail, c.over = c.tail[:0], 0
	for _, s := range c.bulk {
		if s > c.limit {
			c.tail = append(c.tail, s-c.limit)
			c.over++
		}
	}
}

// shift moves the limit to where the 90 % point is now. It can move up only as
// far as there are excesses to fit, and down only if the tail has lost its hold:
// then what lies between is taken from the sample of all scores.
func (c *Calibration) shift() {
	next := quantile(slices.Sorted(slices.Values(c.bulk)), 1-tailShare)
	up := next - c.limit
	switch share := c.over / c.seen; {
	case share > 2*tailShare && up > 0:
		kept := c.tail[:0]
		for _, x := range c.tail {
			if x > up {
				kept = append(kept, x-up)
			}
		}
		c.over *= float64(len(kept)) / float64(max(len(c.tail), 1))
		c.tail, c.limit = kept, next
	case share < tailShare/2 && up < 0:
		c.split()
		c.over *= c.seen / bulkPoints
	}
}

// P returns how likely a score is to be exceeded, more than 0 and at most 1. With
// fewer than leastScores everything is usual.
func (c *Calibration) P(score float64) float64 {
	if c.seen < leastScores || math.IsNaN(score) {
		return 1
	}
	c.fit()
	least := 1 / (beyond * c.seen)
	if len(c.tail) < leastTail || score <= c.limit {
		return max(c.bulkShare(score), least)
	}
	x, share := score-c.limit, c.over/c.seen
	var p float64
	switch base := 1 + c.shape*x/c.scale; {
	case math.Abs(c.shape) < 1e-9:
		p = math.Exp(-x / c.scale)
	case base <= 0: // beyond the end of the distribution
		p = 0
	default:
		p = math.Pow(base, -1/c.shape)
	}
	return min(max(share*p, least), 1)
}

// bulkShare is the share of the sample that reaches a score, with half a point
// for what was not seen.
func (c *Calibration) bulkShare(score float64) float64 {
	i, _ := slices.BinarySearch(c.rank, score)
	return min((float64(len(c.rank)-i)+0.5)/(float64(len(c.rank))+1), 1)
}

// Quantile returns the score that a share q of those added does not exceed, 0
// without any.
func (c *Calibration) Quantile(q float64) float64 {
	c.fit()
	if len(c.rank) == 0 {
		return 0
	}
	share := c.over / max(c.seen, 1)
	if p := 1 - q; p < share && len(c.tail) >= leastTail {
		if math.Abs(c.shape) < 1e-9 {
			return c.limit - c.scale*math.Log(p/share)
		}
		return c.limit + c.scale/c.shape*(math.Pow(p/share, -c.shape)-1)
	}
	return quantile(c.rank, q)
}

// fit fits the tail by probability-weighted moments (Hosking and Wallis 1987),
// which need no iteration.
func (c *Calibration) fit() {
	if c.fitted {
		return
	}
	c.fitted = true
	c.rank = append(c.rank[:0], c.bulk...)
	slices.Sort(c.rank)
	n := len(c.tail)
	if n < leastTail {
		return
	}
	sorted := slices.Sorted(slices.Values(c.tail))
	var a0, a1 float64
	for i, x := range sorted {
		a0 += x
		a1 += x * (1 - (float64(i)+0.65)/float64(n))
	}
	a0, a1 = a0/float64(n), a1/float64(n)
	if d := a0 - 2*a1; d > 1e-12*a0 && a0 > 0 {
		c.shape = min(max(2-a0/d, -1), 0.5)
		c.scale = a0 * (1 - c.shape)
	} else {
		c.shape, c.scale = 0, max(a0, 1e-12)
	}
	// A finite end must not lie below what was seen.
	if top := sorted[n-1]; c.shape < 0 && -c.scale/c.shape < top*1.01 {
		c.shape = -c.scale / (top * 1.01)
	}
	c.scale = max(c.scale, 1e-12)
}

// draw returns a number from 0 to n-1.
func (c *Calibration) draw(n float64) int {
	c.rand += 0x9e3779b97f4a7c15
	z := c.rand
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int(float64((z^z>>31)>>11) / (1 << 53) * n)
}

// quantile of sorted values.
func quantile(sorted []float64, q float64) float64 {
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// calibrationVersion is the first byte of a stored calibration.
const calibrationVersion = 1

var errCalibration = errors.New("not a calibration, or a damaged one")

// AppendBinary appends the calibration in the form that UnmarshalBinary reads.
func (c *Calibration) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, calibrationVersion)
	b = binary.LittleEndian.AppendUint64(b, c.total)
	b = binary.LittleEndian.AppendUint64(b, c.rand)
	for _, x := range [3]float64{c.seen, c.over, c.limit} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	for _, list := range [2][]float64{c.bulk, c.tail} {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(list)))
		for _, x := range list {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		}
	}
	return b, nil
}

// MarshalBinary is AppendBinary to nothing.
func (c *Calibration) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. After an error the calibration
// is as it was.
func (c *Calibration) UnmarshalBinary(data []byte) error {
	next, rest, err := readCalibration(data)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes too many", errCalibration, len(rest))
	}
	if err != nil {
		return err
	}
	*c = next
	return nil
}

// readCalibration reads a calibration and returns what follows it.
func readCalibration(data []byte) (c Calibration, rest []byte, err error) {
	const head = 1 + 5*8
	if len(data) < head || data[0] != calibrationVersion {
		return c, nil, errCalibration
	}
	c.total, c.rand = binary.LittleEndian.Uint64(data[1:]), binary.LittleEndian.Uint64(data[9:])
	ok := true
	number := func(at int) float64 {
		x := math.Float64frombits(binary.LittleEndian.Uint64(data[at:]))
		ok = ok && !math.IsNaN(x) && !math.IsInf(x, 0)
		return x
	}
	c.seen, c.over, c.limit = number(17), number(25), number(33)
	data = data[head:]
	list := func(most int, least float64) (out []float64) {
		if len(data) < 2 {
			ok = false
			return nil
		}
		n := int(binary.LittleEndian.Uint16(data))
		data = data[2:]
		if n > most || len(data) < 8*n {
			ok = false
			return nil
		}
		out = make([]float64, n)
		for i := range out {
			x := math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
			ok = ok && !math.IsNaN(x) && !math.IsInf(x, 0) && x >= least
			out[i] = x
		}
		data = data[8*n:]
		return out
	}
	c.bulk = list(bulkPoints, math.Inf(-1))
	c.tail = list(tailPoints, 0)
	if !ok || c.seen < float64(len(c.bulk)) || c.seen > memory || c.over < 0 || c.over > c.seen || float64(c.total) < c.seen ||
		len(c.bulk) < bulkPoints && (len(c.tail) > 0 || c.seen != float64(len(c.bulk))) {
		return Calibration{}, nil, errCalibration
	}
	return c, data, nil
}
