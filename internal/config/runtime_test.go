package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFaultRuntime(t *testing.T) {
	t.Run("G07 no path, address, secret or unknown kind of key is set at run time", func(t *testing.T) {
		harmful := []string{"path", "dir", "socket", "file", "listen", "endpoint", "url", "host", "port", "address", "proxies", "sources", "backend",
			"token", "secret", "password", "key", "id", "retention_days", "command"}
		allowed := 0
		schema(Default()).walk("", func(key string, v value) {
			if !AtRuntime(key) {
				return
			}
			allowed++
			if NeedsRestart(key) {
				t.Errorf("%s cannot take effect at run time", key)
			}
			// A text could be anything. Words, numbers, networks and ids of rules
			// cannot; a new kind of value is let in here on purpose.
			switch v := v.(type) {
			case *boolean, *rate, *integer, *number, *duration, *hosts, interface{ options() []string }:
			case *texts:
				if v.check("/etc/passwd") == nil {
					t.Errorf("%s takes a path", key)
				}
			default:
				t.Errorf("%s may be set at run time and is a %T", key, v)
			}
			for word := range strings.FieldsFuncSeq(key[strings.LastIndexByte(key, '.')+1:], func(r rune) bool { return r == '_' }) {
				if slices.Contains(harmful, word) {
					t.Errorf("%s may be set at run time", key)
				}
			}
		})
		if allowed < 10 {
			t.Errorf("only %d keys may be set at run time", allowed)
		}
		for _, key := range []string{"agent.socket", "agent.id", "database.path", "database.retention_days", "detection.rules.custom_rules_dir",
			"detection.rules.exceptions_dir", "detection.rules.lists_dir", "logs.sources", "response.firewall.backend", "response", "", "x"} {
			if AtRuntime(key) {
				t.Errorf("%q may be set at run time", key)
			}
		}
		// Nor does a file that has them bring them in.
		over, problems := Default().Overlay("runtime.yml", []byte(
			"agent: {socket: /tmp/s, log_level: debug}\nlogs: {sources: [{path: /etc/shadow}]}\ndatabase: {path: /tmp/db}\nresponse: {mode: observe, max_blocks: 0}\n"))
		if got := Changed(Default(), over); !slices.Equal(got, []string{"agent.log_level", "response.mode"}) {
			t.Errorf("it changed %v", got)
		}
		if len(problems) != 4 {
			t.Errorf("%d faults, want 4: %v", len(problems), problems)
		}
	})
	t.Run("G07 the agent's environment cannot be read by a value", func(t *testing.T) {
		t.Setenv("SENTINEL_CANARY", canary)
		_, problems := Default().Overlay("runtime.yml", []byte("response: {mode: '${SENTINEL_CANARY}'}\n"))
		if len(problems) != 1 || strings.Contains(problems.Error(), canary) {
			t.Errorf("%v", problems)
		}
	})
}

func TestOverlay(t *testing.T) {
	file := mustParse(t, "response:\n  mode: protect\n  max_blocks: 7\n")
	over, problems := file.Overlay("runtime.yml", []byte("response: {mode: observe, auto_block: false}\n"))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"mode: observe # set at run time, over line 2\n", "auto_block: false # set at run time\n", "max_blocks: 7 # set on line 3\n", "min_score: 0.6 # default\n",
	} {
		if !strings.Contains(Show(over), want) {
			t.Errorf("%q is not in\n%s", want, Show(over))
		}
	}
	if got, err := ShowSection(over, "response.max_prefix"); err != nil || got != "response:\n  max_prefix:\n    v4: 24 # default\n    v6: 56 # default\n" {
		t.Errorf("%v\n%s", err, got)
	}
	values, err := over.Values("response.mode")
	want := Value{Key: "response.mode", Value: "observe", Default: "protect", Origin: FromRuntime, Line: 2, Runtime: true}
	if err != nil || len(values) != 1 || values[0] != want {
		t.Errorf("%v, %+v", err, values)
	}
	if all, err := over.Values(""); err != nil || len(all) != len(Keys()) {
		t.Errorf("%d values, %v", len(all), err)
	}
	if got := over.Overrides(); !slices.Equal(got, []string{"response.auto_block", "response.mode"}) {
		t.Error(got)
	}
	if _, err := over.Values("response.mod"); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
	if file.Response.Mode != ModeProtect {
		t.Error("the file's configuration has changed")
	}

	next := mustParse(t, "agent: {socket: /tmp/other, log_level: debug}\ndatabase: {path: /x/y}\n")
	if next.KeepFixed(file); next.Agent.Socket != file.Agent.Socket || next.Database.Path != file.Database.Path || next.Agent.LogLevel != "debug" {
		t.Errorf("%+v, %+v", next.Agent, next.Database)
	}
}

func TestUpdateRuntime(t *testing.T) {
	file := mustParse(t, "database: {path: "+filepath.Join(t.TempDir(), "db")+"}\n")
	path := file.RuntimePath()
	set := func(key, value string) (*Config, error) {
		return UpdateRuntime(file, path, key, func(data []byte) ([]byte, error) { return Set(data, key, value) })
	}
	over, err := set("response.mode", "observe")
	if err != nil || over.Response.Mode != ModeObserve {
		t.Fatal(err)
	}
	if back, err := file.LoadRuntime(path); err != nil || !same(back, over) {
		t.Errorf("read again: %v, %v", err, Changed(back, over))
	}
	var problems Problems
	if _, err := set("response.max_blocks", "0"); !errors.As(err, &problems) {
		t.Errorf("a fault: %v", err)
	}
	if _, err := set("agent.socket", "/tmp/s"); !errors.As(err, &problems) || !strings.Contains(err.Error(), "cannot be set at run time") {
		t.Errorf("a path: %v", err)
	}
	// A key that a later version does not take any more keeps nobody from
	// setting another.
	if err := os.WriteFile(path, []byte("response: {mode: observe, max_blocks: 0}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if over, err := set("response.auto_block", "false"); err != nil || over.Response.AutoBlock || over.Response.Mode != ModeObserve || over.Response.MaxBlocks != 50_000 {
		t.Errorf("%v, %+v", err, over)
	}
	if over, err := file.LoadRuntime(path); !errors.As(err, &problems) || over.Response.Mode != ModeObserve {
		t.Errorf("%v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if over, err := file.LoadRuntime(path); err != nil || over != file {
		t.Errorf("nothing set: %v", err)
	}
}

// A key that needs a restart keeps its value, whatever its default is.
func TestKeepFixed(t *testing.T) {
	for _, key := range Keys() {
		data, err := Set(nil, key, another(t, key))
		if err != nil {
			t.Fatal(err)
		}
		next := mustParse(t, string(data))
		next.KeepFixed(Default())
		if changed := len(Changed(Default(), next)) > 0; changed == NeedsRestart(key) {
			t.Errorf("%s: needs a restart: %t, changed: %t", key, NeedsRestart(key), changed)
		}
		if v, err := next.Values(key); err != nil || v[0].Waiting != NeedsRestart(key) {
			t.Errorf("%s: needs a restart: %t, waits: %+v, %v", key, NeedsRestart(key), v, err)
		}
	}
}
