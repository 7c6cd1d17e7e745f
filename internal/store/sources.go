package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Source is what is remembered of a log source.
type Source struct {
	Position sentinel.Position
	// Type is the kind of log, empty if no line was counted yet.
	Type sentinel.SourceType
	// Discovered is when its first position was stored, LastEvent the time of
	// its newest line, zero if unknown.
	Discovered, LastEvent time.Time
}

// Sources returns all log sources by id.
func (s *Store) Sources(ctx context.Context) (list []Source, err error) {
	err = s.view(ctx, "reading log sources", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT id, path, type, device, coalesce(last_inode, 0), last_offset,
			fingerprint, fingerprint_len, cursor, discovered_at, coalesce(last_event_at, '') FROM log_sources ORDER BY id`)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var src Source
			var kind, discovered, last string
			var device, inode, fingerprint int64
			p := &src.Position
			if err := rows.Scan(&p.Source, &p.Path, &kind, &device, &inode, &p.Offset, &fingerprint,
				&p.FingerprintLen, &p.Cursor, &discovered, &last); err != nil {
				return err
			}
			p.Device, p.Inode, p.Fingerprint = uint64(device), uint64(inode), uint64(fingerprint)
			src.Type, src.Discovered, src.LastEvent = sentinel.SourceType(kind), unstamp(discovered), unstamp(last)
			list = append(list, src)
		}
		return rows.Err()
	})
	return list, err
}

// Positions returns how far each source was read.
func (s *Store) Positions(ctx context.Context) ([]sentinel.Position, error) {
	sources, err := s.Sources(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]sentinel.Position, len(sources))
	for i := range sources {
		list[i] = sources[i].Position
	}
	return list, nil
}

// Allow returns the allowlist that people made, oldest first.
func (s *Store) Allow(ctx context.Context) (list []AllowEntry, err error) {
	err = s.view(ctx, "reading allow entries", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT prefix, reason, origin, coalesce(actor, ''), created_at
			FROM allow_entries ORDER BY created_at, prefix`)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var e AllowEntry
			var prefix, origin, created string
			if err := rows.Scan(&prefix, &e.Reason, &origin, &e.Actor, &created); err != nil {
				return err
			}
			if e.Prefix = parsePrefix(prefix); !e.Prefix.IsValid() {
				continue
			}
			e.Origin, e.Created = sentinel.Origin(origin), unstamp(created)
			list = append(list, e)
		}
		return rows.Err()
	})
	return list, err
}

// AddAllow stores an entry durably; one of the same prefix is replaced.
func (s *Store) AddAllow(ctx context.Context, e AllowEntry) error {
	return s.Commit(ctx, Results{Allow: []AllowEntry{e}, Durable: true})
}

// RemoveAllow removes an entry durably; ErrNotFound says that there is none.
func (s *Store) RemoveAllow(ctx context.Context, p netip.Prefix) error {
	var n int
	err := s.view(ctx, "reading allow entries", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM allow_entries WHERE prefix = ?", prefixText(p)).Scan(&n)
	})
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("allow entry %s: %w", p, ErrNotFound)
	}
	return s.Commit(ctx, Results{Disallow: []netip.Prefix{p}, Durable: true})
}

// State returns the value of a key of the agent's state, or ErrNotFound.
func (s *Store) State(ctx context.Context, key string) (value string, err error) {
	err = s.view(ctx, "reading state", func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT value FROM agent_state WHERE key = ?", key).Scan(&value)
		if err == sql.ErrNoRows {
			return fmt.Errorf("key %q: %w", key, ErrNotFound)
		}
		return err
	})
	return value, err
}

// SetState sets a key of the agent's state.
func (s *Store) SetState(ctx context.Context, key, value string) error {
	err := s.transact(ctx, false, func(tx *writer) error {
		return tx.exec(stmtState, key, value, mustStamp(s.opts.Now()))
	})
	if err != nil {
		return fmt.Errorf("setting state %q: %w", key, err)
	}
	return nil
}
