// Package parse turns lines of text into events.
//
// Whoever connects to a host writes part of its logs: user names, banners,
// request lines. So every field is cut from a fixed place of the line's
// grammar, anchored at both ends, and an address is taken only from where the
// program that logs puts its peer. Where a hostile text makes two readings of
// a line possible the event has no address: a missed line costs little, an
// innocent address that is blocked costs much.
//
// The parsers are written by hand, keep no state but the last time stamp, and
// allocate nothing, except to undo a web server's escaping of a field. Times
// of events are in UTC.
package parse

import (
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Config says how the lines of one source are read. The zero value reads any
// format, trusts no proxy and takes stamps without a zone as UTC.
type Config struct {
	// Type is the kind of the source; empty is TypeAuto. It is a preference:
	// a line of another known format is read as that, with one exception.
	// Sources of web servers yield no events of other programs, since clients
	// can write whole lines into some of them.
	Type sentinel.SourceType
	// TrustedProxies are the peers whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Formats are those of the source's access lines, none for the usual ones. A
	// line of another format is not read then.
	Formats []*LogFormat
	// Strict says that the usual formats are not read even without Formats: the
	// source has others, which cannot be read.
	Strict bool
	// Location is where stamps without a zone were written; nil is UTC.
	Location *time.Location
}

// Parser reads the lines of one source. It is not safe for concurrent use.
type Parser struct {
	cfg Config
	loc *time.Location // nil for UTC
	web bool           // a source of a web server
	// strict: where the format is known, a line of another one is no access line:
	// who knows what stands in the place of the address?
	strict bool
	last   format // the format that last succeeded
	clock  clock
	// parts are the beginnings of lines of which a container engine has written
	// pieces so far: of standard output and error.
	parts [2][]byte
	// doubt is how many bytes from here may still belong to the last message
	// of an nginx error log; see errorlog.go.
	doubt int
	// records are those of audit events, nil until the first.
	records *auditRecords
}

// New returns a parser for one source.
func New(cfg Config) *Parser {
	if cfg.Type == "" {
		cfg.Type = sentinel.TypeAuto
	}
	p := &Parser{cfg: cfg, loc: cfg.Location}
	if p.loc == time.UTC {
		p.loc = nil
	}
	proxies := make([]netip.Prefix, 0, len(cfg.TrustedProxies))
	for _, n := range cfg.TrustedProxies {
		if n.Addr().Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
		}
		if n.IsValid() {
			proxies = append(proxies, n.Masked())
		}
	}
	p.cfg.TrustedProxies = proxies
	switch cfg.Type {
	case sentinel.TypeNginx, sentinel.TypeApache:
		p.web = true
		p.last = formatAccess
	default:
		p.last = formatSyslog
	}
	if len(cfg.Formats) > 0 {
		p.last = formatCustom
	}
	p.strict = cfg.Strict || len(cfg.Formats) > 0
	return p
}

// format is a grammar of lines.
type format uint8

const (
	formatAccess format = iota
	formatSyslog
	formatNginxError
	formatApacheError
	formatAudit
	formatRaw
	formatJSON
	formatPairs
	formatCustom
	formatHAProxy
	numFormats
)

// try reads a line as one format. A false result may leave fields behind.
func (p *Parser) try(f format, line string, now, ref time.Time, ev *sentinel.Event) bool {
	switch f {
	case formatAccess:
		return !p.strict && p.access(line, ev)
	case formatCustom:
		return p.custom(line, ev)
	case formatSyslog:
		return p.syslog(line, now, ref, ev)
	case formatNginxError:
		return p.nginxError(line, ev)
	case formatApacheError:
		return p.apacheError(line, now, ref, ev)
	case formatAudit:
		return !p.web && p.audit(line, ev)
	case formatRaw:
		return p.raw(line, now, ref, ev)
	case formatJSON:
		return p.json(line, ev)
	case formatPairs:
		return p.pairs(line, ev)
	case formatHAProxy:
		return p.haproxyRaw(line, ev)
	}
	return false
}

// Parse resets ev and fills it from one line. now is the arrival time, ref the
// modification time of the file (zero: now), to which the year of stamps that
// have none is fitted. It reports whether the line was understood; if not, ev
// holds the line alone. Strings alias line. Event.Source is left to the caller;
// Event.SourceType tells what the line is, not what the source was said to be.
//
// Of a line that a container engine wrote, ev has the text of the container, and
// the engine's time.
func (p *Parser) Parse(line string, now, ref time.Time, ev *sentinel.Event) bool {
	if len(line) > len(dockerHead) && (line[0] == '{' || line[4] == '-') {
		if w, ok := unwrap(line); ok {
			return p.contained(&w, line, now, ev)
		}
	}
	return p.line(line, now, ref, ev)
}

// line is Parse for a line that no container engine wrote.
func (p *Parser) line(line string, now, ref time.Time, ev *sentinel.Event) bool {
	p.fill(line, now, ev)
	if line == "" {
		return false
	}
	if p.doubt > 0 {
		return p.doubtful(line, now, ref, ev)
	}
	return p.any(line, now, ref, ev)
}

// ParseAs is Parse for a line whose header is believed as far as t says.
func (p *Parser) ParseAs(t sentinel.Trust, line string, now, ref time.Time, ev *sentinel.Event) bool {
	ok := p.Parse(line, now, ref, ev)
	switch t {
	case sentinel.TrustLocal:
		ev.SrcIP, ev.DstIP, ev.PeerIP = netip.Addr{}, netip.Addr{}, netip.Addr{}
		ev.SrcPort, ev.DstPort, ev.XFF, ev.FromHeader = 0, 0, "", false
	case sentinel.TrustNone:
		head := *ev
		p.fill(line, now, ev)
		ev.SourceType = sentinel.TypeSyslog
		ev.Time, ev.Host, ev.Program, ev.PID, ev.Message = head.Time, head.Host, head.Program, head.PID, head.Message
	}
	return ok
}

// fill sets what needs no parsing.
func (p *Parser) fill(line string, now time.Time, ev *sentinel.Event) {
	ev.Reset()
	ev.Received = now
	ev.SourceType = p.cfg.Type
	ev.Raw, ev.Message = line, line
}

// any tries the format that last succeeded and then the others.
func (p *Parser) any(line string, now, ref time.Time, ev *sentinel.Event) bool {
	if p.try(p.last, line, now, ref, ev) {
		return true
	}
	for f := range numFormats {
		if f == p.last {
			continue
		}
		p.fill(line, now, ev)
		if p.try(f, line, now, ref, ev) {
			if f != formatRaw {
				// A line that names its program is never read as one that does not.
				p.last = f
			}
			return true
		}
	}
	p.fill(line, now, ev)
	return false
}
