package parse

import (
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const (
	at  = "Mar  1 11:59:58 web1 "
	iso = "2026-03-01 11:59:58"
	ip  = "198.51.100.7"
)

// services are lines as the programs write them. Without addr nobody is blamed.
var services = []struct {
	line string
	typ  sentinel.EventType
	src  sentinel.SourceType
	addr string
	user string
}{
	// Mail.
	{at + "postfix/smtpd[7]: NOQUEUE: reject: RCPT from unknown[198.51.100.7]: 554 5.7.1 <a@b.c>: Relay access denied; from=<x@y> to=<a@b.c> proto=ESMTP helo=<[8.8.8.8]>", sentinel.EventMailReject, sentinel.TypeMail, ip, ""},
	{at + "postfix/smtpd[7]: NOQUEUE: reject: RCPT from h.example[198.51.100.7]: 450 4.2.0 <a@b.c>: Recipient address rejected: Greylisted; from=<x@y>", sentinel.EventOther, sentinel.TypeMail, "", ""},
	{at + "postfix/smtpd[7]: connect from unknown[198.51.100.7]", sentinel.EventOther, sentinel.TypeMail, "", ""},
	{at + "postfix/smtpd[7]: lost connection after AUTH from unknown[198.51.100.7]", sentinel.EventMailReject, sentinel.TypeMail, ip, ""},
	{at + "postfix/smtpd[7]: lost connection after DATA (120 bytes) from h.example[198.51.100.7]", sentinel.EventOther, sentinel.TypeMail, "", ""},
	{at + "postfix/smtpd[7]: disconnect from h.example[198.51.100.7] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7", sentinel.EventOther, sentinel.TypeMail, "", ""},
	{at + "postfix/smtpd[7]: too many errors after RCPT from unknown[198.51.100.7]", sentinel.EventMailReject, sentinel.TypeMail, ip, ""},
	{at + "postfix/postscreen[7]: HANGUP after 0.2 from [198.51.100.7]:4242 in tests before SMTP handshake", sentinel.EventMailReject, sentinel.TypeMail, ip, ""},
	{at + "sendmail[7]: ruleset=check_relay, arg1=h.example, arg2=198.51.100.7, relay=h.example [198.51.100.7], reject=554 5.7.1 Rejected", sentinel.EventMailReject, sentinel.TypeMail, ip, ""},
	{at + "sm-mta[7]: s1O57c6H000716: from=<a@b.c>, size=900, class=0, nrcpts=1, proto=ESMTP, relay=h.example [198.51.100.7]", sentinel.EventOther, sentinel.TypeMail, "", ""},
	{iso + " plain authenticator failed for h.example (x) [198.51.100.7]:4242: 535 Incorrect authentication data (set_id=bob)", sentinel.EventAuthFail, sentinel.TypeMail, ip, "bob"},
	{iso + " 1akDqs-0005aQ-9b H=h.example (x) [198.51.100.7] F=<a@b> rejected after DATA: spam", sentinel.EventMailReject, sentinel.TypeMail, ip, ""},
	{iso + " H=h.example (x) [198.51.100.7] F=<a@b> temporarily rejected RCPT <c@d>: greylisted", sentinel.EventOther, sentinel.TypeMail, "", ""},
	{iso + " rejected EHLO from [198.51.100.7]: syntactically invalid argument(s): x_y", sentinel.EventMailProbe, sentinel.TypeMail, ip, ""},
	{at + "dovecot: auth-worker(9): sql(bob,198.51.100.7): Password mismatch (given password: x,8.8.8.8): unknown user)", sentinel.EventAuthFail, sentinel.TypeMail, ip, "bob"},
	{at + "dovecot: auth: passwd-file(bob,198.51.100.7,<x>): unknown user (SHA1 of given password: f638ff)", sentinel.EventAuthFail, sentinel.TypeMail, ip, "bob"},
	{at + "dovecot: imap-login: Login: user=<bob>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, mpid=9, TLS, session=<x>", sentinel.EventAuthOK, sentinel.TypeMail, ip, "bob"},
	{at + "dovecot: imap-login: Aborted login (auth failed, 3 attempts in 9 secs): user=<bob>, method=LOGIN, rip=2001:db8::17, lip=2001:db8::1, TLS", sentinel.EventAuthFail, sentinel.TypeMail, "2001:db8::17", "bob"},
	{at + "pop3d: LOGIN FAILED, method=PLAIN, ip=[::ffff:198.51.100.7]", sentinel.EventAuthFail, sentinel.TypeMail, ip, ""},
	{at + "imapd-ssl: LOGIN, user=bob, ip=[::ffff:198.51.100.7], port=[4242], protocol=IMAP", sentinel.EventAuthOK, sentinel.TypeMail, ip, "bob"},
	{at + "courieresmtpd: error,relay=::ffff:198.51.100.7,msg=\"535 Authentication failed.\",cmd: AUTH LOGIN: 535 Authentication failed.", sentinel.EventAuthFail, sentinel.TypeMail, ip, ""},
	{at + "cyrus/pop3s[7]: badlogin: h.example [198.51.100.7] plaintext bob SASL(-13): authentication failure: checkpass failed", sentinel.EventAuthFail, sentinel.TypeMail, ip, ""},
	{at + "vchkpw-pop3[7]: vpopmail user not found root@:198.51.100.7", sentinel.EventAuthFail, sentinel.TypeMail, ip, "root@"},
	{at + "rblsmtpd: 198.51.100.7 pid 77: 451 http://www.spamhaus.org/query/bl?ip=8.8.8.8", sentinel.EventMailReject, sentinel.TypeMail, ip, ""},
	// Files.
	{"Sun Mar  1 11:59:58 2026 [pid 9] [bob] FAIL LOGIN: Client \"198.51.100.7\"", sentinel.EventAuthFail, sentinel.TypeFTP, ip, "bob"},
	{at + "ftpd[7]: failed login from h.example [198.51.100.7], bob", sentinel.EventAuthFail, sentinel.TypeFTP, ip, "bob"},
	{at + "proftpd[7]: ftp1 (h.example[::ffff:198.51.100.7]) - USER bob (Login failed): Incorrect password.", sentinel.EventAuthFail, sentinel.TypeFTP, ip, "bob"},
	{at + "proftpd[7]: ftp1 (h.example[198.51.100.7]) - USER bob: Login successful.", sentinel.EventAuthOK, sentinel.TypeFTP, ip, "bob"},
	{at + "pure-ftpd: (?@198.51.100.7) [WARNING] Erreur d'authentification pour l'utilisateur [bob]", sentinel.EventAuthFail, sentinel.TypeFTP, ip, "bob"},
	{at + "pure-ftpd: (?@198.51.100.7) [INFO] bob is now logged in", sentinel.EventAuthOK, sentinel.TypeFTP, ip, "bob"},
	// Names.
	{at + "named[7]: client @0x7f1 2001:db8::17#53 (example.com): query (cache) 'example.com/A/IN' denied (allow-query-cache did not match)", sentinel.EventDNSDenied, sentinel.TypeDNS, "2001:db8::17", ""},
	{at + "named[7]: client 198.51.100.7#4242: update 'example.com/IN' denied", sentinel.EventDNSDenied, sentinel.TypeDNS, ip, ""},
	{"01-Mar-2026 11:59:58.123 security: info: client 198.51.100.7#53: view ext: query 'x/A/IN' denied", sentinel.EventDNSDenied, sentinel.TypeDNS, ip, ""},
	{"01-Mar-2026 11:59:58.123 queries: info: client 198.51.100.7#53 (x): query: x IN A + (192.0.2.1)", sentinel.EventOther, sentinel.TypeDNS, "", ""},
	{"[1772366398] nsd[7]: info: axfr for example.com. from 198.51.100.7 refused, no acl matches", sentinel.EventDNSDenied, sentinel.TypeDNS, ip, ""},
	// Databases.
	{iso + " 77 [Warning] Access denied for user 'bob'@'198.51.100.7' (using password: YES)", sentinel.EventAuthFail, sentinel.TypeDB, ip, "bob"},
	{"260301 11:59:58 [Warning] Access denied for user 'x'@'8.8.8.8'@'198.51.100.7' (using password: NO)", sentinel.EventAuthFail, sentinel.TypeDB, ip, "x'@'8.8.8.8"},
	{iso + ".123 UTC [77] FATAL:  no pg_hba.conf entry for host \"198.51.100.7\", user \"bob\", database \"x\", SSL off", sentinel.EventAuthFail, sentinel.TypeDB, ip, "bob"},
	{"2026-03-01T11:59:58.123+0000 I ACCESS   [conn7] SCRAM-SHA-1 authentication failed for bob on admin from client 198.51.100.7:4242 ; UserNotFound: x", sentinel.EventAuthFail, sentinel.TypeDB, ip, "bob"},
	{`{"t":{"$date":"2026-03-01T11:59:58.123+00:00"},"s":"I","c":"ACCESS","id":20249,"ctx":"conn7","msg":"Authentication failed","attr":{"mechanism":"SCRAM-SHA-256","principalName":"bob","authenticationDatabase":"admin","remote":"198.51.100.7:4242","error":"UserNotFound"}}`, sentinel.EventAuthFail, sentinel.TypeDB, ip, "bob"},
	// Applications.
	{"[" + iso + "] NOTICE[7][C-00000001] chan_sip.c: Call from '' (198.51.100.7:5060) to extension '00' rejected because extension not found in context 'default'.", sentinel.EventAuthFail, sentinel.TypeApp, ip, ""},
	{"[" + iso + "] VERBOSE[7] chan_sip.c: Registered SIP 'bob' at 198.51.100.7:5060", sentinel.EventOther, sentinel.TypeAuto, "", ""},
	{iso + ".123456 [WARNING] sofia_reg.c:1533 SIP auth failure (REGISTER) on sofia profile 'internal' for [bob@8.8.8.8] from ip 198.51.100.7", sentinel.EventAuthFail, sentinel.TypeApp, ip, "bob@8.8.8.8"},
	{at + "openvpn[7]: 198.51.100.7:4242 TLS Auth Error: Auth Username/Password verification failed for peer", sentinel.EventAuthFail, sentinel.TypeApp, ip, ""},
	{"Sun Mar  1 11:59:58 2026 198.51.100.7:4242 TLS Error: TLS handshake failed", sentinel.EventAuthFail, sentinel.TypeApp, ip, ""},
	{at + "roundcube[7]: <x> Failed login for bob from 198.51.100.7 in session abc (error: 0)", sentinel.EventAuthFail, sentinel.TypeApp, ip, "bob"},
	{"[" + iso + ".123][vaultwarden::api::identity][ERROR] Username or password is incorrect. Try again. IP: 198.51.100.7. Username: bob@x.", sentinel.EventAuthFail, sentinel.TypeApp, ip, "bob@x."},
	{"2026-03-01T11:59:58.123Z: Failed Login: username=x ip=8.8.8.8 ip=198.51.100.7", sentinel.EventAuthFail, sentinel.TypeApp, ip, "x ip=8.8.8.8"},
	{`{"reqId":"x","level":2,"time":"2026-03-01T11:59:58+00:00","remoteAddr":"198.51.100.7","user":"--","app":"core","method":"POST","url":"/login","message":"Login failed: bob (Remote IP: 8.8.8.8)","userAgent":"x","version":"28"}`, sentinel.EventAuthFail, sentinel.TypeApp, ip, ""},
	{`{"eventid":"cowrie.login.failed","username":"root","password":"x\",\"src_ip\":\"8.8.8.8","src_ip":"198.51.100.7","timestamp":"2026-03-01T11:59:58.123Z"}`, sentinel.EventAuthFail, sentinel.TypeApp, ip, "root"},
	{at + "wordpress(example.org)[7]: Authentication failure for x from 8.8.8.8 from 198.51.100.7", sentinel.EventAuthFail, sentinel.TypeApp, ip, "x from 8.8.8.8"},
	{at + "phpMyAdmin[7]: user denied: bob (mysql-denied) from 198.51.100.7", sentinel.EventAuthFail, sentinel.TypeApp, ip, "bob"},
	{at + "lighttpd[7]: (mod_auth.c.853) password doesn't match for / username: bob IP: 198.51.100.7", sentinel.EventHTTPError, sentinel.TypeApp, ip, "bob"},
	{at + "haproxy[7]: 198.51.100.7:4242 [01/Mar/2026:11:59:58.123] main main/<NOSRV> -1/-1/-1/-1/0 401 248 - - PR-- 0/0/0/0/0 0/0 \"GET / HTTP/1.1\"", sentinel.EventAuthFail, sentinel.TypeApp, ip, ""},
	{at + "site: https://x|1772366398|user|198.51.100.7|https://x/user|https://x/|0||Login attempt failed for bob.", sentinel.EventAuthFail, sentinel.TypeSyslog, ip, "bob"},
	// Watchdogs.
	{iso + ",123 fail2ban.actions        [7]: NOTICE  [sshd] Ban 198.51.100.7", sentinel.EventBan, sentinel.TypeSyslog, ip, ""},
	{iso + ",123 fail2ban.actions        [7]: NOTICE  [sshd] Unban 198.51.100.7", sentinel.EventOther, sentinel.TypeAuto, "", ""},
	{at + "portsentry[7]: attackalert: TCP SYN/Normal scan from host: 8.8.8.8.example/198.51.100.7 to TCP port: 143", sentinel.EventPortScan, sentinel.TypeSyslog, ip, ""},
	{"1772366398.123    90 198.51.100.7 TCP_DENIED/407 4099 CONNECT example.com:443 - HIER_NONE/- text/html", sentinel.EventProxyDenied, sentinel.TypeApp, ip, ""},
	{"type=USER_AUTH msg=audit(1772366398.123:9): pid=7 uid=0 msg='op=password acct=\"bob\" exe=\"/usr/sbin/sshd\" hostname=? addr=198.51.100.7 terminal=ssh res=failed'", sentinel.EventAuthFail, sentinel.TypeAudit, ip, "bob"},
	{"node=h type=USER_AUTH msg=audit(1772366398.123:9): pid=7 uid=1000 msg='op=PAM:authentication acct=\"root\" exe=\"/usr/bin/sudo\" hostname=? addr=? terminal=/dev/pts/0 res=failed'", sentinel.EventSudo, sentinel.TypeAudit, "", "root"},
	// JSON.
	{`{"MESSAGE":"Failed password for bob from 198.51.100.7 port 4242 ssh2","SYSLOG_IDENTIFIER":"sshd","_COMM":"sshd","_PID":"7","_HOSTNAME":"h","__REALTIME_TIMESTAMP":"1772366398123456"}`, sentinel.EventAuthFail, sentinel.TypeSSH, ip, "bob"},
	{`{"MESSAGE":"Failed password for bob from 8.8.8.8 port 4242 ssh2","SYSLOG_IDENTIFIER":"sshd","_COMM":"logger","_UID":"65534","_PID":"7"}`, sentinel.EventOther, sentinel.TypeSyslog, "", ""},
	{`{"level":"info","ts":1772366398.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"198.51.100.7","remote_port":"4242","client_ip":"8.8.8.8","proto":"HTTP/2.0","method":"GET","host":"h","uri":"/x?y=1","headers":{"User-Agent":["ua"],"remote_ip":["8.8.8.8"]}},"user_id":"","duration":0.01,"size":12,"status":404}`, sentinel.EventHTTPAccess, sentinel.TypeJSON, ip, ""},
	{`{"time_iso8601":"2026-03-01T11:59:58+00:00","remote_addr":"198.51.100.7","request":"GET /x HTTP/1.1","status":"200","body_bytes_sent":"5","http_user_agent":"ua"}`, sentinel.EventHTTPAccess, sentinel.TypeJSON, ip, ""},
	{`{"remote_addr":"198.51.100.7","request":"GET /x HTTP/1.1","status":"200","http_user_agent":"x","remote_addr":"8.8.8.8"}`, sentinel.EventOther, sentinel.TypeJSON, "", ""},
	{`{"not":"known"}`, sentinel.EventOther, sentinel.TypeJSON, "", ""},
}

func TestServices(t *testing.T) {
	for _, c := range services {
		p := New(Config{})
		var ev sentinel.Event
		ok := p.Parse(c.line, arrival, arrival, &ev)
		got := ""
		if ev.SrcIP.IsValid() {
			got = ev.SrcIP.String()
		}
		if ev.Type != c.typ || got != c.addr || ev.SourceType != c.src || c.user != "" && ev.User != c.user {
			t.Errorf("%s\n got %v %s of %q in %s (%v)\nwant %v %s of %q in %s", c.line, ev.Type, got, ev.User, ev.SourceType, ok, c.typ, c.addr, c.user, c.src)
		}
		if ok && ev.Type != sentinel.EventOther && ev.Time.IsZero() && c.line[0] != '{' {
			t.Errorf("%s: no time", c.line)
		}
	}
}
