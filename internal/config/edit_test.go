package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestEdit(t *testing.T) {
	type op = func([]byte) ([]byte, error)
	set := func(key, value string) op {
		return func(d []byte) ([]byte, error) { return Set(d, key, value) }
	}
	unset := func(key string) op { return func(d []byte) ([]byte, error) { return Unset(d, key) } }
	add := func(key, entry string) op { return func(d []byte) ([]byte, error) { return Add(d, key, entry) } }
	remove := func(key, entry string) op {
		return func(d []byte) ([]byte, error) { return Remove(d, key, entry) }
	}
	for _, test := range []struct {
		name, before string
		op           op
		after        string
	}{
		{"a value", "response:\n  mode: protect # for now\n  max_blocks: 5\n", set("response.mode", "observe"),
			"response:\n  mode: observe # for now\n  max_blocks: 5\n"},
		{"a value in quotes", "response: # ours\n\n  mode: 'protect' # it's\n", set("response.mode", "observe"),
			"response: # ours\n\n  mode: observe # it's\n"},
		{"Windows", "response:\r\n  mode: protect\r\n", set("response.auto_block", "false"),
			"response:\r\n  mode: protect\r\n  auto_block: false\r\n"},
		{"byte order mark", "\xef\xbb\xbfagent: {id: a}\n", set("agent.id", "b"), "\xef\xbb\xbfagent: {id: b}\n"},
		{"no newline at the end", "response:\n  mode: protect", set("response.auto_block", "false"),
			"response:\n  mode: protect\n  auto_block: false"},
		{"empty file", "", set("response.mode", "observe"), "response:\n  mode: observe\n"},
		{"comments only", "# mine", set("response.block_duration.HIGH", "2h"), "# mine\n\nresponse:\n  block_duration:\n    HIGH: 2h"},
		{"document marker", "---\nagent:\n  id: a\n", set("agent.log_level", "debug"), "---\nagent:\n  id: a\n  log_level: debug\n"},
		{"section without keys", "response:\n  # max_blocks: 5\nagent:\n  id: a\n", set("response.mode", "observe"),
			"response:\n  mode: observe\n  # max_blocks: 5\nagent:\n  id: a\n"},
		{"section without keys between braces", "{response: , agent: ~}", set("response.mode", "observe"), "{response: {mode: observe} , agent: ~}"},
		{"a new section in its place", "agent:\n  id: a\n  # socket: x\n\n# Storing.\ndatabase:\n  retention_days: 3\n", set("response.max_prefix.v4", "28"),
			"agent:\n  id: a\n  # socket: x\n\nresponse:\n  max_prefix:\n    v4: 28\n\n# Storing.\ndatabase:\n  retention_days: 3\n"},
		{"a new key in its place", "response:\n    mode: observe\n    whitelist: [192.0.2.1]\n", set("response.min_score", "0.7"),
			"response:\n    mode: observe\n    min_score: 0.7\n    whitelist: [192.0.2.1]\n"},
		{"indented by four", "agent:\n    id: a\n", set("response.block_duration.HIGH", "2h"),
			"agent:\n    id: a\n\nresponse:\n    block_duration:\n        HIGH: 2h\n"},
		{"flow", "response: {mode: observe, # why\n  block_duration: {HIGH: 1h}, }\n", set("response.block_duration.CRITICAL", "2d"),
			"response: {mode: observe, # why\n  block_duration: {HIGH: 1h, CRITICAL: 2d}, }\n"},
		{"flow, a new section", "{agent: {id: a}}", set("response.block_duration.CRITICAL", "2d"),
			"{agent: {id: a}, response: {block_duration: {CRITICAL: 2d}}}"},
		{"flow, empty", "response: {}\n", set("response.mode", "observe"), "response: {mode: observe}\n"},
		{"a text that needs quotes", "agent: {id: a}\n", set("agent.hostname", "a, b: c # d"), "agent: {id: a, hostname: \"a, b: c # d\"}\n"},
		{"letters of several bytes", "agent: {hostname: 'Größe', id: \"ä\", log_level: info}\n", set("agent.log_level", "debug"),
			"agent: {hostname: 'Größe', id: \"ä\", log_level: debug}\n"},
		{"a variable", "response: \n  max_blocks: 5\n", set("response.max_blocks", "${MAX:-7}"), "response: \n  max_blocks: ${MAX:-7}\n"},

		{"a block list", "response:\n  whitelist: # ours\n    # office\n    - 192.0.2.1 # Ann\n    - 198.51.100.0/24\n  mode: observe\n",
			set("response.whitelist", "[192.0.2.1, 203.0.113.0/24]"),
			"response:\n  whitelist: # ours\n    # office\n    - 192.0.2.1 # Ann\n    - 203.0.113.0/24\n  mode: observe\n"},
		{"a block list, all new", "response:\n  whitelist:\n  - 192.0.2.1\n  - 192.0.2.2\n  mode: observe\n",
			set("response.whitelist", "203.0.113.0/24, ::1"),
			"response:\n  whitelist:\n  - 203.0.113.0/24\n  - \"::1\"\n  mode: observe\n"},
		{"a block list, emptied", "response:\n  whitelist: # none\n  - 192.0.2.1\n  - 192.0.2.2\n  mode: observe\n",
			set("response.whitelist", "[]"), "response:\n  whitelist: [] # none\n  mode: observe\n"},
		{"a flow list", "response: {whitelist: [192.0.2.1,\n  192.0.2.2]}\n", set("response.whitelist", "192.0.2.3"), "response: {whitelist: [192.0.2.3]}\n"},
		{"an entry", "detection:\n  rules:\n    disabled:\n      - A # slow\n", add("detection.rules.disabled", "B"),
			"detection:\n  rules:\n    disabled:\n      - A # slow\n      - B\n"},
		{"an entry that is there", "response:\n  whitelist: [192.0.2.1]\n", add("response.whitelist", "192.0.2.1/32"), "response:\n  whitelist: [192.0.2.1]\n"},
		{"an entry besides the default", "", add("response.whitelist", "192.0.2.1"),
			"response:\n  whitelist: [127.0.0.1, 10.0.0.0/8, 192.168.0.0/16, 192.0.2.1]\n"},
		{"the last entry", "response:\n  whitelist:\n    - 192.0.2.1\n", remove("response.whitelist", "192.0.2.1"), "response:\n  whitelist: []\n"},
		{"an entry out of three", "response:\n  whitelist:\n    - 192.0.2.1\n    # two\n    - 192.0.2.2 # Bob\n    - 192.0.2.3\n", remove("response.whitelist", "192.0.2.2"),
			"response:\n  whitelist:\n    - 192.0.2.1\n    # two\n    - 192.0.2.3\n"},
		{"a source", "logs:\n  sources:\n    - path: /var/log/a.log\n      type: ssh # mine\n", add("logs.sources", "{path: /var/log/b.log, type: nginx}"),
			"logs:\n  sources:\n    - path: /var/log/a.log\n      type: ssh # mine\n    - {path: /var/log/b.log, type: nginx}\n"},
		{"a source by its path", "logs:\n  sources:\n    - path: /var/log/a.log\n      type: ssh\n    - path: /var/log/b.log\n", remove("logs.sources", "/var/log/a.log"),
			"logs:\n  sources:\n    - path: /var/log/b.log\n"},

		{"unset", "response:\n  # The mode.\n  mode: observe # for now\n  max_blocks: 5\n", unset("response.mode"),
			"response:\n  # The mode.\n  max_blocks: 5\n"},
		{"unset the only key", "agent:\n  id: a\nresponse:\n  max_prefix:\n    v4: 28\ndatabase:\n  retention_days: 3\n", unset("response.max_prefix.v4"),
			"agent:\n  id: a\ndatabase:\n  retention_days: 3\n"},
		{"unset a section", "agent:\n  id: a\nresponse:\n  max_prefix:\n    v4: 28\n  whitelist:\n    - 192.0.2.1\n", unset("response"), "agent:\n  id: a\n"},
		{"unset a list", "response:\n  whitelist:\n    - 192.0.2.1\n    - 192.0.2.2\n  mode: observe\n", unset("response.whitelist"), "response:\n  mode: observe\n"},
		{"unset in flow", "response: {mode: observe, max_blocks: 5}\n", unset("response.mode"), "response: {max_blocks: 5}\n"},
		{"unset the last in flow", "response: {mode: observe, max_blocks: 5}\n", unset("response.max_blocks"), "response: {mode: observe}\n"},
		{"unset all in flow", "{response: {mode: observe}}", unset("response.mode"), "{}"},
		{"unset without a newline", "agent:\n  id: a\n  hostname: b", unset("agent.hostname"), "agent:\n  id: a\n"},
	} {
		got, err := test.op([]byte(test.before))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if string(got) != test.after {
			t.Errorf("%s:\n%s\nbecame\n%s\nwant\n%s", test.name, test.before, got, test.after)
		}
	}
}

func TestEditErrors(t *testing.T) {
	for _, test := range []struct {
		name string
		err  func() error
		want string
	}{
		{"no key", func() error { _, err := Set(nil, "response.mod", "x"); return err }, "did you mean mode?"},
		{"key elsewhere", func() error { _, err := Set(nil, "max_blocks", "x"); return err }, "did you mean response.max_blocks?"},
		{"no key at all", func() error { _, err := Set(nil, "", "x"); return err }, "known here: agent, "},
		{"key of another manual", func() error { _, err := Set(nil, "performance.worker_threads", "2"); return err }, "one engine judges all lines"},
		{"below a value", func() error { _, err := Set(nil, "response.mode.x", "2"); return err }, "response.mode has no keys below it"},
		{"a section", func() error { _, err := Set(nil, "response.max_prefix", "2"); return err }, "name one of its keys: v4, v6"},
		{"not a list", func() error { _, err := Add(nil, "response.mode", "2"); return err }, "is no list"},
		{"not a list's value", func() error { _, err := Set(nil, "response.whitelist", "[a"); return err }, "not YAML"},
		{"two entries at once", func() error { _, err := Add(nil, "response.whitelist", "[192.0.2.1, 192.0.2.2]"); return err }, "one entry at a time"},
		{"not there", func() error { _, err := Unset([]byte("agent: {id: a}"), "agent.hostname"); return err }, "agent.hostname is not set"},
		{"entry not there", func() error { _, err := Remove(nil, "response.whitelist", "192.0.2.1"); return err }, "has no entry"},
		{"text over several lines", func() error { _, err := Set([]byte("agent:\n  id: |\n    a\n"), "agent.id", "b"); return err }, "config edit"},
		{"two documents", func() error { _, err := Set([]byte("agent:\n---\nlogs:\n"), "agent.id", "b"); return err }, "second document"},
		{"not YAML", func() error { _, err := Set([]byte("agent: [\n"), "agent.id", "b"); return err }, "not YAML"},
		{"an alias", func() error { _, err := Set([]byte("agent: &a {id: x}\n"), "agent.id", "b"); return err }, ""},
	} {
		if err := test.err(); test.want == "" {
			if err != nil && !strings.Contains(err.Error(), errShape.Error()) {
				t.Errorf("%s: %v", test.name, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := Unset(nil, "agent.hostname"); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
}

// another returns a valid value of a key that is not its default.
func another(t *testing.T, key string) string {
	t.Helper()
	v, err := lookup(key)
	if err != nil {
		t.Fatal(err)
	}
	candidates := []string{"name-1", "/srv/x", "127.0.0.1:9", "[192.0.2.7, 2001:db8::/48]", "[RULE_A, RULE_B]",
		"[{path: /var/log/x.log, type: nginx}, {path: /var/log/y.log}]", "false", "true", "2h", "7d", "2d", "0.75", "3", "5/s", "30s"}
	switch v := v.(type) {
	case *integer:
		candidates = []string{strconv.Itoa(v.min), strconv.Itoa(v.max)}
	case interface{ options() []string }:
		candidates = v.options()
	}
	for _, c := range candidates {
		data, err := Set(nil, key, c)
		if err != nil {
			continue
		}
		if c2, problems := Parse("x", data); len(problems) == 0 && len(Changed(Default(), c2)) == 1 {
			return c
		}
	}
	t.Fatalf("%s: this test knows no other value for it", key)
	return ""
}

// Every key can be set in the packaged file, in an empty one and in one in a
// single line, and the comments of the packaged one survive.
func TestEditEveryKey(t *testing.T) {
	packaged, err := os.ReadFile(filepath.Join("..", "..", "packaging", "config.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range Keys() {
		for _, before := range []string{string(packaged), "", "{}", strings.ReplaceAll(string(packaged), "\n", "\r\n")} {
			after, err := Set([]byte(before), key, another(t, key))
			if err != nil {
				t.Errorf("%s: %v", key, err)
				continue
			}
			c := mustParse(t, string(after))
			if got := Changed(Default(), c); !slices.Equal(got, []string{key}) {
				t.Errorf("%s: changed %v in\n%s", key, got, after)
			}
			if a, b := strings.Count(before, "#"), strings.Count(string(after), "#"); a != b {
				t.Errorf("%s: %d comments became %d", key, a, b)
			}
			back, err := Unset(after, key)
			if err != nil {
				t.Errorf("%s: unset: %v", key, err)
			} else if c := mustParse(t, string(back)); !same(c, Default()) {
				t.Errorf("%s: unset leaves %v", key, Changed(Default(), c))
			}
		}
	}
}

// FuzzEdit: whatever the file and the value are, an edit either fails or changes
// the one key and nothing else.
func FuzzEdit(f *testing.F) {
	for _, test := range faults() {
		f.Add(test.text, "response.mode", "observe")
	}
	f.Add(Show(Default()), "response.whitelist", "[192.0.2.1]")
	f.Add("response: {whitelist: [192.0.2.1,\n 192.0.2.2, # x\n]}\r\n", "response.whitelist", "::1")
	f.Add("logs:\n  sources:\n  - path: /a\n    type: ssh\n", "logs.sources", "/b")
	f.Fuzz(func(t *testing.T, text, key, value string) {
		before, problems := Parse("x", []byte(text))
		if len(problems) > 0 {
			before = nil
		}
		for i, edit := range []func([]byte) ([]byte, error){
			func(d []byte) ([]byte, error) { return Set(d, key, value) },
			func(d []byte) ([]byte, error) { return Add(d, key, value) },
			func(d []byte) ([]byte, error) { return Remove(d, key, value) },
			func(d []byte) ([]byte, error) { return Unset(d, key) },
		} {
			out, err := edit([]byte(text))
			if err != nil {
				continue
			}
			after, problems := Parse("x", out)
			if before == nil || len(problems) > 0 {
				continue
			}
			for _, changed := range Changed(before, after) {
				if changed != key && !strings.HasPrefix(changed, key+".") {
					t.Errorf("edit %d of %s changed %s:\n%q\n%q", i, key, changed, text, out)
				}
			}
		}
	})
}
