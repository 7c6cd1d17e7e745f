package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// What people see: the place, the line, the fault underlined, and a hint.
func TestProblemsInPrint(t *testing.T) {
	_, problems := Parse("/etc/sentinel/config.yml", []byte("agent:\n  idd: a\nresponse: {min_score: 0.3}\n"))
	const want = `/etc/sentinel/config.yml:2:3: agent.idd: there is no key "idd" in agent
  2 |   idd: a
    |   ^^^
  did you mean id?
/etc/sentinel/config.yml:3:23: response.min_score: 0.3 is not between 0.6 and 1
  3 | response: {min_score: 0.3}
    |                       ^^^
2 problems in /etc/sentinel/config.yml`
	if got := problems.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	const line = `/etc/sentinel/config.yml:2:3: agent.idd: there is no key "idd" in agent (did you mean id?)`
	if got := problems[0].Error(); got != line {
		t.Error(got)
	}
}

func TestLongLineIsCutAroundTheFault(t *testing.T) {
	_, problems := Parse("c.yml", []byte("response: {whitelist: ["+strings.Repeat("10.0.0.1, ", 1)+strings.Repeat("\"10.0.0.1\"  , ", 99)+"x]}\n"))
	if len(problems) != maxProblems {
		t.Fatalf("%d problems", len(problems))
	}
	for _, p := range problems[:maxProblems-1] {
		lines := strings.Split(p.String(), "\n")
		if len(lines) < 3 || len([]rune(lines[1])) > maxShown+10 {
			t.Fatalf("not cut: %s", p)
		}
		at := strings.Index(lines[2], "^")
		if got := string([]rune(lines[1])[at : at+strings.Count(lines[2], "^")]); got != `"10.0.0.1"` {
			t.Errorf("underlined is %q in\n%s", got, p)
		}
	}
}

func TestManyProblemsAreCounted(t *testing.T) {
	_, problems := Parse("c.yml", []byte(strings.Repeat("x: 1\n", 5000)))
	if n := len(problems); n != maxProblems+1 || problems[n-1].Message != "and 4900 more problems" {
		t.Errorf("%d problems, the last is %v", n, problems[n-1])
	}
}

// A small file cannot mean a huge amount of work, and a large one is not read.
func TestFaultBombs(t *testing.T) {
	t.Run("D04 alias bomb, deep nesting, long lists, a file of 1 GiB", testBombs)
}

func testBombs(t *testing.T) {
	const memory = 50 << 20
	billion := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'z'; c++ {
		billion += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 9))
	}
	for name, text := range map[string]string{
		"aliases":  billion,
		"alias":    "response:\n  whitelist: &w\n    - *w\n",
		"depth":    strings.Repeat("[", 200_000),
		"mappings": strings.Repeat("a: {", 200_000),
		"blocks":   deep(1000),
		"list":     "response:\n  whitelist:\n" + strings.Repeat("    - 1.1.1.1\n", 50_000),
		"keys":     numbered("k%d: 1\n", 100_000),
		"values":   "detection:\n  rules:\n    disabled:\n" + numbered("      - '%d x'\n", 9999),
		"sources":  "logs:\n  sources:\n" + numbered("    - {path: /%d, typ: x}\n", 9999),
		"size":     strings.Repeat("a", MaxSize+1),
	} {
		used := allocated(func() {
			if _, problems := Parse("c.yml", []byte(text)); len(problems) == 0 || len(problems) > maxProblems+1 {
				t.Errorf("%s: %d problems", name, len(problems))
			}
		})
		// The long lists and the many keys are as large as a file may be.
		if used > memory && len(text) < MaxSize/4 {
			t.Errorf("%s: %d bytes took %d bytes of memory", name, len(text), used)
		}
	}
	large := filepath.Join(t.TempDir(), "config.yml")
	if err := errors.Join(os.WriteFile(large, nil, 0o600), os.Truncate(large, 1<<30)); err != nil {
		t.Fatal(err)
	}
	used := allocated(func() {
		if _, err := Load(large); err == nil || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("1 GiB: %v", err)
		}
	})
	if used > memory {
		t.Errorf("1 GiB: took %d bytes of memory", used)
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func deep(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "agent:\n")
	}
	return b.String()
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
