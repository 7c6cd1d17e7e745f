package decide

import (
	"math"
	"slices"

	"github.com/sentinel-ai/sentinel-ai"
)

// The limits that a score without a strong enough rule cannot pass: just below
// HIGH without one above LOW, just below CRITICAL with MEDIUM ones only.
const (
	limitAlert  = 0.599
	limitMedium = 0.799
	// minR is the least share of the rules that may justify a block.
	minR = 0.25
)

// mid is the middle of a severity's band, which a sure rule of it scores.
var mid = [sentinel.NumSeverities]float64{0.10, 0.30, 0.50, 0.75, 0.95}

// ScoreInput is all that a score depends on. A stage that has nothing to say is
// nil and abstains.
type ScoreInput struct {
	Rules []sentinel.RulePart
	// A is the anomaly stage's value, 0 to 1.
	A *float64
	// P is the reputation, 0 to 1.
	P float64
	// L is the language model's verdict as LLMValue gives it, 0 to 1.
	L *float64
}

// InputOf returns the input that stored parts were computed from:
// Score(InputOf(parts)) gives the parts again.
func InputOf(parts sentinel.ScoreParts) ScoreInput {
	return ScoreInput{Rules: parts.Rules, A: parts.A, P: parts.P, L: parts.L}
}

// LLMValue maps a verdict (-1 benign, 0 uncertain, 1 malicious) and its
// confidence to the value L of a score.
func LLMValue(verdict int, confidence float64) float64 {
	return 0.5 + 0.5*float64(min(max(verdict, -1), 1))*unit(confidence)
}

// Quant cuts a score to thousandths. Only quantised values are compared with
// bands: binary floating point puts 0.75*0.8 on the wrong side of 0.6.
func Quant(x float64) float64 { return math.Floor(x*1000+1e-6) / 1000 }

// Score computes the risk score of section 11 of the detection specification.
// Values out of 0 to 1 are clamped, NaN counts as 0. The result shares Rules, A
// and L with the input.
func Score(in ScoreInput) sentinel.ScoreParts {
	out := sentinel.ScoreParts{Rules: in.Rules, A: in.A, P: unit(in.P), L: in.L}
	a := 0.0
	if in.A != nil {
		a = unit(*in.A)
	}
	r := rulesScore(in.Rules)
	limit, justified, deterministic := ruleFacts(in.Rules)

	base := min(a, limitAlert)
	if r > 0 {
		base = max((0.5*r+0.3*max(a, r))/0.8, base)
	}
	s := base
	if r > 0 || a >= 0.4 {
		s = 1 - (1-base)*(1-0.25*out.P)
	}
	out.R, out.Base, out.WithReputation, out.Limit = r, base, s, limit
	out.Decision = Quant(min(s, limit))
	out.MayBlock = out.Decision >= 0.6 && r >= minR && justified

	d := 0.0
	if in.L != nil {
		d = min(max(0.2*(unit(*in.L)-s), -0.10), 0.20)
		if d < 0 && (deterministic || Quant(s) >= 0.8) {
			d = 0
		}
	}
	// What policy only reports is never shown as if it were to be blocked: the
	// model's word alone does not carry a score over the threshold.
	if out.Decision < 0.6 {
		limit = min(limit, limitAlert)
	}
	out.Score = Quant(min(s+d, limit))
	return out
}

// rulesScore is R: a noisy-OR over distinct rules, in which the firings of one
// rule count with a damped exponent. Of rules with the same basis only the
// strongest counts: three rules that count the same failures over five minutes,
// an hour and a day are one piece of evidence. The factors are multiplied in
// order of their size, so that the order of the rules cannot change the last
// bit.
func rulesScore(rules []sentinel.RulePart) float64 {
	var room [maxRules]float64
	factors := room[:0]
	for i := range rules {
		f := ruleFactor(&rules[i])
		if !outdone(rules, i, f) {
			factors = append(factors, f)
		}
	}
	slices.Sort(factors)
	product := 1.0
	for _, f := range factors {
		product *= f
	}
	return 1 - product
}

// ruleFactor is the doubt that a rule's firings leave, 0 to 1.
func ruleFactor(r *sentinel.RulePart) float64 {
	n := float64(max(r.Firings, 1))
	return math.Pow(1-ruleWeight(r), min(2, 1+0.25*math.Log2(n)))
}

// Counts reports whether rule i has a part of its own in R: it does not if
// another rule of the same basis says more.
func Counts(rules []sentinel.RulePart, i int) bool { return !outdone(rules, i, ruleFactor(&rules[i])) }

// outdone reports whether another rule of the same basis leaves less doubt than
// rule i with factor f; of equal ones the first counts.
func outdone(rules []sentinel.RulePart, i int, f float64) bool {
	if rules[i].Basis == "" {
		return false
	}
	for j := range rules {
		if j == i || rules[j].Basis != rules[i].Basis {
			continue
		}
		if g := ruleFactor(&rules[j]); g < f || g == f && j < i {
			return true
		}
	}
	return false
}

// ruleWeight is what one firing of a rule says, 0 to 1.
func ruleWeight(r *sentinel.RulePart) float64 {
	return mid[min(r.Severity, sentinel.Critical)] * unit(r.Confidence)
}

// ruleFacts returns the limit set by the strongest rule that is not advisory,
// whether a rule justifies a block, and whether any is deterministic.
func ruleFacts(rules []sentinel.RulePart) (limit float64, justified, deterministic bool) {
	limit = limitAlert
	for i := range rules {
		r := &rules[i]
		deterministic = deterministic || r.Deterministic
		if r.Advisory {
			continue
		}
		switch {
		case r.Severity >= sentinel.High:
			limit = 1
		case r.Severity == sentinel.Medium:
			limit = max(limit, limitMedium)
		}
		justified = justified || justifies(r)
	}
	return limit, justified, deterministic
}

// justifies reports whether a rule can be the ground of a block: not advisory,
// not told to alert only, and at least MEDIUM.
func justifies(r *sentinel.RulePart) bool {
	return !r.Advisory && !r.NoBlock && r.Severity >= sentinel.Medium
}

// unit clamps to 0..1; NaN is 0.
func unit(x float64) float64 {
	if !(x > 0) {
		return 0
	}
	return min(x, 1)
}
