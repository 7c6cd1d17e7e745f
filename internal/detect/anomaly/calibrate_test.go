package anomaly

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

// The probability of what is far out in the tail is right within a factor of
// three, which is 0.05 of A, and very far out within one of ten.
func TestCalibrationTail(t *testing.T) {
	for _, tt := range []struct {
		name string
		draw func(*rand.Rand) float64
		at   func(p float64) float64 // the score exceeded with probability p
	}{
		{"exponential", (*rand.Rand).ExpFloat64, func(p float64) float64 { return -math.Log(p) }},
		{"uniform", (*rand.Rand).Float64, func(p float64) float64 { return 1 - p }},
		{"heavy", func(r *rand.Rand) float64 { return math.Pow(r.Float64(), -0.25) }, func(p float64) float64 { return math.Pow(p, -0.25) }},
		{"shifted", func(r *rand.Rand) float64 { return 0.4 + 0.05*r.ExpFloat64() }, func(p float64) float64 { return 0.4 - 0.05*math.Log(p) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var c Calibration
			for range 20_000 {
				c.Add(tt.draw(r))
			}
			for _, p := range []float64{0.5, 0.1, 0.02, 1e-3, 1e-4} {
				times := 3.0
				if p < 1e-3 {
					times = 10
				}
				if got := c.P(tt.at(p)); got < p/times || got > p*times {
					t.Errorf("P(exceeded with %g) = %g", p, got)
				}
			}
			for _, q := range []float64{0.5, 0.99, 0.999} {
				if p := c.P(c.Quantile(q)); math.Abs(math.Log(p/(1-q))) > 0.1 {
					t.Errorf("P(Quantile(%g)) = %g", q, p)
				}
			}
			if p := c.P(1e300); p != 1/(100*c.seen) {
				t.Errorf("P(huge) = %g, seen %g", p, c.seen)
			}
		})
	}
}

func TestCalibrationIsMonotone(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var c Calibration
	for n := range 5000 {
		c.Add(r.NormFloat64())
		if n%500 != 0 {
			continue
		}
		last := 1.0
		for x := -5.0; x < 8; x += 0.01 {
			p := c.P(x)
			if !(p > 0 && p <= 1) || p > last*1.1 { // sample and tail meet with a small step
				t.Fatalf("after %d: P(%g) = %g after %g", n, x, p, last)
			}
			last = p
		}
	}
}

// What is usual may change for good.
func TestCalibrationFollows(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var c Calibration
	for range 10_000 {
		c.Add(r.NormFloat64())
	}
	if p := c.P(7); p > 1e-5 {
		t.Fatalf("P(7 sigma) = %g", p)
	}
	for range 30_000 {
		c.Add(5 + r.NormFloat64())
	}
	if p := c.P(5); p < 0.1 {
		t.Errorf("P = %g of what is usual now", p)
	}
	for range 300_000 {
		c.Add(r.NormFloat64())
	}
	if p := c.P(4.5); p > 1e-3 {
		t.Errorf("P(4.5 sigma) = %g, long after it was usual", p)
	}
}

func TestCalibrationFew(t *testing.T) {
	var c Calibration
	for i := range leastScores - 1 {
		c.Add(float64(i))
		if p := c.P(1e9); p != 1 {
			t.Fatalf("P = %g after %d scores", p, i+1)
		}
	}
	c.Add(math.NaN())
	c.Add(math.Inf(1))
	if c.Count() != leastScores-1 {
		t.Error("it took what is no number")
	}
	for range 10_000 { // all the same
		c.Add(1)
	}
	if p := c.P(1); p < 0.5 {
		t.Errorf("P(what always is) = %g", p)
	}
	if p := c.P(2); p > 0.01 {
		t.Errorf("P(what never was) = %g", p)
	}
}

func TestAOf(t *testing.T) {
	for _, tt := range []struct{ p, alerts, scored, want float64 }{
		{2.5e-4, 0.5, 2000, 0.4}, {2.5e-5, 0.5, 2000, 0.5}, {2.5e-4, 0.5, 10, 0.4}, {2.5e-3, 0.5, 2000, 0.3}, {1.5e-3, 3, 2000, 0.4},
		{5e-6, 0.5, 100_000, 0.4}, {1, 0.1, 1e9, 0}, {1e-300, 3, 2000, 1}, {0, 1, 1, 0}, {math.NaN(), 1, 1, 0}, {0.1, 0, 1, 0},
	} {
		if got := AOf(tt.p, tt.alerts, tt.scored); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("AOf(%g, %g, %g) = %g, want %g", tt.p, tt.alerts, tt.scored, got, tt.want)
		}
	}
}

func TestCalibrationStored(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var c Calibration
	for n := range 3000 {
		if n%300 == 0 || n < 3 {
			data, err := c.MarshalBinary()
			var back Calibration
			if err == nil {
				err = back.UnmarshalBinary(data)
			}
			if err != nil {
				t.Fatal(err)
			}
			next := c
			next.bulk, next.tail = clone(c.bulk), clone(c.tail)
			for range 500 { // it goes on as if nothing had been
				x := r.NormFloat64()
				back.Add(x)
				next.Add(x)
			}
			one, _ := back.MarshalBinary()
			two, _ := next.MarshalBinary()
			if !bytes.Equal(one, two) || back.P(2.5) != next.P(2.5) {
				t.Fatalf("after %d it goes on differently", n)
			}
		}
		c.Add(r.NormFloat64())
	}
}

func clone(x []float64) []float64 { return append([]float64(nil), x...) }

func FuzzCalibration(f *testing.F) {
	var c Calibration
	for i := range bulkPoints + 2 {
		if i == 10 || i > bulkPoints {
			data, _ := c.MarshalBinary()
			f.Add(data)
		}
		c.Add(float64(i % 77))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Calibration
		if err := c.UnmarshalBinary(data); err != nil {
			return
		}
		again, err := c.MarshalBinary()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("it is stored in another way: %v", err)
		}
		for i := range leastScores + 1 {
			if p := c.P(float64(i)); !(p > 0 && p <= 1) {
				t.Fatalf("P = %g", p)
			}
			c.Quantile(float64(i) / leastScores)
			c.Add(float64(i))
		}
	})
}

func BenchmarkCalibrationAdd(b *testing.B) {
	var c Calibration
	r := rand.New(rand.NewPCG(9, 10))
	for b.Loop() {
		c.Add(r.Float64())
	}
}
