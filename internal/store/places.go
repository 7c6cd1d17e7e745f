package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// AllowPlace is a country or a network that people put on the allowlist.
type AllowPlace struct {
	Place   sentinel.Place  `json:"place"`
	Reason  string          `json:"reason"`
	Origin  sentinel.Origin `json:"origin"`
	Actor   string          `json:"actor,omitempty"`
	Created time.Time       `json:"created_at"`
}

// AllowPlaces returns the countries and networks that people put on the allowlist,
// oldest first.
func (s *Store) AllowPlaces(ctx context.Context) (list []AllowPlace, err error) {
	err = s.view(ctx, "reading allowed countries and networks", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT place, reason, origin, coalesce(actor, ''), created_at
			FROM allow_places ORDER BY created_at, place`)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var e AllowPlace
			var place, origin, created string
			if err := rows.Scan(&place, &e.Reason, &origin, &e.Actor, &created); err != nil {
				return err
			}
			if e.Place, err = sentinel.ParsePlace(place); err != nil {
				continue // of another version
			}
			e.Origin, e.Created = sentinel.Origin(origin), unstamp(created)
			list = append(list, e)
		}
		return rows.Err()
	})
	return list, err
}

// places stores the changes of allowed countries and networks.
func (tx *writer) places(r *Results) error {
	for i := range r.AllowPlaces {
		e := &r.AllowPlaces[i]
		if err := tx.exec(stmtAllowPlace, e.Place.String(), e.Reason, string(e.Origin), null(e.Actor), mustStamp(e.Created)); err != nil {
			return fmt.Errorf("storing allowed place %s: %w", e.Place, err)
		}
	}
	for _, p := range r.DisallowPlaces {
		if err := tx.exec(stmtDisallowPlace, p.String()); err != nil {
			return fmt.Errorf("removing allowed place %s: %w", p, err)
		}
	}
	return nil
}

// Logins returns where users logged in from at or after since, at most limit
// places, the last seen first.
func (s *Store) Logins(ctx context.Context, since time.Time, limit int) (list []sentinel.LoginPlace, err error) {
	err = s.view(ctx, "reading where users log in from", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT user, country, first_seen, last_seen, days, coalesce(last_ip, ''), asn
			FROM user_places WHERE last_seen >= ? ORDER BY last_seen DESC LIMIT ?`, mustStamp(since), limit)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var l sentinel.LoginPlace
			var first, last, ip string
			if err := rows.Scan(&l.User, &l.Country, &first, &last, &l.Days, &ip, &l.ASN); err != nil {
				return err
			}
			l.First, l.Last, l.Addr = unstamp(first), unstamp(last), parseAddr(ip)
			list = append(list, l)
		}
		return rows.Err()
	})
	return list, err
}

// logins stores where users log in from.
func (tx *writer) logins(r *Results) error {
	for i := range r.Logins {
		l := &r.Logins[i]
		if err := tx.exec(stmtLogin, l.User, l.Country, mustStamp(l.First), mustStamp(l.Last), l.Days, null(addrText(l.Addr)), l.ASN); err != nil {
			return fmt.Errorf("storing a login of %s: %w", l.User, err)
		}
	}
	return nil
}
