package enforce

import (
	"context"
	"fmt"
	"time"
)

// publish tells Watch what the sets hold.
func (n *IPT) publish() {
	held := make(map[string]int)
	for _, f := range n.families {
		if f.missing != nil {
			continue
		}
		for _, s := range f.sets() {
			if s.exists {
				held[s.name] = s.held
			}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watched = held
}

// pollEvery is the pause between two looks at the sets.
const pollEvery = time.Second

// Watch implements Watcher: once a second it asks the kernel how many elements
// the sets have and how many rules look into them. It returns nil when ctx ends.
func (n *IPT) Watch(ctx context.Context, changed func()) error {
	c, err := dial(n.cfg.NetNS)
	if err != nil {
		return err
	}
	defer c.close()
	changed() // what happened before was not seen
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		found, err := c.headers("")
		if err != nil {
			return fmt.Errorf("looking at the sets: %w", err)
		}
		if n.foreign(found) {
			changed()
		}
	}
}

// foreign reports whether the sets differ from what we left: one is missing, no
// rule looks into it any more, or it has lost or gained many elements.
// Some end by themselves at any time; the check of the minute compares each.
func (n *IPT) foreign(found []setHeader) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := 0
	for _, h := range found {
		held, ours := n.watched[h.name]
		if !ours {
			continue
		}
		seen++
		off := int(h.elements) - held
		few := 8 + held/10
		if h.references == 0 || off > few || off < -few || h.elements == 0 && held > 0 {
			return true
		}
	}
	return seen < len(n.watched)
}
