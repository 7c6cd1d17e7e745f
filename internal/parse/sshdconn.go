package parse

import (
	"net/netip"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// party is what sshd knows of its peer when a connection ends.
type party uint8

const (
	partyUnknown       party = iota // "ADDR port N"
	partyInvalid                    // "invalid user NAME ADDR port N"
	partyTrying                     // "authenticating user NAME ADDR port N"
	partyAuthenticated              // "user NAME ADDR port N"
)

// cutParty takes the word for the party from the start of s.
func cutParty(s string) (party, string) {
	if rest, ok := strings.CutPrefix(s, "invalid user "); ok {
		return partyInvalid, rest
	}
	if rest, ok := strings.CutPrefix(s, "authenticating user "); ok {
		return partyTrying, rest
	}
	if rest, ok := strings.CutPrefix(s, "user "); ok {
		return partyAuthenticated, rest
	}
	return partyUnknown, s
}

// remote reads all of s as a party, with the name and address that belong to
// it. hasPort tells "ADDR port N" from the older "ADDR".
func remote(s string, ev *sentinel.Event) (who party, hasPort, ok bool) {
	who, s = cutParty(s)
	if who == partyUnknown {
		a, port, ok := wholeAddr(s)
		if !ok {
			return who, false, false
		}
		ev.SrcIP, ev.SrcPort = a, port
		return who, port != 0, true
	}
	head, a, port, ok := tailAddr(s)
	if !ok {
		return who, false, false
	}
	ev.User = strings.TrimSuffix(head, " ")
	ev.SrcIP, ev.SrcPort = a, port
	return who, true, true
}

// ended gives the event of a connection that ended, by how far it had come.
func ended(who party, preauth bool, ev *sentinel.Event) {
	switch {
	case who == partyInvalid || who == partyTrying:
		failed(ev, sentinel.AuthStepSummary)
	case who == partyUnknown && preauth:
		ev.Type = sentinel.EventAuthProbe
	}
}

// sshConnection reads messages that begin with C.
func sshConnection(msg string, preauth bool, ev *sentinel.Event) {
	rest, ok := strings.CutPrefix(msg, "Connection closed by ")
	if !ok {
		rest, ok = strings.CutPrefix(msg, "Connection reset by ")
	}
	if ok {
		// With a port but without a user the peer left before it named one; only
		// versions before 7.2 say no more at the end of a session.
		if who, hasPort, ok := remote(rest, ev); ok {
			ended(who, preauth || hasPort, ev)
		}
		return
	}
	if rest, ok := strings.CutPrefix(msg, "Connection from "); ok {
		// "ADDR port N on ADDR port N[ rdomain ...]".
		a, port, rest, ok := headAddr(rest)
		if !ok {
			return
		}
		ev.SrcIP, ev.SrcPort = a, port
		if rest, ok := strings.CutPrefix(rest, " on "); ok {
			ev.DstIP, ev.DstPort, _, _ = headAddr(rest)
		}
	}
}

// sshDisconnect reads messages that begin with D.
func sshDisconnect(msg string, preauth bool, ev *sentinel.Event) {
	if rest, ok := strings.CutPrefix(msg, "Disconnected from "); ok {
		if who, _, ok := remote(rest, ev); ok {
			ended(who, preauth, ev)
		}
		return
	}
	if rest, ok := strings.CutPrefix(msg, "Disconnecting "); ok {
		who, addr, user, port, reason, ok := reasoned(rest)
		if !ok {
			return
		}
		ev.SrcIP, ev.SrcPort, ev.User = addr, port, user
		ended(who, preauth, ev)
		if who == partyUnknown && strings.HasPrefix(reason, "Too many authentication failures") {
			failed(ev, sentinel.AuthStepSummary)
		}
		return
	}
	if rest, ok := strings.CutPrefix(msg, "Disconnecting: Too many authentication failures"); ok {
		if user, ok := strings.CutPrefix(rest, " for "); ok {
			ev.User = user
		}
		failed(ev, sentinel.AuthStepSummary)
		return
	}
	if rest, ok := strings.CutPrefix(msg, "Did not receive identification string from "); ok {
		ev.Type = sentinel.EventAuthProbe
		if a, port, ok := wholeAddr(rest); ok {
			ev.SrcIP, ev.SrcPort = a, port
		}
	}
}

// reasoned reads "PARTY: REASON". The name in PARTY is free text of the client,
// and so is the end of one reason.
func reasoned(s string) (who party, addr netip.Addr, user string, port uint16, reason string, ok bool) {
	who, s = cutParty(s)
	if who == partyUnknown {
		addr, port, reason, ok = headAddr(s)
		if ok {
			reason, ok = strings.CutPrefix(reason, ": ")
		}
		return who, addr, "", port, reason, ok
	}
	// Of several readings the last is true, unless a reason may hold free text.
	many, free := false, false
	for at := 0; ; {
		i := strings.Index(s[at:], ": ")
		if i < 0 {
			break
		}
		at += i
		if head, a, n, good := tailAddr(s[:at]); good {
			many = ok
			ok, addr, port, reason = true, a, n, s[at+2:]
			user = strings.TrimSuffix(head, " ")
			free = free || strings.HasPrefix(reason, "Change of username or service not allowed: (")
		}
		at += 2
	}
	if many && free {
		addr, user, port = netip.Addr{}, "", 0
	}
	return who, addr, user, port, reason, ok
}

// sshReceived reads "ADDR port N:CODE: TEXT" or "ADDR: CODE: TEXT", where the
// client wrote TEXT.
func sshReceived(s string, ev *sentinel.Event) {
	a, port, rest, ok := headAddr(s)
	if !ok {
		return
	}
	ev.SrcIP, ev.SrcPort = a, port
	rest = strings.TrimPrefix(rest, ":")
	code, _, ok := leading(strings.TrimPrefix(rest, " "))
	// 3 is a failed key exchange, or a library's failed login; 14 says that no
	// more methods are left. 11 ends every session.
	if ok && (code == 3 || code == 14) {
		ev.Type = sentinel.EventAuthProbe
	}
}

// sshOther reads the rarer messages.
func sshOther(msg string, ev *sentinel.Event) {
	switch msg[0] {
	case 'B':
		if rest, ok := strings.CutPrefix(msg, "Bad protocol version identification '"); ok {
			ev.Type = sentinel.EventAuthProbe
			head, a, port, ok := tailAddr(rest)
			if !ok {
				head, a, ok = tailWord(rest)
				port = 0
			}
			if ok && strings.HasSuffix(head, "' from ") {
				ev.SrcIP, ev.SrcPort = a, port
			}
		}
	case 'T':
		rest, ok := strings.CutPrefix(msg, "Timeout before authentication for ")
		if ok {
			probeHead(strings.TrimPrefix(rest, "connection from "), ev)
		}
	case 'b':
		if rest, ok := strings.CutPrefix(msg, "banner exchange: Connection from "); ok {
			probeHead(rest, ev)
		}
	case 'd':
		// "drop connection #1 from [ADDR]:N on [ADDR]:N penalty: REASON", or
		// "... past MaxStartups", which befalls anybody.
		rest, ok := strings.CutPrefix(msg, "drop connection #")
		if !ok {
			return
		}
		_, rest, ok = leading(rest)
		rest, found := strings.CutPrefix(rest, " from ")
		if !ok || !found {
			return
		}
		peer, rest, _ := strings.Cut(rest, " ")
		if a, port, ok := parseAddrPort(peer); ok {
			ev.SrcIP, ev.SrcPort = a, port
		}
		if strings.Contains(rest, " penalty: ") {
			ev.Type = sentinel.EventAuthProbe
		}
	case 'i':
		if rest, ok := strings.CutPrefix(msg, "input_userauth_request: invalid user "); ok {
			ev.User = rest
		}
	case 'k':
		// "kex_exchange_identification: client sent invalid protocol identifier"
		// quotes the client; none of these messages names an address.
		if strings.HasPrefix(msg, "kex_exchange_identification: ") || strings.HasPrefix(msg, "kex_protocol_error: ") {
			ev.Type = sentinel.EventAuthProbe
		}
	case 'n':
		if strings.HasPrefix(msg, "no matching ") {
			ev.Type = sentinel.EventAuthProbe
		}
	case 'p', 's':
		if rest, ok := strings.CutPrefix(msg, "probed from "); ok {
			probeHead(rest, ev)
		} else if rest, ok := strings.CutPrefix(msg, "scanned from "); ok {
			probeHead(rest, ev)
		} else if rest, ok := strings.CutPrefix(msg, "ssh_dispatch_run_fatal: Connection from "); ok {
			if who, addr, user, port, _, ok := reasoned(rest); ok {
				ev.SrcIP, ev.SrcPort, ev.User = addr, port, user
				if who != partyAuthenticated {
					ev.Type = sentinel.EventAuthProbe
				}
			}
		} else if rest, ok := strings.CutPrefix(msg, "srclimit_penalise: "); ok {
			ev.SrcIP = penalised(rest)
		}
	case 'r':
		if rest, ok := strings.CutPrefix(msg, "reverse mapping checking getaddrinfo for "); ok {
			// "HOST [ADDR] failed - POSSIBLE BREAK-IN ATTEMPT!": the peer's own
			// wrong DNS, no attack by itself. HOST has no spaces.
			_, rest, _ = strings.Cut(rest, " ")
			if addr, _, ok := strings.Cut(strings.TrimPrefix(rest, "["), "] "); ok {
				ev.SrcIP, _ = parseAddr(addr)
			}
		} else if rest, ok := strings.CutPrefix(msg, "refused connect from "); ok && strings.HasSuffix(rest, ")") {
			// TCP wrappers: "HOST (ADDR)".
			ev.Type = sentinel.EventAuthProbe
			ev.SrcIP, _ = parseAddr(rest[strings.LastIndexByte(rest, '(')+1 : len(rest)-1])
		}
	}
}

// penalised finds the one network in "ipv4: new ADDR/32 deferred penalty of 5
// seconds for REASON", if it is a single address.
func penalised(s string) netip.Addr {
	for s != "" {
		var word string
		word, s, _ = strings.Cut(s, " ")
		addr, bits, ok := strings.Cut(word, "/")
		if !ok {
			continue
		}
		a, ok := parseAddr(addr)
		if n, _ := atoi(bits); !ok || n != 32 && n != 128 || a.Is4() != (n == 32) {
			return netip.Addr{}
		}
		return a
	}
	return netip.Addr{}
}
