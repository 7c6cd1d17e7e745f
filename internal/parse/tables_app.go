package parse

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// What applications, VPNs, proxies and watchdogs say.

var openvpnGrammar = newGrammar("openvpn", sentinel.TypeApp, nil, []message{
	{fails, `TLS Error: {any} from [⟨AF_INET|AF_INET6⟩]{apor}`},
	{fails, `⟨TLS Error|TLS Auth Error⟩: {any} from {apor}`},
	{fails, `{apor} ⟨TLS Error|TLS Auth Error|VERIFY ERROR|AUTH_FAILED|Fatal TLS error|tls-crypt unwrap error|Authenticate/Decrypt packet error⟩{any}`},
	{fails, `{apor} SENT CONTROL [{user}]: 'AUTH_FAILED{any}`},
	{logsIn, `{apor} TLS: Username/Password authentication succeeded for username '{user}'⟨ {srv}|⟩`},
})

var roundcubeGrammar = newGrammar("roundcube", sentinel.TypeApp, nil, []message{
	{fails, `⟨<{word}> |⟩⟨IMAP Error: |⟩⟨Login failed|Failed login|FAILED login⟩ for {user} from {addr}`},
	{fails, `⟨<{word}> |⟩⟨IMAP Error: |⟩Login failed for {user} from {addr}⟨(X-{any}). |. ⟩{any}`},
	{fails, `⟨<{word}> |⟩Failed login for {user} from {addr}⟨(X-{any})|⟩ in session {word} (error: {int})`},
	{logsIn, `⟨<{word}> |⟩Successful login for {user} (ID: {int}) from {addr} in session {word}`},
})

var webmailGrammar = newGrammar("webmail", sentinel.TypeApp, nil, []message{
	{fails, `[LOGIN_ERROR] {user} ({any}) from {addr}: {srv}`},
	{fails, `⟨HORDE |⟩⟨[{word}] |⟩[{word}] FAILED LOGIN for {user} [{addr}]⟨(forwarded for [{any}])|⟩ to {srv}`},
	{fails, `sogod [{int}]: SOGoRootPage Login from '{addr}' for user '{user}' might not have worked{srv}`},
	{fails, `SOGoRootPage Login from '{addr}' for user '{user}' might not have worked{srv}`},
	{fails, `- [{int}] ({addr}) {any} - ⟨userinfo error|login error⟩ - {any}`},
})

var giteaGrammar = newGrammar("gitea", sentinel.TypeApp, nil, []message{
	{fails, `⟨{word} [{word}] |{word} [{word}] [{word}] |⟩Failed authentication attempt for {user} from {sock}`},
	{fails, `⟨{word} [{word}] |{word} [{word}] [{word}] |⟩Failed authentication attempt for {user} from {sock}: {any}`},
	{fails, `Failed Login: username={user} ip={addr}`},
})

// Bitwarden and its relatives.
var vaultGrammar = newGrammar("vaultwarden", sentinel.TypeApp, nil, []message{
	{fails, `⟨[WRN] |[Warning] |[WARN] |⟩Failed login attempt⟨, 2FA invalid|⟩. {addr}`},
	{fails, `⟨[{word}][ERROR] |[{word}][WARN] |⟩Username or password is incorrect. Try again. IP: {addr}. Username: {user}`},
	{fails, `⟨[{word}][ERROR] |[{word}][WARN] |⟩Invalid admin token. IP: {addr}`},
	{fails, `⟨[{word}][ERROR] |[{word}][WARN] |⟩Invalid TOTP code! Server time: {srv} IP: {addr}`},
})

var grafanaGrammar = newGrammar("grafana", sentinel.TypeApp, nil, []message{
	{fails, `⟨t={word} |logger={word} |⟩⟨t={word} |⟩⟨lvl|level⟩=⟨eror|error|warn|info⟩ msg="Invalid username or password" {any} remote_addr={addr}`},
	{fails, `logger={word} {srv}msg="⟨Invalid username or password|Failed to authenticate request⟩" {any} remote_addr={addr} {any}`},
	{fails, `⟨t={word} |⟩⟨lvl|level⟩=⟨eror|error|warn⟩ msg="Invalid username or password" {any} remote_addr={addr} {any}`},
})

var guacamoleGrammar = newGrammar("guacamole", sentinel.TypeApp, nil, []message{
	{fails, `WARNING: Authentication attempt from {addr} for user "{user}" failed.`},
	{fails, `⟨[{srv}] WARN{srv} - |⟩Authentication attempt from {addr} for user "{user}" failed.`},
	{fails, `{word} [{srv}] WARN{srv} - Authentication attempt from {addr} for user "{user}" failed.`},
	{fails, `⟨WARNING: |⟩Authentication attempt from [{addr}, {srv}] for user "{user}" failed.`},
})

var webminGrammar = newGrammar("webmin", sentinel.TypeApp, nil, []message{
	{fails, `⟨Invalid|Non-existent⟩ login as {user} from {addr}`},
	{fails, `Security alert: Host {addr} blocked after {srv}`},
	{logsIn, `Successful login as {user} from {addr}`},
})

var monitGrammar = newGrammar("monit", sentinel.TypeApp, nil, []message{
	{fails, `⟨HttpRequest: |⟩⟨access denied|Access denied⟩ -- client ⟨{addr}|[{addr}]⟩: ⟨wrong password for user|unknown user⟩ '{user}'`},
	{fails, `⟨Warning: |⟩Client '{addr}' supplied ⟨unknown user|wrong password for user⟩ '{user}' accessing {srv}`},
})

var xrdpGrammar = newGrammar("xrdp-sesman", sentinel.TypeApp, nil, []message{
	{fails, `⟨[{caps}{pad}] |⟩AUTHFAIL: user={user} ip={addr} time={int}`},
})

var ejabberdGrammar = newGrammar("ejabberd", sentinel.TypeApp, nil, []message{
	{fails, `I({srv}) : ({srv}) Failed authentication for {user} from IP {addr} ({srv})`},
	{fails, `⟨[info]|[warning]⟩ {srv}@ejabberd{srv} Failed ⟨|c2s {word} |legacy ⟩authentication for {user} from ⟨IP |⟩{addr}`},
	{fails, `⟨[info]|[warning]⟩ {srv}@ejabberd{srv} Failed ⟨|c2s {word} |legacy ⟩authentication for {user} from ⟨IP |⟩{addr}: {srv}`},
})

var stunnelGrammar = newGrammar("stunnel", sentinel.TypeApp, nil, []message{
	{fails, `⟨LOG3[{srv}]: |⟩SSL_accept from {sock} : {srv}`},
})

var pfsenseGrammar = newGrammar("php-fpm", sentinel.TypeApp, nil, []message{
	{fails, `⟨/{word}: |⟩webConfigurator authentication error for ⟨user |⟩'{user}' from⟨:|⟩ {addr}`},
	{logsIn, `⟨/{word}: |⟩Successful login for user '{user}' from: {addr}⟨ ({srv})|⟩`},
})

var drupalGrammar = newGrammar("drupal", sentinel.TypeApp, nil, []message{
	{fails, `http{item}|{int}|user|{addr}|{any}|{int}|{item}|Login attempt failed for {item}.`},
	{fails, `http{item}|{int}|user|{addr}|{any}|{int}|{item}|Login attempt failed from {item}.`},
})

var wordpressGrammar = newGrammar("wordpress", sentinel.TypeApp, nil, []message{
	{fails, `⟨Authentication failure|XML-RPC authentication failure|Blocked authentication attempt|REST authentication failure⟩ for {user} from {addr}`},
	{fails, `⟨Authentication attempt|Authentication attempted|XML-RPC authentication attempt|XML-RPC authentication attempted|REST authentication attempt⟩ for unknown user {user} from {addr}`},
	{fails, `XML-RPC multicall authentication failure from {addr}`},
	{probes, `Blocked user enumeration attempt from {addr}`},
	{probes, `Pingback error {srv} generated from {addr}`},
	{logsIn, `Accepted password for {user} from {addr}`},
})

// adminGrammar is for administration pages with few messages.
var adminGrammar = newGrammar("", sentinel.TypeApp, nil, []message{
	{fails, `[Login Action {addr}] ⟨Unknown user|User⟩ '{user}' tried to login{srv}`},
	{fails, `froxlor.WARNING: {any}tried to login{any}"source":"login","action":"{int}","user":"{addr}"} []`},
	{fails, `user denied: {user} (⟨mysql-denied|allow-denied|root-denied|empty-denied⟩) from {addr}`},
	{fails, `login failure for user {user} from {addr} via {word}`},
	{fails, `Host {addr} is not allowed to talk to us!`},
	{fails, `Auth: {sock}->{own} {any} status="failed{srv}`},
})

// bareGrammar is what logs without tags hold that are too few for their own.
var bareGrammar = newGrammar("app", sentinel.TypeApp, nil, []message{
	{fails, `|-1|0|0|[WEB] [{addr}] Authentication failed for '{user}' : {srv}`},
	{fails, `{word} => <{user}(-1)> Rejected connection from {sock}: {srv}`},
	{fails, `LOGIN FAILED for user: "{user}" from IP: {addr}`},
	{fails, `Connection "{word}": User authentication failed. The user name that has been provided was "{user}", from {addr}.`},
	{fails, `'{addr}' {int} failed login attempts. Account '{user}'`},
	{fails, `[{word}] failed to login from {sock}`},
	{fails, `smtp: {user} [{addr}] authentication failure using internet password`},
	{fails, `SMTP Server: Authentication failed for user {user} ; connecting host {addr}`},
	{fails, `SMTP: User {user} doesn't exist. Attempt from IP address {addr}.`},
	{rejects, `IP address {addr} found in DNS blacklist {any}`},
	{rejects, `Attempt to deliver to unknown recipient <{any}>, from <{any}>, IP address {addr}`},
})

// Watchdogs.

var banGrammar = newGrammar("fail2ban", sentinel.TypeSyslog, nil, []message{
	{nothing, `⟨fail2ban.actions{pad}|⟩⟨[{int}]: |⟩⟨NOTICE|WARNING⟩{pad}[recidive] Ban {addr}`},
	{bans, `⟨fail2ban.actions{pad}|⟩⟨[{int}]: |⟩⟨NOTICE|WARNING⟩{pad}[{word}] Ban {addr}`},
	{bans, `Blocking "{addr}/{int}" for {srv}`},
	{bans, `Blocking {apor} for {srv}`},
})

var scanGrammar = newGrammar("scanlogd", sentinel.TypeSyslog, nil, []message{
	{scansPorts, `{sock} to {own} ports {srv}`},
	{scansPorts, `attackalert: {srv} from host: {name}/{addr} to ⟨TCP|UDP⟩ port: {int}{srv}`},
	{scansPorts, `attackalert: Host⟨ |: ⟩{addr} ⟨is already blocked|has been blocked⟩{srv}`},
	{scansPorts, `Scan from: [{addr}] ({srv}`},
	{scansPorts, `scan detected⟨ ({srv})|⟩: {addr} -> {srv}`},
})

var xinetdGrammar = newGrammar("xinetd", sentinel.TypeSyslog, nil, []message{
	{fails, `FAIL: {word} ⟨address|libwrap|time|per_source_limit⟩ from={addr}`},
})

// Proxies.

var squidGrammar = newGrammar("squid", sentinel.TypeApp, nil, []message{
	{deniesProxy, `{pad}{int} {addr} {caps}_DENIED/{int} {any}`},
	{deniesProxy, `{pad}{int} {addr} NONE/405 {any}`},
	{deniesProxy, `PROXY.{int} 0000{int} {user} {sock} {own} {int} {int} {int} {any}`},
})

var haproxyGrammar = newGrammar("haproxy", sentinel.TypeApp, nil, []message{
	{fails, `{sock} [{srv}] {word} {word}/<NOSRV> {srv} 401 {any}`},
})

// lighttpd's error log; like other web servers' it must not block by itself.
var lighttpdGrammar = newGrammar("lighttpd", sentinel.TypeApp, nil, []message{
	{errsHTTP, `{word}) get_password failed, IP: {addr}`},
	{errsHTTP, `{word}) password doesn't match for {any} username: {user}⟨,|⟩ IP: {addr}`},
	{errsHTTP, `{word}) digest: auth failed{any}, IP: {addr}`},
})

// grammarFor returns the messages of a program, nil if they are not in a table.
func grammarFor(program string) *grammar {
	switch program {
	case "dovecot", "imap-login", "pop3-login", "submission-login", "managesieve-login", "auth", "auth-worker", "dovecot-auth":
		return dovecotGrammar
	case "imapd", "imapd-ssl", "pop3d", "pop3d-ssl", "ipop3d", "ipop2d", "imap", "imaps", "pop3", "pop3s", "sieve", "timsieved", "lmtpunix", "nntp",
		"courieresmtpd", "esmtpd", "courierpop3login", "courierimaplogin", "authdaemond", "couriertcpd", "solid-pop3d":
		return mailboxGrammar
	case "sendmail", "sm-mta", "sm-acceptingconnections", "sm-msp-queue", "sm-msp", "sm-mta-auth", "MSP":
		return sendmailGrammar
	case "exim", "exim4":
		return eximGrammar
	case "postgrey":
		return postgreyGrammar
	case "smtpd", "opensmtpd":
		return smtpdGrammar
	case "rblsmtpd", "vchkpw-pop3", "vchkpw-smtp", "vchkpw-submission", "vchkpw-imap":
		return qmailGrammar
	case "vsftpd", "ftpd", "wu-ftpd", "wuftpd", "pure-ftpd", "in.ftpd":
		return ftpGrammar
	case "proftpd":
		return proftpdGrammar
	case "named", "nsd", "security", "query-errors", "update-security", "xfer-out", "rate-limit": // BIND's categories
		return namedGrammar
	case "mongod":
		return mongoGrammar
	case "postgres", "postgresql":
		return postgresGrammar
	case "asterisk":
		return asteriskGrammar
	case "freeswitch":
		return freeswitchGrammar
	case "roundcube":
		return roundcubeGrammar
	case "squirrelmail", "horde", "HORDE", "sogod":
		return webmailGrammar
	case "gitea", "forgejo", "gogs", "gitlab":
		return giteaGrammar
	case "bitwarden", "bitwarden-identity", "vaultwarden", "bitwarden_rs":
		return vaultGrammar
	case "grafana", "grafana-server":
		return grafanaGrammar
	case "guacamole", "guacd", "tomcat", "tomcat8", "tomcat9", "tomcat10", "server":
		return guacamoleGrammar
	case "webmin", "usermin":
		return webminGrammar
	case "monit":
		return monitGrammar
	case "xrdp-sesman":
		return xrdpGrammar
	case "ejabberd":
		return ejabberdGrammar
	case "stunnel", "stunnel4":
		return stunnelGrammar
	case "php-fpm":
		return pfsenseGrammar
	case "wordpress", "wp":
		return wordpressGrammar
	case "Froxlor", "froxlor", "phpMyAdmin", "phpmyadmin", "nrpe", "perdition", "system,error,critical":
		return adminGrammar
	case "fail2ban.actions", "sshguard":
		return banGrammar
	case "scanlogd", "portsentry", "psad":
		return scanGrammar
	case "xinetd":
		return xinetdGrammar
	case "keycloak", "kc.sh":
		return identityGrammar
	case "krb5kdc":
		return kerberosGrammar
	case "smbd", "samba":
		return sambaGrammar
	case "ocserv":
		return vpnGrammar
	case "jellyfin", "emby", "emby-server", "Server", "sonarr", "radarr", "lidarr", "prowlarr", "readarr", "audiobookshelf", "overseerr", "jellyseerr", "qbittorrent-nox":
		return mediaGrammar
	case "hass", "home-assistant", "homeassistant", "paperless", "uptime-kuma", "calibre-web", "cps", "immich", "immich-server", "radicale", "syncthing", "synapse":
		return homeGrammar
	case "zimbra", "stalwart", "stalwart-mail", "odoo", "sonarqube", "maddy", "pgbouncer", "couchdb", "redmine", "Connection":
		return officeGrammar
	case "haproxy":
		return haproxyGrammar
	case "lighttpd":
		return lighttpdGrammar
	}
	// "postfix/smtpd", "postfix-in/submission/smtpd", "cyrus/imaps", "wp(site)".
	i := strings.LastIndexByte(program, '/')
	switch {
	case strings.HasPrefix(program, "postfix") && i > 0:
		return postfixGrammar
	case strings.HasPrefix(program, "cyrus/"):
		return mailboxGrammar
	case strings.HasPrefix(program, "openvpn"), strings.HasPrefix(program, "ovpn"):
		return openvpnGrammar
	case strings.HasPrefix(program, "perdition."):
		return adminGrammar
	}
	return netGrammar(program)
}
