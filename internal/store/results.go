package store

import (
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Statuses of actions, as they stand in the database.
const (
	StatusActive  = "active"
	StatusExpired = "expired"
	StatusRevoked = "revoked"
	StatusDone    = "done"
	StatusRefused = "refused"
)

// Results is all that a batch of lines, an order or the passing of time led
// to. Commit stores it in one transaction. The zero value stores nothing.
type Results struct {
	// Positions are stored as they are, the last one of a source wins.
	Positions []sentinel.Position
	// Threats are new or have a new state; the last state of an id wins. The
	// reputation of the attackers follows from them.
	Threats []sentinel.Threat
	// Blocks are new, or extended if their id is known. A block ends an older
	// one of the same prefix.
	Blocks []sentinel.BlockRecord
	// Unblocked ends blocks; see Unblock about their order.
	Unblocked []Unblock
	// Actions is the audit trail. One that has the id of a block in Blocks
	// adds nothing but its Backend.
	Actions []sentinel.Action
	// Allow and Disallow change the allowlist that people made, in this order.
	Allow    []AllowEntry
	Disallow []netip.Prefix
	// AllowNames and DisallowNames are the same for names.
	AllowNames    []AllowName
	DisallowNames []string
	// AllowPlaces and DisallowPlaces are the same for countries and networks.
	AllowPlaces    []AllowPlace
	DisallowPlaces []sentinel.Place
	// Logins replace what is stored of the same users and countries.
	Logins []sentinel.LoginPlace
	// Regulars replace what is stored as good about their networks.
	Regulars []sentinel.Regular
	// Counters are added to what is stored of the same minute and source.
	Counters Counters
	// Shapes are samples of lines that were not understood. At most
	// maxShapes are taken from one commit, and kept of one source.
	Shapes []Shape
	// Baselines and AnomalyStates replace what is stored of the same.
	Baselines     []Baseline
	AnomalyStates []AnomalyState
	// Journal is what a start after a crash needs besides, nil for nothing.
	Journal *Journal
	// Durable makes the commit wait for the disk (synchronous=FULL): for the
	// orders of people, and for blocks.
	Durable bool
}

// Unblock ends the block of a prefix, if there is one in force.
type Unblock struct {
	Prefix netip.Prefix
	// Status is StatusExpired or StatusRevoked (also if empty).
	Status string
	// By says who revoked it.
	By string
	At time.Time
	// AfterBlocks is how many of Results.Blocks came before it, so that a
	// commit may hold a block and its end in any order. With the zero value it
	// comes before all of them.
	AfterBlocks int
}

// Unblock appends u, to take effect after the blocks that are there already.
func (r *Results) Unblock(u Unblock) {
	u.AfterBlocks = len(r.Blocks)
	r.Unblocked = append(r.Unblocked, u)
}

// Empty reports whether there is nothing to store.
func (r *Results) Empty() bool {
	return len(r.Positions) == 0 && len(r.Threats) == 0 && len(r.Blocks) == 0 && len(r.Unblocked) == 0 &&
		len(r.Actions) == 0 && len(r.Allow) == 0 && len(r.Disallow) == 0 &&
		len(r.Baselines) == 0 && len(r.AnomalyStates) == 0 &&
		len(r.AllowNames) == 0 && len(r.DisallowNames) == 0 &&
		len(r.AllowPlaces) == 0 && len(r.DisallowPlaces) == 0 && len(r.Logins) == 0 && len(r.Regulars) == 0 && len(r.Counters) == 0 && len(r.Shapes) == 0 &&
		(r.Journal == nil || r.Journal.empty())
}

// Count is what was read of one source within one minute.
type Count struct {
	Source string              `json:"source"`
	Type   sentinel.SourceType `json:"type,omitempty"`
	// Minute is cut to the minute.
	Minute time.Time `json:"minute,omitzero"`
	// Events is the number of lines, Parsed and Unparsed those that were and
	// were not understood, Matched those that a rule matched, Threats the
	// cases opened.
	Events   int64 `json:"events"`
	Parsed   int64 `json:"parsed"`
	Unparsed int64 `json:"unparsed"`
	Matched  int64 `json:"matched"`
	Threats  int64 `json:"threats"`
	// LastEvent is the time of the newest line, zero if unknown.
	LastEvent time.Time `json:"last_event,omitzero"`
}

// Counters are counts by source and minute.
type Counters []Count

// Add adds c to the count of the same source and minute, appending one if
// there is none. It looks at the newest first.
func (cs *Counters) Add(c Count) {
	c.Minute = c.Minute.Truncate(time.Minute)
	for i := len(*cs) - 1; i >= 0; i-- {
		if d := &(*cs)[i]; d.Source == c.Source && d.Minute.Equal(c.Minute) {
			d.plus(c)
			return
		}
	}
	*cs = append(*cs, c)
}

// plus adds the numbers of c and keeps the newer LastEvent.
func (d *Count) plus(c Count) {
	d.Events += c.Events
	d.Parsed += c.Parsed
	d.Unparsed += c.Unparsed
	d.Matched += c.Matched
	d.Threats += c.Threats
	if c.Type != "" {
		d.Type = c.Type
	}
	if c.LastEvent.After(d.LastEvent) {
		d.LastEvent = c.LastEvent
	}
}

// Shape is a kind of line that was not understood: its text with all that
// varies masked, one such line and how often it came.
type Shape struct {
	Source   string    `json:"source"`
	Shape    string    `json:"shape"`
	Sample   string    `json:"sample"`
	Count    int64     `json:"count"`
	LastSeen time.Time `json:"last_seen"`
}

// AllowEntry is a network that people put on the allowlist.
type AllowEntry struct {
	Prefix  netip.Prefix    `json:"prefix"`
	Reason  string          `json:"reason"`
	Origin  sentinel.Origin `json:"origin"`
	Actor   string          `json:"actor,omitempty"`
	Created time.Time       `json:"created_at"`
}
