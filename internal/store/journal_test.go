package store

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// reopen closes a store and opens it again, as after a crash: closing writes
// nothing that was not committed.
func reopen(t *testing.T, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), s.Path(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	return again
}

// growth is t with n more events.
func growth(t sentinel.Threat, n int) sentinel.Growth {
	return sentinel.Growth{ID: t.ID, EventCount: t.EventCount + n, LastSeen: t.LastSeen.Add(time.Duration(n) * time.Second),
		Rules: []sentinel.RuleGrowth{{Firings: 2 + n, Count: 12 + n, Last: t.LastSeen}}}
}

func TestJournalSettles(t *testing.T) {
	s := open(t, Options{})
	all := fill(t, s, 4)
	changed := all[1]
	changed.Samples, changed.EventCount = append(changed.Samples, "\xff third"), 20
	acknowledged := all[2]
	acknowledged.Status, acknowledged.EventCount = sentinel.StatusFalsePositive, 14
	stale := all[2]
	stale.EventCount = 14
	commit(t, s, Results{Journal: &Journal{Seq: 1, Changed: []sentinel.Threat{changed, stale}, Grown: []sentinel.Growth{growth(all[0], 3)}}})
	commit(t, s, Results{Journal: &Journal{Seq: 2, Grown: []sentinel.Growth{growth(all[0], 5), growth(changed, 2), growth(all[3], 1)}}})
	newer := all[3]
	newer.EventCount = 100
	commit(t, s, Results{Threats: []sentinel.Threat{acknowledged, newer}, Journal: &Journal{Seq: 3}})

	s = reopen(t, s)
	if r := s.Report(); r.Settled != 2 || r.Unsettled != "" {
		t.Errorf("report = %+v", r)
	}
	for i, want := range []int{17, 22, 14, 100} {
		got, err := s.Threat(t.Context(), all[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.EventCount != want {
			t.Errorf("threat %d has %d events, want %d", i, got.EventCount, want)
		}
		switch i {
		case 0:
			if r := got.Score.Rules[0]; r.Firings != 7 || r.Count != 17 || !got.LastSeen.Equal(all[0].LastSeen.Add(5*time.Second)) {
				t.Errorf("%+v", got)
			}
		case 1:
			if !reflect.DeepEqual(got.Samples, changed.Samples) {
				t.Errorf("samples %q", got.Samples)
			}
		case 2:
			if got.Status != sentinel.StatusFalsePositive {
				t.Errorf("status %s: an older state came back", got.Status)
			}
		}
	}
	if s = reopen(t, s); s.Report().Settled != 0 {
		t.Error("settled twice")
	}
}

func TestJournalForgets(t *testing.T) {
	s := open(t, Options{})
	threat := fill(t, s, 1)[0]
	span := func(n int64) []sentinel.Span {
		at := sentinel.Position{Source: "a", Path: "/a", Inode: 7, Offset: n}
		return []sentinel.Span{{Source: "a", Type: sentinel.TypeSSH, From: at, To: at, Read: testTime, ModTime: testTime, Lines: 3}}
	}
	read := func(after uint64) (seqs []uint64, spans []sentinel.Span) {
		t.Helper()
		err := s.Spans(t.Context(), after, func(seq uint64, list []sentinel.Span) error {
			seqs, spans = append(seqs, seq), append(spans, list...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return seqs, spans
	}
	for n := range uint64(4) {
		j := &Journal{Seq: n + 1, Spans: span(int64(n))}
		if n == 1 {
			j.Grown = []sentinel.Growth{growth(threat, 1)}
		}
		commit(t, s, Results{Journal: j})
	}
	if seqs, spans := read(1); !reflect.DeepEqual(seqs, []uint64{2, 3, 4}) || len(spans) != 3 || spans[0].To.Offset != 1 ||
		!spans[0].Read.Equal(testTime) || spans[0].Lines != 3 {
		t.Errorf("%v %+v", seqs, spans)
	}
	commit(t, s, Results{Journal: &Journal{Seq: 5, Forget: 3}})
	if seqs, _ := read(0); len(seqs) != 2 { // nothing to store: not a commit
		commit(t, s, Results{Journal: &Journal{Seq: 5, Forget: 3, Spans: span(5)}})
	}
	if seqs, _ := read(0); !reflect.DeepEqual(seqs, []uint64{2, 4, 5}) {
		t.Errorf("kept %v; what is said of threats must stay until it is settled", seqs)
	}
	commit(t, s, Results{Journal: &Journal{Seq: 6, Forget: 9, Settled: true, Spans: span(6)}})
	if seqs, _ := read(0); !reflect.DeepEqual(seqs, []uint64{6}) {
		t.Errorf("kept %v, want the last one only", seqs)
	}
	if seq, err := s.LastCommit(t.Context()); err != nil || seq != 6 {
		t.Errorf("last commit %d, %v", seq, err)
	}
}

// A row of the journal that cannot be decoded costs what it says, and no more.
func TestJournalDamaged(t *testing.T) {
	s := open(t, Options{})
	all := fill(t, s, 2)
	commit(t, s, Results{Journal: &Journal{Seq: 1, Grown: []sentinel.Growth{growth(all[0], 1)}}})
	commit(t, s, Results{Journal: &Journal{Seq: 2, Grown: []sentinel.Growth{growth(all[1], 1)}}})
	if _, err := s.conn.ExecContext(t.Context(), "UPDATE journal SET cases = x'0102ff' WHERE seq = 1"); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	if r := s.Report(); r.Settled != 1 || r.Unsettled == "" {
		t.Errorf("report = %+v", r)
	}
}

func TestWindows(t *testing.T) {
	s := open(t, Options{})
	if _, err := s.Windows(); !errors.Is(err, ErrNotFound) {
		t.Errorf("error = %v, want ErrNotFound", err)
	}
	data := bytes.Repeat([]byte("counters "), 10_000)
	commit(t, s, Results{Positions: []sentinel.Position{{Source: "a"}}})
	size, err := s.SaveWindows(Windows{Commit: 7, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Windows()
	if err != nil || w.Commit != 7 || !bytes.Equal(w.Data, data) || w.Size != size || time.Since(w.Taken) > time.Hour {
		t.Fatalf("%+v %v", w.Commit, err)
	}
	if size > int64(len(data))/10 {
		t.Errorf("%d bytes became %d", len(data), size)
	}
	name := s.Path() + suffixWindows
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		bad := bytes.Clone(whole)
		bad[at] ^= 0x40
		if err := os.WriteFile(name, bad, 0o640); err != nil {
			t.Fatal(err)
		}
		if w, err := s.Windows(); !errors.Is(err, ErrCorrupt) && !bytes.Equal(w.Data, data) {
			t.Fatalf("byte %d changed: %v, want ErrCorrupt", at, err)
		}
		if err := os.WriteFile(name, whole[:at], 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Windows(); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v, want ErrCorrupt", at, err)
		}
	}
}

func FuzzWindows(f *testing.F) {
	s := open(f, Options{})
	if _, err := s.SaveWindows(Windows{Commit: 3, Data: []byte("counters")}); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(s.Path() + suffixWindows)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:30])
	f.Fuzz(func(t *testing.T, b []byte) {
		commit, data, err := readWindows(bytes.NewReader(b))
		if err == nil && !bytes.HasPrefix(b, windowsHead(commit, data)) {
			t.Error("it took what it did not check")
		}
	})
}

func FuzzJournal(f *testing.F) {
	threat := testThreat(testID(1), testTime)
	at := sentinel.Position{Source: "a", Path: "/a", Inode: 7, Offset: 9, Cursor: "c"}
	f.Add(packSpans([]sentinel.Span{{Source: "a", From: at, To: at, Read: testTime}}))
	data, err := packCases(&cases{Grown: []sentinel.Growth{growth(threat, 1)}, Whole: []string{threat.ID}, Changed: []sentinel.Threat{threat}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, b []byte) {
		if spans, err := unpackSpans(b); err == nil {
			if again, err := unpackSpans(packSpans(spans)); err != nil || len(again) != len(spans) {
				t.Errorf("%d spans became %d, %v", len(spans), len(again), err)
			}
		}
		if c, err := unpackCases(b); err == nil {
			if _, err := packCases(&c); err != nil {
				t.Error(err)
			}
		}
	})
}
