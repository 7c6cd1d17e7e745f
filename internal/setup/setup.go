// Package setup makes of a configuration what judging lines needs: the compiled
// rules, the policy for blocking, and the addresses that the configuration
// protects. The agent and the commands that work without one share it, so both
// judge alike.
package setup

import (
	"slices"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
)

// Policy is the configuration's part that package decide acts on.
func Policy(c *config.Config) decide.Config {
	p := decide.DefaultConfig()
	r := c.Response
	p.Observe = r.Mode == config.ModeObserve
	p.AutoBlock = r.AutoBlock
	p.MinScore = r.MinScore
	p.Durations[sentinel.High] = r.BlockDuration.High
	p.Durations[sentinel.Critical] = r.BlockDuration.Critical
	p.Factor = r.Escalation.Factor
	p.MaxDuration = max(r.Escalation.Max, r.BlockDuration.High, r.BlockDuration.Critical)
	p.PrefixBlock = r.PrefixBlock
	p.SlowRate = sentinel.Rate{}
	if r.Graded.Enabled {
		p.SlowRate = r.Graded.Rate
	}
	p.MaxBlocks = r.MaxBlocks
	p.NewBlocksPerMinute = r.MaxNewBlocksPerMinute
	p.ProxyDeny = r.ProxyDenylist.Path != ""
	p.MinBits4, p.MinBits6 = r.MaxPrefix.V4, r.MaxPrefix.V6
	return p
}

// Protections are what is never blocked as far as the configuration says so:
// the default ranges, the whitelist, the proxies that logs are trusted from, and
// content delivery networks. The error names faulty lists of the latter; all else
// is returned with it.
func Protections(c *config.Config) ([]decide.Protection, error) {
	all := decide.DefaultProtections()
	whitelist := c.Response.Whitelist
	if c.Response.BlockPrivate {
		all = slices.DeleteFunc(all, func(p decide.Protection) bool { return p.Kind == decide.KindDefault && p.Local() })
		if _, set := c.IsSet("response.whitelist"); !set {
			whitelist = nil // the shipped one holds private ranges and loopback only
		}
	}
	for _, p := range whitelist {
		all = append(all, decide.Protection{Prefix: p, Kind: decide.KindConfig, Reason: "response.whitelist"})
	}
	for _, p := range c.Response.WhitelistPlaces {
		all = append(all, decide.Protection{Place: p, Kind: decide.KindConfig, Reason: "response.whitelist"})
	}
	for _, s := range c.Logs.Sources {
		for _, p := range s.TrustedProxies {
			all = append(all, decide.Protection{Prefix: p, Kind: decide.KindProxy, Reason: "trusted proxy of " + s.Path})
		}
	}
	cdn, err := cdnRanges(c)
	return append(all, cdn...), err
}
