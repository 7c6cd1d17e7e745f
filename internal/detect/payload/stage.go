package payload

import (
	"math/rand/v2"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
)

// Config is how a Stage works.
type Config struct {
	// Learning is how long a host's own requests are looked at before they count
	// for the threshold.
	Learning time.Duration
}

const (
	// leastLearned is how many different requests must have been seen as well.
	leastLearned = 2000
	// relearn is after how many requests the threshold is set anew.
	relearn = 1024
	// margin is how much the threshold lies above what is usual on the host,
	// maxRise how much at most above that of the model: whoever sends requests
	// that are almost attacks cannot deafen the model.
	margin  = 0.5
	maxRise = 3
	// usualShare of a host's requests lies below the threshold.
	usualShare = 0.99999
)

const (
	quietSlots = 1 << 13
	loudSlots  = 1 << 8
	// maxLoud is the longest text, in bytes, that is remembered.
	maxLoud = 512
)

// Stage is a model at work on one host. It is not safe for concurrent use.
type Stage struct {
	model  *Model
	cfg    Config
	scorer *Scorer
	seed   uint64
	// quiet has requests below the threshold, loud such as are above it, each by
	// the hash of its shape: the same come again and again.
	quiet [quietSlots]uint64
	loud  [loudSlots]Verdict
	shape uint64 // of the request that Wants was asked about last
	last  Verdict

	usual     anomaly.Calibration
	began     time.Time // when learning began
	threshold float64
	memory    memory
	stats     Stats
}

// Verdict is what the model says of a request.
type Verdict struct {
	shape uint64
	text  string
	Score float64
	// Probability is at most MaxProbability.
	Probability float64
	Segment     Segment
}

// Stats counts what a stage did since it was made.
type Stats struct {
	// Scored requests were given to the model; Skipped were like one that was.
	Scored, Skipped uint64
	// Found lie above the threshold; Exempt of these are harmless here.
	Found, Exempt uint64
}

// State says how a stage stands.
type State struct {
	Stats
	// Threshold is the score from which a request is reported, Shipped the
	// model's own.
	Threshold, Shipped float64
	// Learned is how many different harmless requests were seen here; Learning
	// is how far, from 0 to 1, that and the time have come. At 1 they count.
	Learned  uint64
	Learning float64
	// Harmless is how many kinds of pages are exempt.
	Harmless int
}

// NewStage returns a stage that has seen nothing.
func NewStage(m *Model, cfg Config) *Stage {
	return &Stage{model: m, cfg: cfg, scorer: m.NewScorer(), seed: rand.Uint64(), threshold: m.Threshold}
}

// Configure changes how the stage works.
func (s *Stage) Configure(cfg Config, now time.Time) {
	s.cfg = cfg
	s.calibrate(now)
}

// Wants reports whether a request is to be judged: it is worth it, and unlike
// those that were found harmless lately.
func (s *Stage) Wants(h *sentinel.HTTP) bool {
	if !Worth(h) {
		return false
	}
	s.shape = shape(s.seed, h.Target)
	if s.quiet[s.shape%quietSlots] == s.shape {
		s.stats.Skipped++
		return false
	}
	return true
}

// Judge scores the canonical text of the request that Wants was asked about. It
// reports whether that lies above the threshold. The verdict is valid until the
// next call.
func (s *Stage) Judge(text string) (*Verdict, bool) {
	v := &s.loud[s.shape%loudSlots]
	if v.shape == s.shape && v.text == text && v.Score >= s.threshold {
		s.stats.Skipped++
		s.stats.Found++
		return v, true
	}
	s.stats.Scored++
	score := s.scorer.Score(text)
	if score < s.threshold {
		s.quiet[s.shape%quietSlots] = s.shape
		s.last = Verdict{Score: score}
		return &s.last, false
	}
	s.stats.Found++
	if len(text) > maxLoud {
		v = &s.last
	}
	*v = Verdict{shape: s.shape, text: strings.Clone(text), Score: score, Probability: s.model.Probability(score), Segment: s.scorer.Explain(text)}
	return v, true
}

// Learn takes in the score of a request below the threshold that no rule
// matched.
func (s *Stage) Learn(score float64, now time.Time) {
	if s.began.IsZero() {
		s.began = now
	}
	s.usual.Add(score)
	if s.usual.Count()%relearn == 0 {
		s.calibrate(now)
	}
}

// calibrate sets the threshold by what is usual here.
func (s *Stage) calibrate(now time.Time) {
	s.threshold = s.model.Threshold
	if s.learning(now) < 1 {
		return
	}
	here := s.usual.Quantile(usualShare) + margin
	s.threshold = max(s.threshold, min(here, s.model.Threshold+maxRise))
}

// learning says how far learning has come, from 0 to 1.
func (s *Stage) learning(now time.Time) float64 {
	if s.began.IsZero() {
		return 0
	}
	share := min(float64(s.usual.Count())/leastLearned, 1)
	if s.cfg.Learning > 0 {
		share = min(share, max(float64(now.Sub(s.began))/float64(s.cfg.Learning), 0))
	}
	return share
}

// Exempt reports whether requests of a template are harmless on this host.
func (s *Stage) Exempt(template uint64) bool {
	if !s.memory.exempt(template) {
		return false
	}
	s.stats.Exempt++
	return true
}

// Served notes that a request of a template, which lies above the threshold and
// which no rule matched, was answered with success. Once many have been served
// so over days, the template is exempt.
func (s *Stage) Served(template uint64, from uint64, now time.Time) {
	s.memory.note(template, from, now)
}

// State says how the stage stands.
func (s *Stage) State(now time.Time) State {
	return State{
		Stats: s.stats, Threshold: s.threshold, Shipped: s.model.Threshold,
		Learned: s.usual.Count(), Learning: s.learning(now), Harmless: s.memory.exempted,
	}
}

// shape hashes a request target with its runs of digits made one, as reduce does
// it; where an encoding may hide digits that matter, as it is.
func shape(seed uint64, s string) uint64 {
	h := seed ^ fnvBasis64
	fold := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '%' || c == '#' || c == '\\' {
			fold = false
			break
		}
	}
	for i := 0; i < len(s); {
		c := s[i]
		if !fold || c < '0' || c > '9' || c == '0' && i+1 < len(s) && s[i+1]|0x20 == 'x' {
			h = (h ^ uint64(c)) * fnvPrime64
			i++
			continue
		}
		h = (h ^ '0') * fnvPrime64
		for i++; i < len(s) && '0' <= s[i] && s[i] <= '9' && (s[i] != '0' || i+1 == len(s) || s[i+1]|0x20 != 'x'); i++ {
		}
	}
	return h ^ h>>29 | 1
}

const (
	fnvBasis64 = 14695981039346656037
	fnvPrime64 = 1099511628211
)
