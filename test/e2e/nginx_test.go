package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// webServer is a real nginx in the victim's namespace.
type webServer struct {
	lab  *lab
	log  string
	port int
	proc *proc
}

func startNginx(t *testing.T, l *lab) *webServer {
	t.Helper()
	return startNginxWith(t, l, tempDir(t), "", "combined")
}

// startNginxWith runs an nginx in a directory, with lines of the block http and
// the name of its log's format. Files below files/ are served from the disk, so
// that a missing one is in the error log.
func startNginxWith(t *testing.T, l *lab, dir, http, format string) *webServer {
	t.Helper()
	need(t, "nginx")
	w := &webServer{lab: l, log: filepath.Join(dir, "access.log"), port: 80}
	config := fmt.Sprintf(`daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log %[1]s/error.log;
events {}
http {
	%[4]s
	access_log %[1]s/access.log %[5]s;
	client_body_temp_path %[1]s/body;
	server {
		listen %[2]s:%[3]d;
		location = / { return 200 "hello"; }
		location = /shop { return 200 "shop"; }
		location = /page { alias %[1]s/nginx.conf; }
		location /files/ { root %[1]s; }
		location / { return 404; }
	}
}
`, dir, victim4, w.port, http, format)
	must(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o644))
	path, err := lookPath("nginx")
	must(t, err)
	w.proc = start(t, l.victim, exec.Command(path, "-e", filepath.Join(dir, "error.log"), "-c", filepath.Join(dir, "nginx.conf")))
	t.Cleanup(func() { // its worker would outlive a kill
		w.proc.signal(15)
		<-w.proc.done
	})
	until(t, "nginx serves", func() bool {
		if !w.proc.running() {
			t.Fatalf("nginx ended: %s", lastLines(filepath.Join(dir, "error.log"), 10))
		}
		return w.get(good, "/", "Mozilla/5.0 (X11; Linux x86_64)") == 200
	})
	return w
}

// get sends a request as it is given and returns the status, 0 if there is none.
func (w *webServer) get(from netip.Addr, target, agent string, headers ...string) (status int) {
	head := strings.Join(append(headers, "Connection: close"), "\r\n")
	text, err := w.lab.talk(from, w.port, "GET "+target+" HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: "+agent+"\r\n"+head+"\r\n\r\n")
	if err != nil {
		return 0
	}
	_, _ = fmt.Sscanf(text, "HTTP/1.1 %d", &status)
	return status
}

// browser is what an innocent visitor says he is.
const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

// A real nginx is attacked over HTTP until the attackers' packets drop.
func TestFaultWeb(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	w := startNginx(t, l)
	a := newAgent(t, l.victim, settings{logs: map[string]string{w.log: "nginx"}})
	must(t, os.WriteFile(a.path("rules/agent.yml"), []byte(golden), 0o644))
	a.start(t)
	a.ready(t)
	seen := watchEvents(t, a)

	var blocked []string
	for n, story := range []struct {
		name, agent string
		targets     []string
	}{
		{"SQL injection", browser, []string{
			"/item?id=1%27%20OR%20%271%27=%271", "/item?id=1%20UNION%20SELECT%20user,password%20FROM%20users--",
			"/item?id=1;DROP%20TABLE%20users--", "/item?id=1%20AND%20SLEEP(5)--",
		}},
		{"traversal", browser, []string{
			"/get?file=../../../../etc/passwd", "/get?file=..%2f..%2f..%2fetc%2fshadow", "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
			"/get?file=....//....//etc/passwd",
		}},
		{"scanner", "sqlmap/1.7.2#stable (https://sqlmap.org)", []string{
			"/.env", "/.git/config", "/wp-login.php", "/phpmyadmin/index.php", "/backup.sql", "/cgi-bin/test.cgi", "/server-status", "/admin.php",
		}},
	} {
		t.Run(story.name, func(t *testing.T) {
			from := evil[n]
			const most = 40
			sent := 0
			for sent < most && !l.isCut(t, from) {
				w.get(from, story.targets[sent%len(story.targets)], story.agent)
				if w.get(good, "/shop", browser) != 200 {
					t.Error("an innocent visitor gets no answer")
				}
				sent++
			}
			l.cut(t, from)
			blocked = append(blocked, from.String())
			t.Logf("cut off after %d requests", sent)
			if w.get(good, "/", browser) != 200 {
				t.Error("an innocent visitor gets no answer")
			}
		})
	}
	t.Run("B06 quotes, ESC and 0xFF in a header", func(t *testing.T) {
		const written = `"a\x22 b\x1B[31m\xFF c"`
		if got := w.get(evil[5], "/golden?q=1", "a\" b\x1b[31m\xff c"); got != 404 {
			t.Fatalf("the answer is %d", got)
		}
		var e control.LogEvent
		until(t, "the request is seen", func() bool {
			return seen(func(x control.LogEvent) bool {
				if x.Target == "/golden?q=1" {
					e = x
				}
				return x.Target == "/golden?q=1"
			}) > 0
		})
		if !e.Parsed || e.IP != evil[5].String() || e.Method != "GET" || e.Status != 404 || !strings.HasSuffix(e.Raw, written) {
			t.Errorf("%+v, want the fields intact and the line to end in %s", e, written)
		}
		if !slices.Contains(e.Rules, "GOLDEN_AGENT") {
			t.Errorf("rules %v: the user agent was not read back byte for byte", e.Rules)
		}
	})
	t.Run("exactly the attackers are blocked", func(t *testing.T) {
		if got := a.blocks(t); !slices.Equal(got, blocked) || !slices.Equal(l.kernel(t), blocked) {
			t.Errorf("blocked are %v, in the kernel %v, want %v", got, l.kernel(t), blocked)
		}
	})
}

// golden matches the header of row B06 byte for byte, and only tells.
const golden = `---
id: GOLDEN_AGENT
name: golden user agent
severity: LOW
type: test
log_source: web
conditions: {field: http.user_agent, re: '^a" b\x1b\[31m. c$'}
actions: [notify]
`
