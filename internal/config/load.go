package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// MaxSize is the largest configuration file that is read, in bytes.
const MaxSize = 1 << 20

// ErrMissing is in the error of Load if there is no such file.
var ErrMissing = errors.New("there is no configuration file")

// Load reads the configuration file at path. Its error says what to do; it
// wraps Problems if the file was read but has faults, ErrMissing if there is
// none, and fs.ErrPermission if it may not be read. A file that everybody may
// write is refused: whoever writes it decides who is blocked.
func Load(path string) (*Config, error) { return LoadWith(path, Options{}) }

// LoadWith is Load with options.
func LoadWith(path string, o Options) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	c, problems := ParseWith(path, data, o)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	c.secrets = readSecrets(schema(c), path, c.set)
	return c, nil
}

// LoadAnyway is Load for when something must be done whatever the file says: what
// is faulty or missing has its default. The error is that of Load.
func LoadAnyway(path string) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return Default(), err
	}
	c, problems := parse(path, data, Options{})
	return c, problems.Err()
}

func read(path string) ([]byte, error) {
	// Without O_NONBLOCK, opening a FIFO waits for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w at %s: name another one with --config, or create this one (an empty file is valid: every key has a default)", ErrMissing, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("reading the configuration: %w: run this as root or as a member of the file's group", err)
	case err != nil:
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if err := trusted(path, info.Mode()); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), nil
}

// trusted refuses what is not a file or what everybody may write.
func trusted(path string, mode fs.FileMode) error {
	switch {
	case mode.IsDir():
		return fmt.Errorf("%s is a directory: name the configuration file in it", path)
	case !mode.IsRegular():
		return fmt.Errorf("%s is not a regular file: it cannot be the configuration", path)
	case mode.Perm()&0o002 != 0:
		return fmt.Errorf("%s may be written by everybody (mode %04o): after 'chmod o-w %s' and a look at what it says, start again", path, mode.Perm(), path)
	}
	return nil
}
