package decide

import (
	"fmt"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

func order(kind sentinel.OrderKind, prefix string) sentinel.Order {
	return sentinel.Order{Kind: kind, Prefix: pfx(prefix), Origin: sentinel.OriginCLI, Actor: "alice"}
}

// countAlarms counts the alarms of a kind.
func countAlarms(fx Effects, kind AlarmKind) (n int) {
	for _, a := range fx.Alarms {
		if a.Kind == kind {
			n++
		}
	}
	return n
}

func TestFaultLimit(t *testing.T) {
	t.Run("E07 at the limit the weakest automatic block gives way, never one by hand", testEviction)
}

func testEviction(t *testing.T) {
	d := newDecider(func(c *Config) { c.MaxBlocks = 3 })
	if _, err := d.Order(t0, order(sentinel.OrderBlock, "203.0.113.1")); err != nil {
		t.Fatal(err)
	}
	strong := brute("203.0.113.2", t0)
	strong.Severity, strong.BlockFor = sentinel.Critical, 10*time.Minute // it ends first, but its score is the highest
	d.Detect(t0, strong)
	d.Detect(t0, brute("203.0.113.3", t0))
	alarms := 0
	at := t0
	for i := 4; i < 40; i++ {
		at = at.Add(time.Second)
		fx := d.Detect(at, brute(fmt.Sprintf("203.0.113.%d", i), at))
		alarms += countAlarms(fx, AlarmFull)
		if len(fx.Blocks) != 1 || len(fx.Unblocked) != 1 || fx.Unblocked[0] != pfx(fmt.Sprintf("203.0.113.%d/32", i-1)) || d.Stats().Blocks != 3 {
			t.Fatalf("%d: %+v", i, fx)
		}
	}
	if alarms != 1 {
		t.Errorf("%d alarms", alarms)
	}
	for _, addr := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.39"} {
		if _, ok := d.Blocked(ip(addr)); !ok {
			t.Errorf("%s gave way", addr)
		}
	}
	// By hand, at the limit: automatic ones give way until none is left.
	for i := 100; i < 102; i++ {
		if _, err := d.Order(at, order(sentinel.OrderBlock, fmt.Sprintf("203.0.113.%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.Order(at, order(sentinel.OrderBlock, "203.0.113.200"))
	refused(t, err, "the limit of 3 blocks is reached, and all were made by hand")
	at = at.Add(time.Hour)
	threat := one(t, d.Detect(at, brute("203.0.113.201", at)))
	if threat.ActionReason != "alert only because the block limit of 3 is reached by blocks made by hand" || d.Stats().FullRefused != 1 {
		t.Errorf("%q", threat.ActionReason)
	}
	// An hour later there is another alarm.
	if fx := d.Detect(at.Add(time.Hour), brute("203.0.113.202", at.Add(time.Hour))); len(fx.Alarms) != 1 || fx.Alarms[0].Kind != AlarmFull {
		t.Errorf("%+v", fx.Alarms)
	}
}

func TestSmallerLimitTakesEffect(t *testing.T) {
	d := newDecider(nil)
	for i := range 20 {
		d.Detect(t0, brute(fmt.Sprintf("203.0.113.%d", i), t0))
	}
	cfg := DefaultConfig()
	cfg.MaxBlocks = 5
	d.Configure(cfg)
	if fx := d.Tick(t0); len(fx.Unblocked) != 15 || d.Stats().Blocks != 5 {
		t.Errorf("%d unblocked", len(fx.Unblocked))
	}
}

func TestBreaker(t *testing.T) {
	d := newDecider(func(c *Config) { c.NewBlocksPerMinute = 60 })
	blocks, alarms, refusals := 0, 0, 0
	for i := range 250 {
		fx := d.Detect(t0, brute(fmt.Sprintf("203.0.113.%d", i), t0))
		blocks, alarms = blocks+len(fx.Blocks), alarms+countAlarms(fx, AlarmBreaker)
		if one(t, fx).ActionReason == "alert only because new blocks come faster than 60 a minute (breaker)" {
			refusals++
		}
	}
	if blocks != 60 || alarms != 1 || refusals != 190 {
		t.Errorf("%d blocks, %d alarms, %d refusals", blocks, alarms, refusals)
	}
	at := t0.Add(2 * time.Second)
	// Those already blocked are still prolonged, and people are not slowed.
	if fx := d.Detect(at, brute("203.0.113.1", at)); len(fx.Blocks) != 1 {
		t.Error("a block was not prolonged")
	}
	if _, err := d.Order(at, order(sentinel.OrderBlock, "198.51.100.1")); err != nil {
		t.Error(err)
	}
	for i := range 3 {
		if fx := d.Detect(at, brute(fmt.Sprintf("203.0.113.%d", 100+i), at)); len(fx.Blocks) != min(1, 2-min(i, 2)) {
			t.Errorf("%d: %d blocks after 2 s", i, len(fx.Blocks))
		}
	}
}

// A thousand attackers at once are all blocked.
func TestThousandAtOnce(t *testing.T) {
	d := newDecider(nil)
	for i := range 1000 {
		if fx := d.Detect(t0, brute(fmt.Sprintf("203.0.%d.%d", 100+i/250, i%250), t0)); len(fx.Blocks) != 1 {
			t.Fatalf("%d: %s", i, fx.Threats[0].ActionReason)
		}
	}
}

func TestMerge(t *testing.T) {
	var fx Effects
	block := func(s string) Effects {
		return Effects{Blocks: []sentinel.Block{sentinel.MakeBlock(sentinel.BlockRecord{Prefix: pfx(s)})}}
	}
	unblock := Effects{Unblocked: nil}
	unblock.Unblocked = append(unblock.Unblocked, pfx("203.0.113.1"))
	fx.Merge(block("203.0.113.1"))
	fx.Merge(block("203.0.113.2"))
	fx.Merge(unblock)
	if len(fx.Blocks) != 1 || len(fx.Unblocked) != 1 {
		t.Errorf("%+v", fx)
	}
	fx.Merge(block("203.0.113.1"))
	if len(fx.Blocks) != 2 || len(fx.Unblocked) != 0 {
		t.Errorf("%+v", fx)
	}
}

func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for i, change := range []func(*Config){
		func(c *Config) { c.MinScore = 0.59 }, func(c *Config) { c.MinScore = 1.1 },
		func(c *Config) { c.Durations[sentinel.High] = 0 }, func(c *Config) { c.MaxDuration = time.Minute },
		func(c *Config) { c.MaxDuration = 1000 * 24 * time.Hour },
		func(c *Config) { c.MaxBlocks = 0 }, func(c *Config) { c.NewBlocksPerMinute = 0 },
		func(c *Config) { c.MinBits4 = 8 }, func(c *Config) { c.MinBits6 = 16 },
		func(c *Config) { c.CaseIdle = 0 }, func(c *Config) { c.CaseMax = time.Second }, func(c *Config) { c.MaxCases = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%d: accepted", i)
		}
	}
}
