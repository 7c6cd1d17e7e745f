package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v4"
)

// Every key has a schema that says more than "anything", and the packaged file
// fits it as far as this small reader of schemas understands them.
func TestJSONSchema(t *testing.T) {
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	schema(Default()).walk("", func(key string, v value) {
		if _, ok := v.(interface{ jsonSchema() object }); !ok {
			t.Errorf("%s: a %T has no schema", key, v)
		}
	})
	data, err := os.ReadFile(filepath.Join("..", "..", "packaging", "config.yml"))
	if err != nil {
		t.Fatal(err)
	}
	all := "logs: {sources: [{path: /a, type: ssh, trusted_proxies: [192.0.2.1], from_start: true, timezone: UTC}]}\nresponse: {max_blocks: '${X}', mode: observe}\n"
	for _, good := range []string{string(data), all, Show(Default())} {
		if !fits(t, s, good) {
			t.Errorf("does not fit:\n%s", good)
		}
	}
	for _, bad := range []string{
		"respones: {}", "response: {max_blocks: 0}", "response: {max_blocks: x}", "response: {mode: x}", "response: {auto_block: 5}",
		"response: {min_score: 0.1}", "logs: {sources: [{type: ssh}]}", "logs: {sources: [{path: /a, typ: ssh}]}", "response: {whitelist: 192.0.2.1}",
	} {
		if fits(t, s, bad) {
			t.Errorf("fits: %s", bad)
		}
	}
}

func fits(t *testing.T, s map[string]any, text string) bool {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return valid(s, v)
}

// valid knows what JSONSchema writes.
func valid(s map[string]any, v any) bool {
	if several, ok := s["anyOf"].([]any); ok {
		for _, one := range several {
			if valid(one.(map[string]any), v) {
				return true
			}
		}
		return false
	}
	if words, ok := s["enum"].([]any); ok {
		for _, w := range words {
			if w == v {
				return true
			}
		}
		return false
	}
	kinds, ok := s["type"].([]any)
	if !ok {
		kinds = []any{s["type"]}
	}
	fit := false
	for _, k := range kinds {
		fit = fit || k == kindOf(v) || k == "number" && kindOf(v) == "integer"
	}
	if !fit {
		return false
	}
	switch v := v.(type) {
	case string:
		pattern, _ := s["pattern"].(string)
		return regexp.MustCompile(pattern).MatchString(v)
	case float64:
		low, ok := s["minimum"].(float64)
		high, ok2 := s["maximum"].(float64)
		return (!ok || v >= low) && (!ok2 || v <= high)
	case []any:
		for _, item := range v {
			if !valid(s["items"].(map[string]any), item) {
				return false
			}
		}
	case map[string]any:
		properties := s["properties"].(map[string]any)
		for key, x := range v {
			if p, ok := properties[key].(map[string]any); !ok || !valid(p, x) {
				return false
			}
		}
		required, _ := s["required"].([]any)
		for _, key := range required {
			if _, ok := v[key.(string)]; !ok {
				return false
			}
		}
	}
	return true
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	}
	return "object"
}
