package anomaly

import (
	"math"
	"net/netip"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/keyed"
)

// BinLength is how long each source is watched before it is compared with what
// is usual.
const BinLength = 5 * time.Minute

const (
	binSeconds  = int64(BinLength / time.Second)
	binsADay    = 24 * 3600 / binSeconds
	binsAWeek   = 7 * binsADay
	lateBins    = 2 // a line of the last ten minutes still counts, into the open bin
	quietAfter  = 10 * time.Minute
	suspended   = 15 * time.Minute // without a tick: the host slept
	maxQuiet    = binsADay         // a longer gap is not silence but absence
	hostileOne  = 10               // a bin with one hostile event in so many teaches nothing
	learnedBins = 2000             // are needed, besides the learning period

	// MaxSources bounds the sources that are watched.
	MaxSources = 128
)

// SeriesConfig is what the series of sources are watched with.
type SeriesConfig struct {
	// Location is the zone of the hours of the week; nil: UTC.
	Location *time.Location
	// Learning is how long a source is watched before its deviations count.
	Learning time.Duration
	// Sensitivity says how many false alerts a day and source are worth it.
	Sensitivity Sensitivity
	// Seed keeps who writes log lines from choosing places in tables.
	Seed uint64
}

// facets are the kinds of events that a source ever had.
type facets uint8

const (
	facetAddr facets = 1 << iota
	facetAuth
	facetWeb
)

// SeriesSet watches sources as a whole, in bins of five minutes. It reads no
// clock, and is not safe for concurrent use.
type SeriesSet struct {
	cfg  SeriesConfig
	hash hasher
	// country knows the country of an address, as a code of two letters; nil:
	// nobody does.
	country func(netip.Addr) string
	all     []*Series
	known   *knownAddrs
	recent  [recentPlaces]uint32 // addresses that were counted in the open bins
	ticked  time.Time
	out     []Closed
	late    uint64
	left    map[string]struct{} // sources that are not watched, see MaxSources
	dirty   bool
}

const recentPlaces = 4096

// Series is one source of a SeriesSet.
type Series struct {
	set    *SeriesSet
	id     string
	kind   sentinel.SourceType
	salt   uint64
	has    facets
	open   int64 // number of the open bin since 1970, 0: none
	broken bool  // the open bin is not whole: begun in the middle, or after a gap
	heard  time.Time
	bin    bin
	auth   uint32 // failed logins of the bin before
	hour   hourly // and of the last hour
	geo    *countries
	base   [NumMetrics]*Baseline
	scores Calibration // of the bins
	site   *siteDist

	first    int64 // first bin that was seen
	last     int64 // last one before a restart, as long as none is open
	bins     int   // that were seen whole
	deviated int64 // last bin that deviated
	above    [NumMetrics]bool
	below    bool
	quiet    bool // people were told
	week     int64
	weekly   [NumMetrics]weekly
	changed  []change // since Changed was called last
	unsaved  bool     // something changed since Changed was called last
}

// hourly are the failed logins of the last 12 bins.
type hourly struct {
	bins [12]uint32
	seen int
}

// add takes in a bin and returns the sum of the last hour; ok is false before one
// was seen.
func (h *hourly) add(n uint32) value {
	h.bins[h.seen%len(h.bins)] = n
	h.seen++
	return value{h.sum(), h.seen >= len(h.bins)}
}

func (h *hourly) sum() (n float64) {
	for _, b := range h.bins {
		n += float64(b)
	}
	return n
}

// weekly are the transformed values of a week, and the mean of the one before.
type weekly struct {
	Sum  float64 `json:"s"`
	N    int     `json:"n"`
	Last float64 `json:"l"`
	Had  bool    `json:"h"`
}

// change is a bucket that learned.
type change struct {
	metric Metric
	hour   uint8
}

// Closed is what the end of a bin brought that somebody should know.
type Closed struct {
	Source     string
	SourceType sentinel.SourceType
	// Learned is how far learning has come, in percent.
	Learned int
	// Anomaly is nil unless the source deviates from what is usual.
	Anomaly *sentinel.Anomaly
	// Flood: requests and addresses deviate at once, and many new addresses came
	// to one path.
	Flood *Flood
	// Dist: more logins of ordinary users fail than usual.
	Dist *SiteDist
	// Notices are for people: a source fell silent, a baseline moved.
	Notices []Notice
}

// Flood is a crowd of addresses never seen before at one path.
type Flood struct {
	Time   time.Time // the end of the bin
	Path   string
	Addrs  int     // new ones at the path, at least
	Rate   float64 // requests in the bin
	Usual  float64 // and usually
	Sample string
}

// Notice is something about a source that is no attack by itself.
type Notice struct{ Kind, Text string }

// The kinds of notices.
const (
	NoticeQuiet = "source_quiet"
	NoticeMoved = "baseline_moved"
)

// NewSeries returns a set that watches nothing yet.
func NewSeries(cfg SeriesConfig) *SeriesSet {
	s := &SeriesSet{known: newKnownAddrs(), cfg: cfg, hash: newHasher(cfg.Seed), left: make(map[string]struct{})}
	s.Configure(cfg)
	return s
}

// Configure changes how it is watched; what was learned stays, and the seed.
func (s *SeriesSet) Configure(cfg SeriesConfig) {
	cfg.Seed = s.cfg.Seed
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	s.cfg = cfg
}

// LocateBy says who knows the country of an address, as a code of two letters;
// nil: nobody.
func (s *SeriesSet) LocateBy(country func(netip.Addr) string) { s.country = country }

// Source returns the series of a source, a new one if there is none; nil beyond
// MaxSources.
func (s *SeriesSet) Source(id string, kind sentinel.SourceType) *Series {
	for _, x := range s.all {
		if x.id == id {
			if kind != "" {
				x.kind = kind
			}
			return x
		}
	}
	if len(s.all) == MaxSources {
		if len(s.left) < maxSources {
			s.left[strings.Clone(id)] = struct{}{}
		}
		return nil
	}
	id = strings.Clone(id)
	x := &Series{set: s, id: id, kind: kind, salt: s.hash.str(id)}
	s.all = append(s.all, x)
	return x
}

// Said is what the rules say of an event.
type Said uint8

const (
	// Hostile: it belongs to an open case of severity HIGH or above.
	Hostile Said = 1 << iota
	// LoginFailed: it is a request that was a login and failed.
	LoginFailed
)

// Observe counts an event that arrived at now, and of which the rules said what
// they said. It reports whether there is something in Closed.
func (x *Series) Observe(ev *sentinel.Event, now time.Time, said Said) bool {
	sec := now.Unix()
	x.heard = now
	if !ev.Time.IsZero() {
		sec = min(sec, ev.Time.Unix())
	}
	if now.Unix()/binSeconds < x.open-1 {
		x.setBack(sec / binSeconds)
	}
	switch at := sec / binSeconds; {
	case at < x.open-lateBins:
		x.set.late++
		return false
	case at > x.open:
		x.reach(at)
	}
	n := uint32(min(max(ev.Repeat, 1), 1<<16))
	b := &x.bin
	b.events += n
	if said&Hostile != 0 {
		b.hostile += n
	}
	if said&LoginFailed != 0 {
		b.auth += n
		x.has |= facetAuth
	}
	switch ev.Type {
	case sentinel.EventAuthFail:
		if counts(ev.AuthStep) {
			b.auth += n
		}
		x.has |= facetAuth
	case sentinel.EventAuthOK:
		x.has |= facetAuth
	}
	if x.site != nil || ev.User != "" && x.has&facetAuth != 0 {
		x.login(ev, sec, n)
	}
	var path uint64
	if ev.Type == sentinel.EventHTTPAccess {
		if b.web == nil {
			b.web = new(webBin)
			x.has |= facetWeb
		}
		path = x.set.hash.str(ev.HTTP.Path)
		b.web.add(&ev.HTTP, path, n)
	}
	if ev.SrcIP.IsValid() {
		x.address(ev, sec, path, n)
	}
	return len(x.set.out) > 0
}

// setBack begins anew at a bin that has been before: the clock was set back.
func (x *Series) setBack(at int64) {
	x.open, x.last, x.first = at, min(x.last, at), min(x.first, at)
	x.above, x.below, x.broken = [NumMetrics]bool{}, false, true
	x.bin.reset()
}

// counts reports whether a line stands for an attempt of its own: of the several
// lines about one, the server's word does.
func counts(step sentinel.AuthStep) bool {
	return step == sentinel.AuthStepNone || step == sentinel.AuthStepFailed
}

func (x *Series) address(ev *sentinel.Event, sec int64, path uint64, n uint32) {
	b := &x.bin
	if b.addrs == nil {
		b.addrs = new(addrBin)
		x.has |= facetAddr
	}
	hash := x.set.hash.addr(ev.SrcIP)
	b.addrs.events += n
	b.addrs.count(hash, n)
	// The rest is done once for each address in a bin.
	mine := keyed.Mix(hash^x.salt, 2*uint64(x.open)+1)
	place, tag := &x.set.recent[mine%recentPlaces], uint32(mine>>32)|1
	if *place == tag {
		return
	}
	*place = tag
	b.addrs.seen.add(hash)
	if !x.set.known.note(hash^x.salt, sec) {
		b.addrs.fresh += 1
		if b.web != nil && ev.Type == sentinel.EventHTTPAccess {
			b.web.visit(ev, path)
		}
	}
	if x.set.country != nil {
		if at := countryPlace(x.set.country(ev.SrcIP)); at >= 0 {
			if x.geo == nil {
				x.geo = &countries{day: x.dayOf(x.open)}
			}
			x.geo.visit(at)
		}
	}
}

// Advance ends the bins of sources that fell silent: what has been read of them
// reaches to now, as they are read as soon as they are written. Call it with the
// passing of time, each second or so.
func (s *SeriesSet) Advance(now time.Time) bool {
	slept := !s.ticked.IsZero() && now.Sub(s.ticked) > suspended
	s.ticked = now
	for _, x := range s.all {
		switch {
		case x.open == 0:
		case slept || x.heard.IsZero() || now.Before(x.heard):
			x.heard, x.broken = now, true
		case now.Sub(x.heard) >= quietAfter:
			if at := now.Add(-quietAfter).Unix() / binSeconds; at > x.open {
				x.reach(at)
			}
		}
	}
	return len(s.out) > 0
}

// reach ends the bins before at. Those without a line in between were silent,
// unless they are so many that the host was off.
func (x *Series) reach(at int64) {
	switch gap := at - x.open; {
	case x.open == 0:
		x.broken = true
		if x.first == 0 {
			x.first = at
		}
	case gap > maxQuiet:
		x.above, x.below, x.broken, x.hour = [NumMetrics]bool{}, false, true, hourly{}
	default:
		for ; x.open < at; x.open++ {
			x.end()
			x.auth = x.bin.auth
			x.bin.reset()
			x.broken = false
		}
	}
	x.open = at
	x.bin.reset()
	if x.geo != nil {
		x.geo.turn(x.dayOf(at))
	}
}

// Closed returns what bins that have ended since the last call brought. It is
// valid until the next one.
func (s *SeriesSet) Closed() []Closed {
	out := s.out
	s.out = s.out[:0]
	return out
}

func (x *Series) local(bin int64) time.Time {
	return time.Unix(bin*binSeconds, 0).In(x.set.cfg.Location)
}

// dayOf is the number of a bin's day in the zone of the hours.
func (x *Series) dayOf(bin int64) int64 {
	t := x.local(bin)
	_, off := t.Zone()
	return (t.Unix() + int64(off)) / 86400
}

// hourOfWeek is the bucket of a bin. An hour that daylight saving time repeats
// is the same bucket twice, one that it skips is missed once a year.
func (x *Series) hourOfWeek(bin int64) int {
	t := x.local(bin)
	return int(t.Weekday())*24 + t.Hour()
}

// weeks is how long the source has been watched.
func (x *Series) weeks() float64 { return float64(x.bins) / float64(binsAWeek) }

// reading is one metric of a bin beside what was expected.
type reading struct {
	metric         Metric
	x, y, m, v, z  float64
	compared, rise bool
}

// end judges and learns the open bin.
func (x *Series) end() {
	if x.geo != nil && x.hostile() {
		x.geo.spoiled++
	}
	if x.broken {
		x.hour = hourly{}
		return
	}
	hour := x.hourOfWeek(x.open)
	last := x.hour.add(x.bin.auth)
	vals := x.bin.values(x.has, x.geo, x.set.known.ready(x.open*binSeconds))
	if vals[AuthFail].ok {
		vals[AuthFailHour] = last
	}
	var read [NumMetrics]reading
	score := math.Inf(-1)
	for m := range NumMetrics {
		if !vals[m].ok {
			x.above[m] = false
			continue
		}
		r := &read[m]
		r.metric, r.x, r.y = m, vals[m].x, m.transform(vals[m].x)
		b := x.base[m]
		if b == nil {
			continue
		}
		var n int
		r.m, r.v, n = b.expect(hour, x.weeks())
		r.compared = n >= leastSamples
		r.z = deviation(r.y, r.m, r.v)
		r.rise = r.compared && r.z >= zTwice && r.x >= metrics[m].least
		if r.compared && r.x >= metrics[m].least {
			score = max(score, r.z)
		}
	}
	x.judge(&read, score, hour)
	x.learn(&read, &vals, hour)
	x.bins++
	x.closed().Learned = int(100 * x.Progress())
	x.set.dirty = true
	x.unsaved = true
}

// hostile reports whether a case of severity HIGH or above accounts for so much
// of the bin that it must not be learned.
func (x *Series) hostile() bool {
	return x.bin.hostile > 0 && x.bin.hostile*hostileOne >= x.bin.events
}

func (x *Series) learn(read *[NumMetrics]reading, vals *[NumMetrics]value, hour int) {
	x.turnWeek()
	if x.hostile() {
		return
	}
	for m := range NumMetrics {
		if !vals[m].ok {
			continue
		}
		r := &read[m]
		if x.base[m] == nil {
			x.base[m] = new(Baseline)
		}
		y := r.y
		if r.compared && x.bins >= int(binsADay) {
			y = winsorised(y, r.m, r.v)
		}
		x.base[m].Hours[hour].learn(y)
		x.weekly[m].Sum += r.y
		x.weekly[m].N++
		x.changed = append(x.changed, change{m, uint8(hour)})
	}
}

// turnWeek compares the weeks when one ends.
func (x *Series) turnWeek() {
	week := (x.open - x.first) / binsAWeek
	if week == x.week {
		return
	}
	x.week = week
	for m := range NumMetrics {
		w := &x.weekly[m]
		if w.N < int(binsAWeek)/2 {
			*w = weekly{}
			continue
		}
		mean := w.Sum / float64(w.N)
		if d := mean - w.Last; w.Had && math.Abs(d) > weekMoved && metrics[m].kind != kindRatio {
			x.notice(NoticeMoved, movedText(x.id, m, w.Last, mean))
		}
		*w = weekly{Last: mean, Had: true}
	}
}

func (x *Series) notice(kind, text string) {
	x.closed().Notices = append(x.closed().Notices, Notice{kind, text})
}

// closed is the entry of the source for the bin that ends.
func (x *Series) closed() *Closed {
	out := &x.set.out
	if n := len(*out); n == 0 || (*out)[n-1].Source != x.id {
		*out = append(*out, Closed{Source: x.id, SourceType: x.kind})
	}
	return &(*out)[len(*out)-1]
}
