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
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

// options say what to evaluate and what to show.
type options struct {
	corpus, dump, report, rules string
	tier, misses, falses        int
	suite                       *regexp.Regexp
	mutations                   bool
}

func main() {
	var opt options
	flag.StringVar(&opt.corpus, "corpus", "", "`folder` with *.jsonl files of cases")
	flag.StringVar(&opt.rules, "rules", "", "also use the rules in this `folder`, also such in Sigma's format")
	flag.IntVar(&opt.tier, "tier", 2, "count cases up to this tier")
	suite := flag.String("suite", "", "only suites that match this `expression`")
	flag.IntVar(&opt.misses, "misses", 0, "show so many missed cases of each type")
	flag.IntVar(&opt.falses, "false", 0, "show so many false alerts of each rule")
	flag.StringVar(&opt.dump, "detections", "", "also write what was detected to this `file`, a JSON object a case")
	flag.StringVar(&opt.report, "report", "", "also write the tables to this `file`, as Markdown")
	flag.BoolVar(&opt.mutations, "mutations", false, "instead, show what is lost when attacks on web servers are disguised")
	flag.Parse()
	var err error
	if opt.suite, err = regexp.Compile(*suite); err == nil {
		err = run(opt)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "eval:", err)
		os.Exit(1)
	}
}

func run(opt options) error {
	paths, err := filepath.Glob(filepath.Join(opt.corpus, "*.jsonl"))
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		fmt.Printf("There are no labelled cases in %q: nothing was evaluated. Name a folder with CORPUS=…\n", opt.corpus)
		return nil
	}
	slices.Sort(paths)
	var cases []*Case
	for _, path := range paths {
		if err := each(path, func(c *Case) error {
			if (c.Tier <= opt.tier || c.Expect.Attack == nil) && opt.suite.MatchString(c.Suite) {
				cases = append(cases, c)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	known, err := reasons()
	if err != nil {
		return err
	}
	set, err := ruleSet(opt.rules)
	if err != nil {
		return err
	}
	if opt.mutations {
		return robust(set, cases, opt.misses)
	}
	now := time.Now()
	off, on := &runner{set: set, now: now}, &runner{set: set, now: now, anomaly: true}
	_, without, err := judgeAll(off, cases)
	if err != nil {
		return err
	}
	verdicts, with, err := judgeAll(on, cases)
	if err != nil {
		return err
	}
	if err := dump(opt.dump, verdicts); err != nil {
		return err
	}

	tables := without.tables(with)
	slow, err := slowAttacks(off, on)
	if err != nil {
		return err
	}
	logs, err := wholeLogs(cases, off, on)
	if err != nil {
		return err
	}
	times, err := timesToDetect(cases, on)
	if err != nil {
		return err
	}
	tables = append(tables, logs, times, slow, with.notFound(known))
	fmt.Printf("%d rules, %d cases\n", set.Len(), len(cases))
	if err := printTables(os.Stdout, tables); err != nil {
		return err
	}
	mean, types := without.mean()
	meanOn, _ := with.mean()
	fmt.Printf("\nmean recall over the %d types with at least 5 cases: %.1f %%, with anomaly %.1f %%\n", types, mean, meanOn)
	list(os.Stdout, "missed", with.misses, opt.misses)
	list(os.Stdout, "false alerts by", with.falses, opt.falses)
	if opt.report == "" {
		return nil
	}
	return writeReport(opt.report, set.Len(), cases, without, with, tables)
}

// ruleSet compiles the shipped rules, and those of a folder if one is named.
func ruleSet(folder string) (*rule.Set, error) {
	cfg := config.Default()
	none := "/nonexistent"
	cfg.Detection.Rules.CustomDir, cfg.Detection.Rules.ExceptionsDir, cfg.Detection.Rules.ListsDir = none, none, none
	if folder != "" {
		cfg.Detection.Rules.CustomDir = folder
	}
	rs, err := setup.LoadRules(cfg, setup.Options{Now: time.Now()})
	if err != nil {
		return nil, err
	}
	for _, p := range rs.Problems {
		if !p.Warning {
			return nil, p
		}
	}
	return rs.Set, nil
}

// judgeAll judges every case and adds up.
func judgeAll(r *runner, cases []*Case) (out []Verdict, sc *score, err error) {
	sc = newScore()
	out = make([]Verdict, len(cases))
	for i, c := range cases {
		if out[i], err = r.judge(c); err != nil {
			return nil, nil, err
		}
		sc.add(c, out[i])
	}
	return out, sc, nil
}

// dump writes verdicts, a JSON object a line.
func dump(path string, verdicts []Verdict) (err error) {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := json.NewEncoder(f)
	for _, v := range verdicts {
		if err := out.Encode(v); err != nil {
			return err
		}
	}
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
