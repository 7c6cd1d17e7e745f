package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

// ruleCounts are the sizes of the rule sets whose speed is compared.
var ruleCounts = []int{100, 300, 1000, 3000}

// scaling shows what more rules cost: the same log by sets of some of the shipped
// rules, or all of them and generated ones besides.
func scaling(b *bench) ([]row, error) {
	shipped, problems := rules.Load()
	if err := faultOf(problems); err != nil {
		return nil, err
	}
	lines, err := b.sampleLines("nginx", 200_000)
	if err != nil {
		return nil, err
	}
	var out []row
	for _, n := range ruleCounts {
		chosen, err := ruleSet(shipped, n)
		if err != nil {
			return nil, err
		}
		speed, size, err := setSpeed(chosen, "nginx", lines)
		if err != nil {
			return nil, err
		}
		r := row{
			figure:   fmt.Sprintf("nginx log with %s rules", count(n)),
			measured: fmt.Sprintf("%s lines/s (%.1f MB of literals and rules)", count(speed), float64(size)/1e6),
		}
		if n >= 300 {
			r.target, r.reached = "≥ 500,000 lines/s", verdict(speed >= 500_000)
		}
		out = append(out, r)
	}
	return out, nil
}

// ruleSet returns n rules: a fixed choice of the shipped ones, and generated ones
// when these are not enough.
func ruleSet(shipped []*rule.Rule, n int) ([]*rule.Rule, error) {
	r := random(7)
	out := slices.Clone(shipped)
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	if n <= len(out) {
		// A sequence may name a rule that is not chosen.
		slices.SortStableFunc(out, func(a, b *rule.Rule) int { return steps(a) - steps(b) })
		return out[:n], nil
	}
	var text strings.Builder
	for i := len(out); i < n; i++ {
		generatedRule(&text, r, i)
	}
	more, problems := rule.ParseFile("generated.yml", []byte(text.String()))
	if err := faultOf(problems); err != nil {
		return nil, err
	}
	return append(out, more...), nil
}

// steps is how many steps the sequence of a rule has.
func steps(r *rule.Rule) int {
	if r.Sequence == nil {
		return 0
	}
	return len(r.Sequence.Steps)
}

// withSigma shows what rules of others cost beside the shipped ones.
func withSigma(b *bench) ([]row, error) {
	if _, err := os.Stat(b.sigma); err != nil {
		return []row{{figure: "with rules in Sigma's format", measured: "not measured: there are none in " + b.sigma}}, nil
	}
	var out []row
	for _, kind := range []string{"nginx", "sshd"} {
		lines, err := b.sampleLines(kind, 200_000)
		if err != nil {
			return nil, err
		}
		var speed [2]float64
		var loaded int
		for i, folder := range []string{"/nonexistent", b.sigma} {
			cfg := config.Default()
			cfg.Detection.Rules.CustomDir = folder
			rs, err := setup.LoadRules(cfg, setup.Options{Now: first})
			if err != nil {
				return nil, err
			}
			if speed[i], err = speedOf(rs.Set, kind, lines); err != nil {
				return nil, err
			}
			loaded = rs.Set.Len() - loaded
		}
		slower := 100 * (1 - speed[1]/speed[0])
		out = append(out, row{
			figure: fmt.Sprintf("%s log with %d rules in Sigma's format besides", kind, loaded), target: "≤ 20 % slower",
			measured: fmt.Sprintf("%.1f %% slower (%s, without %s lines/s)", slower, count(speed[1]), count(speed[0])),
			reached:  verdict(slower <= 20),
		})
	}
	return out, nil
}

var (
	folders   = []string{"cgi-bin", "api", "admin", "wp-content/plugins", "portal", "remote", "vpn", "manager", "console", "rest", "service"}
	syllables = []string{"ka", "lo", "mi", "ter", "vus", "ran", "dex", "qui", "zor", "pel", "gat", "hyn", "ost", "wey"}
)

// generatedRule writes a rule of the kind that lists of known holes consist of: a
// path, a path with a parameter, or the name of a tool.
func generatedRule(w *strings.Builder, r *rand.Rand, i int) {
	word := func() string {
		s := ""
		for range 3 + r.IntN(2) {
			s += pick(r, syllables)
		}
		return s
	}
	fmt.Fprintf(w, "---\nid: GEN_%05d\nname: Generated %d\nseverity: MEDIUM\ntype: vuln_probe\nlog_source: web\nconditions:\n", i, i)
	switch k := r.IntN(10); {
	case k < 6:
		fmt.Fprintf(w, "  {field: http.path|canon, contains: [/%s/%s, /%s.php]}\n", pick(r, folders), word(), word())
	case k < 9:
		fmt.Fprintf(w, "  {field: http.target|canon, pattern: '/%s/%s\\.[a-z]{2,4}\\?(?:[a-z]{1,8}=[^&]{0,40}&)?%s='}\n", pick(r, folders), word(), word())
	default:
		fmt.Fprintf(w, "  {field: http.ua, contains: [%s/]}\n", word())
	}
}

func faultOf(problems []rule.Problem) error {
	for _, p := range problems {
		if !p.Warning {
			return p
		}
	}
	return nil
}

// sampleLines returns the first n lines of a log that is the same each time.
func (b *bench) sampleLines(kind string, n int) (out []string, err error) {
	path, err := b.replayLog(kind)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() && len(out) < n {
		out = append(out, sc.Text())
	}
	return out, sc.Err()
}

// setSpeed returns how many lines of a kind of log rules judge in a second of
// processor time, and how many bytes they take when compiled.
func setSpeed(list []*rule.Rule, kind string, lines []string) (speed float64, size uint64, err error) {
	before := heap()
	set, problems := rule.Compile(list)
	if err := faultOf(problems); err != nil {
		return 0, 0, err
	}
	size = heap() - before
	speed, err = speedOf(set, kind, lines)
	return speed, size, err
}

// speedOf is the speed of a rule set, the median of three passes of new engines.
func speedOf(set *rule.Set, kind string, lines []string) (float64, error) {
	typ, err := parse.ParseType(parseType(kind))
	if err != nil {
		return 0, err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var took []float64
	for range 3 {
		e := engine.New(engine.Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
		src := e.NewSource(kind, parse.Config{Type: typ})
		start := processorTime()
		for _, l := range lines {
			e.Replay(src, l, first.Add(span))
		}
		took = append(took, (processorTime() - start).Seconds())
	}
	return float64(len(lines)) / median(took), nil
}

// heap returns the bytes of live objects.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// processorTime returns the time that this process has had.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for a bad argument only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
