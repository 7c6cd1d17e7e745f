package engine

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// series are the sources as a whole: what they do in five minutes against what
// is usual there.
type series struct {
	set *anomaly.SeriesSet // nil: off
	// fired is when a rule whose detector is a series fired last, by rule and
	// source; told hears of each time.
	fired map[string]time.Time
	told  func(rule int32)
}

// Series returns what watches sources as a whole, nil if nothing does.
func (e *Engine) Series() *anomaly.SeriesSet { return e.series.set }

// WatchSeries puts another set in force, nil for none; sources made before take
// part too.
func (e *Engine) WatchSeries(set *anomaly.SeriesSet) {
	e.series = series{set: set, told: e.series.told}
	if set != nil && e.locate != nil {
		set.LocateBy(func(a netip.Addr) string { return e.locate(a).Country })
	}
}

// OnSeriesFire says who hears of each time that a rule fires whose detector
// watches sources as a whole: it is in no Step.
func (e *Engine) OnSeriesFire(told func(rule int32)) { e.series.told = told }

// observe counts an event into its source's series.
func (e *Engine) observe(src *Source, st *Step, now time.Time) {
	if src.watched != e.series.set {
		src.watched = e.series.set
		if src.series = src.watched.Source(src.id, src.kind); src.series != nil && e.decider != nil {
			e.decider.Learning(src.id, int(100*src.series.Progress()))
		}
	}
	if src.series == nil {
		return
	}
	var said anomaly.Said
	for i := range st.Results {
		if r := &st.Results[i]; (r.Fired || r.Silent) && e.set.Rule(int(r.Rule)).Severity >= sentinel.High {
			said |= anomaly.Hostile
		}
	}
	if st.Event.Type == sentinel.EventHTTPAccess && e.failedLogin(st.Matches) {
		said |= anomaly.LoginFailed
	}
	if src.series.Observe(st.Event, now, said) {
		st.Effects.Merge(e.deviations(now))
	}
}

// failedLogin reports whether one of the matches says that a request was a login
// that failed.
func (e *Engine) failedLogin(matches []rule.Match) bool {
	for i := range matches {
		if r := e.set.Rule(int(matches[i].Rule)); r.Type == "brute_force" && r.Aggregation != nil && !r.Ambient() {
			return true
		}
	}
	return false
}

// unusualOnly lets rules that fire only above what is usual (above_usual) be
// silent where it is not known that there is more. Tests inside rules have no
// usual days: there it is taken for granted.
func (e *Engine) unusualOnly(src *Source, results []detect.Result) {
	for i := range results {
		r := &results[i]
		if !r.Fired && !r.Silent {
			continue
		}
		a := e.set.Rule(int(r.Rule)).Aggregation
		if a == nil || a.AboveUsual == 0 || e.decider == nil {
			continue
		}
		above := false
		if src.series != nil && src.watched == e.series.set {
			above, _ = src.series.Above(float64(a.AboveUsual), a.Window)
		}
		if !above {
			r.Fired, r.Silent, r.Detection = false, false, nil
		}
	}
}

// deviations hands what bins that ended brought to the decider.
func (e *Engine) deviations(now time.Time) (fx decide.Effects) {
	closed := e.series.set.Closed()
	if e.decider == nil {
		return fx
	}
	for i := range closed {
		c := &closed[i]
		e.decider.Learning(c.Source, c.Learned)
		if c.Anomaly != nil {
			fx.Merge(e.decider.Anomaly(now, c.Anomaly))
		}
		if f := c.Flood; f != nil {
			text := fmt.Sprintf("%d new addresses asked for %s within five minutes, and there were %.0f requests where %.0f are usual. Slow this path down in the web server (limit_req in nginx, mod_qos in Apache) or in front of it.",
				f.Addrs, f.Path, f.Rate, f.Usual)
			fx.Merge(e.fire(rule.DetectorFloodDist, c, finding{f.Time, f.Addrs, anomaly.FloodAddrs, anomaly.BinLength, text, f.Sample}, now))
		}
		if d := c.Dist; d != nil {
			fx.Merge(e.fire(rule.DetectorSiteDist, c, finding{d.Time, d.Failed, 0, d.Time.Sub(d.Since), distText(d), d.Sample}, now))
		}
		for _, n := range c.Notices {
			fx.Alarms = append(fx.Alarms, decide.Alarm{Time: now, Kind: decide.AlarmKind(n.Kind), Text: n.Text})
		}
	}
	return fx
}

func distText(d *anomaly.SiteDist) string {
	var list []string
	for _, a := range d.Addrs {
		list = append(list, a.String())
	}
	if d.Count > len(list) {
		list = append(list, "...")
	}
	text := fmt.Sprintf("%d of %d logins of people who got in within the last week failed since %s UTC; %.0f %% is usual.",
		d.Failed, d.Attempts, d.Since.Format("Jan 2 15:04"), 100*d.Usual)
	if d.Count > 0 {
		text += fmt.Sprintf(" Addresses that tried for the first time and never got in: %d (%s).", d.Count, strings.Join(list, ", "))
	}
	return text
}

// finding is what a series found: count of something within window, where need
// were needed (0: that is no number).
type finding struct {
	at           time.Time
	count, need  int
	window       time.Duration
	text, sample string
}

// fire makes the detections of the rules that a series decides.
func (e *Engine) fire(detector string, c *anomaly.Closed, f finding, now time.Time) (fx decide.Effects) {
	for _, i := range e.set.ByDetector(detector) {
		r := e.set.Rule(int(i))
		id := r.ID + " " + c.Source
		if last, ok := e.series.fired[id]; ok && f.at.Sub(last) < r.Cooldown {
			continue
		}
		if e.series.fired == nil {
			e.series.fired = make(map[string]time.Time)
		}
		e.series.fired[id] = f.at // bounded by rules and anomaly.MaxSources
		e.stats.Firings++
		if e.series.told != nil {
			e.series.told(i)
		}
		fx.Merge(e.decider.Detect(now, &sentinel.Detection{
			Time: f.at, RuleID: r.ID, RuleName: r.Name, Type: r.Type, Group: r.Group, Basis: r.Basis, Description: f.text,
			Severity: r.Severity, Confidence: r.Confidence, Written: r.Written, Advisory: r.Advisory, Deterministic: r.Deterministic,
			NoBlock: true, // there is nobody to block
			Tags:    r.Tags, Key: "source=" + c.Source, Source: c.Source, SourceType: c.SourceType,
			Count: f.count, Threshold: f.need, Window: f.window, Sample: f.sample,
		}))
	}
	return fx
}
