package payload

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Version is that of the file format. A file of another version is refused.
const Version = 1

// A model is one file: a magic text, the version, the header, the weights, and
// the SHA-256 of all that.
var magic = [8]byte{'S', 'N', 'T', 'L', 'P', 'A', 'Y', '\n'}

type header struct {
	Magic                                  [8]byte
	Version                                uint16
	MinGram, MaxGram, BucketBits, Reserved uint8
	Threshold, Bias, Scale, PlattA, PlattB float64
	Seed                                   uint64
	Benign, Attacks                        uint32
}

// Size is the length of a model file in bytes.
var Size = binary.Size(header{}) + buckets + sha256.Size

// ErrCorrupt says that a model file is damaged.
var ErrCorrupt = errors.New("the file is damaged: its checksum is wrong")

// Encode returns the model as a file.
func (m *Model) Encode() []byte {
	var b bytes.Buffer
	h := header{
		Magic: magic, Version: Version, MinGram: minGram, MaxGram: maxGram, BucketBits: bucketBits,
		Threshold: m.Threshold, Bias: m.Bias, Scale: m.Scale, PlattA: m.PlattA, PlattB: m.PlattB,
		Seed: m.Seed, Benign: m.Benign, Attacks: m.Attacks,
	}
	_ = binary.Write(&b, binary.LittleEndian, &h)         // to memory
	_ = binary.Write(&b, binary.LittleEndian, &m.weights) // to memory
	sum := sha256.Sum256(b.Bytes())
	return append(b.Bytes(), sum[:]...)
}

// Decode reads a model file. Its error says what is wrong with it.
func Decode(data []byte) (*Model, error) {
	var h header
	n := binary.Size(h)
	if len(data) < n || !bytes.Equal(data[:len(magic)], magic[:]) {
		return nil, errors.New("this is no payload model")
	}
	if _, err := binary.Decode(data, binary.LittleEndian, &h); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	if h.Version != Version {
		return nil, fmt.Errorf("the model's format is of version %d, and this program reads version %d", h.Version, Version)
	}
	if len(data) != Size {
		return nil, fmt.Errorf("the file is %d bytes long and should be %d", len(data), Size)
	}
	end := len(data) - sha256.Size
	if sum := sha256.Sum256(data[:end]); !bytes.Equal(sum[:], data[end:]) {
		return nil, ErrCorrupt
	}
	if h.MinGram != minGram || h.MaxGram != maxGram || h.BucketBits != bucketBits {
		return nil, fmt.Errorf("the model has n-grams of %d to %d in 2^%d buckets, and this program knows %d to %d in 2^%d",
			h.MinGram, h.MaxGram, h.BucketBits, minGram, maxGram, bucketBits)
	}
	for _, v := range []float64{h.Threshold, h.Bias, h.Scale, h.PlattA, h.PlattB} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errors.New("the model has a number that is none")
		}
	}
	if h.Scale <= 0 || h.PlattA >= 0 {
		return nil, errors.New("the model's scale is not above 0, or its probability falls with the score")
	}
	m := &Model{
		Threshold: h.Threshold, Bias: h.Bias, Scale: h.Scale, PlattA: h.PlattA, PlattB: h.PlattB,
		Seed: h.Seed, Benign: h.Benign, Attacks: h.Attacks,
	}
	for i, c := range data[n:end] {
		m.weights[i] = int8(c)
	}
	return m, nil
}
