package sentinel

import (
	"net/netip"
	"time"
)

// Evidence is the part of a field that made a rule match.
type Evidence struct {
	// Field is the event's field, for example "http.query".
	Field string `json:"field"`
	// View is how the field was read: "raw", "decoded" or "canon".
	View string `json:"view,omitempty"`
	// Text is the field's text in that view, cut to at most 512 bytes around
	// the match; Start and End are the matched bytes within Text.
	Text  string `json:"text"`
	Start int    `json:"start"`
	End   int    `json:"end"`
}

// Detection is one detector's opinion about one address (or, for rules that
// group by something else, about one key). It owns its strings.
type Detection struct {
	// Time is the event's time, put right by the engine (never in the future
	// of the line's arrival).
	Time time.Time
	// Rule identity, copied from the rule that fired.
	RuleID, RuleName, Type, Group string
	Description                   string
	// Origin says where the rule comes from and who wrote it, for rules in
	// another format; else it is empty.
	Origin string
	// Basis is shared by rules that see the same events, see RulePart.
	Basis      string
	Severity   Severity
	Confidence float64
	// Written: see RulePart.
	Written float64
	// Advisory: may raise a score, never justifies a block alone.
	// Deterministic: a language model's verdict never lowers it.
	// NoBlock: the rule's actions do not ask for a block.
	Advisory, Deterministic, NoBlock bool
	// BlockFor is the rule's own duration of a block, 0 for the policy's.
	BlockFor time.Duration
	// Limit is the rate that the rule wants to let pass before the attacker is
	// blocked, or with LimitOnly instead of it; zero: none.
	Limit     Rate
	LimitOnly bool
	Tags      []string
	// Addr is the attacker; invalid if the rule's key has none.
	Addr netip.Addr
	// Scope is what the detection is about: Entity(Addr), or a wider prefix
	// for rules that group by one; invalid without an address.
	Scope netip.Prefix
	// Key is the group key in words for rules that group by something else
	// ("user=root"), else empty.
	Key string
	// Source and SourceType say where the last event came from.
	Source     string
	SourceType SourceType
	// Count events (or distinct values) were seen within Window where
	// Threshold were needed. Single events have Count 1 and Window 0.
	Count, Threshold int
	Window           time.Duration
	// Template is a hash that is equal for repetitions of the same odd thing
	// (rule, path, parameter name): a case counts distinct templates.
	Template uint64
	Evidence []Evidence
	// Sample is the line that made the rule fire.
	Sample string
	// User is the account concerned, if any.
	User string
	// Late: the line is older than the engine's allowed lateness; it is
	// recorded and scored but cannot block.
	Late bool
	// Outcome says what became of the attack and OutcomeWhy how one can tell.
	// Raised: it may have worked, so that Severity is one level higher than the
	// rule's.
	Outcome    Outcome
	OutcomeWhy string
	Raised     bool
	// FromHeader: Addr was taken from a forwarding header, so that a packet
	// filter cannot stop it.
	FromHeader bool
	// BehindProxy: the source's lines have the addresses of a proxy that is not
	// configured, not of clients.
	BehindProxy bool
}
