package collect

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// An entry of the journal becomes a line as syslog would write it, with its
// header made from what the journal itself knows:
//
//	2026-01-31T10:00:00.123456Z host sshd[812]: Failed password for ...
//
// so that parsers, evidence and "sentinelctl explain-line" know one form. A
// program that calls itself by another's name does not get that name: an
// ordinary user's "sshd" becomes "uid1000/sshd", and the line is text alone.

// maxIdent is the longest name of a program in a header, as in syslog.
const maxIdent = 48

const stampLayout = "2006-01-02T15:04:05.000000Z"

// appendLine appends the entry's line to b. No newline gets into it, nor any
// other control character: they are written in octal, as rsyslog does.
func (e *entry) appendLine(b []byte, trust sentinel.Trust) []byte {
	b = e.time().AppendFormat(b, stampLayout)
	b = append(b, ' ')
	b = appendName(b, e.values[fieldHost], "localhost")
	b = append(b, ' ')
	if trust == sentinel.TrustNone && !systemService(e.values[fieldUnit]) {
		b = append(b, "uid"...)
		b = appendName(b, e.values[fieldUID], "-")
		b = append(b, '/')
	}
	b = appendName(b, e.ident(), "unknown")
	pid := e.values[fieldPID]
	if pid == nil {
		pid = e.values[fieldSyslogPID]
	}
	if _, ok := number(pid); ok && string(e.values[fieldTransport]) != "kernel" {
		b = append(b, '[')
		b = append(b, pid...)
		b = append(b, ']')
	}
	b = append(b, ": "...)
	if string(e.values[fieldTransport]) == "audit" {
		return e.appendAudit(b)
	}
	return appendEscaped(b, e.values[fieldMessage])
}

// appendAudit appends a record of the audit system as the audit daemon writes
// it. The journal has "TYPE FIELDS" of it, and its stamp and serial number apart.
func (e *entry) appendAudit(b []byte) []byte {
	kind, rest, ok := bytes.Cut(e.values[fieldMessage], []byte(" "))
	us, stamped := number(e.values[fieldSourceTime])
	serial, numbered := number(e.values[fieldAuditID])
	if !ok || !stamped || !numbered {
		return appendEscaped(b, e.values[fieldMessage])
	}
	b = append(b, "type="...)
	b = appendName(b, kind, "UNKNOWN")
	b = fmt.Appendf(b, " msg=audit(%d.%03d:%d): ", us/1e6, us/1e3%1e3, serial)
	return appendEscaped(b, rest)
}

// time is when the journal received the entry.
func (e *entry) time() time.Time {
	us, _ := number(e.values[fieldRealtime])
	return time.UnixMicro(us).UTC()
}

// ident is what the writer calls itself.
func (e *entry) ident() []byte {
	if string(e.values[fieldTransport]) == "kernel" {
		return []byte("kernel")
	}
	if string(e.values[fieldTransport]) == "audit" {
		return []byte("audit")
	}
	if id := e.values[fieldIdent]; len(id) > 0 {
		return id
	}
	return e.values[fieldComm]
}

// appendName appends a name, or instead if there is none, without characters
// that a header could be broken with.
func appendName(b, name []byte, instead string) []byte {
	if len(name) == 0 {
		return append(b, instead...)
	}
	for _, c := range name[:min(len(name), maxIdent)] {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("._-/@+", c) >= 0:
		default:
			c = '_'
		}
		b = append(b, c)
	}
	return b
}

func appendEscaped(b, text []byte) []byte {
	start := 0
	for i, c := range text {
		if c >= ' ' && c != 0x7f {
			continue
		}
		b = append(b, text[start:i]...)
		b = append(b, '#', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		start = i + 1
	}
	return append(b, text[start:]...)
}

// number reads a decimal number without sign, at most 18 digits.
func number(s []byte) (int64, bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	v := int64(0)
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	return v, true
}

// trust says whether the entry was written by what it calls itself.
//
// The user is the one field that a process cannot have changed when it is
// looked at: the kernel notes it with the message. The name of the command can
// be set by the process itself, and it is missing if the process ended at once.
// Hence a name is believed of root's processes if the command bears it, and of
// services of the system if the unit bears it; of sshd, whose lines block, only
// the former.
func (e *entry) trust() sentinel.Trust {
	ident := e.ident()
	switch string(e.values[fieldTransport]) {
	case "kernel", "audit", "driver": // nobody but the journal makes these
		return sentinel.TrustHeader
	}
	if string(ident) == "kernel" || string(ident) == "audit" {
		return sentinel.TrustNone
	}
	comm := e.values[fieldComm]
	named := sameProgram(ident, comm)
	if string(e.values[fieldUID]) == "0" && (named || comm == nil) {
		return sentinel.TrustHeader
	}
	switch {
	case isSSHD(ident):
		return sentinel.TrustNone
	case unitOf(e.values[fieldUnit], ident):
		return sentinel.TrustHeader
	case named && anybodyRuns(ident):
		return sentinel.TrustLocal
	}
	return sentinel.TrustNone
}

func isSSHD(name []byte) bool {
	switch string(name) {
	case "sshd", "sshd-session", "sshd-auth":
		return true
	}
	return false
}

// maxComm is the length at which the kernel cuts the name of a command.
const maxComm = 15

// sameProgram reports whether a command may call itself ident: it is the name
// or a part of it ("smtpd" is "postfix/smtpd").
func sameProgram(ident, comm []byte) bool {
	if isSSHD(ident) {
		return isSSHD(comm)
	}
	for len(ident) > 0 && len(comm) > 0 {
		part, rest, _ := bytes.Cut(ident, []byte{'/'})
		if bytes.EqualFold(part[:min(len(part), maxComm)], comm) {
			return true
		}
		ident = rest
	}
	return false
}

// systemService reports whether a unit is a service that the system's manager
// started; users have their own below user@UID.service.
func systemService(unit []byte) bool {
	return bytes.HasSuffix(unit, []byte(".service")) && !bytes.HasPrefix(unit, []byte("user@"))
}

// unitNames are units that are not called as their programs.
var unitNames = map[string]string{"bind9": "named", "mysql": "mariadbd", "mariadb": "mysqld"}

// unitOf reports whether the unit is a service of the system that is called
// like the program: postfix@-.service runs "postfix/smtpd", mysql.service runs
// "mysqld", postgresql.service "postgres".
func unitOf(unit, ident []byte) bool {
	if !systemService(unit) {
		return false
	}
	stem := unit[:bytes.IndexAny(unit, "@.")]
	base, _, _ := bytes.Cut(ident, []byte{'/'})
	if len(stem) < 3 || len(base) < 3 {
		return false
	}
	return bytes.HasPrefix(stem, base) || bytes.HasPrefix(base, stem) || unitNames[string(stem)] == string(base)
}

// anybodyRuns are programs that run as root at an ordinary user's wish, so that
// the journal shows the user's id.
func anybodyRuns(ident []byte) bool {
	switch string(ident) {
	case "sudo", "su", "doas", "run0", "pkexec", "passwd", "chsh", "chfn", "chage", "gpasswd", "newgrp", "crontab", "at", "unix_chkpwd",
		"polkit-agent-helper-1":
		return true
	}
	return false
}

// sameEntry reports whether two cursors name one entry. An entry keeps its boot,
// its times and its hash (b, m, t, x) when it is copied to another file, as at
// the end of booting, but not its number (s, i).
func sameEntry(a, b string) bool {
	if a == b {
		return true
	}
	_, a, ok := strings.Cut(a, ";b=")
	_, b, also := strings.Cut(b, ";b=")
	return ok && also && a == b
}

// cursorTime is when the entry of a cursor was received, zero if that cannot be
// told.
func cursorTime(cursor string) time.Time {
	_, rest, ok := strings.Cut(cursor, ";t=")
	if !ok {
		return time.Time{}
	}
	hex, _, _ := strings.Cut(rest, ";")
	us := int64(0)
	for _, c := range []byte(hex) {
		d := strings.IndexByte("0123456789abcdef", c)
		if d < 0 || us > 1<<58 {
			return time.Time{}
		}
		us = us<<4 | int64(d)
	}
	return time.UnixMicro(us).UTC()
}
