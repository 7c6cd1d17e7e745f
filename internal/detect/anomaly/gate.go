package anomaly

import "github.com/sentinel-ai/sentinel-ai/internal/detect/keyed"

// Whoever sends requests for weeks could teach that attacks are usual. So a
// window is learned from only if it passes the gate: the shipped model, which
// nobody teaches, finds nothing in it; no rule fired for the client on that day;
// and neither the client nor its network has more than its share of what is
// remembered.

const (
	// reservoirSize windows are what a local forest is fitted to.
	reservoirSize = 2048
	// oneShare and netShare are how many of them may be of one client, and of one
	// /24 (IPv6: /48): 1 % and 2 %.
	oneShare = reservoirSize / 100
	netShare = reservoirSize / 50
	// reservoirMemory is how many windows count for the chance of a new one to
	// enter: it then replaces a random old one.
	reservoirMemory = 8 * reservoirSize
)

// remembered is a window in the reservoir.
type remembered struct {
	client uint64
	v6     bool
	v      Vector
}

// reservoir is a uniform sample of the windows that passed the gate.
type reservoir struct {
	windows []remembered
	seen    uint64
	rand    uint64
}

// room reports whether a client may have one more window in the reservoir.
func (r *reservoir) room(client uint64, v6 bool) bool {
	one, network := 0, 0
	net := networkOf(client, v6)
	for i := range r.windows {
		w := &r.windows[i]
		if networkOf(w.client, w.v6) == net {
			network++
			if w.client == client && w.v6 == v6 {
				one++
			}
		}
	}
	return one < oneShare && network < netShare
}

// offer puts a window in, or not, as chance has it.
func (r *reservoir) offer(w remembered) {
	r.seen++
	if len(r.windows) < reservoirSize {
		r.windows = append(r.windows, w)
		return
	}
	r.rand += 0x9e3779b97f4a7c15
	if i := keyed.Mix(r.rand, 0xd6e8feb86659fd93) % min(r.seen, reservoirMemory); i < reservoirSize {
		r.windows[i] = w
	}
}

// vectors returns the windows without those of clients that are out.
func (r *reservoir) vectors(out func(client uint64, v6 bool) bool) []Vector {
	list := make([]Vector, 0, len(r.windows))
	for i := range r.windows {
		if w := &r.windows[i]; !out(w.client, w.v6) {
			list = append(list, w.v)
		}
	}
	return list
}

// highest has the highest score of the day of each client, or of a sample of them
// where they are many: a client whose place is taken is left out.
type highest struct {
	places [highestPlaces]highScore
}

type highScore struct {
	client uint64 // its hash, 0 for none
	score  float32
}

const highestPlaces = 4096

func (h *highest) note(client uint64, score float32) {
	switch p := &h.places[client%highestPlaces]; p.client {
	case 0:
		*p = highScore{client, score}
	case client:
		p.score = max(p.score, score)
	}
}

// take hands out what is there, and forgets it.
func (h *highest) take(tell func(client uint64, score float32)) {
	for i := range h.places {
		if p := &h.places[i]; p.client != 0 {
			tell(p.client, p.score)
		}
	}
	*h = highest{}
}
