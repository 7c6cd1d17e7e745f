package store

import (
	"path/filepath"
	"testing"
)

// open opens a store in a new directory.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "state", "sentinel.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestOpenCreatesAndCloses(t *testing.T) {
	s := open(t, Options{})
	if r := s.Report(); !r.Created || r.To != 2 {
		t.Errorf("report = %+v, want a new file of schema 2", r)
	}
}
