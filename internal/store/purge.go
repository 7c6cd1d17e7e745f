package store

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// Purged says what Purge removed.
type Purged struct {
	Threats, Actions, Counters, Notifications, Reputations, Shapes, Baselines int64
}

// Rows is the number of rows removed.
func (p Purged) Rows() int64 {
	return p.Threats + p.Actions + p.Counters + p.Notifications + p.Reputations + p.Shapes + p.Baselines
}

// defaultPurgeBatch is the number of rows removed in one transaction.
const defaultPurgeBatch = 500

// Purge removes what ended before the given time, at most batch rows in one
// transaction (500 if zero) so that commits go on in between, and gives the
// space back to the system. It never removes a block that is active, nor the
// threat that it is for.
func (s *Store) Purge(ctx context.Context, before time.Time, batch int) (p Purged, err error) {
	if batch <= 0 {
		batch = defaultPurgeBatch
	}
	at := mustStamp(before)
	// What was learned is kept for a month at least.
	month := s.opts.Now().AddDate(0, -1, 0)
	if before.Before(month) {
		month = before
	}
	gone := mustStamp(month)
	for _, step := range []struct {
		count *int64
		text  string
		arg   any
		// before is done in the same transaction.
		before string
	}{
		{&p.Actions, `DELETE FROM actions WHERE rowid IN (SELECT rowid FROM actions
			WHERE created_at < ?1 AND status <> 'active' AND coalesce(revoked_at, expires_at, created_at) < ?1 LIMIT ?2)`, at, ""},
		{&p.Notifications, `DELETE FROM notifications WHERE rowid IN (SELECT rowid FROM notifications
			WHERE sent_at < ?1 AND status <> 'pending' LIMIT ?2)`, at, ""},
		{&p.Threats, `DELETE FROM threats WHERE rowid IN (` + purgedThreats + `)`, at, keepVerdicts},
		{&p.Reputations, `DELETE FROM ip_reputation WHERE rowid IN (SELECT rowid FROM ip_reputation
			WHERE last_seen < ?1 AND NOT is_blocked LIMIT ?2)`, at, ""},
		{&p.Reputations, `DELETE FROM ip_reputation WHERE ?1 <> '' AND rowid IN (SELECT rowid FROM ip_reputation
			WHERE NOT is_blocked ORDER BY last_seen DESC LIMIT ?2 OFFSET ` + strconv.Itoa(maxReputations) + `)`, at, ""},
		{&p.Reputations, `DELETE FROM user_places WHERE rowid IN (SELECT rowid FROM user_places
			WHERE last_seen < ?1 LIMIT ?2)`, mustStamp(before.AddDate(0, 0, -90)), ""},
		{&p.Counters, `DELETE FROM counters WHERE (minute, source) IN (SELECT minute, source FROM counters
			WHERE minute < ?1 LIMIT ?2)`, minute(before), ""},
		{&p.Shapes, `DELETE FROM unparsed_shapes WHERE (source, shape) IN (SELECT source, shape FROM unparsed_shapes
			WHERE last_seen < ?1 LIMIT ?2)`, at, ""},
		{&p.Baselines, `DELETE FROM baselines WHERE rowid IN (SELECT rowid FROM baselines WHERE source IN
			(SELECT name FROM anomaly_state WHERE updated_at < ?1) LIMIT ?2)`, gone, ""},
		{&p.Baselines, `DELETE FROM anomaly_state WHERE rowid IN (SELECT rowid FROM anomaly_state
			WHERE updated_at < ?1 LIMIT ?2)`, gone, ""},
	} {
		for {
			if err := ctx.Err(); err != nil {
				return p, fmt.Errorf("purging: %w", err)
			}
			n, err := s.delete(ctx, step.before, step.text, step.arg, batch)
			if err != nil {
				return p, fmt.Errorf("purging: %w", err)
			}
			*step.count += n
			if n < int64(batch) {
				break
			}
		}
	}
	return p, s.vacuum(ctx, batch)
}

// delete runs one batch of a purge, after what is to be done before it.
func (s *Store) delete(ctx context.Context, before, text string, args ...any) (n int64, err error) {
	err = s.transact(ctx, false, func(tx *writer) error {
		if before != "" {
			if _, err := tx.s.conn.ExecContext(context.Background(), before, args...); err != nil {
				return classify(err)
			}
		}
		res, err := tx.s.conn.ExecContext(context.Background(), text, args...)
		if err != nil {
			return classify(err)
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}

// vacuum gives free pages back to the system, a few at a time.
func (s *Store) vacuum(ctx context.Context, pages int) error {
	for {
		var before, after int64
		err := s.transact(ctx, false, func(tx *writer) error {
			if err := tx.s.conn.QueryRowContext(context.Background(), "PRAGMA freelist_count").Scan(&before); err != nil {
				return classify(err)
			}
			if _, err := tx.s.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA incremental_vacuum(%d)", pages)); err != nil {
				return classify(err)
			}
			return classify(tx.s.conn.QueryRowContext(context.Background(), "PRAGMA freelist_count").Scan(&after))
		})
		if err != nil {
			return fmt.Errorf("vacuuming: %w", err)
		}
		if after == 0 || after >= before {
			return nil
		}
	}
}
