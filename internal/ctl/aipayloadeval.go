package ctl

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/models"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

// payloadRow is how good a model is on the cases of one source.
type payloadRow struct {
	Source string `json:"source"`
	// Attacks are the cases, Found those above the threshold; Missed are those
	// that no rule finds, Added those of them that the model does.
	Attacks int `json:"attacks"`
	Found   int `json:"found"`
	Missed  int `json:"missed_by_rules"`
	Added   int `json:"added"`
	// Harmless requests, and those of them that the model reports.
	Harmless int `json:"harmless"`
	False    int `json:"false"`
	// Threshold is that of the model that was asked.
	Threshold float64 `json:"threshold"`
}

// payloadReport is what "ai evaluate --model payload" says.
type payloadReport struct {
	Threshold float64      `json:"threshold"`
	Whole     []payloadRow `json:"whole"`
	LeftOut   []payloadRow `json:"leave_one_source_out"`
	// UpperBound is the 95 % upper bound of false reports a request: 3/n where
	// none was seen.
	UpperBound float64 `json:"false_upper_bound"`
	// Nanoseconds is what a score takes.
	Nanoseconds int64 `json:"nanoseconds"`
}

func (a *app) evaluatePayload(f *trainFlags) error {
	cases, err := f.requests()
	if err != nil {
		return err
	}
	m, err := f.payloadModel()
	if err != nil {
		return err
	}
	missed, err := missedByRules(cases)
	if err != nil {
		return err
	}
	fresh := unseen(generatedToCheck)
	r := payloadReport{Threshold: m.Threshold, Whole: judge(m, cases, missed, ""), Nanoseconds: timed(m, fresh)}
	own := payloadRow{Source: generatedSource, Harmless: len(fresh), Threshold: m.Threshold}
	s := m.NewScorer()
	for _, text := range fresh {
		if s.Score(text) >= m.Threshold {
			own.False++
		}
	}
	r.Whole = append(r.Whole, own)
	n, wrong := 0, 0
	for _, row := range r.Whole {
		n, wrong = n+row.Harmless, wrong+row.False
	}
	if wrong == 0 {
		r.UpperBound = 3 / float64(n)
	}
	t, err := trainAll(cases, f.seed)
	if err != nil {
		return err
	}
	for _, row := range r.Whole {
		if left := t.without[row.Source]; left != nil {
			r.LeftOut = append(r.LeftOut, judge(left, cases, missed, row.Source)...)
		}
	}
	if a.format != "table" {
		return a.json(r)
	}
	a.out.printf("The model as it is, with threshold %.2f; it has learnt from these cases:\n\n", r.Threshold)
	a.payloadTable(r.Whole)
	if wrong == 0 {
		a.out.printf("\nNone of %d harmless requests is reported: with 95 %% confidence fewer than one in %.0f is.\n", n, 1/r.UpperBound)
	}
	a.out.printf("A score takes %d ns.\n\nModels that have not seen the source that they are asked about:\n\n", r.Nanoseconds)
	a.payloadTable(r.LeftOut)
	return nil
}

// payloadModel reads the model that the flags name.
func (f *trainFlags) payloadModel() (*payload.Model, error) {
	if f.file == "" {
		return models.Payload()
	}
	data, err := os.ReadFile(f.file)
	if err != nil {
		return nil, openError(f.file, err)
	}
	m, err := payload.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.file, err)
	}
	return m, nil
}

func (a *app) payloadTable(rows []payloadRow) {
	t := table{head: []string{"source", "attacks", "found", "%", "missed by rules", "of these found", "harmless", "reported", "threshold"}}
	t.numbers(1, 2, 3, 4, 5, 6, 7, 8)
	for _, r := range rows {
		share := "-"
		if r.Attacks > 0 {
			share = fmt.Sprintf("%.1f", 100*float64(r.Found)/float64(r.Attacks))
		}
		t.add(plain(r.Source), plain(fmt.Sprint(r.Attacks)), plain(fmt.Sprint(r.Found)), plain(share), plain(fmt.Sprint(r.Missed)), plain(fmt.Sprint(r.Added)),
			plain(fmt.Sprint(r.Harmless)), plain(fmt.Sprint(r.False)), plain(fmt.Sprintf("%.2f", r.Threshold)))
	}
	t.print(a.out)
}

// judge asks a model about the cases as they are, of one source or all.
func judge(m *payload.Model, cases []labelled, missed []bool, only string) []payloadRow {
	rows := map[string]*payloadRow{}
	s := m.NewScorer()
	for i := range cases {
		l := &cases[i]
		if only != "" && l.source != only {
			continue
		}
		row := rows[l.source]
		if row == nil {
			row = &payloadRow{Source: l.source, Threshold: m.Threshold}
			rows[l.source] = row
		}
		found := s.Score(canonical(l.path, l.query)) >= m.Threshold
		switch {
		case !l.attack:
			row.Harmless++
			if found {
				row.False++
			}
			continue
		case found:
			row.Found++
		}
		row.Attacks++
		if missed[i] {
			row.Missed++
			if found {
				row.Added++
			}
		}
	}
	var out []payloadRow
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, *rows[name])
	}
	slices.SortStableFunc(out, func(a, b payloadRow) int { return cmp.Compare(b.Attacks, a.Attacks) })
	return out
}

// missedByRules says of which attacks no built-in rule knows anything.
func missedByRules(cases []labelled) ([]bool, error) {
	all, problems := rules.Load()
	set, more := rule.Compile(all)
	for _, p := range append(problems, more...) {
		if !p.Warning {
			return nil, p
		}
	}
	m := set.NewMatcher()
	parsers := map[sentinel.SourceType]*parse.Parser{}
	out := make([]bool, len(cases))
	now := time.Unix(0, 0)
	for i := range cases {
		l := &cases[i]
		if !l.attack {
			continue
		}
		p := parsers[l.kind]
		if p == nil {
			p = parse.New(parse.Config{Type: l.kind})
			parsers[l.kind] = p
		}
		var ev sentinel.Event
		p.Parse(l.line, now, now, &ev)
		out[i] = true
		for _, mt := range m.Match(&ev) {
			out[i] = out[i] && set.Rule(int(mt.Rule)).Ambient()
		}
	}
	return out, nil
}

// timed returns how many nanoseconds a score takes, on average.
func timed(m *payload.Model, texts []string) int64 {
	texts = texts[:min(len(texts), 100_000)]
	if len(texts) == 0 {
		return 0
	}
	s := m.NewScorer()
	start := time.Now()
	for _, t := range texts {
		s.Score(t)
	}
	return time.Since(start).Nanoseconds() / int64(len(texts))
}
