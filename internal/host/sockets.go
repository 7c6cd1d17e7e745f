package host

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Connected reports which of the given peers have an established TCP connection
// with this host, by /proc/net/tcp and tcp6. Port 0 stands for any.
func Connected(of map[netip.AddrPort]bool) (map[netip.AddrPort]bool, error) {
	found := make(map[netip.AddrPort]bool)
	if len(of) == 0 {
		return found, nil
	}
	for _, path := range [...]string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(path)
		if os.IsNotExist(err) {
			continue // IPv6 is off
		}
		if err != nil {
			return found, fmt.Errorf("reading connections: %w", err)
		}
		sc := bufio.NewScanner(f)
		for sc.Scan() {
			p, ok := peer(sc.Text())
			if !ok {
				continue
			}
			for _, p := range [2]netip.AddrPort{p, netip.AddrPortFrom(p.Addr(), 0)} {
				if of[p] {
					found[p] = true
				}
			}
		}
		f.Close()
		if err := sc.Err(); err != nil {
			return found, fmt.Errorf("reading %s: %w", path, err)
		}
	}
	return found, nil
}

// peer returns the remote address and port of an established connection in a line of
// /proc/net/tcp: "sl local_address rem_address st ...", addresses as hex words
// in the machine's byte order.
func peer(line string) (netip.AddrPort, bool) {
	f := strings.Fields(line)
	const established = "01"
	if len(f) < 4 || f[3] != established {
		return netip.AddrPort{}, false
	}
	text, port, _ := strings.Cut(f[2], ":")
	raw, err := hex.DecodeString(text)
	if err != nil || (len(raw) != 4 && len(raw) != 16) {
		return netip.AddrPort{}, false
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 { // our machines are little-endian
		raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
	}
	a, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(sentinel.Normalize(a), uint16(number)), ok
}
