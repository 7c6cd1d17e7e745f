package parse

import (
	"net/netip"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// daemon reads what programs other than sshd and PAM's modules say. A line of
// a program that is not known here is an event of its header alone.
func daemon(t *tag, text string, ev *sentinel.Event) {
	switch t.program {
	case "dropbear":
		dropbear(text, ev)
	case "sudo":
		sudo(text, ev)
	case "su":
		su(text, ev)
	case "login":
		login(text, ev)
	case "useradd", "adduser", "usermod", "userdel", "groupadd", "groupmod", "groupdel", "gpasswd", "passwd", "chpasswd",
		"chage", "chsh", "chfn":
		account(text, ev)
	case "CRON", "cron", "crond", "crontab", "anacron", "fcron":
		cron(text, ev)
	case "systemd-logind":
		logind(text, ev)
	case "systemd":
		systemd(text, ev)
	case "pkexec":
		pkexec(text, ev)
	case "polkitd":
		polkitd(text, ev)
	case "doas":
		doas(text, ev)
	case "snoopy":
		snoopy(text, ev)
	case "bash", "-bash":
		history(text, ev)
	case "kernel", "ulogd":
		text = sinceBoot(text)
		ev.Message = text
		kernel(text, ev)
	case "mysqld", "mariadbd", "mysqld_safe":
		mysqld(text, ev)
	case "haproxy":
		ev.SourceType = sentinel.TypeApp
		if !haproxyGrammar.read(text, ev) {
			haproxy(text, ev)
		}
	case "pvedaemon", "pveproxy", "pmgdaemon", "proxmox-backup-api", "proxmox-backup-proxy":
		// "authentication failure; rhost=ADDR user=NAME msg=TEXT".
		if rest, ok := strings.CutPrefix(text, "authentication failure; rhost="); ok {
			host, rest, _ := strings.Cut(rest, " ")
			named(host, ev)
			user, _ := strings.CutPrefix(rest, "user=")
			ev.User, _, _ = strings.Cut(user, " ")
		}
	default:
		if g := grammarFor(t.program); g != nil {
			ev.SourceType = g.source
			g.read(text, ev)
			return
		}
		// Drupal logs under the name of the site.
		if strings.HasPrefix(text, "http") && strings.Contains(text, "|user|") {
			drupalGrammar.read(text, ev)
		}
	}
}

// named marks a failed login from the address or "ADDR:PORT" in host.
func named(host string, ev *sentinel.Event) {
	ev.Type, ev.Outcome = sentinel.EventAuthFail, "failure"
	ev.AuthStep = sentinel.AuthStepFailed
	ev.SrcIP, ev.SrcPort, _ = parseAddrPort(host)
}

// dropbear reads a message of the small SSH server.
func dropbear(s string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeSSH
	// Some builds write a second header: "[825] Jul 10 23:53:52 TEXT".
	if strings.HasPrefix(s, "[") {
		if i := strings.Index(s, "] "); i > 0 && len(s) > i+18 && s[i+17] == ' ' && s[i+14] == ':' {
			s = s[i+18:]
		}
	}
	i := strings.LastIndex(s, " from ")
	if i < 0 {
		return
	}
	head, peer := s[:i], s[i+len(" from "):]
	user := func(prefix string) bool {
		rest, ok := strings.CutPrefix(head, prefix)
		if ok && len(rest) >= 2 && rest[0] == '\'' && rest[len(rest)-1] == '\'' {
			ev.User = rest[1 : len(rest)-1]
		}
		return ok
	}
	addr, port, ok := parseAddrThenPort(peer)
	switch {
	case user("Bad password attempt for "), user("bad password attempt for "), user("Bad PAM password attempt for "):
		ev.Method = "password"
		failed(ev, sentinel.AuthStepFailed)
	case strings.HasPrefix(s, "Login attempt for nonexistent user"):
		user("Login attempt for nonexistent user ")
		ev.Type, ev.Outcome, ev.AuthStep = sentinel.EventAuthInvalidUser, "failure", sentinel.AuthStepInvalid
	case user("Password auth succeeded for "):
		ev.Type, ev.Outcome, ev.Method = sentinel.EventAuthOK, "success", "password"
	case strings.HasPrefix(s, "Pubkey auth succeeded for '"):
		ev.Type, ev.Outcome, ev.Method = sentinel.EventAuthOK, "success", "publickey"
	case strings.HasPrefix(s, "Exit before auth (user '"):
		failed(ev, sentinel.AuthStepSummary)
		ev.User, _, _ = strings.Cut(s[len("Exit before auth (user '"):], "', ")
	case strings.HasPrefix(s, "Exit before auth from <"):
		// "Exit before auth from <ADDR:PORT>: (user 'NAME', N fails): REASON".
		peer, rest, _ := strings.Cut(s[len("Exit before auth from <"):], ">: ")
		addr, port, ok = parseAddrThenPort(peer)
		ev.Type = sentinel.EventAuthProbe
		if rest, ok := strings.CutPrefix(rest, "(user '"); ok {
			failed(ev, sentinel.AuthStepSummary)
			ev.User, _, _ = strings.Cut(rest, "', ")
		}
	case strings.HasPrefix(s, "Child connection from "):
	default:
		return
	}
	if ok {
		ev.SrcIP, ev.SrcPort = addr, port
	}
}

// sudo reads "USER : TTY=... ; PWD=... ; USER=... ; COMMAND=...".
func sudo(s string, ev *sentinel.Event) {
	user, rest, ok := strings.Cut(strings.TrimLeft(s, " "), " : ")
	if !ok || !oneWord(user) {
		return
	}
	ev.Type, ev.User = sentinel.EventSudo, user
	switch {
	case strings.HasPrefix(rest, "TTY="), strings.HasPrefix(rest, "PWD="), strings.HasPrefix(rest, "HOST="):
		ev.Outcome = "success"
	default:
		// "3 incorrect password attempts ; TTY=...", "user NOT in sudoers ; ...".
		ev.Outcome = "failure"
	}
	if _, cmd, ok := strings.Cut(rest, " ; COMMAND="); ok {
		ev.Exec.Cmdline = cmd
	}
	if _, cwd, ok := strings.Cut(rest, " ; PWD="); ok {
		ev.Exec.Cwd, _, _ = strings.Cut(cwd, " ; ")
	}
}

// su reads the messages of the several programs of this name.
func su(s string, ev *sentinel.Event) {
	if rest, ok := strings.CutPrefix(s, "Successful su for "); ok {
		ev.Type, ev.Outcome = sentinel.EventSu, "success"
		ev.User, _, _ = strings.Cut(rest, " by ")
		return
	}
	if rest, ok := strings.CutPrefix(s, "FAILED su for "); ok {
		ev.Type, ev.Outcome = sentinel.EventSu, "failure"
		ev.User, _, _ = strings.Cut(rest, " by ")
		return
	}
	// "+ pts/0 USER:TARGET", "- pts/0 USER:TARGET".
	if len(s) > 2 && s[1] == ' ' && (s[0] == '+' || s[0] == '-') {
		if i := strings.LastIndexByte(s, ':'); i > 0 && oneWord(s[i+1:]) {
			ev.Type, ev.Outcome, ev.User = sentinel.EventSu, "success", s[i+1:]
			if s[0] == '-' {
				ev.Outcome = "failure"
			}
		}
		return
	}
	if rest, ok := strings.CutPrefix(s, "BAD SU "); ok { // BSD: "BAD SU bob to root on /dev/pts/0"
		ev.Type, ev.Outcome = sentinel.EventSu, "failure"
		if _, target, ok := strings.Cut(rest, " to "); ok {
			ev.User, _, _ = strings.Cut(target, " on ")
		}
		return
	}
	rest, bad := strings.CutPrefix(s, "FAILED SU ")
	if rest, ok := strings.CutPrefix(rest, "(to "); ok {
		ev.Type, ev.Outcome = sentinel.EventSu, "success"
		if bad {
			ev.Outcome = "failure"
		}
		ev.User, _, _ = strings.Cut(rest, ") ")
	}
}

// login reads the messages of the console's login, of telnet and rlogin:
//
//	FAILED LOGIN (1) on '/dev/tty1' FOR 'USER', REASON
//	FAILED LOGIN 1 FROM HOST FOR USER, REASON
//	TOO MANY LOGIN TRIES (3) FROM HOST FOR USER, REASON
//	LOGIN ON pts/1 BY USER FROM HOST
//
// USER is typed in and may hold anything; HOST stands before it, or at the end.
func login(s string, ev *sentinel.Event) {
	switch {
	case strings.HasPrefix(s, "FAILED LOGIN "), strings.HasPrefix(s, "TOO MANY LOGIN TRIES "):
		failed(ev, sentinel.AuthStepFailed)
		if _, rest, ok := strings.Cut(s, "' FOR '"); ok {
			if i := strings.LastIndex(rest, "', "); i >= 0 {
				ev.User = rest[:i]
			}
			return
		}
		if _, rest, ok := strings.Cut(s, " FROM "); ok {
			host, rest, ok := strings.Cut(rest, " FOR ")
			if !ok || !oneWord(host) {
				return
			}
			ev.SrcIP, _ = parseAddr(host)
			if i := strings.LastIndex(rest, ", "); i >= 0 {
				ev.User = rest[:i]
			}
		}
	case strings.HasPrefix(s, "LOGIN ON "), strings.HasPrefix(s, "ROOT LOGIN "):
		ev.Type, ev.Outcome = sentinel.EventAuthOK, "success"
		_, rest, named := strings.Cut(s, " BY ")
		if named {
			ev.User, rest, _ = strings.Cut(rest, " ")
		} else {
			ev.User, rest = "root", s
		}
		if i := strings.LastIndex(rest, "FROM "); i == 0 || i > 0 && !named && rest[i-1] == ' ' {
			ev.SrcIP, _ = parseAddr(rest[i+len("FROM "):])
		}
	}
}

// verdicts are the words in a log prefix by which a packet filter says that it
// lets a packet not pass.
var verdicts = [...]string{"BLOCK", "DROP", "REJECT", "DENY", "DENIED", "drop", "Drop", "reject", "Reject", "block", "Block", "denied", "Denied", "deny"}

// sinceBoot drops the "[12345.678901] " that syslog writes in front of what the
// kernel says and the journal does not, so that both say the same.
func sinceBoot(s string) string {
	if s == "" || s[0] != '[' {
		return s
	}
	i := 1
	for i < len(s) && i < 24 && (s[i]-'0' <= 9 || s[i] == '.' || s[i] == ' ') {
		i++
	}
	if i == 1 || i == len(s) || s[i] != ']' {
		return s
	}
	return strings.TrimPrefix(s[i+1:], " ")
}

// kernel reads the lines of the packet filter: "[PREFIX] IN=eth0 OUT= MAC=...
// SRC=ADDR DST=ADDR ... PROTO=TCP SPT=N DPT=N ...". The prefix is the
// administrator's, often without a space behind it. A packet that leaves this
// host (IN is empty) has no attacker.
func kernel(s string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeKernel
	i := strings.Index(s, "IN=")
	if i < 0 || !strings.Contains(s[i:], " OUT=") {
		return
	}
	var src, dst netip.Addr
	in := ""
	for rest := s[i:]; rest != ""; {
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "IN":
			in = value
		case "SRC":
			if src.IsValid() {
				// The packet within an ICMP error repeats the names.
				rest = ""
				continue
			}
			src, _ = parseAddr(value)
		case "DST":
			dst, _ = parseAddr(value)
		case "SPT":
			ev.SrcPort, _ = parsePort(value)
		case "DPT":
			ev.DstPort, _ = parsePort(value)
		}
	}
	if !src.IsValid() || !dst.IsValid() {
		ev.SrcPort, ev.DstPort = 0, 0
		return
	}
	ev.SrcIP, ev.DstIP = src, dst
	ev.SourceType = sentinel.TypeFirewall
	ev.Type = sentinel.EventNetConnect
	for _, word := range verdicts {
		if strings.Contains(s[:i], word) {
			ev.Type = sentinel.EventFWDrop
		}
	}
	if in == "" {
		ev.SrcIP, ev.SrcPort = netip.Addr{}, 0
	}
}
