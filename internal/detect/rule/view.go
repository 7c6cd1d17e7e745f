package rule

import (
	"strings"
	"unsafe"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule/norm"
)

// arg is one parameter of a query in one view.
type arg struct{ name, value string }

func (a arg) of(f Field) string {
	if f == HTTPArgNames {
		return a.name
	}
	return a.value
}

// webParts are the parts of an event's request target and what was found out
// about them, each at most once per event.
type webParts struct {
	epoch               uint32
	target, path, query string
	// joined: target is path, or path?query.
	joined                 bool
	pathClass, queryClass  norm.Class
	pathClean, queryClean  bool // decoded view = raw
	pathCanon, queryCanon  bool // canon view = raw but for case
	flagsAt                uint32
	bits                   norm.Flags
	resolvedAt, maskedAt   uint32
	resolved, masked       string
	resolvedBuf, maskedBuf []byte
	argsAt                 [numViews]uint32
	args                   [numViews][]arg
	argBuf                 [numViews][]byte
	embedded               bool
}

// viewText is one text in one view, computed at most once per event.
type viewText struct {
	at   uint32
	text string
	buf  []byte
}

// str gives bytes as text without a copy. The text is good until b is written
// again, which the matcher does for the next event.
func str(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// text returns a text field in a view, cut to MaxText.
func (m *Matcher) text(f Field, v View) string {
	switch f {
	case HTTPTarget, HTTPPath, HTTPQuery:
		return m.webText(f, v)
	case HTTPPathResolved:
		return m.resolved()
	case HTTPPathMasked:
		return m.masked()
	}
	raw := cut(f.text(m.ev))
	if v == ViewRaw || raw == "" {
		return raw
	}
	t := &m.views[f][v]
	if t.at == m.epoch {
		return t.text
	}
	t.at = m.epoch
	k := norm.Text
	if f == HTTPUserAgent {
		k = norm.Agent
	}
	t.text, t.buf, _ = render(t.buf, raw, norm.Scan(raw), k, v)
	return t.text
}

// render returns raw in a view, into buf if it is not raw itself.
func render(buf []byte, raw string, c norm.Class, k norm.Kind, v View) (string, []byte, norm.Flags) {
	if v == ViewDecoded {
		if c.Decoded(k) {
			return raw, buf, 0
		}
		buf, flags := norm.AppendDecoded(buf[:0], raw, k)
		return str(buf), buf, flags
	}
	if c.Canonical(raw, k) {
		if !c.Upper() {
			return raw, buf, 0
		}
		buf = append(buf[:0], raw...)
		norm.Lower(buf)
		return str(buf), buf, 0
	}
	buf, flags := norm.Append(buf[:0], raw, k)
	return str(buf), buf, flags
}

// parts cuts the event's target into path and query.
func (m *Matcher) parts() *webParts {
	w := &m.web
	if w.epoch == m.epoch {
		return w
	}
	w.epoch = m.epoch
	h := &m.ev.HTTP
	w.target = cut(h.Target)
	w.path, w.query = h.Path, h.Query
	w.joined = false
	if n := len(h.Path); len(h.Target) >= n && h.Target[:n] == h.Path {
		switch {
		case len(h.Target) == n && h.Query == "":
			w.joined = true
			w.path, w.query = w.target, ""
		case len(h.Target) == n+1+len(h.Query) && h.Target[n] == '?' && h.Target[n+1:] == h.Query && n < len(w.target):
			w.joined = true
			w.path, w.query = w.target[:n], w.target[n+1:]
		}
	}
	w.path, w.query = cut(w.path), cut(w.query)
	w.pathClass, w.queryClass = norm.Scan(w.path), norm.Scan(w.query)
	w.pathClean, w.queryClean = w.pathClass.Decoded(norm.Path), w.queryClass.Decoded(norm.Query)
	w.pathCanon = w.pathClass.Canonical(w.path, norm.Path)
	w.queryCanon = w.queryClass.Canonical(w.query, norm.Query)
	w.bits = 0
	if len(h.Target) > MaxText || len(h.Path) > MaxText || len(h.Query) > MaxText {
		w.bits = norm.Truncated
	}
	return w
}

// webText returns target, path or query in a view.
func (m *Matcher) webText(f Field, v View) string {
	w := m.parts()
	if v == ViewRaw {
		switch f {
		case HTTPTarget:
			return w.target
		case HTTPPath:
			return w.path
		}
		return w.query
	}
	t := &m.views[f][v]
	if t.at == m.epoch {
		return t.text
	}
	if f != HTTPTarget && w.joined {
		m.webText(HTTPTarget, v)
		return t.text
	}
	t.at = m.epoch
	switch {
	case f == HTTPPath:
		t.text, t.buf, _ = render(t.buf, w.path, w.pathClass, norm.Path, v)
	case f == HTTPQuery:
		t.text, t.buf, _ = render(t.buf, w.query, w.queryClass, norm.Query, v)
	case !w.joined:
		t.text, t.buf, _ = render(t.buf, w.target, norm.Scan(w.target), norm.Text, v)
	default:
		m.joinedText(t, w, v)
	}
	return t.text
}

// joinedText fills in target, path and query of a view at once.
func (m *Matcher) joinedText(t *viewText, w *webParts, v View) {
	path, query := &m.views[HTTPPath][v], &m.views[HTTPQuery][v]
	path.at, query.at = m.epoch, m.epoch
	c := w.pathClass | w.queryClass
	if v == ViewDecoded && w.pathClean && w.queryClean || v == ViewCanon && w.pathCanon && w.queryCanon && !c.Upper() {
		t.text, path.text, query.text = w.target, w.path, w.query
		return
	}
	view := norm.Append
	if v == ViewDecoded {
		view = norm.AppendDecoded
	}
	buf, _ := view(t.buf[:0], w.path, norm.Path)
	n := len(buf)
	if len(w.path) < len(w.target) {
		buf = append(buf, '?')
		buf, _ = view(buf, w.query, norm.Query)
	}
	t.buf, t.text = buf, str(buf)
	path.text, query.text = t.text[:n], ""
	if n < len(buf) {
		query.text = t.text[n+1:]
	}
}

// resolved returns the path with its dot segments resolved.
func (m *Matcher) resolved() string {
	w := m.parts()
	if w.resolvedAt == m.epoch {
		return w.resolved
	}
	w.resolvedAt = m.epoch
	w.resolved = m.webText(HTTPPath, ViewCanon)
	if strings.HasPrefix(w.resolved, ".") || strings.Contains(w.resolved, "/.") {
		var f norm.Flags
		w.resolvedBuf, f = norm.AppendResolved(w.resolvedBuf[:0], w.resolved)
		w.resolved = str(w.resolvedBuf)
		w.bits |= f
	}
	return w.resolved
}

// masked returns the path with runs of digits masked.
func (m *Matcher) masked() string {
	w := m.parts()
	if w.maskedAt != m.epoch {
		w.maskedAt = m.epoch
		w.maskedBuf = norm.AppendMasked(w.maskedBuf[:0], w.path)
		w.masked = str(w.maskedBuf)
	}
	return w.masked
}

// flags returns those of the wanted flags that the request has.
func (m *Matcher) flags(want norm.Flags) norm.Flags {
	w := m.parts()
	if w.flagsAt != m.epoch {
		w.flagsAt = m.epoch
		if !w.pathClean {
			var f norm.Flags
			m.low, f = norm.AppendDecoded(m.low[:0], w.path, norm.Path)
			w.bits |= f
		}
		if !w.queryClean {
			var f norm.Flags
			m.low, f = norm.AppendDecoded(m.low[:0], w.query, norm.Query)
			w.bits |= f
		}
	}
	if want&norm.EscapesRoot != 0 && (!w.pathCanon || strings.HasPrefix(w.path, ".")) {
		m.resolved()
	}
	if want&norm.Embedded != 0 && w.query != "" {
		m.args(ViewDecoded)
		if w.embedded {
			w.bits |= norm.Embedded
		}
	}
	if m.over {
		w.bits |= norm.Budget
	}
	return w.bits & want
}

// args returns the parameters of the query in a view. The decoded and canon
// views also have what the second reading (';' parts parameters) and embedded
// JSON or base64 give.
func (m *Matcher) args(v View) []arg {
	w := m.parts()
	if w.argsAt[v] == m.epoch {
		return w.args[v]
	}
	w.argsAt[v] = m.epoch
	out := w.args[v][:0]
	buf := w.argBuf[v][:0]
	switch v {
	case ViewRaw:
		out = splitArgs(out, w.query, '&')
	case ViewDecoded:
		out = splitArgs(out, w.query, '&')
		if strings.IndexByte(w.query, ';') >= 0 {
			out = splitArgs(out, w.query, ';')
		}
		for i := range out {
			if w.queryClean {
				break
			}
			out[i].name, buf = decodeArg(out[i].name, buf)
			out[i].value, buf = decodeArg(out[i].value, buf)
		}
		w.embedded = false
		if len(w.query) >= minEmbedded {
			for i, n := 0, len(out); i < n; i++ {
				var s string
				if s, buf = embedded(out[i].value, buf); s != "" {
					out = append(out, arg{out[i].name, s})
					w.embedded = true
				}
			}
		}
	case ViewCanon:
		for _, a := range m.args(ViewDecoded) {
			a.name, buf = canonArg(a.name, buf)
			a.value, buf = canonArg(a.value, buf)
			out = append(out, a)
		}
	}
	w.args[v], w.argBuf[v] = out, buf
	return out
}

// splitArgs cuts a query at sep and each part at its first '='.
func splitArgs(out []arg, query string, sep byte) []arg {
	for query != "" {
		part := query
		if i := strings.IndexByte(query, sep); i >= 0 {
			part, query = query[:i], query[i+1:]
		} else {
			query = ""
		}
		if part == "" {
			continue
		}
		if i := strings.IndexByte(part, '='); i >= 0 {
			out = append(out, arg{part[:i], part[i+1:]})
		} else {
			out = append(out, arg{part, ""})
		}
	}
	return out
}

func decodeArg(s string, buf []byte) (string, []byte) {
	if norm.Scan(s).Decoded(norm.Query) {
		return s, buf
	}
	n := len(buf)
	buf, _ = norm.AppendDecoded(buf, s, norm.Query)
	return str(buf[n:]), buf
}

func canonArg(s string, buf []byte) (string, []byte) {
	n := len(buf)
	c := norm.Scan(s)
	if !c.Upper() && c.Tidy(s) {
		return s, buf
	}
	buf = append(buf, s...)
	buf = buf[:n+len(norm.Canon(buf[n:], norm.Query))]
	return str(buf[n:]), buf
}

// minEmbedded is the length from which a value is looked at for JSON or base64.
const minEmbedded = 16

// embedded decodes a value that looks like JSON with escapes or like base64 of
// readable text, and appends what it holds to buf. It returns "" if it does
// not.
func embedded(s string, buf []byte) (string, []byte) {
	if len(s) < minEmbedded {
		return "", buf
	}
	n := len(buf)
	if c := s[0]; c == '{' || c == '[' || c == '"' {
		if strings.IndexByte(s, '\\') < 0 {
			return "", buf
		}
		buf = norm.AppendJSON(buf, s)
		return str(buf[n:]), buf
	}
	var ok bool
	if buf, ok = norm.AppendBase64(buf, s); !ok {
		return "", buf[:n]
	}
	return str(buf[n:]), buf
}
