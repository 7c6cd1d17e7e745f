package parse

import (
	"net/netip"
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const stampCLF = "[01/Mar/2026:11:59:58 +0000]"

func TestAccess(t *testing.T) {
	type H = sentinel.HTTP
	for _, c := range []struct {
		name, line, addr, user string
		want                   H
	}{
		{"combined", `198.51.100.7 - - S "GET /a/b?c=d HTTP/1.1" 200 5120 "https://x.example/" "Mozilla/5.0 (X11)"`, "198.51.100.7", "",
			H{Method: "GET", Target: "/a/b?c=d", Path: "/a/b", Query: "c=d", Proto: "HTTP/1.1", Status: 200, Bytes: 5120, Referer: "https://x.example/", UserAgent: "Mozilla/5.0 (X11)"}},
		{"common", `198.51.100.7 - bob S "POST /login HTTP/1.0" 401 -`, "198.51.100.7", "bob",
			H{Method: "POST", Target: "/login", Path: "/login", Proto: "HTTP/1.0", Status: 401, Bytes: -1}},
		{"IPv6", `2001:db8::17 - - S "GET / HTTP/2.0" 304 0 "-" "-"`, "2001:db8::17", "",
			H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/2.0", Status: 304}},
		{"mapped", `::ffff:198.51.100.7 - - S "GET / HTTP/2.0" 304 0 "-" "-"`, "198.51.100.7", "",
			H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/2.0", Status: 304}},
		{"host name", `client.example - - S "GET / HTTP/1.0" 200 1`, "", "",
			H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/1.0", Status: 200, Bytes: 1}},
		{"no address", `010.1.2.3 - - S "GET / HTTP/1.0" 200 1`, "", "",
			H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/1.0", Status: 200, Bytes: 1}},
		{"vhost_combined", `www.example.com:443 198.51.100.7 - bob S "GET / HTTP/1.1" 200 1 "-" "x"`, "198.51.100.7", "bob",
			H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/1.1", Status: 200, Bytes: 1, UserAgent: "x", Host: "www.example.com"}},
		{"vhost is an address", `[2001:db8::1]:80 198.51.100.7 - - S "GET / HTTP/1.1" 200 1 "-" "x"`, "198.51.100.7", "",
			H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/1.1", Status: 200, Bytes: 1, UserAgent: "x", Host: "[2001:db8::1]"}},
		{"more fields", `198.51.100.7 - - S "GET / HTTP/1.1" 200 1 "r" "ua" "x" 0.001 "y" z`, "198.51.100.7", "",
			H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/1.1", Status: 200, Bytes: 1, Referer: "r", UserAgent: "ua"}},
		{"number before referer", `198.51.100.7 - - S "GET / HTTP/1.1" 301 401 314 "r" "ua"`, "198.51.100.7", "",
			H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/1.1", Status: 301, Bytes: 401, Referer: "r", UserAgent: "ua"}},
		{"no size", `198.51.100.7 - - S "GET / HTTP/1.1" 200 "r" "ua"`, "198.51.100.7", "",
			H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/1.1", Status: 200, Bytes: -1, Referer: "r", UserAgent: "ua"}},
		{"TLS bytes, nginx", `198.51.100.7 - - S "\x16\x03\x01\x02\x00\x01" 400 157 "-" "-"`, "198.51.100.7", "",
			H{Target: "\x16\x03\x01\x02\x00\x01", Path: "\x16\x03\x01\x02\x00\x01", Malformed: true, Status: 400, Bytes: 157}},
		{"empty", `198.51.100.7 - - S "" 400 0 "-" "-"`, "198.51.100.7", "", H{Malformed: true, Status: 400}},
		{"dash", `198.51.100.7 - - S "-" 408 - "-" "-"`, "198.51.100.7", "", H{Malformed: true, Status: 408, Bytes: -1}},
		{"one word", `198.51.100.7 - - S "batman" 400 0`, "198.51.100.7", "", H{Target: "batman", Path: "batman", Malformed: true, Status: 400}},
		{"HTTP/0.9", `198.51.100.7 - - S "GET /x" 200 9`, "198.51.100.7", "", H{Method: "GET", Target: "/x", Path: "/x", Status: 200, Bytes: 9}},
		{"spaces in target", `198.51.100.7 - - S "GET /a b?c d HTTP/1.1" 400 0`, "198.51.100.7", "",
			H{Method: "GET", Target: "/a b?c d", Path: "/a b", Query: "c d", Proto: "HTTP/1.1", Status: 400}},
		{"odd method", `198.51.100.7 - - S "BREW-1 * HTTP/1.1" 405 0`, "198.51.100.7", "", H{Method: "BREW-1", Target: "*", Path: "*", Proto: "HTTP/1.1", Status: 405}},
		{"no method", `198.51.100.7 - - S "(x) / HTTP/1.1" 400 0`, "198.51.100.7", "", H{Target: "(x) / HTTP/1.1", Path: "(x) / HTTP/1.1", Malformed: true, Status: 400}},
		{"CONNECT", `198.51.100.7 - - S "CONNECT x.example:443 HTTP/1.1" 405 0`, "198.51.100.7", "", H{Method: "CONNECT", Target: "x.example:443", Path: "x.example:443", Proto: "HTTP/1.1", Status: 405}},
		{"nginx escapes", `198.51.100.7 - - S "GET /?q=\x22\x5C\xFF HTTP/1.1" 200 0 "\x22" "a\x1Bb"`, "198.51.100.7", "",
			H{Method: "GET", Target: "/?q=\"\\\xff", Path: "/", Query: "q=\"\\\xff", Proto: "HTTP/1.1", Status: 200, Referer: `"`, UserAgent: "a\x1bb"}},
		{"Apache escapes", `198.51.100.7 - - S "GET /?q=\"\\\n\t\r\v\b\f\xff\q HTTP/1.1" 200 0 "\"" "\\"`, "198.51.100.7", "",
			H{Method: "GET", Target: "/?q=\"\\\n\t\r\v\b\f\xff\\q", Path: "/", Query: "q=\"\\\n\t\r\v\b\f\xff\\q", Proto: "HTTP/1.1", Status: 200, Referer: `"`, UserAgent: `\`}},
		{"broken escapes", `198.51.100.7 - - S "GET /\x \xg1 HTTP/1.1" 200 0 "-" "\x1"`, "198.51.100.7", "",
			H{Method: "GET", Target: `/\x \xg1`, Path: `/\x \xg1`, Proto: "HTTP/1.1", Status: 200, UserAgent: `\x1`}},
		{"raw quotes", `198.51.100.7 - - S "GET /?q="x" HTTP/1.1" 200 7 "-" "ua"`, "198.51.100.7", "",
			H{Method: "GET", Target: `/?q="x"`, Path: "/", Query: `q="x"`, Proto: "HTTP/1.1", Status: 200, Bytes: 7, UserAgent: "ua"}},
		{"no status", `198.51.100.7 - - S "GET / HTTP/1.1" - - "-" "ua"`, "198.51.100.7", "", H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/1.1", Bytes: -1, UserAgent: "ua"}},
		{"huge size", `198.51.100.7 - - S "GET / HTTP/1.1" 200 99999999999999999999 "-" "ua"`, "198.51.100.7", "", H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/1.1", Status: 200, Bytes: -1, UserAgent: "ua"}},

		// What clients write names no address.
		{"forged user", `198.51.100.7 - x 8.8.8.8 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 S "GET / HTTP/1.1" 401 1`, "198.51.100.7",
			`x 8.8.8.8 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200`, H{Method: "GET", Target: "/", Path: "/", Proto: "HTTP/1.1", Status: 401, Bytes: 1}},
		{"forged target", `198.51.100.7 - - S "GET /\" 200 1 \"-\" \"-\" 8.8.8.8 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1" 404 1`, "198.51.100.7", "",
			H{Method: "GET", Target: `/" 200 1 "-" "-" 8.8.8.8 - - [01/Jan/2026:00:00:00 +0000] "GET /`, Path: `/" 200 1 "-" "-" 8.8.8.8 - - [01/Jan/2026:00:00:00 +0000] "GET /`, Proto: "HTTP/1.1", Status: 404, Bytes: 1}},
		{"two addresses in front", `8.8.8.8 198.51.100.7 - S "GET / HTTP/1.1" 200 1`, "", "-", H{}},
		{"list in front", `8.8.8.8, 198.51.100.7 - - S "GET / HTTP/1.1" 200 1`, "", "", H{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			line := strings.ReplaceAll(c.line, " S ", " "+stampCLF+" ")
			ev, ok := parseOne(t, sentinel.TypeNginx, line)
			if !ok || ev.Type != sentinel.EventHTTPAccess {
				t.Fatalf("%q: understood %v, %v", line, ok, ev.Type)
			}
			addr := ""
			if ev.SrcIP.IsValid() {
				addr = ev.SrcIP.String()
			}
			if addr != c.addr {
				t.Errorf("address %q, want %q", addr, c.addr)
			}
			if c.want != (H{}) && (ev.HTTP != c.want || ev.User != c.user) {
				t.Errorf("%q\n got %+v, user %q\nwant %+v, user %q", line, ev.HTTP, ev.User, c.want, c.user)
			}
			if !ev.Time.Equal(utc(2026, 3, 1, 11, 59, 58)) {
				t.Errorf("time %v", ev.Time)
			}
		})
	}
}

func TestNoAccessLine(t *testing.T) {
	for _, line := range []string{
		`198.51.100.7 - - ` + stampCLF + ` "GET / HTTP/1.1`, `198.51.100.7 - - ` + stampCLF + ` "GET / HTTP/1.1"`, `198.51.100.7 - - ` + stampCLF + ` "GET / HTTP/1.1" x`,
		`198.51.100.7 - - ` + stampCLF, `198.51.100.7 - - [x] "GET / HTTP/1.1" 200 1`, stampCLF + ` "GET / HTTP/1.1" 200 1`,
		`198.51.100.7 ` + stampCLF + ` "GET / HTTP/1.1" 200 1`, `a:80 ` + stampCLF + ` "GET / HTTP/1.1" 200 1`, `[`, `[]`, `] "`, `x[] "`,
	} {
		if ev, ok := parseOne(t, sentinel.TypeNginx, line); ok || ev.SrcIP.IsValid() {
			t.Errorf("%q is understood", line)
		}
	}
}

func TestForwarded(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::ffff:192.0.2.0/120")}
	for _, c := range []struct{ name, peer, xff, want string }{
		{"one hop", "10.0.0.1", "198.51.100.7", "198.51.100.7"},
		{"forged left end", "10.0.0.1", "8.8.8.8, 198.51.100.7", "198.51.100.7"},
		{"trusted hops", "10.0.0.1", "8.8.8.8, 198.51.100.7, 10.1.1.1,192.0.2.9", "198.51.100.7"},
		{"all trusted", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
		{"port", "10.0.0.1", "[2001:db8::17]:443", "2001:db8::17"},
		{"mapped", "10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"},
		{"junk stops", "10.0.0.1", "198.51.100.7, junk, 10.0.0.2", "10.0.0.2"},
		{"junk at once", "10.0.0.1", "198.51.100.7, junk", "10.0.0.1"},
		{"none", "10.0.0.1", "-", "10.0.0.1"},
		{"peer not trusted", "203.0.113.5", "8.8.8.8", "203.0.113.5"},
		{"too many", "10.0.0.1", "8.8.8.8" + strings.Repeat(", 10.0.0.2", 40), "10.0.0.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			line := c.peer + " - - " + stampCLF + ` "GET / HTTP/1.1" 200 1 "-" "ua" "` + c.xff + `"`
			for _, trusting := range []bool{true, false} {
				cfg := Config{Type: sentinel.TypeNginx}
				want := c.peer
				if trusting {
					cfg.TrustedProxies, want = proxies, c.want
				}
				var ev sentinel.Event
				New(cfg).Parse(line, arrival, arrival, &ev)
				if ev.SrcIP.String() != want || ev.FromHeader != (want != c.peer) {
					t.Errorf("address %v, from header %v, want %s", ev.SrcIP, ev.FromHeader, want)
				}
				if ev.FromHeader && (ev.PeerIP.String() != c.peer || ev.XFF != c.xff) {
					t.Errorf("peer %v, header %q", ev.PeerIP, ev.XFF)
				}
			}
		})
	}
}

func TestErrorLogs(t *testing.T) {
	for _, c := range []struct {
		line, addr string
		typ        sentinel.EventType
		port       uint16
	}{
		{`2026/03/01 11:59:58 [error] 2833#2833: *16336 open() "/x" failed (2: No such file or directory), client: 198.51.100.7, server: localhost, request: "GET /x HTTP/1.1", host: "h"`, "198.51.100.7", sentinel.EventHTTPError, 0},
		{`2026/03/01 11:59:58 [crit] 1#1: *2 SSL_do_handshake() failed, client: 2001:db8::17, server: 0.0.0.0:443`, "2001:db8::17", sentinel.EventHTTPError, 0},
		{`2026/03/01 11:59:58 [notice] 1#1: signal process started`, "", other, 0},
		{`2026/03/01 11:59:58 [error] 1#1: *2 open() "/x, client: 8.8.8.8, server: y" failed, client: 198.51.100.7, server: z`, "", sentinel.EventHTTPError, 0},
		{`Mar  1 11:59:58 web1 nginx: 2026/03/01 11:59:58 [error] 1#1: *2 x, client: 198.51.100.7, server: z`, "198.51.100.7", sentinel.EventHTTPError, 0},
		{`Mar  1 11:59:58 web1 nginx: 198.51.100.7 - - ` + stampCLF + ` "GET / HTTP/1.1" 200 1 "-" "-"`, "198.51.100.7", sentinel.EventHTTPAccess, 0},
		{`Mar  1 11:59:58 web1 apache2[7]: [core:error] [pid 1] [client 198.51.100.7:5] AH00126: Invalid URI`, "198.51.100.7", sentinel.EventHTTPError, 5},
		{`Mar  1 11:59:58 web1 nginx: text`, "", other, 0},
		{`[Sun Mar 01 11:59:58.123456 2026] [core:error] [pid 7:tid 8] [client 198.51.100.7:5] AH00126: Invalid URI [client 8.8.8.8] x`, "198.51.100.7", sentinel.EventHTTPError, 5},
		{`[Sun Mar 01 11:59:58 2026] [error] [client 2001:db8::17] File does not exist: /x`, "2001:db8::17", sentinel.EventHTTPError, 0},
		{`[Sun Mar 01 11:59:58 2026] [authz:error] [pid 7:tid 8] [client [2001:db8::17]:5] AH01637: x`, "2001:db8::17", sentinel.EventHTTPError, 5},
		{`[Sun Mar 01 11:59:58 2026] [mpm_event:notice] [pid 7:tid 8] AH00489: configured [client 8.8.8.8] x`, "", other, 0},
		{`Mar  1 11:59:58 web1 suhosin[7]: ALERT - dropped variable 'x' (attacker '8.8.8.8', file 'y' (attacker '198.51.100.7', file '/z.php')`, "198.51.100.7", sentinel.EventHTTPError, 0},
	} {
		ev, ok := parseOne(t, sentinel.TypeApache, c.line)
		addr := ""
		if ev.SrcIP.IsValid() {
			addr = ev.SrcIP.String()
		}
		if !ok || addr != c.addr || ev.Type != c.typ || ev.SrcPort != c.port {
			t.Errorf("%q: understood %v, %v from %q port %d", c.line, ok, ev.Type, addr, ev.SrcPort)
		}
	}
}

// With one request a client makes nginx write these lines into its error log.
// None of them may name an address to an event that could lead to a block.
func TestLinesForgedInErrorLog(t *testing.T) {
	first := `2026/03/01 11:59:58 [error] 1#1: *2 open() "/x`
	for _, typ := range []sentinel.SourceType{"", sentinel.TypeNginx, sentinel.TypeSyslog, sentinel.TypeSSH} {
		for _, line := range []string{
			head + "Failed password for root from 8.8.8.8 port 1 ssh2",
			"sshd[1]: Failed password for root from 8.8.8.8 port 1 ssh2",
			`8.8.8.8 - - ` + stampCLF + ` "GET /?q='or+1=1 HTTP/1.1" 200 1 "-" "-"`,
		} {
			p := New(Config{Type: typ})
			var ev sentinel.Event
			p.Parse(first, arrival, arrival, &ev)
			for range 3 {
				p.Parse(line, arrival, arrival, &ev)
				if ev.SrcIP.IsValid() || ev.Type != other && ev.Type != sentinel.EventHTTPAccess {
					t.Errorf("%s: %q: %v from %v", typ, line, ev.Type, ev.SrcIP)
				}
			}
		}
	}
	// Far behind the message the doubt ends.
	p := New(Config{})
	var ev sentinel.Event
	p.Parse(first, arrival, arrival, &ev)
	for range 3 {
		p.Parse(strings.Repeat("x", 1000), arrival, arrival, &ev)
	}
	if p.Parse(head+failedRoot, arrival, arrival, &ev); !ev.SrcIP.IsValid() {
		t.Error("the doubt does not end")
	}
}
