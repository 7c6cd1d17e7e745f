package store

import (
	"context"
	"errors"
	"fmt"
)

// mend makes the write-ahead log whole again after an fsync has failed, before
// anything is added to it. The system forgets what it could not write: the next
// fsync succeeds, and what was to be written is missing. SQLite would find the
// hole after a power cut and drop all that follows, however well it was synced.
// So the content, which is still in memory, is written back to the database and
// the log begins anew.
func (s *Store) mend() (err error) {
	if !s.suspect.Load() {
		return nil
	}
	if err := s.synchronous("FULL"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.synchronous("NORMAL")) }()
	var busy, frames, done int
	row := s.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	if err := row.Scan(&busy, &frames, &done); err != nil {
		return fmt.Errorf("writing the journal back: %w", classify(err))
	}
	if busy != 0 {
		return fmt.Errorf("writing the journal back: %w: it is being read", ErrLocked)
	}
	s.suspect.Store(false)
	return nil
}
