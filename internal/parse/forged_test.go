package parse

import (
	"net/netip"
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"pgregory.net/rapid"
)

// Templates whose free texts leave no doubt: a valid peer is always named.
var certain = []string{
	head + "Failed password for invalid user FREE from PEER port 5 ssh2",
	head + "Failed password for FREE from PEER port 5 ssh2",
	head + "Failed none for invalid user FREE from PEER port 5 ssh2 [preauth]",
	head + "Failed keyboard-interactive/pam for invalid user FREE from PEER port 5 ssh2",
	head + "Failed publickey for FREE from PEER port 5 ssh2: RSA SHA256:abc",
	head + "Postponed keyboard-interactive for invalid user FREE from PEER port 5 ssh2 [preauth]",
	head + "Invalid user FREE from PEER port 5",
	head + "Invalid user FREE from PEER",
	head + "Illegal user FREE from PEER",
	head + "error: maximum authentication attempts exceeded for invalid user FREE from PEER port 5 ssh2 [preauth]",
	head + "Connection closed by invalid user FREE PEER port 5 [preauth]",
	head + "Connection reset by authenticating user FREE PEER port 5 [preauth]",
	head + "Disconnected from invalid user FREE PEER port 5 [preauth]",
	head + "ssh_dispatch_run_fatal: Connection from invalid user FREE PEER port 5: Broken pipe [preauth]",
	head + "Received disconnect from PEER port 5:11: FREE [preauth]",
	head + "error: Received disconnect from PEER: 14: FREE [preauth]",
	head + "Unable to negotiate with PEER port 5: no matching cipher found. Their offer: FREE [preauth]",
	head + "Bad protocol version identification 'FREE' from PEER port 5",
	head + "Bad protocol version identification 'FREE' from PEER",
	head + "Protocol major versions differ for PEER port 5: SSH-2.0-x vs. FREE",
	head + "error: PAM: Authentication failure for illegal user FREE from PEER",
	head + "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=PEER  user=FREE",
	head + "pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=PEER user=FREE",
	head + "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=PEER  user=FREE",
	head + "message repeated 2 times: [ Failed password for invalid user FREE from PEER port 5 ssh2]",
	head + "reverse mapping checking getaddrinfo for NAME [PEER] failed - POSSIBLE BREAK-IN ATTEMPT!",
	"2026-03-01T11:59:58+00:00 web1 sshd-session[7]: Failed password for invalid user FREE from PEER port 5 ssh2",
	"<38>1 2026-03-01T11:59:58Z web1 sshd 7 - - Invalid user FREE from PEER port 5",
	"[Sun Mar 01 11:59:58.123456 2026] [core:error] [pid 7:tid 8] [client PEER:5] AH00126: Invalid URI in request FREE, referer: FREE",
	"[Sun Mar 01 11:59:58 2026] [error] [client PEER] File does not exist: FREE",
	`PEER - FREE [01/Mar/2026:11:59:58 +0000] "GET FREE HTTP/1.1" 200 5120 "FREE" "FREE"`,
	`PEER - - [01/Mar/2026:11:59:58 +0000] "FREE" 400 0 "-" "-" "FREE"`,
	`www.example.com:443 PEER - FREE [01/Mar/2026:11:59:58 +0000] "GET FREE HTTP/1.1" 200 5120 "FREE" "FREE"`,
}

// A template is a line as a program writes it: PEER is the address of the
// connection, and each FREE a text that its client chooses. NAME is a free text
// where the program allows no spaces.
var templates = []string{
	// sshd: keys, reasons.
	head + "Disconnecting invalid user FREE PEER port 5: Too many authentication failures [preauth]",
	head + "Failed publickey for root from PEER port 5 ssh2: RSA-CERT SHA256:abc ID FREE (serial 0) CA RSA SHA256:def",
	head + "Failed publickey for FREE from PEER port 5 ssh2: RSA-CERT SHA256:abc ID FREE (serial 0) CA RSA SHA256:def",
	head + `Failed hostbased for FREE from PEER port 5 ssh2: RSA SHA256:abc, client user "FREE", client host "h"`,
	head + "Accepted publickey for root from PEER port 5 ssh2: RSA-CERT SHA256:abc ID FREE (serial 0) CA RSA SHA256:def",
	head + "input_userauth_request: invalid user FREE [preauth]",
	head + "Disconnecting invalid user FREE PEER port 5: Change of username or service not allowed: (FREE,FREE) -> (FREE,FREE) [preauth]",
	head + "Disconnecting: Too many authentication failures for FREE [preauth]",
	head + `error: kex_exchange_identification: client sent invalid protocol identifier "FREE"`,
	head + "fatal: no matching mac found: client FREE server x [preauth]",
	head + "User root from NAME not allowed because not listed in AllowUsers",
	// Other services.
	"Mar  1 11:59:58 web1 vsftpd: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=FREE rhost=PEER",
	"Mar  1 11:59:58 web1 vsftpd: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=FREE rhost=PEER  user=FREE",
	"Mar  1 11:59:58 web1 dovecot-auth: pam_sss(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=FREE rhost=PEER user=FREE",
	"Mar  1 11:59:58 web1 dropbear[7]: Bad password attempt for 'FREE' from PEER:5",
	"Mar  1 11:59:58 web1 dropbear[7]: Exit before auth from <PEER:5>: (user 'FREE', 0 fails): Exited normally",
	"Mar  1 11:59:58 web1 dropbear[7]: Exit before auth (user 'FREE', 3 fails): Max auth tries reached - user 'FREE' from PEER:5",
	"Mar  1 11:59:58 web1 dropbear[7]: Exit before auth (user 'FREE', 3 fails): Exited normally",
	`Mar  1 11:59:58 web1 vsftpd[7]: [FREE] FAIL LOGIN: Client "PEER"`,
	"Mar  1 11:59:58 web1 proftpd[7]: ftp1 (h.example[PEER]) - USER FREE: no such user found from h.example [PEER] to 192.0.2.1:21",
	"Mar  1 11:59:58 web1 pure-ftpd: (?@PEER) [WARNING] Authentication failed for user [FREE]",
	"Mar  1 11:59:58 web1 postfix/smtpd[7]: warning: unknown[PEER]: SASL LOGIN authentication failed: FREE, sasl_username=FREE",
	"Mar  1 11:59:58 web1 dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<FREE>, method=PLAIN, rip=PEER, lip=192.0.2.1, session=<x>",
	"Mar  1 11:59:58 web1 exim[7]: login authenticator failed for (FREE) [PEER]:5 I=[192.0.2.1]:25: 535 Incorrect authentication data (set_id=FREE)",
	"Mar  1 11:59:58 web1 exim[7]: login authenticator failed for (FREE) [PEER]: 535 Incorrect authentication data (set_id=FREE)",
	"Mar  1 11:59:58 web1 mysqld[7]: 7 [Warning] Access denied for user 'FREE'@'PEER' (using password: YES)",
	"Mar  1 11:59:58 web1 asterisk[7]: NOTICE[1] chan_sip.c: Registration from 'FREE' failed for 'SOCK' - Wrong password",
	"Mar  1 11:59:58 web1 suhosin[7]: ALERT - dropped variable 'FREE' (attacker 'PEER', file '/x.php')",
	"Mar  1 11:59:58 web1 sudo:   FREE : command not allowed ; TTY=pts/0 ; PWD=FREE ; USER=root ; COMMAND=FREE",
	"Mar  1 11:59:58 web1 login[7]: FAILED LOGIN (1) on '/dev/tty1' FOR 'FREE', Authentication failure",
	"Mar  1 11:59:58 web1 myapp[7]: says FREE",
	"Mar  1 11:59:58 web1 nginx: 2026/03/01 11:59:58 [error] 1#1: *2 open() \"/x/FREE\" failed (2: No such file), client: PEER, server: s, request: \"GET FREE HTTP/1.1\", host: \"FREE\"",
	// Web servers.
	"2026/03/01 11:59:58 [error] 1#1: *2 open() \"/x/FREE\" failed (2: No such file), client: PEER, server: s, request: \"GET FREE HTTP/1.1\", host: \"FREE\"",
	`NAME - FREE [01/Mar/2026:11:59:58 +0000] "GET FREE HTTP/1.1" 200 5120 "FREE" "FREE"`,
}

// Pieces of hostile text: the grammars' own words around the address 8.8.8.8.
var pieces = []string{
	"8.8.8.8", "8.8.8.8", "8.8.8.8", "2001:db8::8", "[8.8.8.8]", "<8.8.8.8:1>", "8.8.8.8:1", " from ", " from ", " port ", " port 1", "1", " ssh2", " ssh2: ",
	"RSA SHA256:x", "ssh2: RSA SHA256:x", ": ", ": 11: ", " ", " ", "'", `"`, "' ", `" `, "]", "[", "] ", " [", "] \"", " [preauth]", " user=", " rhost=", "  user=",
	"ruser=", " ruser= rhost=", "invalid user ", "user ", "authenticating user ", "Failed password for ", "Failed password for root from 8.8.8.8 port 1 ssh2",
	"Invalid user x from 8.8.8.8", "sshd[1]: ", "Mar  1 11:59:58 h sshd[1]: ", "message repeated 3 times: [ ", " for ", " via ", " not allowed because ",
	"Too many authentication failures", "Change of username or service not allowed: (", " ID ", " (serial 0) CA RSA SHA256:x", ", client: ", ", server: x", "client: 8.8.8.8, server: x",
	" I=[", " I=[8.8.8.8]:25", ": 535 ", ": 535 Incorrect authentication data", ", rip=", ", rip=8.8.8.8, ", ">, ", "user=<", "'@'", "'@'8.8.8.8' (using password: YES)", " FAIL LOGIN: Client \"",
	" (attacker '", "', file '", "' failed for '", "' - ", " authenticator failed for (", "(", ")", ") ", "- - [01/Mar/2026:11:59:58 +0000] \"GET / HTTP/1.1\" 200 1", "\" 200 1 \"-\" \"-\"",
	"[client 8.8.8.8] ", "\\", "\\\\", "\\\"", "\x00", "\xff", "%0a", "a", "root", ",", ", ", "-", "?", "=", "error: ", "PAM: ", "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=8.8.8.8",
}

func hostile(t *rapid.T, label string) string {
	s := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8).Draw(t, label), "")
	return s[:min(len(s), 100)] // as sshd cuts a name
}

// escaped is what web servers do to quotes and backslashes in access logs.
func escaped(s string, apache bool) string {
	if apache {
		return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\x00", `\x00`, "\xff", `\xff`).Replace(s)
	}
	return strings.NewReplacer(`\`, `\x5C`, `"`, `\x22`, "\x00", `\x00`, "\xff", `\xFF`).Replace(s)
}

// Whatever clients write, an event is from the true peer or from nobody.
func TestForgedFields(t *testing.T) {
	peers := []string{"192.0.2.77", "2001:db8:77::1", "::ffff:192.0.2.77", "UNKNOWN", "host.example", "8.8.8.8.evil.example"}
	types := []sentinel.SourceType{sentinel.TypeAuto, sentinel.TypeSSH, sentinel.TypeSyslog}
	all := append(append([]string(nil), certain...), templates...)
	rapid.Check(t, func(t *rapid.T) {
		p := New(Config{Type: rapid.SampledFrom(types).Draw(t, "type")})
		peer := rapid.SampledFrom(peers).Draw(t, "peer")
		addr, err := netip.ParseAddr(peer)
		sock := peer + ":5"
		if err == nil {
			sock = netip.AddrPortFrom(addr, 5).String()
		}
		// Some 500 lines a check.
		for round := range 7 {
			for i, tmpl := range all {
				line := strings.NewReplacer("PEER", peer, "SOCK", sock).Replace(tmpl)
				access := strings.Contains(tmpl, "[01/Mar/2026:11:59:58")
				for strings.Contains(line, "FREE") {
					text := hostile(t, "text")
					if access {
						text = escaped(text, round%2 == 0)
					}
					line = strings.Replace(line, "FREE", text, 1)
				}
				line = strings.ReplaceAll(line, "NAME", "8.8.8.8.evil.example")
				var ev sentinel.Event
				p.doubt = 0
				ok := p.Parse(line, arrival, arrival, &ev)
				switch {
				case !ok:
					t.Fatalf("not understood: %q", line)
				case ev.SrcIP.IsValid() && (err != nil || ev.SrcIP != sentinel.Normalize(addr) || !strings.Contains(line, peer)):
					t.Fatalf("took %v for %s\ntemplate %q\nline     %q", ev.SrcIP, peer, tmpl, line)
				case !ev.SrcIP.IsValid() && err == nil && i < len(certain) && !strings.Contains(tmpl, "client PEER:5"):
					t.Fatalf("missed %s\ntemplate %q\nline     %q", peer, tmpl, line)
				}
			}
		}
	})
}
