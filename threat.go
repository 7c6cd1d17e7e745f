package sentinel

import (
	"fmt"
	"net/netip"
	"time"
)

// Status is the state of a threat in the hands of people.
type Status string

// The states of a threat.
const (
	StatusOpen          Status = "open"
	StatusAcknowledged  Status = "acknowledged"
	StatusResolved      Status = "resolved"
	StatusFalsePositive Status = "false_positive"
)

// ParseStatus reads a status. Its error lists the four.
func ParseStatus(text string) (Status, error) {
	switch s := Status(text); s {
	case StatusOpen, StatusAcknowledged, StatusResolved, StatusFalsePositive:
		return s, nil
	}
	return "", fmt.Errorf("status %q is none of open, acknowledged, resolved, false_positive", text)
}

// Threat is one growing case: all that one entity did in one family group. It
// is stored as one row and updated as more detections come.
type Threat struct {
	// ID is a ULID.
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	LastSeen  time.Time `json:"last_seen"`
	// Source is the id of the source of the first event.
	Source     string     `json:"source"`
	SourceType SourceType `json:"source_type"`
	Severity   Severity   `json:"severity"`
	Type       string     `json:"type"`
	Group      string     `json:"group"`
	// AttackerIP is the last address seen; Scope the network that the case is
	// about. Both may be invalid.
	AttackerIP netip.Addr   `json:"attacker_ip,omitzero"`
	Scope      netip.Prefix `json:"scope,omitzero"`
	// AttackerGeo is the country of AttackerIP, as an ISO 3166 code, and
	// AttackerNetwork the network that it is in ("AS64500 Example"); both empty if
	// not known.
	AttackerGeo     string `json:"attacker_geo,omitempty"`
	AttackerNetwork string `json:"attacker_network,omitempty"`
	Key             string `json:"key,omitempty"`
	User            string `json:"user,omitempty"`
	Description     string `json:"description"`
	// Samples are at most 5 of the lines, oldest first.
	Samples []string `json:"samples"`
	// RiskScore is what people are shown; Decision what policy acted on.
	RiskScore      float64    `json:"risk_score"`
	Decision       float64    `json:"decision"`
	RuleID         string     `json:"rule_id"`
	AnomalyScore   *float64   `json:"anomaly_score,omitempty"`
	LLMExplanation string     `json:"llm_explanation,omitempty"`
	Status         Status     `json:"status"`
	ResolvedAt     time.Time  `json:"resolved_at,omitzero"`
	ResolvedBy     string     `json:"resolved_by,omitempty"`
	EventCount     int        `json:"event_count"`
	Evidence       []Evidence `json:"evidence"`
	Score          ScoreParts `json:"score_parts"`
	MITRE          []string   `json:"mitre,omitempty"`
	// Action is what was done ("block", "rate_limit", "alert") and ActionReason
	// why, or why not more.
	Action       string `json:"action"`
	ActionReason string `json:"action_reason"`
	// Outcome is the gravest of what became of its events, and OutcomeWhy how one
	// can tell.
	Outcome    Outcome `json:"outcome,omitempty"`
	OutcomeWhy string  `json:"outcome_why,omitempty"`
	// Previous is the id of the case that this one continues, if any.
	Previous string `json:"previous,omitempty"`
}

// Growth is what counting changes of a threat that is known already.
type Growth struct {
	ID         string
	EventCount int
	LastSeen   time.Time
	// Rules are the changed parts of Score.Rules, in their order.
	Rules []RuleGrowth
}

// RuleGrowth is what counting changes of a RulePart.
type RuleGrowth struct {
	Firings, Count int
	Last           time.Time
}

// Grow brings t up to date with a growth of it.
func (t *Threat) Grow(g Growth) {
	t.EventCount, t.LastSeen = g.EventCount, g.LastSeen
	if len(g.Rules) != len(t.Score.Rules) {
		return
	}
	for i, r := range g.Rules {
		p := &t.Score.Rules[i]
		p.Firings, p.Count, p.Last = r.Firings, r.Count, r.Last
	}
}

// ScoreParts is all that a score was computed from: it can be computed again.
type ScoreParts struct {
	Rules []RulePart `json:"rules"`
	// R is the rules' share, A the anomaly stage's (nil: absent), P the
	// reputation, L the language model's verdict (nil: not asked).
	R float64  `json:"r"`
	A *float64 `json:"a,omitempty"`
	P float64  `json:"p"`
	L *float64 `json:"l,omitempty"`
	// Lists are the lists of addresses with a bad name that have a share in P.
	Lists []string `json:"lists,omitempty"`
	// Reasons say in words why A is what it is. Learning is how far the anomaly
	// stage has learned what is usual for the source, in percent: A is absent or
	// capped until then. Zero: it has, or it is off.
	Reasons  []string `json:"anomaly_reasons,omitempty"`
	Learning int      `json:"anomaly_learning,omitempty"`
	// Base, WithReputation, Limit, Decision and Score are the steps of section
	// 11 of the detection specification (docs/detection.md).
	Base           float64 `json:"base"`
	WithReputation float64 `json:"with_reputation"`
	Limit          float64 `json:"limit"`
	Decision       float64 `json:"decision"`
	Score          float64 `json:"score"`
	MayBlock       bool    `json:"may_block"`
}

// RulePart is one rule's part of a score.
type RulePart struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Severity   Severity `json:"severity"`
	Confidence float64  `json:"confidence"`
	// Written is the confidence as the rule has it, where marks of people on this
	// host have lowered it; else 0.
	Written float64 `json:"written,omitempty"`
	// Origin says where a rule in another format comes from and who wrote it.
	Origin string `json:"origin,omitempty"`
	// Firings is N: firings after cooldown, or distinct templates.
	Firings   int           `json:"firings"`
	Last      time.Time     `json:"last"`
	Count     int           `json:"count"`
	Threshold int           `json:"threshold,omitempty"`
	Window    time.Duration `json:"window,omitempty"`
	Advisory  bool          `json:"advisory,omitempty"`
	NoBlock   bool          `json:"no_block,omitempty"`
	// Limit is the rate that the rule lets pass before it asks for a block, or
	// with LimitOnly instead of it.
	Limit     Rate `json:"limit,omitzero"`
	LimitOnly bool `json:"limit_only,omitempty"`
	// Basis is what the rule looks at: of rules with the same one, which see the
	// same events at several scales, only the strongest counts in R. Empty: the
	// rule counts by itself.
	Basis string `json:"basis,omitempty"`
	// Deterministic rules are not lowered by a language model.
	Deterministic bool `json:"deterministic,omitempty"`
	// Raised: Severity is one level above the rule's, since an attack may have
	// worked.
	Raised bool `json:"raised,omitempty"`
}
