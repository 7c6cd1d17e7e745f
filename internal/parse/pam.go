package parse

import (
	"net/netip"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// isPAM reports whether text was written by a PAM module or by PAM itself.
func isPAM(text string) bool {
	switch text[0] {
	case 'p':
		return strings.HasPrefix(text, "pam_")
	case 'a':
		return strings.HasPrefix(text, "authentication failure; logname=")
	case '(':
		return strings.HasPrefix(text, "(pam_")
	case 'P':
		// "PAM 2 more authentication failures; ..." and "PAM service(sshd) ...".
		return strings.HasPrefix(text, "PAM ") && (text[4:] > "" && text[4]-'0' <= 9 || strings.HasPrefix(text[4:], "service("))
	}
	return false
}

// pam reads "pam_unix(SERVICE:TYPE): TEXT" and its older forms.
func pam(t *tag, text string, ev *sentinel.Event) {
	service, facility := "", ""
	switch {
	case strings.HasPrefix(text, "PAM "):
		n, rest, ok := leading(text[len("PAM "):])
		rest, plural := strings.CutPrefix(rest, " more authentication failure")
		rest = strings.TrimPrefix(rest, "s")
		if !ok || !plural || n < 1 || n > maxRepeat || !strings.HasPrefix(rest, ";") {
			return
		}
		if pamFailure(t.program, rest[1:], ev) {
			ev.Repeat = n
		}
		return
	case strings.HasPrefix(text, "(pam_"):
		i := strings.Index(text, ") ")
		if i < 0 || i > maxTag {
			return
		}
		text = text[i+2:]
	case strings.HasPrefix(text, "pam_"):
		open := strings.IndexByte(text, '(')
		i := strings.Index(text, "): ")
		if open < 0 || open > maxTag || i < open || i > 2*maxTag {
			return
		}
		service, facility, _ = strings.Cut(text[open+1:i], ":")
		text = text[i+3:]
	}
	switch {
	case strings.HasPrefix(text, "authentication failure;"):
		if !pamFailure(t.program, text[len("authentication failure;"):], ev) {
			return
		}
		switch who := t.program; {
		case who == "su" || service == "su" || service == "su-l":
			ev.Type = sentinel.EventSu
		case who == "sudo" || service == "sudo" || service == "sudo-i":
			ev.Type = sentinel.EventSudo
		}
	case facility == "session" || t.module:
		// "session opened for user NAME[(uid=0)] by ..."
		rest, ok := strings.CutPrefix(text, "session opened for user ")
		if !ok {
			rest, ok = strings.CutPrefix(text, "session closed for user ")
		}
		if ok {
			rest, _, _ = strings.Cut(rest, " by ")
			ev.User, _, _ = strings.Cut(rest, "(uid=")
		}
	case facility == "chauthtok":
		if user, ok := strings.CutPrefix(text, "password changed for "); ok {
			ev.Type, ev.User, ev.Outcome = sentinel.EventAccount, user, "success"
		}
	}
}

// pamFailure reads " logname= uid=0 euid=0 tty=ssh ruser=NAME rhost=HOST
// [ user=NAME]". Both names are free text of the client: sshd leaves the first
// empty, and only known users get the second.
func pamFailure(program, s string, ev *sentinel.Event) bool {
	if !strings.HasPrefix(s, " logname=") {
		return false
	}
	s = strings.TrimRight(s, " ")
	failed(ev, sentinel.AuthStepPAM)
	// A place where " rhost=HOST" is followed by the end or by " user=" is a
	// possible reading.
	var first, last netip.Addr
	firstUser, lastUser := "", ""
	n, end := 0, 0
	for at := 0; ; {
		i := strings.Index(s[at:], " rhost=")
		if i < 0 {
			break
		}
		at += i + len(" rhost=")
		word, rest, _ := strings.Cut(s[at:], " ")
		rest = strings.TrimLeft(rest, " ")
		user, named := strings.CutPrefix(rest, "user=")
		if rest != "" && !named {
			continue
		}
		last, _ = parseAddr(word)
		lastUser = user
		if n == 0 {
			first, firstUser, end = last, user, at-len(" rhost=")
		}
		n++
	}
	switch {
	case n == 1:
		ev.SrcIP, ev.User = last, lastUser
		if ruser := strings.Index(s[:end], " ruser="); lastUser == "" && ruser >= 0 {
			ev.User = s[ruser+len(" ruser=") : end]
		}
	case n > 1 && isSSHD(program):
		ev.SrcIP, ev.User = first, firstUser
	}
	return true
}
