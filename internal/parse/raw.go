package parse

import (
	"net/netip"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Logs that daemons write themselves begin with a stamp of some form and name
// no program: which one it was must be told by the message.

// layouts of stamps: Y and y year, m month, b its English name, d day, H M S
// time, a three letters of a week day. A number of two digits may begin with a
// space. A fraction and a zone may follow.
var layouts = [...]string{
	"Y-m-dTH:M:S", "Y-m-d H:M:S", "Y/m/d H:M:S", "Y.m.d H:M:S", "Y:m:d-H:M:S", "Ymd-H:M:S", "ymd H:M:S",
	"d-b-Y H:M:S", "d/b/Y H:M:S", "d-m-Y H:M:S", "m/d/Y H:M:S", "a b d H:M:S Y", "b d H:M:S", "m-d H:M:S",
}

// stampAt reads a stamp of any layout and returns its length, 0 if there is
// none.
func (p *Parser) stampAt(s string, now, ref time.Time) (time.Time, int) {
	if len(s) < 14 {
		return time.Time{}, 0
	}
	digit := s[0]-'0' <= 9
	for _, l := range layouts {
		if digit == (l[0] == 'a' || l[0] == 'b') {
			continue
		}
		c := civil{year: -1}
		n := c.layout(l, s)
		if n == 0 {
			continue
		}
		known := c.year >= 0
		if !known {
			c.year = 2000
		}
		if !c.valid() {
			continue
		}
		if !known {
			if ref.IsZero() {
				ref = now
			}
			return p.fitYear(&c, now, ref, ref.Unix()/3600), c.fraction(s, n)
		}
		if l[len(l)-1] == 'S' {
			n = c.fraction(s, n)
		}
		at := n
		if at < len(s) && s[at] == ' ' {
			at++
		}
		switch offset, end, ok := zone(s, at); {
		case ok && (end == len(s) || strings.IndexByte(" \t:]|", s[end]) >= 0):
			return c.at(offset), end
		case strings.HasPrefix(s[at:], "UTC"), strings.HasPrefix(s[at:], "GMT"):
			return c.at(0), at + 3
		}
		return c.in(p.loc), n
	}
	return time.Time{}, 0
}

// layout reads the parts of a stamp and returns its length.
func (c *civil) layout(l, s string) int {
	i := 0
	for k := 0; k < len(l); k++ {
		two := -1
		if i+2 <= len(s) {
			two = num2(s, i)
			if s[i] == ' ' && s[i+1]-'0' <= 9 {
				two = int(s[i+1] - '0')
			}
		}
		switch l[k] {
		case 'Y':
			if i+4 > len(s) || num4(s, i) < 0 {
				return 0
			}
			c.year = num4(s, i)
			i += 4
			continue
		case 'b':
			if c.month = month3(s[i:]); c.month == 0 {
				return 0
			}
			i += 3
			continue
		case 'a':
			i += 3
			if i > len(s) {
				return 0
			}
			continue
		case 'y':
			c.year = 2000 + two
		case 'm':
			c.month = two
		case 'd':
			c.day = two
		case 'H':
			c.hour = two
		case 'M':
			c.min = two
		case 'S':
			c.sec = two
		default:
			if i == len(s) || s[i] != l[k] {
				return 0
			}
			i++
			continue
		}
		if two < 0 {
			return 0
		}
		i += 2
	}
	return i
}

// cutStamp takes the stamp, in brackets or not, with what separates it from the
// message.
func (p *Parser) cutStamp(s string, now, ref time.Time, ev *sentinel.Event) (string, bool) {
	switch {
	case s == "":
		return s, false
	case s[0] == '[':
		end := strings.IndexByte(s, ']')
		if end < 10 || end > 48 {
			return s, false
		}
		inner := s[1:end]
		t, n := p.stampAt(inner, now, ref)
		if n == 0 && inner[0]-'A' <= 25 {
			// "[CEST Aug  6 10:14:52]"
			if _, rest, ok := strings.Cut(inner, " "); ok {
				t, n = p.stampAt(rest, now, ref)
			}
		}
		if n == 0 {
			sec, rest, ok := leading(inner[:min(len(inner), 9)])
			if !ok || rest != "" || len(inner) != 10 || inner[9]-'0' > 9 {
				return s, false
			}
			t = time.Unix(int64(sec)*10+int64(inner[9]-'0'), 0).UTC()
		}
		ev.Time = t
		return strings.TrimLeft(s[end+1:], ": "), true
	case s[0] == '@' && len(s) > 26 && s[25] == ' ':
		// TAI64N; leap seconds matter not.
		v := int64(0)
		for i := 2; i < 17; i++ {
			d, ok := hexDigit(s[i])
			if !ok {
				return s, false
			}
			v = v<<4 | int64(d)
		}
		ev.Time = time.Unix(v, 0).UTC()
		return s[26:], true
	case s[0] == '<' && len(s) > 3 && s[2] == '>':
		s = s[3:] // murmur: "<W>STAMP"
	case len(s) > 15 && s[10] == '.' && s[14] == ' ':
		// Squid: "1386543323.000      4 ADDR ...".
		sec, rest, ok := leading(s[:9])
		if ok && rest == "" && s[9]-'0' <= 9 {
			ev.Time = time.Unix(int64(sec)*10+int64(s[9]-'0'), 0).UTC()
			return s[14:], true
		}
	}
	t, n := p.stampAt(s, now, ref)
	if n == 0 {
		return s, false
	}
	ev.Time = t
	s = s[n:]
	if s != "" && s[0] == ':' {
		s = s[1:]
	}
	return strings.TrimLeft(s, " "), true
}

// rawGrammars are tried on lines with a stamp and without a tag.
var rawGrammars = [...]*grammar{
	mongoGrammar, asteriskGrammar, eximGrammar, namedGrammar, postgresGrammar, mssqlGrammar, freeswitchGrammar, openvpnGrammar,
	roundcubeGrammar, webmailGrammar, giteaGrammar, vaultGrammar, grafanaGrammar, guacamoleGrammar, monitGrammar, xrdpGrammar,
	ejabberdGrammar, stunnelGrammar, banGrammar, squidGrammar, lighttpdGrammar, ftpGrammar, bareGrammar,
	identityGrammar, sambaGrammar, mediaGrammar, homeGrammar, officeGrammar, brokerGrammar, frontGrammar, forwardGrammar,
}

// unstampedGrammars are tried on lines that do not begin with a stamp.
var unstampedGrammars = [...]*grammar{guacamoleGrammar, ejabberdGrammar, mediaGrammar, homeGrammar, officeGrammar, redisGrammar}

// raw reads a line of a daemon's own log. A line that no table has is not
// understood.
func (p *Parser) raw(line string, now, ref time.Time, ev *sentinel.Event) bool {
	if p.web {
		return false
	}
	if text, ok := cutUptime(line); ok {
		ev.Program, ev.Message = "kernel", text
		kernel(text, ev)
		return true
	}
	s, stamped := p.cutStamp(line, now, ref, ev)
	if !stamped {
		// Some write records of several lines, or their stamp elsewhere, or none.
		for _, g := range unstampedGrammars {
			if g.read(s, ev) {
				ev.Program, ev.SourceType = g.program, g.source
				return true
			}
		}
		return false
	}
	ev.Message = s
	if line[0] == '@' || line[0] == '[' {
		tag, ok := cutTag(s)
		if ok && !tag.plain && (line[0] == '@' || grammarFor(tag.program) == namedGrammar) {
			return p.program(&tag, ev)
		}
	}
	// Which program wrote the line is not known. A client of one could write what
	// another says: where two read it, they must agree on the address.
	read, base := mysqldRaw(s, ev), *ev
	if rest, ok := strings.CutPrefix(s, "error    : "); ok {
		s = rest // monit
	}
	for _, g := range rawGrammars {
		if !read {
			if read = g.read(s, ev); read {
				ev.Program, ev.SourceType = g.program, g.source
			}
			continue
		}
		other := base
		if other.SrcIP = (netip.Addr{}); g.read(s, &other) && other.SrcIP != ev.SrcIP {
			ev.SrcIP, ev.SrcPort = netip.Addr{}, 0
		}
	}
	return read
}

// mysqldRaw reads "[THREAD] [Note] [MY-010926] [Server] Access denied ...".
func mysqldRaw(s string, ev *sentinel.Event) bool {
	if _, rest, ok := leading(s); ok {
		s = strings.TrimLeft(rest, " ")
	}
	for range 4 {
		if s == "" || s[0] != '[' {
			break
		}
		_, rest, ok := strings.Cut(s, "] ")
		if !ok {
			return false
		}
		s = rest
	}
	if !strings.HasPrefix(s, "Access denied for user '") && !strings.HasPrefix(s, "Aborted connection ") {
		return false
	}
	mysqld(s, ev)
	ev.Program = "mysqld"
	return true
}

// cutUptime takes the "[12345.678901] " of the kernel's own log, which tells no
// time of day.
func cutUptime(s string) (string, bool) {
	if len(s) < 3 || s[0] != '[' {
		return s, false
	}
	sec, rest, ok := leading(strings.TrimLeft(s[1:min(len(s), 16)], " "))
	if !ok || sec < 0 || len(rest) < 8 || rest[0] != '.' || rest[7] != ']' {
		return s, false
	}
	for i := 1; i < 7; i++ {
		if rest[i]-'0' > 9 {
			return s, false
		}
	}
	return strings.TrimPrefix(s[strings.IndexByte(s, ']')+1:], " "), true
}
