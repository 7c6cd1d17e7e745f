package sigma

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// correlation is the body of a correlation document.
type correlation struct {
	kind    string
	rules   []string
	groupBy []string
	span    time.Duration
	// ops are the comparisons of the condition; field is what values are counted
	// of.
	ops     map[string]int
	field   string
	aliases map[string]map[string]string
	// generate: the rules that it names give alerts of their own, too.
	generate bool
}

func (d *document) readCorrelation(n *yaml.Node) error {
	c := &correlation{ops: map[string]int{}, aliases: map[string]map[string]string{}}
	d.correlation = c
	err := d.entries(n, "correlation", func(key string, v *yaml.Node) error {
		switch key {
		case "type":
			c.kind = d.text(v)
		case "rules":
			c.rules = d.texts(v)
		case "group-by":
			c.groupBy = d.texts(v)
		case "generate":
			c.generate = d.text(v) == "true"
		case "timespan", "timeframe":
			var ok bool
			if c.span, ok = parseSpan(d.text(v)); !ok {
				return d.errorf(v, "timespan %q is not a number and one of s, m, h, d, w, M, y", d.text(v))
			}
		case "condition":
			return d.counts(v)
		case "aliases":
			return d.entries(v, "aliases", func(alias string, v *yaml.Node) error {
				c.aliases[alias] = map[string]string{}
				return d.entries(v, alias, func(name string, v *yaml.Node) error {
					c.aliases[alias][name] = d.text(v)
					return nil
				})
			})
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case c.kind == "":
		return d.errorf(n, "the correlation has no type")
	case len(c.rules) == 0:
		return d.errorf(n, "the correlation names no rules")
	case c.span == 0:
		return d.errorf(n, "the correlation has no timespan")
	}
	return nil
}

// counts reads the condition of a correlation.
func (d *document) counts(n *yaml.Node) error {
	c := d.correlation
	if n.Kind == yaml.ScalarNode {
		return d.errorf(n, "the condition of a correlation must be a mapping such as gte: 10")
	}
	return d.entries(n, "condition", func(key string, v *yaml.Node) error {
		if key == "field" {
			fields := d.texts(v)
			if len(fields) != 1 {
				return d.errorf(v, "condition: values are counted of one field")
			}
			c.field = fields[0]
			return nil
		}
		i, err := strconv.Atoi(d.text(v))
		if err != nil {
			return d.errorf(v, "condition: %s %q is not a number", key, d.text(v))
		}
		c.ops[key] = i
		return nil
	})
}

// parseSpan reads "5m".
func parseSpan(s string) (time.Duration, bool) {
	const day = 24 * time.Hour
	units := map[byte]time.Duration{
		's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': day, 'w': 7 * day, 'M': 30 * day, 'y': 365 * day,
	}
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	n, err := strconv.Atoi(s[:len(s)-1])
	unit := units[s[len(s)-1]]
	if err != nil || n <= 0 || unit == 0 || time.Duration(n) > maxSpan/unit {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

const maxSpan = 366 * 24 * time.Hour

// threshold is the least count that a condition asks for.
func (c *correlation) threshold() (int, error) {
	n := 0
	for op, v := range c.ops {
		switch op {
		case "gte":
			n = v
		case "gt":
			n = v + 1
		default:
			return 0, fmt.Errorf("condition %s: only gte and gt can be decided as events come in", op)
		}
	}
	if len(c.ops) != 1 || n < 1 || n > 1_000_000 {
		return 0, errors.New("the condition needs one of gte and gt with a number from 1 to 1000000")
	}
	return n, nil
}

// correlate makes the rule of a correlation.
func (c *Collection) correlate(e *entry) error {
	if e.rule != nil || e.err != nil {
		return e.err
	}
	if e.busy {
		return errors.New("the correlation depends on itself")
	}
	e.busy = true
	defer func() { e.busy = false }()
	co := e.doc.correlation
	var parts []*entry
	for _, name := range co.rules {
		p := c.ready[name]
		if p == nil {
			return fmt.Errorf("the rule %q, which it names, is not there", name)
		}
		if p.doc.form == formCorrelation {
			p.err = c.correlate(p)
		}
		if p.err != nil {
			return fmt.Errorf("the rule %q, which it names, is not loaded: %w", name, p.err)
		}
		parts = append(parts, p)
	}
	r := c.newRule(e.doc)
	r.Cooldown = co.span
	var err error
	switch co.kind {
	case "event_count", "value_count":
		err = e.count(r, parts)
	case "temporal", "temporal_ordered":
		err = e.order(r, parts)
	default:
		err = fmt.Errorf("correlations of type %s are not known", co.kind)
	}
	if err != nil {
		return err
	}
	e.rule = r
	for _, p := range parts {
		e.rep.Needs = p.rep.Needs
		if co.generate {
			continue
		}
		if p.served = true; p.rule != nil {
			p.rule.Hidden = true
		}
	}
	return nil
}

// count makes an aggregation: of events that one of the rules matches, or of
// the firings of another correlation.
func (e *entry) count(r *rule.Rule, parts []*entry) error {
	co := e.doc.correlation
	n, err := co.threshold()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(parts, func(p *entry) bool { return p.doc.form == formCorrelation }) {
		if len(parts) > 1 || co.kind != "event_count" {
			return errors.New("only the firings of one correlation can be counted")
		}
		return e.countFirings(r, parts[0], n)
	}
	by, err := e.keys(parts[0])
	if err != nil {
		return err
	}
	distinct := rule.NoField
	if co.kind == "value_count" {
		if co.field == "" {
			return errors.New("value_count needs a field in its condition")
		}
		if distinct, err = parts[0].key(co.field); err != nil {
			return err
		}
	}
	var kids []*expr
	for _, p := range parts {
		other, err := e.keys(p)
		if err != nil {
			return err
		}
		same := slices.Equal(by, other)
		if distinct != rule.NoField && same {
			f, err := p.key(co.field)
			same = err == nil && f == distinct
		}
		if !same {
			return errors.New("its rules have different fields here for what it groups by; these cannot be counted together")
		}
		kids = append(kids, p.narrowed(mixes(parts)))
	}
	r.LogSource = joined(parts)
	if r.When, err = or(kids...).build(rule.NewBuilder(), e.doc.line); err != nil {
		return err
	}
	r.Aggregation = &rule.Aggregation{
		GroupBy: by, V4: 32, V6: 64, Window: co.span, Threshold: n, Distinct: distinct, MaxKeys: 65536,
	}
	return nil
}

// countFirings makes a sequence of one step.
func (e *entry) countFirings(r *rule.Rule, p *entry, n int) error {
	if n > 1000 {
		return errors.New("of a correlation at most 1000 firings are counted")
	}
	by, err := e.keys(p)
	if err != nil {
		return err
	}
	r.Sequence = &rule.Sequence{By: by, V4: 32, V6: 64, Within: e.doc.correlation.span, Steps: []rule.Step{{ID: "1", Rule: p.rule.ID, Count: n}}}
	return nil
}

// order makes a sequence with a step for each rule.
func (e *entry) order(r *rule.Rule, parts []*entry) error {
	co := e.doc.correlation
	if len(parts) < 2 || len(parts) > rule.MaxSteps {
		return fmt.Errorf("a temporal correlation needs 2 to %d rules, not %d", rule.MaxSteps, len(parts))
	}
	if len(co.ops) > 0 {
		if n, err := co.threshold(); err != nil || n != len(parts) {
			return errors.New("only all rules of a temporal correlation can be asked for")
		}
	}
	mixed := mixes(parts)
	seq := &rule.Sequence{V4: 32, V6: 64, Within: co.span, Ordered: co.kind == "temporal_ordered"}
	for i, p := range parts {
		by, err := e.keys(p)
		if err != nil {
			return err
		}
		if i == 0 {
			seq.By = by
		}
		step := rule.Step{ID: strconv.Itoa(i + 1), Count: 1}
		if !slices.Equal(by, seq.By) {
			if !slices.EqualFunc(by, seq.By, func(a, b rule.Field) bool { return a.Kind() == b.Kind() }) {
				return errors.New("its rules have fields of different kinds for what it groups by")
			}
			step.By = by
		}
		if p.rule != nil && p.doc.form == formCorrelation {
			step.Rule = p.rule.ID
		} else {
			if step.When, err = p.narrowed(mixed).build(rule.NewBuilder(), p.doc.line); err != nil {
				return err
			}
		}
		seq.Steps = append(seq.Steps, step)
	}
	r.LogSource = joined(parts)
	r.Sequence = seq
	return nil
}

// joined is the log source of all rules among parts.
func joined(parts []*entry) rule.LogSource {
	var l rule.LogSource
	first := true
	for _, p := range parts {
		switch {
		case p.src == nil:
		case first:
			l, first = p.src.logs, false
		default:
			l = l.Join(p.src.logs)
		}
	}
	return l
}

// mixes reports whether rules read different logs.
func mixes(parts []*entry) bool {
	var first *source
	for _, p := range parts {
		switch {
		case p.src == nil:
		case first == nil:
			first = p.src
		case p.src.logs.String() != first.logs.String():
			return true
		}
	}
	return false
}

// narrowed is the condition of a rule with its filters, and where several logs
// are read, with the log that is its own.
func (e *entry) narrowed(mixed bool) *expr {
	when := and(e.when, e.filtered)
	if mixed {
		when = and(e.src.own(), when)
	}
	return when
}

// keys are the fields that a correlation groups by, as one of its rules has
// them. Without any, all events are one group.
func (e *entry) keys(p *entry) ([]rule.Field, error) {
	var out []rule.Field
	for _, name := range e.doc.correlation.groupBy {
		if alias, ok := e.doc.correlation.aliases[name]; ok {
			own := alias[p.doc.name]
			if own == "" {
				own = alias[p.doc.id]
			}
			if own == "" {
				return nil, fmt.Errorf("the alias %s names no field of the rule %q", name, p.doc.title)
			}
			name = own
		}
		f, err := p.key(name)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// key returns the field that stands for one of Sigma in a key. A correlation has
// the fields of its first rule.
func (e *entry) key(name string) (rule.Field, error) {
	if e.doc.form == formCorrelation {
		for i, by := range e.doc.correlation.groupBy {
			if by != name {
				continue
			}
			if e.rule.Aggregation != nil {
				return e.rule.Aggregation.GroupBy[i], nil
			}
			return e.rule.Sequence.By[i], nil
		}
		return rule.NoField, errField{name, fmt.Sprintf("the correlation %q does not group by it", e.doc.title)}
	}
	f, err := e.src.field(name)
	if err != nil {
		return rule.NoField, err
	}
	if f.key == rule.NoField {
		return rule.NoField, errField{name, "an event may have several values of it, so that nothing can be grouped by it or counted of it"}
	}
	return f.key, nil
}
