package config

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The origins of a value.
const (
	FromDefault = "default"
	FromFile    = "file"
	// FromRuntime: set at run time, which wins over the file.
	FromRuntime = "runtime"
)

// Value is one key with its value.
type Value struct {
	Key string
	// Value is as it could be written in the file, in one line; a secret is
	// hidden. Default is what holds if nobody sets the key.
	Value, Default string
	// Origin is FromDefault, FromFile or FromRuntime; Line is where the file has
	// the key, 0 if it has not.
	Origin string
	Line   int
	// Waiting: the file has another value, which waits for a restart.
	Waiting bool
	// Restart and Runtime are NeedsRestart and AtRuntime of the key.
	Restart, Runtime bool
}

// Origin says where the value of a key comes from, and the line of the file that
// has it, 0 if none has.
func (c *Config) Origin(key string) (string, int) {
	line, inFile := c.set[key]
	if _, ok := c.over[key]; ok {
		return FromRuntime, line
	}
	if inFile {
		return FromFile, line
	}
	return FromDefault, 0
}

// Values returns the value of a key, or of all keys of a section; the empty key
// is the whole file. The error says which key was probably meant.
func (c *Config) Values(key string) ([]Value, error) {
	if key != "" {
		if _, err := lookup(key); err != nil && !errors.Is(err, errSection) {
			return nil, err
		}
	}
	defaults := map[string]string{}
	schema(Default()).walk("", func(k string, v value) { defaults[k] = oneLine(v) })
	var out []Value
	schema(c).walk("", func(k string, v value) {
		if key != "" && k != key && !strings.HasPrefix(k, key+".") {
			return
		}
		origin, line := c.Origin(k)
		out = append(out, Value{
			Key: k, Value: oneLine(v), Default: defaults[k], Origin: origin, Line: line, Waiting: c.waiting[k],
			Restart: NeedsRestart(k), Runtime: AtRuntime(k),
		})
	})
	return out, nil
}

// oneLine writes a value in one line.
func oneLine(v value) string {
	n := v.show()
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return inlineOf(n)
}

// ShowSection is Show for the keys of a section or for one key.
func ShowSection(c *Config, key string) (string, error) {
	if key == "" {
		return Show(c), nil
	}
	if _, err := lookup(key); err != nil && !errors.Is(err, errSection) {
		return "", err
	}
	return render(schema(c).only(strings.Split(key, ".")), c), nil
}

// only returns the part of a section at a path.
func (s section) only(path []string) section {
	for _, e := range s {
		if e.key != path[0] {
			continue
		}
		if sub, ok := e.value.(section); ok && len(path) > 1 {
			e.value = sub.only(path[1:])
		}
		return section{e}
	}
	return nil
}

// origin says where a value comes from, as a comment in what Show writes.
func (c *Config) origin(key string) string {
	switch origin, line := c.Origin(key); {
	case c.waiting[key]:
		return "what the file says waits for a restart"
	case origin == FromRuntime && line > 0:
		return fmt.Sprintf("set at run time, over line %d", line)
	case origin == FromRuntime:
		return "set at run time"
	case origin == FromFile:
		return fmt.Sprintf("set on line %d", line)
	}
	return "default"
}
