package sentinel

import (
	"net/netip"
	"time"
)

// MaxReasons is how many reasons an Anomaly gives at most.
const MaxReasons = 3

// Anomaly is the anomaly stage's opinion about what one entity, or a source as a
// whole, did in one window of time. It owns its strings.
type Anomaly struct {
	// Time is the end of the window.
	Time       time.Time
	Source     string
	SourceType SourceType
	// Addr is the client; invalid if the source as a whole is meant.
	Addr netip.Addr
	// A is how unusual it was, 0 to 1: 0.4 is as rare as the budget of alerts
	// allows, each further 0.1 ten times as rare.
	A float64
	// Learning: what is usual here is still being learned, and A is capped.
	Learning bool
	// Reasons are at most MaxReasons, in words, the weightiest first.
	Reasons []string
	// Quiet: it raises cases and opens none, since people have been told of as much
	// as they want to hear.
	Quiet bool
	// Sample is a line of the window, if one was kept.
	Sample string
	// Window is the window's length.
	Window time.Duration
}
