package store

import (
	"context"
	"database/sql"
	"fmt"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Baseline is what was learned of one metric of a source in one hour of the week.
type Baseline struct {
	Source     string
	SourceType sentinel.SourceType
	// Hour is 0 to 23, Weekday 0 (Sunday) to 6.
	Hour, Weekday int
	Metric        string
	// Mean and Stddev are of transformed values.
	Mean, Stddev float64
	Samples      int
}

// AnomalyState is what a part of the anomaly stage needs to go on.
type AnomalyState struct {
	// Name is of a source, or of another part of the stage; Kind says of what
	// kind it is ("series", "addresses").
	Name, Kind string
	Data       []byte
}

// maxBaselines bounds what is read at the start: MaxSources of the stage with
// 168 hours of 10 metrics each.
const maxBaselines = 128 * 168 * 10

// Baselines returns all that was learned, by source.
func (s *Store) Baselines(ctx context.Context) (list []Baseline, err error) {
	err = s.view(ctx, "reading baselines", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT source, source_type, hour_of_day, day_of_week, metric, mean, stddev, sample_count
			FROM baselines LIMIT ?`, maxBaselines)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var b Baseline
			if err := rows.Scan(&b.Source, &b.SourceType, &b.Hour, &b.Weekday, &b.Metric, &b.Mean, &b.Stddev, &b.Samples); err != nil {
				return err
			}
			list = append(list, b)
		}
		return rows.Err()
	})
	return list, err
}

// AnomalyStates returns the states of a kind, by name.
func (s *Store) AnomalyStates(ctx context.Context, kind string) (list []AnomalyState, err error) {
	err = s.view(ctx, "reading states of the anomaly stage", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT name, kind, data FROM anomaly_state WHERE kind = ? ORDER BY name`, kind)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var st AnomalyState
			if err := rows.Scan(&st.Name, &st.Kind, &st.Data); err != nil {
				return err
			}
			list = append(list, st)
		}
		return rows.Err()
	})
	return list, err
}

// ForgetBaselines removes what was learned of a source, of all with an empty
// name.
func (s *Store) ForgetBaselines(ctx context.Context, source string) error {
	err := s.transact(ctx, false, func(tx *writer) error {
		if source == "" {
			return tx.forgetAll()
		}
		return tx.forget(source)
	})
	if err != nil {
		return fmt.Errorf("forgetting baselines: %w", err)
	}
	return nil
}

func (tx *writer) forget(source string) error {
	if err := tx.exec(stmtForgetBaselines, source); err != nil {
		return err
	}
	return tx.exec(stmtForgetState, source)
}

func (tx *writer) forgetAll() error {
	if err := tx.exec(stmtForgetAllBaselines); err != nil {
		return err
	}
	return tx.exec(stmtForgetSeries)
}

// baselines stores what was learned.
func (tx *writer) baselines(r *Results) error {
	now := mustStamp(tx.s.opts.Now())
	for i := range r.Baselines {
		b := &r.Baselines[i]
		if err := tx.exec(stmtBaseline, b.Source, string(b.SourceType), b.Hour, b.Weekday, b.Metric, b.Mean, b.Stddev, b.Samples, now); err != nil {
			return fmt.Errorf("storing the baseline of %s: %w", b.Source, err)
		}
	}
	for i := range r.AnomalyStates {
		st := &r.AnomalyStates[i]
		if err := tx.exec(stmtAnomalyState, st.Name, st.Kind, st.Data, now); err != nil {
			return fmt.Errorf("storing the state of %s: %w", st.Name, err)
		}
	}
	return nil
}
