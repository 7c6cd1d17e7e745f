package parse

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// A LogFormat is the format of an access log as nginx's log_format or Apache's
// LogFormat has it. It is immutable.
//
// Clients write some of the fields, and not every format keeps them apart. A
// line is read from the left and from the right: only if both ways find the
// peer in the same place has the event an address.
type LogFormat struct {
	// segments are read whole; between two of them stands free text.
	segments [][]formatPart
	// between is what the free text is.
	between []formatField
	peer    int // the segment with the peer
	real    bool
	header  int // the segment with X-Forwarded-For, -1 without
}

// formatPart is fixed text, or a field that ends by itself.
type formatPart struct {
	text  string
	field formatField
	// quoted: the field ends at the first quote that is not escaped.
	quoted bool
}

// formatField is what a variable holds.
type formatField uint8

const (
	fieldText      formatField = iota // fixed text
	fieldSkip                         // of no interest, any text
	fieldWord                         // of no interest, without spaces
	fieldAddr                         // the client's address, or what a module made of it
	fieldPeer                         // the peer of the connection
	fieldPort                         //
	fieldUser                         //
	fieldStamp                        // 02/Jan/2006:15:04:05 -0700
	fieldISO                          // ISO 8601
	fieldRequest                      //
	fieldMethod                       //
	fieldTarget                       //
	fieldPath                         //
	fieldQuery                        //
	fieldProto                        //
	fieldStatus                       //
	fieldBytes                        //
	fieldReferer                      //
	fieldAgent                        //
	fieldForwarded                    //
	fieldHost                         //
	numFields
)

// maxFormat bounds the text of a format, and maxFormatParts its parts.
const (
	maxFormat      = 4096
	maxFormatParts = 64
	maxFormatGaps  = 8
)

// nginxFields are the variables that mean something. All others are skipped.
var nginxFields = map[string]formatField{
	"remote_addr": fieldAddr, "realip_remote_addr": fieldPeer, "remote_port": fieldPort, "realip_remote_port": fieldWord,
	"remote_user": fieldUser, "time_local": fieldStamp, "time_iso8601": fieldISO, "msec": fieldWord,
	"request": fieldRequest, "request_method": fieldMethod, "request_uri": fieldTarget, "uri": fieldPath, "args": fieldQuery, "query_string": fieldQuery,
	"server_protocol": fieldProto, "status": fieldStatus, "body_bytes_sent": fieldBytes, "bytes_sent": fieldWord,
	"http_referer": fieldReferer, "http_user_agent": fieldAgent, "http_x_forwarded_for": fieldForwarded,
	"host": fieldHost, "http_host": fieldHost, "server_name": fieldWord, "server_port": fieldWord, "server_addr": fieldWord,
	"request_time": fieldWord, "request_length": fieldWord, "request_id": fieldWord, "connection": fieldWord, "connection_requests": fieldWord,
	"pipe": fieldWord, "scheme": fieldWord, "https": fieldWord, "gzip_ratio": fieldWord, "ssl_protocol": fieldWord, "ssl_cipher": fieldWord,
	"pid": fieldWord, "hostname": fieldWord,
}

// apacheFields are the same for Apache.
var apacheFields = map[string]formatField{
	"h": fieldAddr, "a": fieldAddr, "{c}a": fieldPeer, "l": fieldWord, "u": fieldUser, "r": fieldRequest, "s": fieldStatus, ">s": fieldStatus, "<s": fieldWord,
	"b": fieldBytes, "B": fieldBytes, "O": fieldBytes, "I": fieldWord, "D": fieldWord, "T": fieldWord, "v": fieldWord, "V": fieldHost, "p": fieldWord, "P": fieldWord,
	"m": fieldMethod, "U": fieldPath, "q": fieldQuery, "H": fieldProto, "k": fieldWord, "X": fieldWord, "A": fieldWord, "S": fieldWord, "L": fieldWord,
	"{Referer}i": fieldReferer, "{User-Agent}i": fieldAgent, "{User-agent}i": fieldAgent, "{X-Forwarded-For}i": fieldForwarded, "{Host}i": fieldHost,
}

// ParseLogFormat reads what stands behind the name in nginx's log_format, with or
// without its quotes, or the first argument of Apache's LogFormat. The error says
// why such lines cannot be read.
func ParseLogFormat(text string) (*LogFormat, error) {
	if len(text) > maxFormat {
		return nil, fmt.Errorf("a log format of %d bytes is longer than %d", len(text), maxFormat)
	}
	text, raw := unquoteFormat(strings.TrimSpace(text))
	if text == "" {
		return nil, errors.New("an empty log format")
	}
	parts, err := formatParts(text)
	if err != nil {
		return nil, err
	}
	if len(parts) > maxFormatParts {
		return nil, fmt.Errorf("a log format of more than %d parts", maxFormatParts)
	}
	return newLogFormat(parts, raw)
}

// unquoteFormat joins the quoted strings of nginx's configuration and takes the
// escape parameter. raw says that nothing is escaped.
func unquoteFormat(s string) (text string, raw bool) {
	if rest, ok := strings.CutPrefix(s, "escape="); ok {
		var how string
		how, s, _ = strings.Cut(rest, " ")
		s, raw = strings.TrimSpace(s), how == "none"
	}
	s = strings.TrimSpace(strings.TrimSuffix(s, ";"))
	if s == "" || s[0] != '\'' {
		return strings.ReplaceAll(s, `\"`, `"`), raw
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
	return b.String(), raw
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
			if f, ok := apacheFields[name]; ok {
				field = f
			}
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
			return nil, fmt.Errorf("nothing stands between %s and the variable before it", name)
		}
		parts = append(parts, formatPart{field: field})
	}
	return parts, nil
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
	}
	if n == len(s) {
		return "", ""
	}
	return s[:n+1], s[n+1:]
}

// newLogFormat decides which fields end by themselves.
func newLogFormat(parts []formatPart, raw bool) (*LogFormat, error) {
	f := &LogFormat{segments: [][]formatPart{nil}, peer: -1, header: -1}
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
		if !p.quoted && !p.field.short() {
			f.between = append(f.between, p.field)
			f.segments = append(f.segments, nil)
			continue
		}
		f.add(p)
		switch last := len(f.segments) - 1; p.field {
		case fieldPeer:
			f.peer, f.real = last, true
		case fieldAddr:
			if !f.real {
				f.peer = last
			}
		case fieldForwarded:
			f.header = last
		}
	}
	switch {
	case f.peer < 0:
		return nil, errors.New("the format has no address of the client: $remote_addr or $realip_remote_addr, for Apache %h or %a")
	case !has[fieldRequest] && !has[fieldTarget] && !has[fieldPath]:
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

func (f *LogFormat) add(p formatPart) {
	last := len(f.segments) - 1
	f.segments[last] = append(f.segments[last], p)
}

// short reports whether a field holds no spaces and is the server's own.
func (k formatField) short() bool {
	switch k {
	case fieldWord, fieldAddr, fieldPeer, fieldPort, fieldStamp, fieldISO, fieldStatus, fieldBytes, fieldMethod, fieldProto:
		return true
	}
	return false
}

// formatText has the texts of a line's fields.
type formatText [numFields]string

// match reads a segment at i and returns its end, -1 if it is not there.
func matchFormat(seg []formatPart, s string, i int, out *formatText) int {
	for k := range seg {
		p := &seg[k]
		if p.field == fieldText {
			if !strings.HasPrefix(s[i:], p.text) {
				return -1
			}
			i += len(p.text)
			continue
		}
		if p.quoted {
			text, rest, ok := quoted(s[i:])
			if !ok {
				return -1
			}
			out[p.field] = text
			i = len(s) - len(rest) - 1 // the quote is part of the text that follows
			continue
		}
		if p.field == fieldStamp {
			if len(s)-i < 26 {
				return -1
			}
			out[p.field] = s[i : i+26]
			i += 26
			continue
		}
		end := i
		for end < len(s) && end-i < maxToken && s[end] > ' ' && s[end] != '"' && (p.field != fieldAddr && p.field != fieldPeer || class(elemSock, s[end])) {
			end++
		}
		if k+1 < len(seg) {
			next := seg[k+1].text // fixed text stands between two fields
			if strings.HasPrefix(s[end:], next) {
				// as it should
			} else if p.field == fieldAddr || p.field == fieldPeer {
				// "ADDR:PORT": the address has colons as well.
				if n := strings.LastIndex(s[i:end], next); n > 0 {
					end = i + n
				}
			} else if n := strings.Index(s[i:min(end+len(next), len(s))], next); n >= 0 {
				end = i + n
			}
		}
		if end == i {
			return -1
		}
		out[p.field] = s[i:end]
		i = end
	}
	return i
}

// custom reads a line of the source's own format.
func (p *Parser) custom(line string, ev *sentinel.Event) bool {
	f := p.cfg.Format
	var text formatText
	var low, high [maxFormatGaps + 1]int // where the segments begin, from both ends
	var ends [maxFormatGaps + 1]int
	n := len(f.segments) - 1
	at := matchFormat(f.segments[0], line, 0, &text)
	if at < 0 || n == 0 && at != len(line) {
		return false
	}
	ends[0] = at
	for k := 1; k <= n; k++ {
		if low[k], at = f.find(k, line, at, &text); at < 0 {
			return false
		}
		ends[k] = at
	}
	if n > 0 && at != len(line) {
		return false
	}
	stop := len(line)
	for k := n; k > 0; k-- {
		if high[k] = f.findLast(k, line, low[k], stop); high[k] < 0 {
			return false
		}
		stop = high[k]
	}
	for k, field := range f.between {
		text[field] = line[ends[k]:low[k+1]]
	}
	if s := text[fieldStamp]; s != "" {
		ev.Time, _ = p.clfStamp(s)
	} else {
		ev.Time, _ = p.isoStamp(text[fieldISO])
	}
	h := &ev.HTTP
	if text[fieldRequest] != "" {
		requestLine(text[fieldRequest], h)
	} else {
		h.Method, h.Proto, h.Malformed = text[fieldMethod], dash(text[fieldProto]), false
		h.Target = unescape(text[fieldTarget])
		if h.Target == "" {
			h.Target = unescape(text[fieldPath])
		}
		h.Path, h.Query, _ = strings.Cut(h.Target, "?")
		if q := dash(text[fieldQuery]); h.Query == "" && q != "" {
			h.Query = unescape(strings.TrimPrefix(q, "?"))
		}
	}
	if v, ok := atoi(text[fieldStatus]); ok && v <= 999 {
		h.Status = v
	}
	if v, ok := atoi(text[fieldBytes]); ok {
		h.Bytes = int64(v)
	}
	h.Referer, h.UserAgent = unescape(dash(text[fieldReferer])), unescape(dash(text[fieldAgent]))
	h.Host = dash(text[fieldHost])
	ev.User = unescape(dash(text[fieldUser]))
	ev.Type, ev.SourceType = sentinel.EventHTTPAccess, sentinel.TypeNginx
	if p.cfg.Type == sentinel.TypeApache {
		ev.SourceType = sentinel.TypeApache
	}
	f.address(p, &text, low[f.peer] == high[f.peer], f.header >= 0 && low[f.header] == high[f.header], ev)
	return true
}

// address takes the client's address: the peer's, or behind a trusted one that of
// the header, or what the server itself made of the header.
func (f *LogFormat) address(p *Parser, text *formatText, sure, sureHeader bool, ev *sentinel.Event) {
	if !sure {
		return
	}
	peer := text[fieldAddr]
	if f.real {
		peer = text[fieldPeer]
	}
	var ok bool
	if ev.SrcIP, ev.SrcPort, ok = parseAddrPort(peer); !ok {
		ev.SrcIP = netip.Addr{}
		return
	}
	if port, ok := parsePort(text[fieldPort]); ok {
		ev.SrcPort = port
	}
	if len(p.cfg.TrustedProxies) == 0 {
		return
	}
	switch header := dash(text[fieldForwarded]); {
	case header != "" && sureHeader:
		p.forwarded(header, ev)
	case f.real && text[fieldAddr] != "":
		p.forwarded(text[fieldAddr], ev)
	}
}

// find returns the first place at or after i where segment k can stand, and its
// end; -1 without one. The last one must end with the line.
func (f *LogFormat) find(k int, line string, i int, out *formatText) (at, end int) {
	seg := f.segments[k]
	if len(seg) == 0 {
		return len(line), len(line)
	}
	last := k == len(f.segments)-1
	for i <= len(line) {
		n := strings.Index(line[i:], seg[0].text)
		if n < 0 {
			return -1, -1
		}
		i += n
		if end := matchFormat(seg, line, i, out); end >= 0 && (!last || end == len(line)) {
			return i, end
		}
		i++
	}
	return -1, -1
}

// findLast returns the last place from low on where segment k can stand and end
// at stop or before, at the end of the line for the last one.
func (f *LogFormat) findLast(k int, line string, low, stop int) int {
	seg := f.segments[k]
	if len(seg) == 0 {
		return len(line)
	}
	last := k == len(f.segments)-1
	var scratch formatText
	for i := stop; i >= low; {
		n := strings.LastIndex(line[low:i], seg[0].text)
		if n < 0 {
			return -1
		}
		n += low
		if end := matchFormat(seg, line[:stop], n, &scratch); end >= 0 && (!last || end == len(line)) {
			return n
		}
		i = n + len(seg[0].text) - 1
	}
	return -1
}
