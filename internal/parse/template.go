package parse

import (
	"fmt"
	"slices"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// The messages of most programs are read by tables of templates. A template is
// the message as the program writes it, with holes:
//
//	{addr} {sock} {apor} {peer}  the peer: an address; "ADDR", "ADDR:PORT" or
//	                             "[ADDR]:PORT"; "ADDR:PORT" always; exim's
//	                             "[ADDR]:PORT I=[OWN]:PORT Ci=N"
//	{user} {any}                 text that a client may choose, of any length
//	{srv}                        text of any length that no client can choose
//	{name} {own} {port}          a host name or nothing; another address; a port
//	{word} {method}              a run of anything but spaces; how a login was tried
//	{item} {caps}                a run of anything but '|'; of capitals
//	{int} {n} {pad}              a number; how often it happened; spaces
//
// and choices in angle brackets: ⟨yes|no|⟩. It matches a whole message.
//
// Free text is where a client can imitate the rest of a message. Between two
// free texts stands a segment of fixed words and short tokens, and a message
// can be read in several ways if a segment occurs more than once. The address
// is taken only if all readings have it in the same place, or if all the free
// text on one side of it is the server's own, which leaves one reading. Where
// two templates of a program read a message in different ways there is no
// address either. This holds for every template alike; a test gives each of
// them hostile text.
//
// Compiled templates are immutable. Matching takes a time linear in the
// message for each template and allocates nothing.

// verb says what a message means.
type verb uint8

const (
	nothing  verb = iota // known, and no event
	fails                // a failed login
	failsPAM             // the same, said by a back end
	logsIn
	probes     // a connection that ends before a login
	rejects    // mail refused
	probesMail // misuse of SMTP
	deniesDNS
	scansPorts
	bans
	deniesProxy
	errsHTTP // a failed login in a web server's error log
)

// message is one row of a table.
type message struct {
	does verb
	text string
}

type elemKind uint8

const (
	elemText elemKind = iota
	elemAddr
	elemSock
	elemAddrPort
	elemPeer
	elemOwn
	elemName
	elemWord
	elemItem
	elemCaps
	elemMethod
	elemInt
	elemPort
	elemCount
	elemPad
)

type elem struct {
	kind elemKind
	text string
}

// gap is the free text behind a segment.
type gap uint8

const (
	gapClient gap = iota
	gapUser
	gapServer
)

type segment struct {
	elems []elem
	peer  bool
}

const (
	maxSegments = 8
	maxToken    = 256
	// maxWhole is the longest message whose end is believed to be its end:
	// what was cut at a client's text could pose as another message.
	maxWhole = 900
)

type form struct {
	does verb
	segs []segment // one more than gaps
	gaps []gap
	at   int // the segment with the peer, -1 without
	// early and late say that no client writes before or behind the peer.
	early, late bool
	key         int    // index in grammar.keys, of the longest word in it
	source      string // the template, for tests
}

// grammar is the messages of one program.
type grammar struct {
	program string // for logs that do not name it
	source  sentinel.SourceType
	forms   []form
	keys    []string
	clean   func(string) string // takes what stands before a message
	suspect func(string) bool   // reports that a message's address is not to be believed
}

// maxKeys bounds the different keys of a grammar.
const maxKeys = 256

// newGrammar compiles a table. It panics on a template with a fault, which is
// one of the program.
func newGrammar(program string, source sentinel.SourceType, clean func(string) string, table []message) *grammar {
	g := &grammar{program: program, source: source, clean: clean}
	for _, m := range table {
		for _, text := range expand(m.text) {
			f := newForm(m.does, text)
			key := f.longest()
			if f.key = slices.Index(g.keys, key); f.key < 0 {
				f.key = len(g.keys)
				g.keys = append(g.keys, key)
			}
			g.forms = append(g.forms, f)
		}
	}
	if len(g.keys) > maxKeys {
		panic("the table of " + program + " is too long")
	}
	return g
}

// longest returns the longest fixed text of a template.
func (f *form) longest() string {
	best := ""
	for i := range f.segs {
		for _, e := range f.segs[i].elems {
			if len(e.text) > len(best) {
				best = e.text
			}
		}
	}
	return best
}

// expand writes out the choices.
func expand(text string) []string {
	open := strings.Index(text, "⟨")
	if open < 0 {
		return []string{text}
	}
	end := strings.Index(text, "⟩")
	head, inner, tail := text[:open], text[open+len("⟨"):end], text[end+len("⟩"):]
	var out []string
	for _, choice := range strings.Split(inner, "|") {
		// In a template with '|' as text it is written as ¦ within choices.
		out = append(out, expand(head+strings.ReplaceAll(choice, "¦", "|")+tail)...)
	}
	return out
}

var holes = map[string]elemKind{
	"addr": elemAddr, "sock": elemSock, "apor": elemAddrPort, "peer": elemPeer, "own": elemOwn, "name": elemName,
	"word": elemWord, "item": elemItem, "caps": elemCaps, "method": elemMethod, "int": elemInt, "port": elemPort, "n": elemCount, "pad": elemPad,
}

func newForm(does verb, text string) form {
	f := form{does: does, at: -1, source: text, segs: make([]segment, 1)}
	for rest := text; rest != ""; {
		seg := &f.segs[len(f.segs)-1]
		open := strings.IndexByte(rest, '{')
		if open != 0 {
			if open < 0 {
				open = len(rest)
			}
			seg.elems = append(seg.elems, elem{elemText, rest[:open]})
			rest = rest[open:]
			continue
		}
		end := strings.IndexByte(rest, '}')
		name := rest[1:end]
		rest = rest[end+1:]
		switch name {
		case "any", "user", "srv":
			if len(f.segs) > 1 && len(seg.elems) == 0 {
				panic(fmt.Sprintf("template %q has two free texts without words between them", text))
			}
			f.gaps = append(f.gaps, map[string]gap{"any": gapClient, "user": gapUser, "srv": gapServer}[name])
			f.segs = append(f.segs, segment{})
			continue
		}
		kind, ok := holes[name]
		if !ok || len(seg.elems) == 0 && len(f.segs) > 1 {
			panic(fmt.Sprintf("template %q: {%s} is unknown, or follows free text", text, name))
		}
		if kind >= elemAddr && kind <= elemPeer {
			if f.at >= 0 {
				panic(fmt.Sprintf("template %q has two peers", text))
			}
			f.at = len(f.segs) - 1
			seg.peer = true
		}
		seg.elems = append(seg.elems, elem{kind, ""})
	}
	if len(f.segs) > maxSegments {
		panic(fmt.Sprintf("template %q has too many parts", text))
	}
	f.early, f.late = true, true
	for i, g := range f.gaps {
		if g == gapServer {
			continue
		}
		if i < f.at {
			f.early = false
		} else {
			f.late = false
		}
	}
	return f
}

// say sets the type of an event.
func (v verb) say(ev *sentinel.Event) {
	switch v {
	case fails:
		failed(ev, sentinel.AuthStepFailed)
	case failsPAM:
		failed(ev, sentinel.AuthStepPAM)
	case logsIn:
		ev.Type, ev.Outcome = sentinel.EventAuthOK, "success"
	case probes:
		ev.Type = sentinel.EventAuthProbe
	case rejects:
		ev.Type = sentinel.EventMailReject
	case probesMail:
		ev.Type = sentinel.EventMailProbe
	case deniesDNS:
		ev.Type = sentinel.EventDNSDenied
	case scansPorts:
		ev.Type = sentinel.EventPortScan
	case bans:
		ev.Type = sentinel.EventBan
	case deniesProxy:
		ev.Type = sentinel.EventProxyDenied
	case errsHTTP:
		ev.Type, ev.Outcome = sentinel.EventHTTPError, "failure"
	}
}
