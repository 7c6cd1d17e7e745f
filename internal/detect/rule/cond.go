package rule

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// View says how a text is read.
type View uint8

// The views; see package norm.
const (
	ViewRaw View = iota
	ViewDecoded
	ViewCanon
	numViews
)

var viewNames = [numViews]string{"raw", "decoded", "canon"}

// String returns "raw", "decoded" or "canon".
func (v View) String() string { return viewNames[v] }

// Cond is a condition: a tree of comparisons. It does not change once read.
type Cond struct {
	kind condKind
	kids []*Cond
	leaf *leaf
	line int
}

type condKind uint8

const (
	condLeaf condKind = iota
	condAll
	condAny
	condNot
)

// op is what a leaf does with its field.
type op uint8

const (
	opEquals op = iota
	opContains
	opStartsWith
	opEndsWith
	opPattern
	opCIDR
	opGT
	opGTE
	opLT
	opLTE
	opExists
	opLengthGT
	opFieldRef
	opSQLi
	opSQLiAny
	opXSS
	opCountry
)

var opNames = map[string]op{
	"equals": opEquals, "contains": opContains, "startswith": opStartsWith, "endswith": opEndsWith,
	"pattern": opPattern, "re": opPattern, "cidr": opCIDR, "gt": opGT, "gte": opGTE, "lt": opLT, "lte": opLTE,
	"exists": opExists, "length_gt": opLengthGT, "fieldref": opFieldRef,
	"country": opCountry,
}

// opKeys are the keys of a leaf beside field.
var opKeys = []string{
	"equals", "contains", "startswith", "endswith", "pattern", "re", "cidr", "gt", "gte", "lt", "lte", "exists",
	"in_file", "length_gt", "fieldref", "country", "libinjection", "value", "values",
}

func (o op) String() string {
	switch o {
	case opSQLi:
		return "libinjection: sqli"
	case opSQLiAny:
		return "libinjection: sqli_any"
	case opXSS:
		return "libinjection: xss"
	}
	for _, name := range opKeys {
		if p, ok := opNames[name]; ok && p == o {
			return name
		}
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// leaf is one comparison.
type leaf struct {
	field Field
	// name is NAME where field is Audit.
	name string
	view View
	op   op
	// cased compares letters exactly; all wants every value, not one.
	cased, all bool
	// want is the value of exists and of bools.
	want bool
	// negated: an odd number of nots is above.
	negated  bool
	texts    []string // folded unless cased
	globs    []glob   // equals with wildcards
	patterns []*pattern
	numbers  []int64
	names    uint64 // of a KindName field: bit i is the i-th name
	flags    uint16 // of norm.flags
	prefixes []netip.Prefix
	other    Field
	file     string
	line     int
	// numbered are the numbers of the patterns in the set
	numbered []int32
	// set by prepare
	set   map[string]struct{}
	multi *finder
	nets  *netSet
	edges *edges
}

// key returns a text that is equal for leaves that mean the same.
func (l *leaf) key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d|%s|%d|%d|%t|%t|%t|%d|%d|", l.field, l.name, l.view, l.op, l.cased, l.all, l.want, l.flags, l.other)
	if geographic(l) && l.negated {
		b.WriteString("negated|")
	}
	for _, s := range l.texts {
		b.WriteString(strconv.Quote(s) + ",")
	}
	for _, g := range l.globs {
		b.WriteString("*" + strconv.Quote(g.src) + ",")
	}
	for _, p := range l.patterns {
		b.WriteString("/" + strconv.Quote(p.src) + ",")
	}
	for _, n := range l.numbers {
		b.WriteString(strconv.FormatInt(n, 10) + ",")
	}
	for _, p := range l.prefixes {
		b.WriteString(p.String() + ",")
	}
	b.WriteString(l.file)
	return b.String()
}

// key returns a text that is equal for trees that mean the same.
func (c *Cond) key() string {
	if c == nil {
		return "-"
	}
	if c.kind == condLeaf {
		return "{" + c.leaf.key() + "}"
	}
	parts := make([]string, len(c.kids))
	for i, k := range c.kids {
		parts[i] = k.key()
	}
	return fmt.Sprintf("%d(%s)", c.kind, strings.Join(parts, " "))
}

// walk calls f for each leaf; not says whether an odd number of nots is above.
func (c *Cond) walk(not bool, f func(l *leaf, not bool)) {
	if c == nil {
		return
	}
	if c.kind == condLeaf {
		f(c.leaf, not)
		return
	}
	for _, k := range c.kids {
		k.walk(not != (c.kind == condNot), f)
	}
}

// glob is text with wildcards: '*' any run, '?' any one character, both literal
// after a backslash.
type glob struct {
	src   string
	parts []globPart
}

type globPart struct {
	kind byte // 0 a literal byte, '*' or '?'
	lit  byte
}

// newGlob reads text with wildcards. It reports false if there are none; the
// text without backslash escapes is returned then.
func newGlob(src string) (glob, string, bool) {
	g := glob{src: src}
	wild := false
	var plain []byte
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '\\' && i+1 < len(src) && (src[i+1] == '*' || src[i+1] == '?' || src[i+1] == '\\'):
			i++
			g.parts = append(g.parts, globPart{lit: src[i]})
			plain = append(plain, src[i])
		case c == '*' || c == '?':
			wild = true
			if c == '*' && len(g.parts) > 0 && g.parts[len(g.parts)-1].kind == '*' {
				continue
			}
			g.parts = append(g.parts, globPart{kind: c})
		default:
			g.parts = append(g.parts, globPart{lit: c})
			plain = append(plain, c)
		}
	}
	return g, string(plain), wild
}

// width1 is the length of the first character of s.
func width1(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// match reports whether s is as g says. It takes at most len(s)·len(g) steps.
func (g glob) match(s string, cased bool) bool {
	i, j, star, mark := 0, 0, -1, 0
	for i < len(s) {
		c := s[i]
		if !cased {
			c = lower[c]
		}
		switch {
		case j < len(g.parts) && g.parts[j].kind == 0 && g.parts[j].lit == c:
			i, j = i+1, j+1
		case j < len(g.parts) && g.parts[j].kind == '?':
			i, j = i+width1(s[i:]), j+1
		case j < len(g.parts) && g.parts[j].kind == '*':
			star, mark = j, i
			j++
		case star >= 0:
			mark += width1(s[mark:])
			i, j = mark, star+1
		default:
			return false
		}
	}
	for j < len(g.parts) && g.parts[j].kind == '*' {
		j++
	}
	return j == len(g.parts)
}

// pieces returns the runs of literal bytes.
func (g glob) pieces() []string {
	var out []string
	var run []byte
	for _, p := range g.parts {
		if p.kind == 0 {
			run = append(run, p.lit)
			continue
		}
		if len(run) > 0 {
			out = append(out, string(run))
		}
		run = run[:0]
	}
	if len(run) > 0 {
		out = append(out, string(run))
	}
	return out
}

// fold puts ASCII capitals in lower case.
func fold(s string) string {
	if !slices.ContainsFunc([]byte(s), func(c byte) bool { return 'A' <= c && c <= 'Z' }) {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		b[i] = lower[c]
	}
	return string(b)
}

// lower maps ASCII capitals to small letters.
var lower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()
