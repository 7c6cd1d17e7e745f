package simulate

import (
	"fmt"
	"net/netip"
	"time"
)

// site is what a site has and who comes to it.
type site struct {
	name   string
	pages  int      // of the form page
	page   string   // with a number in it
	others []string // further pages
	assets int      // different ones
	login  string
	// shape is the share of visits by hour, days off has the factor of Saturdays
	// and Sundays.
	shape   [24]float64
	daysOff float64
	// clients are the sorts of clients with their weights.
	clients []sort
	missing float64 // share of pages that are not there
}

type sort struct {
	weight int
	name   string
	run    func(*maker, time.Time)
}

var (
	evening = [24]float64{3, 2, 1, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5, 6, 7, 8, 9, 9, 8, 6, 4}
	office  = [24]float64{0, 0, 0, 0, 0, 0, 1, 5, 10, 12, 12, 11, 7, 10, 11, 10, 8, 4, 1, 0.5, 0.3, 0.2, 0, 0}
)

var sites = []*site{
	{name: "blog", pages: 240, page: "/%d/how-to-number-%[1]d/", others: []string{"/", "/archive/", "/about/", "/tags/linux/", "/tags/go/", "/search?q=ssh+keys"},
		assets: 30, login: "/wp-login.php", shape: evening, daysOff: 1.1, missing: 0.02,
		clients: []sort{{60, "browser", (*maker).browser}, {6, "crawler", (*maker).crawler}, {20, "feed reader", (*maker).feedReader}, {1, "monitor", (*maker).monitor}, {4, "nat", (*maker).nat}, {9, "single", (*maker).single}}},
	{name: "shop", pages: 900, page: "/product/%d", others: []string{"/", "/cart", "/category/shoes?sort=price&page=2", "/category/hats", "/search?q=blue+hat&size=m", "/account/orders"},
		assets: 60, login: "/account/login", shape: evening, daysOff: 1.3, missing: 0.03,
		clients: []sort{{70, "browser", (*maker).browser}, {5, "crawler", (*maker).crawler}, {10, "mobile app", (*maker).mobile}, {1, "monitor", (*maker).monitor}, {8, "nat", (*maker).nat}, {6, "single", (*maker).single}}},
	{name: "api", pages: 3000, page: "/api/v1/items/%d", others: []string{"/api/v1/me", "/api/v1/feed?since=20260301", "/api/v1/status"},
		assets: 5, login: "/api/v1/login", shape: evening, daysOff: 1, missing: 0.02,
		clients: []sort{{70, "mobile app", (*maker).mobile}, {15, "service", (*maker).service}, {2, "monitor", (*maker).monitor}, {6, "nat", (*maker).natMobile}, {7, "browser", (*maker).browser}}},
	{name: "webdav", pages: 400, page: "/index.php/apps/files/?dir=/Notes&fileid=%d", others: []string{"/index.php/login", "/index.php/apps/calendar/", "/status.php"},
		assets: 50, login: "/index.php/login", shape: evening, daysOff: 1.1, missing: 0.04,
		clients: []sort{{35, "dav sync", (*maker).davSync}, {25, "browser", (*maker).browser}, {15, "dav mobile", (*maker).davMobile}, {2, "monitor", (*maker).monitor}, {5, "nat", (*maker).natDav}}},
	{name: "intranet", pages: 500, page: "/wiki/Page_%d", others: []string{"/", "/board?view=week", "/tickets?assignee=me&state=open", "/tickets/new", "/people/search?name=m%C3%BCller"},
		assets: 40, login: "/sso/login", shape: office, daysOff: 0.05, missing: 0.03,
		clients: []sort{{70, "worker", (*maker).worker}, {10, "browser", (*maker).browser}, {3, "monitor", (*maker).monitor}, {10, "service", (*maker).service}, {5, "nat", (*maker).nat}}},
}

// webDays lets the harmless clients come.
func (m *maker) webDays() {
	all := 0
	for _, c := range m.site.clients {
		all += c.weight
	}
	// Some come back day by day, as what they were.
	type visitor struct {
		addr  netip.Addr
		agent string
		sort  *sort
	}
	draw := func() visitor {
		v := visitor{addr: m.address(), agent: m.pick(browsers)}
		w := m.IntN(all)
		for i := range m.site.clients {
			if w -= m.site.clients[i].weight; w < 0 {
				v.sort = &m.site.clients[i]
				break
			}
		}
		return v
	}
	known := make([]visitor, max(m.plan.Clients/3, 1))
	for i := range known {
		known[i] = draw()
	}
	for day := range m.plan.Days {
		midnight := m.plan.Start.AddDate(0, 0, day)
		n := float64(m.plan.Clients) * (0.85 + 0.3*m.Float64())
		if d := midnight.Weekday(); d == time.Saturday || d == time.Sunday {
			n *= m.site.daysOff
		}
		for range int(n) {
			at := midnight.Add(m.timeOfDay())
			v := draw()
			if m.chance(0.4) {
				v = known[m.IntN(len(known))]
			}
			m.label, m.speed, m.kind, m.addr, m.agent = Harmless, "", v.sort.name, v.addr, v.agent
			v.sort.run(m, at)
		}
	}
}

// timeOfDay draws by the site's shape.
func (m *maker) timeOfDay() time.Duration {
	all := 0.0
	for _, w := range m.site.shape {
		all += w
	}
	x := m.Float64() * all
	for h, w := range m.site.shape {
		if x -= w; x < 0 {
			return time.Duration(h)*time.Hour + time.Duration(m.IntN(3600))*time.Second
		}
	}
	return 23 * time.Hour
}

// somePage draws a page, popular ones more often.
func (m *maker) somePage() string {
	if m.chance(0.3) {
		return m.pick(m.site.others)
	}
	x := m.Float64()
	return fmt.Sprintf(m.site.page, 1+int(x*x*x*float64(m.site.pages)))
}

// asset is one that belongs to a page.
func (m *maker) asset(i int) string {
	switch i % 6 {
	case 0:
		return fmt.Sprintf("/static/css/style-%d.css?v=3.2.%d", i, i%4)
	case 1, 2:
		return fmt.Sprintf("/static/js/bundle.%d.js", i)
	case 3:
		return fmt.Sprintf("/static/fonts/inter-%d.woff2", i)
	}
	return fmt.Sprintf("/media/%d/picture-%d.jpg", i%7, i)
}

var browsers = func() (out []string) {
	systems := []string{
		"Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64", "X11; Ubuntu; Linux x86_64", "Linux; Android 14; K", "Linux; Android 13; SM-A536B",
	}
	for i, s := range systems {
		for v := range 5 {
			out = append(out,
				fmt.Sprintf("Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36", s, 124+v+i),
				fmt.Sprintf("Mozilla/5.0 (%s; rv:%d.0) Gecko/20100101 Firefox/%[2]d.0", s, 125+v+i))
		}
	}
	for v := range 6 {
		out = append(out, fmt.Sprintf("Mozilla/5.0 (iPhone; CPU iPhone OS 17_%d like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.%[1]d Mobile/15E148 Safari/604.1", v))
	}
	return out
}()
