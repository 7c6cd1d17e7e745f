package sigma

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// License stands for the licence of rules that name none.
const License = "not named by the rule; SigmaHQ's rules are under the Detection Rule License 1.1"

// Report says what became of one document.
type Report struct {
	File string
	Line int
	// Form is rule, correlation or filter.
	Form, ID, Title, Author string
	// Category is the log source in a word (auditd, process_creation, webserver,
	// syslog, ...) or, where it is not read here, as the document has it.
	Category string
	// Needs is the log that the rule reads: audit, syslog or web.
	Needs string
	// RuleID is the rule that it became; empty if it was left out, or serves a
	// correlation or other rules only.
	RuleID string
	Loaded bool
	// Reason says why it is not loaded.
	Reason string
	// Missing is the log source or field that is missing, if that is the reason.
	Missing string
	// Watch is what the audit system must record for it.
	Watch Watch
}

// Collection gathers documents of any number of files: correlations and filters
// name rules that stand elsewhere.
type Collection struct {
	docs []*document
	// ready are the documents of which rules can be made, by their names and ids.
	ready map[string]*entry
	ids   map[string]string // the whole id that a short rule id is taken by
	uses  []*rule.Rule
}

// entry is a document on its way to a rule.
type entry struct {
	doc  *document
	rep  *Report
	src  *source
	when *expr
	// filtered is what filters let pass.
	filtered *expr
	rule     *rule.Rule // of a correlation that others name
	// served: a correlation needs it, and no one else.
	served bool
	busy   bool
	err    error
}

// Add takes a document, for which Is holds. A document that is not in the form
// that Sigma asks for is a problem.
func (c *Collection) Add(in rule.Document) []rule.Problem {
	d, err := read(in)
	if err != nil {
		var f fault
		p := rule.Problem{File: in.File, Line: in.Root.Line + in.Offset, Message: err.Error()}
		if errors.As(err, &f) {
			p.Line, p.Column = f.line, f.column
		}
		p.Message = fmt.Sprintf("Sigma document %q: %s", d.title, p.Message)
		return []rule.Problem{p}
	}
	c.docs = append(c.docs, d)
	return nil
}

// Len returns the number of documents.
func (c *Collection) Len() int { return len(c.docs) }

// Rules makes rules of all documents and reports on each, in the order of their
// files.
func (c *Collection) Rules() ([]*rule.Rule, []Report) {
	c.ready, c.ids, c.uses = map[string]*entry{}, map[string]string{}, nil
	entries := make([]*entry, len(c.docs))
	for i, d := range c.docs {
		e := &entry{doc: d, filtered: always, rep: &Report{
			File: d.file, Line: d.line, Form: formNames[d.form], ID: d.id, Title: d.title, Author: d.author,
			Category: cmp.Or(d.source.String(), formNames[d.form]),
		}}
		entries[i] = e
		if d.form == formFilter {
			continue
		}
		for _, name := range []string{d.id, d.name} {
			if name != "" && c.ready[name] == nil {
				c.ready[name] = e
			}
		}
		if d.form == formRule {
			e.err = e.compile()
		}
	}
	c.shorten()
	filters := c.filters(entries)
	for _, e := range entries {
		if e.doc.form == formCorrelation {
			e.err = c.correlate(e)
		}
	}
	for _, e := range entries {
		c.finish(e, filters[e])
	}
	out := make([]Report, len(entries))
	for i, e := range entries {
		out[i] = *e.rep
	}
	slices.SortStableFunc(out, func(a, b Report) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	return c.uses, out
}

// compile makes the condition of a rule.
func (e *entry) compile() error {
	d := e.doc
	if strings.EqualFold(d.status, "unsupported") {
		return errors.New("its status is unsupported: its author says that it cannot be used as it is")
	}
	src, err := d.source.find()
	if err != nil {
		e.rep.Missing = d.source.String()
		return err
	}
	e.src, e.rep.Category, e.rep.Needs = src, src.kind, src.needs
	when, err := d.when(src)
	if err != nil {
		return err
	}
	switch when.kind {
	case exprFalse:
		return errors.New("its condition can never hold for the logs that are read here")
	case exprTrue:
		return errors.New("its condition holds for every event")
	}
	if e.when = when; !when.guarded {
		e.when = and(src.guard, when)
	}
	e.rep.Watch = e.watch()
	_, err = e.cond()
	return err
}

// cond builds the condition.
func (e *entry) cond() (*rule.Cond, error) { return e.when.build(rule.NewBuilder(), e.doc.line) }

// shorten notes which short ids stand for more than one whole one.
func (c *Collection) shorten() {
	for _, d := range c.docs {
		short := d.ruleID(false)
		if whole, ok := c.ids[short]; ok && whole != d.id {
			c.ids[short] = ""
		} else {
			c.ids[short] = d.id
		}
	}
}

// ruleID is the id of the rule that a document becomes.
func (c *Collection) ruleID(d *document) string {
	if short := d.ruleID(false); c.ids[short] != "" || d.id == "" {
		return short
	}
	return d.ruleID(true)
}

// finish puts the rule of an entry into the list and its report right.
func (c *Collection) finish(e *entry, exceptions []rule.Exception) {
	if e.err == nil && e.doc.form == formRule && !e.served {
		e.rule = c.newRule(e.doc)
		e.rule.LogSource = e.src.logs
		e.rule.When, e.err = e.cond()
		e.rule.Exceptions = exceptions
	}
	if e.err != nil {
		e.rep.Reason = e.err.Error()
		var f errField
		if errors.As(e.err, &f) {
			e.rep.Missing = "field " + f.name
		}
		return
	}
	e.rep.Loaded = true
	if e.rule != nil {
		e.rep.RuleID = e.rule.ID
		c.uses = append(c.uses, e.rule)
	}
}

// newRule makes a rule of what a document says about itself.
func (c *Collection) newRule(d *document) *rule.Rule {
	r := &rule.Rule{
		ID: c.ruleID(d), Name: cut(d.title, 200), Description: cmp.Or(d.description, d.title), Severity: d.severity(), Confidence: d.confidence(),
		Type: d.kind(), Group: "sigma_" + d.kind(), Enabled: true, HasActions: true, Actions: []rule.Action{{Kind: rule.ActionNotify}},
		Tags: d.tags, References: d.references, FalsePositives: d.falsePositives, File: d.file, Line: d.line, Column: 1, Custom: true,
		Origin: &rule.Origin{Format: "Sigma", ID: d.id, Author: d.author, License: cmp.Or(d.license, License), Status: d.status},
	}
	if r.Type == noTactic {
		r.Group = noTactic
	}
	return r
}

func cut(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }
