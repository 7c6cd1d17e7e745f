package ctl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// analyze runs "ai analyze" and returns exit code and output.
func analyze(t testing.TB, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	a := &app{
		version: "1", stdin: strings.NewReader(""), now: func() time.Time { return clock }, defaultConfig: "none",
		out: &screen{w: bufio.NewWriter(&out)}, err: &screen{w: bufio.NewWriter(&out)},
	}
	code := a.run(t.Context(), append([]string{"ai", "analyze"}, args...))
	return code, out.String()
}

// writeLog writes a log of failed logins, n from begin on, every step apart.
func writeLog(t testing.TB, name, addr string, begin time.Time, step time.Duration, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s web01 sshd[%d]: Failed password for root from %s port %d ssh2\n",
			begin.Add(time.Duration(i)*step).Format(time.RFC3339), 100+i, addr, 4000+i)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOrderOfFiles: rotated files belong to one story, whatever their order, and
// logs of the same time are read side by side, so that nothing is too late.
func TestOrderOfFiles(t *testing.T) {
	old := writeLog(t, "auth.log.1", "203.0.113.1", clock.Add(-time.Hour), 20*time.Second, 3)
	young := writeLog(t, "auth.log", "203.0.113.1", clock.Add(-time.Hour+time.Minute), 20*time.Second, 3)
	other := writeLog(t, "other.log", "203.0.113.9", clock.Add(-50*time.Hour), 30*time.Minute, 100)
	early := writeLog(t, "early.log", "203.0.113.7", clock.Add(-40*time.Hour), time.Second, 10)
	var want string
	for _, files := range [][]string{{old, young, other, early}, {other, early, young, old}, {young, old, early, other}} {
		code, out := analyze(t, append([]string{"--format", "json"}, files...)...)
		var r report
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
			t.Fatalf("exit code %d, %v\n%s", code, err, out)
		}
		var got strings.Builder
		for _, th := range r.Threats {
			fmt.Fprintf(&got, "%s %s %d %s\n", th.AttackerIP, th.Severity, th.EventCount, th.CreatedAt.Format(time.RFC3339))
		}
		for _, b := range r.Blocks {
			fmt.Fprintf(&got, "block %s %s\n", b.Prefix, b.Created.Format(time.RFC3339))
		}
		if want == "" {
			want = got.String()
			for _, s := range []string{"block 203.0.113.1/32", "block 203.0.113.7/32"} {
				if !strings.Contains(want, s) {
					t.Fatalf("no %s in\n%s", s, want)
				}
			}
		}
		if got.String() != want {
			t.Errorf("in another order:\n%s\nwant:\n%s", got.String(), want)
		}
	}
}

// TestEveryLineOrder: one object for each line, empty and hostile ones included,
// in order, each valid JSON that no terminal obeys.
func TestEveryLineOrder(t *testing.T) {
	lines := []string{
		"", "\x1b]0;x\x07\xff\xfe", strings.Repeat("y", 20_000), "Feb  9 14:00:01 web01 sshd[1]: Failed password for \x1b[2J\xff from 203.0.113.1 port 1 ssh2\r",
		`203.0.113.1 - - [09/Feb/2026:14:00:00 +0000] "GET /?q=1%27%20UNION%20SELECT%20password%20FROM%20users--%20 HTTP/1.1" 200 5 "-" "x\xc3\x28"`,
	}
	path := filepath.Join(t.TempDir(), "x.log")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out := analyze(t, "--every-line", "--format", "jsonl", path)
	got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if code != 0 || len(got) != len(lines) {
		t.Fatalf("exit code %d, %d objects\n%s", code, len(got), out)
	}
	for i, l := range got {
		var x struct {
			Line    int
			Matches []struct {
				RuleID string `json:"rule_id"`
				Text   string
			}
			Severity string
		}
		if err := json.Unmarshal([]byte(l), &x); err != nil || x.Line != i+1 || x.Severity == "" || !safe(l) {
			t.Errorf("%d: %v in %.300q", i, err, l)
		}
		if i == len(got)-1 && (len(x.Matches) == 0 || x.Matches[0].Text == "" || len(x.Matches[0].Text) > maxMatchText) {
			t.Errorf("no match in %s", l)
		}
	}
}

// TestReportBounds: a log of any number of attackers and shapes fits.
func TestReportBounds(t *testing.T) {
	var r report
	r.shapes = map[string]*shapeReport{}
	for i := range shapeAll + 3000*shapeStep {
		r.unparsed(strings.Repeat("w", i%5000/2) + " x")
	}
	if len(r.shapes) > maxShapes {
		t.Errorf("%d shapes", len(r.shapes))
	}
}

func BenchmarkEveryLine(b *testing.B) {
	path := writeLog(b, "auth.log", "203.0.113.1", clock.Add(-time.Hour), 10*time.Millisecond, 100_000)
	for b.Loop() {
		analyze(b, "--every-line", "--format", "jsonl", path)
	}
	b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkAnalyze(b *testing.B) {
	path := writeLog(b, "auth.log", "203.0.113.1", clock.Add(-time.Hour), 10*time.Millisecond, 100_000)
	for b.Loop() {
		analyze(b, path)
	}
	b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
