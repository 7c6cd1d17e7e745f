package control

import (
	"context"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// MethodWhyNot says why an address is not blocked.
const MethodWhyNot = "threats.whynot"

// WhyNotParams names one address.
type WhyNotParams struct {
	IP Network `json:"ip"`
}

func (p *WhyNotParams) check(Peer) *Error {
	if err := checkNetwork(p.IP); err != nil {
		return err
	}
	if !p.IP.IsSingleIP() {
		return invalid("ip", "%s is a network", p.IP).WithHint("give one address, such as %s", p.IP.Addr())
	}
	return nil
}

// WhyNot is all that bears on whether an address is blocked.
type WhyNot struct {
	IP Network `json:"ip"`
	// Verdict says it in a sentence; Hints are what to look at next.
	Verdict string   `json:"verdict"`
	Hints   []string `json:"hints"`
	// Mode is "observe" or "protect"; MinScore what an automatic block needs.
	Mode     string  `json:"mode"`
	MinScore float64 `json:"min_score"`
	// Block is the one in force, Protection what keeps the address from being
	// blocked.
	Block      *sentinel.BlockRecord `json:"block,omitempty"`
	Protection *AllowEntry           `json:"protection,omitempty"`
	// Seen is where a line with the address was read last, as far as that is
	// remembered, Since the start of the agent.
	Seen  *Seen     `json:"seen,omitempty"`
	Since time.Time `json:"since"`
	// Rules have counted the address, the one nearest to firing first.
	Rules []RuleStanding `json:"rules"`
	// Silenced are rules that an exception kept from counting it.
	Silenced []SilencedRule `json:"silenced"`
	// Others count by more than the address, so that what they hold about it
	// cannot be told.
	Others []string `json:"others"`
	// Cases are the open ones, Past at most 5 earlier ones, Actions at most 10
	// things that were done, newest first.
	Cases   []ThreatRow       `json:"cases"`
	Past    []ThreatRow       `json:"past"`
	Actions []sentinel.Action `json:"actions"`
	// Sources are those that are read.
	Sources []SourceStatus `json:"sources"`
}

// Seen says where an address was read last.
type Seen struct {
	Source string    `json:"source"`
	Last   time.Time `json:"last"`
	// Lines is at most 65,535.
	Lines int `json:"lines"`
}

// RuleStanding is how far a rule is from firing.
type RuleStanding struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Severity sentinel.Severity `json:"severity"`
	// Count of Threshold lie within the Window that ends now.
	Count     int     `json:"count"`
	Threshold int     `json:"threshold"`
	Window    Seconds `json:"window"`
	// Also says what else the rule needs, in words.
	Also  string    `json:"also,omitempty"`
	Last  time.Time `json:"last,omitzero"`
	Fired time.Time `json:"fired,omitzero"`
	// Silent: it has fired and its cooldown lasts.
	Silent bool `json:"silent,omitempty"`
}

// SilencedRule says that an exception silenced a rule for the address.
type SilencedRule struct {
	ID    string    `json:"id"`
	Count int       `json:"count"`
	Last  time.Time `json:"last"`
}

// WhyNot calls threats.whynot.
func (c *Client) WhyNot(ctx context.Context, p WhyNotParams) (*WhyNot, error) {
	return ask[WhyNot](ctx, c, MethodWhyNot, p)
}
