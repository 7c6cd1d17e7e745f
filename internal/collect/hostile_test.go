package collect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"golang.org/x/sys/unix"
)

// A writer that does not append leaves a hole when its file is truncated.
func nulHole(t *testing.T) {
	path := tempLog(t)
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	r := follow(t, one(path), nil)
	line := strings.Repeat("x", 599)
	_, err = f.WriteString(line + "\n")
	must(t, err)
	r.want(line)
	must(t, os.Truncate(path, 0))
	_, err = f.WriteString("two\n")
	must(t, err)
	r.want(line, "two")
	r.until("count", func() bool { return r.c.Status()[0].NULs == 600 })
	// A hole larger than any buffer.
	_, err = f.Seek(64<<20, io.SeekCurrent)
	must(t, err)
	_, err = f.WriteString("three\n")
	must(t, err)
	r.want(line, "two", "three")
	r.until("count", func() bool { return r.c.Status()[0].NULs == 600+64<<20 })
}

// Space that is reserved with NUL bytes and filled later loses nothing.
func TestReservedSpace(t *testing.T) {
	path := tempLog(t)
	must(t, os.WriteFile(path, append([]byte("one\n"), make([]byte, 1000)...), 0o644))
	r := follow(t, one(path), nil)
	r.want("one")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte("two\n"), 4)
	must(t, err)
	r.want("one", "two")
}

func endlessLine(t *testing.T) {
	path := tempLog(t)
	r := follow(t, one(path), nil)
	r.state(StateMissing)
	size := 100
	if testing.Short() {
		size = 10
	}
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	block := bytes.Repeat([]byte{'x'}, 1<<20)
	_, err = f.WriteString("one\n")
	must(t, err)
	r.want("one")
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range size {
		_, err = f.Write(block)
		must(t, err)
	}
	_, err = f.WriteString("\ntwo\n")
	must(t, err)
	r.want("one", string(block[:sentinel.MaxLine]), "two")
	runtime.ReadMemStats(&after)
	if grown := after.HeapSys - before.HeapSys; after.HeapSys > before.HeapSys && grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if st := r.c.Status()[0]; st.Cut != 1 || r.cut != 1 {
		t.Errorf("status %+v", st)
	}
}

func binaryJunk(t *testing.T) {
	path := tempLog(t)
	size := 32 << 20
	if testing.Short() {
		size = 2 << 20
	}
	junk := make([]byte, size)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(junk)
	must(t, os.WriteFile(path, append(junk, "\nlast\n"...), 0o644))
	want := reference(append(junk, "\nlast\n"...), sentinel.MaxLine)
	r := follow(t, one(path), nil)
	r.until("all", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.lines) >= len(want) })
	if !slices.EqualFunc(r.got(), want, func(s string, l sentinel.Line) bool { return s == l.Text }) {
		t.Error("other lines than written")
	}
}

// Halves of lines and of runes.
func halves(t *testing.T) {
	path := tempLog(t)
	r := follow(t, one(path), nil)
	r.state(StateMissing)
	data := "h\u00e4lf of a \u20ac line\r\nnext\n"
	for i, b := range []byte(data) {
		write(t, path, string([]byte{b}))
		r.until("byte", func() bool {
			st := r.c.Status()[0]
			return st.Offset+st.Lag == int64(i+1)
		})
	}
	r.want("h\u00e4lf of a \u20ac line", "next")
}

func refusedKinds(t *testing.T) {
	dir := t.TempDir()
	fifo, sub, sock := filepath.Join(dir, "fifo"), filepath.Join(dir, "dir"), filepath.Join(dir, "null")
	must(t, unix.Mkfifo(fifo, 0o644))
	must(t, os.Mkdir(sub, 0o755))
	must(t, os.Symlink("/dev/null", sock))
	good := filepath.Join(dir, "app.log")
	write(t, good, "one\n")
	cfg := Config{}
	for _, p := range []string{fifo, sub, sock, good} {
		cfg.Sources = append(cfg.Sources, Source{Path: p, FromStart: true})
	}
	r := follow(t, cfg, nil)
	r.want("one")
	for _, p := range []string{fifo, sub, sock} {
		r.until("refusal", func() bool { return r.status(p).State == StateRefused })
	}
	must(t, os.Remove(fifo))
	write(t, fifo, "two\n")
	r.want("one", "two")
}

// Rights are taken away and given back. Root may read everything, so that a
// root's test runs again as nobody.
func deniedAndBack(t *testing.T) {
	if os.Geteuid() == 0 {
		asNobody(t)
		return
	}
	path := tempLog(t)
	write(t, path, "one\n")
	r := follow(t, one(path), nil)
	r.want("one")
	must(t, os.Chmod(path, 0))
	if st := r.state(StateDenied); st.Error == "" {
		t.Error("no reason given")
	}
	must(t, os.Chmod(path, 0o600))
	r.state(StateActive)
	must(t, os.Rename(path, path+".1"))
	must(t, os.WriteFile(path, []byte("two\n"), 0))
	r.state(StateDenied)
	must(t, os.Chmod(path, 0o600))
	r.want("one", "two")
	r.state(StateActive)
}

// asNobody runs the calling test in a process of an unprivileged user.
func asNobody(t *testing.T) {
	dir, err := os.MkdirTemp("", "collect")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	self, err := os.Executable()
	must(t, err)
	data, err := os.ReadFile(self)
	must(t, err)
	program := filepath.Join(dir, "test")
	must(t, os.WriteFile(program, data, 0o755))
	cmd := exec.Command(program, "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("as nobody: %v\n%s", err, out)
	}
}

// Without inotify instances the files are polled, and it is said once.
func inotifyExhausted(t *testing.T) {
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for len(fds) < 100_000 {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
			break
		}
		must(t, err)
		fds = append(fds, fd)
	}
	path := tempLog(t)
	cfg := one(path)
	cfg.Poll = time.Hour // without inotify it is shorter anyway
	r := follow(t, cfg, nil)
	write(t, path, "one\n")
	r.want("one")
	must(t, os.Rename(path, path+".1"))
	write(t, path, "two\n")
	r.want("one", "two")
	if n := r.log.count("inotify is unavailable"); n != 1 {
		t.Errorf("said %d times", n)
	}
	if r.c.Status()[0].Hinted {
		t.Error("status says that inotify works")
	}
}

// After an overflow everybody looks. The poll is too slow to help.
func inotifyOverflow(t *testing.T) {
	path := tempLog(t)
	cfg := one(path)
	cfg.Poll = time.Hour
	r := follow(t, cfg, nil)
	write(t, path, "one\n")
	r.want("one")
	w := r.c.watch
	w.mu.Lock() // its reader stands still, and the kernel's queue fills
	for i := 0; i < 20_000; i++ {
		if i%2 == 0 { // events that follow each other must differ
			write(t, path, "x\n")
		} else {
			must(t, os.Chtimes(path, time.Now(), time.Now()))
		}
	}
	w.mu.Unlock()
	r.until("all", func() bool { return len(r.got()) == 10_001 })
	var event [unix.SizeofInotifyEvent]byte
	binary.NativeEndian.PutUint32(event[:], ^uint32(0))
	binary.NativeEndian.PutUint32(event[4:], unix.IN_Q_OVERFLOW)
	if !w.dispatch(event[:]) {
		t.Error("an overflow was not noticed")
	}
}

// Unreadable events end nothing.
func TestDispatchGarbage(t *testing.T) {
	w, err := newWatcher()
	must(t, err)
	defer w.close()
	for _, size := range []int{0, 1, 15, 16, 17, 100} {
		w.dispatch(bytes.Repeat([]byte{0x7f}, size))
	}
}
