package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
	if err := trusted(path); err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%d bytes long, more than %d", info.Size(), limit)
	}
	return os.ReadFile(path)
}

// trusted returns an error that says who else can write a file or directory.
func trusted(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("writable by group or others (%v): run chmod go-w %s", info.Mode().Perm(), path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("owned by user %d: run chown root %s", st.Uid, path)
	}
	return nil
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

// Bounds of a directory of rules.
const (
	maxRuleDepth = 8      // directories in directories
	maxRuleFiles = 20_000 // files
)

// readTree hands the *.yml files of a directory, which need not exist, and of
// those in it to take. Files and directories within it that others than root and
// this process's user can write are refused.
func readTree(dir string, take func(string, []byte) []rule.Problem) (problems []rule.Problem) {
	if dir == "" {
		return nil
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	fault := func(path string, err error) {
		problems = append(problems, rule.Problem{File: path, Message: err.Error()})
	}
	files, err := walkRules(dir, func(sub string) error {
		if err := trusted(sub); err != nil {
			fault(sub, err)
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		fault(dir, fmt.Errorf("reading the directory: %w", err))
	}
	for _, path := range files {
		data, err := readTrusted(path, rule.MaxFile)
		if err != nil {
			fault(path, err)
			continue
		}
		problems = append(problems, take(path, data)...)
	}
	return problems
}

// walkRules lists the rule files of a directory and of those in it, unless their
// name begins with a dot. enter is asked of each directory below dir.
func walkRules(dir string, enter func(string) error) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == dir:
		case e.Name()[0] == '.':
			if e.IsDir() {
				return fs.SkipDir
			}
		case e.IsDir():
			if rel, err := filepath.Rel(dir, path); err != nil || strings.Count(rel, string(filepath.Separator)) >= maxRuleDepth {
				return fs.SkipDir
			}
			return enter(path)
		case isRuleFile(e):
			if files = append(files, path); len(files) > maxRuleFiles {
				return fmt.Errorf("more than %d files", maxRuleFiles)
			}
		}
		return nil
	})
	return files, err
}

// ruleFiles lists the rule files that paths name: files as they are, of
// directories the *.yml and *.yaml files in them and in those below.
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
		files, err := walkRules(p, func(string) error { return nil })
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	return out, nil
}
