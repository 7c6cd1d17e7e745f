package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/models"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

const learningPeriod = 7 * 24 * time.Hour

// unusual measures what the anomaly stage costs an event, and the memory it takes
// with so many addresses at once.
func unusual(b *bench) ([]row, error) {
	lines, err := b.sampleLines("nginx", 200_000)
	if err != nil {
		return nil, err
	}
	shipped, problems := rules.Load()
	set, more := rule.Compile(shipped)
	if err := faultOf(append(problems, more...)); err != nil {
		return nil, err
	}
	without, err := passTime(set, lines, false)
	if err != nil {
		return nil, err
	}
	with, err := passTime(set, lines, true)
	if err != nil {
		return nil, err
	}
	cost := (with - without) / float64(len(lines)) * 1e6

	const addresses = 100_000
	size := func(on bool) (float64, error) {
		before := heap()
		e, src, err := watching(set, on)
		if err != nil {
			return 0, err
		}
		r, buf := random(9), make([]byte, 0, 256)
		for i := range 3 * addresses {
			n := uint32(i%addresses) + 1<<28
			buf = fmt.Appendf(buf[:0], `%s - - [%s] "GET /page/%d HTTP/1.1" 200 512 "-" "%s"`, v4(n*3+7), first.Format("02/Jan/2006:15:04:05 -0700"), r.IntN(500), browsers[i%len(browsers)])
			e.Line(src, string(buf), first, first)
		}
		after := heap()
		runtime.KeepAlive(e)
		return float64(after) - float64(before), nil
	}
	bare, err := size(false)
	if err != nil {
		return nil, err
	}
	full, err := size(true)
	if err != nil {
		return nil, err
	}
	taken := full - bare
	return []row{
		{figure: "anomaly stage, an event", target: "≤ 2 µs", measured: fmt.Sprintf("%.2f µs", cost), reached: verdict(cost <= 2)},
		{figure: "anomaly stage, 100,000 active addresses", target: "≤ 20 MB", measured: fmt.Sprintf("%.1f MB", taken/1e6), reached: verdict(taken <= 20e6)},
	}, nil
}

// watching returns an engine with or without the anomaly stage, and a source.
func watching(set *rule.Set, on bool) (*engine.Engine, *engine.Source, error) {
	typ, err := parse.ParseType("nginx")
	if err != nil {
		return nil, nil, err
	}
	e := engine.New(engine.Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
	if on {
		model, err := models.Forest()
		if err != nil {
			return nil, nil, err
		}
		e.WatchClients(anomaly.New(anomaly.Config{Model: model, Learning: learningPeriod, Sensitivity: anomaly.SensitivityMedium}))
		e.WatchSeries(anomaly.NewSeries(anomaly.SeriesConfig{Location: time.UTC, Learning: learningPeriod, Sensitivity: anomaly.SensitivityMedium}))
	}
	return e, e.NewSource("nginx", parse.Config{Type: typ}), nil
}

// passTime returns the processor time in seconds for all lines, the median of
// three passes.
func passTime(set *rule.Set, lines []string, on bool) (float64, error) {
	var took []float64
	for range 3 {
		e, src, err := watching(set, on)
		if err != nil {
			return 0, err
		}
		start := processorTime()
		for _, l := range lines {
			e.Replay(src, l, first.Add(span))
		}
		took = append(took, (processorTime() - start).Seconds())
	}
	return median(took), nil
}
