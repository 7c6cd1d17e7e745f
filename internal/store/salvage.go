package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Names beside the database while it is salvaged.
const (
	suffixNew  = ".new"     // the new file, until it is complete
	suffixWork = ".salvage" // a copy of the damaged one, to read from
)

// salvage replaces a damaged file by a new one that has what can be read of
// it, and keeps the damaged one under another name.
//
// The new file is complete before the damaged one is moved, and the damaged
// one is read from a copy, since reading a journal writes. A crash leaves
// either the damaged file in its place, and the next start begins again, or
// none and a complete new one (see finishSalvage).
func (s *Store) salvage(ctx context.Context, problem error) (err error) {
	s.report.Damaged, s.report.Created = true, true
	s.report.Problem = strings.TrimPrefix(problem.Error(), ErrCorrupt.Error()+": ")
	s.report.Salvaged, s.report.Incomplete = map[string]int{}, map[string]string{}
	fresh, work := s.path+suffixNew, s.path+suffixWork
	if err := errors.Join(removeDatabase(fresh), removeDatabase(work)); err != nil {
		return err
	}
	if s.report.To, err = migrateFile(ctx, fresh, s.opts.BusyTimeout); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeDatabase(work)) }()
	source := work
	if err := errors.Join(copyFile(s.path, work), copyFile(s.path+"-wal", work+"-wal")); err != nil {
		source = s.path // no room for a copy
	}
	if source == work {
		if err := graftSchema(ctx, work, fresh); err != nil {
			s.report.Incomplete["schema"] = err.Error()
		}
	}
	if err := s.carryOver(ctx, source, fresh); err != nil {
		return fmt.Errorf("salvaging: %w", err)
	}
	if err := syncFile(fresh); err != nil {
		return err
	}
	if s.report.Aside, err = s.setAside(); err != nil {
		return err
	}
	return s.finishSalvage()
}

// finishSalvage puts a complete new file in the place of a database that was
// moved away.
func (s *Store) finishSalvage() error {
	if err := os.Rename(s.path+suffixNew, s.path); err != nil {
		return fmt.Errorf("replacing the damaged database: %w", err)
	}
	return syncFile(filepath.Dir(s.path))
}

// setAside renames a damaged database and its journal, so that they stay
// together, and returns the new name.
func (s *Store) setAside() (string, error) {
	base := s.path + ".damaged-" + s.opts.Now().UTC().Format("20060102T150405Z")
	aside := base
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s-%d", base, n)
	}
	// The file itself comes last: while it is there, the next start begins
	// again.
	for _, suffix := range []string{"-shm", "-wal", ""} {
		if err := os.Rename(s.path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("setting %s aside: %w", s.path+suffix, err)
		}
	}
	return aside, nil
}

// removeDatabase removes a database and its journal, if they are there.
func removeDatabase(path string) error {
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// copyFile copies a file; one that is missing is left out.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			_ = os.Remove(to)
		}
	}()
	_, err = io.Copy(out, in)
	return err
}

// syncFile flushes a file or a directory.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// The parts of SQLite's file format that graftSchema knows
// (https://www.sqlite.org/fileformat.html).
const (
	headerLen       = 100
	offPageSize     = 16 // 2 bytes
	offChange       = 24 // 4 bytes
	offPages        = 28 // 4 bytes: size of the file in pages
	offFreelist     = 32 // 4 bytes: first page, then 4: their number
	offValidFor     = 92 // 4 bytes: equal to offChange if offPages is right
	pageInterior    = 0x05
	interiorCells   = 12 // bytes of an interior page before its cell pointers
	offCellCount    = 3
	offRightPointer = 8
)

// graftSchema makes a copy whose schema cannot be read (its first page holds
// both the file's header and the schema) readable again: it takes the pages of
// the schema from a new file. The same migrations put the tables' roots at the
// same places in both; where that is not so, rows of a wrong form are found and
// are refused later, one by one.
func graftSchema(ctx context.Context, work, fresh string) error {
	db, err := openDamaged(work)
	if err != nil {
		return err
	}
	var tables int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name IN ('threats', 'actions')").Scan(&tables)
	if closed := db.Close(); err == nil && tables == 2 {
		return closed
	}
	data, err := os.ReadFile(fresh) // a few dozen pages
	if err != nil {
		return err
	}
	if len(data) < headerLen {
		return fmt.Errorf("new file is too short")
	}
	size := int(binary.BigEndian.Uint16(data[offPageSize:]))
	if size < 512 || len(data) < size {
		return fmt.Errorf("new file has pages of %d bytes", size)
	}
	f, err := os.OpenFile(work, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	first := append([]byte(nil), data[:size]...)
	binary.BigEndian.PutUint32(first[offPages:], uint32(info.Size()/int64(size)))
	binary.BigEndian.PutUint64(first[offFreelist:], 0)
	copy(first[offValidFor:offValidFor+4], first[offChange:offChange+4])
	if _, err := f.WriteAt(first, 0); err != nil {
		return err
	}
	for _, n := range children(first[headerLen:]) {
		at := int64(n-1) * int64(size)
		if n < 2 || at+int64(size) > int64(len(data)) || at+int64(size) > info.Size() {
			continue
		}
		if _, err := f.WriteAt(data[at:at+int64(size)], at); err != nil {
			return err
		}
	}
	return nil
}

// children returns the page numbers below the first page, whose content from
// the end of the file's header is given.
func children(page []byte) []uint32 {
	if page[0] != pageInterior {
		return nil
	}
	out := []uint32{binary.BigEndian.Uint32(page[offRightPointer:])}
	for i := range int(binary.BigEndian.Uint16(page[offCellCount:])) {
		at := interiorCells + 2*i
		if at+2 > len(page) {
			break
		}
		// Cell pointers count from the start of the page.
		if cell := int(binary.BigEndian.Uint16(page[at:])) - headerLen; cell >= 0 && cell+4 <= len(page) {
			out = append(out, binary.BigEndian.Uint32(page[cell:]))
		}
	}
	return out
}
