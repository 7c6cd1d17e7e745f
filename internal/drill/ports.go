package drill

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Port is a TCP port at which this host, or what it forwards to, may answer.
type Port struct {
	// Addr is where it is bound, or what the rule that publishes it wants;
	// unspecified for any address.
	Addr netip.AddrPort
	// Program listens there, if that is known. Published says that a rule
	// redirects it, To where to.
	Program   string
	Published bool
	To        string
}

// String is for example "22 (sshd)".
func (p Port) String() string {
	text := strconv.Itoa(int(p.Addr.Port()))
	switch {
	case p.Published:
		return text + " (published, to " + p.To + ")"
	case p.Program != "":
		return text + " (" + p.Program + ")"
	}
	return text
}

// maxPorts bounds what Ports returns.
const maxPorts = 64

// Ports returns the ports at which something listens for others than the host
// itself, and those that address translation publishes, in order. It returns
// what it found together with an error about the rest.
func Ports(ctx context.Context) ([]Port, error) {
	var all []Port
	owners := owners()
	// Of the thread: the process's first one may have ended up in the lab.
	for _, name := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue // a kernel without IPv6
		}
		list, err := listening(f, owners)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		all = append(all, list...)
	}
	published, err := publishedPorts(ctx)
	all = append(all, published...)
	slices.SortStableFunc(all, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Addr.Port(), b.Addr.Port()), one(b.Published)-one(a.Published), a.Addr.Addr().Compare(b.Addr.Addr()))
	})
	all = slices.CompactFunc(all, func(a, b Port) bool { return a.Addr == b.Addr })
	return all[:min(len(all), maxPorts)], err
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// listening reads a table such as /proc/net/tcp.
func listening(r io.Reader, owners map[uint64]string) ([]Port, error) {
	var out []Port
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 10 || f[3] != "0A" {
			continue
		}
		at, ok := parseSocket(f[1])
		if !ok || at.Addr().IsLoopback() {
			continue
		}
		inode, _ := strconv.ParseUint(f[9], 10, 64) // 0: nobody's
		out = append(out, Port{Addr: at, Program: owners[inode]})
	}
	return out, sc.Err()
}

// parseSocket reads "0100007F:1F90": words in the byte order of the host.
func parseSocket(text string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	a, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}

// owners maps the inodes of sockets to the names of programs, as far as that may
// be seen.
func owners() map[uint64]string {
	out := map[uint64]string{}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is good
	for _, l := range links {
		target, err := os.Readlink(l)
		if err != nil {
			continue
		}
		text, ok := strings.CutPrefix(target, "socket:[")
		if !ok {
			continue
		}
		inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64)
		if err != nil {
			continue
		}
		name, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(l)), "comm"))
		if err == nil {
			out[inode] = strings.TrimSpace(string(name))
		}
	}
	return out
}

// Reach returns the address at which somebody in the lab finds a port: the
// host's end of the cable, unless it is bound to one address only. It is false
// for ports of another family.
func (f *Family) Reach(p Port) (netip.AddrPort, bool) {
	a := p.Addr.Addr()
	switch {
	case !a.IsUnspecified():
		return p.Addr, a.Is4() == f.Host.Is4() && !a.IsLinkLocalUnicast()
	case a.Is4() && f.Host.Is6():
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(f.Host, p.Addr.Port()), true // one on :: mostly serves both
}
