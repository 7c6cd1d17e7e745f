package rule

import (
	"encoding/binary"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// numClassSets is the number of ways in which an event's source can be classed:
// its type, and whether sshd wrote it.
const numClassSets = 2 * (classUnknown + 1)

// plan is what is done for events of one kind.
type plan struct {
	// fixed are the matches that need no look at the event.
	fixed []Match
	// always are trees without literals, webAlways those that need HTTP fields.
	always, webAlways []*tree
	// late are trees that are decided after all others.
	late []*tree
	// admit has a bit for each tree of the index that may hold; groups says
	// which texts are to be searched.
	admit  []uint64
	groups uint8
	// texts are those of groupText that its trees have literals for.
	texts []fieldView
}

// plan returns the plan for an event.
func (m *Matcher) plan(ev *sentinel.Event) *plan {
	set := 2 * m.source
	if p := ev.Program; len(p) >= 4 && p[:4] == "sshd" {
		set++
	}
	t := ev.Type
	if t >= sentinel.NumEventTypes {
		t = sentinel.EventOther
	}
	return m.set.plans[m.set.planOf[set][t]]
}

// plan makes the plans, one for all kinds of events that are treated alike.
func (c *compiler) plan() {
	known := map[string]uint16{}
	words := (len(c.set.trees) + 63) / 64
	for class := range numClassSets {
		for t := range sentinel.NumEventTypes {
			mask := classOf(class/2, class%2 == 1, t)
			admitted := make([]uint64, words)
			for i, tree := range c.set.trees {
				if tree.events>>t&1 == 1 && (tree.mask == 0 || tree.mask&mask != 0) {
					admitted[i>>6] |= 1 << (i & 63)
				}
			}
			var key []byte
			for _, w := range admitted {
				key = binary.LittleEndian.AppendUint64(key, w)
			}
			n, ok := known[string(key)]
			if !ok {
				n = uint16(len(c.set.plans))
				known[string(key)] = n
				c.set.plans = append(c.set.plans, c.newPlan(admitted))
			}
			c.set.planOf[class][t] = n
		}
	}
}

func (c *compiler) newPlan(admitted []uint64) *plan {
	p := &plan{admit: make([]uint64, len(admitted))}
	for i, t := range c.set.trees {
		if admitted[i>>6]>>(i&63)&1 == 0 {
			continue
		}
		switch {
		case t.late:
			p.late = append(p.late, t)
		case t.indexed:
			p.admit[i>>6] |= 1 << (i & 63)
			p.groups |= t.groups
			for _, v := range t.texts {
				p.texts = withText(p.texts, v)
			}
		case t.home >= 0:
			p.admit[i>>6] |= 1 << (i & 63)
			p.groups |= 1 << t.home
		case t.root == nil && t.plain && t.whole == nil:
			p.fixed = append(p.fixed, t.targets...)
		case t.web:
			p.webAlways = append(p.webAlways, t)
		default:
			p.always = append(p.always, t)
		}
	}
	return p
}
