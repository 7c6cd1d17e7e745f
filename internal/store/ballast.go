package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// keepBallast makes the ballast file of a database have the given size, by
// allocating its blocks. Size 0 removes it.
func keepBallast(path string, size int64) error {
	name := path + ".ballast"
	if size <= 0 {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing ballast: %w", err)
		}
		return nil
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, fileMode)
	if err != nil {
		return fmt.Errorf("creating ballast: %w", err)
	}
	err = syscall.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		err = fillBallast(f, size)
	}
	if err := errors.Join(err, f.Truncate(size), f.Close()); err != nil {
		_ = os.Remove(name)
		return fmt.Errorf("allocating ballast: %w", err)
	}
	return nil
}

// fillBallast writes the file where the file system cannot allocate it.
func fillBallast(f *os.File, size int64) error {
	chunk := make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(chunk)) {
		if _, err := f.WriteAt(chunk[:min(int64(len(chunk)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// dropBallast gives the ballast up and reports whether there was any.
func (s *Store) dropBallast() bool {
	if os.Remove(s.path+".ballast") != nil {
		return false
	}
	s.given.Store(true)
	return true
}

// KeepBallast allocates the ballast file of Options.Ballast bytes again after
// it was given up. It fails with ErrFull while there is no room.
func (s *Store) KeepBallast() error {
	if err := keepBallast(s.path, s.opts.Ballast); err != nil {
		return classify(err)
	}
	s.given.Store(false)
	return nil
}

// BallastGone reports whether the ballast was given up, or had no room from the
// beginning.
func (s *Store) BallastGone() bool { return s.given.Load() }

// HasBallast reports whether the ballast file is there.
func (s *Store) HasBallast() bool {
	_, err := os.Stat(s.path + ".ballast")
	return err == nil
}

// crowded reports whether a file system is as good as full: too little room for
// what SQLite makes when it opens a database.
func crowded(dir string) bool {
	var st syscall.Statfs_t
	return syscall.Statfs(dir, &st) == nil && (st.Bavail*uint64(st.Bsize) < 256<<10 || st.Files > 0 && st.Ffree < 3)
}
