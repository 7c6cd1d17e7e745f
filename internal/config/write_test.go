package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yml")
	set := func(path, key, value string) error {
		return Update(path, Options{}, func(data []byte) ([]byte, error) { return Set(data, key, value) })
	}
	content := func() string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	// A file that is not there is made, readable for the directory's group.
	if err := set(path, "response.mode", "observe"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != fileMode || content() != "response:\n  mode: observe\n" {
		t.Errorf("%v, %v, %q", info.Mode(), err, content())
	}
	if err := set(path, "response.mode", "observe"); !errors.Is(err, ErrNoChange) {
		t.Errorf("the same again: %v", err)
	}
	// Owner, mode and the link to it stay.
	owner := os.Geteuid()
	if owner == 0 {
		owner = 4242
	}
	link := filepath.Join(dir, "link.yml")
	if err := errors.Join(os.Chmod(path, 0o604), os.Chown(path, owner, -1), os.Symlink("config.yml", link)); err != nil {
		t.Fatal(err)
	}
	if err := set(link, "response.mode", "protect"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o604 || int(info.Sys().(*syscall.Stat_t).Uid) != owner || content() != "response:\n  mode: protect\n" {
		t.Errorf("mode %v, owner %d, %v, %q", info.Mode(), info.Sys().(*syscall.Stat_t).Uid, err, content())
	}
	if to, err := os.Readlink(link); err != nil || to != "config.yml" {
		t.Errorf("the link is %q, %v", to, err)
	}
	// A fault anywhere in the new text: nothing is written, nothing is left over.
	var problems Problems
	if err := set(path, "response.max_blocks", "0"); !errors.As(err, &problems) || problems[0].Key != "response.max_blocks" {
		t.Errorf("a fault: %v", err)
	}
	if err := set(path, "response.max_block", "1"); !errors.Is(err, ErrNoKey) {
		t.Errorf("no key: %v", err)
	}
	if content() != "response:\n  mode: protect\n" {
		t.Errorf("it was written: %q", content())
	}
	if err := errors.Join(os.Chmod(path, 0o666), set(path, "response.mode", "observe")); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("a file that everybody may write: %v", err)
	}
	if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, os.Geteuid(), -1)); err != nil {
		t.Fatal(err)
	}
	// Edits at a time: none is lost.
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			err := Update(path, Options{}, func(data []byte) ([]byte, error) {
				return Add(data, "detection.rules.disabled", fmt.Sprintf("RULE_%d", i))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if c, err := Load(path); err != nil || len(c.Detection.Rules.Disabled) != 20 {
		t.Errorf("%v: %v", err, content())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left over: %v, %v", left, err)
	}
}
