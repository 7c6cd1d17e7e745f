package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// The rows of the catalogue that a database shows by itself. The others are in
// power_test.go and purge_test.go, and run by the whole agent in test/e2e.
func TestFaultStore(t *testing.T) {
	t.Run("F04 killed in the midst of commits: none that was acknowledged is lost", testKill)
	t.Run("F07 another program holds the database: said in time, stored later", testLockedByAnotherProgram)
	t.Run("F09 a migration fails at each of its steps", testMigrationFailsAtEachStep)
	t.Run("F09 killed amid the migrations", testKillDuringMigration)
	t.Run("F10 a newer version wrote the database: refused, and not touched", testNewerSchema)
	t.Run("F12 SQLite is new enough", testSQLiteVersion)
}

// A commit waits for a bounded time and then says who is in the way; what was
// not stored can be stored later.
func testLockedByAnotherProgram(t *testing.T) {
	s := open(t, Options{BusyTimeout: 50 * time.Millisecond})
	commit(t, s, batchResults(1))
	cmd := exec.Command(os.Args[0], s.Path())
	cmd.Env = append(os.Environ(), childEnv+"=hold")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	if n, err := out.Read(line); err != nil || !strings.HasPrefix(string(line[:n]), "locked") {
		t.Fatalf("%q, %v", line[:n], err)
	}

	r := Results{Blocks: []sentinel.BlockRecord{testBlock(testID(1), netip.MustParsePrefix("203.0.113.42/32"))}, Durable: true}
	if err := s.Commit(t.Context(), r); !errors.Is(err, ErrLocked) || !Retryable(err) {
		t.Errorf("error = %v, want ErrLocked", err)
	}
	if _, err := s.Positions(t.Context()); err != nil {
		t.Errorf("reading while locked: %v", err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	commit(t, s, r)
	if got, err := s.BlocksInForce(t.Context(), testTime); err != nil || len(got) != 1 {
		t.Errorf("in force: %+v, %v", got, err)
	}
}

func TestOpenTwice(t *testing.T) {
	s := open(t, Options{})
	_, err := Open(t.Context(), s.Path(), Options{BusyTimeout: 30 * time.Millisecond})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d has it", os.Getpid())) {
		t.Errorf("error = %v, want ErrLocked with the process", err)
	}
}

// TestFull is TestFaultFull with SQLite's own limit in the place of the disk's.
func TestFull(t *testing.T) {
	s := open(t, Options{Ballast: 1 << 20})
	var pages int
	if err := s.conn.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int) {
		t.Helper()
		if _, err := s.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages + 4)
	var r Results
	for i := range 100 {
		r.Threats = append(r.Threats, testThreat(testID(i), testTime))
	}
	if err := s.Commit(t.Context(), r); !errors.Is(err, ErrFull) || !Retryable(err) {
		t.Fatalf("error = %v, want ErrFull", err)
	}
	if s.HasBallast() {
		t.Error("the ballast is still there")
	}
	if _, total, err := s.Threats(t.Context(), ThreatFilter{}); err != nil || total != 0 {
		t.Errorf("%d threats, %v", total, err)
	}
	limit(1 << 20)
	commit(t, s, r)
	if err := s.KeepBallast(); err != nil || !s.HasBallast() {
		t.Errorf("ballast: %v", err)
	}
}

// filled makes a database with rows in every table and closes it.
func filled(t *testing.T, n int) (path string, blocks int) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "sentinel.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, n)
	r := batchResults(1)
	r.Allow = []AllowEntry{{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Reason: "office", Created: testTime}}
	for i := range n {
		r.Blocks = append(r.Blocks, testBlock(testID(1_000_000+i), childPrefix(i)))
	}
	commit(t, s, r)
	if err := s.SetState(t.Context(), "key", "value"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, n
}

// rootPage returns the page at which a table begins.
func rootPage(t *testing.T, path, table string) (page int64) {
	t.Helper()
	db, err := openDamaged(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = ?", table).Scan(&page); err != nil {
		t.Fatal(err)
	}
	return page
}

// spoil overwrites n bytes.
func spoil(t *testing.T, path string, at int64, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, n), at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFaultDamage(t *testing.T) {
	const n = 500
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		// The least that must be there afterwards.
		blocks, threats, positions, allow int
	}{
		{"one table", func(t *testing.T, path string) {
			spoil(t, path, (rootPage(t, path, "threats")-1)*4096, 8192)
		}, n, 0, 1, 1},
		{"two pages amid the threats", func(t *testing.T, path string) {
			spoil(t, path, leafOf(t, path, "01KH"), 4096)
		}, n, n - 40, 1, 1},
		{"header", func(t *testing.T, path string) { spoil(t, path, 0, 100) }, n, n, 1, 1},
		{"header, schema and page map", func(t *testing.T, path string) { spoil(t, path, 0, 8192) }, n, n, 1, 1},
		{"all", func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			spoil(t, path, 0, int(info.Size()))
		}, 0, 0, 0, 0},
		{"cut in half", func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()/2); err != nil {
				t.Fatal(err)
			}
		}, 0, n / 4, 1, 1},
		{"not a database", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("hello"), 0o640); err != nil {
				t.Fatal(err)
			}
		}, 0, 0, 0, 0},
	} {
		t.Run("F06 damaged: "+c.name, func(t *testing.T) {
			path, _ := filled(t, n)
			c.spoil(t, path)
			damaged, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), path, Options{Now: func() time.Time { return testTime }})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			r := s.Report()
			t.Logf("%+v", r)
			if !r.Damaged || r.Problem == "" || r.Aside != path+".damaged-20260209T142305Z" {
				t.Errorf("report = %+v", r)
			}
			if kept, err := os.ReadFile(r.Aside); err != nil || !bytes.Equal(kept, damaged) {
				t.Errorf("the damaged file was not kept as it was: %v", err)
			}
			checkSalvaged(t, s, c.blocks, c.threats, c.positions, c.allow)
			fill(t, s, 3) // it can be written
			for _, suffix := range []string{suffixNew, suffixWork} {
				if _, err := os.Stat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s was left behind", suffix)
				}
			}
		})
	}
}

func checkSalvaged(t *testing.T, s *Store, blocks, threats, positions, allow int) {
	t.Helper()
	b, err := s.BlocksInForce(t.Context(), testTime)
	if err != nil || len(b) < blocks {
		t.Errorf("%d blocks, %v, want %d", len(b), err, blocks)
	}
	_, total, err := s.Threats(t.Context(), ThreatFilter{})
	if err != nil || total < threats {
		t.Errorf("%d threats, %v, want %d", total, err, threats)
	}
	p, err := s.Positions(t.Context())
	if err != nil || len(p) < positions {
		t.Errorf("%d positions, %v, want %d", len(p), err, positions)
	}
	a, err := s.Allow(t.Context())
	if err != nil || len(a) < allow {
		t.Errorf("%d allow entries, %v, want %d", len(a), err, allow)
	}
}

// leafOf returns the offset of a page amid the threats' rows.
func leafOf(t *testing.T, path, text string) int64 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var leaves []int64
	for at := 4096; at < len(data); at += 4096 {
		if page := data[at : at+4096]; page[0] == 0x0d && bytes.Contains(page, []byte("failed logins in 60 s")) &&
			bytes.Contains(page, []byte(text)) {
			leaves = append(leaves, int64(at))
		}
	}
	if len(leaves) < 10 {
		t.Fatalf("%d pages of threats", len(leaves))
	}
	return leaves[len(leaves)/2]
}

// TestCrashBeforeNewFileIsInPlace: the damaged file was moved, the new one not
// yet.
func TestCrashBeforeNewFileIsInPlace(t *testing.T) {
	path, n := filled(t, 10)
	if err := os.Rename(path, path+suffixNew); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	checkSalvaged(t, s, n, n, 1, 1)
}

// Not one byte is changed.
func testNewerSchema(t *testing.T) {
	path, _ := filled(t, 10)
	db, err := openDamaged(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path, Options{})
	if !errors.Is(err, ErrNewerSchema) || !strings.Contains(err.Error(), fmt.Sprintf("version 99, this program knows %d", newest(t))) {
		t.Errorf("error = %v, want ErrNewerSchema", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
}

// Whichever statement fails, the file is at the old version and opens.
func testMigrationFailsAtEachStep(t *testing.T) {
	source, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	names, err := fs.Glob(source, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(source, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	before := int64(0) // the version from which the migration starts
	for _, name := range names {
		up, _, _ := strings.Cut(string(files[name].Data), "-- +goose Down")
		parts := strings.SplitAfter(up, ";\n")
		for step := range parts {
			broken := maps.Clone(files)
			text := strings.Join(parts[:step], "") + "NOT SQL;\n"
			if step == 0 {
				text = "-- +goose Up\nNOT SQL;\n"
			}
			broken[name] = &fstest.MapFile{Data: []byte(text)}
			path := filepath.Join(t.TempDir(), "sentinel.db")
			if _, err := migrateFrom(t.Context(), path, time.Second, broken); err == nil {
				t.Fatalf("%s step %d: no error", name, step)
			}
			s, err := Open(t.Context(), path, Options{})
			if err != nil {
				t.Fatalf("%s step %d: %v", name, step, err)
			}
			if r := s.Report(); r.Damaged || r.From != before || r.To != newest(t) {
				t.Errorf("%s step %d: %+v, want it to start from %d", name, step, r, before)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if before, err = strconv.ParseInt(name[:5], 10, 64); err != nil {
			t.Fatal(err)
		}
	}
}

func testSQLiteVersion(t *testing.T) {
	s := open(t, Options{})
	if v := s.Report().SQLite; olderThan(v, minSQLite) {
		t.Errorf("SQLite %s is older than %s", v, minSQLite)
	}
	for _, c := range []struct {
		version string
		older   bool
	}{{"3.51.2", true}, {"3.51.3", false}, {"3.51.10", false}, {"3.7.17", true}, {"3.54.1", false}, {"4.0", false}, {"3.51", true}, {"", true}} {
		if olderThan(c.version, minSQLite) != c.older {
			t.Errorf("olderThan(%q) = %v", c.version, !c.older)
		}
	}
}

func TestSyncModes(t *testing.T) {
	s := open(t, Options{})
	mode := func() (n int) {
		if err := s.conn.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	err := s.transact(t.Context(), true, func(*writer) error {
		if got := mode(); got != 2 {
			t.Errorf("durable: synchronous = %d, want 2 (FULL)", got)
		}
		return nil
	})
	if err != nil || mode() != 1 {
		t.Errorf("afterwards: synchronous = %d, want 1 (NORMAL), %v", mode(), err)
	}
}
