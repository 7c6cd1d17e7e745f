package rule

import (
	"net/netip"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Limits of rule files. Whatever exceeds them is refused with a Problem.
const (
	MaxFile    = 1 << 20   // bytes a file
	MaxDoc     = 256 << 10 // bytes a document (one rule)
	MaxAlias   = 8         // nested YAML aliases
	MaxDepth   = 8         // nested conditions
	MaxLeaves  = 512       // comparisons a rule, its steps and exceptions included
	MaxPattern = 4 << 10   // bytes a pattern
	MaxProgram = 16384     // compiled instructions a rule (640 KiB), each pattern once
	MaxSteps   = 8         // steps of a sequence
)

// MaxText is how much of one text, in bytes, conditions examine.
const MaxText = 8 << 10

// Rule is one rule with all defaults filled in.
type Rule struct {
	ID, Name, Description string
	Severity              sentinel.Severity
	// Confidence is 0..1. Written is what the file has, where marks of people have
	// lowered it on this host; else 0. The caller sets it.
	Confidence, Written float64
	// Type is the threat's type, Group the family group of its case.
	Type, Group string
	// Basis names what the rule looks at. Of rules with the same basis, which see
	// the same events at several scales, only the strongest counts in a score.
	Basis   string
	Enabled bool
	// Advisory rules may raise a score and never justify a block alone.
	// Deterministic ones are not lowered by a language model's verdict.
	Advisory, Deterministic bool
	// LogSource selects sources; the zero value selects all.
	LogSource LogSource
	// When is the condition tree; nil for sequence rules and those with a
	// Detector.
	When *Cond
	// Detector names the part of the engine that decides when the rule matches,
	// for what conditions cannot say; empty for other rules.
	Detector string
	// Aggregation and Sequence are nil where the rule has none; a rule never
	// has both.
	Aggregation *Aggregation
	Sequence    *Sequence
	// Cooldown is how long a key is silent after a firing; it defaults to the
	// window of the aggregation or sequence, else 0.
	Cooldown time.Duration
	// Actions is nil if the file has none: policy decides.
	Actions []Action
	// HasActions tells an empty list ("alert only") from none.
	HasActions bool
	// NoLLM: "llm: never".
	NoLLM            bool
	Exceptions       []Exception
	Tags, References []string
	// FalsePositives say in sentences what harmless things match, too.
	FalsePositives []string
	Tests          []Test
	// File, Line (from 1) and Column say where the rule stands.
	File         string
	Line, Column int
	// Custom is set by the caller for rules that are not built in: a custom
	// rule replaces a built-in one of the same id.
	Custom bool
	// Origin is nil for rules in the engine's own format.
	Origin *Origin
	// Hidden: its firings are steps of sequences only; they are not shown.
	Hidden bool
}

// Origin says where a rule in another format comes from.
type Origin struct {
	// Format is "Sigma"; ID, Author, License and Status are as its file has them.
	Format, ID, Author, License, Status string
}

// String is "Sigma rule ID by AUTHOR"; empty for nil.
func (o *Origin) String() string {
	if o == nil {
		return ""
	}
	s := o.Format + " rule"
	if o.ID != "" {
		s += " " + o.ID
	}
	if o.Author != "" {
		s += " by " + o.Author
	}
	return s
}

// Called reports whether a name is the rule's id or, in any letters, the id that
// it has in its origin.
func (r *Rule) Called(name string) bool {
	return r.ID == name || r.Origin != nil && r.Origin.ID != "" && strings.EqualFold(r.Origin.ID, name)
}

// NoBlock reports whether the rule lists actions and neither block_ip nor
// rate_limit is among them.
func (r *Rule) NoBlock() bool {
	if !r.HasActions {
		return false
	}
	_, block := r.Action(ActionBlock)
	_, limit := r.Action(ActionRateLimit)
	return !block && !limit
}

// Limit is the rate of rate_limit, zero without it.
func (r *Rule) Limit() sentinel.Rate {
	a, _ := r.Action(ActionRateLimit)
	return a.Rate
}

// LimitOnly reports whether the rule asks for rate_limit and not for block_ip.
func (r *Rule) LimitOnly() bool {
	_, limit := r.Action(ActionRateLimit)
	_, block := r.Action(ActionBlock)
	return limit && !block
}

// Ambient reports whether single matches of the rule say nothing.
func (r *Rule) Ambient() bool { return r.Aggregation != nil && r.Aggregation.Ambient }

// BlockFor is the rule's own duration of a block, 0 for the policy's.
func (r *Rule) BlockFor() time.Duration {
	a, _ := r.Action(ActionBlock)
	return a.Duration
}

// Action returns the first action of a kind.
func (r *Rule) Action(kind ActionKind) (Action, bool) {
	for _, a := range r.Actions {
		if a.Kind == kind {
			return a, true
		}
	}
	return Action{}, false
}

// Mode is how an aggregation counts.
type Mode uint8

// The modes.
const (
	// Sliding counts the events of the last Window exactly.
	Sliding Mode = iota
	// Leaky fires on event Capacity+1 while the bucket, which loses one event
	// each Leak, is full.
	Leaky
)

// String returns "sliding" or "leaky".
func (m Mode) String() string {
	if m == Leaky {
		return "leaky"
	}
	return "sliding"
}

// Aggregation counts matches by key.
type Aggregation struct {
	// GroupBy holds no multi-valued field. Without any field all events are one
	// group.
	GroupBy []Field
	// V4 and V6 are the prefix lengths that address fields of the key are
	// masked to.
	V4, V6    int
	Window    time.Duration
	Threshold int
	// Distinct, unless NoField, is the field whose values are counted instead
	// of events.
	Distinct Field
	Mode     Mode
	// Capacity and Leak are set in mode leaky only.
	Capacity int
	Leak     time.Duration
	// MaxKeys bounds the keys remembered.
	MaxKeys int
	// MaxPerValue, with Distinct, counts only values that came at most so often
	// within the window ("10 users with at most 2 tries each"); 0: any number.
	MaxPerValue int
	// MinRatio is the least share, above 0 and up to 1, that the matching events
	// must have of all events of their type and key within the window, from the
	// first match on; 0: none.
	MinRatio float64
	// SpreadField, unless NoField, must have SpreadMin distinct values (2..64)
	// within the window as well ("20 failures from at least 4 addresses").
	SpreadField Field
	SpreadMin   int
	// AboveUsual, if not 0, lets the rule fire only while more than so many times
	// as many logins fail in the log as usual; while that is not known, not at all.
	AboveUsual int
	// Ambient: what is counted is ordinary traffic, of which one event says
	// nothing. Such a match is shown only when the rule fires.
	Ambient bool
}

// Sequence is steps that one key goes through.
type Sequence struct {
	By      []Field
	V4, V6  int
	Within  time.Duration
	Ordered bool
	Steps   []Step
	Unless  []Guard
}

// Step is one step of a sequence. Matches of steps have the step's index in
// Match.Step; those of guards have len(Steps) plus the guard's index.
type Step struct {
	ID string
	// Rule, if set, is the id of the rule whose firing is the step; When is
	// nil then.
	Rule string
	When *Cond
	// Count is how many matches complete the step, at least 1.
	Count int
	// By, unless nil, are the fields of this step's events that hold what By of
	// the sequence is in the others; of the same kinds, in the same order.
	By []Field
}

// Guard stops a sequence at completion if an event like it happened.
type Guard struct {
	// Before is the id of a step: the event must have come before its first
	// match. Empty: any time.
	Before string
	// Within is how far back the event may lie, 0 for the sequence's Within.
	Within time.Duration
	// Same are the fields that event and sequence have in common; By if not
	// given.
	Same []Field
	Rule string
	When *Cond
}

// ActionKind names an action.
type ActionKind string

// The kinds of actions.
const (
	ActionBlock     ActionKind = "block_ip"
	ActionNotify    ActionKind = "notify"
	ActionRateLimit ActionKind = "rate_limit"
	ActionTag       ActionKind = "tag"
)

// Action is what a rule asks for.
type Action struct {
	Kind ActionKind
	// Duration and Prefix (scope: prefix) are of block_ip; Duration 0 means
	// the policy's.
	Duration time.Duration
	Prefix   bool
	// Level is of notify; HasLevel false means any.
	Level    sentinel.Severity
	HasLevel bool
	// Rate is of rate_limit.
	Rate sentinel.Rate
	// Tags are of tag.
	Tags []string
}

// Exception silences a rule where its condition holds.
type Exception struct {
	Reason string
	// Expires ends it; zero: never.
	Expires time.Time
	Match   *Cond
	// Rules are the ids it is for, in an exception that stands outside a rule;
	// "*" and a trailing "*" are wildcards. Ignored within a rule.
	Rules []string
	// File and Line say where it stands.
	File string
	Line int
}

// Test is an example in a rule.
type Test struct {
	Name string
	// Source is the type of the source that the lines are of; empty: the
	// rule's own log source.
	Source sentinel.SourceType
	// Start is when the first line arrives, Every the time to each next one;
	// Repeat is how often Lines are read, at least 1.
	Start  time.Time
	Every  time.Duration
	Repeat int
	Lines  []string
	// Geo says where addresses are while the test runs; nothing else is known.
	Geo    []TestPlace
	Expect Expect
	Line   int
}

// TestPlace says where the addresses of a network are.
type TestPlace struct {
	Prefix netip.Prefix
	Geo    sentinel.Geo
}

// Locate returns where an address is in the test.
func (t *Test) Locate(a netip.Addr) sentinel.Geo {
	for _, p := range t.Geo {
		if p.Prefix.Contains(a) {
			return p.Geo
		}
	}
	return sentinel.Geo{}
}

// Expect is what a test wants.
type Expect struct {
	// Fires is how often the rule fires; -1 if the test does not say. At is the
	// number of the line, from 1, at which it fires first, 0 for any.
	Fires, At int
	// Matches is how many lines meet the conditions, -1 if not said.
	Matches int
	// Fields are values of the firing, Extracted of the last event that the
	// parser read.
	Fields, Extracted map[string]string
}
