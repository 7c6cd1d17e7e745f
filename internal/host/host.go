// Package host asks the machine what the agent must know about it: which
// addresses must never be blocked, and what the process itself uses.
package host

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Role says what an address is to this host.
type Role string

// The roles of addresses that must never be blocked.
const (
	RoleOwn      Role = "own"
	RoleGateway  Role = "gateway"
	RoleResolver Role = "resolver"
	RoleAdmin    Role = "admin"
)

// Address is an address with a role, and why in words.
type Address struct {
	Addr   netip.Addr
	Role   Role
	Reason string
}

// maxAddresses bounds what Addresses returns; a host with more interfaces
// protects the first ones.
const maxAddresses = 4096

// Addresses returns the host's own addresses, its gateways and its resolvers
// (of /etc/resolv.conf), in the network namespace of the process. It returns
// what it could find together with an error about the rest.
func Addresses() ([]Address, error) {
	var out []Address
	add := func(a netip.Addr, role Role, reason string) {
		if a = sentinel.Normalize(a); a.IsValid() && !a.IsUnspecified() && len(out) < maxAddresses {
			out = append(out, Address{a, role, reason})
		}
	}
	var firstErr error
	ifaces, err := net.Interfaces()
	if err != nil {
		firstErr = fmt.Errorf("listing interfaces: %w", err)
	}
	for _, iface := range ifaces {
		addrs, err := iface.Addrs()
		if err != nil {
			continue // the interface went away meanwhile
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				add(p.Addr(), RoleOwn, "address of "+iface.Name)
			}
		}
	}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil && firstErr == nil {
		firstErr = fmt.Errorf("listing routes: %w", err)
	}
	for _, r := range routes {
		if a, ok := netip.AddrFromSlice(r.Gw); ok {
			add(a, RoleGateway, "gateway")
		}
		for _, hop := range r.MultiPath {
			if a, ok := netip.AddrFromSlice(hop.Gw); ok {
				add(a, RoleGateway, "gateway")
			}
		}
	}
	for _, a := range Resolvers("/etc/resolv.conf") {
		add(a, RoleResolver, "name server in /etc/resolv.conf")
	}
	return out, firstErr
}

// Resolvers reads the name servers of a resolv.conf; none if it cannot be read.
func Resolvers(path string) []netip.Addr {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []netip.Addr
	sc := bufio.NewScanner(io.LimitReader(f, 64<<10))
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) >= 2 && fields[0] == "nameserver" {
			if a, err := netip.ParseAddr(fields[1]); err == nil {
				out = append(out, sentinel.Normalize(a))
			}
		}
	}
	return out
}

// utmp records of glibc on 64-bit Linux: 384 bytes, type at 0, user at 44 (32
// bytes), address at 348 (16 bytes). See utmp(5).
const (
	utmpSize     = 384
	utmpUserProc = 7
	utmpUser     = 44
	utmpAddr     = 348
)

// LoggedIn reads a utmp file and returns the remote addresses of the sessions
// in it, with the user's name as reason. A missing file has none.
func LoggedIn(path string) ([]Address, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading sessions: %w", err)
	}
	defer f.Close()
	var out []Address
	rec := make([]byte, utmpSize)
	for len(out) < maxAddresses {
		if _, err := io.ReadFull(f, rec); err != nil {
			return out, nil // the end, or a torn record
		}
		if binary.NativeEndian.Uint32(rec) != utmpUserProc {
			continue
		}
		raw := rec[utmpAddr : utmpAddr+16]
		var a netip.Addr
		if isZero(raw[4:]) { // IPv4 takes the first word
			a = netip.AddrFrom4([4]byte(raw[:4]))
		} else {
			a = netip.AddrFrom16([16]byte(raw))
		}
		if a = sentinel.Normalize(a); a.IsUnspecified() {
			continue
		}
		user, _, _ := strings.Cut(string(rec[utmpUser:utmpUser+32]), "\x00")
		out = append(out, Address{a, RoleAdmin, "session of " + user})
	}
	return out, nil
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
