package parse

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// What mail servers say. Peers are HOST[ADDR] or HOST [ADDR], where HOST is a
// checked name; what follows them is mostly the client's.

var postfixGrammar = newGrammar("postfix", sentinel.TypeMail, nil, []message{
	{nothing, `warning: {name}[{addr}]⟨:{port}|⟩: SASL {word} authentication failed: ⟨Connection lost to authentication server|Temporary authentication failure⟩{any}`},
	{fails, `warning: {name}[{addr}]⟨:{port}|⟩: SASL {method} authentication failed⟨: {any}, sasl_username={user}|: {any}|:|⟩`},
	{nothing, `{word}: reject: RCPT from {name}[{addr}]⟨:{port}|⟩: 4{any}reylist{any}`},
	{rejects, `{word}: ⟨reject|milter-reject|reject_warning|discard|milter-discard⟩: {caps} from {name}[{addr}]⟨:{port}|⟩: {any}`},
	{nothing, `⟨{word}: |⟩lost connection after ⟨DATA|END-OF-MESSAGE|BDAT⟩{srv} from {name}[{addr}]⟨:{port}|⟩`},
	{rejects, `⟨{word}: |⟩⟨lost connection|timeout|too many errors|improper command pipelining⟩ after {caps} from {name}[{addr}]⟨:{port}|⟩⟨: {any}|⟩`},
	{rejects, `disconnect from {name}[{addr}]⟨:{port}|⟩ {srv}auth=0/{srv}`},
	{rejects, `warning: ⟨Connection rate|Connection concurrency|Message delivery request rate|Recipient address rate|New TLS session rate|AUTH command rate⟩ limit exceeded: {int} from {name}[{addr}]⟨:{port}|⟩ for service {srv}`},
	{rejects, `warning: ⟨non-SMTP command|Illegal address syntax⟩ from {name}[{addr}]⟨:{port}|⟩⟨: | in ⟩{any}`},
	{rejects, `⟨PREGREET|HANGUP⟩ {srv} from [{addr}]:{port}⟨: {any}| in {any}|⟩`},
	{rejects, `⟨COMMAND COUNT LIMIT|COMMAND PIPELINING|COMMAND TIME LIMIT|COMMAND LENGTH LIMIT|NON-SMTP COMMAND|BARE NEWLINE⟩ from [{addr}]:{port} after {any}`},
	{rejects, `⟨BLACKLISTED|DENYLISTED⟩ [{addr}]:{port}`},
	{probesMail, `DNSBL rank {int} for [{addr}]:{port}`},
	{logsIn, `{word}: client={name}[{addr}]⟨:{port}|⟩, sasl_method={method}, sasl_username={user}`},
})

var postgreyGrammar = newGrammar("postgrey", sentinel.TypeMail, nil, []message{
	{probesMail, `⟨{word}: |⟩action=greylist, reason=early-retry {srv}, client_name={name}, client_address={addr}, {any}`},
	{probesMail, `⟨{word}: |⟩action=greylist, reason=early-retry {srv}, client_name={name}, client_address={addr}/{any}`},
})

// sendmail: "QID: HOST [ADDR] (may be forged): TEXT".
var sendmailGrammar = newGrammar("sendmail", sentinel.TypeMail, nil, []message{
	{fails, `⟨{word}: |⟩⟨{name} |⟩[{addr}]⟨ (may be forged)|⟩: possible SMTP attack: command=⟨AUTH|STARTTLS⟩, count={int}`},
	{fails, `⟨{word}: |⟩AUTH failure ({word}): {any}, relay=⟨{name} |⟩[{addr}]⟨ (may be forged)|⟩`},
	{fails, `⟨{word}: |⟩AUTH failure ({word}): {srv}, user={user}, relay=⟨{name} |⟩[{addr}]⟨ (may be forged)|⟩`},
	{rejects, `⟨{word}: |⟩⟨{name} |⟩[{addr}]⟨ (may be forged)|⟩: possible SMTP attack: command={any}`},
	{rejects, `⟨{word}: |⟩⟨{name} |⟩[{addr}]⟨ (may be forged)|⟩: Possible SMTP RCPT flood, throttling{srv}`},
	{rejects, `⟨{word}: |⟩ruleset={word}, arg1={any}, relay=⟨{name} |⟩[{addr}]⟨ (may be forged)|⟩, reject={any}`},
	{rejects, `⟨{word}: |⟩rejecting commands from {name} [{addr}]⟨ (may be forged)|⟩ due to {srv}`},
	{rejects, `⟨{word}: |⟩⟨{name} |⟩[{addr}]⟨ (may be forged)|⟩: ⟨expn|vrfy|EXPN|VRFY⟩ {any} [rejected]`},
	{rejects, `⟨{word}: |⟩⟨{name} |⟩[{addr}]⟨ (may be forged)|⟩ did not issue MAIL/EXPN/VRFY/ETRN during connection to {word}`},
	{rejects, `⟨{word}: |⟩lost input channel from ⟨{name} |⟩[{addr}]⟨ (may be forged)|⟩ to {word} after {word}`},
	{logsIn, `⟨{word}: |⟩AUTH=server, relay=⟨{name} |⟩[{addr}]⟨ (may be forged)|⟩, authid={user}, mech={any}`},
})

// exim: what follows the stamp, process and message ids. HELO, in brackets, is
// the client's.
var eximGrammar = newGrammar("exim", sentinel.TypeMail, cleanExim, []message{
	{fails, `{word} authenticator failed for ⟨|H=⟩⟨{name} |⟩⟨({any}) |⟩{peer}⟨| U={word}⟩: 535 Incorrect authentication data⟨ (set_id={user})|: {int} Time(s)|⟩`},
	{nothing, `H=⟨{name} |⟩⟨({any}) |⟩{peer} {any}temporarily rejected {any}`},
	{nothing, `⟨F={any} |⟩H=⟨{name} |⟩⟨({any}) |⟩{peer} {any}temporarily rejected {any}`},
	{rejects, `⟨F={any} |⟩H=⟨{name} |⟩⟨({any}) |⟩{peer} {any}rejected ⟨by local_scan()|after DATA⟩{any}`},
	{probesMail, `H=⟨{name} |⟩⟨({any}) |⟩{peer} {any}rejected ⟨RCPT|MAIL|VRFY|EXPN|AUTH|EHLO|HELO|ETRN|connection|STARTTLS⟩ {any}`},
	{probesMail, `⟨H=|⟩⟨{name} |⟩⟨({any}) |⟩{peer} rejected ⟨EHLO|HELO|RCPT|MAIL|AUTH|connection⟩ {any}`},
	{probesMail, `⟨rejected|refused⟩ ⟨connection|EHLO|HELO|EHLO or HELO⟩ from ⟨H=|⟩⟨{name} |⟩⟨({any}) |⟩{peer}⟨|: {any}| {any}⟩`},
	{probesMail, `H=⟨{name} |⟩⟨({any}) |⟩{peer} dropped by {any}`},
	{probesMail, `SMTP ⟨protocol synchronization error|protocol error|syntax error⟩ {any} H=⟨{name} |⟩⟨({any}) |⟩{peer} {any}`},
	{probesMail, `SMTP call from ⟨{name} |⟩⟨({any}) |⟩{peer} dropped: {any}`},
	{probesMail, `SMTP connection from ⟨{name} |⟩⟨({any}) |⟩{peer} closed by DROP in ACL⟨: {any}|⟩`},
	{probesMail, `no MAIL in ⟨SMTP connection from|TLS connection from⟩ ⟨{name} |⟩⟨({any}) |⟩{peer} {srv}`},
	{probesMail, `no host name found for IP address {addr}`},
	{probesMail, `no IP address found for host {word} (during SMTP connection from ⟨{name} |⟩⟨({any}) |⟩{peer})`},
	{probesMail, `unqualified ⟨sender|recipient⟩ rejected: {any} H=⟨{name} |⟩⟨({any}) |⟩{peer}⟨| {any}⟩`},
	{rejects, `SA: Action: ⟨silently tossed|permanently rejected⟩ message: {any} (host={name} [{addr}]) for {any}`},
})

// cleanExim takes an inner stamp and the ids of process and message.
func cleanExim(s string) string {
	if len(s) > 20 && s[4] == '-' && s[7] == '-' && s[10] == ' ' && s[13] == ':' && s[19] == ' ' {
		s = s[20:]
	}
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if _, after, ok := leading(rest); ok && strings.HasPrefix(after, "] ") {
			s = after[2:]
		}
	}
	if i := strings.IndexByte(s, ' '); i > 0 && eximID(s[:i]) {
		s = s[i+1:]
	}
	return s
}

// eximID reports whether s is the id of a message: "1akDqs-0005aQ-9b" or, since
// 4.97, "1rpYsS-000000001kz-0abc".
func eximID(s string) bool {
	return len(s) == 16 && s[6] == '-' && s[13] == '-' || len(s) == 23 && s[6] == '-' && s[18] == '-'
}

// dovecot: what follows the names of its services.
var dovecotGrammar = newGrammar("dovecot", sentinel.TypeMail, cleanDovecot, []message{
	{fails, `⟨Disconnected|Aborted login|Login aborted⟩{any}(auth failed, {n} attempts{any}user=<{user}>, ⟨method={method}, |⟩rip={addr}⟨, {srv}|⟩`},
	{fails, `⟨Disconnected|Aborted login|Login aborted⟩{any}(auth failed, {n} attempts{srv}: rip={addr}⟨, {srv}|⟩`},
	{fails, `⟨Disconnected|Aborted login|Login aborted⟩{any}(tried to use disa{any}rip={addr}⟨, {srv}|⟩`},
	{fails, `⟨Disconnected|Aborted login|Login aborted⟩{any}(client didn't finish SASL auth{any}rip={addr}⟨, {srv}|⟩`},
	{probesMail, `⟨Disconnected|Aborted login|Login aborted⟩{srv}(no auth attempts{srv}rip={addr}⟨, {srv}|⟩`},
	{failsPAM, `{word}({user},{addr}⟨,<{word}>|,|⟩): ⟨unknown user|Password mismatch|password mismatch|invalid credentials|PLAIN-MD5 mismatch|user is disabled⟩⟨| ({any})|: {int} Time(s)⟩`},
	{failsPAM, `{word}({user},{addr}⟨,<{word}>|,|⟩): ⟨pam_authenticate() failed|LDAP bind failed|CRAM-MD5⟩{srv}`},
	{logsIn, `Login: user=<{user}>, method={method}, rip={addr}, {srv}`},
})

// cleanDovecot takes "imap-login: Info: " and the like.
func cleanDovecot(s string) string {
	for range 6 {
		i := strings.Index(s, ": ")
		if i <= 0 {
			return s
		}
		head := s[:i]
		if cut := strings.IndexAny(head, "(<"); cut > 0 {
			if head = head[:cut]; strings.HasPrefix(head, "conn unix:") {
				head = "auth"
			}
		}
		switch head {
		case "imap-login", "pop3-login", "managesieve-login", "submission-login", "auth", "auth-worker", "dovecot", "Info",
			"Warning", "Error", "imap", "pop3":
		default:
			return s
		}
		s = s[i+2:]
	}
	return s
}

// courier, Cyrus, UW and other servers for mailboxes share program names.
var mailboxGrammar = newGrammar("imapd", sentinel.TypeMail, nil, []message{
	{fails, `LOGIN FAILED, ⟨method={word}, |⟩⟨user={user}, |⟩ip=[{addr}]⟨, port=[{int}]|⟩`},
	{logsIn, `LOGIN, user={user}, ip=[{addr}], {srv}`},
	{fails, `error,relay={addr},{any}: 535 {any}`},
	{probesMail, `error,relay={addr},{any}: 5{any}`},
	{fails, `badlogin: {name}⟨ |⟩[{addr}] {any}`},
	{logsIn, `login: {name}⟨ |⟩[{addr}] {any}`},
	{fails, `⟨Login failed|Login disabled|Login excessive login failures⟩ user={user}⟨ auth={any}|⟩ host=⟨{name} |⟩[{addr}]`},
	{fails, `Failed {any} override of user={user} host=⟨{name} |⟩[{addr}]`},
	{fails, `AUTHENTICATE {word} failure host=⟨{name} |⟩[{addr}]`},
	{logsIn, `⟨Login|Authenticated⟩ user={user} host=⟨{name} |⟩[{addr}]⟨ {srv}|⟩`},
	{fails, `⟨APOP |⟩authentication failed⟨: no such user: | for user | for mapped user ⟩{user} - {addr}`},
	{fails, `Auth: {sock}->{own} {any} status="failed{srv}`},
})

var qmailGrammar = newGrammar("qmail", sentinel.TypeMail, nil, []message{
	{rejects, `{name} blocked {addr} {any}`},
	{rejects, `{addr} pid {int}: {any}`},
	{fails, `⟨vpopmail user not found|password fail|null password given⟩ {user}:{addr}`},
})

// OpenSMTPD.
var smtpdGrammar = newGrammar("smtpd", sentinel.TypeMail, nil, []message{
	{probesMail, `{word} smtp event=⟨failed-command|bad-input⟩ address={addr} host={any}`},
	{fails, `{word} smtp event=authentication⟨ {any}|⟩ address={addr} {any}result=permfail`},
	{rejects, `{word} smtp event=reject address={addr} host={any}`},
})
