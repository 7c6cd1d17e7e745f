package parse

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// The servers for mail, files, databases and telephony whose failed logins name
// the peer in a place that no client can reach or imitate.

// dovecot reads "imap-login: TEXT (auth failed, 2 attempts in 3 secs): user=<NAME>,
// method=PLAIN, rip=ADDR, lip=ADDR, ...". NAME is the client's, but of several
// readings with rip= there is no address.
func dovecot(s string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeMail
	i := strings.Index(s, "(auth failed, ")
	user := strings.Index(s, "user=<")
	if i < 0 || user < i {
		return
	}
	n, _, ok := leading(s[i+len("(auth failed, "):])
	failed(ev, sentinel.AuthStepFailed)
	if ok && n > 1 && n <= maxRepeat {
		ev.Repeat = n
	}
	const mark = ">, "
	rip := strings.Index(s, ", rip=")
	if rip < user || strings.LastIndex(s, ", rip=") != rip {
		return
	}
	if end := strings.Index(s[user:rip+2], mark); end > 0 {
		ev.User = s[user+len("user=<") : user+end]
	}
	word, _, _ := strings.Cut(s[rip+len(", rip="):], ",")
	ev.SrcIP, _ = parseAddr(word)
}

// postfix reads "warning: HOST[ADDR]: SASL METHOD authentication failed: TEXT",
// where HOST is a checked name without brackets.
func postfix(s string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeMail
	s, ok := strings.CutPrefix(s, "warning: ")
	if !ok {
		return
	}
	host, rest, ok := strings.Cut(s, "[")
	if !ok || host != "" && !oneWord(host) {
		return
	}
	addr, rest, ok := strings.Cut(rest, "]")
	if !ok {
		return
	}
	port := ""
	if n := strings.Index(rest, ": SASL "); n > 0 && n <= len(":65535") {
		port, rest = strings.TrimPrefix(rest[:n], ":"), rest[n:]
	}
	rest, ok = strings.CutPrefix(rest, ": SASL ")
	if !ok {
		return
	}
	method, rest, ok := strings.Cut(rest, " ")
	if !ok || !strings.HasPrefix(rest, "authentication failed:") {
		return
	}
	failed(ev, sentinel.AuthStepFailed)
	ev.Method = method
	ev.SrcIP, _ = parseAddr(addr)
	ev.SrcPort, _ = parsePort(port)
}

// vsftpd reads `[NAME] FAIL LOGIN: Client "ADDR"`.
func vsftpd(s string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeFTP
	if strings.HasPrefix(s, "authentication failure;") {
		pamFailure(ev.Program, s[len("authentication failure;"):], ev)
		return
	}
	const fail, okay = ` FAIL LOGIN: Client "`, ` OK LOGIN: Client "`
	rest, ok := strings.CutSuffix(s, `"`)
	if !ok {
		return
	}
	i := strings.LastIndexByte(rest, '"')
	if i < 0 {
		return
	}
	head, addr := rest[:i+1], rest[i+1:]
	name := ""
	switch {
	case strings.HasSuffix(head, fail):
		named(addr, ev)
		name = head[:len(head)-len(fail)]
	case strings.HasSuffix(head, okay):
		ev.Type, ev.Outcome = sentinel.EventAuthOK, "success"
		ev.SrcIP, _ = parseAddr(addr)
		name = head[:len(head)-len(okay)]
	default:
		return
	}
	if open := strings.IndexByte(name, '['); open >= 0 && name[len(name)-1] == ']' {
		ev.User = name[open+1 : len(name)-1]
	}
}

// proftpd reads "HOST (NAME[ADDR]) - TEXT".
func proftpd(s string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeFTP
	host, rest, ok := strings.Cut(s, " (")
	if !ok || !oneWord(host) {
		return
	}
	_, rest, ok = strings.Cut(rest, "[")
	if !ok {
		return
	}
	addr, rest, ok := strings.Cut(rest, "])")
	if !ok {
		return
	}
	rest = strings.TrimLeft(rest, ":- ")
	switch {
	case strings.HasPrefix(rest, "USER "):
		i := strings.LastIndex(rest, ": ")
		if i < 0 {
			return
		}
		if end := rest[i+2:]; !strings.HasPrefix(end, "no such user") && !strings.HasPrefix(end, "Login failed") &&
			!strings.HasPrefix(end, "Incorrect password") && !strings.Contains(rest, " (Login failed)") {
			return
		}
		ev.User, _, _ = strings.Cut(rest[len("USER "):i], " ")
	case strings.HasPrefix(rest, "Maximum login attempts"), strings.HasPrefix(rest, "SECURITY VIOLATION: "):
	default:
		return
	}
	named(addr, ev)
}

// pureFTPD reads "(NAME@ADDR) [WARNING] Authentication failed for user [NAME]".
// The first name is "?" until a login succeeds.
func pureFTPD(s string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeFTP
	s, ok := strings.CutPrefix(s, "(?@")
	if !ok {
		return
	}
	addr, rest, ok := strings.Cut(s, ") ")
	if !ok {
		return
	}
	if rest, ok = strings.CutPrefix(rest, "[WARNING] Authentication failed for user ["); ok {
		named(addr, ev)
		ev.User = strings.TrimSuffix(rest, "]")
	}
}

// exim reads "[STAMP] NAME authenticator failed for HOST (HELO) [ADDR]:PORT
// ...: 535 Incorrect authentication data (set_id=NAME)". HELO is the client's:
// of several addresses in brackets the last before ": 535 " counts, but for the
// server's own after "I=".
func exim(s string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeMail
	i := strings.Index(s, " authenticator failed for ")
	j := strings.Index(s, ": 535 Incorrect authentication data")
	if i < 0 || j < i || strings.LastIndex(s, ": 535 ") != j {
		return
	}
	failed(ev, sentinel.AuthStepFailed)
	peer := s[i:j]
	if own := strings.LastIndex(peer, " I=["); own >= 0 {
		word, rest, _ := strings.Cut(peer[own+len(" I="):], " ")
		_, _, ok := parseAddrPort(word)
		if after, _, _ := strings.Cut(strings.TrimPrefix(rest, "Ci="), " "); ok && after == strings.TrimPrefix(rest, "Ci=") {
			peer = peer[:own]
		}
	}
	if open := strings.LastIndexByte(peer, '['); open > 0 && peer[open-1] == ' ' {
		ev.SrcIP, ev.SrcPort, _ = parseAddrPort(peer[open:])
	}
}

// mysqld reads "... Access denied for user 'NAME'@'HOST' (using password: YES)".
// NAME is the client's, what follows it is not.
func mysqld(s string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeDB
	i := strings.Index(s, "Access denied for user '")
	if i < 0 || strings.IndexByte(s[:i], '\'') >= 0 {
		return
	}
	rest := s[i+len("Access denied for user '"):]
	if cut, ok := strings.CutSuffix(rest, " (using password: YES)"); ok {
		rest = cut
	} else if cut, ok := strings.CutSuffix(rest, " (using password: NO)"); ok {
		rest = cut
	}
	at := strings.LastIndex(rest, "'@'")
	if at < 0 || rest[len(rest)-1] != '\'' || at+3 > len(rest)-1 {
		return
	}
	named(rest[at+3:len(rest)-1], ev)
	ev.User = rest[:at]
}

// asterisk reads "NOTICE[1] chan_sip.c: Registration from 'NAME' failed for
// 'ADDR:PORT' - REASON", where NAME is the client's and the rest is not.
func asterisk(s string, ev *sentinel.Event) {
	i := strings.Index(s, ": Registration from '")
	if i < 0 || strings.IndexByte(s[:i], '\'') >= 0 {
		return
	}
	j := strings.LastIndex(s, "' failed for '")
	if j < i {
		return
	}
	if peer, _, ok := strings.Cut(s[j+len("' failed for '"):], "' - "); ok {
		named(peer, ev)
	}
}
