package ctl

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAgentsRules: without an agent, the rules, exceptions and lists of the
// configuration are those that the agent loads.
func TestAgentsRules(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	conf := write("config.yml", fmt.Sprintf("detection:\n  rules: {custom_rules_dir: %[1]s/rules.d, exceptions_dir: %[1]s/exceptions.d, lists_dir: %[1]s/lists}\ndatabase: {path: %[1]s/db}\n", dir))
	write("rules.d/mine.yml", "id: MINE\nname: Somebody asks for a page of the list\nseverity: HIGH\ntype: scanner\nlog_source: nginx\nconditions: {field: http.path, in_file: pages}\n")
	write("lists/pages", "/secret\n")
	write("exceptions.d/ours.yml", "rules: [MINE]\nreason: our own test\nexpires: "+clock.AddDate(0, 1, 0).Format(time.DateOnly)+"\nmatch: {src_ip: [203.0.113.8]}\n")
	log := write("access.log", "203.0.113.7 - - [09/Feb/2026:14:00:00 +0000] \"GET /secret HTTP/1.1\" 404 5 \"-\" \"curl\"\n"+
		"203.0.113.8 - - [09/Feb/2026:14:00:00 +0000] \"GET /secret HTTP/1.1\" 404 5 \"-\" \"curl\"\n")
	run := func(args ...string) (int, string) {
		t.Helper()
		var out bytes.Buffer
		a := &app{
			version: "1", stdin: strings.NewReader(""), now: func() time.Time { return clock }, defaultConfig: "none",
			out: &screen{w: bufio.NewWriter(&out)}, err: &screen{w: bufio.NewWriter(&out)},
		}
		code := a.run(t.Context(), append(args, "--config", conf))
		return code, out.String()
	}
	code, out := run("ai", "analyze", "--type", "nginx", "--format", "jsonl", "--every-line", log)
	if lines := strings.Split(out, "\n"); code != 0 || !strings.Contains(lines[0], `"MINE"`) || strings.Contains(lines[1], `"MINE"`) {
		t.Errorf("analyze: exit code %d\n%s", code, out)
	}
	if code, out := run("rules", "lint", "--quiet"); code != 0 || !strings.Contains(out, "no faults") {
		t.Errorf("lint: exit code %d\n%s", code, out)
	}
	// What the agent would refuse is a fault here, too.
	for _, spoilt := range []string{"rules.d/mine.yml", "exceptions.d/ours.yml", "lists/pages"} {
		path := filepath.Join(dir, spoilt)
		if err := os.Chmod(path, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"lint", "test"} {
			if code, out := run("rules", verb); code != exitFindings || !strings.Contains(out, "chmod go-w "+path) {
				t.Errorf("%s: %s: exit code %d\n%s", spoilt, verb, code, out)
			}
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// What was set at run time counts.
	write("runtime.yml", "detection: {rules: {disabled: [MINE]}}\n")
	if code, out := run("ai", "analyze", "--type", "nginx", "--format", "jsonl", "--every-line", log); code != 0 || strings.Contains(out, `"MINE"`) {
		t.Errorf("disabled at run time: exit code %d\n%s", code, out)
	}
}
