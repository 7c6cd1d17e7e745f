package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func env(vars map[string]string) Options {
	return Options{Env: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}
}

func TestVariables(t *testing.T) {
	o := env(map[string]string{
		"NAME": "web-1", "N": "7", "YES": "true", "SCORE": "0.7", "TIME": "90", "EMPTY": "", "NET": "192.0.2.0/24", "DIR": "/srv",
	})
	_, problems := ParseWith("c.yml", []byte(`
agent: {id: "${NAME}", hostname: "${NAME}.example.org"}
logs:
  discovery: ${YES}
  sources:
    - {path: "${DIR}/$${x}.log"}
detection: {rules: {custom_rules_dir: '${DIR}/rules', lists_dir: "${NONE:-/var}/lists"}}
response:
  min_score: ${SCORE}
  max_blocks: "${N}"
  max_new_blocks_per_minute: ${EMPTY:-8}
  block_duration: {HIGH: "${TIME}", CRITICAL: "${NONE:-2}h"}
  whitelist: ["${NET}", "${NONE:-192.0.2.${N}"]
`), o)
	if len(problems) != 1 || problems[0].Key != "response.whitelist" || !strings.Contains(problems[0].Message, `"192.0.2.${N" is not an address`) {
		t.Errorf("a variable within a default: %v", problems)
	}
	c, problems := ParseWith("c.yml", []byte(`
agent: {id: "${NAME}", hostname: "${NAME}.example.org"}
logs:
  discovery: ${YES}
  sources:
    - {path: "${DIR}/$${x}.log"}
detection: {rules: {custom_rules_dir: '${DIR}/rules', lists_dir: "${NONE:-/var}/lists"}}
response:
  min_score: ${SCORE}
  max_blocks: "${N}"
  max_new_blocks_per_minute: ${EMPTY:-8}
  block_duration: {HIGH: "${TIME}", CRITICAL: "${NONE:-2}h"}
  whitelist: ["${NET}"]
`), o)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(c.Agent.ID, c.Agent.Hostname, c.Logs.Discovery, c.Logs.Sources[0].Path, c.Detection.Rules.CustomDir, c.Detection.Rules.ListsDir,
		c.Response.MinScore, c.Response.MaxBlocks, c.Response.MaxNewBlocksPerMinute, c.Response.BlockDuration, c.Response.Whitelist)
	want := fmt.Sprintln("web-1", "web-1.example.org", true, "/srv/${x}.log", "/srv/rules", "/var/lists", 0.7, 7, 8,
		BlockDuration{90 * time.Second, 2 * time.Hour}, "[192.0.2.0/24]")
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// What is shown reads as the same again.
	if back := mustParse(t, Show(c)); !same(back, c) {
		t.Errorf("shown and read again: %v differ", Changed(back, c))
	}
}

// What a variable holds is one value, whatever it looks like.
func TestVariablesAreNoYAML(t *testing.T) {
	for _, hostile := range []string{
		"observe\nresponse: {auto_block: false}", "a: b", "[a, b]", "{a: b}", "&a x", "*a", "!!int 5", "a # b", "'", `"`, "- x", "| x", "null", "~", "<<", "\x00", "\xff", "${NAME}",
	} {
		_, problems := ParseWith("c.yml", []byte("response:\n  mode: ${X}\n"), env(map[string]string{"X": hostile}))
		if len(problems) != 1 || problems[0].Key != "response.mode" || problems[0].Line != 2 || problems[0].Column != 9 || problems[0].Width != 4 {
			t.Errorf("%q: %+v", hostile, problems)
		}
		// As text it stays itself.
		d := &decoder{file: "c.yml", set: map[string]int{}}
		var into Secret
		root := d.document([]byte("token: ${X}\n"))
		o := env(map[string]string{"X": hostile})
		if d.expand(root, "", &o) {
			(section{{"token", &secret{&into}}}).decode(d, "", root)
		}
		if badByte(hostile) < 0 && (into.Reveal() != hostile || len(d.problems) > 0) {
			t.Errorf("%q became %q, %v", hostile, into.Reveal(), d.problems)
		}
	}
}

func TestVariableFaults(t *testing.T) {
	for text, want := range map[string]string{
		"agent: {id: '${NONE}'}":               "1:13+9 agent.id: the variable NONE is not set",
		"agent: {id: \"${\"}":                  `1:13+4 agent.id: "${" is not a variable`,
		"agent: {id: '${A B}'}":                `1:13+8 agent.id: "${A B}" is not a variable`,
		"agent: {id: 'x${}'}":                  `1:13+6 agent.id: "${}" is not a variable`,
		"agent: {id: 'x${9}'}":                 `1:13+7 agent.id: "${9}" is not a variable`,
		"agent: {id: ${NONE}}":                 `1:14+1 : this is not YAML: did not find expected ',' or '}'`,
		"agent: {id: '${BAD}'}":                "1:13+8 agent.id: the variable BAD holds what is no text of one line",
		"logs: {sources: [{path: '${NONE}'}]}": "1:25+9 logs.sources[0].path: the variable NONE is not set",
	} {
		_, problems := ParseWith("c.yml", []byte(text), env(map[string]string{"BAD": "a\nb"}))
		if len(problems) == 0 {
			t.Errorf("%s: no fault", text)
			continue
		}
		p := problems[0]
		if len(problems) > 1 {
			t.Errorf("%s: more than one fault: %v", text, problems)
		}
		if got := fmt.Sprintf("%d:%d+%d %s: %s", p.Line, p.Column, p.Width, p.Key, p.Message); !strings.HasPrefix(got, want) {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
	// Who only looks at the file learns which values could not be checked.
	o := env(nil)
	o.Lenient = true
	c, problems := ParseWith("c.yml", []byte("agent: {id: '${NONE}', hostname: x}\nresponse: {whitelist: [192.0.2.1, \"${OFFICE}\"]}\n"), o)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintln(c.Unset(), c.Agent.ID, c.Agent.Hostname, c.Response.Whitelist); got != "[NONE (agent.id) OFFICE (response.whitelist)] auto x [192.0.2.1/32]\n" {
		t.Error(got)
	}
}
