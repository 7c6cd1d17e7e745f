package anomaly

import (
	"net/netip"
	"time"
	"unsafe"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/keyed"
)

// Config is what a Stage is made of.
type Config struct {
	// Model is the shipped one.
	Model *Model
	// Learning is how long a host is watched before its windows are judged by
	// what is usual there.
	Learning    time.Duration
	Sensitivity Sensitivity
	// MaxClients bounds the clients whose windows are open, 16 to 131,071; 0: as
	// many as take 16 MB.
	MaxClients int
	// Country says in which country an address is ("DE"), empty if nobody knows;
	// nil: nobody ever does.
	Country func(netip.Addr) string
	// Seed keys the hashes and the choice of what is remembered; 0 is a seed too.
	Seed uint64
}

const (
	defaultClients = 98_304
	windowBytes    = int(unsafe.Sizeof(window{}))
	// maxLate is how old a request may be to count.
	maxLate = 10 * time.Minute
	// maxSources bounds the names of sources; the rest has none.
	maxSources = 4096
	// sweepEvent and sweepTick are how many windows that are over are closed with
	// an event, and with a tick.
	sweepEvent = 2
	sweepTick  = 1000
	// learnWindows ends learning together with Config.Learning.
	learnWindows = 2000
)

// Stage watches what clients of web servers do, in windows of five minutes, and
// of an hour for slow ones. It is not safe for concurrent use.
type Stage struct {
	cfg   Config
	hash  hasher
	table *table

	sources  []source
	numbers  map[string]uint16
	lastName string
	lastNum  uint16

	now      uint32 // seconds since 1970 of the latest event
	bin      uint32 // its five minutes
	sweeping bool   // windows that are over may be open
	request  request
	out      []sentinel.Anomaly
	samples  samples
	// extract takes windows instead of having them judged, see Extractor.
	extract func(*window)

	learner
	stats Stats
}

type source struct {
	name string
	typ  sentinel.SourceType
}

// Stats counts what a stage did since it was made. The first two are present
// sizes.
type Stats struct {
	Clients, Bytes int
	// Windows were judged, Unusual had A of 0.4 or more; Evicted windows gave way
	// to others before they were over.
	Windows, Unusual, Evicted uint64
}

// New makes a stage. Config.Model must not be nil.
func New(cfg Config) *Stage {
	if cfg.MaxClients == 0 {
		cfg.MaxClients = defaultClients
	}
	s := &Stage{cfg: cfg, hash: newHasher(cfg.Seed), numbers: make(map[string]uint16), sources: make([]source, 1)}
	s.table = newTable(cfg.MaxClients, s.hash)
	s.learner.reservoir.rand = cfg.Seed
	return s
}

// Configure changes how long the stage learns and how much it tells.
func (s *Stage) Configure(learning time.Duration, sensitivity Sensitivity) {
	s.cfg.Learning, s.cfg.Sensitivity = learning, sensitivity
}

// Observe takes in an event at the arrival clock now, and returns what is to be
// said of windows that are over, mostly nothing. The list is valid until the next
// call; what it holds is the caller's. Events that are no requests of a web server
// count for nothing. An event that ends no window allocates nothing.
func (s *Stage) Observe(ev *sentinel.Event, now time.Time) []sentinel.Anomaly {
	s.out = s.out[:0]
	if ev.Type != sentinel.EventHTTPAccess || !ev.SrcIP.IsValid() {
		return nil
	}
	t := ev.Time
	switch {
	case t.IsZero() || t.After(now):
		t = now
	case now.Sub(t) > maxLate:
		return nil
	}
	at := uint32(max(t.Unix(), 0))
	s.advance(at)
	if s.sweeping {
		s.sweep(sweepEvent)
	}
	client, v6 := clientOf(ev.SrcIP)
	s.read(ev, at)
	span := at / seconds[short]
	id := s.table.find(client, v6, short)
	if id != 0 && s.table.at(id).span < span {
		s.end(id)
		id = 0
	}
	var w *window
	if id != 0 {
		w = s.table.at(id)
	} else {
		s.makeRoom()
		w = s.table.make(client, v6, short, span)
	}
	w.source = s.number(ev)
	w.add(&s.request)
	if w.n == least {
		if id == 0 {
			id = s.table.find(client, v6, short)
		}
		s.table.keep(id)
	}
	s.samples.note(client, v6, ev, &s.request)
	return s.out
}

// Tick closes windows that are over, when no events do. It is called once a
// second, with the same rights to what it returns as Observe.
func (s *Stage) Tick(now time.Time) []sentinel.Anomaly {
	s.out = s.out[:0]
	if s.now == 0 {
		return nil
	}
	s.advance(uint32(max(now.Unix(), 0)))
	if s.sweeping {
		s.sweep(sweepTick)
	}
	return s.out
}

// Finish closes all windows, over or not, as at the end of an old log.
func (s *Stage) Finish() []sentinel.Anomaly {
	s.out = s.out[:0]
	for q := range s.table.queues { // those of an hour come last
		for kinds := q; s.table.queues[kinds].oldest != 0; {
			s.end(s.table.queues[kinds].oldest)
		}
	}
	for q := range s.table.queues { // and what the short ones gave them
		for s.table.queues[q].oldest != 0 {
			s.end(s.table.queues[q].oldest)
		}
	}
	return s.out
}

// advance moves the clock on.
func (s *Stage) advance(at uint32) {
	if at <= s.now {
		return
	}
	s.now = at
	if bin := at / seconds[short]; bin != s.bin {
		s.bin, s.sweeping = bin, true
		s.learner.turn(at)
	}
}

// sweep closes at most n windows that are over.
func (s *Stage) sweep(n int) {
	s.sweeping = false
	for q := range s.table.queues {
		k := kind(q % int(numKinds))
		for {
			id := s.table.queues[q].oldest
			if id == 0 || s.table.at(id).span >= s.now/seconds[k] {
				break
			}
			if n--; n < 0 {
				s.sweeping = true
				return
			}
			s.end(id)
		}
	}
}

// end closes a window: it is judged if it has enough requests. A short one that
// has not becomes part of a long one.
func (s *Stage) end(id uint32) {
	w := *s.table.at(id)
	s.table.remove(id)
	switch {
	case w.n >= least:
		s.judge(&w)
	case w.kind == short && w.n > 0:
		s.lengthen(&w)
	}
}

// lengthen adds a short window to the client's long one.
func (s *Stage) lengthen(w *window) {
	span := w.first / seconds[long]
	id := s.table.find(w.client, w.v6, long)
	if id != 0 && s.table.at(id).span < span {
		s.end(id)
		id = 0
	}
	if id == 0 {
		s.makeRoom()
		s.table.make(w.client, w.v6, long, span)
		id = s.table.find(w.client, w.v6, long)
	}
	l := s.table.at(id)
	l.source = w.source
	l.merge(w)
	if l.n >= least {
		s.table.keep(id)
	}
}

// makeRoom lets windows give way. Those that are worth it are judged as they are.
func (s *Stage) makeRoom() {
	for s.table.len >= s.table.limit {
		id := s.table.victim()
		w := *s.table.at(id)
		s.table.remove(id)
		s.stats.Evicted++
		if w.n >= least {
			s.judge(&w)
		}
	}
}

// number returns the number of an event's source.
func (s *Stage) number(ev *sentinel.Event) uint16 {
	if ev.Source == s.lastName && s.lastNum != 0 {
		return s.lastNum
	}
	n, ok := s.numbers[ev.Source]
	if !ok {
		if len(s.sources) >= maxSources {
			return 0
		}
		n = uint16(len(s.sources))
		s.sources = append(s.sources, source{name: ev.Source, typ: ev.SourceType})
		s.numbers[ev.Source] = n
	}
	s.lastName, s.lastNum = ev.Source, n
	return n
}

// Stats returns counters and sizes.
func (s *Stage) Stats() Stats {
	st := s.stats
	st.Clients, st.Bytes = s.table.len, s.table.bytes()+int(unsafe.Sizeof(*s))+len(s.learner.reservoir.windows)*int(unsafe.Sizeof(remembered{}))
	return st
}

// maxTarget is how much of a target is looked at.
const maxTarget = 2048

// read takes of an event what windows count.
func (s *Stage) read(ev *sentinel.Event, at uint32) {
	h := &ev.HTTP
	r := &s.request
	target := h.Target[:min(len(h.Target), maxTarget)]
	special := 0
	for i := range len(target) {
		special += int(specials[target[i]])
	}
	agent := s.hash.str(h.UserAgent)
	*r = request{
		at: at, path: s.hash.str(h.Path), agent: agent,
		length: uint32(len(target)), special: uint32(special),
		e4: h.Status >= 400 && h.Status < 500, e5: h.Status >= 500 && h.Status < 600,
		dynamic: !static(h.Path), post: h.Method == "POST", noReferer: h.Referer == "",
		newAgent: s.learner.agents.see(agent), login: isLogin(h),
	}
	s.learner.hours[at/3600%24]++
}

// specials has 1 for the characters that are rare in ordinary targets.
var specials = func() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '/', c == '-', c == '_', c == '.', c == '?', c == '&', c == '=', c == '~':
		default:
			t[i] = 1
		}
	}
	return t
}()

// static reports whether a path is one of a file that pages consist of.
func static(path string) bool {
	n := len(path)
	for i := n - 1; i >= 0 && i >= n-6; i-- {
		switch path[i] {
		case '/':
			return false
		case '.':
			return staticSuffix(path[i+1:])
		}
	}
	return false
}

func staticSuffix(s string) bool {
	switch s {
	case "css", "js", "mjs", "map", "png", "jpg", "jpeg", "gif", "svg", "ico", "webp", "avif", "bmp",
		"woff", "woff2", "ttf", "otf", "eot", "mp3", "mp4", "webm", "ogg", "xbm", "GIF", "JPG", "PNG", "CSS", "JS":
		return true
	}
	return false
}

// isLogin reports whether a request may be an attempt to log in.
func isLogin(h *sentinel.HTTP) bool {
	if h.Method != "POST" {
		return false
	}
	return containsFold(h.Path, "login") || containsFold(h.Path, "signin") || containsFold(h.Path, "auth")
}

// containsFold reports whether s contains the lower-case word in any case.
func containsFold(s, lower string) bool {
	for i := 0; i+len(lower) <= len(s); i++ {
		j := 0
		for j < len(lower) && s[i+j]|0x20 == lower[j] {
			j++
		}
		if j == len(lower) {
			return true
		}
	}
	return false
}

// samples keeps the last line of some clients that is worth showing, in a fixed
// place for each hash.
type samples struct {
	lines [sampleSlots]sampleLine
}

type sampleLine struct {
	client uint64
	at     uint32
	length uint16
	odd    bool
	v6     bool
	text   [sampleText]byte
}

const (
	sampleSlots = 1024
	sampleText  = 232
)

// note keeps a line if it says more than the one that is there.
func (p *samples) note(client uint64, v6 bool, ev *sentinel.Event, r *request) {
	l := &p.lines[keyed.Mix(client, 0x9e3779b97f4a7c15)%sampleSlots]
	odd := r.e4 || r.e5 || r.post || r.special > r.length/8
	if l.client == client && l.v6 == v6 && r.at-l.at < seconds[long] && (l.odd && !odd || l.odd == odd && l.length > 0 && r.at-l.at < 30) {
		return
	}
	l.client, l.v6, l.at, l.odd = client, v6, r.at, odd
	l.length = uint16(copy(l.text[:], ev.Raw))
}

// of returns the line kept for a window, empty for none.
func (p *samples) of(w *window) string {
	l := &p.lines[keyed.Mix(w.client, 0x9e3779b97f4a7c15)%sampleSlots]
	if l.client != w.client || l.v6 != w.v6 || l.at < w.first || l.at > w.last {
		return ""
	}
	return string(l.text[:l.length])
}

// address of a window's client.
func (w *window) address() netip.Addr { return addressOf(w.client, w.v6) }
