package simulate

import (
	"fmt"
	"time"
)

const home = "https://www.example.org"

// browser is a person who reads some pages.
func (m *maker) browser(at time.Time) { m.visit(at, 1+int(2.5*m.exponential()), 45*time.Second) }

// visit is pages with what belongs to them; what was loaded before is in the
// cache.
func (m *maker) visit(at time.Time, pages int, think time.Duration) {
	cached := make([]bool, m.site.assets)
	referer := ""
	switch m.IntN(4) {
	case 0:
		referer = "https://www.google.com/"
	case 1:
		referer = "https://duckduckgo.com/"
	}
	returning := m.chance(0.3)
	for i := range pages {
		page := m.somePage()
		status, size := 200, 4000+m.IntN(40_000)
		switch {
		case m.chance(m.site.missing):
			status, size = 404, 512
		case m.chance(0.05):
			status, size = 302, 0
		case returning && m.chance(0.2):
			status, size = 304, 0
		}
		m.request(at, "GET", page, status, size, referer)
		referer = home + page
		load := at
		for range 2 + m.IntN(10) {
			a := m.IntN(m.site.assets)
			if cached[a] {
				continue
			}
			cached[a] = true
			load = load.Add(time.Duration(m.IntN(400)) * time.Millisecond)
			switch {
			case returning && m.chance(0.4): // the browser's own cache answers
			case returning && m.chance(0.5):
				m.request(load, "GET", m.asset(a), 304, 0, referer)
			case m.chance(0.01):
				m.request(load, "GET", m.asset(a), 404, 162, referer)
			default:
				m.request(load, "GET", m.asset(a), 200, 900+m.IntN(90_000), referer)
			}
		}
		if i == 0 && m.chance(0.3) {
			m.request(load, "GET", "/favicon.ico", []int{200, 404}[m.IntN(2)], 1150, referer)
		}
		if m.chance(0.06) {
			m.form(load.Add(m.pause(20*time.Second)), referer)
		}
		at = at.Add(m.pause(think))
	}
}

// form is what people send: a search, a comment, a login that may go wrong once.
func (m *maker) form(at time.Time, referer string) {
	switch m.IntN(3) {
	case 0:
		m.request(at, "GET", "/search?q="+m.pick(words)+"+"+m.pick(words), 200, 9000, referer)
	case 1:
		m.request(at, "POST", "/comments", 302, 0, referer)
	default:
		login := home + m.site.login
		m.request(at, "GET", m.site.login, 200, 3000, referer)
		at = at.Add(m.pause(12 * time.Second))
		if m.chance(0.15) {
			m.request(at, "POST", m.site.login, 401, 3100, login)
			at = at.Add(m.pause(10 * time.Second))
		}
		m.request(at, "POST", m.site.login, 302, 0, login)
	}
}

// single fetches one thing, as a link preview or an image on another site.
func (m *maker) single(at time.Time) {
	m.agent = m.pick([]string{"Twitterbot/1.0", "facebookexternalhit/1.1", "Slackbot-LinkExpanding 1.0", "curl/8.5.0", "WhatsApp/2.23"})
	for range 1 + m.IntN(3) {
		m.request(at, m.pick([]string{"GET", "GET", "HEAD"}), m.somePage(), 200, 8000, "")
		at = at.Add(m.pause(3 * time.Second))
	}
}

// nat is an office or a school behind one address.
func (m *maker) nat(at time.Time) {
	for range 4 + m.IntN(20) {
		m.agent = m.pick(browsers)
		m.visit(at.Add(m.pause(4*time.Minute)), 1+m.IntN(5), 40*time.Second)
	}
}

func (m *maker) natMobile(at time.Time) {
	for range 3 + m.IntN(12) {
		m.mobile(at.Add(m.pause(4 * time.Minute)))
	}
}

func (m *maker) natDav(at time.Time) {
	for range 2 + m.IntN(4) {
		m.davSync(at.Add(m.pause(4 * time.Minute)))
	}
}

// worker has an application open for hours: it asks again and again.
func (m *maker) worker(at time.Time) {
	m.visit(at, 3+m.IntN(12), 2*time.Minute)
	poll := []time.Duration{10, 15, 30, 60}[m.IntN(4)] * time.Second
	end := at.Add(time.Duration(20+m.IntN(200)) * time.Minute)
	referer := home + m.somePage()
	for at.Before(end) {
		m.request(at, "GET", "/ajax/notifications?since="+fmt.Sprint(at.Unix()), 200, 60+m.IntN(300), referer)
		if m.chance(0.1) {
			m.request(at.Add(time.Second), "POST", m.pick([]string{"/ajax/save", "/ajax/presence", "/tickets/comment"}), 200, 80, referer)
		}
		at = at.Add(poll + time.Duration(m.IntN(800))*time.Millisecond)
		if m.chance(0.02) {
			at = at.Add(m.pause(20 * time.Minute))
		}
	}
}

// mobile is an application on a telephone.
func (m *maker) mobile(at time.Time) {
	m.agent = fmt.Sprintf("ShopApp/%d.%d (%s)", 4+m.IntN(2), m.IntN(9), m.pick([]string{"iOS 17.4", "iOS 16.7", "Android 14", "Android 13"}))
	for range 1 + m.IntN(5) {
		if m.chance(0.2) { // the token is too old
			m.request(at, "GET", "/api/v1/me", 401, 60, "")
			m.request(at.Add(300*time.Millisecond), "POST", "/api/v1/token/refresh", 200, 900, "")
			at = at.Add(600 * time.Millisecond)
		}
		for range 2 + m.IntN(8) {
			target, status := fmt.Sprintf("/api/v1/items/%d", 1+m.IntN(m.site.pages)), 200
			switch {
			case m.chance(0.2):
				target = fmt.Sprintf("/api/v1/feed?since=%d&limit=50", at.Unix()-3600)
			case m.chance(m.site.missing):
				status = 404
			}
			if m.chance(0.12) {
				m.request(at, "POST", m.pick([]string{"/api/v1/events", "/api/v1/likes", "/api/v1/cart"}), 201, 40, "")
			} else {
				m.request(at, "GET", target, status, 300+m.IntN(4000), "")
			}
			at = at.Add(time.Duration(100+m.IntN(6000)) * time.Millisecond)
		}
		at = at.Add(m.pause(3 * time.Minute))
	}
}

// service is a program that works with an API, evenly or in runs.
func (m *maker) service(at time.Time) {
	m.agent = m.pick([]string{"python-requests/2.31.0", "Go-http-client/2.0", "okhttp/4.12.0", "axios/1.6.7", "curl/8.5.0"})
	every := []time.Duration{5, 30, 60, 300}[m.IntN(4)] * time.Second
	resource := m.pick([]string{"/api/v1/orders", "/api/v1/stock", "/api/v1/items", "/export.json", "/hooks/build"})
	method := m.pick([]string{"GET", "GET", "GET", "POST"})
	end := at.Add(time.Duration(10+m.IntN(300)) * time.Minute)
	for n := 0; at.Before(end); n++ {
		status := 200
		if m.chance(0.005) {
			status = []int{500, 502, 503, 429}[m.IntN(4)]
		}
		m.request(at, method, fmt.Sprintf("%s?page=%d&limit=100", resource, n%10), status, 2000+m.IntN(500), "")
		at = at.Add(every + time.Duration(m.IntN(900))*time.Millisecond)
	}
}

// crawler reads the site page by page.
func (m *maker) crawler(at time.Time) {
	m.agent = m.pick([]string{
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
		"Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "Mozilla/5.0 (compatible; YandexBot/3.0)", "Mozilla/5.0 (compatible; DuckDuckBot/1.1)",
	})
	if m.chance(0.5) {
		m.request(at, "GET", "/robots.txt", 200, 120, "")
	}
	pause := []time.Duration{3, 10, 30, 90}[m.IntN(4)] * time.Second
	for range 5 + m.IntN(120) {
		status := 200
		switch {
		case m.chance(0.06):
			status = 404
		case m.chance(0.06):
			status = 301
		case m.chance(0.1):
			status = 304
		}
		target := m.somePage()
		if m.chance(0.1) {
			target = m.asset(m.IntN(m.site.assets))
		}
		m.request(at, "GET", target, status, 8000, "")
		at = at.Add(m.pause(pause))
	}
}

// monitor looks whether the site is up.
func (m *maker) monitor(at time.Time) {
	m.agent = m.pick([]string{"Uptime-Kuma/1.23", "UptimeRobot/2.0", "Prometheus/2.50", "kube-probe/1.29", "check_http/v2.3"})
	every := []time.Duration{15, 30, 60, 300}[m.IntN(4)] * time.Second
	target := m.pick([]string{"/", "/healthz", "/status.php", "/api/v1/status", "/metrics"})
	for end := at.Add(time.Duration(2+m.IntN(10)) * time.Hour); at.Before(end); {
		status := 200
		if m.chance(0.002) {
			status = 503
		}
		m.request(at, m.pick([]string{"GET", "GET", "HEAD"}), target, status, 310, "")
		at = at.Add(every + time.Duration(m.IntN(300))*time.Millisecond)
	}
}

// feedReader asks for news the day long.
func (m *maker) feedReader(at time.Time) {
	m.agent = m.pick([]string{"FreshRSS/1.23", "Feedly/1.0", "Tiny Tiny RSS/24.0", "NewsBlur Feed Fetcher", "Thunderbird/115.8", "Miniflux/2.1"})
	every := []time.Duration{5, 15, 30, 60}[m.IntN(4)] * time.Minute
	for range 4 + m.IntN(40) {
		for _, target := range []string{"/feed/", "/comments/feed/", "/tags/go/feed/"}[:1+m.IntN(3)] {
			m.request(at, "GET", target, []int{304, 304, 304, 200}[m.IntN(4)], 0, "")
		}
		at = at.Add(every + time.Duration(m.IntN(20))*time.Second)
	}
}

// davSync is a desktop client that keeps files the same.
func (m *maker) davSync(at time.Time) {
	m.agent = m.pick([]string{"Mozilla/5.0 (Linux) mirall/3.11.0", "Mozilla/5.0 (Windows) mirall/3.12.1", "Mozilla/5.0 (Macintosh) mirall/3.10.0"})
	user := m.pick(words)
	root := "/remote.php/dav/files/" + user + "/"
	for end := at.Add(time.Duration(10+m.IntN(240)) * time.Minute); at.Before(end); {
		if m.chance(0.02) {
			m.request(at, "PROPFIND", root, 401, 420, "")
		}
		m.request(at, "PROPFIND", root, 207, 900+m.IntN(4000), "")
		if m.chance(0.3) {
			m.request(at.Add(time.Second), "GET", "/ocs/v2.php/apps/notifications/api/v2/notifications?format=json", 200, 70, "")
		}
		if m.chance(0.1) {
			for range 1 + m.IntN(30) {
				name := fmt.Sprintf("%s%s/%s%%20%d.jpg", root, m.pick(words), m.pick(words), m.IntN(400))
				switch m.IntN(4) {
				case 0:
					m.request(at, "PUT", name, []int{201, 204}[m.IntN(2)], 0, "")
				case 1:
					m.request(at, "MKCOL", root+m.pick(words), []int{201, 405}[m.IntN(2)], 0, "")
				default:
					m.request(at, "GET", name, 200, 500_000, "")
				}
				at = at.Add(time.Duration(80+m.IntN(900)) * time.Millisecond)
			}
		}
		at = at.Add(30*time.Second + time.Duration(m.IntN(2000))*time.Millisecond)
	}
}

// davMobile is calendars and contacts.
func (m *maker) davMobile(at time.Time) {
	m.agent = m.pick([]string{"DAVx5/4.3.14-ose (okhttp/4.12.0) Android/14", "iOS/17.4 (21E219) dataaccessd/1.0", "CalDavSynchronizer/4.4"})
	user := m.pick(words)
	for range 2 + m.IntN(20) {
		m.request(at, "PROPFIND", "/remote.php/dav/principals/users/"+user+"/", []int{207, 207, 401}[m.IntN(3)], 700, "")
		m.request(at.Add(time.Second), "PROPFIND", "/remote.php/dav/calendars/"+user+"/", 207, 3000, "")
		for range m.IntN(4) {
			m.request(at.Add(2*time.Second), "REPORT", "/remote.php/dav/calendars/"+user+"/"+m.pick(words)+"/", 207, 900, "")
		}
		at = at.Add(m.pause(15 * time.Minute))
	}
}

var words = []string{
	"anna", "blue", "cloud", "delta", "ember", "fox", "garden", "harbour", "island", "jonas", "kettle", "lemon", "maple", "night",
	"ocean", "paper", "quiet", "river", "stone", "table", "umbra", "violet", "window", "yellow", "zebra",
}
