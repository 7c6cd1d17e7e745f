package parse

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// forgedLines is how many hostile lines TestFaultForgedLines makes.
func forgedLines() int {
	switch {
	case os.Getenv("SENTINEL_FAULTS") == "long":
		return 1_000_000
	case testing.Short():
		return 20_000
	}
	return 100_000
}

// forger makes lines as programs write them, with text of attackers wherever
// clients have a say.
type forger struct {
	*rand.Rand
	kinds []forgedKind
}

// forgedKind is one message of one program.
type forgedKind struct {
	name, template string
	// fill puts peer and free text into the template; words are those of the
	// program's other messages.
	fill  func(peer string, free func() string) string
	words []string
	// escape is what the program does to free text.
	escape func(string) string
	format *LogFormat
}

// programs are names under which the tables are read through syslog.
var programs = map[string]string{
	"postfix": "postfix/smtpd", "postgrey": "postgrey", "sendmail": "sm-mta", "exim": "exim", "dovecot": "dovecot", "mailbox": "imapd",
	"qmail": "rblsmtpd", "smtpd": "smtpd", "ftp": "vsftpd", "proftpd": "proftpd", "named": "named", "mongo": "mongod", "postgres": "postgres",
	"asterisk": "asterisk", "freeswitch": "freeswitch", "openvpn": "openvpn", "roundcube": "roundcube", "webmail": "squirrelmail",
	"gitea": "gitea", "vault": "vaultwarden", "grafana": "grafana", "guacamole": "guacamole", "webmin": "webmin", "monit": "monit",
	"xrdp": "xrdp-sesman", "ejabberd": "ejabberd", "stunnel": "stunnel", "pfsense": "php-fpm", "wordpress": "wordpress", "admin": "phpMyAdmin",
	"ban": "fail2ban.actions", "scan": "scanlogd", "xinetd": "xinetd", "haproxy": "haproxy", "lighttpd": "lighttpd",
}

func asIs(s string) string { return s }

// jsonText is a string as encoders of JSON write it, without the quotes.
func jsonText(s string) string {
	q := strconv.QuoteToASCII(s)
	return strings.NewReplacer(`\x`, `\u00`, `\a`, `\u0007`, `\v`, `\u000b`).Replace(q[1 : len(q)-1])
}

// jsonTemplates are lines of programs that log in JSON.
var jsonTemplates = []string{
	`{"time_iso8601":"2026-03-01T11:59:58+00:00","http_x_forwarded_for":"FREE","remote_addr":"PEER","remote_user":"FREE","request":"GET FREE HTTP/1.1","status":404,"body_bytes_sent":5,"http_referrer":"FREE","http_user_agent":"FREE"}`,
	`{"level":"info","ts":1772366398.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"PEER","remote_port":"5","client_ip":"8.8.8.8","proto":"HTTP/2.0","method":"GET","host":"FREE","uri":"FREE","headers":{"User-Agent":["FREE"],"FREE":["FREE"],"X-Forwarded-For":["FREE"]}},"user_id":"FREE","size":12,"status":404,"resp_headers":{"Server":["Caddy"]}}`,
	`{"ClientAddr":"SOCK","ClientHost":"FREE","ClientPort":"5","ClientUsername":"FREE","DownstreamContentSize":19,"DownstreamStatus":404,"RequestHost":"FREE","RequestMethod":"GET","RequestPath":"FREE","RequestProtocol":"HTTP/1.1","StartUTC":"2026-03-01T11:59:58.1Z","request_User-Agent":"FREE","time":"2026-03-01T11:59:58Z"}`,
	`{"timestamp":"2026-03-01 11:59:58.123 UTC","user":"FREE","dbname":"FREE","pid":77,"remote_host":"PEER","remote_port":5,"error_severity":"FATAL","state_code":"28P01","message":"password authentication failed for user \"FREE\"","application_name":"FREE"}`,
	`{"t":{"$date":"2026-03-01T11:59:58.123+00:00"},"s":"I","c":"ACCESS","id":20249,"ctx":"conn7","msg":"Authentication failed","attr":{"mechanism":"SCRAM-SHA-256","principalName":"FREE","authenticationDatabase":"FREE","remote":"SOCK","error":"UserNotFound"}}`,
	`{"eventid":"cowrie.login.failed","username":"FREE","password":"FREE","src_ip":"PEER","timestamp":"2026-03-01T11:59:58.123Z"}`,
	`{"reqId":"x","level":2,"time":"2026-03-01T11:59:58+00:00","remoteAddr":"PEER","user":"--","app":"core","method":"POST","url":"FREE","message":"Login failed: FREE (Remote IP: FREE)","userAgent":"FREE"}`,
	`{"MESSAGE":"Failed password for invalid user FREE from PEER port 5 ssh2","SYSLOG_IDENTIFIER":"sshd","_COMM":"sshd","_PID":"77","__REALTIME_TIMESTAMP":"1772366398123456"}`,
	`{"MESSAGE":"FREE","SYSLOG_IDENTIFIER":"sshd","_COMM":"logger","_UID":"65534","_PID":"77"}`,
}

// haproxyTemplates have what clients write in each place that may hold it.
var haproxyTemplates = []string{
	at + `haproxy[77]: SOCK [01/Mar/2026:11:59:58.123] www~ app/a1 0/0/1/2/3 404 19 - - ---- 1/1/0/0/0 0/0 {FREE|FREE} {FREE} "GET FREE HTTP/1.1"`,
	at + `haproxy[77]: SOCK [01/Mar/2026:11:59:58.123] www app/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 1/1/0/0/0 0/0 "<BADREQ>"`,
	at + `haproxy[77]: SOCK [01/Mar/2026:11:59:58.123] www app/a1 0/0/1/2/+3 404 +19 FREE FREE --VN 1/1/0/0/0 0/0 {FREE} "FREE"`,
	at + `haproxy[77]: SOCK [01/Mar/2026:11:59:58.123] www~ app/a1 0/0/1/2/3 404 19 - - ---- 1/1/0/0/0 0/0 "GET FREE HTTP/2.0" 0/0000000000000000/0/0/0 FREE/TLSv1.3/TLS_AES_256_GCM_SHA384`,
	at + `haproxy[77]: SOCK [01/Mar/2026:11:59:58.123] ssh ssh/s1 0/0/5007 212 -- 0/0/0/0/3 0/0`,
	at + `haproxy[77]: SOCK [01/Mar/2026:11:59:58.123] www/1: SSL handshake failure`,
	at + `haproxy[77]: Connect from SOCK to 192.0.2.1:443 (www/HTTP)`,
	`SOCK [01/Mar/2026:11:59:58.123] www~ app/a1 0/0/1/2/3 404 19 - - ---- 1/1/0/0/0 0/0 {FREE|FREE} {FREE} "GET FREE HTTP/1.1"`,
}

// hashed is what HAProxy makes of text.
func hashed(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 127 || strings.IndexByte(`"#{|}`, c) >= 0 {
			fmt.Fprintf(&b, "#%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// hostTemplates are lines of the host's own programs, and others that the tables
// do not have.
var hostTemplates = []string{
	at + "login[77]: FAILED LOGIN 1 FROM PEER FOR FREE, Authentication failure",
	at + "login[77]: TOO MANY LOGIN TRIES (3) FROM PEER FOR FREE, Authentication failure",
	at + "login[77]: LOGIN ON pts/1 BY root FROM PEER",
	at + "su[77]: FAILED SU (to FREE) FREE on pts/0",
	at + "CRON[77]: (root) CMD (FREE)",
	at + "useradd[77]: new user: name=x, UID=1, GID=1, home=FREE, shell=FREE, from=none",
	at + "kernel: [UFW BLOCK] IN=eth0 OUT= MAC=00:16 SRC=PEER DST=192.0.2.1 LEN=40 PROTO=TCP SPT=43210 DPT=22 SYN URGP=0",
	at + "kernel: nft drop: IN=eth0 OUT= MAC=00:16 SRC=PEER DST=8.8.8.8 LEN=40 PROTO=ICMP TYPE=3 CODE=1 [SRC=8.8.8.8 DST=8.8.8.8 LEN=40 ]",
	iso + " 12 [Warning] Aborted connection 12 to db: 'FREE' user: 'FREE' host: 'PEER' (Got an error)",
	iso + " 12 [Warning] Access denied for user 'FREE'@'PEER' (using password: YES)",
	iso + ` UTC [77]: user=FREE,db=FREE,app=FREE,client=PEER FATAL:  password authentication failed for user "FREE"`,
	iso + ` UTC [77] FREE@FREE FATAL:  password authentication failed for user "FREE"`,
	iso + ` UTC [77] FREE@FREE FATAL:  no pg_hba.conf entry for host "PEER", user "FREE", database "FREE", no encryption`,
	iso + ` UTC [77] FREE@FREE LOG:  connection authorized: user=FREE database=FREE`,
	iso + ` UTC [77] FREE@FREE FATAL:  canceling authentication due to timeout`,
	"type=USER_AUTH msg=audit(1772366398.123:9): pid=7 uid=0 msg='op=PAM:authentication acct=46524545 exe=\"/usr/sbin/sshd\" hostname=? addr=PEER terminal=ssh res=failed'",
}

func newForger(seed uint64) *forger {
	f := &forger{Rand: rand.New(rand.NewPCG(seed, 16))}
	add := func(name string, list []string, escape func(string) string) {
		for _, tmpl := range list {
			k := forgedKind{name: name, template: tmpl, escape: escape, words: pieces}
			k.fill = func(peer string, free func() string) string {
				line := strings.NewReplacer("PEER", peer, "SOCK", sockOf(peer), "NAME", "8.8.8.8.evil.example").Replace(tmpl)
				return fillFree(line, free)
			}
			f.kinds = append(f.kinds, k)
		}
	}
	for _, tmpl := range slices.Concat(certain, templates) {
		if strings.Contains(tmpl, "[01/Mar/2026:11:59:58") {
			add("access", []string{tmpl}, func(s string) string { return escaped(s, false) })
			add("access", []string{tmpl}, func(s string) string { return escaped(s, true) })
		} else {
			add("line", []string{tmpl}, asIs)
		}
	}
	add("haproxy", haproxyTemplates, hashed)
	add("host", hostTemplates, asIs)
	add("json", jsonTemplates, jsonText)
	// In order: a seed always makes the same lines.
	for _, name := range slices.Sorted(maps.Keys(allGrammars)) {
		g := allGrammars[name]
		var words []string
		for i := range g.forms {
			for _, w := range hole.Split(g.forms[i].source, -1) {
				if w != "" {
					words = append(words, w)
				}
			}
		}
		words = append(words, pieces...)
		for i := range g.forms {
			source := g.forms[i].source
			write := func(peer string, free func() string) string { return fill(source, peer, free) }
			if program, ok := programs[name]; ok {
				f.kinds = append(f.kinds, forgedKind{name: name, template: source, escape: asIs, words: words, fill: func(peer string, free func() string) string {
					return "Mar  1 11:59:58 web1 " + program + "[7]: " + write(peer, free)
				}})
			}
			if slices.Contains(rawGrammars[:], g) {
				f.kinds = append(f.kinds, forgedKind{name: name, template: source, escape: asIs, words: words, fill: func(peer string, free func() string) string {
					return iso + " " + write(peer, free)
				}})
			}
		}
	}
	// Every custom format, with hostile text in all that clients write, and ten times
	// as often as other messages: they have the most ways to be misread.
	formats := slices.Clone(looseFormats)
	for _, c := range customFormats {
		formats = append(formats, c.format)
	}
	for _, format := range formats {
		lf, err := ParseLogFormat(format)
		if err != nil {
			panic(err)
		}
		k := forgedKind{name: "log_format", template: format, format: lf, words: pieces,
			escape: func(s string) string {
				if lf.json {
					return jsonText(s)
				}
				if strings.HasPrefix(format, "escape=none") {
					return s
				}
				return escaped(s, !strings.Contains(format, "$"))
			},
			fill: func(peer string, free func() string) string { return writeFormat(format, peer, free) }}
		f.kinds = append(f.kinds, slices.Repeat([]forgedKind{k}, 10)...)
	}
	return f
}

// looseFormats are formats that keep the client's words and the address apart
// badly.
var looseFormats = []string{
	`$http_x_forwarded_for $host $remote_addr $status $request_uri`,
	`escape=none '$host $http_x_forwarded_for $host $remote_addr $status $request'`,
	`escape=json '$http_x_forwarded_for $host $remote_addr $status $request'`,
	`$request|$status|$remote_user|$realip_remote_addr|$request_time`,
	`%m|%a|%u|%U|%>s|%l`,
	`%{X-Forwarded-For}i %l %a %>s %m %U`,
	`%U %H %a:%{remote}p %>s %T`,
}

// writeFormat writes a line of a custom format as the server does.
func writeFormat(format, peer string, free func() string) string {
	text, _ := unquoteFormat(format)
	parts, err := formatParts(text)
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	for _, p := range parts {
		switch p.field {
		case fieldText:
			b.WriteString(p.text)
		case fieldAddr, fieldPeer:
			b.WriteString(peer)
		case fieldPort, fieldBytes:
			b.WriteString("5")
		case fieldStatus:
			b.WriteString("404")
		case fieldStamp:
			b.WriteString("01/Mar/2026:11:59:58 +0000")
		case fieldISO:
			b.WriteString("2026-03-01T11:59:58+00:00")
		case fieldMethod, fieldIdent:
			if strings.Contains(format, "$") {
				b.WriteString("GET")
			} else { // Apache takes any word
				b.WriteString(strings.ReplaceAll(free(), " ", "_"))
			}
		case fieldProto:
			b.WriteString("HTTP/1.1")
		case fieldWord, fieldServer:
			b.WriteString("-")
		case fieldEpoch, fieldMillisEpoch:
			b.WriteString("1772366398123")
		case fieldSeconds, fieldMillis, fieldMicros:
			b.WriteString("7")
		case fieldVhost: // servers refuse blanks and slashes in it
			b.WriteString(strings.NewReplacer(" ", "_", "/", "_").Replace(free()))
		case fieldURL:
			b.WriteString(strings.NewReplacer(" ", "_", "/", "_").Replace(free()) + "/" + free())
		default:
			b.WriteString(free())
		}
	}
	return b.String()
}

func sockOf(peer string) string {
	if a, err := netip.ParseAddr(peer); err == nil {
		return netip.AddrPortFrom(a, 5).String()
	}
	return peer + ":5"
}

func fillFree(line string, free func() string) string {
	for strings.Contains(line, "FREE") {
		line = strings.Replace(line, "FREE", strings.ReplaceAll(free(), "FREE", "free"), 1)
	}
	return line
}

// text is what an attacker writes into one field of a message.
func (f *forger) text(k *forgedKind) string {
	s := ""
	switch f.IntN(5) {
	case 0:
		s = "bob"
	case 1: // the whole of another message
		s = f.kinds[f.IntN(len(f.kinds))].fill("8.8.8.8", func() string { return "x" })
	case 2: // what this one has from somewhere on
		line := k.fill("8.8.8.8", func() string { return "x" })
		s = line[f.IntN(len(line)+1):]
	default:
		for range f.IntN(9) {
			if f.IntN(3) == 0 {
				s += "8.8.8.8"
			} else {
				s += k.words[f.IntN(len(k.words))]
			}
		}
	}
	// Syslog leaves no newline in a message, and no server one in an access log.
	return k.escape(strings.ReplaceAll(s, "\n", " "))
}

// Whatever clients write into whichever field of whichever line, the event is
// from the true peer, or from nobody.
func TestFaultForgedLines(t *testing.T) {
	t.Run("B16 hostile text in every free field of every format", func(t *testing.T) {
		seed := uint64(time.Now().UnixNano())
		if text := os.Getenv("SENTINEL_FORGED_SEED"); text != "" {
			seed, _ = strconv.ParseUint(text, 10, 64)
		}
		f := newForger(seed)
		n := forgedLines()
		types := []sentinel.SourceType{sentinel.TypeAuto, sentinel.TypeSSH, sentinel.TypeSyslog, sentinel.TypeMail, sentinel.TypeDB, sentinel.TypeJSON}
		parsers := map[*LogFormat][]*Parser{}
		named, nobody, unread, wrong := 0, 0, 0, 0
		for i := range n {
			k := &f.kinds[i%len(f.kinds)]
			if parsers[k.format] == nil {
				for _, typ := range types {
					cfg := Config{Type: typ}
					if k.format != nil {
						cfg = Config{Type: sentinel.TypeNginx, Formats: []*LogFormat{k.format}}
					}
					parsers[k.format] = append(parsers[k.format], New(cfg))
				}
			}
			p := parsers[k.format][f.IntN(len(types))]
			if p.cfg.Type == sentinel.TypeSSH && !strings.Contains(k.template, "sshd") {
				p = parsers[k.format][0] // such a source has lines of sshd alone
			}
			peer := netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + f.IntN(250))})
			if f.IntN(4) == 0 && !strings.Contains(k.template, "{user}:{addr}") {
				peer = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0x77, 15: byte(1 + f.IntN(250))})
			}
			line := k.fill(peer.String(), func() string { return f.text(k) })
			line = line[:min(len(line), sentinel.MaxLine)]
			var ev sentinel.Event
			p.doubt = 0
			switch ok := p.Parse(line, arrival, arrival, &ev); {
			case !ok:
				unread++
			case !ev.SrcIP.IsValid():
				nobody++
			case ev.SrcIP == peer:
				named++
			default:
				wrong++
				t.Errorf("seed %d, line %d: took %v for %v\n%s %q\n%q", seed, i, ev.SrcIP, peer, k.name, k.template, line)
				if wrong == 5 {
					t.FailNow()
				}
			}
		}
		t.Logf("%d lines of %d messages: %d from the true peer, %d from nobody, %d not read, %d from a wrong address", n, len(f.kinds), named, nobody, unread, wrong)
		if named < n/10 {
			t.Errorf("only %d of %d lines name their peer", named, n)
		}
	})
}
