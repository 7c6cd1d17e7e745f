package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// Generated days: two weeks of ordinary use of a server, the second with an
// attack that is slow, or spread over many addresses, or both. Everything is
// drawn from one seed, so that the days are the same each time.

const (
	quietDays  = 10
	attackDays = 4
)

var daysBegin = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) // a Monday

// entry is one line of generated days.
type entry struct {
	at     time.Time
	text   string
	attack bool
}

// scenario is one attack in generated days.
type scenario struct {
	name, source string
	// background and attack write lines; attack is given the number of the
	// attempt and returns its lines.
	background func(*rand.Rand) []entry
	attack     func(r *rand.Rand, n int, at time.Time) []string
	every      time.Duration
	attempts   int
}

// network returns an address that no one else of the days has: the n-th of its
// kind, each in a network of its own.
func network(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(45 + n%100), byte(n / 100 % 256), byte(7 + n*13%200), byte(1 + n*31%250)})
}

var neighbour = func(n int) netip.Addr { return netip.AddrFrom4([4]byte{185, 220, 101, byte(1 + n%254)}) }

var guesses = []string{"admin", "test", "oracle", "ubuntu", "git", "postgres", "user", "deploy", "guest", "backup", "ftp", "www", "nagios", "pi"}

func sshTry(user string, known bool, from netip.Addr, n int, at time.Time) []string {
	pid, invalid := 20000+n%30000, "invalid user "
	if known {
		invalid = ""
	}
	return []string{fmt.Sprintf("%s web01 sshd[%d]: Failed password for %s%s from %s port %d ssh2", at.Format(time.Stamp), pid, invalid, user, from, 30000+n%20000)}
}

func request(from netip.Addr, at time.Time, method, target string, status, size int, referer, agent string) string {
	return fmt.Sprintf("%s - - [%s] \"%s %s HTTP/1.1\" %d %d \"%s\" \"%s\"", from, at.Format("02/Jan/2006:15:04:05 -0700"), method, target, status, size, referer, agent)
}

const browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"

func scenarios() []scenario {
	fixed := netip.MustParseAddr("193.32.162.7")
	probes := []string{"/old/index.php", "/test.php", "/shop2/", "/intranet/", "/beta/login", "/2019/", "/portal2/", "/downloads/list", "/mail/", "/staging/", "/dev/", "/office/"}
	secrets := []string{"/.env", "/.git/config", "/backup.sql", "/wp-config.php.bak", "/.aws/credentials", "/id_rsa", "/.svn/entries", "/.htpasswd", "/db.sql.gz", "/.env.production"}
	return []scenario{
		{name: "sshd: one address, one attempt in 10 minutes", source: "ssh", background: people, every: 10 * time.Minute, attempts: 400,
			attack: func(_ *rand.Rand, n int, at time.Time) []string { return sshTry("root", true, fixed, n, at) }},
		{name: "sshd: one address, one attempt an hour", source: "ssh", background: people, every: time.Hour, attempts: 90,
			attack: func(_ *rand.Rand, n int, at time.Time) []string {
				return sshTry(guesses[n%len(guesses)], false, fixed, n, at)
			}},
		{name: "sshd: one user, one attempt an address, one a minute", source: "ssh", background: people, every: time.Minute, attempts: 1000,
			attack: func(_ *rand.Rand, n int, at time.Time) []string { return sshTry("alice", true, network(n), n, at) }},
		{name: "sshd: many users, one attempt an address, one a minute", source: "ssh", background: people, every: time.Minute, attempts: 1000,
			attack: func(_ *rand.Rand, n int, at time.Time) []string {
				return sshTry(guesses[n%len(guesses)], false, network(n), n, at)
			}},
		{name: "sshd: existing users, one attempt an address, one in 10 minutes", source: "ssh", background: people, every: 10 * time.Minute, attempts: 500,
			attack: func(r *rand.Rand, n int, at time.Time) []string {
				return sshTry(pickFrom(r, staff), true, network(n), n, at)
			}},
		{name: "sshd: many users, one attempt an address, one in 10 minutes", source: "ssh", background: people, every: 10 * time.Minute, attempts: 500,
			attack: func(_ *rand.Rand, n int, at time.Time) []string {
				return sshTry(guesses[n%len(guesses)], false, network(n), n, at)
			}},
		{name: "sshd: one network, one attempt an address, one a minute", source: "ssh", background: people, every: time.Minute, attempts: 200,
			attack: func(_ *rand.Rand, n int, at time.Time) []string { return sshTry("root", true, neighbour(n), n, at) }},
		{name: "web: one address, one missing page in 10 minutes", source: "nginx", background: visits, every: 10 * time.Minute, attempts: 400,
			attack: func(_ *rand.Rand, n int, at time.Time) []string {
				return []string{request(fixed, at, "GET", probes[n%len(probes)]+fmt.Sprint(n), 404, 153, "-", browser)}
			}},
		{name: "web: one address, one secret file in 10 minutes", source: "nginx", background: visits, every: 10 * time.Minute, attempts: 100,
			attack: func(_ *rand.Rand, n int, at time.Time) []string {
				return []string{request(fixed, at, "GET", secrets[n%len(secrets)], 404, 153, "-", browser)}
			}},
		{name: "web: one secret file an address, one a minute", source: "nginx", background: visits, every: time.Minute, attempts: 500,
			attack: func(_ *rand.Rand, n int, at time.Time) []string {
				return []string{request(network(n), at, "GET", secrets[n%len(secrets)], 404, 153, "-", browser)}
			}},
		{name: "web: one login an address, 10 a minute", source: "nginx", background: visits, every: 6 * time.Second, attempts: 2000,
			attack: func(_ *rand.Rand, n int, at time.Time) []string {
				return []string{request(network(n), at, "POST", "/login", 401, 512, "https://www.example.com/login", browser)}
			}},
		{name: "web: one login an address, one in 10 minutes", source: "nginx", background: visits, every: 10 * time.Minute, attempts: 500,
			attack: func(_ *rand.Rand, n int, at time.Time) []string {
				return []string{request(network(n), at, "POST", "/login", 401, 512, "https://www.example.com/login", browser)}
			}},
		{name: "web: one injection an address, one in 10 minutes", source: "nginx", background: visits, every: 10 * time.Minute, attempts: 200,
			attack: func(_ *rand.Rand, n int, at time.Time) []string {
				return []string{request(network(n), at, "GET", fmt.Sprintf("/news?id=%d%%27%%20UNION%%20SELECT%%201,%d,3--%%20-", n, n), 200, 4200, "-", browser)}
			}},
		{name: "web: one page an address, 300 a minute", source: "nginx", background: visits, every: 200 * time.Millisecond, attempts: 6000,
			attack: func(_ *rand.Rand, n int, at time.Time) []string {
				return []string{request(network(n), at, "GET", "/search?q=a", 200, 8800, "-", browser)}
			}},
	}
}

var staff = []string{"alice", "bob", "carol", "dave", "erin", "frank"}

func pickFrom[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// people is a server's authentication log without attackers: people log in by key
// in working hours and mistype a password now and then; cron runs each hour.
func people(r *rand.Rand) (out []entry) {
	for day := range quietDays + attackDays {
		date := daysBegin.AddDate(0, 0, day)
		logins := 40
		if wd := date.Weekday(); wd == time.Saturday || wd == time.Sunday {
			logins = 6
		}
		for range logins {
			at := date.Add(8*time.Hour + time.Duration(r.IntN(10*3600))*time.Second)
			i := r.IntN(len(staff))
			home, pid := fmt.Sprintf("81.2.69.%d", 10+i), 1000+r.IntN(9000)
			if r.Float64() < 0.06 {
				out = append(out, entry{at: at, text: fmt.Sprintf("%s web01 sshd[%d]: Failed password for %s from %s port %d ssh2", at.Format(time.Stamp), pid, staff[i], home, 1024+r.IntN(60000))})
				at = at.Add(8 * time.Second)
			}
			out = append(out, entry{at: at, text: fmt.Sprintf("%s web01 sshd[%d]: Accepted publickey for %s from %s port %d ssh2: ED25519 SHA256:%043x", at.Format(time.Stamp), pid, staff[i], home, 1024+r.IntN(60000), r.Uint64())})
		}
		for hour := range 24 {
			at := date.Add(time.Duration(hour)*time.Hour + 17*time.Minute)
			out = append(out, entry{at: at, text: fmt.Sprintf("%s web01 CRON[%d]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)", at.Format(time.Stamp), 9000+hour)})
		}
	}
	return out
}

// visits is the access log of a small shop without attackers: visits of a few
// pages with their files, logins, crawlers, a monitor, and broken links.
func visits(r *rand.Rand) (out []entry) {
	pages := []string{"/", "/news?id=%d", "/product/%d", "/category/%d", "/search?q=shoes+%d", "/about", "/contact", "/blog/%d"}
	agents := []string{browser, "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1"}
	for day := range quietDays + attackDays {
		date := daysBegin.AddDate(0, 0, day)
		for range 160 + r.IntN(40) {
			hour := int(12 + 5*r.NormFloat64())
			at := date.Add(time.Duration(min(max(hour, 0), 23))*time.Hour + time.Duration(r.IntN(3600))*time.Second)
			from := netip.AddrFrom4([4]byte{byte(150 + r.IntN(20)), byte(r.IntN(250)), byte(r.IntN(250)), byte(1 + r.IntN(250))})
			agent, referer := pickFrom(r, agents), "-"
			for range 1 + r.IntN(8) {
				page := pickFrom(r, pages)
				if slices.Contains([]byte(page), '%') {
					page = fmt.Sprintf(page, 1+r.IntN(300))
				}
				status := 200
				if r.Float64() < 0.015 {
					page, status = "/old/page"+fmt.Sprint(r.IntN(20)), 404
				}
				out = append(out, entry{at: at, text: request(from, at, "GET", page, status, 3000+r.IntN(20000), referer, agent)})
				referer = "https://www.example.com" + page
				for range r.IntN(5) {
					out = append(out, entry{at: at.Add(time.Second), text: request(from, at.Add(time.Second), "GET", fmt.Sprintf("/static/%d.js", r.IntN(30)), 200, 9000, referer, agent)})
				}
				at = at.Add(time.Duration(3+r.IntN(90)) * time.Second)
			}
			if r.Float64() < 0.08 {
				status := 302
				if r.Float64() < 0.1 {
					status = 401
				}
				out = append(out, entry{at: at, text: request(from, at, "POST", "/login", status, 512, "https://www.example.com/login", agent)})
			}
		}
		for minute := 0; minute < 24*60; minute += 5 {
			at := date.Add(time.Duration(minute) * time.Minute)
			out = append(out, entry{at: at, text: request(netip.MustParseAddr("178.255.152.2"), at, "HEAD", "/", 200, 0, "-", "UptimeMonitor/2.0")})
		}
	}
	return out
}

// slowAttacks runs each scenario and says after how many attempts it was found.
func slowAttacks(off, on *runner) (table, error) {
	t := table{
		title: "Slow and distributed attacks, in generated days",
		about: fmt.Sprintf("%d ordinary days, then the attack. Attempts and time until the first threat at or above MEDIUM, and until the first block; false threats are those about others than the attackers.", quietDays),
		head:  []string{"attack", "attempts", "found after", "time", "with anomaly", "blocked after", "addresses blocked", "first found by", "false threats"},
		words: 1,
	}
	for _, s := range scenarios() {
		a, err := s.run(off)
		if err != nil {
			return t, err
		}
		b, err := s.run(on)
		if err != nil {
			return t, err
		}
		t.rows = append(t.rows, []string{s.name, fmt.Sprint(s.attempts), after(a.found), a.took(), after(b.found),
			after(b.blocked), fmt.Sprint(b.addresses), b.by, fmt.Sprint(b.wrong)})
	}
	return t, nil
}

func after(n int) string {
	if n == 0 {
		return "not found"
	}
	return fmt.Sprint(n)
}

// found is what a scenario led to, in attempts; 0: never.
type found struct {
	found, blocked, addresses, wrong int
	time                             time.Duration
	by                               string
}

func (f found) took() string {
	if f.found == 0 {
		return "-"
	}
	return f.time.Round(time.Second).String()
}

func (s *scenario) run(r *runner) (f found, err error) {
	rnd := rand.New(rand.NewPCG(4, 20260302))
	lines := s.background(rnd)
	begin := daysBegin.AddDate(0, 0, quietDays).Add(2 * time.Hour)
	attackers := map[netip.Prefix]bool{}
	for n := range s.attempts {
		at := begin.Add(time.Duration(n) * s.every)
		for _, text := range s.attack(rnd, n, at) {
			lines = append(lines, entry{at: at, text: text, attack: true})
		}
	}
	slices.SortStableFunc(lines, func(a, b entry) int { return a.at.Compare(b.at) })
	typ, err := parse.ParseType(s.source)
	if err != nil {
		return f, err
	}
	e, err := r.engine(false, 7*24*time.Hour)
	if err != nil {
		return f, err
	}
	src := e.NewSource(s.source, parse.Config{Type: typ, Location: time.UTC})
	blocked := map[netip.Prefix]bool{}
	n := 0
	for _, l := range lines {
		step := e.Line(src, l.text, l.at, l.at)
		if l.attack {
			n++
			attackers[sentinel.Entity(step.Event.SrcIP)] = true
		}
		fx := step.Effects
		fx.Merge(e.Tick(l.at))
		for i := range fx.Threats {
			t := &fx.Threats[i]
			if t.Severity < sentinel.Medium {
				continue
			}
			if n == 0 || t.Scope.IsValid() && t.Scope.IsSingleIP() && !attackers[t.Scope] {
				f.wrong++
				continue
			}
			if f.found == 0 {
				f.found, f.time, f.by = n, l.at.Sub(begin), t.RuleID
				if f.by == "" {
					f.by = t.Type
				}
			}
		}
		for _, b := range fx.Blocks {
			if f.blocked == 0 {
				f.blocked = n
			}
			blocked[b.Prefix()] = true
		}
	}
	f.addresses = len(blocked)
	return f, nil
}
