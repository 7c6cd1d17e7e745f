package sentinel

import (
	"net/netip"
	"time"
)

// Regular is what is good about an entity: whoever logs in or uses a site day by
// day without harm is rather slowed than blocked.
type Regular struct {
	// Network is the entity: an address or the /64 of an IPv6 one.
	Network netip.Prefix `json:"network"`
	// Logins is how often somebody logged in from there, Days on how many days
	// it was used without harm.
	Logins int `json:"logins"`
	Days   int `json:"days"`
	// Since and Last are the first and the last time of that.
	Since time.Time `json:"since,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// KeyLogin is the last login with a public key, zero for none; KeyUser is
	// who logged in then.
	KeyLogin time.Time `json:"key_login,omitzero"`
	KeyUser  string    `json:"key_user,omitempty"`
}
