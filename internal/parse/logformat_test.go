package parse

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const combinedFormat = `'$remote_addr - $remote_user [$time_local] "$request" '
	'$status $body_bytes_sent "$http_referer" "$http_user_agent"';`

// customFormats are formats as people write them, with a line of each.
var customFormats = []struct {
	format, line   string
	addr, xff, bob string // what is read with 10.0.0.0/8 as trusted proxies
	target, agent  string
}{
	{combinedFormat, `198.51.100.7 - bob [01/Mar/2026:11:59:58 +0000] "GET /x?y=1 HTTP/1.1" 404 5 "-" "u \x22 a"`, ip, "", "bob", "/x?y=1", `u " a`},
	// Address and user last, other fields quoted or not.
	{`'[$time_local] $status "$request" $request_time "$http_user_agent" $remote_user $remote_addr'`,
		`[01/Mar/2026:11:59:58 +0000] 404 "GET /x?y=1 HTTP/1.1" 0.001 "ua" bob 198.51.100.7`, ip, "", "bob", "/x?y=1", "ua"},
	// The header in front of the peer, quoted.
	{`"$http_x_forwarded_for" $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_user_agent"`,
		`"8.8.8.8, 198.51.100.7" 10.0.0.5 - bob [01/Mar/2026:11:59:58 +0000] "GET /x?y=1 HTTP/1.1" 404 5 "ua"`, ip, "8.8.8.8, 198.51.100.7", "bob", "/x?y=1", "ua"},
	// The header not quoted: where it ends, only the words behind the peer say.
	{`$http_x_forwarded_for $remote_addr - $remote_user [$time_local] "$request" $status "$http_user_agent"`,
		`8.8.8.8, 9.9.9.9 198.51.100.7 - bob [01/Mar/2026:11:59:58 +0000] "GET /x?y=1 HTTP/1.1" 404 "ua"`, ip, "", "bob", "/x?y=1", "ua"},
	{`$http_x_forwarded_for $remote_addr $remote_user [$time_local] "$request" $status "$http_user_agent"`,
		`8.8.8.8 9.9.9.9 198.51.100.7 bob [01/Mar/2026:11:59:58 +0000] "GET /x?y=1 HTTP/1.1" 404 "ua"`, "", "", "", "/x?y=1", "ua"},
	{`$http_x_forwarded_for $remote_addr - $remote_user [$time_local] "$request" $status "$http_user_agent"`,
		`- 198.51.100.7 - bob [01/Mar/2026:11:59:58 +0000] "GET /x?y=1 HTTP/1.1" 404 "ua"`, ip, "", "bob", "/x?y=1", "ua"},
	// Ports, IPv6, separators without spaces.
	{`$remote_addr:$remote_port|$remote_user|$time_iso8601|$request_method|$request_uri|$status|$http_user_agent`,
		`2001:db8::17:4242|bob|2026-03-01T11:59:58+00:00|GET|/x?y=1|404|ua`, "2001:db8::17", "", "bob", "/x?y=1", "ua"},
	{`${remote_addr},$status,"$request_uri","$http_user_agent",$request_time,$upstream_response_time,$remote_user`,
		`198.51.100.7,404,"/x?y=1","ua",0.001,0.002, 0.003 : 0.004,bob`, ip, "", "", "/x?y=1", "ua"},
	// What the real_ip module made of the header.
	{`$realip_remote_addr $remote_addr $remote_user [$time_local] "$request" $status "$http_user_agent"`,
		`10.0.0.5 198.51.100.7 bob [01/Mar/2026:11:59:58 +0000] "GET /x?y=1 HTTP/1.1" 404 "ua"`, ip, "198.51.100.7", "bob", "/x?y=1", "ua"},
	{`$realip_remote_addr $remote_addr $remote_user [$time_local] "$request" $status "$http_user_agent"`,
		`203.0.113.9 8.8.8.8 bob [01/Mar/2026:11:59:58 +0000] "GET /x?y=1 HTTP/1.1" 404 "ua"`, "203.0.113.9", "", "bob", "/x?y=1", "ua"},
	// Apache.
	{`%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`,
		`198.51.100.7 - bob [01/Mar/2026:11:59:58 +0000] "GET /x?y=1 HTTP/1.1" 404 5 "-" "u \" a"`, ip, "", "bob", "/x?y=1", `u " a`},
	{`%v:%p %{c}a %a %l %u %t \"%r\" %>s %O \"%{User-Agent}i\" %D`,
		`h.example:443 10.0.0.5 198.51.100.7 - bob [01/Mar/2026:11:59:58 +0000] "GET /x?y=1 HTTP/1.1" 404 5 "ua" 1234`, ip, "198.51.100.7", "bob", "/x?y=1", "ua"},
	{`%a %m %U%% %q "%{X-Forwarded-For}i" %u %>s "%{User-Agent}i" %t`,
		`10.0.0.5 GET /x% ?y=1 "198.51.100.7" bob 404 "ua" [01/Mar/2026:11:59:58 +0000]`, ip, "198.51.100.7", "bob", "/x", "ua"},
	// Apache writes several with nothing between them.
	{`%{begin:msec}t %v %a %u %m %U%q %H %>s %{ms}T "%{USER-AGENT}i"`, `1772366398000 h.example 198.51.100.7 bob GET /x?y=1 HTTP/1.1 404 12 "ua"`, ip, "", "bob", "/x?y=1", "ua"},
	// Escaped as JSON, numbers without quotes, empty ones.
	{`escape=json '{"t":$msec,"a":"$remote_addr","x":"$http_x_forwarded_for","up":$upstream_response_time,"u":"$remote_user",' '"r":"$request","s":$status,"ua":"$http_user_agent"}'`,
		`{"t":1772366398.123,"a":"10.0.0.5","x":"8.8.8.8, 198.51.100.7","up":,"u":"bob","r":"GET /x?y=1 HTTP/1.1","s":404,"ua":"u \" a"}`, ip, "8.8.8.8, 198.51.100.7", "bob", "/x?y=1", `u " a`},
	// A host of the client's choice in front of the address, and no space between.
	{`$host|$remote_addr|$remote_user|[$time_local]|$scheme://$http_host$uri$is_args$args|$status|"$http_user_agent"`,
		`a|198.51.100.7|bob|[01/Mar/2026:11:59:58 +0000]|https://h.example/x?y=1|404|"ua"`, ip, "", "bob", "/x?y=1", "ua"},
	{`$host|$remote_addr|$remote_user|[$time_local]|$scheme://$http_host$uri$is_args$args|$status|"$http_user_agent"`,
		`a|8.8.8.8|198.51.100.7|bob|[01/Mar/2026:11:59:58 +0000]|https://h.example/x?y=1|404|"ua"`, "", "", "", "/x?y=1", "ua"},
}

func TestLogFormat(t *testing.T) {
	for _, c := range customFormats {
		f, err := ParseLogFormat(c.format)
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		p := New(Config{Type: sentinel.TypeNginx, Formats: []*LogFormat{f}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
		var ev sentinel.Event
		if !p.Parse(c.line, arrival, arrival, &ev) || ev.Type != sentinel.EventHTTPAccess {
			t.Errorf("%s: not understood: %s", c.format, c.line)
			continue
		}
		got := ""
		if ev.SrcIP.IsValid() {
			got = ev.SrcIP.String()
		}
		if got != c.addr || ev.XFF != c.xff || ev.FromHeader != (c.xff != "") || ev.HTTP.Target != c.target || ev.HTTP.UserAgent != c.agent || ev.HTTP.Status != 404 || ev.User != c.bob && c.bob != "" {
			t.Errorf("%s\n%s\ngot %s (header %q) %q %q %d of %q", c.format, c.line, got, ev.XFF, ev.HTTP.Target, ev.HTTP.UserAgent, ev.HTTP.Status, ev.User)
		}
		if ev.Time.IsZero() && (strings.Contains(c.format, "time_") || strings.Contains(c.format, "msec")) {
			t.Errorf("%s: no time", c.format)
		}
	}
}

func TestLogFormatFaults(t *testing.T) {
	for format, want := range map[string]string{
		"": "empty",
		`$http_x_forwarded_for $status "$request"`:                           "only X-Forwarded-For",
		`$remote_addr$status "$request"`:                                     "between",
		`$status "$request"`:                                                 "no address",
		`$remote_addr:$http_host $request $status`:                           "parts of it",
		`escape=none '$remote_addr $uri $status'`:                            "whole lines",
		`escape=none '$remote_addr ${remote_user} "$request" $status'`:       "whole lines",
		`$remote_addr $status`:                                               "no request",
		`$remote_addr "$request"`:                                            "no status",
		`$remote_addr $ $status`:                                             "without a name",
		`%h %{x "%r" %>s`:                                                    "without a name",
		strings.Repeat("x", maxFormat+1):                                     "longer",
		`$remote_addr "$request" $status` + strings.Repeat(" $cookie_a", 40): "parts",
		`$remote_addr "$request" $status` + strings.Repeat(" $cookie_a", 10): "free text",
	} {
		if _, err := ParseLogFormat(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", format, err, want)
		}
	}
}

// A line of another format has no address in a place that is known.
func TestOtherThanTheFormat(t *testing.T) {
	f, err := ParseLogFormat(`"$http_x_forwarded_for" $remote_addr [$time_local] "$request" $status`)
	if err != nil {
		t.Fatal(err)
	}
	p := New(Config{Type: sentinel.TypeNginx, Formats: []*LogFormat{f}})
	for _, line := range []string{
		`8.8.8.8 - - [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 5 "-" "ua"`,
		`8.8.8.8 - 198.51.100.7 [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404`,
	} {
		var ev sentinel.Event
		if p.Parse(line, arrival, arrival, &ev); ev.SrcIP.IsValid() {
			t.Errorf("%s is from %v", line, ev.SrcIP)
		}
	}
}

// Lines that a reader could take for those of another peer: whose address they
// have, or that none is certain.
func TestForgedFormatLines(t *testing.T) {
	const apache = `%{begin:msec}t %v %a %u %m %U%q %H %>s %{ms}T "%{USER-AGENT}i"`
	for _, c := range []struct{ name, format, line, want string }{
		{"text in the place of the time", apache, `x x 8.8.8.8 x GET x HTTP/1.1 404 x \"x\" bob 2001:db8:77::7c 8.8.8.88.8.8.8]  port  ID 8.8.8.8 GET \" 200 1 \"-\" \"-\", client: , rip= port 1' failed for ' HTTP/1.1 404 bob "bob"`, ""},
		{"text in the place of the time, a number behind", apache, `x x 8.8.8.8 x GET x HTTP/1.1 404 x \"x\" bob 2001:db8:77::c1 8.8.8.88.8.8.88.8.8.8 GET bob HTTP/1.1 404 7 "error: "`, ""},
		{"text in the place of the number", apache, `1772366398000 - 198.51.100.7 bob GET /x HTTP/1.1 404 8.8.8.8 "ua"`, ""},
		{"no address in the place of the peer", apache, `1772366398000 x x 8.8.8.8 x GET x HTTP/1.1 404 7 "ua"`, ""},
		{"the client's words behind", apache, `1772366398000 - 198.51.100.7 - 8.8.8.8 x GET x HTTP/1.1 404 7 GET /x HTTP/1.1 404 7 "ua"`, "198.51.100.7"},
		{"a request without a host", `$http_x_forwarded_for $host $remote_addr $status $request_uri`, `a b 8.8.8.8 200  198.51.100.7 404 /x`, ""},
		{"a host with a quote", `escape=none '$http_x_forwarded_for $host $remote_addr $status $request_uri'`, `a b 8.8.8.8 200 h"h 198.51.100.7 404 /x`, ""},
		{"a long host", `$http_x_forwarded_for $host $remote_addr $status $request_uri`, `a b 8.8.8.8 200 ` + strings.Repeat("h", maxToken+1) + ` 198.51.100.7 404 /x`, ""},
		{"a long host in front", `$host $remote_addr $status $request_uri`, strings.Repeat("h", maxToken+1) + ` 198.51.100.7 404 /x`, "198.51.100.7"},
		{"a method with a separator", `%m|%a|%u|%U|%>s`, `GET|8.8.8.8|x|198.51.100.7|bob|/x|404`, ""},
		{"a method without one", `%m|%a|%u|%U|%>s`, `GET|198.51.100.7|bob|/x|404`, "198.51.100.7"},
		{"a cut line", `$http_x_forwarded_for $remote_addr $status $request_uri`, `a 8.8.8.8 200 ` + strings.Repeat("a", sentinel.MaxLine-14), ""},
		{"a long line", `$http_x_forwarded_for $remote_addr $status $request_uri`, `a 198.51.100.7 200 /` + strings.Repeat("a", sentinel.MaxLine-30), "198.51.100.7"},
		{"a trusted proxy, the client in two places", `$realip_remote_addr $http_x_forwarded_for $remote_addr $status $request_uri`, `10.0.0.5 a 8.8.8.8 200 198.51.100.7 404 /x`, "10.0.0.5"},
		{"a trusted proxy, the client in one place", `$realip_remote_addr $http_x_forwarded_for $remote_addr $status $request_uri`, `10.0.0.5 a 198.51.100.7 404 /x`, "198.51.100.7"},
		{"a colon and a space", `$remote_addr: $request_uri $status`, `2001:db8::17: /x 404`, "2001:db8::17"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := ParseLogFormat(c.format)
			if err != nil {
				t.Fatal(err)
			}
			p := New(Config{Type: sentinel.TypeApache, Formats: []*LogFormat{f}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
			var ev sentinel.Event
			p.Parse(c.line, arrival, arrival, &ev)
			if got := ev.SrcIP; got.IsValid() != (c.want != "") || c.want != "" && got.String() != c.want {
				t.Errorf("%.300s\nis from %v, want %q", c.line, got, c.want)
			}
		})
	}
}

// Of lines that fit two formats of one log the address is known only if both
// agree on it.
func TestTwoFormatsOfOneLog(t *testing.T) {
	var formats []*LogFormat
	for _, text := range []string{
		`$remote_addr $http_x_forwarded_for [$time_local] "$request" $status`, `$http_x_forwarded_for $remote_addr [$time_local] "$request" $status`,
	} {
		f, err := ParseLogFormat(text)
		if err != nil {
			t.Fatal(err)
		}
		formats = append(formats, f)
	}
	p := New(Config{Type: sentinel.TypeNginx, Formats: formats})
	for line, want := range map[string]string{
		`198.51.100.7 8.8.8.8 [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404`:      "invalid IP",
		`198.51.100.7 - [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404`:            "198.51.100.7",
		`198.51.100.7 198.51.100.7 [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404`: "198.51.100.7",
	} {
		var ev sentinel.Event
		if !p.Parse(line, arrival, arrival, &ev) || ev.SrcIP.String() != want || ev.HTTP.Target != "/x" {
			t.Errorf("%s\nread as %+v", line, ev)
		}
	}
}

func TestUsualFormats(t *testing.T) {
	for text := range usualFormats {
		f, err := NewLogFormat(text, "")
		if err != nil || !f.Usual() {
			t.Errorf("%s: %v, %+v", text, err, f)
		}
		if raw, err := NewLogFormat(text, "json"); err == nil && raw.Usual() {
			t.Errorf("%s, escaped as JSON, is usual", text)
		}
	}
}

// Times, and names of the server where the client's words are not there.
func TestLogFormatTimes(t *testing.T) {
	for _, c := range []struct {
		format, line, host string
		took               time.Duration
	}{
		{`$server_name $remote_addr [$time_local] "$request" $status $request_time`, `shop 198.51.100.7 [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 1.024`, "shop", 1024 * time.Millisecond},
		{`%v %a %t "%r" %>s %D`, `shop 198.51.100.7 [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 1500`, "shop", 1500 * time.Microsecond},
		{`%V %a %t "%r" %>s %T`, `h.example 198.51.100.7 [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 3`, "h.example", 3 * time.Second},
		{`"%{Host}i" %a %t "%r" %>s %{ms}T`, `"a b" 198.51.100.7 [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 -`, "a b", 0},
	} {
		f, err := ParseLogFormat(c.format)
		if err != nil {
			t.Fatal(err)
		}
		var ev sentinel.Event
		p := New(Config{Type: sentinel.TypeNginx, Formats: []*LogFormat{f}})
		if !p.Parse(c.line, arrival, arrival, &ev) || ev.HTTP.Host != c.host || ev.HTTP.Duration != c.took || ev.SrcIP.String() != ip {
			t.Errorf("%s: %+v", c.line, ev)
		}
	}
}

func FuzzLogFormat(f *testing.F) {
	for _, c := range customFormats {
		f.Add(c.format, c.line)
	}
	f.Fuzz(func(t *testing.T, format, line string) {
		lf, err := ParseLogFormat(format)
		if err != nil {
			return
		}
		p := New(Config{Type: sentinel.TypeNginx, Formats: []*LogFormat{lf}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
		var ev, again sentinel.Event
		ok := p.Parse(line, arrival, arrival, &ev)
		p.doubt = 0
		if p.Parse(line, arrival, arrival, &again) != ok || !reflect.DeepEqual(ev, again) {
			t.Errorf("%q %q: the second time %+v, not %+v", format, line, again, ev)
		}
		for _, a := range []netip.Addr{ev.SrcIP, ev.PeerIP} {
			if a.IsValid() && (a != sentinel.Normalize(a) || !holds(line, a)) {
				t.Errorf("%q: %q has no %v", format, line, a)
			}
		}
	})
}
