package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

// parseType is the source type of a kind of log.
func parseType(kind string) string {
	if kind == "sshd" {
		return "ssh"
	}
	return kind
}

// replay runs sentinelctl over a log and takes the median.
func (b *bench) replay(kind string, target float64) ([]row, error) {
	path, err := b.replayLog(kind)
	if err != nil {
		return nil, err
	}
	const runs = 3
	var reading, all, wall []float64
	for range runs {
		cmd := exec.Command(filepath.Join(b.bin, "sentinelctl"), "ai", "analyze", "--format", "json", path)
		cmd.Env = environment(1)
		cmd.Stderr = os.Stderr
		start := time.Now()
		out, err := cmd.Output()
		took := time.Since(start)
		// 1 says that threats were found.
		if err != nil && cmd.ProcessState.ExitCode() != 1 {
			return nil, fmt.Errorf("running %s: %w", cmd, err)
		}
		var report struct {
			Lines int     `json:"lines"`
			CPU   float64 `json:"cpu_seconds"`
		}
		if err := json.Unmarshal(out, &report); err != nil {
			return nil, fmt.Errorf("reading what %s says: %w", cmd, err)
		}
		if report.Lines != b.lines() || report.CPU <= 0 {
			return nil, fmt.Errorf("%d of %d lines were read", report.Lines, b.lines())
		}
		reading = append(reading, report.CPU)
		all = append(all, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
		wall = append(wall, took.Seconds())
	}
	n := float64(b.lines())
	c := n / median(reading)
	return []row{{
		figure: "replay, " + kind + " log, all rules",
		target: "≥ " + count(target) + " lines/s",
		measured: fmt.Sprintf("%s lines/s (start and report included %s, wall %s)", count(c), count(n/median(all)),
			count(n/median(wall))),
		reached: verdict(c >= target),
	}}, nil
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// daemon lets an agent read a log that is there already, with its database and
// a real firewall.
func (b *bench) daemon(kind string) ([]row, error) {
	log := filepath.Join(b.dir, "daemon-"+kind+".log")
	dir, err := b.agentDir("daemon-"+kind, source{log, parseType(kind)})
	if err != nil {
		return nil, err
	}
	ready, err := b.recentLog("daemon-"+kind+".ready", kind)
	if err != nil {
		return nil, err
	}
	a, err := b.start(dir, 1)
	if err != nil {
		return nil, err
	}
	defer a.stop()
	before, err := a.cpu()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := os.Rename(ready, log); err != nil {
		return nil, err
	}
	if err := a.read(b.lines(), 2*time.Minute); err != nil {
		return nil, err
	}
	took := time.Since(start)
	after, err := a.cpu()
	if err != nil {
		return nil, err
	}
	s, err := a.status()
	if err != nil {
		return nil, err
	}
	if s.Blocks == 0 {
		return nil, fmt.Errorf("the attackers in the log are not blocked")
	}
	const target = 250_000
	c := float64(b.lines()) / (after - before).Seconds()
	return []row{{
		figure: "daemon, " + kind + " log, store and firewall included",
		target: "≥ " + count(float64(target)) + " lines/s",
		measured: fmt.Sprintf("%s lines/s (wall: %s; %s blocks)", count(c), count(float64(b.lines())/took.Seconds()),
			count(s.Blocks)),
		reached: verdict(c >= target),
	}}, nil
}

// allocations counts the objects that the engine makes for harmless lines.
func allocations(b *bench) ([]row, error) {
	all, problems := rules.Load()
	set, more := rule.Compile(all)
	if err := faultOf(append(problems, more...)); err != nil {
		return nil, err
	}
	rows := make([]row, 0, 2)
	for _, kind := range []string{"sshd", "nginx"} {
		path, err := b.replayLog(kind)
		if err != nil {
			return nil, err
		}
		e := engine.New(engine.Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
		typ, err := parse.ParseType(parseType(kind))
		if err != nil {
			return nil, err
		}
		src := e.NewSource(path, parse.Config{Type: typ})
		now := first.Add(time.Minute)
		lines, err := harmless(path, e, src, now)
		if err != nil {
			return nil, err
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, l := range lines {
			e.Line(src, l, now, now)
		}
		runtime.ReadMemStats(&after)
		n := float64(after.Mallocs-before.Mallocs) / float64(len(lines))
		rows = append(rows, row{
			figure:   "allocations for a line that matches nothing, " + kind,
			target:   "0",
			measured: fmt.Sprintf("%.4g (%s lines)", n, count(len(lines))),
			reached:  verdict(n < 0.001), // the runtime itself makes some
		})
	}
	return rows, nil
}

// harmless returns lines of a log that match no rule, up to 50,000.
func harmless(path string, e *engine.Engine, src *engine.Source, now time.Time) (out []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan() && len(out) < 50_000; {
		text := sc.Text()
		if st := e.Line(src, text, now, now); st.Parsed && len(st.Matches) == 0 {
			out = append(out, text)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("every line of %s matches a rule", path)
	}
	return out, nil
}
