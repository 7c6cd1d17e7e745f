package parse

import (
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// formats has a line of every log format that is promised to be read, in each
// form in which it usually comes, and what it must say. docs/detection.md has
// the same list in words; a format that is dropped by accident fails here.
// Text of the real programs, with other names and addresses.
var formats = []struct {
	format, line string
	typ          sentinel.EventType
	src          sentinel.SourceType
	addr, user   string
	outcome      string
}{
	// Headers.
	{"syslog, RFC 3164", at + "sshd[77]: Failed password for bob from 198.51.100.7 port 4242 ssh2", sentinel.EventAuthFail, sentinel.TypeSSH, ip, "bob", "failure"},
	{"syslog, RFC 3164 with priority", "<38>" + at + "sshd[77]: Failed password for bob from 198.51.100.7 port 4242 ssh2", sentinel.EventAuthFail, sentinel.TypeSSH, ip, "bob", "failure"},
	{"syslog, RFC 5424", "<38>1 2026-03-01T11:59:58.123456Z web1 sshd 77 - - Failed password for bob from 198.51.100.7 port 4242 ssh2", sentinel.EventAuthFail, sentinel.TypeSSH, ip, "bob", "failure"},
	{"syslog, ISO 8601 header", "2026-03-01T11:59:58.123456+00:00 web1 sshd[77]: Failed password for bob from 198.51.100.7 port 4242 ssh2", sentinel.EventAuthFail, sentinel.TypeSSH, ip, "bob", "failure"},
	{"journal in JSON", `{"MESSAGE":"Failed password for bob from 198.51.100.7 port 4242 ssh2","SYSLOG_IDENTIFIER":"sshd","_COMM":"sshd","_PID":"77","__REALTIME_TIMESTAMP":"1772366398123456"}`, sentinel.EventAuthFail, sentinel.TypeSSH, ip, "bob", "failure"},
	// SSH and PAM.
	{"sshd 6", at + "sshd[77]: Failed password for invalid user bob from 198.51.100.7 port 4242 ssh2", sentinel.EventAuthFail, sentinel.TypeSSH, ip, "bob", "failure"},
	{"sshd 9.8", at + "sshd-session[77]: Failed password for bob from 198.51.100.7 port 4242 ssh2", sentinel.EventAuthFail, sentinel.TypeSSH, ip, "bob", "failure"},
	{"sshd, login", at + "sshd[77]: Accepted publickey for bob from 198.51.100.7 port 4242 ssh2: ED25519 SHA256:abc", sentinel.EventAuthOK, sentinel.TypeSSH, ip, "bob", "success"},
	{"dropbear", at + "dropbear[77]: Bad password attempt for 'bob' from 198.51.100.7:4242", sentinel.EventAuthFail, sentinel.TypeSSH, ip, "bob", "failure"},
	{"PAM", at + "cockpit-session[77]: pam_unix(cockpit:auth): authentication failure; logname= uid=0 euid=0 tty= ruser= rhost=198.51.100.7  user=bob", sentinel.EventAuthFail, sentinel.TypeSyslog, ip, "bob", "failure"},
	// Rights.
	{"sudo", at + "sudo:   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id", sentinel.EventSudo, sentinel.TypeSyslog, "", "alice", "success"},
	{"sudo, wrong password", at + "sudo:   alice : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id", sentinel.EventSudo, sentinel.TypeSyslog, "", "alice", "failure"},
	{"sudo, not in sudoers", at + "sudo[77]:   alice : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh", sentinel.EventSudo, sentinel.TypeSyslog, "", "alice", "failure"},
	{"sudo, forbidden command", at + "sudo:   alice : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh", sentinel.EventSudo, sentinel.TypeSyslog, "", "alice", "failure"},
	{"sudo, PAM", at + "sudo: pam_unix(sudo:auth): authentication failure; logname=alice uid=1000 euid=0 tty=/dev/pts/0 ruser=alice rhost=  user=alice", sentinel.EventSudo, sentinel.TypeSyslog, "", "alice", "failure"},
	{"su, util-linux", at + "su[77]: FAILED SU (to root) alice on pts/0", sentinel.EventSu, sentinel.TypeSyslog, "", "root", "failure"},
	{"su, util-linux, in", at + "su[77]: (to root) alice on pts/0", sentinel.EventSu, sentinel.TypeSyslog, "", "root", "success"},
	{"su, shadow", at + "su[77]: Successful su for root by alice", sentinel.EventSu, sentinel.TypeSyslog, "", "root", "success"},
	{"su, shadow, old", at + "su[77]: - pts/0 alice:root", sentinel.EventSu, sentinel.TypeSyslog, "", "root", "failure"},
	{"su, PAM", at + "su: pam_unix(su-l:auth): authentication failure; logname=alice uid=1000 euid=0 tty=/dev/pts/0 ruser=alice rhost=  user=root", sentinel.EventSu, sentinel.TypeSyslog, "", "root", "failure"},
	{"login, shadow", at + "login[77]: FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure", sentinel.EventAuthFail, sentinel.TypeSyslog, "", "root", "failure"},
	{"login, util-linux", at + "login[77]: FAILED LOGIN 1 FROM 198.51.100.7 FOR root, Authentication failure", sentinel.EventAuthFail, sentinel.TypeSyslog, ip, "root", "failure"},
	{"login, too many", at + "login[77]: TOO MANY LOGIN TRIES (3) FROM 198.51.100.7 FOR x FROM 8.8.8.8 FOR y, Authentication failure", sentinel.EventAuthFail, sentinel.TypeSyslog, ip, "x FROM 8.8.8.8 FOR y", "failure"},
	{"login, console", at + "login[77]: LOGIN ON tty1 BY alice", sentinel.EventAuthOK, sentinel.TypeSyslog, "", "alice", "success"},
	{"login, from afar", at + "login[77]: LOGIN ON pts/1 BY alice FROM 198.51.100.7", sentinel.EventAuthOK, sentinel.TypeSyslog, ip, "alice", "success"},
	{"login, root", at + "login[77]: ROOT LOGIN  on '/dev/tty1'", sentinel.EventAuthOK, sentinel.TypeSyslog, "", "root", "success"},
	{"systemd-logind", at + "systemd-logind[77]: New session 5 of user alice.", sentinel.EventOther, sentinel.TypeSyslog, "", "alice", ""},
	{"systemd-logind 257", at + "systemd-logind[77]: New session 'c1' of user 'alice' with class 'user' and type 'tty'.", sentinel.EventOther, sentinel.TypeSyslog, "", "alice", ""},
	// Cron and accounts.
	{"cron, Debian", at + "CRON[77]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly)", sentinel.EventExec, sentinel.TypeSyslog, "", "root", ""},
	{"cron, Red Hat", at + "crond[77]: (root) CMD (/usr/lib64/sa/sa1 1 1)", sentinel.EventExec, sentinel.TypeSyslog, "", "root", ""},
	{"crontab", at + "crontab[77]: (alice) REPLACE (alice)", sentinel.EventFileWrite, sentinel.TypeSyslog, "", "alice", ""},
	{"cron, changed table", at + "cron[77]: (*system*x) RELOAD (/etc/cron.d/x)", sentinel.EventFileWrite, sentinel.TypeSyslog, "", "*system*x", ""},
	{"useradd", at + "useradd[77]: new user: name=bob, UID=1001, GID=1001, home=/home/bob, shell=/bin/bash, from=/dev/pts/0", sentinel.EventUserAdd, sentinel.TypeSyslog, "", "bob", ""},
	{"useradd, group", at + "useradd[77]: add 'bob' to group 'sudo'", sentinel.EventAccount, sentinel.TypeSyslog, "", "bob", "success"},
	{"usermod, id", at + "usermod[77]: change user 'bob' UID from '1001' to '0'", sentinel.EventAccount, sentinel.TypeSyslog, "", "bob", "success"},
	{"usermod, group", at + "usermod[77]: add 'bob' to shadow group 'sudo'", sentinel.EventAccount, sentinel.TypeSyslog, "", "bob", "success"},
	{"usermod, unlock", at + "usermod[77]: unlock user 'bob' password", sentinel.EventAccount, sentinel.TypeSyslog, "", "bob", "success"},
	{"userdel", at + "userdel[77]: delete user 'bob'", sentinel.EventAccount, sentinel.TypeSyslog, "", "bob", "success"},
	{"groupadd", at + "groupadd[77]: new group: name=bob, GID=1001", sentinel.EventAccount, sentinel.TypeSyslog, "", "", "success"},
	{"gpasswd", at + "gpasswd[77]: user bob added by root to group docker", sentinel.EventAccount, sentinel.TypeSyslog, "", "bob", "success"},
	{"passwd, PAM", at + "passwd[77]: pam_unix(passwd:chauthtok): password changed for root", sentinel.EventAccount, sentinel.TypeSyslog, "", "root", "success"},
	{"passwd, shadow", at + "passwd[77]: password for 'root' changed by 'root'", sentinel.EventAccount, sentinel.TypeSyslog, "", "root", "success"},
	{"chpasswd", at + "chpasswd[77]: pam_unix(chpasswd:chauthtok): password changed for bob", sentinel.EventAccount, sentinel.TypeSyslog, "", "bob", "success"},
	// Web servers.
	{"nginx, access", `198.51.100.7 - - [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 5 "-" "ua"`, sentinel.EventHTTPAccess, sentinel.TypeNginx, ip, "", ""},
	{"nginx, access through syslog", at + `nginx: 198.51.100.7 - - [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 5 "-" "ua"`, sentinel.EventHTTPAccess, sentinel.TypeNginx, ip, "", ""},
	{"nginx, error", `2026/03/01 11:59:58 [error] 1#1: *2 open() "/var/www/x" failed (2: No such file or directory), client: 198.51.100.7, server: h, request: "GET /x HTTP/1.1", host: "h"`, sentinel.EventHTTPError, sentinel.TypeNginx, ip, "", ""},
	{"Apache, common", `198.51.100.7 - bob [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 5`, sentinel.EventHTTPAccess, sentinel.TypeNginx, ip, "bob", ""},
	{"Apache, vhost_combined", `h.example:443 198.51.100.7 - - [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 5 "-" "ua"`, sentinel.EventHTTPAccess, sentinel.TypeNginx, ip, "", ""},
	{"Apache, error 2.4", `[Sun Mar 01 11:59:58.123456 2026] [auth_basic:error] [pid 7:tid 8] [client 198.51.100.7:4242] AH01617: user bob: authentication failure for "/x": Password Mismatch`, sentinel.EventHTTPError, sentinel.TypeApache, ip, "", ""},
	{"Apache, error 2.2", `[Sun Mar 01 11:59:58 2026] [error] [client 198.51.100.7] File does not exist: /var/www/x`, sentinel.EventHTTPError, sentinel.TypeApache, ip, "", ""},
	{"nginx, access in JSON", `{"time_iso8601":"2026-03-01T11:59:58+00:00","remote_addr":"198.51.100.7","remote_user":"","request":"GET /x HTTP/1.1","status":404,"body_bytes_sent":5,"http_referrer":"","http_user_agent":"ua","request_time":0.001}`, sentinel.EventHTTPAccess, sentinel.TypeJSON, ip, "", ""},
	{"Caddy", `{"level":"info","ts":1772366398.5,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"198.51.100.7","remote_port":"4242","client_ip":"8.8.8.8","proto":"HTTP/2.0","method":"GET","host":"h","uri":"/x?y=1","headers":{"User-Agent":["ua"],"X-Forwarded-For":["8.8.8.8"]},"tls":{"resumed":false,"version":772,"cipher_suite":4865,"proto":"h2","server_name":"h"}},"bytes_read":0,"user_id":"","duration":0.01,"size":12,"status":404,"resp_headers":{"Server":["Caddy"],"Content-Type":[]}}`, sentinel.EventHTTPAccess, sentinel.TypeJSON, ip, "", ""},
	{"Traefik", `198.51.100.7 - - [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 19 "-" "-" 1 "-" "-" 0ms`, sentinel.EventHTTPAccess, sentinel.TypeNginx, ip, "", ""},
	{"Traefik in JSON", `{"ClientAddr":"198.51.100.7:4242","ClientHost":"198.51.100.7","ClientPort":"4242","ClientUsername":"-","DownstreamContentSize":19,"DownstreamStatus":404,"Duration":76000,"RequestAddr":"h","RequestContentSize":0,"RequestCount":1,"RequestHost":"h","RequestMethod":"GET","RequestPath":"/x?y=1","RequestPort":"-","RequestProtocol":"HTTP/1.1","RequestScheme":"http","RetryAttempts":0,"StartLocal":"2026-03-01T11:59:58.123456789Z","StartUTC":"2026-03-01T11:59:58.123456789Z","entryPointName":"web","level":"info","msg":"","time":"2026-03-01T11:59:58Z"}`, sentinel.EventHTTPAccess, sentinel.TypeJSON, ip, "", ""},
	{"Traefik in JSON, forwarded", `{"ClientAddr":"198.51.100.7:4242","ClientHost":"8.8.8.8","ClientPort":"4242","DownstreamStatus":404,"RequestMethod":"GET","RequestPath":"/x","RequestProtocol":"HTTP/1.1","StartUTC":"2026-03-01T11:59:58.1Z","time":"2026-03-01T11:59:58Z"}`, sentinel.EventHTTPAccess, sentinel.TypeJSON, ip, "", ""},
	// Packet filters.
	{"ufw", at + "kernel: [12345.678901] [UFW BLOCK] IN=eth0 OUT= MAC=00:16 SRC=198.51.100.7 DST=192.0.2.1 LEN=40 TOS=0x00 PREC=0x00 TTL=244 ID=54321 PROTO=TCP SPT=43210 DPT=23 WINDOW=1024 RES=0x00 SYN URGP=0", sentinel.EventFWDrop, sentinel.TypeFirewall, ip, "", ""},
	{"ufw, limit", at + "kernel: [UFW LIMIT BLOCK] IN=eth0 OUT= MAC=00:16 SRC=198.51.100.7 DST=192.0.2.1 LEN=40 PROTO=TCP SPT=43210 DPT=22 SYN URGP=0", sentinel.EventFWDrop, sentinel.TypeFirewall, ip, "", ""},
	{"ufw, allowed", at + "kernel: [UFW ALLOW] IN=eth0 OUT= MAC=00:16 SRC=198.51.100.7 DST=192.0.2.1 LEN=40 PROTO=TCP SPT=43210 DPT=22 SYN URGP=0", sentinel.EventNetConnect, sentinel.TypeFirewall, ip, "", ""},
	{"ufw, outgoing", at + "kernel: [UFW BLOCK] IN= OUT=eth0 SRC=192.0.2.1 DST=198.51.100.7 LEN=40 PROTO=TCP SPT=43210 DPT=25 SYN URGP=0", sentinel.EventFWDrop, sentinel.TypeFirewall, "", "", ""},
	{"iptables", at + "kernel: iptables denied: IN=eth0 OUT= MAC=00:16 SRC=198.51.100.7 DST=192.0.2.1 LEN=40 PROTO=TCP SPT=43210 DPT=22 SYN URGP=0", sentinel.EventFWDrop, sentinel.TypeFirewall, ip, "", ""},
	{"iptables, prefix without a space", at + "kernel: DROPIN=eth0 OUT= MAC=00:16 SRC=198.51.100.7 DST=192.0.2.1 LEN=40 PROTO=UDP SPT=43210 DPT=53 LEN=20", sentinel.EventFWDrop, sentinel.TypeFirewall, ip, "", ""},
	{"iptables, ICMP", at + "kernel: DROP IN=eth0 OUT= MAC=00:16 SRC=198.51.100.7 DST=192.0.2.1 LEN=40 PROTO=ICMP TYPE=3 CODE=1 [SRC=192.0.2.1 DST=8.8.8.8 LEN=40 PROTO=TCP SPT=1 DPT=2 ]", sentinel.EventFWDrop, sentinel.TypeFirewall, ip, "", ""},
	{"firewalld", at + "kernel: filter_IN_public_REJECT: IN=eth0 OUT= MAC=00:16 SRC=198.51.100.7 DST=192.0.2.1 LEN=40 PROTO=TCP SPT=43210 DPT=22 SYN URGP=0", sentinel.EventFWDrop, sentinel.TypeFirewall, ip, "", ""},
	{"nftables", at + "kernel: nft drop: IN=eth0 OUT= MAC=00:16 SRC=2001:db8::17 DST=2001:db8::1 LEN=60 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=TCP SPT=43210 DPT=22 WINDOW=64800 RES=0x00 SYN URGP=0", sentinel.EventFWDrop, sentinel.TypeFirewall, "2001:db8::17", "", ""},
	{"ulogd", at + "ulogd[77]: DROP IN=eth0 OUT= MAC=00:16 SRC=198.51.100.7 DST=192.0.2.1 LEN=40 PROTO=TCP SPT=43210 DPT=22 SYN URGP=0", sentinel.EventFWDrop, sentinel.TypeFirewall, ip, "", ""},
	{"kernel's own log", "[12345.678901] [UFW BLOCK] IN=eth0 OUT= MAC=00:16 SRC=198.51.100.7 DST=192.0.2.1 LEN=40 PROTO=TCP SPT=43210 DPT=22 SYN URGP=0", sentinel.EventFWDrop, sentinel.TypeFirewall, ip, "", ""},
	{"kernel, AppArmor", at + `kernel: audit: type=1400 audit(1772366398.123:9): apparmor="DENIED" operation="open" profile="/usr/sbin/mysqld" name="/etc/shadow" pid=77 comm="mysqld" requested_mask="r" denied_mask="r" fsuid=106 ouid=0`, sentinel.EventOther, sentinel.TypeKernel, "", "", ""},
	// Audit.
	{"auditd", "type=USER_AUTH msg=audit(1772366398.123:9): pid=7 uid=0 msg='op=PAM:authentication acct=\"bob\" exe=\"/usr/sbin/sshd\" hostname=? addr=198.51.100.7 terminal=ssh res=failed'", sentinel.EventAuthFail, sentinel.TypeAudit, ip, "bob", "failure"},
	{"auditd, SELinux", `type=AVC msg=audit(1772366398.123:9): avc:  denied  { read } for  pid=77 comm="httpd" name="shadow" dev="dm-0" ino=1 scontext=a tcontext=b tclass=file permissive=0`, sentinel.EventOther, sentinel.TypeAudit, "", "", ""},
	// Mail.
	{"dovecot", at + "dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<bob>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, TLS, session=<abc>", sentinel.EventAuthFail, sentinel.TypeMail, ip, "bob", "failure"},
	{"dovecot 2.4", at + "dovecot: imap-login: Login aborted: Connection closed (auth failed, 1 attempts in 4 secs) (auth_failed): user=<bob>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, TLS, session=<abc>", sentinel.EventAuthFail, sentinel.TypeMail, ip, "bob", "failure"},
	{"dovecot, own log", "Mar 01 11:59:58 imap-login: Info: Aborted login (auth failed, 1 attempts in 2 secs): user=<bob>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, TLS, session=<abc>", sentinel.EventAuthFail, sentinel.TypeMail, ip, "bob", "failure"},
	{"dovecot, own log, ISO stamp", iso + " pop3-login: Info: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<bob>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, session=<abc>", sentinel.EventAuthFail, sentinel.TypeMail, ip, "bob", "failure"},
	{"dovecot, PAM", "Mar 01 11:59:58 auth: Info: pam(bob,198.51.100.7,<abc>): pam_authenticate() failed: Authentication failure (Password mismatch?)", sentinel.EventAuthFail, sentinel.TypeMail, ip, "bob", "failure"},
	{"postfix", at + "postfix/smtpd[77]: warning: unknown[198.51.100.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6", sentinel.EventAuthFail, sentinel.TypeMail, ip, "", "failure"},
	{"postfix 3.8, submission", "2026-03-01T11:59:58.123456+00:00 web1 postfix/submission/smtpd[77]: warning: unknown[198.51.100.7]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=bob", sentinel.EventAuthFail, sentinel.TypeMail, ip, "bob", "failure"},
	{"postfix, own log", "Mar 01 11:59:58 web1 postfix/smtps/smtpd[77]: warning: h.example[198.51.100.7]: SASL LOGIN authentication failed: authentication failure, sasl_username=bob", sentinel.EventAuthFail, sentinel.TypeMail, ip, "bob", "failure"},
	{"postfix, login", at + "postfix/smtpd[77]: 4A0B1C2D3E: client=h.example[198.51.100.7], sasl_method=PLAIN, sasl_username=bob", sentinel.EventAuthOK, sentinel.TypeMail, ip, "bob", "success"},
	{"postfix, refused mail", at + "postfix/smtpd[77]: NOQUEUE: reject: RCPT from unknown[198.51.100.7]: 554 5.7.1 <a@b.c>: Relay access denied; from=<x@y> to=<a@b.c> proto=ESMTP helo=<[8.8.8.8]>", sentinel.EventMailReject, sentinel.TypeMail, ip, "", ""},
	// Files.
	{"vsftpd, own log", `Sun Mar  1 11:59:58 2026 [pid 77] [bob] FAIL LOGIN: Client "::ffff:198.51.100.7"`, sentinel.EventAuthFail, sentinel.TypeFTP, ip, "bob", "failure"},
	{"vsftpd, own log, connect", `Sun Mar  1 11:59:58 2026 [pid 77] CONNECT: Client "198.51.100.7"`, sentinel.EventOther, sentinel.TypeFTP, "", "", ""},
	{"vsftpd, syslog", at + `vsftpd[77]: [bob] FAIL LOGIN: Client "198.51.100.7"`, sentinel.EventAuthFail, sentinel.TypeFTP, ip, "bob", "failure"},
	{"vsftpd, PAM", at + "vsftpd: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=bob rhost=198.51.100.7", sentinel.EventAuthFail, sentinel.TypeSyslog, ip, "bob", "failure"},
	{"proftpd, own log", iso + ",123 ftp1 proftpd[77] 192.0.2.1 (h.example[198.51.100.7]): USER bob (Login failed): Incorrect password", sentinel.EventAuthFail, sentinel.TypeFTP, ip, "bob", "failure"},
	{"proftpd, own log, no such user", iso + ",123 ftp1 proftpd[77] 192.0.2.1 (h.example[198.51.100.7]): USER bob: no such user found from h.example [198.51.100.7] to ::ffff:192.0.2.1:21", sentinel.EventAuthFail, sentinel.TypeFTP, ip, "bob", "failure"},
	{"proftpd, syslog", at + "proftpd[77]: 192.0.2.1 (198.51.100.7[198.51.100.7]) - USER bob (Login failed): Incorrect password.", sentinel.EventAuthFail, sentinel.TypeFTP, ip, "bob", "failure"},
	// Names.
	{"named, syslog", at + "named[77]: client @0x7f1 198.51.100.7#4242 (example.com): query (cache) 'example.com/A/IN' denied", sentinel.EventDNSDenied, sentinel.TypeDNS, ip, "", ""},
	{"named, own log", "01-Mar-2026 11:59:58.123 client @0x7f1 198.51.100.7#4242 (example.com): query (cache) 'example.com/A/IN' denied (allow-query-cache did not match)", sentinel.EventDNSDenied, sentinel.TypeDNS, ip, "", ""},
	{"named, own log with category", "01-Mar-2026 11:59:58.123 security: info: client @0x7f1 198.51.100.7#4242 (example.com): zone transfer 'example.com/AXFR/IN' denied", sentinel.EventDNSDenied, sentinel.TypeDNS, ip, "", ""},
	{"named, own log, ISO stamp", "2026-03-01T11:59:58.123Z security: info: client @0x7f1 198.51.100.7#4242 (example.com): query (cache) 'example.com/A/IN' denied", sentinel.EventDNSDenied, sentinel.TypeDNS, ip, "", ""},
	// Databases.
	{"MySQL 5.7", "2026-03-01T11:59:58.123456Z 12 [Note] Access denied for user 'bob'@'198.51.100.7' (using password: YES)", sentinel.EventAuthFail, sentinel.TypeDB, ip, "bob", "failure"},
	{"MySQL 8", "2026-03-01T11:59:58.123456Z 12 [Note] [MY-010926] [Server] Access denied for user 'bob'@'198.51.100.7' (using password: YES)", sentinel.EventAuthFail, sentinel.TypeDB, ip, "bob", "failure"},
	{"MariaDB", iso + " 12 [Warning] Access denied for user 'bob'@'198.51.100.7' (using password: YES)", sentinel.EventAuthFail, sentinel.TypeDB, ip, "bob", "failure"},
	{"MariaDB, syslog", at + "mariadbd[77]: " + iso + " 12 [Warning] Access denied for user 'bob'@'198.51.100.7' (using password: YES)", sentinel.EventAuthFail, sentinel.TypeDB, ip, "bob", "failure"},
	{"MariaDB, probe", iso + " 12 [Warning] Aborted connection 12 to db: 'unconnected' user: 'unauthenticated' host: '198.51.100.7' (This connection closed normally without authentication)", sentinel.EventAuthProbe, sentinel.TypeDB, ip, "", ""},
	{"PostgreSQL, Debian", iso + `.123 UTC [77] bob@db FATAL:  password authentication failed for user "bob"`, sentinel.EventAuthFail, sentinel.TypeDB, "", "bob", "failure"},
	{"PostgreSQL, pg_hba.conf", iso + `.123 UTC [77] bob@db FATAL:  no pg_hba.conf entry for host "198.51.100.7", user "bob", database "db", no encryption`, sentinel.EventAuthFail, sentinel.TypeDB, ip, "bob", "failure"},
	{"PostgreSQL, client=%h, forged", iso + ` UTC [77]: user=x client=8.8.8.8 FATAL:  password authentication failed for user "y,db=db,app=[unknown],client=198.51.100.7 LOG:  connection authenticated: x"`, sentinel.EventAuthFail, sentinel.TypeDB, "", "", ""},
	{"PostgreSQL, name of a database", iso + ` UTC [77] bob@xclient=8.8.8.8 FATAL:  password authentication failed for user "bob"`, sentinel.EventAuthFail, sentinel.TypeDB, "", "bob", "failure"},
	{"PostgreSQL, forged name", iso + `.123 UTC [77] FATAL:  no pg_hba.conf entry for host "8.8.8.8", user "a", database "b@db FATAL:  canceling authentication due to timeout`, sentinel.EventAuthFail, sentinel.TypeDB, "", "", ""},
	{"PostgreSQL, name of an address", iso + `.123 UTC [77] 8.8.8.8 x@db FATAL:  password authentication failed for user "8.8.8.8 x"`, sentinel.EventAuthFail, sentinel.TypeDB, "", "8.8.8.8 x", "failure"},
	{"PostgreSQL, syslog", at + `postgres[77]: [3-1] ` + iso + `.123 UTC [77] bob@db FATAL:  password authentication failed for user "bob"`, sentinel.EventAuthFail, sentinel.TypeDB, "", "bob", "failure"},
	{"PostgreSQL, CSV", iso + `.123 UTC,"bob","db",77,"198.51.100.7:4242",69a42abe.4d,2,"authentication",2026-03-01 11:59:58 UTC,3/2,0,FATAL,28P01,"password authentication failed for user ""bob""","Connection matched file ""/etc/pg_hba.conf"" line 97: ""host all all all scram-sha-256""",,,,,,,,"","client backend",,0`, sentinel.EventAuthFail, sentinel.TypeDB, ip, "bob", "failure"},
	{"PostgreSQL, JSON", `{"timestamp":"2026-03-01 11:59:58.123 UTC","user":"bob","dbname":"db","pid":77,"remote_host":"198.51.100.7","remote_port":4242,"session_id":"69a42abe.4d","line_num":2,"ps":"authentication","error_severity":"FATAL","state_code":"28P01","message":"password authentication failed for user \"bob\"","detail":"x","backend_type":"client backend","query_id":0}`, sentinel.EventAuthFail, sentinel.TypeDB, ip, "bob", "failure"},
	{"PostgreSQL, connection", iso + ".123 UTC [77] [unknown]@[unknown] LOG:  connection received: host=198.51.100.7 port=4242", sentinel.EventOther, sentinel.TypeDB, "", "", ""},
	// Applications.
	{"vaultwarden", "[" + iso + ".123][vaultwarden::api::identity][ERROR] Username or password is incorrect. Try again. IP: 198.51.100.7. Username: bob@x", sentinel.EventAuthFail, sentinel.TypeApp, ip, "bob@x", "failure"},
	{"vaultwarden, journal", at + "vaultwarden[77]: [" + iso + ".123][vaultwarden::api::identity][ERROR] Username or password is incorrect. Try again. IP: 198.51.100.7. Username: bob@x", sentinel.EventAuthFail, sentinel.TypeApp, ip, "bob@x", "failure"},
}

// TestFormats reads each of them with a source whose type is not known and with
// the one that the line turns out to be of.
func TestFormats(t *testing.T) {
	for _, c := range formats {
		for _, typ := range []sentinel.SourceType{sentinel.TypeAuto, c.src} {
			p := New(Config{Type: typ})
			var ev sentinel.Event
			if !p.Parse(c.line, arrival, arrival, &ev) {
				t.Errorf("%s, as %s: not understood: %s", c.format, typ, c.line)
				continue
			}
			got := ""
			if ev.SrcIP.IsValid() {
				got = ev.SrcIP.String()
			}
			// Common and combined lines say not which server wrote them.
			src := ev.SourceType == c.src || ev.Type == sentinel.EventHTTPAccess
			if ev.Type != c.typ || got != c.addr || !src || c.user != "" && ev.User != c.user || c.outcome != "" && ev.Outcome != c.outcome {
				t.Errorf("%s, as %s: %s\n got %v of %q in %s from %q, %s\nwant %v of %q in %s from %q, %s",
					c.format, typ, c.line, ev.Type, ev.User, ev.SourceType, got, ev.Outcome, c.typ, c.user, c.src, c.addr, c.outcome)
			}
			if ev.Time.IsZero() && c.format != "kernel's own log" {
				t.Errorf("%s: no time", c.format)
			}
		}
	}
}
