package parse

import (
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const failedRoot = "Failed password for root from 198.51.100.7 port 40022 ssh2"

func TestHeaders(t *testing.T) {
	at := time.Date(2026, 3, 1, 11, 59, 58, 0, time.UTC)
	for _, c := range []struct {
		name, line    string
		typ           sentinel.SourceType
		host, program string
		pid           int
		time          time.Time
	}{
		{"RFC 3164", "Mar  1 11:59:58 web1 sshd[2101]: " + failedRoot, "", "web1", "sshd", 2101, at},
		{"RFC 3164, no pid", "Mar  1 11:59:58 web1 sshd: " + failedRoot, "", "web1", "sshd", 0, at},
		{"RFC 3164, PRI", "<38>Mar  1 11:59:58 web1 sshd[2101]: " + failedRoot, "", "web1", "sshd", 2101, at},
		{"unpadded day", "Mar 1 11:59:58 web1 sshd[2101]: " + failedRoot, "", "web1", "sshd", 2101, at},
		{"zero-padded day", "Mar 01 11:59:58 web1 sshd[2101]: " + failedRoot, "", "web1", "sshd", 2101, at},
		{"no host", "Mar  1 11:59:58 sshd[2101]: " + failedRoot, "", "", "sshd", 2101, at},
		{"two spaces", "Mar  1 11:59:58 web1  sshd[2101]:  " + failedRoot, "", "web1", "sshd", 2101, at},
		{"busybox", "Mar  1 11:59:58 web1 auth.info sshd[2101]: " + failedRoot, "", "web1", "sshd", 2101, at},
		{"Solaris", "Mar  1 11:59:58 web1 sshd[2101]: [ID 800047 auth.info] " + failedRoot, "", "web1", "sshd", 2101, at},
		{"full path", "Mar  1 11:59:58 web1 /usr/sbin/sshd[2101]: " + failedRoot, "", "web1", "sshd", 2101, at},
		{"OpenSSH 9.8", "Mar  1 11:59:58 web1 sshd-session[2101]: " + failedRoot, "", "web1", "sshd-session", 2101, at},
		{"OpenSSH 10", "Mar  1 11:59:58 web1 sshd-auth[2101]: " + failedRoot, "", "web1", "sshd-auth", 2101, at},
		{"ISO 8601", "2026-03-01T12:59:58.000000+01:00 web1 sshd[2101]: " + failedRoot, "", "web1", "sshd", 2101, at},
		{"ISO 8601, Z", "2026-03-01T11:59:58Z web1 sshd[2101]: " + failedRoot, "", "web1", "sshd", 2101, at},
		{"ISO 8601, no zone", "2026-03-01T11:59:58 web1 sshd[2101]: " + failedRoot, "", "web1", "sshd", 2101, at},
		{"RFC 5424", "<38>1 2026-03-01T11:59:58Z web1 sshd 2101 - - " + failedRoot, "", "web1", "sshd", 2101, at},
		{"RFC 5424, data", `<38>1 2026-03-01T11:59:58Z web1 sshd 2101 ID47 [a@1 k="x\"] y" l="\\"][b] ` + failedRoot, "", "web1", "sshd", 2101, at},
		{"RFC 5424, BOM", "<38>1 2026-03-01T11:59:58Z web1 sshd 2101 - - \ufeff" + failedRoot, "", "web1", "sshd", 2101, at},
		{"RFC 5424, nothing known", "<38>1 - - sshd - - - " + failedRoot, "", "", "sshd", 0, time.Time{}},
		{"no header", "sshd[2101]: " + failedRoot, "", "", "sshd", 2101, time.Time{}},
		{"no tag, ssh alone", "2026-03-01 11:59:58.000000000 " + failedRoot, sentinel.TypeSSH, "", "", 0, at},
		{"severity, ssh alone", "2026-03-01T11:59:58.0 auth.info: " + failedRoot, sentinel.TypeSSH, "", "", 0, at},
		{"severity and tag", "2026-03-01T11:59:58.0 auth.info: sshd[2101]:  " + failedRoot, "", "", "sshd", 2101, at},
	} {
		t.Run(c.name, func(t *testing.T) {
			ev, ok := parseOne(t, c.typ, c.line)
			if !ok {
				t.Fatal("not understood")
			}
			check(t, ev, said{fail, stepFail, "password", "root", "198.51.100.7", 40022, 0, ""})
			if ev.Host != c.host || ev.Program != c.program || ev.PID != c.pid || !ev.Time.Equal(c.time) {
				t.Errorf("host %q, program %q, pid %d, time %v", ev.Host, ev.Program, ev.PID, ev.Time)
			}
			if ev.Raw != c.line || !ev.Received.Equal(arrival) {
				t.Errorf("raw %q, received %v", ev.Raw, ev.Received)
			}
		})
	}
}

func TestNotSSHD(t *testing.T) {
	for _, line := range []string{
		// The text of other programs is not believed.
		"Mar  1 11:59:58 web1 myapp[7]: sshd[1]: " + failedRoot,
		"Mar  1 11:59:58 web1 myapp[7]: " + failedRoot,
		"Mar  1 11:59:58 web1 sshd-evil[7]: " + failedRoot,
		"Mar  1 11:59:58 web1 xsshd[7]: " + failedRoot,
		"2026-03-01T11:59:58Z web1 my: sshd[1]: " + failedRoot,
		"<38>1 2026-03-01T11:59:58Z web1 app 1 - [sshd x=\"] sshd\"] sshd[1]: " + failedRoot,
		// Nor that of lines without a program.
		"2026-03-01 11:59:58 " + failedRoot,
		"2026-03-01T11:59:58.0 auth.info: " + failedRoot,
		failedRoot,
		"sshd: " + failedRoot,
	} {
		if ev, _ := parseOne(t, sentinel.TypeSyslog, line); ev.SrcIP.IsValid() || ev.Type != other {
			t.Errorf("%q: %v from %v", line, ev.Type, ev.SrcIP)
		}
	}
	// A source of a web server has no events of other programs.
	for _, typ := range []sentinel.SourceType{sentinel.TypeNginx, sentinel.TypeApache} {
		if ev, ok := parseOne(t, typ, head+failedRoot); ok || ev.SrcIP.IsValid() {
			t.Errorf("%s: %v from %v", typ, ev.Type, ev.SrcIP)
		}
	}
}

func TestNotUnderstood(t *testing.T) {
	for _, line := range []string{
		"", " ", "<", "<>", "<38>", "<38>1", "<38>1 ", "<999999>x", "hello", "Mar  1 11:59:58", "Mar  1 11:59:58 ", "Mar  1 11:59:58 web1",
		"Mar  1 11:59:58 web1 ", "Mar 32 11:59:58 web1 x: y", "Foo  1 11:59:58 web1 x: y", "Mar  1 24:59:58 web1 x: y", "Mar  1 11:60:58 web1 x: y",
		"2026-13-01T11:59:58Z web1 x: y", "2026-02-29T11:59:58Z web1 x: y", "2026-03-01T11:59:58Q web1 x: y", "2026-03-01T11:59:58",
		"2016-11-20T00:04:00.111+0100 [conn1] end connection", "sshd[", "sshd[1]", "\x00\x00\x00",
	} {
		ev, ok := parseOne(t, "", line)
		if ok {
			t.Errorf("%q is understood as %v by %q", line, ev.Type, ev.Program)
		}
		if ev.Raw != line || ev.Message != line || ev.Repeat != 1 || ev.SrcIP.IsValid() {
			t.Errorf("%q: event is not of the line alone: %+v", line, ev)
		}
	}
}

func TestOtherPrograms(t *testing.T) {
	sudoT, suT := sentinel.EventSudo, sentinel.EventSu
	for _, c := range []struct {
		text string
		want said
	}{
		{"systemd-logind[700]: New session 17 of user deploy.", said{user: "deploy"}},
		{"syslogd 1.4.1: restart.", said{}},
		{"kernel: [12.5] usb 1-1: new device", said{}},
		{"sudo:   deploy : TTY=pts/0 ; PWD=/home/deploy ; USER=root ; COMMAND=/usr/bin/id", said{sudoT, none, "", "deploy", "", 0, 0, "success"}},
		{"sudo:   deploy : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh", said{sudoT, none, "", "deploy", "", 0, 0, "failure"}},
		{"sudo: pam_unix(sudo:auth): authentication failure; logname=d uid=1000 euid=0 tty=/dev/pts/0 ruser=deploy rhost=  user=deploy", said{sudoT, stepPAM, "", "deploy", "", 0, 0, "failure"}},
		{"sudo: pam_unix(sudo:session): session opened for user root(uid=0) by deploy(uid=1000)", said{other, none, "", "root", "", 0, 0, ""}},
		{"su[9]: Successful su for root by deploy", said{suT, none, "", "root", "", 0, 0, "success"}},
		{"su[9]: FAILED su for root by deploy", said{suT, none, "", "root", "", 0, 0, "failure"}},
		{"su[9]: FAILED SU (to root) deploy on pts/0", said{suT, none, "", "root", "", 0, 0, "failure"}},
		{"su[9]: (to root) deploy on pts/0", said{suT, none, "", "root", "", 0, 0, "success"}},
		{"su(pam_unix)[9]: session opened for user news by (uid=0)", said{other, none, "", "news", "", 0, 0, ""}},
		{"su: pam_unix(su:auth): authentication failure; logname=d uid=1000 euid=0 tty=pts/0 ruser=deploy rhost=  user=root", said{suT, stepPAM, "", "root", "", 0, 0, "failure"}},
		{"login[9]: FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure", said{fail, stepFail, "", "root", "", 0, 0, ""}},
		{"login[9]: ROOT LOGIN  on '/dev/tty1'", said{good, none, "", "root", "", 0, 0, ""}},
		{"login[9]: LOGIN ON tty1 BY deploy", said{good, none, "", "deploy", "", 0, 0, ""}},
		{"useradd[9]: new user: name=mallory, UID=0, GID=0, home=/root, shell=/bin/bash", said{sentinel.EventUserAdd, none, "", "mallory", "", 0, 0, ""}},
		{"passwd[9]: pam_unix(passwd:chauthtok): password changed for deploy", said{sentinel.EventAccount, none, "", "deploy", "", 0, 0, "success"}},
		{"systemd[1]: Stopped auditd.service - Security Auditing Service.", said{sentinel.EventSvcStop, none, "", "", "", 0, 0, ""}},
		{"kernel: [7.1] [UFW BLOCK] IN=eth0 OUT= MAC=00 SRC=198.51.100.7 DST=192.0.2.1 LEN=40 PROTO=TCP SPT=5 DPT=23 WINDOW=1", said{sentinel.EventFWDrop, none, "", "", "198.51.100.7", 5, 0, ""}},
		{"kernel: IN=eth0 OUT= SRC=198.51.100.7 DST=192.0.2.1 PROTO=UDP SPT=5 DPT=53", said{sentinel.EventNetConnect, none, "", "", "198.51.100.7", 5, 0, ""}},
		{"scanlogd: 198.51.100.7 to 192.0.2.1 ports 80, 81, ..., TOS 00", said{sentinel.EventPortScan, none, "", "", "198.51.100.7", 0, 0, ""}},
		{"xinetd[9]: FAIL: telnet address from=198.51.100.7", said{fail, stepFail, "", "", "198.51.100.7", 0, 0, ""}},
		{"dovecot: imap-login: Disconnected (auth failed, 2 attempts in 9 secs): user=<bob>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, TLS", said{fail, stepFail, "PLAIN", "bob", "198.51.100.7", 0, 2, ""}},
		{"dovecot: imap-login: Disconnected (auth failed, 1 attempts in 9 secs): user=<b, rip=8.8.8.8, x>, method=PLAIN, rip=198.51.100.7", said{fail, stepFail, "PLAIN", "b, rip=8.8.8.8, x", "198.51.100.7", 0, 0, ""}},
		{"postfix/smtpd[9]: warning: unknown[198.51.100.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6", said{fail, stepFail, "LOGIN", "", "198.51.100.7", 0, 0, ""}},
		{"postfix/submission/smtpd[9]: warning: h.example[2001:db8::17]:5: SASL PLAIN authentication failed: x, sasl_username=y[8.8.8.8]", said{fail, stepFail, "PLAIN", "y[8.8.8.8]", "2001:db8::17", 5, 0, ""}},
		{`vsftpd[9]: [bob] FAIL LOGIN: Client "198.51.100.7"`, said{fail, stepFail, "", "bob", "198.51.100.7", 0, 0, ""}},
		{`vsftpd[9]: [x] FAIL LOGIN: Client "8.8.8.8"] FAIL LOGIN: Client "198.51.100.7"`, said{fail, stepFail, "", `x] FAIL LOGIN: Client "8.8.8.8"`, "198.51.100.7", 0, 0, ""}},
		{"vsftpd: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=bob rhost=198.51.100.7", said{fail, stepPAM, "", "bob", "198.51.100.7", 0, 0, ""}},
		{"vsftpd: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=x rhost=8.8.8.8 rhost=198.51.100.7", said{fail, stepPAM, "", "x rhost=8.8.8.8", "198.51.100.7", 0, 0, ""}},
		{"vsftpd: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser= rhost=8.8.8.8 user=y rhost=198.51.100.7", said{fail, stepPAM, "", "", "", 0, 0, ""}},
		{"proftpd[9]: ftp1 (h.example[198.51.100.7]) - USER bob: no such user found from h.example [198.51.100.7] to 192.0.2.1:21", said{fail, stepFail, "", "bob", "198.51.100.7", 0, 0, ""}},
		{"proftpd[9]: ftp1 (::ffff:198.51.100.7[::ffff:198.51.100.7]): SECURITY VIOLATION: root login attempted.", said{fail, stepFail, "", "", "198.51.100.7", 0, 0, ""}},
		{"pure-ftpd: (?@198.51.100.7) [WARNING] Authentication failed for user [bob]", said{fail, stepFail, "", "bob", "198.51.100.7", 0, 0, ""}},
		{"exim[9]: 2026-03-01 11:59:58 plain_server authenticator failed for ([8.8.8.8]) [198.51.100.7]:5 I=[192.0.2.1]:25: 535 Incorrect authentication data (set_id=bob)", said{fail, stepFail, "", "bob", "198.51.100.7", 5, 0, ""}},
		{"exim[9]: plain authenticator failed for (x [8.8.8.8] I=[1.1.1.1]) [198.51.100.7]: 535 Incorrect authentication data", said{fail, stepFail, "", "", "198.51.100.7", 0, 0, ""}},
		{"mysqld[9]: 2026-03-01 11:59:58 7 [Warning] Access denied for user 'x'@'8.8.8.8'@'198.51.100.7' (using password: YES)", said{fail, stepFail, "", "x'@'8.8.8.8", "198.51.100.7", 0, 0, ""}},
		{"mysqld[9]: Access denied for user 'root'@'localhost' (using password: NO)", said{fail, stepFail, "", "root", "", 0, 0, ""}},
		{"asterisk[9]: NOTICE[1] chan_sip.c: Registration from '<sip:1@x>' failed for '198.51.100.7:5060' - Wrong password", said{fail, stepFail, "", "<sip:1@x>", "198.51.100.7", 5060, 0, ""}},
		{"pvedaemon[9]: authentication failure; rhost=::ffff:198.51.100.7 user=bob@pve msg=Authentication failure", said{fail, stepFail, "", "bob@pve", "198.51.100.7", 0, 0, ""}},
	} {
		ev, ok := parseOne(t, sentinel.TypeSyslog, "Mar  1 11:59:58 web1 "+c.text)
		if !ok {
			t.Errorf("%q is not understood", c.text)
		}
		check(t, ev, c.want)
	}
}
