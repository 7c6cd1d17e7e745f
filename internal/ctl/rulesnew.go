package ctl

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// The kinds of rules.
const (
	kindSingle   = "single"
	kindCount    = "count"
	kindDistinct = "distinct"
	kindSequence = "sequence"
)

var ruleKinds = []string{kindSingle, kindCount, kindDistinct, kindSequence}

func newRulesNew(a *app) *cobra.Command {
	var kind, line, source string
	c := &cobra.Command{
		Use: "new ID", Short: "Write the beginning of a rule: one that works, with comments and tests",
		Long: `Write the beginning of a rule to standard output: one that loads and whose tests
pass, with a comment for each part. With --from-line its conditions and its test are
made of a line of a log; what was understood of that line stands above them.

  sentinelctl rules new MY_RULE --kind count > my.yml
  sentinelctl rules lint my.yml && sentinelctl rules test my.yml`,
		Args: someArgs(1, 1, "the id of the rule"),
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(ruleKinds, kind) {
				return usagef("--kind: %s is none of %s", quote(kind), strings.Join(ruleKinds, ", "))
			}
			draft := draftOf(kind)
			if line != "" {
				t, err := parse.ParseType(source)
				if err != nil {
					return usagef("--source-type: %v", err)
				}
				if draft, err = draftFrom(line, t, kind, a.now()); err != nil {
					return err
				}
			}
			text := draft.text(args[0], kind)
			if err := checkDraft(text); err != nil {
				return err
			}
			a.out.printf("%s", text)
			return nil
		},
	}
	c.Flags().StringVar(&kind, "kind", kindSingle, "one event (single), many (count), many different values (distinct), or several steps (sequence)")
	c.Flags().StringVar(&line, "from-line", "", "make conditions and a test of this `LINE` of a log")
	c.Flags().StringVar(&source, "source-type", "auto", "`TYPE` of the log of that line")
	return c
}

// draft is what a new rule is made of.
type draft struct {
	understood []string // of the line, "field  value"
	logSource  string
	typ, group string
	conditions []string // of an "all"
	distinct   string
	line       string // one that matches
	other      string // one that does not
	tag        string
	// step is the condition of the second step of a sequence, then the line of it.
	step, then string
}

// draftOf is a draft for a kind, without a line.
func draftOf(kind string) draft {
	if kind == kindSingle {
		return draft{
			logSource: "web", typ: "sensitive_file", group: "web", conditions: []string{"{field: http.path|canon, startswith: /admin/export}"},
			line:  `203.0.113.9 - - [10/Feb/2026:14:00:00 +0000] "GET /admin/export HTTP/1.1" 200 12 "-" "x"`,
			other: `203.0.113.9 - - [10/Feb/2026:14:00:00 +0000] "GET /admin/help HTTP/1.1" 200 12 "-" "x"`, tag: "attack.t1213",
		}
	}
	d := draft{
		logSource: "ssh", typ: "brute_force", group: "auth", conditions: []string{"{field: event_type, equals: [auth_fail, auth_invalid_user]}"},
		distinct: "user", line: "Feb  9 14:00:00 h sshd[81]: Failed password for root from 203.0.113.42 port 4242 ssh2",
		other: "Feb  9 14:00:00 h sshd[81]: Server listening on 0.0.0.0 port 22.", tag: "attack.t1110",
		step: "event_type: auth_ok", then: "Feb  9 14:00:00 h sshd[82]: Accepted password for root from 203.0.113.42 port 4243 ssh2",
	}
	return d
}

// draftFrom is a draft for lines like one.
func draftFrom(line string, t sentinel.SourceType, kind string, now time.Time) (draft, error) {
	if t == sentinel.TypeAuto {
		t = parse.Guess([]string{line})
	}
	var ev sentinel.Event
	p := parse.New(parse.Config{Type: t, TrustedProxies: config.DefaultSource().TrustedProxies})
	if !p.Parse(line, now, now, &ev) {
		return draft{}, failf(exitFailed, "the line is not understood, so that a rule has nothing but its text to go by").hint("sentinelctl explain-line shows what is understood of a line")
	}
	d := draftOf(kindCount)
	d.line, d.other, d.tag, d.typ, d.group, d.distinct = line, "an entirely different line", "", "other", "", "message"
	d.understood = fieldsOf(&ev)
	d.logSource = string(ev.SourceType)
	named := ev.SrcIP.IsValid()
	switch ev.Type {
	case sentinel.EventHTTPAccess, sentinel.EventHTTPError:
		d.logSource, d.group, d.distinct, d.typ = "web", "web", "http.path", "web_attack"
		path := ev.HTTP.Path
		if path == "" || path == "/" {
			d.conditions = []string{fmt.Sprintf("{field: http.target|canon, equals: %s}", yamlText(ev.HTTP.Target))}
		} else {
			d.conditions = []string{fmt.Sprintf("{field: http.path|canon, startswith: %s}", yamlText(strings.ToLower(path)))}
		}
		if ev.Type == sentinel.EventHTTPError {
			d.conditions = []string{"{field: event_type, equals: http_error}"}
			d.distinct = "message"
		} else {
			d.conditions = append(d.conditions, fmt.Sprintf("{field: http.method, equals: %s}", yamlText(ev.HTTP.Method)))
		}
		d.step = "http.status: 200"
	case sentinel.EventOther:
		if ev.Program != "" {
			d.conditions = []string{fmt.Sprintf("{field: program, equals: %s}", yamlText(ev.Program))}
		} else {
			d.conditions = nil
		}
		if pattern := addressPattern(ev.Message); pattern != "" {
			d.conditions = append(d.conditions, fmt.Sprintf("{field: message, pattern: %s}", yamlText(pattern)))
			named = true
		} else {
			d.conditions = append(d.conditions, fmt.Sprintf("{field: message, contains: %s}", yamlText(constant(ev.Message))))
		}
	default:
		d.conditions = []string{fmt.Sprintf("{field: event_type, equals: %s}", ev.Type)}
		if ev.Program != "" {
			d.conditions = append(d.conditions, fmt.Sprintf("{field: program, equals: %s}", yamlText(ev.Program)))
		}
		if ev.User != "" {
			d.distinct = "user"
		}
	}
	if kind != kindSingle && !named {
		return d, failf(exitFailed, "the line names no address, so that events cannot be counted by it").hint("--kind single makes a rule of one event")
	}
	if kind == kindSequence || kind == kindDistinct && d.distinct == "message" {
		return d, failf(exitFailed, "a rule of kind %s cannot be made of one line", kind).hint("begin with --kind count, or without --from-line")
	}
	return d, nil
}

// fieldsOf lists the fields of an event that have a value.
func fieldsOf(ev *sentinel.Event) (out []string) {
	for _, name := range rule.FieldNames() {
		f, err := rule.ParseField(name)
		if err != nil || f.Kind() == rule.KindTexts || f.Kind() == rule.KindFlags || f.Kind() == rule.KindBool || f == rule.Raw || f == rule.Audit {
			continue
		}
		if v := f.String(ev); v != "" && v != "0" && v != "-1" {
			out = append(out, fmt.Sprintf("%-18s %s", name, truncate(clean(v), 90)))
		}
	}
	return out
}

// addressPattern makes a pattern of a message with an address in it, which becomes
// the attacker's: both ends are held, so that nobody can put another address in
// its place. Empty: there is not exactly one.
func addressPattern(message string) string {
	at := words.FindAllStringIndex(message, -1)
	at = slices.DeleteFunc(at, func(m []int) bool {
		_, err := netip.ParseAddr(message[m[0]:m[1]])
		return err != nil
	})
	if len(at) != 1 {
		return ""
	}
	return "^" + anyOf(message[:at[0][0]]) + `(?P<attacker_ip>[0-9a-fA-F.:]+)` + anyOf(message[at[0][1]:]) + "$"
}

// words are what may be an address.
var words = regexp.MustCompile(`[0-9a-fA-F.:]*[0-9a-fA-F]`)

// anyOf is a pattern for text in which numbers and quoted words may differ.
func anyOf(text string) string {
	text = regexp.QuoteMeta(text)
	text = regexp.MustCompile(`"[^"]*"`).ReplaceAllLiteralString(text, `"[^"]*"`)
	return regexp.MustCompile(`[0-9]+`).ReplaceAllLiteralString(text, `\d+`)
}

// varying is what differs between lines of one kind.
var varying = regexp.MustCompile(`[0-9]+|"[^"]*"|'[^']*'|\S*[:/@=]\S*`)

// constant is the longest part of a message that other lines of its kind may have
// as well.
func constant(message string) string {
	best := ""
	for _, part := range varying.Split(message, -1) {
		if part = strings.TrimSpace(part); len(part) > len(best) {
			best = part
		}
	}
	if len(best) < 4 {
		return message
	}
	return best
}

// yamlText writes a text so that YAML reads it as it is.
func yamlText(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(data))
}

// text writes the rule.
func (d *draft) text(id, kind string) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# yaml-language-server: $schema=rule.schema.json   (sentinelctl rules schema > rule.schema.json)")
	p("id: %s", id)
	p("name: What happens, in a few words")
	p("description: The sentence that people read who are told about it.")
	p("severity: MEDIUM            # INFO, LOW, MEDIUM, HIGH, CRITICAL")
	if kind == kindSingle {
		p("confidence: 0.6             # how sure one match is; alone it blocks from HIGH and about 0.8 on")
	}
	p("type: %s", d.typ)
	if d.group != "" {
		p("group: %s                   # firings of one group and address are one threat", d.group)
	}
	p("log_source: %s", d.logSource)
	if len(d.understood) > 0 {
		p("# What was understood of the line:")
		for _, u := range d.understood {
			p("#   %s", u)
		}
	}
	if kind == kindSequence {
		p("sequence:")
		p("  by: attacker_ip           # what the events have in common")
		p("  within: 10m               # from the first to the last")
		p("  steps:")
		p("    - {id: fails, event_type: auth_fail, count: 3}")
		p("    - {id: ok, %s}", d.step)
	} else {
		p("conditions:                 # what an event must hold")
		p("  all:")
		for _, c := range d.conditions {
			p("    - %s", c)
		}
	}
	switch kind {
	case kindCount:
		p("aggregation: {group_by: attacker_ip, window: 10m, threshold: 5}   # five events of one address in ten minutes")
	case kindDistinct:
		p("aggregation: {group_by: attacker_ip, window: 5m, distinct: %s, threshold: 3}   # three different values", d.distinct)
	}
	p("actions: [notify]           # add {block_ip: {duration: 1h}} to let it block")
	tags := "[]"
	if d.tag != "" {
		tags = "[" + d.tag + "]"
	}
	p("tags: %s                    # of ATT&CK: attack.t1110, for example", tags)
	p("false_positives: [When it is wrong.]")
	p("tests:                      # sentinelctl rules test FILE")
	d.tests(p, kind)
	return b.String()
}

func (d *draft) tests(p func(string, ...any), kind string) {
	line := yamlText(d.line)
	switch kind {
	case kindSingle:
		p("  - name: it fires")
		p("    lines: [%s]", line)
		p("    expect: {fires: 1}")
	case kindCount:
		p("  - name: five within ten minutes")
		p("    every: 10s")
		p("    repeat: 5")
		p("    lines: [%s]", line)
		p("    expect: {fires: 1, at: 5}")
		p("  - name: four are too few")
		p("    every: 10s")
		p("    repeat: 4")
		p("    lines: [%s]", line)
		p("    expect: {fires: 0}")
	case kindDistinct:
		p("  - name: the same again and again")
		p("    every: 10s")
		p("    repeat: 5")
		p("    lines: [%s]", line)
		p("    expect: {fires: 0, matches: 5}")
		if strings.Contains(d.line, " root ") {
			p("  - name: three names")
			p("    every: 10s")
			p("    lines:")
			for _, user := range []string{"root", "admin", "test"} {
				p("      - %s", yamlText(strings.Replace(d.line, " root ", " "+user+" ", 1)))
			}
			p("    expect: {fires: 1, at: 3}")
		}
	case kindSequence:
		p("  - name: failed logins, then one that succeeds")
		p("    every: 10s")
		p("    lines:")
		for range 3 {
			p("      - %s", line)
		}
		p("      - %s", yamlText(d.then))
		p("    expect: {fires: 1, at: 4}")
	}
	p("  - name: something else")
	p("    lines: [%s]", yamlText(d.other))
	p("    expect: {fires: 0}")
}

// checkDraft loads the rule and runs its tests: nothing is handed out that does
// not work.
func checkDraft(text string) error {
	rules, problems := rule.ParseFile("new rule", []byte(text))
	set, more := rule.Compile(rules)
	for _, p := range append(problems, more...) {
		if !p.Warning {
			return usagef("%s", p.Message)
		}
	}
	for _, r := range rules {
		for _, t := range engine.RunTests(r, set) {
			if !t.Passed() {
				return failf(exitFailed, "no rule can be made of this line: %s", strings.Join(t.Failures, "; "))
			}
		}
	}
	return nil
}
