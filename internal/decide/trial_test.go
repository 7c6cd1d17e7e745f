package decide

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

func trial(prefix string, confirm time.Duration) sentinel.Order {
	o := order(sentinel.OrderBlock, prefix)
	o.Confirm = confirm
	return o
}

// A11: the dead man's switch.
func TestFaultTrial(t *testing.T) {
	t.Run("A11 an unconfirmed block is lifted after its time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDecider(nil)
			begin := time.Now()
			fx, err := d.Order(begin, trial("198.51.100.0/24", 60*time.Second))
			if err != nil || len(fx.Blocks) != 1 {
				t.Fatalf("%+v, %v", fx, err)
			}
			r := fx.Blocks[0].Record()
			if !r.Trial || !r.Expires.Equal(begin.Add(time.Minute)) || !r.Until.Equal(begin.Add(24*time.Hour)) {
				t.Errorf("block %+v", r)
			}
			for ticker := time.NewTicker(time.Second); len(d.Blocks()) > 0; <-ticker.C {
				fx = d.Tick(time.Now())
			}
			if took := time.Since(begin); took < 58*time.Second || took > 62*time.Second {
				t.Errorf("lifted after %v", took)
			}
			if len(fx.Unblocked) != 1 || len(fx.Actions) != 1 || fx.Actions[0].Status != "revoked" || fx.Actions[0].RevokedBy != "not confirmed" {
				t.Errorf("%+v", fx)
			}
			if n := d.history.earlier(pfx("198.51.100.0/24"), d.clock(time.Now())); n != 0 {
				t.Errorf("it counts as %d earlier blocks", n)
			}
			_, err = d.Order(time.Now(), order(sentinel.OrderConfirm, "198.51.100.0/24"))
			refused(t, err, "198.51.100.0/24 is not blocked; one that was not confirmed in time is lifted")
		})
	})
	t.Run("A11 a confirmed block lasts", func(t *testing.T) {
		for _, permanent := range []bool{false, true} {
			d := newDecider(nil)
			o := trial("198.51.100.0/24", time.Minute)
			if o.Permanent = permanent; !permanent {
				o.Duration = 2 * time.Hour
			}
			if _, err := d.Order(t0, o); err != nil {
				t.Fatal(err)
			}
			at := t0.Add(59 * time.Second)
			d.Tick(at)
			fx, err := d.Order(at, order(sentinel.OrderConfirm, "198.51.100.0/24"))
			if err != nil || len(fx.Blocks) != 1 || len(fx.Actions) != 2 {
				t.Fatalf("%+v, %v", fx, err)
			}
			if r := fx.Blocks[0].Record(); r.Trial || !r.Until.IsZero() || permanent != r.Expires.IsZero() || !permanent && !r.Expires.Equal(t0.Add(2*time.Hour)) {
				t.Errorf("block %+v", r)
			}
			d.Tick(t0.Add(2*time.Hour - time.Second))
			if len(d.Blocks()) != 1 {
				t.Error("lifted although confirmed")
			}
			d.Tick(t0.Add(2 * time.Hour))
			if left := len(d.Blocks()); (left == 1) != permanent {
				t.Errorf("%d blocks after their end, permanent: %v", left, permanent)
			}
			_, err = d.Order(at, order(sentinel.OrderConfirm, "198.51.100.0/24"))
			if permanent {
				refused(t, err, "needs no confirmation")
			}
		}
	})
	t.Run("A11 a restart changes nothing", func(t *testing.T) {
		d := newDecider(nil)
		fx, err := d.Order(t0, trial("198.51.100.0/24", time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		stored := []sentinel.BlockRecord{fx.Blocks[0].Record()}
		for _, confirmed := range []bool{true, false} {
			d, at := newDecider(nil), t0.Add(30*time.Second)
			d.Restore(at, stored, nil)
			if len(d.Blocks()) != 1 {
				t.Fatal("not taken up")
			}
			if confirmed {
				if _, err := d.Order(at, order(sentinel.OrderConfirm, "198.51.100.0/24")); err != nil {
					t.Fatal(err)
				}
			}
			d.Tick(t0.Add(time.Minute))
			if left := len(d.Blocks()); (left == 1) != confirmed {
				t.Errorf("%d blocks, confirmed: %v", left, confirmed)
			}
			d.Tick(t0.Add(24 * time.Hour))
			if left := len(d.Blocks()); left != 0 {
				t.Errorf("%d blocks at the end", left)
			}
		}
		d = newDecider(nil)
		d.Restore(t0.Add(2*time.Minute), stored, nil)
		if len(d.Blocks()) != 0 {
			t.Error("taken up although its time was over")
		}
	})
	t.Run("A11 attacks do not prolong it", func(t *testing.T) {
		d := newDecider(nil)
		if _, err := d.Order(t0, trial("198.51.100.9", time.Minute)); err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			at := t0.Add(time.Duration(i) * time.Second)
			d.Detect(at, brute("198.51.100.9", at))
		}
		d.Tick(t0.Add(time.Minute))
		if len(d.Blocks()) != 0 {
			t.Error("not lifted")
		}
	})
}

func TestTrialRefusals(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first sentinel.Order
		then  sentinel.Order
		want  string
	}{
		{"longer than the block", sentinel.Order{}, func() sentinel.Order {
			o := trial("198.51.100.9", time.Hour)
			o.Duration = time.Hour
			return o
		}(), "a block of 1h0m0s ends before the 1h0m0s for its confirmation are over"},
		{"too long", sentinel.Order{}, trial("198.51.100.9", 25*time.Hour), "give 1s to 24h"},
		{"negative", sentinel.Order{}, trial("198.51.100.9", -time.Second), "give 1s to 24h"},
		{"of a block that stands", order(sentinel.OrderBlock, "198.51.100.9"), trial("198.51.100.9", time.Minute), "there is nothing to try"},
		{"twice", trial("198.51.100.9", time.Minute), trial("198.51.100.9", time.Minute), "sentinelctl confirm 198.51.100.9 keeps it"},
		{"of nothing", sentinel.Order{}, order(sentinel.OrderConfirm, "198.51.100.9"), "198.51.100.9 is not blocked"},
		{"of one that needs none", order(sentinel.OrderBlock, "198.51.100.9"), order(sentinel.OrderConfirm, "198.51.100.9"), "needs no confirmation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDecider(nil)
			if tt.first.Kind != 0 {
				if _, err := d.Order(t0, tt.first); err != nil {
					t.Fatal(err)
				}
			}
			_, err := d.Order(t0, tt.then)
			refused(t, err, tt.want)
		})
	}
	// A block without a trial replaces one that is on trial.
	d := newDecider(nil)
	if _, err := d.Order(t0, trial("198.51.100.9", time.Minute)); err != nil {
		t.Fatal(err)
	}
	if fx, err := d.Order(t0, order(sentinel.OrderBlock, "198.51.100.9")); err != nil || len(fx.Blocks) != 1 || fx.Blocks[0].Record().Trial {
		t.Errorf("%+v, %v", fx, err)
	}
}
