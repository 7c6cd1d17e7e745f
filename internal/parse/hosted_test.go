package parse

import (
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// hostedLines are failed logins as applications write them that people host
// themselves, in their own logs, by syslog, as JSON and as pairs. %s: of nobody.
var hostedLines = []struct{ name, line, addr, user string }{
	{"Keycloak", iso + ",123 WARN  [org.keycloak.events] (executor-thread-1) type=LOGIN_ERROR, realmId=7d2, clientId=account, userId=null, ipAddress=198.51.100.7, error=user_not_found, auth_method=openid-connect, username=bob", ip, ""},
	{"Keycloak quoted", iso + ",123 WARN  [org.keycloak.events] (executor-thread-1) type=\"LOGIN_ERROR\", realmId=\"7d2\", realmName=\"master\", clientId=\"security-admin-console\", userId=\"null\", ipAddress=\"198.51.100.7\", error=\"invalid_user_credentials\", username=\"bob\"", ip, ""},
	{"Keycloak, a user who writes an address", iso + ",123 WARN  [org.keycloak.events] (executor-thread-1) type=\"LOGIN_ERROR\", realmId=\"7d2\", clientId=\"x\", userId=\"null\", ipAddress=\"198.51.100.7\", error=\"user_not_found\", username=\"x\", ipAddress=\"8.8.8.8\", error=\"y\"", "", ""},
	{"Kerberos", at + "krb5kdc[7]: AS_REQ (4 etypes {18 17 16 23}) 198.51.100.7: PREAUTH_FAILED: bob@EXAMPLE.NET for krbtgt/EXAMPLE.NET@EXAMPLE.NET, Preauthentication failed", ip, ""},
	{"Samba", at + "smbd[7]:   Auth: [SMB2,(null)] user [WORKGROUP]\\[bob] at [Sun, 01 Mar 2026 11:59:58.123456 UTC] with [NTLMv2] status [NT_STATUS_WRONG_PASSWORD] workstation [PC] remote host [ipv4:198.51.100.7:4242] mapped to [WORKGROUP]\\[bob]. local host [ipv4:192.0.2.1:445]", ip, "bob"},
	{"Samba, a workstation that writes an address", at + "smbd[7]:   Auth: [SMB2,(null)] user [WORKGROUP]\\[bob] at [Sun, 01 Mar 2026 11:59:58.123456 UTC] with [NTLMv2] status [NT_STATUS_NO_SUCH_USER] workstation [PC] remote host [ipv4:8.8.8.8:1] x] remote host [ipv4:198.51.100.7:4242] mapped to [W]\\[b]. local host [ipv4:192.0.2.1:445]", "", "bob"},
	{"ocserv", at + "ocserv[7]: main[bob]: added 10 points (total 80) for IP '198.51.100.7' to ban list", ip, "bob"},
	{"Jellyfin", "[" + iso + ".123 +00:00] [INF] [39] Jellyfin.Server.Implementations.Users.UserManager: Authentication request for \"bob\" has been denied (IP: \"198.51.100.7\").", ip, "bob"},
	{"Emby", iso + ".123 Warn Server: AUTH-ERROR: 198.51.100.7 - Invalid username or password entered.", ip, ""},
	{"Sonarr", iso + ".1|Warn|Auth|Auth-Failure ip 198.51.100.7 username 'bob'", ip, "bob"},
	{"Audiobookshelf", "[" + iso + ".123] ERROR: [Auth] Failed login attempt for username \"bob\" from ip 198.51.100.7 (User not found)", ip, "bob"},
	{"Overseerr", "2026-03-01T11:59:58.123Z [warn][Auth]: Failed sign-in attempt using invalid Overseerr password {\"ip\":\"198.51.100.7\",\"email\":\"bob@x\"}", ip, ""},
	{"qBittorrent", "(W) 2026-03-01T11:59:58 - WebAPI login failure. Reason: invalid credentials, attempt count: 1, IP: ::ffff:198.51.100.7, username: bob", ip, "bob"},
	{"Home Assistant", iso + ".123 WARNING (MainThread) [homeassistant.components.http.ban] Login attempt or request with invalid authentication from h.example (198.51.100.7). Requested URL: '/auth/login_flow/x'. (Mozilla/5.0)", ip, ""},
	{"Paperless", "[" + iso + ",123] [INFO] [paperless.auth] Login failed for user `bob` from IP `198.51.100.7`.", ip, "bob"},
	{"Uptime Kuma", "2026-03-01T11:59:58Z [AUTH] WARN: Incorrect username or password for user bob. IP=198.51.100.7", ip, "bob"},
	{"Calibre-Web", "[" + iso + ",123]  WARN {cps.web:1234} Login failed for user \"bob\" IP-address: 198.51.100.7", ip, "bob"},
	{"Immich", "[Nest] 7  - 03/01/2026, 11:59:58 AM     WARN [Api:AuthService] Failed login attempt for user bob@x from ip address 198.51.100.7", ip, "bob@x"},
	{"Wallabag", "[2026-03-01T11:59:58.123+00:00] app.ERROR: Authentication failure for user \"bob\", from IP \"198.51.100.7\", with UA: \"Mozilla/5.0\" [] []", ip, "bob"},
	{"Radicale", "[" + iso + " +0000] [7] [INFO] Failed login attempt from 198.51.100.7: 'bob'", ip, ""},
	{"Syncthing", "[ABCDE] 2026/03/01 11:59:58 INFO: Wrong credentials supplied during API authorization from 198.51.100.7", ip, ""},
	{"Synapse", iso + ",123 - synapse.access.http.8008 - 460 - INFO - POST-12 198.51.100.7 - 8008 - {None} Processed request: 0.1sec/0.0sec (0.0sec, 0.0sec) 80B 403 \"POST /_matrix/client/v3/login HTTP/1.1\" \"Mozilla/5.0\" [0 dbevts]", ip, ""},
	{"Zimbra", iso + ",123 WARN  [qtp1-https://192.0.2.1/service/soap/AuthRequest] [name=bob;oip=198.51.100.7;ua=zclient/8;] security - cmd=Auth; account=bob; protocol=soap; error=authentication failed for [bob], invalid password;", ip, "bob"},
	{"Stalwart", "2026-03-01T11:59:58Z WARN Authentication failed (auth.failed) listenerId = \"imap\", localPort = 993, remoteIp = 198.51.100.7, remotePort = 4242, accountName = \"bob\"", ip, ""},
	{"Odoo", iso + ",123 7 INFO shop odoo.addons.base.models.res_users: Login failed for db:shop login:bob from 198.51.100.7", ip, "bob"},
	{"SonarQube", "2026.03.01 11:59:58 WARN  web[AYx][auth.event] login failure [cause|wrong password][method|BASIC][provider|LOCAL|local][IP|198.51.100.7|][login|bob]", ip, ""},
	{"cPanel", "[" + iso + " +0000] info [cpaneld] 198.51.100.7 - bob \"POST /login/?login_only=1 HTTP/1.1\" FAILED LOGIN cpaneld: user password incorrect", ip, "bob"},
	{"Plesk", "[" + iso + "] ERR [panel] Failed login attempt with login 'bob' from IP 198.51.100.7", ip, "bob"},
	{"Hestia", iso + " bob 198.51.100.7 abcdef failed to login", ip, ""},
	{"Joomla", "2026-03-01T11:59:58+00:00\tINFO 198.51.100.7\tjoomlafailure\tUsername and password do not match or you do not have an account yet.", ip, ""},
	{"DSM", at + "Connection: User [bob] from [198.51.100.7] failed to sign in to [DSM] via [password] due to authorization failure.", ip, "bob"},
	{"Redmine", "Failed login for 'bob' from 198.51.100.7 at 2026-03-01 11:59:58 UTC", ip, "bob"},
	{"PgBouncer", iso + ".123 UTC [7] WARNING C-0x55d: shop/bob@198.51.100.7:4242 pooler error: password authentication failed", ip, "shop/bob"},
	{"CouchDB", "[notice] 2026-03-01T11:59:58.123456Z couchdb@127.0.0.1 <0.123.0> abc localhost:5984 198.51.100.7 undefined POST /_session 401 ok 1", ip, ""},
	{"Proxmox Backup", at + "proxmox-backup-api[7]: authentication failure; rhost=[::ffff:198.51.100.7]:4242 user=root@pam msg=invalid credentials", ip, "root@pam"},

	{"Authelia", `time="2026-03-01T11:59:58Z" level=error msg="Unsuccessful 1FA authentication attempt by user 'bob'" method=POST path=/api/firstfactor remote_ip=198.51.100.7`, ip, ""},
	{"Authelia, a user who writes an address", `time="2026-03-01T11:59:58Z" level=error msg="Unsuccessful 1FA authentication attempt by user 'x\" remote_ip=8.8.8.8 y=\"'" method=POST path=/api/firstfactor remote_ip=198.51.100.7`, ip, ""},
	{"Authelia as JSON", `{"level":"error","method":"POST","msg":"Unsuccessful 1FA authentication attempt by user 'bob'","path":"/api/firstfactor","remote_ip":"198.51.100.7","time":"2026-03-01T11:59:58Z"}`, ip, ""},
	{"Miniflux", `time=2026-03-01T11:59:58.123Z level=WARN msg="Incorrect username or password" authentication_failed=true client_ip=198.51.100.7 user_agent="Mozilla/5.0" username=bob error="x"`, ip, "bob"},
	{"Grafana", `logger=context userId=0 orgId=0 uname= t=2026-03-01T11:59:58.123456789Z level=info msg="Invalid username or password" method=POST path=/login status=401 remote_addr=198.51.100.7 error="x"`, ip, ""},
	{"authentik", `{"action": "login_failed", "auth_via": "unauthenticated", "client_ip": "198.51.100.7", "context": {"username": "bob"}, "event": "Created Event", "logger": "authentik.events.models", "timestamp": "2026-03-01T11:59:58.123456"}`, ip, ""},
	{"Mattermost", `{"timestamp":"2026-03-01 11:59:58.123 Z","level":"error","msg":"Invalid user id or password","caller":"web/context.go:117","path":"/api/v4/users/login","request_id":"x","ip_addr":"198.51.100.7","user_id":"","method":"POST","err_where":"login","http_code":401,"error":"login: x"}`, ip, ""},
	{"Elasticsearch", `{"type":"audit", "timestamp":"2026-03-01T11:59:58,123+0000", "node.id":"x", "event.type":"rest", "event.action":"authentication_failed", "user.name":"bob", "origin.type":"rest", "origin.address":"198.51.100.7:4242", "url.path":"/_search", "request.method":"GET"}`, ip, "bob"},
	{"Vault", `{"time":"2026-03-01T11:59:58.123Z","type":"response","auth":{"token_type":"default"},"request":{"id":"x","operation":"update","path":"auth/userpass/login/bob","remote_address":"198.51.100.7","remote_port":4242},"error":"invalid username or password"}`, ip, ""},
	{"GitLab", `{"severity":"ERROR","time":"2026-03-01T11:59:58.123Z","correlation_id":"x","message":"Failed Login: username=bob ip=198.51.100.7"}`, ip, "bob"},
	{"Keycloak as JSON", `{"timestamp":"2026-03-01T11:59:58.123Z","sequence":7,"loggerClassName":"org.jboss.logging.Logger","loggerName":"org.keycloak.events","level":"WARN","message":"type=\"LOGIN_ERROR\", realmId=\"7d2\", clientId=\"account\", userId=\"null\", ipAddress=\"198.51.100.7\", error=\"user_not_found\", username=\"bob\""}`, ip, ""},
}

func TestHosted(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range hostedLines {
		var ev sentinel.Event
		p := New(Config{Location: time.UTC})
		if !p.Parse(c.line, now, now, &ev) {
			t.Errorf("%s is not understood: %s", c.name, c.line)
			continue
		}
		addr := ""
		if ev.SrcIP.IsValid() {
			addr = ev.SrcIP.String()
		}
		if ev.Type != sentinel.EventAuthFail || addr != c.addr || ev.User != c.user {
			t.Errorf("%s: %v from %q by %q, wanted a failed login from %q by %q", c.name, ev.Type, addr, ev.User, c.addr, c.user)
		}
		if ev.Program == "" {
			t.Errorf("%s: no program", c.name)
		}
	}
}

// What the same applications say that is no failed login.
func TestHostedHarmless(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, line := range []string{
		`time="2026-03-01T11:59:58Z" level=info msg="Listening for connections" remote_ip=198.51.100.7`,
		`{"level":"info","msg":"search for: Invalid username or password","remote_ip":"198.51.100.7","time":"2026-03-01T11:59:58Z"}`,
		`{"action": "login", "client_ip": "198.51.100.7", "event": "Created Event", "timestamp": "2026-03-01T11:59:58.123456"}`,
		`{"type":"response","request":{"path":"auth/userpass/login/bob","remote_address":"198.51.100.7"},"time":"2026-03-01T11:59:58Z"}`,
		iso + ",123 7 INFO shop odoo.addons.base.models.res_users: Login successful for db:shop login:bob from 198.51.100.7",
		"[" + iso + ".123 +00:00] [INF] [39] Jellyfin.Server.Implementations.Users.UserManager: Authentication request for \"bob\" has succeeded.",
	} {
		var ev sentinel.Event
		New(Config{Location: time.UTC}).Parse(line, now, now, &ev)
		if ev.Type != sentinel.EventOther {
			t.Errorf("%v: %s", ev.Type, line)
		}
	}
}
