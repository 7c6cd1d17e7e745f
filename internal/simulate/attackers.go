package simulate

import (
	"fmt"
	"slices"
	"time"
)

// attacker is one behaviour.
type attacker struct {
	name string
	run  func(*maker, time.Time)
	// ssh: it is against SSH servers. whole: it takes all days, and has no speed.
	ssh, whole bool
}

var attackers = []attacker{
	{name: "stuffing", run: (*maker).stuffing},
	{name: "paths", run: (*maker).pathSearch},
	{name: "scanner", run: (*maker).scanner},
	{name: "sqli", run: (*maker).sqli},
	{name: "scraping", run: (*maker).scraping},
	{name: "probing", run: (*maker).probing},
	{name: "api-ids", run: (*maker).apiIDs},
	{name: "spam", run: (*maker).spam},
	{name: "flood", run: (*maker).flood},
	{name: "login-one-each", run: (*maker).loginOneEach, whole: true},
	{name: "login-every-10m", run: (*maker).loginEvery10m, whole: true},
	{name: "ssh-brute", run: (*maker).sshBrute, ssh: true},
	{name: "ssh-one-each", run: (*maker).sshOneEach, ssh: true, whole: true},
	{name: "ssh-every-10m", run: (*maker).sshEvery10m, ssh: true, whole: true},
}

// Behaviours returns the names of all behaviours: nine against web servers in
// three speeds, and the patient ones, which take all days.
func Behaviours() []string {
	out := make([]string, len(attackers))
	for i, a := range attackers {
		out[i] = a.name
	}
	return out
}

// WebBehaviours returns the behaviours against web servers that have speeds.
func WebBehaviours() (out []string) {
	for _, a := range attackers {
		if !a.ssh && !a.whole {
			out = append(out, a.name)
		}
	}
	return out
}

// Patient reports whether a behaviour takes all days and has no speed.
func Patient(name string) bool {
	b, _ := behaviour(name)
	return b.whole
}

func behaviour(name string) (attacker, bool) {
	i := slices.IndexFunc(attackers, func(a attacker) bool { return a.name == name })
	if i < 0 {
		return attacker{}, false
	}
	return attackers[i], true
}

// next is a pause by the attacker's speed.
func (m *maker) next() time.Duration {
	switch m.speed {
	case "fast":
		return m.pause(120 * time.Millisecond)
	case "medium":
		return m.pause(4 * time.Second)
	}
	return m.pause(50 * time.Second)
}

// many is how many requests an attack has: fewer if it is slow.
func (m *maker) many(fast, medium, slow int) int {
	n := slow
	switch m.speed {
	case "fast":
		n = fast
	case "medium":
		n = medium
	}
	return n/2 + m.IntN(n)
}

// disguise takes the agent of a browser or of a tool.
func (m *maker) disguise(tools ...string) {
	if m.agent = m.pick(browsers); m.chance(0.4) {
		m.agent = m.pick(tools)
	}
}

// stuffing tries lists of stolen passwords.
func (m *maker) stuffing(at time.Time) {
	m.disguise("python-requests/2.31.0", "Go-http-client/1.1", "okhttp/3.12.1")
	referer := []string{"", home + m.site.login}[m.IntN(2)]
	for range m.many(400, 120, 40) {
		status := []int{401, 401, 401, 200, 403}[m.IntN(5)]
		if m.chance(0.01) {
			status = 302
		}
		m.request(at, "POST", m.site.login, status, 3100, referer)
		at = at.Add(m.next())
	}
}

var paths = func() (out []string) {
	for _, stem := range []string{"admin", "backup", "old", "test", "dev", "db", "config", "upload", "private", "tmp", "api", "console", "manager", "shell", "phpinfo", "install", "setup", "data", "logs", "secret"} {
		for _, tail := range []string{"", "/", ".php", ".zip", ".bak", ".sql", ".tar.gz", "_old", "1", ".txt", "/index.php", "/login"} {
			out = append(out, "/"+stem+tail)
		}
	}
	return out
}()

// pathSearch asks for what might be there.
func (m *maker) pathSearch(at time.Time) {
	m.disguise("gobuster/3.6", "feroxbuster/2.10.1", "Fuzz Faster U Fool v2.1.0", "DirBuster-1.0-RC1")
	for range m.many(900, 150, 45) {
		status := 404
		switch {
		case m.chance(0.04):
			status = 403
		case m.chance(0.03):
			status = 301
		case m.chance(0.02):
			status = 200
		}
		m.request(at, m.pick([]string{"GET", "GET", "GET", "HEAD"}), m.pick(paths), status, 162, "")
		at = at.Add(m.next())
	}
}

var probes = []string{
	"/.env", "/.git/config", "/wp-config.php.bak", "/server-status", "/.aws/credentials", "/phpmyadmin/index.php", "/actuator/env", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
	"/cgi-bin/luci/;stok=/locale", "/solr/admin/info/system?wt=json", "/boaform/admin/formLogin", "/owa/auth/logon.aspx", "/HNAP1/", "/struts2-showcase/index.action",
	"/index.php?page=../../../../etc/passwd", "/?s=/Index/\\think\\app/invokefunction&function=call_user_func_array", "/api/jsonws/invoke", "/manager/html", "/xmlrpc.php", "/console/login/LoginForm.jsp",
}

// scanner tries everything, with odd characters.
func (m *maker) scanner(at time.Time) {
	m.disguise("Mozilla/5.00 (Nikto/2.5.0) (Evasions:None)", "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)", "Wget/1.21", "sqlmap/1.8")
	for range m.many(1200, 200, 50) {
		target, method := m.pick(probes), "GET"
		switch m.IntN(4) {
		case 0:
			target = m.pick(paths)
		case 1:
			target = fmt.Sprintf("%s?%s=%%3Cscript%%3Ealert(%d)%%3C/script%%3E", m.somePage(), m.pick(words), m.IntN(1000))
		case 2:
			method = m.pick([]string{"POST", "OPTIONS", "PUT", "GET"})
		}
		m.request(at, method, target, []int{404, 404, 404, 400, 403, 405, 200, 500}[m.IntN(8)], 162, "")
		at = at.Add(m.next())
	}
}

// sqli varies one parameter.
func (m *maker) sqli(at time.Time) {
	m.disguise("sqlmap/1.8.2#stable (https://sqlmap.org)", "python-requests/2.31.0")
	page := fmt.Sprintf("/list.php?cat=%d", m.IntN(90))
	for i := range m.many(600, 150, 45) {
		payload := []string{
			"%%27%%20OR%%20%d%%3D%[1]d--", "%%20AND%%20SLEEP(%d)", "%%27)%%20UNION%%20ALL%%20SELECT%%20NULL%%2CNULL%%2C%d--%%20-", ")%%20AND%%201%%3D(SELECT%%20COUNT(*)%%20FROM%%20tab%d)",
		}[m.IntN(4)]
		m.request(at, "GET", page+fmt.Sprintf(payload, i+m.IntN(5000)), []int{200, 200, 200, 500, 403}[m.IntN(5)], 5000+m.IntN(400), "")
		at = at.Add(m.next())
	}
}

// scraping takes all pages, one after the other, and nothing that belongs to them.
func (m *maker) scraping(at time.Time) {
	m.disguise("Scrapy/2.11 (+https://scrapy.org)", "python-requests/2.31.0", "colly - https://github.com/gocolly/colly")
	first := m.IntN(m.site.pages)
	for i := range m.many(1500, 300, 90) {
		status := 200
		if m.chance(0.02) {
			status = 404
		}
		m.request(at, "GET", fmt.Sprintf(m.site.page, 1+(first+i)%m.site.pages), status, 15_000+m.IntN(2000), "")
		at = at.Add(m.next())
	}
}

// probing asks for a few places where secrets lie.
func (m *maker) probing(at time.Time) {
	m.disguise("curl/8.5.0", "Mozilla/5.0", "Go-http-client/1.1", "")
	for range m.many(40, 25, 15) {
		m.request(at, "GET", m.pick(probes), []int{404, 404, 404, 403, 400}[m.IntN(5)], 162, "")
		at = at.Add(m.next())
	}
}

// apiIDs counts through the ids of other people's things.
func (m *maker) apiIDs(at time.Time) {
	m.disguise("python-requests/2.31.0", "axios/1.6.7", "PostmanRuntime/7.36")
	first := m.IntN(50_000)
	for i := range m.many(1200, 250, 80) {
		m.request(at, "GET", fmt.Sprintf("/api/v1/users/%d", first+i), []int{403, 403, 404, 404, 200, 401}[m.IntN(6)], 90, "")
		at = at.Add(m.next())
	}
}

// spam posts comments.
func (m *maker) spam(at time.Time) {
	m.disguise("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", "python-requests/2.31.0")
	for range m.many(200, 80, 30) {
		page := fmt.Sprintf(m.site.page, 1+m.IntN(m.site.pages))
		if m.chance(0.5) {
			m.request(at, "GET", page, 200, 15_000, home+page)
		}
		at = at.Add(m.next())
		m.request(at, "POST", m.pick([]string{"/comments", "/wp-comments-post.php", "/guestbook/add"}), []int{302, 200, 403, 429}[m.IntN(4)], 0, home+page)
		at = at.Add(m.next())
	}
}

// flood asks for something expensive as often as it can.
func (m *maker) flood(at time.Time) {
	m.disguise("Mozilla/5.0", "ApacheBench/2.3", "hey/0.0.1")
	for range m.many(3000, 500, 120) {
		m.request(at, "GET", fmt.Sprintf("/search?q=%d", m.IntN(1_000_000)), []int{200, 200, 200, 502, 503, 504}[m.IntN(6)], 9000, "")
		at = at.Add(m.next() / 3)
	}
}

// loginOneEach is a crowd of addresses with one attempt each, some 400 a day,
// against the login page.
func (m *maker) loginOneEach(at time.Time) {
	for at = at.Add(m.pause(3 * time.Minute)); at.Before(m.end()); at = at.Add(m.pause(3 * time.Minute)) {
		m.addr, m.agent = m.address(), m.pick(browsers)
		m.request(at, "POST", m.site.login, 401, 3100, home+m.site.login)
	}
}

// loginEvery10m is one address that tries once in ten minutes.
func (m *maker) loginEvery10m(at time.Time) {
	m.agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
	for at = at.Add(m.pause(10 * time.Minute)); at.Before(m.end()); at = at.Add(10*time.Minute + time.Duration(m.IntN(20))*time.Second) {
		m.request(at, "POST", m.site.login, 401, 3100, "")
	}
}
