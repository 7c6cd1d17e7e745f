package parse

import (
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const (
	maxTag    = 64      // bytes of a program's name
	maxRepeat = 100_000 // "message repeated N times"
)

// syslog reads a line with a header of RFC 3164, RFC 5424 or with an ISO 8601
// stamp, and what the program under it says.
func (p *Parser) syslog(line string, now, ref time.Time, ev *sentinel.Event) bool {
	s := line
	if s[0] == '<' {
		n := 1
		for n < len(s) && n < 5 && s[n]-'0' <= 9 {
			n++
		}
		if n < 2 || n >= len(s)-1 || s[n] != '>' {
			return false
		}
		s = s[n+1:]
		if strings.HasPrefix(s, "1 ") {
			return p.syslog5424(s[2:], ev)
		}
	}
	t, n := time.Time{}, 0
	iso := len(s) > 0 && s[0]-'0' <= 9
	if iso {
		t, n = p.isoStamp(s)
	} else {
		t, n = p.bsdStamp(s, now, ref)
	}
	if n == 0 {
		return p.bareSSH(s, ev)
	}
	if n >= len(s) || s[n] != ' ' {
		return false
	}
	// "2006-01-02 15:04:05" begins the log of one daemon: PAM does not write there,
	// but that daemon's clients may.
	own := iso && s[10] == ' '
	ev.Time = t
	s = s[n+1:]
	// What is first, the host or, where there is none, the tag?
	i := strings.IndexByte(s, ' ')
	if i < 0 {
		i = len(s)
	}
	if i == 0 {
		return false
	}
	switch first := s[:i]; {
	case first[i-1] == ':':
		if severity(first[:i-1]) {
			// "STAMP auth.info: TEXT", with or without a tag in front of the text.
			s = strings.TrimLeft(s[i:], " ")
			if !sshTag(s) {
				return p.untagged(s, ev)
			}
		}
	case i == len(s) || strings.IndexByte(first, '[') > 0:
		if i == len(s) {
			return false
		}
	default:
		if p.cfg.Type == sentinel.TypeSSH && sshWord(first) {
			// "STAMP Failed password for ...": a log of sshd alone.
			return p.untagged(s, ev)
		}
		ev.Host = first
		s = strings.TrimLeft(s[i:], " ")
		// "STAMP HOST auth.info sshd[1]: TEXT", as busybox writes it.
		if i := strings.IndexByte(s, ' '); i > 0 && severity(s[:i]) {
			s = s[i+1:]
		}
	}
	tag, ok := cutTag(s)
	// Logs of many a program begin with such a stamp and are no syslog.
	if !ok || iso && (tag.plain || strings.ContainsAny(tag.program, `="`) || eximID(ev.Host) || strings.HasPrefix(ev.Host, "[")) {
		return false
	}
	tag.own = own
	return p.program(&tag, ev)
}

// syslog5424 reads what follows "<PRI>1 ".
func (p *Parser) syslog5424(s string, ev *sentinel.Event) bool {
	var f [5]string // stamp, host, program, pid, message id
	for i := range f {
		end := strings.IndexByte(s, ' ')
		if end <= 0 {
			return false
		}
		f[i], s = s[:end], s[end+1:]
	}
	if f[0] != "-" {
		t, n := p.isoStamp(f[0])
		if n != len(f[0]) {
			return false
		}
		ev.Time = t
	}
	if f[1] != "-" {
		ev.Host = f[1]
	}
	// Structured data: "-" or any number of [id name="value" ...].
	switch {
	case s == "":
		return false
	case s[0] == '-':
		s = s[1:]
	default:
		for s != "" && s[0] == '[' {
			n := elementEnd(s)
			if n < 0 {
				return false
			}
			s = s[n:]
		}
	}
	s = strings.TrimPrefix(s, " ")
	s = strings.TrimPrefix(s, "\ufeff")
	tag := tag{program: f[2], text: s}
	if f[2] == "-" {
		tag.program = ""
	}
	tag.pid, _ = atoi(f[3])
	return p.program(&tag, ev)
}

// elementEnd returns the index after the ']' of an element, -1 without one.
func elementEnd(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted = !quoted
		case ']':
			if !quoted {
				return i + 1
			}
		}
	}
	return -1
}

// bareSSH reads "sshd[1]: TEXT" without any header.
func (p *Parser) bareSSH(s string, ev *sentinel.Event) bool {
	if !sshTag(s) {
		return false
	}
	tag, ok := cutTag(s)
	return ok && p.program(&tag, ev)
}

// sshTag reports whether s begins with a tag of sshd and a process id.
func sshTag(s string) bool {
	if !strings.HasPrefix(s, "sshd") {
		return false
	}
	tag, ok := cutTag(s)
	return ok && tag.pid > 0 && tag.text != "" && isSSHD(tag.program)
}

func isSSHD(program string) bool {
	switch program {
	case "sshd", "sshd-session", "sshd-auth":
		return true
	}
	return false
}

// untagged reads text whose program is not named; a source of type ssh has
// lines of sshd alone.
func (p *Parser) untagged(s string, ev *sentinel.Event) bool {
	ev.Message = s
	if p.cfg.Type == sentinel.TypeSSH {
		sshd(s, ev)
		return true
	}
	if p.web {
		return false
	}
	ev.SourceType = sentinel.TypeSyslog
	return true
}

// sshWord reports whether w begins a message of sshd: such a word in the place
// of the host tells of a line without host and tag.
func sshWord(w string) bool {
	switch w {
	case "Failed", "Accepted", "Invalid", "Illegal", "Connection", "Disconnected", "Disconnecting", "Received", "error:", "fatal:":
		return true
	}
	return false
}

// severity reports whether w is a facility and severity such as "auth.info".
func severity(w string) bool {
	i := strings.IndexByte(w, '.')
	if i < 0 {
		return false
	}
	switch w[i+1:] {
	case "debug", "info", "notice", "warn", "warning", "err", "error", "crit", "alert", "emerg", "panic":
	default:
		return false
	}
	switch w[:i] {
	case "auth", "authpriv", "security", "user", "daemon", "kern", "mail", "syslog", "cron", "ftp", "news", "lpr", "uucp":
		return true
	}
	return strings.HasPrefix(w, "local") && i == 6
}

// tag is who says text.
type tag struct {
	program string
	pid     int
	module  bool // "sshd(pam_unix)[1]"
	plain   bool // neither a process id nor a colon follows
	own     bool // behind the stamp of a daemon's own log
	text    string
}

// cutTag reads "PROGRAM[PID]: TEXT" in all its forms.
func cutTag(s string) (t tag, ok bool) {
	i := 0
	for i < len(s) && i <= maxTag && s[i] > ' ' && s[i] != '[' && s[i] != '(' &&
		(s[i] != ':' || i+1 < len(s) && s[i+1] != ' ') {
		i++
	}
	if i == 0 || i == len(s) || i > maxTag {
		return t, false
	}
	t.program = s[:i]
	s = s[i:]
	if t.program[0] == '/' {
		t.program = t.program[strings.LastIndexByte(t.program, '/')+1:]
	}
	if s[0] == '(' {
		end := strings.IndexByte(s, ')')
		if end < 0 || end > maxTag || end+1 == len(s) {
			return t, false
		}
		t.module = strings.HasPrefix(s[1:], "pam_")
		s = s[end+1:]
	}
	if len(s) > 2 && s[0] == ' ' && s[1] == '[' && s[2]-'0' <= 9 {
		s = s[1:]
	}
	if s[0] == '[' {
		end := 1
		for end < len(s) && s[end] != ']' && end < maxTag {
			end++
		}
		if end == len(s) || s[end] != ']' {
			return t, false
		}
		t.pid, _ = atoi(s[1:end])
		s = s[end+1:]
	}
	s, colon := strings.CutPrefix(s, ":")
	t.plain = t.pid == 0 && !colon
	t.text = strings.TrimPrefix(s, " ")
	return t, true
}

// atoi reads a decimal number of at most 9 digits.
func atoi(s string) (int, bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	v := 0
	for i := 0; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		v = v*10 + int(d)
	}
	return v, true
}

// leading reads the decimal number at the start of s.
func leading(s string) (v int, rest string, ok bool) {
	n := 0
	for n < len(s) && s[n]-'0' <= 9 {
		n++
	}
	v, ok = atoi(s[:n])
	return v, s[n:], ok
}

// program reads what a program says under its header.
func (p *Parser) program(t *tag, ev *sentinel.Event) bool {
	ev.Program, ev.PID, ev.Message = t.program, t.pid, t.text
	ev.SourceType = sentinel.TypeSyslog
	text := t.text
	if text == "" {
		return !p.web
	}
	// rsyslog: "message repeated 3 times: [ TEXT]".
	if text[0] == 'm' && strings.HasPrefix(text, "message repeated ") && text[len(text)-1] == ']' {
		n, rest, ok := leading(text[len("message repeated "):])
		if inner, cut := strings.CutPrefix(rest, " times: ["); ok && cut && n > 0 && n <= maxRepeat {
			ev.Repeat = n
			text = strings.TrimLeft(inner[:len(inner)-1], " ")
			ev.Message = text
		}
	}
	// Solaris: "[ID 800047 auth.info] TEXT".
	if text != "" && text[0] == '[' && strings.HasPrefix(text, "[ID ") {
		if i := strings.Index(text, "] "); i > 0 && i < maxTag {
			text = text[i+2:]
			ev.Message = text
		}
	}
	if text == "" {
		return !p.web
	}
	repeat := ev.Repeat
	ok := p.say(t, text, ev)
	if repeat > 1 {
		ev.Repeat = repeat
	}
	return ok
}

// say leads text to the parser of its program. The program's name is all that
// decides: text is never asked whose it is, but for PAM, whose modules write
// under the names of the programs that they serve.
func (p *Parser) say(t *tag, text string, ev *sentinel.Event) bool {
	if isSSHD(t.program) && !t.module && !p.web {
		sshd(text, ev)
		return true
	}
	switch t.program {
	case "nginx", "apache2", "httpd", "apache", "caddy", "traefik", "lighttpd":
		return p.webText(text, ev)
	case "suhosin":
		suhosin(text, ev)
		return true
	}
	if p.web {
		return false
	}
	if !t.own && (t.module || isPAM(text)) {
		pam(t, text, ev)
		return true
	}
	switch t.program {
	case "audispd", "audisp-syslog", "audit":
		// The audit daemon's records, or those that the journal itself takes in.
		header := *ev
		if !p.audit(text, ev) {
			*ev = header
		}
		return true
	case "kernel":
		if rest := sinceBoot(text); strings.HasPrefix(rest, kernelRecord) && p.kernelAudit(rest, ev) {
			return true
		}
	}
	daemon(t, text, ev)
	if ev.Type == sentinel.EventOther && text != "" && (text[0] == '[' || text[0]-'0' <= 9) {
		p.stampedText(t, text, ev)
	}
	return true
}

// stampedText reads what a program says behind a stamp of its own, as those do
// whose output goes to the journal.
func (p *Parser) stampedText(t *tag, text string, ev *sentinel.Event) {
	g := grammarFor(t.program)
	if g == nil {
		return
	}
	stamp := ev.Time
	if rest, ok := p.cutStamp(text, ev.Received, ev.Received, ev); ok {
		g.read(rest, ev)
	}
	ev.Time = stamp
}

// webText reads what a web server sent to syslog.
func (p *Parser) webText(text string, ev *sentinel.Event) bool {
	// Only the fields of the header survive a failed attempt.
	header := *ev
	for f := range numFormats {
		ok := false
		switch f {
		case formatAccess, formatCustom:
			ok = p.try(f, text, time.Time{}, time.Time{}, ev)
		case formatNginxError:
			// Syslog leaves no newline in a message, so what follows is no doubt.
			ok = p.nginxError(text, ev)
			p.doubt = 0
		case formatApacheError:
			ok = p.apacheMessage(text, ev)
		case formatJSON:
			ok = p.webJSON(text, ev)
		}
		if ok {
			ev.Program, ev.PID = header.Program, header.PID
			return true
		}
		*ev = header
	}
	if header.Program == "lighttpd" && lighttpdGrammar.read(text, ev) {
		ev.SourceType = lighttpdGrammar.source
	}
	return true
}
