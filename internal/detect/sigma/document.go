package sigma

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// form is what a document is.
type form uint8

const (
	formRule form = iota
	formCorrelation
	formFilter
)

var formNames = [...]string{"rule", "correlation", "filter"}

// document is one document in Sigma's format.
type document struct {
	form         form
	file         string
	offset, line int
	visits       int

	title, id, name, author, license, status, level, description string
	tags, references, falsePositives                             []string
	source                                                       logSource
	// definition is what the rule says must be set up to have its log.
	definition string
	// conditions are several in old rules; one of them must hold.
	conditions []string
	// order has the names of the selections as they stand in the file.
	order      []string
	selections map[string]*yaml.Node
	// of a correlation
	correlation *correlation
	// of a filter: the names of rules, "any" for all
	rules []string
}

// Is reports whether a document is in Sigma's format.
func Is(d rule.Document) bool {
	keys := d.Keys()
	has := func(key string) bool { return slices.Contains(keys, key) }
	return has("detection") && (has("logsource") || has("title")) || has("correlation") || has("filter") && !has("conditions") ||
		has("action") && has("title")
}

// fault is a document that is not what the format asks for.
type fault struct {
	message      string
	line, column int
}

func (f fault) Error() string { return f.message }

func (d *document) errorf(n *yaml.Node, format string, args ...any) error {
	return fault{fmt.Sprintf(format, args...), n.Line + d.offset, n.Column}
}

// Bounds of a document.
const (
	maxVisits = 100_000
	maxWords  = 4000 // bytes of a text that is kept
	maxList   = 200  // entries of a list that is kept
)

// follow returns what an alias stands for.
func (d *document) follow(n *yaml.Node) (*yaml.Node, error) {
	if d.visits++; d.visits > maxVisits {
		return nil, d.errorf(n, "the document has more than %d values", maxVisits)
	}
	for depth := 0; n.Kind == yaml.AliasNode; depth++ {
		if depth >= rule.MaxAlias || n.Alias == nil {
			return nil, d.errorf(n, "aliases are nested deeper than %d", rule.MaxAlias)
		}
		n = n.Alias
	}
	return n, nil
}

// entries calls f for each entry of a mapping.
func (d *document) entries(n *yaml.Node, what string, f func(key string, v *yaml.Node) error) error {
	n, err := d.follow(n)
	if err != nil {
		return err
	}
	if n.Kind != yaml.MappingNode {
		return d.errorf(n, "%s must be a mapping (key: value)", what)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, err := d.follow(n.Content[i])
		if err != nil {
			return err
		}
		if seen[key.Value] {
			return d.errorf(key, "key %q stands twice in %s", key.Value, what)
		}
		seen[key.Value] = true
		v, err := d.follow(n.Content[i+1])
		if err != nil {
			return err
		}
		if err := f(key.Value, v); err != nil {
			return err
		}
	}
	return nil
}

// text reads a text; what is no scalar gives "".
func (d *document) text(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return strings.TrimSpace(n.Value[:min(len(n.Value), maxWords)])
}

// texts reads a list of texts, or one.
func (d *document) texts(n *yaml.Node) []string {
	if n.Kind == yaml.ScalarNode {
		if s := d.text(n); s != "" {
			return []string{s}
		}
		return nil
	}
	var out []string
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content[:min(len(n.Content), maxList)] {
			if item, err := d.follow(item); err == nil && d.text(item) != "" {
				out = append(out, d.text(item))
			}
		}
	}
	return out
}

// read fills a document in. Keys that say nothing about what to detect may be of
// any type, as long as the rest is right: rules written by others are not to fail
// for them.
func read(in rule.Document) (*document, error) {
	d := &document{file: in.File, offset: in.Offset, line: in.Root.Line + in.Offset, selections: map[string]*yaml.Node{}}
	var body *yaml.Node
	err := d.entries(in.Root, "the document", func(key string, v *yaml.Node) error {
		switch key {
		case "title":
			d.title = d.text(v)
		case "id":
			d.id = d.text(v)
		case "name":
			d.name = d.text(v)
		case "author":
			d.author = strings.Join(d.texts(v), ", ")
		case "license":
			d.license = d.text(v)
		case "status":
			d.status = d.text(v)
		case "level":
			d.level = d.text(v)
		case "description":
			d.description = d.text(v)
		case "tags":
			d.tags = d.texts(v)
		case "references":
			d.references = d.texts(v)
		case "falsepositives":
			d.falsePositives = d.texts(v)
		case "logsource":
			return d.logSource(v)
		case "detection":
			body = v
		case "correlation":
			body, d.form = v, formCorrelation
		case "filter":
			body, d.form = v, formFilter
		case "action":
			return d.errorf(v, "action %s: global and repeated documents are no longer part of Sigma", d.text(v))
		}
		return nil
	})
	switch {
	case err != nil:
		return d, err
	case d.title == "":
		return d, d.errorf(in.Root, "the document has no title")
	case body == nil:
		return d, d.errorf(in.Root, "the document has neither detection nor correlation nor filter")
	case d.form == formCorrelation:
		return d, d.readCorrelation(body)
	}
	return d, d.detection(body)
}

func (d *document) logSource(n *yaml.Node) error {
	d.source.line = n.Line + d.offset
	return d.entries(n, "logsource", func(key string, v *yaml.Node) error {
		switch key {
		case "product":
			d.source.product = strings.ToLower(d.text(v))
		case "category":
			d.source.category = strings.ToLower(d.text(v))
		case "service":
			d.source.service = strings.ToLower(d.text(v))
		case "definition":
			d.definition = d.text(v)
		}
		return nil
	})
}

// detection reads the selections and the condition of a rule or filter.
func (d *document) detection(n *yaml.Node) error {
	err := d.entries(n, formNames[d.form], func(key string, v *yaml.Node) error {
		switch {
		case key == "condition":
			d.conditions = d.texts(v)
		case key == "timeframe":
		case key == "rules" && d.form == formFilter:
			d.rules = d.texts(v)
		default:
			d.order = append(d.order, key)
			d.selections[key] = v
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(d.conditions) == 0:
		return d.errorf(n, "there is no condition")
	case d.form == formFilter && len(d.rules) == 0:
		return d.errorf(n, "the filter does not say for which rules it is")
	}
	return nil
}

// when makes the condition of a rule, or of a filter for rules of a source.
// Parts for events of different types stand side by side, so that each is looked
// for in its own events only.
func (d *document) when(src *source) (*expr, error) {
	ways := src.split
	if ways == nil {
		ways = []way{{always, src.keywords}}
	}
	var all []*expr
	for _, w := range ways {
		s := &selections{doc: d, src: src, keywords: w.keywords, done: map[string]*expr{}}
		var kids []*expr
		for _, text := range d.conditions {
			k, err := parseCondition(text, d.order, s.find)
			if err != nil {
				return nil, err
			}
			kids = append(kids, k)
		}
		if when := or(kids...); s.words {
			all = append(all, and(w.guard, when))
		} else {
			return when, nil
		}
	}
	joined := *or(all...)
	joined.guarded = src.split != nil
	return &joined, nil
}

// severity is what a level stands for; medium without one.
func (d *document) severity() sentinel.Severity {
	switch strings.ToLower(d.level) {
	case "informational":
		return sentinel.Info
	case "low":
		return sentinel.Low
	case "high":
		return sentinel.High
	case "critical":
		return sentinel.Critical
	}
	return sentinel.Medium
}

// confidence is how much a status is trusted.
func (d *document) confidence() float64 {
	switch strings.ToLower(d.status) {
	case "stable":
		return 0.85
	case "test", "testing":
		return 0.70
	}
	return 0.50
}

// noTactic is the type of rules whose tags name no tactic.
const noTactic = "sigma"

// tactics are ATT&CK's, as tags have them.
var tactics = []string{
	"reconnaissance", "resource-development", "initial-access", "execution", "persistence", "privilege-escalation", "stealth",
	"defense-evasion", "defense-impairment", "credential-access", "discovery", "lateral-movement", "collection", "command-and-control",
	"exfiltration", "impact",
}

// kind is the type of the rule's threats: the first tactic among its tags.
func (d *document) kind() string {
	for _, tag := range d.tags {
		name, ok := strings.CutPrefix(strings.ToLower(tag), "attack.")
		if name = strings.ReplaceAll(name, "_", "-"); ok && slices.Contains(tactics, name) {
			return strings.ReplaceAll(name, "-", "_")
		}
	}
	return noTactic
}

// ruleID makes the id of a rule: SIGMA_ and the first part of its own id, or all
// of it, or its title where it has none.
func (d *document) ruleID(whole bool) string {
	text := d.id
	if text == "" {
		text = d.title
	} else if !whole {
		text, _, _ = strings.Cut(text, "-")
	}
	id := []byte("SIGMA_")
	for i := 0; i < len(text) && len(id) < 64; i++ {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z':
			id = append(id, c-'a'+'A')
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			id = append(id, c)
		case id[len(id)-1] != '_':
			id = append(id, '_')
		}
	}
	return string(id)
}
