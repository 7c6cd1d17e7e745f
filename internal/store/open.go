package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// minSQLite is the first version without the WAL-reset corruption bug.
const minSQLite = "3.51.3"

// OpenReport says what Open found and did.
type OpenReport struct {
	// Created: there was no database. Also set with Damaged.
	Created bool
	// From and To are the schema's versions before and after; From is 0 for a
	// new file.
	From, To int64
	// Damaged: the file could not be used as it was. Problem says why, Aside
	// is the name under which it was kept.
	Damaged bool
	Problem string
	Aside   string
	// Salvaged has the number of rows carried over by table; Incomplete the
	// tables of which something could not be read, with the reason.
	Salvaged   map[string]int
	Incomplete map[string]string
	// Settled is how many threats had changes in the journal only, as after a
	// crash; Unsettled says why some of those could not be read.
	Settled   int
	Unsettled string
	// SQLite is the version of the library.
	SQLite string
}

// Open opens the database at path, creating it, its directory and its tables
// where they are missing. It checks the file first: a damaged one is renamed
// aside and what can be read of it is carried over (see OpenReport). A file of
// a newer version is refused with ErrNewerSchema and left as it is. If another
// process holds the database, Open waits for at most Options.BusyTimeout and
// fails with ErrLocked.
//
// On a full disk the ballast file is given up, as by Commit.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	s, err := openOnce(ctx, path, o)
	if err != nil && crowded(filepath.Dir(path)) && os.Remove(path+".ballast") == nil {
		s, err = openOnce(ctx, path, o)
	}
	return s, err
}

func openOnce(ctx context.Context, path string, o Options) (_ *Store, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("opening database %s: %w", path, classify(err))
		}
	}()
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, opts: o.withDefaults(), sem: make(chan struct{}, 1), closed: make(chan struct{})}
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return nil, err
	}
	if s.lock, err = lockFile(ctx, path+".lock", s.opts.BusyTimeout); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.shut()
		}
	}()
	if err := s.prepareFile(ctx); err != nil {
		return nil, err
	}
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	if err := s.settle(ctx); err != nil && !Retryable(classify(err)) {
		return nil, fmt.Errorf("taking up the journal: %w", err)
	}
	if err := s.KeepBallast(); errors.Is(err, ErrFull) {
		s.given.Store(true)
	} else if err != nil {
		return nil, err
	}
	return s, nil
}

// prepareFile makes the file a sound database of the newest schema.
func (s *Store) prepareFile(ctx context.Context) error {
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		// A crash may have come between the last two steps of a salvage.
		if _, fresh := os.Stat(s.path + suffixNew); fresh == nil {
			if err := s.finishSalvage(); err != nil {
				return err
			}
			info, err = os.Stat(s.path)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Size() == 0:
		s.report.Created = true
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", s.path)
	default:
		s.report.From, err = inspect(ctx, s.path, s.opts.BusyTimeout)
		if damaged := classify(err); errors.Is(damaged, ErrCorrupt) {
			return s.salvage(ctx, damaged)
		}
		if err != nil {
			return err
		}
	}
	s.report.To, err = migrateFile(ctx, s.path, s.opts.BusyTimeout)
	return err
}

// inspect checks an existing file without changing what it says, and returns
// its schema's version. Damage gives ErrCorrupt.
func inspect(ctx context.Context, path string, busy time.Duration) (int64, error) {
	db, err := sql.Open("sqlite", dsn(path, "", fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds())))
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	version, err := schemaVersion(ctx, db)
	if err != nil {
		return 0, err
	}
	if newest, err := newestSchema(); err != nil {
		return 0, err
	} else if version > newest {
		return version, fmt.Errorf("%w: its schema is version %d, this program knows %d; install the newer version again, "+
			"or move the file away to start with an empty one", ErrNewerSchema, version, newest)
	}
	rows, err := db.QueryContext(ctx, "PRAGMA quick_check(5)")
	if err != nil {
		return version, err
	}
	defer func() { _ = rows.Close() }()
	var faults []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return version, err
		}
		if line != "ok" {
			faults = append(faults, line)
		}
	}
	if err := rows.Err(); err != nil {
		return version, err
	}
	if len(faults) > 0 {
		return version, fmt.Errorf("%w: %s", ErrCorrupt, strings.Join(faults, "; "))
	}
	return version, nil
}

// connect opens the writer and the readers of a file that is ready.
func (s *Store) connect(ctx context.Context) (err error) {
	if s.write, err = sql.Open("sqlite", writerDSN(s.path, s.opts.BusyTimeout)); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if s.conn, err = s.write.Conn(ctx); err != nil {
		return err
	}
	if err := s.conn.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&s.report.SQLite); err != nil {
		return err
	}
	if olderThan(s.report.SQLite, minSQLite) {
		return fmt.Errorf("SQLite %s can damage databases, at least %s is needed", s.report.SQLite, minSQLite)
	}
	if s.stmts, err = prepareAll(ctx, s.conn); err != nil {
		return err
	}
	// Another program may hold the file without using our lock.
	if _, err := s.stmts[stmtBegin].ExecContext(ctx); err != nil {
		return err
	}
	if _, err := s.stmts[stmtCommit].ExecContext(ctx); err != nil {
		return err
	}
	// What a process before us could not write is not known to us.
	s.suspect.Store(true)
	if err := s.mend(); err != nil && !Retryable(err) {
		return err
	}
	if s.read, err = sql.Open("sqlite", readerDSN(s.path, s.opts.BusyTimeout)); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(s.opts.Readers)
	s.read.SetMaxIdleConns(1)
	s.read.SetConnMaxIdleTime(time.Minute)
	return s.read.PingContext(ctx)
}

// olderThan compares dotted version numbers.
func olderThan(version, least string) bool {
	a, b := strings.Split(version, "."), strings.Split(least, ".")
	for i := range b {
		var x, y int
		if i < len(a) {
			x, _ = strconv.Atoi(a[i])
		}
		y, _ = strconv.Atoi(b[i])
		if x != y {
			return x < y
		}
	}
	return false
}

// lockFile takes an exclusive lock on a file that says who holds it, waiting
// for at most the given time.
func lockFile(ctx context.Context, path string, wait time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, fileMode)
	if err != nil {
		return nil, err
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			if err := f.Truncate(0); err == nil {
				_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
			}
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-timeout.C:
			buf := make([]byte, 20)
			n, _ := f.ReadAt(buf, 0)
			_ = f.Close()
			return nil, fmt.Errorf("%w: process %s has it; is the agent running already?", ErrLocked,
				strings.TrimSpace(string(buf[:n])))
		}
	}
}
