package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver
)

//go:embed migrations/*.sql
var embedded embed.FS

// migrations are the embedded files, named NNNNN_subject.sql.
func migrations() (fs.FS, error) { return fs.Sub(embedded, "migrations") }

// newestSchema is the version that the embedded migrations lead to.
func newestSchema() (int64, error) {
	files, err := fs.Glob(embedded, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, name := range files {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the number of %s: %w", name, err)
		}
		newest = max(newest, n)
	}
	return newest, nil
}

// schemaVersion is the version of a database, 0 for an empty one. It only
// reads.
func schemaVersion(ctx context.Context, db *sql.DB) (int64, error) {
	var tables int
	err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'goose_db_version'").Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	var version sql.NullInt64
	err = db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&version)
	return version.Int64, err
}

// migrateFile creates the file if it is missing and brings it to the newest
// schema. Each migration is one transaction with the version's own row: after
// a crash the file is at the old version or at the new one.
func migrateFile(ctx context.Context, path string, busy time.Duration) (int64, error) {
	source, err := migrations()
	if err != nil {
		return 0, err
	}
	return migrateFrom(ctx, path, busy, source)
}

// migrateFrom is migrateFile with the given migrations.
func migrateFrom(ctx context.Context, path string, busy time.Duration, source fs.FS) (version int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return 0, err
	}
	// Closing a handle of a database releases the process's locks on it, so
	// this happens before SQLite opens it. The journal gets the same mode.
	if err := errors.Join(f.Chmod(fileMode), f.Close()); err != nil {
		return 0, err
	}
	db, err := sql.Open("sqlite", writerDSN(path, busy))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, source, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return 0, fmt.Errorf("reading migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrating: %w", err)
	}
	return provider.GetDBVersion(ctx)
}
