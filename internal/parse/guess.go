package parse

import (
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const (
	maxGuess = 100 // lines that Guess looks at
	maxShape = 200 // bytes of a shape
)

// Guess looks at up to 100 lines and says which type most of them have;
// TypeAuto if it is not plain. The access logs of nginx and Apache are the same
// but for their escapes: those without a sign of Apache are taken as nginx's.
func Guess(lines []string) sentinel.SourceType {
	if len(lines) > maxGuess {
		lines = lines[:maxGuess]
	}
	p := New(Config{})
	now := time.Unix(1<<31, 0)
	count := map[sentinel.SourceType]int{}
	total, web, syslog, apache := 0, 0, 0, false
	var ev sentinel.Event
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		total++
		if w, ok := unwrap(line); ok {
			if line = w.text; w.json {
				line = plain(line)
			}
			if strings.TrimSpace(line) == "" {
				continue
			}
		}
		switch {
		case line[0] == '{':
			count[sentinel.TypeJSON]++
			continue
		case strings.HasPrefix(line, "type=") && strings.Contains(line, " msg=audit("):
			count[sentinel.TypeAudit]++
			continue
		}
		p.doubt = 0
		if !p.Parse(line, now, now, &ev) {
			continue
		}
		switch ev.Type {
		case sentinel.EventHTTPAccess:
			web++
			apache = apache || ev.HTTP.Host != "" || strings.Contains(line, `\"`) || strings.Contains(line, `\\`)
		case sentinel.EventHTTPError:
			web++
			apache = apache || ev.SourceType == sentinel.TypeApache
		default:
			if ev.SourceType == sentinel.TypeNginx || ev.SourceType == sentinel.TypeApache {
				web++
				apache = apache || ev.SourceType == sentinel.TypeApache
				continue
			}
			syslog++
			kind := ev.SourceType
			if kind == sentinel.TypeFirewall {
				kind = sentinel.TypeKernel
			}
			count[kind]++
		}
	}
	if total == 0 {
		return sentinel.TypeAuto
	}
	if 2*web > total {
		if apache {
			return sentinel.TypeApache
		}
		return sentinel.TypeNginx
	}
	// A log of many programs is a syslog; of one kind alone, of that kind.
	if 2*syslog > total {
		for kind, n := range count {
			if 10*n >= 9*total {
				return kind
			}
		}
		return sentinel.TypeSyslog
	}
	for _, kind := range [...]sentinel.SourceType{sentinel.TypeJSON, sentinel.TypeAudit} {
		if 2*count[kind] > total {
			return kind
		}
	}
	return sentinel.TypeAuto
}

// Shape masks what differs between lines of one kind: addresses become <ip>,
// quoted text "*", hexadecimal words and numbers #, bytes that are not
// printable ASCII a question mark. The result has at most 200 bytes.
func Shape(line string) string {
	b := make([]byte, 0, maxShape+64)
	for i := 0; i < len(line) && len(b) < maxShape; {
		c := line[i]
		switch {
		case c == '"' || c == '\'' && (i == 0 || !wordByte(line[i-1])):
			if n := strings.IndexByte(line[i+1:], c); n >= 0 {
				b = append(b, c, '*', c)
				i += n + 2
				continue
			}
			b = append(b, c)
			i++
		case wordByte(c) || c == ':':
			n := i
			for n < len(line) && (wordByte(line[n]) || line[n] == ':' || line[n] == '.') {
				n++
			}
			b = shapeWord(b, line[i:n])
			i = n
		case c < ' ' || c > '~':
			b = append(b, '?')
			i++
		default:
			b = append(b, c)
			i++
		}
	}
	return string(b[:min(len(b), maxShape)])
}

func wordByte(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
}

// shapeWord appends the shape of letters, digits, points and colons.
func shapeWord(b []byte, w string) []byte {
	core := strings.TrimRight(w, ".")
	if _, _, ok := parseAddrPort(core); ok {
		return append(append(b, "<ip>"...), w[len(core):]...)
	}
	if core = strings.TrimRight(core, ":"); core != w {
		if _, _, ok := parseAddrPort(core); ok {
			return append(append(b, "<ip>"...), w[len(core):]...)
		}
	}
	for w != "" {
		n := 0
		for n < len(w) && wordByte(w[n]) {
			n++
		}
		part := w[:n]
		if hexWord(part) {
			b = append(b, '#')
		} else {
			for i := 0; i < len(part); i++ {
				if part[i]-'0' > 9 {
					b = append(b, part[i])
				} else if i == 0 || part[i-1]-'0' > 9 {
					b = append(b, '#')
				}
			}
		}
		for n < len(w) && !wordByte(w[n]) {
			b = append(b, w[n])
			n++
		}
		w = w[n:]
	}
	return b
}

// hexWord reports whether w is a hexadecimal number of six digits or more.
func hexWord(w string) bool {
	w = strings.TrimPrefix(w, "0x")
	decimal := false
	for i := 0; i < len(w); i++ {
		if _, ok := hexDigit(w[i]); !ok {
			return false
		}
		decimal = decimal || w[i]-'0' <= 9
	}
	return decimal && len(w) >= 6
}
