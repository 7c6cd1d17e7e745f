package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxPage is the most rows that a list returns.
const maxPage = 10_000

// ThreatFilter chooses threats. Zero fields do not restrict.
type ThreatFilter struct {
	// MinSeverity is the lowest, Severity, if not nil, the only one.
	MinSeverity sentinel.Severity
	Severity    *sentinel.Severity
	// Since and Until bound when the case was alive: it was last seen at or
	// after Since and opened before Until.
	Since, Until time.Time
	Type         string
	// Network has the attacker: his scope and Network overlap.
	Network netip.Prefix
	Source  string
	Status  sentinel.Status
	// Text occurs, in any case, in the description, sample lines, rule, type,
	// user, key, address or action's reason.
	Text string
	// Limit is at most maxPage (10,000), which is also the default. Offset
	// skips.
	Limit, Offset int
}

// query is a condition put together from parts.
type query struct {
	where []string
	args  []any
}

func (q *query) and(condition string, args ...any) {
	q.where = append(q.where, condition)
	q.args = append(q.args, args...)
}

// overlaps chooses rows whose network and p overlap. Networks that begin before
// the /8 (IPv4) or the /16 (IPv6) of p are not looked for: nothing as wide is
// counted or blocked, and the look-up stays short.
func (q *query) overlaps(p netip.Prefix) {
	widest := 16
	if p.Addr().Is4() {
		widest = 8
	}
	first, _ := bounds(netip.PrefixFrom(p.Addr(), min(p.Bits(), widest)))
	lo, hi := bounds(p)
	q.and("ip_lo BETWEEN ? AND ? AND ip_hi >= ?", first, hi, lo)
}

func (q *query) String() string {
	if len(q.where) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(q.where, " AND ")
}

// page bounds a limit and an offset.
func page(limit, offset int) (int, int) {
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	return limit, max(offset, 0)
}

// like makes a pattern that finds text anywhere, taken literally.
func like(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(text) + "%"
}

// query is the condition. A plus keeps a column from being looked up by an index
// of its own, where one that has all of a list's columns is quicker.
func (f ThreatFilter) query() *query {
	q := &query{}
	if f.MinSeverity > sentinel.Info {
		var names []any
		for s := f.MinSeverity; s < sentinel.NumSeverities; s++ {
			names = append(names, s.String())
		}
		q.and("+severity IN ("+marks(len(names))+")", names...)
	}
	if f.Severity != nil {
		q.and("+severity = ?", f.Severity.String())
	}
	if !f.Since.IsZero() {
		q.and("last_seen >= ?", mustStamp(f.Since))
	}
	if !f.Until.IsZero() {
		q.and("created_at < ?", mustStamp(f.Until))
	}
	if f.Type != "" {
		q.and("+type = ?", f.Type)
	}
	if f.Network.IsValid() {
		q.overlaps(f.Network)
	}
	if f.Source != "" {
		q.and("source = ?", f.Source)
	}
	if f.Status != "" {
		q.and("+status = ?", string(f.Status))
	}
	if f.Text != "" {
		columns := []string{"description", "raw_log", "rule_id", "type", "user", "key", "attacker_ip", "scope", "attacker_geo", "attacker_network", "action_reason"}
		var likes []string
		var args []any
		for _, c := range columns {
			likes = append(likes, c+` LIKE ? ESCAPE '\'`)
			args = append(args, like(f.Text))
		}
		q.and("("+strings.Join(likes, " OR ")+")", args...)
	}
	return q
}

// Threats returns the threats that f chooses, newest first, and how many there
// are without Limit and Offset.
func (s *Store) Threats(ctx context.Context, f ThreatFilter) (list []sentinel.Threat, total int, err error) {
	q := f.query()
	limit, offset := page(f.Limit, f.Offset)
	order := " ORDER BY created_at DESC, id DESC"
	if f.Network.IsValid() {
		order = " ORDER BY +created_at DESC, id DESC" // found by address, then sorted
	}
	err = s.view(ctx, "reading threats", func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM threats"+q.String(), q.args...).Scan(&total); err != nil {
			return err
		}
		list, err = queryThreats(ctx, tx, "SELECT "+threatColumns+` FROM threats WHERE rowid IN (
			SELECT rowid FROM threats`+q.String()+order+" LIMIT ? OFFSET ?"+
			") ORDER BY created_at DESC, id DESC", append(q.args, limit, offset)...)
		return err
	})
	return list, total, err
}

// maxOpenCases bounds what OpenCases returns.
const maxOpenCases = 100_000

// OpenCases returns the cases that were last seen at or after since, whatever
// their status, oldest first; of more than 100,000 the newest.
func (s *Store) OpenCases(ctx context.Context, since time.Time) (list []sentinel.Threat, err error) {
	err = s.view(ctx, "reading open cases", func(tx *sql.Tx) error {
		list, err = queryThreats(ctx, tx, "SELECT * FROM (SELECT "+threatColumns+
			" FROM threats WHERE last_seen >= ? ORDER BY last_seen DESC LIMIT ?) ORDER BY created_at, id",
			mustStamp(since), maxOpenCases)
		return err
	})
	return list, err
}

// view runs work in one read transaction, so that all its queries see the same
// state.
func (s *Store) view(ctx context.Context, doing string, work func(*sql.Tx) error) error {
	select {
	case <-s.closed:
		return fmt.Errorf("%s: %w", doing, ErrClosed)
	default:
	}
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, classify(err))
	}
	defer func() { _ = tx.Rollback() }()
	if err := work(tx); err != nil {
		return fmt.Errorf("%s: %w", doing, classify(err))
	}
	return nil
}

func queryThreats(ctx context.Context, tx *sql.Tx, text string, args ...any) ([]sentinel.Threat, error) {
	rows, err := tx.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []sentinel.Threat
	for rows.Next() {
		t, err := scanThreat(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

// scanThreat reads threatColumns. Parts that cannot be decoded stay zero.
func scanThreat(row scanner) (t sentinel.Threat, err error) {
	var created, seen, kind, severity, status string
	var ip, scope, geo, key, user, raw, rule, llm, resolvedAt, resolvedBy, evidence, parts, mitre, previous, outcome, why, network sql.NullString
	var anomaly sql.NullFloat64
	err = row.Scan(&t.ID, &created, &seen, &t.Source, &kind, &severity, &t.Type, &t.Group, &ip, &scope,
		&geo, &key, &user, &t.Description, &raw, &t.RiskScore, &t.Decision, &rule, &anomaly, &llm,
		&status, &resolvedAt, &resolvedBy, &t.EventCount, &evidence, &parts, &mitre, &t.Action, &t.ActionReason, &previous, &outcome, &why, &network)
	if err != nil {
		return t, err
	}
	t.CreatedAt, t.LastSeen, t.ResolvedAt = unstamp(created), unstamp(seen), unstamp(resolvedAt.String)
	t.SourceType, t.Status = sentinel.SourceType(kind), sentinel.Status(status)
	if sev, err := sentinel.ParseSeverity(severity); err == nil {
		t.Severity = sev
	}
	t.AttackerIP, t.Scope = parseAddr(ip.String), parsePrefix(scope.String)
	t.AttackerGeo, t.Key, t.User, t.RuleID = geo.String, key.String, user.String, rule.String
	t.LLMExplanation, t.ResolvedBy, t.Previous = llm.String, resolvedBy.String, previous.String
	t.AttackerNetwork = network.String
	t.Outcome, t.OutcomeWhy = sentinel.Outcome(outcome.String), why.String
	if raw.Valid {
		t.Samples = strings.Split(raw.String, "\n")
	}
	if anomaly.Valid {
		t.AnomalyScore = &anomaly.Float64
	}
	t.MITRE = strings.Fields(mitre.String)
	if len(t.MITRE) == 0 {
		t.MITRE = nil
	}
	if evidence.Valid && json.Unmarshal([]byte(evidence.String), &t.Evidence) != nil {
		t.Evidence = nil
	}
	if parts.Valid && json.Unmarshal([]byte(parts.String), &t.Score) != nil {
		t.Score = sentinel.ScoreParts{}
	}
	return t, nil
}

// Threat returns the threat with the given id, or the one whose id begins or
// ends with it, in any case, with or without "THR-". It fails with ErrNotFound,
// or with *AmbiguousError if there are several.
func (s *Store) Threat(ctx context.Context, idOrPart string) (t sentinel.Threat, err error) {
	err = s.view(ctx, "looking up threat", func(tx *sql.Tx) error {
		id, err := findID(ctx, tx, idOrPart)
		if err != nil {
			return err
		}
		t, err = scanThreat(tx.QueryRowContext(ctx, "SELECT "+threatColumns+" FROM threats WHERE id = ?", id))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		return err
	})
	return t, err
}
