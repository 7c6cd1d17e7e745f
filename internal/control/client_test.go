package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestEveryCall(t *testing.T) {
	agent := &fake{big: 2500}
	c := connect(t, start(t, agent, nil))
	ctx := t.Context()
	high := sentinel.High
	ip := network(t, "2001:db8::7")
	since := time.Date(2026, 2, 9, 14, 23, 0, 0, time.UTC)
	for _, test := range []struct {
		want string
		call func() (any, error)
	}{
		{"status <nil>", func() (any, error) { return c.Status(ctx) }},
		{"metrics <nil>", func() (any, error) { return c.Metrics(ctx) }},
		{"reload <nil>", func() (any, error) { return c.Reload(ctx) }},
		{"threats " + fmt.Sprintf("%+v", ThreatsParams{MinSeverity: nil, Since: since, IP: ip, Limit: 5}), func() (any, error) {
			return c.Threats(ctx, ThreatsParams{Since: since, IP: ip, Limit: 5})
		}},
		{"threat {ID:X1}", func() (any, error) { return c.Threat(ctx, "X1") }},
		{"explain {ID:X1}", func() (any, error) { return c.Explain(ctx, "X1") }},
		{"setstatus {ID:X1 Status:resolved Reason:done}", func() (any, error) {
			return c.SetThreatStatus(ctx, ThreatStatusParams{"X1", sentinel.StatusResolved, "done"})
		}},
		{"sources <nil>", func() (any, error) { return c.Sources(ctx) }},
		{"discover <nil>", func() (any, error) { return c.Discover(ctx) }},
		{"baselines {Source:/a}", func() (any, error) { return c.Baselines(ctx, BaselinesParams{"/a"}) }},
		{"forget {Source:/a All:false}", func() (any, error) { return c.Forget(ctx, ForgetParams{Source: "/a"}) }},
		{"unparsed {Source:/a Limit:3}", func() (any, error) { return c.Unparsed(ctx, UnparsedParams{"/a", 3}) }},
		{"block {IP:2001:db8::7 Duration:3600000000000 Permanent:false Confirm:0 Force:true Reason:x}", func() (any, error) {
			return c.Block(ctx, BlockParams{IP: ip, Duration: Seconds(time.Hour), Force: true, Reason: "x"})
		}},
		{"confirm {IP:2001:db8::7 Reason:x}", func() (any, error) { return c.Confirm(ctx, ConfirmParams{ip, "x"}) }},
		{"blocks {IP: Origin:cli Limit:7 Cursor:}", func() (any, error) {
			return c.Blocks(ctx, BlocksParams{Origin: sentinel.OriginCLI, Limit: 7})
		}},
		{"config {Key:response}", func() (any, error) { return c.Config(ctx, "response") }},
		{"setconfig {Key:response.mode Value:observe}", func() (any, error) { return c.SetConfig(ctx, "response.mode", "observe") }},
		{"unsetconfig {Key:response.mode}", func() (any, error) { return c.UnsetConfig(ctx, "response.mode") }},
		{"allow {IP:2001:db8::7 Name: Place: Reason:mine}", func() (any, error) { return c.Allow(ctx, AllowParams{IP: ip, Reason: "mine"}) }},
		{"allow {IP: Name:office.example.net Place: Reason:}", func() (any, error) { return c.Allow(ctx, AllowParams{Name: "Office.example.net."}) }},
		{"disallow {IP:2001:db8::7 Name: Place: Reason:}", func() (any, error) { return c.Disallow(ctx, AllowParams{IP: ip}) }},
		{"suggest <nil>", func() (any, error) { return c.Suggest(ctx) }},
		{"address {IP:2001:db8::7}", func() (any, error) { return c.Address(ctx, AddressParams{ip}) }},
		{"allowed <nil>", func() (any, error) { return c.Allowed(ctx) }},
		{"rule {ID:a}", func() (any, error) { return c.Rule(ctx, "a") }},
	} {
		result, err := test.call()
		if err != nil || result == nil {
			t.Errorf("%s: %v, %v", test.want, result, err)
		}
		if got, _ := agent.last(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
	status, err := c.Status(ctx)
	if err != nil || status.Uptime.Duration() != 90*time.Second || status.Health != HealthOK {
		t.Errorf("%+v, %v", status, err)
	}
	threats, err := c.Threats(ctx, ThreatsParams{Severity: &high})
	if err != nil || threats.Total != 1 || threats.Threats[0].ShortID != "X1" || threats.Threats[0].Severity != sentinel.High {
		t.Errorf("%+v, %v", threats, err)
	}
	block, err := c.Block(ctx, BlockParams{IP: ip})
	if err != nil || block.Block.Prefix.String() != "2001:db8::/64" || !strings.Contains(block.Block.Actor, fmt.Sprintf("uid %d", os.Geteuid())) {
		t.Errorf("%+v, %v", block, err)
	}
	all, err := c.AllBlocks(ctx, BlocksParams{})
	if err != nil || len(all.Blocks) != 2500 || all.Blocks[2499].ID != "2499" {
		t.Errorf("%d blocks, %v", len(all.Blocks), err)
	}
}

func TestErrorsArriveWhole(t *testing.T) {
	c := connect(t, start(t, &fake{}, nil))
	_, err := c.Threat(t.Context(), "X")
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeAmbiguous || e.Hint != "write more of the id" || fmt.Sprint(e.Candidates) != "[AX BX]" ||
		err.Error() != "two threats are called X (write more of the id)" {
		t.Errorf("%+v", err)
	}
	if _, err := c.Unblock(t.Context(), UnblockParams{IP: network(t, "192.0.2.1")}); CodeOf(err) != CodeNotFound {
		t.Error(err)
	}
	if _, err := c.Rules(t.Context(), RulesParams{}); CodeOf(err) != CodeTooLarge {
		t.Error(err)
	}
	// And the connection goes on.
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDialErrors(t *testing.T) {
	dir := place(t)
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	for _, path := range []string{filepath.Join(dir, "none"), stale} {
		_, err := Dial(t.Context(), path)
		var e *DialError
		if !errors.As(err, &e) || !e.NotRunning || !strings.Contains(err.Error(), "the agent is not running: nobody listens on "+path+" (start it with 'sentinelctl start'") {
			t.Errorf("%s: %v", path, err)
		}
	}
	denied := &DialError{Path: "/run/s.sock", Denied: true, Hint: "run this as root", Err: os.ErrPermission}
	if !errors.Is(denied, os.ErrPermission) || denied.Error() != "you may not talk to the agent on /run/s.sock (run this as root)" {
		t.Error(denied)
	}
	if _, err := Dial(t.Context(), dir); err == nil || strings.Contains(err.Error(), "not running") && !strings.Contains(err.Error(), dir) {
		t.Error(err)
	}
}

// A client goes on after a call was given up and after the agent was restarted.
func TestClientConnectsAgain(t *testing.T) {
	agent := &fake{hold: make(chan struct{})}
	server := start(t, agent, nil)
	c := connect(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := c.Status(ctx)
		done <- err
	}()
	waitFor(t, "the agent is asked", func() bool { return agent.count() == 1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || CodeOf(err) != CodeCancelled {
		t.Error(err)
	}
	if _, err := c.Config(t.Context(), ""); err != nil {
		t.Error(err)
	}
	server.disconnect()
	if _, err := c.Config(t.Context(), ""); CodeOf(err) != CodeUnavailable {
		t.Errorf("the connection was cut: %v", err)
	}
	if _, err := c.Config(t.Context(), ""); err != nil {
		t.Errorf("and made anew: %v", err)
	}
}

func TestTail(t *testing.T) {
	agent := &fake{}
	server := start(t, agent, nil)
	c := connect(t, server)
	enough := errors.New("enough")
	var got []string
	done := make(chan error)
	go func() {
		done <- c.Tail(t.Context(), TailParams{Matched: true, IP: network(t, "192.0.2.0/24")}, func(e LogEvent) error {
			got = append(got, e.Raw)
			if len(got) == 100 {
				return enough
			}
			return nil
		})
	}()
	waitFor(t, "the stream began", agent.feed.Active)
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("a call beside a stream: %v", err)
	}
	for i := range 100 {
		agent.feed.Publish(LogEvent{Raw: "no rule", IP: "192.0.2.1"})
		agent.feed.Publish(LogEvent{Raw: "no address", Rules: []string{"a"}})
		agent.feed.Publish(LogEvent{Raw: fmt.Sprint(i), IP: "192.0.2.1", Rules: []string{"a"}})
	}
	if err := <-done; !errors.Is(err, enough) {
		t.Fatal(err)
	}
	for i, raw := range got {
		if raw != fmt.Sprint(i) {
			t.Fatalf("event %d is %s", i, raw)
		}
	}
	waitFor(t, "the stream ended", func() bool { return !agent.feed.Active() })
}

func TestTailEnds(t *testing.T) {
	agent := &fake{}
	server := start(t, agent, nil)
	c := connect(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	tail := func() { done <- c.Tail(ctx, TailParams{}, func(LogEvent) error { return nil }) }
	go tail()
	waitFor(t, "the stream began", agent.feed.Active)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	waitFor(t, "the stream ended", func() bool { return !agent.feed.Active() })
	ctx = t.Context()
	go tail()
	waitFor(t, "the stream began", agent.feed.Active)
	server.disconnect()
	if err := <-done; CodeOf(err) != CodeUnavailable {
		t.Error(err)
	}
	// By the protocol's own means, the connection stays.
	r := dialRaw(t, server)
	r.send(`{"jsonrpc":"2.0","id":"t","method":"logs.tail"}` + "\n")
	waitFor(t, "the stream began", agent.feed.Active)
	agent.feed.Publish(LogEvent{Raw: "x"})
	if text := r.line(); !strings.HasPrefix(text, `{"jsonrpc":"2.0","method":"logs.event","params":{"stream":"t","event":{`) {
		t.Error(text)
	}
	r.send(`{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":"t"}}` + "\n")
	if a := r.next(); a.Error.Code != CodeCancelled || string(a.ID) != `"t"` {
		t.Errorf("%s %+v", a.ID, a.Error)
	}
	r.send(`{"jsonrpc":"2.0","id":"t","method":"agent.status"}` + "\n")
	if a := r.next(); len(a.Result) == 0 {
		t.Errorf("%+v", a.Error)
	}
}

// A reader that stops reading is disconnected; meanwhile publishing never waits
// and nothing piles up.
func dropsAReaderThatStops(t *testing.T) {
	agent := &fake{}
	server := start(t, agent, func(o *Options) { o.WriteTimeout = 200 * time.Millisecond })
	r := dialRaw(t, server)
	r.send(`{"jsonrpc":"2.0","id":1,"method":"logs.tail"}` + "\n")
	waitFor(t, "the stream began", agent.feed.Active)
	published := 0
	waitFor(t, "the reader is disconnected", func() bool {
		for range 100 {
			agent.feed.Publish(LogEvent{Raw: strings.Repeat("x", MaxRaw)})
			published++
		}
		return !agent.feed.Active()
	})
	received := 0
	for {
		if _, err := r.r.ReadString('\n'); err != nil {
			break
		}
		received++
	}
	if received >= published || received > 4*feedBuffer {
		t.Errorf("%d of %d events were kept for it", received, published)
	}
}

func TestFeed(t *testing.T) {
	var f Feed
	f.Publish(LogEvent{Raw: "nobody reads"})
	ctx, cancel := context.WithCancel(t.Context())
	entered, leave := make(chan LogEvent), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- f.Tail(ctx, TailParams{Unparsed: true}, func(e LogEvent) error {
			entered <- e
			<-leave
			return nil
		})
	}()
	waitFor(t, "somebody reads", f.Active)
	f.Publish(LogEvent{Raw: "parsed", Parsed: true})
	f.Publish(LogEvent{Raw: strings.Repeat("é", MaxRaw)})
	if e := <-entered; len(e.Raw) > MaxRaw+3 || e.Missed != 0 {
		t.Errorf("%d bytes, %d missed", len(e.Raw), e.Missed)
	}
	for range feedBuffer + 10 {
		f.Publish(LogEvent{Raw: "1"})
	}
	leave <- struct{}{}
	<-entered // one place is free
	f.Publish(LogEvent{Raw: "after"})
	var last LogEvent
	for range feedBuffer {
		leave <- struct{}{}
		last = <-entered
	}
	if last.Raw != "after" || last.Missed != 10 {
		t.Errorf("%+v", last)
	}
	cancel()
	leave <- struct{}{}
	if err := <-done; !errors.Is(err, context.Canceled) || f.Active() {
		t.Errorf("%v, active %t", err, f.Active())
	}
}

func TestValues(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.7": "203.0.113.7/32", "2001:db8::1": "2001:db8::1/128", "::ffff:192.0.2.1": "192.0.2.1/32",
		"fe80::1%eth0": "fe80::1/128", "198.51.100.0/24": "198.51.100.0/24", "::ffff:10.0.0.0/104": "10.0.0.0/8",
	} {
		n, err := ParseNetwork(text)
		if err != nil || n.Prefix.String() != want {
			t.Errorf("%s: %v, %v", text, n.Prefix, err)
		}
	}
	for _, text := range []string{"", "x", "1.2.3.4/", "1.2.3.4/33", "10.1.2.3/8", "::ffff:0:0/90", "1.2.3.4/-1", "fe80::%eth0/64"} {
		if n, err := ParseNetwork(text); err == nil || n.IsValid() {
			t.Errorf("%q is %v", text, n)
		}
	}
	for text, want := range map[string]time.Duration{
		`0`: 0, `90`: 90 * time.Second, `1.5`: 1500 * time.Millisecond, `"90"`: 90 * time.Second, `"1h30m"`: 90 * time.Minute,
		`"7d"`: 7 * 24 * time.Hour, `"2w"`: 14 * 24 * time.Hour,
	} {
		var s Seconds
		if err := json.Unmarshal([]byte(text), &s); err != nil || s.Duration() != want {
			t.Errorf("%s: %v, %v", text, s.Duration(), err)
		}
		var back Seconds
		if out, err := json.Marshal(s); err != nil || json.Unmarshal(out, &back) != nil || back != s {
			t.Errorf("%s became %s", text, out)
		}
	}
	for _, text := range []string{"", "m", "-5", "5x", "1h5", "5 m", "1.5h", "99999999999999999999", "9999999d", "3650d1s", "1h-5m"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q is %v", text, d)
		}
	}
}
