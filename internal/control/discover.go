package control

import (
	"context"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// DiscoverResult is the answer to logs.discover: what logs there are on the
// host, whether they are read and why.
type DiscoverResult struct {
	Logs []DiscoveredLog `json:"logs"`
	// Notes say what could not be found out, and what seems to be missing.
	Notes []string `json:"notes"`
}

// DiscoveredLog is a log that discovery came upon.
type DiscoveredLog struct {
	// Path is a file, a pattern or "journal".
	Path string              `json:"path"`
	Type sentinel.SourceType `json:"type"`
	// By says what led to it: a usual place, a line of a configuration, a unit.
	By []string `json:"by"`
	// State is "read", "denied", "absent" (there is no file yet), "copy" (left
	// out: the journal has all of it) or "off" (left out by the configuration).
	// Problem says more where it is not read, Hint what to do.
	State   string `json:"state"`
	Problem string `json:"problem,omitempty"`
	Hint    string `json:"hint,omitempty"`
	// Formats are those of its access lines, as "NAME (FILE:LINE)", where the
	// configuration of its server says.
	Formats []string `json:"formats,omitempty"`
}

// The states of a DiscoveredLog.
const (
	LogRead   = "read"
	LogDenied = "denied"
	LogAbsent = "absent"
	LogCopy   = "copy"
	LogOff    = "off"
)

// Discover calls logs.discover.
func (c *Client) Discover(ctx context.Context) (*DiscoverResult, error) {
	return ask[DiscoverResult](ctx, c, MethodDiscover, nil)
}
