package host

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestSessions(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"1":  "# This is private data. Do not parse.\nUID=1000\nUSER=alice\nACTIVE=1\nSTATE=active\nREMOTE=1\nREMOTE_HOST=203.0.113.9\nSERVICE=sshd\n",
		"2":  "USER=bob\nSTATE=online\nREMOTE=1\nREMOTE_HOST=\"::ffff:203.0.113.10\"\n",
		"3":  "USER=carol\nSTATE=closing\nREMOTE=1\nREMOTE_HOST=203.0.113.11\n",
		"4":  "USER=dan\nSTATE=active\nREMOTE=0\nTTY=tty1\n",
		"5":  "USER=eve\nSTATE=active\nREMOTE=1\nREMOTE_HOST=pool.example.net\n",
		"c6": "USER=frank\nSTATE=active\nREMOTE_HOST=fe80::1%eth0\n",
		"7":  "REMOTE_HOST=0.0.0.0\nnonsense\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "8"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := Sessions(dir)
	want := []Address{
		{netip.MustParseAddr("203.0.113.9"), RoleAdmin, "session of alice"},
		{netip.MustParseAddr("203.0.113.10"), RoleAdmin, "session of bob"},
		{netip.MustParseAddr("fe80::1"), RoleAdmin, "session of frank"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if got, err := Sessions(dir + ".missing"); got != nil || err != nil {
		t.Errorf("of a missing directory: %v, %v", got, err)
	}
}

// A change is told, also of a file that comes and goes, and of one in a directory.
func TestWatch(t *testing.T) {
	root := t.TempDir()
	utmp, dir := filepath.Join(root, "utmp"), filepath.Join(root, "sessions")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan struct{}, 100), make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, []string{utmp, dir, filepath.Join(root, "missing", "file")}, func() { told <- struct{}{} })
	}()
	write := func(path, text string) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// until repeats a change until it is told: the watch may not stand yet.
	until := func(what string, change func()) {
		t.Helper()
		for {
			change()
			select {
			case <-told:
				return
			case <-time.After(2 * settle):
				if t.Context().Err() != nil {
					t.Fatalf("not told of %s", what)
				}
			}
		}
	}
	until("a new file", func() { write(utmp, "a") })
	until("a changed file", func() { write(utmp, "b") })
	until("a session", func() { write(filepath.Join(dir, "1"), "x") })
	until("a replaced file", func() {
		write(utmp+".new", "c")
		if err := os.Rename(utmp+".new", utmp); err != nil {
			t.Fatal(err)
		}
	})
	until("the replaced file's change", func() { write(utmp, "d") })
	cancel()
	<-ended
}
