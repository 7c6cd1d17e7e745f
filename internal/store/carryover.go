package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// salvaged are the tables in the order in which they are carried over: first
// what keeps the host safe. Those without rowid are read from one end only.
var salvaged = [...]struct {
	name    string
	noRowid bool
}{
	{"allow_entries", false}, {"allow_names", false}, {"allow_places", false}, {"actions", false}, {"log_sources", false}, {"agent_state", false},
	{"threats", false}, {"notifications", false}, {"ip_reputation", false}, {"baselines", false}, {"anomaly_state", false}, {"user_places", false}, {"rule_marks", false},
	{"counters", true}, {"unparsed_shapes", true},
}

// openDamaged opens a file for reading what can be read.
func openDamaged(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, "", "busy_timeout(1000)", "cell_size_check(1)", "writable_schema(1)",
		"cache_size(-4096)"))
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// carryOver reads the tables of a damaged file into a new one. What cannot be
// read is noted in the report; only errors of the new file are returned.
func (s *Store) carryOver(ctx context.Context, from, to string) (err error) {
	src, err := openDamaged(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	dst, err := sql.Open("sqlite", writerDSN(to, s.opts.BusyTimeout))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	dst.SetMaxOpenConns(1)
	// The driver sorts pragmas of a name, so that this one cannot stand there.
	if _, err := dst.ExecContext(ctx, "PRAGMA foreign_keys = 0"); err != nil {
		return err
	}
	for _, table := range salvaged {
		tx, err := dst.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		c := &carrier{src: src, tx: tx, table: table.name}
		if err := c.prepare(ctx); err == nil {
			c.rows(ctx, table.noRowid)
		} else {
			c.lost = err
		}
		if c.failed == nil {
			c.failed = tx.Commit()
		}
		if c.failed != nil {
			_ = tx.Rollback()
			return fmt.Errorf("table %s: %w", table.name, c.failed)
		}
		s.report.Salvaged[table.name] = c.count
		switch {
		case c.lost != nil:
			s.report.Incomplete[table.name] = c.lost.Error()
		case c.refused > 0:
			s.report.Incomplete[table.name] = fmt.Sprintf("%d rows made no sense", c.refused)
		}
	}
	for _, text := range []string{
		"UPDATE actions SET threat_id = NULL WHERE threat_id NOT IN (SELECT id FROM threats)",
		"DELETE FROM notifications WHERE threat_id NOT IN (SELECT id FROM threats)",
	} {
		if _, err := dst.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// carrier carries one table over.
type carrier struct {
	src     *sql.DB
	tx      *sql.Tx
	table   string
	columns []string
	kinds   []string // declared types
	insert  *sql.Stmt
	count   int
	refused int   // rows that make no sense
	lost    error // why something could not be read
	failed  error // why something could not be written
}

// prepare finds the columns that both files have.
func (c *carrier) prepare(ctx context.Context) error {
	known, err := tableColumns(ctx, c.tx, c.table)
	if err != nil {
		return err
	}
	found, err := tableColumns(ctx, c.src, c.table)
	if err != nil {
		return err
	}
	for name, kind := range known {
		if _, ok := found[name]; ok {
			c.columns = append(c.columns, name)
			c.kinds = append(c.kinds, kind)
		}
	}
	if len(c.columns) == 0 {
		return fmt.Errorf("table is not there")
	}
	c.insert, err = c.tx.PrepareContext(ctx, "INSERT OR IGNORE INTO "+c.table+" ("+strings.Join(c.columns, ", ")+
		") VALUES ("+marks(len(c.columns))+")")
	return err
}

// tableColumns returns the declared types of a table's columns by name.
func tableColumns(ctx context.Context, db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, table string) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT name, type FROM pragma_table_info(?)", table)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns := map[string]string{}
	for rows.Next() {
		var name, kind string
		if err := rows.Scan(&name, &kind); err != nil {
			return nil, err
		}
		columns[name] = kind
	}
	return columns, rows.Err()
}

// rows carries all rows over that can be read. Where a page is damaged it goes
// on behind it: it looks for the next row in steps of growing length, then back
// from there to the damage.
func (c *carrier) rows(ctx context.Context, noRowid bool) {
	names := strings.Join(c.columns, ", ")
	if noRowid {
		_, c.lost = c.read(ctx, "SELECT 0, "+names+" FROM "+c.table)
		return
	}
	text := "SELECT rowid, " + names + " FROM " + c.table + " NOT INDEXED WHERE rowid "
	var last int64
	for c.failed == nil {
		end, err := c.read(ctx, text+"> ? ORDER BY rowid", last)
		last = max(last, end)
		if err == nil || ctx.Err() != nil {
			return
		}
		c.lost = err
		next, ok := c.behind(ctx, last)
		if !ok {
			// Nothing more from this side; what is left is read backwards.
			_, _ = c.read(ctx, text+"> ? ORDER BY rowid DESC", last)
			return
		}
		_, _ = c.read(ctx, text+"> ? AND rowid < ? ORDER BY rowid DESC", last, next)
		last = next - 1
	}
}

// behind finds a row after damage that follows the row last.
func (c *carrier) behind(ctx context.Context, last int64) (rowid int64, ok bool) {
	for step := int64(2); step < 1<<40; step += step/2 + 1 {
		err := c.src.QueryRowContext(ctx, "SELECT rowid FROM "+c.table+" NOT INDEXED WHERE rowid >= ? ORDER BY rowid LIMIT 1",
			last+step).Scan(&rowid)
		switch {
		case err == nil && rowid >= last+step:
			return rowid, true
		case errors.Is(err, sql.ErrNoRows), ctx.Err() != nil:
			return 0, false
		}
	}
	return 0, false
}

// read carries the rows of a query over and returns the greatest rowid seen.
func (c *carrier) read(ctx context.Context, text string, args ...any) (last int64, err error) {
	rows, err := c.src.QueryContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	var rowid int64
	values := make([]any, len(c.columns))
	into := make([]any, 1, len(values)+1)
	into[0] = &rowid
	for i := range values {
		into = append(into, &values[i])
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return last, err
		}
		last = max(last, rowid)
		if !c.sensible(values) {
			c.refused++
			continue
		}
		res, err := c.insert.ExecContext(ctx, values...)
		if err != nil {
			c.failed = err
			return last, err
		}
		if n, err := res.RowsAffected(); err == nil {
			c.count += int(n)
		}
	}
	return last, rows.Err()
}

// sensible reports whether a row's values have the form of their columns, so
// that garbage which happens to decode does not become a block.
func (c *carrier) sensible(values []any) bool {
	var id, back string
	for i, v := range values {
		if v == nil {
			continue // NOT NULL is checked by the insert
		}
		text, isText := v.(string)
		ok := true
		switch c.kinds[i] {
		case "TEXT":
			ok = isText
		case "INTEGER":
			_, ok = v.(int64)
		case "BLOB":
			_, ok = v.([]byte)
		}
		switch name := c.columns[i]; {
		case !ok:
			return false
		case strings.HasSuffix(name, "_at"), name == "last_seen", name == "first_seen":
			_, err := time.Parse(layout, text)
			ok = err == nil
		case name == "prefix", name == "scope":
			_, err := netip.ParsePrefix(text)
			ok = err == nil
		case name == "attacker_ip", name == "target_ip":
			_, err := netip.ParseAddr(text)
			ok = err == nil
		case name == "status" && c.table == "actions":
			ok = slices.Contains([]string{StatusActive, StatusExpired, StatusRevoked, StatusDone, StatusRefused}, text)
		case name == "id":
			id = text
		case name == "id_reversed":
			back = text
		}
		if !ok {
			return false
		}
	}
	return back == "" || back == reversed(id)
}
