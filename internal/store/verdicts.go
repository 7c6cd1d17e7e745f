package store

import (
	"context"
	"fmt"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Verdicts counts what people said about the threats that a rule had a part in.
type Verdicts struct {
	// Right are those marked as resolved, Wrong those marked as false positives.
	Right, Wrong int
}

// Trust is the factor by which a rule's confidence is lowered where it was
// wrong: (right+5)/(right+wrong+5), at least 0.3 and never above 1.
func (v Verdicts) Trust() float64 {
	const prior, least = 5, 0.3
	return max(least, float64(v.Right+prior)/float64(v.Right+v.Wrong+prior))
}

// Verdicts returns the verdicts by rule id, of all threats that are stored and of
// those that were purged.
func (s *Store) Verdicts(ctx context.Context) (out map[string]Verdicts, err error) {
	out = make(map[string]Verdicts)
	rows, err := s.read.QueryContext(ctx, `SELECT json_extract(r.value, '$.id'), t.status, count(*)
		FROM threats t, json_each(t.score_parts, '$.rules') r
		WHERE t.status IN (?, ?) GROUP BY 1, 2
		UNION ALL SELECT rule_id, status, count FROM rule_marks`, string(sentinel.StatusResolved), string(sentinel.StatusFalsePositive))
	if err != nil {
		return nil, fmt.Errorf("reading verdicts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, status string
		var n int
		if err := rows.Scan(&id, &status, &n); err != nil {
			return nil, fmt.Errorf("reading verdicts: %w", err)
		}
		v := out[id]
		if sentinel.Status(status) == sentinel.StatusFalsePositive {
			v.Wrong += n
		} else {
			v.Right += n
		}
		out[id] = v
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading verdicts: %w", err)
	}
	return out, nil
}

// keepVerdicts adds the verdicts on threats that are about to be purged to those
// that outlive them. The threats are chosen as by the purge.
const keepVerdicts = `INSERT INTO rule_marks (rule_id, status, count)
	SELECT json_extract(r.value, '$.id'), t.status, count(*)
	FROM (SELECT rowid FROM (` + purgedThreats + `)) p JOIN threats t ON t.rowid = p.rowid, json_each(t.score_parts, '$.rules') r
	WHERE t.status IN ('resolved', 'false_positive') GROUP BY 1, 2
	ON CONFLICT (rule_id, status) DO UPDATE SET count = count + excluded.count`

// purgedThreats chooses the threats of one batch of a purge.
const purgedThreats = `SELECT rowid FROM threats t WHERE last_seen < ?1
	AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.threat_id = t.id AND a.status = 'active') ORDER BY rowid LIMIT ?2`
