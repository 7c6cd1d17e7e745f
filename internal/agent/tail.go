package agent

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sys/unix"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
)

// tails hands what the engine sees to the readers of logs.tail.
type tails struct{ feed control.Feed }

func (t *tails) watched() bool { return t.feed.Active() }

// publish copies what a line led to.
func (t *tails) publish(step *engine.Step, set *rule.Set) {
	ev := step.Event
	e := control.LogEvent{
		Time: ev.Time, Received: ev.Received, Source: ev.Source, SourceType: ev.SourceType,
		Parsed: step.Parsed, Type: ev.Type.String(), User: strings.Clone(ev.User), Outcome: strings.Clone(ev.Outcome),
		Program: strings.Clone(ev.Program), Method: strings.Clone(ev.HTTP.Method), Target: strings.Clone(ev.HTTP.Target),
		Status: ev.HTTP.Status, Raw: strings.Clone(ev.Raw[:min(len(ev.Raw), control.MaxRaw)]),
	}
	if ev.SrcIP.IsValid() {
		e.IP = ev.SrcIP.String()
	}
	for _, m := range step.Matches {
		e.Rules = append(e.Rules, set.Rule(int(m.Rule)).ID)
	}
	for _, r := range step.Results {
		if r.Fired {
			e.Fired = append(e.Fired, set.Rule(int(r.Rule)).ID)
		}
	}
	for _, th := range step.Effects.Threats {
		sev := th.Severity
		e.Severity, e.ThreatID = &sev, th.ID
	}
	t.feed.Publish(e)
}

// Tail implements control.Agent.
func (p *api) Tail(ctx context.Context, _ control.Peer, q control.TailParams, send func(control.LogEvent) error) error {
	return p.tails.feed.Tail(ctx, q, send)
}

var entropy = sync.OnceValue(func() *ulid.LockedMonotonicReader {
	return &ulid.LockedMonotonicReader{MonotonicReader: ulid.Monotonic(rand.Reader, 0)}
})

// newID returns a new ULID. Ids of one process grow.
func newID(now time.Time) string {
	id, err := ulid.New(ulid.Timestamp(now), entropy())
	if err != nil { // a clock beyond the year 10889, or 2^80 ids within a millisecond
		return ulid.Make().String()
	}
	return id.String()
}

// reloading is what systemd wants to hear before a reload, with the monotonic
// clock in microseconds.
func reloading() string {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail on Linux
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", ts.Nano()/1000)
}
