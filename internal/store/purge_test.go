package store

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestPurge(t *testing.T) {
	s := open(t, Options{})
	const n = 1200
	all := fill(t, s, n)
	var r Results
	for i := range n {
		b := testBlock(testID(1_000_000+i), childPrefix(i))
		b.ThreatID = all[i].ID
		r.Blocks = append(r.Blocks, b)
		if i >= 3 {
			r.Unblock(Unblock{Prefix: b.Prefix, Status: StatusExpired, At: testTime.Add(time.Hour)})
		}
		r.Counters = append(r.Counters, Count{Source: "a", Minute: testTime.Add(time.Duration(i) * time.Minute), Events: 1})
	}
	commit(t, s, r)
	young := testThreat(testID(n+1), testTime.Add(48*time.Hour))
	commit(t, s, Results{Threats: []sentinel.Threat{young}})

	if p, err := s.Purge(t.Context(), testTime.Add(-time.Hour), 0); err != nil || p.Rows() != 0 {
		t.Errorf("purged %+v, %v, want nothing", p, err)
	}
	p, err := s.Purge(t.Context(), testTime.Add(24*time.Hour), 500)
	if err != nil || p.Threats != n-3 || p.Actions != n-3 || p.Counters != n {
		t.Errorf("purged %+v, %v", p, err)
	}
	blocks, err := s.BlocksInForce(t.Context(), testTime)
	if err != nil || len(blocks) != 3 {
		t.Fatalf("%d blocks in force, %v, want 3", len(blocks), err)
	}
	for _, b := range blocks {
		if _, err := s.Threat(t.Context(), b.ThreatID); err != nil {
			t.Errorf("threat of a block in force: %v", err)
		}
	}
	if _, err := s.Threat(t.Context(), young.ID); err != nil {
		t.Error(err)
	}
	var free int
	if err := s.conn.QueryRowContext(t.Context(), "PRAGMA freelist_count").Scan(&free); err != nil || free != 0 {
		t.Errorf("%d free pages, %v, want 0", free, err)
	}
}

func TestFaultFullDisk(t *testing.T) {
	t.Run("F01 a file system of 2 MiB is full", testFullDisk)
}

func testFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := mountSmall(dir); err != nil {
		t.Fatalf("this test needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(dir); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(t.Context(), dir+"/sentinel.db", Options{Ballast: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	stored, n := 0, 0
	for full := false; !full; n++ {
		err := s.Commit(t.Context(), Results{Threats: []sentinel.Threat{testThreat(testID(n), testTime)}})
		switch {
		case err == nil:
			stored++
		case errors.Is(err, ErrFull):
			full = true
		default:
			t.Fatal(err)
		}
	}
	if s.HasBallast() {
		t.Error("the ballast is still there")
	}
	if _, total, err := s.Threats(t.Context(), ThreatFilter{}); err != nil || total != stored {
		t.Errorf("%d threats, %v, want %d", total, err, stored)
	}
	if err := s.KeepBallast(); !errors.Is(err, ErrFull) {
		t.Errorf("error = %v, want ErrFull", err)
	}
}

// Commits go on while old rows are removed. One in ten is a threat.
func TestFaultPurge(t *testing.T) {
	rows := 100_000
	if os.Getenv("SENTINEL_FAULTS") == "long" {
		rows = 10_000_000
	}
	t.Run(fmt.Sprintf("F11 %d rows of 90 days are removed while commits go on", rows), func(t *testing.T) { testPurgeUnderLoad(t, rows) })
}

func testPurgeUnderLoad(t *testing.T, rows int) {
	s := open(t, Options{})
	old := testThreat(testID(0), testTime)
	commit(t, s, Results{Threats: []sentinel.Threat{old}})
	const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
	columns := strings.Replace(threatColumns, "id,", "", 1)
	for _, step := range []struct {
		text string
		n    int
	}{
		{numbers + "INSERT INTO threats (id, id_reversed, " + columns + ", ip_lo, ip_hi) SELECT printf('OLD%023d', i), printf('%023dDLO', i), " +
			columns + ", ip_lo, ip_hi FROM n, threats WHERE id = '" + old.ID + "'", rows / 10},
		{numbers + "INSERT INTO counters (minute, source, events) SELECT 25000000 - i % 129600, printf('/var/log/app-%d.log', i / 129600), 1 FROM n", rows - rows/10},
	} {
		if _, err := s.conn.ExecContext(t.Context(), step.text, step.n); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan Purged, 1)
	began := time.Now()
	go func() {
		p, err := s.Purge(t.Context(), testTime.Add(90*24*time.Hour), 0)
		if err != nil {
			t.Error(err)
		}
		done <- p
	}()
	var took []time.Duration
	young := testTime.Add(91 * 24 * time.Hour)
	for n := 1; ; n++ {
		select {
		case p := <-done:
			slices.Sort(took)
			at := func(share float64) time.Duration {
				return took[int(share*float64(len(took)-1))].Round(10 * time.Microsecond)
			}
			t.Logf("%d rows removed in %s; %d commits meanwhile: p50 %s, p99 %s, longest %s",
				p.Rows(), time.Since(began).Round(time.Millisecond), len(took), at(0.5), at(0.99), at(1))
			if p.Rows() < int64(rows) {
				t.Errorf("%+v", p)
			}
			if _, total, err := s.Threats(t.Context(), ThreatFilter{Limit: 1}); err != nil || total != n-1 {
				t.Errorf("%d threats are left, %v, want the %d new ones", total, err, n-1)
			}
			return
		default:
		}
		start := time.Now()
		commit(t, s, Results{Threats: []sentinel.Threat{testThreat(testID(n), young)}, Positions: []sentinel.Position{{Source: "a", Offset: int64(n)}}})
		took = append(took, time.Since(start))
	}
}
