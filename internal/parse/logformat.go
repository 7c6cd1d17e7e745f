package parse

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

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
	client  int // the segment with what a module made of it, -1 without
	header  int // the segment with X-Forwarded-For, -1 without
	// json: fields are escaped as in JSON.
	json bool
	// usual: it is one of the formats that need not be told.
	usual bool
}

// formatPart is fixed text, or a field that ends by itself.
type formatPart struct {
	text  string
	field formatField
	// quoted: the field ends at the first quote that is not escaped.
	quoted bool
	// blank: there may be nothing in its place.
	blank bool
	// first: it is of the segment that is read in one place only.
	first bool
}

// formatText has the texts of a line's fields.
type formatText struct {
	of [numFields]string
	// long: somewhere a client's word would have been too long to be read.
	long bool
}

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
			out.of[p.field] = text
			i = len(s) - len(rest) - 1 // the quote is part of the text that follows
			continue
		}
		if p.field == fieldStamp {
			if len(s)-i < 26 {
				return -1
			}
			if out.of[p.field] = s[i : i+26]; !p.field.fits(out.of[p.field]) {
				return -1
			}
			i += 26
			continue
		}
		end, stop := i, len(s)
		if !p.first {
			stop = min(stop, i+maxToken)
		}
		for end < stop && s[end] > ' ' && (p.field != fieldAddr && p.field != fieldPeer || class(elemSock, s[end])) {
			end++
		}
		if end == stop && end < len(s) && p.field.word() {
			out.long = true
		}
		if k+1 < len(seg) {
			next := seg[k+1].text // fixed text stands between two fields
			if strings.HasPrefix(s[end:], next) {
				// as it should
			} else if p.field == fieldAddr || p.field == fieldPeer {
				// "ADDR:PORT": the address has colons as well.
				if n := strings.LastIndex(s[i:min(end+len(next), len(s))], next); n > 0 {
					end = i + n
				}
			} else if n := strings.Index(s[i:min(end+len(next), len(s))], next); n >= 0 {
				end = i + n
			}
		}
		if end == i && !p.blank || end > i && !p.field.fits(s[i:end]) {
			return -1
		}
		out.of[p.field] = s[i:end]
		i = end
	}
	return i
}

// custom reads a line of one of the source's own formats. A line that two of
// them fit has an address only if they agree on it.
func (p *Parser) custom(line string, ev *sentinel.Event) bool {
	all := p.cfg.Formats
	for i, f := range all {
		if !p.format(f, line, ev) {
			continue
		}
		for _, other := range all[i+1:] {
			var second sentinel.Event
			if p.format(other, line, &second) && second.SrcIP != ev.SrcIP {
				ev.SrcIP, ev.PeerIP, ev.SrcPort, ev.XFF, ev.FromHeader = netip.Addr{}, netip.Addr{}, 0, "", false
			}
		}
		return true
	}
	return false
}

// format reads a line of one format. A false result leaves ev as it is.
func (p *Parser) format(f *LogFormat, line string, ev *sentinel.Event) bool {
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
	scratch := formatText{long: text.long}
	for k := n; k > 0; k-- {
		if high[k] = f.findLast(k, line, low[k], stop, &scratch); high[k] < 0 {
			return false
		}
		stop = high[k]
	}
	for k, field := range f.between {
		text.of[field] = line[ends[k]:low[k+1]]
	}
	if f.peerText(&text) == "-" { // every request has a peer
		return false
	}
	f.times(p, &text, ev)
	f.request(&text, ev)
	ev.User = f.plain(dash(text.of[fieldUser]))
	ev.Type, ev.SourceType = sentinel.EventHTTPAccess, sentinel.TypeNginx
	if p.cfg.Type == sentinel.TypeApache {
		ev.SourceType = sentinel.TypeApache
	}
	// In a line that was cut, and beside words that were not read, a segment may
	// have stood elsewhere.
	whole := !scratch.long && len(line) < sentinel.MaxLine
	sure := func(k int) bool { return k == 0 || k > 0 && whole && low[k] == high[k] }
	f.address(p, &text, sure(f.peer), sure(f.client), sure(f.header), ev)
	return true
}

// plain undoes the escapes of the format.
func (f *LogFormat) plain(s string) string {
	if f.json {
		return plain(s)
	}
	return unescape(s)
}

// times takes the stamp and the time taken.
func (f *LogFormat) times(p *Parser, text *formatText, ev *sentinel.Event) {
	switch {
	case text.of[fieldStamp] != "":
		ev.Time, _ = p.clfStamp(text.of[fieldStamp])
	case text.of[fieldISO] != "":
		ev.Time, _ = p.isoStamp(text.of[fieldISO])
	case text.of[fieldEpoch] != "":
		ev.Time = epoch(text.of[fieldEpoch])
	case len(text.of[fieldMillisEpoch]) > 3:
		ms := text.of[fieldMillisEpoch]
		ev.Time = epoch(ms[:len(ms)-3])
	}
	switch h := &ev.HTTP; {
	case text.of[fieldMicros] != "":
		h.Duration = duration(text.of[fieldMicros], time.Microsecond)
	case text.of[fieldMillis] != "":
		h.Duration = duration(text.of[fieldMillis], time.Millisecond)
	default:
		h.Duration = duration(text.of[fieldSeconds], time.Second)
	}
}

// request takes what was asked for and answered.
func (f *LogFormat) request(text *formatText, ev *sentinel.Event) {
	h := &ev.HTTP
	host := dash(text.of[fieldVhost])
	switch {
	case text.of[fieldRequest] != "" && f.json:
		requestLine(plain(text.of[fieldRequest]), h)
	case text.of[fieldRequest] != "":
		requestLine(text.of[fieldRequest], h)
	default:
		h.Method, h.Proto, h.Malformed = text.of[fieldMethod], dash(text.of[fieldProto]), false
		h.Target = f.plain(text.of[fieldTarget])
		if url := text.of[fieldURL]; h.Target == "" && url != "" {
			if i := strings.IndexByte(url, '/'); i >= 0 {
				host, h.Target = url[:i], f.plain(url[i:])
			}
		}
		if h.Target == "" {
			h.Target = f.plain(text.of[fieldPath])
		}
		h.Path, h.Query, _ = strings.Cut(h.Target, "?")
		if q := dash(text.of[fieldQuery]); h.Query == "" && q != "" {
			h.Query = f.plain(strings.TrimPrefix(q, "?"))
		}
	}
	if v, ok := atoi(text.of[fieldStatus]); ok && v <= 999 {
		h.Status = v
	}
	if v, ok := atoi(text.of[fieldBytes]); ok {
		h.Bytes = int64(v)
	}
	h.Referer, h.UserAgent = f.plain(dash(text.of[fieldReferer])), f.plain(dash(text.of[fieldAgent]))
	if host == "" {
		host = dash(text.of[fieldHost])
	}
	if host == "" {
		host = dash(text.of[fieldServer])
	}
	h.Host = host
}

// epoch reads seconds since 1970, with a fraction of which three digits count.
func epoch(s string) time.Time {
	whole, fraction, _ := strings.Cut(s, ".")
	return unix(whole, fraction)
}

// unix is epoch for the parts before and after the point.
func unix(whole, fraction string) time.Time {
	sec, err := strconv.ParseInt(whole[:min(len(whole), 11)], 10, 64)
	if err != nil || sec <= 0 {
		return time.Time{}
	}
	ms := 0
	if len(fraction) >= 3 {
		ms, _ = atoi(fraction[:3])
	}
	return time.Unix(sec, int64(ms)*int64(time.Millisecond)).UTC()
}

// duration reads a number of units, with up to six decimals; 0 for anything else.
func duration(s string, unit time.Duration) time.Duration {
	whole, fraction, _ := strings.Cut(s, ".")
	v, ok := atoi(whole)
	if !ok {
		return 0
	}
	d := time.Duration(v) * unit
	scale := unit
	for i := 0; i < len(fraction) && i < 6 && fraction[i]-'0' <= 9; i++ {
		scale /= 10
		d += time.Duration(fraction[i]-'0') * scale
	}
	return d
}

// peerText is what stands in the place of the peer's address.
func (f *LogFormat) peerText(text *formatText) string {
	if f.real {
		return text.of[fieldPeer]
	}
	return text.of[fieldAddr]
}

// address takes the client's address: the peer's, or behind a trusted one that of
// the header, or what the server itself made of the header. The flags say whose
// place in the line is certain.
func (f *LogFormat) address(p *Parser, text *formatText, sure, sureClient, sureHeader bool, ev *sentinel.Event) {
	if !sure {
		return
	}
	var ok bool
	if ev.SrcIP, ev.SrcPort, ok = parseAddrPort(f.peerText(text)); !ok {
		ev.SrcIP = netip.Addr{}
		return
	}
	if port, ok := parsePort(text.of[fieldPort]); ok {
		ev.SrcPort = port
	}
	if len(p.cfg.TrustedProxies) == 0 {
		return
	}
	switch header := dash(text.of[fieldForwarded]); {
	case header != "" && sureHeader:
		p.forwarded(header, ev)
	case f.real && sureClient && text.of[fieldAddr] != "":
		p.forwarded(text.of[fieldAddr], ev)
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
func (f *LogFormat) findLast(k int, line string, low, stop int, out *formatText) int {
	seg := f.segments[k]
	if len(seg) == 0 {
		return len(line)
	}
	last := k == len(f.segments)-1
	for i := stop; i >= low; {
		n := strings.LastIndex(line[low:i], seg[0].text)
		if n < 0 {
			return -1
		}
		n += low
		if end := matchFormat(seg, line[:stop], n, out); end >= 0 && (!last || end == len(line)) {
			return n
		}
		i = n + len(seg[0].text) - 1
	}
	return -1
}
