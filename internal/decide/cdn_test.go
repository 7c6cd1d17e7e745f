package decide

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestShippedRanges(t *testing.T) {
	list, err := ParseCDN(cdnText)
	if err != nil || len(list) < 40 {
		t.Fatalf("%d ranges, %v", len(list), err)
	}
	seen := map[netip.Prefix]bool{}
	for _, p := range list {
		if p.Kind != KindCDN || p.Reason == "" || seen[p.Prefix] || p.Prefix != p.Prefix.Masked() {
			t.Errorf("%+v", p)
		}
		seen[p.Prefix] = true
	}
	a := NewAllowlist(append(DefaultProtections(), list...))
	for addr, want := range map[string]bool{
		"104.16.1.2": true, "::ffff:104.16.1.2": true, "2606:4700::1111": true, "151.101.1.1": true, "10.1.2.3": true,
		"127.0.0.1": true, "::1": true, "fd00::1": true, "203.0.113.7": false, "1.1.1.1": false, "2001:db8::1": false,
	} {
		if got := a.Shared(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: shared %v", addr, got)
		}
	}
}

func TestParseCDN(t *testing.T) {
	for _, c := range []struct{ text, want, fault string }{
		{"# name: Own\n198.51.100.0/24 # a comment\n\n2001:db8::1\n", "198.51.100.0/24 2001:db8::1/128", ""},
		{"::ffff:198.51.100.9/120\n", "198.51.100.0/24", ""},
		{"198.51.100.0/24\nexample.com\n203.0.113.0/24\n", "198.51.100.0/24", "line 2"},
		{"0.0.0.0/0\n", "", "wider"},
		{"::/0\n", "", "wider"},
		{strings.Repeat("192.0.2.1\n", maxCDN+1), "", "more than"},
	} {
		list, err := ParseCDN(c.text)
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%.40q: %v, want %q", c.text, err, c.fault)
			}
			continue
		}
		var got []string
		for _, p := range list {
			got = append(got, p.Prefix.String())
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%.40q: %v %v", c.text, got, err)
		}
	}
}

func FuzzParseCDN(f *testing.F) {
	f.Add(cdnText)
	f.Add("# name: x\n10.0.0.0/8\nfe80::1%eth0\n1.2.3.4/33\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, _ := ParseCDN(text)
		for _, p := range list {
			if !p.Prefix.IsValid() || tooWide(p.Prefix, allowBits4, allowBits6) || p.Prefix.Addr().Is4In6() || p.Prefix.Addr().Zone() != "" {
				t.Errorf("%q gives %v", text, p.Prefix)
			}
		}
	})
}

// proxyDetection is one that justifies a block.
func proxyDetection(addr string, fromHeader bool) *sentinel.Detection {
	a := netip.MustParseAddr(addr)
	return &sentinel.Detection{
		RuleID: "R", RuleName: "r", Type: "t", Group: "web", Severity: sentinel.High, Confidence: 1, Addr: a,
		Scope: sentinel.Entity(a), Source: "log", FromHeader: fromHeader,
	}
}

func TestProxiedBlocks(t *testing.T) {
	now := time.Unix(1e9, 0)
	make := func(deny bool) *Decider {
		cfg := DefaultConfig()
		cfg.ProxyDeny = deny
		return New(cfg, NewAllowlist(append(DefaultProtections(), CDNProtections()...)), func(time.Time) string { return "id" })
	}
	reason := func(fx Effects) string { return fx.Threats[len(fx.Threats)-1].ActionReason }

	t.Run("without a deny list a client behind a proxy is reported", func(t *testing.T) {
		fx := make(false).Detect(now, proxyDetection("203.0.113.7", true))
		if len(fx.Blocks) > 0 || !strings.Contains(reason(fx), "forwarding header") {
			t.Errorf("%v %s", fx.Blocks, reason(fx))
		}
	})
	t.Run("with one it is denied there alone", func(t *testing.T) {
		fx := make(true).Detect(now, proxyDetection("203.0.113.7", true))
		if len(fx.Blocks) != 1 || !fx.Blocks[0].Proxied() || fx.Actions[0].Backend != sentinel.BackendProxy || !strings.Contains(reason(fx), "denied at the proxy") {
			t.Errorf("%+v %s", fx.Blocks, reason(fx))
		}
	})
	t.Run("who then comes directly is blocked by the packet filter", func(t *testing.T) {
		d := make(true)
		d.Detect(now, proxyDetection("203.0.113.7", true))
		fx := d.Detect(now.Add(time.Second), proxyDetection("203.0.113.7", false))
		if len(fx.Blocks) != 1 || fx.Blocks[0].Proxied() || d.Stats().Blocks != 1 {
			t.Errorf("%+v", fx.Blocks)
		}
		if fx = d.Detect(now.Add(2*time.Second), proxyDetection("203.0.113.7", true)); len(fx.Blocks) != 0 {
			t.Errorf("the other way round it is blocked already: %+v", fx.Blocks)
		}
	})
	t.Run("a person's block takes the place of one at the proxy", func(t *testing.T) {
		d := make(true)
		d.Detect(now, proxyDetection("203.0.113.7", true))
		fx, err := d.Order(now, sentinel.Order{Kind: sentinel.OrderBlock, Prefix: netip.MustParsePrefix("203.0.113.7/32"), Duration: time.Minute, Origin: sentinel.OriginCLI})
		if err != nil || len(fx.Blocks) != 1 || fx.Blocks[0].Proxied() {
			t.Errorf("%+v %v", fx.Blocks, err)
		}
	})
	t.Run("it is taken up again at the start", func(t *testing.T) {
		d := make(true)
		rec := d.Detect(now, proxyDetection("203.0.113.7", true)).Blocks[0].Record()
		again := make(true)
		again.Restore(now, []sentinel.BlockRecord{rec}, nil)
		if b := again.Blocks(); len(b) != 1 || !b[0].Proxied() {
			t.Errorf("%+v", b)
		}
	})
	t.Run("a source behind an unknown proxy blocks nobody", func(t *testing.T) {
		det := proxyDetection("203.0.113.7", false)
		det.BehindProxy = true
		fx := make(true).Detect(now, det)
		if len(fx.Blocks) > 0 || !strings.Contains(reason(fx), "trusted_proxies of log") {
			t.Errorf("%v %s", fx.Blocks, reason(fx))
		}
	})
	t.Run("a content delivery network is not blocked, and an alarm says so", func(t *testing.T) {
		fx := make(true).Detect(now, proxyDetection("104.16.1.2", false))
		if len(fx.Blocks) > 0 || len(fx.Alarms) != 1 || !strings.Contains(fx.Alarms[0].Text, "Cloudflare") {
			t.Errorf("%v %+v", fx.Blocks, fx.Alarms)
		}
	})
}
