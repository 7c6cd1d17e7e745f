package anomaly

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// A distributed guess at the passwords of people who do log in here: one try an
// address, so that no address is conspicuous. What is conspicuous is that logins
// of these people fail more often than they do.
//
// Every hour, or after 1,000 attempts, the share of failures f/n among the
// attempts for users who got in within the last week is added up as far as it
// exceeds what is usual (CUSUM). Usual is a beta-binomial distribution fitted to
// 30 days. The sum at which it alarms is the one that, by simulation, such a
// distribution reaches once in 90 days.
const (
	distHour      = 3600
	distAttempts  = 1000
	distHistory   = 30 * 24 // intervals that are remembered
	distLeast     = 30      // of them are needed, with at least one attempt each
	distUsers     = 1024
	distUserFor   = 7 * 24 * 3600
	distAddrs     = 512
	distAlarmDays = 90
	distShown     = 20
)

// SiteDist is an alarm: ordinary users fail to log in more often than usual.
type SiteDist struct {
	// Time is when it was noticed. Failed of Attempts logins of users who got in within the last week, since
	// Since; Usual is the usual share.
	Time             time.Time
	Failed, Attempts int
	Usual            float64
	Since            time.Time
	// Count addresses tried for the first time since then, and never got in;
	// Addrs are some of them.
	Count int
	Addrs []netip.Addr
	// Sample is a line of one of them.
	Sample string
}

// tried are the failures and attempts of an interval.
type tried struct{ F, N uint16 }

type siteDist struct {
	users map[uint64]int64 // hash to the last success

	began        int64 // of the interval
	all          int
	open         tried
	failed, made int // since the sum left 0
	since        int64
	addrs        map[netip.Addr]struct{}
	more         int // addresses beyond distAddrs
	sample       string

	history []tried // a ring
	next    int
	sum     float64

	fitted int64 // day of the fit
	fit    distFit
}

// distFit is what is usual.
type distFit struct{ mu, slack, alarm float64 }

func newSiteDist() *siteDist {
	return &siteDist{users: make(map[uint64]int64), addrs: make(map[netip.Addr]struct{})}
}

// login counts a login attempt.
func (x *Series) login(ev *sentinel.Event, sec int64, n uint32) {
	failed, ok := ev.Type == sentinel.EventAuthFail && counts(ev.AuthStep), ev.Type == sentinel.EventAuthOK
	if !failed && !ok || !strings.HasPrefix(ev.Program, "sshd") && ev.SourceType != sentinel.TypeSSH {
		return
	}
	if x.site == nil {
		x.site = newSiteDist()
	}
	d := x.site
	if d.began == 0 || sec-d.began > distHistory*distHour {
		d.began, d.since = sec, sec
	}
	for d.all >= distAttempts || sec-d.began >= distHour {
		x.endInterval(sec)
	}
	d.all += int(n)
	user := x.set.hash.str(ev.User) ^ x.salt
	last, known := d.users[user]
	if known && sec-last <= distUserFor {
		d.open.N = uint16(min(int(d.open.N)+int(n), math.MaxUint16))
		if failed {
			d.open.F = uint16(min(int(d.open.F)+int(n), math.MaxUint16))
		}
	}
	if ok {
		d.succeeded(user, sec)
		delete(d.addrs, ev.SrcIP)
	}
	if !ev.SrcIP.IsValid() {
		return
	}
	// Another salt than that of addresses seen: a failure after a success is not
	// a first attempt.
	hash := x.set.hash.addr(ev.SrcIP) ^ x.salt<<1
	if x.set.known.note(hash, sec) || ok {
		return
	}
	switch _, there := d.addrs[ev.SrcIP]; {
	case there:
	case len(d.addrs) == distAddrs:
		d.more++
	default:
		d.addrs[ev.SrcIP] = struct{}{}
		if d.sample == "" {
			d.sample = strings.Clone(ev.Raw[:min(len(ev.Raw), 1024)])
		}
	}
}

func (d *siteDist) succeeded(user uint64, sec int64) {
	if _, known := d.users[user]; !known && len(d.users) >= distUsers {
		var oldest uint64
		first := int64(math.MaxInt64)
		for u, t := range d.users {
			if t < first || t == first && u < oldest {
				oldest, first = u, t
			}
		}
		delete(d.users, oldest)
	}
	d.users[user] = sec
}

// endInterval adds up the interval and begins the next one.
func (x *Series) endInterval(sec int64) {
	d := x.site
	in := d.open
	d.open, d.all = tried{}, 0
	if d.began += distHour; d.began > sec || sec-d.began >= distHour {
		d.began = sec // after 1,000 attempts, or hours without any
	}
	if in.N == 0 {
		d.quiet(sec)
		return
	}
	share := float64(in.F) / float64(in.N)
	if day := sec / 86400; day != d.fitted {
		d.fitted = day
		d.refit(x.salt)
	}
	d.failed, d.made = d.failed+int(in.F), d.made+int(in.N)
	if d.fit.alarm > 0 && !x.Learning() {
		d.sum = max(0, d.sum+share-d.fit.mu-d.fit.slack)
		if d.sum > d.fit.alarm {
			x.closed().Dist = d.alarm(sec)
			d.sum = 0
			d.quiet(sec)
			return // and teaches nothing
		}
	}
	if len(d.history) < distHistory {
		d.history = append(d.history, in)
	} else {
		d.history[d.next] = in
		d.next = (d.next + 1) % distHistory
	}
	d.quiet(sec)
}

// quiet lets go of the addresses while nothing has added up.
func (d *siteDist) quiet(sec int64) {
	if d.sum > 0 {
		return
	}
	d.failed, d.made, d.more, d.since, d.sample = 0, 0, 0, sec, ""
	clear(d.addrs)
}

func (d *siteDist) alarm(sec int64) *SiteDist {
	out := &SiteDist{
		Time: time.Unix(sec, 0).UTC(), Failed: d.failed, Attempts: d.made, Usual: d.fit.mu, Since: time.Unix(d.since, 0).UTC(), Count: len(d.addrs) + d.more, Sample: d.sample,
	}
	for a := range d.addrs {
		out.Addrs = append(out.Addrs, a)
	}
	sortAddrs(out.Addrs)
	out.Addrs = out.Addrs[:min(len(out.Addrs), distShown)]
	return out
}

// refit fits the history, if there is enough of it.
func (d *siteDist) refit(seed uint64) {
	d.fit = distFit{}
	if len(d.history) < distLeast {
		return
	}
	mean, scatter := betaBinomial(d.history)
	// How many intervals with attempts there are in 90 days is as in the history,
	// which reaches back 30 days at most; each is an hour or less.
	d.fit = simulate(d.history, mean, scatter, distAlarmDays*24, rand.New(rand.NewPCG(seed, 1)))
}

// betaBinomial fits the distribution to failures of attempts by moments: the mean
// p, and rho, by which intervals differ more than chance explains (a = p(1-rho)/
// rho, b = (1-p)(1-rho)/rho).
func betaBinomial(all []tried) (p, rho float64) {
	f, n := 0.5, 1.0
	for _, t := range all {
		f, n = f+float64(t.F), n+float64(t.N)
	}
	p = f / n
	sum := 0.0
	for _, t := range all {
		d := float64(t.F)/float64(t.N) - p
		sum += float64(t.N) * d * d
	}
	k := float64(len(all))
	if n-1 > k {
		rho = (sum/(p*(1-p)) - k) / (n - 1 - k)
	}
	return p, min(max(rho, 0.001), 0.9)
}

// simulate finds the sum that intervals of this kind reach once in so many.
func simulate(all []tried, p, rho float64, intervals int, random *rand.Rand) distFit {
	const pool = 4096
	var shares [pool]float64
	mean, square := 0.0, 0.0
	a, b := p*(1-rho)/rho, (1-p)*(1-rho)/rho
	for i := range shares {
		n := all[random.IntN(len(all))].N
		theta := betaVariate(random, a, b)
		f := 0
		for range n {
			if random.Float64() < theta {
				f++
			}
		}
		s := float64(f) / float64(n)
		shares[i] = s
		mean, square = mean+s/pool, square+s*s/pool
	}
	fit := distFit{mu: mean, slack: math.Sqrt(max(square-mean*mean, 1e-6)) / 2}
	path := make([]uint16, 20*intervals)
	for i := range path {
		path[i] = uint16(random.IntN(pool))
	}
	alarms := func(h float64) int {
		sum, n := 0.0, 0
		for _, i := range path {
			if sum = max(0, sum+shares[i]-fit.mu-fit.slack); sum > h {
				sum, n = 0, n+1
			}
		}
		return n
	}
	low, high := 0.0, 1.0
	for alarms(high) > len(path)/intervals && high < 1024 {
		low, high = high, 2*high
	}
	for range 12 {
		if mid := (low + high) / 2; alarms(mid) > len(path)/intervals {
			low = mid
		} else {
			high = mid
		}
	}
	fit.alarm = high
	return fit
}

// betaVariate draws from a beta distribution, by two gamma variates.
func betaVariate(random *rand.Rand, a, b float64) float64 {
	x, y := gammaVariate(random, a), gammaVariate(random, b)
	if x+y == 0 {
		return a / (a + b)
	}
	return x / (x + y)
}

// gammaVariate is the method of Marsaglia and Tsang.
func gammaVariate(random *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gammaVariate(random, shape+1) * math.Pow(random.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := random.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if u := random.Float64(); math.Log(u) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}
