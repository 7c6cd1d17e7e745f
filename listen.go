package sentinel

import (
	"fmt"
	"net/netip"
	"path"
	"strings"
)

// Listen is a socket of this host that lines are received on instead of read
// from a file: "udp://127.0.0.1:5514", "tcp://[::1]:5514", "unix:///run/x.sock"
// (datagrams, as /dev/log) or "unixstream:///run/x.sock".
type Listen struct {
	// Network is "udp", "tcp", "unixgram" or "unix", as package net names them.
	Network string
	// Addr is of udp and tcp, Path of the others.
	Addr netip.AddrPort
	Path string
}

// maxSocketPath is what fits into a socket's address.
const maxSocketPath = 107

// IsListen reports whether the path of a source is meant as a socket.
func IsListen(text string) bool { return strings.Contains(text, "://") }

// ParseListen reads a socket. Only addresses that no other host can reach are
// taken: datagrams and lines of syslog say who sent them in words of the sender.
func ParseListen(text string) (l Listen, err error) {
	scheme, rest, _ := strings.Cut(text, "://")
	switch scheme {
	case "udp", "tcp":
		l.Network = scheme
		l.Addr, err = netip.ParseAddrPort(rest)
		switch {
		case err != nil || l.Addr.Port() == 0:
			return l, fmt.Errorf("%q has no address with a port, like %s://127.0.0.1:5514", text, scheme)
		case !l.Addr.Addr().Unmap().IsLoopback():
			return l, fmt.Errorf("%q can be reached from other hosts, any of which could have anybody blocked with forged lines: use a loopback address, and let rsyslog or syslog-ng receive what comes from elsewhere", text)
		}
	case "unix", "unixstream":
		l.Network = map[string]string{"unix": "unixgram", "unixstream": "unix"}[scheme]
		l.Path = rest
		switch {
		case !path.IsAbs(rest) || path.Clean(rest) != rest || rest == "/" || strings.ContainsAny(rest, "\x00\n*?["):
			return l, fmt.Errorf("%q has no absolute path, like %s:///run/sentinel/log.sock", text, scheme)
		case len(rest) > maxSocketPath:
			return l, fmt.Errorf("%q has a path of more than %d bytes, the most for a socket", text, maxSocketPath)
		}
	default:
		return l, fmt.Errorf("%q is none of udp://ADDRESS:PORT, tcp://ADDRESS:PORT, unix:///PATH and unixstream:///PATH", text)
	}
	return l, nil
}

// String is the socket as ParseListen reads it.
func (l Listen) String() string {
	switch l.Network {
	case "unixgram":
		return "unix://" + l.Path
	case "unix":
		return "unixstream://" + l.Path
	}
	return l.Network + "://" + l.Addr.String()
}
