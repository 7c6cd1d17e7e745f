package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ErrOlderSchema: the file was written by an older version, and only Open may
// change that.
var ErrOlderSchema = errors.New("database is of an older version")

// OpenRead opens an existing database to read from it, also while another
// process has it open. It changes nothing in it: a file of another version or
// that cannot be read is refused. Only the methods that read may be called.
func OpenRead(ctx context.Context, path string) (_ *Store, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading database %s: %w", path, classify(err))
		}
	}()
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	s := &Store{path: path, opts: Options{}.withDefaults(), sem: make(chan struct{}, 1), closed: make(chan struct{})}
	s.read, err = sql.Open("sqlite", dsn(path, "mode=ro", fmt.Sprintf("busy_timeout(%d)", (2*time.Second).Milliseconds()),
		"query_only(1)", "temp_store(memory)", "trusted_schema(0)"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.shut()
		}
	}()
	s.read.SetMaxOpenConns(s.opts.Readers)
	version, err := schemaVersion(ctx, s.read)
	if err != nil {
		return nil, err
	}
	newest, err := newestSchema()
	switch {
	case err != nil:
		return nil, err
	case version > newest:
		return nil, ErrNewerSchema
	case version < newest:
		return nil, ErrOlderSchema
	}
	return s, nil
}
