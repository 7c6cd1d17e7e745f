package decide

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"github.com/sentinel-ai/sentinel-ai"
)

// jumped returns a time whose wall clock is off by so much while its monotonic
// clock goes on, as after somebody has set the host's clock.
func jumped(t *testing.T, at time.Time, by time.Duration) time.Time {
	t.Helper()
	// The layout of time.Time: 1 bit, 33 bits of seconds since 1885, 30 bits of
	// nanoseconds; then the monotonic clock.
	raw := (*[2]uint64)(unsafe.Pointer(&at))
	if raw[0]>>63 != 1 {
		t.Fatal("this time has no monotonic clock")
	}
	raw[0] += uint64(int64(by/time.Second) << 30)
	return at
}

func TestFaultClock(t *testing.T) {
	start := time.Now() // with a monotonic clock
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour, time.Hour, -time.Hour} {
		t.Run(fmt.Sprintf("D15 the wall clock jumps by %v", jump), func(t *testing.T) {
			d := newDecider(nil)
			first := d.Detect(start, brute("203.0.113.7", start))
			if len(first.Blocks) != 1 {
				t.Fatal("not blocked")
			}
			length := first.Blocks[0].Expires().Sub(first.Blocks[0].Record().Created)
			// The jump ends no block, and no case.
			later := jumped(t, start.Add(length/2), jump)
			if fx := d.Tick(later); len(fx.Unblocked) > 0 {
				t.Errorf("the jump lifted %v", fx.Unblocked)
			}
			if s := d.Stats(); s.Blocks != 1 || s.Cases != 1 {
				t.Errorf("%d blocks, %d cases", s.Blocks, s.Cases)
			}
			// A block made behind the jump is as long as any, by the new clock.
			fx := d.Detect(later, brute("203.0.113.8", later))
			if len(fx.Blocks) != 1 {
				t.Fatal("behind the jump nobody is blocked")
			}
			r := fx.Blocks[0].Record()
			if got := r.Expires.Round(0).Sub(r.Created.Round(0)); got != length || r.Expires.Round(0).Before(later.Round(0)) {
				t.Errorf("that block lasts %v until %v, want %v", got, r.Expires, length)
			}
			// Both end when their time has passed, whatever the wall says.
			end := jumped(t, start.Add(length+time.Second), jump)
			if fx := d.Tick(end); len(fx.Unblocked) != 1 || fx.Unblocked[0] != pfx("203.0.113.7/32") {
				t.Errorf("at the end of the first: %v", fx.Unblocked)
			}
			end = jumped(t, start.Add(3*length), jump)
			if fx := d.Tick(end); len(fx.Unblocked) != 1 || d.Stats().Blocks != 0 {
				t.Errorf("at the end of the second: %v", fx.Unblocked)
			}
		})
	}
}

// What follows from one or several firings of one rule alone, without a word of
// an anomaly stage or a language model.
func TestFaultPolicy(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	for _, c := range []struct {
		sev        sentinel.Severity
		confidence float64
		firings    int
		change     func(*sentinel.Detection)
		band       sentinel.Severity
		action     string
		block      time.Duration
	}{
		{sentinel.Info, 1, 1, nil, sentinel.Info, ActionNone, 0},
		{sentinel.Info, 1, 16, nil, sentinel.Info, ActionNone, 0},
		{sentinel.Low, 1, 1, nil, sentinel.Low, ActionNone, 0},
		{sentinel.Low, 1, 16, nil, sentinel.Medium, ActionAlert, 0},
		{sentinel.Medium, 1, 1, nil, sentinel.Medium, ActionAlert, 0},
		{sentinel.Medium, 0.5, 1, nil, sentinel.Low, ActionNone, 0},
		{sentinel.Medium, 1, 4, nil, sentinel.High, ActionBlock, hour},
		{sentinel.Medium, 1, 100, nil, sentinel.High, ActionBlock, hour},
		{sentinel.High, 0.5, 1, nil, sentinel.Low, ActionNone, 0},
		{sentinel.High, 0.7, 1, nil, sentinel.Medium, ActionAlert, 0},
		{sentinel.High, 0.8, 1, nil, sentinel.High, ActionBlock, hour},
		{sentinel.High, 1, 1, nil, sentinel.High, ActionBlock, hour},
		{sentinel.High, 1, 4, nil, sentinel.Critical, ActionBlock, day},
		{sentinel.Critical, 0.6, 1, nil, sentinel.Medium, ActionAlert, 0},
		{sentinel.Critical, 0.95, 1, nil, sentinel.Critical, ActionBlock, day},
		{sentinel.Critical, 1, 1, func(d *sentinel.Detection) { d.Advisory = true }, sentinel.Medium, ActionAlert, 0},
		{sentinel.Critical, 1, 1, func(d *sentinel.Detection) { d.NoBlock = true }, sentinel.Critical, ActionAlert, 0},
		{sentinel.Critical, 1, 1, func(d *sentinel.Detection) { d.Late = true }, sentinel.Critical, ActionAlert, 0},
		{sentinel.Critical, 1, 1, func(d *sentinel.Detection) { d.FromHeader = true }, sentinel.Critical, ActionAlert, 0},
		{sentinel.Critical, 1, 1, func(d *sentinel.Detection) { d.BehindProxy = true }, sentinel.Critical, ActionAlert, 0},
		{sentinel.Critical, 1, 1, func(d *sentinel.Detection) { d.Addr, d.Scope = ip("10.1.2.3"), pfx("10.1.2.3/32") }, sentinel.Critical, ActionNone, 0},
	} {
		t.Run(fmt.Sprintf("D16 %v × %v, %d times", c.sev, c.confidence, c.firings), func(t *testing.T) {
			d := newDecider(nil)
			var last sentinel.Threat
			length := time.Duration(0)
			for i := range c.firings {
				at := t0.Add(time.Duration(i) * time.Second)
				det := brute("203.0.113.7", at)
				det.Severity, det.Confidence, det.Template = c.sev, c.confidence, uint64(i+1)
				det.BlockFor = 0
				if c.change != nil {
					c.change(det)
				}
				fx := d.Detect(at, det)
				for _, th := range append(fx.Threats, d.Tick(at).Threats...) {
					last = th
				}
				for _, b := range fx.Blocks {
					length = b.Expires().Sub(at)
				}
			}
			if last.Severity != c.band || last.Action != c.action || length != c.block {
				t.Errorf("score %v: %v, %s for %v (%s); want %v, %s for %v",
					last.Decision, last.Severity, last.Action, length, last.ActionReason, c.band, c.action, c.block)
			}
		})
	}
}
