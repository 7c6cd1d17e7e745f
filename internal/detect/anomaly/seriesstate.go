package anomaly

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unsafe"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Row is one bucket of a baseline, as it is stored.
type Row struct {
	Source     string
	SourceType sentinel.SourceType
	// Hour is 0 to 23, Weekday 0 (Sunday) to 6.
	Hour, Weekday int
	Metric        string
	// Mean and Stddev are of transformed values.
	Mean, Stddev float64
	Samples      int
}

// State is what a source needs besides its rows to go on after a restart.
type State struct {
	Source string
	Data   []byte
}

// saved is the form of State.Data.
type saved struct {
	Version  int                 `json:"v"`
	Kind     sentinel.SourceType `json:"type"`
	Has      facets              `json:"has"`
	First    int64               `json:"first"`
	Last     int64               `json:"last"`
	Bins     int                 `json:"bins"`
	Deviated int64               `json:"deviated,omitempty"`
	Week     int64               `json:"week"`
	Weekly   []weekly            `json:"weekly"`
	Scores   []byte              `json:"scores"`
	Dist     *savedDist          `json:"dist,omitempty"`
	Geo      *savedGeo           `json:"geo,omitempty"`
}

type savedDist struct {
	Users   map[string]int64 `json:"users"`
	History []tried          `json:"history"`
	Sum     float64          `json:"sum"`
}

type savedGeo struct {
	Days   uint16             `json:"days"`
	Shares map[string]float32 `json:"shares"`
}

const stateVersion = 1

// Changed returns the rows that have learned since the last call, and the states
// of their sources. All rows of a bucket are one.
func (s *SeriesSet) Changed() (rows []Row, states []State) {
	if !s.dirty {
		return nil, nil
	}
	s.dirty = false
	for _, x := range s.all {
		if !x.unsaved {
			continue
		}
		x.unsaved = false
		slices.SortFunc(x.changed, func(a, b change) int {
			return cmp.Or(cmp.Compare(a.metric, b.metric), cmp.Compare(a.hour, b.hour))
		})
		for _, c := range slices.Compact(x.changed) {
			rows = append(rows, x.row(c.metric, int(c.hour)))
		}
		x.changed = x.changed[:0]
		states = append(states, State{x.id, x.save()})
	}
	return rows, states
}

func (x *Series) row(m Metric, hour int) Row {
	b := &x.base[m].Hours[hour]
	return Row{
		Source: x.id, SourceType: x.kind, Metric: m.String(), Hour: hour % 24, Weekday: hour / 24,
		Mean: float64(b.Mean), Stddev: math.Sqrt(float64(b.Var)), Samples: int(b.N),
	}
}

func (x *Series) save() []byte {
	v := saved{
		Version: stateVersion, Kind: x.kind, Has: x.has, First: x.first, Last: max(x.open, x.last), Bins: x.bins, Deviated: x.deviated,
		Week: x.week, Weekly: x.weekly[:],
	}
	v.Scores, _ = x.scores.MarshalBinary() // never fails
	if d := x.site; d != nil {
		v.Dist = &savedDist{Users: map[string]int64{}, History: append(slices.Clone(d.history[d.next:]), d.history[:d.next]...), Sum: d.sum}
		for u, t := range d.users {
			v.Dist.Users[strconv.FormatUint(u, 36)] = t
		}
	}
	if g := x.geo; g != nil && g.days > 0 {
		v.Geo = &savedGeo{Days: g.days, Shares: map[string]float32{}}
		for i, share := range g.learned {
			if share > 0 {
				v.Geo.Shares[countryName(i)] = share
			}
		}
	}
	data, err := json.Marshal(v)
	if err != nil { // no value of these types fails
		panic(err)
	}
	return data
}

// Load takes up what was stored, into an empty set. It fails, and names what is
// wrong, rather than compare with what is not what was learned.
func (s *SeriesSet) Load(rows []Row, states []State) error {
	for _, st := range states {
		x := s.Source(st.Source, "")
		if x == nil {
			return fmt.Errorf("there are more than %d sources", MaxSources)
		}
		if err := x.load(st.Data); err != nil {
			return fmt.Errorf("the state of %s: %w", st.Source, err)
		}
	}
	for _, r := range rows {
		if err := s.loadRow(r); err != nil {
			return fmt.Errorf("the baseline of %s, %s at weekday %d, hour %d: %w", r.Source, r.Metric, r.Weekday, r.Hour, err)
		}
	}
	return nil
}

func (s *SeriesSet) loadRow(r Row) error {
	m, err := ParseMetric(r.Metric)
	if err != nil {
		return err
	}
	x := s.Source(r.Source, r.SourceType)
	bad := func(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) || math.Abs(f) > 1e3 }
	switch {
	case x == nil:
		return fmt.Errorf("there are more than %d sources", MaxSources)
	case r.Hour < 0 || r.Hour > 23 || r.Weekday < 0 || r.Weekday > 6:
		return fmt.Errorf("there is no such hour")
	case bad(r.Mean) || bad(r.Stddev) || r.Stddev < 0 || r.Samples < 1 || r.Samples > SampleCap:
		return fmt.Errorf("mean %g, deviation %g of %d samples cannot be", r.Mean, r.Stddev, r.Samples)
	}
	if x.base[m] == nil {
		x.base[m] = new(Baseline)
	}
	x.base[m].Hours[r.Weekday*24+r.Hour] = Moments{Mean: float32(r.Mean), Var: float32(r.Stddev * r.Stddev), N: uint8(r.Samples)}
	return nil
}

func (x *Series) load(data []byte) error {
	var v saved
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	switch {
	case v.Version != stateVersion:
		return fmt.Errorf("it is of version %d, this is %d", v.Version, stateVersion)
	case v.First < 0 || v.Last < v.First || v.Bins < 0 || int64(v.Bins) > v.Last-v.First+1:
		return fmt.Errorf("it has seen %d bins from %d to %d", v.Bins, v.First, v.Last)
	case len(v.Weekly) != int(NumMetrics):
		return fmt.Errorf("it has %d metrics, %d are known", len(v.Weekly), NumMetrics)
	}
	if err := x.scores.UnmarshalBinary(v.Scores); err != nil {
		return fmt.Errorf("its scores: %w", err)
	}
	if v.Kind != "" {
		x.kind = v.Kind
	}
	x.has, x.first, x.bins, x.deviated, x.week = v.Has, v.First, v.Bins, v.Deviated, v.Week
	copy(x.weekly[:], v.Weekly)
	// The bin that was open is lost: learning goes on with the next whole one.
	// last keeps Progress right until then.
	x.open, x.last, x.broken = 0, v.Last, true
	if d := v.Dist; d != nil {
		if len(d.History) > distHistory || len(d.Users) > distUsers || math.IsNaN(d.Sum) || d.Sum < 0 {
			return fmt.Errorf("its record of logins cannot be")
		}
		x.site = newSiteDist()
		x.site.history, x.site.sum = d.History, d.Sum
		for _, t := range d.History {
			if t.N == 0 || t.F > t.N {
				return fmt.Errorf("%d of %d logins cannot have failed", t.F, t.N)
			}
		}
		for name, at := range d.Users {
			u, err := strconv.ParseUint(name, 36, 64)
			if err != nil {
				return fmt.Errorf("reading its users: %w", err)
			}
			x.site.users[u] = at
		}
	}
	if g := v.Geo; g != nil {
		x.geo = &countries{days: g.Days}
		for name, share := range g.Shares {
			at := countryPlace(name)
			if at < 0 || !(share >= 0 && share <= 1) {
				return fmt.Errorf("it has a share of %v for country %q", share, name)
			}
			x.geo.learned[at] = share
		}
	}
	return nil
}

// Forget lets go of what was learned of a source. It reports whether there was
// something.
func (s *SeriesSet) Forget(id string) bool {
	for _, x := range s.all {
		if x.id == id {
			*x = Series{set: s, id: x.id, kind: x.kind, salt: x.salt}
			return true
		}
	}
	return false
}

// SourceStatus is how far a source is.
type SourceStatus struct {
	Source   string
	Learning bool
	Progress float64 // 0 to 1
	Since    time.Time
	Bins     int
	// Deviated is the end of the last bin that deviated, zero if none did.
	Deviated time.Time
}

// Status returns the sources in the order in which they were met, and how many
// are not watched since there are too many.
func (s *SeriesSet) Status() (out []SourceStatus, left int) {
	for _, x := range s.all {
		if x.first == 0 {
			continue
		}
		st := SourceStatus{Source: x.id, Learning: x.Learning(), Progress: x.Progress(), Since: time.Unix(x.first*binSeconds, 0).UTC(), Bins: x.bins}
		if x.deviated != 0 {
			st.Deviated = time.Unix((x.deviated+1)*binSeconds, 0).UTC()
		}
		out = append(out, st)
	}
	return out, len(s.left)
}

// Usual is what is usual in one hour of the week.
type Usual struct {
	Weekday, Hour int
	// Low and High are the ends of the range within which most bins lie, Text the
	// range in words; Samples were seen in this very hour.
	Low, High float64
	Text      string
	Samples   int
}

// Baseline returns what was learned of a source, by metric; nil if nothing was.
func (s *SeriesSet) Baseline(id string) map[string][]Usual {
	for _, x := range s.all {
		if x.id != id {
			continue
		}
		out := map[string][]Usual{}
		for m := range NumMetrics {
			b := x.base[m]
			if b == nil {
				continue
			}
			rows := make([]Usual, 0, HoursOfWeek)
			for hour := range HoursOfWeek {
				mean, v, n := b.expect(hour, x.weeks())
				if n == 0 {
					break
				}
				reach := 2 * math.Sqrt(v)
				rows = append(rows, Usual{
					Weekday: hour / 24, Hour: hour % 24, Low: m.undo(mean - reach), High: m.undo(mean + reach), Text: usual(m, mean, v),
					Samples: int(b.Hours[hour].N),
				})
			}
			if len(rows) == HoursOfWeek {
				out[m.String()] = rows
			}
		}
		return out
	}
	return nil
}

// SeriesStats are sizes and counters of the series.
type SeriesStats struct {
	Sources, Bytes int
	// Late lines were too late for any bin.
	Late uint64
}

// Stats returns sizes and counters.
func (s *SeriesSet) Stats() SeriesStats {
	n := 2*knownBits/8 + recentPlaces*4
	for _, x := range s.all {
		n += x.bytes()
	}
	return SeriesStats{Sources: len(s.all), Bytes: n, Late: s.late}
}

func sortAddrs(all []netip.Addr) { slices.SortFunc(all, netip.Addr.Compare) }

// AppendKnown appends what is remembered of addresses, for LoadKnown.
func (s *SeriesSet) AppendKnown(data []byte) []byte { return s.known.append(data) }

// LoadKnown takes up what AppendKnown wrote.
func (s *SeriesSet) LoadKnown(data []byte) error { return s.known.load(data) }

// bytes is about what a series takes.
func (x *Series) bytes() int {
	n := int(unsafe.Sizeof(*x)) + 8*(bulkPoints+tailPoints)
	if x.bin.addrs != nil {
		n += int(unsafe.Sizeof(addrBin{}))
	}
	if x.bin.web != nil {
		n += int(unsafe.Sizeof(webBin{}))
	}
	if x.geo != nil {
		n += int(unsafe.Sizeof(countries{}))
	}
	for _, b := range x.base {
		if b != nil {
			n += int(unsafe.Sizeof(Baseline{}))
		}
	}
	if d := x.site; d != nil {
		n += 40*len(d.users) + 48*len(d.addrs) + 4*cap(d.history)
	}
	return n
}
