package control

import (
	"context"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// The names of the methods about addresses.
const (
	MethodAddress = "address.get"
	MethodSuggest = "whitelist.suggest"
)

// AddressParams names one address.
type AddressParams struct {
	IP Network `json:"ip"`
}

func (p *AddressParams) check(Peer) *Error {
	if err := checkNetwork(p.IP); err != nil {
		return err
	}
	if !p.IP.IsSingleIP() {
		return invalid("ip", "%s is a network", p.IP).WithHint("name one address in it")
	}
	return nil
}

// Address is what the agent knows of an address. An IPv6 address stands for its
// /64.
type Address struct {
	IP Network `json:"ip"`
	// Protections are those that hold it, Blocks those in force that hold it.
	Protections []AllowEntry           `json:"protections"`
	Blocks      []sentinel.BlockRecord `json:"blocks"`
	// Country, ASN and Org say where it is, as far as the databases know.
	Country string `json:"country,omitempty"`
	ASN     uint32 `json:"asn,omitempty"`
	Org     string `json:"as_org,omitempty"`
	// Lists are the lists of addresses with a bad name that it is on; Score has
	// their share.
	Lists []Listing `json:"lists,omitempty"`
	// Earlier counts blocks that began within 30 days: the next lasts longer.
	Earlier int `json:"earlier_blocks"`
	// Score is its reputation, 0 to 1: it lifts the score of a new threat.
	Score float64 `json:"reputation"`
	// FirstSeen is zero if nothing was ever stored of it.
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
	Events    int64     `json:"total_events"`
	Threats   int64     `json:"threat_count"`
	// Good is what is good about it; Graded says why it would be slowed before it
	// is blocked, empty if it would not be.
	Good   sentinel.Regular `json:"good"`
	Graded string           `json:"graded,omitempty"`
	// Neighbours are how many others of its network were blocked within a day.
	Network    Network `json:"network,omitzero"`
	Neighbours int     `json:"neighbours"`
	// Recent are its newest threats, Actions the newest things done about it.
	Recent  []ThreatRow       `json:"recent_threats"`
	Actions []sentinel.Action `json:"recent_actions"`
}

// Listing is a list that an address is on, and the reputation that gives by
// itself, 0 to 1.
type Listing struct {
	List   string  `json:"list"`
	Weight float64 `json:"weight"`
}

// Address calls address.get.
func (c *Client) Address(ctx context.Context, p AddressParams) (*Address, error) {
	return ask[Address](ctx, c, MethodAddress, p)
}

// Suggestion is a network that may belong on the whitelist.
type Suggestion struct {
	Prefix Network `json:"prefix"`
	// Reason says what speaks for it, Command puts it on the whitelist.
	Reason  string `json:"reason"`
	Command string `json:"command"`
}

// SuggestResult has suggestions, those for which most speaks first.
type SuggestResult struct {
	Suggestions []Suggestion `json:"suggestions"`
}

// Suggest calls whitelist.suggest.
func (c *Client) Suggest(ctx context.Context) (*SuggestResult, error) {
	return ask[SuggestResult](ctx, c, MethodSuggest, nil)
}
