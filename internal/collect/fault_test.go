package collect

import (
	"bufio"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// TestFaultTailing has the rows about files that are read.
func TestFaultTailing(t *testing.T) {
	for _, c := range []struct {
		name string
		test func(*testing.T)
	}{
		{"C05 deleted and still written to", deletedButOpen},
		{"C06 a line written in halves", halves},
		{"C07 a letter written in halves", halves},
		{"C08 a hole of NULs", nulHole},
		{"C09 an endless line", endlessLine},
		{"C10 binary junk", binaryJunk},
		{"C11 inotify's queue overflows", inotifyOverflow},
		{"C12 no inotify instance is left", inotifyExhausted},
		{"C13 5,000 files", manyFiles},
		{"C14 a log becomes a link to a file outside", linkOutside},
		{"C15 a FIFO, a device, a directory", refusedKinds},
		{"C16 permission is lost and given back", deniedAndBack},
		{"C18 a gzip bomb among the rotated", gzipBomb},
		{"C19 reading fails", readFails},
		{"C21 stopped while a batch waits", stopWhileBlocked},
		{"C21 a slow reader", slowReader},
	} {
		t.Run(c.name, c.test)
	}
}

func linkOutside(t *testing.T) {
	logs, secret := t.TempDir(), filepath.Join(t.TempDir(), "shadow")
	write(t, secret, "root:secret\n")
	path := filepath.Join(logs, "app.log")
	write(t, path, "one\n")
	cfg := one(path)
	cfg.Roots = []string{logs}
	r := follow(t, cfg, nil)
	r.want("one")
	must(t, os.Rename(path, path+".1"))
	must(t, os.Symlink(secret, path))
	if st := r.state(StateRefused); !strings.Contains(st.Error, "outside the allowed directories") {
		t.Errorf("status %+v", st)
	}
	write(t, secret, "root:other\n")
	must(t, os.Remove(path))
	write(t, path, "two\n")
	r.want("one", "two")
}

// gzipBomb: what was rotated and packed while the agent was stopped is a bomb.
func gzipBomb(t *testing.T) {
	path := tempLog(t)
	first := strings.Repeat("1", 80) + "\n"
	write(t, path, first)
	r := follow(t, one(path), nil)
	r.want(first[:80])
	from := r.positions()

	f, err := os.Create(path + ".1.gz")
	must(t, err)
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	must(t, err)
	w := bufio.NewWriterSize(z, 1<<20)
	_, err = w.WriteString(first)
	must(t, err)
	line := strings.Repeat("x", 1000) + "\n"
	for range 256 << 20 / len(line) {
		_, err := w.WriteString(line)
		must(t, err)
	}
	must(t, w.Flush())
	must(t, z.Close())
	must(t, f.Close())
	must(t, os.Remove(path))
	write(t, path, "after\n")

	r = follow(t, one(path), from)
	r.until("the next file", func() bool { got := r.got(); return len(got) > 0 && got[len(got)-1] == "after" })
	if n := len(r.got()) * len(line); n < 1<<20 || n > freeRatio+1<<20 {
		t.Errorf("read %d bytes of the bomb, want about %d", n, freeRatio)
	}
}

// failingDisk is a directory whose files cannot be read for a while.
type failingDisk struct {
	*fs.LoopbackNode
	fail *atomic.Bool
}

// WrapChild implements fs.NodeWrapChilder.
func (n *failingDisk) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	return &failingDisk{child.(*fs.LoopbackNode), n.fail}
}

func (n *failingDisk) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h, _, errno := n.LoopbackNode.Open(ctx, flags)
	return h, fuse.FOPEN_DIRECT_IO, errno
}

func (n *failingDisk) Read(ctx context.Context, h fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if n.fail.Load() {
		return nil, syscall.EIO
	}
	return h.(fs.FileReader).Read(ctx, dest, off)
}

func readFails(t *testing.T) {
	under, dir := t.TempDir(), t.TempDir()
	var fail atomic.Bool
	root := &fs.LoopbackRoot{Path: under}
	node := &failingDisk{&fs.LoopbackNode{RootData: root}, &fail}
	root.RootNode = node
	var never time.Duration
	server, err := fs.Mount(dir, node, &fs.Options{
		AttrTimeout: &never, EntryTimeout: &never, MountOptions: fuse.MountOptions{DirectMount: true},
	})
	if err != nil {
		t.Fatalf("this test needs /dev/fuse and the right to mount: %v", err)
	}
	t.Cleanup(func() {
		for range 100 {
			if server.Unmount() == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	path, other := filepath.Join(dir, "app.log"), tempLog(t)
	write(t, filepath.Join(under, "app.log"), "one\n")
	write(t, other, "a\n")
	cfg := one(path)
	cfg.Sources = append(cfg.Sources, Source{Path: other, FromStart: true})
	r := follow(t, cfg, nil)
	t.Cleanup(r.stop) // before the file system goes
	r.until("both", func() bool { return len(r.got()) == 2 })
	fail.Store(true)
	write(t, filepath.Join(under, "app.log"), "two\n")
	if st := r.state(StateFailing); !strings.Contains(st.Error, "input/output error") || st.Path != path {
		t.Errorf("status %+v", st)
	}
	write(t, other, "b\n")
	r.until("the other log", func() bool { return slices.Contains(r.got(), "b") })
	fail.Store(false)
	r.until("the rest", func() bool { return slices.Contains(r.got(), "two") })
	r.until("health", func() bool { return r.status(path).State == StateActive })
	if n := len(r.got()); n != 4 {
		t.Errorf("%d lines, want 4", n)
	}
}

// slowReader: who reads slowly gets all of it, and the lag is shown.
func slowReader(t *testing.T) {
	path := tempLog(t)
	want := numbered(0, 20_000)
	write(t, path, text(want))
	cfg := one(path)
	cfg.BatchLines = 100
	c, err := New(cfg, nil)
	must(t, err)
	out := make(chan sentinel.Batch)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx, out) }()
	var got []string
	lag := int64(0)
	for len(got) < len(want) {
		select {
		case b := <-out:
			for _, l := range b.Lines {
				got = append(got, strings.Clone(l.Text))
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%d of %d lines", len(got), len(want))
		}
		time.Sleep(time.Millisecond)
		if st := c.Status(); len(st) == 1 && len(got) > 0 {
			if lag == 0 {
				lag = st[0].Lag
			} else if st[0].Lag > lag {
				t.Fatalf("the lag grew from %d to %d", lag, st[0].Lag)
			} else {
				lag = max(st[0].Lag, 1)
			}
		}
	}
	cancel()
	<-done
	if !slices.Equal(got, want) {
		t.Error("other lines than written")
	}
	if st := c.Status()[0]; st.Lag != 0 || lag == 0 {
		t.Errorf("lag %d, status %+v", lag, st)
	}
}
