package setup

import (
	"fmt"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// CheckFormats names each log_format of a source that cannot be read.
func CheckFormats(c *config.Config) (problems config.Problems) {
	for i, s := range c.Logs.Sources {
		if s.LogFormat == "" {
			continue
		}
		if _, err := parse.ParseLogFormat(s.LogFormat); err != nil {
			key := fmt.Sprintf("logs.sources[%d].log_format", i)
			line, _ := c.IsSet(key)
			problems = append(problems, config.Problem{File: c.File(), Line: line, Column: 1, Width: 1, Key: key, Message: err.Error()})
		}
	}
	return problems
}
