package parse

import (
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// haproxy reads what HAProxy says of a request or a connection, and reports
// whether it is one of these:
//
//	ADDR:PORT [STAMP] FRONTEND BACKEND/SERVER T/T/T/T/T STATUS BYTES COOKIE COOKIE TERM C/C/C/C/C Q/Q {HEADERS} {HEADERS} "REQUEST" ...
//	ADDR:PORT [STAMP] FRONTEND BACKEND/SERVER T/T/T BYTES TERM C/C/C/C/C Q/Q
//	ADDR:PORT [STAMP] FRONTEND/BIND: TEXT
//	Connect from ADDR:PORT to ADDR:PORT (FRONTEND/MODE)
//
// What clients write (cookies, captured headers, the request, a name behind it)
// stands behind the peer. In headers and the request a quote is written #22.
func haproxy(s string, ev *sentinel.Event) bool {
	if rest, ok := strings.CutPrefix(s, "Connect from "); ok {
		peer, rest, _ := strings.Cut(rest, " to ")
		local, _, _ := strings.Cut(rest, " ")
		if ev.SrcIP, ev.SrcPort, ok = parseAddrThenPort(peer); ok {
			ev.DstIP, ev.DstPort, _ = parseAddrThenPort(local)
		}
		return ok
	}
	peer, rest, ok := strings.Cut(s, " [")
	if !ok {
		return false
	}
	addr, port, ok := parseAddrThenPort(peer)
	if !ok {
		return false
	}
	stamp, rest, ok := strings.Cut(rest, "] ")
	if !ok || len(stamp) < 20 || len(stamp) > 32 {
		return false
	}
	ev.SrcIP, ev.SrcPort = addr, port
	frontend, rest, ok := strings.Cut(rest, " ")
	if !ok || strings.HasSuffix(frontend, ":") { // a handshake that failed
		return true
	}
	server, rest, ok := strings.Cut(rest, " ")
	if !ok || strings.IndexByte(server, '/') < 0 {
		return true
	}
	timers, rest, ok := strings.Cut(rest, " ")
	if !ok || strings.Count(timers, "/") != 4 { // a connection has three
		return true
	}
	word, rest, ok := strings.Cut(rest, " ")
	code, isCode := atoi(word)
	if !ok || !isCode && word != "-1" {
		return true
	}
	h := &ev.HTTP
	ev.Type = sentinel.EventHTTPAccess
	h.Status = min(code, 999)
	if word, _, _ = strings.Cut(rest, " "); word != "" {
		if n, ok := atoi(strings.TrimPrefix(word, "+")); ok {
			h.Bytes = int64(n)
		}
	}
	total := strings.TrimPrefix(timers[strings.LastIndexByte(timers, '/')+1:], "+")
	h.Duration = duration(total, time.Millisecond)
	haproxyRequest(rest, h)
	return true
}

// haproxyRequest finds the request in what follows the status.
func haproxyRequest(s string, h *sentinel.HTTP) {
	// The cookies may hold quotes. If the line ends with the request, that is
	// between the last two; else it begins with the first quote behind the queues.
	request := ""
	if n := len(s); n > 1 && s[n-1] == '"' {
		request = s[:n-1]
		request = request[strings.LastIndexByte(request, '"')+1:]
	} else if _, rest, ok := strings.Cut(s, ` "`); ok {
		request, _, _ = strings.Cut(rest, `"`) // a line that was cut has no second
	}
	requestLine(request, h)
	// A name and target that HTTP/2 sends apart are written as one.
	if rest, ok := strings.CutPrefix(h.Target, "https://"); ok && strings.HasPrefix(h.Proto, "HTTP/2") || strings.HasPrefix(h.Proto, "HTTP/3") {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			h.Host, h.Target = rest[:i], rest[i:]
		}
	}
	h.Target = unhash(h.Target)
	h.Path, h.Query, _ = strings.Cut(h.Target, "?")
}

// unhash undoes the escapes of HAProxy, #HH; it allocates only if there are some.
func unhash(s string) string {
	i := strings.IndexByte(s, '#')
	if i < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		if s[i] == '#' && i+2 < len(s) {
			high, ok1 := hexDigit(s[i+1])
			low, ok2 := hexDigit(s[i+2])
			if ok1 && ok2 {
				b = append(b, high<<4|low)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// haproxyRaw reads a line that HAProxy wrote without syslog, to a container's
// standard output for example.
func (p *Parser) haproxyRaw(line string, ev *sentinel.Event) bool {
	i := strings.IndexByte(line, ' ')
	if i < len("1.1.1.1:1") || i > 54 || len(line) < i+30 || line[i+1] != '[' || line[i+4] != '/' {
		return false
	}
	end := strings.IndexByte(line[i:], ']')
	if end < 0 {
		return false
	}
	t, ok := p.clfStamp(line[i+2 : i+end])
	if !ok || !haproxy(line, ev) {
		return false
	}
	ev.Time, ev.Program, ev.SourceType = t, "haproxy", sentinel.TypeApp
	return true
}
