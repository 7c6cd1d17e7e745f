package collect

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Bounds of a socket.
const (
	// maxStreams is how many connections a socket has at a time; more are closed
	// at once.
	maxStreams = 64
	// receiveBuffer is what the kernel may keep of datagrams while none is taken,
	// socketBatch how many lines are handed over at once.
	receiveBuffer = 4 << 20
	socketBatch   = 512
	socketMode    = 0o660
)

// Sockets receive lines that programs send as they would to syslog. They outlive
// a Collector, so that nothing is lost when one follows another. While nobody
// takes lines none are read: senders of streams and of local datagrams wait, of
// UDP the kernel drops and counts.
type Sockets struct {
	log  *slog.Logger
	mu   sync.Mutex
	open map[string]*socket
}

// NewSockets returns none; a nil log discards.
func NewSockets(log *slog.Logger) *Sockets {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Sockets{log: log, open: map[string]*socket{}}
}

// Keep closes the sockets that are not among paths, and opens the others that are
// not open. What cannot be opened is shown in the status of its source.
func (s *Sockets) Keep(paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, k := range s.open {
		if !slices.Contains(paths, path) {
			k.close()
			delete(s.open, path)
		}
	}
	for _, path := range paths {
		s.try(path)
	}
}

// retry opens a socket that could not be opened before.
func (s *Sockets) retry(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[path] != nil {
		s.try(path)
	}
}

// try opens a socket that is not open; s.mu is held.
func (s *Sockets) try(path string) {
	k := s.open[path]
	if k != nil && k.fault == nil {
		return
	}
	fresh := &socket{queue: make(chan sentinel.Line, socketBatch), lines: make(chan []sentinel.Line), done: make(chan struct{}), log: s.log}
	fresh.fault = fresh.listen(path)
	if fresh.fault != nil && k == nil {
		s.log.Warn("a socket for logs cannot be opened", "source", path, "err", fresh.fault)
	}
	s.open[path] = fresh
}

// Close closes all.
func (s *Sockets) Close() { s.Keep(nil) }

func (s *Sockets) get(path string) *socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[path]
}

// socket is one of them.
type socket struct {
	log   *slog.Logger
	fault error
	// queue has lines of all senders, lines what was gathered of them.
	queue chan sentinel.Line
	lines chan []sentinel.Line
	// left was taken and not handed on by the collector before; only the one
	// collector that runs uses it.
	left []sentinel.Line
	done chan struct{}

	closers []func() error
	streams struct {
		sync.Mutex
		all map[net.Conn]struct{}
	}
	refused atomic.Int64 // connections beyond maxStreams, and broken ones
	dropped atomic.Int64 // datagrams that the kernel dropped
}

// listen opens the socket and starts to read.
func (k *socket) listen(path string) error {
	l, err := sentinel.ParseListen(path)
	if err != nil {
		return err
	}
	address := l.Path
	if l.Path == "" {
		address = l.Addr.String()
	} else if err := removeStale(l.Path); err != nil {
		return err
	}
	switch l.Network {
	case "udp", "unixgram":
		end, read, err := openDatagrams(l, address)
		if err != nil {
			return err
		}
		k.closers = append(k.closers, end)
		if err := k.shared(l); err != nil {
			return errors.Join(err, end())
		}
		go k.datagrams(read)
	default:
		ln, err := net.Listen(l.Network, address)
		if err != nil {
			return unwrapNet(err)
		}
		k.closers = append(k.closers, ln.Close)
		if err := k.shared(l); err != nil {
			return errors.Join(err, ln.Close())
		}
		k.streams.all = map[net.Conn]struct{}{}
		go k.accept(ln)
	}
	go k.gather()
	return nil
}

// shared lets the group write to a Unix socket, and removes it in the end.
func (k *socket) shared(l sentinel.Listen) error {
	if l.Path == "" {
		return nil
	}
	if l.Network == "unixgram" { // listeners of streams remove theirs
		k.closers = append(k.closers, func() error { return os.Remove(l.Path) })
	}
	if err := os.Chmod(l.Path, socketMode); err != nil {
		return fmt.Errorf("setting the mode of %s: %w", l.Path, unwrapPath(err))
	}
	return nil
}

// removeStale removes the socket that a program which has ended left behind.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // then there is nothing in the way, or listening says what
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is no socket", path)
	}
	for _, network := range [...]string{"unix", "unixgram"} {
		if c, err := net.Dial(network, path); err == nil {
			c.Close()
			return fmt.Errorf("%s is in use by another program", path)
		}
	}
	return os.Remove(path)
}

// unwrapNet is an error of package net without the address that it names.
func unwrapNet(err error) error {
	if e := (*net.OpError)(nil); errors.As(err, &e) {
		return fmt.Errorf("listening: %w", e.Err)
	}
	return err
}

func (k *socket) close() {
	select {
	case <-k.done:
		return
	default:
	}
	close(k.done)
	for _, c := range k.closers {
		_ = c()
	}
	k.streams.Lock()
	defer k.streams.Unlock()
	for c := range k.streams.all {
		c.Close()
	}
}

// accept takes connections until the socket is closed.
func (k *socket) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // too many open files, for example
			k.log.Warn("taking a connection failed", "socket", ln.Addr(), "err", err)
			select {
			case <-k.done:
				return
			case <-time.After(time.Second):
			}
			continue
		}
		k.streams.Lock()
		full := len(k.streams.all) >= maxStreams
		if !full {
			k.streams.all[c] = struct{}{}
		}
		k.streams.Unlock()
		if full {
			k.refused.Add(1)
			c.Close()
			continue
		}
		go k.stream(c)
	}
}

// stream reads the messages of one connection.
func (k *socket) stream(c net.Conn) {
	defer func() {
		c.Close()
		k.streams.Lock()
		delete(k.streams.all, c)
		k.streams.Unlock()
	}()
	f := frames{bufio.NewReader(c)}
	for {
		line, err := f.next()
		if !k.put(line) {
			return
		}
		if err != nil {
			if errors.Is(err, errFrame) {
				k.refused.Add(1)
			}
			return
		}
	}
}

// put waits until there is room for a line; false: the socket was closed.
func (k *socket) put(line sentinel.Line) bool {
	if line.Text == "" {
		return true
	}
	select {
	case k.queue <- line:
		return true
	case <-k.done:
		return false
	}
}

// gather makes batches of what comes at about the same time.
func (k *socket) gather() {
	for {
		var lines []sentinel.Line
		select {
		case line := <-k.queue:
			lines = append(lines, line)
		case <-k.done:
			return
		}
	more:
		for len(lines) < socketBatch {
			select {
			case line := <-k.queue:
				lines = append(lines, line)
			default:
				break more
			}
		}
		select {
		case k.lines <- lines:
		case <-k.done:
			return
		}
	}
}

// datagrams reads messages until the socket is closed. read returns the length of
// one and of what the kernel says beside it.
func (k *socket) datagrams(read func(buf, beside []byte) (n, m int, err error)) {
	buf, beside := make([]byte, sentinel.MaxLine+1), make([]byte, 128)
	for {
		n, m, err := read(buf, beside)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			k.log.Warn("receiving a message failed", "err", err)
			select {
			case <-k.done:
				return
			case <-time.After(time.Second):
			}
			continue
		}
		if dropped, ok := overflows(beside[:m]); ok {
			k.dropped.Store(dropped)
		}
		if !k.put(textLine(buf[:n], n > sentinel.MaxLine)) {
			return
		}
	}
}

// overflows returns how many datagrams the kernel has dropped so far, if it says.
func overflows(beside []byte) (int64, bool) {
	messages, err := unix.ParseSocketControlMessage(beside)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_RXQ_OVFL && len(m.Data) >= 4 {
			return int64(binary.NativeEndian.Uint32(m.Data)), true
		}
	}
	return 0, false
}

// openDatagrams makes room in the kernel and lets it count what it drops.
func openDatagrams(l sentinel.Listen, address string) (close func() error, read func(buf, beside []byte) (n, m int, err error), err error) {
	pc, err := net.ListenPacket(l.Network, address)
	if err != nil {
		return nil, nil, unwrapNet(err)
	}
	switch c := pc.(type) {
	case *net.UDPConn:
		if raw, err := c.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
					_ = c.SetReadBuffer(receiveBuffer) // as much as is allowed
				}
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
			})
		}
		return c.Close, func(buf, beside []byte) (int, int, error) {
			n, m, _, _, err := c.ReadMsgUDPAddrPort(buf, beside)
			return n, m, err
		}, nil
	case *net.UnixConn:
		return c.Close, func(buf, beside []byte) (int, int, error) {
			n, m, _, _, err := c.ReadMsgUnix(buf, beside)
			return n, m, err
		}, nil
	}
	return nil, nil, errors.Join(fmt.Errorf("%s has no messages", l), pc.Close())
}
