package detect

import sentinel "github.com/sentinel-ai/sentinel-ai"

// A server writes up to five lines about one login attempt ("Invalid user x",
// PAM's line, "Failed password", "Connection closed by authenticating user").
// The joiner says how many new attempts a line stands for.
//
// For each connection (host, process, address) it counts the lines of each
// step. Each step is written at most once an attempt, so that the attempts are
// as many as the most frequent step was written, and a line counts by what it
// adds to that maximum: the first line of an attempt counts at once, whichever
// it is, and the others add nothing. "PAM 2 more authentication failures" is
// two PAM lines, which three "Failed" lines before it had said already.
//
// Counting is done for each class of conditions apart: a rule that sees only
// the "Failed" lines counts these.
const (
	joinWays    = 4
	joinSets    = 4096 // 16 Ki connections
	joinSeconds = 120  // sshd's LoginGraceTime
	// joinLead bounds how far one step may lead another, and with it the
	// attempts that a server whose process serves many connections can hide.
	joinLead = 10
)

// An attempt is 12 bytes, so that a set lies in one line of the cache.
type attempt struct {
	tag   uint32 // of the key; the set is chosen by other bits
	made  uint32
	seen  [3]uint8 // lines of the steps Invalid, PAM and Failed
	ended bool     // a summary has counted
}

// maxSeen is where counting of lines begins anew.
const maxSeen = 200

type joiner struct {
	sets [][joinWays]attempt
}

// weight returns how many attempts the line of step, which stands for n lines
// (Event.Repeat), adds to the connection with the key. anonymous says that the
// process is not known, so that the key may stand for many connections.
func (j *joiner) weight(key uint64, step sentinel.AuthStep, n int, at uint32, anonymous bool) int {
	a := j.find(key, at)
	most := max(a.seen[0], a.seen[1], a.seen[2])
	if step >= sentinel.AuthStepSummary {
		if most > 0 || a.ended {
			return 0
		}
		a.ended = true
		return 1
	}
	lead := uint8(joinLead)
	if anonymous {
		lead = 1
	}
	c := &a.seen[step-sentinel.AuthStepInvalid]
	if most > lead {
		*c = max(*c, most-lead)
	}
	now := int(*c) + max(n, 1)
	if now <= int(most) {
		*c = uint8(now)
		return 0
	}
	w := now - int(most)
	*c = uint8(min(now, maxSeen))
	if a.ended { // the summary came first and was this attempt's
		a.ended = false
		w--
	}
	if *c == maxSeen { // begin anew rather than stop counting
		a.seen = [3]uint8{1, 1, 1}
	}
	return w
}

// find returns the connection's record, a new one if there is none or it is
// older than joinSeconds. The oldest of four gives way.
func (j *joiner) find(key uint64, at uint32) *attempt {
	if j.sets == nil {
		j.sets = make([][joinWays]attempt, joinSets)
	}
	set, tag := &j.sets[key%joinSets], uint32(key>>32)
	oldest := &set[0]
	for i := range set {
		a := &set[i]
		if a.tag == tag && a.made != 0 {
			if at <= a.made+joinSeconds && a.made <= at+joinSeconds {
				return a
			}
			oldest = a
			break
		}
		if a.made < oldest.made {
			oldest = a
		}
	}
	*oldest = attempt{tag: tag, made: max(at, 1)}
	return oldest
}
