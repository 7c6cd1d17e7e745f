package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// mutation is a disguise that leaves an attack what it is.
type mutation struct {
	name string
	// types are those of attacks that survive it; nil: all.
	types []string
	// value disguises the decoded value of a parameter and encodes it.
	value func(string) string
}

var mutations = []mutation{
	{"letter case", []string{"sqli", "xss"}, func(s string) string { return encode(swapCase(s)) }},
	{"percent-encoding", nil, func(s string) string { return percentAll(s, 1) }},
	{"percent-encoding, twice", nil, func(s string) string { return percentAll(s, 2) }},
	{"percent-encoding, three times", nil, func(s string) string { return percentAll(s, 3) }},
	{"overlong UTF-8", []string{"sqli", "xss", "traversal"}, overlongForms},
	{"%uXXXX", []string{"sqli", "xss", "traversal"}, unicodeForms},
	{"comments for spaces", []string{"sqli"}, func(s string) string { return encode(spaces(s, "/**/", "/*x*/")) }},
	{"+ for spaces", nil, func(s string) string { return strings.ReplaceAll(encode(s), "%20", "+") }},
	{"tabs and newlines for spaces", []string{"sqli", "xss"}, func(s string) string { return encode(spaces(s, "\t", "\n")) }},
	{"HTML entities", []string{"xss"}, entityForms},
	{"NUL around", nil, func(s string) string { return "%00" + encode(s) + "%00" }},
	{"path noise", []string{"traversal"}, func(s string) string { return encode(strings.ReplaceAll(s, "../", ".././/")) }},
}

// webTypes are the types of attacks that are mutated.
var webTypes = []string{"sqli", "xss", "traversal", "rce", "code_injection", "ssti", "log4shell", "nosqli", "ldap", "ssrf", "rfi", "xxe", "crlf"}

// mutated returns the case with each value of its query disguised, false if it is
// none of those that the mutation is for.
func (m *mutation) mutated(c *Case) (*Case, bool) {
	if c.sequence() || c.Expect.Attack == nil || !*c.Expect.Attack || !slices.Contains(webTypes, c.Expect.Type) ||
		m.types != nil && !slices.Contains(m.types, c.Expect.Type) {
		return nil, false
	}
	from := strings.Index(c.Line, `"GET `) + 5
	to := strings.LastIndex(c.Line, " HTTP/")
	if from < 5 || to < from {
		return nil, false
	}
	path, query, ok := strings.Cut(c.Line[from:to], "?")
	if !ok {
		return nil, false
	}
	params := strings.Split(unescape(query), "&")
	found := false
	for i, p := range params {
		name, value, ok := strings.Cut(p, "=")
		if !ok || value == "" {
			continue
		}
		found = true
		params[i] = name + "=" + m.value(decode(value))
	}
	if !found {
		return nil, false
	}
	out := *c
	out.Line = c.Line[:from] + path + "?" + escape(strings.Join(params, "&")) + c.Line[to:]
	return &out, true
}

// unescape undoes \xHH of nginx, escape writes quotes and backslashes so.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' && unhex(s[i+2]) < 16 && unhex(s[i+3]) < 16 {
			b.WriteByte(unhex(s[i+2])<<4 | unhex(s[i+3]))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func escape(s string) string {
	return strings.NewReplacer(`"`, `\x22`, `\`, `\x5C`, " ", "%20").Replace(s)
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// decode undoes one round of percent-encoding; what is malformed stays.
func decode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16:
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		case s[i] == '+':
			b.WriteByte(' ')
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func word(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// encode percent-encodes what must be, percentAll all but letters and digits, so
// many times.
func encode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; word(c) || strings.IndexByte("-_.~/()*,:;!'@", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

func percentAll(s string, times int) string {
	var b strings.Builder
	for i := range len(s) {
		if word(s[i]) {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%s%02x", strings.Repeat("25", times-1), s[i])
		}
	}
	return b.String()
}

// swapCase changes the case of letters at random, the same each time, but not
// where %xx or \xHH stand for bytes.
func swapCase(s string) string {
	r := rand.New(rand.NewPCG(uint64(len(s)), 1))
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c|0x20 && c|0x20 <= 'z' && r.IntN(2) == 0 {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}

// spaces puts two others in the place of spaces by turns.
func spaces(s, one, two string) string {
	parts := strings.Split(s, " ")
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString([2]string{one, two}[i%2])
		}
		b.WriteString(p)
	}
	return b.String()
}

// overlongForms writes signs in two bytes where one is enough.
func overlongForms(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x80 && !word(c) && c != ' ' {
			fmt.Fprintf(&b, "%%c%x%%%02x", c>>6, 0x80|c&0x3f)
		} else {
			b.WriteString(encode(s[i : i+1]))
		}
	}
	return b.String()
}

// unicodeForms writes signs as servers of Microsoft read them.
func unicodeForms(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x80 && !word(c) {
			fmt.Fprintf(&b, "%%u%04x", c)
		} else {
			b.WriteString(percentAll(s[i:i+1], 1))
		}
	}
	return b.String()
}

// entityForms writes signs as HTML may.
func entityForms(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x80 && !word(c) && c != ' ' {
			fmt.Fprintf(&b, "%%26%%23x%x%%3b", c)
		} else {
			b.WriteString(percentAll(s[i:i+1], 1))
		}
	}
	return b.String()
}

// robust asks the rules about each attack on a web server under each mutation
// and prints what is lost. It shows so many lost cases of each.
func robust(set *rule.Set, cases []*Case, misses int) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "mutation\tcases\tfound as they were %\tfound %\tlost points")
	worst, name := 0.0, "none"
	var shown []string
	f := &finder{set: set, m: set.NewMatcher(), parsers: map[string]*parse.Parser{}}
	for i := range mutations {
		m := &mutations[i]
		n, before, after, left := 0, 0, 0, misses
		for _, c := range cases {
			x, ok := m.mutated(c)
			if !ok {
				continue
			}
			n++
			was, is := f.finds(c), f.finds(x)
			if was {
				before++
			}
			if is {
				after++
			}
			if was && !is && left > 0 {
				left--
				shown = append(shown, fmt.Sprintf("%s: %s: %.300s", m.name, c.ID, x.Line))
			}
		}
		n = max(n, 1)
		lost := 100 * float64(before-after) / float64(n)
		if lost > worst {
			worst, name = lost, m.name
		}
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\n", m.name, n, 100*float64(before)/float64(n), 100*float64(after)/float64(n), lost)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nthe worst mutation loses %.1f points: %s\n", worst, name)
	for _, s := range shown {
		fmt.Println(s)
	}
	return nil
}

// finder asks the rules alone, which is quicker than an engine for each case.
type finder struct {
	set     *rule.Set
	m       *rule.Matcher
	parsers map[string]*parse.Parser
}

// finds reports whether a rule matches a case of one line.
func (f *finder) finds(c *Case) bool {
	p := f.parsers[c.Source]
	if p == nil {
		typ, err := parse.ParseType(c.Source)
		if err != nil {
			typ = sentinel.TypeAuto
		}
		p = parse.New(parse.Config{Type: typ})
		f.parsers[c.Source] = p
	}
	var ev sentinel.Event
	now := time.Unix(0, 0)
	p.Parse(c.Line, now, now, &ev)
	return slices.ContainsFunc(f.m.Match(&ev), func(mt rule.Match) bool { return !f.set.Rule(int(mt.Rule)).Ambient() })
}
