package control

import "time"

// ProfileStatus is an application that answered in a log, and whether what is
// ordinary there is excepted from the rules about searching.
type ProfileStatus struct {
	Source string `json:"source"`
	Name   string `json:"name"`
	Title  string `json:"title"`
	// On: it is excepted. Pinned: the configuration says whether.
	On     bool `json:"on"`
	Pinned bool `json:"pinned,omitempty"`
	// Since is when it was recognised, Last when it answered last.
	Since time.Time `json:"since,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Addresses that it answered, up to the three that are needed; Excepted counts
	// requests since the start.
	Addresses int    `json:"addresses"`
	Excepted  uint64 `json:"excepted"`
}
