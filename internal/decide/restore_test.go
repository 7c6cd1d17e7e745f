package decide

import (
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

func record(prefix string, origin sentinel.Origin, created, expires time.Time) sentinel.BlockRecord {
	return sentinel.BlockRecord{ID: "B-" + prefix, Prefix: pfx(prefix), Origin: origin, Score: 0.75, Created: created, Expires: expires}
}

func TestRestoreBlocks(t *testing.T) {
	const rule, cli = sentinel.OriginRule, sentinel.OriginCLI
	before, later := t0.Add(-time.Hour), t0.Add(time.Hour)
	forced := record("10.1.1.1", cli, before, later)
	forced.Forced = true
	forcedOwn := record("203.0.113.5", cli, before, later)
	forcedOwn.Forced = true
	simulated := record("203.0.113.9", rule, before, later)
	simulated.Simulated = true
	tests := []struct {
		name string
		r    sentinel.BlockRecord
		kept bool
		told bool // an alarm
	}{
		{"automatic", record("203.0.113.42", rule, before, later), true, false},
		{"by hand", record("203.0.113.0/24", cli, before, later), false, true}, // holds an own address
		{"permanent by hand", record("198.51.100.0/24", cli, before, time.Time{}), true, false},
		{"permanent by a rule", record("203.0.113.42", rule, before, time.Time{}), false, true},
		{"over", record("203.0.113.42", rule, before, t0), false, false},
		{"protected now", record("192.0.2.1", rule, before, later), false, true},
		{"by hand, protected now", record("192.0.2.1", cli, before, later), false, true},
		{"forced", forced, true, false},
		{"forced, an own address now", forcedOwn, false, true},
		{"simulated", simulated, false, false},
		{"loopback", record("127.0.0.1", rule, before, later), false, true},
		{"everything", record("0.0.0.0/0", cli, before, time.Time{}), false, true},
		{"too wide for a rule", record("198.51.0.0/16", rule, before, later), false, true},
		{"part of a /64", record("2001:db8::1", rule, before, later), true, false},
		{"no prefix", sentinel.BlockRecord{Created: before}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDecider(nil, Protection{Prefix: pfx("203.0.113.5"), Kind: KindOwn}, Protection{Prefix: pfx("192.0.2.0/24"), Kind: KindConfig, Reason: "office"})
			fx := d.Restore(t0, []sentinel.BlockRecord{tt.r}, nil)
			if kept := len(d.Blocks()) == 1; kept != tt.kept {
				t.Errorf("kept %v, want %v", kept, tt.kept)
			}
			if told := len(fx.Alarms) == 1 && len(fx.Unblocked) == 1 && len(fx.Actions) == 1 && fx.Actions[0].Status == "revoked"; told != tt.told {
				t.Errorf("%+v", fx)
			}
			if tt.kept {
				if tt.r.Expires.IsZero() {
					if d.Tick(t0.Add(1000 * time.Hour)); len(d.Blocks()) != 1 {
						t.Error("a permanent block ended")
					}
				} else if fx := d.Tick(tt.r.Expires); len(fx.Unblocked) != 1 {
					t.Error("does not end when it should")
				}
			}
		})
	}
}

func TestRestoreRemembersForEscalation(t *testing.T) {
	d := newDecider(nil)
	d.Restore(t0, []sentinel.BlockRecord{
		record("203.0.113.42", sentinel.OriginRule, t0.Add(-40*24*time.Hour), t0.Add(-39*24*time.Hour)),
		record("203.0.113.42", sentinel.OriginRule, t0.Add(-20*24*time.Hour), t0.Add(-20*24*time.Hour+time.Hour)),
		record("203.0.113.42", sentinel.OriginRule, t0.Add(-10*24*time.Hour), t0.Add(-10*24*time.Hour+time.Hour)),
	}, nil)
	det := brute("203.0.113.42", t0)
	det.Confidence = 0.8
	fx := d.Detect(t0, det)
	if got := fx.Blocks[0].Expires().Sub(t0); got != 4*time.Hour {
		t.Errorf("third block within 30 days lasts %v", got)
	}
	if threat := one(t, fx); threat.Score.P != 0 {
		t.Errorf("reputation %v of cases that are not known", threat.Score.P)
	}
}

// TestRestoreReputation: after a restart the reputation is what it was, whatever was
// done about the cases.
func TestRestoreReputation(t *testing.T) {
	d := newDecider(nil, Protection{Prefix: pfx("203.0.113.3/32"), Kind: KindUser})
	stored := map[string]sentinel.Threat{}
	var blocks []sentinel.BlockRecord
	take := func(fx Effects) {
		for _, threat := range fx.Threats {
			stored[threat.ID] = threat
		}
		for _, b := range fx.Blocks {
			blocks = append(blocks, b.Record())
		}
	}
	now := t0
	for i := range 12 { // one blocked, one only reported, one whitelisted
		now = t0.Add(time.Duration(i) * 40 * time.Hour)
		take(d.Tick(now))
		take(d.Detect(now, brute("203.0.113.1", now)))
		weak := probe("203.0.113.2", now, uint64(i))
		weak.Severity = sentinel.Low
		take(d.Detect(now, weak))
		take(d.Detect(now, brute("203.0.113.3", now)))
	}
	now = now.Add(time.Hour)
	again := newDecider(nil)
	var past []PastCase
	var open []sentinel.Threat
	for _, threat := range stored {
		if now.Sub(threat.LastSeen) < again.cfg.CaseIdle {
			open = append(open, threat)
			continue
		}
		past = append(past, PastCase{ID: threat.ID, Created: threat.CreatedAt, Scope: threat.Scope, Group: threat.Group, Justified: threat.Score.MayBlock})
	}
	slices.SortFunc(past, func(a, b PastCase) int { return a.Created.Compare(b.Created) })
	again.RestorePast(now, past)
	again.Restore(now, blocks, open)
	for addr, least := range map[string]float64{"203.0.113.1": 0.7, "203.0.113.2": 0.2, "203.0.113.3": 0.7} {
		before, after := d.Known(now, ip(addr)).Reputation, again.Known(now, ip(addr)).Reputation
		if before < least || math.Abs(before-after) > 0.0015 {
			t.Errorf("%s: %v, after the restart %v", addr, before, after)
		}
	}
}

func TestRestoreAtTheLimit(t *testing.T) {
	d := newDecider(func(c *Config) { c.MaxBlocks = 2 })
	weak := record("203.0.113.1", sentinel.OriginRule, t0, t0.Add(time.Hour))
	weak.Score = 0.6
	fx := d.Restore(t0, []sentinel.BlockRecord{
		weak, record("203.0.113.2", sentinel.OriginRule, t0, t0.Add(time.Hour)), record("203.0.113.3", sentinel.OriginCLI, t0, t0.Add(time.Minute)),
	}, nil)
	if len(fx.Unblocked) != 1 || fx.Unblocked[0] != weak.Prefix {
		t.Errorf("%+v", fx)
	}
}

// A case goes on after a restart, through its stored form.
func TestRestoreCases(t *testing.T) {
	d := newDecider(nil)
	d.Detect(t0, probe("203.0.113.42", t0, 1))
	threat := one(t, d.Detect(t0, probe("203.0.113.42", t0.Add(time.Second), 2)))
	stored, err := json.Marshal([]sentinel.Threat{threat, {ID: "EMPTY"}})
	if err != nil {
		t.Fatal(err)
	}
	var open []sentinel.Threat
	if err := json.Unmarshal(stored, &open); err != nil {
		t.Fatal(err)
	}
	var records []sentinel.BlockRecord
	for _, b := range d.Blocks() {
		records = append(records, b.Record())
	}
	again := newDecider(nil)
	at := t0.Add(time.Minute)
	if fx := again.Restore(at, records, open); !fx.Empty() || again.Stats().Cases != 1 {
		t.Fatalf("%+v %+v", fx, again.Stats())
	}
	// The same two requests are not new evidence.
	for i := range 2 {
		again.Detect(at, probe("203.0.113.42", at.Add(time.Duration(i)*time.Second), uint64(i+1)))
	}
	got, ok := again.Case(threat.ID)
	if !ok || got.Score.Rules[0].Firings != 2 || got.EventCount != 4 || got.Decision != threat.Decision || got.Action != ActionBlock {
		t.Errorf("%+v", got)
	}
	// Another one is.
	again.Detect(at, probe("203.0.113.42", at.Add(time.Minute), 3))
	if got, _ = again.Case(threat.ID); got.Score.Rules[0].Firings != 3 {
		t.Errorf("%+v", got.Score.Rules)
	}
	// One that idled away is linked, not reopened.
	again = newDecider(nil)
	at = t0.Add(3 * time.Hour)
	again.Restore(at, nil, open)
	fx := again.Detect(at, probe("203.0.113.42", at, 1))
	if next := one(t, fx); next.Previous != threat.ID || next.EventCount != 1 {
		t.Errorf("%+v", next)
	}
}

func TestRestoreManyBlocks(t *testing.T) {
	const n = 100_000
	var records []sentinel.BlockRecord
	for i := range n {
		r := record("203.0.113.1", sentinel.OriginRule, t0, t0.Add(time.Hour+time.Duration(i)*time.Second))
		r.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		records = append(records, r)
	}
	d := newDecider(func(c *Config) { c.MaxBlocks = 200_000 })
	if fx := d.Restore(t0, records, nil); !fx.Empty() || len(d.Blocks()) != n {
		t.Errorf("%d blocks", len(d.Blocks()))
	}
	if fx := d.Tick(t0.Add(time.Hour + (n/2-1)*time.Second)); len(fx.Unblocked) != n/2 || !strings.HasPrefix(fx.Actions[0].Status, "expired") {
		t.Errorf("%d ended", len(fx.Unblocked))
	}
}
