package ctl

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"syscall"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// Bounds of what an analysis remembers; a log may hold any number of attackers.
const (
	maxThreats = 200_000
	maxShapes  = 2_000
	// shapeAll is how many lines that were not understood are grouped one by
	// one; of those after it, one in shapeStep.
	shapeAll  = 50_000
	shapeStep = 16
	shapesTop = 10
)

// report is what "ai analyze" found, as it is written for programs.
type report struct {
	Files    []fileReport       `json:"files"`
	Lines    uint64             `json:"lines"`
	Parsed   uint64             `json:"parsed"`
	Unparsed uint64             `json:"unparsed"`
	Shapes   []shapeReport      `json:"unparsed_shapes"`
	Threats  []*sentinel.Threat `json:"threats"`
	// BySeverity counts the threats; LeftOut are those beyond the most that are
	// kept, which it does not count.
	BySeverity map[string]int         `json:"by_severity"`
	LeftOut    int                    `json:"threats_left_out,omitempty"`
	Attackers  []attackerReport       `json:"attackers"`
	Blocks     []sentinel.BlockRecord `json:"would_block"`
	Alarms     []alarmReport          `json:"alarms"`
	Policy     string                 `json:"policy"`
	Rules      int                    `json:"rules"`
	Errors     []string               `json:"errors"`
	Elapsed    float64                `json:"elapsed_seconds"`
	CPU        float64                `json:"cpu_seconds"`
	Speed      float64                `json:"lines_per_second"`

	threats map[string]*sentinel.Threat
	blocks  map[string]sentinel.BlockRecord
	left    map[string]struct{}
	shapes  map[string]*shapeReport
	shaped  uint64
	other   uint64 // lines of shapes that were not kept
}

// fileReport is what was in one file.
type fileReport struct {
	Name     string    `json:"file"`
	Lines    uint64    `json:"lines"`
	Blank    uint64    `json:"blank,omitempty"`
	Unparsed uint64    `json:"unparsed"`
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
	Error    string    `json:"error,omitempty"`
}

// shapeReport is a group of lines that were not understood.
type shapeReport struct {
	Shape  string `json:"shape"`
	Sample string `json:"sample"`
	// Count is estimated if there are very many.
	Count uint64 `json:"count"`
}

// attackerReport sums up the threats of one attacker.
type attackerReport struct {
	Attacker string `json:"attacker"`
	// Country and Network say where it is, as far as a database knows.
	Country string            `json:"country,omitempty"`
	Network string            `json:"network,omitempty"`
	Threats int               `json:"threats"`
	Events  int               `json:"events"`
	Worst   sentinel.Severity `json:"severity"`
	Types   []string          `json:"types"`
	Blocked bool              `json:"would_block"`
}

// alarmReport is what the agent would have raised an alarm for.
type alarmReport struct {
	Time time.Time `json:"time"`
	Kind string    `json:"kind"`
	Text string    `json:"text"`
}

func (r *report) init(cfg *config.Config) {
	r.threats, r.blocks = map[string]*sentinel.Threat{}, map[string]sentinel.BlockRecord{}
	r.left, r.shapes = map[string]struct{}{}, map[string]*shapeReport{}
	if r.Policy = cfg.File(); r.Policy == "" {
		r.Policy = "built-in defaults"
	}
}

// maxAlarms bounds the alarms of a report.
const maxAlarms = 1000

// effects keeps the newest state of threats and blocks.
func (r *report) effects(fx decide.Effects) {
	for i := range fx.Threats {
		t := &fx.Threats[i]
		// Copies, since a pointer would keep all of fx.Threats.
		if old := r.threats[t.ID]; old != nil {
			*old = *t
		} else if len(r.threats) < maxThreats {
			t := *t
			r.threats[t.ID] = &t
		} else if len(r.left) < maxThreats {
			r.left[t.ID] = struct{}{}
		}
	}
	for i := range fx.Blocks {
		if b := fx.Blocks[i].Record(); len(r.blocks) < maxThreats {
			r.blocks[b.ID] = b
		}
	}
	for _, al := range fx.Alarms {
		if len(r.Alarms) < maxAlarms {
			r.Alarms = append(r.Alarms, alarmReport{al.Time, string(al.Kind), al.Text})
		}
	}
}

// unparsed groups a line that was not understood.
func (r *report) unparsed(line string) {
	weight := uint64(1)
	if r.shaped++; r.shaped > shapeAll {
		if r.shaped%shapeStep != 0 {
			return
		}
		weight = shapeStep
	}
	shape := parse.Shape(line)
	if s := r.shapes[shape]; s != nil {
		s.Count += weight
	} else if len(r.shapes) < maxShapes {
		r.shapes[shape] = &shapeReport{Shape: shape, Sample: line[:min(len(line), 300)], Count: weight}
	} else {
		r.other += weight
	}
}

// finish puts everything in order.
func (r *report) finish(x *analysis, streams []*stream, begin usage) {
	for _, s := range streams {
		r.Files = append(r.Files, s.file)
		r.Lines += s.file.Lines
		r.Unparsed += s.file.Unparsed
	}
	r.Parsed = r.Lines - r.Unparsed
	r.Rules = x.engine.Set().Len()
	r.LeftOut = len(r.left)
	r.Threats = slices.SortedFunc(maps.Values(r.threats), func(a, b *sentinel.Threat) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	r.Blocks = slices.SortedFunc(maps.Values(r.blocks), func(a, b sentinel.BlockRecord) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	r.BySeverity = map[string]int{}
	for _, t := range r.Threats {
		r.BySeverity[t.Severity.String()]++
	}
	r.attackers()
	r.Shapes = slices.SortedFunc(func(yield func(shapeReport) bool) {
		for _, s := range r.shapes {
			if !yield(*s) {
				return
			}
		}
	}, func(a, b shapeReport) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Shape, b.Shape))
	})
	r.Shapes = r.Shapes[:min(len(r.Shapes), shapesTop)]
	r.Elapsed, r.CPU = begin.since()
	if r.Elapsed > 0 {
		r.Speed = float64(int(float64(r.Lines) / r.Elapsed))
	}
	// Lists are lists for programs, also where they are empty.
	r.Files, r.Threats, r.Blocks = orEmpty(r.Files), orEmpty(r.Threats), orEmpty(r.Blocks)
	r.Shapes, r.Alarms, r.Errors, r.Attackers = orEmpty(r.Shapes), orEmpty(r.Alarms), orEmpty(r.Errors), orEmpty(r.Attackers)
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// attackers sums the threats up by who they are about.
func (r *report) attackers() {
	by := map[string]*attackerReport{}
	blocked := map[netip.Prefix]bool{}
	for i := range r.Blocks {
		blocked[r.Blocks[i].Prefix] = true
	}
	for i := range r.Threats {
		t := r.Threats[i]
		if !t.Scope.IsValid() && !t.AttackerIP.IsValid() {
			continue // about an account, not about somebody who can be named
		}
		name := attacker(t)
		x := by[name]
		if x == nil {
			x = &attackerReport{Attacker: name, Country: t.AttackerGeo, Network: t.AttackerNetwork}
			by[name] = x
		}
		x.Threats++
		x.Events += t.EventCount
		x.Worst = max(x.Worst, t.Severity)
		if len(x.Types) < 16 && !slices.Contains(x.Types, t.Type) {
			x.Types = append(x.Types, t.Type)
		}
		x.Blocked = x.Blocked || blocked[t.Scope] || blocked[sentinel.Entity(t.AttackerIP)]
	}
	for _, x := range by {
		r.Attackers = append(r.Attackers, *x)
	}
	slices.SortFunc(r.Attackers, func(a, b attackerReport) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(b.Worst, a.Worst), cmp.Compare(a.Attacker, b.Attacker))
	})
	r.Attackers = r.Attackers[:min(len(r.Attackers), 1000)]
}

// usage is what a piece of work began with.
type usage struct {
	wall time.Time
	cpu  time.Duration
}

func startUsage() usage { return usage{time.Now(), cpuTime()} }

// since returns the seconds that have passed, and those of all processors used.
func (u usage) since() (elapsed, cpu float64) {
	round := func(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
	return round(time.Since(u.wall)), round(cpuTime() - u.cpu)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
