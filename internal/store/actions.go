package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// ActionFilter chooses actions. Zero fields do not restrict.
type ActionFilter struct {
	ThreatID string
	// Network overlaps the action's target.
	Network      netip.Prefix
	Type         string
	Status       string
	Since, Until time.Time
	// Limit is at most maxPage (10,000), which is also the default.
	Limit, Offset int
}

// Actions returns the actions that f chooses, newest first, and how many there
// are without Limit and Offset.
func (s *Store) Actions(ctx context.Context, f ActionFilter) (list []sentinel.Action, total int, err error) {
	q := &query{}
	if f.ThreatID != "" {
		q.and("threat_id = ?", f.ThreatID)
	}
	if f.Network.IsValid() {
		q.overlaps(f.Network)
	}
	if f.Type != "" {
		q.and("type = ?", f.Type)
	}
	if f.Status != "" {
		q.and("status = ?", f.Status)
	}
	if !f.Since.IsZero() {
		q.and("created_at >= ?", mustStamp(f.Since))
	}
	if !f.Until.IsZero() {
		q.and("created_at < ?", mustStamp(f.Until))
	}
	limit, offset := page(f.Limit, f.Offset)
	err = s.view(ctx, "reading actions", func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM actions"+q.String(), q.args...).Scan(&total); err != nil {
			return err
		}
		list, err = queryActions(ctx, tx, "SELECT "+actionColumns+" FROM actions"+q.String()+
			" ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?", append(q.args, limit, offset)...)
		return err
	})
	return list, total, err
}

// BlocksInForce returns the blocks and rate limits that have not ended at now,
// oldest first, simulated ones included.
func (s *Store) BlocksInForce(ctx context.Context, now time.Time) (list []sentinel.BlockRecord, err error) {
	err = s.view(ctx, "reading blocks", func(tx *sql.Tx) error {
		actions, err := queryActions(ctx, tx, "SELECT "+actionColumns+` FROM actions
			WHERE type IN ('block', 'rate_limit') AND status = 'active' AND (expires_at IS NULL OR expires_at > ?)
			ORDER BY created_at, id`, mustStamp(now))
		if err != nil {
			return err
		}
		list = make([]sentinel.BlockRecord, 0, len(actions))
		for i := range actions {
			a := &actions[i]
			if !a.Target.IsValid() {
				continue // the text was damaged: nothing can be blocked by it
			}
			if a.Type == sentinel.ActionRateLimit && a.Rate.IsZero() {
				continue // so was this one: it must not become a block
			}
			list = append(list, sentinel.BlockRecord{
				ID: a.ID, Prefix: a.Target, Rate: a.Rate, Reason: a.Reason, Origin: a.Origin, Actor: a.Actor, ThreatID: a.ThreatID,
				Score: a.Score, Created: a.Created, Expires: a.Expires, Simulated: a.Simulated, Forced: a.Forced,
				Trial: a.Trial, Until: a.Until, Proxied: a.Backend == sentinel.BackendProxy,
			})
		}
		return nil
	})
	return list, err
}

// Expire marks what has ended at now (blocks and rate limits) as expired and
// returns how many did. It is for the start: what ends while the agent runs
// comes with Commit.
func (s *Store) Expire(ctx context.Context, now time.Time) (int, error) {
	var n int64
	err := s.transact(ctx, false, func(tx *writer) error {
		res, err := tx.s.stmts[stmtExpire].ExecContext(context.Background(), mustStamp(now))
		if err != nil {
			return classify(err)
		}
		if n, err = res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return tx.exec(stmtBlockedAgain)
	})
	if err != nil {
		return 0, fmt.Errorf("expiring blocks: %w", err)
	}
	return int(n), nil
}

func queryActions(ctx context.Context, tx *sql.Tx, text string, args ...any) ([]sentinel.Action, error) {
	rows, err := tx.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []sentinel.Action
	for rows.Next() {
		var a sentinel.Action
		var created, origin string
		var threat, prefix, expires, by, at, actor, backend, rate, until sql.NullString
		var duration sql.NullInt64
		err := rows.Scan(&a.ID, &threat, &created, &a.Type, &prefix, &duration, &expires, &a.Status, &by, &at,
			&a.Reason, &origin, &actor, &backend, &a.Simulated, &a.Score, &a.Forced, &rate, &a.Trial, &until)
		if err != nil {
			return nil, err
		}
		a.ThreatID, a.Created, a.Target = threat.String, unstamp(created), parsePrefix(prefix.String)
		a.Duration = time.Duration(duration.Int64) * time.Second
		a.Expires, a.RevokedBy, a.RevokedAt = unstamp(expires.String), by.String, unstamp(at.String)
		a.Until = unstamp(until.String)
		a.Origin, a.Actor, a.Backend = sentinel.Origin(origin), actor.String, backend.String
		if rate.Valid {
			a.Rate, _ = sentinel.ParseRate(rate.String) // damaged: none
		}
		list = append(list, a)
	}
	return list, rows.Err()
}
