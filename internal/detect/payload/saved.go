package payload

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
)

// savedVersion is the first byte of what a stage remembers.
const savedVersion = 1

// maxCalibration bounds what is read of a calibration, in bytes.
const maxCalibration = 1 << 16

// ErrMemory says that what a stage remembered cannot be used.
var ErrMemory = errors.New("the memory of the payload stage is damaged")

// AppendMemory appends what the stage has learnt of its host, at most 90 KiB, in
// the form that LoadMemory reads.
func (s *Stage) AppendMemory(b []byte) []byte {
	start := len(b)
	b = append(b, savedVersion)
	began := int64(0)
	if !s.began.IsZero() {
		began = s.began.Unix()
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(began))
	usual, _ := s.usual.MarshalBinary() // which never fails
	b = binary.LittleEndian.AppendUint32(b, uint32(len(usual)))
	b = append(b, usual...)
	b = binary.LittleEndian.AppendUint32(b, uint32(s.memory.exempted))
	b = append(b, s.memory.filter[:]...)
	var out bytes.Buffer
	for i := range s.memory.sets {
		for j := range s.memory.sets[i] {
			if c := &s.memory.sets[i][j]; c.served > 0 {
				_ = binary.Write(&out, binary.LittleEndian, saved{c.template, c.day, c.days, c.served, c.to}) // to memory
			}
		}
	}
	b = append(b, out.Bytes()...)
	sum := sha256.Sum256(b[start:])
	return append(b, sum[:]...)
}

// saved is a candidate in a file.
type saved struct {
	Template uint64
	Day      int32
	Days     uint8
	Served   uint8
	To       [leastServed]uint32
}

// LoadMemory reads what AppendMemory wrote. After an error the stage is as it
// was.
func (s *Stage) LoadMemory(data []byte, now time.Time) error {
	const head = 1 + 8 + 4
	end := len(data) - sha256.Size
	if end < head {
		return ErrMemory
	}
	if sum := sha256.Sum256(data[:end]); !bytes.Equal(sum[:], data[end:]) {
		return ErrMemory
	}
	if data[0] != savedVersion {
		return fmt.Errorf("%w: its version is %d", ErrMemory, data[0])
	}
	began := time.Unix(int64(binary.LittleEndian.Uint64(data[1:])), 0).UTC()
	n := int(binary.LittleEndian.Uint32(data[9:]))
	rest := data[head:end]
	if n > maxCalibration || len(rest) < n+4+filterBytes {
		return ErrMemory
	}
	var usual anomaly.Calibration
	if err := usual.UnmarshalBinary(rest[:n]); err != nil {
		return fmt.Errorf("%w: %w", ErrMemory, err)
	}
	rest = rest[n:]
	var m memory
	m.exempted = int(binary.LittleEndian.Uint32(rest))
	copy(m.filter[:], rest[4:])
	rest = rest[4+filterBytes:]
	size := binary.Size(saved{})
	if m.exempted > maxExempt || len(rest)%size != 0 {
		return ErrMemory
	}
	for ; len(rest) > 0; rest = rest[size:] {
		var c saved
		if _, err := binary.Decode(rest, binary.LittleEndian, &c); err != nil || c.Served == 0 || c.Served > leastServed || c.Days > leastDays {
			return ErrMemory
		}
		set := &m.sets[c.Template%candidateSets]
		for j := range set {
			if set[j].served == 0 {
				set[j] = candidate{c.Template, c.Day, c.Days, c.Served, c.To}
				break
			}
		}
	}
	s.usual, s.memory = usual, m
	s.began = time.Time{}
	if began.Unix() > 0 {
		s.began = began
	}
	s.calibrate(now)
	return nil
}
