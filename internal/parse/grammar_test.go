package parse

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"pgregory.net/rapid"
)

// allGrammars are the tables, by name.
var allGrammars = map[string]*grammar{
	"postfix": postfixGrammar, "postgrey": postgreyGrammar, "sendmail": sendmailGrammar, "exim": eximGrammar, "dovecot": dovecotGrammar,
	"mailbox": mailboxGrammar, "qmail": qmailGrammar, "smtpd": smtpdGrammar, "ftp": ftpGrammar, "proftpd": proftpdGrammar,
	"named": namedGrammar, "mongo": mongoGrammar, "postgres": postgresGrammar, "mssql": mssqlGrammar, "asterisk": asteriskGrammar,
	"freeswitch": freeswitchGrammar, "openvpn": openvpnGrammar, "roundcube": roundcubeGrammar, "webmail": webmailGrammar,
	"gitea": giteaGrammar, "vault": vaultGrammar, "grafana": grafanaGrammar, "guacamole": guacamoleGrammar, "webmin": webminGrammar,
	"monit": monitGrammar, "xrdp": xrdpGrammar, "ejabberd": ejabberdGrammar, "stunnel": stunnelGrammar, "pfsense": pfsenseGrammar,
	"drupal": drupalGrammar, "wordpress": wordpressGrammar, "admin": adminGrammar, "bare": bareGrammar, "ban": banGrammar,
	"scan": scanGrammar, "xinetd": xinetdGrammar, "squid": squidGrammar, "haproxy": haproxyGrammar, "lighttpd": lighttpdGrammar,
	"identity": identityGrammar, "kerberos": kerberosGrammar, "samba": sambaGrammar, "vpn": vpnGrammar, "media": mediaGrammar,
	"home": homeGrammar, "office": officeGrammar,
	"directory": directoryGrammar, "slapd": slapdGrammar, "rsync": rsyncGrammar, "tunnel": tunnelGrammar, "desktop": desktopGrammar,
	"forward": forwardGrammar, "broker": brokerGrammar, "front": frontGrammar, "redis": redisGrammar, "resolver": resolverGrammar,
	"wrapper": wrapperGrammar,
}

var hole = regexp.MustCompile(`\{[a-z]+\}`)

// fill writes a message of a template; free gives what clients write.
func fill(template, peer string, free func() string) string {
	_, err := netip.ParseAddr(peer)
	sock, colon := peer+":5", peer+":5"
	if a, err := netip.ParseAddr(peer); err == nil {
		sock = netip.AddrPortFrom(a, 5).String()
	}
	return hole.ReplaceAllStringFunc(template, func(h string) string {
		switch h {
		case "{addr}":
			return peer
		case "{sock}":
			return sock
		case "{apor}":
			return colon
		case "{peer}":
			if err != nil {
				return "[" + peer + "]"
			}
			return "[" + peer + "]:5 I=[192.0.2.1]:25"
		case "{user}", "{any}":
			return free()
		case "{item}":
			return strings.ReplaceAll(free(), "|", "/")
		case "{own}":
			return "192.0.2.1"
		case "{name}":
			return "8.8.8.8.evil.example"
		case "{port}", "{int}", "{n}":
			return "5"
		case "{caps}":
			return "RCPT"
		case "{pad}":
			return " "
		case "{srv}":
			return "said"
		}
		return "word"
	})
}

// Every template reads the message that it is, and the peer from it.
func TestTemplates(t *testing.T) {
	for name, g := range allGrammars {
		for i := range g.forms {
			f := &g.forms[i]
			for _, peer := range []string{"192.0.2.77", "2001:db8:77::1"} {
				text := fill(f.source, peer, func() string { return "Bob" })
				var r reading
				if strings.Contains(f.source, "{user}:{addr}") && strings.Contains(peer, ":") {
					continue // where an IPv6 address begins, nobody can say
				}
				if !f.read(text, &r) || f.at >= 0 && (r.doubt || r.addr.String() != peer) {
					t.Errorf("%s: %q as %q gives %v, doubt %v", name, f.source, text, r.addr, r.doubt)
				}
				var ev sentinel.Event
				ev.Reset()
				if !g.read(text, &ev) {
					t.Errorf("%s: %q is not understood", name, text)
				}
				if f.does != nothing && f.at >= 0 && ev.Type != sentinel.EventOther && ev.SrcIP.String() != peer {
					t.Errorf("%s: %q is from %v", name, text, ev.SrcIP)
				}
			}
		}
	}
}

// Whatever clients write into whichever free part of whichever message, the
// event is from the true peer or from nobody.
func TestForgedTemplates(t *testing.T) {
	peers := []string{"192.0.2.77", "2001:db8:77::1", "::ffff:192.0.2.77", "unknown", "8.8.8.8.evil.example"}
	rapid.Check(t, func(t *rapid.T) {
		peer := rapid.SampledFrom(peers).Draw(t, "peer")
		addr, err := netip.ParseAddr(peer)
		for name, g := range allGrammars {
			words := []string{"8.8.8.8", "8.8.8.8", "[8.8.8.8]", "8.8.8.8:1", "[8.8.8.8]:1", " ", "Bob", "unknown", "5", ": ", "]", ")", "\"", "'"}
			for i := range g.forms {
				for _, w := range hole.Split(g.forms[i].source, -1) {
					if w != "" {
						words = append(words, w)
					}
				}
			}
			some := rapid.SliceOfN(rapid.SampledFrom(words), 1, 8)
			for i := range g.forms {
				f := &g.forms[i]
				free := func() string {
					switch rapid.IntRange(0, 3).Draw(t, "kind") {
					case 0:
						return "Bob"
					case 1:
						// The whole of another message.
						other := rapid.SampledFrom(g.forms).Draw(t, "other")
						return fill(other.source, "8.8.8.8", func() string { return "" })
					case 2:
						// What this one has behind the free part.
						at := rapid.IntRange(0, len(f.source)).Draw(t, "cut")
						return fill(strings.ToValidUTF8(f.source[at:], ""), "8.8.8.8", func() string { return "x" })
					}
					return strings.Join(some.Draw(t, "text"), "")
				}
				text := fill(f.source, peer, free)
				var ev sentinel.Event
				ev.Reset()
				g.read(text, &ev)
				if ev.SrcIP.IsValid() && (err != nil || ev.SrcIP != sentinel.Normalize(addr)) {
					t.Fatalf("%s: took %v for %s\ntemplate %q\nline     %q", name, ev.SrcIP, peer, f.source, text)
				}
			}
		}
	})
}
