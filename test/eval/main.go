// Command eval runs labelled log lines through the engine and prints how many
// attacks it finds, whether type and address are right, and how often it raises
// an alert for nothing.
//
// The cases are JSON lines, one object a case (see [Case]). A single line
// counts as detected when a rule matches it, also one that only counts towards
// a threshold; in a sequence of lines an alert must be raised. A harmless line
// is a false alert when an alert is raised because of it.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

func main() {
	corpus := flag.String("corpus", "", "`folder` with *.jsonl files of cases")
	tier := flag.Int("tier", 2, "count cases up to this tier")
	suite := flag.String("suite", "", "only suites that match this `expression`")
	misses := flag.Int("misses", 0, "show so many missed cases of each type")
	falses := flag.Int("false", 0, "show so many false alerts of each rule")
	dump := flag.String("detections", "", "also write what was detected to this `file`, a JSON object a case")
	flag.Parse()
	if err := run(*corpus, *tier, *suite, *misses, *falses, *dump); err != nil {
		fmt.Fprintln(os.Stderr, "eval:", err)
		os.Exit(1)
	}
}

func run(corpus string, tier int, suite string, misses, falses int, dump string) error {
	only, err := regexp.Compile(suite)
	if err != nil {
		return fmt.Errorf("reading -suite: %w", err)
	}
	paths, err := filepath.Glob(filepath.Join(corpus, "*.jsonl"))
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		fmt.Printf("There are no labelled cases in %q: nothing was evaluated. Name a folder with CORPUS=…\n", corpus)
		return nil
	}
	all, problems := rules.Load()
	set, more := rule.Compile(all)
	for _, p := range append(problems, more...) {
		if !p.Warning {
			return p
		}
	}
	var out *json.Encoder
	if dump != "" {
		f, err := os.Create(dump)
		if err != nil {
			return err
		}
		defer f.Close()
		out = json.NewEncoder(f)
	}
	sc := newScore()
	r := newRunner(set)
	slices.Sort(paths)
	for _, path := range paths {
		if err := each(path, func(c *Case) error {
			if c.Tier > tier && c.Expect.Attack != nil || !only.MatchString(c.Suite) {
				return nil
			}
			v := r.judge(c)
			sc.add(c, v)
			if out != nil {
				return out.Encode(v)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	sc.print(set.Len(), misses, falses)
	return nil
}

// Case is one labelled case.
type Case struct {
	ID     string   `json:"id"`
	Suite  string   `json:"suite"`
	Tier   int      `json:"tier"`
	Source string   `json:"source"`
	Line   string   `json:"line"`
	Lines  []string `json:"lines"`
	Expect Expect   `json:"expect"`
}

// Expect is what a detector should say about a case.
type Expect struct {
	// Attack is nil where the case is not scored.
	Attack *bool    `json:"attack"`
	Type   string   `json:"type"`
	IP     string   `json:"ip"`
	Accept []string `json:"accept"`
	Alerts []struct {
		Type   string   `json:"type"`
		IP     string   `json:"ip"`
		Accept []string `json:"accept"`
	} `json:"alerts"`
	CleanIPs []string `json:"clean_ips"`
}

// sequence reports whether the case is several lines of one log.
func (c *Case) sequence() bool { return c.Lines != nil }

func (c *Case) lines() []string {
	if c.sequence() {
		return c.Lines
	}
	return []string{c.Line}
}

// each calls f for each case of a file.
func each(path string, f func(*Case) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sc := bufio.NewScanner(file)
	sc.Buffer(nil, 64<<20)
	for n := 1; sc.Scan(); n++ {
		if len(sc.Bytes()) == 0 {
			continue
		}
		c := &Case{Tier: 1}
		if err := json.Unmarshal(sc.Bytes(), c); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if err := f(c); err != nil {
			return err
		}
	}
	return sc.Err()
}
