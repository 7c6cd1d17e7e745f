package control

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os/user"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Role says what a caller may do. Roles are ordered: each may do all that the
// one before may.
type Role uint8

// The roles.
const (
	// RoleNone may do nothing.
	RoleNone Role = iota
	// RoleMember may read, block and unblock.
	RoleMember
	// RoleAdmin may do everything.
	RoleAdmin
)

// String returns the role's name.
func (r Role) String() string {
	switch r {
	case RoleNone:
		return "none"
	case RoleMember:
		return "member"
	case RoleAdmin:
		return "admin"
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// Peer is the process at the other end of a connection, as the kernel says.
type Peer struct {
	UID, GID uint32
	PID      int32
	// Groups are the supplementary groups.
	Groups []uint32
	// User is the account's name, or its number if it has none.
	User string
	Role Role
}

// String returns the peer for audit trails: "alice (uid 1000)".
func (p Peer) String() string {
	if number := strconv.FormatUint(uint64(p.UID), 10); p.User == "" || p.User == number {
		return "uid " + number
	}
	return fmt.Sprintf("%s (uid %d)", p.User, p.UID)
}

// peerOf asks the kernel who is at the other end.
func peerOf(conn *net.UnixConn) (Peer, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("asking for the peer's credentials: %w", err)
	}
	var p Peer
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			failed = err
			return
		}
		p.UID, p.GID, p.PID = cred.Uid, cred.Gid, cred.Pid
		p.Groups, failed = peerGroups(int(fd))
	})
	if err := errors.Join(err, failed); err != nil {
		return Peer{}, fmt.Errorf("asking for the peer's credentials: %w", err)
	}
	p.User = strconv.FormatUint(uint64(p.UID), 10)
	if u, err := user.LookupId(p.User); err == nil {
		p.User = u.Username
	}
	return p, nil
}

// peerGroups returns the supplementary groups that the peer had when it
// connected (SO_PEERGROUPS, Linux 4.13). A kernel without it gives none, which
// can only take rights away.
func peerGroups(fd int) ([]uint32, error) {
	buf := make([]byte, 4*256)
	for {
		size := uint32(len(buf))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == unix.ERANGE && size > uint32(len(buf)) && size <= 4*65536:
			buf = make([]byte, size)
			continue
		case errno == unix.ENOPROTOOPT || errno == unix.ENODATA:
			return nil, nil
		case errno != 0:
			return nil, errno
		}
		groups := make([]uint32, 0, size/4)
		for b := buf[:size]; len(b) >= 4; b = b[4:] {
			groups = append(groups, binary.NativeEndian.Uint32(b))
		}
		return groups, nil
	}
}

// access says which users and groups have which role.
type access struct {
	// owner is the user that the daemon runs as.
	owner uint32
	// member and admin are groups; ok is false if the host has no such group.
	member, admin     uint32
	memberOK, adminOK bool
}

// role returns the highest role that p has.
func (a access) role(p Peer) Role {
	in := func(gid uint32, ok bool) bool { return ok && (p.GID == gid || slices.Contains(p.Groups, gid)) }
	switch {
	case p.UID == 0 || p.UID == a.owner || in(a.admin, a.adminOK):
		return RoleAdmin
	case in(a.member, a.memberOK):
		return RoleMember
	}
	return RoleNone
}
