package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/models"
)

// TestResult is how one test of a rule went.
type TestResult struct {
	// RuleID and Name tell which test; File and Line where it stands.
	RuleID, Name, File string
	Line               int
	// Failures say what is not as expected; empty: the test passed.
	Failures []string
}

// Passed reports whether everything was as expected.
func (r TestResult) Passed() bool { return len(r.Failures) == 0 }

// String returns "file:line: rule ID, test NAME: ok" or the failures.
func (r TestResult) String() string {
	text := "ok"
	if !r.Passed() {
		text = strings.Join(r.Failures, "; ")
	}
	return fmt.Sprintf("%s:%d: rule %s, test %q: %s", r.File, r.Line, r.RuleID, r.Name, text)
}

// RunTests runs the tests inside a rule. set is the compiled set that holds the
// rule; it matters for sequences that name other rules. Each test begins with
// nothing remembered.
//
// The lines arrive from Start on, Every apart. Where a test gives Every, events
// happen when their lines arrive, whatever their own stamps say, so that one
// line can stand for many; else they happen at their stamps.
func RunTests(r *rule.Rule, set *rule.Set) []TestResult {
	results := make([]TestResult, 0, len(r.Tests))
	index, known := set.ByID(r.ID)
	for i := range r.Tests {
		t := &r.Tests[i]
		res := TestResult{RuleID: r.ID, Name: t.Name, File: r.File, Line: t.Line}
		if !known {
			res.Failures = []string{"the rule is not in the set: it is disabled or has a fault"}
		} else {
			run := newTestRun(set, int32(index), t)
			run.feed()
			res.Failures = run.judge()
		}
		results = append(results, res)
	}
	return results
}

// testRun is one test at work.
type testRun struct {
	rule   int32
	r      *rule.Rule
	test   *rule.Test
	engine *Engine
	source *Source

	lines, parsed, matched, fired int
	firstAt                       int // number of the line that fired first
	most, need                    int // highest count, and the threshold
	fields, extracted             map[string]string
}

// testStart is when lines arrive in tests that do not say.
var testStart = time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)

func newTestRun(set *rule.Set, index int32, t *rule.Test) *testRun {
	run := &testRun{rule: index, r: set.Rule(int(index)), test: t}
	run.engine = New(Config{Set: set, Detect: detect.Config{Seed: [2]uint64{1, 1}}, DetectOnly: true, Locate: t.Locate})
	if run.r.Detector == rule.DetectorPayload {
		if m, err := models.Payload(); err == nil { // without it the test fails
			run.engine.SetPayload(payload.NewStage(m, payload.Config{}))
		}
	}
	run.source = run.engine.NewSource("test", parse.Config{Type: run.sourceType()})
	if a := run.r.Aggregation; a != nil {
		run.need = a.Threshold
	}
	return run
}

// sourceType is the type that the test names, else one of the rule's own that
// the lines look like.
func (run *testRun) sourceType() sentinel.SourceType {
	if run.test.Source != "" {
		return run.test.Source
	}
	types := run.r.LogSource.Types()
	if guess := parse.Guess(run.test.Lines[:min(len(run.test.Lines), 100)]); slices.Contains(types, guess) {
		return guess
	}
	if len(run.r.LogSource.Names) == 0 || len(types) == 0 {
		return sentinel.TypeAuto
	}
	return types[0]
}

func (run *testRun) feed() {
	now := run.test.Start
	if now.IsZero() {
		now = testStart
	}
	start := now
	for range max(run.test.Repeat, 1) {
		for _, text := range run.test.Lines {
			ev := &run.source.event
			parsed := run.source.parser.Parse(text, now, start, ev)
			switch {
			case run.test.Every > 0:
				ev.Time = now
			case ev.Time.After(now):
				now = ev.Time
			}
			ev.Received = now
			run.note(run.engine.take(run.source, parsed, now))
			now = now.Add(run.test.Every)
		}
	}
}

// note keeps what is judged later.
func (run *testRun) note(st *Step) {
	run.lines++
	if st.Parsed {
		run.parsed++
	}
	var match *rule.Match
	for i := range st.Matches {
		if st.Matches[i].Rule == run.rule {
			match = &st.Matches[i]
		}
	}
	if match != nil {
		run.matched++
	}
	if st.Parsed || match != nil {
		run.extracted = values(run.test.Expect.Extracted, st.Event, match)
	}
	for i := range st.Results {
		res := &st.Results[i]
		if res.Rule != run.rule {
			continue
		}
		run.most = max(run.most, res.Count)
		if res.Fired {
			if run.fired++; run.fired == 1 {
				run.firstAt = run.lines
				run.fields = values(run.test.Expect.Fields, st.Event, match)
			}
		}
	}
}

// values reads the fields that are wanted. What a pattern captured stands in for
// the event's own field.
func values(want map[string]string, ev *sentinel.Event, match *rule.Match) map[string]string {
	out := make(map[string]string, len(want))
	for name := range want {
		f, err := rule.ParseField(name)
		if err != nil {
			continue // refused when the rule was read
		}
		out[name] = strings.Clone(f.String(ev))
		if f == rule.Audit {
			out[name] = rule.AuditText(name, ev)
		}
		switch {
		case match == nil:
		case f == rule.SrcIP && match.Addr.IsValid():
			out[name] = match.Addr.String()
		case f == rule.User && match.User != "":
			out[name] = strings.Clone(match.User)
		}
	}
	return out
}

// judge compares what happened with what was expected.
func (run *testRun) judge() []string {
	var bad []string
	failf := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	x := &run.test.Expect
	if x.Fires >= 0 && run.fired != x.Fires {
		failf("fires %s, want %d (%s)", times(run.fired), x.Fires, run.story())
	}
	switch {
	case x.At > 0 && run.fired == 0 && x.Fires <= 0:
		failf("does not fire, want at line %d (%s)", x.At, run.story())
	case x.At > 0 && run.fired > 0 && run.firstAt != x.At:
		failf("fires first at line %d, want line %d", run.firstAt, x.At)
	}
	if x.Matches >= 0 && run.matched != x.Matches {
		failf("%d of %d lines meet the conditions, want %d", run.matched, run.lines, x.Matches)
	}
	bad = append(bad, differences("field", x.Fields, run.fields, run.fired > 0, "the rule did not fire")...)
	return append(bad, differences("extracted", x.Extracted, run.extracted, run.extracted != nil, "no line was understood")...)
}

// story says how far the lines came.
func (run *testRun) story() string {
	s := fmt.Sprintf("of %d lines %d were understood and %d met the conditions", run.lines, run.parsed, run.matched)
	if run.need > 1 {
		s += fmt.Sprintf("; the highest count was %d of %d", run.most, run.need)
	}
	return s
}

func differences(what string, want, got map[string]string, have bool, without string) []string {
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch {
		case !have:
			bad = append(bad, fmt.Sprintf("%s %s: %s, want %q", what, name, without, want[name]))
		case got[name] != want[name]:
			bad = append(bad, fmt.Sprintf("%s %s is %q, want %q", what, name, got[name], want[name]))
		}
	}
	return bad
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
