package decide

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai"
)

// refused checks that an order was refused, and for what.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Errorf("error %v, want a refusal with %q", err, want)
	} else if !strings.Contains(err.Error(), want) {
		t.Errorf("refusal %q, want %q in it", err, want)
	}
}

func TestOrderBlock(t *testing.T) {
	own := Protection{Prefix: pfx("203.0.113.5"), Kind: KindOwn, Reason: "eth0"}
	friend := Protection{Prefix: pfx("203.0.113.7"), Kind: KindUser, Reason: "monitoring"}
	office := Protection{Prefix: pfx("192.0.2.0/24"), Kind: KindConfig, Reason: "office"}
	type edit = func(*sentinel.Order)
	force := func(o *sentinel.Order) { o.Force = true }
	tests := []struct {
		name, prefix string
		edit         edit
		want         string        // the refusal; empty: blocked
		lasts        time.Duration // 0: permanent
		as           string        // the prefix blocked, if another
	}{
		{"address", "198.51.100.1", nil, "", 24 * time.Hour, ""},
		{"network", "198.51.100.77/24", nil, "", 24 * time.Hour, "198.51.100.0/24"},
		{"mapped", "::ffff:198.51.100.1", nil, "", 24 * time.Hour, "198.51.100.1/32"},
		{"IPv6", "2001:db8::1", nil, "", 24 * time.Hour, "2001:db8::/64"},
		{"widest", "198.51.0.0/16", nil, "", 24 * time.Hour, ""},
		{"with a duration", "198.51.100.1", func(o *sentinel.Order) { o.Duration = time.Minute }, "", time.Minute, ""},
		{"permanent", "198.51.100.1", func(o *sentinel.Order) { o.Permanent = true }, "", 0, ""},
		{"by the cloud", "198.51.100.1", func(o *sentinel.Order) { o.Origin = sentinel.OriginCloud }, "", 24 * time.Hour, ""},

		{"nothing", "", nil, "no address was given to block; give an address such as 203.0.113.7", 0, ""},
		{"everything", "0.0.0.0/0", nil, "0.0.0.0/0 is too wide to block; block at most a /16, for IPv6 a /32", 0, ""},
		{"everything, by force", "0.0.0.0/0", force, "too wide", 0, ""},
		{"all of IPv6", "::/0", force, "too wide", 0, ""},
		{"half", "128.0.0.0/1", force, "too wide", 0, ""},
		{"wide", "198.0.0.0/15", nil, "too wide", 0, ""},
		{"wide IPv6", "2001:db8::/31", nil, "too wide", 0, ""},
		{"all mapped", "::ffff:0:0/96", force, "too wide", 0, ""},
		{"multicast", "224.0.0.1", force, "multicast, special", 0, ""},
		{"IPv6 multicast", "ff02::1", force, "multicast, special", 0, ""},
		{"broadcast", "255.255.255.255", force, "cannot be blocked", 0, ""},
		{"unspecified", "0.0.0.0", force, "cannot be blocked", 0, ""},
		{"unspecified IPv6", "::", force, "cannot be blocked", 0, ""},
		{"loopback", "127.0.0.1", force, "127.0.0.1 is protected by 127.0.0.0/8 (loopback, loopback); it cannot be blocked", 0, ""},
		{"loopback IPv6", "::1", force, "cannot be blocked", 0, ""},
		{"own", "203.0.113.5", force, "203.0.113.5 is protected by 203.0.113.5 (eth0, own); it cannot be blocked, since that could lock you out", 0, ""},
		{"around own", "203.0.113.0/24", force, "203.0.113.0/24 contains the protected 203.0.113.5 (eth0, own)", 0, ""},
		{"metadata", "169.254.169.254", force, "cloud metadata", 0, ""},
		{"private", "10.1.1.1", nil, "10.1.1.1 is protected by 10.0.0.0/8 (private network, default); add --force if you are sure", 0, ""},
		{"private, by force", "10.1.1.1", force, "", 24 * time.Hour, ""},
		{"private, forced by the bot", "10.1.1.1", func(o *sentinel.Order) { o.Force, o.Origin = true, sentinel.OriginBot }, "", 24 * time.Hour, ""},
		{"private, forced by the cloud", "10.1.1.1", func(o *sentinel.Order) { o.Force, o.Origin = true, sentinel.OriginCloud }, "only a person on this host", 0, ""},
		{"around metadata, by force", "169.254.0.0/16", force, "cannot be blocked", 0, ""},
		{"allowed", "203.0.113.7", nil, "sentinelctl whitelist remove 203.0.113.7", 0, ""},
		{"around an allowed one", "203.0.113.6/31", nil, "203.0.113.6/31 contains the protected 203.0.113.7 (monitoring, user)", 0, ""},
		{"configured", "192.0.2.9", nil, "192.0.2.0/24 (office, config); add --force", 0, ""},
		{"negative", "198.51.100.1", func(o *sentinel.Order) { o.Duration = -time.Hour }, "cannot last -1h0m0s; give at least 1s", 0, ""},
		{"for ages", "198.51.100.1", func(o *sentinel.Order) { o.Duration = 20000 * time.Hour }, "too long; give at most 8784h", 0, ""},
		{"permanent for an hour", "198.51.100.1", func(o *sentinel.Order) { o.Permanent, o.Duration = true, time.Hour }, "cannot be permanent and last 1h", 0, ""},
		{"as a rule", "198.51.100.1", func(o *sentinel.Order) { o.Origin = sentinel.OriginRule }, "only detections block", 0, ""},
		{"no kind", "198.51.100.1", func(o *sentinel.Order) { o.Kind = 99 }, "OrderKind(99) is not an order", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDecider(nil, own, friend, office)
			o := sentinel.Order{Kind: sentinel.OrderBlock, Origin: sentinel.OriginCLI, Actor: "alice", Reason: "ticket\x1b[31m 7"}
			if tt.prefix != "" {
				o.Prefix = pfx(tt.prefix)
			}
			if tt.edit != nil {
				tt.edit(&o)
			}
			fx, err := d.Order(t0, o)
			if len(fx.Actions) != 1 || fx.Actions[0].Actor != "alice" || fx.Actions[0].Origin != o.Origin || strings.Contains(fx.Actions[0].Reason, "\x1b") {
				t.Errorf("audit trail: %+v", fx.Actions)
			}
			if tt.want != "" {
				refused(t, err, tt.want)
				if len(d.Blocks()) != 0 || len(fx.Blocks) != 0 || fx.Actions[0].Status != "refused" {
					t.Errorf("%+v", fx)
				}
				return
			}
			if err != nil || len(fx.Blocks) != 1 {
				t.Fatalf("%v %+v", err, fx)
			}
			b := fx.Blocks[0].Record()
			want := pfx(tt.prefix)
			if tt.as != "" {
				want = pfx(tt.as)
			}
			if b.Prefix != want || b.Score != 1 || b.Actor != "alice" || b.Forced != o.Force ||
				fx.Blocks[0].Permanent() != (tt.lasts == 0) || tt.lasts > 0 && b.Expires.Sub(t0) != tt.lasts {
				t.Errorf("%+v", b)
			}
		})
	}
}

func TestOrderBlockAgain(t *testing.T) {
	d := newDecider(nil)
	d.Detect(t0, brute("203.0.113.42", t0))
	o := order(sentinel.OrderBlock, "203.0.113.42")
	o.Duration = 10 * time.Minute
	_, err := d.Order(t0, o)
	refused(t, err, "203.0.113.42 is blocked until 2026-02-09 15:00:00 UTC already; give a longer --duration")
	o.Duration = 2 * time.Hour
	fx, err := d.Order(t0, o)
	if err != nil || len(fx.Blocks) != 1 || len(fx.Unblocked) != 0 || len(fx.Actions) != 2 || fx.Actions[0].RevokedBy != "alice" || fx.Blocks[0].Record().Origin != sentinel.OriginCLI {
		t.Fatalf("%v %+v", err, fx)
	}
	o.Permanent, o.Duration = true, 0
	if fx, err = d.Order(t0, o); err != nil || !fx.Blocks[0].Permanent() {
		t.Fatalf("%v %+v", err, fx)
	}
	_, err = d.Order(t0, o)
	refused(t, err, "is blocked without an end already; sentinelctl unblock 203.0.113.42 ends it")
	// A detection does not shorten it, and time does not end it.
	at := t0.Add(time.Minute)
	if fx := d.Detect(at, brute("203.0.113.42", at)); len(fx.Blocks) != 0 || one(t, fx).Action != ActionBlock {
		t.Errorf("%+v", fx)
	}
	if fx := d.Tick(t0.Add(10 * 365 * 24 * time.Hour)); len(fx.Unblocked) != 0 {
		t.Error("a permanent block ended")
	}
	// Inside a wider block that lasts longer nothing is to be done.
	o = order(sentinel.OrderBlock, "198.51.100.0/24")
	o.Permanent = true
	if _, err := d.Order(t0, o); err != nil {
		t.Fatal(err)
	}
	_, err = d.Order(t0, order(sentinel.OrderBlock, "198.51.100.9"))
	refused(t, err, "198.51.100.9 lies in 198.51.100.0/24, which is blocked without an end already")
}

func TestOrderUnblock(t *testing.T) {
	d := newDecider(nil)
	d.Detect(t0, brute("203.0.113.42", t0))
	if _, err := d.Order(t0, order(sentinel.OrderBlock, "198.51.100.0/24")); err != nil {
		t.Fatal(err)
	}
	_, err := d.Order(t0, order(sentinel.OrderUnblock, "192.0.2.1"))
	refused(t, err, "192.0.2.1 is not blocked; sentinelctl blocklist shows what is")
	_, err = d.Order(t0, order(sentinel.OrderUnblock, "198.51.100.9"))
	refused(t, err, "it lies in 198.51.100.0/24, which is blocked until 2026-02-10 14:00:00 UTC; to lift that: sentinelctl unblock 198.51.100.0/24")
	_, err = d.Order(t0, order(sentinel.OrderUnblock, "203.0.113.0/24"))
	refused(t, err, "contains blocked addresses: 203.0.113.42")
	fx, err := d.Order(t0, order(sentinel.OrderUnblock, "::ffff:203.0.113.42"))
	if err != nil || len(fx.Unblocked) != 1 || len(fx.Actions) != 2 || fx.Actions[0].Status != "revoked" || fx.Actions[0].RevokedBy != "alice" || fx.Actions[1].Type != "unblock" {
		t.Errorf("%v %+v", err, fx)
	}
	// It was taken back: the next block is a first one.
	at := t0.Add(2 * time.Hour)
	det := brute("203.0.113.42", at)
	det.Confidence = 0.8
	if got := d.Detect(at, det).Blocks[0].Expires().Sub(at); got != time.Hour {
		t.Errorf("%v", got)
	}
}

// A04: what is allowed is unblocked at once.
func TestOrderAllow(t *testing.T) {
	d := newDecider(nil)
	d.Detect(t0, brute("203.0.113.42", t0))
	if _, err := d.Order(t0, order(sentinel.OrderBlock, "203.0.113.43")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Order(t0, order(sentinel.OrderBlock, "203.0.0.0/16")); err != nil {
		t.Fatal(err)
	}
	o := order(sentinel.OrderAllow, "203.0.113.0/24")
	o.Reason = "our office"
	fx, err := d.Order(t0, o)
	if err != nil || len(fx.Unblocked) != 2 || !fx.AllowChanged || len(fx.Allowed) != 1 || fx.Allowed[0].Kind != KindUser || fx.Allowed[0].Reason != "our office" {
		t.Fatalf("%v %+v", err, fx)
	}
	// The wide one by hand stays, with a hole.
	if b := d.Blocks(); len(b) != 1 || !b[0].Record().Forced || len(fx.Blocks) != 1 {
		t.Errorf("%+v", b)
	}
	if a := fx.Actions[len(fx.Actions)-1]; a.Type != "allow" || a.Reason != "our office; 2 blocks lifted" {
		t.Errorf("%+v", a)
	}
	at := t0.Add(time.Second)
	if fx := d.Detect(at, brute("203.0.113.42", at)); len(fx.Blocks) != 0 {
		t.Error("an allowed address was blocked")
	}
	for _, tt := range []struct{ prefix, want string }{
		{"203.0.113.0/24", "is on the allowlist already"},
		{"10.0.0.0/8", "is protected already; nothing needs to be done"},
		{"0.0.0.0/0", "too wide to allow; allow at most a /8"},
		{"::/0", "set response.mode to observe"},
	} {
		_, err := d.Order(t0, order(sentinel.OrderAllow, tt.prefix))
		refused(t, err, tt.want)
	}
}

// A block that was forced is lifted when the same is allowed later.
func TestAllowAfterForce(t *testing.T) {
	d := newDecider(nil)
	o := order(sentinel.OrderBlock, "10.1.1.1")
	o.Force = true
	if _, err := d.Order(t0, o); err != nil {
		t.Fatal(err)
	}
	d.SetAllow(t0, d.Allowlist().With(Protection{Prefix: pfx("198.51.100.1"), Kind: KindAdmin}))
	if len(d.Blocks()) != 1 {
		t.Fatal("a refresh lifted a forced block")
	}
	fx, err := d.Order(t0, order(sentinel.OrderAllow, "10.1.1.1"))
	if err != nil || len(fx.Unblocked) != 1 {
		t.Errorf("%v %+v", err, fx)
	}
}

func TestOrderDisallow(t *testing.T) {
	d := newDecider(nil, Protection{Prefix: pfx("192.0.2.0/24"), Kind: KindConfig}, Protection{Prefix: pfx("203.0.113.5"), Kind: KindOwn})
	if _, err := d.Order(t0, order(sentinel.OrderAllow, "198.51.100.1")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ prefix, want string }{
		{"10.0.0.0/8", "is built in"},
		{"192.0.2.0/24", "stands in the configuration; change the configuration file"},
		{"203.0.113.5", "so that nobody is locked out"},
		{"10.1.1.1", "is not on the allowlist as such, but 10.0.0.0/8 (private network, default) is"},
		{"198.51.100.2", "is not on the allowlist; sentinelctl whitelist list"},
	} {
		_, err := d.Order(t0, order(sentinel.OrderDisallow, tt.prefix))
		refused(t, err, tt.want)
	}
	fx, err := d.Order(t0, order(sentinel.OrderDisallow, "198.51.100.1"))
	if err != nil || len(fx.Disallowed) != 1 || !fx.AllowChanged {
		t.Fatalf("%v %+v", err, fx)
	}
	if fx := d.Detect(t0, brute("198.51.100.1", t0)); len(fx.Blocks) != 1 {
		t.Error("still protected")
	}
}

func TestOrderStatus(t *testing.T) {
	d := newDecider(nil)
	threat := one(t, d.Detect(t0, brute("203.0.113.42", t0)))
	o := sentinel.Order{Kind: sentinel.OrderStatus, ThreatID: threat.ID, Status: "wrong", Origin: sentinel.OriginCLI, Actor: "alice"}
	_, err := d.Order(t0, o)
	refused(t, err, "none of open, acknowledged, resolved, false_positive")
	o.Status = sentinel.StatusFalsePositive
	fx, err := d.Order(t0, o)
	if err != nil || len(fx.Unblocked) != 1 || len(fx.Statuses) != 1 || fx.Statuses[0].By != "alice" {
		t.Fatalf("%v %+v", err, fx)
	}
	if got := one(t, fx); got.Status != o.Status || got.ResolvedBy != "alice" || !got.ResolvedAt.Equal(t0) || got.Action != ActionAlert {
		t.Errorf("%+v", got)
	}
	// It does not block again while the case is open.
	at := t0.Add(time.Minute)
	if fx := d.Detect(at, brute("203.0.113.42", at)); len(fx.Blocks) != 0 {
		t.Error("blocked again")
	}
	// A threat that is only in the store.
	o.ThreatID, o.Status = "01OLD", sentinel.StatusResolved
	if fx, err := d.Order(t0, o); err != nil || len(fx.Statuses) != 1 || len(fx.Threats) != 0 || len(fx.Actions) != 1 {
		t.Errorf("%v %+v", err, fx)
	}
	o.ThreatID = ""
	_, err = d.Order(t0, o)
	refused(t, err, "no threat was named")
}

func TestOrderInObserve(t *testing.T) {
	d := newDecider(func(c *Config) { c.Observe = true })
	fx, err := d.Order(t0, order(sentinel.OrderBlock, "203.0.113.42"))
	if err != nil || !fx.Blocks[0].Simulated() {
		t.Errorf("%v %+v", err, fx)
	}
}

func TestSetAllow(t *testing.T) {
	d := newDecider(nil)
	d.Detect(t0, brute("203.0.113.42", t0))
	for _, p := range []string{"203.0.113.43", "203.0.114.0/24"} {
		if _, err := d.Order(t0, order(sentinel.OrderBlock, p)); err != nil {
			t.Fatal(err)
		}
	}
	list := d.Allowlist().Replacing([]Protection{
		{Prefix: pfx("203.0.113.42"), Kind: KindConfig}, {Prefix: pfx("203.0.113.43"), Kind: KindConfig}, {Prefix: pfx("203.0.114.9"), Kind: KindAdmin},
	}, KindConfig, KindAdmin)
	// An administrator logged in from inside the wide block: it is lifted.
	fx := d.SetAllow(t0, list)
	if len(fx.Unblocked) != 3 || len(d.Blocks()) != 0 || !fx.AllowChanged || len(fx.Actions) != 3 {
		t.Errorf("%+v", fx)
	}
	if fx := d.SetAllow(t0, NewAllowlist(list.Entries())); !fx.Empty() {
		t.Errorf("an equal list: %+v", fx)
	}
}
