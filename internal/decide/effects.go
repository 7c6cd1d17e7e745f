package decide

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// Effects is what a call led to. All of it is owned by the receiver.
type Effects struct {
	// Threats has the new state of cases that visibly changed: opened, graver,
	// another rule, sample or action. Mere counts come with the next Tick.
	Threats []sentinel.Threat
	// Blocks are new or changed ones. A prefix is never in Unblocked as well.
	Blocks    []sentinel.Block
	Unblocked []netip.Prefix
	// Actions are rows of the audit trail, by ID: an action that is given again
	// (extended, expired, revoked) replaces the earlier row.
	Actions []sentinel.Action
	// Statuses are to be set on stored threats. Those of open cases are in
	// Threats as well.
	Statuses []StatusChange
	Alarms   []Alarm
	// Regulars has what is good about entities, as far as it changed.
	Regulars []sentinel.Regular
	// Logins has the places that users logged in from, as far as they changed.
	Logins []sentinel.LoginPlace
	// AllowChanged says that the allowlist is another one now; see
	// Decider.Allowlist. Allowed and Disallowed are what a person changed.
	AllowChanged bool
	Allowed      []Protection
	Disallowed   []netip.Prefix
}

// StatusChange sets the status of a threat.
type StatusChange struct {
	ThreatID string
	Status   sentinel.Status
	By       string
	At       time.Time
}

// AlarmKind says what an alarm is about.
type AlarmKind string

// The kinds of alarms.
const (
	// AlarmBreaker: new blocks came faster than the limit; we only report.
	AlarmBreaker AlarmKind = "breaker"
	// AlarmFull: the limit of blocks is reached; weaker ones give way.
	AlarmFull AlarmKind = "full"
	// AlarmProtected: an address that is never blocked attacks.
	AlarmProtected AlarmKind = "protected"
	// AlarmNetwork: many addresses of one network were blocked.
	AlarmNetwork AlarmKind = "network"
	// AlarmRestore: a stored block was not taken up again.
	AlarmRestore AlarmKind = "restore"
)

// Alarm is something that the people in charge should know at once.
type Alarm struct {
	Time time.Time
	Kind AlarmKind
	Text string
}

// alarmsPerHour bounds alarms by kind.
func alarmsPerHour(kind AlarmKind) int {
	switch kind {
	case AlarmProtected, AlarmRestore, AlarmNetwork:
		return 20
	}
	return 1
}

// Empty reports whether nothing happened.
func (fx *Effects) Empty() bool {
	return len(fx.Threats) == 0 && len(fx.Blocks) == 0 && len(fx.Unblocked) == 0 && len(fx.Actions) == 0 &&
		len(fx.Statuses) == 0 && len(fx.Alarms) == 0 && len(fx.Regulars) == 0 && len(fx.Logins) == 0 && !fx.AllowChanged
}

// Merge appends what happened next. What was blocked and then unblocked is
// unblocked, and the other way round.
func (fx *Effects) Merge(next Effects) {
	if len(next.Unblocked) > 0 && len(fx.Blocks) > 0 {
		fx.Blocks = slices.DeleteFunc(fx.Blocks, func(b sentinel.Block) bool { return slices.Contains(next.Unblocked, b.Prefix()) })
	}
	if len(next.Blocks) > 0 && len(fx.Unblocked) > 0 {
		fx.Unblocked = slices.DeleteFunc(fx.Unblocked, func(p netip.Prefix) bool {
			return slices.ContainsFunc(next.Blocks, func(b sentinel.Block) bool { return b.Prefix() == p })
		})
	}
	fx.Threats = append(fx.Threats, next.Threats...)
	fx.Blocks = append(fx.Blocks, next.Blocks...)
	fx.Unblocked = append(fx.Unblocked, next.Unblocked...)
	fx.Actions = append(fx.Actions, next.Actions...)
	fx.Statuses = append(fx.Statuses, next.Statuses...)
	fx.Alarms = append(fx.Alarms, next.Alarms...)
	fx.Regulars = append(fx.Regulars, next.Regulars...)
	fx.Logins = append(fx.Logins, next.Logins...)
	fx.AllowChanged = fx.AllowChanged || next.AllowChanged
	fx.Allowed = append(fx.Allowed, next.Allowed...)
	fx.Disallowed = append(fx.Disallowed, next.Disallowed...)
}
