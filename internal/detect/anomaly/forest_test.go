package anomaly

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestForestTellsOutliers(t *testing.T) {
	m := toyModel(t)
	r := rand.New(rand.NewPCG(2, 2))
	for range 200 {
		v := toyWindow(r)
		usual := m.Forest.Score(&v)
		for _, f := range []int{0, 1, 4, 5, 8, 9, 13} {
			v[f] += 2
		}
		if odd := m.Forest.Score(&v); odd < usual+0.05 || odd < m.Gate || m.Scores.P(odd) > 0.01 {
			t.Errorf("usual %.3f, odd %.3f with P %g, gate %.3f", usual, odd, m.Scores.P(odd), m.Gate)
		}
	}
	over := 0
	for range 10_000 {
		v := toyWindow(r)
		if m.Forest.Score(&v) > m.Gate {
			over++
		}
	}
	if over < 50 || over > 200 {
		t.Errorf("%d of 10,000 are above the 99 %% point", over)
	}
}

func TestFitIsDeterministic(t *testing.T) {
	a, err := toyModel(t).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	b, _ := toyModel(t).MarshalBinary()
	if !bytes.Equal(a, b) {
		t.Error("the same windows and seed gave another model")
	}
}

func TestFitDegenerate(t *testing.T) {
	if Fit(nil, 1) != nil || Fit(make([]Vector, 1), 1) != nil {
		t.Error("a forest of nothing")
	}
	same := make([]Vector, 500)
	f := Fit(same, 1)
	if s := f.Score(&same[0]); !(s > 0 && s < 1) || f.Nodes() != trees {
		t.Errorf("of equal points: score %v, %d nodes", s, f.Nodes())
	}
	if _, err := Train(same[:99], 1, Card{}); err == nil {
		t.Error("trained on 99 windows")
	}
	if _, err := Train(same, 1, Card{}); err != nil {
		t.Error(err)
	}
}

func TestModelFile(t *testing.T) {
	m := toyModel(t)
	data, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Load(data)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := back.MarshalBinary()
	if !bytes.Equal(data, again) || back.Card.Name != "toy" || back.Card.Windows != 3000 {
		t.Errorf("another model came back: %+v", back.Card)
	}
	t.Logf("%d bytes, %d nodes", len(data), m.Forest.Nodes())
}

// A damaged model is named as such, whatever the damage.
func TestFaultModel(t *testing.T) {
	t.Run("I08 model file damaged", func(t *testing.T) {
		data, err := toyModel(t).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, says string
			change     func([]byte) []byte
		}{
			{"empty", "0 bytes", func(b []byte) []byte { return nil }},
			{"cut", "checksum", func(b []byte) []byte { return b[:len(b)/2] }},
			{"one bit", "checksum", func(b []byte) []byte { b[len(b)/2] ^= 4; return b }},
			{"text", "something else", func(b []byte) []byte { return bytes.Repeat([]byte("no model\n"), 20) }},
			{"later version", "another version", func(b []byte) []byte { b[len(modelMagic)-1]++; return sealed(b) }},
			{"other features", "15 features", func(b []byte) []byte { b[len(modelMagic)]++; return sealed(b) }},
			{"a node of no feature", "fit together", func(b []byte) []byte { b[len(b)-sha256.Size-nodeBytes+4] = 99; return sealed(b) }},
			{"a tree too many", "fit together", func(b []byte) []byte {
				return sealed(append(b[:len(b)-sha256.Size], make([]byte, 9+sha256.Size)...))
			}},
		} {
			bad := tt.change(bytes.Clone(data))
			if _, err := Load(bad); !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	})
}

// sealed gives a changed model a checksum that fits.
func sealed(b []byte) []byte {
	body := b[:len(b)-sha256.Size]
	sum := sha256.Sum256(body)
	return append(body, sum[:]...)
}

func FuzzLoad(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	var few []Vector
	for range 100 {
		few = append(few, toyWindow(r))
	}
	m, err := Train(few, 1, Card{Name: "small"})
	if err != nil {
		f.Fatal(err)
	}
	m.Forest = Fit(few[:8], 1) // short inputs are tried faster
	m.Forest.trees, m.Scores = m.Forest.trees[:3], Calibration{}
	data, err := m.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:len(data)-sha256.Size])
	v := few[9]
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := Load(sealed(append(bytes.Clone(body), make([]byte, sha256.Size)...)))
		if err != nil {
			if !errors.Is(err, ErrModel) {
				t.Fatal(err)
			}
			return
		}
		if s := m.Forest.Score(&v); !(s >= 0) {
			t.Fatalf("score %v", s)
		}
		m.Scores.P(0.5)
		if _, err := m.MarshalBinary(); err != nil {
			t.Fatal(err)
		}
	})
}
