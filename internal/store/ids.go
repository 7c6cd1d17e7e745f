package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sort"
	"strings"
)

// maxCandidates is how many ids an AmbiguousError lists.
const maxCandidates = 8

// minShortID is the least length of an id as it is shown.
const minShortID = 4

// past sorts after every letter and digit: part+past ends the range of ids that
// begin with part.
const past = "~"

// findID resolves what a person typed to a whole id.
func findID(ctx context.Context, tx *sql.Tx, typed string) (string, error) {
	var id string
	err := tx.QueryRowContext(ctx, "SELECT id FROM threats WHERE id = ?", typed).Scan(&id)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	part := strings.ToUpper(strings.TrimSpace(typed))
	part = strings.TrimPrefix(part, "THR-")
	if part == "" || strings.Trim(part, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "", fmt.Errorf("%q is not an id: %w", typed, ErrNotFound)
	}
	ids, err := matching(ctx, tx, part)
	if err == nil && len(ids) == 0 {
		// Crockford's base 32 has none of these letters; people read them.
		if read := strings.NewReplacer("O", "0", "I", "1", "L", "1").Replace(part); read != part {
			ids, err = matching(ctx, tx, read)
		}
	}
	switch {
	case err != nil:
		return "", err
	case len(ids) == 0:
		return "", fmt.Errorf("threat %q: %w", typed, ErrNotFound)
	case len(ids) == 1:
		return ids[0], nil
	}
	more := len(ids) > maxCandidates
	return "", &AmbiguousError{Part: typed, Candidates: ids[:min(len(ids), maxCandidates)], More: more}
}

// matching returns the ids that begin or end with part, newest first, at least
// one more than maxCandidates if there are that many.
func matching(ctx context.Context, tx *sql.Tx, part string) ([]string, error) {
	back := reversed(part)
	rows, err := tx.QueryContext(ctx, `SELECT id FROM (
			SELECT id FROM (SELECT id FROM threats WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?5)
			UNION
			SELECT id FROM (SELECT id FROM threats WHERE id_reversed >= ?3 AND id_reversed < ?4 LIMIT ?5))
		ORDER BY id DESC`, part, part+past, back, back+past, maxCandidates+1)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// ShortIDs returns for each of the ids the shortest suffix, of at least four
// characters, that Threat resolves to it alone among all that are stored. An id
// that is not stored keeps its whole length.
func (s *Store) ShortIDs(ctx context.Context, ids []string) (map[string]string, error) {
	short := make(map[string]string, len(ids))
	err := s.view(ctx, "shortening ids", func(tx *sql.Tx) error {
		before, err := tx.PrepareContext(ctx, "SELECT id_reversed FROM threats WHERE id_reversed < ? ORDER BY id_reversed DESC LIMIT 1")
		if err != nil {
			return err
		}
		defer func() { _ = before.Close() }()
		after, err := tx.PrepareContext(ctx, "SELECT id_reversed FROM threats WHERE id_reversed > ? ORDER BY id_reversed LIMIT 1")
		if err != nil {
			return err
		}
		defer func() { _ = after.Close() }()
		stored, err := tx.PrepareContext(ctx, "SELECT count(*) FROM threats WHERE id = ?")
		if err != nil {
			return err
		}
		defer func() { _ = stored.Close() }()
		prefixed, err := tx.PrepareContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM threats WHERE id >= ?1 AND id < ?2 AND id <> ?3 LIMIT 1)")
		if err != nil {
			return err
		}
		defer func() { _ = prefixed.Close() }()
		for _, id := range ids {
			var n int
			if err := stored.QueryRowContext(ctx, id).Scan(&n); err != nil {
				return err
			}
			length := len(id)
			if n > 0 {
				length = minShortID
				for _, side := range []*sql.Stmt{before, after} {
					var neighbour string
					err := side.QueryRowContext(ctx, reversed(id)).Scan(&neighbour)
					if errors.Is(err, sql.ErrNoRows) {
						continue
					}
					if err != nil {
						return err
					}
					length = max(length, common(reversed(id), neighbour)+1)
				}
			}
			// A suffix that another id begins with would be ambiguous.
			for ; length < len(id); length++ {
				suffix := id[len(id)-length:]
				if err := prefixed.QueryRowContext(ctx, suffix, suffix+past, id).Scan(&n); err != nil {
					return err
				}
				if n == 0 {
					break
				}
			}
			short[id] = id[len(id)-min(length, len(id)):]
		}
		return nil
	})
	return short, err
}

// ShortenIDs is ShortIDs among the given ids alone, for threats that are not
// stored (those of a replay).
func ShortenIDs(ids []string) map[string]string {
	back := make([]string, len(ids))
	for i, id := range ids {
		back[i] = reversed(id)
	}
	sort.Strings(back)
	short := make(map[string]string, len(ids))
	for i, r := range back {
		length := minShortID
		if i > 0 && back[i-1] != r {
			length = max(length, common(back[i-1], r)+1)
		}
		if i+1 < len(back) && back[i+1] != r {
			length = max(length, common(back[i+1], r)+1)
		}
		id := reversed(r)
		short[id] = id[len(id)-min(length, len(id)):]
	}
	return short
}

// common is the length of the longest common prefix.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
