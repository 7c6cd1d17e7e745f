package agent

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Behind a proxy that is not configured every request seems to come from the
// proxy: whoever is judged by such a log, it is not who attacked. The proxy
// guard finds such sources.
const (
	// Of at least guardMin requests within the last guardSlots*guardSlot, at
	// least guardShare must come from at most guardPeers addresses of the kind
	// that proxies have, and ask for about guardPaths different paths: a health
	// check asks for one.
	guardSlot  = 5 * time.Minute
	guardSlots = 12
	guardMin   = 100
	guardShare = 0.9
	guardPeers = 3
	guardPaths = 8
	// guardKept bounds the addresses that are counted in one slot.
	guardKept = 64
	// guardEvery is how often a source is judged at most.
	guardEvery = time.Second

	alarmProxy = "behind_proxy"
)

// proxyGuard watches the peers of one source of requests. It is of the engine's
// goroutine.
type proxyGuard struct {
	slots  [guardSlots]guardCount
	slot   int64 // number of the present slot
	judged time.Time
	news   bool // requests came since
	on     bool

	seed   maphash.Seed
	last   netip.Addr // and whether it was shared
	shared bool
}

// guardCount is what happened within one slot.
type guardCount struct {
	requests int
	peers    map[netip.Addr]int // shared addresses only
	paths    uint64             // a bit for each hash: about how many there were
}

func newProxyGuard() *proxyGuard { return &proxyGuard{seed: maphash.MakeSeed()} }

// observe counts a request that arrived at now. isShared says whether an address
// can be a proxy's.
func (g *proxyGuard) observe(ev *sentinel.Event, now time.Time, isShared func(netip.Addr) bool) {
	if ev.Type != sentinel.EventHTTPAccess || !ev.SrcIP.IsValid() {
		return
	}
	g.advance(now)
	c := &g.slots[g.slot%guardSlots]
	c.requests++
	g.news = true
	if ev.FromHeader {
		return
	}
	if ev.SrcIP != g.last {
		g.last, g.shared = ev.SrcIP, isShared(ev.SrcIP)
	}
	if !g.shared {
		return
	}
	c.paths |= 1 << (maphash.String(g.seed, ev.HTTP.Path) % 64)
	if _, known := c.peers[ev.SrcIP]; !known && len(c.peers) >= guardKept {
		return
	}
	if c.peers == nil {
		c.peers = make(map[netip.Addr]int)
	}
	c.peers[ev.SrcIP]++
}

// advance empties the slots that are over.
func (g *proxyGuard) advance(now time.Time) {
	n := now.UnixNano() / int64(guardSlot)
	if n-g.slot >= guardSlots {
		g.slots = [guardSlots]guardCount{}
	} else {
		for s := g.slot + 1; s <= n; s++ {
			g.slots[s%guardSlots] = guardCount{}
		}
	}
	g.slot = max(g.slot, n)
}

// judge reports whether the source is behind a proxy, and by which numbers if
// that has become so. Once it is, it stays until less than half of the requests
// come that way.
func (g *proxyGuard) judge(now time.Time) (on bool, why string) {
	if d := now.Sub(g.judged); d >= 0 && d < guardEvery {
		return g.on, ""
	}
	g.judged, g.news = now, false
	g.advance(now)
	total, paths := 0, uint64(0)
	sum := make(map[netip.Addr]int)
	for i := range g.slots {
		total += g.slots[i].requests
		paths |= g.slots[i].paths
		for a, n := range g.slots[i].peers {
			sum[a] += n
		}
	}
	if total < guardMin {
		return g.on, ""
	}
	peers := make([]netip.Addr, 0, len(sum))
	for a := range sum {
		peers = append(peers, a)
	}
	slices.SortFunc(peers, func(a, b netip.Addr) int { return cmp.Or(cmp.Compare(sum[b], sum[a]), a.Compare(b)) })
	peers = peers[:min(len(peers), guardPeers)]
	n := 0
	names := make([]string, len(peers))
	for i, a := range peers {
		n += sum[a]
		names[i] = a.String()
	}
	share := float64(n) / float64(total)
	switch {
	case g.on:
		g.on = share >= 0.5
	case share >= guardShare && bits.OnesCount64(paths) >= guardPaths:
		g.on = true
		return true, fmt.Sprintf("%d of the %d requests within an hour come from %s", n, total, strings.Join(names, ", "))
	}
	return g.on, ""
}

// guardProxy lets a source's guard judge after a batch and acts on it.
func (a *Agent) guardProxy(source string, f *feed, now time.Time) {
	if f.guard == nil {
		return
	}
	on, why := f.guard.judge(now)
	f.source.BehindProxy(on)
	switch _, known := a.proxied.Load(source); {
	case why != "":
		text := fmt.Sprintf("%s: %s: this host is behind a proxy that is not configured. Nobody is blocked by this log until trusted_proxies of the source names it, or says [] if this is right", source, why)
		a.proxied.Store(source, text)
		a.alarm(alarmProxy, text)
	case !on && known:
		a.proxied.Delete(source)
	}
}

// guardProxies judges the sources whose last batch came too soon after another.
func (a *Agent) guardProxies(now time.Time) {
	for id, f := range a.feeds {
		if f.guard != nil && f.guard.news {
			a.guardProxy(id, f, now)
		}
	}
}

// proxyReasons are the warnings of status.
func (a *Agent) proxyReasons() (out []string) {
	a.proxied.Range(func(_, text any) bool {
		out = append(out, text.(string))
		return true
	})
	slices.Sort(out)
	return out
}

// denyFailed tells that the proxy's deny list cannot be written, or can again.
func (a *Agent) denyFailed(err error) {
	if err != nil {
		a.alarm("proxy_denylist", fmt.Sprintf("clients behind the proxy are not kept out: %v", err))
		return
	}
	a.alarm("proxy_denylist", "the proxy's deny list is written again")
}
