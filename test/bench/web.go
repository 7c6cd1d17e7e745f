package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// web is the access log of a site that is visited and attacked: 5 % of the
// requests are attacks, which come in runs.
type web struct {
	r         *rand.Rand
	stamp     stamp
	i         int
	visitors  []string
	attackers []string
	attacker  int // of the run in hand
	left      int // of its requests
}

func newWeb() *web {
	r := random(2)
	return &web{
		r: r, stamp: stamp{layout: "02/Jan/2006:15:04:05 -0700"},
		visitors: randomAddrs(r, 20000, 0.15), attackers: randomAddrs(r, 600, 0.05),
	}
}

var (
	browsers = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
		"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
	}
	scanners = []string{"sqlmap/1.7.2#stable (https://sqlmap.org)", "Nikto/2.5.0", "Mozilla/5.0 zgrab/0.x", "masscan/1.3",
		"Nuclei - Open-source project (github.com/projectdiscovery/nuclei)", "gobuster/3.6",
		"WPScan v3.8.25 (https://wpscan.com/wordpress-security-scanner)", "DirBuster-1.0-RC1"}
	// attacks are requests by the kind of attacker; the others are written by
	// attack.
	attacks = [][]string{
		{"/item.php?id=1%27%20UNION%20SELECT%20NULL,username,password%20FROM%20users--",
			"/product?id=1+AND+1=1+UNION+ALL+SELECT+1,2,3", "/login?u=admin%27%20OR%20%271%27=%271",
			"/search?q=1;WAITFOR%20DELAY%20%270:0:5%27--", "/news.php?id=1%20AND%20SLEEP(5)",
			"/cat?id=-1+union+select+1,concat(user(),0x3a,version()),3"},
		{"/search?q=%3Cscript%3Ealert(1)%3C/script%3E", "/c?name=%3Cimg%20src=x%20onerror=alert(document.cookie)%3E",
			"/p?u=javascript:alert(1)", "/q?t=%22%3E%3Csvg/onload=alert(1)%3E"},
		{"/static/../../../../etc/passwd", "/download?file=../../../../../../etc/passwd",
			"/view?page=..%2f..%2f..%2f..%2fetc%2fshadow", "/cgi-bin/.%2e/.%2e/.%2e/.%2e/bin/sh",
			"/img?f=....//....//....//windows/win.ini"},
		{"/.env", "/.git/config", "/wp-config.php.bak", "/.aws/credentials", "/backup.sql", "/.ssh/id_rsa", "/phpinfo.php",
			"/server-status", "/.htpasswd", "/config.php.old", "/.svn/entries", "/web.config"},
	}
	pages = []string{"/", "/index.html", "/about", "/blog/%d", "/product/%d", "/category/%d?page=2", "/cart", "/checkout",
		"/api/v1/items/%d", "/api/v1/users/me", "/search?q=term%d&sort=price", "/docs/guide-%d", "/feed.xml"}
	files = []string{"/static/app.%x.js", "/static/style.%x.css", "/img/p/%d.webp", "/img/hero-%d.jpg", "/favicon.ico",
		"/fonts/inter-%d.woff2", "/media/clip%d.mp4"}
)

func (w *web) line(buf []byte, t time.Time) []byte {
	r := w.r
	w.i++
	method, referer := "GET", "-"
	var from, path, agent string
	var status int
	if r.Float64() < 0.05 {
		from, path, status, agent = w.attack()
	} else {
		from = w.visitors[int(float64(len(w.visitors))*r.Float64()*r.Float64())]
		agent = pick(r, browsers)
		if r.Float64() < 0.04 {
			method = "POST"
		}
		list := pages
		if r.Float64() < 0.6 {
			list = files
		}
		if path = pick(r, list); strings.Contains(path, "%") {
			path = fmt.Sprintf(path, 1+r.IntN(5000))
		}
		status = visited(r.Float64())
		if r.Float64() >= 0.3 {
			referer = fmt.Sprintf("https://www.example.com/blog/%d", r.IntN(5000))
		}
	}
	version := "2.0"
	if w.i%4 == 0 {
		version = "1.1"
	}
	size := 200 + r.IntN(90000)
	if status == 304 {
		size = 0
	}
	return fmt.Appendf(buf, "%s - - [%s] \"%s %s HTTP/%s\" %d %d \"%s\" \"%s\"\n", from, w.stamp.of(t), method, path, version, status, size, referer, agent)
}

func (w *web) attack() (from, path string, status int, agent string) {
	r := w.r
	if w.left == 0 {
		w.attacker, w.left = r.IntN(len(w.attackers)), 5+r.IntN(55)
	}
	w.left--
	from, status, agent = w.attackers[w.attacker], 404, browsers[0]
	switch kind := w.attacker % (len(attacks) + 2); kind {
	case len(attacks):
		path, agent = fmt.Sprintf("/scan/%x", r.IntN(1<<24)), pick(r, scanners)
	case len(attacks) + 1:
		path = fmt.Sprintf("/%s/%x.php", pick(r, []string{"old", "admin", "tmp", "wp", "test"}), r.Uint32())
	default:
		path, status = pick(r, attacks[kind]), []int{200, 403, 404}[r.IntN(3)]
	}
	return from, path, status, agent
}

// visited is the status of a harmless request.
func visited(r float64) int {
	switch {
	case r < 0.86:
		return 200
	case r < 0.93:
		return 304
	case r < 0.96:
		return 301
	case r < 0.985:
		return 404
	case r < 0.988:
		return 500
	}
	return 206
}
