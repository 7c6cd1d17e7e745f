package anomaly

import (
	"math"
	"math/bits"
)

// NumFeatures is how many numbers tell what a client did in a window.
const NumFeatures = 14

// Vector has the features of a window. All are bounded.
type Vector [NumFeatures]float32

// The features, in the order of Vector.
const (
	featRequests  = iota // ln(1+n)
	feat4xx              // 4xx/(n+2)
	feat5xx              // 5xx/(n+2)
	featPaths            // ln(1+distinct paths)
	featEntropy          // of paths, in bits
	featSpread           // distinct paths/(n+2)
	featAgents           // ln(1+distinct user agents)
	featPause            // ln(1+mean seconds between requests)
	featRhythm           // coefficient of variation of these pauses
	featDynamic          // share of requests that are not for static files
	featPost             // share of POST
	featLength           // ln(1+mean length of the target)
	featSpecial          // share of special characters in targets
	featNoReferer        // share without a referer
)

// FeatureNames are short names of the features, in their order.
var FeatureNames = [NumFeatures]string{
	"requests", "4xx", "5xx", "paths", "path entropy", "path spread", "agents", "pause", "rhythm",
	"dynamic", "post", "target length", "special characters", "no referer",
}

const (
	pathSlots = 16 // paths of a window that are counted one by one
	maxRhythm = 8
)

// window is what one client did in one stretch of time.
type window struct {
	client     uint64 // see clientOf
	next, prev uint32 // in its queue
	span       uint32 // number of the stretch since 1970
	first      uint32 // seconds since 1970
	last       uint32
	squares    float32 // sum of the squared pauses, in seconds
	n          uint32
	e4, e5     uint32
	dynamic    uint32
	posts      uint32
	noReferer  uint32
	length     uint32
	special    uint32
	paths      [2]uint64 // a bit for each path's hash
	agents     uint32    // a bit for each agent's hash
	source     uint16
	kind       kind
	slots      uint8 // used of the two below
	v6         bool
	newAgent   bool
	login      bool
	queue      uint8
	slotPath   [pathSlots]uint16
	slotCount  [pathSlots]uint16
}

// kind is the length of a window.
type kind uint8

const (
	short kind = iota // 5 minutes
	long              // an hour, of what was too little for short ones
	numKinds
)

// seconds is how long the windows of a kind are.
var seconds = [numKinds]uint32{300, 3600}

// least is how many requests a window must have to be judged.
const least = 3

// request is what a window takes of one request.
type request struct {
	at                                                uint32
	path, agent                                       uint64 // hashes
	length, special                                   uint32
	e4, e5, dynamic, post, noReferer, newAgent, login bool
}

// add counts a request.
func (w *window) add(r *request) {
	switch {
	case w.n == 0:
		w.first, w.last = r.at, r.at
	case r.at > w.last:
		d := float32(r.at - w.last)
		w.squares += d * d
		w.last = r.at
	}
	w.n++
	count(&w.e4, r.e4)
	count(&w.e5, r.e5)
	count(&w.dynamic, r.dynamic)
	count(&w.posts, r.post)
	count(&w.noReferer, r.noReferer)
	w.length += r.length
	w.special += r.special
	w.newAgent = w.newAgent || r.newAgent
	w.login = w.login || r.login
	w.agents |= 1 << (r.agent & 31)
	w.paths[r.path>>6&1] |= 1 << (r.path & 63)
	w.path(uint16(r.path>>48), 1)
}

func count(n *uint32, yes bool) {
	if yes {
		*n++
	}
}

// path counts a path if it is among the first.
func (w *window) path(hash, n uint16) {
	for i := range w.slots {
		if w.slotPath[i] == hash {
			if c := &w.slotCount[i]; *c <= math.MaxUint16-n {
				*c += n
			}
			return
		}
	}
	if w.slots < pathSlots {
		w.slotPath[w.slots], w.slotCount[w.slots] = hash, n
		w.slots++
	}
}

// merge adds a later window of the same client.
func (w *window) merge(o *window) {
	if w.n == 0 {
		w.first = o.first
	} else if o.first > w.last {
		d := float32(o.first - w.last)
		w.squares += d * d
	}
	w.last = max(w.last, o.last)
	w.squares += o.squares
	w.n += o.n
	w.e4, w.e5, w.dynamic, w.posts, w.noReferer = w.e4+o.e4, w.e5+o.e5, w.dynamic+o.dynamic, w.posts+o.posts, w.noReferer+o.noReferer
	w.length, w.special = w.length+o.length, w.special+o.special
	w.paths[0], w.paths[1], w.agents = w.paths[0]|o.paths[0], w.paths[1]|o.paths[1], w.agents|o.agents
	w.newAgent, w.login = w.newAgent || o.newAgent, w.login || o.login
	for i := range o.slots {
		w.path(o.slotPath[i], o.slotCount[i])
	}
}

// estimate returns how many different values set the bits of a set.
func estimate(ones, size int) float64 {
	if ones >= size {
		ones = size - 1
	}
	return float64(size) * math.Log(float64(size)/float64(size-ones))
}

// vector returns the features.
func (w *window) vector() (v Vector) {
	n := float64(w.n)
	if w.n == 0 {
		return v
	}
	paths := float64(w.slots)
	if w.slots == pathSlots {
		paths = max(paths, estimate(bits.OnesCount64(w.paths[0])+bits.OnesCount64(w.paths[1]), 128))
	}
	paths = min(paths, n)
	agents := estimate(bits.OnesCount32(w.agents), 32)
	v[featRequests] = float32(math.Log1p(n))
	v[feat4xx] = float32(float64(w.e4) / (n + 2))
	v[feat5xx] = float32(float64(w.e5) / (n + 2))
	v[featPaths] = float32(math.Log1p(paths))
	v[featEntropy] = float32(w.entropy(paths))
	v[featSpread] = float32(paths / (n + 2))
	v[featAgents] = float32(math.Log1p(agents))
	if w.n > 1 {
		pause := float64(w.last-w.first) / (n - 1)
		v[featPause] = float32(math.Log1p(pause))
		v[featRhythm] = float32(w.rhythm())
	}
	v[featDynamic] = float32(float64(w.dynamic) / n)
	v[featPost] = float32(float64(w.posts) / n)
	v[featLength] = float32(math.Log1p(float64(w.length) / n))
	if w.length > 0 {
		v[featSpecial] = float32(float64(w.special) / float64(w.length))
	}
	v[featNoReferer] = float32(float64(w.noReferer) / n)
	return v
}

// rhythm is how uneven the pauses between requests are: 0 for a clock.
func (w *window) rhythm() float64 {
	n := float64(w.n) - 1
	pause := float64(w.last-w.first) / n
	if n < 1 || pause == 0 {
		return 0
	}
	square := pause * pause
	return min(math.Sqrt(max(float64(w.squares)/n-square, 0))/pause, maxRhythm)
}

// entropy of the paths, in bits: those that are counted one by one exactly, the
// others as if each of them came equally often.
func (w *window) entropy(paths float64) float64 {
	n, counted, h := float64(w.n), 0.0, 0.0
	for _, c := range w.slotCount[:w.slots] {
		p := float64(c) / n
		h -= p * math.Log2(p)
		counted += float64(c)
	}
	if rest := n - counted; rest > 0 {
		p := rest / n
		h += p * (math.Log2(max(paths-pathSlots, 1)) - math.Log2(p))
	}
	return max(h, 0)
}
