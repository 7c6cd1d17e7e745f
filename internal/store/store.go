package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The modes of what is created.
const (
	fileMode = 0o640
	dirMode  = 0o750
)

// Options say how to open a store. The zero value has working defaults.
type Options struct {
	// BusyTimeout is how long to wait for another process that holds the
	// database, 5 s if zero. Within it a commit blocks; after it the commit
	// fails with ErrLocked.
	BusyTimeout time.Duration
	// Readers is the number of connections that read at once, 2 if zero.
	Readers int
	// Ballast is the size in bytes of a file beside the database that is given
	// up when the disk is full. None if zero or less.
	Ballast int64
	// Now is the clock, time.Now if nil.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = 5 * time.Second
	}
	if o.Readers <= 0 {
		o.Readers = 2
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Store is an open database. Its methods may be called by many goroutines.
type Store struct {
	path   string
	opts   Options
	report OpenReport
	lock   *os.File

	read  *sql.DB
	write *sql.DB
	conn  *sql.Conn // the one writer, used by whoever holds sem
	stmts [numStmts]*sql.Stmt
	sem   chan struct{}
	given atomic.Bool // the ballast was given up
	// suspect: the journal may lack something that was not reported; see mend.
	suspect atomic.Bool
	once    sync.Once
	closed  chan struct{}
}

// Report says what Open found and did.
func (s *Store) Report() OpenReport { return s.report }

// Path returns the path of the database file.
func (s *Store) Path() string { return s.path }

// Close writes the journal back into the file and closes it. It waits for a
// commit that is under way. Using the store afterwards gives ErrClosed.
func (s *Store) Close() (err error) {
	s.once.Do(func() {
		close(s.closed)
		s.sem <- struct{}{}
		err = s.shut()
	})
	return err
}

// shut closes whatever is open.
func (s *Store) shut() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	for _, st := range s.stmts {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing %s: %w", s.path, err)
	}
	return nil
}

// acquire takes the writer, waiting for others of this process until ctx ends.
func (s *Store) acquire(ctx context.Context) error {
	select {
	case <-s.closed:
		return ErrClosed
	default:
	}
	select {
	case s.sem <- struct{}{}:
	case <-s.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-s.closed:
		<-s.sem
		return ErrClosed
	default:
		return nil
	}
}

func (s *Store) release() { <-s.sem }

// Sync makes every commit so far durable. It does not hold up commits: the
// journal is flushed by its own handle.
func (s *Store) Sync() error {
	select {
	case <-s.closed:
		return ErrClosed
	default:
	}
	f, err := os.Open(s.path + "-wal")
	if errors.Is(err, os.ErrNotExist) {
		return nil // nothing was written since it was opened
	}
	if err != nil {
		return fmt.Errorf("syncing %s: %w", s.path, classify(err))
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); err != nil {
		s.suspect.Store(true)
		return fmt.Errorf("syncing %s: %w", s.path, classify(err))
	}
	return nil
}

// dsn names the file for SQLite with pragmas, which are run in order on every
// connection.
func dsn(path string, params string, pragmas ...string) string {
	var b strings.Builder
	b.WriteString("file:")
	b.WriteString((&url.URL{Path: path}).EscapedPath())
	b.WriteString("?")
	b.WriteString(params)
	for _, p := range pragmas {
		b.WriteString("&_pragma=")
		b.WriteString(url.QueryEscape(p))
	}
	return b.String()
}

// writerDSN and readerDSN differ in cache size and in what they may do.
func writerDSN(path string, busy time.Duration) string {
	return dsn(path, "_txlock=immediate", fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()),
		"auto_vacuum(incremental)", "journal_mode(wal)", "synchronous(normal)", "foreign_keys(1)",
		"cache_size(-4096)", "journal_size_limit(16777216)", "wal_autocheckpoint(3000)", "temp_store(memory)", "trusted_schema(0)")
}

func readerDSN(path string, busy time.Duration) string {
	return dsn(path, "", fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()),
		"query_only(1)", "cache_size(-2048)", "temp_store(memory)", "trusted_schema(0)")
}
