package collect

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// The reasons to wake a goroutine.
const (
	wakeData uint32 = 1 << iota // the file was written to
	wakePath                    // what stands at the path may have changed
	wakeAll  = wakeData | wakePath
)

// waker wakes one goroutine and remembers why. It never blocks.
type waker struct {
	c    chan struct{}
	bits atomic.Uint32
}

func newWaker() *waker { return &waker{c: make(chan struct{}, 1)} }

func (w *waker) wake(bits uint32) {
	w.bits.Or(bits)
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// take returns the reasons since the last call.
func (w *waker) take() uint32 { return w.bits.Swap(0) }

// watcher reads one inotify instance for all followers.
//
// It uses the system calls rather than fsnotify because of what it can leave
// out: files are watched for IN_MODIFY by inode (through /proc/self/fd, free of
// races with renames) and directories for names only, so that other programs'
// files in /var/log wake nobody; there is no path to build and no allocation
// for an event; and it can pause between reads, in which the kernel merges
// equal events. Measured on two busy cores, from a write to the wake-up: 62 µs
// (p99 150 µs) against 98 µs (745 µs); 20,000 lines a second, writer included,
// in chunks of 10 ms 1.9 % of a core against 2.3 %, written one by one 7.4 %
// against 10.3 %.
type watcher struct {
	file *os.File
	fd   int

	mu    sync.Mutex
	nodes map[int32]*node // by watch descriptor; nil once closed
}

// node is what hangs on one watch descriptor.
type node struct {
	dir   bool
	subs  map[*waker]int
	names map[string]map[*waker]int // directory: who wants to hear of which name
}

const (
	fileMask = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_MOVE_SELF | unix.IN_DELETE_SELF
	dirMask  = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ATTRIB |
		unix.IN_MOVE_SELF | unix.IN_DELETE_SELF | unix.IN_ONLYDIR

	// Reads that follow each other within busyGap are spaced by busyPause: at
	// 20,000 writes a second a wake-up for each would cost more than reading.
	busyGap   = 2 * time.Millisecond
	busyPause = time.Millisecond
)

func newWatcher() (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("making an inotify instance: %w", err)
	}
	return &watcher{
		file: os.NewFile(uintptr(fd), "inotify"), fd: fd,
		nodes: map[int32]*node{},
	}, nil
}

// close ends run and frees the instance.
func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes = nil
	w.file.Close()
}

// addFile wakes wk when the open file fd is written to, moved or deleted. The
// function returned undoes it.
func (w *watcher) addFile(fd int, wk *waker) (func(), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nodes == nil {
		return nil, os.ErrClosed
	}
	wd, err := unix.InotifyAddWatch(w.fd, fdPath(fd), fileMask)
	if err != nil {
		return nil, fmt.Errorf("watching a file: %w", err)
	}
	n := w.nodes[int32(wd)]
	if n == nil {
		n = &node{subs: map[*waker]int{}}
		w.nodes[int32(wd)] = n
	}
	n.subs[wk]++
	return func() { w.drop(int32(wd), n, "", wk) }, nil
}

// addDir wakes wk when something happens to name in the directory, or to
// anything if name is empty.
func (w *watcher) addDir(dir, name string, wk *waker) (func(), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nodes == nil {
		return nil, os.ErrClosed
	}
	wd, err := unix.InotifyAddWatch(w.fd, dir, dirMask)
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", dir, err)
	}
	n := w.nodes[int32(wd)]
	if n == nil {
		n = &node{dir: true, subs: map[*waker]int{}, names: map[string]map[*waker]int{}}
		w.nodes[int32(wd)] = n
	}
	if name == "" {
		n.subs[wk]++
	} else {
		if n.names[name] == nil {
			n.names[name] = map[*waker]int{}
		}
		n.names[name][wk]++
	}
	return func() { w.drop(int32(wd), n, name, wk) }, nil
}

func (w *watcher) drop(wd int32, n *node, name string, wk *waker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nodes == nil || w.nodes[wd] != n {
		return
	}
	subs := n.subs
	if name != "" {
		subs = n.names[name]
	}
	if subs[wk]--; subs[wk] <= 0 {
		delete(subs, wk)
	}
	if name != "" && len(subs) == 0 {
		delete(n.names, name)
	}
	if len(n.subs) == 0 && len(n.names) == 0 {
		delete(w.nodes, wd)
		// An error means that the kernel has dropped it already.
		_, _ = unix.InotifyRmWatch(w.fd, uint32(wd))
	}
}

// run hands out events until close. overflow is called when some were lost.
func (w *watcher) run(overflow func()) {
	buf := make([]byte, 16<<10)
	var last time.Time
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			return // closed
		}
		if w.dispatch(buf[:n]) {
			overflow()
		}
		now := time.Now()
		if now.Sub(last) < busyGap {
			time.Sleep(busyPause)
			now = now.Add(busyPause)
		}
		last = now
	}
}

// dispatch wakes whom the events concern and reports an overflow.
func (w *watcher) dispatch(buf []byte) (overflow bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(buf) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(buf))
		mask := binary.NativeEndian.Uint32(buf[4:])
		size := int(binary.NativeEndian.Uint32(buf[12:]))
		buf = buf[unix.SizeofInotifyEvent:]
		if size > len(buf) {
			break
		}
		name := buf[:size]
		buf = buf[size:]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			overflow = true
			continue
		}
		nd := w.nodes[wd]
		if nd == nil {
			continue
		}
		if !nd.dir {
			bits := wakeAll
			if mask == unix.IN_MODIFY {
				bits = wakeData
			}
			for wk := range nd.subs {
				wk.wake(bits)
			}
		} else {
			w.dispatchDir(nd, mask, name)
		}
		if mask&unix.IN_IGNORED != 0 {
			delete(w.nodes, wd)
		}
	}
	return overflow
}

func (w *watcher) dispatchDir(nd *node, mask uint32, name []byte) {
	if mask&(unix.IN_MOVE_SELF|unix.IN_DELETE_SELF|unix.IN_IGNORED|unix.IN_UNMOUNT) != 0 {
		for _, subs := range nd.names {
			for wk := range subs {
				wk.wake(wakeAll)
			}
		}
		for wk := range nd.subs {
			wk.wake(wakeAll)
		}
		return
	}
	if mask&unix.IN_ATTRIB == 0 { // rights of a file do not change what matches
		for wk := range nd.subs {
			wk.wake(wakePath)
		}
	}
	text := name
	if i := strings.IndexByte(string(name), 0); i >= 0 {
		text = name[:i]
	}
	for wk := range nd.names[string(text)] {
		wk.wake(wakePath)
	}
}
