package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/enforce"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// chooseFirewall picks the backend and remembers why.
func (a *Agent) chooseFirewall(ctx context.Context) {
	c := enforce.Choose(ctx, string(a.cfg.Response.Firewall.Backend), a.log.With("part", "dryrun"))
	a.backend, a.why = c.Backend, c.Reason
	if !c.Working {
		a.alarm("firewall", c.Reason)
	}
}

// cutter ends the connections of who is blocked; a dry run has none.
func (a *Agent) cutter() *enforce.Cutter {
	if a.backend.Name() == enforce.NameDryRun {
		return nil
	}
	return enforce.NewCutter(0, a.log.With("part", "cutter"))
}

// firewallKey is where the store has the name of the backend in use.
const firewallKey = "firewall_backend"

// clearOldFirewall removes what the backend of an earlier start left, once ours
// holds the blocks, so that no packet passes in between.
func (a *Agent) clearOldFirewall(ctx context.Context) {
	name := a.backend.Name()
	last, err := a.store.State(ctx, firewallKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		a.log.Warn("which firewall was used before is not known", "error", err)
		return
	}
	if last == name || !a.enforcer.Settled(ctx, a.desired.Version()) {
		return
	}
	if last != "" {
		limited, cancel := context.WithTimeout(ctx, clearTime)
		defer cancel()
		if err := enforce.RemoveBackend(limited, last); err != nil {
			a.alarm("firewall", fmt.Sprintf("the blocks are in %s now, but what was left in %s could not be removed: %v", name, last, err))
			return
		}
		a.log.Info("the firewall of before is cleared", "backend", last, "now", name)
	}
	if err := a.store.SetState(ctx, firewallKey, name); err != nil && ctx.Err() == nil {
		a.log.Warn("which firewall is used could not be stored", "error", err)
	}
}

// clearTime is how long that may take: ufw needs a second for each rule.
const clearTime = 10 * time.Minute
