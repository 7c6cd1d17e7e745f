package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v4"
)

// maxSecret is the longest secret in a file, in bytes.
const maxSecret = 64 << 10

// secretInLine finds a secret in a line of a file that is shown beside a fault,
// by the name of its key; the rest of the line goes with it.
var secretInLine = regexp.MustCompile(`(?i)((?:token|secret|password|api_key)["']?[ \t]*:[ \t]*)[^ \t].*`)

// secretEntries are the two keys of a secret: KEY for its text and KEY_file for
// a file that holds it. If neither is given, a systemd credential (LoadCredential=)
// that has the full name of KEY is taken.
func secretEntries(key string, s *Secret, file *string) []entry {
	return []entry{{key, &secret{s}}, {key + "_file", &secretFile{path: file, into: s}}}
}

// secretFile is the path of the file that holds a secret.
type secretFile struct {
	path *string
	into *Secret
}

func (s *secretFile) decode(d *decoder, key string, n *yaml.Node) {
	(&text{p: s.path, check: absolutePath}).decode(d, key, n)
}

func (s *secretFile) show() *yaml.Node { return scalar("!!str", escape(*s.path)) }

// checkSecrets reports secrets that are given twice.
func (d *decoder) checkSecrets(s section) {
	s.walk("", func(key string, v value) {
		f, ok := v.(*secretFile)
		if ok && *f.path != "" && *f.into != (Secret{}) {
			d.add(Problem{Line: d.set[key], Key: key, Message: "the secret itself is given, too", Hint: "remove " + strings.TrimSuffix(key, "_file")})
		}
	})
}

// readSecrets reads the secrets that lie in files. One that cannot be had is
// named, and its Err says so to whatever needs it.
func readSecrets(s section, file string, set map[string]int) (problems Problems) {
	s.walk("", func(key string, v value) {
		f, ok := v.(*secretFile)
		if !ok || *f.into != (Secret{}) {
			return
		}
		path, credential := *f.path, false
		if dir := os.Getenv("CREDENTIALS_DIRECTORY"); path == "" && dir != "" {
			path, credential = filepath.Join(dir, strings.TrimSuffix(key, "_file")), true
			if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
				return
			}
		}
		if path == "" {
			return
		}
		text, err := readSecret(path, credential)
		if err != nil {
			problems = append(problems, Problem{File: file, Line: set[key], Column: 1, Width: 1, Key: key, Message: err.Error()})
		}
		*f.into = NewSecret(text)
		f.into.from, f.into.err = path, err
	})
	return problems
}

// readSecret reads a file that holds one secret, without the newline at its end.
// Unless systemd made it, which sets modes of its own, others than its owner must
// not be able to read it, and it must be root's or this process's.
func readSecret(path string, credential bool) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	owner, own := info.Sys().(*syscall.Stat_t).Uid, uint32(os.Geteuid())
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return "", fmt.Errorf("%s is not a regular file", path)
	case mode.Perm()&0o077 != 0 && !credential:
		return "", fmt.Errorf("others may read %s (mode %04o): run 'chmod 600 %s'; if somebody did, the secret is one no more", path, mode.Perm(), path)
	case owner != 0 && owner != own && own != 0 && !credential:
		return "", fmt.Errorf("%s belongs to user %d: it must be root's or that of the user the agent runs as", path, owner)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	data = bytes.TrimRight(data, "\r\n")
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the secret: %w", err)
	case len(data) == 0:
		return "", fmt.Errorf("%s is empty", path)
	case len(data) > maxSecret:
		return "", fmt.Errorf("%s is longer than %d bytes", path, maxSecret)
	case badByte(string(data)) >= 0:
		return "", fmt.Errorf("%s is not one line of text", path)
	}
	return string(data), nil
}
