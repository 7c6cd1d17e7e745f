package collect

import (
	"sync"
	"time"
)

// maxReleased is how many closed files are remembered with how far they were
// read.
const maxReleased = 1024

// claims sees to it that a file which several paths lead to (a link, a glob
// that also matches rotated names) is read once.
type claims struct {
	mu       sync.Mutex
	open     map[fileKey]*follower
	released map[fileKey]released
	order    []fileKey // of released, oldest first
}

// released is where reading of a closed file ended.
type released struct {
	off   int64
	fp    uint64
	fpLen int
	birth time.Time
}

// claim gives g to f, and g the place where an earlier owner left off. It fails
// if another follower has the file.
func (c *claims) claim(g *generation, f *follower) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if owner, ok := c.open[g.key]; ok {
		return owner == f
	}
	if c.open == nil {
		c.open, c.released = map[fileKey]*follower{}, map[fileKey]released{}
	}
	c.open[g.key] = f
	g.claimed = true
	return true
}

// left returns the offset at which an earlier owner of the file stopped, 0 if
// it is another file by now.
func (c *claims) left(g *generation) int64 {
	c.mu.Lock()
	r, ok := c.released[g.key]
	c.mu.Unlock()
	if !ok || r.off > g.size || !r.birth.Equal(g.describe().birth) {
		return 0
	}
	var buf [fingerprintMax]byte
	if _, same, err := fingerprint(g.src, buf[:], r.fp, r.fpLen, r.fpLen); err != nil || !same {
		return 0
	}
	return r.off
}

func (c *claims) release(g *generation) {
	if !g.claimed {
		return
	}
	g.claimed = false
	birth := g.describe().birth
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, g.key)
	if _, ok := c.released[g.key]; !ok {
		if len(c.order) >= maxReleased {
			delete(c.released, c.order[0])
			c.order = append(c.order[:0], c.order[1:]...)
		}
		c.order = append(c.order, g.key)
	}
	c.released[g.key] = released{g.off, g.fp, g.fpLen, birth}
}
