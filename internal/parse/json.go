package parse

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxNested bounds the objects and lists of a JSON line that stand in one
// another.
const maxNested = 8

// A slot is a value of a JSON line that means something.
type slot uint8

const (
	slotAddr slot = iota
	slotPeerPort
	slotUser
	slotMethod
	slotTarget
	slotRequest
	slotProto
	slotStatus
	slotBytes
	slotAgent
	slotReferer
	slotHost
	slotForwarded
	slotTime
	slotEpoch
	slotMessage
	slotEvent
	slotApp
	slotClass
	slotRemote
	slotIdent
	slotComm
	slotPID
	slotHostname
	slotMicros
	slotClient
	slotLevel
	slotState
	slotOtherAddr
	slotAction
	slotError
	slotPath
	slotTook
	slotNanos
	slotLogger
	numSlots
)

// slotFor finds the slot of a key. parent is the key of the object around it,
// empty at the top. Headers are objects with keys of the client's choice: they
// are never looked into but for three names.
func slotFor(parent, key string, depth int) (slot, bool) {
	switch {
	case depth == 1:
		switch key {
		case "remote_addr", "client_ip", "ClientAddr", "remoteAddr", "src_ip", "remote_ip", "remote_host":
			return slotAddr, true
		case "ClientHost": // Traefik: X-Forwarded-For where it was sent, else as ClientAddr
			return slotClient, true
		case "error_severity": // PostgreSQL
			return slotLevel, true
		case "state_code":
			return slotState, true
		case "ip", "ip_addr", "ipAddress", "clientIp", "origin.address":
			return slotOtherAddr, true
		case "action", "event.action":
			return slotAction, true
		case "error":
			return slotError, true
		case "src_port", "remote_port", "ClientPort":
			return slotPeerPort, true
		case "remote_user", "ClientUsername", "user", "username", "user_id", "user.name":
			return slotUser, true
		case "request_method", "RequestMethod", "method":
			return slotMethod, true
		case "request_uri", "RequestPath", "uri":
			return slotTarget, true
		case "request":
			return slotRequest, true
		case "server_protocol", "RequestProtocol", "proto":
			return slotProto, true
		case "status", "DownstreamStatus":
			return slotStatus, true
		case "body_bytes_sent", "bytes_sent", "DownstreamContentSize", "size":
			return slotBytes, true
		case "http_user_agent", "request_User-Agent", "user_agent", "userAgent":
			return slotAgent, true
		case "http_referer", "http_referrer", "request_Referer", "referer":
			return slotReferer, true
		case "host", "RequestHost", "http_host", "server_name":
			return slotHost, true
		case "http_x_forwarded_for", "request_X-Forwarded-For":
			return slotForwarded, true
		case "time", "timestamp", "time_iso8601", "time_local", "StartUTC", "@timestamp":
			return slotTime, true
		case "ts", "msec":
			return slotEpoch, true
		case "duration", "request_time": // seconds
			return slotTook, true
		case "Duration": // Traefik: nanoseconds
			return slotNanos, true
		case "logger": // Caddy
			return slotLogger, true
		case "message", "MESSAGE", "msg":
			return slotMessage, true
		case "eventid":
			return slotEvent, true
		case "app":
			return slotApp, true
		case "c":
			return slotClass, true
		case "SYSLOG_IDENTIFIER":
			return slotIdent, true
		case "_COMM":
			return slotComm, true
		case "_PID":
			return slotPID, true
		case "_HOSTNAME":
			return slotHostname, true
		case "__REALTIME_TIMESTAMP":
			return slotMicros, true
		}
	case depth == 2 && parent == "request": // Caddy
		switch key {
		case "remote_ip", "remote_addr":
			return slotAddr, true
		case "remote_port":
			return slotPeerPort, true
		case "client_ip": // what Caddy made of the header
			return slotClient, true
		case "method":
			return slotMethod, true
		case "uri":
			return slotTarget, true
		case "proto":
			return slotProto, true
		case "host":
			return slotHost, true
		case "remote_address": // Vault
			return slotOtherAddr, true
		case "path":
			return slotPath, true
		}
	case depth == 2 && parent == "attr": // MongoDB
		switch key {
		case "remote", "client":
			return slotRemote, true
		case "principalName", "user":
			return slotUser, true
		}
	case depth == 2 && parent == "t" && key == "$date":
		return slotTime, true
	case depth == 3 && parent == "headers":
		switch key {
		case "User-Agent":
			return slotAgent, true
		case "Referer":
			return slotReferer, true
		case "X-Forwarded-For":
			return slotForwarded, true
		}
	}
	return 0, false
}

// values holds the slots. A key that comes twice makes a line that no logger
// writes: somebody broke out of a string.
type values struct {
	text [numSlots]string
	set  [numSlots]bool
}

// put sets a slot. again says that it is not the first of a list: of a header that
// was sent more than once the first one counts, but of X-Forwarded-For the last.
func (v *values) put(s slot, text string, again bool) bool {
	if again && v.set[s] {
		if s == slotForwarded {
			v.text[s] = text
		}
		return true
	}
	if v.set[s] {
		switch s {
		case slotAddr:
			if v.text[s] != text {
				v.text[s] = "-" // which of them?
			}
			return true
		case slotHost, slotTime, slotUser, slotBytes, slotError, slotAction:
			return true // the same under two names
		}
		return v.text[s] == text
	}
	v.set[s], v.text[s] = true, text
	return true
}

// scanJSON reads an object's scalars into their slots. It reports false for
// what is no JSON object or has a key twice.
func scanJSON(s string, v *values) bool {
	var kinds [maxNested]byte
	var names [maxNested]string // the key that the object at this depth stands under
	var counts [maxNested]int   // of scalars in the list at this depth
	depth, key, haveKey, inHeaders := 0, "", false, 0
	for i := 0; i < len(s); {
		c := s[i]
		switch c {
		case ' ', '\t', ',', '\n', '\r':
			i++
		case ':':
			haveKey = true
			i++
		case '{', '[':
			if depth == maxNested || i > 0 && depth == 0 {
				return false
			}
			kinds[depth], counts[depth] = c, 0
			if c == '[' && depth > 0 && kinds[depth-1] == '{' || c == '{' {
				names[depth] = key
			}
			if c == '{' && (key == "headers" || key == "resp_headers") && inHeaders == 0 {
				inHeaders = depth + 1
			}
			depth++
			if c == '{' {
				key, haveKey = "", false
			}
			i++
		case '}', ']':
			if depth == 0 || kinds[depth-1]+2 != c {
				return false
			}
			depth--
			if inHeaders == depth+1 {
				inHeaders = 0
			}
			key, haveKey = "", false
			i++
		default:
			if depth == 0 {
				return false
			}
			text, n := scalar(s[i:])
			if n == 0 {
				return false
			}
			i += n
			if kinds[depth-1] == '{' && !haveKey {
				key = text
				continue
			}
			level := depth
			parent, again := "", false
			if kinds[depth-1] == '[' { // a list of texts stands for one
				level--
				again = counts[depth-1] > 0
				counts[depth-1]++
			}
			if level > 0 {
				parent = names[level-1]
			}
			if inHeaders == 0 || parent == "headers" && level == 3 {
				if at, ok := slotFor(parent, key, level); ok && !v.put(at, text, again) {
					return false
				}
			}
			if kinds[depth-1] == '{' {
				key, haveKey = "", false
			}
		}
	}
	return depth == 0
}

// scalar reads a string, without its quotes, or a number or word. It returns
// its length, 0 if there is none.
func scalar(s string) (string, int) {
	if s[0] == '"' {
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case '"':
				return s[1:i], i + 1
			}
		}
		return "", 0
	}
	i := 0
	for i < len(s) && (s[i]-'0' <= 9 || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z' || s[i] == '.' || s[i] == '-' || s[i] == '+') {
		i++
	}
	return s[:i], i
}

// plain undoes JSON's escapes; it allocates only if there are some.
func plain(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		c := s[i]
		if c != '\\' || i+1 == len(s) {
			b = append(b, c)
			continue
		}
		i++
		switch e := s[i]; e {
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case 'r':
			b = append(b, '\r')
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'u':
			if i+4 < len(s) {
				if r, err := strconv.ParseUint(s[i+1:i+5], 16, 32); err == nil {
					b = utf8.AppendRune(b, rune(r))
					i += 4
					continue
				}
			}
			b = append(b, c, e)
		case 'x': // nginx without escape=json
			b = append(b, c, e)
		default:
			b = append(b, e)
		}
	}
	return string(b)
}

// webJSON reads a request that a web server logged as a JSON object, with or
// without the words that Caddy writes in front of it for a console.
func (p *Parser) webJSON(line string, ev *sentinel.Event) bool {
	object := line
	if line[0] != '{' {
		i := strings.Index(line, "\t{") // no tab is in it as it is
		if i < 19 || line[4] != '/' && line[4] != '-' {
			return false
		}
		object = line[i+1:]
	}
	var v values
	if !scanJSON(object, &v) {
		return false
	}
	p.jsonPeer(&v, ev)
	if !v.isRequest(ev) || p.strict {
		return false
	}
	p.jsonTime(&v, ev)
	if object != line {
		ev.Time, _ = p.stampAt(line, ev.Received, ev.Received)
	}
	ev.SourceType = sentinel.TypeJSON
	p.jsonAccess(&v, ev)
	return true
}

// isRequest reports whether a line tells of an answer to a client.
func (v *values) isRequest(ev *sentinel.Event) bool {
	return v.set[slotStatus] && ev.SrcIP.IsValid() && (v.set[slotRequest] || v.set[slotTarget])
}

// jsonPeer takes the peer of the connection.
func (p *Parser) jsonPeer(v *values, ev *sentinel.Event) {
	if v.set[slotClient] {
		clientOf(v)
	}
	ev.SrcIP, ev.SrcPort, _ = parseAddrPort(v.text[slotAddr])
	if port, ok := parsePort(v.text[slotPeerPort]); ok && ev.SrcPort == 0 && ev.SrcIP.IsValid() {
		ev.SrcPort = port
	}
}

// json reads a line that is a JSON object: an access log, the journal, or the
// log of an application that is known.
func (p *Parser) json(line string, ev *sentinel.Event) bool {
	if line[0] != '{' {
		return p.webJSON(line, ev)
	}
	var v values
	if !scanJSON(line, &v) {
		return false
	}
	p.jsonTime(&v, ev)
	ev.SourceType = sentinel.TypeJSON
	p.jsonPeer(&v, ev)
	if v.isRequest(ev) {
		if p.strict {
			return false
		}
		p.jsonAccess(&v, ev)
		return true
	}
	if p.web {
		return false
	}
	ev.Message = plain(v.text[slotMessage])
	switch {
	case v.set[slotMessage] && (v.set[slotIdent] || v.set[slotComm]):
		ev.SrcIP, ev.SrcPort = netip.Addr{}, 0
		return p.journal(&v, ev)
	case strings.HasPrefix(v.text[slotEvent], "cowrie."):
		// Nobody has business on a honeypot.
		ev.Program, ev.SourceType = "cowrie", sentinel.TypeApp
		ev.User = plain(v.text[slotUser])
		switch v.text[slotEvent] {
		case "cowrie.session.connect":
			failed(ev, sentinel.AuthStepSummary)
		case "cowrie.login.failed", "cowrie.login.success":
			failed(ev, sentinel.AuthStepFailed)
		}
	case v.text[slotClass] == "ACCESS":
		ev.Program, ev.SourceType = "mongod", sentinel.TypeDB
		ev.SrcIP, ev.SrcPort, _ = parseAddrThenPort(v.text[slotRemote])
		ev.User = plain(v.text[slotUser])
		switch {
		case strings.HasPrefix(ev.Message, "Authentication failed"), strings.HasPrefix(ev.Message, "Failed to authenticate"):
			failed(ev, sentinel.AuthStepFailed)
		case strings.HasPrefix(ev.Message, "Authentication succeeded"), strings.HasPrefix(ev.Message, "Successfully authenticated"):
			ev.Type, ev.Outcome = sentinel.EventAuthOK, "success"
		}
	case v.text[slotLevel] == "FATAL" && v.set[slotState]:
		// Class 28 is "invalid authorization specification".
		ev.Program, ev.SourceType, ev.User = "postgres", sentinel.TypeDB, plain(v.text[slotUser])
		if strings.HasPrefix(v.text[slotState], "28") {
			failed(ev, sentinel.AuthStepFailed)
		}
	case v.set[slotAddr] && v.set[slotApp]:
		ev.Program, ev.SourceType = "nextcloud", sentinel.TypeApp
		switch {
		case strings.HasPrefix(ev.Message, "Login failed:"), strings.HasPrefix(ev.Message, "Two-factor challenge failed"):
			failed(ev, sentinel.AuthStepFailed)
		case strings.HasPrefix(ev.Message, "Trusted domain error."):
			ev.Type = sentinel.EventAuthProbe
		}
	default:
		hosted(&v, ev)
	}
	return true
}

// jsonTime reads whichever stamp there is.
func (p *Parser) jsonTime(v *values, ev *sentinel.Event) {
	if s := v.text[slotTime]; s != "" {
		if t, n := p.isoStamp(s); n == len(s) && n > 0 {
			ev.Time = t
		} else if t, ok := p.clfStamp(s); ok {
			ev.Time = t
		} else if t, n := p.stampAt(s, ev.Received, ev.Received); n == len(s) && n > 0 {
			ev.Time = t
		}
		return
	}
	if micros := v.text[slotMicros]; len(micros) > 6 {
		ev.Time = unix(micros[:len(micros)-6], micros[len(micros)-6:])
		return
	}
	ev.Time = epoch(v.text[slotEpoch])
}

// jsonAccess makes the event of a request.
func (p *Parser) jsonAccess(v *values, ev *sentinel.Event) {
	h := &ev.HTTP
	ev.Type = sentinel.EventHTTPAccess
	if strings.HasPrefix(v.text[slotLogger], "http.log.error") {
		ev.Type = sentinel.EventHTTPError // the access log has the request as well
	}
	if v.set[slotTook] {
		h.Duration = duration(v.text[slotTook], time.Second)
	} else {
		h.Duration = duration(v.text[slotNanos], time.Nanosecond)
	}
	if v.set[slotTarget] {
		h.Method, h.Proto = plain(v.text[slotMethod]), plain(v.text[slotProto])
		h.Target = unescape(plain(v.text[slotTarget]))
		h.Malformed = !isMethod(h.Method)
		h.Path, h.Query, _ = strings.Cut(h.Target, "?")
	} else {
		requestLine(plain(v.text[slotRequest]), h)
	}
	if n, ok := atoi(v.text[slotStatus]); ok && n <= 999 {
		h.Status = n
	}
	if n, ok := atoi(v.text[slotBytes]); ok {
		h.Bytes = int64(n)
	}
	h.UserAgent, h.Referer = unescape(plain(dash(v.text[slotAgent]))), unescape(plain(dash(v.text[slotReferer])))
	h.Host = plain(v.text[slotHost])
	ev.User = plain(dash(v.text[slotUser]))
	if f := plain(dash(v.text[slotForwarded])); f != "" && len(p.cfg.TrustedProxies) > 0 {
		p.forwarded(f, ev)
	}
}

// journal reads an entry of "journalctl -o json". Whoever may write to the
// journal chooses its identifier; the name of the process is the system's own.
func (p *Parser) journal(v *values, ev *sentinel.Event) bool {
	t := tag{program: plain(v.text[slotIdent]), text: ev.Message}
	comm := plain(v.text[slotComm])
	ev.Host = plain(v.text[slotHostname])
	if comm == "logger" {
		// Anybody may run it, and what it writes is anybody's text.
		ev.Program, ev.SourceType = comm, sentinel.TypeSyslog
		return true
	}
	if t.program == "" || isSSHD(t.program) && comm != "" && !isSSHD(comm) {
		t.program = comm
	}
	t.pid, _ = atoi(v.text[slotPID])
	return p.program(&t, ev)
}

// clientOf puts the peer of a line of Traefik or Caddy in its place. ClientAddr
// and remote_ip are the peer of the connection; ClientHost and client_ip are what
// X-Forwarded-For says where one came along, which counts like that header.
// Without ClientAddr nobody knows which of the two ClientHost is.
func clientOf(v *values) {
	client := v.text[slotClient]
	if !v.set[slotAddr] {
		v.set[slotAddr], v.text[slotAddr] = true, client
		return
	}
	if peer, _, ok := parseAddrPort(v.text[slotAddr]); ok && !v.set[slotForwarded] {
		if a, ok := parseAddr(client); !ok || a != peer {
			v.set[slotForwarded], v.text[slotForwarded] = true, client
		}
	}
}
