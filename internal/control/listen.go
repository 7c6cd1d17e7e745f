package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxPath is the longest path of a socket: the kernel takes 107 bytes, and the
// socket is made under a longer name first.
const maxPath = 90

// socket is a listening socket in the file system.
type socket struct {
	*net.UnixListener
	path string
	// lock is held as long as the socket is ours.
	lock     *os.File
	dev, ino uint64
	once     sync.Once
}

// listen makes a socket at path with mode 0660 and the given group (-1: that of
// the process). Whoever holds the lock beside the path is the agent: a socket
// that another one left is replaced, anything else at the path is not touched.
// The socket gets its mode before it gets its name, so that nobody can connect
// too early.
func listen(path string, gid int) (*socket, error) {
	if !filepath.IsAbs(path) || len(path) > maxPath {
		return nil, fmt.Errorf("the path of the socket, %q, is not absolute or longer than %d bytes", path, maxPath)
	}
	path = filepath.Clean(path)
	if err := checkDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &socket{path: path, lock: lock}
	if err := s.open(gid); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("making the socket %s: %w", path, err)
	}
	return s, nil
}

// checkDir makes the directory if it is missing, and refuses one in which
// others could exchange the socket.
func checkDir(dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.Mkdir(dir, 0o750); err != nil {
			return fmt.Errorf("making the directory of the socket: %w", err)
		}
		info, err = os.Lstat(dir)
	}
	switch {
	case err != nil:
		return fmt.Errorf("looking at the directory of the socket: %w", err)
	case info.Mode()&fs.ModeSymlink != 0:
		// /var/run is one; what counts is where it leads.
		if info, err = os.Stat(dir); err != nil {
			return fmt.Errorf("looking at the directory of the socket: %w", err)
		}
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory: the socket cannot be made in it", dir)
	}
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("everybody may write in %s: whoever does could put another socket in place of the agent's", dir)
	}
	return nil
}

// takeLock takes the lock that says which agent the path belongs to.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("taking the lock of the socket: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another agent is running: it holds %s", path)
		}
		return nil, fmt.Errorf("taking the lock of the socket: %w", err)
	}
	return f, nil
}

func (s *socket) open(gid int) error {
	if err := replaceable(s.path); err != nil {
		return err
	}
	temporary := s.path + "." + strconv.Itoa(os.Getpid()) + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), temporary)
	defer file.Close()
	// The mode of the file that bind makes is the socket's.
	if err := unix.Fchmod(fd, 0o600); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: temporary}); err != nil {
		return err
	}
	defer os.Remove(temporary) // gone already if all went well
	if gid >= 0 {
		if err := os.Lchown(temporary, -1, gid); err != nil {
			return fmt.Errorf("giving it to group %d: %w", gid, err)
		}
	}
	if err := os.Chmod(temporary, 0o660); err != nil {
		return err
	}
	if err := unix.Listen(fd, 512); err != nil {
		return err
	}
	info, err := os.Lstat(temporary)
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		s.dev, s.ino = uint64(stat.Dev), stat.Ino
	}
	listener, err := net.FileListener(file)
	if err != nil {
		return err
	}
	unixListener, ok := listener.(*net.UnixListener)
	if !ok {
		_ = listener.Close()
		return fmt.Errorf("the listener is a %T", listener)
	}
	unixListener.SetUnlinkOnClose(false)
	if err := os.Rename(temporary, s.path); err != nil {
		_ = unixListener.Close()
		return err
	}
	s.UnixListener = unixListener
	return nil
}

// replaceable refuses whatever is at the path but a socket that nobody listens
// on and that is ours or root's.
func replaceable(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("there is something else at this path (%s): remove it if it is not needed", info.Mode())
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return errors.New("the socket at this path belongs to another user")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
		return errors.New("another program listens on it")
	}
	return nil
}

// Close removes the socket, if the one at the path is still this one, and gives
// up the lock, whose file stays. Only the first call does anything.
func (s *socket) Close() error {
	var err error
	s.once.Do(func() {
		if info, e := os.Lstat(s.path); e == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok && uint64(stat.Dev) == s.dev && stat.Ino == s.ino {
				_ = os.Remove(s.path)
			}
		}
		err = errors.Join(s.UnixListener.Close(), s.lock.Close())
	})
	return err
}
