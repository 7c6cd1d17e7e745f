// Package rules holds the detection rules that are shipped with SentinelAI, as
// YAML files embedded into the programs. docs/rules-authoring.md describes the format.
package rules

import (
	"embed"
	"io/fs"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

//go:embed *.yml
var files embed.FS

// Load parses all built-in rules. Problems are faults of the release: a test
// holds that there are none.
func Load() (all []*rule.Rule, problems []rule.Problem) {
	names, err := fs.Glob(files, "*.yml")
	if err != nil {
		return nil, []rule.Problem{{File: "rules", Message: err.Error()}}
	}
	for _, name := range names {
		data, err := Read(name)
		if err != nil {
			problems = append(problems, rule.Problem{File: name, Message: err.Error()})
			continue
		}
		rs, ps := rule.ParseFile(name, data)
		all, problems = append(all, rs...), append(problems, ps...)
	}
	return all, problems
}

// Read returns the text of a built-in rule file.
func Read(name string) ([]byte, error) { return files.ReadFile(name) }
