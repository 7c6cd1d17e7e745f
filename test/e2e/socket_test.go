package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// login is a line that means no harm.
func login(n int) string {
	return fmt.Sprintf("%s victim sshd[%d]: Accepted publickey for alice from %s port %d ssh2",
		time.Now().Format(time.Stamp), 1000+n%30000, good, 1024+n%60000)
}

// hungUp reports whether the other side has closed, without reading.
func hungUp(t *testing.T, c net.Conn) bool {
	t.Helper()
	raw, err := c.(*net.UnixConn).SyscallConn()
	must(t, err)
	poll := []unix.PollFd{{Events: unix.POLLRDHUP}}
	must(t, raw.Control(func(fd uintptr) {
		poll[0].Fd = int32(fd)
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			_, err = unix.Poll(poll, 0)
		}
	}))
	must(t, err)
	return poll[0].Revents != 0
}

// TestFaultCallers: what callers do to the socket of the shipped agent does not
// reach its pipeline.
func TestFaultCallers(t *testing.T) {
	l := newLab(t)
	log := newLog(t, tempDir(t)+"/auth.log")
	a := runAgent(t, l.victim, settings{logs: map[string]string{log.path: "ssh"}})
	dial := func() net.Conn {
		c, err := net.Dial("unix", a.path("run/s"))
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	const lines = 20_000
	flood := func(from int) {
		t.Helper()
		for i := range lines / 1000 {
			batch := make([]string, 1000)
			for j := range batch {
				batch[j] = login(i*1000 + j)
			}
			log.write(t, batch...)
		}
		log.write(t, failures(evil[from].String(), 12)...)
		l.cut(t, evil[from])
	}

	t.Run("G05 1,000 idle and slow callers while lines flow", func(t *testing.T) {
		for i := range 1000 {
			c := dial()
			if i%2 == 0 {
				_, _ = io.WriteString(c, `{"jsonrpc":"2.0",`) // and no more
			}
		}
		flood(0)
		a.read(t, log.path, lines+12)
	})
	t.Run("G04 a frame without end: cut, and memory stays", func(t *testing.T) {
		before := a.expect(t, "the socket has room", func(*control.Status) bool { return true }).Memory
		c := dial()
		chunk := []byte(strings.Repeat("x", 64<<10))
		sent := 0
		for range 1 << 14 {
			n, err := c.Write(chunk)
			sent += n
			if err != nil {
				break
			}
		}
		if sent > 8<<20 {
			t.Errorf("%d bytes were taken", sent)
		}
		if after := a.expect(t, "the socket has room", func(*control.Status) bool { return true }).Memory; after > before+32<<20 {
			t.Errorf("memory grew from %d to %d bytes", before, after)
		}
	})
	t.Run("G06 readers of logs.tail that stop: dropped, not buffered", func(t *testing.T) {
		var stuck []net.Conn
		for range 8 {
			c := dial()
			_, err := io.WriteString(c, `{"jsonrpc":"2.0","id":1,"method":"logs.tail"}`+"\n")
			must(t, err)
			stuck = append(stuck, c)
		}
		// One who reads gets events meanwhile.
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var once sync.Once
		reading := make(chan struct{})
		client := a.client(t)
		go func() {
			_ = client.Tail(ctx, control.TailParams{}, func(control.LogEvent) error {
				once.Do(func() { close(reading) })
				return nil
			})
		}()
		before := a.expect(t, "the socket has room", func(*control.Status) bool { return true }).Memory
		flood(1)
		until(t, "the reader gets events", func() bool {
			select {
			case <-reading:
				return true
			default:
				log.write(t, login(1))
				return false
			}
		})
		if after := a.expect(t, "the socket has room", func(*control.Status) bool { return true }).Memory; after > before+32<<20 {
			t.Errorf("memory grew from %d to %d bytes", before, after)
		}
		until(t, "they are disconnected", func() bool {
			log.write(t, login(2)) // something to send
			return !slices.ContainsFunc(stuck, func(c net.Conn) bool { return !hungUp(t, c) })
		})
	})
	t.Run("G03 junk from many callers at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				c, err := net.Dial("unix", a.path("run/s"))
				if err != nil {
					return
				}
				defer c.Close()
				_, _ = io.WriteString(c, strings.Repeat([]string{"[", "{\"a\":", "\x00\xff", `{"jsonrpc":"2.0","id":1,"id":2}`}[i%4], 50_000)+"\n")
			})
		}
		wg.Wait()
		flood(2)
		if s := a.status(); s == nil || s.PID != a.cmd.Process.Pid {
			t.Errorf("the agent: %+v", s)
		}
	})
}
