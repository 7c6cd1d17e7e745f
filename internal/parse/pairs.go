package parse

import (
	"net/netip"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxPairs bounds the pairs of a line.
const maxPairs = 64

// pairStarts are what lines of pairs begin with.
var pairStarts = [...]string{"time=", "t=", "ts=", "timestamp=", "level=", "lvl=", "logger=", "msg="}

// pairs reads a line of KEY=VALUE as many programs in Go write them ("logfmt");
// values with spaces are in double quotes, in which a quote has a backslash.
func (p *Parser) pairs(line string, ev *sentinel.Event) bool {
	if p.web {
		return false
	}
	known := false
	for _, s := range pairStarts {
		known = known || strings.HasPrefix(line, s)
	}
	var v values
	if !known || !scanPairs(line, &v) {
		return false
	}
	p.jsonTime(&v, ev)
	ev.SourceType = sentinel.TypeApp
	ev.Message = plain(v.text[slotMessage])
	hosted(&v, ev)
	return v.set[slotMessage]
}

// scanPairs reads the pairs into their slots. It reports false for what are no
// pairs, and where a key says two things.
func scanPairs(s string, v *values) bool {
	for range maxPairs {
		if s = strings.TrimLeft(s, " "); s == "" {
			return true
		}
		key, rest, ok := strings.Cut(s, "=")
		if !ok || key == "" || strings.ContainsAny(key, " \"") {
			return false
		}
		value := rest
		if strings.HasPrefix(rest, `"`) {
			n := 0
			if value, n = scalar(rest); n == 0 || n < len(rest) && rest[n] != ' ' {
				return false
			}
			s = rest[n:]
		} else {
			value, s, _ = strings.Cut(rest, " ")
		}
		if at, ok := pairSlot(key); ok && !v.put(at, value, false) {
			return false
		}
	}
	return true // what follows is not looked at
}

func pairSlot(key string) (slot, bool) {
	if key == "t" {
		return slotTime, true
	}
	return slotFor("", key, 1)
}

// refusals are how messages of applications begin that refused a login, and the
// applications. The rest of such a message may be a client's.
var refusals = []struct{ begins, program string }{
	{"Unsuccessful 1FA authentication attempt", "authelia"},
	{"Unsuccessful 2FA authentication attempt", "authelia"},
	{"Unsuccessful TOTP authentication attempt", "authelia"},
	{"Unsuccessful WebAuthn authentication attempt", "authelia"},
	{"Unsuccessful Duo authentication attempt", "authelia"},
	{"Incorrect username or password", "miniflux"},
	{"Invalid username or password", "grafana"},
	{"Invalid user id or password", "mattermost"},
	{"Unsuccessful login", "navidrome"},
}

// hosted reads a log of pairs or a JSON object as applications write it of which
// a login is all that matters. The address is a value of its own, which a client
// cannot write; of two different ones neither counts.
func hosted(v *values, ev *sentinel.Event) {
	if !v.set[slotAddr] && v.set[slotOtherAddr] {
		ev.SrcIP, ev.SrcPort, _ = parseAddrPort(v.text[slotOtherAddr])
	} else {
		ev.SrcIP, ev.SrcPort, _ = parseAddrPort(v.text[slotAddr])
	}
	ev.User = plain(v.text[slotUser])
	refused := func(program string) {
		ev.Program, ev.SourceType = program, sentinel.TypeApp
		failed(ev, sentinel.AuthStepFailed)
	}
	for _, r := range refusals {
		if strings.HasPrefix(ev.Message, r.begins) {
			refused(r.program)
			return
		}
	}
	path := v.text[slotPath]
	switch {
	case v.text[slotAction] == "login_failed":
		refused("authentik")
	case v.text[slotAction] == "authentication_failed":
		refused("elasticsearch")
		ev.SourceType = sentinel.TypeDB
	case strings.HasPrefix(path, "auth/") && strings.Contains(path, "/login") && v.text[slotError] != "":
		refused("vault")
	case !ev.SrcIP.IsValid() && ev.Message != "":
		for _, g := range [...]*grammar{identityGrammar, giteaGrammar} {
			if g.read(ev.Message, ev) {
				ev.Program, ev.SourceType = g.program, g.source
				return
			}
		}
	}
	if ev.Type == sentinel.EventOther {
		ev.SrcIP, ev.SrcPort, ev.User = netip.Addr{}, 0, ""
	}
}
