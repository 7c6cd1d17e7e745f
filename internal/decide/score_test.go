package decide

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/sentinel-ai/sentinel-ai"
)

func rule(id string, sev sentinel.Severity, conf float64, n int) sentinel.RulePart {
	return sentinel.RulePart{ID: id, Severity: sev, Confidence: conf, Firings: n}
}

func deterministic(r sentinel.RulePart) sentinel.RulePart { r.Deterministic = true; return r }
func advisory(r sentinel.RulePart) sentinel.RulePart      { r.Advisory = true; return r }
func noBlock(r sentinel.RulePart) sentinel.RulePart       { r.NoBlock = true; return r }

// The worked examples of section 11 of the detection specification.
func TestScoreWorkedExamples(t *testing.T) {
	const info, low, medium, high, critical = sentinel.Info, sentinel.Low, sentinel.Medium, sentinel.High, sentinel.Critical
	brute := deterministic(rule("SSH_BRUTE", high, 1, 1))
	four := brute
	four.Firings = 4
	sqli := rule("SQLI", high, 0.7, 1)
	probes := sqli
	probes.Firings = 2
	both := rule("SQLI", high, 0.9, 1)
	scanner := rule("SCANNER", low, 1, 1)
	scanner16 := scanner
	scanner16.Firings = 16
	burst := rule("404", medium, 1, 1)
	payload := advisory(rule("PAYLOAD", medium, 0.8, 1))
	payload16 := payload
	payload16.Firings = 16
	tests := []struct {
		name               string
		in                 ScoreInput
		r, decision, score float64
		severity           sentinel.Severity
		block              bool
	}{
		{"ssh brute force, anomaly learning", ScoreInput{Rules: []sentinel.RulePart{brute}}, .75, .75, .75, high, true},
		{"ssh brute force, anomaly 0.05", ScoreInput{Rules: []sentinel.RulePart{brute}, A: new(0.05)}, .75, .75, .75, high, true},
		{"fourth trigger", ScoreInput{Rules: []sentinel.RulePart{four}}, .875, .875, .875, critical, true},
		{"first trigger, reputation 0.8", ScoreInput{Rules: []sentinel.RulePart{brute}, P: 0.8}, .75, .8, .8, critical, true},
		{"3 failures", ScoreInput{Rules: []sentinel.RulePart{burst}}, .5, .5, .5, medium, false},
		{"failures then success", ScoreInput{Rules: []sentinel.RulePart{brute, rule("SUCCESS", critical, .95, 1)}}, .976, .975, .975, critical, true},
		{"one-engine sqli", ScoreInput{Rules: []sentinel.RulePart{sqli}}, .525, .525, .525, medium, false},
		{"one-engine sqli, llm malicious 0.9", ScoreInput{Rules: []sentinel.RulePart{sqli}, L: new(LLMValue(1, .9))}, .525, .525, .599, medium, false},
		{"one-engine sqli, llm benign 0.9", ScoreInput{Rules: []sentinel.RulePart{sqli}, L: new(LLMValue(-1, .9))}, .525, .525, .43, medium, false},
		{"second, different probe", ScoreInput{Rules: []sentinel.RulePart{probes}}, .606, .605, .605, high, true},
		{"both engines", ScoreInput{Rules: []sentinel.RulePart{both}}, .675, .675, .675, high, true},
		{"both engines, llm benign 1.0", ScoreInput{Rules: []sentinel.RulePart{both}, L: new(LLMValue(-1, 1))}, .675, .675, .575, medium, true},
		{"sqli and traversal", ScoreInput{Rules: []sentinel.RulePart{sqli, rule("TRAVERSAL", high, .7, 1)}}, .774, .774, .774, high, true},
		{"scanner", ScoreInput{Rules: []sentinel.RulePart{scanner}}, .3, .3, .3, low, false},
		{"scanner, 16 templates", ScoreInput{Rules: []sentinel.RulePart{scanner16}}, .51, .51, .51, medium, false},
		{"scanner and 404 burst", ScoreInput{Rules: []sentinel.RulePart{scanner, burst}}, .65, .65, .65, high, true},
		{"log4shell", ScoreInput{Rules: []sentinel.RulePart{rule("LOG4SHELL", critical, .95, 1)}}, .902, .902, .902, critical, true},
		{"anomaly 0.85", ScoreInput{A: new(.85)}, 0, .599, .599, medium, false},
		{"anomaly 0.85, llm malicious", ScoreInput{A: new(.85), L: new(LLMValue(1, 1))}, 0, .599, .599, medium, false},
		{"anomaly 0.85, llm benign", ScoreInput{A: new(.85), L: new(LLMValue(-1, 1))}, 0, .599, .499, medium, false},
		{"anomaly 0.45", ScoreInput{A: new(.45)}, 0, .45, .45, medium, false},
		{"medium rule and anomaly 0.9", ScoreInput{Rules: []sentinel.RulePart{burst}, A: new(.9)}, .5, .65, .65, high, true},
		{"reputation only", ScoreInput{P: 1}, 0, 0, 0, info, false},
		{"payload model", ScoreInput{Rules: []sentinel.RulePart{payload}}, .4, .4, .4, medium, false},
		{"payload model, 16 templates", ScoreInput{Rules: []sentinel.RulePart{payload16}}, .64, .599, .599, medium, false},
		{"payload model and one-engine sqli", ScoreInput{Rules: []sentinel.RulePart{payload, sqli}}, .715, .715, .715, high, true},
		{"a rule that does not block", ScoreInput{Rules: []sentinel.RulePart{noBlock(brute)}}, .75, .75, .75, high, false},
		{"one that does not block lifts one that does", ScoreInput{Rules: []sentinel.RulePart{noBlock(brute), burst}}, .875, .875, .875, critical, true},
		{"one that does not block and one too low", ScoreInput{Rules: []sentinel.RulePart{noBlock(brute), scanner}}, .825, .825, .825, critical, false},
		{"an advisory one and one that does not block", ScoreInput{Rules: []sentinel.RulePart{noBlock(brute), advisory(brute)}}, .9375, .937, .937, critical, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Score(tt.in)
			if math.Abs(p.R-tt.r) > 0.001 || p.Decision != tt.decision || p.Score != tt.score || p.MayBlock != tt.block {
				t.Errorf("R %.4f decision %v score %v may block %v, want %v %v %v %v", p.R, p.Decision, p.Score, p.MayBlock, tt.r, tt.decision, tt.score, tt.block)
			}
			if s := sentinel.SeverityOf(p.Score); s != tt.severity {
				t.Errorf("severity %s, want %s", s, tt.severity)
			}
			stored, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			var back sentinel.ScoreParts
			if err := json.Unmarshal(stored, &back); err != nil {
				t.Fatal(err)
			}
			if again := Score(InputOf(back)); !reflect.DeepEqual(again, back) {
				t.Errorf("regenerated %+v from %+v", again, back)
			}
		})
	}
}

func TestScoreOddInput(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, in := range []ScoreInput{
		{Rules: []sentinel.RulePart{rule("A", sentinel.High, nan, -5)}, A: &nan, P: nan, L: &nan},
		{Rules: []sentinel.RulePart{rule("A", 200, inf, math.MaxInt)}, A: &inf, P: inf, L: &inf},
		{Rules: []sentinel.RulePart{rule("A", sentinel.Low, -inf, math.MinInt)}, A: new(-inf), P: -inf, L: new(-inf)},
		{Rules: make([]sentinel.RulePart, 500), A: new(2.0)},
	} {
		if p := Score(in); !(p.Score >= 0 && p.Score <= 1 && p.Decision >= 0 && p.Decision <= 1) {
			t.Errorf("%+v", p)
		}
	}
}

// cases is how many random cases each property is tested on.
func cases(t *testing.T) int {
	if testing.Short() {
		return 30_000
	}
	return 1_000_000
}

// randomInput is often on a grid, where rounding errors live.
func randomInput(r *rand.Rand, room []sentinel.RulePart) ScoreInput {
	in := ScoreInput{Rules: room[:0]}
	for range r.IntN(5) {
		in.Rules = append(in.Rules, randomRule(r))
	}
	if r.IntN(2) == 0 {
		in.A = new(randomUnit(r))
	}
	if r.IntN(2) == 0 {
		in.P = randomUnit(r)
	}
	if r.IntN(2) == 0 {
		in.L = new(randomUnit(r))
	}
	return in
}

func randomRule(r *rand.Rand) sentinel.RulePart {
	n := 1
	if r.IntN(2) == 0 {
		n = 1 << r.IntN(6)
	} else if r.IntN(4) == 0 {
		n = 1 + r.IntN(40)
	}
	bits := r.IntN(64)
	return sentinel.RulePart{
		Severity: sentinel.Severity(r.IntN(5)), Confidence: randomUnit(r), Firings: n,
		Advisory: bits&7 == 0, NoBlock: bits&24 == 0, Deterministic: bits&32 == 0,
	}
}

func randomUnit(r *rand.Rand) float64 {
	if r.IntN(2) == 0 {
		return float64(r.IntN(21)) / 20
	}
	return r.Float64()
}

// property runs a check on random inputs.
func property(t *testing.T, check func(r *rand.Rand, in ScoreInput, p sentinel.ScoreParts) bool) {
	t.Helper()
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	room := make([]sentinel.RulePart, 0, 8)
	for range cases(t) {
		in := randomInput(r, room)
		p := Score(in)
		if !check(r, in, p) {
			t.Fatalf("does not hold for %+v: %+v", in, p)
		}
	}
}

func TestP1Bounds(t *testing.T) {
	property(t, func(_ *rand.Rand, _ ScoreInput, p sentinel.ScoreParts) bool {
		return p.Score >= 0 && p.Score <= 1 && p.Decision >= 0 && p.Decision <= 1 && p.R >= 0 && p.R <= 1
	})
}

func TestP2Monotone(t *testing.T) {
	property(t, func(r *rand.Rand, in ScoreInput, p sentinel.ScoreParts) bool {
		switch k := r.IntN(5); {
		case k == 0 && in.A != nil:
			in.A = new(*in.A + (1-*in.A)*randomUnit(r))
		case k == 1 || len(in.Rules) == 0:
			in.P += (1 - in.P) * randomUnit(r)
		default:
			rule := &in.Rules[r.IntN(len(in.Rules))]
			switch k {
			case 2:
				rule.Confidence += (1 - rule.Confidence) * randomUnit(r)
			case 3:
				rule.Firings += r.IntN(20)
			default:
				rule.Severity = min(rule.Severity+sentinel.Severity(r.IntN(3)), sentinel.Critical)
			}
		}
		q := Score(in)
		return q.Score >= p.Score && q.Decision >= p.Decision && (q.MayBlock || !p.MayBlock)
	})
}

func TestP3MoreRules(t *testing.T) {
	property(t, func(r *rand.Rand, in ScoreInput, p sentinel.ScoreParts) bool {
		in.Rules = append(in.Rules, randomRule(r))
		q := Score(in)
		return q.Score >= p.Score && q.Decision >= p.Decision && (q.MayBlock || !p.MayBlock)
	})
}

func TestP4StageStarts(t *testing.T) {
	property(t, func(r *rand.Rand, in ScoreInput, _ sentinel.ScoreParts) bool {
		in.A = nil
		p := Score(in)
		in.A = new(randomUnit(r))
		q := Score(in)
		return q.Score >= p.Score && q.Decision >= p.Decision
	})
}

func TestP5LanguageModelBounded(t *testing.T) {
	property(t, func(r *rand.Rand, in ScoreInput, _ sentinel.ScoreParts) bool {
		a, b := randomUnit(r), randomUnit(r)
		in.L = nil
		none := Score(in).Score
		in.L = new(min(a, b))
		less := Score(in).Score
		in.L = new(max(a, b))
		more := Score(in).Score
		// Quantising adds at most a thousandth to the effect.
		return more >= less && less >= none-0.1011 && more <= none+0.2011
	})
}

func TestP6BlockWithoutLanguageModel(t *testing.T) {
	property(t, func(r *rand.Rand, in ScoreInput, p sentinel.ScoreParts) bool {
		in.L = new(randomUnit(r))
		q := Score(in)
		return q.MayBlock == p.MayBlock && q.Decision == p.Decision
	})
}

func TestP7SureCasesNotLowered(t *testing.T) {
	property(t, func(r *rand.Rand, in ScoreInput, _ sentinel.ScoreParts) bool {
		in.L = nil
		p := Score(in)
		in.L = new(randomUnit(r))
		q := Score(in)
		sure := p.Score >= 0.8
		for _, rule := range in.Rules {
			sure = sure || rule.Deterministic
		}
		return !sure || q.Score >= p.Score
	})
}

func TestP8NoRule(t *testing.T) {
	property(t, func(_ *rand.Rand, in ScoreInput, _ sentinel.ScoreParts) bool {
		in.Rules = nil
		p := Score(in)
		return p.Score < 0.6 && p.Decision < 0.6 && !p.MayBlock
	})
}

func TestP9WeakRules(t *testing.T) {
	property(t, func(r *rand.Rand, in ScoreInput, _ sentinel.ScoreParts) bool {
		for i := range in.Rules {
			if r.IntN(2) == 0 {
				in.Rules[i].Advisory = true
			} else {
				in.Rules[i].Severity = min(in.Rules[i].Severity, sentinel.Low)
			}
		}
		p := Score(in)
		return p.Score < 0.6 && p.Decision < 0.6 && !p.MayBlock
	})
}

func TestP11OrderOfEvidence(t *testing.T) {
	property(t, func(r *rand.Rand, in ScoreInput, p sentinel.ScoreParts) bool {
		r.Shuffle(len(in.Rules), func(i, j int) { in.Rules[i], in.Rules[j] = in.Rules[j], in.Rules[i] })
		q := Score(in)
		return q.R == p.R && q.Score == p.Score && q.Decision == p.Decision && q.MayBlock == p.MayBlock
	})
}

func TestP12Quantised(t *testing.T) {
	property(t, func(_ *rand.Rand, _ ScoreInput, p sentinel.ScoreParts) bool {
		return Quant(p.Score) == p.Score && Quant(p.Decision) == p.Decision
	})
	if Quant(0.75*0.8) != 0.6 || Quant(1-0.4) != 0.6 || sentinel.SeverityOf(Quant(0.75*0.8)) != sentinel.High {
		t.Error("0.75*0.8 is not 0.6")
	}
}

// A block needs a rule that may block, at least MEDIUM and not advisory.
func TestMayBlockNeedsRule(t *testing.T) {
	property(t, func(_ *rand.Rand, in ScoreInput, p sentinel.ScoreParts) bool {
		ground := false
		for _, r := range in.Rules {
			ground = ground || !r.Advisory && !r.NoBlock && r.Severity >= sentinel.Medium
		}
		return !p.MayBlock || ground && p.Decision >= 0.6 && p.R >= 0.25
	})
}

func BenchmarkScore(b *testing.B) {
	in := ScoreInput{Rules: []sentinel.RulePart{rule("A", sentinel.High, .7, 3), rule("B", sentinel.Low, 1, 1)}}
	b.ReportAllocs()
	for b.Loop() {
		Score(in)
	}
}

// TestBasis holds that rules which see the same events count once.
func TestBasis(t *testing.T) {
	part := func(id string, sev sentinel.Severity, firings int, basis string) sentinel.RulePart {
		return sentinel.RulePart{ID: id, Severity: sev, Confidence: 1, Firings: firings, Basis: basis}
	}
	for _, c := range []struct {
		name  string
		rules []sentinel.RulePart
		want  float64
	}{
		{"the strongest of one basis", []sentinel.RulePart{part("A", sentinel.Medium, 1, "x"), part("B", sentinel.High, 1, "x")}, 0.75},
		{"in any order", []sentinel.RulePart{part("B", sentinel.High, 1, "x"), part("A", sentinel.Medium, 1, "x")}, 0.75},
		{"equal ones once", []sentinel.RulePart{part("A", sentinel.High, 1, "x"), part("B", sentinel.High, 1, "x")}, 0.75},
		{"firings count", []sentinel.RulePart{part("A", sentinel.High, 16, "x"), part("B", sentinel.High, 1, "x")}, 0.937},
		{"two bases", []sentinel.RulePart{part("A", sentinel.Medium, 1, "x"), part("B", sentinel.High, 1, "y")}, 0.875},
		{"none", []sentinel.RulePart{part("A", sentinel.Medium, 1, ""), part("B", sentinel.High, 1, "")}, 0.875},
	} {
		if got := Score(ScoreInput{Rules: c.rules}).Decision; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
