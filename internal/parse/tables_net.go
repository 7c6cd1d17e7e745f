package parse

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// What services of the network say beside those for mail, files and names: user
// directories, tunnels, remote desktops, proxies, message brokers, and what stands
// in front of databases.

var directoryGrammar = newGrammar("radiusd", sentinel.TypeApp, nil, []message{
	{fails, `⟨({int}) |⟩⟨Login incorrect|Invalid user⟩⟨ ({srv})|⟩: [{user}] (from client {word} port {int} cli {addr})`},
	{fails, `⟨({int}) |⟩⟨Login incorrect|Invalid user⟩⟨ ({srv})|⟩: [{user}] (from client {word} port {int} cli {addr} via TLS tunnel)`},
	{logsIn, `⟨({int}) |⟩Login OK: [{user}] (from client {word} port {int} cli {addr})`},
})

// slapdGrammar: OpenLDAP tells the address at the beginning of a connection alone.
var slapdGrammar = newGrammar("slapd", sentinel.TypeApp, nil, []message{
	{fails, `conn={int} op={int} RESULT tag=97 err=49{srv}`},
})

var rsyncGrammar = newGrammar("rsyncd", sentinel.TypeFTP, nil, []message{
	{fails, `auth failed on module {word} from {name} ({addr})⟨ for {user}|⟩: {srv}`},
	{probes, `rsync denied on module {word} from {name} ({addr})`},
	{probes, `rsync: ⟨not allowed|unknown module⟩{any} from {name} ({addr})`},
	{probes, `unknown module '{any}' tried from {name} ({addr})`},
})

var tunnelGrammar = newGrammar("charon", sentinel.TypeApp, nil, []message{
	{probes, `{int}[{caps}] no IKE config found for {own}...{addr}, sending NO_PROPOSAL_CHOSEN`},
	{probes, `packet from {sock}: {any}but no connection has been authorized{any}`},
	{fails, `"{word}"⟨[{int}]|⟩ {addr} #{int}: ⟨authentication failed|IKE_AUTH request fails|PSK auth failed⟩{srv}`},
	{fails, `"{word}"⟨[{int}]|⟩ {addr} #{int}: responding to IKE_AUTH message {srv} with encrypted notification AUTHENTICATION_FAILED`},
})

// cleanVNC takes the port off "Connections: blacklisted: ADDR::PORT".
func cleanVNC(s string) string {
	i := strings.LastIndex(s, "::")
	if i < 0 || !strings.HasPrefix(strings.TrimLeft(s, " "), "Connections: ") || strings.IndexByte(s[:i], '.') < 0 {
		return s
	}
	if _, ok := parsePort(s[i+2:]); !ok {
		return s
	}
	return s[:i]
}

var desktopGrammar = newGrammar("vncserver", sentinel.TypeApp, cleanVNC, []message{
	{fails, `{pad}Connections: blacklisted: {addr}`},
	{fails, `{srv}authentication failed from {addr}`},
	{fails, `⟨{srv} |⟩password check failed for {sock}`},
})

// forwardGrammar: forward proxies.
var forwardGrammar = newGrammar("tinyproxy", sentinel.TypeApp, nil, []message{
	{deniesProxy, `Unauthorized connection from "{name}" [{addr}].`},
	{deniesProxy, `Unauthorized connection from "{name}".`},
	{deniesProxy, `Connection from {name} [{addr}] denied⟨.|⟩`},
	{fails, `Failed auth attempt (file descriptor: {int}), ip {addr}`},
})

var brokerGrammar = newGrammar("rabbitmq", sentinel.TypeApp, nil, []message{
	{fails, `⟨{int}: |⟩Client {any} [{sock}] disconnected⟨:|,⟩ not authorised.`},
	{fails, `⟨{int}: |⟩Client {any} disconnected, not authorised [{sock}].`},
	{fails, `⟨[{word}] |⟩⟨<{word}> |⟩Error on AMQP connection <{word}> ({sock} -> {srv}): {word} login refused: user '{user}' - invalid credentials`},
	{fails, `⟨[{word}] |⟩⟨<{word}> |⟩MQTT login failed for user⟨name|⟩ '{user}' from {sock}⟨: {srv}|⟩`},
})

// frontGrammar: what stands in front of a database.
var frontGrammar = newGrammar("proxysql", sentinel.TypeDB, nil, []message{
	{fails, `{srv}ProxySQL Error: Access denied for user '{user}'@'{addr}' (using password: ⟨YES|NO⟩)`},
	{fails, `⟨({int}) |⟩⟨[{word}] |⟩Authentication failed for user '{user}'@[{addr}] to service '{srv}`},
	{fails, `⟨({int}) |⟩⟨[{word}] |⟩{word}: login attempt for user '{user}'@[{sock}], authentication failed.{srv}`},
})

// redisGrammar: a browser or scanner that talks HTTP to Redis.
var redisGrammar = newGrammar("redis", sentinel.TypeDB, nil, []message{
	{probes, `⟨{int}:{caps} {srv} # |⟩Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. {srv} Connection from {sock} aborted.`},
})

// resolverGrammar: name servers other than BIND.
var resolverGrammar = newGrammar("pdns", sentinel.TypeDNS, nil, []message{
	{deniesDNS, `⟨[{int}:{int}] |⟩⟨info: |notice: |⟩ip_ratelimit exceeded {addr} {int}⟨ {any}|⟩`},
	{deniesDNS, `⟨[{int}:{int}] |⟩⟨info: |notice: |⟩refused query from {addr}⟨ {any}|⟩`},
	{deniesDNS, `⟨Ignoring|Dropping⟩ ⟨query|UDP query|TCP query|question⟩ from {sock}, address not matched by allow-from`},
	{deniesDNS, `AXFR of domain '{any}' denied to {addr}`},
	{deniesDNS, `AXFR-out zone '{any}', client '{sock}', denied: {srv}`},
	{deniesDNS, `⟨info: |notice: |⟩[{word}] ACL, denied, action {word}, remote {addr}@{int}{srv}`},
})

// wrapperGrammar: services that ask the TCP wrappers (hosts.deny).
var wrapperGrammar = newGrammar("tcpd", sentinel.TypeSyslog, nil, []message{
	{probes, `refused connect from {addr}`},
	{probes, `refused connect from {name} ({addr})`},
})

// netGrammar returns the messages of a service of the network, nil if it is none
// of them.
func netGrammar(program string) *grammar {
	switch program {
	case "radiusd", "freeradius":
		return directoryGrammar
	case "slapd":
		return slapdGrammar
	case "rsyncd", "rsync":
		return rsyncGrammar
	case "charon", "charon-systemd", "ipsec", "pluto", "strongswan":
		return tunnelGrammar
	case "Xvnc", "Xtigervnc", "vncserver", "vncserver-x11", "x11vnc", "x0vncserver", "Xorg-vnc":
		return desktopGrammar
	case "tinyproxy", "privoxy":
		return forwardGrammar
	case "3proxy":
		return squidGrammar
	case "mosquitto", "rabbitmq", "rabbitmq-server", "emqx":
		return brokerGrammar
	case "proxysql", "maxscale":
		return frontGrammar
	case "redis", "redis-server", "valkey", "valkey-server", "keydb-server":
		return redisGrammar
	case "pdns", "pdns_server", "pdns_recursor", "pdns-recursor", "knotd", "kresd", "unbound":
		return resolverGrammar
	case "murmurd", "mumble-server":
		return bareGrammar
	case "in.telnetd", "telnetd", "in.tftpd", "tftpd", "rpcbind", "rpc.mountd", "in.rlogind", "in.rshd", "in.fingerd", "tcpd", "portmap":
		return wrapperGrammar
	}
	return nil
}
