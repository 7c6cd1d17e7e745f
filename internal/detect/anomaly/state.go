package anomaly

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// stateMagic begins what AppendState writes.
const stateMagic = "SCLIENTS\x01"

// ErrState says that what was learned cannot be read.
var ErrState = errors.New("not what was learned of clients, or damaged")

// AppendState appends what was learned, in the form that LoadState reads. Windows
// that are open are not part of it, and the local forest is fitted anew. It is
// about 340 KB, most of it zeros.
func (s *Stage) AppendState(b []byte) []byte {
	l := &s.learner
	b = append(b, stateMagic...)
	le := binary.LittleEndian
	b = le.AppendUint64(b, s.cfg.Seed)
	for _, n := range [...]uint32{s.now, l.began, l.today, l.windows, l.yesterday, l.paid} {
		b = le.AppendUint32(b, n)
	}
	b = le.AppendUint64(b, l.seen)
	b = le.AppendUint64(b, math.Float64bits(l.tokens))
	for _, d := range [...]*days{&l.flagged, &l.told} {
		b = le.AppendUint32(b, d.today)
		for _, set := range [...]*[bloomWords]uint64{&d.this, &d.before} {
			for _, w := range set {
				b = le.AppendUint64(b, w)
			}
		}
	}
	for i := range l.highest.places {
		b = le.AppendUint64(b, l.highest.places[i].client)
		b = le.AppendUint32(b, math.Float32bits(l.highest.places[i].score))
	}
	for row := range l.agents.counts {
		for _, n := range l.agents.counts[row] {
			b = le.AppendUint16(b, n)
		}
	}
	for _, n := range l.hours {
		b = le.AppendUint64(b, math.Float64bits(n))
	}
	for _, yes := range l.logins {
		if b = append(b, 0); yes {
			b[len(b)-1] = 1
		}
	}
	for _, c := range [...]*Calibration{&l.scores, &l.crowd} {
		part, _ := c.MarshalBinary() // cannot fail
		b = le.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	b = le.AppendUint64(b, l.reservoir.seen)
	b = le.AppendUint64(b, l.reservoir.rand)
	b = le.AppendUint32(b, uint32(len(l.reservoir.windows)))
	for i := range l.reservoir.windows {
		w := &l.reservoir.windows[i]
		b = le.AppendUint64(b, w.client)
		if b = append(b, 0); w.v6 {
			b[len(b)-1] = 1
		}
		for _, x := range w.v {
			b = le.AppendUint32(b, math.Float32bits(x))
		}
	}
	return b
}

// LoadState takes up what AppendState wrote. The stage must be new; after an
// error it still is.
func (s *Stage) LoadState(data []byte) error {
	if len(data) < len(stateMagic) || string(data[:len(stateMagic)]) != stateMagic {
		return fmt.Errorf("%w: it begins with something else, or is of another version", ErrState)
	}
	r := reader{data: data[len(stateMagic):]}
	seed := r.uint64()
	l := &learner{}
	var now uint32
	for _, n := range [...]*uint32{&now, &l.began, &l.today, &l.windows, &l.yesterday, &l.paid} {
		*n = r.uint32()
	}
	l.seen, l.tokens = r.uint64(), min(max(r.float64(), 0), allowance)
	for _, d := range [...]*days{&l.flagged, &l.told} {
		d.today = r.uint32()
		for _, set := range [...]*[bloomWords]uint64{&d.this, &d.before} {
			for i := range set {
				set[i] = r.uint64()
			}
		}
	}
	for i := range l.highest.places {
		l.highest.places[i] = highScore{client: r.uint64(), score: r.float32()}
	}
	for row := range l.agents.counts {
		for i := range l.agents.counts[row] {
			l.agents.counts[row][i] = r.uint16()
		}
	}
	for i := range l.hours {
		l.hours[i] = max(r.float64(), 0)
	}
	for i := range l.logins {
		l.logins[i] = r.uint8() != 0
	}
	for _, c := range [...]*Calibration{&l.scores, &l.crowd} {
		if err := c.UnmarshalBinary(r.part(1 << 20)); err != nil {
			return fmt.Errorf("%w: %w", ErrState, err)
		}
	}
	l.reservoir.seen, l.reservoir.rand = r.uint64(), r.uint64()
	n := int(r.uint32())
	if n > reservoirSize || n*(9+4*NumFeatures) != len(r.data) || uint64(n) > l.reservoir.seen {
		return fmt.Errorf("%w: it says that it has %d windows", ErrState, n)
	}
	l.reservoir.windows = make([]remembered, n)
	for i := range l.reservoir.windows {
		w := &l.reservoir.windows[i]
		w.client, w.v6 = r.uint64(), r.uint8() != 0
		for f := range w.v {
			w.v[f] = r.float32()
		}
	}
	if r.bad {
		return fmt.Errorf("%w: its parts do not fit together", ErrState)
	}
	// Places in tables depend on the seed.
	s.cfg.Seed, s.hash = seed, newHasher(seed)
	s.table = newTable(s.cfg.MaxClients, s.hash)
	s.learner, s.now = *l, now
	return nil
}

// ClientStatus says what a stage has learned.
type ClientStatus struct {
	Stats
	// Percent is how far the host has been learned; Judged windows were judged for
	// it, ever.
	Percent int
	Judged  uint64
	// Remembered windows are what a local forest is fitted to; Local says that
	// there is one.
	Remembered int
	Local      bool
}

// Status says what was learned.
func (s *Stage) Status() ClientStatus {
	return ClientStatus{
		Stats: s.Stats(), Percent: s.Learned(), Judged: s.learner.seen,
		Remembered: len(s.learner.reservoir.windows), Local: s.learner.local != nil,
	}
}
