package enforce

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"
)

// Watch implements Watcher: it listens to the kernel's news about rule sets and
// calls changed at once, for those that concern our table and are not our own doing, and
// when news were lost. It returns nil when ctx ends.
func (n *NFT) Watch(ctx context.Context, changed func()) error {
	fd, err := openIn(n.cfg.NetNS, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "netlink")
	defer f.Close()
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<20)
	if own := n.port.Load(); own != 0 {
		// The kernel announces each element: 100,000 of our own are not news.
		// Without the filter they are only passed over later.
		_ = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, notFrom(own))
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.NFNLGRP_NFTABLES); err != nil {
		return fmt.Errorf("listening to nftables: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.Close() })
	defer stop()
	changed() // what happened before is not heard
	buf := make([]byte, 64<<10)
	for {
		got, err := f.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			changed()
			continue
		case err != nil:
			return fmt.Errorf("listening to nftables: %w", err)
		}
		if n.concerns(buf[:got]) {
			changed()
		}
	}
}

// concerns reports whether news are about our table and by somebody else.
func (n *NFT) concerns(b []byte) bool {
	ours := false
	err := eachMessage(b, func(h header, payload []byte) error {
		if h.port == n.port.Load() || h.kind>>8 != unix.NFNL_SUBSYS_NFTABLES || len(payload) < 4 || payload[0] != unix.NFPROTO_INET {
			return nil
		}
		eachAttr(payload[4:], func(kind uint16, v []byte) {
			// Attribute 1 of every kind of message is the table's name.
			if kind == unix.NFTA_TABLE_NAME && text(v) == Table {
				ours = true
			}
		})
		return nil
	})
	return ours || err != nil
}

// notFrom returns a socket filter that drops what a port sent.
func notFrom(port uint32) *unix.SockFprog {
	if native.Uint16([]byte{1, 0}) == 1 {
		port = bits.ReverseBytes32(port) // filters load big-endian
	}
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 12}, // nlmsg_pid
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: port, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
	}
	return &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
}
