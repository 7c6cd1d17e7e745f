package parse

import (
	"errors"
	"fmt"
	"strings"
)

// maxFormat bounds the text of a format, and maxFormatParts its parts.
const (
	maxFormat      = 4096
	maxFormatParts = 64
	maxFormatGaps  = 8
)

// usualFormats are those that are read without being told. What stands behind
// the agent in the last one is taken as the header.
var usualFormats = map[string]bool{
	`$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent`:                                                            true,
	`$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`:                         true,
	`$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for"`: true,
	`%h %l %u %t "%r" %>s %b`:                                      true,
	`%h %l %u %t "%r" %>s %O`:                                      true,
	`%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`:       true,
	`%h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i"`:       true,
	`%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i"`: true,
}

// nginxFields are the variables that mean something. All others are skipped.
var nginxFields = map[string]formatField{
	"remote_addr": fieldAddr, "realip_remote_addr": fieldPeer, "remote_port": fieldPort, "realip_remote_port": fieldWord,
	"remote_user": fieldUser, "time_local": fieldStamp, "time_iso8601": fieldISO, "msec": fieldEpoch,
	"request": fieldRequest, "request_method": fieldMethod, "request_uri": fieldTarget, "uri": fieldPath, "args": fieldQuery, "query_string": fieldQuery,
	"server_protocol": fieldProto, "status": fieldStatus, "body_bytes_sent": fieldBytes, "bytes_sent": fieldWord,
	"http_referer": fieldReferer, "http_user_agent": fieldAgent, "http_x_forwarded_for": fieldForwarded,
	"host": fieldVhost, "http_host": fieldHost, "server_name": fieldServer, "server_port": fieldWord, "server_addr": fieldWord,
	"request_time": fieldSeconds, "request_length": fieldWord, "request_id": fieldWord, "connection": fieldWord, "connection_requests": fieldWord,
	"pipe": fieldWord, "scheme": fieldWord, "https": fieldWord, "gzip_ratio": fieldWord, "ssl_protocol": fieldWord, "ssl_cipher": fieldWord,
	"pid": fieldWord, "hostname": fieldWord,
}

// anyBytes begin the names of nginx's variables of which clients choose every
// byte, also ends of lines: they are decoded, or were never in a header.
var anyBytes = []string{"uri", "document_uri", "request_filename", "request_body", "remote_user", "ssl_server_name", "ssl_client_"}

// apacheFields are the same for Apache.
var apacheFields = map[string]formatField{
	"h": fieldAddr, "a": fieldAddr, "{c}a": fieldPeer, "l": fieldIdent, "u": fieldUser, "r": fieldRequest, "s": fieldStatus, ">s": fieldStatus, "<s": fieldWord,
	"b": fieldBytes, "B": fieldBytes, "O": fieldBytes, "I": fieldWord, "D": fieldMicros, "T": fieldSeconds, "{s}T": fieldSeconds, "{ms}T": fieldMillis, "{us}T": fieldMicros, "v": fieldServer, "V": fieldVhost, "p": fieldWord, "P": fieldWord,
	"m": fieldMethod, "U": fieldPath, "q": fieldQuery, "H": fieldProto, "k": fieldWord, "X": fieldWord, "A": fieldWord, "S": fieldWord, "L": fieldWord,
	"{referer}i": fieldReferer, "{user-agent}i": fieldAgent, "{x-forwarded-for}i": fieldForwarded, "{host}i": fieldHost,
	"{sec}t": fieldEpoch, "{msec}t": fieldMillisEpoch, "{%Y-%m-%dT%H:%M:%S%z}t": fieldISO, "{%FT%T%z}t": fieldISO, "{%d/%b/%Y:%H:%M:%S %z}t": fieldStamp,
	"{remote}p": fieldPort, "{local}p": fieldWord, "{canonical}p": fieldWord,
}

// ParseLogFormat reads what stands behind the name in nginx's log_format, with or
// without its quotes, or the first argument of Apache's LogFormat. The error says
// why such lines cannot be read.
func ParseLogFormat(text string) (*LogFormat, error) {
	if len(text) > maxFormat {
		return nil, fmt.Errorf("a log format of %d bytes is longer than %d", len(text), maxFormat)
	}
	text, escape := unquoteFormat(strings.TrimSpace(text))
	return NewLogFormat(text, escape)
}

// NewLogFormat is ParseLogFormat for a text whose quotes have been undone. escape
// is the parameter of that name of nginx: "json", "none", or anything else for the
// server's usual way.
func NewLogFormat(text, escape string) (*LogFormat, error) {
	switch {
	case text == "":
		return nil, errors.New("an empty log format")
	case len(text) > maxFormat:
		return nil, fmt.Errorf("a log format of %d bytes is longer than %d", len(text), maxFormat)
	}
	if escape == "none" {
		for _, name := range anyBytes {
			if strings.Contains(text, "$"+name) || strings.Contains(text, "${"+name) {
				return nil, fmt.Errorf("with escape=none clients may write whole lines of their own into $%s", name)
			}
		}
	}
	parts, err := formatParts(text)
	if err != nil {
		return nil, err
	}
	if len(parts) > maxFormatParts {
		return nil, fmt.Errorf("a log format of more than %d parts", maxFormatParts)
	}
	f, err := newLogFormat(parts, escape)
	if err != nil {
		return nil, err
	}
	f.usual = usualFormats[text] && escape != "json" && escape != "none"
	return f, nil
}

// Usual reports whether lines of the format are read as well without telling it.
func (f *LogFormat) Usual() bool { return f.usual }

// unquoteFormat joins the quoted strings of nginx's configuration and takes the
// escape parameter.
func unquoteFormat(s string) (text, escape string) {
	if rest, ok := strings.CutPrefix(s, "escape="); ok {
		escape, s, _ = strings.Cut(rest, " ")
		s = strings.TrimSpace(s)
	}
	s = strings.TrimSpace(strings.TrimSuffix(s, ";"))
	if s == "" || s[0] != '\'' {
		return strings.ReplaceAll(s, `\"`, `"`), escape
	}
	var b strings.Builder
	for s != "" && s[0] == '\'' {
		end := strings.IndexByte(s[1:], '\'')
		if end < 0 {
			break
		}
		b.WriteString(s[1 : 1+end])
		s = strings.TrimSpace(s[end+2:])
	}
	return b.String(), escape
}

// formatParts takes a format apart.
func formatParts(text string) (parts []formatPart, err error) {
	apache := !strings.Contains(text, "$")
	literal := func(s string) {
		if n := len(parts); n > 0 && parts[n-1].field == fieldText {
			parts[n-1].text += s
		} else if s != "" {
			parts = append(parts, formatPart{text: s})
		}
	}
	for text != "" {
		i := strings.IndexAny(text, "$%")
		if i < 0 || !apache && text[i] == '%' {
			if i = strings.IndexByte(text, '$'); i < 0 {
				literal(text)
				break
			}
		}
		literal(text[:i])
		text = text[i+1:]
		name, field := "", fieldSkip
		if apache {
			if text != "" && text[0] == '%' {
				literal("%")
				text = text[1:]
				continue
			}
			name, text = apacheDirective(text)
			if name == "t" {
				literal("[")
				parts = append(parts, formatPart{field: fieldStamp})
				literal("]")
				continue
			}
			field = apacheField(name)
		} else {
			name, text = nginxVariable(text)
			if f, ok := nginxFields[name]; ok {
				field = f
			}
		}
		if name == "" {
			return nil, errors.New("a variable without a name")
		}
		if n := len(parts); n > 0 && parts[n-1].field != fieldText {
			if parts[n-1].field, err = joined(parts[n-1].field, field, name); err != nil {
				return nil, err
			}
			continue
		}
		parts = append(parts, formatPart{field: field})
	}
	return parts, nil
}

// joined is what two variables are together that have nothing between them: name
// is the second one's.
func joined(first, second formatField, name string) (formatField, error) {
	switch {
	case first == fieldPath && (name == "is_args" || second == fieldQuery), first == fieldTarget && second == fieldQuery:
		return fieldTarget, nil
	case first == fieldURL && (name == "is_args" || second == fieldQuery):
		return fieldURL, nil
	case (first == fieldHost || first == fieldVhost || first == fieldServer) && (second == fieldTarget || second == fieldPath):
		return fieldURL, nil
	}
	for _, f := range [...]formatField{first, second} {
		switch f {
		case fieldAddr, fieldPeer, fieldForwarded, fieldStamp, fieldISO, fieldRequest, fieldTarget, fieldStatus:
			return fieldText, fmt.Errorf("nothing stands between %s and the variable before it", name)
		}
	}
	return fieldSkip, nil
}

// apacheField finds what a directive means; the names of headers are the same in
// any case.
func apacheField(name string) formatField {
	if strings.HasSuffix(name, "}i") {
		name = strings.ToLower(name)
	}
	if strings.HasSuffix(name, "}t") {
		name = strings.Replace(name, "{begin:", "{", 1)
	}
	if f, ok := apacheFields[name]; ok {
		return f
	}
	return fieldSkip
}

// nginxVariable cuts "name" or "{name}".
func nginxVariable(s string) (name, rest string) {
	if inner, ok := strings.CutPrefix(s, "{"); ok {
		name, rest, _ = strings.Cut(inner, "}")
		return name, rest
	}
	n := 0
	for n < len(s) && (wordByte(s[n])) {
		n++
	}
	return s[:n], s[n:]
}

// apacheDirective cuts "h", ">s" or "{Name}i"; a condition such as "!404,500" is
// dropped.
func apacheDirective(s string) (name, rest string) {
	for s != "" && (s[0] == '!' || s[0] == ',' || s[0]-'0' <= 9) {
		s = s[1:]
	}
	n := 0
	switch {
	case s == "":
		return "", ""
	case s[0] == '{':
		if n = strings.IndexByte(s, '}') + 1; n == 0 {
			return "", ""
		}
	case s[0] == '>' || s[0] == '<':
		n = 1
	case s[0] == '^': // "%{Name}^ti", "%^FB"
		n = 2
	}
	if n > 0 && s[0] == '{' && strings.HasPrefix(s[n:], "^") {
		n += 2
	}
	if n >= len(s) {
		return "", ""
	}
	return s[:n+1], s[n+1:]
}

// newLogFormat decides which fields end by themselves.
func newLogFormat(parts []formatPart, escape string) (*LogFormat, error) {
	f := &LogFormat{segments: [][]formatPart{nil}, peer: -1, client: -1, header: -1, json: escape == "json"}
	raw := escape == "none"
	var has [numFields]bool
	for i, p := range parts {
		if p.field == fieldText {
			f.add(p)
			continue
		}
		if p.field > fieldWord && has[p.field] {
			p.field = fieldSkip // the same again
		}
		has[p.field] = true
		before, after := "", ""
		if i > 0 {
			before = parts[i-1].text
		}
		if i+1 < len(parts) {
			after = parts[i+1].text
		}
		p.quoted = !raw && strings.HasSuffix(before, `"`) && strings.HasPrefix(after, `"`)
		peer := p.field == fieldAddr || p.field == fieldPeer
		switch p.field {
		case fieldWord, fieldIdent, fieldServer, fieldVhost, fieldPort, fieldMethod, fieldProto: // as the name of a server without one
			p.blank = true
		default:
			p.blank = (raw || f.json) && !peer
		}
		if peer && !p.quoted && i+2 < len(parts) && !parts[i+2].field.short() && addrText(after) {
			return nil, fmt.Errorf("the text %q behind the address and what clients write next could be parts of it", after)
		}
		short := p.field.short() || p.field.word() && strings.HasPrefix(after, " ")
		if !p.quoted && !short {
			f.between = append(f.between, p.field)
			f.segments = append(f.segments, nil)
			continue
		}
		f.add(p)
		switch last := len(f.segments) - 1; p.field {
		case fieldPeer:
			f.peer, f.real = last, true
		case fieldAddr:
			if f.client = last; !f.real {
				f.peer = last
			}
		case fieldForwarded:
			f.header = last
		}
	}
	switch {
	case f.peer < 0 && has[fieldForwarded]:
		return nil, errors.New("of addresses the format has only X-Forwarded-For, which clients write as they like: add $remote_addr, for Apache %a")
	case f.peer < 0:
		return nil, errors.New("the format has no address of the client: $remote_addr or $realip_remote_addr, for Apache %h or %a")
	case !has[fieldRequest] && !has[fieldTarget] && !has[fieldPath] && !has[fieldURL]:
		return nil, errors.New("the format has no request: $request or $request_uri, for Apache %r or %U")
	case !has[fieldStatus]:
		return nil, errors.New("the format has no status: $status, for Apache %>s")
	case len(f.between) > maxFormatGaps:
		return nil, fmt.Errorf("the format has more than %d variables of free text that are not quoted", maxFormatGaps)
	}
	for i, s := range f.segments {
		if len(s) == 0 && i > 0 && i < len(f.segments)-1 {
			return nil, errors.New("nothing stands between two variables of free text")
		}
	}
	return f, nil
}

// addrText reports whether a text could be a part of an address.
func addrText(s string) bool {
	for i := 0; i < len(s); i++ {
		if !class(elemSock, s[i]) {
			return false
		}
	}
	return true
}

func (f *LogFormat) add(p formatPart) {
	last := len(f.segments) - 1
	p.first = last == 0
	f.segments[last] = append(f.segments[last], p)
}
