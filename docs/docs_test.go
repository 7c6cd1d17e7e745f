package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/sigma"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

// pages are the files of the manual, relative to this directory.
func pages(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 7 {
		t.Fatalf("only %d pages were found", len(names))
	}
	return append(names, "../CONTRIBUTING.md", "../SECURITY.md", "../README.md")
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// block is a fenced block of a page: "```yaml rule" has the info "yaml rule".
type block struct {
	page, info, text string
	line             int
}

func blocks(t *testing.T) []block {
	t.Helper()
	var out []block
	for _, page := range pages(t) {
		var b *block
		for i, line := range strings.Split(read(t, page), "\n") {
			switch {
			case b == nil && strings.HasPrefix(line, "```"):
				b = &block{page: page, info: strings.TrimPrefix(line, "```"), line: i + 1}
			case b != nil && line == "```":
				out, b = append(out, *b), nil
			case b != nil:
				b.text += line + "\n"
			}
		}
		if b != nil {
			t.Errorf("%s:%d: the block has no end", page, b.line)
		}
	}
	return out
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// TestRuleExamples: every example of a rule compiles without warnings that
// matter and passes its own tests. The rules of one page are one set, so that
// they may name each other.
func TestRuleExamples(t *testing.T) {
	byPage := map[string][]*rule.Rule{}
	ran := 0
	for _, b := range blocks(t) {
		if b.info != "yaml rule" {
			continue
		}
		rs, problems := rule.ParseFile(b.String(), []byte(b.text))
		for _, p := range problems {
			t.Error(p)
		}
		if len(rs) == 0 {
			t.Errorf("%s: no rule in the block", b)
		}
		byPage[b.page] = append(byPage[b.page], rs...)
	}
	for page, rs := range byPage {
		set, problems := rule.Compile(rs)
		for _, p := range problems {
			t.Errorf("%s: %v", page, p)
		}
		for _, r := range rs {
			if len(r.Tests) == 0 {
				t.Errorf("%s:%d: rule %s has no tests", r.File, r.Line, r.ID)
			}
			for _, res := range engine.RunTests(r, set) {
				if ran++; !res.Passed() {
					t.Error(res)
				}
			}
		}
	}
	if ran < 8 {
		t.Errorf("only %d tests of examples were run", ran)
	}
}

// TestSigmaExamples: every example in Sigma's format loads.
func TestSigmaExamples(t *testing.T) {
	found := 0
	for _, b := range blocks(t) {
		if b.info != "yaml sigma" {
			continue
		}
		docs, problems := rule.Documents(b.String(), []byte(b.text))
		c := &sigma.Collection{}
		for _, d := range docs {
			problems = append(problems, c.Add(d)...)
		}
		rs, reports := c.Rules()
		_, more := rule.Compile(rs)
		for _, p := range append(problems, more...) {
			t.Error(p)
		}
		for _, r := range reports {
			if found++; !r.Loaded {
				t.Errorf("%s: %q is not loaded: %s", b, r.Title, r.Reason)
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d documents were found", found)
	}
}

// TestConfigExamples: every example of a configuration is one; those marked
// "config faulty" are not.
func TestConfigExamples(t *testing.T) {
	found := 0
	for _, b := range blocks(t) {
		switch _, problems := config.Parse(b.String(), []byte(b.text)); {
		case b.info == "yaml config":
			if found++; problems.Err() != nil {
				t.Error(problems)
			}
		case b.info == "yaml config faulty" && problems.Err() == nil:
			t.Errorf("%s: the example of a faulty configuration has no fault", b)
		case b.info == "yaml":
			t.Errorf("%s: say what this is: ```yaml rule or ```yaml config", b)
		}
	}
	if found < 4 {
		t.Errorf("only %d examples were found", found)
	}
}

// TestKeys: docs/configuration.md has a row for each key, in the form
// "| `agent.id` | type | default | ...", with the default that holds.
func TestKeys(t *testing.T) {
	text := read(t, "configuration.md")
	shown := defaults(t)
	for _, key := range config.Keys() {
		cells := row(text, key)
		switch {
		case cells == nil:
			t.Errorf("configuration.md has no row for %s", key)
		case shown[key] != "" && strings.Trim(cells[2], "` ") != shown[key]:
			t.Errorf("configuration.md says that the default of %s is %s; it is %s", key, cells[2], shown[key])
		case strings.TrimSpace(cells[3]) != takenAt(key):
			t.Errorf("configuration.md says that %s is taken at %s; it is at %s", key, cells[3], takenAt(key))
		}
	}
	for _, key := range []string{"path", "type", "trusted_proxies", "from_start", "timezone"} {
		if row(text, key) == nil {
			t.Errorf("configuration.md has no row for logs.sources[].%s", key)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.A-Z]+\\.[a-z_.A-Z0-9]+)` \\|").FindAllStringSubmatch(text, -1) {
		if !slices.Contains(config.Keys(), m[1]) {
			t.Errorf("configuration.md has a row for %s, which is no key", m[1])
		}
	}
}

// takenAt says when a change of a key takes effect.
func takenAt(key string) string {
	switch {
	case config.NeedsRestart(key):
		return "restart"
	case config.AtRuntime(key):
		return "run time"
	}
	return "reload"
}

func row(text, key string) []string {
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, "| `"+key+"` |"); ok {
			return append([]string{key}, strings.Split(rest, "|")...)
		}
	}
	return nil
}

// defaults reads "key: value # default" lines out of what config show prints;
// lists that fill several lines are left out.
func defaults(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	var path []string
	for line := range strings.SplitSeq(config.Show(config.Default()), "\n") {
		trimmed := strings.TrimLeft(line, " ")
		name, rest, ok := strings.Cut(trimmed, ":")
		if !ok || strings.HasPrefix(trimmed, "-") {
			continue
		}
		path = append(path[:min(len(path), (len(line)-len(trimmed))/2)], name)
		if value, isValue := strings.CutSuffix(strings.TrimSpace(rest), " # default"); isValue {
			out[strings.Join(path, ".")] = value
		}
	}
	if out["response.min_score"] != "0.6" || len(out) < 15 {
		t.Fatalf("the defaults could not be read: %v", out)
	}
	return out
}

// table marks the part of a page that is written by this test.
var table = regexp.MustCompile(`(?s)(<!-- rules -->\n).*?(<!-- /rules -->)`)

// TestTables: the table of built-in rules is what the rules say. With UPDATE=1
// it is written instead.
func TestTables(t *testing.T) {
	all, problems := rules.Load()
	for _, p := range problems {
		t.Error(p)
	}
	const page = "detection.md"
	text := read(t, page)
	if !table.MatchString(text) {
		t.Fatalf("%s has no place for the table: <!-- rules -->", page)
	}
	want := table.ReplaceAllStringFunc(text, func(string) string {
		return "<!-- rules -->\n" + ruleTable(all) + "<!-- /rules -->"
	})
	if want == text {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("the table of rules in %s is out of date: run go generate ./docs", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func ruleTable(all []*rule.Rule) string {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b *rule.Rule) int { return strings.Compare(a.ID, b.ID) })
	var b strings.Builder
	b.WriteString("| Rule | What | Severity | Confidence | Type | Fires on | ATT&CK |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range all {
		severity := r.Severity.String()
		switch {
		case r.Advisory:
			severity += ", advisory"
		case r.NoBlock():
			severity += ", alert only"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %.2f | %s | %s | %s |\n",
			r.ID, cell(r.Name), severity, r.Confidence, r.Type, cell(fires(r)), strings.Join(techniques(r.Tags), ", "))
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// fires says in short when a rule fires.
func fires(r *rule.Rule) string {
	switch a := r.Aggregation; {
	case r.Sequence != nil:
		return fmt.Sprintf("%d steps in %s", len(r.Sequence.Steps), span(r.Sequence.Within))
	case a == nil:
		return "one event"
	case a.Mode == rule.Leaky:
		return fmt.Sprintf("%d, one leaks each %s", a.Threshold, span(a.Leak))
	case a.Distinct != rule.NoField:
		return fmt.Sprintf("%d different %s in %s", a.Threshold, a.Distinct.Name(), span(a.Window))
	default:
		return fmt.Sprintf("%d in %s", a.Threshold, span(a.Window))
	}
}

func span(d time.Duration) string {
	for _, u := range []struct {
		name string
		d    time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}} {
		if d >= u.d && d%u.d == 0 {
			return fmt.Sprintf("%d %s", d/u.d, u.name)
		}
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func techniques(tags []string) []string {
	var out []string
	for _, tag := range tags {
		if id, ok := strings.CutPrefix(tag, "attack.t"); ok {
			out = append(out, "T"+id)
		}
	}
	return out
}

// TestFields: docs/rules-authoring.md names every field.
func TestFields(t *testing.T) {
	text := read(t, "rules-authoring.md")
	for _, name := range rule.FieldNames() {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("rules-authoring.md does not name the field %s", name)
		}
	}
}

// TestPromises: the tests that reliability.md names exist.
func TestPromises(t *testing.T) {
	var code strings.Builder
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, "_test.go") {
			var data []byte
			data, err = os.ReadFile(name)
			code.Write(data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, "reliability.md")
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(text, -1) {
		if !strings.Contains(code.String(), "func "+name+"(") {
			t.Errorf("reliability.md names %s, which does not exist", name)
		}
	}
	for _, id := range regexp.MustCompile(`\b[A-G][0-9]{2}\b`).FindAllString(text, -1) {
		if !strings.Contains(code.String(), `"`+id+" ") {
			t.Errorf("reliability.md names %s, which no test has", id)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	letters = regexp.MustCompile(`[^a-z0-9 _-]`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
)

// TestLinks: links between pages lead to a file and to a heading in it.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, page), ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, target)), anchor) {
				t.Errorf("%s links to %s: there is no such heading", page, m[1])
			}
		}
	}
}

// anchors are the names that code hosts give to headings.
func anchors(text string) []string {
	var out []string
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := letters.ReplaceAllString(strings.ToLower(m[1]), "")
		out = append(out, strings.ReplaceAll(name, " ", "-"))
	}
	return out
}
