package store

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// powerDisk is a directory that behaves as a disk does: what was written is only
// on it after an fsync, and when one fails, what it should have written is gone,
// although the next one succeeds. (Names are on it at once.)
type powerDisk struct {
	dir    string // where it is mounted
	onDisk string // what a power cut leaves
	fail   atomic.Bool
	failed atomic.Int32
	server *fuse.Server

	mu      sync.Mutex
	pending map[string][]write // by file, in their order
}

// write is one write, or a change of the size if data is nil.
type write struct {
	off  int64
	data []byte
}

func newPowerDisk(t *testing.T) *powerDisk {
	t.Helper()
	d := &powerDisk{dir: t.TempDir(), onDisk: t.TempDir(), pending: map[string][]write{}}
	root := &fs.LoopbackRoot{Path: t.TempDir()}
	node := &powerNode{LoopbackNode: &fs.LoopbackNode{RootData: root}, d: d}
	root.RootNode = node
	var err error
	d.server, err = fs.Mount(d.dir, node, &fs.Options{MountOptions: fuse.MountOptions{DirectMount: true}})
	if err != nil {
		t.Fatalf("this test needs /dev/fuse and the right to mount: %v", err)
	}
	t.Cleanup(d.cut)
	return d
}

// cut ends the disk; what was not synced is gone.
func (d *powerDisk) cut() {
	for range 100 {
		if d.server == nil || d.server.Unmount() == nil {
			d.server = nil
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (d *powerDisk) note(name string, w write) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending[name] = append(d.pending[name], w)
}

// sync puts on the disk what was written to a file.
func (d *powerDisk) sync(name string) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	todo := d.pending[name]
	delete(d.pending, name)
	if d.fail.Load() {
		d.failed.Add(1)
		return syscall.EIO
	}
	f, err := os.OpenFile(filepath.Join(d.onDisk, name), os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return fs.ToErrno(err)
	}
	defer f.Close()
	for _, w := range todo {
		if w.data == nil {
			err = f.Truncate(w.off)
		} else {
			_, err = f.WriteAt(w.data, w.off)
		}
		if err != nil {
			return fs.ToErrno(err)
		}
	}
	return 0
}

type powerNode struct {
	*fs.LoopbackNode
	d *powerDisk
}

// WrapChild implements fs.NodeWrapChilder.
func (n *powerNode) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	return &powerNode{child.(*fs.LoopbackNode), n.d}
}

// handle hides that the kernel could go past us.
type handle struct {
	fs.FileReader
	fs.FileWriter
	fs.FileFlusher
	fs.FileReleaser
	fs.FileGetattrer
	fs.FileAllocater
}

func wrap(f fs.FileHandle) fs.FileHandle {
	return handle{f.(fs.FileReader), f.(fs.FileWriter), f.(fs.FileFlusher), f.(fs.FileReleaser), f.(fs.FileGetattrer), f.(fs.FileAllocater)}
}

func (n *powerNode) name() string { return n.Path(n.Root()) }

func (n *powerNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	f, more, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	if flags&syscall.O_TRUNC != 0 {
		n.d.note(n.name(), write{})
	}
	return wrap(f), more, 0
}

func (n *powerNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	in, f, more, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	n.d.note(name, write{})
	if err := os.WriteFile(filepath.Join(n.d.onDisk, name), nil, 0o640); err != nil {
		return nil, nil, 0, fs.ToErrno(err)
	}
	return in, wrap(f), more, 0
}

func (n *powerNode) Write(ctx context.Context, f fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	done, errno := f.(fs.FileWriter).Write(ctx, data, off)
	n.d.note(n.name(), write{off, append([]byte{}, data[:done]...)})
	return done, errno
}

func (n *powerNode) Fsync(_ context.Context, _ fs.FileHandle, _ uint32) syscall.Errno {
	return n.d.sync(n.name())
}

func (n *powerNode) Setattr(ctx context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		n.d.note(n.name(), write{off: int64(size)})
	}
	return n.LoopbackNode.Setattr(ctx, nil, in, out)
}

func (n *powerNode) Unlink(ctx context.Context, name string) syscall.Errno {
	n.d.mu.Lock()
	delete(n.d.pending, name)
	_ = os.Remove(filepath.Join(n.d.onDisk, name))
	n.d.mu.Unlock()
	return n.LoopbackNode.Unlink(ctx, name)
}

func (n *powerNode) Rename(ctx context.Context, name string, to fs.InodeEmbedder, next string, flags uint32) syscall.Errno {
	n.d.mu.Lock()
	if p, ok := n.d.pending[name]; ok {
		n.d.pending[next] = p
		delete(n.d.pending, name)
	}
	_ = os.Rename(filepath.Join(n.d.onDisk, name), filepath.Join(n.d.onDisk, next))
	n.d.mu.Unlock()
	return n.LoopbackNode.Rename(ctx, name, to, next, flags)
}

// acks reads what a writer says until it has acknowledged so many commits or
// said something else, which is returned.
func acks(t *testing.T, next func() (string, bool), until int) (acked int, said string) {
	t.Helper()
	for acked < until {
		line, ok := next()
		if !ok {
			return acked, ""
		}
		n, err := strconv.Atoi(line)
		if err != nil {
			return acked, line
		}
		acked = n
	}
	return acked, ""
}

func TestFaultPower(t *testing.T) {
	// The writer is a process of its own: one that maps a file of a file system
	// that it serves itself would stand still.
	writer := func(t *testing.T, d *powerDisk, kind string) (next func() (string, bool), kill func()) {
		cmd, lines := child(t, kind, filepath.Join(d.dir, "sentinel.db"))
		next = func() (string, bool) {
			if !lines.Scan() {
				return "", false
			}
			return strings.Clone(lines.Text()), true
		}
		return next, func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	after := func(t *testing.T, d *powerDisk, acked int) {
		t.Helper()
		d.cut()
		durable := acked - acked%5
		n := checkKilled(t, filepath.Join(d.onDisk, "sentinel.db"), durable)
		t.Logf("%d commits were acknowledged, the durable ones up to %d; %d are on the disk", acked, durable, n)
	}

	t.Run("F03 fsync fails: the write is reported failed", func(t *testing.T) {
		d := newPowerDisk(t)
		next, kill := writer(t, d, "write")
		if n, said := acks(t, next, 23); n < 23 {
			t.Fatal(said)
		}
		d.fail.Store(true)
		acked, said := acks(t, next, 1<<30)
		kill()
		if !strings.Contains(said, ErrIO.Error()) || d.failed.Load() == 0 || acked >= 30 {
			t.Errorf("%d acknowledged, then %q after %d failures", acked, said, d.failed.Load())
		}
		after(t, d, acked)
	})
	t.Run("F03 fsync fails for a while: what is acknowledged later is on the disk", func(t *testing.T) {
		d := newPowerDisk(t)
		next, kill := writer(t, d, "retry")
		if n, said := acks(t, next, 23); n < 23 {
			t.Fatal(said)
		}
		d.fail.Store(true)
		acks(t, next, 1<<30) // until it says that it failed
		d.fail.Store(false)
		acked, said, errs := 0, "error", map[string]int{}
		for said != "" { // errors that it had said meanwhile
			errs[said]++
			acked, said = acks(t, next, 61)
		}
		t.Logf("%v", errs)
		kill()
		if acked < 61 || d.failed.Load() == 0 {
			t.Errorf("%d acknowledged, %d failures", acked, d.failed.Load())
		}
		after(t, d, acked)
	})
	for _, commits := range []int{6, 38, 120} {
		t.Run("F05 power cut after "+strconv.Itoa(commits)+" commits: blocks are on the disk", func(t *testing.T) {
			d := newPowerDisk(t)
			next, kill := writer(t, d, "write")
			acked, said := acks(t, next, commits)
			kill()
			if acked < commits {
				t.Fatal(said)
			}
			d.mu.Lock()
			lost := maps.Clone(d.pending)
			d.mu.Unlock()
			if len(lost) == 0 {
				t.Error("all was synced: there was nothing to lose")
			}
			after(t, d, acked)
		})
	}
}
