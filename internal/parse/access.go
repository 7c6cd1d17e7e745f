package parse

import (
	"net/netip"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxHops bounds the elements of a forwarding header that are looked at.
const maxHops = 32

// access reads a line of an access log: common, combined, or combined with the
// virtual host in front or more fields behind.
//
//	CLIENT IDENT USER [STAMP] "REQUEST" STATUS BYTES "REFERER" "AGENT" ...
//	HOST:PORT CLIENT IDENT USER [STAMP] ...
//
// Clients write USER, REQUEST, REFERER and AGENT, but no logger leaves a quote
// in them as it is; so the first quote of the line begins REQUEST.
func (p *Parser) access(line string, ev *sentinel.Event) bool {
	// The stamp: the last bracket before the first quote.
	open := strings.IndexByte(line, '[')
	if open < 0 {
		return false
	}
	quote := open + 29
	if open == 0 || len(line) < quote+1 || line[quote] != '"' || line[quote-2] != ']' || line[quote-1] != ' ' {
		quote = strings.Index(line, `] "`) + 2
		if quote < 2 {
			return false
		}
		open = strings.LastIndexByte(line[:quote], '[')
		if open < 1 {
			return false
		}
	}
	if line[open-1] != ' ' {
		return false
	}
	// Only the client's address or a virtual host precedes what clients write.
	t, ok := p.clfStamp(line[open+1 : quote-2])
	if !ok || !p.client(line[:open-1], ev) {
		return false
	}
	ev.Time = t

	s := line[quote+1:]
	request, rest, ok := quoted(s)
	for i := 0; !ok || !statusFollows(rest); {
		// A logger that escapes nothing: the request ends where a status follows.
		n := strings.IndexByte(s[i:], '"')
		if n < 0 {
			return false
		}
		i += n + 1
		request, rest, ok = s[:i-1], s[i:], true
	}
	s = rest
	ev.HTTP.Status, s = status(s[1:])
	ev.HTTP.Bytes, s = size(s)

	// Numbers may stand before the quoted fields, which are optional.
	for s != "" && s[0] == ' ' && len(s) > 1 && (s[1]-'0' <= 9 || s[1] == '-') {
		i := strings.IndexByte(s[1:], ' ')
		if i < 0 {
			s = ""
			break
		}
		s = s[1+i:]
	}
	forwarded := ""
	if text, rest, ok := field(s); ok {
		ev.HTTP.Referer = unescape(dash(text))
		if text, rest, ok = field(rest); ok {
			ev.HTTP.UserAgent = unescape(dash(text))
			if text, _, ok = field(rest); ok {
				forwarded = dash(text)
			}
		}
	}
	requestLine(request, &ev.HTTP)
	ev.Type = sentinel.EventHTTPAccess
	ev.SourceType = sentinel.TypeNginx
	if p.cfg.Type == sentinel.TypeApache {
		ev.SourceType = sentinel.TypeApache
	}
	if forwarded != "" && len(p.cfg.TrustedProxies) > 0 {
		p.forwarded(forwarded, ev)
	}
	return true
}

// client reads what stands before the stamp. A client that is no address is a
// name that the server looked up; then the second field must be the usual dash,
// which tells the line from others with such a stamp somewhere.
func (p *Parser) client(s string, ev *sentinel.Event) bool {
	first, rest, ok := strings.Cut(s, " ")
	if !ok || first == "" {
		return false
	}
	addr, isAddr := parseAddr(first)
	if !isAddr {
		if host, port, ok := virtualHost(first); ok {
			ev.HTTP.Host, ev.DstPort = host, port
			if first, rest, ok = strings.Cut(rest, " "); !ok {
				return false
			}
			addr, isAddr = parseAddr(first)
		}
	}
	ident, user, ok := strings.Cut(rest, " ")
	if !ok || ident == "" {
		return false
	}
	if ident != "-" {
		// Two addresses in a row: some unknown format, in which the first may be
		// a header that clients write.
		if _, _, two := parseAddrPort(ident); two {
			addr = netip.Addr{}
		} else if !isAddr {
			return false
		}
	}
	ev.SrcIP = addr
	ev.User = unescape(dash(user))
	return true
}

// virtualHost reads the "HOST:PORT" of vhost_combined. A name has no colon.
func virtualHost(s string) (host string, port uint16, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 1 {
		return "", 0, false
	}
	host = s[:i]
	if strings.IndexByte(host, ':') >= 0 && (host[0] != '[' || host[i-1] != ']') {
		return "", 0, false
	}
	port, ok = parsePort(s[i+1:])
	return host, port, ok
}

// dash returns s, or nothing where the log says "-".
func dash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// quoted reads up to the closing quote of a field that has been opened.
func quoted(s string) (field, rest string, ok bool) {
	i := strings.IndexByte(s, '"')
	if i < 0 {
		return "", "", false
	}
	if i == 0 || s[i-1] != '\\' {
		return s[:i], s[i+1:], true
	}
	for i = 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

// field reads ` "TEXT"`.
func field(s string) (text, rest string, ok bool) {
	if len(s) < 3 || s[0] != ' ' || s[1] != '"' {
		return "", "", false
	}
	return quoted(s[2:])
}

// statusFollows reports whether s begins with " 200" or " -".
func statusFollows(s string) bool {
	if len(s) >= 4 && s[0] == ' ' && s[1]-'0' <= 9 && s[2]-'0' <= 9 && s[3]-'0' <= 9 {
		return len(s) == 4 || s[4] == ' '
	}
	return strings.HasPrefix(s, " - ") || s == " -"
}

// status reads "200" or "-".
func status(s string) (int, string) {
	if s[0] == '-' {
		return 0, s[1:]
	}
	return int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0'), s[3:]
}

// size reads " 1234" or " -", if one follows.
func size(s string) (int64, string) {
	if len(s) < 2 || s[0] != ' ' {
		return -1, s
	}
	if s[1] == '-' && (len(s) == 2 || s[2] == ' ') {
		return -1, s[2:]
	}
	n, v := 1, int64(0)
	for n < len(s) && n <= 18 && s[n]-'0' <= 9 {
		v = v*10 + int64(s[n]-'0')
		n++
	}
	if n == 1 || n < len(s) && s[n] != ' ' {
		return -1, s
	}
	return v, s[n:]
}

// requestLine takes "METHOD TARGET PROTO" apart; HTTP/0.9 has no PROTO.
func requestLine(s string, h *sentinel.HTTP) {
	i := strings.IndexByte(s, ' ')
	j := strings.LastIndexByte(s, ' ')
	switch {
	case i > 0 && j > i && j+5 < len(s) && s[j+1:j+6] == "HTTP/" && isMethod(s[:i]):
		h.Method, h.Target, h.Proto = s[:i], s[i+1:j], s[j+1:]
	case i > 0 && i == j && i+1 < len(s) && s[i+1] == '/' && isMethod(s[:i]):
		h.Method, h.Target = s[:i], s[i+1:]
	default:
		// Binary bytes, an empty request, a word.
		h.Malformed = true
		h.Target = dash(s)
	}
	h.Target = unescape(h.Target)
	h.Path, h.Query, _ = strings.Cut(h.Target, "?")
}

// isMethod reports whether s is a token of RFC 9110 of sane length.
func isMethod(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c-'0' <= 9 {
			continue
		}
		switch c {
		case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		default:
			return false
		}
	}
	return true
}

// unescape undoes what a logger did to bytes that it does not write as they
// are: nginx's \xHH, Apache's \xhh, \", \\ and C escapes. It allocates only if
// there is an escape. An unknown escape is left alone.
func unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := make([]byte, i, len(s))
	copy(b, s)
	for ; i < len(s); i++ {
		c := s[i]
		if c != '\\' || i+1 == len(s) {
			b = append(b, c)
			continue
		}
		switch e := s[i+1]; e {
		case 'x':
			if i+3 < len(s) {
				h, ok1 := hexDigit(s[i+2])
				l, ok2 := hexDigit(s[i+3])
				if ok1 && ok2 {
					b = append(b, h<<4|l)
					i += 3
					continue
				}
			}
			b = append(b, c)
			continue
		case '"', '\\':
			c = e
		case 'n':
			c = '\n'
		case 't':
			c = '\t'
		case 'r':
			c = '\r'
		case 'b':
			c = '\b'
		case 'v':
			c = '\v'
		case 'f':
			c = '\f'
		default:
			b = append(b, c)
			continue
		}
		b = append(b, c)
		i++
	}
	return string(b)
}

// trusted reports whether a peer's forwarding headers are believed.
func (p *Parser) trusted(a netip.Addr) bool {
	for _, n := range p.cfg.TrustedProxies {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// forwarded takes the client from the field behind the agent, which the usual
// formats fill with X-Forwarded-For, if the peer is trusted: the first address
// from the right that is not trusted. An element that is no address ends the
// search at the last good one. The left end is anybody's text.
func (p *Parser) forwarded(xff string, ev *sentinel.Event) {
	peer := ev.SrcIP
	if !peer.IsValid() || !p.trusted(peer) {
		return
	}
	client := peer
	s := xff
	for range maxHops {
		i := strings.LastIndexByte(s, ',')
		a, _, ok := parseAddrPort(strings.Trim(s[i+1:], " "))
		if !ok {
			break
		}
		client = a
		if i < 0 || !p.trusted(a) {
			break
		}
		s = s[:i]
	}
	if client != peer {
		ev.SrcIP, ev.PeerIP, ev.XFF, ev.FromHeader = client, peer, xff, true
	}
}
