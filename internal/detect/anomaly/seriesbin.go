package anomaly

import (
	"math"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// bin is what one source did in five minutes. Its parts are made when they are
// needed first: a log without addresses has no addrs.
type bin struct {
	events uint32
	// hostile events belong to open cases of severity HIGH and above.
	hostile uint32
	auth    uint32 // login attempts that failed
	addrs   *addrBin
	web     *webBin
}

// addrBin is about the addresses of a bin.
type addrBin struct {
	events uint32 // that name an address
	fresh  uint32 // addresses that the source had never seen
	seen   distinct
	top    [busiest]counted
}

// webBin is about the requests of a bin.
type webBin struct {
	requests, errors4, errors5 uint32
	bytes                      uint64
	paths                      [pathPlaces]uint32 // requests by the path's hash
	visited                    [busiest]visited
	// most is the count of the path that the most new addresses came to; line is a
	// request of one of them.
	most uint32
	line [maxLine]byte
	len  int
}

const (
	busiest    = 16 // addresses and paths that are counted apart
	pathPlaces = 256
	maxPath    = 80  // bytes kept of a path
	maxLine    = 512 // and of a line
)

// counted is a place of a space-saving counter: the least counted gives way and
// leaves its count, so that the busiest of all is always among them.
type counted struct {
	hash uint64
	n    uint32
}

// visited is a path and how many addresses came to it that the source had never
// seen, counted as in counted.
type visited struct {
	counted
	over uint32 // that the place had already when the path took it
	len  uint8
	path [maxPath]byte
}

func (v *visited) text() string { return string(v.path[:v.len]) }

func (b *bin) reset() {
	b.events, b.hostile, b.auth = 0, 0, 0
	if b.addrs != nil {
		*b.addrs = addrBin{}
	}
	if b.web != nil {
		*b.web = webBin{}
	}
}

// count adds n events of an address to the busiest.
func (a *addrBin) count(hash uint64, n uint32) {
	least := 0
	for i := range a.top {
		if a.top[i].hash == hash {
			a.top[i].n += n
			return
		}
		if a.top[i].n < a.top[least].n {
			least = i
		}
	}
	a.top[least] = counted{hash: hash, n: a.top[least].n + n}
}

// busiestShare is the share of the busiest address.
func (a *addrBin) busiestShare() float64 {
	most := uint32(0)
	for i := range a.top {
		most = max(most, a.top[i].n)
	}
	return min(float64(most)/float64(max(a.events, 1)), 1)
}

func (w *webBin) add(h *sentinel.HTTP, path uint64, n uint32) {
	w.requests += n
	switch h.Status / 100 {
	case 4:
		w.errors4 += n
	case 5:
		w.errors5 += n
	}
	if h.Bytes > 0 {
		w.bytes += uint64(h.Bytes)
	}
	w.paths[path%pathPlaces] += n
}

// visit counts a new address at the path that it asked for first.
func (w *webBin) visit(ev *sentinel.Event, hash uint64) {
	at := 0
	for i := range w.visited {
		if w.visited[i].hash == hash {
			at = i
			break
		}
		if w.visited[i].n < w.visited[at].n {
			at = i
		}
	}
	v := &w.visited[at]
	if v.hash != hash {
		v.hash, v.over = hash, v.n
		v.len = uint8(copy(v.path[:], ev.HTTP.Path))
	}
	v.n++
	if n := v.n - v.over; n > w.most {
		w.most = n
		w.len = copy(w.line[:], ev.Raw)
	}
}

// crowd is the path that the most new addresses came to, and how many did at
// least.
func (w *webBin) crowd() (path string, n int) {
	for i := range w.visited {
		if v := &w.visited[i]; int(v.n-v.over) > n {
			path, n = v.text(), int(v.n-v.over)
		}
	}
	return path, n
}

// sample is a request of one of the new addresses.
func (w *webBin) sample() string { return string(w.line[:w.len]) }

// entropy of the paths, in bits.
func (w *webBin) entropy() float64 {
	h, n := 0.0, float64(w.requests)
	for _, c := range w.paths {
		if c > 0 {
			p := float64(c) / n
			h -= p * math.Log2(p)
		}
	}
	return h
}

// leastRatio is how many there must be before a share of them says something:
// its own scatter is then within leastVariance.
const leastRatio = 25

// value is a metric's in a bin; ok is false where there is too little to tell.
type value struct {
	x  float64
	ok bool
}

// values of a bin. has says which kinds of events the source ever had, newKnown
// whether addresses have been noted for long enough.
func (b *bin) values(has facets, geo *countries, newKnown bool) (out [NumMetrics]value) {
	set := func(m Metric, x float64, ok bool) { out[m] = value{x, ok} }
	set(Requests, float64(b.events), true)
	if has&facetAuth != 0 {
		set(AuthFail, float64(b.auth), true)
	}
	if has&facetAddr != 0 && b.addrs != nil {
		unique := b.addrs.seen.count()
		set(UniqueIPs, math.Round(unique), true)
		set(NewIPShare, min(float64(b.addrs.fresh)/max(unique, 1), 1), newKnown && unique >= leastRatio)
		set(Top1Share, b.addrs.busiestShare(), b.addrs.events >= leastRatio)
	}
	if has&facetWeb != 0 && b.web != nil {
		w := b.web
		n := float64(max(w.requests, 1))
		set(Errors4xx, float64(w.errors4)/n, w.requests >= leastRatio)
		set(Errors5xx, float64(w.errors5)/n, w.requests >= leastRatio)
		set(PathEntropy, w.entropy(), w.requests >= leastRatio)
		set(Bytes, float64(w.bytes), true)
	}
	if geo != nil {
		d, ok := geo.divergence()
		set(GeoDivergence, d, ok)
	}
	return out
}
