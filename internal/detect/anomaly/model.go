package anomaly

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Model is a forest with what is needed to use it. It does not change.
type Model struct {
	Forest *Forest
	// Gate is the score that one in a hundred harmless windows exceeds: what is
	// above it is not learned from.
	Gate float64
	// Usual has the median of each feature, with which reasons are found.
	Usual Vector
	// Scores says how rare scores are among harmless windows.
	Scores Calibration
	Card   Card
}

// Card says where a model comes from.
type Card struct {
	Name      string `json:"name"`
	Generator string `json:"generator,omitempty"`
	Seed      uint64 `json:"seed"`
	// Data has the SHA-256 of each file or generated log that it was trained on.
	Data    []DataHash `json:"data"`
	Windows int        `json:"windows"`
}

// DataHash names a piece of training data.
type DataHash struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// Train makes a model of the windows of harmless clients. It needs 100 at least.
// The same windows and seed give the same model.
func Train(windows []Vector, seed uint64, card Card) (*Model, error) {
	const fewest = 100
	if len(windows) < fewest {
		return nil, fmt.Errorf("%d windows are too few to train on, %d are needed", len(windows), fewest)
	}
	card.Seed, card.Windows = seed, len(windows)
	m := &Model{Forest: Fit(windows, seed), Card: card, Usual: medians(windows)}
	for i := range windows {
		m.Scores.Add(m.Forest.Score(&windows[i]))
	}
	m.Gate = m.Scores.Quantile(0.99)
	return m, nil
}

// medians of the features.
func medians(windows []Vector) (out Vector) {
	column := make([]float32, len(windows))
	for f := range out {
		for i := range windows {
			column[i] = windows[i][f]
		}
		out[f] = median(column)
	}
	return out
}

// A model is one file:
//
//	magic, version, number of features (2 bytes)
//	card: length (4 bytes), JSON
//	gate (8 bytes), medians (4 bytes each)
//	scores: length (4 bytes), see Calibration.AppendBinary
//	number of trees (2 bytes); of each the number of nodes (2 bytes) and the nodes:
//	  split (4 bytes), feature, right child (2 bytes)
//	SHA-256 of all that (32 bytes)
//
// Numbers are little-endian.
const (
	modelMagic   = "SFOREST\x01"
	nodeBytes    = 7
	maxCard      = 64 << 10
	maxTrees     = 1000
	maxModelSize = 16 << 20
)

// ErrModel says that a file is not a model, or a damaged one.
var ErrModel = errors.New("not a forest model, or a damaged one")

// MarshalBinary returns the model as a file.
func (m *Model) MarshalBinary() ([]byte, error) {
	card, err := json.Marshal(m.Card)
	if err != nil {
		return nil, fmt.Errorf("writing the card: %w", err)
	}
	scores, err := m.Scores.MarshalBinary()
	if err != nil {
		return nil, err
	}
	b := append([]byte(modelMagic), NumFeatures, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(card)))
	b = append(b, card...)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(m.Gate))
	for _, x := range m.Usual {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(scores)))
	b = append(b, scores...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(m.Forest.trees)))
	for _, t := range m.Forest.trees {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(t)))
		for _, n := range t {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(n.split))
			b = append(b, n.feature)
			b = binary.LittleEndian.AppendUint16(b, n.right)
		}
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

// Load reads a model that MarshalBinary wrote. Its error is an ErrModel that says
// what is wrong.
func Load(data []byte) (*Model, error) {
	body := len(data) - sha256.Size
	if body < len(modelMagic) || len(data) > maxModelSize {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrModel, len(data))
	}
	if !bytes.HasPrefix(data, []byte(modelMagic)) {
		return nil, fmt.Errorf("%w: it begins with something else, or is of another version", ErrModel)
	}
	if sum := sha256.Sum256(data[:body]); !bytes.Equal(sum[:], data[body:]) {
		return nil, fmt.Errorf("%w: its checksum does not fit", ErrModel)
	}
	r := reader{data: data[len(modelMagic):body]}
	m := &Model{Forest: &Forest{}}
	if n := r.uint16(); n != NumFeatures {
		return nil, fmt.Errorf("%w: it is of %d features, not %d", ErrModel, n, NumFeatures)
	}
	if err := json.Unmarshal(r.part(maxCard), &m.Card); err != nil {
		return nil, fmt.Errorf("%w: its card: %w", ErrModel, err)
	}
	m.Gate = math.Float64frombits(r.uint64())
	r.number(m.Gate)
	for i := range m.Usual {
		m.Usual[i] = r.float32()
	}
	if err := m.Scores.UnmarshalBinary(r.part(maxModelSize)); err != nil {
		return nil, fmt.Errorf("%w: its scores: %w", ErrModel, err)
	}
	n := int(r.uint16())
	if n == 0 || n > maxTrees {
		return nil, fmt.Errorf("%w: it has %d trees", ErrModel, n)
	}
	m.Forest.trees = make([][]node, n)
	for i := range m.Forest.trees {
		m.Forest.trees[i] = r.tree()
	}
	if r.bad || len(r.data) > 0 {
		return nil, fmt.Errorf("%w: its parts do not fit together", ErrModel)
	}
	return m, nil
}

// reader takes numbers from the front of data; after the first that is not there
// or makes no sense it is bad, and gives zeros.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.data) {
		r.bad, r.data = true, nil
		return make([]byte, max(min(n, 8), 0))
	}
	out := r.data[:n]
	r.data = r.data[n:]
	return out
}

func (r *reader) uint8() uint8   { return r.take(1)[0] }
func (r *reader) uint16() uint16 { return binary.LittleEndian.Uint16(r.take(2)) }
func (r *reader) uint32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

func (r *reader) float32() float32 {
	x := math.Float32frombits(r.uint32())
	r.number(float64(x))
	return x
}

func (r *reader) float64() float64 {
	x := math.Float64frombits(r.uint64())
	r.number(x)
	return x
}

func (r *reader) number(x float64) {
	r.bad = r.bad || math.IsNaN(x) || math.IsInf(x, 0)
}

// part takes a length and so many bytes.
func (r *reader) part(most int) []byte {
	n := int(r.uint32())
	if n > most || n > len(r.data) {
		r.bad, r.data = true, nil
		return nil
	}
	return r.take(n)
}

// tree takes a tree. Children come after their parents, so that no walk can go
// round.
func (r *reader) tree() []node {
	n := int(r.uint16())
	if n == 0 || n > maxNodes || len(r.data) < n*nodeBytes {
		r.bad = true
		return nil
	}
	out := make([]node, n)
	for i := range out {
		split := r.float32()
		out[i] = node{split: split, feature: r.uint8(), right: r.uint16()}
		if f := out[i].feature; f != leaf && (f >= NumFeatures || int(out[i].right) <= i+1 || int(out[i].right) >= n) {
			r.bad = true
		}
	}
	return out
}

func median(x []float32) float32 {
	slices.Sort(x)
	return x[len(x)/2]
}
