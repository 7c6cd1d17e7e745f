package decide

import (
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// A threat as it was stored first, and all growth since, is the case.
func TestGrown(t *testing.T) {
	d := newDecider(nil)
	d.TrackGrowth()
	stored := one(t, d.Detect(t0, brute("203.0.113.42", t0)))
	d.Grown() // of what was handed out whole
	for i := range 5 {
		at := t0.Add(time.Duration(i+1) * time.Second)
		d.Seen(at, stored.Scope, "", stored.Group, 3)
	}
	det := brute("203.0.113.42", t0.Add(10*time.Second))
	det.Sample = "another line"
	d.Detect(t0.Add(10*time.Second), det)
	grown := d.Grown()
	if len(grown) != 1 || grown[0].ID != stored.ID {
		t.Fatalf("%+v", grown)
	}
	stored.Grow(grown[0])
	want, _ := d.Case(stored.ID)
	if stored.EventCount != want.EventCount || !stored.LastSeen.Equal(want.LastSeen) || stored.Score.Rules[0] != want.Score.Rules[0] {
		t.Errorf("%+v, want %+v", stored, want)
	}
	if g := d.Grown(); len(g) != 0 {
		t.Errorf("again: %+v", g)
	}
	// A case that closed has its last counts handed out as well.
	d.Seen(t0.Add(11*time.Second), stored.Scope, "", stored.Group, 1)
	d.Tick(t0.Add(1000 * time.Hour))
	if g := d.Grown(); len(g) != 1 || g[0].EventCount != want.EventCount+1 {
		t.Errorf("closed: %+v", g)
	}
	if other := newDecider(nil); other.tracking {
		t.Error("it tracks without being asked to")
	}
}

// Lines that are read again count nothing, but what they showed is known.
func TestRemember(t *testing.T) {
	d := newDecider(nil)
	threat := one(t, d.Detect(t0, probe("203.0.113.42", t0, 1)))
	again := newDecider(nil)
	again.Restore(t0.Add(time.Second), nil, []sentinel.Threat{threat})
	again.Remember(probe("203.0.113.42", t0, 1))
	again.Remember(probe("198.51.100.1", t0, 1)) // has no case, and gets none
	if got, _ := again.Case(threat.ID); got.EventCount != threat.EventCount || got.Score.Rules[0] != threat.Score.Rules[0] {
		t.Errorf("%+v", got)
	}
	if s := again.Stats(); s.Cases != 1 || s.Blocks != 0 {
		t.Errorf("%+v", s)
	}
	again.Detect(t0.Add(2*time.Second), probe("203.0.113.42", t0.Add(2*time.Second), 2))
	if got, _ := again.Case(threat.ID); got.Score.Rules[0].Firings != 2 {
		t.Errorf("another template counts %d, want 2", got.Score.Rules[0].Firings)
	}
}

// The breaker goes on where it stood.
func TestRestoreKeepsTheBreaker(t *testing.T) {
	d := newDecider(func(c *Config) { c.NewBlocksPerMinute = 10 })
	var blocks []sentinel.BlockRecord
	for i := range 10 {
		blocks = append(blocks, record("203.0.113."+string(rune('0'+i)), sentinel.OriginRule, t0, t0.Add(time.Hour)))
	}
	d.Restore(t0, blocks, nil)
	if d.take(d.clock(t0)) {
		t.Error("an eleventh block within the same second")
	}
	if !d.take(d.clock(t0.Add(7 * time.Second))) {
		t.Error("none a while later")
	}
}
