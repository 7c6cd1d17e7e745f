package parse

import (
	"net/netip"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// found is what the tokens of a segment hold.
type found struct {
	addr      netip.Addr
	port      uint16
	at        int // where the peer stands, -1 if not read
	count     int
	user      string // of an item
	method    string
	start, to int
}

// class reports whether c may stand in a token.
func class(kind elemKind, c byte) bool {
	switch kind {
	case elemInt, elemPort, elemCount:
		return c-'0' <= 9
	case elemCaps:
		return c-'A' <= 25 || c == '_' || c == '-'
	case elemPad:
		return c == ' '
	case elemWord, elemMethod:
		return c > ' '
	case elemItem:
		return c != '|'
	}
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '.' || c == ':' || c == '-' || c == '_' || c == '%' ||
		kind == elemSock && (c == '[' || c == ']')
}

// match reads a segment at i. last says that it must end with s.
func (g *segment) match(s string, i int, last bool, f *found) bool {
	f.start = i
	for k := range g.elems {
		e := &g.elems[k]
		switch e.kind {
		case elemText:
			if !strings.HasPrefix(s[i:], e.text) {
				return false
			}
			i += len(e.text)
			continue
		case elemPeer:
			n := eximPeer(s[i:], f)
			if n == 0 {
				return false
			}
			f.at = i
			i += n
			continue
		}
		end := i
		for end < len(s) && end < i+maxToken && class(e.kind, s[end]) {
			end++
		}
		if k+1 < len(g.elems) && g.elems[k+1].kind == elemText {
			next := g.elems[k+1].text
			if class(e.kind, next[0]) {
				// The word after it could be part of it: it ends at the first
				// such word, or where the message must end.
				if last && k+2 == len(g.elems) {
					stop := len(s) - len(next)
					if stop < i || stop > end {
						return false
					}
					end = stop
				} else {
					n := strings.Index(s[i:min(end+len(next), len(s))], next)
					if n < 0 {
						return false
					}
					end = i + n
				}
			}
		}
		if end == i && e.kind != elemPad && e.kind != elemName && e.kind != elemItem {
			return false
		}
		f.token(e.kind, s[i:end], i)
		i = end
	}
	f.to = i
	return !last || i == len(s)
}

// token keeps what a token says.
func (f *found) token(kind elemKind, s string, at int) {
	switch kind {
	case elemAddr:
		f.addr, _ = parseAddr(s)
		f.at = at
	case elemSock:
		if len(s) > 4 && s[3] == ':' && (s[0] == 'T' || s[0] == 'U' || s[0] == 'W') {
			s = s[4:] // "TCP:[ADDR]:PORT"
		}
		f.addr, f.port, _ = parseAddrPort(s)
		f.at = at
	case elemAddrPort:
		f.addr, f.port, _ = parseAddrThenPort(s)
		f.at = at
	case elemPort:
		f.port, _ = parsePort(s)
	case elemMethod:
		f.method = s
	case elemCount:
		f.count, _ = atoi(s)
	case elemItem:
		f.user = s
	}
}

// eximPeer reads "[ADDR]", "[ADDR]:PORT" and exim's notes on its own end of the
// connection. It returns the length, 0 if it is none.
func eximPeer(s string, f *found) int {
	addr, port, n := bracketed(s)
	if n == 0 {
		return 0
	}
	f.addr, _ = parseAddr(addr)
	f.port = port
	if rest, ok := strings.CutPrefix(s[n:], " I="); ok {
		if _, _, m := bracketed(rest); m > 0 {
			n += len(" I=") + m
		}
	}
	if rest, ok := strings.CutPrefix(s[n:], " Ci="); ok {
		if _, after, ok := leading(rest); ok {
			n = len(s) - len(after)
		}
	}
	return n
}

// bracketed reads "[ADDR]" or "[ADDR]:PORT" and returns its length.
func bracketed(s string) (addr string, port uint16, n int) {
	if s == "" || s[0] != '[' {
		return "", 0, 0
	}
	i := 1
	for i < len(s) && class(elemAddr, s[i]) {
		i++
	}
	if i == 1 || i == len(s) || s[i] != ']' {
		return "", 0, 0
	}
	addr = s[1:i]
	i++
	if i < len(s) && s[i] == ':' {
		e := i + 1
		for e < len(s) && s[e]-'0' <= 9 {
			e++
		}
		if p, ok := parsePort(s[i+1 : e]); ok {
			return addr, p, e
		}
	}
	return addr, 0, i
}

// first finds the segment at or after i, ending at most at end.
func (g *segment) first(s string, i, end int, f *found) bool {
	key := g.elems[0].text // what follows free text is text
	for i <= end {
		n := strings.Index(s[i:end], key)
		if n < 0 {
			return false
		}
		i += n
		*f = found{at: -1}
		if g.match(s[:end], i, false, f) {
			return true
		}
		i++
	}
	return false
}

// lastly finds the last occurrence of the segment that begins at or after i and
// ends at most at end; at the end if whole.
func (g *segment) lastly(s string, i, end int, whole bool, f *found) bool {
	key := g.elems[0].text
	for at := end; at >= i; {
		n := strings.LastIndex(s[i:at], key)
		if n < 0 {
			return false
		}
		*f = found{at: -1}
		if g.match(s[:end], i+n, whole, f) {
			return true
		}
		at = i + n + len(key) - 1
	}
	return false
}

// reading is how one template reads a message.
type reading struct {
	found
	doubt bool
	user  string
	how   string
}

// read matches a whole message.
func (f *form) read(s string, r *reading) bool {
	head := &f.segs[0]
	n := len(f.segs) - 1
	start := found{at: -1}
	if !head.match(s, 0, n == 0, &start) {
		return false
	}
	r.at, r.user, r.how, r.doubt = -1, start.user, start.method, false
	if n == 0 {
		r.found = start
		return true
	}
	return f.readGaps(s, &start, r)
}

// readGaps reads what follows the first segment.
func (f *form) readGaps(s string, start *found, r *reading) bool {
	var low, high [maxSegments]found
	n := len(f.segs) - 1
	low[0] = *start
	high[0] = low[0]
	tail := &f.segs[n]
	end, only := len(s), true
	if len(tail.elems) > 0 {
		if !tail.lastly(s, low[0].to, len(s), true, &high[n]) {
			return false
		}
		end = high[n].start
	}
	i := low[0].to
	for k := 1; k < n; k++ {
		if !f.segs[k].first(s, i, end, &low[k]) {
			return false
		}
		i = low[k].to
	}
	to := end
	for k := n - 1; k > 0; k-- {
		if !f.segs[k].lastly(s, low[k].start, to, false, &high[k]) {
			return false
		}
		to = high[k].start
	}
	low[n] = high[n]
	switch {
	case f.at < 0:
		r.found = found{at: -1}
	case f.at == n:
		r.found = high[n]
		only = f.onlyTail(s, high[n].start, low[n-1].to)
	case f.early:
		r.found = low[f.at]
	case f.late:
		r.found = high[f.at]
	default:
		r.found = high[f.at]
		only = low[f.at].at == high[f.at].at
	}
	if f.at > 0 && !f.early && len(s) > maxWhole {
		only = false
	}
	r.doubt = !only
	r.count = 0
	for k := range f.segs {
		if low[k].count > 0 && low[k].at == high[k].at && low[k].start == high[k].start {
			r.count = low[k].count
		}
		if low[k].method != "" && low[k].start == high[k].start {
			r.how = low[k].method
		}
		if low[k].user != "" {
			r.user = high[k].user
		}
	}
	for k, g := range f.gaps {
		if g == gapUser {
			stop := len(s)
			if k+1 < n || len(tail.elems) > 0 {
				stop = high[k+1].start
			}
			if low[k].to <= stop {
				r.user = s[low[k].to:stop]
			}
		}
	}
	return true
}

// onlyTail reports whether the last segment can begin nowhere before start.
func (f *form) onlyTail(s string, start, from int) bool {
	tail := &f.segs[len(f.segs)-1]
	key := tail.elems[0].text
	var other found
	for at := start + len(key) - 1; at > from; {
		n := strings.LastIndex(s[from:at], key)
		if n < 0 {
			return true
		}
		if tail.match(s, from+n, true, &other) {
			return false
		}
		at = from + n + len(key) - 1
	}
	return true
}

// read fills ev from a message. It reports whether a template matched.
func (g *grammar) read(s string, ev *sentinel.Event) bool {
	if g.clean != nil {
		s = g.clean(s)
	}
	trimmed := s
	if s != "" && s[len(s)-1] == ' ' {
		trimmed = strings.TrimRight(s, " ")
	}
	var best, r reading
	hit := -1
	// Most templates fail at their first word or lack their longest, which many
	// of them share.
	var known, there [maxKeys / 64]uint64
	for i := range g.forms {
		f := &g.forms[i]
		if e := f.segs[0].elems; len(e) > 0 && e[0].kind == elemText && !strings.HasPrefix(s, e[0].text) {
			continue
		}
		at, bit := f.key>>6, uint64(1)<<(f.key&63)
		if known[at]&bit == 0 {
			known[at] |= bit
			if strings.Contains(s, g.keys[f.key]) {
				there[at] |= bit
			}
		}
		if there[at]&bit == 0 {
			continue
		}
		text := s
		if len(f.segs[len(f.segs)-1].elems) > 0 {
			text = trimmed // some add a space at the end
		}
		if !f.read(text, &r) {
			continue
		}
		if hit < 0 {
			best, hit = r, i
			continue
		}
		// Another reading, with the peer elsewhere or nobody knows where.
		if r.at >= 0 && best.at >= 0 && (r.doubt || r.at != best.at || r.addr != best.addr) {
			best.doubt = true
		}
	}
	if hit < 0 {
		return false
	}
	if best.doubt || g.suspect != nil && g.suspect(s) {
		best.addr, best.port = netip.Addr{}, 0
	}
	g.forms[hit].does.say(ev)
	if ev.Type == sentinel.EventOther {
		return true
	}
	ev.User, ev.Method = best.user, best.how
	ev.SrcIP = best.addr
	if best.addr.IsValid() {
		ev.SrcPort = best.port
	}
	if best.count > 1 && best.count <= maxRepeat {
		ev.Repeat = best.count
	}
	return true
}
