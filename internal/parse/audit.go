package parse

import (
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// audit reads a record of the Linux audit system:
//
//	type=USER_AUTH msg=audit(1373129280.000:9): pid=1 ... msg='op=PAM:authentication acct="root" exe="/usr/sbin/sshd" hostname=? addr=ADDR terminal=ssh res=failed'
//
// Names are quoted, or in hexadecimal if they hold a space or a quote.
func (p *Parser) audit(line string, ev *sentinel.Event) bool {
	return auditText(line, ev)
}

func auditText(s string, ev *sentinel.Event) bool {
	if rest, ok := strings.CutPrefix(s, "node="); ok {
		host, rest, ok := strings.Cut(rest, " ")
		if !ok {
			return false
		}
		ev.Host, s = host, rest
	}
	s, ok := strings.CutPrefix(s, "type=")
	if !ok {
		return false
	}
	kind, s, ok := strings.Cut(s, " msg=audit(")
	if !ok || !oneWord(kind) || len(kind) > maxTag {
		return false
	}
	stamp, s, ok := strings.Cut(s, "): ")
	if !ok || len(stamp) < 12 || stamp[10] != '.' {
		return false
	}
	sec, rest, ok := leading(stamp[:9])
	if !ok || rest != "" || stamp[9]-'0' > 9 {
		return false
	}
	ev.Time = time.Unix(int64(sec)*10+int64(stamp[9]-'0'), 0).UTC()
	ev.Message, ev.SourceType, ev.Program = s, sentinel.TypeAudit, ""
	if pid, ok := word(s, "pid="); ok {
		ev.PID, _ = atoi(pid)
	}
	auditRecord(kind, s, ev)
	return true
}

// word finds the one word in s that begins with name and returns its rest.
func word(s, name string) (value string, ok bool) {
	for at := 0; ; {
		i := strings.Index(s[at:], name)
		if i < 0 {
			return value, ok
		}
		at += i
		if at == 0 || s[at-1] == ' ' || s[at-1] == '\'' {
			if ok {
				return "", false
			}
			value, ok = s[at+len(name):], true
			if n := strings.IndexAny(value, " '\x1d"); n >= 0 {
				value = value[:n]
			}
		}
		at += len(name)
	}
}

// auditRecord reads the records that users' logins leave.
func auditRecord(kind, s string, ev *sentinel.Event) {
	i := strings.Index(s, " msg='")
	if i < 0 {
		return
	}
	s = s[i+len(" msg='"):]
	result, _ := word(s, "res=")
	switch result {
	case "failed", "0":
		ev.Outcome = "failure"
	case "success", "1":
		ev.Outcome = "success"
	default:
		return
	}
	if acct, ok := word(s, "acct="); ok && len(acct) > 2 && acct[0] == '"' && acct[len(acct)-1] == '"' {
		ev.User = acct[1 : len(acct)-1]
	}
	exe, _ := word(s, "exe=")
	exe = strings.Trim(exe, `"`)
	exe = exe[strings.LastIndexByte(exe, '/')+1:]
	ev.Program = exe
	if addr, ok := word(s, "addr="); ok {
		ev.SrcIP, _ = parseAddr(addr)
	}
	ok := ev.Outcome == "success"
	switch kind {
	case "USER_AUTH", "USER_ERR", "USER_LOGIN":
		switch {
		case exe == "sudo":
			ev.Type = sentinel.EventSudo
		case exe == "su":
			ev.Type = sentinel.EventSu
		case ok:
			if kind == "USER_LOGIN" {
				ev.Type = sentinel.EventAuthOK
			}
		case kind == "USER_AUTH":
			failed(ev, sentinel.AuthStepFailed)
		case kind == "USER_ERR":
			failed(ev, sentinel.AuthStepInvalid)
		default:
			failed(ev, sentinel.AuthStepSummary)
		}
	case "ADD_USER":
		if ok {
			ev.Type = sentinel.EventUserAdd
		}
	case "SERVICE_STOP":
		ev.Type = sentinel.EventSvcStop
	}
}
