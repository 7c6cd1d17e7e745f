package detect

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Bounds of what is remembered of logins.
const (
	// MaxLogins is how many places of users are remembered in all: users times
	// countries.
	MaxLogins     = maxLoginUsers * maxCountries
	maxLoginUsers = 4096
	maxCountries  = 8
	maxLoginName  = 128
)

const (
	// LoginMemory is how long a country is remembered for a user.
	LoginMemory = 90 * 24 * time.Hour
	// A user is known when the first login was so long ago. Before that any country
	// may be the usual one.
	knownAfter = 24 * time.Hour
	// usualDays is on how many days a user logs in from a country that is usual:
	// between two of them there is a way that is no journey, such as a VPN.
	usualDays = 3
	// Nobody travels faster, in km/h, and shorter gaps (km) between countries are
	// not told apart: where they are is known coarsely.
	maxSpeed = 900
	leastGap = 300
	// storeEvery is how often the last login of a user is handed out to be stored.
	storeEvery = time.Minute
)

// Logins remembers which countries users log in from.
type Logins struct {
	users map[string]*loginUser
	// changed are places to be stored.
	changed []sentinel.LoginPlace
}

// loginUser is one user: places in no order.
type loginUser struct {
	places []loginPlace
	seen   time.Time
}

type loginPlace struct {
	sentinel.LoginPlace
	stored time.Time // as of which Last it was handed out
}

// LoginFinding is what is odd about a login.
type LoginFinding struct {
	// New: the user did not log in from there within LoginMemory; Before are the
	// countries that he did log in from.
	New    bool
	Before []string
	// Travel: the login before was in another country, so far away (in km, at
	// least) that nobody travels there in the time between.
	Travel bool
	From   sentinel.LoginPlace
	Km     float64
	Within time.Duration
}

// NewLogins returns an empty memory.
func NewLogins() *Logins { return &Logins{users: make(map[string]*loginUser)} }

// Restore takes up what was stored, the last seen first.
func (l *Logins) Restore(list []sentinel.LoginPlace) {
	for _, p := range list {
		u := l.users[p.User]
		if u == nil {
			if len(l.users) >= maxLoginUsers {
				continue
			}
			u = &loginUser{}
			l.users[p.User] = u
		}
		if len(u.places) < maxCountries {
			u.places = append(u.places, loginPlace{p, p.Last})
		}
		if p.Last.After(u.seen) {
			u.seen = p.Last
		}
	}
}

// Note takes in a login that succeeded at a time, from an address of which g is
// known, and says what is odd about it. Without a country nothing is. An event
// that tells nothing new allocates nothing.
func (l *Logins) Note(at time.Time, user string, addr netip.Addr, g sentinel.Geo) (f LoginFinding) {
	if g.Country == "" || user == "" {
		return f
	}
	user = user[:min(len(user), maxLoginName)]
	u := l.users[user]
	if u == nil {
		if len(l.users) >= maxLoginUsers {
			l.evict()
		}
		u = &loginUser{}
		l.users[strings.Clone(user)] = u
	}
	f = u.judge(at, g)
	p := u.place(at, user, g.Country)
	if at.Sub(p.Last) > 0 || p.Days == 0 {
		if p.Days == 0 || at.UTC().Truncate(24*time.Hour).After(p.Last) {
			p.Days++
			p.stored = time.Time{}
		}
		p.Last, p.Addr, p.ASN = at, addr, g.ASN
	}
	if at.After(u.seen) {
		u.seen = at
	}
	if p.Last.Sub(p.stored) >= storeEvery {
		p.stored = p.Last
		if len(l.changed) == MaxLogins { // nobody takes them
			l.changed = l.changed[:0]
		}
		l.changed = append(l.changed, p.LoginPlace)
	}
	return f
}

// Changed returns the places that are to be stored since it was called last.
func (l *Logins) Changed() []sentinel.LoginPlace {
	out := l.changed
	l.changed = nil
	return out
}

// judge says what is odd about a login before it is remembered.
func (u *loginUser) judge(at time.Time, g sentinel.Geo) (f LoginFinding) {
	var here, last *loginPlace
	first := at
	for i := range u.places {
		p := &u.places[i]
		if at.Sub(p.Last) > LoginMemory {
			continue
		}
		if p.First.Before(first) {
			first = p.First
		}
		if p.Country == g.Country {
			here = p
		}
		if last == nil || p.Last.After(last.Last) {
			last = p
		}
	}
	if here == nil && at.Sub(first) >= knownAfter {
		f.New = true
		for i := range u.places {
			if at.Sub(u.places[i].Last) <= LoginMemory {
				f.Before = append(f.Before, u.places[i].Country)
			}
		}
		slices.Sort(f.Before)
	}
	if last == nil || last.Country == g.Country || last.ASN != 0 && last.ASN == g.ASN ||
		here != nil && here.Days >= usualDays && last.Days >= usualDays {
		return f
	}
	within := at.Sub(last.Last).Abs()
	km := sentinel.CountryGap(last.Country, g.Country)
	if km >= leastGap && km > maxSpeed*within.Hours() {
		f.Travel, f.From, f.Km, f.Within = true, last.LoginPlace, km, within
	}
	return f
}

// place returns the user's place of a country, made if need be; of too many the one
// that was seen longest ago gives way.
func (u *loginUser) place(at time.Time, user, country string) *loginPlace {
	i := slices.IndexFunc(u.places, func(p loginPlace) bool { return p.Country == country })
	if i >= 0 {
		return &u.places[i]
	}
	fresh := loginPlace{LoginPlace: sentinel.LoginPlace{User: strings.Clone(user), Country: country, First: at, Last: at}}
	if len(u.places) < maxCountries {
		u.places = append(u.places, fresh)
		return &u.places[len(u.places)-1]
	}
	oldest := 0
	for i := range u.places {
		if u.places[i].Last.Before(u.places[oldest].Last) {
			oldest = i
		}
	}
	u.places[oldest] = fresh
	return &u.places[oldest]
}

// evict forgets the user who was seen longest ago.
func (l *Logins) evict() {
	var oldest string
	var at time.Time
	for name, u := range l.users {
		if oldest == "" || u.seen.Before(at) {
			oldest, at = name, u.seen
		}
	}
	delete(l.users, oldest)
}
