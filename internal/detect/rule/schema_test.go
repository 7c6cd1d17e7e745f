package rule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

func compiledSchema(t *testing.T) (*jsonschema.Schema, map[string]any) {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rule.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("rule.json")
	if err != nil {
		t.Fatal(err)
	}
	return s, doc.(map[string]any)
}

// validate checks one YAML document as an editor would: times are texts to it.
func validate(s *jsonschema.Schema, text string) error {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		return err
	}
	untime(&n)
	var v any
	if err := n.Decode(&v); err != nil {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

func untime(n *yaml.Node) {
	if n.Tag == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, k := range n.Content {
		untime(k)
	}
}

var ruleExample = regexp.MustCompile("(?s)```yaml rule\n(.*?)```")

// All rules that are shipped and all examples of the manual are as the schema says.
func TestSchemaHoldsRules(t *testing.T) {
	s, _ := compiledSchema(t)
	texts := map[string]string{}
	files, err := filepath.Glob("../../../rules/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, doc := range regexp.MustCompile(`(?m)^---.*$`).Split(string(data), -1) {
			texts[fmt.Sprintf("%s, document %d", f, i+1)] = doc
		}
	}
	manual, err := os.ReadFile("../../../docs/rules-authoring.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range ruleExample.FindAllStringSubmatch(string(manual), -1) {
		texts[fmt.Sprintf("example %d of the manual", i+1)] = m[1]
	}
	n := 0
	for name, text := range texts {
		if strings.TrimSpace(regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(text, "")) == "" {
			continue
		}
		n++
		if err := validate(s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n < 100 {
		t.Errorf("only %d rules", n)
	}
}

func TestSchemaRefuses(t *testing.T) {
	s, _ := compiledSchema(t)
	const head = "id: X_Y\nname: x\nseverity: HIGH\n"
	for text, good := range map[string]bool{
		head + "conditions: {field: http.path|canon, startswith: /x}\n":               true,
		head + "conditions: {http.path|canon|startswith: [/x, /y], audit.key: a}\n":   true,
		head + "conditions: {all: [{not: {src_ip|cidr: 10.0.0.0/8}}, {user: x}]}\n":   true,
		head + "actions: [notify, {block_ip: {duration: 1h}}]\nconditions: {user: x}": true,
		head + "conditions: {field: http.pth, equals: x}\n":                           false,
		head + "conditions: {field: http.path, equal: x}\n":                           false,
		head + "condition: {user: x}\n":                                               false,
		head + "aggregation: {group_by: src_ip, windw: 5m}\n":                         false,
		"id: x\nname: x\nseverity: HIGH\n":                                            false,
		head + "log_source: ngnix\n":                                                  false,
		head + "cooldown: soon\n":                                                     false,
	} {
		if err := validate(s, text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The schema has the keys that the loader knows, and no others.
func TestSchemaHasLoadersKeys(t *testing.T) {
	_, doc := compiledSchema(t)
	defs := doc["definitions"].(map[string]any)
	at := func(path string) []string {
		var v any = defs
		for _, step := range strings.Split(path, "/") {
			v = v.(map[string]any)[step]
			if list, ok := v.([]any); ok {
				v = list[len(list)-1]
			}
		}
		var keys []string
		for key := range v.(map[string]any)["properties"].(map[string]any) {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		return keys
	}
	condition := append([]string{"all", "any", "not", "field"}, opKeys...)
	for path, want := range map[string][]string{
		"rule": ruleKeys, "override": overrideKeys, "aggregation": aggregationKeys, "sequence": sequenceKeys, "exception": exceptionKeys,
		"test": testKeys, "prefix": prefixKeys, "condition/anyOf": condition,
		"aggregation/properties/spread": spreadKeys, "test/properties/expect": expectKeys,
		"sequence/properties/steps/items":        slices.Concat(stepKeys, condition, []string{"rule"}),
		"sequence/properties/unless/anyOf/items": slices.Concat(guardKeys, condition, []string{"rule"}),
		"action/anyOf":                           {string(ActionBlock), string(ActionNotify), string(ActionRateLimit), string(ActionTag)},
	} {
		want = slices.Sorted(slices.Values(want))
		if got := at(path); !slices.Equal(got, want) {
			t.Errorf("%s has %q, the loader %q", path, got, want)
		}
	}
	for kind, want := range actionKeys {
		if got := at("action/anyOf/properties/" + string(kind)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("action %s has %q, the loader %q", kind, got, want)
		}
	}
}
