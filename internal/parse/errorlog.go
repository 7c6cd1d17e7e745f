package parse

import (
	"net/netip"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// nginx writes the decoded path of a request into its error log, newlines and
// quotes included: with one request a client writes whole lines of any format.
// It cuts a message after 2 KiB. So what follows a line of an error log within
// that many bytes may be the client's text; see Parser.doubtful. Package decide
// must not block for events of type http_error alone.
const maxNginxError = 2048

// doubtful reads a line that may be text of a client. Lines of the error log
// itself are read as ever, since they never make a block; others lose the
// addresses that they claim. An access log never gets here.
func (p *Parser) doubtful(line string, now, ref time.Time, ev *sentinel.Event) bool {
	doubt := p.doubt - len(line) - 1
	p.doubt = 0
	ok := p.any(line, now, ref, ev)
	if ev.Type != sentinel.EventHTTPError {
		p.doubt = max(doubt, 0)
		*ev = sentinel.Event{
			Time: ev.Time, Received: ev.Received, SourceType: ev.SourceType, Type: ev.Type, Raw: ev.Raw,
			Message: ev.Message, Repeat: 1, HTTP: ev.HTTP,
		}
		if ev.Type != sentinel.EventHTTPAccess {
			ev.Type = sentinel.EventOther
		}
	}
	return ok
}

// nginxError reads a line of nginx's error log:
//
//	2006/01/02 15:04:05 [error] 12#34: *56 TEXT, client: ADDR, server: NAME, request: "..."
//
// TEXT and all behind the server's name hold what clients sent.
func (p *Parser) nginxError(line string, ev *sentinel.Event) bool {
	if len(line) < 25 || line[4] != '/' || line[7] != '/' || line[10] != ' ' || line[19] != ' ' || line[20] != '[' {
		return false
	}
	t, ok := p.clock.get(line[:19], 0)
	if !ok {
		c := civil{year: num4(line, 0), month: num2(line, 5), day: num2(line, 8)}
		if !c.hms(line, 11) || c.year < 0 || !c.valid() {
			return false
		}
		t = c.in(p.loc)
		p.clock.put(line[:19], 0, t)
	}
	level, s, ok := strings.Cut(line[21:], "] ")
	if !ok || !oneWord(level) {
		return false
	}
	pid, s, ok := leading(s)
	if !ok || s == "" || s[0] != '#' {
		return false
	}
	_, s, ok = leading(s[1:])
	s, found := strings.CutPrefix(s, ": ")
	if !ok || !found {
		return false
	}
	ev.Time, ev.PID, ev.Message = t, pid, s
	ev.Type, ev.SourceType, ev.Program = sentinel.EventHTTPError, sentinel.TypeNginx, "nginx"
	if s == "" || s[0] != '*' {
		// Not about a connection.
		ev.Type = sentinel.EventOther
		return true
	}
	p.doubt = max(maxNginxError-len(line), 0)
	const mark = ", client: "
	if i := strings.Index(s, mark); i >= 0 && strings.LastIndex(s, mark) == i {
		word, _, _ := strings.Cut(s[i+len(mark):], ",")
		ev.SrcIP, _ = parseAddr(word)
	}
	return true
}

// apacheError reads a line of Apache's error log:
//
//	[Wed Oct 11 14:32:52.123456 2000] [core:error] [pid 35708:tid 4328] [client ADDR:PORT] TEXT
//	[Wed Oct 11 14:32:52 2000] [error] [client ADDR] TEXT
func (p *Parser) apacheError(line string, now, ref time.Time, ev *sentinel.Event) bool {
	if len(line) < 28 || line[0] != '[' || line[4] != ' ' || line[8] != ' ' {
		return false
	}
	end := strings.IndexByte(line, ']')
	if end < 25 || end > 40 {
		return false
	}
	stamp := line[1:end]
	t, ok := p.clock.get(stamp, 0)
	if !ok {
		c := civil{month: month3(stamp[4:]), day: num2(stamp, 8), year: num4(stamp, len(stamp)-4)}
		if stamp[8] == ' ' {
			c.day = int(stamp[9] - '0')
		}
		if !c.hms(stamp, 11) || c.fraction(stamp, 19) != len(stamp)-5 || c.year < 0 || !c.valid() {
			return false
		}
		t = c.in(p.loc)
		p.clock.put(stamp, 0, t)
	}
	ev.Time = t
	ev.Program = "apache2"
	return p.apacheMessage(strings.TrimPrefix(line[end+1:], " "), ev)
}

// apacheMessage reads what follows the stamp. The address stands before all
// that clients write, and Apache leaves no newline in it.
func (p *Parser) apacheMessage(s string, ev *sentinel.Event) bool {
	levels, modern := 0, false // "[core:error]" instead of "[error]"
	for s != "" && s[0] == '[' {
		if rest, ok := strings.CutPrefix(s, "[client "); ok {
			end := strings.Index(rest, "] ")
			if end < 0 {
				return false
			}
			ev.SrcIP, ev.SrcPort = apacheClient(rest[:end], modern)
			ev.Type = sentinel.EventHTTPError
			s = rest[end+2:]
			break
		}
		end := strings.Index(s, "] ")
		if end < 0 || levels == 4 {
			return false
		}
		if pid, ok := strings.CutPrefix(s[:end], "[pid "); ok {
			ev.PID, _, _ = leading(pid)
		} else if strings.IndexByte(s[:end], ':') > 0 {
			modern = true
		}
		s = s[end+2:]
		levels++
	}
	if levels == 0 {
		return false
	}
	ev.Message, ev.SourceType = s, sentinel.TypeApache
	return true
}

// suhosin reads "ALERT - TEXT (attacker 'ADDR', file 'PATH')", where a client
// writes part of TEXT.
func suhosin(s string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeApache
	ev.Type = sentinel.EventHTTPError
	const mark = " (attacker '"
	if i := strings.LastIndex(s, mark); i >= 0 {
		word, rest, _ := strings.Cut(s[i+len(mark):], "'")
		if strings.HasPrefix(rest, ", file '") || rest == ")" {
			ev.SrcIP, _ = parseAddr(word)
		}
	}
}

// apacheClient reads "ADDR", "ADDR:PORT" or "[ADDR]:PORT". Early versions of 2.4
// put the port behind an IPv6 address without brackets; what could be either
// is no address.
func apacheClient(s string, modern bool) (netip.Addr, uint16) {
	a, port, ok := parseAddrPort(s)
	if ok && modern && a.Is6() && s[0] != '[' && port == 0 {
		if _, _, two := parseAddrThenPort(s); two {
			return netip.Addr{}, 0
		}
	}
	return a, port
}
