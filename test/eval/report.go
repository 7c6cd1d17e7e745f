package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// reportHead is what the report says before its tables. %d: rules and cases.
const reportHead = `# Detection quality

How much of what should be found is found, and how often an alert is raised for
nothing. This page is written by ` + "`make quality`" + ` (%d rules, %d cases of tiers 1
and 2); the cases are labelled log lines made from the test data of other
projects and from real logs, and are not part of this repository. They are known
to whoever writes the rules, so other cases give lower figures.

- **Recall**: a single line counts as found when a rule matches it, also one that
  only counts towards a threshold. In a sequence of lines a threat must be raised.
- **False alerts**: harmless lines that raise an alert, of 100,000. Each case begins
  with nothing remembered; the real logs are read as wholes besides.
- **95 %%**: the interval by Wilson (1927). **With anomaly**: with the anomaly stage and
  the payload model, which never block by themselves.
- **Extra/clean**: addresses reported in sequences that no label asks for, and how
  many of those are known to be harmless.

Only what a log holds can be found: of an HTTP request that is method, target,
status, size, referer and user agent. Bodies, cookies and other headers, where
most injections are sent today, are not logged.
`

// writeReport writes the page of the manual.
func writeReport(path string, rules int, cases []*Case, off, on *score, tables []table) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, reportHead, rules, len(cases))
	mean, types := off.mean()
	meanOn, _ := on.mean()
	markdown(&b, tables[:1])
	fmt.Fprintf(&b, "\nMean recall over the %d types with at least 5 cases: %.1f %%, with anomaly %.1f %%.\n", types, mean, meanOn)
	markdown(&b, tables[1:])
	return os.WriteFile(path, []byte(strings.ReplaceAll(b.String(), "\n\n\n", "\n\n")), 0o644)
}
