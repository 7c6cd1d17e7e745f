package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// The columns of the two tables that are read whole, in the order of the
// functions that scan them.
const (
	threatColumns = `id, created_at, last_seen, source, source_type, severity, type, group_name, attacker_ip, scope,
		attacker_geo, key, user, description, raw_log, risk_score, decision, rule_id, anomaly_score, llm_explanation,
		status, resolved_at, resolved_by, event_count, evidence, score_parts, mitre, action, action_reason, previous,
		outcome, outcome_why, attacker_network`
	actionColumns = `id, threat_id, created_at, type, prefix, duration, expires_at, status, revoked_by, revoked_at,
		reason, origin, actor, backend, simulated, score, forced, rate, trial, until_at`
)

// The writer's statements.
const (
	stmtBegin = iota
	stmtCommit
	stmtRollback
	stmtThreatCount
	stmtThreat
	stmtThreatAgain
	stmtAction
	stmtRetire
	stmtUnblock
	stmtSource
	stmtSourceSeen
	stmtCounter
	stmtReputation
	stmtReputationRow
	stmtRegular
	stmtBlocked
	stmtBlockedAgain
	stmtAllow
	stmtDisallow
	stmtAllowName
	stmtDisallowName
	stmtAllowPlace
	stmtDisallowPlace
	stmtLogin
	stmtWhitelisted
	stmtShape
	stmtShapeTrim
	stmtState
	stmtExpire
	stmtJournal
	stmtJournalSettle
	stmtJournalForget
	stmtBaseline
	stmtAnomalyState
	stmtForgetBaselines
	stmtForgetState
	stmtForgetAllBaselines
	stmtForgetSeries
	numStmts
)

var statements = [numStmts]string{
	stmtBegin:    `BEGIN IMMEDIATE`,
	stmtCommit:   `COMMIT`,
	stmtRollback: `ROLLBACK`,

	stmtThreatCount: `SELECT event_count, severity, type, status, ip_lo, ip_hi FROM threats WHERE id = ?`,
	stmtThreat: `INSERT INTO threats (` + threatColumns + `, ip_lo, ip_hi, id_reversed)
		VALUES (` + marks(36) + `)
		ON CONFLICT (id) DO UPDATE SET ` + sets(threatColumns, "id", "created_at", "llm_explanation") + `,
			llm_explanation = coalesce(excluded.llm_explanation, llm_explanation),
			ip_lo = excluded.ip_lo, ip_hi = excluded.ip_hi`,

	// The same for a threat whose severity, type, status and network are as they
	// were, as it is with most changes: half of the indexes need not be touched.
	stmtThreatAgain: `UPDATE threats SET last_seen = ?, source = ?, source_type = ?, group_name = ?, attacker_ip = ?,
			scope = ?, attacker_geo = ?, key = ?, user = ?, description = ?, raw_log = ?, risk_score = ?, decision = ?,
			rule_id = ?, anomaly_score = ?, llm_explanation = coalesce(?, llm_explanation), resolved_at = ?,
			resolved_by = ?, event_count = ?, evidence = ?, score_parts = ?, mitre = ?, action = ?, action_reason = ?,
			previous = ?, outcome = ?, outcome_why = ?, attacker_network = ?
		WHERE id = ?`,

	// The threat is looked up, so that a block whose threat was lost or purged
	// can be stored all the same.
	stmtAction: `INSERT INTO actions (` + actionColumns + `, target_ip, ip_lo, ip_hi)
		VALUES (?, (SELECT id FROM threats WHERE id = ?), ` + marks(21) + `)
		ON CONFLICT (id) DO UPDATE SET ` + sets(actionColumns, "id", "created_at", "backend") + `,
			backend = coalesce(excluded.backend, backend),
			target_ip = excluded.target_ip, ip_lo = excluded.ip_lo, ip_hi = excluded.ip_hi`,
	stmtRetire: `UPDATE actions SET status = 'revoked', revoked_by = ?, revoked_at = ?
		WHERE prefix = ? AND type IN ('block', 'rate_limit') AND status = 'active' AND id <> ?`,
	stmtUnblock: `UPDATE actions SET status = ?, revoked_by = ?, revoked_at = ?
		WHERE prefix = ? AND type IN ('block', 'rate_limit') AND status = 'active'`,
	stmtExpire: `UPDATE actions SET status = 'expired', revoked_at = expires_at
		WHERE status = 'active' AND expires_at <= ?`,

	stmtSource: `INSERT INTO log_sources (id, path, device, last_inode, last_offset, fingerprint, fingerprint_len,
			cursor, type, last_event_at, discovered_at)
		VALUES (` + marks(11) + `)
		ON CONFLICT (id) DO UPDATE SET path = excluded.path, device = excluded.device,
			last_inode = excluded.last_inode, last_offset = excluded.last_offset,
			fingerprint = excluded.fingerprint, fingerprint_len = excluded.fingerprint_len, cursor = excluded.cursor,
			type = CASE excluded.type WHEN '' THEN type ELSE excluded.type END,
			last_event_at = coalesce(excluded.last_event_at, last_event_at)`,
	stmtSourceSeen: `UPDATE log_sources SET last_event_at = ? WHERE id = ?`,

	stmtCounter: `INSERT INTO counters (minute, source, events, parsed, unparsed, matched, threats)
		VALUES (` + marks(7) + `)
		ON CONFLICT (minute, source) DO UPDATE SET events = events + excluded.events,
			parsed = parsed + excluded.parsed, unparsed = unparsed + excluded.unparsed,
			matched = matched + excluded.matched, threats = threats + excluded.threats`,

	stmtReputation: `INSERT INTO ip_reputation (ip, ip_lo, first_seen, last_seen, total_events, threat_count, geo_country)
		VALUES (` + marks(7) + `)
		ON CONFLICT (ip) DO UPDATE SET last_seen = max(last_seen, excluded.last_seen),
			first_seen = min(first_seen, excluded.first_seen),
			total_events = total_events + excluded.total_events,
			threat_count = threat_count + excluded.threat_count,
			geo_country = coalesce(excluded.geo_country, geo_country)`,
	stmtReputationRow: `INSERT INTO ip_reputation (ip, ip_lo, first_seen, last_seen)
		VALUES (` + marks(4) + `) ON CONFLICT (ip) DO NOTHING`,
	// The decider may have forgotten some of what is stored, never the other way
	// round, unless it began anew.
	stmtRegular: `INSERT INTO ip_reputation (ip, ip_lo, first_seen, last_seen, logins, days, good_since, good_last, key_login, key_user)
		VALUES (` + marks(10) + `)
		ON CONFLICT (ip) DO UPDATE SET last_seen = max(last_seen, excluded.last_seen),
			first_seen = min(first_seen, excluded.first_seen),
			logins = excluded.logins, days = excluded.days, good_since = excluded.good_since,
			good_last = excluded.good_last, key_login = excluded.key_login, key_user = excluded.key_user`,
	stmtBlocked: `UPDATE ip_reputation SET is_blocked = ? WHERE ip_lo BETWEEN ? AND ?`,
	// After blocks have ended in bulk: whoever is in none that is left is free.
	stmtBlockedAgain: `UPDATE ip_reputation SET is_blocked = 0 WHERE is_blocked AND NOT EXISTS (
		SELECT 1 FROM actions a WHERE a.type = 'block' AND a.status = 'active' AND NOT a.simulated
			AND a.ip_lo <= ip_reputation.ip_lo AND a.ip_hi >= ip_reputation.ip_lo)`,
	stmtWhitelisted: `UPDATE ip_reputation SET is_whitelisted = ? WHERE ip_lo BETWEEN ? AND ?`,

	stmtAllow: `INSERT INTO allow_entries (prefix, reason, origin, actor, created_at) VALUES (` + marks(5) + `)
		ON CONFLICT (prefix) DO UPDATE SET reason = excluded.reason, origin = excluded.origin, actor = excluded.actor`,
	stmtDisallow: `DELETE FROM allow_entries WHERE prefix = ?`,

	stmtAllowName: `INSERT INTO allow_names (name, reason, origin, actor, created_at) VALUES (` + marks(5) + `)
		ON CONFLICT (name) DO UPDATE SET reason = excluded.reason, origin = excluded.origin, actor = excluded.actor`,
	stmtDisallowName: `DELETE FROM allow_names WHERE name = ?`,
	stmtAllowPlace: `INSERT INTO allow_places (place, reason, origin, actor, created_at) VALUES (` + marks(5) + `)
		ON CONFLICT (place) DO NOTHING`,
	stmtDisallowPlace: `DELETE FROM allow_places WHERE place = ?`,
	stmtLogin: `INSERT INTO user_places (user, country, first_seen, last_seen, days, last_ip, asn) VALUES (` + marks(7) + `)
		ON CONFLICT (user, country) DO UPDATE SET first_seen = excluded.first_seen, last_seen = excluded.last_seen,
			days = excluded.days, last_ip = excluded.last_ip, asn = excluded.asn`,

	stmtShape: `INSERT INTO unparsed_shapes (source, shape, sample, count, last_seen) VALUES (` + marks(5) + `)
		ON CONFLICT (source, shape) DO UPDATE SET sample = excluded.sample, count = count + excluded.count,
			last_seen = excluded.last_seen`,
	stmtShapeTrim: `DELETE FROM unparsed_shapes WHERE source = ?1 AND shape NOT IN (
		SELECT shape FROM unparsed_shapes WHERE source = ?1 ORDER BY count DESC, last_seen DESC LIMIT ?2)`,

	stmtBaseline: `INSERT INTO baselines (source, source_type, hour_of_day, day_of_week, metric, mean, stddev, sample_count, updated_at)
		VALUES (` + marks(9) + `)
		ON CONFLICT (source, hour_of_day, day_of_week, metric) DO UPDATE SET source_type = excluded.source_type, mean = excluded.mean,
			stddev = excluded.stddev, sample_count = excluded.sample_count, updated_at = excluded.updated_at`,
	stmtAnomalyState: `INSERT INTO anomaly_state (name, kind, data, updated_at) VALUES (` + marks(4) + `)
		ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, data = excluded.data, updated_at = excluded.updated_at`,
	stmtForgetBaselines:    `DELETE FROM baselines WHERE source = ?`,
	stmtForgetState:        `DELETE FROM anomaly_state WHERE name = ?`,
	stmtForgetAllBaselines: `DELETE FROM baselines`,
	stmtForgetSeries:       `DELETE FROM anomaly_state WHERE kind = 'series'`,

	stmtJournal:       `INSERT INTO journal (seq, spans, cases) VALUES (` + marks(3) + `)`,
	stmtJournalSettle: `UPDATE journal SET cases = NULL WHERE cases IS NOT NULL`,
	// The newest row says which commit was the last.
	stmtJournalForget: `DELETE FROM journal WHERE seq <= ?1 AND cases IS NULL AND seq < ?2`,

	stmtState: `INSERT INTO agent_state (key, value, updated_at) VALUES (` + marks(3) + `)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`,
}

// marks is n question marks.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// sets assigns each of the columns but the named ones from the new row.
func sets(columns string, but ...string) string {
	var out []string
next:
	for c := range strings.SplitSeq(columns, ",") {
		c = strings.TrimSpace(c)
		for _, b := range but {
			if b == c {
				continue next
			}
		}
		out = append(out, c+" = excluded."+c)
	}
	return strings.Join(out, ", ")
}

// prepareAll prepares the writer's statements on its connection.
func prepareAll(ctx context.Context, conn *sql.Conn) (all [numStmts]*sql.Stmt, err error) {
	for i, text := range statements {
		if all[i], err = conn.PrepareContext(ctx, text); err != nil {
			return all, fmt.Errorf("preparing statement %d: %w", i, err)
		}
	}
	return all, nil
}
