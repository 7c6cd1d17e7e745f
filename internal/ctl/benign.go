package ctl

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// benignLines are an ordinary hour of a host: visitors of a web site, logins of
// its people, jobs, mail. A line "### NAME" begins another log.
//
//go:embed benign.log
var benignLines string

// Of the lines that a rule looks at, it matches nearly all if it matches so many.
const (
	nearlyAll   = 0.8
	fewestLines = 20
)

// benignRun counts what rules say of harmless lines.
type benignRun struct {
	engine *engine.Engine
	set    *rule.Set
	lines  int
	// of each rule: firings, matches and the first line that it fired for, and the
	// lines of its log sources.
	fired, matched, seen []int
	first                []string
	types                [][]sentinel.SourceType
}

func newBenignRun(set *rule.Set) *benignRun {
	n := set.Len()
	b := &benignRun{
		engine: engine.New(engine.Config{Set: set, Detect: detect.DefaultConfig(), DetectOnly: true}), set: set,
		fired: make([]int, n), matched: make([]int, n), seen: make([]int, n), first: make([]string, n),
	}
	for i := range n {
		b.types = append(b.types, set.Rule(i).LogSource.Types())
	}
	return b
}

// own feeds the lines that are built in.
func (b *benignRun) own() error {
	for part := range strings.SplitSeq(strings.TrimPrefix(benignLines, "### "), "\n### ") {
		head, text, _ := strings.Cut(part, "\n")
		if err := b.feed(head, strings.NewReader(text)); err != nil {
			return err
		}
	}
	return nil
}

// feed takes in a log; its type is guessed by its first lines.
func (b *benignRun) feed(name string, r io.Reader) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 64<<10), 1<<20)
	var head []string
	var src *engine.Source
	now := time.Time{}
	line := func(text string) {
		step := b.engine.Line(src, text, now, now)
		b.note(step, text)
	}
	start := func() {
		pc := parse.Config{Type: parse.Guess(head), TrustedProxies: config.DefaultSource().TrustedProxies}
		src = b.engine.NewSource(name, pc)
		now = lastTime(pc, head)
		for _, text := range head {
			line(text)
		}
	}
	for sc.Scan() {
		text := strings.TrimRight(sc.Text(), "\r")
		switch {
		case text == "":
		case src != nil:
			line(text)
		default:
			if head = append(head, text); len(head) == 100 {
				start()
			}
		}
	}
	if src == nil && len(head) > 0 {
		start()
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

// lastTime is when the last of some lines was written, by its stamp: the lines
// arrive then.
func lastTime(pc parse.Config, lines []string) time.Time {
	p := parse.New(pc)
	year := time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	for i := len(lines) - 1; i >= 0; i-- {
		var ev sentinel.Event
		if p.Parse(lines[i], year, year, &ev); !ev.Time.IsZero() {
			return ev.Time
		}
	}
	return year
}

func (b *benignRun) note(step *engine.Step, text string) {
	b.lines++
	web := step.Event.Type == sentinel.EventHTTPAccess || step.Event.Type == sentinel.EventHTTPError
	for i, types := range b.types {
		if slices.Contains(types, step.Event.SourceType) || web && slices.Contains(types, sentinel.TypeNginx) {
			b.seen[i]++
		}
	}
	for i := range step.Matches {
		n := int(step.Matches[i].Rule)
		b.matched[n]++
		if r := b.set.Rule(n); r.Aggregation == nil && r.Sequence == nil {
			b.fire(n, text)
		}
	}
	for i := range step.Results {
		if r := &step.Results[i]; r.Aggregated && r.Fired {
			b.fire(int(r.Rule), text)
		}
	}
}

func (b *benignRun) fire(n int, text string) {
	if b.fired[n]++; b.first[n] == "" {
		b.first[n] = strings.Clone(text)
	}
}

// problems warns of those rules that mine holds.
func (b *benignRun) problems(mine map[string]bool) (out []rule.Problem) {
	for n := range b.set.Len() {
		r := b.set.Rule(n)
		if !mine[r.ID] {
			continue
		}
		warn := func(format string, args ...any) {
			out = append(out, rule.Problem{File: r.File, Line: r.Line, RuleID: r.ID, Message: fmt.Sprintf(format, args...), Warning: true})
		}
		single := r.Aggregation == nil && r.Sequence == nil
		switch {
		case single && b.seen[n] >= fewestLines && float64(b.matched[n]) >= nearlyAll*float64(b.seen[n]):
			warn("the rule matches nearly everything: %d of %d harmless lines", b.matched[n], b.seen[n])
		case b.fired[n] > 0:
			warn("the rule fires on harmless lines: %d times in %d, first for %.200q", b.fired[n], b.lines, b.first[n])
		}
	}
	return out
}

// lintBenign tries rules on harmless lines: those that were asked for, or the ones
// that are not shipped. With files of the user, all of them.
func (a *app) lintBenign(set *rule.Set, picked []*rule.Rule, asked bool, files []string) ([]rule.Problem, error) {
	mine := map[string]bool{}
	for _, r := range picked {
		if asked || r.Custom || len(files) > 0 {
			mine[r.ID] = true
		}
	}
	if len(mine) == 0 {
		return nil, nil
	}
	b := newBenignRun(set)
	if err := b.own(); err != nil {
		return nil, err
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, openError(name, err)
		}
		err = b.feed(name, f)
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	return b.problems(mine), nil
}
