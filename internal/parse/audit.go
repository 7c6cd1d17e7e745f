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
// Values that a user may choose are quoted, or in hexadecimal if they hold a
// space or a quote, so that no value can be taken for another field. Records of
// users' programs, like the one above, stand alone; what the kernel says of one
// system call is several records, see auditevent.go.
func (p *Parser) audit(s string, ev *sentinel.Event) bool {
	var id auditID
	if rest, ok := strings.CutPrefix(s, "node="); ok {
		if id.node, s, ok = strings.Cut(rest, " "); !ok {
			return false
		}
	}
	s, ok := strings.CutPrefix(s, "type=")
	if !ok {
		return false
	}
	kind, s, ok := strings.Cut(s, " msg=audit(")
	if !ok || !oneWord(kind) || len(kind) > maxTag {
		return false
	}
	stamp, s, ok := strings.Cut(s, "):")
	if !ok || !id.read(stamp) {
		return false
	}
	s = strings.TrimPrefix(s, " ")
	if id.node != "" {
		ev.Host = id.node
	}
	ev.Time = time.Unix(id.sec, int64(id.ms)*int64(time.Millisecond)).UTC()
	ev.Message, ev.SourceType, ev.Program = s, sentinel.TypeAudit, ""
	if p.records == nil {
		p.records = &auditRecords{}
	}
	if joins(kind) {
		p.records.join(id, kind, s, ev)
		return true
	}
	p.records.alone = appendAudit(p.records.alone[:0], kind, s)
	ev.Fields = p.records.alone
	if pid, ok := word(s, "pid="); ok {
		ev.PID, _ = atoi(pid)
	}
	if exe, ok := word(s, "exe="); ok {
		ev.Exec.Image, ev.Exec.PID = auditValue("exe", exe), ev.PID
	}
	auditRecord(kind, s, ev)
	return true
}

// auditID is what the records of one event have in common.
type auditID struct {
	sec    int64
	ms     int
	serial uint64
	node   string
}

// read reads "SECONDS.MMM:SERIAL", with ten digits of seconds.
func (id *auditID) read(s string) bool {
	if len(s) < 16 || s[10] != '.' || s[14] != ':' || len(s) > 15+19 {
		return false
	}
	for i := range len(s) {
		if i != 10 && i != 14 && s[i]-'0' > 9 {
			return false
		}
		switch d := s[i] - '0'; {
		case i < 10:
			id.sec = 10*id.sec + int64(d)
		case i > 10 && i < 14:
			id.ms = 10*id.ms + int(d)
		case i > 14:
			id.serial = 10*id.serial + uint64(d)
		}
	}
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

// auditRecord reads the records that programs write for their users.
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
	if acct, ok := word(s, "acct="); ok {
		ev.User = auditValue("acct", acct)
	}
	exe := base(ev.Exec.Image)
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
	case "USER_CMD":
		// What sudo was asked to run.
		ev.Type = sentinel.EventSudo
		if cwd, ok := word(s, "cwd="); ok {
			ev.Exec.Cwd = auditValue("cwd", cwd)
		}
		if cmd, ok := word(s, "cmd="); ok {
			ev.Exec.Cmdline = auditValue("cmd", cmd)
		}
		ev.User = auditUser(ev.Fields)
	case "ADD_USER":
		if ok {
			ev.Type = sentinel.EventUserAdd
		}
	case "DEL_USER", "ADD_GROUP", "DEL_GROUP", "USER_MGMT", "GRP_MGMT", "USER_CHAUTHTOK", "GRP_CHAUTHTOK", "ACCT_LOCK", "ACCT_UNLOCK", "CHUSER_ID", "CHGRP_ID":
		if ok {
			ev.Type = sentinel.EventAccount
		}
	case "SERVICE_STOP":
		ev.Type = sentinel.EventSvcStop
	}
}

// base is the last part of a path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// kernelRecord begins what the kernel says where no audit daemon takes it.
const kernelRecord = "audit: type="

// kernelAudit reads "audit: type=1400 audit(1772366398.123:9): apparmor="DENIED"
// ...". The kernel leaves out records when there are many, so that each stands
// alone: its event has the raw fields, and its message is the kernel's.
func (p *Parser) kernelAudit(s string, ev *sentinel.Event) bool {
	number, rest, ok := strings.Cut(s[len(kernelRecord):], " audit(")
	if !ok {
		return false
	}
	kind := recordName(number)
	stamp, rest, ok := strings.Cut(rest, "): ")
	if kind == "" || !ok || len(stamp) > 64 {
		return false
	}
	if p.records == nil {
		p.records = &auditRecords{}
	}
	p.records.alone = appendAudit(p.records.alone[:0], kind, rest)
	ev.Fields = p.records.alone
	ev.Message, ev.SourceType = s, sentinel.TypeKernel
	ev.Exec.Image = auditField(ev.Fields, "exe")
	ev.Exec.PID, _ = atoi(auditField(ev.Fields, "pid"))
	return true
}

// recordName is the name of a type of records that the kernel writes by number.
func recordName(number string) string {
	switch number {
	case "1300":
		return "SYSCALL"
	case "1302":
		return "PATH"
	case "1305":
		return "CONFIG_CHANGE"
	case "1307":
		return "CWD"
	case "1309":
		return "EXECVE"
	case "1325":
		return "NETFILTER_CFG"
	case "1326":
		return "SECCOMP"
	case "1327":
		return "PROCTITLE"
	case "1330":
		return "KERN_MODULE"
	case "1400":
		return "AVC"
	case "1700":
		return "ANOM_PROMISCUOUS"
	case "1701":
		return "ANOM_ABEND"
	case "1702":
		return "ANOM_LINK"
	}
	return ""
}
