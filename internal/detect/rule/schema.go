package rule

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

type object = map[string]any

// Schema returns what a rule file may hold as a JSON Schema (draft 7), for editors
// that complete and check YAML by one. It cannot say all that ParseRule knows: the
// check that counts is that of the loader.
func Schema() ([]byte, error) {
	s := object{
		"$schema": "http://json-schema.org/draft-07/schema#",
		"title":   "Rule of SentinelAI",
		"anyOf":   []object{ref("rule"), ref("override")},
		"definitions": object{
			"rule": ruleSchema(), "override": overrideSchema(), "condition": conditionSchema(), "leafValue": leafValue(),
			"aggregation": aggregationSchema(), "sequence": sequenceSchema(), "action": actionSchema(), "exception": exceptionSchema(),
			"test": testSchema(), "duration": durationSchema(), "prefix": prefixSchema(), "keyField": keyFieldSchema(),
		},
	}
	return json.MarshalIndent(s, "", "  ")
}

func ref(name string) object { return object{"$ref": "#/definitions/" + name} }

// closed is a mapping without other keys than these.
func closed(properties object, required ...string) object {
	o := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

// oneOrMore is one of a kind, or a list of them.
func oneOrMore(of object) object {
	return object{"anyOf": []object{of, {"type": "array", "items": of}}}
}

func about(o object, text string) object {
	o["description"] = text
	return o
}

func text() object                  { return object{"type": []string{"string", "number", "boolean"}} }
func flag() object                  { return object{"type": "boolean"} }
func whole(low, high int) object    { return object{"type": "integer", "minimum": low, "maximum": high} }
func fraction() object              { return object{"type": "number", "minimum": 0, "maximum": 1} }
func words(list ...string) object   { return object{"type": "string", "enum": list} }
func form(re *regexp.Regexp) object { return object{"type": "string", "pattern": re.String()} }

func severitySchema() object {
	var list []string
	for _, s := range [...]sentinel.Severity{sentinel.Info, sentinel.Low, sentinel.Medium, sentinel.High, sentinel.Critical} {
		list = append(list, s.String())
	}
	return words(list...)
}

func durationSchema() object {
	return object{"anyOf": []object{{"type": "number", "minimum": 0}, {"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ms|s|m|h|d)?)+$`}}}
}

func prefixSchema() object { return closed(object{"v4": whole(8, 32), "v6": whole(16, 128)}) }

// fieldPattern is any name of a field.
func fieldPattern() string {
	names := FieldNames()
	for a := range fieldAliases {
		names = append(names, a)
	}
	for a := range viewAliases {
		names = append(names, a)
	}
	slices.Sort(names)
	for i := range names {
		names[i] = regexp.QuoteMeta(names[i])
	}
	return `(` + strings.Join(names, "|") + `|audit\.[A-Za-z0-9_-]{1,64}(\[[0-9]{1,6}\])?)`
}

func keyFieldSchema() object {
	return object{"type": "string", "pattern": "^" + fieldPattern() + "$"}
}

func fieldExprPattern() string {
	return "^" + fieldPattern() + `(\|(` + strings.Join(modifiers, "|") + `))*$`
}

func leafValue() object { return oneOrMore(text()) }

// conditionSchema is a list, which is an "any", or a mapping: of one of all, any
// and not, of a field with comparisons, or of fields.
func conditionSchema() object {
	p := object{
		"all":   about(oneOrMore(ref("condition")), "all of these hold"),
		"any":   about(oneOrMore(ref("condition")), "at least one of these holds"),
		"not":   about(ref("condition"), "this does not hold"),
		"field": about(object{"type": "string", "pattern": fieldExprPattern()}, "the field to compare, with modifiers behind |"),
	}
	for _, key := range opKeys {
		p[key] = ref("leafValue")
	}
	p["libinjection"] = words("sqli", "sqli_any", "xss")
	return object{"anyOf": []object{
		{"type": "array", "items": ref("condition"), "minItems": 1},
		{"type": "object", "properties": p, "patternProperties": object{fieldExprPattern(): ref("leafValue")}, "additionalProperties": false, "minProperties": 1},
	}}
}

// withCondition is a mapping whose other keys are a condition.
func withCondition(properties object) object {
	properties["rule"] = about(form(idForm), "a firing of this rule, in place of a condition")
	cond := conditionSchema()["anyOf"].([]object)[1]
	for key, v := range cond["properties"].(object) {
		if _, taken := properties[key]; !taken {
			properties[key] = v
		}
	}
	o := closed(properties)
	o["patternProperties"] = cond["patternProperties"]
	return o
}

func ruleSchema() object {
	return closed(object{
		"schema":          about(object{"type": "integer", "const": 1}, "the version of the form"),
		"id":              about(form(idForm), "what the rule is called in configurations, exceptions and other rules"),
		"name":            about(text(), "a few words for lists"),
		"description":     about(text(), "the sentence people read"),
		"severity":        about(severitySchema(), "how bad it is"),
		"confidence":      about(fraction(), "how sure a match is: 1 with aggregation or sequence, else 0.85"),
		"type":            about(form(typeForm), "the type of the threat"),
		"group":           about(form(typeForm), "the family: firings of one group and address are one threat; the type unless given"),
		"basis":           about(form(typeForm), "what the rule counts: of rules with the same basis the strongest counts"),
		"log_source":      about(logSourceSchema(), "the logs that the rule looks at; all unless given"),
		"enabled":         flag(),
		"advisory":        about(flag(), "raises scores and never blocks alone"),
		"deterministic":   about(flag(), "made of fields that no client can write"),
		"conditions":      about(ref("condition"), "what an event must hold"),
		"detector":        about(words(detectors...), "what decides in place of conditions"),
		"aggregation":     about(ref("aggregation"), "how many of them it takes"),
		"sequence":        about(ref("sequence"), "several steps in place of conditions"),
		"cooldown":        about(ref("duration"), "for how long a key is silent after a firing; the window unless given"),
		"actions":         about(oneOrMore(ref("action")), "what is to be done"),
		"llm":             words("auto", "never"),
		"exceptions":      about(oneOrMore(ref("exception")), "events that are left alone"),
		"tags":            about(oneOrMore(text()), "words, and attack.TECHNIQUE for ATT&CK"),
		"references":      about(oneOrMore(text()), "where to read more"),
		"false_positives": about(oneOrMore(text()), "when it is wrong"),
		"tests":           about(oneOrMore(ref("test")), "run by sentinelctl rules test"),
	}, "id", "name", "severity")
}

func logSourceSchema() object {
	name := words(logSourceNames()...)
	m := closed(object{"product": text(), "service": text(), "category": text()})
	return object{"anyOf": []object{name, {"type": "array", "items": name}, m}}
}

func overrideSchema() object {
	return closed(object{
		"override": about(oneOrMore(text()), "ids of the rules to change"), "reason": text(), "enabled": flag(), "severity": severitySchema(),
		"confidence": fraction(), "cooldown": ref("duration"), "group": form(typeForm), "actions": oneOrMore(ref("action")),
	}, "override")
}

func aggregationSchema() object {
	return closed(object{
		"group_by":      about(oneOrMore(ref("keyField")), "events are counted apart by these"),
		"prefix":        about(ref("prefix"), "how much of addresses counts, in bits"),
		"window":        about(ref("duration"), "the time that is looked back"),
		"threshold":     about(whole(1, 1_000_000), "so many events fire the rule"),
		"distinct":      about(ref("keyField"), "count different values of this field, not events"),
		"mode":          words("sliding", "leaky"),
		"capacity":      about(whole(1, 1_000_000), "mode leaky: the bucket"),
		"leak":          about(ref("duration"), "mode leaky: one event leaves in this time"),
		"max_keys":      whole(16, 1_000_000),
		"max_per_value": whole(1, 1_000_000),
		"min_ratio":     fraction(),
		"above_usual":   whole(2, 1000),
		"spread":        closed(object{"field": ref("keyField"), "min": whole(2, 64)}, "field", "min"),
		"ambient":       flag(),
	}, "group_by")
}

func sequenceSchema() object {
	step := withCondition(object{"id": text(), "count": whole(1, 1000)})
	guard := withCondition(object{"before": text(), "within": ref("duration"), "same": oneOrMore(ref("keyField"))})
	return closed(object{
		"by": about(oneOrMore(ref("keyField")), "what the events have in common"), "prefix": ref("prefix"),
		"within": about(ref("duration"), "the longest time from the first to the last"), "ordered": flag(),
		"steps":  object{"type": "array", "items": step, "minItems": 2, "maxItems": MaxSteps},
		"unless": about(oneOrMore(guard), "what must not have happened"),
	}, "by", "within", "steps")
}

func actionSchema() object {
	settings := map[ActionKind]object{
		ActionBlock:     {"duration": ref("duration"), "scope": words("ip", "prefix")},
		ActionNotify:    {"level": severitySchema()},
		ActionRateLimit: {"rate": object{"type": "string", "pattern": `^[0-9]+/[smhd]$`}},
		ActionTag:       {"tags": oneOrMore(text())},
	}
	p := object{}
	for kind, keys := range settings {
		o := closed(keys)
		o["type"] = []string{"object", "null"}
		p[string(kind)] = o
	}
	o := closed(p)
	o["minProperties"], o["maxProperties"] = 1, 1
	return object{"anyOf": []object{words(string(ActionBlock), string(ActionNotify)), o}}
}

func exceptionSchema() object {
	return closed(object{
		"reason": text(), "expires": about(object{"type": "string"}, "a day or a time"), "match": ref("condition"),
	}, "reason", "match")
}

func testSchema() object {
	texts := object{"type": "object", "patternProperties": object{"^" + fieldPattern() + "$": text()}, "additionalProperties": false}
	place := object{"type": "object"}
	return closed(object{
		"name": text(), "source": words(nameList(SourceType)...), "start": object{"type": "string"},
		"every": about(ref("duration"), "events happen so far apart, whatever their stamps say"), "repeat": whole(1, maxTestLines),
		"lines": oneOrMore(text()), "geo": about(place, "where addresses are"),
		"expect": closed(object{
			"fires": whole(0, maxTestLines), "at": whole(1, maxTestLines), "matches": whole(0, maxTestLines), "fields": texts, "extracted": texts,
		}),
	}, "lines", "expect")
}
