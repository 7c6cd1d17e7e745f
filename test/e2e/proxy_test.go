package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// forwarded is combined with the header behind the agent.
const forwarded = `log_format forwarded '$realip_remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
	'"$http_referer" "$http_user_agent" "$http_x_forwarded_for"';`

// victimOfForgery is an address that does nothing.
const victimOfForgery = "203.0.113.66"

// A real nginx writes the decoded path of a request into its error log, with its
// newlines: a client writes whole lines of any format.
func TestFaultErrorLogForgery(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"nginx", "auto"} {
		t.Run("B05 lines that a client writes into the error log, type "+kind, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			dir := tempDir(t)
			w := startNginxWith(t, l, dir, "", "combined")
			errors := filepath.Join(dir, "error.log")
			a := runAgent(t, l.victim, settings{logs: map[string]string{errors: kind}})
			now := time.Now()
			for i := range 60 {
				lines := []string{
					"x",
					failure(victimOfForgery, i),
					now.Format("2006/01/02 15:04:05") + fmt.Sprintf(` [error] 1#1: *%d user "root": password mismatch, client: %s, server: s, request: "GET / HTTP/1.1", host: "h"`, i, victimOfForgery),
					fmt.Sprintf(`%s - - [%s] "GET /?id=1%%27%%20UNION%%20SELECT%%201--%d HTTP/1.1" 200 1 "-" "sqlmap/1.7"`, victimOfForgery, now.Format("02/Jan/2006:15:04:05 -0700"), i),
					"",
				}
				if got := w.get(evil[0], "/files/"+url.PathEscape(strings.Join(lines, "\n")), browser); got != 404 {
					t.Fatalf("nginx answers %d", got)
				}
			}
			data, err := os.ReadFile(errors)
			must(t, err)
			if n := strings.Count(string(data), "\n"+now.Format("2006/01/02")+" "+now.Format("15:04:05")+" [error] 1#1: "); n < 60 {
				t.Fatalf("nginx wrote %d forged lines of its own format; the fault was not made:\n%s", n, lastLines(errors, 5))
			}
			a.read(t, errors, strings.Count(string(data), "\n"))
			if got := append(a.blocks(t), l.kernel(t)...); len(got) > 0 {
				t.Errorf("blocked by the error log alone: %v", got)
			}
		})
	}
}

// attack sends SQL injections until the attacker is cut off, or many.
func (w *webServer) attack(t *testing.T, n int, headers ...string) {
	t.Helper()
	for i := range 40 {
		if w.lab.isCut(t, evil[n]) {
			return
		}
		w.get(evil[n], fmt.Sprintf("/item?id=%d%%27%%20UNION%%20SELECT%%20user,password%%20FROM%%20users--", i), browser, headers...)
	}
}

// Headers that name another client are believed of configured proxies alone.
func TestFaultForwarded(t *testing.T) {
	t.Parallel()
	const odd = `[$time_local] $status "$request" $request_time "$http_x_forwarded_for" "$http_user_agent" $remote_user $remote_addr`
	for n, c := range []struct{ http, format, source string }{
		{"", "combined", "nginx"},
		{forwarded, "forwarded", "nginx"},
		{"log_format odd '" + odd + "';", "odd", "nginx, log_format: '" + odd + "'"},
	} {
		t.Run("B07 X-Forwarded-For from anybody, log format "+c.format, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			w := startNginxWith(t, l, tempDir(t), c.http, c.format)
			a := runAgent(t, l.victim, settings{logs: map[string]string{w.log: c.source}})
			w.attack(t, n, "X-Forwarded-For: "+victimOfForgery, "X-Real-IP: "+victimOfForgery, "Forwarded: for="+victimOfForgery)
			l.cut(t, evil[n])
			if got := a.blocks(t); !slices.Equal(got, []string{evil[n].String()}) {
				t.Errorf("blocked are %v", got)
			}
		})
	}
	t.Run("B07 the client behind a trusted proxy, by the proxy's deny list", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		dir := tempDir(t)
		deny := filepath.Join(dir, "deny.conf")
		must(t, os.WriteFile(deny, nil, 0o644))
		proxy := evil[2]
		w := startNginxWith(t, l, dir, forwarded+"\n\tset_real_ip_from "+proxy.String()+";\n\treal_ip_header X-Forwarded-For;\n\tinclude "+deny+";", "forwarded")
		a := runAgent(t, l.victim, settings{
			logs:     map[string]string{w.log: "nginx, trusted_proxies: [" + proxy.String() + "]"},
			response: []string{"proxy_denylist: {path: " + deny + ", format: nginx}"},
		})
		// Left of what the proxy wrote stands whatever the client sent.
		const client = "198.51.100.23"
		for i := range 20 {
			w.get(proxy, fmt.Sprintf("/item?id=%d%%27%%20UNION%%20SELECT%%20user,password%%20FROM%%20users--", i), browser, "X-Forwarded-For: "+victimOfForgery+", "+client)
		}
		until(t, "the client is in the deny list", func() bool {
			data, err := os.ReadFile(deny)
			return err == nil && strings.Contains(string(data), "deny "+client+";")
		})
		w.proc.signal(syscall.SIGHUP)
		until(t, "nginx refuses the client", func() bool {
			return w.get(proxy, "/page", browser, "X-Forwarded-For: "+client) == 403
		})
		if got := w.get(proxy, "/page", browser, "X-Forwarded-For: 198.51.100.99"); got != 200 {
			t.Errorf("another client behind the proxy is answered %d", got)
		}
		if got := a.blocks(t); !slices.Equal(got, []string{client}) {
			t.Errorf("blocked are %v", got)
		}
		if got := l.kernel(t); len(got) > 0 {
			t.Errorf("the packet filter drops %v, which it cannot see", got)
		}
		// It is the same after a restart, and when the block is lifted.
		a.stop(t)
		a.start(t)
		a.ready(t)
		if got := l.kernel(t); len(got) > 0 {
			t.Errorf("after a restart the packet filter drops %v", got)
		}
		c := a.client(t)
		_, err := c.Unblock(t.Context(), control.UnblockParams{IP: network(t, client)})
		must(t, err)
		until(t, "the client is out of the deny list", func() bool {
			data, err := os.ReadFile(deny)
			return err == nil && !strings.Contains(string(data), client)
		})
	})
	t.Run("B08 an attack behind a proxy that is not listed", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		log := newLog(t, filepath.Join(tempDir(t), "access.log"))
		a := runAgent(t, l.victim, settings{logs: map[string]string{log.path: "nginx"}})
		line := func(from, target string) string {
			return fmt.Sprintf(`%s - - [%s] "GET %s HTTP/1.1" 200 1 "-" "%s"`, from, time.Now().Format("02/Jan/2006:15:04:05 -0700"), target, browser)
		}
		for i := range 300 {
			log.write(t, line("10.0.0.5", fmt.Sprintf("/page/%d", i)))
		}
		s := a.expect(t, "the proxy is reported", func(s *control.Status) bool { return hasAlarm(s, "behind_proxy", "10.0.0.5") })
		if !slices.ContainsFunc(s.Reasons, func(r string) bool { return strings.Contains(r, "trusted_proxies") }) {
			t.Errorf("status says %v", s.Reasons)
		}
		// Neither the proxy nor anybody else in that log is blocked now.
		for i := range 20 {
			log.write(t, line("10.0.0.5", fmt.Sprintf("/item?id=%d%%27%%20UNION%%20SELECT%%201,2--", i)))
			log.write(t, line(evil[3].String(), fmt.Sprintf("/item?id=%d%%27%%20UNION%%20SELECT%%201,2--", i)))
		}
		a.read(t, log.path, 340)
		until(t, "both are reported", func() bool { return len(a.threats(t)) == 2 })
		if got := append(a.blocks(t), l.kernel(t)...); len(got) > 0 {
			t.Errorf("blocked: %v", got)
		}
		if s := a.status(); s == nil || len(s.Alarms) != 1 {
			t.Errorf("alarms: %+v", s.Alarms)
		}
	})
}
