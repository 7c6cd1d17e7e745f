package control

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of what travels. A frame is one line; its newline does not count.
const (
	// MaxFrame is the longest frame in either direction, in bytes. Whoever
	// sends a longer one is disconnected.
	MaxFrame = 1 << 20
	// MaxRequest is the longest request that is looked at; longer ones are
	// skipped and refused.
	MaxRequest = 64 << 10
	// MaxBatch is how many requests a batch may hold.
	MaxBatch = 16
	// MaxDepth is how deep the values of a request may be nested.
	MaxDepth = 32
)

var (
	// errFrame: longer than MaxFrame; the connection is of no use any more.
	errFrame = errors.New("frame too long")
	// errLong: longer than wanted, skipped whole.
	errLong = errors.New("request too long")
)

// lines reads frames from r: lines that are not blank.
type lines struct {
	r *bufio.Reader
	// keep is the longest frame that is returned, at most MaxFrame.
	keep int
}

// next returns the next frame, which is the caller's. Of a frame longer than
// keep it returns errLong after skipping it, of one longer than MaxFrame
// errFrame at once. A last line without newline is a frame.
func (l *lines) next() ([]byte, error) {
	var frame []byte
	length := 0
	for {
		part, err := l.r.ReadSlice('\n')
		length += len(part)
		if err == nil {
			length--
			part = part[:len(part)-1]
		}
		if length > MaxFrame {
			return nil, errFrame
		}
		if length <= l.keep {
			frame = append(frame, part...)
		} else {
			frame = nil
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || length == 0):
			return nil, err
		case length > l.keep:
			return nil, errLong
		}
		if frame = bytes.TrimSpace(frame); len(frame) > 0 {
			return frame, nil
		}
		if err != nil {
			return nil, err
		}
		frame, length = nil, 0
	}
}

// limits are the times and numbers of one connection.
type limits struct {
	idle, frame, write time.Duration
	inFlight           int
}

// link is the server's end of a connection: the channel that the JSON-RPC
// server reads requests from and writes responses to. It hands on well-formed
// requests only and answers the others itself, reads no further request while
// limits.inFlight are unanswered, and gives up on a caller that neither
// finishes a request nor reads its answers in time.
type link struct {
	conn   *net.UnixConn
	limits limits
	lines  lines
	// cancel gives up the request with this id.
	cancel func(id string)

	// slots has one token for each request (or batch) that is not answered yet.
	slots chan struct{}
	// reading: a request has begun to arrive.
	reading atomic.Bool
	// active is when something last happened, in Unix nanoseconds.
	active atomic.Int64

	closed chan struct{}
	once   sync.Once
	write  sync.Mutex
}

func newLink(conn *net.UnixConn, l limits) *link {
	k := &link{
		conn: conn, limits: l,
		lines:  lines{bufio.NewReaderSize(conn, 4096), MaxRequest},
		slots:  make(chan struct{}, l.inFlight),
		closed: make(chan struct{}),
	}
	k.active.Store(time.Now().UnixNano())
	return k
}

// idle reports whether nothing is going on, and since when.
func (k *link) idle() (since int64, ok bool) {
	return k.active.Load(), len(k.slots) == 0 && !k.reading.Load()
}

// Close implements channel.Channel.
func (k *link) Close() error {
	var err error
	k.once.Do(func() {
		close(k.closed)
		err = k.conn.Close()
	})
	return err
}

// Send implements channel.Channel. An error closes the connection, since half
// of a frame may have been written.
func (k *link) Send(frame []byte) error {
	if !bytes.HasPrefix(frame, []byte(`{"jsonrpc":"2.0","method":`)) {
		defer func() {
			select {
			case <-k.slots:
			default:
			}
		}()
	}
	if len(frame) > MaxFrame {
		frame = errorFrame(nil, Errorf(CodeTooLarge, "the answers to this batch are longer than %d bytes", MaxFrame).WithHint("ask for less at once"))
	}
	return k.put(frame)
}

func (k *link) put(frame []byte) error {
	k.write.Lock()
	defer k.write.Unlock()
	_ = k.conn.SetWriteDeadline(time.Now().Add(k.limits.write))
	_, err := k.conn.Write(append(frame[:len(frame):len(frame)], '\n'))
	if err != nil {
		_ = k.Close()
		return err
	}
	k.active.Store(time.Now().UnixNano())
	return nil
}

// Recv implements channel.Channel.
func (k *link) Recv() ([]byte, error) {
	for {
		frame, err := k.recv()
		switch {
		case errors.Is(err, errLong):
			err = k.put(errorFrame(nil, Errorf(CodeInvalidRequest, "the request is longer than %d bytes", MaxRequest)))
		case errors.Is(err, errFrame):
			_ = k.put(errorFrame(nil, Errorf(CodeInvalidRequest, "the request is longer than %d bytes: closing the connection", MaxFrame)))
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				k.drain()
			}
			_ = k.Close()
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errFrame) {
				err = io.EOF
			}
			return nil, err
		}
		if frame == nil {
			continue
		}
		id, kind, fault := screen(frame)
		switch {
		case fault != nil:
			if err := k.put(errorFrame(id, fault)); err != nil {
				return nil, err
			}
		case kind == kindCancel:
			k.cancel(string(id))
		default:
			select {
			case k.slots <- struct{}{}:
				return frame, nil
			case <-k.closed:
				return nil, io.EOF
			}
		}
	}
}

// drainTime is how long a caller that says no more waits for its answers.
const drainTime = 2 * time.Second

// drain waits until all requests are answered, so that a caller may close its
// end of the connection behind its last request. It does not wait for one that
// is gone altogether.
func (k *link) drain() {
	if k.gone() {
		return
	}
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	for range cap(k.slots) {
		select {
		case k.slots <- struct{}{}:
		case <-timer.C:
			return
		case <-k.closed:
			return
		}
	}
}

// gone reports whether the caller closed the connection in both directions.
func (k *link) gone() bool {
	raw, err := k.conn.SyscallConn()
	if err != nil {
		return true
	}
	fds := []unix.PollFd{{}}
	if err := raw.Control(func(fd uintptr) {
		fds[0].Fd = int32(fd)
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			_, err = unix.Poll(fds, 0)
		}
	}); err != nil {
		return true
	}
	return err != nil || fds[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}

// recv reads a frame: it waits for the first byte as long as a connection may
// be idle, and for the rest as long as a request may take.
func (k *link) recv() ([]byte, error) {
	for {
		_ = k.conn.SetReadDeadline(time.Now().Add(k.limits.idle))
		_, err := k.lines.r.Peek(1)
		if err == nil {
			break
		}
		since, idle := k.idle()
		if !errors.Is(err, os.ErrDeadlineExceeded) || idle && time.Since(time.Unix(0, since)) >= k.limits.idle {
			return nil, err
		}
	}
	k.reading.Store(true)
	defer func() {
		k.active.Store(time.Now().UnixNano())
		k.reading.Store(false)
	}()
	_ = k.conn.SetReadDeadline(time.Now().Add(k.limits.frame))
	return k.lines.next()
}
