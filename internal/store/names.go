package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// AllowName is a name that people put on the allowlist.
type AllowName struct {
	Name    string          `json:"name"`
	Reason  string          `json:"reason"`
	Origin  sentinel.Origin `json:"origin"`
	Actor   string          `json:"actor,omitempty"`
	Created time.Time       `json:"created_at"`
}

// AllowNames returns the names that people put on the allowlist, oldest first.
func (s *Store) AllowNames(ctx context.Context) (list []AllowName, err error) {
	err = s.view(ctx, "reading allowed names", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT name, reason, origin, coalesce(actor, ''), created_at
			FROM allow_names ORDER BY created_at, name`)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var e AllowName
			var origin, created string
			if err := rows.Scan(&e.Name, &e.Reason, &origin, &e.Actor, &created); err != nil {
				return err
			}
			e.Origin, e.Created = sentinel.Origin(origin), unstamp(created)
			list = append(list, e)
		}
		return rows.Err()
	})
	return list, err
}

// names stores the changes of names.
func (tx *writer) names(r *Results) error {
	for i := range r.AllowNames {
		e := &r.AllowNames[i]
		if err := tx.exec(stmtAllowName, e.Name, e.Reason, string(e.Origin), null(e.Actor), mustStamp(e.Created)); err != nil {
			return fmt.Errorf("storing allowed name %s: %w", e.Name, err)
		}
	}
	for _, name := range r.DisallowNames {
		if err := tx.exec(stmtDisallowName, name); err != nil {
			return fmt.Errorf("removing allowed name %s: %w", name, err)
		}
	}
	return nil
}
