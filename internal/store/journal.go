package store

import (
	"context"
	"database/sql"
	"fmt"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Journal is what a commit adds to the journal, so that a start after a crash
// goes on exactly where the commit was. It is short: most of what a line does is
// counting, and rows of threats are written whole only now and then.
type Journal struct {
	// Seq numbers the commits that have a journal, from 1.
	Seq uint64
	// Spans are what the batches in the commit were read from, in order.
	Spans []sentinel.Span
	// Changed are whole states of known threats that are not in Results.Threats
	// yet, Grown the counts of others, newer than Changed. Open puts them into
	// the rows.
	Changed []sentinel.Threat
	Grown   []sentinel.Growth
	// Settled says that with this commit all rows are as new as what earlier
	// commits said in Changed and Grown.
	Settled bool
	// Forget is the newest commit whose Spans are not needed any more.
	Forget uint64
}

// empty reports whether there is nothing that a start would need.
func (j *Journal) empty() bool {
	return len(j.Spans) == 0 && len(j.Changed) == 0 && len(j.Grown) == 0
}

// cases is what a row of the journal says of threats.
type cases struct {
	Changed []sentinel.Threat
	Grown   []sentinel.Growth
	// Whole are the threats whose rows the commit itself wrote: what earlier
	// commits said of them in Changed is out of date.
	Whole []string
}

// journal stores j. Threats are those that the commit stores whole.
func (tx *writer) journal(j *Journal, threats []sentinel.Threat) error {
	if j.Settled {
		if err := tx.exec(stmtJournalSettle); err != nil {
			return fmt.Errorf("settling the journal: %w", err)
		}
	}
	if err := tx.exec(stmtJournalForget, int64(j.Forget), int64(j.Seq)); err != nil {
		return fmt.Errorf("shortening the journal: %w", err)
	}
	var spans, about any
	if len(j.Spans) > 0 {
		spans = packSpans(j.Spans)
	}
	if c := (cases{Changed: j.Changed, Grown: j.Grown}); !j.Settled {
		for i := range threats {
			c.Whole = append(c.Whole, threats[i].ID)
		}
		if len(c.Changed)+len(c.Grown)+len(c.Whole) > 0 {
			data, err := packCases(&c)
			if err != nil {
				return err
			}
			about = data
		}
	}
	if err := tx.exec(stmtJournal, int64(j.Seq), spans, about); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// settle puts what the journal says of threats into their rows: nothing after an
// orderly stop, up to twenty seconds of counting after a crash. A row that
// cannot be decoded is left out.
func (s *Store) settle(ctx context.Context) error {
	changed := map[string]sentinel.Threat{}
	grown := map[string]sentinel.Growth{}
	rows, err := s.conn.QueryContext(ctx, "SELECT cases FROM journal WHERE cases IS NOT NULL ORDER BY seq")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	found := false
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return err
		}
		found = true
		c, err := unpackCases(data)
		if err != nil {
			s.report.Unsettled = err.Error()
			continue
		}
		for _, id := range c.Whole {
			delete(changed, id)
		}
		for _, t := range c.Changed {
			changed[t.ID] = t
		}
		for _, g := range c.Grown {
			grown[g.ID] = g
		}
	}
	if err := rows.Err(); err != nil || !found {
		return err
	}
	_ = rows.Close() // before the one connection writes
	return s.transact(ctx, true, func(tx *writer) error {
		for id, g := range grown {
			t, ok := changed[id]
			if !ok {
				row := tx.s.conn.QueryRowContext(ctx, "SELECT "+threatColumns+" FROM threats WHERE id = ?", id)
				var err error
				if t, err = scanThreat(row); err == sql.ErrNoRows {
					continue // purged
				} else if err != nil {
					return err
				}
			}
			if g.EventCount >= t.EventCount { // counts only grow: the row may be newer
				t.Grow(g)
				changed[id] = t
			}
		}
		for _, t := range changed {
			if err := tx.threat(&t); err != nil {
				return fmt.Errorf("storing threat %s: %w", t.ID, err)
			}
		}
		s.report.Settled = len(changed)
		return tx.exec(stmtJournalSettle)
	})
}

// LastCommit returns the number of the newest commit that has a journal, 0 if
// there is none.
func (s *Store) LastCommit(ctx context.Context) (seq uint64, err error) {
	err = s.view(ctx, "reading the journal", func(tx *sql.Tx) error {
		var last int64
		err := tx.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM journal").Scan(&last)
		seq = uint64(last)
		return err
	})
	return seq, err
}

// Spans calls each for what every commit after one read, in order, until it
// returns an error. Commits that read nothing are left out; seq jumps where the
// journal does not reach back far enough.
func (s *Store) Spans(ctx context.Context, after uint64, each func(seq uint64, spans []sentinel.Span) error) error {
	return s.view(ctx, "reading the journal", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT seq, coalesce(spans, x'') FROM journal WHERE seq > ? ORDER BY seq", int64(after))
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var seq int64
			var data []byte
			if err := rows.Scan(&seq, &data); err != nil {
				return err
			}
			var spans []sentinel.Span
			if len(data) > 0 {
				if spans, err = unpackSpans(data); err != nil {
					return err
				}
			}
			if err := each(uint64(seq), spans); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}
