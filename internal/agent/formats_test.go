package agent

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

const nginxFormats = `daemon off;
master_process off;
pid DIR/nginx.pid;
error_log DIR/nginx-error.log;
events {}
http {
	client_body_temp_path DIR/body;
	map $http_user_agent $kind { default person; "~bot" "a bot"; }
	log_format json escape=json '{"at":"$time_iso8601","ip":"$remote_addr","xff":"$http_x_forwarded_for",'
		'"vhost":"$host","req":"$request","code":$status,"size":$body_bytes_sent,'
		'"took":$request_time,"upstream":"$upstream_response_time","agent":"$http_user_agent"}';
	log_format shop '$host $remote_addr - $remote_user [$time_local] "$request" '
		"$status $body_bytes_sent $request_time \"$http_referer\" \"$http_user_agent\" \"$http_x_forwarded_for\" $kind";
	log_format plain escape=none '$msec|$remote_addr|$request_method|$scheme://$host$request_uri|$status|$body_bytes_sent|$request_time|$http_user_agent';
	log_format header '$http_x_forwarded_for [$time_local] "$request" $status';
	include sites/*.conf;
}
`

const nginxSites = `server {
	listen 127.0.0.1:PORT;
	server_name shop.example;
	access_log DIR/shop.log shop buffer=4k flush=1s;
	access_log DIR/$server_name.json json;
	access_log DIR/plain.log plain if=$host;
	access_log DIR/usual.log;
	access_log DIR/header.log header;
	access_log DIR/both.log shop;
	access_log DIR/both.log combined;
	access_log syslog:server=127.0.0.1:9,tag=shop json;
	location / { return 404 "no"; }
}
`

const apacheFormats = `ServerRoot DIR
ServerName localhost
PidFile DIR/apache.pid
Mutex pthread
DefaultRuntimeDir DIR
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
LoadModule setenvif_module /usr/lib/apache2/modules/mod_setenvif.so
LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so
Define logs DIR
ErrorLog ${logs}/apache-error.log
LogLevel info rewrite:trace8
Listen 127.0.0.1:PORT
SetEnvIf Request_URI "^/x" wanted
<VirtualHost *:PORT>
	ServerName shop.example
	CustomLog ${logs}/shop.log shop env=wanted
	CustomLog "${logs}/json.log" "{\"t\":\"%{%Y-%m-%dT%H:%M:%S%z}t\",\"ip\":\"%a\",\"xff\":\"%{x-forwarded-for}i\",\"m\":\"%m\",\"u\":\"%U%q\",\"s\":%>s,\"us\":%D,\"v\":\"%v\",\"ua\":\"%{User-Agent}i\"}"
	CustomLog "|/bin/cat" shop
	CustomLog ${logs}/none.log "%t %r"
	TransferLog ${logs}/transfer.log
</VirtualHost>
GlobalLog ${logs}/global.log shop
LogFormat "%{Host}i %a %l %u %t \"%r\" %>s %O %{ms}T \"%{User-Agent}i\" \
 \"%{X-Forwarded-For}i\"" shop
LogFormat shop
`

// serve runs a web server on a configuration until the test ends and sends a
// request to it; the text is what the configuration is made of.
func serve(t *testing.T, program string, files map[string]string, args ...string) (root string) {
	t.Helper()
	root = t.TempDir()
	if err := os.Chmod(root, 0o777); err != nil { // a server may give up being root
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	fill := strings.NewReplacer("DIR", root, "PORT", port)
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(fill.Replace(text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range args {
		args[i] = fill.Replace(args[i])
	}
	cmd := exec.Command(program, args...)
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("this test needs %s (run make setup): %v", program, err)
	}
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	request := "GET /x?y=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: a\"b\\c bot\r\nX-Forwarded-For: 8.8.8.8, 198.51.100.7\r\nConnection: close\r\n\r\n"
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			io.WriteString(c, request)
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			c.Close()
			if err != nil || answer.StatusCode != 404 {
				t.Fatalf("%v, %v", answer, err)
			}
			return root
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not serve: %s", program, out)
		}
	}
}

// firstLine waits for the first line of a log.
func firstLine(t *testing.T, path string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		data, _ := os.ReadFile(path)
		if line, _, ok := strings.Cut(string(data), "\n"); ok {
			return line
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has no line", path)
		}
	}
}

// readAs reads a line as the agent would a line of a log at path.
func readAs(book *formatBook, path string, kind sentinel.SourceType, line string) (ev sentinel.Event, ok bool) {
	pc := parse.Config{Type: kind, Location: time.Local, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	book.apply(path, &pc)
	now := time.Now()
	ok = parse.New(pc).Parse(line, now, now, &ev)
	return ev, ok
}

// foundLog finds a log by its path or pattern.
func foundLog(t *testing.T, d collect.Discovery, path string) collect.Found {
	t.Helper()
	for _, f := range d.Logs {
		if f.Path == path || matches(f.Path, path) {
			return f
		}
	}
	t.Fatalf("%s is not among %+v", path, d.Logs)
	return collect.Found{}
}

// Real web servers write in formats of their own, which are read from their
// configurations: each line has its client, host and time taken.
func TestFormatsOfRealServers(t *testing.T) {
	nginx := serve(t, "/usr/sbin/nginx", map[string]string{"etc/nginx/nginx.conf": nginxFormats, "etc/nginx/sites/shop.conf": nginxSites},
		"-e", "DIR/nginx-error.log", "-c", "DIR/etc/nginx/nginx.conf")
	apache := serve(t, "/usr/sbin/apache2", map[string]string{"etc/apache2/apache2.conf": apacheFormats}, "-X", "-f", "DIR/etc/apache2/apache2.conf")
	const client, proxy = "198.51.100.7", "127.0.0.1"
	for _, c := range []struct {
		root, log, addr, host string
	}{
		{nginx, "shop.log", client, "shop.example"},
		{nginx, "shop.example.json", client, "shop.example"},
		{nginx, "plain.log", proxy, "shop.example"},
		{nginx, "usual.log", proxy, ""},
		{nginx, "both.log", client, "shop.example"},
		{apache, "shop.log", client, "shop.example"},
		{apache, "global.log", client, "shop.example"},
		{apache, "transfer.log", client, "shop.example"},
		{apache, "json.log", client, "shop.example"},
	} {
		kind := sentinel.TypeNginx
		if c.root == apache {
			kind = sentinel.TypeApache
		}
		path := filepath.Join(c.root, c.log)
		t.Run(fmt.Sprintf("%s %s", kind, c.log), func(t *testing.T) {
			line := firstLine(t, path)
			d := collect.Discoverer{Root: c.root}.Discover(t.Context())
			book := newFormatBook(d.Logs, nil)
			if f := foundLog(t, d, path); f.Type != kind || book.fault(path) != "" {
				t.Errorf("found as %s, fault %q", f.Type, book.fault(path))
			}
			ev, ok := readAs(book, path, kind, line)
			h := &ev.HTTP
			if !ok || ev.Type != sentinel.EventHTTPAccess || ev.SrcIP.String() != c.addr || h.Target != "/x?y=1" || h.Method != "GET" ||
				h.Status != 404 || h.UserAgent != `a"b\c bot` || h.Host != c.host || time.Since(ev.Time).Abs() > 10*time.Minute {
				t.Errorf("%s\nread as %+v", line, ev)
			}
			if ev.FromHeader != (c.addr == client) || strings.Contains(line, `"us":`) && h.Duration == 0 {
				t.Errorf("%s\nfrom the header: %t, took %s", line, ev.FromHeader, h.Duration)
			}
		})
	}
	t.Run("formats that cannot be read are named", func(t *testing.T) {
		for _, c := range []struct{ root, log, want string }{
			{nginx, "header.log", "lines of the log format header (/etc/nginx/nginx.conf:15) cannot be read: of addresses the format has only X-Forwarded-For"},
			{apache, "none.log", "cannot be read: the format has no address"},
		} {
			d := collect.Discoverer{Root: c.root}.Discover(t.Context())
			book, path := newFormatBook(d.Logs, nil), filepath.Join(c.root, c.log)
			foundLog(t, d, path)
			if got := book.fault(path); !strings.Contains(got, c.want) {
				t.Errorf("%s: %q", c.log, got)
			}
			// What clients write is not taken for their address.
			line := firstLine(t, path)
			if ev, _ := readAs(book, path, sentinel.TypeNginx, line); ev.SrcIP.IsValid() || ev.Type == sentinel.EventHTTPAccess {
				t.Errorf("%s\nread as %+v", line, ev)
			}
		}
		notes := strings.Join(collect.Discoverer{Root: apache}.Discover(t.Context()).Notes, "\n")
		if !strings.Contains(notes, "apache2.conf:20: logs to a program") {
			t.Errorf("notes: %s", notes)
		}
	})
	t.Run("combined in a log of two formats", func(t *testing.T) {
		path := filepath.Join(nginx, "both.log")
		book := newFormatBook(collect.Discoverer{Root: nginx}.Discover(t.Context()).Logs, nil)
		line := firstLine(t, filepath.Join(nginx, "usual.log"))
		if ev, ok := readAs(book, path, sentinel.TypeNginx, line); !ok || ev.SrcIP.String() != proxy {
			t.Errorf("%s\nread as %+v", line, ev)
		}
	})
}
