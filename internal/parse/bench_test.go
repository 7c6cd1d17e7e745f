package parse

import (
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

var arrival = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// hot are lines as busy logs have them, by source type.
var hot = []struct {
	name  string
	typ   sentinel.SourceType
	lines []string
}{
	{"sshd", sentinel.TypeSSH, []string{
		"Mar  1 11:59:58 web1 sshd[2101]: Failed password for root from 198.51.100.7 port 40022 ssh2",
		"Mar  1 11:59:58 web1 sshd[2102]: Failed password for invalid user admin from 203.0.113.99 port 51234 ssh2",
		"Mar  1 11:59:59 web1 sshd[2103]: Failed password for deploy from 192.0.2.31 port 60100 ssh2",
	}},
	{"sshd_iso", sentinel.TypeSyslog, []string{
		"2026-03-01T11:59:58.123456+00:00 web1 sshd-session[2101]: Failed password for root from 198.51.100.7 port 40022 ssh2",
		"2026-03-01T11:59:58.234567+00:00 web1 sshd-session[2101]: Invalid user oracle from 198.51.100.7 port 40022",
	}},
	{"sshd_mixed", sentinel.TypeSyslog, []string{
		"Mar  1 11:59:58 web1 sshd[2101]: Invalid user oracle from 198.51.100.7 port 40022",
		"Mar  1 11:59:58 web1 sshd[2101]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=198.51.100.7  user=root",
		"Mar  1 11:59:58 web1 sshd[2101]: Connection closed by authenticating user root 198.51.100.7 port 40022 [preauth]",
		"Mar  1 11:59:58 web1 sshd[2101]: Accepted publickey for deploy from 2001:db8::17 port 40022 ssh2: ED25519 SHA256:AAAAC3NzaC1lZDI1NTE5AAAAIE",
		"Mar  1 11:59:59 web1 sshd[2101]: error: kex_exchange_identification: Connection closed by remote host",
		"Mar  1 11:59:59 web1 CRON[77]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
	}},
	{"combined", sentinel.TypeNginx, []string{
		`198.51.100.7 - - [01/Mar/2026:11:59:58 +0000] "GET /shop/item?id=17&ref=mail HTTP/1.1" 200 5120 "https://shop.example/list" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"`,
		`203.0.113.99 - - [01/Mar/2026:11:59:58 +0000] "GET /static/app.css HTTP/2.0" 304 0 "-" "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"`,
		`192.0.2.31 - - [01/Mar/2026:11:59:59 +0000] "POST /api/v1/login HTTP/1.1" 401 88 "-" "curl/8.5.0"`,
	}},
	{"vhost_combined", sentinel.TypeApache, []string{
		`www.example.com:443 2001:db8::17 - bob [01/Mar/2026:11:59:58 +0100] "GET /?a=b HTTP/1.1" 200 5120 "-" "Mozilla/5.0"`,
	}},
	{"nginx_error", sentinel.TypeNginx, []string{
		`2026/03/01 11:59:58 [error] 2833#2833: *16336 open() "/var/www/x" failed (2: No such file or directory), client: 198.51.100.7, server: localhost, request: "GET /x HTTP/1.1", host: "example.com"`,
	}},
	{"mail", sentinel.TypeMail, []string{
		"Mar  1 11:59:58 mx postfix/smtpd[7]: warning: unknown[198.51.100.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
		"Mar  1 11:59:58 mx dovecot: imap-login: Disconnected (auth failed, 2 attempts in 9 secs): user=<bob>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, TLS",
		"Mar  1 11:59:58 mx postfix/qmgr[7]: 4F2D1: from=<a@b.example>, size=4000, nrcpt=1 (queue active)",
	}},
	{"raw", sentinel.TypeApp, []string{
		"2026-03-01 11:59:58 77 [Warning] Access denied for user 'bob'@'198.51.100.7' (using password: YES)",
		"[2026-03-01 11:59:58] NOTICE[7] chan_sip.c: Registration from '<sip:1@x>' failed for '198.51.100.7:5060' - Wrong password",
		"2026-03-01T11:59:58.123Z: Failed Login: username=bob ip=198.51.100.7",
	}},
	{"json", sentinel.TypeJSON, []string{
		`{"time_iso8601":"2026-03-01T11:59:58+00:00","remote_addr":"198.51.100.7","request":"GET /x HTTP/1.1","status":"200","body_bytes_sent":"5","http_user_agent":"ua"}`,
		`{"level":"info","ts":1772366398.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"198.51.100.7","remote_port":"4242","proto":"HTTP/2.0","method":"GET","host":"h","uri":"/x?y=1","headers":{"User-Agent":["ua"]}},"user_id":"","duration":0.01,"size":12,"status":404}`,
	}},
	{"audit", sentinel.TypeAudit, []string{
		"type=USER_AUTH msg=audit(1772366398.123:9): pid=7 uid=0 msg='op=password acct=\"bob\" exe=\"/usr/sbin/sshd\" hostname=? addr=198.51.100.7 terminal=ssh res=failed'",
	}},
	{"other", sentinel.TypeAuto, []string{
		"Mar  1 11:59:58 web1 systemd-logind[700]: New session 17 of user deploy.",
		"<86>1 2026-03-01T11:59:58Z web1 sudo 4411 - - deploy : TTY=pts/0 ; PWD=/home/deploy ; USER=root ; COMMAND=/usr/bin/id",
		"no known format at all",
	}},
}

func TestNoAllocations(t *testing.T) {
	for _, h := range hot {
		t.Run(h.name, func(t *testing.T) {
			p := New(Config{Type: h.typ})
			var ev sentinel.Event
			i := 0
			if n := testing.AllocsPerRun(1000, func() {
				p.Parse(h.lines[i%len(h.lines)], arrival, arrival, &ev)
				i++
			}); n != 0 {
				t.Errorf("%v allocations a line, want 0", n)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, h := range hot {
		b.Run(h.name, func(b *testing.B) {
			p := New(Config{Type: h.typ})
			var ev sentinel.Event
			size := 0
			for _, l := range h.lines {
				size += len(l)
			}
			b.SetBytes(int64(size / len(h.lines)))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				p.Parse(h.lines[i], arrival, arrival, &ev)
				if i++; i == len(h.lines) {
					i = 0
				}
			}
		})
	}
}

func BenchmarkReset(b *testing.B) {
	ev := new(sentinel.Event)
	for b.Loop() {
		ev.Reset()
	}
}
