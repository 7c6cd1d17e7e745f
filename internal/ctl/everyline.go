package ctl

import (
	"bufio"
	"io"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
)

const (
	// maxMatchText bounds the matched text of a match, in bytes.
	maxMatchText = 200
	// maxOpenCases bounds the cases whose scores are remembered.
	maxOpenCases = 200_000
)

// lineWriter writes one object for each line.
type lineWriter struct {
	w      *bufio.Writer
	engine *engine.Engine
	buf    []byte
	// cases are open ones by what they are about.
	cases map[caseKey]string
	// last and lastRisk spare looking up one case for each match of a line.
	last     caseKey
	lastRisk float64
	order    []ranked
}

// ranked is a match and its result; one of them may be missing.
type ranked struct {
	match rule.Match
	res   *detect.Result
	own   bool // the match is the event's own, so that it has evidence
	rank  int
}

// caseKey is what a case is about.
type caseKey struct {
	scope netip.Prefix
	key   string
	group string
}

func newLineWriter(w io.Writer, e *engine.Engine) *lineWriter {
	return &lineWriter{w: bufio.NewWriterSize(w, 256<<10), engine: e, cases: map[caseKey]string{}}
}

// write writes the object of one line. number is the line's, from 1.
func (w *lineWriter) write(file string, number uint64, st *engine.Step) error {
	b := append(w.buf[:0], `{"file":`...)
	b = appendString(b, file)
	b = append(b, `,"line":`...)
	b = strconv.AppendUint(b, number, 10)
	b = append(b, `,"parsed":`...)
	b = strconv.AppendBool(b, st.Parsed)
	b = append(b, `,"event":`...)
	b = appendEvent(b, st)
	b = append(b, `,"matches":[`...)
	for i := range st.Effects.Threats {
		w.remember(&st.Effects.Threats[i])
	}
	risk := 0.0
	w.last = caseKey{}
	for i, m := range w.rank(st) {
		if i > 0 {
			b = append(b, ',')
		}
		b = w.appendMatch(b, st, m)
		risk = max(risk, w.risk(st, m))
	}
	b = append(b, `],"risk":`...)
	b = strconv.AppendFloat(b, risk, 'f', -1, 64)
	b = append(b, `,"severity":"`...)
	b = append(b, sentinel.SeverityOf(risk).String()...)
	b = append(b, "\"}\n"...)
	w.buf = b
	_, err := w.w.Write(b)
	return err
}

// rank returns the rules that match a line, one entry each: those that fired
// first, then those that need no count, then the graver and surer ones. A match
// that says nothing by itself (see rule.Rule.Ambient) is left out unless its
// rule fired.
func (w *lineWriter) rank(st *engine.Step) []ranked {
	out := w.order[:0]
	for i, mt := range st.Matches {
		res := resultOf(st.Results, mt.Rule)
		// A step of a sequence is a match of its rule once it counts there.
		if mt.Step >= 0 && res == nil || seenRule(st.Matches[:i], mt.Rule) {
			continue
		}
		if w.engine.Set().Rule(int(mt.Rule)).Ambient() && (res == nil || !res.Fired) {
			continue
		}
		out = append(out, ranked{match: mt, res: res, own: true})
	}
	for i := range st.Results {
		// What a sequence of rules made fire is a match though no condition of
		// its own held.
		if res := &st.Results[i]; !seenRule(st.Matches, res.Rule) {
			out = append(out, ranked{match: rule.Match{Rule: res.Rule, Step: -1}, res: res})
		}
	}
	for i := range out {
		m := &out[i]
		r := w.engine.Set().Rule(int(m.match.Rule))
		m.rank = int(r.Severity)*1000 + int(r.Confidence*1000)
		if r.Aggregation == nil && r.Sequence == nil {
			m.rank += 10_000
		}
		if m.res != nil && m.res.Fired {
			m.rank += 100_000
		}
		for j := i; j > 0 && out[j].rank > out[j-1].rank; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	w.order = out
	return out
}

func (w *lineWriter) flush() error { return w.w.Flush() }

func resultOf(results []detect.Result, r int32) *detect.Result {
	for i := range results {
		if results[i].Rule == r {
			return &results[i]
		}
	}
	return nil
}

func seenRule(matches []rule.Match, r int32) bool {
	for i := range matches {
		if matches[i].Rule == r {
			return true
		}
	}
	return false
}

// remember keeps which case is open about whom.
func (w *lineWriter) remember(t *sentinel.Threat) {
	if len(w.cases) >= maxOpenCases {
		clear(w.cases)
	}
	w.cases[keyOf(t.Scope, t.Key, t.Group)] = t.ID
}

// keyOf: with a scope the words do not matter.
func keyOf(scope netip.Prefix, key, group string) caseKey {
	if scope.IsValid() {
		return caseKey{scope: scope, group: group}
	}
	return caseKey{key: key, group: group}
}

// risk is the score of the case that a match belongs to, 0 if there is none.
func (w *lineWriter) risk(st *engine.Step, m ranked) float64 {
	mt, res := m.match, m.res
	r := w.engine.Set().Rule(int(mt.Rule))
	scope, key := sentinel.Entity(attackerOf(st, mt)), ""
	if res != nil && (res.Fired || res.Silent) {
		scope, key = res.Scope, res.Key
	}
	if !scope.IsValid() && key == "" {
		return 0
	}
	if scope.IsValid() && scope.Addr().Is6() && scope.Bits() > 64 {
		scope = sentinel.Entity(scope.Addr())
	}
	if k := keyOf(scope, key, r.Group); k != w.last {
		w.last, w.lastRisk = k, 0
		if id, ok := w.cases[k]; ok {
			if t, open := w.engine.Decider().Case(id); open {
				w.lastRisk = t.RiskScore
			} else {
				delete(w.cases, k)
			}
		}
	}
	return w.lastRisk
}

func attackerOf(st *engine.Step, mt rule.Match) netip.Addr {
	if mt.Addr.IsValid() {
		return sentinel.Normalize(mt.Addr)
	}
	return sentinel.Normalize(st.Event.SrcIP)
}

func (w *lineWriter) appendMatch(b []byte, st *engine.Step, m ranked) []byte {
	mt, res := m.match, m.res
	r := w.engine.Set().Rule(int(mt.Rule))
	aggregated, count, fired := r.Aggregation != nil || r.Sequence != nil, 0, false
	addr := attackerOf(st, mt)
	var evidence []sentinel.Evidence
	if res != nil {
		aggregated, count, fired = res.Aggregated, res.Count, res.Fired
		if res.Detection != nil {
			evidence = res.Detection.Evidence
			if res.Detection.Addr.IsValid() {
				addr = res.Detection.Addr
			}
		}
	}
	if evidence == nil && m.own {
		evidence = w.engine.Matcher().Evidence(st.Event, mt)
	}
	b = append(b, `{"rule_id":`...)
	b = appendString(b, r.ID)
	b = append(b, `,"type":`...)
	b = appendString(b, r.Type)
	b = append(b, `,"severity":"`...)
	b = append(b, r.Severity.String()...)
	b = append(b, `","attacker_ip":`...)
	b = appendAddr(b, addr)
	if len(evidence) > 0 {
		e := &evidence[0]
		text := e.Text[min(max(e.Start, 0), len(e.Text)):min(max(e.End, e.Start, 0), len(e.Text))]
		if text == "" {
			text = e.Text
		}
		b = append(b, `,"field":`...)
		b = appendString(b, e.Field)
		b = append(b, `,"text":`...)
		b = appendString(b, cutRunes(text, maxMatchText))
	} else {
		b = append(b, `,"field":"","text":""`...)
	}
	b = append(b, `,"aggregated":`...)
	b = strconv.AppendBool(b, aggregated)
	b = append(b, `,"count":`...)
	b = strconv.AppendInt(b, int64(count), 10)
	b = append(b, `,"fired":`...)
	b = strconv.AppendBool(b, fired)
	return append(b, '}')
}

// cutRunes cuts a text to at most n bytes without dividing a character.
func cutRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// appendEvent writes the fields of an event that are set.
func appendEvent(b []byte, st *engine.Step) []byte {
	b = append(b, '{')
	if !st.Parsed {
		return append(b, '}')
	}
	ev := st.Event
	o := object{b, true}
	if !ev.Time.IsZero() {
		o.name("time")
		o.b = append(o.b, '"')
		o.b = ev.Time.UTC().AppendFormat(o.b, time.RFC3339Nano)
		o.b = append(o.b, '"')
	}
	o.text("type", ev.Type.String())
	o.text("source_type", string(ev.SourceType))
	o.text("program", ev.Program)
	o.text("host", ev.Host)
	o.number("pid", int64(ev.PID))
	o.addr("src_ip", ev.SrcIP)
	o.number("src_port", int64(ev.SrcPort))
	if g := ev.Geo(); !g.IsZero() {
		o.text("geo_country", g.Country)
		o.number("asn", int64(g.ASN))
	}
	o.addr("dst_ip", ev.DstIP)
	o.number("dst_port", int64(ev.DstPort))
	o.addr("peer_ip", ev.PeerIP)
	o.text("user", ev.User)
	o.text("outcome", ev.Outcome)
	o.text("method", ev.Method)
	if ev.Repeat > 1 {
		o.number("repeat", int64(ev.Repeat))
	}
	o.text("file", ev.File)
	if x := &ev.Exec; *x != (sentinel.Exec{}) {
		o.name("exec")
		in := object{append(o.b, '{'), true}
		in.text("image", x.Image)
		in.text("cmdline", x.Cmdline)
		in.text("cwd", x.Cwd)
		in.number("pid", int64(x.PID))
		in.number("ppid", int64(x.PPID))
		in.text("parent_image", x.ParentImage)
		in.text("parent_cmdline", x.ParentCmdline)
		o.b = append(in.b, '}')
	}
	if h := &ev.HTTP; ev.Type == sentinel.EventHTTPAccess {
		o.name("http")
		in := object{append(o.b, '{'), true}
		in.text("method", h.Method)
		in.text("target", h.Target)
		in.text("path", h.Path)
		in.text("query", h.Query)
		in.number("status", int64(h.Status))
		if h.Bytes >= 0 {
			in.name("bytes")
			in.b = strconv.AppendInt(in.b, h.Bytes, 10)
		}
		in.text("referer", h.Referer)
		in.text("ua", h.UserAgent)
		in.text("host", h.Host)
		in.text("proto", h.Proto)
		if h.Malformed {
			in.name("malformed")
			in.b = append(in.b, "true"...)
		}
		o.b = append(in.b, '}')
	} else {
		o.text("message", ev.Message)
	}
	return append(o.b, '}')
}

// object appends the members of a JSON object, leaving out zero values.
type object struct {
	b     []byte
	empty bool
}

func (o *object) name(name string) {
	if !o.empty {
		o.b = append(o.b, ',')
	}
	o.empty = false
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, `":`...)
}

func (o *object) text(name, value string) {
	if value != "" {
		o.name(name)
		o.b = appendString(o.b, value)
	}
}

func (o *object) number(name string, value int64) {
	if value != 0 {
		o.name(name)
		o.b = strconv.AppendInt(o.b, value, 10)
	}
}

func (o *object) addr(name string, value netip.Addr) {
	if value.IsValid() {
		o.name(name)
		o.b = appendAddr(o.b, value)
	}
}

func appendAddr(b []byte, a netip.Addr) []byte {
	b = append(b, '"')
	if a.IsValid() {
		b = a.WithZone("").AppendTo(b)
	}
	return append(b, '"')
}

// appendString writes a JSON string. What is not UTF-8 becomes the replacement
// character; what a terminal might obey is escaped.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < 0x7f {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			if r, n = utf8.DecodeRuneInString(s[i:]); (r != utf8.RuneError || n > 1) && shown(r) {
				i += n
				continue
			}
		}
		b = append(b, s[from:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\t':
			b = append(b, `\t`...)
		case r == utf8.RuneError && n == 1:
			b = append(b, "\uFFFD"...)
		default:
			b = appendEscape(b, r)
		}
		i += n
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
