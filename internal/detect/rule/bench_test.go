package rule

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// webPatterns are like those of the shipped rules: each has a rare word.
var webPatterns = []string{
	`union\s+(?:all\s+)?select`, `information_schema`, `\bsleep\s*\(\s*\d`, `benchmark\s*\(`, `waitfor\s+delay`, `pg_sleep`,
	`'\s*or\s+'?\d+'?\s*=\s*'?\d`, `load_file\s*\(`, `into\s+(?:out|dump)file`, `extractvalue\s*\(`, `updatexml\s*\(`, `xp_cmdshell`,
	`<script[\s>/]`, `javascript\s*:`, `on(?:error|load|click|mouseover|focus)\s*=`, `<svg[\s/]`, `<iframe`, `document\.cookie`,
	`alert\s*\(`, `string\.fromcharcode`, `(?:\.\./){2,}`, `/etc/(?:passwd|shadow|group)`, `/proc/self/`, `win\.ini`,
	`php://(?:filter|input)`, `file:///`, `phar://`, `expect://`, `;\s*(?:cat|ls|id|wget|curl)\b`, `\|\s*(?:cat|nc|bash)\b`,
	"`[a-z]+`", `\$\(\s*[a-z]+`, `/bin/(?:ba)?sh`, `\(\)\s*\{`, `\$\{jndi:`, `\$\{(?:lower|upper|env|sys):`, `<\?php`,
	`eval\s*\(\s*\$_`, `base64_decode\s*\(`, `system\s*\(`, `allow_url_include`, `auto_prepend_file`, `\{\{\s*\d+\s*\*`,
	`#\{[^}]*\}`, `class\.module`, `processbuilder`, `ro0ab`, `__proto__`, `constructor\.prototype`, `\[\$(?:ne|gt|regex)\]`,
	`169\.254\.169\.254`, `metadata\.google`, `gopher://`, `dict://`, `\r\n[a-z-]+:`, `<!entity`, `<!--#exec`, `\.env(?:$|\.)`,
	`/\.git/(?:config|head)`, `/\.svn/`, `\.htpasswd`, `id_rsa`, `wp-config\.php`, `\.sql(?:\.gz)?$`, `\.bak$`, `phpinfo`,
	`/actuator/`, `/telescope/`, `/cgi-bin/`, `/phpmyadmin`, `/manager/html`, `/solr/admin`, `/boaform/`, `/hnap1`,
	`/vendor/phpunit`, `eval-stdin\.php`, `/_ignition/`, `/autodiscover/`, `/owa/auth`, `/console/`, `thinkphp`, `invokefunction`,
}

// webRules makes n web rules in the manner of the shipped ones.
func webRules(n int) string {
	var b strings.Builder
	for i := range n {
		p := webPatterns[i%len(webPatterns)]
		if i >= len(webPatterns) {
			p = fmt.Sprintf(`/cve-%d/exploit%d\.(?:php|jsp|cgi)`, 2000+i, i)
		}
		fmt.Fprintf(&b, "---\nid: WEB_%03d\nname: w\nseverity: HIGH\ntype: web\nlog_source: web\nconditions: {field: http.target|canon, pattern: '%s'}\n",
			i, strings.ReplaceAll(p, "'", "''"))
	}
	b.WriteString(`---
id: UA_TOOLS
name: tools
severity: MEDIUM
log_source: web
conditions: {http.ua|contains: [sqlmap, nikto, nmap scripting, masscan, zgrab, gobuster, dirbuster, wpscan, nuclei, acunetix]}
---
id: UA_SHELLSHOCK
name: shellshock
severity: HIGH
log_source: web
conditions: {field: http.ua|canon, pattern: '\(\)\s*\{'}
---
id: REF_SQLI
name: referer
severity: HIGH
log_source: web
conditions: {field: http.referer|canon, pattern: 'union\s+select'}
---
id: LIB_SQLI
name: libinjection
severity: HIGH
log_source: web
conditions: {field: http.args, libinjection: sqli}
---
id: LIB_XSS
name: libinjection
severity: HIGH
log_source: web
conditions: {field: http.args, libinjection: xss}
---
id: FLAGS
name: flags
severity: LOW
log_source: web
conditions: {norm.flags: [multi_encoded, overlong, nul, escapes_root]}
---
id: WEB_404
name: missing
severity: MEDIUM
log_source: web
conditions: {http.status: [400, 403, 404]}
aggregation: {group_by: src_ip, window: 60, threshold: 20, distinct: http.path}
---
id: WEB_LOGIN
name: login
severity: HIGH
log_source: web
conditions: {http.method: POST, http.status: [401, 403]}
aggregation: {group_by: src_ip, window: 60, threshold: 10}
`)
	return b.String()
}

const authRules = `
id: SSH_A
name: a
severity: HIGH
log_source: ssh
conditions: {event_type: auth_fail}
aggregation: {group_by: src_ip, window: 5m, threshold: 5}
---
id: SSH_B
name: b
severity: HIGH
log_source: ssh
conditions: {event_type: auth_fail}
aggregation: {group_by: src_ip, window: 1h, threshold: 10}
---
id: SSH_C
name: c
severity: HIGH
log_source: ssh
conditions: {event_type: auth_fail}
aggregation: {group_by: src_ip, window: 1d, threshold: 15}
---
id: SSH_D
name: d
severity: HIGH
log_source: ssh
conditions: {event_type: [auth_fail, auth_invalid_user]}
aggregation: {group_by: src_ip, window: 10m, threshold: 5, distinct: user}
---
id: SSH_E
name: e
severity: HIGH
log_source: ssh
conditions: {event_type: auth_fail}
aggregation: {group_by: src_ip, prefix: {v4: 24, v6: 48}, window: 1h, threshold: 20}
---
id: SSH_F
name: f
severity: HIGH
log_source: ssh
conditions: {event_type: auth_fail}
aggregation: {group_by: user, window: 1h, threshold: 10, distinct: src_ip}
---
id: SSH_G
name: g
severity: CRITICAL
log_source: ssh
sequence: {by: [src_ip, user], within: 10m, steps: [{id: f, event_type: auth_fail, count: 5}, {event_type: auth_ok}]}
---
id: SSH_H
name: h
severity: LOW
log_source: ssh
conditions: {event_type: auth_ok, user: root, method: password}
---
id: SSH_I
name: i
severity: LOW
log_source: ssh
conditions: {event_type: auth_probe}
aggregation: {group_by: src_ip, window: 10m, threshold: 10}
---
id: SUDO_A
name: s
severity: LOW
log_source: auth
conditions: {event_type: sudo, outcome: failure}
---
id: SU_A
name: s
severity: LOW
log_source: auth
conditions: {event_type: su, outcome: failure}
---
id: USER_A
name: u
severity: LOW
log_source: auth
conditions: {event_type: user_add}
`

// browser is what an ordinary request looks like.
func browser() *sentinel.Event {
	ev := access("/blog/2024/05/how-to-grow-tomatoes.html?utm=mail&page=2")
	ev.HTTP.UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
	ev.HTTP.Referer = "https://www.example.com/blog/2024/05/index.html"
	ev.HTTP.Proto = "HTTP/1.1"
	return ev
}

func benchmark(b *testing.B, rules string, evs ...*sentinel.Event) {
	m := compile(b, rules).NewMatcher()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Match(evs[i%len(evs)])
	}
}

func BenchmarkAccessHarmless(b *testing.B) { benchmark(b, webRules(200), browser()) }

// BenchmarkAccessVaried has 64 browsers and pages.
func BenchmarkAccessVaried(b *testing.B) {
	var evs []*sentinel.Event
	for i := range 64 {
		ev := browser()
		ev.HTTP.UserAgent = strings.Replace(ev.HTTP.UserAgent, "120", fmt.Sprint(60+i), 1)
		ev.HTTP.Referer += fmt.Sprint("?", i)
		ev.HTTP.Target += fmt.Sprint(i)
		ev.HTTP.Query += fmt.Sprint(i)
		evs = append(evs, ev)
	}
	benchmark(b, webRules(200), evs...)
}

func BenchmarkAccessEncoded(b *testing.B) {
	ev := browser()
	ev.HTTP.Target = "/search/caf%C3%A9?q=green+tea+%26+cake&lang=fr"
	ev.HTTP.Path, ev.HTTP.Query, _ = strings.Cut(ev.HTTP.Target, "?")
	benchmark(b, webRules(200), ev)
}

func BenchmarkAccessAttack(b *testing.B) {
	ev := browser()
	ev.HTTP.Target = "/item.php?id=-1%27+UNION%2F**%2FSELECT+1,2,user()+from+information_schema.tables--+-"
	ev.HTTP.Path, ev.HTTP.Query, _ = strings.Cut(ev.HTTP.Target, "?")
	benchmark(b, webRules(200), ev)
}

// BenchmarkAccessHostile has 8 KiB of the rules' own words.
func BenchmarkAccessHostile(b *testing.B) {
	ev := browser()
	ev.HTTP.Target = "/?" + strings.Repeat("union/**/sleep%28+<script+onerror information_schem ", 8<<10/50)
	ev.HTTP.Path, ev.HTTP.Query, _ = strings.Cut(ev.HTTP.Target, "?")
	benchmark(b, webRules(200), ev)
}

func BenchmarkAuthFail(b *testing.B) { benchmark(b, authRules, login(sentinel.EventAuthFail, "root")) }

func BenchmarkAuthOther(b *testing.B) { benchmark(b, authRules, login(sentinel.EventOther, "")) }

func BenchmarkAuthAmongWeb(b *testing.B) {
	benchmark(b, authRules+webRules(200), login(sentinel.EventAuthFail, "root"))
}

// TestNoAllocations holds an event that matches nothing, and one that typed
// rules count, to no allocation at all.
func TestNoAllocations(t *testing.T) {
	m := compile(t, authRules+webRules(200)).NewMatcher()
	encoded := browser()
	encoded.HTTP.Target = "/search/caf%C3%A9?q=green+tea+%26+cake&token=aGVsbG8gd29ybGQgaG93IGFyZSB5b3U="
	encoded.HTTP.Path, encoded.HTTP.Query, _ = strings.Cut(encoded.HTTP.Target, "?")
	for name, ev := range map[string]*sentinel.Event{
		"harmless": browser(), "encoded": encoded, "failure": login(sentinel.EventAuthFail, "root"), "other": login(sentinel.EventOther, ""),
	} {
		ev.SrcIP = netip.MustParseAddr("2001:db8::7")
		if n := testing.AllocsPerRun(100, func() { m.Match(ev) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
