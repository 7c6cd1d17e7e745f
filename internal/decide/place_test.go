package decide

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// whereabouts are where addresses are in these tests.
func whereabouts(a netip.Addr) sentinel.Geo {
	switch {
	case pfx("203.0.113.0/24").Contains(a):
		return sentinel.Geo{Country: "NL", ASN: 64500, Org: "Example"}
	case pfx("198.51.100.0/24").Contains(a):
		return sentinel.Geo{Country: "DE"}
	}
	return sentinel.Geo{}
}

func TestThreatHasItsPlace(t *testing.T) {
	d := newDecider(nil)
	asked := 0
	d.LocateBy(func(a netip.Addr) sentinel.Geo { asked++; return whereabouts(a) })
	for i := range 3 {
		threat := one(t, d.Detect(t0.Add(time.Duration(i)*time.Hour), brute("203.0.113.42", t0.Add(time.Duration(i)*time.Hour))))
		if threat.AttackerGeo != "NL" || threat.AttackerNetwork != "AS64500 Example" {
			t.Fatalf("it is in %q, %q", threat.AttackerGeo, threat.AttackerNetwork)
		}
		if head := Explain(threat).Headline; !strings.Contains(head, "from 203.0.113.42 (NL, AS64500 Example) on") {
			t.Errorf("headline %q", head)
		}
	}
	if asked > 3 {
		t.Errorf("asked %d times for one address", asked)
	}
	if threat := one(t, d.Detect(t0, brute("192.0.2.1", t0))); threat.AttackerGeo != "" || threat.AttackerNetwork != "" {
		t.Errorf("an unknown address is in %q", threat.AttackerGeo)
	}
	a := sentinel.Anomaly{Time: t0, Source: "s", Addr: ip("198.51.100.9"), A: 0.9, Reasons: []string{"x"}, Window: time.Minute}
	if threat := one(t, d.Anomaly(t0, &a)); threat.AttackerGeo != "DE" {
		t.Errorf("the case of an anomaly is in %q", threat.AttackerGeo)
	}
}

func TestPlacesOfAllowlist(t *testing.T) {
	network := Protection{Place: sentinel.Place{ASN: 64500}, Kind: KindUser, Reason: "monitor"}
	country := Protection{Place: sentinel.Place{Country: "DE"}, Kind: KindConfig, Reason: "response.whitelist"}
	t.Run("not blocked, and told why", func(t *testing.T) {
		d := newDecider(nil, network, country)
		d.LocateBy(whereabouts)
		for addr, want := range map[string]string{"203.0.113.42": "AS64500 (monitor, user)", "198.51.100.9": "country:DE (response.whitelist, config)"} {
			fx := d.Detect(t0, brute(addr, t0))
			threat := one(t, fx)
			if len(fx.Blocks) != 0 || threat.Action != ActionNone || threat.ActionReason != "alert only because whitelisted: "+want || threat.RiskScore != 0.75 {
				t.Errorf("%s: %d blocks, %s: %s, score %v", addr, len(fx.Blocks), threat.Action, threat.ActionReason, threat.RiskScore)
			}
		}
		if fx := d.Detect(t0, brute("192.0.2.1", t0)); len(fx.Blocks) != 1 {
			t.Error("an address elsewhere is not blocked")
		}
	})
	t.Run("without a database nobody is protected", func(t *testing.T) {
		d := newDecider(nil, network, country)
		if fx := d.Detect(t0, brute("203.0.113.42", t0)); len(fx.Blocks) != 1 {
			t.Error("not blocked, and nobody knows where it is")
		}
	})
	t.Run("allowing a place lifts its automatic blocks, and no others", func(t *testing.T) {
		d := newDecider(nil)
		d.LocateBy(whereabouts)
		for _, addr := range []string{"203.0.113.42", "198.51.100.9"} {
			if fx := d.Detect(t0, brute(addr, t0)); len(fx.Blocks) != 1 {
				t.Fatalf("%s is not blocked", addr)
			}
		}
		if _, err := d.Order(t0, order(sentinel.OrderBlock, "203.0.113.7/32")); err != nil {
			t.Fatal(err)
		}
		fx := d.SetAllow(t0, d.Allowlist().With(network))
		if len(fx.Unblocked) != 1 || fx.Unblocked[0] != pfx("203.0.113.42/32") || !fx.AllowChanged {
			t.Errorf("unblocked %v", fx.Unblocked)
		}
		if fx := d.SetAllow(t0, d.Allowlist().With(network)); fx.AllowChanged {
			t.Error("the same list is another one")
		}
	})
	t.Run("a block by hand blocks", func(t *testing.T) {
		d := newDecider(nil, network)
		d.LocateBy(whereabouts)
		fx, err := d.Order(t0, order(sentinel.OrderBlock, "203.0.113.7/32"))
		if err != nil || len(fx.Blocks) != 1 {
			t.Errorf("%v, %v", fx.Blocks, err)
		}
	})
	t.Run("a stored block is not taken up again", func(t *testing.T) {
		d := newDecider(nil, network)
		d.LocateBy(whereabouts)
		fx := d.Restore(t0, []sentinel.BlockRecord{{ID: "B", Prefix: pfx("203.0.113.42/32"), Origin: sentinel.OriginRule, Created: t0.Add(-time.Minute), Expires: t0.Add(time.Hour), Score: 0.8}}, nil)
		if len(fx.Unblocked) != 1 || len(d.Blocks()) != 0 {
			t.Errorf("unblocked %v, in force %v", fx.Unblocked, d.Blocks())
		}
	})
	t.Run("the list keeps its places", func(t *testing.T) {
		a := NewAllowlist([]Protection{network, country, network, {Prefix: pfx("192.0.2.0/24"), Kind: KindUser}})
		b := a.With(Protection{Prefix: pfx("192.0.2.7/32"), Kind: KindAdmin}).Replacing(nil, KindAdmin).Without(pfx("192.0.2.0/24"))
		got := b.Entries()
		if len(got) != 2 || got[0] != network || got[1] != country || b.Equal(a) || !b.Equal(NewAllowlist([]Protection{country, network})) {
			t.Errorf("entries %v", got)
		}
		if p, ok := b.Overlaps(pfx("203.0.113.0/24")); ok {
			t.Errorf("a place is in the table as %v", p)
		}
	})
}

func TestLists(t *testing.T) {
	d := newDecider(nil)
	d.ListBy(func(a netip.Addr) []Listing {
		if a == ip("203.0.113.42") {
			return []Listing{{"reputation-a.txt", 0.5}, {"reputation-b.txt", 0.6}}
		}
		return nil
	})
	threat := one(t, d.Detect(t0, brute("203.0.113.42", t0)))
	if threat.Score.P != 0.8 || threat.RiskScore != 0.8 || threat.Severity != sentinel.Critical { // the worked example
		t.Errorf("P %v, score %v", threat.Score.P, threat.RiskScore)
	}
	if text := Explain(threat).Text(); !strings.Contains(text, "is on reputation-a.txt (0.50) and reputation-b.txt (0.60)") {
		t.Error(text)
	}
	if again := Score(InputOf(threat.Score)); again.Score != threat.Score.Score {
		t.Errorf("the stored parts give %v, not %v", again.Score, threat.Score.Score)
	}
	if k := d.Known(t0, ip("203.0.113.42")); len(k.Lists) != 2 || k.Reputation <= 0.8 {
		t.Errorf("known: %+v", k)
	}
	if other := one(t, d.Detect(t0, brute("203.0.113.43", t0))); other.Score.P != 0 || other.Score.Lists != nil {
		t.Errorf("a neighbour: %+v", other.Score)
	}
	// Evidence of an advisory rule and a bad name do not block.
	weak := probe("203.0.113.42", t0, 1)
	weak.Advisory, weak.Severity = true, sentinel.Low
	if fx := d.Detect(t0, weak); len(fx.Blocks) != 0 {
		t.Error("reputation blocks by itself")
	}
}
