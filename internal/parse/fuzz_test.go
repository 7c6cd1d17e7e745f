package parse

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// within reports whether part aliases line.
func within(line, part string) bool {
	if part == "" {
		return true
	}
	start, at := uintptr(unsafe.Pointer(unsafe.StringData(line))), uintptr(unsafe.Pointer(unsafe.StringData(part)))
	return at >= start && at+uintptr(len(part)) <= start+uintptr(len(line))
}

// holds reports whether some run of the line's bytes is the address.
func holds(line string, a netip.Addr) bool {
	isAddr := func(c byte) bool { _, hex := hexDigit(c); return hex || c == '.' || c == ':' }
	for i := 0; i < len(line); i++ {
		if !isAddr(line[i]) {
			continue
		}
		for n := i + 2; n <= len(line) && n-i <= 45 && isAddr(line[n-1]); n++ {
			if b, err := netip.ParseAddr(line[i:n]); err == nil && sentinel.Normalize(b) == a {
				return true
			}
		}
	}
	return false
}

// sound checks what holds of the event of any line.
func sound(t *testing.T, typ sentinel.SourceType, line string) {
	t.Helper()
	var ev, again sentinel.Event
	p := New(Config{Type: typ, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	ok := p.Parse(line, arrival, arrival, &ev)
	p.doubt, p.records = 0, nil
	if w, ok := unwrap(line); ok && w.whole { // the event is of the text within
		if line = w.text; w.json {
			line = plain(line)
		}
		line = strings.TrimSuffix(line, "\r")
		ev.Time = time.Time{}
		if p.Parse(line, arrival, arrival, &again); again.Raw == line {
			again.Time = time.Time{}
			if !reflect.DeepEqual(ev, again) {
				t.Errorf("%q within a container is %+v, not %+v", line, ev, again)
			}
		}
		return
	}
	if p.Parse(line, arrival, arrival, &again) != ok || !reflect.DeepEqual(ev, again) {
		t.Errorf("%q: the second time %+v, not %+v", line, again, ev)
	}
	if ev.Raw != line || !within(line, ev.Raw) || !within(line, ev.Message) && !strings.Contains(line, `\`) {
		t.Errorf("%q: raw %q, message %q", line, ev.Raw, ev.Message)
	}
	for _, s := range []string{ev.Host, ev.Program, ev.XFF, ev.HTTP.Method, ev.HTTP.Proto, ev.HTTP.Host} {
		if !within(line, s) && !ownNames[s] && !strings.Contains(line, `\`) {
			t.Errorf("%q: %q does not alias the line", line, s)
		}
	}
	if !strings.Contains(line, `\`) {
		for _, s := range []string{ev.HTTP.Target, ev.HTTP.Path, ev.HTTP.Query, ev.HTTP.Referer, ev.HTTP.UserAgent, ev.User} {
			if !within(line, s) && s != "root" && !strings.Contains(line, "#") {
				t.Errorf("%q: %q does not alias the line", line, s)
			}
		}
	}
	for _, a := range []netip.Addr{ev.SrcIP, ev.DstIP, ev.PeerIP} {
		if a.IsValid() && (a != sentinel.Normalize(a) || !holds(line, a)) {
			t.Errorf("%q has no %v", line, a)
		}
	}
	if !ok && (ev.Type != sentinel.EventOther || ev.SrcIP.IsValid() || ev.Message != line) {
		t.Errorf("%q is not understood, but %+v", line, ev)
	}
	if ev.Repeat < 1 || ev.Repeat > maxRepeat || ev.PID < 0 || ev.HTTP.Bytes < -1 || ev.HTTP.Status < 0 || ev.HTTP.Status > 999 {
		t.Errorf("%q: %+v", line, ev)
	}
}

// ownNames are programs that logs without tags do not name.
var ownNames = func() map[string]bool {
	m := map[string]bool{"nginx": true, "apache2": true, "mysqld": true, "cowrie": true, "mongod": true, "nextcloud": true, "kernel": true, "postgres": true,
		"authentik": true, "elasticsearch": true, "vault": true}
	for _, r := range refusals {
		m[r.program] = true
	}
	for _, g := range allGrammars {
		m[g.program] = true
	}
	return m
}()

func seed(f *testing.F) {
	for _, c := range services {
		f.Add(c.line)
	}
	for _, c := range formats {
		f.Add(c.line)
	}
	for _, c := range proxyLines {
		f.Add(c.line)
	}
	for _, c := range sshForms {
		f.Add(head + c.text)
	}
	for _, c := range forged {
		f.Add(head + c.text)
	}
	for _, h := range hot {
		for _, line := range h.lines {
			f.Add(line)
		}
	}
	for _, c := range hostedLines {
		f.Add(c.line)
	}
	for _, tmpl := range append(append([]string(nil), certain...), templates...) {
		f.Add(strings.NewReplacer("PEER", "192.0.2.77", "SOCK", "192.0.2.77:5").Replace(tmpl))
	}
	f.Add(dockerLine(`198.51.100.7 - - [01/Mar/2026:11:59:58 +0000] "GET / HTTP/1.1" 200 1`))
	f.Add("2026-03-01T11:59:58.123456789Z stderr P " + failedRoot)
	f.Add(`<38>1 2026-03-01T11:59:58Z web1 sshd 2101 ID47 [a@1 k="x\"] y" l="\\"][b] ` + failedRoot)
	f.Add(`10.0.0.1 - - [01/Mar/2026:11:59:58 +0000] "GET / HTTP/1.1" 200 1 "-" "ua" "8.8.8.8, 198.51.100.7, [::1]:5"`)
}

func FuzzSyslog(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, line string) {
		sound(t, sentinel.TypeSyslog, line)
		sound(t, sentinel.TypeSSH, line)
	})
}

// FuzzMessage gives sshd and PAM whole messages under a good header.
func FuzzMessage(f *testing.F) {
	for _, c := range sshForms {
		f.Add(c.text)
	}
	for _, c := range forged {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, program := range []string{"sshd", "dropbear", "vsftpd", "exim", "mysqld", "dovecot", "kernel", "nginx", "su(pam_unix)", "proftpd", "postfix/smtpd", "sm-mta", "imapd", "smtpd", "ftpd", "postgres", "asterisk", "openvpn", "roundcube", "webmin", "php-fpm", "scanlogd", "fail2ban.actions", "haproxy", "caddy", "traefik", "wordpress", "login", "keycloak", "smbd", "jellyfin", "immich", "zimbra", "usermod", "CRON", "crontab", "systemd-logind", "passwd"} {
			sound(t, sentinel.TypeSyslog, "Mar  1 11:59:58 web1 "+program+"[7]: "+text)
		}
	})
}

func FuzzAccess(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, line string) {
		sound(t, sentinel.TypeNginx, line)
		sound(t, sentinel.TypeApache, line)
	})
}

func FuzzAuto(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, line string) {
		sound(t, sentinel.TypeAuto, line)
		Guess([]string{line})
		if typ, err := ParseType(line); err == nil && typ == "" {
			t.Errorf("%q is a type without a name", line)
		}
		for _, trust := range []sentinel.Trust{sentinel.TrustLocal, sentinel.TrustNone} {
			var ev sentinel.Event
			if New(Config{}).ParseAs(trust, line, arrival, arrival, &ev); ev.SrcIP.IsValid() {
				t.Errorf("%q of %v names %v", line, trust, ev.SrcIP)
			}
		}
		if s := Shape(line); len(s) > maxShape {
			t.Errorf("shape of %d bytes", len(s))
		}
	})
}

func FuzzAddr(f *testing.F) {
	for _, s := range []string{
		"192.0.2.1", "0.0.0.0", "255.255.255.255", "256.1.1.1", "999.1.1.1", "010.1.2.3", "1.2.3", "0x7f.1", "1.2.3.4.", ".1.2.3.4", "1..2.3", "1.2.3.4%eth0",
		"::", "::1", "1::", "2001:db8::17", "2001:db8:0:0:0:0:0:17", "::ffff:1.2.3.4", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "fe80::1%eth0", "fe80::1%",
		"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1::2::3", ":::", ":1", "1:", "12345::", "g::", "::ffff:1.2.3", "1:2:3:4:5:6:7:8::", "::%x", "a", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := netip.ParseAddr(s)
		got, ok := parseAddr(s)
		if ok != (err == nil) || ok && got != sentinel.Normalize(want) {
			t.Errorf("%q: got %v %v, want %v %v", s, got, ok, want, err)
		}
		if a, _, ok := parseAddrPort(s); ok && a != sentinel.Normalize(a) {
			t.Errorf("%q: %v is not normal", s, a)
		}
		if ap, err := netip.ParseAddrPort(s); err == nil {
			a, port, ok := parseAddrPort(s)
			// Signs and leading zeros in a port are left out.
			if ok && (a != sentinel.Normalize(ap.Addr()) || port != ap.Port()) {
				t.Errorf("%q: got %v %d, want %v", s, a, port, ap)
			}
		}
	})
}
