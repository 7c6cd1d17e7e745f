// Package benign makes harmless request targets of many kinds of sites: shops,
// blogs, interfaces for programs, dashboards, single sign-on, advertising. It is
// what the payload model learns to leave alone, beside real traffic.
//
// The same seed gives the same targets.
package benign

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
)

// Generator makes targets. One goroutine uses it at a time.
type Generator struct{ r *rand.Rand }

// New returns a generator.
func New(seed uint64) *Generator {
	return &Generator{rand.New(rand.NewPCG(seed, 0x62656e69676e))}
}

// Target returns the next target, percent-encoded as browsers and programs do it.
func (g *Generator) Target() string { return pick(g, sites)(g) }

func pick[T any](g *Generator, list []T) T { return list[g.r.IntN(len(list))] }

// sites are the kinds of traffic; those that are common stand more than once.
var sites = []func(*Generator) string{
	(*Generator).shop, (*Generator).shop, (*Generator).blog, (*Generator).blog, (*Generator).search, (*Generator).search,
	(*Generator).search, (*Generator).api, (*Generator).api, (*Generator).tracking, (*Generator).ads, (*Generator).ads,
	(*Generator).signOn, (*Generator).dashboard, (*Generator).query, (*Generator).files, (*Generator).wordpress, (*Generator).maps,
	(*Generator).forms, (*Generator).codeTalk,
}

// Value escapes a parameter's value in one of the ways that are met: as forms do
// it, as scripts do it, or hardly.
func (g *Generator) Value(s string) string {
	switch g.r.IntN(5) {
	case 0, 1:
		return url.QueryEscape(s)
	case 2, 3:
		return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	}
	return sparing.Replace(s)
}

// sparing escapes what cannot stand in a log's request line.
var sparing = strings.NewReplacer(" ", "%20", "%", "%25", `"`, "%22", "&", "%26", "#", "%23", "+", "%2B", "\n", "%0A", "\r", "%0D", "<", "%3C", ">", "%3E")

// build joins a path and parameters, some of which are left out.
func (g *Generator) build(path string, params ...[2]string) string {
	var b strings.Builder
	b.WriteString(path)
	sep := byte('?')
	for i, p := range params {
		if i > 0 && g.r.IntN(4) == 0 {
			continue
		}
		b.WriteByte(sep)
		b.WriteString(p[0])
		b.WriteByte('=')
		b.WriteString(g.Value(p[1]))
		sep = '&'
	}
	return b.String()
}

func (g *Generator) number(below int) string { return fmt.Sprint(g.r.IntN(below)) }

func (g *Generator) hex(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[g.r.IntN(16)]
	}
	return string(b)
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func (g *Generator) token(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[g.r.IntN(len(letters))]
	}
	return string(b)
}

func (g *Generator) uuid() string {
	h := g.hex(32)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (g *Generator) base64(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.r.Uint32())
	}
	if g.r.IntN(2) == 0 {
		return base64.StdEncoding.EncodeToString(b)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func (g *Generator) date() string {
	y, m, d := 2009+g.r.IntN(20), 1+g.r.IntN(12), 1+g.r.IntN(28)
	switch g.r.IntN(5) {
	case 0:
		return fmt.Sprintf("%02d.%02d.%d", d, m, y)
	case 1:
		return fmt.Sprintf("%d/%d/%d", m, d, y)
	case 2:
		return fmt.Sprintf("%d-%02d-%02dT%02d:%02d:00.000Z", y, m, d, g.r.IntN(24), g.r.IntN(60))
	case 3:
		return fmt.Sprintf("%d-%02d-%02d %02d:%02d:%02d", y, m, d, g.r.IntN(24), g.r.IntN(60), g.r.IntN(60))
	}
	return fmt.Sprintf("%d-%02d-%02d", y, m, d)
}

func (g *Generator) host() string {
	return pick(g, []string{"www.", "", "m.", "shop.", "cdn.", "blog.", "app."}) + pick(g, english) + pick(g, []string{"", "-", ""}) + pick(g, english) +
		pick(g, []string{".com", ".org", ".net", ".de", ".co.uk", ".io", ".fr", ".com.br"})
}

func (g *Generator) link() string {
	s := "https://" + g.host() + "/" + g.slug()
	if g.r.IntN(2) == 0 {
		s += "?" + pick(g, []string{"id", "p", "ref", "utm_source", "lang"}) + "=" + pick(g, english)
	}
	if g.r.IntN(4) == 0 {
		s += "&" + pick(g, []string{"page", "view", "tab"}) + "=" + g.number(30)
	}
	if g.r.IntN(6) == 0 {
		s += "#" + pick(g, english)
	}
	return s
}

func (g *Generator) slug() string {
	n := 1 + g.r.IntN(6)
	parts := make([]string, n)
	for i := range parts {
		parts[i] = pick(g, english)
	}
	s := strings.Join(parts, pick(g, []string{"-", "-", "_", "/"}))
	return s + pick(g, []string{"", "", "", "/", ".html", ".php", "-" + g.number(9999)})
}

func (g *Generator) mail() string {
	return pick(g, english) + pick(g, []string{"", ".", "_", "+"}) + pick(g, english) + "@" + g.host()
}

func (g *Generator) name() string {
	n := pick(g, givenNames) + " " + pick(g, familyNames)
	if g.r.IntN(8) == 0 {
		n += pick(g, []string{" Jr.", ", PhD", " (admin)", " & " + pick(g, givenNames), " III"})
	}
	return n
}

// phrase is what people type: words of one language, with what stands between
// and around words.
func (g *Generator) phrase() string {
	words := pick(g, languages)
	n := 1 + g.r.IntN(6)
	parts := make([]string, n)
	for i := range parts {
		w := pick(g, words)
		switch g.r.IntN(24) {
		case 0:
			w = strings.ToUpper(w)
		case 1:
			w = g.number(3000)
		case 2:
			w = pick(g, apostrophes)
		case 3:
			w = pick(g, oddWords)
		}
		parts[i] = w
	}
	s := strings.Join(parts, " ")
	switch g.r.IntN(18) {
	case 0:
		s = `"` + s + `"`
	case 1:
		s += "?"
	case 2:
		s += pick(g, []string{"!", "...", " :)", " ;-)", " <3", " =)", " -", "!!", " ?!"})
	case 3:
		around := pick(g, []string{"()", "[]", "''", "{}", "**"})
		s = around[:1] + s + around[1:]
	case 4:
		s = s + pick(g, []string{", ", " - ", ": ", "; ", " / ", " & ", " + ", " vs. ", " | "}) + pick(g, words)
	case 5:
		s = s + " -" + pick(g, words)
	case 6:
		s = `"` + s + `" ` + pick(g, []string{"OR", "AND", "NOT", "+"}) + ` "` + pick(g, words) + `"`
	case 7:
		s = pick(g, []string{"site:", "intitle:", "author:", "tag:", "inurl:"}) + pick(g, words) + " " + s
	}
	return s
}

// sentence is a line or two of prose.
func (g *Generator) sentence() string {
	words := pick(g, languages)
	n := 5 + g.r.IntN(20)
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(pick(g, []string{" ", " ", " ", " ", " ", " ", ", ", " ", " - ", "; ", " (", ") ", ". ", "\n"}))
		}
		if g.r.IntN(30) == 0 {
			b.WriteString(pick(g, apostrophes))
		} else {
			b.WriteString(pick(g, words))
		}
	}
	return b.String() + pick(g, []string{".", "!", "?", "", "...", " :-)"})
}

// Path returns a path of some site, Name the name of a parameter.
func (g *Generator) Path() string {
	return g.path("/", "/index.php", "/search", "/"+g.slug(), "/api/v1/"+pick(g, english), "/"+pick(g, english)+"/"+g.number(9999), "/"+pick(g, english)+".php", "/"+pick(g, english)+".jsp")
}

// Name returns the name of a parameter.
func (g *Generator) Name() string {
	return pick(g, []string{"q", "id", "name", "page", "search", "query", "text", "cat", "user", "ref", "item", "file", "url", "lang", "title", "view", "msg", "x", "s", "p", "var", "test", "arg", "data", "key", "filter", "email", pick(g, english), pick(g, english) + "_" + pick(g, english)})
}
