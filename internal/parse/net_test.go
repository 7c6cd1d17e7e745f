package parse

import (
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// netLines are what services of the network say, with lines in which a user
// writes an address: those have none.
var netLines = []struct {
	text, addr, user string
	kind             sentinel.EventType
}{
	{"radiusd[7]: (1) Login incorrect (pap: Cleartext password does not match): [bob/secret] (from client nas1 port 0 cli 198.51.100.7)", ip, "bob/secret", sentinel.EventAuthFail},
	{"radiusd[7]: Login OK: [bob] (from client nas1 port 0 cli 198.51.100.7)", ip, "bob", sentinel.EventAuthOK},
	{"radiusd[7]: Login incorrect: [x] (from client nas1 port 0 cli 8.8.8.8)] (from client nas1 port 0 cli 198.51.100.7)", ip, "x] (from client nas1 port 0 cli 8.8.8.8)", sentinel.EventAuthFail},
	{"slapd[7]: conn=1001 op=0 RESULT tag=97 err=49 text=", "", "", sentinel.EventAuthFail},
	{"rsyncd[7]: auth failed on module backup from h.example (198.51.100.7) for bob: password mismatch", ip, "bob", sentinel.EventAuthFail},
	{"rsyncd[7]: auth failed on module backup from UNKNOWN (198.51.100.7) for x from y (8.8.8.8) for z: password mismatch", ip, "x from y (8.8.8.8) for z", sentinel.EventAuthFail},
	{"rsyncd[7]: rsync denied on module backup from UNKNOWN (198.51.100.7)", ip, "", sentinel.EventAuthProbe},
	{"charon: 10[IKE] no IKE config found for 192.0.2.1...198.51.100.7, sending NO_PROPOSAL_CHOSEN", ip, "", sentinel.EventAuthProbe},
	{`pluto[7]: packet from 198.51.100.7:500: initial Main Mode message received on 192.0.2.1:500 but no connection has been authorized with policy PSK`, ip, "", sentinel.EventAuthProbe},
	{`pluto[7]: "roadwarrior"[1] 198.51.100.7 #1: authentication failed: peer attempted PSK authentication`, ip, "", sentinel.EventAuthFail},
	{"Xvnc[7]:  Connections: blacklisted: 198.51.100.7::4242", ip, "", sentinel.EventAuthFail},
	{`tinyproxy[7]: Unauthorized connection from "h.example" [198.51.100.7].`, ip, "", sentinel.EventProxyDenied},
	{"mosquitto[7]: 1772366398: Client x [198.51.100.7:4242] disconnected: not authorised.", ip, "", sentinel.EventAuthFail},
	{"mosquitto[7]: 1772366398: Client x [8.8.8.8:1] disconnected: not authorised. [198.51.100.7:4242] disconnected: not authorised.", ip, "", sentinel.EventAuthFail},
	{"rabbitmq[7]: " + iso + ".123 [error] <0.1.0> Error on AMQP connection <0.1.0> (198.51.100.7:4242 -> 192.0.2.1:5672, state: starting): PLAIN login refused: user 'guest' - invalid credentials", ip, "guest", sentinel.EventAuthFail},
	{"proxysql[7]: " + iso + " MySQL_Session.cpp:1: [ERROR] ProxySQL Error: Access denied for user 'bob'@'198.51.100.7' (using password: YES)", ip, "bob", sentinel.EventAuthFail},
	{"maxscale[7]: Authentication failed for user 'bob'@[198.51.100.7] to service 'x'. Originating listener: 'y'.", ip, "bob", sentinel.EventAuthFail},
	{"maxscale[7]: Authentication failed for user 'b'@[8.8.8.8] to service 'x'@[198.51.100.7] to service 'x'. Originating listener: 'y'.", ip, "b'@[8.8.8.8] to service 'x", sentinel.EventAuthFail},
	{"redis[7]: Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to an attacker. Connection from 198.51.100.7:4242 aborted.", ip, "", sentinel.EventAuthProbe},
	{"unbound[7]: [7:0] info: ip_ratelimit exceeded 198.51.100.7 100 example.com. A IN", ip, "", sentinel.EventDNSDenied},
	{"pdns_recursor[7]: Ignoring query from 198.51.100.7:4242, address not matched by allow-from", ip, "", sentinel.EventDNSDenied},
	{"pdns[7]: AXFR-out zone 'example.com', client '198.51.100.7:4242', denied: client IP has no permission", ip, "", sentinel.EventDNSDenied},
	{"knotd[7]: info: [example.com.] ACL, denied, action transfer, remote 198.51.100.7@4242 TCP", ip, "", sentinel.EventDNSDenied},
	{"in.telnetd[7]: refused connect from 198.51.100.7", ip, "", sentinel.EventAuthProbe},
	{"rpcbind[7]: refused connect from h.example (198.51.100.7)", ip, "", sentinel.EventAuthProbe},
	{"murmurd[7]: " + iso + ".123 1 => <4:(-1)> Rejected connection from 198.51.100.7:4242: Invalid server password", ip, "4:", sentinel.EventAuthFail},
	{"rsyncd[7]: connect from h.example (198.51.100.7)", "", "", sentinel.EventOther},
	{"mosquitto[7]: 1772366398: New client connected from 198.51.100.7:4242 as x (p2, c1, k60).", "", "", sentinel.EventOther},
	{"charon: 10[IKE] 198.51.100.7 is initiating an IKE_SA", "", "", sentinel.EventOther},
}

func TestNetLines(t *testing.T) {
	for _, c := range netLines {
		var ev sentinel.Event
		New(Config{}).Parse(at+c.text, arrival, arrival, &ev)
		addr := ""
		if ev.SrcIP.IsValid() {
			addr = ev.SrcIP.String()
		}
		if ev.Type != c.kind || addr != c.addr || ev.User != c.user {
			t.Errorf("%s\n%v from %q by %q, want %v from %q by %q", c.text, ev.Type, addr, ev.User, c.kind, c.addr, c.user)
		}
	}
	// Redis' own log has its stamp inside.
	var ev sentinel.Event
	New(Config{}).Parse("7:M 01 Mar 2026 11:59:58.123 # Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to an attacker. Connection from 198.51.100.7:4242 aborted.", arrival, arrival, &ev)
	if ev.Type != sentinel.EventAuthProbe || ev.SrcIP.String() != ip {
		t.Errorf("Redis: %v from %v", ev.Type, ev.SrcIP)
	}
}
