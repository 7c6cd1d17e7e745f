package ctl

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestCopyRule holds that what is installed can be read by others and written by
// nobody else, whatever the umask is, and that a file is replaced whole.
func TestCopyRule(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := t.TempDir()
	from, to := filepath.Join(dir, "a.yml"), filepath.Join(dir, "rules.d", "sigma", "b", "a.yml")
	for _, text := range []string{"first", "second, which is longer"} {
		if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := copyRule(from, to); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(to); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	}
	for path, want := range map[string]os.FileMode{to: 0o644, filepath.Dir(to): 0o755, filepath.Join(dir, "rules.d"): 0o755} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(to), ".import-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := copyRule(from, filepath.Join(from, "x.yml")); err == nil {
		t.Error("a file is taken for a directory")
	}
}
