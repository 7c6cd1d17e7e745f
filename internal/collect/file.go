package collect

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"golang.org/x/sys/unix"
)

// fingerprintMax is how much of a file's beginning identifies it, besides its
// device and inode.
const fingerprintMax = 1 << 10

var (
	errRefused   = errors.New("refused")
	errDuplicate = errors.New("followed as another source")
)

// fileKey tells files apart as long as one of them is open.
type fileKey struct{ dev, ino uint64 }

func keyOf(st *unix.Stat_t) fileKey { return fileKey{uint64(st.Dev), st.Ino} }

// rawFile is a file descriptor that no poller knows.
type rawFile int

// ReadAt implements io.ReaderAt. A short count without error is the end.
func (f rawFile) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Pread(int(f), p[done:], off+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, err
		}
		if n == 0 {
			return done, io.EOF
		}
		done += n
	}
	return done, nil
}

func (f rawFile) Close() error { return unix.Close(int(f)) }

// generation is one file that a source has been writing to.
type generation struct {
	lineReader
	src interface {
		io.ReaderAt
		io.Closer
	}
	fd   int // -1 for compressed files
	key  fileKey
	path string // the real path when opened or moved last
	size int64
	mod  time.Time
	// ahead is a size seen while a batch waited, for the lag.
	ahead int64
	// fp hashes the first fpLen bytes.
	fp    uint64
	fpLen int
	// fixed: nobody writes to it any more (a copy, or compressed).
	fixed bool
	// checked: all was read when size and mod were taken.
	checked bool
	// replaced: the source's position has left this file.
	replaced bool
	quiet    time.Time // since when nothing was read
	nlink    uint64
	unwatch  func()
	fails    int // readings that failed in a row
	// sibling is what a file found among the rotated ones looked like.
	sibling sibling
	claimed bool
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// openFile opens a regular file for following, without ever blocking on a FIFO
// or waking a device. The path may be a symbolic link; what it leads to must
// be in one of the roots.
func (c *Collector) openFile(path string) (*generation, error) {
	var st unix.Stat_t
	if err := stat(path, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%w: %s is %s, not a regular file", errRefused, path, kind(st.Mode))
	}
	fd, err := open(path)
	if err != nil {
		return nil, err
	}
	g := &generation{src: rawFile(fd), fd: fd, path: path}
	g.maxLine = sentinel.MaxLine
	if err := c.admit(g); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return g, nil
}

func (c *Collector) admit(g *generation) error {
	var st unix.Stat_t
	if err := unix.Fstat(g.fd, &st); err != nil {
		return fmt.Errorf("opening %s: %w", g.path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%w: %s is %s, not a regular file", errRefused, g.path, kind(st.Mode))
	}
	g.key, g.size, g.nlink, g.mod = keyOf(&st), st.Size, uint64(st.Nlink), time.Unix(st.Mtim.Unix())
	g.quiet = time.Now()
	real, err := os.Readlink(fdPath(g.fd))
	if err != nil { // no /proc: ask the path, and that it still is this file
		var again unix.Stat_t
		if real, err = filepath.EvalSymlinks(g.path); err == nil {
			err = stat(real, &again)
		}
		if err != nil || keyOf(&again) != g.key {
			return fmt.Errorf("opening %s: resolving its path failed: %w", g.path, errors.Join(err, errRefused))
		}
	}
	g.path = real
	if len(c.roots) == 0 {
		return nil
	}
	for _, root := range c.roots {
		if root == "/" || strings.HasPrefix(real, root+"/") {
			return nil
		}
	}
	return fmt.Errorf("%w: %s is outside the allowed directories", errRefused, real)
}

func open(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, fmt.Errorf("opening %s: %w", path, err)
		}
		return fd, nil
	}
}

func stat(path string, st *unix.Stat_t) error {
	for {
		err := unix.Stat(path, st)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("looking at %s: %w", path, err)
		}
		return nil
	}
}

func kind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	}
	return "something else"
}

// refresh asks for size and time. changed is false if nothing happened since
// the last look that was followed by reading all.
func (g *generation) refresh() (changed bool, err error) {
	if g.fd < 0 {
		return true, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(g.fd, &st); err != nil {
		return false, fmt.Errorf("looking at %s: %w", g.path, err)
	}
	mod := time.Unix(st.Mtim.Unix())
	changed = !g.checked || st.Size != g.size || !mod.Equal(g.mod)
	g.size, g.mod, g.nlink = st.Size, mod, uint64(st.Nlink)
	return changed, nil
}

// verify says whether the file still begins with what its fingerprint says.
func (g *generation) verify(buf []byte) (bool, error) {
	if g.size < g.scan || g.size < g.off {
		return false, nil
	}
	_, same, err := fingerprint(g.src, buf, g.fp, g.fpLen, g.fpLen)
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", g.path, err)
	}
	return same, nil
}

// print lets the fingerprint grow to what lies before end. It covers nothing
// behind the lines that were read, since that may be written anew. An error
// leaves it as it is; reading meets the same one.
func (g *generation) print(end int64) {
	limit := int(min(end, fingerprintMax))
	if g.fpLen >= limit {
		return
	}
	buf := make([]byte, fingerprintMax)
	if fp, same, err := fingerprint(g.src, buf, g.fp, g.fpLen, limit); err == nil && same {
		g.fp, g.fpLen = fp, limit
	}
}

// fingerprint hashes the first n bytes of src, at most fingerprintMax, reading
// them into buf. same says that there are as many and that the first wantLen of
// them have the hash want.
func fingerprint(src io.ReaderAt, buf []byte, want uint64, wantLen, n int) (fp uint64, same bool, err error) {
	if wantLen < 0 || wantLen > n || n > fingerprintMax {
		return 0, false, nil
	}
	if n == 0 {
		return fnvOffset, true, nil
	}
	got, err := readAt(src, buf[:n], 0)
	if err != nil || got < n {
		return 0, false, err
	}
	fp = hash(fnvOffset, buf[:wantLen])
	if wantLen > 0 && fp != want {
		return 0, false, nil
	}
	return hash(fp, buf[wantLen:n]), true, nil
}

// FNV-1a, which goes on where it stopped when a file has grown.
const (
	fnvOffset uint64 = 14695981039346656037
	fnvPrime  uint64 = 1099511628211
)

func hash(h uint64, b []byte) uint64 {
	for _, c := range b {
		h = (h ^ uint64(c)) * fnvPrime
	}
	return h
}

// restart makes g begin anew after a truncation.
func (g *generation) restart() {
	g.off, g.scan, g.fp, g.fpLen, g.checked = 0, 0, 0, 0, false
}

func (g *generation) position(source string) sentinel.Position {
	return sentinel.Position{
		Source: source, Path: g.path, Device: g.key.dev, Inode: g.key.ino, Offset: g.off,
		Fingerprint: g.fp, FingerprintLen: g.fpLen,
	}
}

// moved learns the name that the file has now.
func (g *generation) moved() {
	if g.fd < 0 {
		return
	}
	if real, err := os.Readlink(fdPath(g.fd)); err == nil && !strings.HasSuffix(real, " (deleted)") {
		g.path = real
	}
}

// lastLineEnd returns the offset after the last newline among the last 64 KiB
// of g, or its size if there is none.
func (g *generation) lastLineEnd() (int64, error) {
	buf := make([]byte, min(g.size, sentinel.MaxLine))
	start := g.size - int64(len(buf))
	n, err := readAt(g.src, buf, start)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", g.path, err)
	}
	for i := n - 1; i >= 0; i-- {
		if buf[i] == '\n' {
			return start + int64(i) + 1, nil
		}
	}
	if start == 0 {
		return 0, nil
	}
	return g.size, nil
}

func isMissing(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func isDenied(err error) bool { return errors.Is(err, os.ErrPermission) }
