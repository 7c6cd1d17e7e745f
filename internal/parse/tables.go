package parse

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// What servers for files, names, data and telephones say.

var ftpGrammar = newGrammar("ftpd", sentinel.TypeFTP, nil, []message{
	{fails, `⟨[pid {int}] |⟩[{user}] FAIL LOGIN: Client "{addr}"`},
	{fails, `{user} FAIL LOGIN: Client "{addr}"`},
	{logsIn, `⟨[pid {int}] |⟩[{user}] OK LOGIN: Client "{addr}"`},
	{nothing, `⟨[pid {int}] |⟩CONNECT: Client "{addr}"⟨{any}|⟩`},
	{fails, `repeated login failures from {addr}⟨ ({name})|⟩`},
	{fails, `FTP LOGIN ⟨FAILED|REFUSED⟩ FROM {addr}⟨, {user}| ({any}|⟩`},
	{fails, `FTP LOGIN ⟨FAILED|REFUSED⟩ FROM {name} [{addr}]⟨, {user}|⟩`},
	{fails, `⟨failed|refused⟩ login from {name} [{addr}]⟨, {user}|⟩`},
	{fails, `FTP LOGIN REFUSED {srv} FROM {name} [{addr}], {user}`},
	{logsIn, `FTP LOGIN FROM {addr} as {user}`},
	{logsIn, `FTP LOGIN FROM {name} [{addr}], {user}`},
	{fails, `(?@{addr}) [WARNING] {srv} [{user}]`},
	{logsIn, `(?@{addr}) [INFO] {user} is now logged in`},
})

var proftpdGrammar = newGrammar("proftpd", sentinel.TypeFTP, nil, []message{
	{fails, `{name} ({name}[{addr}])⟨ - |: | ⟩USER {user}⟨: no such user found from {any}|: no such user found|: no such user| (Login failed): {any}⟩`},
	{fails, `{name} ({name}[{addr}])⟨ - |: | ⟩USER {user} (Login failed)`},
	{fails, `{name} ({name}[{addr}])⟨ - |: | ⟩⟨Maximum login attempts|SECURITY VIOLATION: ⟩{any}`},
	{logsIn, `{name} ({name}[{addr}])⟨ - |: | ⟩USER {user}: Login successful⟨.|⟩`},
})

// cleanNamed takes the category and severity that BIND may write first.
func cleanNamed(s string) string {
	for range 4 {
		word, rest, ok := strings.Cut(s, ": ")
		if !ok {
			return s
		}
		switch word {
		case "security", "queries", "query-errors", "update-security", "xfer-out", "client", "notify", "rate-limit", "general",
			"error", "info", "warning", "notice":
		default:
			return s
		}
		s = rest
	}
	return s
}

var namedGrammar = newGrammar("named", sentinel.TypeDNS, cleanNamed, []message{
	{nothing, `client ⟨@{word} |⟩{addr}#{port}{any}: ⟨query: |view {word} query: ⟩{any}`},
	{deniesDNS, `client ⟨@{word} |⟩{addr}#{port}{any} denied`},
	{deniesDNS, `client ⟨@{word} |⟩{addr}#{port}{any} denied ({srv})`},
	{deniesDNS, `client ⟨@{word} |⟩{addr}#{port}{any}: rate limit ⟨drop|slip⟩ {any}`},
	{deniesDNS, `client ⟨@{word} |⟩{addr}#{port}{any}: bad zone transfer request: {any}`},
	{deniesDNS, `⟨axfr|ixfr⟩ for {any} from {addr} refused⟨, {srv}|⟩`},
	{deniesDNS, `ratelimit block {word}⟨ type {word}|⟩ target {word} query {addr} {any}`},
	{deniesDNS, `refused query from {addr}⟨ {any}|⟩`},
})

var mongoGrammar = newGrammar("mongod", sentinel.TypeDB, nil, []message{
	{fails, `{caps} {caps}{pad}[{word}] {word} authentication failed for {user} on {any} from client {apor} ; {any}`},
	{fails, `{caps} {caps}{pad}[{word}] ⟨|Supported SASL mechanisms {srv}⟩Failed to authenticate {user} from client {apor} with mechanism {any}`},
	{fails, `[{word}] {word} authentication failed for {user} on {any} from client {apor} ; {any}`},
	{fails, `[{word}] Failed to authenticate {user} with mechanism {any} from client {apor}: {any}`},
})

// postgres: what follows the process id of the usual log_line_prefix "%m [%p]
// %q%u@%d ", and the log in CSV. A client chooses the names of user and database
// before it has logged in, so that an address in the prefix of a line may be its
// text, wherever it stands; see manyLevels.
var postgresGrammar = func() *grammar {
	g := newGrammar("postgres", sentinel.TypeDB, cleanPostgres, []message{
		{fails, `⟨{user}@{any} |⟩FATAL:  no pg_hba.conf entry for ⟨replication connection from |⟩host "{addr}", user "{user}", database "{any}`},
		{fails, `⟨{user}@{any} |⟩FATAL:  pg_hba.conf rejects ⟨connection for|replication connection for⟩ host "{addr}", user "{user}", database "{any}`},
		{fails, `⟨{any} |⟩FATAL:  ⟨password|Ident|Peer|PAM|LDAP|GSSAPI|certificate|MD5|SCRAM|RADIUS⟩ authentication failed for user "{user}"`},
		{fails, `⟨{any} |⟩FATAL:  role "{user}" does not exist`},
		{fails, `,"{user}","{any}",{int},"{sock}",{word},{int},"authentication",{srv},FATAL,28{any}`},
		{nothing, `⟨{any} |⟩⟨LOG|FATAL|ERROR|PANIC|WARNING|NOTICE|DETAIL|HINT|STATEMENT|CONTEXT⟩:  {any}`},
	})
	g.suspect = manyLevels
	return g
}()

// manyLevels reports whether more than one word such as "FATAL:  " stands in a
// line, in whatever language: then names in the prefix pose as a message. A line
// of CSV has none.
func manyLevels(s string) bool {
	n := 0
	for i := 1; i+2 < len(s); i++ {
		if s[i] == ':' && s[i+1] == ' ' && s[i+2] == ' ' && (s[i-1]-'A' <= 25 || s[i-1]-'0' <= 9) {
			n++
		}
	}
	return n > 1 || n > 0 && s[0] == ','
}

// cleanPostgres takes "[3-1] " and "[1234] ".
func cleanPostgres(s string) string {
	for range 3 {
		rest, ok := strings.CutPrefix(s, "[")
		if !ok {
			break
		}
		word, rest, ok := strings.Cut(rest, "] ")
		if !ok || !oneWord(word) {
			break
		}
		s = rest
	}
	return s
}

var mssqlGrammar = newGrammar("mssql", sentinel.TypeDB, nil, []message{
	{fails, `Logon{pad}Login failed{any} [CLIENT: {addr}]`},
	{fails, `Logon{pad}Login failed for user '{user}'. {any} [CLIENT: {addr}]`},
})

// cleanAsterisk takes "NOTICE[1][C-2]: chan_sip.c:3 handler: ".
func cleanAsterisk(s string) string {
	for _, level := range [...]string{"NOTICE", "SECURITY", "WARNING", "ERROR"} {
		rest, ok := strings.CutPrefix(s, level)
		if !ok {
			continue
		}
		rest = strings.TrimPrefix(rest, " ")
		for strings.HasPrefix(rest, "[") {
			i := strings.IndexByte(rest, ']')
			if i < 0 {
				return s
			}
			rest = rest[i+1:]
		}
		if _, rest, ok = strings.Cut(strings.TrimPrefix(rest, ":"), ": "); ok {
			return rest
		}
	}
	return s
}

var asteriskGrammar = newGrammar("asterisk", sentinel.TypeApp, cleanAsterisk, []message{
	{fails, `Registration from '{user}' failed for '{sock}' - {srv}`},
	{fails, `Call from '{user}' ({sock}) to extension '{any}' rejected because extension not found in context '{any}'⟨.|⟩`},
	{fails, `⟨Host |⟩{addr} failed to authenticate as '{user}'`},
	{fails, `⟨Host |⟩{addr} tried to authenticate with nonexistent user '{user}'`},
	{fails, `Host {addr} denied access to register peer '{user}'`},
	{fails, `No registration for peer '{user}' (from {addr})`},
	{fails, `Host {addr} failed MD5 authentication for '{user}' ({any})`},
	{fails, `hacking attempt detected '{addr}'`},
	{fails, `Request ⟨'{word}' |⟩from '{user}' failed for '{sock}' (callid: {any}) - {srv}`},
	{fails, `"Rejecting unknown SIP connection from {sock}"`},
	{fails, `SecurityEvent="⟨FailedACL|InvalidAccountID|ChallengeResponseFailed|InvalidPassword|UnexpectedAddress|InvalidTransport|RequestBadFormat⟩",{any},RemoteAddress="IPV{int}/{caps}/{addr}/{port}"{any}`},
	{fails, `Sending fake auth rejection for {any} ({sock})`},
})

var freeswitchGrammar = newGrammar("freeswitch", sentinel.TypeApp, nil, []message{
	{fails, `⟨{word}% |⟩[⟨WARN|WARNING⟩]{srv}sofia_reg.c:{srv} SIP auth failure ({word}) on sofia profile '{any}' for [{user}] from ip {addr}`},
	{fails, `⟨{word}% |⟩[⟨WARN|WARNING⟩]{srv}sofia_reg.c:{srv} Can't find user [{user}] from {addr}`},
})
