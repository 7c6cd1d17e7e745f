package ctl

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload/benign"
)

// How the payload model is trained and its threshold set.
const (
	// attackFrames and harmlessFrames are into how many paths and parameters the
	// values of a case are put.
	attackFrames   = 6
	harmlessFrames = 2
	// generatedToLearn and generatedToCheck are harmless requests that the
	// generator makes; those that check have another seed.
	generatedToLearn = 200_000
	generatedToCheck = 1_000_000
	checkSeed        = 0x636865636b
	// thresholdMargin is how far the threshold lies above the highest score of a
	// harmless request.
	thresholdMargin = 0.5
)

// examples makes what a model learns from out of cases that are not of the
// source left out ("": none) and generated requests.
func examples(cases []labelled, seed uint64, leaveOut string) []payload.Example {
	g, r := benign.New(seed), rand.New(rand.NewPCG(seed, 1))
	var out []payload.Example
	for i := range cases {
		l := &cases[i]
		n := harmlessFrames
		if l.attack {
			n = attackFrames
		}
		if l.query == "" {
			n = 1
		}
		for range n {
			x := payload.Example{Text: l.reframed(g, r), Attack: l.attack, Source: l.source}
			if l.source != leaveOut {
				out = append(out, x)
			}
		}
		if !l.attack && l.source != leaveOut {
			out = append(out, payload.Example{Text: canonical(l.path, l.query), Source: l.source})
		}
	}
	for range generatedToLearn {
		if text, ok := generated(g); ok && leaveOut != generatedSource {
			out = append(out, payload.Example{Text: text, Source: generatedSource})
		}
	}
	return out
}

// generatedSource is the source of generated requests.
const generatedSource = "generated"

// generated returns the next harmless request that is worth a score.
func generated(g *benign.Generator) (string, bool) {
	h := sentinel.HTTP{Target: g.Target()}
	h.Path, h.Query, _ = strings.Cut(h.Target, "?")
	if !payload.Worth(&h) {
		return "", false
	}
	return canonical(h.Path, h.Query), true
}

// unseen makes harmless requests that were not learnt from.
func unseen(n int) []string {
	g := benign.New(checkSeed)
	out := make([]string, 0, n)
	for range n {
		if text, ok := generated(g); ok {
			out = append(out, text)
		}
	}
	return out
}

// payloadTraining is a model, and for each source of cases one that has not seen
// it. All have the threshold of the first.
type payloadTraining struct {
	model   *payload.Model
	without map[string]*payload.Model
}

// trainAll trains a model and sets its threshold above every harmless request:
// those that it learnt from, as many that it did not, and those of each source by
// the score that a model gives them which has not seen the source.
func trainAll(cases []labelled, seed uint64) (*payloadTraining, error) {
	xs := examples(cases, seed, "")
	m, err := payload.Train(xs, seed)
	if err != nil {
		return nil, err
	}
	harmless := unseen(generatedToCheck)
	for i := range xs {
		if !xs[i].Attack && xs[i].Source != generatedSource {
			harmless = append(harmless, xs[i].Text)
		}
	}
	m.SetThreshold(harmless, thresholdMargin)
	t := &payloadTraining{m, map[string]*payload.Model{}}
	for i := range cases {
		if t.without[cases[i].source] != nil {
			continue
		}
		left, err := payload.Train(examples(cases, seed, cases[i].source), seed)
		if err != nil {
			return nil, err
		}
		left.SetThreshold(harmlessOf(cases, cases[i].source), thresholdMargin)
		m.Threshold = max(m.Threshold, left.Threshold)
		t.without[cases[i].source] = left
	}
	for _, left := range t.without {
		left.Threshold = m.Threshold
	}
	return t, nil
}

// harmlessOf returns the harmless requests of a source.
func harmlessOf(cases []labelled, source string) (out []string) {
	for i := range cases {
		if l := &cases[i]; !l.attack && l.source == source {
			out = append(out, canonical(l.path, l.query))
		}
	}
	return out
}

func (a *app) trainPayload(f *trainFlags) error {
	cases, err := f.requests()
	if err != nil {
		return err
	}
	t, err := trainAll(cases, f.seed)
	if err != nil {
		return err
	}
	m := t.model
	data := m.Encode()
	if err := writeFile(f.file, data); err != nil {
		return err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	if a.format != "table" {
		return a.json(map[string]any{"file": f.file, "sha256": sum, "bytes": len(data), "attacks": m.Attacks, "harmless": m.Benign, "threshold": m.Threshold, "seed": m.Seed})
	}
	a.out.printf("%s: %d bytes, SHA-256 %s\n", clean(f.file), len(data), sum)
	a.out.printf("learnt from %d attacks; threshold %.2f, %.1f above the highest score of %d harmless requests\n", m.Attacks, m.Threshold, thresholdMargin, m.Benign)
	return nil
}

// requests reads the cases that the flags name.
func (f *trainFlags) requests() ([]labelled, error) {
	if f.cases == "" {
		return nil, usagef("--cases is missing: a folder with labelled cases (*.jsonl)")
	}
	if _, err := os.Stat(f.cases); err != nil {
		return nil, openError(f.cases, err)
	}
	return requests(f.cases)
}
