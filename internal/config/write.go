package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// fileMode is the mode of a configuration file that an edit makes.
const fileMode = 0o640

// ErrNoChange is returned by Update if the edit left the text as it was.
var ErrNoChange = errors.New("nothing to change")

// Update edits the configuration file at path: edit gets its text, and what edit
// returns is validated whole and put in the file's place at once, with its owner
// and mode. A file that does not exist is edited as an empty one. On an error,
// which wraps Problems if the new text has faults, the file is as it was. Two
// updates at a time wait for each other.
func Update(path string, o Options, edit func([]byte) ([]byte, error)) error {
	return update(path, edit, func(after []byte) Problems {
		_, problems := ParseWith(path, after, o)
		return problems
	})
}

func update(path string, edit func([]byte) ([]byte, error), check func([]byte) Problems) error {
	// The file that a link points to is replaced, not the link.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("opening the configuration's directory: %w", err)
	}
	defer dir.Close()
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("waiting for other edits of the configuration: %w", err)
	}
	before, err := read(path)
	if err != nil && !errors.Is(err, ErrMissing) {
		return err
	}
	after, err := edit(before)
	if err != nil {
		return err
	}
	if bytes.Equal(before, after) {
		return ErrNoChange
	}
	if problems := check(after); len(problems) > 0 {
		return problems
	}
	return replace(path, dir, after)
}

// replace puts a file in the place of the one at path, which lies in dir. It is
// on the disk when replace returns.
func replace(path string, dir *os.File, data []byte) (err error) {
	mode, uid, gid := fs.FileMode(fileMode), -1, -1
	switch info, err := os.Stat(path); {
	case err == nil:
		mode = info.Mode().Perm()
		st := info.Sys().(*syscall.Stat_t)
		uid, gid = int(st.Uid), int(st.Gid)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("replacing the configuration: %w", err)
	default:
		// Whoever may read the directory may read what is new in it.
		if info, err := dir.Stat(); err == nil {
			gid = int(info.Sys().(*syscall.Stat_t).Gid)
		}
	}
	f, err := os.CreateTemp(dir.Name(), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("replacing the configuration: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("replacing the configuration: %w", errors.Join(err, os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(data)
	if err == nil && (uid >= 0 && uid != os.Geteuid() || gid >= 0 && gid != os.Getegid()) {
		err = f.Chown(uid, gid)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return dir.Sync()
}
