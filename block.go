package sentinel

import (
	"fmt"
	"net/netip"
	"time"
)

// Origin says who wanted something.
type Origin string

// The origins of blocks and orders.
const (
	OriginRule  Origin = "rule"
	OriginCLI   Origin = "cli"
	OriginBot   Origin = "bot"
	OriginCloud Origin = "cloud"
)

// BlockRecord is a block as data: what is stored and shown. It gives nobody a
// way to the firewall; a Block does, and only package decide makes those.
type BlockRecord struct {
	// ID is the ULID of the action that made it.
	ID string `json:"id"`
	// Prefix is masked: an address is a /32, or the /64 of an IPv6 address.
	Prefix netip.Prefix `json:"prefix"`
	// Rate makes it a rate limit: so much passes, and what is beyond is dropped.
	// Zero: everything is dropped.
	Rate     Rate   `json:"rate,omitzero"`
	Reason   string `json:"reason"`
	Origin   Origin `json:"origin"`
	Actor    string `json:"actor,omitempty"`
	ThreatID string `json:"threat_id,omitempty"`
	// Score is the decision score of an automatic block, 1 for others.
	Score   float64   `json:"score"`
	Created time.Time `json:"created"`
	// Expires is zero for a permanent block, which only a person can order.
	Expires time.Time `json:"expires,omitzero"`
	// Simulated: mode observe or a dry run; the kernel never hears of it.
	Simulated bool `json:"simulated,omitempty"`
	// Trial: the block ends at Expires unless a person confirms it, as they can
	// who have not cut themselves off. Until is its end then, zero for none.
	Trial bool      `json:"trial,omitempty"`
	Until time.Time `json:"until,omitzero"`
	// Forced: a person blocked it although the allowlist holds some of it by
	// configuration, or allowed a part of it later. The allowed part still
	// passes, since allowed networks are matched first.
	Forced bool `json:"forced,omitempty"`
	// Proxied: the address was read from a forwarding header. The deny list of
	// the proxy enforces the block, not the packet filter.
	Proxied bool `json:"proxied,omitempty"`
}

// BackendProxy is the Action.Backend of blocks that are Proxied.
const BackendProxy = "proxy"

// Types of actions that are in force while they are active.
const (
	ActionBlock     = "block"
	ActionRateLimit = "rate_limit"
)

// ActionType is the type of the action that made the block.
func (r BlockRecord) ActionType() string {
	if r.Rate.IsZero() {
		return ActionBlock
	}
	return ActionRateLimit
}

// Block is a prefix that is to be dropped or slowed, and why. Its fields can be read but
// not set outside this package, and MakeBlock is called by package decide
// alone (a test holds that): no way to the firewall bypasses the allowlist.
type Block struct{ r BlockRecord }

// MakeBlock seals a record. Only package decide may call it, after it has
// checked the prefix against everything that must never be blocked.
func MakeBlock(r BlockRecord) Block {
	r.Prefix = r.Prefix.Masked()
	return Block{r}
}

// Prefix returns what is dropped.
func (b Block) Prefix() netip.Prefix { return b.r.Prefix }

// Rate returns what passes nevertheless, zero if everything is dropped.
func (b Block) Rate() Rate { return b.r.Rate }

// Expires returns the end, zero for a permanent block.
func (b Block) Expires() time.Time { return b.r.Expires }

// Simulated reports whether the block is for show only.
func (b Block) Simulated() bool { return b.r.Simulated }

// Proxied reports whether the proxy's deny list enforces the block.
func (b Block) Proxied() bool { return b.r.Proxied }

// Record returns the block as data.
func (b Block) Record() BlockRecord { return b.r }

// Permanent reports whether the block has no end.
func (b Block) Permanent() bool { return b.r.Expires.IsZero() }

// OrderKind is what an order wants.
type OrderKind uint8

// The kinds of orders.
const (
	OrderBlock OrderKind = iota + 1
	OrderUnblock
	// OrderAllow puts a network on the allowlist; OrderDisallow takes it off.
	OrderAllow
	OrderDisallow
	// OrderStatus sets the status of a threat.
	OrderStatus
	// OrderConfirm keeps a block that is on trial.
	OrderConfirm
)

// String returns the order's verb.
func (k OrderKind) String() string {
	switch k {
	case OrderBlock:
		return "block"
	case OrderUnblock:
		return "unblock"
	case OrderAllow:
		return "allow"
	case OrderDisallow:
		return "disallow"
	case OrderStatus:
		return "status"
	case OrderConfirm:
		return "confirm"
	}
	return fmt.Sprintf("OrderKind(%d)", uint8(k))
}

// Order is what a person, a bot or the cloud wants. It enters the engine like
// a line does.
type Order struct {
	Kind   OrderKind
	Prefix netip.Prefix
	// Duration of a block; Permanent asks for no end in so many words. Both
	// zero: the policy's default.
	Duration  time.Duration
	Permanent bool
	// Confirm makes it a trial: the block is lifted after so long unless an
	// OrderConfirm comes. 0: it needs none.
	Confirm time.Duration
	// Force lets a person block a network that the allowlist only holds by
	// configuration. It never overrides loopback, own addresses or the
	// addresses of administrators who are logged in.
	Force    bool
	Reason   string
	Origin   Origin
	Actor    string
	ThreatID string
	Status   Status
}

// Action is one row of the audit trail: something that was done, by whom and
// why.
type Action struct {
	ID        string        `json:"id"`
	ThreatID  string        `json:"threat_id,omitempty"`
	Created   time.Time     `json:"created_at"`
	Type      string        `json:"type"` // block, unblock, confirm, rate_limit, alert, allow, disallow, status, refused
	Target    netip.Prefix  `json:"target,omitzero"`
	Rate      Rate          `json:"rate,omitzero"`      // of type rate_limit only
	Duration  time.Duration `json:"duration,omitempty"` // 0: permanent, or not a block
	Expires   time.Time     `json:"expires_at,omitzero"`
	Status    string        `json:"status"` // active, expired, revoked, done, refused
	RevokedBy string        `json:"revoked_by,omitempty"`
	RevokedAt time.Time     `json:"revoked_at,omitzero"`
	Reason    string        `json:"reason"`
	Origin    Origin        `json:"origin"`
	Actor     string        `json:"actor,omitempty"`
	Backend   string        `json:"backend,omitempty"`
	Simulated bool          `json:"simulated,omitempty"`
	// Forced, Trial and Until are those of the block, see BlockRecord.
	Forced bool      `json:"forced,omitempty"`
	Trial  bool      `json:"trial,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	Score  float64   `json:"score"`
}
