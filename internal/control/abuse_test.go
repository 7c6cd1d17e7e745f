package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// malformed are frames that are no requests, and what must be answered.
func malformed() []struct {
	name, frame string
	code        Code
	id          string
} {
	return []struct {
		name, frame string
		code        Code
		id          string
	}{
		{"not JSON", `hello`, CodeParse, "null"},
		{"HTTP", `GET / HTTP/1.1`, CodeParse, "null"},
		{"half", `{"jsonrpc":"2.0","id":1,"method":"agent.sta`, CodeParse, "null"},
		{"two values", `{"jsonrpc":"2.0","id":1,"method":"agent.status"} {}`, CodeParse, "null"},
		{"not UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", CodeParse, "null"},
		{"NUL", "{\"a\":\"\x00\"}", CodeParse, "null"},
		{"number", `7`, CodeInvalidRequest, "null"},
		{"text", `"agent.status"`, CodeInvalidRequest, "null"},
		{"null", `null`, CodeInvalidRequest, "null"},
		{"empty object", `{}`, CodeInvalidRequest, "null"},
		{"empty batch", `[]`, CodeInvalidRequest, "null"},
		{"batch of numbers", `[1,2]`, CodeInvalidRequest, "null"},
		{"large batch", "[" + strings.Repeat(`{"jsonrpc":"2.0","id":1,"method":"x"},`, MaxBatch) + `{"jsonrpc":"2.0","id":1,"method":"x"}]`, CodeInvalidRequest, "null"},
		{"no version", `{"id":1,"method":"agent.status"}`, CodeInvalidRequest, "1"},
		{"old version", `{"jsonrpc":"1.0","id":1,"method":"agent.status"}`, CodeInvalidRequest, "1"},
		{"no method", `{"jsonrpc":"2.0","id":1}`, CodeInvalidRequest, "1"},
		{"empty method", `{"jsonrpc":"2.0","id":1,"method":""}`, CodeInvalidRequest, "1"},
		{"method is a number", `{"jsonrpc":"2.0","id":1,"method":5}`, CodeInvalidRequest, "1"},
		{"method unknown", `{"jsonrpc":"2.0","id":1,"method":"agent.stop"}`, CodeMethodNotFound, "1"},
		{"built-in method", `{"jsonrpc":"2.0","id":1,"method":"rpc.serverInfo"}`, CodeMethodNotFound, "1"},
		{"method is a prefix", `{"jsonrpc":"2.0","id":1,"method":"agent"}`, CodeMethodNotFound, "1"},
		{"id is an object", `{"jsonrpc":"2.0","id":{},"method":"agent.status"}`, CodeInvalidRequest, "null"},
		{"id is true", `{"jsonrpc":"2.0","id":true,"method":"agent.status"}`, CodeInvalidRequest, "null"},
		{"id is long", `{"jsonrpc":"2.0","id":"` + strings.Repeat("x", 200) + `","method":"agent.status"}`, CodeInvalidRequest, "null"},
		{"no id", `{"jsonrpc":"2.0","method":"agent.reload"}`, CodeInvalidRequest, "null"},
		{"id is null", `{"jsonrpc":"2.0","id":null,"method":"agent.reload"}`, CodeInvalidRequest, "null"},
		{"cancel without id", `{"jsonrpc":"2.0","method":"rpc.cancel"}`, CodeInvalidRequest, "null"},
		{"cancel in a batch", `[{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":1}}]`, CodeInvalidRequest, "null"},
		{"response", `{"jsonrpc":"2.0","id":1,"result":{}}`, CodeInvalidRequest, "1"},
		{"request and response", `{"jsonrpc":"2.0","id":1,"method":"agent.status","result":{}}`, CodeInvalidRequest, "1"},
		{"further member", `{"jsonrpc":"2.0","id":1,"method":"agent.status","x":1}`, CodeInvalidRequest, "1"},
		{"method twice", `{"jsonrpc":"2.0","id":1,"method":"agent.status","method":"agent.reload"}`, CodeInvalidRequest, "null"},
		{"id twice in another case", `{"jsonrpc":"2.0","id":1,"ID":2,"method":"agent.status"}`, CodeInvalidRequest, "null"},
		{"parameter twice", `{"jsonrpc":"2.0","id":1,"method":"firewall.block","params":{"ip":"192.0.2.1","ip":"192.0.2.2"}}`, CodeInvalidRequest, "null"},
		{"parameter twice by escapes", `{"jsonrpc":"2.0","id":1,"method":"firewall.block","params":{"ip":"192.0.2.1","\u0069p":"192.0.2.2"}}`, CodeInvalidRequest, "null"},
		{"depth", `{"jsonrpc":"2.0","id":1,"method":"agent.status","params":{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}}`, CodeInvalidRequest, "null"},
		{"depth, unclosed", strings.Repeat("[", 60_000), CodeInvalidRequest, "null"},
		{"depth 100,000", strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), CodeInvalidRequest, "null"},
		{"depth of objects", strings.Repeat(`{"a":`, 10_000), CodeInvalidRequest, "null"},
		{"long", `{"jsonrpc":"2.0","id":1,"method":"agent.status","params":{"a":"` + strings.Repeat("x", MaxRequest) + `"}}`, CodeInvalidRequest, "null"},
		{"longest", strings.Repeat(" ", MaxFrame-1) + "x", CodeInvalidRequest, "null"},
		{"parameters are a text", `{"jsonrpc":"2.0","id":1,"method":"agent.status","params":"x"}`, CodeInvalidRequest, "1"},
		{"parameters are a list", `{"jsonrpc":"2.0","id":1,"method":"firewall.block","params":["192.0.2.1"]}`, CodeInvalidParams, "1"},
	}
}

// After each of them the connection works.
func refusesMalformed(t *testing.T) {
	agent := &fake{}
	r := dialRaw(t, start(t, agent, nil))
	for _, test := range malformed() {
		r.send(test.frame + "\n")
		if a := r.next(); a.Error.Code != test.code || string(a.ID) != test.id || a.Error.Message == "" {
			t.Errorf("%s: answer %s %+v, want code %d", test.name, a.ID, a.Error, test.code)
		}
		if n := agent.count(); n != 0 {
			call, _ := agent.last()
			t.Errorf("%s: the agent was asked: %s", test.name, call)
		}
	}
	r.send(`{"jsonrpc":"2.0","id":"ü","method":"agent.status","params":null}` + "\n\n \t\n")
	if a := r.next(); string(a.ID) != `"ü"` || !strings.Contains(string(a.Result), `"uptime":90`) {
		t.Errorf("%s %s", a.ID, a.Result)
	}
}

func TestParameters(t *testing.T) {
	r := dialRaw(t, start(t, &fake{}, nil))
	for _, test := range []struct{ method, params, message, hint string }{
		{MethodStatus, `{"x":1}`, `there is no parameter "x"`, "agent.status takes no parameters"},
		{MethodThreats, `{"limit":"5"}`, "parameter limit: string is not a number", "threats.list takes severity, min_severity,"},
		{MethodThreats, `{"limit":2001}`, "limit: 2001 is not between 1 and 2000", ""},
		{MethodThreats, `{"limit":-1}`, "limit: -1 is not between 1 and 2000", ""},
		{MethodThreats, `{"limit":1e99}`, "parameter limit: number 1e99 is not a number", ""},
		{MethodThreats, `{"severity":"grave"}`, `severity "grave" is none of INFO, LOW, MEDIUM, HIGH, CRITICAL`, ""},
		{MethodThreats, `{"status":"shut"}`, `status: status "shut" is none of open, acknowledged, resolved, false_positive`, ""},
		{MethodThreats, `{"since":"yesterdayish"}`, "yesterdayish", ""},
		{MethodThreats, `{"since":"2026-02-02T00:00:00Z","until":"2026-02-01T00:00:00Z"}`, "until: 2026-02-01T00:00:00Z is before since, 2026-02-02T00:00:00Z", ""},
		{MethodThreats, `{"ip":"1.2.3"}`, `"1.2.3" is not an IP address or network`, ""},
		{MethodThreat, `{}`, "id: needed", "the id of a threat"},
		{MethodThreat, `{"id":"` + strings.Repeat("x", MaxID+1) + `"}`, "id: longer than 4096 bytes", ""},
		{MethodThreatStatus, `{"id":"X1"}`, `status "" is none of`, ""},
		{MethodTail, `{"type":"nothing"}`, `event type "nothing" is none of`, ""},
		{MethodBlock, `{}`, "ip: needed", "an address like 203.0.113.7"},
		{MethodBlock, `{"ip":"10.0.0.1/8"}`, `"10.0.0.1/8" has bits set after /8: write 10.0.0.0/8 for the network or 10.0.0.1 for the address`, ""},
		{MethodBlock, `{"ip":"192.0.2.1","duration":-1}`, "duration: not between", ""},
		{MethodBlock, `{"ip":"192.0.2.1","duration":0.5}`, "duration: shorter than a second", ""},
		{MethodBlock, `{"ip":"192.0.2.1","duration":1e300}`, "not a number of seconds", ""},
		{MethodBlock, `{"ip":"192.0.2.1","duration":"soon"}`, `"soon" is not a duration`, ""},
		{MethodBlock, `{"ip":"192.0.2.1","duration":60,"permanent":true}`, "duration: a permanent block has none", "not both"},
		{MethodBlock, `{"ip":"192.0.2.1","reason":"` + strings.Repeat("x", 501) + `"}`, "reason: longer than 500 bytes", ""},
		{MethodBlocks, `{"origin":"me"}`, `origin: "me" is none of rule, cli, bot, cloud`, ""},
		{MethodAllow, `{"ip":""}`, "ip: needed", ""},
		{MethodRule, `{"id":""}`, "id: needed", "rules.list"},
	} {
		r.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`+"\n", test.method, test.params))
		if a := r.next(); a.Error.Code != CodeInvalidParams || !strings.Contains(a.Error.Message, test.message) || !strings.Contains(a.Error.Hint, test.hint) {
			t.Errorf("%s %.80s: %+v\nwant %q, %q", test.method, test.params, a.Error, test.message, test.hint)
		}
	}
}

func answersBatches(t *testing.T) {
	r := dialRaw(t, start(t, &fake{}, nil))
	r.send(`[{"jsonrpc":"2.0","id":1,"method":"agent.status"},{"jsonrpc":"2.0","id":2,"method":"nothing"},{"jsonrpc":"2.0","id":3,"method":"threats.get","params":{"id":"X1"}}]` + "\n")
	text := r.line()
	for _, want := range []string{`"id":1,"result"`, `"id":2,"error":{"code":-32601`, `"id":3,"result"`} {
		if !strings.HasPrefix(text, "[") || !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
}

// A gigabyte without newline is given up at MaxFrame, and costs no memory.
func cutsAnEndlessFrame(t *testing.T) {
	r := dialRaw(t, start(t, &fake{}, nil))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	sent := 0
	for range 1 << 14 {
		n, err := r.Write(chunk)
		sent += n
		if err != nil {
			break
		}
	}
	runtime.ReadMemStats(&after)
	if sent > MaxFrame+(2<<20) {
		t.Errorf("%d bytes were taken", sent)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
	if a := r.next(); a.Error.Code != CodeInvalidRequest || !strings.Contains(a.Error.Message, "1048576") {
		t.Errorf("%+v", a.Error)
	}
	r.closed()
}

// Callers that send slowly, nothing, or do not read are given up.
func givesUpSlowCallers(t *testing.T) {
	short := 100 * time.Millisecond
	server := start(t, &fake{big: 1000}, func(o *Options) {
		o.RequestTimeout, o.WriteTimeout, o.IdleTimeout = short, short, 3*short
	})
	half := dialRaw(t, server)
	half.send(`{"jsonrpc":"2.0",`)
	half.closed()
	dialRaw(t, server).closed()
	// One that asks and asks and never reads.
	deaf := dialRaw(t, server)
	for {
		if _, err := deaf.Write([]byte(`{"jsonrpc":"2.0","id":1,"method":"firewall.list"}` + "\n")); err != nil {
			break
		}
	}
	if _, err := connect(t, server).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

// A connection bears MaxPerConn requests at once, and no more are even read.
func boundsRequests(t *testing.T) {
	agent := &fake{hold: make(chan struct{})}
	server := start(t, agent, func(o *Options) { o.MaxPerConn, o.MaxInFlight = 3, 5 })
	r, other := dialRaw(t, server), dialRaw(t, server)
	for i := range 100 {
		for _, x := range []*raw{r, other} {
			x.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"agent.status"}`+"\n", i))
		}
	}
	waitFor(t, "the agent is asked as often as may be", func() bool { return agent.count() == 5 })
	server.mu.Lock()
	for c := range server.conns {
		if n := len(c.link.slots); n > 3 {
			t.Errorf("%d requests of one connection", n)
		}
	}
	server.mu.Unlock()
	close(agent.hold)
	seen := map[string]bool{}
	for range 100 {
		a := r.next()
		seen[string(a.ID)] = true
		other.next()
	}
	if len(seen) != 100 || agent.count() != 200 {
		t.Errorf("%d answers, %d requests", len(seen), agent.count())
	}
}

func TestBusyAgent(t *testing.T) {
	agent := &fake{hold: make(chan struct{})}
	server := start(t, agent, func(o *Options) { o.MaxInFlight, o.MaxStreams, o.CallTimeout = 1, 1, 300*time.Millisecond })
	_, err := connect(t, server).Status(t.Context())
	if CodeOf(err) != CodeDeadline {
		t.Errorf("a call that takes too long: %v", err)
	}
	agent.mu.Lock()
	agent.calls = nil
	agent.mu.Unlock()
	go func() { _, _ = connect(t, server).Status(context.Background()) }()
	waitFor(t, "the agent is asked", func() bool { return agent.count() == 1 })
	if _, err := connect(t, server).Config(t.Context(), ""); err != nil && CodeOf(err) != CodeBusy {
		t.Errorf("a call that gets no turn: %v", err)
	}
	first := dialRaw(t, server)
	first.send(`{"jsonrpc":"2.0","id":1,"method":"logs.tail"}` + "\n")
	waitFor(t, "the stream began", agent.feed.Active)
	if err := connect(t, server).Tail(t.Context(), TailParams{}, nil); CodeOf(err) != CodeBusy {
		t.Errorf("a stream too many: %v", err)
	}
}

// With all connections taken, the one that idles longest gives way; where none
// idles, the new one is told.
func boundsConnections(t *testing.T) {
	agent := &fake{hold: make(chan struct{})}
	server := start(t, agent, func(o *Options) { o.MaxConns = 3 })
	conns := []*raw{dialRaw(t, server), dialRaw(t, server), dialRaw(t, server)}
	waitFor(t, "all are connected", func() bool { return server.connections() == 3 })
	fourth := dialRaw(t, server)
	conns[0].closed()
	conns = append(conns[1:], fourth)
	for i, c := range conns {
		c.send(`{"jsonrpc":"2.0","id":1,"method":"agent.status"}` + "\n")
		waitFor(t, "the agent is asked", func() bool { return agent.count() == i+1 })
	}
	_, err := connect(t, server).Status(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeBusy || e.Hint == "" {
		t.Errorf("one too many: %v", err)
	}
	close(agent.hold)
	for _, c := range conns {
		if a := c.next(); len(a.Result) == 0 {
			t.Errorf("%+v", a)
		}
	}
	if _, err := connect(t, server).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func (s *Server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func servesAmongIdleClients(t *testing.T) {
	server := start(t, &fake{}, nil)
	for range 1000 {
		dialRaw(t, server)
	}
	if _, err := connect(t, server).Status(t.Context()); err != nil {
		t.Error(err)
	}
	if n := server.connections(); n > 64 {
		t.Errorf("%d connections", n)
	}
}

// What goes wrong inside is logged and not told; a panic ends nothing else.
func TestInternalErrors(t *testing.T) {
	var log syncBuffer
	agent := &fake{fail: errors.New("opening /secret/path: no")}
	c := connect(t, start(t, agent, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) }))
	for _, id := range []string{"a", "panic"} {
		_, err := c.Rule(t.Context(), id)
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeInternal || strings.Contains(e.Error(), "secret") {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, want := range []string{"/secret/path", "secret text", MethodRule} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in the log: %s", want, log.String())
		}
	}
}

// A caller may close its end behind its last request.
func TestHalfClosed(t *testing.T) {
	agent := &fake{hold: make(chan struct{})}
	r := dialRaw(t, start(t, agent, nil))
	r.send(`{"jsonrpc":"2.0","id":1,"method":"agent.status"}`) // and no newline
	if err := r.Conn.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the agent is asked", func() bool { return agent.count() == 1 })
	close(agent.hold)
	if a := r.next(); len(a.Result) == 0 {
		t.Errorf("%+v", a)
	}
	r.closed()
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
