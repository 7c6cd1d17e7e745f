package host

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// settle is how long Watch waits for what follows a change.
const settle = 150 * time.Millisecond

// Watch calls changed soon after one of the files or directories has changed, or
// the addresses or routes of the host, and once per settle time at most; until
// ctx ends. What cannot be watched is not: whoever calls looks now and then too.
func Watch(ctx context.Context, paths []string, changed func()) {
	wake := make(chan struct{}, 1)
	poke := func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	var watchers sync.WaitGroup
	defer watchers.Wait()
	done := make(chan struct{})
	defer close(done)
	addrs, routes := make(chan netlink.AddrUpdate, 16), make(chan netlink.RouteUpdate, 16)
	if netlink.AddrSubscribe(addrs, done) == nil {
		watchers.Go(func() {
			for range addrs {
				poke()
			}
		})
	}
	if netlink.RouteSubscribe(routes, done) == nil {
		watchers.Go(func() {
			for range routes {
				poke()
			}
		})
	}
	if f, err := newFileWatch(paths); err == nil {
		watchers.Go(func() { f.run(poke) })
		defer f.file.Close()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
		select {
		case <-wake: // it is looked at now
		default:
		}
		changed()
	}
}

// fileWatch follows files by inotify: each by itself, and by its directory, since
// files are replaced.
type fileWatch struct {
	file  *os.File
	paths []string
	// by is what a watch descriptor stands for: a path, or a directory of some.
	by map[int32]string
}

const (
	selfEvents   = unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM
	parentEvents = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM
)

func newFileWatch(paths []string) (*fileWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	w := &fileWatch{file: os.NewFile(uintptr(fd), "inotify"), paths: paths, by: make(map[int32]string)}
	for _, p := range paths {
		if wd, err := unix.InotifyAddWatch(fd, filepath.Dir(p), parentEvents|unix.IN_MASK_ADD); err == nil {
			w.by[int32(wd)] = filepath.Dir(p)
		}
	}
	w.add()
	return w, nil
}

// add watches the paths that are there; those watched already stay.
func (w *fileWatch) add() {
	for _, p := range w.paths {
		c, err := w.file.SyscallConn()
		if err != nil {
			return
		}
		_ = c.Control(func(fd uintptr) {
			if wd, err := unix.InotifyAddWatch(int(fd), p, selfEvents|unix.IN_MASK_ADD); err == nil {
				w.by[int32(wd)] = p
			}
		})
	}
}

// run calls poke for each event about a path until the file is closed.
func (w *fileWatch) run(poke func()) {
	buf := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buf)
		if err != nil || n < unix.SizeofInotifyEvent {
			return
		}
		ours := false
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			wd, length, name := inotifyEvent(buf[at:n])
			at += unix.SizeofInotifyEvent + length
			path, known := w.by[wd]
			if known && (slices.Contains(w.paths, path) || slices.Contains(w.paths, filepath.Join(path, name))) {
				ours = true
			}
		}
		if ours {
			w.add()
			poke()
		}
	}
}

// inotifyEvent reads the event at the start of b, see inotify(7).
func inotifyEvent(b []byte) (wd int32, length int, name string) {
	wd = int32(binary.NativeEndian.Uint32(b))
	length = int(binary.NativeEndian.Uint32(b[12:]))
	raw := b[unix.SizeofInotifyEvent:min(unix.SizeofInotifyEvent+length, len(b))]
	name, _, _ = strings.Cut(string(raw), "\x00")
	return wd, length, name
}
