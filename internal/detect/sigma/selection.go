package sigma

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// errModifier says that a rule uses a modifier that is not known here.
type errModifier struct{ name string }

func (e errModifier) Error() string {
	return fmt.Sprintf("modifier %q is not known", e.name)
}

// selections makes conditions of the selections of one document for one source.
type selections struct {
	doc      *document
	src      *source
	keywords keywords
	// words: a selection looks for keywords.
	words  bool
	values int
	done   map[string]*expr
}

// find returns the condition of a selection.
func (s *selections) find(name string) (*expr, error) {
	if e, ok := s.done[name]; ok {
		return e, nil
	}
	e, err := s.search(s.doc.selections[name], 0)
	if err != nil {
		return nil, err
	}
	s.done[name] = e
	return e, nil
}

// search reads a selection: a mapping of fields, a list of mappings or of
// keywords, or one keyword.
func (s *selections) search(n *yaml.Node, depth int) (*expr, error) {
	n, err := s.doc.follow(n)
	if err != nil {
		return nil, err
	}
	if depth > 4 {
		return nil, s.doc.errorf(n, "selections are nested too deep")
	}
	switch n.Kind {
	case yaml.MappingNode:
		var kids []*expr
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, err := s.item(n.Content[i], n.Content[i+1])
			if err != nil {
				return nil, err
			}
			kids = append(kids, k)
		}
		if len(kids) == 0 {
			return nil, s.doc.errorf(n, "a selection is empty")
		}
		return and(kids...), nil
	case yaml.SequenceNode:
		var kids []*expr
		var words []*yaml.Node
		for _, item := range n.Content {
			if item, err = s.doc.follow(item); err != nil {
				return nil, err
			}
			if item.Kind == yaml.ScalarNode {
				words = append(words, item)
				continue
			}
			k, err := s.search(item, depth+1)
			if err != nil {
				return nil, err
			}
			kids = append(kids, k)
		}
		if len(words) > 0 {
			k, err := s.compare("", words, n)
			if err != nil {
				return nil, err
			}
			kids = append(kids, k)
		}
		if len(kids) == 0 {
			return nil, s.doc.errorf(n, "a selection is empty")
		}
		return or(kids...), nil
	}
	return s.compare("", []*yaml.Node{n}, n)
}

// item reads one entry of a mapping: "field|modifier: values".
func (s *selections) item(key, val *yaml.Node) (*expr, error) {
	key, err := s.doc.follow(key)
	if err != nil {
		return nil, err
	}
	if key.Kind != yaml.ScalarNode {
		return nil, s.doc.errorf(key, "the name of a field must be text")
	}
	if val, err = s.doc.follow(val); err != nil {
		return nil, err
	}
	list := []*yaml.Node{val}
	if val.Kind == yaml.SequenceNode {
		list = list[:0]
		for _, v := range val.Content {
			if v, err = s.doc.follow(v); err != nil {
				return nil, err
			}
			list = append(list, v)
		}
	}
	for _, v := range list {
		if v.Kind != yaml.ScalarNode {
			return nil, s.doc.errorf(v, "a value of %s must be text or a number", key.Value)
		}
	}
	if len(list) == 0 {
		return nil, s.doc.errorf(val, "%s has no values", key.Value)
	}
	return s.compare(key.Value, list, key)
}

// operation is what the modifiers of a field ask for.
type operation struct {
	op         string // of the engine
	all, cased bool
	flags      string // of a regular expression
	// change makes other values of each, one after the other.
	change []func(value) ([]value, error)
}

// compare makes the condition of one field. name is empty for keywords.
func (s *selections) compare(name string, nodes []*yaml.Node, at *yaml.Node) (*expr, error) {
	name, mods, _ := strings.Cut(name, "|")
	op, err := readModifiers(mods)
	if err != nil {
		return nil, err
	}
	line := at.Line + s.doc.offset
	var kids []*expr
	for _, n := range nodes {
		k, err := s.one(name, op, n, line)
		if err != nil {
			return nil, err
		}
		kids = append(kids, k)
	}
	if op.all {
		return and(kids...), nil
	}
	return or(kids...), nil
}

// one makes the condition of one value, which modifiers may make several of.
func (s *selections) one(name string, op operation, n *yaml.Node, line int) (*expr, error) {
	v := newValue(n.Value, line)
	switch {
	case n.Tag == "!!null":
		v = value{null: true, line: line}
	case n.Tag == "!!int" || n.Tag == "!!float":
		v.number = true
	}
	if op.op == "re" || op.op == "cidr" || op.op == "fieldref" || op.op == "exists" {
		v = plainValue(n.Value, line)
	}
	list := []value{v}
	for _, change := range op.change {
		var next []value
		for _, v := range list {
			made, err := change(v)
			if err != nil {
				return nil, err
			}
			next = append(next, made...)
		}
		list = next
	}
	if s.values += len(list); s.values > maxValues {
		return nil, fmt.Errorf("the rule has more than %d values", maxValues)
	}
	var kids []*expr
	for _, v := range list {
		k, err := s.value(name, op, v)
		if err != nil {
			return nil, err
		}
		kids = append(kids, k)
	}
	return or(kids...), nil
}

// readModifiers reads "contains|all".
func readModifiers(mods string) (operation, error) {
	o := operation{op: "equals"}
	if mods == "" {
		return o, nil
	}
	set := func(name string) error {
		if o.op != "equals" {
			return fmt.Errorf("modifiers %s and %s do not go together", o.op, name)
		}
		o.op = name
		return nil
	}
	for mod := range strings.SplitSeq(mods, "|") {
		var err error
		switch mod {
		case "contains", "startswith", "endswith", "re", "cidr", "exists", "gt", "gte", "lt", "lte", "fieldref":
			err = set(mod)
		case "all":
			o.all = true
		case "cased":
			o.cased = true
		case "i", "m", "s":
			if o.op != "re" {
				return o, errModifier{mod}
			}
			o.flags += mod
		case "base64":
			o.change = append(o.change, encoded(func(s string) []string { return []string{base64.StdEncoding.EncodeToString([]byte(s))} }))
		case "base64offset":
			o.change = append(o.change, encoded(base64Offsets))
		case "utf16le", "wide":
			o.change = append(o.change, encoded(func(s string) []string { return []string{encode16(s, false, false)} }))
		case "utf16be":
			o.change = append(o.change, encoded(func(s string) []string { return []string{encode16(s, true, false)} }))
		case "utf16":
			o.change = append(o.change, encoded(func(s string) []string { return []string{encode16(s, false, true)} }))
		case "windash":
			o.change = append(o.change, func(v value) ([]value, error) {
				if v.null {
					return []value{v}, nil
				}
				return windash(v), nil
			})
		case "expand":
			o.change = append(o.change, expand)
		default:
			return o, errModifier{mod}
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// encoded makes a change of values without wildcards.
func encoded(f func(string) []string) func(value) ([]value, error) {
	return func(v value) ([]value, error) {
		s, ok := v.plain()
		if !ok || v.null {
			return nil, fmt.Errorf("value %q has wildcards, which cannot be encoded", v.raw)
		}
		var out []value
		for _, e := range f(s) {
			out = append(out, plainValue(e, v.line))
		}
		return out, nil
	}
}

// expand refuses values with placeholders ("%admins%"): there is nothing here
// that fills them in.
func expand(v value) ([]value, error) {
	if first := strings.IndexByte(v.raw, '%'); first >= 0 {
		if name, _, ok := strings.Cut(v.raw[first+1:], "%"); ok && name != "" {
			return nil, fmt.Errorf("placeholder %%%s%% has no values here", name)
		}
	}
	return []value{v}, nil
}

// value makes the condition of one value.
func (s *selections) value(name string, op operation, v value) (*expr, error) {
	if name == "" {
		return s.keyword(op, v)
	}
	f, err := s.src.field(name)
	if err != nil {
		return nil, err
	}
	if f.fixed != "" {
		return s.known(f, op, v)
	}
	var kids []*expr
	for _, n := range covering(f.names, op.op, v) {
		k, err := s.leaf(n, op, v)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		kids = append(kids, k)
	}
	return or(kids...), nil
}

// covering leaves out fields that are part of another one of the list, where a
// text is looked for anywhere.
func covering(names []string, op string, v value) []string {
	if op == "contains" || op == "re" && !strings.ContainsAny(v.raw, `^$\`) {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
			whole := strings.Replace(n, "http.query", "http.target", 1)
			return whole != n && slices.Contains(names, whole)
		})
	}
	return names
}

// known decides a comparison with a field that has one value in all events.
func (s *selections) known(f field, op operation, v value) (*expr, error) {
	switch op.op {
	case "equals", "contains", "startswith", "endswith":
		return constant(!v.null && v.matches(op.op, f.fixed)), nil
	case "exists":
		return constant(strings.EqualFold(v.raw, "true")), nil
	}
	return nil, fmt.Errorf("modifier %s does not go with this field", op.op)
}

// keyword makes the condition that a text stands anywhere in the event.
func (s *selections) keyword(op operation, v value) (*expr, error) {
	s.words = true
	switch op.op {
	case "equals", "contains":
	case "re":
		return s.keywords(v.line, "re", false, flagged(op.flags, v.raw)), nil
	default:
		return nil, fmt.Errorf("modifier %s does not go with keywords", op.op)
	}
	text, plain := v.plain()
	switch {
	case v.null || plain && text == "" || v.anything():
		return nil, errors.New("a keyword is empty: it would be found everywhere")
	case v.number:
		// A number is meant as a word: 6 is not part of 64.
		return s.keywords(v.line, "re", false, `(?:^|[^0-9A-Za-z])`+regexp.QuoteMeta(text)+`(?:$|[^0-9A-Za-z])`), nil
	case plain:
		return s.keywords(v.line, "contains", op.cased, text), nil
	}
	return s.keywords(v.line, "equals", op.cased, v.glob(true, true)), nil
}

func flagged(flags, pattern string) string {
	if flags == "" {
		return pattern
	}
	return "(?" + flags + ")" + pattern
}

// leaf makes a comparison of one of the engine's fields.
func (s *selections) leaf(name string, op operation, v value) (*expr, error) {
	field, _, _ := strings.Cut(name, "|")
	f, err := rule.ParseField(field)
	if err != nil {
		return nil, err
	}
	kind := f.Kind()
	switch {
	case v.null:
		return not(compare(v.line, name, "exists", "true")), nil
	case op.op == "exists":
		present := compare(v.line, name, "exists", "true")
		switch strings.ToLower(v.raw) {
		case "true", "yes":
			return present, nil
		case "false", "no":
			return not(present), nil
		}
		return nil, fmt.Errorf("exists takes true or false, not %q", v.raw)
	case op.op == "fieldref":
		return s.reference(name, kind, v)
	case op.op == "gt" || op.op == "gte" || op.op == "lt" || op.op == "lte":
		if kind != rule.KindNumber {
			return nil, fmt.Errorf("it is of kind %s, which %s does not compare", kind, op.op)
		}
		return compare(v.line, name, op.op, v.raw), nil
	case v.anything():
		return compare(v.line, name, "exists", "true"), nil
	case kind == rule.KindAddr:
		return addressLeaf(name, op.op, v)
	case op.op == "cidr":
		return nil, fmt.Errorf("it is of kind %s; cidr needs an address", kind)
	case kind == rule.KindNumber:
		return numberLeaf(f, name, op.op, v)
	case op.op == "re":
		return compare(v.line, name, "re", flagged(op.flags, v.raw)), nil
	}
	return textLeaf(name, op, v), nil
}

func textLeaf(name string, op operation, v value) *expr {
	text, plain := v.plain()
	var e *expr
	switch {
	case op.op == "equals":
		e = compare(v.line, name, "equals", v.glob(false, false))
	case plain && text == "":
		return compare(v.line, name, "exists", "true")
	case plain:
		e = compare(v.line, name, op.op, text)
	default:
		e = compare(v.line, name, "equals", v.glob(op.op != "startswith", op.op != "endswith"))
	}
	e.cased = op.cased
	return e
}

// numberLeaf compares a number. Wildcards are for codes of HTTP, which are few.
func numberLeaf(f rule.Field, name, op string, v value) (*expr, error) {
	text, plain := v.plain()
	if plain && op == "equals" {
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return nil, fmt.Errorf("%q is not a number", text)
		}
		return compare(v.line, name, "equals", text), nil
	}
	if f != rule.HTTPStatus || op == "re" {
		return nil, fmt.Errorf("it is a number, of which parts (%q) are not compared", v.raw)
	}
	var codes []string
	for code := 100; code < 600; code++ {
		if s := strconv.Itoa(code); v.matches(op, s) {
			codes = append(codes, s)
		}
	}
	if codes == nil {
		return never, nil
	}
	return compare(v.line, name, "equals", codes...), nil
}

// addressLeaf compares an address with an address, a network, or the beginning
// of an IPv4 address that ends with a dot.
func addressLeaf(name, op string, v value) (*expr, error) {
	text, plain := v.plain()
	switch {
	case op == "cidr":
		text = v.raw
	case op == "startswith" && plain, op == "equals" && len(v.pieces) == 2 && v.pieces[1].wild == '*':
		text = v.pieces[0].text
		octets := strings.Split(strings.TrimSuffix(text, "."), ".")
		if !strings.HasSuffix(text, ".") || len(octets) > 3 {
			return nil, fmt.Errorf("%q is not the beginning of an IPv4 address that ends with a dot", text)
		}
		text = strings.Join(octets, ".") + strings.Repeat(".0", 4-len(octets)) + "/" + strconv.Itoa(8*len(octets))
	case op != "equals" || !plain:
		return nil, fmt.Errorf("it is an address, of which parts (%q) are not compared", v.raw)
	}
	if _, err := netip.ParseAddr(text); err != nil {
		if _, err := netip.ParsePrefix(text); err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network", text)
		}
	}
	return compare(v.line, name, "cidr", text), nil
}

// reference compares a field with another one of the same event.
func (s *selections) reference(name string, kind rule.Kind, v value) (*expr, error) {
	f, err := s.src.field(v.raw)
	if err != nil {
		return nil, err
	}
	if kind == rule.KindTexts || f.key == rule.NoField || f.key.Kind() != kind {
		return nil, fmt.Errorf("it cannot be compared with the field %s", v.raw)
	}
	return compare(v.line, name, "fieldref", f.key.Name()), nil
}
