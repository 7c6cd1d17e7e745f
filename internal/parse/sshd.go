package parse

import (
	"net/netip"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxSSH is the longest message of sshd that is believed to be whole where it
// has two free parts (a user name and the id of a certificate): sshd cuts its
// messages at 1 KiB, and text that was cut just there could pose as the end.
const maxSSH = 900

// sshd reads a message of OpenSSH's server (sshd, sshd-session, sshd-auth).
func sshd(msg string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeSSH
	if msg != "" && (msg[0] == ' ' || msg[len(msg)-1] == ' ') {
		msg = strings.Trim(msg, " ")
	}
	for msg != "" && (msg[0] == 'e' || msg[0] == 'f') {
		rest, ok := strings.CutPrefix(msg, "error: ")
		if !ok {
			if rest, ok = strings.CutPrefix(msg, "fatal: "); !ok {
				break
			}
		}
		msg = rest
	}
	msg, preauth := strings.CutSuffix(msg, " [preauth]")
	if msg == "" {
		return
	}
	switch msg[0] {
	case 'F':
		if rest, ok := strings.CutPrefix(msg, "Failed "); ok {
			sshTried(rest, ev)
		}
	case 'A':
		if rest, ok := strings.CutPrefix(msg, "Accepted "); ok {
			if method, rest, ok := cutMethod(rest); ok && sshLogin(rest, ev) {
				ev.Type, ev.Outcome, ev.Method = sentinel.EventAuthOK, "success", method
			}
		} else if rest, ok := strings.CutPrefix(msg, "Address "); ok {
			// A wrong reverse DNS entry is no attack; the address leads the line.
			ev.SrcIP, ev.SrcPort, _, _ = headAddr(rest)
		}
	case 'I':
		rest, ok := strings.CutPrefix(msg, "Invalid user ")
		if !ok {
			rest, ok = strings.CutPrefix(msg, "Illegal user ")
		}
		if ok {
			sshInvalid(rest, ev)
		}
	case 'p', '(':
		if isPAM(msg) {
			pam(&tag{program: ev.Program}, msg, ev)
		} else {
			sshOther(msg, ev)
		}
	case 'P':
		sshP(msg, ev)
	case 'C':
		sshConnection(msg, preauth, ev)
	case 'D':
		sshDisconnect(msg, preauth, ev)
	case 'R':
		if rest, ok := strings.CutPrefix(msg, "Received disconnect from "); ok {
			sshReceived(rest, ev)
		} else if rest, ok := strings.CutPrefix(msg, "ROOT LOGIN REFUSED FROM "); ok {
			if a, port, ok := wholeAddr(rest); ok {
				ev.SrcIP, ev.SrcPort = a, port
			}
			failed(ev, sentinel.AuthStepInvalid)
			ev.User = "root"
		}
	case 'U':
		if rest, ok := strings.CutPrefix(msg, "User "); ok {
			sshNotAllowed(rest, ev)
		} else if rest, ok := strings.CutPrefix(msg, "Unable to negotiate with "); ok {
			probeHead(rest, ev)
		}
	case 'm':
		if rest, ok := strings.CutPrefix(msg, "maximum authentication attempts exceeded for "); ok && sshLogin(rest, ev) {
			failed(ev, sentinel.AuthStepSummary)
		}
	default:
		sshOther(msg, ev)
	}
}

// failed marks a failed login.
func failed(ev *sentinel.Event, step sentinel.AuthStep) {
	ev.Type, ev.Outcome, ev.AuthStep = sentinel.EventAuthFail, "failure", step
}

// oneWord reports whether s is one word.
func oneWord(s string) bool { return s != "" && strings.IndexByte(s, ' ') < 0 }

// cutMethod reads "METHOD for ...", where METHOD is one word.
func cutMethod(s string) (method, rest string, ok bool) {
	i := strings.IndexByte(s, ' ')
	if i < 1 || !strings.HasPrefix(s[i:], " for ") {
		return "", "", false
	}
	return s[:i], s[i+len(" for "):], true
}

// sshTried reads what follows "Failed ".
func sshTried(s string, ev *sentinel.Event) {
	method, rest, ok := cutMethod(s)
	if !ok {
		return
	}
	invalid := strings.HasPrefix(rest, "invalid user ") || strings.HasPrefix(rest, "illegal user ")
	if !sshLogin(rest, ev) {
		return
	}
	ev.Method = method
	switch {
	case method != "none":
		failed(ev, sentinel.AuthStepFailed)
	case invalid:
		// Clients ask with "none" which methods there are: no guess was made.
		ev.Type, ev.Outcome, ev.AuthStep = sentinel.EventAuthInvalidUser, "failure", sentinel.AuthStepInvalid
	default:
		ev.Outcome = "failure"
	}
}

// sshLogin reads "[invalid user ]USER from ADDR port N[ ssh2[: KEY]]". USER is
// free text of the client; so may be KEY, which can name a certificate's id.
func sshLogin(s string, ev *sentinel.Event) bool {
	if rest, ok := strings.CutPrefix(s, "invalid user "); ok {
		s = rest
	} else if rest, ok := strings.CutPrefix(s, "illegal user "); ok {
		s = rest
	}
	cut := len(s) > maxSSH
	end := len(s)
	if strings.HasSuffix(s, " ssh2") {
		end -= len(" ssh2")
	} else if i := strings.Index(s, " ssh2: "); i >= 0 {
		// Whichever of several readings ends in a plain key is the true one, as
		// a certificate's id is followed by more. Else nobody knows.
		end = -1
		many := false
		for at := 0; ; {
			if head, _, _, ok := tailAddr(s[:at+i]); ok && strings.HasSuffix(head, " from ") {
				many = end >= 0
				end = at + i
			}
			at += i + len(" ssh2: ")
			if i = strings.Index(s[at:], " ssh2: "); i < 0 {
				break
			}
		}
		if end < 0 {
			return false
		}
		if many && !plainKey(s[end+len(" ssh2: "):]) {
			cut = true
		}
	}
	head, addr, port, ok := tailAddr(s[:end])
	if !ok || !strings.HasSuffix(head, " from ") {
		return false
	}
	if !cut {
		ev.User = head[:len(head)-len(" from ")]
		ev.SrcIP, ev.SrcPort = addr, port
	}
	return true
}

// plainKey reports whether s is "TYPE FINGERPRINT" and no more.
func plainKey(s string) bool {
	kind, print, ok := strings.Cut(s, " ")
	if !ok || kind == "" || print == "" {
		return false
	}
	for i := 0; i < len(kind); i++ {
		if c := kind[i]; c-'A' > 25 && c-'0' > 9 && c != '-' {
			return false
		}
	}
	return strings.IndexByte(print, ' ') < 0
}

// tailAddr reads "... ADDR port N" from the end. head is all before the word
// that stands where the address does; addr is invalid if that is none.
func tailAddr(s string) (head string, addr netip.Addr, port uint16, ok bool) {
	i := len(s)
	for i > 0 && s[i-1]-'0' <= 9 {
		i--
	}
	if port, ok = parsePort(s[i:]); !ok || !strings.HasSuffix(s[:i], " port ") {
		return "", addr, 0, false
	}
	head, addr, ok = tailWord(s[:i-len(" port ")])
	return head, addr, port, ok
}

// tailWord reads "... ADDR" from the end.
func tailWord(s string) (head string, addr netip.Addr, ok bool) {
	i := len(s)
	for i > 0 && s[i-1] != ' ' {
		i--
	}
	addr, _ = parseAddr(s[i:])
	return s[:i], addr, i < len(s)
}

// headAddr reads "ADDR[:][ port N]..." at the start. rest follows it.
func headAddr(s string) (addr netip.Addr, port uint16, rest string, ok bool) {
	i := strings.IndexByte(s, ' ')
	if i < 0 {
		i = len(s)
	}
	word, rest := s[:i], s[i:]
	addr, ok = parseAddr(word)
	if !ok {
		// An IPv6 address may end in colons itself; then they are part of it.
		if n := len(word); n > 0 && (word[n-1] == ':' || word[n-1] == ',') {
			addr, ok = parseAddr(word[:n-1])
			return addr, 0, s[n-1:], ok
		}
		return addr, 0, rest, false
	}
	if after, found := strings.CutPrefix(rest, " port "); found {
		n := 0
		for n < len(after) && after[n]-'0' <= 9 {
			n++
		}
		if v, fits := parsePort(after[:n]); fits {
			return addr, v, after[n:], true
		}
	}
	return addr, 0, rest, true
}

// wholeAddr reads "ADDR" or "ADDR port N" and nothing else.
func wholeAddr(s string) (netip.Addr, uint16, bool) {
	addr, port, rest, ok := headAddr(s)
	if !ok || rest != "" {
		return netip.Addr{}, 0, false
	}
	return addr, port, true
}

// sshInvalid reads "[USER] from ADDR[ port N]".
func sshInvalid(s string, ev *sentinel.Event) {
	head, addr, port, ok := tailAddr(s)
	if !ok || !strings.HasSuffix(head, "from ") {
		head, addr, ok = tailWord(s)
		port = 0
		if !ok || !strings.HasSuffix(head, "from ") {
			return
		}
	}
	head = head[:len(head)-len("from ")]
	if head != "" && head[len(head)-1] != ' ' {
		return
	}
	ev.User = strings.TrimSuffix(head, " ")
	ev.SrcIP, ev.SrcPort = addr, port
	ev.Type, ev.Outcome, ev.AuthStep = sentinel.EventAuthInvalidUser, "failure", sentinel.AuthStepInvalid
}

// sshP reads messages that begin with P.
func sshP(msg string, ev *sentinel.Event) {
	if rest, ok := strings.CutPrefix(msg, "PAM: "); ok {
		// "PAM: Authentication failure for [illegal user ]USER from HOST".
		_, rest, ok := strings.Cut(rest, " for ")
		if !ok {
			return
		}
		rest = strings.TrimPrefix(rest, "service for ")
		rest = strings.TrimPrefix(rest, "illegal user ")
		rest = strings.TrimPrefix(rest, "invalid user ")
		i := strings.LastIndex(rest, " from ")
		if i < 0 {
			return
		}
		host, _, _ := strings.Cut(rest[i+len(" from "):], " via ")
		ev.User = rest[:i]
		ev.SrcIP, _ = parseAddr(host)
		failed(ev, sentinel.AuthStepPAM)
		return
	}
	if isPAM(msg) {
		pam(&tag{program: ev.Program}, msg, ev)
		return
	}
	if rest, ok := strings.CutPrefix(msg, "Postponed "); ok {
		if method, rest, ok := cutMethod(rest); ok && sshLogin(rest, ev) {
			ev.Method = method
		}
		return
	}
	if rest, ok := strings.CutPrefix(msg, "Protocol major versions differ for "); ok {
		probeHead(rest, ev)
	}
}

// probeHead reads a probe whose address leads s.
func probeHead(s string, ev *sentinel.Event) {
	ev.Type = sentinel.EventAuthProbe
	if a, port, _, ok := headAddr(s); ok {
		ev.SrcIP, ev.SrcPort = a, port
	}
}

// sshNotAllowed reads "USER from HOST not allowed because REASON".
func sshNotAllowed(s string, ev *sentinel.Event) {
	i := strings.LastIndex(s, " not allowed because ")
	if i < 0 {
		return
	}
	head, addr, ok := tailWord(s[:i])
	if !ok || !strings.HasSuffix(head, " from ") {
		ev.User = s[:i]
		return
	}
	ev.User = head[:len(head)-len(" from ")]
	ev.SrcIP = addr
	ev.Type, ev.Outcome, ev.AuthStep = sentinel.EventAuthInvalidUser, "failure", sentinel.AuthStepInvalid
}
