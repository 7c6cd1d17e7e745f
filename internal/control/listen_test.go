package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// place is a directory short enough for sockets.
func place(t *testing.T) string {
	dir, err := os.MkdirTemp("", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func setsModeAndGroup(t *testing.T) {
	path := filepath.Join(place(t), "run", "s.sock")
	gid := os.Getegid()
	if os.Geteuid() == 0 {
		gid = memberGID
	}
	s, err := listen(path, gid)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	if info.Mode() != fs.ModeSocket|0o660 || int(stat.Gid) != gid || int(stat.Uid) != os.Geteuid() {
		t.Errorf("mode %v, owner %d:%d", info.Mode(), stat.Uid, stat.Gid)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != "s.sock.lock" {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func replacesOnlyAStaleSocket(t *testing.T) {
	dir := place(t)
	path := filepath.Join(dir, "s.sock")
	stale := func() {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		_ = l.Close()
	}
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, want string
		make       func() error
	}{
		{"nothing", "", func() error { return nil }},
		{"stale socket", "", func() error { stale(); return nil }},
		{"symlink to a file", "something else", func() error { return os.Symlink(victim, path) }},
		{"symlink to nowhere", "something else", func() error { return os.Symlink(filepath.Join(dir, "new"), path) }},
		{"file", "something else", func() error { return os.WriteFile(path, nil, 0o600) }},
		{"directory", "something else", func() error { return os.Mkdir(path, 0o700) }},
		{"fifo", "something else", func() error { return syscall.Mkfifo(path, 0o600) }},
		{"socket of another user", "another user", func() error {
			stale()
			if os.Geteuid() != 0 {
				return errors.New("needs root")
			}
			return os.Chown(path, 4100, -1)
		}},
	} {
		t.Log(test.name)
		func() {
			defer os.RemoveAll(path)
			if err := test.make(); err != nil {
				if os.Geteuid() != 0 {
					return // what another user owns only root can make
				}
				t.Fatal(err)
			}
			s, err := listen(path, -1)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if conn, err := net.Dial("unix", path); err != nil {
					t.Error(err)
				} else {
					_ = conn.Close()
				}
				_ = s.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		}()
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the file behind the link: %q, %v", data, err)
	}
}

func refusesPlaces(t *testing.T) {
	dir := place(t)
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked.sock")
	if err := os.Symlink(file, locked+".lock"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"s.sock": "not absolute",
		filepath.Join(dir, strings.Repeat("x", 99)): "longer than 90 bytes",
		filepath.Join(open, "s.sock"):               "everybody may write in",
		filepath.Join(file, "s.sock"):               "not a directory",
		filepath.Join(dir, "a", "b", "s.sock"):      "making the directory",
		locked:                                      "taking the lock",
	} {
		if s, err := listen(path, -1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", path, s, err, want)
		}
	}
}

func refusesASecondAgent(t *testing.T) {
	path := filepath.Join(place(t), "s.sock")
	first, err := listen(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listen(path, -1); err == nil || !strings.Contains(err.Error(), "another agent is running") {
		t.Error(err)
	}
	// Somebody put another socket there: it is not ours to remove.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_ = first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the other socket is gone: %v", err)
	}
	if _, err := listen(path, -1); err == nil || !strings.Contains(err.Error(), "another program listens") {
		t.Error(err)
	}
}
