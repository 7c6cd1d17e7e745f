package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxReputations bounds the rows that Purge leaves in the table of reputation:
// those that were seen last.
const maxReputations = 200_000

// Reputation is what is remembered of one address (IPv4) or /64 (IPv6).
type Reputation struct {
	Network     netip.Prefix `json:"network"`
	FirstSeen   time.Time    `json:"first_seen"`
	LastSeen    time.Time    `json:"last_seen"`
	Events      int64        `json:"total_events"`
	Threats     int64        `json:"threat_count"`
	Blocked     bool         `json:"is_blocked"`
	Whitelisted bool         `json:"is_whitelisted"`
	// Good is what is good about it, zero if nothing is known.
	Good sentinel.Regular `json:"good"`
}

const regularColumns = `ip, logins, days, good_since, good_last, key_login, key_user`

// scanRegular reads the columns of regularColumns.
func scanRegular(scan func(...any) error, more ...any) (r sentinel.Regular, err error) {
	var ip string
	var since, last, key, user sql.NullString
	if err := scan(append([]any{&ip, &r.Logins, &r.Days, &since, &last, &key, &user}, more...)...); err != nil {
		return r, err
	}
	if a := parseAddr(ip); a.IsValid() {
		r.Network = sentinel.Entity(a)
	} else {
		r.Network = parsePrefix(ip)
	}
	r.Since, r.Last, r.KeyLogin, r.KeyUser = unstamp(since.String), unstamp(last.String), unstamp(key.String), user.String
	return r, nil
}

// Reputation returns what is remembered of an address, or ErrNotFound.
func (s *Store) Reputation(ctx context.Context, a netip.Addr) (r Reputation, err error) {
	r.Network = sentinel.Entity(a)
	err = s.view(ctx, "reading reputation", func(tx *sql.Tx) (err error) {
		var first, last string
		row := tx.QueryRowContext(ctx, "SELECT "+regularColumns+`, first_seen, last_seen, total_events, threat_count, is_blocked,
			is_whitelisted FROM ip_reputation WHERE ip = ?`, entityText(r.Network))
		r.Good, err = scanRegular(row.Scan, &first, &last, &r.Events, &r.Threats, &r.Blocked, &r.Whitelisted)
		if err == sql.ErrNoRows {
			return ErrNotFound
		}
		r.FirstSeen, r.LastSeen = unstamp(first), unstamp(last)
		return err
	})
	return r, err
}

// Regulars returns those of which something good was seen at or after since, at
// most limit, the last seen first.
func (s *Store) Regulars(ctx context.Context, since time.Time, limit int) (list []sentinel.Regular, err error) {
	err = s.view(ctx, "reading regular clients", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT "+regularColumns+` FROM ip_reputation WHERE good_last >= ?
			ORDER BY good_last DESC LIMIT ?`, mustStamp(since), limit)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			r, err := scanRegular(rows.Scan)
			if err != nil {
				return err
			}
			if r.Network.IsValid() {
				list = append(list, r)
			}
		}
		return rows.Err()
	})
	return list, err
}

// PastCase is what reputation needs of a case that was closed.
type PastCase struct {
	ID         string
	Created    time.Time
	Scope      netip.Prefix
	Key, Group string
	// Justified: it justified a block, whether or not one was made.
	Justified bool
}

// PastCases returns the cases last seen at or after since and before until,
// oldest first; of more than limit the newest.
func (s *Store) PastCases(ctx context.Context, since, until time.Time, limit int) (list []PastCase, err error) {
	err = s.view(ctx, "reading past cases", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT id, created_at, scope, key, group_name,
			CASE WHEN json_valid(score_parts) THEN json_extract(score_parts, '$.may_block') END FROM (SELECT * FROM threats
			WHERE last_seen >= ? AND last_seen < ? ORDER BY last_seen DESC LIMIT ?) ORDER BY created_at, id`,
			mustStamp(since), mustStamp(until), limit)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var c PastCase
			var created string
			var scope, key sql.NullString
			var justified sql.NullBool
			if err := rows.Scan(&c.ID, &created, &scope, &key, &c.Group, &justified); err != nil {
				return err
			}
			c.Created, c.Scope, c.Key = unstamp(created), parsePrefix(scope.String), key.String
			c.Justified = justified.Bool
			list = append(list, c)
		}
		return rows.Err()
	})
	return list, err
}

// regular stores what is good about a network.
func (tx *writer) regular(r *sentinel.Regular) error {
	if !r.Network.IsValid() {
		return fmt.Errorf("there is no network")
	}
	return tx.exec(stmtRegular, entityText(r.Network), addrKey(r.Network.Addr()), mustStamp(r.Since), mustStamp(r.Last),
		r.Logins, r.Days, stamp(r.Since), stamp(r.Last), stamp(r.KeyLogin), null(r.KeyUser))
}
