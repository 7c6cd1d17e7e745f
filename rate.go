package sentinel

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is how much of an entity's traffic a rate limit lets pass: Count new TCP
// connections or packets of other protocols within Per. The zero value is no
// rate: nothing passes.
type Rate struct {
	// Count is from 1 to MaxRateCount.
	Count int
	// Per is a second, a minute, an hour or a day.
	Per time.Duration
}

// MaxRateCount is the largest Count.
const MaxRateCount = 100_000

// rateUnits are the units of a rate and their times.
var rateUnits = [...]struct {
	name string
	per  time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}}

// ParseRate reads a rate such as "10/m".
func ParseRate(text string) (Rate, error) {
	count, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseUint(count, 10, 32)
	for _, u := range rateUnits {
		if err == nil && n > 0 && n <= MaxRateCount && u.name == unit {
			return Rate{int(n), u.per}, nil
		}
	}
	return Rate{}, fmt.Errorf("rate %q is not a count from 1 to %d in a unit of time, such as 5/s, 10/m, 100/h or 1000/d", text, MaxRateCount)
}

// IsZero reports whether r is no rate.
func (r Rate) IsZero() bool { return r == Rate{} }

// Valid reports whether ParseRate may have made it.
func (r Rate) Valid() bool {
	again, err := ParseRate(r.String())
	return err == nil && again == r
}

// String returns the text that ParseRate reads, "" for no rate.
func (r Rate) String() string {
	if r.IsZero() {
		return ""
	}
	for _, u := range rateUnits {
		if u.per == r.Per {
			return strconv.Itoa(r.Count) + "/" + u.name
		}
	}
	return fmt.Sprintf("%d/%s", r.Count, r.Per)
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; no text is no rate.
func (r *Rate) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*r = Rate{}
		return nil
	}
	v, err := ParseRate(string(text))
	if err != nil {
		return err
	}
	*r = v
	return nil
}
