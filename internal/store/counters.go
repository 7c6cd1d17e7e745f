package store

import (
	"context"
	"database/sql"
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Totals is what happened since a time.
type Totals struct {
	// Sum adds up Sources, which are by id. Their Minute is zero.
	Sum     Count   `json:"sum"`
	Sources []Count `json:"sources"`
	// Threats counts the cases opened, by severity.
	Threats [sentinel.NumSeverities]int `json:"threats"`
	// Blocks counts the blocks made, simulated ones left out; InForce those
	// that have not ended.
	Blocks  int `json:"blocks"`
	InForce int `json:"in_force"`
}

// Totals sums up what happened since a time. Counters are kept by the minute,
// so the minute of since counts whole.
func (s *Store) Totals(ctx context.Context, since time.Time) (t Totals, err error) {
	err = s.view(ctx, "reading totals", func(tx *sql.Tx) error {
		t.Sources, err = queryCounts(ctx, tx, `SELECT 0, c.source, sum(events), sum(parsed), sum(unparsed), sum(matched),
				sum(threats), coalesce(l.type, ''), coalesce(l.last_event_at, '')
			FROM counters c LEFT JOIN log_sources l ON l.id = c.source
			WHERE minute >= ? GROUP BY c.source ORDER BY c.source`, minute(since))
		if err != nil {
			return err
		}
		for i := range t.Sources {
			t.Sources[i].Minute = time.Time{}
			t.Sum.plus(t.Sources[i])
		}
		t.Sum.Type = ""
		for sev := range t.Threats {
			err := tx.QueryRowContext(ctx, "SELECT count(*) FROM threats WHERE severity = ? AND created_at >= ?",
				sentinel.Severity(sev).String(), mustStamp(since)).Scan(&t.Threats[sev])
			if err != nil {
				return err
			}
		}
		return tx.QueryRowContext(ctx, `SELECT
			(SELECT count(*) FROM actions WHERE created_at >= ? AND type = 'block' AND NOT simulated),
			(SELECT count(*) FROM actions WHERE type = 'block' AND status = 'active' AND NOT simulated
				AND (expires_at IS NULL OR expires_at > ?))`,
			mustStamp(since), mustStamp(s.opts.Now())).Scan(&t.Blocks, &t.InForce)
	})
	return t, err
}

// Minutes returns the counts since a time, oldest first: of one source, or of
// all if source is empty.
func (s *Store) Minutes(ctx context.Context, since time.Time, source string) (list []Count, err error) {
	err = s.view(ctx, "reading counters", func(tx *sql.Tx) error {
		list, err = queryCounts(ctx, tx, `SELECT minute, source, events, parsed, unparsed, matched, threats, '', ''
			FROM counters WHERE minute >= ?1 AND (?2 = '' OR source = ?2) ORDER BY minute, source`, minute(since), source)
		return err
	})
	return list, err
}

// minute is the number of a minute since 1970.
func minute(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix() / 60
}

func queryCounts(ctx context.Context, tx *sql.Tx, text string, args ...any) ([]Count, error) {
	rows, err := tx.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []Count
	for rows.Next() {
		var c Count
		var m int64
		var kind, last string
		if err := rows.Scan(&m, &c.Source, &c.Events, &c.Parsed, &c.Unparsed, &c.Matched, &c.Threats, &kind, &last); err != nil {
			return nil, err
		}
		c.Minute, c.Type, c.LastEvent = time.Unix(m*60, 0).UTC(), sentinel.SourceType(kind), unstamp(last)
		list = append(list, c)
	}
	return list, rows.Err()
}

// Attacker sums up the cases of one address or network.
type Attacker struct {
	// Network is the scope of the cases: an IPv4 address or an IPv6 /64.
	Network  netip.Prefix      `json:"network"`
	Threats  int               `json:"threats"`
	Events   int64             `json:"events"`
	Severity sentinel.Severity `json:"severity"` // the gravest
	Risk     float64           `json:"risk"`     // the greatest
	LastSeen time.Time         `json:"last_seen"`
	Blocked  bool              `json:"blocked"`
	Geo      string            `json:"geo,omitempty"`
}

// TopAttackers returns the networks with the greatest risk, then the most
// events, among cases seen at or after since: at most limit of them.
func (s *Store) TopAttackers(ctx context.Context, since time.Time, limit int) (list []Attacker, err error) {
	limit, _ = page(limit, 0)
	err = s.view(ctx, "reading attackers", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT coalesce(scope, attacker_ip), count(*), sum(event_count),
				max(CASE severity WHEN 'CRITICAL' THEN 4 WHEN 'HIGH' THEN 3 WHEN 'MEDIUM' THEN 2 WHEN 'LOW' THEN 1 ELSE 0 END),
				max(risk_score) AS risk, max(last_seen), coalesce(max(attacker_geo), ''),
				EXISTS (SELECT 1 FROM actions a WHERE a.type = 'block' AND a.status = 'active' AND NOT a.simulated
					AND (a.expires_at IS NULL OR a.expires_at > ?1) AND a.ip_lo <= t.ip_lo AND a.ip_hi >= t.ip_hi)
			FROM threats t WHERE last_seen >= ?2 AND ip_lo IS NOT NULL
			GROUP BY ip_lo, ip_hi ORDER BY risk DESC, sum(event_count) DESC, max(last_seen) DESC LIMIT ?3`,
			mustStamp(s.opts.Now()), mustStamp(since), limit)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var a Attacker
			var network, seen string
			if err := rows.Scan(&network, &a.Threats, &a.Events, &a.Severity, &a.Risk, &seen, &a.Geo, &a.Blocked); err != nil {
				return err
			}
			if a.Network = parsePrefix(network); !a.Network.IsValid() {
				a.Network = sentinel.Entity(parseAddr(network))
			}
			a.LastSeen = unstamp(seen)
			list = append(list, a)
		}
		return rows.Err()
	})
	return list, err
}

// Shapes returns the shapes of lines that were not understood, the most common
// first: of one source, or of all if source is empty.
func (s *Store) Shapes(ctx context.Context, source string) (list []Shape, err error) {
	err = s.view(ctx, "reading shapes", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT source, shape, sample, count, last_seen FROM unparsed_shapes
			WHERE ?1 = '' OR source = ?1 ORDER BY count DESC, source, shape`, source)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var sh Shape
			var seen string
			if err := rows.Scan(&sh.Source, &sh.Shape, &sh.Sample, &sh.Count, &seen); err != nil {
				return err
			}
			sh.LastSeen = unstamp(seen)
			list = append(list, sh)
		}
		return rows.Err()
	})
	return list, err
}
