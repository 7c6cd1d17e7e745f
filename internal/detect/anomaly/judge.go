package anomaly

import (
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const (
	// learningCap bounds A while a host is learned.
	learningCap = 0.35
	// tell is the A from which people are told; worth is the A from which the
	// decider hears of a window at all, and explain the one from which reasons
	// are looked for.
	tell, explain, worth = 0.4, 0.3, 0.2
	// sideWeight is what each side feature adds, sideMost what all add at most.
	sideWeight, sideMost = 0.05, 0.1
	// offHours is the share of requests below which an hour of the day is unusual.
	offHours = 0.01
	// regular is a rhythm that people do not have, over robotRequests.
	regular, robotRequests = 0.1, 20
	// allowance is how many alerts may come at once.
	allowance = 5
	dayLength = 86400
	weekDays  = 7
	// crowdDoubt is how many times more often clients must do something, for whom
	// the gate is shut, to make it as usual as what passes the gate: some of them
	// may be attackers whom no rule knows.
	crowdDoubt = 10
	// leastFit is how many remembered windows a local forest needs.
	leastFit = 256
)

// learner is what the stage has learned of a host, and how it judges.
type learner struct {
	began     uint32 // the first window ended, 0: none yet
	seen      uint64 // windows judged, ever
	today     uint32 // day
	windows   uint32 // judged on it
	yesterday uint32 // judged the day before

	local     *Forest // fitted to the reservoir, nil until then
	usual     Vector  // its medians
	reservoir reservoir
	// scores has what passed the gate; crowd has the highest score of a day of each
	// client for whom no rule fired, by the shipped model: what many different
	// clients do is not unusual.
	scores, crowd Calibration
	highest       highest // today's, for crowd

	flagged days // rules fired
	told    days // people were told
	tokens  float64
	paid    uint32 // tokens were added up to then

	agents agents
	hours  [24]float64 // requests
	// logins has the countries that tried to log in, see countryPlace.
	logins [26 * 26]bool
}

// turn does what a new five minutes bring.
func (l *learner) turn(at uint32) {
	day := at / dayLength
	l.flagged.turn(day)
	l.told.turn(day)
	if day == l.today {
		return
	}
	l.highest.take(func(client uint64, score float32) {
		if !l.flagged.has(client) {
			l.crowd.Add(float64(score))
		}
	})
	switch {
	case l.today == 0:
	case day == l.today+1:
		l.yesterday = l.windows
	default:
		l.yesterday = 0
	}
	l.windows = 0
	if l.today != 0 && day/weekDays != l.today/weekDays {
		l.agents.fade()
		for i := range l.hours {
			l.hours[i] /= 2
		}
	}
	l.today = day
}

// Flag notes that a rule of at least severity LOW fired for an address: today's
// windows of its client are not learned from.
func (s *Stage) Flag(addr netip.Addr, at time.Time) {
	if !addr.IsValid() {
		return
	}
	s.learner.flagged.turn(uint32(max(at.Unix(), 0)) / dayLength)
	s.learner.flagged.add(s.hashOf(clientOf(addr)))
}

func (s *Stage) hashOf(client uint64, v6 bool) uint64 {
	if v6 {
		client ^= 0x5851f42d4c957f2d
	}
	return s.hash.word(client)
}

// Learned says how far the host has been learned, in percent.
func (s *Stage) Learned() int {
	if s.learner.began == 0 {
		return 0
	}
	passed := time.Duration(s.now-s.learner.began) * time.Second
	share := float64(s.learner.seen) / learnWindows
	if s.cfg.Learning > 0 {
		share = min(share, float64(passed)/float64(s.cfg.Learning))
	}
	return int(min(100*share, 100))
}

// judge says how unusual a window is, tells it if it is worth it, and learns.
func (s *Stage) judge(w *window) {
	if s.extract != nil {
		s.extract(w)
		return
	}
	v := w.vector()
	s.judgeVector(w, &v)
}

// judgeVector judges a window by its features.
func (s *Stage) judgeVector(w *window, v *Vector) {
	l := &s.learner
	base := s.cfg.Model.Forest.Score(v)
	score := s.score(v, base)
	flag := s.hashOf(w.client, w.v6)
	flagged := l.flagged.has(flag)
	l.seen++
	l.windows++
	if l.began == 0 {
		l.began = max(s.now, 1)
	}
	learning := s.Learned() < 100
	a := s.value(base, score, learning)
	if !learning {
		a = min(a+s.side(w, v), 1)
	}
	s.stats.Windows++
	if a >= tell {
		s.stats.Unusual++
	}
	if capped := min(a, learningCap); learning && capped >= worth || !learning && a >= worth || flagged {
		s.emit(w, v, a, learning, flagged, flag)
	}
	s.learn(w, v, base, score, flagged, flag)
}

// score is what both models say.
func (s *Stage) score(v *Vector, base float64) float64 {
	if s.learner.local == nil {
		return base
	}
	return (base + s.learner.local.Score(v)) / 2
}

// value is A before the side features.
func (s *Stage) value(base, score float64, learning bool) float64 {
	l := &s.learner
	budget, perDay := s.cfg.Sensitivity.AlertsPerDay(), float64(max(l.windows, l.yesterday))
	if learning {
		return AOf(s.cfg.Model.Scores.P(base), budget, perDay)
	}
	return AOf(max(l.scores.P(score), l.crowd.P(base)/crowdDoubt), budget, perDay)
}

// side is what adds to A without being a part of the models.
func (s *Stage) side(w *window, v *Vector) float64 {
	n := 0.0
	for _, yes := range [...]bool{w.newAgent, s.atOddHour(w.last), w.n >= robotRequests && v[featRhythm] < regular, s.newCountry(w) >= 0} {
		if yes {
			n++
		}
	}
	return min(n*sideWeight, sideMost)
}

// atOddHour reports whether hardly anybody comes at that hour of the day.
func (s *Stage) atOddHour(at uint32) bool {
	all := 0.0
	for _, n := range s.learner.hours {
		all += n
	}
	return s.learner.hours[at/3600%24] < offHours*all
}

// newCountry returns the place of the country of a client who tried to log in, if
// nobody from there ever did, and -1 otherwise.
func (s *Stage) newCountry(w *window) int {
	if !w.login || s.cfg.Country == nil {
		return -1
	}
	place := countryPlace(s.cfg.Country(w.address()))
	if place >= 0 && s.learner.logins[place] {
		return -1
	}
	return place
}

// emit tells of a window.
func (s *Stage) emit(w *window, v *Vector, a float64, learning, flagged bool, flag uint64) {
	src := s.sources[w.source]
	out := sentinel.Anomaly{
		Time: time.Unix(int64(w.last), 0).UTC(), Source: src.name, SourceType: src.typ, Addr: w.address(), A: a, Learning: learning,
		Window: time.Duration(seconds[w.kind]) * time.Second,
	}
	if learning {
		out.A = min(a, learningCap)
	}
	if a >= explain {
		out.Reasons, out.Sample = s.reasons(w, v), s.samples.of(w)
	}
	if out.A >= tell && !flagged {
		out.Quiet = !s.afford(flag)
	}
	s.out = append(s.out, out)
}

// reasons has the weightiest of the model's reasons and, if there is room, the
// side features.
func (s *Stage) reasons(w *window, v *Vector) []string {
	score := func(v *Vector) float64 { return s.score(v, s.cfg.Model.Forest.Score(v)) }
	usual := &s.cfg.Model.Usual
	if s.learner.local != nil {
		usual = &s.learner.usual
	}
	out := reasons(score, v, usual)
	for _, side := range []struct {
		yes  bool
		text string
	}{
		{w.newAgent, "a user agent that was never seen on this host"},
		{s.newCountry(w) >= 0, "nobody from its country ever tried to log in"},
		{s.atOddHour(w.last), "hardly anybody comes at this hour"},
		{w.n >= robotRequests && v[featRhythm] < regular, "its requests come as evenly as a machine's"},
	} {
		if side.yes && len(out) < sentinel.MaxReasons {
			out = append(out, side.text)
		}
	}
	return out
}

// afford reports whether people may be told of a client: so many new ones a day
// as the sensitivity says, and a few at once.
func (s *Stage) afford(flag uint64) bool {
	l := &s.learner
	if l.told.has(flag) {
		l.told.add(flag)
		return true
	}
	if l.paid == 0 {
		l.tokens = allowance
	} else if s.now > l.paid {
		l.tokens = min(l.tokens+s.cfg.Sensitivity.AlertsPerDay()*float64(s.now-l.paid)/dayLength, allowance)
	}
	l.paid = max(s.now, 1)
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	l.told.add(flag)
	return true
}

// learn takes a window into what is usual, if it passes the gate.
func (s *Stage) learn(w *window, v *Vector, base, score float64, flagged bool, flag uint64) {
	l := &s.learner
	if flagged {
		return
	}
	if place := s.newCountry(w); place >= 0 {
		l.logins[place] = true
	}
	l.highest.note(flag, float32(base))
	if base > s.cfg.Model.Gate || !l.reservoir.room(w.client, w.v6) {
		return
	}
	l.scores.Add(score)
	l.reservoir.offer(remembered{client: w.client, v6: w.v6, v: *v})
}

// Points returns copies of the remembered windows, without those of clients for
// whom a rule fired since, to fit a local forest to; nil if they are too few.
func (s *Stage) Points() []Vector {
	out := s.learner.reservoir.vectors(func(client uint64, v6 bool) bool {
		return s.learner.flagged.has(s.hashOf(client, v6))
	})
	if len(out) < leastFit {
		return nil
	}
	return out
}

// Local is a forest that was fitted to the points of a host, with how rare its
// scores are among them. FitLocal makes it, which takes about 30 ms and may happen
// in another goroutine than the stage's.
type Local struct {
	forest *Forest
	usual  Vector
	scores Calibration
}

// FitLocal fits a forest to the points of a stage with the same model.
func FitLocal(m *Model, points []Vector, seed uint64) *Local {
	l := &Local{forest: Fit(points, seed), usual: medians(points)}
	for i := range points {
		l.scores.Add((m.Forest.Score(&points[i]) + l.forest.Score(&points[i])) / 2)
	}
	return l
}

// Adopt judges by a local forest from now on, nil: by none.
func (s *Stage) Adopt(l *Local) {
	if l == nil {
		s.learner.local = nil
		return
	}
	s.learner.local, s.learner.usual, s.learner.scores = l.forest, l.usual, l.scores
}
