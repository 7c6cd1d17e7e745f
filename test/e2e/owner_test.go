package e2e

import (
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// The dead man's switch, with packets. The network in question is a part of the
// world that holds nobody else of the story.
func TestFaultTrialBlocks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := quiet(t, l)
	ctx := t.Context()
	// .16 to .19
	net, inside := network(t, "203.0.113.16/30"), evil[7]
	try := func(t *testing.T, confirm time.Duration) *control.BlockResult {
		t.Helper()
		r := a.block(t, control.BlockParams{IP: net, Confirm: control.Seconds(confirm)})
		if !r.Applied || !r.Block.Trial {
			t.Fatalf("%+v, want a block on trial", r)
		}
		if time.Now().Before(r.Block.Expires) && l.reaches(inside) && time.Now().Before(r.Block.Expires) {
			t.Error("the block is not in force")
		}
		return r
	}

	t.Run("A11 an unconfirmed block is lifted", func(t *testing.T) {
		r := try(t, 4*time.Second)
		l.open(t, inside)
		if time.Now().Before(r.Block.Expires.Add(-2 * time.Second)) {
			t.Error("lifted too early")
		}
		until(t, "it is no longer listed", func() bool { return len(a.blocks(t)) == 0 })
		_, err := a.client(t).Confirm(ctx, control.ConfirmParams{IP: net})
		refused(t, "confirming what was lifted", err)
	})
	t.Run("A11 a confirmed block stays", func(t *testing.T) {
		r := try(t, 6*time.Second)
		kept, err := a.client(t).Confirm(ctx, control.ConfirmParams{IP: net})
		must(t, err)
		if kept.Block.Trial || !kept.Applied || !kept.Block.Expires.Equal(r.Block.Until) {
			t.Errorf("%+v, want it until %s", kept, r.Block.Until)
		}
		until(t, "the time for confirming is over", func() bool { return time.Now().After(r.Block.Expires) })
		l.cut(t, inside)
		a.kill()
		a.start(t)
		a.ready(t)
		if l.reaches(inside) || len(a.blocks(t)) != 1 {
			t.Error("the confirmed block did not outlive a crash")
		}
		_, err = a.client(t).Unblock(ctx, control.UnblockParams{IP: net})
		must(t, err)
		l.open(t, inside)
	})
	t.Run("A11 the agent's death changes nothing", func(t *testing.T) {
		try(t, 4*time.Second)
		a.kill()
		l.open(t, inside)
		a.start(t)
		a.ready(t)
		if got := a.blocks(t); len(got) > 0 {
			t.Errorf("taken up again: %v", got)
		}
		l.open(t, inside)
	})
	t.Run("A11 a restart meanwhile changes nothing", func(t *testing.T) {
		r := try(t, 10*time.Second)
		a.kill()
		a.start(t)
		a.ready(t)
		if time.Now().Before(r.Block.Expires.Add(-time.Second)) {
			if got := a.blocks(t); len(got) != 1 {
				t.Errorf("blocks in force are %v", got)
			}
		}
		l.open(t, inside)
		until(t, "it is no longer listed", func() bool { return len(a.blocks(t)) == 0 })
	})
}
