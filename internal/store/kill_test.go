package store

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// The test binary runs itself as a program that is killed or that holds a
// lock: the variable says which, its only argument is the database.
const childEnv = "SENTINEL_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "write", "retry":
		err = childWrite(os.Args[1])
	case "open":
		err = childOpen(os.Args[1])
	case "hold":
		err = childHold(os.Args[1])
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// child starts the test binary as a program of the given kind and returns its
// lines.
func child(t *testing.T, kind, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), childEnv+"="+kind)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

// childWrite commits without end, and says so after each commit. Commit n has
// the position n, one threat, one line counted and a block; every third one
// ends the block before; every fifth one is durable.
func childWrite(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path, Options{})
	if err != nil {
		return err
	}
	ps, err := s.Positions(ctx)
	if err != nil {
		return err
	}
	n := 0
	if len(ps) > 0 {
		n = int(ps[0].Offset)
	}
	for {
		n++
		r := Results{
			Positions: []sentinel.Position{{Source: "a", Path: "a", Offset: int64(n)}},
			Threats:   []sentinel.Threat{testThreat(testID(n), testTime)},
			Counters:  Counters{{Source: "a", Minute: testTime.Add(time.Duration(n/100) * time.Minute), Events: 1}},
			Durable:   n%5 == 0,
		}
		if n%3 == 0 {
			r.Unblock(Unblock{Prefix: childPrefix(n - 1), At: testTime})
		}
		r.Blocks = []sentinel.BlockRecord{testBlock(testID(1_000_000+n), childPrefix(n))}
		for err := s.Commit(ctx, r); err != nil; err = s.Commit(ctx, r) {
			if os.Getenv(childEnv) != "retry" || !Retryable(err) {
				return err
			}
			fmt.Println("error:", err)
		}
		fmt.Println(n)
	}
}

func childPrefix(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 32)
}

// Whatever was acknowledged is there after a SIGKILL, and
// what belongs to one commit is there together.
func testKill(t *testing.T) {
	rounds := 30
	if os.Getenv("SENTINEL_FAULTS") == "long" {
		rounds = 1000
	}
	path := filepath.Join(t.TempDir(), "sentinel.db")
	acked := 0
	for round := range rounds {
		cmd, lines := child(t, "write", path)
		for range 1 + round*7%40 {
			if !lines.Scan() {
				t.Fatalf("round %d: the writer ended", round)
			}
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(lines.Text())
			}
			acked = n
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // acknowledged before the kill came
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				acked = n
			}
		}
		_ = cmd.Wait()
		acked = checkKilled(t, path, acked)
	}
	t.Logf("%d rounds, %d commits", rounds, acked)
}

// checkKilled opens the database of a killed writer and returns its position.
func checkKilled(t *testing.T, path string, acked int) int {
	t.Helper()
	ctx := t.Context()
	s, err := Open(ctx, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if r := s.Report(); r.Damaged {
		t.Fatalf("damaged: %+v", r)
	}
	ps, err := s.Positions(ctx)
	if err != nil || len(ps) != 1 {
		t.Fatalf("positions = %v, %v", ps, err)
	}
	n := int(ps[0].Offset)
	if n < acked {
		t.Fatalf("position %d, but %d was acknowledged", n, acked)
	}
	_, threats, err := s.Threats(ctx, ThreatFilter{Limit: 1})
	if err != nil || threats != n {
		t.Fatalf("%d threats at position %d, %v", threats, n, err)
	}
	totals, err := s.Totals(ctx, time.Time{})
	if err != nil || totals.Sum.Events != int64(n) {
		t.Fatalf("%d lines counted at position %d, %v", totals.Sum.Events, n, err)
	}
	blocks, err := s.BlocksInForce(ctx, testTime)
	if err != nil || len(blocks) != n-n/3 {
		t.Fatalf("%d blocks at position %d, want %d, %v", len(blocks), n, n-n/3, err)
	}
	return n
}

// childOpen opens a database and says so.
func childOpen(path string) error {
	s, err := Open(context.Background(), path, Options{})
	if err != nil {
		return err
	}
	return s.Close()
}

// A database whose creation was killed at
// any point opens, and has the whole schema.
func testKillDuringMigration(t *testing.T) {
	for pages := range 12 {
		path := filepath.Join(t.TempDir(), "sentinel.db")
		cmd, lines := child(t, "open", path)
		ended := make(chan struct{})
		go func() {
			for lines.Scan() {
				t.Error(lines.Text())
			}
			close(ended)
		}()
		for grown := false; !grown; { // the journal grows by a page with its header
			select {
			case <-ended:
				grown = true
			default:
				info, err := os.Stat(path + "-wal")
				grown = err == nil && info.Size() >= int64(32+pages*3*(4096+24))
			}
		}
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
		s, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatalf("killed at %d pages: %v", pages*3, err)
		}
		if r := s.Report(); r.Damaged || r.To != newest(t) {
			t.Errorf("killed at %d pages: %+v", pages*3, r)
		}
		fill(t, s, 1)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// childHold locks a database as another program would, says so, and lets go
// when its input ends.
func childHold(path string) error {
	db, err := openDamaged(path)
	if err != nil {
		return err
	}
	if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
		return err
	}
	fmt.Println("locked")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	_, err = db.Exec("ROLLBACK")
	fmt.Println(strings.TrimSpace("released"))
	return err
}
