package detect

import (
	"fmt"
	"time"
)

// skewAllowed is how many seconds a stamp may lie after the line's arrival
// before it is taken for wrong.
const skewAllowed = 60

// Config sets the bounds of a Detector. The zero value is not usable; begin
// with DefaultConfig.
type Config struct {
	// MaxLateness is how much older than its arrival an event may be and still
	// justify a block.
	MaxLateness time.Duration
	// MaxKeys bounds the keys of all rules together, 1,024 to 1,048,575.
	MaxKeys int
	// MaxBytes bounds the memory of all keys together, at least 1 MiB. Six
	// tenths are for keys, three for states larger than a few events, one for
	// estimates of many distinct values.
	MaxBytes int
	// Seed keys the hashes. Zero, which is right except in tests, draws one.
	Seed [2]uint64
}

// DefaultConfig returns the bounds of the agent.
func DefaultConfig() Config {
	return Config{MaxLateness: 10 * time.Minute, MaxKeys: 1 << 18, MaxBytes: 24 << 20}
}

// Validate reports the first setting out of range.
func (c Config) Validate() error {
	switch {
	case c.MaxLateness < time.Second || c.MaxLateness > 24*time.Hour:
		return fmt.Errorf("max_lateness: %s is not between 1s and 24h", c.MaxLateness)
	case c.MaxKeys < 1024 || c.MaxKeys > maxTableKeys:
		return fmt.Errorf("max_keys: %d is not between 1024 and %d", c.MaxKeys, maxTableKeys)
	case c.MaxBytes < 1<<20 || c.MaxBytes > 4<<30:
		return fmt.Errorf("max_bytes: %d is not between 1 MiB and 4 GiB", c.MaxBytes)
	}
	return nil
}

// withDefaults puts settings out of range to their defaults.
func (c Config) withDefaults() Config {
	def := DefaultConfig()
	if c.MaxLateness <= 0 {
		c.MaxLateness = def.MaxLateness
	}
	if c.MaxKeys <= 0 {
		c.MaxKeys = def.MaxKeys
	}
	c.MaxKeys = min(max(c.MaxKeys, 1024), maxTableKeys)
	if c.MaxBytes <= 0 {
		c.MaxBytes = def.MaxBytes
	}
	c.MaxBytes = max(c.MaxBytes, 1<<20)
	return c
}

// limits divides the budget into keys, blocks and sketches.
func (c Config) limits() (keys, blocks, sketches int) {
	const perKey = entryBytes + 8 // with its share of the index
	keys = min(c.MaxKeys, c.MaxBytes/10*6/perKey)
	blocks = c.MaxBytes / 10 * 3 / blockBytes
	sketches = max(c.MaxBytes/10/sketchBytes, 1)
	return keys, blocks, sketches
}
