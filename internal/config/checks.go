package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"path/filepath"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxSocket is the longest path of a socket: the kernel takes 107 bytes, and
// the socket is made under a longer name before it is put in place.
const maxSocket = 90

func absolutePath(v string) error {
	switch {
	case v == "":
		return errors.New("expected an absolute path, found nothing")
	case !path.IsAbs(v):
		return fmt.Errorf("%s is not an absolute path: it must begin with /", quote(v))
	case len(v) > 4095:
		return errors.New("the path is longer than 4095 bytes")
	case strings.ContainsAny(v, "\x00\n\r"):
		return fmt.Errorf("%s has a character that no path should have", quote(v))
	}
	return nil
}

// absoluteOrNone lets a path be left out.
func absoluteOrNone(v string) error {
	if v == "" {
		return nil
	}
	return absolutePath(v)
}

// autoOrPath lets a path be found by the agent, or left out.
func autoOrPath(v string) error {
	if v == Auto {
		return nil
	}
	return absoluteOrNone(v)
}

// logFormat checks what can be checked without reading the format.
func logFormat(v string) error {
	if v != "" && !strings.ContainsAny(v, "$%") {
		return fmt.Errorf("%.60s is not a log format: expected the text of nginx's log_format or Apache's LogFormat, such as '$remote_addr [$time_local] \"$request\" $status'", quote(v))
	}
	return nil
}

func socketPath(v string) error {
	if err := absolutePath(v); err != nil {
		return err
	}
	if len(v) > maxSocket {
		return fmt.Errorf("the path has %d bytes: that of a socket may have at most %d", len(v), maxSocket)
	}
	if strings.HasSuffix(v, "/") {
		return fmt.Errorf("%s is a directory: expected the path of the socket in it", quote(v))
	}
	return nil
}

func globPath(v string) error {
	if sentinel.IsListen(v) {
		_, err := sentinel.ParseListen(v)
		return err
	}
	if err := absolutePath(v); err != nil {
		return err
	}
	if c := path.Clean(v); c != v {
		return fmt.Errorf("%s has a path that can be written shorter: write %s", quote(v), quote(c))
	}
	if _, err := filepath.Match(v, ""); err != nil {
		return fmt.Errorf("%s is not a pattern: a [ has no ], or a \\ stands at the end", quote(v))
	}
	return nil
}

// resolver checks where names are looked up.
func resolver(v string) error {
	_, err := nameServer(v)
	return err
}

// nameServer reads auto (the zero value) or an address with or without a port.
func nameServer(v string) (netip.AddrPort, error) {
	if v == Auto {
		return netip.AddrPort{}, nil
	}
	if a, err := netip.ParseAddr(v); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	if p, err := netip.ParseAddrPort(v); err == nil && p.Port() != 0 {
		return p, nil
	}
	return netip.AddrPort{}, fmt.Errorf("%s is not auto or the address of a name server, such as 192.0.2.53 or [2001:db8::53]:5353", quote(v))
}

func agentID(v string) error { return name(v, 64) }

func hostname(v string) error { return name(v, 253) }

func ruleID(v string) error { return name(v, 128) }

// unitName checks the name of a systemd unit, or a pattern of names.
func unitName(v string) error {
	if v == "" || len(v) > 255 || v[0] == '-' || strings.IndexFunc(v, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == '=' }) >= 0 {
		return fmt.Errorf("%s is not the name of a unit such as ssh.service", quote(v))
	}
	return nil
}

// name checks a word that travels into file names, logs and queries.
func name(v string, longest int) error {
	if v == "" || len(v) > longest || strings.IndexFunc(v, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	}) >= 0 || strings.ContainsAny(v[:1], "._-") {
		return fmt.Errorf("%s is not a name of 1 to %d letters, digits, '.', '_' and '-' that begins with a letter or digit", quote(v), longest)
	}
	return nil
}

// didYouMean returns a hint with the candidate that is nearest to word, if one
// is near.
func didYouMean(word string, candidates []string) string {
	if len(word) < 2 {
		return ""
	}
	best, distance := "", 1+max(1, min(3, len(word)/3))
	for _, c := range candidates {
		if len(word) >= 3 && best == "" && strings.HasPrefix(strings.ToLower(c), strings.ToLower(word)) {
			best = c
		}
		if d := editDistance(strings.ToLower(word), strings.ToLower(c), distance); d < distance {
			best, distance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %s?", best)
}

// editDistance counts the letters to insert, delete, replace or swap with the
// next to make b of a. Words whose lengths differ by limit or more are at
// limit; so is every word longer than 64 bytes.
func editDistance(a, b string, limit int) int {
	if len(a) > 64 || len(b) > 64 || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// loopback is Off or an address of this host that no other host can reach. A
// name is none: what it stands for may change.
func loopback(v string) error {
	if v == Off {
		return nil
	}
	a, err := netip.ParseAddrPort(v)
	switch {
	case err != nil || a.Port() == 0:
		return fmt.Errorf("%s is not off or a loopback address with a port, like 127.0.0.1:9464", quote(v))
	case !a.Addr().Unmap().IsLoopback():
		return fmt.Errorf("%s can be reached from other hosts: only loopback addresses are served, like 127.0.0.1:9464; let a proxy or an agent of your monitoring fetch the figures there", quote(v))
	}
	return nil
}
