package store

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors that a caller acts on. All but ErrNotFound and ErrNewerSchema wrap
// what SQLite or the system said.
var (
	// ErrNotFound: there is no such threat or state.
	ErrNotFound = errors.New("not found")
	// ErrFull: the disk, its inodes or the quota are used up. Nothing was
	// stored.
	ErrFull = errors.New("disk is full")
	// ErrLocked: another process holds the database. Nothing was stored.
	ErrLocked = errors.New("database is locked by another process")
	// ErrReadOnly: the file or its file system cannot be written.
	ErrReadOnly = errors.New("database cannot be written")
	// ErrIO: the system failed to read or write. Nothing was acknowledged.
	ErrIO = errors.New("input/output error")
	// ErrCorrupt: the file is damaged. Opening it again salvages it.
	ErrCorrupt = errors.New("database is damaged")
	// ErrNewerSchema: a newer version of the program wrote the file.
	ErrNewerSchema = errors.New("database was written by a newer version")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
)

// Retryable reports whether the same Results may be committed again later: the
// disk is full, locked, read-only or failing, and nothing of them was stored.
func Retryable(err error) bool {
	return errors.Is(err, ErrFull) || errors.Is(err, ErrLocked) || errors.Is(err, ErrReadOnly) || errors.Is(err, ErrIO)
}

// classify adds the error of this package that err amounts to.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var kind error
	var se *sqlite.Error
	switch {
	case errors.As(err, &se):
		switch se.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			kind = ErrFull
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			kind = ErrLocked
		case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
			kind = ErrReadOnly
		case sqlite3.SQLITE_IOERR:
			kind = ErrIO
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			kind = ErrCorrupt
		}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = ErrFull
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		kind = ErrReadOnly
	case errors.Is(err, syscall.EIO):
		kind = ErrIO
	}
	if kind == nil || errors.Is(err, kind) {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// AmbiguousError says that a part of an id belongs to several threats.
type AmbiguousError struct {
	// Part is what was asked for.
	Part string
	// Candidates are ids that have it, newest first, at most maxCandidates.
	Candidates []string
	// More says that there are more than those.
	More bool
}

// Error names the candidates.
func (e *AmbiguousError) Error() string {
	more := ""
	if e.More {
		more = " and more"
	}
	return fmt.Sprintf("%q could be any of %s%s; give more of the id", e.Part, strings.Join(e.Candidates, ", "), more)
}
