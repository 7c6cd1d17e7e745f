package config

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// runtimeFile is the name of the file with what was set at run time, beside the
// database.
const runtimeFile = "runtime.yml"

// runtimeKeys may be set at run time, by whoever may give the agent orders on
// its socket. What is not here may not: a path, an address to listen on or send
// to, a secret, or what cannot be undone. A key that ends in a dot is a section.
var runtimeKeys = []string{
	"agent.log_level",
	"logs.discovery",
	"detection.rules.enabled", "detection.rules.disabled", "detection.anomaly.", "detection.profiles.", "detection.payload.",
	"response.mode", "response.auto_block", "response.min_score", "response.block_duration.",
	"response.escalation.", "response.graded.", "response.prefix_block",
	"response.max_blocks", "response.max_new_blocks_per_minute", "response.max_prefix.", "response.whitelist", "response.protect_cdn", "response.block_private",
	"performance.batch_size",
}

// AtRuntime reports whether a key may be set at run time.
func AtRuntime(key string) bool {
	return slices.ContainsFunc(runtimeKeys, func(k string) bool {
		return k == key || strings.HasSuffix(k, ".") && strings.HasPrefix(key, k)
	})
}

// NeedsRestart reports whether a key is read only at the agent's start.
func NeedsRestart(key string) bool {
	switch key {
	case "agent.socket", "agent.id", "agent.hostname", "agent.log_format", "agent.sandbox", "metrics.listen", "database.path", "response.firewall.backend",
		"response.proxy_denylist.path", "response.proxy_denylist.format":
		return true
	}
	return false
}

// KeepFixed gives c the values of old for all keys for which NeedsRestart holds,
// so that the configuration in force says what is in force; of those that differ
// it says that they wait.
func (c *Config) KeepFixed(old *Config) {
	was := map[string]value{}
	schema(old).walk("", func(key string, v value) { was[key] = v })
	c.waiting = map[string]bool{}
	schema(c).walk("", func(key string, v value) {
		if !NeedsRestart(key) || fingerprint(was[key]) == fingerprint(v) {
			return
		}
		d, n := &decoder{}, was[key].show()
		d.expand(n, key, &Options{})
		v.decode(d, key, n)
		c.waiting[key] = true
	})
}

// Overrides returns the keys that were set at run time, sorted.
func (c *Config) Overrides() []string {
	out := []string{}
	for _, key := range slices.Sorted(maps.Keys(c.over)) {
		if AtRuntime(key) { // and is no section
			out = append(out, key)
		}
	}
	return out
}

// RuntimePath returns the file with what was set at run time.
func (c *Config) RuntimePath() string {
	return filepath.Join(filepath.Dir(c.Database.Path), runtimeFile)
}

// Overlay returns a copy of c with what data sets, which is a configuration file
// of keys for which AtRuntime holds. Keys with faults and other keys are named
// in problems and keep the value of c.
func (c *Config) Overlay(name string, data []byte) (*Config, Problems) {
	d := &decoder{file: name, set: map[string]int{}, refuse: func(key string) string {
		if AtRuntime(key) {
			return ""
		}
		return "this key cannot be set at run time"
	}}
	over := c.Clone()
	if root := d.document(data); root != nil {
		schema(over).decode(d, "", root)
	}
	for _, p := range d.problems {
		delete(d.set, p.Key)
	}
	over.over = d.set
	return over, d.problems
}

// LoadRuntime returns c with what was set at run time, read from path, and the
// faults in that. The file need not exist, and is nothing to those who may not
// read it.
func (c *Config) LoadRuntime(path string) (*Config, error) {
	data, err := read(path)
	switch {
	case errors.Is(err, ErrMissing), errors.Is(err, fs.ErrPermission):
		return c, nil
	case err != nil:
		return c, err
	}
	over, problems := c.Overlay(path, data)
	return over, problems.Err()
}

// UpdateRuntime edits the file with what was set at run time, at path, and
// returns file with it. It fails, and changes nothing, if key has a fault then;
// faults of other keys do not matter.
func UpdateRuntime(file *Config, path, key string, edit func([]byte) ([]byte, error)) (*Config, error) {
	var over *Config
	err := update(path, edit, func(after []byte) Problems {
		var problems Problems
		over, problems = file.Overlay(path, after)
		return slices.DeleteFunc(problems, func(p Problem) bool {
			return p.Key != "" && p.Key != key && !strings.HasPrefix(p.Key, key+".")
		})
	})
	return over, err
}
