package control

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Bounds of what a request may hold or ask for.
const (
	// MaxPage is the longest page of a list.
	MaxPage = 2000
	// MaxReason is the longest reason, in bytes.
	MaxReason = 500
	// MaxID is the longest id of a threat, rule or source, in bytes.
	MaxID = 4096
	// maxValue is the longest value of a key of the configuration, in bytes.
	maxValue = 64 << 10
	// MaxRaw is the most of a line that is shown, in bytes.
	MaxRaw = 4096
	// MaxDuration is the longest block that has an end.
	MaxDuration = 10 * 365 * 24 * time.Hour
	// MaxConfirm is the longest that a block waits for its confirmation.
	MaxConfirm = 24 * time.Hour
)

// Network is an address or a network in a request. An address alone is the
// network of it only: a /32 or a /128. It is masked, unmapped and has no zone;
// the zero value is absent.
type Network struct{ netip.Prefix }

// ParseNetwork reads "203.0.113.7", "2001:db8::1", "198.51.100.0/24". Its error
// says what would be right.
func ParseNetwork(text string) (Network, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return Network{}, fmt.Errorf("%.60q is not an IP address or network: write for example 203.0.113.7, 198.51.100.0/24 or 2001:db8::/64", text)
		}
		a = sentinel.Normalize(a)
		return Network{netip.PrefixFrom(a, a.BitLen())}, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return Network{}, fmt.Errorf("%.60q is not a network: write for example 198.51.100.0/24 or 2001:db8::/64", text)
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return Network{}, fmt.Errorf("%.60q is wider than all mapped IPv4 addresses: write the IPv4 network itself", text)
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return Network{}, fmt.Errorf("%.60q has bits set after /%d: write %s for the network or %s for the address", text, p.Bits(), p.Masked(), p.Addr())
	}
	return Network{p}, nil
}

// IsZero reports whether the network is absent.
func (n Network) IsZero() bool { return !n.Prefix.IsValid() }

// Entity widens a single IPv6 address to the /64 that is blocked for it, as
// sentinel.Entity does; every other network is returned as it is.
func (n Network) Entity() netip.Prefix {
	if n.IsZero() || !n.IsSingleIP() {
		return n.Prefix
	}
	return sentinel.Entity(n.Addr())
}

// String returns a single address without its length.
func (n Network) String() string {
	switch {
	case n.IsZero():
		return ""
	case n.IsSingleIP():
		return n.Addr().String()
	}
	return n.Prefix.String()
}

// MarshalText implements encoding.TextMarshaler.
func (n Network) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; empty text is absence.
func (n *Network) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*n = Network{}
		return nil
	}
	v, err := ParseNetwork(string(text))
	if err != nil {
		return err
	}
	*n = v
	return nil
}

// Seconds is a duration that is a number of seconds in JSON. It also reads text
// such as "90s", "15m", "24h", "7d" and "1h30m".
type Seconds time.Duration

// Duration returns s as a duration.
func (s Seconds) Duration() time.Duration { return time.Duration(s) }

// IsZero reports whether s is 0.
func (s Seconds) IsZero() bool { return s == 0 }

// MarshalJSON implements json.Marshaler; a fraction is kept to milliseconds.
func (s Seconds) MarshalJSON() ([]byte, error) {
	if d := time.Duration(s); d%time.Second != 0 {
		return strconv.AppendFloat(nil, math.Round(d.Seconds()*1000)/1000, 'f', -1, 64), nil
	}
	return strconv.AppendInt(nil, int64(time.Duration(s)/time.Second), 10), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seconds) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		d, err := ParseDuration(text)
		if err != nil {
			return err
		}
		*s = Seconds(d)
		return nil
	}
	f, err := strconv.ParseFloat(string(data), 64)
	if err != nil || math.Abs(f) > float64(math.MaxInt64/int64(time.Second)) {
		return fmt.Errorf("%.40q is not a number of seconds", data)
	}
	*s = Seconds(math.Round(f*1000) * float64(time.Millisecond))
	return nil
}

// ParseDuration reads a number of seconds or numbers with units: "3600", "90s",
// "15m", "24h", "7d", "2w", "1h30m". It is never negative.
func ParseDuration(text string) (time.Duration, error) {
	bad := fmt.Errorf("%.40q is not a duration: write for example 90s, 15m, 24h or 7d", text)
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	var sum time.Duration
	rest, first := text, true
	for first || rest != "" {
		n := 0
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		v, err := strconv.ParseInt(rest[:n], 10, 64)
		if err != nil {
			return 0, bad
		}
		unit := time.Second
		switch {
		case n == len(rest) && first:
			rest = ""
		case n == len(rest):
			return 0, bad
		default:
			u, ok := units[rest[n]]
			if !ok {
				return 0, bad
			}
			unit, rest = u, rest[n+1:]
		}
		if v > int64(MaxDuration/unit) || sum+time.Duration(v)*unit > MaxDuration {
			return 0, fmt.Errorf("%.40q is too long: the longest is 3650d", text)
		}
		sum += time.Duration(v) * unit
		first = false
	}
	return sum, nil
}
