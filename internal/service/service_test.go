package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A failure undoes what was done, in the reverse order, and names what could not
// be undone.
func TestRun(t *testing.T) {
	var log []string
	note := func(what string, err error) func(context.Context) error {
		return func(context.Context) error { log = append(log, what); return err }
	}
	no := errors.New("no")
	steps := []step{
		{what: "a", do: note("do a", nil), undo: note("undo a", nil)},
		{what: "b", done: func() (string, bool) { return "already", true }, do: note("do b", nil), undo: note("undo b", nil)},
		{what: "c", do: note("do c", nil), undo: note("undo c", no)},
		{what: "d", do: note("do d", nil)},
		{what: "e", do: note("do e", no), undo: note("undo e", nil)},
		{what: "f", do: note("do f", nil)},
	}
	var said []string
	err := run(t.Context(), steps, false, func(what, result string) { said = append(said, what+": "+result) })
	if !errors.Is(err, no) || !strings.Contains(err.Error(), "e: no") || !strings.Contains(err.Error(), "still in place: c") {
		t.Errorf("error %v", err)
	}
	if want := []string{"do a", "do c", "do d", "do e", "undo c", "undo a"}; !slices.Equal(log, want) {
		t.Errorf("did %v, want %v", log, want)
	}
	if want := []string{"a: done", "b: already", "c: done", "d: done", "e: failed: no", "undo: c: failed: no", "undo: a: done"}; !slices.Equal(said, want) {
		t.Errorf("said %v, want %v", said, want)
	}
	log = nil
	if err := run(t.Context(), steps, true, func(string, string) {}); err != nil || len(log) > 0 {
		t.Errorf("a dry run did %v, %v", log, err)
	}
}

func TestSupplementaryGroups(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(root, "etc"), 0o755),
		os.WriteFile(filepath.Join(root, "etc/group"), []byte("root:x:0:\nadmin:x:9:\nadm:x:4:alice\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	got := string(supplementary(root, []byte("[Service]\nSupplementaryGroups=adm systemd-journal\nUser=x\n")))
	if want := "[Service]\nSupplementaryGroups=adm\nUser=x\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReplace(t *testing.T) {
	at := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"one", "two"} {
		if err := replace(at, []byte(text), 0o640, os.Getegid()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(at)
		if data, rerr := os.ReadFile(at); err != nil || rerr != nil || string(data) != text || info.Mode().Perm() != 0o640 {
			t.Errorf("%q %v %v %v", data, info.Mode(), err, rerr)
		}
	}
	if left, _ := filepath.Glob(filepath.Dir(at) + "/.*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Tail(path, 2); !slices.Equal(got, []string{"line 19998", "line 19999"}) {
		t.Errorf("got %v", got)
	}
	if got := Tail(path+".missing", 2); got != nil {
		t.Errorf("of no file: %v", got)
	}
}

// Only an agent is ever asked to end.
func TestStopStopsAgentsOnly(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if err := Stop(t.Context(), cmd.Process.Pid); err == nil || !strings.Contains(err.Error(), "is no agent") {
		t.Errorf("another program: %v", err)
	}
	path := filepath.Join(t.TempDir(), "pid")
	for text, want := range map[string]bool{fmt.Sprint(cmd.Process.Pid): false, "1": false, "-1": false, "x": false, "": false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid, ok := ReadPID(path); ok != want {
			t.Errorf("%q: %d, %t", text, pid, ok)
		}
	}
}

func TestInstallNeedsPrograms(t *testing.T) {
	err := Install(t.Context(), Options{From: t.TempDir(), DryRun: true, Report: func(string, string) {}})
	if err == nil || !strings.Contains(err.Error(), "no program sentinel-agent") {
		t.Errorf("%v", err)
	}
}
