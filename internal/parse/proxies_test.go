package parse

import (
	"net/netip"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// proxyLines are access lines of proxies and servers other than nginx and Apache,
// with 10.0.0.0/8 as trusted proxies.
var proxyLines = []struct {
	name, line          string
	addr, xff           string
	target, agent, host string
	status              int
	took                time.Duration
}{
	{"HAProxy", at + `haproxy[14389]: 198.51.100.7:33317 [01/Mar/2026:11:59:58.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET /index.html HTTP/1.1"`,
		ip, "", "/index.html", "", "", 200, 109 * time.Millisecond},
	{"HAProxy, captured headers", at + `haproxy[14389]: 198.51.100.7:33317 [01/Mar/2026:11:59:58.655] http-in~ static/<NOSRV> -1/-1/-1/-1/+0 503 +213 - - SC-- 1/1/1/1/0 0/0 {h.example|Mozilla/5.0 #22x#22} {} "POST /a?b=%27#22 HTTP/1.1"`,
		ip, "", `/a?b=%27"`, "", "", 503, 0},
	{"HAProxy, IPv6", at + `haproxy[14389]: 2001:db8::17:33317 [01/Mar/2026:11:59:58.655] http-in static/srv1 10/0/30/69/109 404 2750 - - ---- 1/1/1/1/0 0/0 "GET /x HTTP/1.1"`,
		"2001:db8::17", "", "/x", "", "", 404, 109 * time.Millisecond},
	{"HAProxy, HTTP/2", at + `haproxy[14389]: 198.51.100.7:33317 [01/Mar/2026:11:59:58.655] www~ static/srv1 10/0/30/69/109 404 2750 - - ---- 1/1/1/1/0 0/0 "GET https://h.example/x?y=1 HTTP/2.0"`,
		ip, "", "/x?y=1", "", "h.example", 404, 109 * time.Millisecond},
	{"HAProxy, as a forward proxy", at + `haproxy[14389]: 198.51.100.7:33317 [01/Mar/2026:11:59:58.655] www~ static/srv1 10/0/30/69/109 404 2750 - - ---- 1/1/1/1/0 0/0 "GET https://h.example/x HTTP/1.1"`,
		ip, "", "https://h.example/x", "", "", 404, 109 * time.Millisecond},
	{"HAProxy, httpslog", at + `haproxy[14389]: 198.51.100.7:33317 [01/Mar/2026:11:59:58.655] www~ static/srv1 0/0/0/1/1 403 2750 - - ---- 1/1/1/1/0 0/0 "GET /x HTTP/1.1" 0/0000000000000000/0/0/0 h.example/TLSv1.3/TLS_AES_256_GCM_SHA384`,
		ip, "", "/x", "", "", 403, time.Millisecond},
	{"HAProxy, a cookie with quotes", at + `haproxy[14389]: 198.51.100.7:33317 [01/Mar/2026:11:59:58.655] www static/srv1 0/0/0/1/1 403 2750 c="GET /forged" - --VN 1/1/1/1/0 0/0 "GET /x HTTP/1.1"`,
		ip, "", "/x", "", "", 403, time.Millisecond},
	{"HAProxy, a request that was cut", at + `haproxy[14389]: 198.51.100.7:33317 [01/Mar/2026:11:59:58.655] www static/srv1 0/0/0/1/1 403 2750 - - ---- 1/1/1/1/0 0/0 "GET /x?y=aaaa`,
		ip, "", "/x?y=aaaa", "", "", 403, time.Millisecond},
	{"HAProxy, bad request", at + `haproxy[14389]: 198.51.100.7:33317 [01/Mar/2026:11:59:58.655] www www/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 1/1/0/0/0 0/0 "<BADREQ>"`,
		ip, "", "<BADREQ>", "", "", 400, 0},
	{"HAProxy, RFC 5424", `<134>1 2026-03-01T11:59:58.655+00:00 lb haproxy 14389 - - 198.51.100.7:33317 [01/Mar/2026:11:59:58.655] www static/srv1 0/0/0/1/1 403 2750 - - ---- 1/1/1/1/0 0/0 "GET /x HTTP/1.1"`,
		ip, "", "/x", "", "", 403, time.Millisecond},
	{"HAProxy, standard output", `198.51.100.7:33317 [01/Mar/2026:11:59:58.655] www static/srv1 0/0/0/1/1 403 2750 - - ---- 1/1/1/1/0 0/0 "GET /x HTTP/1.1"`,
		ip, "", "/x", "", "", 403, time.Millisecond},
	{"Traefik", `198.51.100.7 - bob [01/Mar/2026:11:59:58 +0000] "GET /x?y=1 HTTP/2.0" 404 19 "https://r.example/" "ua" 17 "shop@docker" "http://172.18.0.3:80" 3ms`,
		ip, "", "/x?y=1", "ua", "", 404, 0},
	{"Traefik, two in the place of the client", `8.8.8.8, 198.51.100.7 - - [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 19 "-" "-" 17 "-" "-" 0ms`,
		"", "", "/x", "", "", 404, 0},
	{"Traefik in JSON", `{"ClientAddr":"198.51.100.7:4242","ClientHost":"198.51.100.7","ClientPort":"4242","ClientUsername":"-","DownstreamContentSize":19,"DownstreamStatus":404,"Duration":76000,"OriginStatus":404,"RequestAddr":"h.example","RequestHost":"h.example","RequestMethod":"GET","RequestPath":"/x?y=1","RequestProtocol":"HTTP/2.0","RequestScheme":"https","RouterName":"shop@docker","StartUTC":"2026-03-01T11:59:58.123456789Z","level":"info","msg":"","request_User-Agent":"ua","time":"2026-03-01T11:59:58Z"}`,
		ip, "", "/x?y=1", "ua", "h.example", 404, 76 * time.Microsecond},
	{"Traefik in JSON, behind a proxy", `{"ClientAddr":"10.0.0.5:4242","ClientHost":"8.8.8.8, 198.51.100.7","DownstreamStatus":404,"Duration":1,"RequestHost":"h.example","RequestMethod":"GET","RequestPath":"/x","RequestProtocol":"HTTP/1.1","StartUTC":"2026-03-01T11:59:58.1Z","time":"2026-03-01T11:59:58Z"}`,
		ip, "8.8.8.8, 198.51.100.7", "/x", "", "h.example", 404, 1},
	{"Caddy 1", `198.51.100.7 - - [01/Mar/2026:11:59:58 +0000] "GET /x?y=1 HTTP/1.1" 404 13`,
		ip, "", "/x?y=1", "", "", 404, 0},
	{"Caddy 2.0", `{"level":"info","ts":1772366398.5,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_addr":"198.51.100.7:4242","proto":"HTTP/2.0","method":"GET","host":"h.example","uri":"/x","headers":{"User-Agent":["ua"]}},"common_log":"198.51.100.7 - - [01/Mar/2026:11:59:58 +0000] \"GET /x HTTP/2.0\" 404 5","user_id":"","duration":0.0025,"size":5,"status":404,"resp_headers":{}}`,
		ip, "", "/x", "ua", "h.example", 404, 2500 * time.Microsecond},
	{"Caddy 2, behind a proxy", `{"level":"info","ts":1772366398.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.0.0.5","remote_port":"4242","client_ip":"198.51.100.7","proto":"HTTP/1.1","method":"GET","host":"h.example","uri":"/x","headers":{"User-Agent":["ua"]}},"bytes_read":0,"user_id":"","duration":0.01,"size":5,"status":404,"resp_headers":{}}`,
		ip, "198.51.100.7", "/x", "ua", "h.example", 404, 10 * time.Millisecond},
	{"Caddy 2, behind a proxy, headers twice", `{"level":"info","ts":1772366398.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.0.0.5","proto":"HTTP/1.1","method":"GET","host":"h.example","uri":"/x","headers":{"X-Forwarded-For":["8.8.8.8","9.9.9.9, 198.51.100.7"],"User-Agent":["ua","other"]}},"duration":0.01,"size":5,"status":404}`,
		ip, "9.9.9.9, 198.51.100.7", "/x", "ua", "h.example", 404, 10 * time.Millisecond},
	{"Caddy 2, console", "2026/03/01 11:59:58.123\tINFO\thttp.log.access.log0\thandled request\t" + `{"request": {"remote_ip": "198.51.100.7", "remote_port": "4242", "client_ip": "198.51.100.7", "proto": "HTTP/2.0", "method": "GET", "host": "h.example", "uri": "/x", "headers": {"User-Agent": ["ua"]}}, "bytes_read": 0, "user_id": "", "duration": 0.01, "size": 5, "status": 404, "resp_headers": {}}`,
		ip, "", "/x", "ua", "h.example", 404, 10 * time.Millisecond},
	{"Caddy 2, journal", at + `caddy[77]: {"level":"info","ts":1772366398.5,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"198.51.100.7","proto":"HTTP/2.0","method":"GET","host":"h.example","uri":"/x","headers":{"User-Agent":["ua"]}},"duration":0.01,"size":5,"status":404}`,
		ip, "", "/x", "ua", "h.example", 404, 10 * time.Millisecond},
	{"nginx in JSON, syslog", at + `nginx: {"time_iso8601":"2026-03-01T11:59:58+00:00","remote_addr":"198.51.100.7","request":"GET /x HTTP/1.1","status":404,"request_time":"0.010","http_user_agent":"ua","host":"h.example"}`,
		ip, "", "/x", "ua", "h.example", 404, 10 * time.Millisecond},
	{"lighttpd", `198.51.100.7 h.example - [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 341 "-" "ua"`,
		ip, "", "/x", "ua", "", 404, 0},
}

func TestProxies(t *testing.T) {
	for _, c := range proxyLines {
		t.Run(c.name, func(t *testing.T) {
			p := New(Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
			var ev sentinel.Event
			ok := p.Parse(c.line, arrival, arrival, &ev)
			got := ""
			if ev.SrcIP.IsValid() {
				got = ev.SrcIP.String()
			}
			h := &ev.HTTP
			if !ok || ev.Type != sentinel.EventHTTPAccess || got != c.addr || ev.XFF != c.xff || h.Target != c.target || h.UserAgent != c.agent ||
				h.Host != c.host || h.Status != c.status || h.Duration != c.took {
				t.Errorf("%s\nread as %v from %s (header %q) %q %q %q %d %s", c.line, ev.Type, got, ev.XFF, h.Target, h.UserAgent, h.Host, h.Status, h.Duration)
			}
			if at := ev.Time.Sub(time.Date(2026, 3, 1, 11, 59, 58, 0, time.UTC)); at < 0 || at > time.Second {
				t.Errorf("%s\nat %s", c.line, ev.Time)
			}
		})
	}
}

// lighttpdFormat is what lighttpd uses if nothing else is told; without it the
// address of a client that asks for the host by its address is not believed.
func TestLighttpdFormat(t *testing.T) {
	f, err := ParseLogFormat(`%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`)
	if err != nil {
		t.Fatal(err)
	}
	p := New(Config{Type: sentinel.TypeApache, Formats: []*LogFormat{f}})
	var ev sentinel.Event
	const line = `198.51.100.7 203.0.113.9 - [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 341 "-" "ua"`
	if !p.Parse(line, arrival, arrival, &ev) || ev.SrcIP.String() != ip || ev.HTTP.Host != "203.0.113.9" {
		t.Errorf("%s\nread as %+v", line, ev)
	}
}

// Lines of proxies that are no requests, and what must not be taken for one.
func TestProxiesOther(t *testing.T) {
	for _, c := range []struct {
		line string
		typ  sentinel.EventType
		addr string
	}{
		{at + `haproxy[7]: 198.51.100.7:33313 [01/Mar/2026:11:59:58.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0`, sentinel.EventOther, ip},
		{at + `haproxy[7]: 198.51.100.7:33313 [01/Mar/2026:11:59:58.443] www/1: SSL handshake failure`, sentinel.EventOther, ip},
		{at + `haproxy[7]: Connect from 198.51.100.7:33312 to 192.0.2.1:8012 (www/HTTP)`, sentinel.EventOther, ip},
		{at + `haproxy[7]: Server static/srv1 is DOWN, reason: Layer4 timeout, check duration: 1000ms.`, sentinel.EventOther, ""},
		{at + `haproxy[7]: 198.51.100.7:33313 [01/Mar/2026:11:59:58.443] www www/<NOSRV> 0/-1/-1/-1/0 401 212 - - PR-- 1/1/0/0/0 0/0 "GET /x HTTP/1.1"`, sentinel.EventAuthFail, ip},
		// What Caddy says of an error is in its access log, too.
		{`{"level":"error","ts":1772366398.5,"logger":"http.log.error","msg":"dial tcp","request":{"remote_ip":"198.51.100.7","proto":"HTTP/2.0","method":"GET","host":"h","uri":"/x"},"duration":0.01,"status":502}`, sentinel.EventHTTPError, ip},
		// A program that only calls itself a web server tells of no login.
		{at + `caddy[7]: {"MESSAGE":"Failed password for root from 8.8.8.8 port 4 ssh2","_COMM":"sshd"}`, sentinel.EventOther, ""},
	} {
		var ev sentinel.Event
		New(Config{}).Parse(c.line, arrival, arrival, &ev)
		got := ""
		if ev.SrcIP.IsValid() {
			got = ev.SrcIP.String()
		}
		if ev.Type != c.typ || got != c.addr {
			t.Errorf("%s\nread as %v from %s", c.line, ev.Type, got)
		}
	}
}
