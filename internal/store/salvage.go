package store

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// setAside renames a damaged database and its journal, so that they stay
// together, and returns the new name.
func (s *Store) setAside() (string, error) {
	base := s.path + ".damaged-" + s.opts.Now().UTC().Format("20060102T150405Z")
	aside := base
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); os.IsNotExist(err) {
			break
		}
		aside = fmt.Sprintf("%s-%d", base, n)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(s.path+suffix, aside+suffix); err != nil && !os.IsNotExist(err) {
			return "", fmt.Errorf("setting %s aside: %w", s.path+suffix, err)
		}
	}
	return aside, nil
}

// salvage replaces a damaged file by a new one with what can be read of it.
func (s *Store) salvage(ctx context.Context, problem error) (err error) {
	s.report.Damaged, s.report.Created = true, true
	s.report.Problem = strings.TrimPrefix(problem.Error(), ErrCorrupt.Error()+": ")
	if s.report.Aside, err = s.setAside(); err != nil {
		return err
	}
	s.report.To, err = migrateFile(ctx, s.path, s.opts.BusyTimeout)
	return err
}
