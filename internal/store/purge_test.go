package store

import (
	"errors"
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

// TestFullDisk is row F01 on a real file system of 2 MiB, where this may be
// mounted, and on the limit of a file's pages elsewhere (TestFull).
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := mountSmall(dir); err != nil {
		t.Logf("cannot mount a small file system: %v", err)
		return
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
