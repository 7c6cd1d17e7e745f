package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// maxList is the largest list that a rule may name, in bytes.
const maxList = 16 << 20

// readList reads a list by its bare name.
func readList(dir, name string) ([]byte, error) {
	if name == "" || name != filepath.Base(name) || name[0] == '.' {
		return nil, fmt.Errorf("%q is not the name of a file in %s", name, dir)
	}
	return readTrusted(filepath.Join(dir, name), maxList)
}

// readDir reads the *.yml files of a directory, which need not exist. Files that
// others than root and this process's user can write are refused, since whoever
// writes rules decides what is blocked.
func readDir[T any](dir string, parse func(string, []byte) ([]T, []rule.Problem)) (all []T, problems []rule.Problem) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []rule.Problem{{File: dir, Message: fmt.Sprintf("reading the directory: %v", err)}}
	}
	for _, e := range entries {
		if !isRuleFile(e) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		data, err := readTrusted(path, rule.MaxFile)
		if err != nil {
			problems = append(problems, rule.Problem{File: path, Message: err.Error()})
			continue
		}
		got, ps := parse(path, data)
		all, problems = append(all, got...), append(problems, ps...)
	}
	return all, problems
}

func isRuleFile(e fs.DirEntry) bool {
	ext := filepath.Ext(e.Name())
	return !e.IsDir() && (ext == ".yml" || ext == ".yaml")
}

// readTrusted reads a regular file of at most limit bytes that nobody but root
// and this process's user can write.
func readTrusted(path string, limit int64) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file: links and devices are refused")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("writable by group or others (%v): run chmod go-w %s", info.Mode().Perm(), path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("owned by user %d: run chown root %s", st.Uid, path)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%d bytes long, more than %d", info.Size(), limit)
	}
	return os.ReadFile(path)
}

// readFile reads a file of at most limit bytes, whoever it belongs to.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s is %d bytes long, more than %d", path, info.Size(), limit)
	}
	return os.ReadFile(path)
}

// ruleFiles lists the rule files that paths name: files as they are, of
// directories the *.yml and *.yaml files in them.
func ruleFiles(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, p)
			continue
		}
		entries, err := os.ReadDir(p)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if isRuleFile(e) {
				out = append(out, filepath.Join(p, e.Name()))
			}
		}
	}
	return out, nil
}
