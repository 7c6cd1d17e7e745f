package anomaly

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// office is an SSH server where 20 people log in from home, mistype one time in
// 20, and strangers try accounts that nobody has.
type office struct {
	set    *SeriesSet
	x      *Series
	random *rand.Rand
	now    time.Time
	alarms []*SiteDist
	tries  int // of the attackers
	fresh  int
}

func newOffice(seed uint64) *office {
	o := &office{random: rand.New(rand.NewPCG(seed, 9)), now: monday}
	o.set = NewSeries(SeriesConfig{Learning: 7 * 24 * time.Hour, Seed: seed})
	o.x = o.set.Source("/var/log/auth.log", sentinel.TypeSSH)
	return o
}

func (o *office) attempt(user string, addr netip.Addr, ok bool) {
	ev := sentinel.Event{
		Time: o.now, Type: sentinel.EventAuthFail, AuthStep: sentinel.AuthStepFailed, SourceType: sentinel.TypeSSH, Program: "sshd", User: user,
		SrcIP: addr, Repeat: 1, Raw: "Failed password for " + user,
	}
	if ok {
		ev.Type, ev.AuthStep = sentinel.EventAuthOK, sentinel.AuthStepNone
	}
	o.x.Observe(&ev, o.now, 0)
}

// hour lets an hour go by; the attackers make so many attempts in it.
func (o *office) hour(attack int) {
	busy := 0.2
	if h := o.now.Hour(); h >= 8 && h < 18 && o.now.Weekday() != time.Saturday && o.now.Weekday() != time.Sunday {
		busy = 4
	}
	end := o.now.Add(time.Hour)
	people, strangers := poisson(o.random, busy), poisson(o.random, 3)
	step := time.Hour / time.Duration(people+strangers+attack+1)
	for n := people + strangers + attack; n > 0; n-- {
		o.now = o.now.Add(step)
		switch at := o.random.IntN(n); {
		case at < people:
			people--
			i := o.random.IntN(20)
			for o.random.IntN(20) == 0 {
				o.attempt(fmt.Sprintf("user%d", i), client(i), false)
			}
			o.attempt(fmt.Sprintf("user%d", i), client(i), true)
		case at < people+strangers:
			strangers--
			o.attempt("oracle", client(1000+o.random.IntN(500)), false)
		default:
			attack--
			o.tries++
			o.fresh++
			o.attempt(fmt.Sprintf("user%d", o.random.IntN(20)), client(1_000_000+o.fresh), false)
		}
	}
	o.now = end
	o.set.Advance(o.now)
	for _, c := range o.set.Closed() {
		if c.Dist != nil {
			o.alarms = append(o.alarms, c.Dist)
		}
	}
}

// TestSiteDist: guessing at the passwords of people who do log in, one attempt
// an address, is found; nothing is in three quiet months, mostly.
func TestSiteDist(t *testing.T) {
	alarms := 0
	runs := 3
	if testing.Short() {
		runs = 1
	}
	for seed := range uint64(runs) {
		o := newOffice(seed)
		for range 24 * 120 {
			o.hour(0)
		}
		alarms += len(o.alarms)
	}
	t.Logf("%.1f alarms in 90 days where nothing happens", float64(alarms)/float64(runs)*90/113)
	if alarms > 2*runs {
		t.Errorf("%d alarms in %d times 113 days", alarms, runs)
	}
	for _, rate := range []int{1, 3, 10, 30} {
		o := newOffice(77)
		for range 24 * 35 {
			o.hour(0)
		}
		o.alarms = nil
		hours := 0
		for ; len(o.alarms) == 0 && hours < 24*14; hours++ {
			o.hour(rate)
		}
		if len(o.alarms) == 0 {
			t.Errorf("%d attempts an hour are not found in two weeks", rate)
			continue
		}
		a := o.alarms[0]
		t.Logf("%d attempts an hour, each from an address of its own: found after %d attempts in %d hours; %d of %d failed, %d addresses", rate, o.tries, hours, a.Failed, a.Attempts, a.Count)
		if a.Count == 0 || len(a.Addrs) == 0 || a.Failed > a.Attempts || a.Usual > 0.2 || a.Sample == "" || a.Since.Before(monday) {
			t.Errorf("the alarm is %+v", a)
		}
		for _, addr := range a.Addrs {
			if addr.Compare(client(500)) < 0 {
				t.Errorf("%s is of the people, not of the attackers", addr)
			}
		}
		if rate >= 3 && hours > 24 {
			t.Errorf("%d attempts an hour are found after %d hours", rate, hours)
		}
	}
}

func TestSiteDistUnderFlood(t *testing.T) {
	o := newOffice(5)
	for range 24 * 20 {
		o.hour(0)
	}
	for range 3 { // 60,000 attempts, a thousand each interval
		o.hour(20_000)
	}
	d := o.x.site
	if len(o.alarms) == 0 || len(d.addrs) > distAddrs || len(d.history) > distHistory || len(d.users) > distUsers {
		t.Errorf("%d alarms, %d addresses, %d users", len(o.alarms), len(d.addrs), len(d.users))
	}
	if d.fit.mu > 0.2 {
		t.Errorf("the flood taught that %.2f fail", d.fit.mu)
	}
	for i := range 3 * distUsers {
		o.attempt(fmt.Sprintf("u%d", i), client(i), true)
	}
	if len(d.users) != distUsers {
		t.Errorf("%d users are remembered", len(d.users))
	}
}

func TestBetaBinomial(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ p, rho float64 }{{0.05, 0.01}, {0.1, 0.1}, {0.3, 0.2}} {
		var all []tried
		for range distHistory {
			n := 10 + random.IntN(50)
			theta := betaVariate(random, c.p*(1-c.rho)/c.rho, (1-c.p)*(1-c.rho)/c.rho)
			f := 0
			for range n {
				if random.Float64() < theta {
					f++
				}
			}
			all = append(all, tried{uint16(f), uint16(n)})
		}
		p, rho := betaBinomial(all)
		if math.Abs(p-c.p) > 0.03 || math.Abs(rho-c.rho) > 0.05 {
			t.Errorf("of p %v, rho %v there is %.3f, %.3f", c.p, c.rho, p, rho)
		}
		fit := simulate(all, p, rho, 2160, rand.New(rand.NewPCG(3, 4)))
		// A simulation of its own finds about one alarm in 90 days.
		alarms, sum := 0, 0.0
		const runs = 60
		for range runs * 2160 {
			n := all[random.IntN(len(all))].N
			theta := betaVariate(random, p*(1-rho)/rho, (1-p)*(1-rho)/rho)
			f := 0
			for range n {
				if random.Float64() < theta {
					f++
				}
			}
			if sum = max(0, sum+float64(f)/float64(n)-fit.mu-fit.slack); sum > fit.alarm {
				alarms, sum = alarms+1, 0
			}
		}
		if got := float64(alarms) / runs; got < 0.4 || got > 2 {
			t.Errorf("p %v, rho %v: %.2f alarms in 90 days, want 1", c.p, c.rho, got)
		}
	}
}
