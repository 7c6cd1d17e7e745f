package anomaly

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const (
	// A deviation counts if z is so high in two bins one after the other, or once.
	zTwice = 4
	zOnce  = 8
	// quietMean is how many lines a bin must have had usually for their absence
	// to be told.
	quietMean = 20
	// weekMoved is how far the mean of a week, in transformed values, may lie from
	// the week before: a factor of two for counts.
	weekMoved = 0.7
	// FloodAddrs are needed at one path for a distributed flood.
	FloodAddrs = 50
	// scoredAfter bins there is enough of a baseline for scores to be calibrated
	// with.
	scoredAfter = int(2 * binsADay)
)

// judge says what deviates in a bin.
func (x *Series) judge(read *[NumMetrics]reading, score float64, hour int) {
	var rises []*reading
	for m := range NumMetrics {
		r := &read[m]
		if r.rise && (x.above[m] || r.z >= zOnce) {
			rises = append(rises, r)
		}
		x.above[m] = r.rise
	}
	x.hush(&read[Requests])
	if x.bins >= scoredAfter && !x.hostile() {
		defer x.scores.Add(max(score, 0)) // after it was compared
	}
	// What rules have told of is not told again.
	if len(rises) == 0 || x.Learning() || 2*x.bin.hostile >= max(x.bin.events, 1) {
		return
	}
	slices.SortFunc(rises, func(a, b *reading) int { return cmp.Compare(b.z, a.z) })
	end := time.Unix((x.open+1)*binSeconds, 0).UTC()
	a := &sentinel.Anomaly{
		Time: end, Source: x.id, SourceType: x.kind, Window: BinLength,
		A: AOf(x.rarity(rises[0].z), x.set.cfg.Sensitivity.AlertsPerDay(), float64(binsADay)),
	}
	for _, r := range rises[:min(len(rises), sentinel.MaxReasons)] {
		a.Reasons = append(a.Reasons, x.reason(r, hour))
	}
	x.deviated = x.open
	x.closed().Anomaly = a
	x.flood(read, rises, end)
}

// unseen is the rarity, among so many times the scores so far, of one beyond all
// of them, where too few are above 0 to fit a tail to.
const unseen = 10

// rarity is how rare a score is in the source.
func (x *Series) rarity(score float64) float64 {
	p := x.scores.P(score)
	if n := float64(x.scores.Count()); n >= float64(binsAWeek/2) && score > x.scores.Quantile(1) && len(x.scores.tail) < leastTail {
		p = min(p, 1/(unseen*n))
	}
	return p
}

// hush tells once when a log that always had lines falls silent.
func (x *Series) hush(r *reading) {
	low := r.compared && r.z < -zTwice && r.metric.undo(r.m) >= quietMean
	if low && x.below && !x.quiet && !x.Learning() {
		x.quiet = true
		x.notice(NoticeQuiet, fmt.Sprintf("%s fell quiet: %s lines in five minutes, usual at %s are %s", x.id,
			r.metric.format(r.x), hourText(x.hourOfWeek(x.open)), r.usual()))
	}
	if r.compared && r.z > -2 {
		x.quiet = false
	}
	x.below = low
}

// flood: a crowd that nobody has seen before comes to one path.
func (x *Series) flood(read *[NumMetrics]reading, rises []*reading, end time.Time) {
	deviates := func(m Metric) bool {
		return slices.ContainsFunc(rises, func(r *reading) bool { return r.metric == m })
	}
	if x.bin.web == nil || !deviates(Requests) || !deviates(UniqueIPs) {
		return
	}
	if path, n := x.bin.web.crowd(); n >= FloodAddrs {
		r := &read[Requests]
		x.closed().Flood = &Flood{Time: end, Sample: x.bin.web.sample(), Path: path, Addrs: n, Rate: r.x, Usual: r.metric.undo(r.m)}
	}
}

// usual is the range within which most bins lie.
func (r *reading) usual() string { return usual(r.metric, r.m, r.v) }

func usual(m Metric, mean, variance float64) string {
	reach := 2 * math.Sqrt(variance)
	return m.Format(m.undo(mean-reach), m.undo(mean+reach))
}

// reason is a deviation in words: "requests 412/5 min, usual at Tue 03h: 20-60
// (z 6.1)".
func (x *Series) reason(r *reading, hour int) string {
	what := metrics[r.metric].words
	value := r.metric.format(r.x)
	switch {
	case r.metric == Requests && x.has&facetWeb == 0:
		what = "lines"
		fallthrough
	case metrics[r.metric].kind == kindCount || metrics[r.metric].kind == kindBytes:
		value += "/5 min"
	case metrics[r.metric].kind == kindHour:
		value += "/h"
	}
	if r.metric == GeoDivergence && x.geo != nil {
		if name, now, before := x.geo.strangest(); name != "" {
			return fmt.Sprintf("%.0f %% of today's addresses are of %s, usual are %.0f %% (z %.1f)", 100*now, name, 100*before, r.z)
		}
	}
	return fmt.Sprintf("%s %s, usual at %s: %s (z %.1f)", what, value, hourText(hour), r.usual(), r.z)
}

// hourText names an hour of the week: "Tue 03h".
func hourText(hour int) string {
	return fmt.Sprintf("%s %02dh", time.Weekday(hour / 24).String()[:3], hour%24)
}

func movedText(source string, m Metric, before, now float64) string {
	word := "risen"
	if now < before {
		word = "fallen"
	}
	return fmt.Sprintf("%s: what is usual of %s has %s within a week, from about %s to %s in five minutes; if that is not you, see what was learned (sentinelctl ai baselines) and forget it (sentinelctl ai forget)",
		source, metrics[m].words, word, m.format(m.undo(before)), m.format(m.undo(now)))
}

// Learning reports whether it is still being learned what is usual: the learning
// period has not passed, or too few bins were seen within it.
func (x *Series) Learning() bool { return x.Progress() < 1 }

// Progress is how far learning has come, 0 to 1.
func (x *Series) Progress() float64 {
	period := max(int64(x.set.cfg.Learning/time.Second)/binSeconds, 1)
	need := min(learnedBins, learnedBins*period/binsAWeek)
	seen := float64(x.bins) / float64(max(need, 1))
	if x.first == 0 {
		return 0
	}
	age := float64(max(x.open, x.last)-x.first) / float64(period)
	return min(seen, age, 1)
}

// Above reports whether more than factor times as many logins fail as usual: in
// the open bin or the one before, or for windows of an hour or more in the hour
// that ended with the last bin. ok is false while that is not known.
func (x *Series) Above(factor float64, window time.Duration) (above, ok bool) {
	metric, failed := AuthFail, float64(max(x.auth, x.bin.auth))
	if window >= time.Hour {
		metric, failed = AuthFailHour, x.hour.sum()
	}
	b := x.base[metric]
	if b == nil || x.Learning() {
		return false, false
	}
	mean, _, n := b.expect(x.hourOfWeek(x.open), x.weeks())
	if n < leastSamples {
		return false, false
	}
	return failed > factor*max(metric.undo(mean), 1), true
}
