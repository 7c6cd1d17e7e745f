package rule

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule/norm"
)

// The naive evaluation reads conditions as the reference says, with the
// standard library only: no index, no memo, no selector.

// naiveTexts returns the values of a text field in a view.
func naiveTexts(ev *sentinel.Event, f Field, v View) []string {
	path, query, kind := ev.HTTP.Path, ev.HTTP.Query, norm.Text
	view := func(s string, k norm.Kind) string {
		var b []byte
		switch v {
		case ViewRaw:
			return s
		case ViewDecoded:
			b, _ = norm.AppendDecoded(nil, s, k)
		default:
			b, _ = norm.Append(nil, s, k)
		}
		return string(b)
	}
	switch f {
	case HTTPPath:
		return []string{view(path, norm.Path)}
	case HTTPQuery:
		return []string{view(query, norm.Query)}
	case HTTPTarget:
		if strings.Contains(ev.HTTP.Target, "?") {
			return []string{view(path, norm.Path) + "?" + view(query, norm.Query)}
		}
		return []string{view(path, norm.Path)}
	case HTTPPathResolved:
		canon, _ := norm.Append(nil, path, norm.Path)
		out, _ := norm.AppendResolved(nil, string(canon))
		return []string{string(out)}
	case HTTPPathMasked:
		return []string{string(norm.AppendMasked(nil, path))}
	case HTTPArgs, HTTPArgNames:
		return naiveArgs(query, f, v, view)
	case HTTPUserAgent:
		kind = norm.Agent
	}
	return []string{view(f.text(ev), kind)}
}

func naiveArgs(query string, f Field, v View, view func(string, norm.Kind) string) []string {
	var out []string
	read := func(sep string) {
		for part := range strings.SplitSeq(query, sep) {
			if part == "" {
				continue
			}
			name, value, _ := strings.Cut(part, "=")
			if f == HTTPArgNames {
				value = name
			}
			out = append(out, view(value, norm.Query))
			if v == ViewRaw || f == HTTPArgNames {
				continue
			}
			dec, _ := norm.AppendDecoded(nil, value, norm.Query)
			if s, _ := embedded(string(dec), nil); s != "" {
				if v == ViewCanon {
					s = string(norm.Canon([]byte(s), norm.Query))
				}
				out = append(out, s)
			}
		}
	}
	read("&")
	if v != ViewRaw && strings.Contains(query, ";") {
		read(";")
	}
	return out
}

func naive(ev *sentinel.Event, c *Cond) bool {
	switch c.kind {
	case condAll:
		for _, k := range c.kids {
			if !naive(ev, k) {
				return false
			}
		}
		return true
	case condAny:
		for _, k := range c.kids {
			if naive(ev, k) {
				return true
			}
		}
		return false
	case condNot:
		return !naive(ev, c.kids[0])
	}
	return naiveLeaf(ev, c.leaf)
}

func naiveLeaf(ev *sentinel.Event, l *leaf) bool {
	switch l.field.Kind() {
	case KindName:
		for _, n := range l.numbers {
			if nameList(l.field)[n] == l.field.text(ev) {
				return true
			}
		}
		return false
	case KindNumber:
		v, ok := l.field.number(ev)
		return l.testNumber(v, ok, ev)
	case KindAddr:
		for _, p := range l.prefixes {
			if a := l.field.Addr(ev); a.IsValid() && p.Contains(a.Unmap()) {
				return true
			}
		}
		return false
	}
	values := naiveTexts(ev, l.field, l.view)
	if l.op == opExists {
		return (len(values) > 0 && (l.field.Kind() == KindTexts || values[0] != "")) == l.want
	}
	hit := func(i int) bool {
		for _, s := range values {
			if naiveOne(l, s, i) {
				return true
			}
		}
		return false
	}
	for i := range l.count() {
		if hit(i) != l.all {
			return !l.all
		}
	}
	return l.all
}

func naiveOne(l *leaf, s string, i int) bool {
	if i < len(l.texts) {
		v := l.texts[i]
		if !l.cased {
			s = asciiLower(s)
		}
		switch l.op {
		case opEquals:
			return s == v
		case opStartsWith:
			return strings.HasPrefix(s, v)
		case opEndsWith:
			return strings.HasSuffix(s, v)
		}
		return strings.Contains(s, v)
	}
	if i -= len(l.texts); i < len(l.globs) {
		var b strings.Builder
		var run []byte
		b.WriteString(`(?s)\A`)
		for _, p := range append(slices.Clone(l.globs[i].parts), globPart{kind: '$'}) {
			if p.kind == 0 {
				run = append(run, p.lit)
				continue
			}
			b.WriteString(regexp.QuoteMeta(string(run)))
			run = run[:0]
			switch p.kind {
			case '*':
				b.WriteString(".*")
			case '?':
				b.WriteString(".")
			}
		}
		if !l.cased {
			s = asciiLower(s)
		}
		return regexp.MustCompile(b.String() + `\z`).MatchString(s)
	}
	return regexp.MustCompile(l.patterns[i-len(l.globs)].src).MatchString(s)
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// gen makes rules and events out of few words, so that they meet.
type gen struct{ *rand.Rand }

var genWords = []string{
	"union", "select", "sleep", "passwd", "etc", "script", "kick", "or", "id", "admin", ".php", "../", "<", "'", "x", "1",
	"sqlmap", "Nikto", "Root", "%2e", "%27", "+", " ", "/*a*/", "//", "/./", "\\", "&lt;", "%2541", ";", "a=", "&", "&b=", "%", "é",
	"cGFzc3dkIHVuaW9uIHNlbGVjdA==", `{"a":"\u003cscript"}`, "Mozilla", "%c0%af", "  ",
}

func (g gen) pick(words []string) string { return words[g.IntN(len(words))] }

func (g gen) text(n int) string {
	var b strings.Builder
	for range g.IntN(n) {
		b.WriteString(g.pick(genWords))
	}
	return b.String()
}

func (g gen) pattern() string {
	atom := func() string {
		switch g.IntN(9) {
		case 0:
			return `\s+`
		case 1:
			return "[a-z]"
		case 2:
			return ".{0,3}"
		case 3:
			return `\b`
		case 4:
			return "[kS']"
		case 5:
			return "(?:" + regexp.QuoteMeta(g.pick(genWords[:20])) + "|" + regexp.QuoteMeta(g.pick(genWords[:20])) + ")"
		case 6:
			return "(?:" + regexp.QuoteMeta(g.pick(genWords[:20])) + ")" + g.pick([]string{"?", "*", "+", "{2}", "{1,2}"})
		}
		return regexp.QuoteMeta(g.pick(genWords[:20]))
	}
	s := g.pick([]string{"", "", "(?i)", "^"})
	for range 1 + g.IntN(3) {
		s += atom()
	}
	if g.IntN(8) == 0 {
		s += "|" + atom() + atom()
	}
	return s
}

var genTextFields = []string{
	"message", "user", "http.target", "http.path", "http.query", "http.ua", "http.referer", "http.args", "http.arg_names",
	"http.path_resolved", "http.path_masked", "program", "http.method",
}

func (g gen) leaf() string {
	switch g.IntN(12) {
	case 0:
		return fmt.Sprintf("{event_type: [%s]}", g.pick([]string{"auth_fail", "http_access", "auth_ok, http_access", "other"}))
	case 1:
		return fmt.Sprintf("{field: http.status, %s: %d}", g.pick([]string{"gt", "lte", "equals"}), 200+g.IntN(3)*100)
	case 2:
		return "{field: src_ip, cidr: [198.51.100.0/24, 2001:db8::/32]}"
	case 3:
		return fmt.Sprintf("{field: %s, exists: %t}", g.pick(genTextFields), g.IntN(2) == 0)
	}
	f := g.pick(genTextFields)
	if f != "http.path_resolved" && f != "http.path_masked" {
		f += g.pick([]string{"", "|raw", "|decoded", "|canon", "|canon"})
	}
	op := g.pick([]string{"contains", "startswith", "endswith", "equals", "pattern", "pattern"})
	var values []string
	for range 1 + g.IntN(3) + g.IntN(2)*g.IntN(8) {
		switch op {
		case "pattern":
			values = append(values, g.pattern())
		case "equals":
			values = append(values, g.text(3)+g.pick([]string{"", "*", "?"})+g.text(2))
		default:
			values = append(values, g.pick(genWords)+g.text(2))
		}
	}
	f += g.pick([]string{"", "", "", "|all", "|cased"})
	for i, v := range values {
		values[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return fmt.Sprintf("{field: %s, %s: [%s]}", f, op, strings.Join(values, ", "))
}

func (g gen) cond(depth int) string {
	if depth == 0 || g.IntN(3) == 0 {
		return g.leaf()
	}
	switch g.IntN(5) {
	case 0:
		return "{not: " + g.cond(depth-1) + "}"
	case 1, 2:
		return "{any: [" + g.cond(depth-1) + ", " + g.cond(depth-1) + "]}"
	}
	return "{all: [" + g.cond(depth-1) + ", " + g.cond(depth-1) + "]}"
}

func (g gen) rules(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\nid: R_%03d\nname: r\nseverity: LOW\nconditions: %s\n", i, g.cond(3))
	}
	return b.String()
}

func (g gen) event() *sentinel.Event {
	ev := &sentinel.Event{}
	ev.Reset()
	ev.SrcIP = netip.MustParseAddr(g.pick([]string{"198.51.100.9", "203.0.113.1", "::ffff:198.51.100.3", "2001:db8::1"}))
	if g.IntN(3) == 0 {
		ev.Type, ev.SourceType, ev.Program = sentinel.EventAuthFail, sentinel.TypeSSH, "sshd"
		ev.User, ev.Message = g.text(3), g.text(6)
		return ev
	}
	ev.Type, ev.SourceType = sentinel.EventHTTPAccess, sentinel.TypeNginx
	ev.HTTP.Status, ev.HTTP.Method = 200+g.IntN(4)*100, g.pick([]string{"GET", "POST", "x"})
	ev.HTTP.Target = "/" + g.text(7)
	if g.IntN(2) == 0 {
		ev.HTTP.Target += "?" + g.pick([]string{"", "a=", "id="}) + g.text(7)
	}
	ev.HTTP.Path, ev.HTTP.Query, _ = strings.Cut(ev.HTTP.Target, "?")
	ev.HTTP.UserAgent, ev.HTTP.Referer = g.text(5), g.text(5)
	return ev
}

// differ compares the matcher with the naive evaluation on random rules and
// events of a seed.
func differ(t *testing.T, seed uint64, rules, events int) (matches int) {
	g := gen{rand.New(rand.NewPCG(seed, 1))}
	text := g.rules(rules)
	rs, problems := ParseFile("random.yml", []byte(text))
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("%v in\n%s", p, text)
		}
	}
	set, problems := Compile(rs)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	m := set.NewMatcher()
	var past []*sentinel.Event
	for i := range 3 * events {
		ev := g.event()
		if i%3 != 0 { // texts that were there before, in other company
			web, agent := past[g.IntN(len(past))].HTTP, past[g.IntN(len(past))].HTTP
			ev.HTTP.Target, ev.HTTP.Path, ev.HTTP.Query = web.Target, web.Path, web.Query
			ev.HTTP.UserAgent, ev.HTTP.Referer = agent.UserAgent, agent.Referer
		}
		past = append(past, ev)
		var want []string
		for _, r := range rs {
			if naive(ev, r.When) {
				want = append(want, r.ID)
			}
		}
		matches += len(want)
		got := m.Match(ev)
		if s := ids(set, got); s != strings.Join(want, " ") {
			t.Fatalf("seed %d: %+v\n%s", seed, *ev, difference(set, text, got, want))
		}
		for _, mt := range got {
			for _, e := range m.Evidence(ev, mt) {
				if e.Start < 0 || e.End < e.Start || e.End > len(e.Text) || len(e.Text) > maxEvidenceText {
					t.Fatalf("seed %d: evidence %+v of %s", seed, e, set.Rule(int(mt.Rule)).ID)
				}
			}
		}
	}
	return matches
}

// difference shows the rules that one way finds and the other does not.
func difference(set *Set, text string, got []Match, want []string) string {
	found := strings.Fields(ids(set, got))
	var b strings.Builder
	for i, doc := range strings.Split(text, "---\n")[1:] {
		id := fmt.Sprintf("R_%03d", i)
		if g, w := slices.Contains(found, id), slices.Contains(want, id); g != w {
			fmt.Fprintf(&b, "matches: %t, should: %t\n%s", g, w, doc)
			n, _ := set.ByID(id)
			fmt.Fprintf(&b, "%+v\n", set.Lint()[n])
		}
	}
	return b.String()
}

func TestDifferential(t *testing.T) {
	n, matches := 80, 0
	if testing.Short() {
		n = 20
	}
	for seed := range n {
		matches += differ(t, uint64(seed), 60, 60)
	}
	if matches < 100*n {
		t.Errorf("only %d matches: the test finds nothing", matches)
	}
}

func FuzzDifferential(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { differ(t, seed, 20, 20) })
}
