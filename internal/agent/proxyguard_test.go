package agent

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
)

func TestProxyGuard(t *testing.T) {
	allow := decide.NewAllowlist(append(decide.DefaultProtections(), decide.CDNProtections()...))
	start := time.Unix(1e9, 0)
	for _, c := range []struct {
		name string
		// peers take turns; of each hundred requests direct come from others.
		peers         []string
		direct, paths int
		requests      int
		header        bool
		want          bool
	}{
		{"one load balancer", []string{"10.0.0.5"}, 0, 50, 500, false, true},
		{"three load balancers and some others", []string{"10.0.0.5", "10.0.0.6", "fd00::5"}, 8, 50, 500, false, true},
		{"four of them", []string{"10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8"}, 0, 50, 500, false, false},
		{"a proxy on this host", []string{"127.0.0.1"}, 0, 50, 500, false, true},
		{"a content delivery network", []string{"104.16.1.2", "104.16.1.3"}, 5, 50, 500, false, true},
		{"one busy visitor", []string{"203.0.113.7"}, 0, 50, 500, false, false},
		{"too many others", []string{"10.0.0.5"}, 15, 50, 500, false, false},
		{"too few requests", []string{"10.0.0.5"}, 0, 50, 90, false, false},
		{"a health check", []string{"127.0.0.1"}, 3, 1, 500, false, false},
		{"a proxy that is configured", []string{"10.0.0.5"}, 0, 50, 500, true, false},
	} {
		g := newProxyGuard()
		now := start
		why := ""
		for i := range c.requests {
			now = now.Add(2 * time.Second)
			ev := sentinel.Event{Type: sentinel.EventHTTPAccess, SrcIP: netip.MustParseAddr(c.peers[i%len(c.peers)]), FromHeader: c.header}
			if i%100 < c.direct {
				ev.SrcIP = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
			}
			ev.HTTP.Path = fmt.Sprintf("/page/%d", i%c.paths)
			g.observe(&ev, now, allow.Shared)
			if _, w := g.judge(now); w != "" {
				if why != "" {
					t.Errorf("%s: said twice: %s", c.name, w)
				}
				why = w
			}
		}
		if g.on != c.want || g.on != (why != "") {
			t.Errorf("%s: %v %q, want %v", c.name, g.on, why, c.want)
		}
		// Of a day later nothing is known, and the verdict stands.
		if on, _ := g.judge(now.Add(24 * time.Hour)); on != c.want {
			t.Errorf("%s: a day later %v", c.name, on)
		}
	}
}

// Once clients come directly, the verdict ends; and a flood of addresses does
// not make the guard grow.
func TestProxyGuardEnds(t *testing.T) {
	g := newProxyGuard()
	now := time.Unix(1e9, 0)
	shared := func(a netip.Addr) bool { return a.IsPrivate() }
	ev := sentinel.Event{Type: sentinel.EventHTTPAccess, SrcIP: netip.MustParseAddr("10.0.0.5")}
	for i := range 200 {
		ev.HTTP.Path = fmt.Sprint("/", i)
		g.observe(&ev, now, shared)
	}
	if on, _ := g.judge(now); !on {
		t.Fatal("not on")
	}
	now = now.Add(10 * time.Minute)
	for i := range 1000 {
		ev.SrcIP = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		if i%2 == 0 {
			ev.SrcIP = netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
		}
		g.observe(&ev, now, shared)
	}
	if on, _ := g.judge(now); on {
		t.Error("still on")
	}
	for i := range g.slots {
		if len(g.slots[i].peers) > guardKept {
			t.Errorf("%d peers are kept", len(g.slots[i].peers))
		}
	}
}
