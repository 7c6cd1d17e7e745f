// Command faults runs the tests of the catalogue of faults and attacks and
// prints a table: each row of the catalogue (rows.txt), what was tried for it,
// and the result. Rows for which nothing is tried are named too.
//
// A test belongs to a row if a part of its name begins with the row's id:
// TestFaultForeignChanges/E03_nft_flush_ruleset. The tests find the variable
// SENTINEL_FAULTS=long in their environment, for the sizes and counts that take
// too long for everyday runs; -short leaves it out.
package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

//go:embed rows.txt
var rowsText string

// rowID finds the id of a row at the beginning of a subtest's name.
var rowID = regexp.MustCompile(`^([A-Z][0-9][0-9])(?:_(.*))?$`)

func main() {
	short := flag.Bool("short", false, "everyday sizes instead of the full ones")
	only := flag.String("only", "", "rows whose ids match this `expression`")
	flag.Parse()
	failed, err := run(*short, *only, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(2)
	}
	if failed {
		os.Exit(1)
	}
}

// run runs the tests of the packages (all if none are named) and prints the
// table. It reports whether anything failed.
func run(short bool, only string, packages []string) (failed bool, err error) {
	pattern := "^TestFault"
	if only != "" {
		if _, err := regexp.Compile(only); err != nil {
			return false, fmt.Errorf("reading -only: %w", err)
		}
		pattern += "/^(" + only + ")"
	}
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	args := append([]string{"test", "-json", "-count=1", "-timeout=60m", "-p=1", "-run", pattern}, packages...)
	cmd := exec.Command("go", args...)
	cmd.Env = os.Environ()
	if !short {
		cmd.Env = append(cmd.Env, "SENTINEL_FAULTS=long")
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("starting the tests: %w", err)
	}
	results, log, readErr := read(out)
	waitErr := cmd.Wait()
	if readErr != nil {
		return false, fmt.Errorf("reading what the tests say: %w", readErr)
	}
	t := newTable(catalogue(rowsText), results)
	t.print(os.Stdout, only)
	if waitErr != nil || t.failed > 0 {
		fmt.Println("\nwhat the failed tests said:")
		fmt.Print(log)
	}
	return waitErr != nil || t.failed > 0 || t.tried == 0, nil
}

// event is what "go test -json" says, see "go doc test2json".
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // seconds
}

// result is how one test ended.
type result struct {
	name    string // of the test, with all its parts
	status  string // pass, fail or skip
	seconds float64
}

// read collects the results of tests and what failed ones printed, and shows on
// the way which rows are done.
func read(r io.Reader) (results []result, log string, err error) {
	said := make(map[string]*strings.Builder) // by package and test
	var failures strings.Builder
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var ev event
		if json.Unmarshal(sc.Bytes(), &ev) != nil {
			fmt.Fprintln(&failures, sc.Text()) // of the compiler
			continue
		}
		key := ev.Package + " " + ev.Test
		switch ev.Action {
		case "output", "build-output":
			b := said[key]
			if b == nil {
				b = &strings.Builder{}
				said[key] = b
			}
			b.WriteString(ev.Output)
		case "pass", "fail", "skip":
			if b := said[key]; b != nil && ev.Action == "fail" {
				failures.WriteString(b.String())
			}
			delete(said, key)
			if ev.Test != "" {
				results = append(results, result{ev.Test, ev.Action, ev.Elapsed})
			}
		case "build-fail":
			failures.WriteString(ev.Package + " does not build\n")
		}
	}
	for _, b := range said { // of packages that did not come to an end
		failures.WriteString(b.String())
	}
	return results, failures.String(), sc.Err()
}

// row is one line of the table.
type row struct{ id, what, result, took string }

type table struct {
	rows   []row
	tried  int // tests
	failed int // of these
	missed int // rows of the catalogue without a test
}

// catalogue reads lines of an id and a text.
func catalogue(text string) (rows []row) {
	for line := range strings.Lines(text) {
		id, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		if id != "" {
			rows = append(rows, row{id: id, what: what})
		}
	}
	return rows
}

// newTable puts results into the order of the catalogue. Of a test with
// subtests the subtests stand alone.
func newTable(known []row, results []result) *table {
	parent := make(map[string]bool)
	for _, r := range results {
		for name := r.name; strings.Contains(name, "/"); {
			name = name[:strings.LastIndexByte(name, '/')]
			parent[name] = true
		}
	}
	t := &table{}
	tried := make(map[string]bool)
	for _, r := range results {
		id, what := place(r.name)
		if id == "" || parent[r.name] && r.status == "pass" {
			continue
		}
		tried[id] = true
		t.tried++
		word := "ok"
		if r.status != "pass" {
			word = strings.ToUpper(r.status)
			t.failed++
		}
		t.rows = append(t.rows, row{id, what, word, fmt.Sprintf("%.1f s", r.seconds)})
	}
	for _, k := range known {
		if !tried[k.id] {
			t.missed++
			k.result = "not tried"
			t.rows = append(t.rows, k)
		}
	}
	slices.SortStableFunc(t.rows, func(a, b row) int { return strings.Compare(a.id, b.id) })
	return t
}

// place returns the row that a test is of and what it tries.
func place(name string) (id, what string) {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		m := rowID.FindStringSubmatch(p)
		if m == nil {
			continue
		}
		words := parts[i+1:]
		if m[2] != "" {
			words = append([]string{m[2]}, words...)
		}
		return m[1], strings.ReplaceAll(strings.Join(words, ", "), "_", " ")
	}
	return "", ""
}

// print writes the table; with only, rows without a test are left out.
func (t *table) print(w io.Writer, only string) {
	fmt.Fprintf(w, "%-4s %-84s %-9s %8s\n", "row", "what was tried", "result", "took")
	for _, r := range t.rows {
		if only != "" && r.result == "not tried" {
			continue
		}
		what := r.what
		if len(what) > 84 {
			what = what[:81] + "..."
		}
		fmt.Fprintf(w, "%-4s %-84s %-9s %8s\n", r.id, what, r.result, r.took)
	}
	fmt.Fprintf(w, "\n%d tried, %d failed", t.tried, t.failed)
	if only == "" {
		fmt.Fprintf(w, ", %d rows of the catalogue not tried", t.missed)
	}
	fmt.Fprintln(w)
}
