package detect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/keyed"
)

// A snapshot is a detector's memory as bytes: all integers little-endian or, if
// small, as unsigned varints.
//
//	magic, version
//	the three words of the hash's key
//	counters: name, rules whose firings its entries keep
//	keys, from the oldest to the youngest, newcomers first: see appendEntry
//	joiner: place, attempt
//	twins: place, twin
//	whole counts: counter, and the places and seconds of asked
//
// Counters are known by their names, so that a detector of other rules can take
// up what it counts as well. The latest requests (echoes) are not in it: they
// only save work.
const (
	snapshotMagic   = "SDET"
	snapshotVersion = 1
)

// What a snapshot may say at most; beyond it, it is damaged.
const (
	maxSavedCounters = math.MaxUint16
	maxSavedName     = 1 << 20
	maxSavedWords    = 2 * maxSteps
)

// errSnapshot says that bytes are no snapshot of this version.
var errSnapshot = errors.New("not a snapshot of a detector, or damaged")

// The bits of an entry's first byte. The upper ones say how many inline words
// follow.
const (
	savedKept = 1 << iota
	savedWords
	savedFired
	savedSketch
	savedInline // the lowest bit of a number up to inlineWords
)

// AppendSnapshot appends the detector's memory to b. It takes time in
// proportion to the keys held: less than 10 ms, and 11 MB, for the most that an
// agent holds.
func (d *Detector) AppendSnapshot(b []byte) []byte {
	b = slices.Grow(b, 16<<10+40*d.table.len+blockBytes*d.table.blocks.used)
	b = append(b, snapshotMagic...)
	b = append(b, snapshotVersion)
	for _, k := range [3]uint64{d.hash.K0, d.hash.K1, d.hash.K2} {
		b = binary.LittleEndian.AppendUint64(b, k)
	}
	b = binary.AppendUvarint(b, uint64(len(d.counters)))
	for _, c := range d.counters {
		b = appendText(b, c.name)
		b = binary.AppendUvarint(b, uint64(len(c.slots)))
		for _, id := range c.slots {
			b = appendText(b, id)
		}
	}
	b = binary.AppendUvarint(b, uint64(d.table.len))
	var s saved
	for _, q := range [2]*queue{&d.table.fresh, &d.table.kept} {
		for id := q.oldest; id != 0; {
			e := d.table.at(id)
			id = e.next
			d.save(d.counters[e.kind], e, &s)
			b = appendEntry(b, e.kind, &s)
		}
	}
	b = d.joiner.append(b)
	b = d.twins.append(b)
	b = binary.AppendUvarint(b, uint64(len(d.bases)))
	for i := range d.bases {
		b = d.bases[i].append(b)
	}
	return b
}

// LoadSnapshot puts the memory of a snapshot in the place of the detector's own:
// all that counts what d counts as well, as Adopt does. It must be called before
// the first Observe. If the bytes are damaged, d begins with nothing.
func (d *Detector) LoadSnapshot(b []byte) error {
	if err := d.load(&savedReader{b: b}); err != nil {
		*d = *newDetector(d.set, d.cfg, newHasher(d.cfg.Seed))
		return fmt.Errorf("reading a snapshot of %d bytes: %w", len(b), err)
	}
	return nil
}

func (d *Detector) load(r *savedReader) error {
	if string(r.bytes(len(snapshotMagic))) != snapshotMagic || r.byte() != snapshotVersion {
		return errSnapshot
	}
	hash := hasher{keyed.Hash{K0: r.u64(), K1: r.u64(), K2: r.u64()}}
	*d = *newDetector(d.set, d.cfg, hash)
	byName := d.countersByName()
	n := r.num(maxSavedCounters)
	to := make([]*counter, 0, min(n, 1024))
	slots := make([][]int, 0, min(n, 1024))
	for range n {
		c := byName[r.text()]
		rules := make([]string, 0, 8)
		for range r.num(maxSavedCounters) {
			if r.bad {
				return errSnapshot
			}
			rules = append(rules, r.text())
		}
		if r.bad {
			return errSnapshot
		}
		to = append(to, c)
		own := make([]int, len(rules))
		if c != nil {
			own = c.slotsIn(rules)
		}
		slots = append(slots, own)
	}
	var s saved
	for range r.num(maxTableKeys) {
		kind := r.entry(&s, slots)
		if r.bad {
			return errSnapshot
		}
		if c := to[kind]; c != nil {
			d.put(c, slots[kind], &s)
		}
	}
	d.joiner.load(r)
	d.twins.load(r)
	for range r.num(maxSavedCounters) {
		kind := r.num(len(to) - 1)
		if r.bad {
			return errSnapshot
		}
		d.loadAsked(to[kind], r)
	}
	if r.bad || len(r.b) != 0 {
		return errSnapshot
	}
	return nil
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendEntry writes one key: flags, counter, key, hits, n, newest, and what
// the flags say.
func appendEntry(b []byte, kind uint16, s *saved) []byte {
	flags, inline := byte(0), 0
	for i, w := range s.inline {
		if w != 0 && s.sketch == nil {
			inline = i + 1
		}
	}
	if s.kept {
		flags |= savedKept
	}
	if len(s.words) > 0 {
		flags |= savedWords
	}
	if len(s.fired) > 0 {
		flags |= savedFired
	}
	if s.sketch != nil {
		flags |= savedSketch
	}
	b = append(b, flags|byte(inline)*savedInline)
	b = binary.AppendUvarint(b, uint64(kind))
	b = binary.LittleEndian.AppendUint64(b, s.key)
	b = append(b, s.hits)
	b = binary.AppendUvarint(b, uint64(s.n))
	b = binary.LittleEndian.AppendUint32(b, s.newest)
	b = appendWords(b, s.inline[:inline])
	if flags&savedWords != 0 {
		b = binary.AppendUvarint(b, uint64(len(s.words)))
		b = appendWords(b, s.words)
	}
	if flags&savedFired != 0 {
		b = binary.LittleEndian.AppendUint32(b, s.late)
		b = appendWords(b, s.fired)
	}
	if flags&savedSketch != 0 {
		b = binary.LittleEndian.AppendUint32(b, s.sketch.last)
		for i := range s.sketch.panes {
			b = append(b, s.sketch.panes[i][:]...)
		}
	}
	return b
}

func appendWords(b []byte, words []uint32) []byte {
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// entry reads what appendEntry wrote and returns the counter's number.
func (r *savedReader) entry(s *saved, slots [][]int) (kind int) {
	flags := r.byte()
	kind = r.num(len(slots) - 1)
	s.key, s.hits, s.n, s.newest = r.u64(), r.byte(), uint16(r.num(math.MaxUint16)), r.u32()
	s.kept = flags&savedKept != 0
	s.words, s.fired, s.sketch, s.late, s.inline = s.words[:0], s.fired[:0], nil, 0, [inlineWords]uint32{}
	inline := int(flags / savedInline)
	if inline > inlineWords {
		r.bad = true
	}
	for i := range min(inline, inlineWords) {
		s.inline[i] = r.u32()
	}
	if flags&savedWords != 0 {
		s.words = r.words(s.words, r.num(maxSavedWords))
	}
	if flags&savedFired != 0 && !r.bad {
		s.late = r.u32()
		s.fired = r.words(s.fired, len(slots[kind]))
	}
	if flags&savedSketch != 0 {
		k := &sketch{last: r.u32()}
		for i := range k.panes {
			copy(k.panes[i][:], r.bytes(sketchRegs))
			for j := range k.panes[i] {
				k.panes[i][j] = min(k.panes[i][j], 32)
			}
		}
		s.sketch = k
	}
	return kind
}

func (j *joiner) append(b []byte) []byte {
	n := 0
	for i := range j.sets {
		for k := range j.sets[i] {
			if j.sets[i][k].made != 0 {
				n++
			}
		}
	}
	b = binary.AppendUvarint(b, uint64(n))
	for i := range j.sets {
		for k := range j.sets[i] {
			a := &j.sets[i][k]
			if a.made == 0 {
				continue
			}
			b = binary.LittleEndian.AppendUint16(b, uint16(i*joinWays+k))
			b = binary.LittleEndian.AppendUint32(b, a.tag)
			b = binary.LittleEndian.AppendUint32(b, a.made)
			b = append(b, a.seen[:]...)
			if a.ended {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		}
	}
	return b
}

func (j *joiner) load(r *savedReader) {
	n := r.num(joinSets * joinWays)
	if n > 0 && j.sets == nil {
		j.sets = make([][joinWays]attempt, joinSets)
	}
	for range n {
		i := r.u16() % (joinSets * joinWays)
		a := attempt{tag: r.u32(), made: r.u32()}
		for k := range a.seen {
			a.seen[k] = min(r.byte(), maxSeen-1)
		}
		a.ended = r.byte() != 0
		j.sets[i/joinWays][i%joinWays] = a
	}
}

func (w *twins) append(b []byte) []byte {
	n := 0
	for i := range w.slots {
		if w.slots[i].count[0] != 0 {
			n++
		}
	}
	b = binary.AppendUvarint(b, uint64(n))
	for i := range w.slots {
		if t := w.slots[i]; t.count[0] != 0 {
			b = binary.LittleEndian.AppendUint16(b, uint16(i))
			b = appendWords(b, []uint32{t.tag, t.made})
			for k, c := range t.count {
				b = binary.LittleEndian.AppendUint16(b, t.source[k])
				b = binary.LittleEndian.AppendUint16(b, c)
			}
		}
	}
	return b
}

func (w *twins) load(r *savedReader) {
	n := r.num(twinSlots)
	if n > 0 && w.slots == nil {
		w.slots = make([]twin, twinSlots)
	}
	for range n {
		i := r.u16() % twinSlots
		t := &w.slots[i]
		t.tag, t.made = r.u32(), r.u32()
		for k := range t.count {
			t.source[k], t.count[k] = r.u16(), r.u16()
		}
	}
}

func (b *base) append(out []byte) []byte {
	n := 0
	for _, sec := range b.asked {
		if sec != 0 {
			n++
		}
	}
	out = binary.AppendUvarint(out, uint64(b.counter.id))
	out = binary.AppendUvarint(out, uint64(n))
	for i, sec := range b.asked {
		if sec != 0 {
			out = binary.LittleEndian.AppendUint16(out, uint16(i))
			out = binary.LittleEndian.AppendUint32(out, sec)
		}
	}
	return out
}

// loadAsked reads the keys of a whole count; c is nil if there is none any more.
func (d *Detector) loadAsked(c *counter, r *savedReader) {
	var to *base
	for i := range d.bases {
		if c != nil && d.bases[i].counter == c {
			to = &d.bases[i]
		}
	}
	for range r.num(1 << askedBits) {
		i, sec := r.u16()%(1<<askedBits), r.u32()
		if to != nil {
			to.asked[i] = sec
		}
	}
}

// savedReader takes a snapshot apart. After the first fault it is bad, and all
// it returns is zero.
type savedReader struct {
	b   []byte
	bad bool
}

func (r *savedReader) bytes(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *savedReader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *savedReader) u16() uint16 {
	if b := r.bytes(2); len(b) == 2 {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *savedReader) u32() uint32 {
	if b := r.bytes(4); len(b) == 4 {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *savedReader) u64() uint64 {
	if b := r.bytes(8); len(b) == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// num reads a number from 0 to most.
func (r *savedReader) num(most int) int {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 || most < 0 || v > uint64(most) {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *savedReader) text() string { return string(r.bytes(r.num(maxSavedName))) }

func (r *savedReader) words(to []uint32, n int) []uint32 {
	b := r.bytes(4 * n)
	for len(b) >= 4 {
		to = append(to, binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	return to
}
