package parse

import (
	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// What applications say that people host themselves: identity, media, files,
// home, shops and their panels.

var identityGrammar = newGrammar("keycloak", sentinel.TypeApp, nil, []message{
	{fails, `⟨WARN|DEBUG⟩{pad}[org.keycloak.events] ({srv}) type=LOGIN_ERROR, {any}ipAddress={addr}, error={any}`},
	{fails, `⟨WARN|DEBUG⟩{pad}[org.keycloak.events] ({srv}) type="LOGIN_ERROR", {any}ipAddress="{addr}", error="{any}`},
	{fails, `type=LOGIN_ERROR, {any}ipAddress={addr}, error={any}`},
	{fails, `type="LOGIN_ERROR", {any}ipAddress="{addr}", error="{any}`},
})

var kerberosGrammar = newGrammar("krb5kdc", sentinel.TypeApp, nil, []message{
	{fails, `AS_REQ ({srv}) {addr}: ⟨PREAUTH_FAILED|CLIENT_NOT_FOUND|LOCKED_OUT⟩: {any}`},
	{nothing, `AS_REQ ({srv}) {addr}: ⟨ISSUE|NEEDED_PREAUTH⟩: {any}`},
})

var sambaGrammar = newGrammar("smbd", sentinel.TypeApp, nil, []message{
	{fails, `{pad}Auth: [{any}] user [{any}]\[{user}] at [{srv}] with [{word}] status [NT_STATUS_⟨WRONG_PASSWORD|NO_SUCH_USER|LOGON_FAILURE|ACCOUNT_LOCKED_OUT|ACCOUNT_DISABLED⟩] workstation [{any}] remote host [⟨ipv4|ipv6⟩:{apor}] {any}`},
	{logsIn, `{pad}Auth: [{any}] user [{any}]\[{user}] at [{srv}] with [{word}] status [NT_STATUS_OK] workstation [{any}] remote host [⟨ipv4|ipv6⟩:{apor}] {any}`},
})

var vpnGrammar = newGrammar("ocserv", sentinel.TypeApp, nil, []message{
	{fails, `main⟨[{user}]|⟩: added {int} points (total {int}) for IP '{addr}' to ban list`},
	{fails, `worker: {addr} failed ⟨cookie |⟩authentication attempt`},
})

// mediaGrammar: Jellyfin, Emby, and what downloads for them.
var mediaGrammar = newGrammar("jellyfin", sentinel.TypeApp, nil, []message{
	{fails, `[⟨INF|WRN|ERR⟩] ⟨[{int}] |⟩{word}: Authentication request for ⟨"{user}"|{user}⟩ has been denied (IP: ⟨"{addr}"|{addr}⟩).`},
	{fails, `⟨Warn Server: |Info Server: |Error Server: |⟩AUTH-ERROR: {addr} - {srv}`},
	{fails, `|Warn|Auth|Auth-Failure ip {addr} username '{user}'`},
	{fails, `⟨ERROR|WARN|INFO⟩: [Auth] Failed login attempt for ⟨username |user ⟩"{user}" from ip {addr}⟨ ({srv})|⟩`},
	{fails, `[⟨info|warn⟩][⟨Auth|API⟩]: Failed ⟨sign-in|login⟩ attempt {srv}"ip":"{addr}"{any}`},
	{fails, `⟨(W)|(N)⟩ {word} - WebAPI login failure. Reason: {srv}, IP: {addr}, username: {user}`},
})

// homeGrammar: Home Assistant, notes, papers, files, photographs, calendars.
var homeGrammar = newGrammar("home-assistant", sentinel.TypeApp, nil, []message{
	{fails, `⟨WARNING ({word}) |⟩[homeassistant.components.http.ban] Login attempt or request with invalid authentication from {name} ({addr}).{any}`},
	{fails, `[{caps}] [paperless.auth] Login failed for user ` + "`{user}` from ⟨|private ⟩IP `{addr}`" + `.`},
	{fails, `[AUTH] WARN: ⟨Incorrect username or password|Invalid token provided|Invalid token⟩ for user {user}. IP={addr}`},
	{fails, `{pad}WARN {word} Login failed for user "{user}" IP-address: {addr}`},
	{fails, `[Nest] {int}{pad}- {srv} ⟨WARN|LOG|ERROR⟩ [{word}] Failed login attempt for user {user} from ip address {addr}`},
	{fails, `app.{caps}: Authentication failure for user "{user}", from IP "{addr}", with UA: "{any}`},
	{fails, `[{int}] [⟨INFO|WARNING⟩] Failed login attempt from {addr}⟨: | (forwarded by {word}): | (forwarded for {any}): ⟩{any}`},
	{fails, `[{word}] {srv} ⟨INFO|WARNING⟩: Wrong credentials supplied during API authorization from {addr}`},
	{fails, `- synapse.access.{word} - {int} - INFO - POST-{word} {addr} - {int} - {any} Processed request: {srv} 403 "POST /_matrix/client/{word}/login HTTP/{any}`},
})

// officeGrammar: mail suites, shops and business software, and servers' panels.
var officeGrammar = newGrammar("office", sentinel.TypeApp, nil, []message{
	{fails, `⟨WARN|INFO⟩{pad}[{srv}] [⟨name={user};|⟩⟨ip|oip⟩={addr};{any}] ⟨security|SoapEngine⟩ - {any}authentication failed for [{any}`},
	{fails, `⟨WARN|INFO|DEBUG⟩ Authentication failed (auth.failed) {srv}remoteIp = {addr}, remotePort = {int}{any}`},
	{fails, `{int} ⟨INFO|WARNING⟩ {word} odoo.addons.base.models.res_users: Login failed for ⟨db:{word} |⟩login:{user} from {addr}`},
	{fails, `⟨WARN|INFO|DEBUG⟩{pad}web[{word}[auth.event] login failure [cause|{srv}][method|{word}[provider|{srv}][IP|{addr}|{any}`},
	{fails, `info [{word}] {addr} - {user} "{any}" FAILED LOGIN {srv}`},
	{fails, `⟨ERR|WARN|ERROR⟩ [panel] Failed login attempt with login '{user}' from IP {addr}`},
	{fails, `{word} {addr} ⟨{word} |⟩failed to login`},
	{fails, "\tINFO {addr}\tjoomlafailure\t{srv}"},
	{fails, `User [{user}] from [{addr}] failed to ⟨log in|sign in⟩ ⟨to|via⟩ [{word}] {srv}`},
	{fails, `Failed login for '{user}' from {addr} at {srv}`},
	{fails, `Failed login for user '{user}' on {srv} from {addr} at {srv}`},
	{fails, `[{int}] ⟨LOG|WARNING⟩ C-{word}: {user}@{sock} ⟨pooler error: |closing because: |⟩⟨password authentication failed|SASL authentication failed|no such user⟩{any}`},
	{fails, `[⟨notice|info⟩] {word} {word} <{word} {word} {word} {addr} {word} POST /_session 401 {srv}`},
	{fails, "{word}/sasl: authentication failed\t{any}\"src_ip\":\"{sock}\"{any}"},
})
