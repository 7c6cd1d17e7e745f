package ctl

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
)

const (
	// pollEvery is how often a watch asks, retryAfter how long it waits for an
	// agent that restarts.
	pollEvery  = time.Second
	retryAfter = 2 * time.Second
	// maxWatched bounds the threats whose last state a watch remembers.
	maxWatched = 10_000
)

// watcher tells which threats are new or changed since it was last asked.
type watcher struct {
	seen map[string]mark
	// from is where the next question begins.
	from time.Time
}

// mark is what of a threat is worth a new line when it changes. Mere counts are
// not, unless they doubled.
type mark struct {
	severity sentinel.Severity
	action   string
	status   sentinel.Status
	count    int
}

// changed notes a threat's state and reports whether it deserves a line.
func (w *watcher) changed(t *sentinel.Threat) bool {
	now := mark{t.Severity, t.Action, t.Status, t.EventCount}
	old, known := w.seen[t.ID]
	if t.LastSeen.After(w.from) {
		w.from = t.LastSeen
	}
	if known && old.severity == now.severity && old.action == now.action && old.status == now.status && now.count < 2*max(old.count, 1) {
		return false
	}
	if !known && len(w.seen) >= maxWatched {
		clear(w.seen)
	}
	w.seen[t.ID] = now
	return true
}

// watchThreats shows new and changed threats until the context ends. It begins
// with those that a plain list shows, oldest first.
func (a *app) watchThreats(cmd *cobra.Command, p control.ThreatsParams) error {
	ctx := cmd.Context()
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	w := &watcher{seen: map[string]mark{}, from: p.Since}
	header, waiting := a.format == "table", false
	for {
		r, err := a.poll(ctx, c, p)
		pause := pollEvery
		var remote *control.Error
		switch {
		case ctx.Err() != nil:
			return a.out.flush()
		case errors.As(err, &remote) && remote.Code != control.CodeUnavailable && remote.Code != control.CodeBusy:
			return err
		case err != nil:
			if !waiting {
				a.err.printf("  %s\n", a.err.paint(styleWarn, "the agent does not answer; waiting for it"))
				_ = a.err.flush()
			}
			waiting, pause = true, retryAfter
		default:
			waiting = false
			if header {
				a.watchHeader()
				header = false
			}
			for i := len(r.Threats) - 1; i >= 0; i-- {
				if x := &r.Threats[i]; w.changed(&x.Threat) {
					if err := a.watchLine(x); err != nil {
						return err
					}
				}
			}
			if err := a.out.flush(); err != nil {
				return err
			}
			// The newest second is asked for again: more may still come in it.
			p.Since, p.Limit = w.from.Add(-time.Second), control.MaxPage/10
		}
		select {
		case <-ctx.Done():
			return a.out.flush()
		case <-time.After(pause):
		}
	}
}

func (a *app) poll(ctx context.Context, c *control.Client, p control.ThreatsParams) (*control.ThreatsResult, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return c.Threats(ctx, p)
}

// watchHead is the heading of a watch.
var watchHead = [...]string{"Time", "ID", "Source", "Severity", "Type", "Attacker", "Events", "Action"}

// watchWidths are the columns of a watch, which cannot know what comes; narrow
// screens have less of them.
func (a *app) watchWidths() [len(watchHead)]int {
	w := [...]int{8, 5, 6, 8, 22, 18, 6, 14}
	sum := len(w)
	for _, n := range w {
		sum += n
	}
	if over := sum - a.out.width; a.out.width > 0 && over > 0 {
		give := min(over, 8)
		w[4] -= give
		w[5] -= min(over-give, 3)
	}
	return w
}

func (a *app) watchHeader() {
	line := ""
	for i, w := range a.watchWidths() {
		line += " " + pad(watchHead[i], w)
	}
	a.out.printf(" %s\n", a.out.paint(styleBold, truncate(strings.TrimRight(line, " "), a.out.width-1)))
}

func (a *app) watchLine(x *control.ThreatRow) error {
	if a.format != "table" {
		line, err := encode(x)
		if err != nil {
			return err
		}
		a.out.printf("%s\n", line)
		return nil
	}
	action := a.actionCell(&x.Threat)
	cells := []cell{
		plain(x.LastSeen.Local().Format("15:04:05")), {cmp.Or(x.ShortID, x.ID), styleBold}, plain(sourceName(&x.Threat)),
		{x.Severity.String(), severityStyle(x.Severity)}, plain(decide.TypeTitle(x.Type)), plain(located(&x.Threat)),
		plain(thousands(x.EventCount)), action,
	}
	widths := a.watchWidths()
	a.out.printf(" ")
	used := 1
	for i, c := range cells {
		text := clean(c.text)
		if i == 4 { // a type's name may be cut, an address may not
			text = truncate(text, widths[i])
		}
		if a.out.width > 0 {
			if used+1 >= a.out.width {
				break
			}
			text = truncate(text, a.out.width-used-1)
		}
		blanks := ""
		if i < len(cells)-1 {
			blanks = strings.Repeat(" ", max(0, widths[i]-width(text)))
		}
		a.out.printf(" %s%s", a.out.paint(c.style, text), blanks)
		used += 1 + width(text) + len(blanks)
	}
	a.out.printf("\n")
	return nil
}
