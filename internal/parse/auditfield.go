package parse

import (
	"encoding/hex"
	"net/netip"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Bounds of the fields of one audit event; what is beyond is left out.
const (
	maxAuditFields = 256
	maxAuditValue  = 8 << 10 // bytes of one value, as much as rules look at
)

// appendAudit appends the fields of a record: its type, NAME=VALUE as they
// stand, those within msg='...' too, and the names that the daemon adds behind
// them in the enriched format (\x1dUID="root").
func appendAudit(fields []sentinel.Field, kind, s string) []sentinel.Field {
	fields = addField(fields, "type", kind)
	s = strings.TrimSuffix(s, "'") // of msg='
	if rest, ok := strings.CutPrefix(s, "avc:  "); ok {
		fields, s = appendAVC(fields, rest)
	}
	args := kind == "EXECVE"
	for s != "" {
		switch s[0] {
		case ' ', '\x1d', ',', '\'', '}':
			s = s[1:]
			continue
		}
		i := strings.IndexAny(s, "= \x1d")
		if i < 0 {
			break
		}
		if s[i] != '=' {
			s = s[i:]
			continue
		}
		name := s[:i]
		var value string
		value, s = cutValue(s[i+1:])
		switch {
		case name == "" || len(name) > 64 || name == "msg" && value == "'":
			continue
		case args && isArg(name):
			value = unhex(value)
		default:
			value = auditValue(name, value)
		}
		if name == "key" {
			fields = appendKeys(fields, value)
			continue
		}
		fields = addField(fields, name, value)
	}
	return fields
}

// cutValue cuts a value off s: what is in double quotes, with them, or a word.
// Of msg='... it is the quote alone.
func cutValue(s string) (value, rest string) {
	if s == "" {
		return "", ""
	}
	switch s[0] {
	case '\'':
		return s[:1], s[1:]
	case '"':
		if n := strings.IndexByte(s[1:], '"'); n >= 0 {
			return s[:n+2], s[n+2:]
		}
		return s, ""
	}
	for i := range len(s) {
		switch s[i] {
		case ' ', '\x1d':
			return s[:i], s[i:]
		case '#':
			if strings.HasPrefix(s[i:], "#035") { // \x1d, as syslog writes it
				return s[:i], s[i+4:]
			}
		case '\'':
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func addField(fields []sentinel.Field, name, value string) []sentinel.Field {
	if len(fields) >= maxAuditFields {
		return fields
	}
	if len(value) > maxAuditValue {
		value = value[:maxAuditValue]
	}
	return append(fields, sentinel.Field{Name: name, Value: value})
}

// appendKeys appends the keys of the rules that made a record; several are
// parted by \x01.
func appendKeys(fields []sentinel.Field, keys string) []sentinel.Field {
	for keys != "" {
		var key string
		key, keys, _ = strings.Cut(keys, "\x01")
		if key != "" && key != "(null)" {
			fields = addField(fields, "key", key)
		}
	}
	return fields
}

// appendAVC reads "denied  { read write } for  " of SELinux.
func appendAVC(fields []sentinel.Field, s string) ([]sentinel.Field, string) {
	result, rest, ok := strings.Cut(s, "  { ")
	if !ok || !oneWord(result) {
		return fields, s
	}
	perms, rest, ok := strings.Cut(rest, " } for ")
	if !ok {
		return fields, s
	}
	return addField(addField(fields, "seresult", result), "seperms", perms), rest
}

// isArg reports whether a name of an EXECVE record is that of an argument or a
// piece of one: a0, a12, a1[3].
func isArg(name string) bool {
	return len(name) > 1 && name[0] == 'a' && name[1]-'0' <= 9 && !strings.HasSuffix(name, "_len")
}

// encoded reports whether values of a name are in hexadecimal where they are
// not quoted.
func encoded(name string) bool {
	switch name {
	case "acct", "cmd", "comm", "cwd", "data", "dir", "exe", "file", "grp", "key", "name", "new_group", "ocomm", "path",
		"proctitle", "profile", "vm", "watch":
		return true
	}
	return false
}

// auditValue undoes the quotes or the hexadecimal of a value. NULs, which part
// the words of a process title, become spaces.
func auditValue(name, s string) string {
	if encoded(name) {
		return unhex(s)
	}
	return unquote(s)
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// unhex is the text of a value that is quoted, or else in hexadecimal if it has
// that form. Numbers of fewer than two bytes and of odd length are left alone.
func unhex(s string) string {
	if s == "" || s[0] == '"' {
		return unquote(s)
	}
	if len(s)%2 != 0 || len(s) < 2 {
		return s
	}
	for i := range len(s) {
		if c := s[i]; c-'0' > 9 && c-'A' > 5 && c-'a' > 5 {
			return s
		}
	}
	if len(s) > 2*maxAuditValue {
		s = s[:2*maxAuditValue]
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return s
	}
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	for i, c := range b {
		if c == 0 {
			b[i] = ' '
		}
	}
	return string(b)
}

// auditField returns the first value of a name, empty if there is none.
func auditField(fields []sentinel.Field, name string) string {
	for i := range fields {
		if fields[i].Name == name {
			return fields[i].Value
		}
	}
	return ""
}

// unsetID is the user id of nobody: a process that no login led to.
const unsetID = "4294967295"

// auditUser is the account that a record is about: the one that logged in, or
// if there was no login the one that the process runs as. It is a name where
// the record has one, else the number.
func auditUser(fields []sentinel.Field) string {
	for _, id := range [...][2]string{{"auid", "AUID"}, {"uid", "UID"}} {
		number := auditField(fields, id[0])
		if number == "" || number == unsetID || number == "-1" {
			continue
		}
		if name := auditField(fields, id[1]); name != "" && name != "unset" && !strings.HasPrefix(name, "unknown(") {
			return name
		}
		if number == "0" {
			return "root"
		}
		return number
	}
	return ""
}

// sockaddr reads the address of a SOCKADDR record: a struct sockaddr in
// hexadecimal, of the families of IPv4 and IPv6.
func sockaddr(s string) (netip.Addr, uint16) {
	if len(s) > 2*28 {
		s = s[:2*28]
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) < 8 {
		return netip.Addr{}, 0
	}
	port := uint16(b[2])<<8 | uint16(b[3])
	switch family := uint16(b[0]) | uint16(b[1])<<8; {
	case family == 2:
		return netip.AddrFrom4([4]byte(b[4:8])), port
	case family == 10 && len(b) >= 24:
		return netip.AddrFrom16([16]byte(b[8:24])).Unmap(), port
	}
	return netip.Addr{}, 0
}
