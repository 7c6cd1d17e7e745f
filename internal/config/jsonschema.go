package config

import (
	"encoding/json"
	"time"
)

// JSONSchema returns the keys of the file as a JSON Schema (draft 7), for
// editors that complete and check YAML by one. It cannot say all that Parse
// knows: the check that counts is Parse.
func JSONSchema() ([]byte, error) {
	s := schema(Default()).jsonSchema()
	s["$schema"], s["title"] = "http://json-schema.org/draft-07/schema#", "Configuration of the SentinelAI agent"
	return json.MarshalIndent(s, "", "  ")
}

type object = map[string]any

func (s section) jsonSchema() object {
	properties := object{}
	for _, e := range s {
		p := object{}
		if v, ok := e.value.(interface{ jsonSchema() object }); ok {
			p = v.jsonSchema()
		}
		if sub, ok := e.value.(section); !ok || len(sub) == 0 {
			p["default"] = defaultOf(e.value)
		}
		properties[e.key] = p
	}
	return object{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
}

// defaultOf is a value as JSON has it.
func defaultOf(v value) any {
	var out any
	if err := v.show().Decode(&out); err != nil {
		return nil
	}
	return out
}

// orVariable also allows a text that names a variable.
func orVariable(s object) object {
	return object{"anyOf": []object{s, {"type": "string", "pattern": `\$\{`}}}
}

func (t *text) jsonSchema() object { return object{"type": []string{"string", "number"}} }

func (s *secret) jsonSchema() object { return object{"type": []string{"string", "number", "null"}} }

func (s *secretFile) jsonSchema() object { return object{"type": "string"} }

func (b *boolean) jsonSchema() object { return orVariable(object{"type": "boolean"}) }

func (i *integer) jsonSchema() object {
	return orVariable(object{"type": "integer", "minimum": i.min, "maximum": i.max})
}

func (f *number) jsonSchema() object {
	return orVariable(object{"type": "number", "minimum": f.min, "maximum": f.max})
}

func (t *duration) jsonSchema() object {
	return object{"anyOf": []object{
		{"type": "integer", "minimum": int64(t.min / time.Second), "maximum": int64(t.max / time.Second)},
		{"type": "string", "pattern": `^([0-9]+[smhd])+$|\$\{`},
	}}
}

func (r *rate) jsonSchema() object {
	return object{"type": "string", "pattern": `^[0-9]{1,6}/[smhd]$|\$\{`}
}

func (e *enum[T]) jsonSchema() object {
	words := e.options()
	for alias := range e.aliases {
		words = append(words, alias)
	}
	return orVariable(object{"enum": words})
}

func (t *timezone) jsonSchema() object { return object{"type": "string"} }

func (t *texts) jsonSchema() object { return listSchema(object{"type": "string"}) }

func (t *networks) jsonSchema() object { return listSchema(object{"type": "string"}) }

func (t *sources) jsonSchema() object {
	s := DefaultSource()
	item := sourceSchema(&s).jsonSchema()
	item["type"], item["required"] = "object", []string{"path"}
	return listSchema(item)
}

func listSchema(item object) object {
	return object{"type": []string{"array", "null"}, "items": item, "maxItems": maxList}
}
