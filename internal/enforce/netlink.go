package enforce

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Netlink by hand for what is large or frequent: sets of 100,000 elements are
// written and read back in a fraction of a second, where general libraries
// allocate several objects for each element and take seconds.

const (
	// answerTime bounds the wait for an answer of the kernel.
	answerTime = 5 * time.Second
	// bufferSize is what the socket may hold: one batch with all elements.
	bufferSize = 32 << 20
	// headerLen is the length of a netlink header and the nfnetlink one.
	headerLen = unix.NLMSG_HDRLEN + 4
)

var native = binary.NativeEndian

// conn is a netlink socket to the kernel's netfilter. Not safe for concurrent use, except
// for portID.
type conn struct {
	fd     int
	portID atomic.Uint32
	seq    uint32
	buf    []byte
}

// dial opens a socket in the network namespace of the process, or in the one
// that the descriptor ns stands for if it is not 0.
func dial(ns int) (*conn, error) {
	fd, err := openIn(ns, unix.SOCK_RAW|unix.SOCK_CLOEXEC)
	if err != nil {
		return nil, err
	}
	c := &conn{fd: fd, buf: make([]byte, 64<<10)}
	// Up to the system's limit, and beyond it where we may. What does not fit
	// in the end is sent in smaller parts.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bufferSize)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, bufferSize)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<20)
	// Errors do not echo the message, which would overflow the buffer.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	tv := unix.NsecToTimeval(answerTime.Nanoseconds())
	for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &tv); err != nil {
			_ = unix.Close(fd)
			return nil, fmt.Errorf("setting a netlink time-out: %w", err)
		}
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("naming a netlink socket: %w", err)
	}
	if nl, ok := name.(*unix.SockaddrNetlink); ok {
		c.portID.Store(nl.Pid)
	}
	return c, nil
}

// openIn makes a bound netfilter socket in a namespace.
func openIn(ns, kind int) (int, error) {
	fd := -1
	err := within(ns, func() (err error) {
		if fd, err = unix.Socket(unix.AF_NETLINK, kind, unix.NETLINK_NETFILTER); err != nil {
			return fmt.Errorf("opening a netlink socket: %w", err)
		}
		if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			_ = unix.Close(fd)
			return fmt.Errorf("binding a netlink socket: %w", err)
		}
		return nil
	})
	return fd, err
}

// within runs f in a network namespace, that of the process if ns is 0.
func within(ns int, f func() error) error {
	if ns == 0 {
		return f()
	}
	runtime.LockOSThread()
	own, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("opening the network namespace: %w", err)
	}
	defer unix.Close(own)
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering the network namespace: %w", err)
	}
	defer func() {
		// A thread that cannot go back stays locked and ends with its goroutine.
		if unix.Setns(own, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return f()
}

func (c *conn) close() { _ = unix.Close(c.fd) }

// batch starts a transaction.
func (c *conn) batch() *batch {
	b := &batch{conn: c}
	b.mark(unix.NFNL_MSG_BATCH_BEGIN)
	return b
}

// commit sends a batch, which the kernel applies whole or not at all. The error
// wraps the first errno that the kernel gave.
func (c *conn) commit(b *batch) error {
	b.mark(unix.NFNL_MSG_BATCH_END)
	if err := c.send(b.b); err != nil {
		return err
	}
	// The kernel has handled the batch, and queued all its answers, before
	// sendto returned.
	acks, first := 0, error(nil)
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			if first == nil && acks < b.messages {
				first = fmt.Errorf("%d of %d messages were answered", acks, b.messages)
			}
			return first
		case err != nil:
			return fmt.Errorf("receiving from netlink: %w", err)
		}
		err = eachMessage(c.buf[:n], func(h header, payload []byte) error {
			if h.kind != unix.NLMSG_ERROR || h.seq < b.first || h.seq > c.seq || len(payload) < 4 {
				return nil
			}
			if errno := unix.Errno(-int32(native.Uint32(payload))); errno != 0 && first == nil {
				first = errno
			} else if errno == 0 {
				acks++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

func (c *conn) send(b []byte) error {
	for {
		err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("sending to netlink: %w", err)
		}
		return nil
	}
}

// get asks for one object and gives its attributes to f.
func (c *conn) get(kind uint16, family byte, fill func(*message), f func(attrs []byte) error) error {
	return c.ask(unix.NFNL_SUBSYS_NFTABLES<<8|kind, family, unix.NLM_F_ACK, fill, f)
}

// dump asks for many objects and gives the attributes of each to f. It starts
// again, after calling restart, when the ruleset changed meanwhile.
func (c *conn) dump(kind uint16, family byte, fill func(*message), restart func(), f func(attrs []byte) error) error {
	for tries := 0; ; tries++ {
		restart()
		err := c.ask(unix.NFNL_SUBSYS_NFTABLES<<8|kind, family, unix.NLM_F_DUMP, fill, f)
		if !errors.Is(err, errInterrupted) || tries == 10 {
			return err
		}
	}
}

var errInterrupted = errors.New("the ruleset kept changing while it was read")

// ask sends one message, whose kind holds the subsystem, and gives the attributes
// of each answer to f.
func (c *conn) ask(kind uint16, family byte, flags uint16, fill func(*message), f func(attrs []byte) error) error {
	b := &batch{conn: c}
	m := b.start(kind, flags|unix.NLM_F_REQUEST, family)
	if fill != nil {
		fill(m)
	}
	m.end()
	if err := c.send(b.b); err != nil {
		return err
	}
	var failure error
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EAGAIN) {
			return fmt.Errorf("receiving from netlink: %w", os.ErrDeadlineExceeded)
		}
		if err != nil {
			return fmt.Errorf("receiving from netlink: %w", err)
		}
		done := false
		err = eachMessage(c.buf[:n], func(h header, payload []byte) error {
			if h.seq != c.seq {
				return nil
			}
			if h.flags&unix.NLM_F_DUMP_INTR != 0 {
				failure = errInterrupted
			}
			switch h.kind {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				done = true
				if len(payload) >= 4 {
					if errno := unix.Errno(-int32(native.Uint32(payload))); errno != 0 && failure == nil {
						failure = errno
					}
				}
			default:
				if failure == nil && len(payload) >= 4 {
					failure = f(payload[4:])
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if done {
			return failure
		}
	}
}

// header is the part of a netlink header that we use.
type header struct {
	kind, flags uint16
	seq, port   uint32
}

// eachMessage walks through the messages of one datagram.
func eachMessage(b []byte, f func(h header, payload []byte) error) error {
	for len(b) >= unix.NLMSG_HDRLEN {
		length := int(native.Uint32(b))
		if length < unix.NLMSG_HDRLEN || length > len(b) {
			return errors.New("reading netlink: a message has a wrong length")
		}
		h := header{native.Uint16(b[4:]), native.Uint16(b[6:]), native.Uint32(b[8:]), native.Uint32(b[12:])}
		if err := f(h, b[unix.NLMSG_HDRLEN:length]); err != nil {
			return err
		}
		b = b[min(align4(length), len(b)):]
	}
	return nil
}

func align4(n int) int { return (n + 3) &^ 3 }
