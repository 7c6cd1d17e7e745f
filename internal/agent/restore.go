package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/enforce"
	"github.com/sentinel-ai/sentinel-ai/internal/host"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// restoreTime bounds a Restore.
const restoreTime = 30 * time.Second

// Restore loads the stored blocks that have not ended into the kernel, and all
// that is never dropped, without running an agent: at boot, before the network
// is up. It reads the database and changes nothing in it. Each block is checked
// against the allowlist as at any start.
func Restore(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, restoreTime)
	defer cancel()
	st, err := store.OpenRead(ctx, cfg.Database.Path)
	if err != nil {
		return err
	}
	defer st.Close()
	a := &Agent{
		log: log, store: st, file: cfg, admins: newAdmins(utmpPath, host.SessionsDir), names: host.NewNames(), tally: newTally(),
	}
	a.cfg = a.withRuntime(cfg)
	now := time.Now()
	stored, err := st.BlocksInForce(ctx, now)
	if err != nil {
		return err
	}
	good, err := st.Regulars(ctx, now.Add(-a.cfg.Response.KeyLogins), decide.MaxRegulars)
	if err = errors.Join(err, a.loadNames(ctx), a.setNames(ctx)); err != nil {
		return err
	}
	a.keys.load(good)
	allow, err := a.allowlist(ctx)
	if err != nil {
		return err
	}
	decider := decide.New(setup.Policy(a.cfg), allow, newID)
	for _, al := range decider.Restore(now, stored, nil).Alarms {
		log.Warn("alarm", "kind", al.Kind, "text", al.Text)
	}
	desired := enforce.NewDesired()
	desired.Load(decider.Blocks(), kernelAllow(allow))
	choice := enforce.Choose(ctx, string(a.cfg.Response.Firewall.Backend), log)
	switch choice.Backend.Name() {
	case enforce.NameDryRun, enforce.NameUFW: // ufw loads its rules itself
		log.Info("nothing to restore", "firewall", choice.Backend.Name())
		return nil
	}
	rep, err := choice.Backend.Apply(ctx, desired.Changes(0))
	if err != nil {
		return err
	}
	log.Info("blocks restored", "firewall", choice.Backend.Name(), "reason", choice.Reason, "stored", len(stored), "in_force", rep.Have)
	if rep.Have < rep.Want {
		return fmt.Errorf("restoring blocks: %d of %d are in force", rep.Have, rep.Want)
	}
	return nil
}
