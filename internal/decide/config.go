package decide

import (
	"fmt"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// Config is the policy.
type Config struct {
	// Observe: blocks are made, shown and counted, but marked Simulated; the
	// kernel never hears of them.
	Observe bool
	// AutoBlock lets detections block. Without it they alert only.
	AutoBlock bool
	// ProxyDeny: a proxy reads a deny list that is kept for it, so that clients
	// behind it can be blocked. Without it they are only reported.
	ProxyDeny bool
	// MinScore is the decision score from which a block is allowed, 0.6 to 1.
	MinScore float64
	// Durations is how long a first block lasts, by the severity band of the
	// decision score. HIGH and CRITICAL are used; they are more than 0.
	Durations [sentinel.NumSeverities]time.Duration
	// Factor is how many times longer each further block of a network within 30
	// days is, 1 to 10. MaxDuration bounds automatic blocks, escalation included.
	Factor      float64
	MaxDuration time.Duration
	// MaxBlocks bounds the blocks in force, 1 to 1,000,000.
	MaxBlocks int
	// NewBlocksPerMinute is the breaker: beyond this rate of new automatic
	// blocks we alert only. That many may come at once.
	NewBlocksPerMinute int
	// MinBits4 and MinBits6 are the widest automatic block, as prefix lengths.
	MinBits4, MinBits6 int
	// SlowRate is what passes of an attacker who has a good history, when they
	// would be blocked for the first time; zero: they are blocked like others.
	SlowRate sentinel.Rate
	// PrefixBlock blocks the network (/24, for IPv6 /56, or MinBits if that is
	// narrower) of which four entities were blocked within a day. Without it
	// people are asked.
	PrefixBlock bool
	// CaseIdle closes a case after so long without a firing, CaseMax in any
	// event. MaxCases bounds the open ones, 1 to 262,144, and together with
	// them their memory, 3 KiB each: the least recently fired gives way.
	CaseIdle, CaseMax time.Duration
	MaxCases          int
}

// DefaultConfig returns the policy that is shipped.
func DefaultConfig() Config {
	return Config{
		AutoBlock:          true,
		MinScore:           0.6,
		Durations:          [sentinel.NumSeverities]time.Duration{sentinel.High: time.Hour, sentinel.Critical: 24 * time.Hour},
		Factor:             2,
		SlowRate:           sentinel.Rate{Count: 30, Per: time.Minute},
		MaxDuration:        7 * 24 * time.Hour,
		MaxBlocks:          50_000,
		NewBlocksPerMinute: 6_000,
		MinBits4:           24,
		MinBits6:           56,
		CaseIdle:           time.Hour,
		CaseMax:            24 * time.Hour,
		MaxCases:           16_384,
	}
}

// Validate reports the first value that is out of its bounds and what would be
// right.
func (c Config) Validate() error {
	high, critical := c.Durations[sentinel.High], c.Durations[sentinel.Critical]
	switch {
	case !(c.MinScore >= 0.6 && c.MinScore <= 1):
		return fmt.Errorf("min_score: %v is not between 0.6 and 1", c.MinScore)
	case high < time.Second || critical < time.Second:
		return fmt.Errorf("block_duration: HIGH (%v) and CRITICAL (%v) must be at least 1s", high, critical)
	case !(c.Factor >= 1 && c.Factor <= 10):
		return fmt.Errorf("escalation.factor: %v is not between 1 and 10", c.Factor)
	case !c.SlowRate.IsZero() && !c.SlowRate.Valid():
		return fmt.Errorf("slow_rate: %v is no rate", c.SlowRate)
	case c.MaxDuration < max(high, critical):
		return fmt.Errorf("max_duration: %v is shorter than the longest block_duration, %v", c.MaxDuration, max(high, critical))
	case c.MaxDuration > maxOrder:
		return fmt.Errorf("max_duration: %v is longer than %v", c.MaxDuration, maxOrder)
	case c.MaxBlocks < 1 || c.MaxBlocks > 1_000_000:
		return fmt.Errorf("max_blocks: %d is not between 1 and 1000000", c.MaxBlocks)
	case c.NewBlocksPerMinute < 1:
		return fmt.Errorf("new_blocks_per_minute: %d is not at least 1", c.NewBlocksPerMinute)
	case c.MinBits4 < 16 || c.MinBits4 > 32:
		return fmt.Errorf("max_prefix.v4: /%d is not between /16 and /32", c.MinBits4)
	case c.MinBits6 < 32 || c.MinBits6 > 64:
		return fmt.Errorf("max_prefix.v6: /%d is not between /32 and /64", c.MinBits6)
	case c.CaseIdle < time.Second || c.CaseMax < c.CaseIdle:
		return fmt.Errorf("case_idle: %v must be at least 1s and at most case_max, %v", c.CaseIdle, c.CaseMax)
	case c.MaxCases < 1 || c.MaxCases > 262_144:
		return fmt.Errorf("max_cases: %d is not between 1 and 262144", c.MaxCases)
	}
	return nil
}
