package engine

import (
	"fmt"
	"math/bits"
	"slices"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// answers remembers what a web server usually answers, by host and path, so that
// an attack that got something else stands out. It learns from requests that no
// rule matches. It is a table of fixed size in which a path that is seldom asked
// for gives way; the hash has no key, so that the same log gives the same
// threats, and the worst that an attacker can do by aiming at places is that a
// path is not known.
type answers struct {
	sets [answerSets][answerWays]answer
}

const (
	answerSets = 1 << 11
	answerWays = 2
	// usual is how many answers make a habit.
	usual = 8
	// maxAnswers is where counts are halved.
	maxAnswers = 1 << 12
)

// answer is what one path usually gives. size and spread are of answers that
// succeeded, in bytes.
type answer struct {
	key          uint64
	size, spread float32
	good, other  uint16 // answers that succeeded, and others
}

// learn takes in the answer to an ordinary request.
func (a *answers) learn(h *sentinel.HTTP) {
	if h.Status == 0 || h.Status == 404 || h.Malformed {
		return // paths that are not there are endless
	}
	key := answerKey(h)
	set := &a.sets[key%answerSets]
	e := &set[0]
	for i := range set {
		if set[i].key == key {
			e = &set[i]
			break
		}
		if set[i].good+set[i].other < e.good+e.other {
			e = &set[i]
		}
	}
	if e.key != key {
		if n := e.good + e.other; n > 1 { // it fades before it gives way
			e.good, e.other = e.good/2, e.other/2
			return
		}
		*e = answer{key: key}
	}
	if e.good+e.other >= maxAnswers {
		e.good, e.other = e.good/2, e.other/2
	}
	if h.Status/100 != 2 {
		e.other++
		return
	}
	e.good++
	if h.Bytes < 0 {
		return
	}
	size := float32(h.Bytes)
	if e.good == 1 {
		e.size = size
		return
	}
	rate := 1 / float32(min(e.good, 32))
	off := size - e.size
	e.size += off * rate
	e.spread += (max(off, -off) - e.spread) * rate
}

// find returns what is known of a path.
func (a *answers) find(h *sentinel.HTTP) (answer, bool) {
	key := answerKey(h)
	for _, e := range a.sets[key%answerSets] {
		if e.key == key && e.good+e.other >= usual {
			return e, true
		}
	}
	return answer{}, false
}

// odd reports whether a body's size is unlike those of a path.
func (e *answer) odd(bytes int64) bool {
	off := float32(bytes) - e.size
	return max(off, -off) > max(4*e.spread, e.size/4, 256)
}

// answerKey hashes host and path; it is never 0.
func answerKey(h *sentinel.HTTP) uint64 {
	k := uint64(0x9e3779b97f4a7c15)
	for _, s := range [2]string{h.Host, h.Path} {
		k ^= uint64(len(s))
		for len(s) >= 8 {
			w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
			k = fold(k^w, 0xa0761d6478bd642f)
			s = s[8:]
		}
		w := uint64(0)
		for i := range len(s) {
			w = w<<8 | uint64(s[i])
		}
		k = fold(k^w, 0xe7037ed1a0b428db)
	}
	return k | 1
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// answer judges what a server answered to an attack, or learns from what it
// answered to others.
func (e *Engine) answer(ev *sentinel.Event, st *Step) {
	ordinary := true
	for i := range st.Results {
		if r := &st.Results[i]; r.Fired {
			ordinary = false
			e.outcome(ev, r.Detection)
		}
	}
	for i := 0; ordinary && i < len(st.Matches); i++ {
		ordinary = e.set.Rule(int(st.Matches[i].Rule)).Ambient()
	}
	if ordinary {
		e.answers.learn(&ev.HTTP)
	}
}

// injections are the types of attacks that make a server do something; what they
// hit answers with an error, or with something else than usual.
var injections = []string{
	"sqli", "nosqli", "ldap", "xss", "rce", "code_injection", "traversal", "rfi", "ssrf", "ssti", "ssi", "xxe", "crlf", "log4shell", "webshell",
}

// guesses are the types of attacks of which a single answer says nothing.
var guesses = []string{"dos", "brute_force", "user_enum", "repeat_offender"}

// outcome says what became of an attack on a web server: its detection gets the
// outcome and, if it may have worked, one level more of severity. Answers never
// lower anything.
func (e *Engine) outcome(ev *sentinel.Event, det *sentinel.Detection) {
	h := &ev.HTTP
	if h.Status == 0 || slices.Contains(guesses, det.Type) {
		return
	}
	det.Outcome, det.OutcomeWhy = e.answers.judge(h, slices.Contains(injections, det.Type))
	if det.Outcome == sentinel.OutcomeLikely && slices.Contains(injections, det.Type) && !det.Advisory && det.Severity >= sentinel.Medium && det.Severity < sentinel.Critical {
		det.Severity++
		det.Raised = true
	}
}

// judge compares an answer with what is usual.
func (a *answers) judge(h *sentinel.HTTP, injection bool) (sentinel.Outcome, string) {
	body := "an unknown number of bytes"
	if h.Bytes >= 0 {
		body = fmt.Sprintf("%d bytes", h.Bytes)
	}
	known, ok := a.find(h)
	switch s := h.Status; {
	case s == 401 || s == 403 || s == 406 || s == 429 || s == 444 || s == 451:
		return sentinel.OutcomeBlocked, fmt.Sprintf("the server refused with status %d", s)
	case s >= 500 && injection:
		return sentinel.OutcomeLikely, fmt.Sprintf("the server answered with the error %d: what was injected may have reached the application", s)
	case s >= 400:
		return sentinel.OutcomeFailed, fmt.Sprintf("the server answered with the error %d", s)
	case s >= 300:
		return sentinel.OutcomeAnswered, fmt.Sprintf("the server answered with the redirection %d", s)
	case s < 200:
		return sentinel.OutcomeAnswered, fmt.Sprintf("the server answered with status %d", s)
	case !ok:
		return sentinel.OutcomeAnswered, fmt.Sprintf("the server answered with status %d and %s; what is usual at this path is not known", s, body)
	case known.good*10 < known.other:
		return sentinel.OutcomeLikely, fmt.Sprintf("the server answered with status %d and %s, where it mostly answers otherwise", s, body)
	case h.Bytes >= 0 && known.good >= usual && known.odd(h.Bytes):
		return sentinel.OutcomeLikely, fmt.Sprintf("the server answered with status %d and %s, where it usually sends about %.0f", s, body, known.size)
	}
	return sentinel.OutcomeAnswered, fmt.Sprintf("the server answered with status %d and %s, as it usually does there", h.Status, body)
}
