package rule

import (
	"math"
	"regexp/syntax"
	"slices"
	"strings"
)

// A requirement is a set of texts of which one must be in a field for a
// condition to hold.
type requirement struct {
	literals []literal
	// p estimates how often an ordinary line has one of them.
	p float64
}

// literal is a folded text and where it is looked for.
type literal struct {
	field Field
	view  View
	text  string
}

// Bounds of what is taken from patterns and lists.
const (
	maxExact    = 48     // alternatives that a run of a pattern may have
	maxRun      = 64     // bytes of such a run
	maxLiteral  = 12     // bytes of a text in the finder: its rarest window
	maxLiterals = 20_000 // texts of one condition
	usual       = 0.8    // what more than this share of lines has is no help
)

// require finds the rarest requirement of a condition; it reports false if
// there is none worth having.
func require(c *Cond) (requirement, bool) {
	switch c.kind {
	case condAll:
		best, found := requirement{p: math.Inf(1)}, false
		for _, k := range c.kids {
			if r, ok := require(k); ok && r.p < best.p {
				best, found = r, true
			}
		}
		return best, found
	case condAny:
		var sum requirement
		seen := map[literal]bool{}
		for _, k := range c.kids {
			r, ok := require(k)
			if !ok {
				return sum, false
			}
			sum.p += r.p
			for _, l := range r.literals {
				// The views of a text have the same literals: these do not add up.
				g := groupOf(l.field)
				if once := (literal{Field(g), ViewRaw, l.text}); !seen[once] {
					seen[once] = true
				} else {
					sum.p -= weights{target: g == groupTarget}.rarity(l.text)
				}
			}
			sum.literals = append(sum.literals, r.literals...)
		}
		return sum, sum.p < usual && len(sum.literals) <= maxLiterals
	case condNot:
		return requirement{}, false
	}
	r, ok := requireLeaf(c.leaf)
	return r, ok && r.p < usual && len(r.literals) <= maxLiterals
}

// requireLeaf does so for one comparison.
func requireLeaf(l *leaf) (requirement, bool) {
	if !indexable(l.field) {
		return requirement{}, false
	}
	var sets [][]string
	w := weights{target: groupOf(l.field) == groupTarget}
	switch l.op {
	case opEquals, opContains, opStartsWith, opEndsWith:
		for _, t := range l.texts {
			sets = append(sets, []string{fold(t)})
		}
		for _, g := range l.globs {
			best := ""
			for _, piece := range g.pieces() {
				if p := w.window(fold(piece)); best == "" || w.rarity(p) < w.rarity(best) {
					best = p
				}
			}
			sets = append(sets, []string{best})
		}
	case opPattern:
		for _, p := range l.patterns {
			sets = append(sets, w.analyze(p.tree()).required())
		}
	default:
		return requirement{}, false
	}
	if l.all {
		best := sets[0]
		for _, s := range sets[1:] {
			if w.commonness(s) < w.commonness(best) {
				best = s
			}
		}
		sets = [][]string{best}
	}
	var r requirement
	for _, set := range sets {
		if len(set) == 0 || slices.Contains(set, "") {
			return r, false
		}
		for _, t := range set {
			t = w.window(t)
			r.literals = append(r.literals, literal{l.field, l.view, t})
			r.p += w.rarity(t)
		}
	}
	return r.weighed(l), true
}

// weighed adds to the estimate what letters alone do not tell.
func (r requirement) weighed(l *leaf) requirement {
	switch l.field {
	case Program, Source, Host, Outcome:
		r.p += 0.5 // one more text to search, if only for this
	case HTTPMethod:
		for _, l := range r.literals {
			switch l.text {
			case "get":
				r.p++ // nearly all requests have it
			case "post", "head":
				r.p += 0.3 // better than nothing
			}
		}
	case Audit:
		if slices.ContainsFunc(r.literals, func(l literal) bool { return slices.Contains(usualAudit, l.text) }) {
			r.p += 0.5
		}
	}
	return r
}

// usualAudit are values that nearly all events of the audit system have.
var usualAudit = []string{
	"syscall", "execve", "path", "cwd", "proctitle", "normal", "create", "parent", "yes", "openat", "connect", "x86_64", "c000003e",
}

// window cuts a text down to its rarest maxLiteral bytes.
func (w weights) window(s string) string {
	best := s
	if len(s) > maxLiteral {
		best = s[:maxLiteral]
		for i := 1; i+maxLiteral <= len(s); i++ {
			if p := s[i : i+maxLiteral]; w.rarity(p) < w.rarity(best) {
				best = p
			}
		}
	}
	return best
}

// commonness is how often one of the texts is met; 1 for an empty set or text.
func (w weights) commonness(set []string) float64 {
	if len(set) == 0 {
		return 1
	}
	p := 0.0
	for _, s := range set {
		p += w.rarity(s)
	}
	return p
}

// rarity estimates the share of ordinary lines that have the folded text s.
func (w weights) rarity(s string) float64 {
	if s == "" {
		return 1
	}
	p := 80.0 // places in a line
	for i := range len(s) {
		p *= w.byteShare(s[i])
	}
	if strings.Contains(commonText, s) && (!w.target || !strings.ContainsAny(s, " ();,'\"<>[]{}|")) {
		p = max(p, 0.15)
	}
	return min(p, 1)
}

// weights say what is common in the text of a field.
type weights struct {
	// target: the field is part of a request's target, in which signs are rare
	// that any user agent has.
	target bool
}

// byteShare is about how often a byte stands at a place of the text.
func (w weights) byteShare(c byte) float64 {
	if w.target && strings.IndexByte(" ();,", c) >= 0 {
		return 0.001
	}
	return byteShare[c]
}

// commonText is made of what harmless lines have, so that a text out of it is
// not taken for rare.
const commonText = "get /index.html?id=1&page=2&lang=en /index.php?action=view&name=user&type=list&search=test&q= http/1.1 " +
	"https://www.google.com/ http://www.example.com/ referer mozilla/5.0 (windows nt 10.0; win64; x64) " +
	"applewebkit/537.36 (khtml, like gecko) chrome/120.0.0.0 safari/537.36 (macintosh; intel mac os x 10_15_7) " +
	"(x11; linux x86_64) (iphone; cpu iphone os like mac os x) version/17.0 mobile/15e148 edg/ firefox/ gecko/20100101 rv: " +
	"(compatible; googlebot/2.1; +http://www.google.com/bot.html) android 10; k) /wp-content/uploads/2024/01/image.jpg " +
	"/wp-content/themes/style.css?ver= /wp-content/plugins/ /wp-includes/js/jquery/jquery.min.js /wp-json/ /api/v1/ /api/v2/ " +
	"/static/css/main.css /assets/img/logo.png /favicon.ico /robots.txt /sitemap.xml /login /admin /user/ /search /images/ " +
	".html .php .css .js .png .jpg .gif .svg .ico .woff2 .json .xml .txt .aspx .jsp or and id select from order by in is on " +
	"script union insert update delete table http:// https:// ../ // %20 %2f +and+ +or+ = == -- ( ) ; : , && " +
	"failed password for invalid user root from port ssh2 accepted publickey for connection closed by disconnected from " +
	"authenticating user [preauth] pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost= " +
	"session opened session closed (uid=0) error warning server started stopped service systemd cron kernel"

// byteShare is about how often a byte, folded, stands at a place of a line.
var byteShare = func() (t [256]float64) {
	for i := range t {
		t[i] = 0.0005
	}
	for c := byte('0'); c <= '9'; c++ {
		t[c] = 0.02
	}
	const letters = "etaoinsrhldcumfpgwybvkxjqz"
	for i := range len(letters) {
		t[letters[i]] = 0.08 - 0.0029*float64(i)
	}
	for c, p := range map[byte]float64{
		'/': 0.06, '.': 0.05, ' ': 0.06, '-': 0.02, '_': 0.015, '=': 0.015, '&': 0.01, '?': 0.01, ':': 0.02, '%': 0.01,
		'+': 0.005, ',': 0.006, ';': 0.01, '(': 0.01, ')': 0.01, '[': 0.002, ']': 0.002, '~': 0.001, '\'': 0.001, '"': 0.001,
		'<': 0.0003, '>': 0.0003,
	} {
		t[c] = p
	}
	return t
}()

// found is what analyze knows of a pattern: all texts that it can match, if
// they are few (exact), or else texts of which one must be in any match.
type found struct {
	exact []string
	req   []string
}

// required returns texts of which one must be there, nil if not known.
func (f found) required() []string {
	set := f.req
	if f.exact != nil {
		set = f.exact
	}
	if slices.Contains(set, "") {
		return nil
	}
	return set
}

// analyze finds the required texts of a simplified pattern, folded.
func (w weights) analyze(re *syntax.Regexp) found {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return found{exact: []string{""}}
	case syntax.OpLiteral:
		return w.concat(len(re.Rune), func(i int) found { return ofRune(re.Rune[i], re.Flags&syntax.FoldCase != 0) })
	case syntax.OpCharClass:
		return ofClass(re.Rune)
	case syntax.OpCapture:
		return w.analyze(re.Sub[0])
	case syntax.OpPlus:
		return found{req: w.analyze(re.Sub[0]).required()}
	case syntax.OpRepeat:
		if re.Min > 0 {
			return found{req: w.analyze(re.Sub[0]).required()}
		}
	case syntax.OpQuest:
		if f := w.analyze(re.Sub[0]); f.exact != nil && len(f.exact) < maxExact {
			return found{exact: append(slices.Clone(f.exact), "")}
		}
	case syntax.OpConcat:
		return w.concat(len(re.Sub), func(i int) found { return w.analyze(re.Sub[i]) })
	case syntax.OpAlternate:
		return w.alternate(re.Sub)
	}
	return found{}
}

func ofRune(r rune, foldCase bool) found {
	switch {
	case r < 0x80:
		return found{exact: []string{string(rune(lower[r]))}}
	case foldCase || r == 0xfffd:
		return found{}
	}
	return found{exact: []string{string(r)}}
}

// ofClass treats a class of at most 8 different ASCII letters as alternatives.
func ofClass(ranges []rune) found {
	var set []string
	for i := 0; i+1 < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if r >= 0x80 || len(set) > 8 {
				return found{}
			}
			if s := string(rune(lower[r])); !slices.Contains(set, s) {
				set = append(set, s)
			}
		}
	}
	if len(set) == 0 || len(set) > 8 {
		return found{}
	}
	return found{exact: set}
}

// concat joins the parts of a concatenation: runs of exact parts are multiplied
// out while they stay few, and the rarest run or part is what is required.
func (w weights) concat(n int, part func(int) found) found {
	cur := []string{""}
	var best []string
	broken := false
	offer := func(set []string) {
		if set != nil && !slices.Contains(set, "") && (best == nil || w.commonness(w.windows(set)) < w.commonness(w.windows(best))) {
			best = set
		}
	}
	for i := range n {
		f := part(i)
		if f.exact == nil {
			offer(cur)
			offer(f.req)
			cur, broken = []string{""}, true
			continue
		}
		next := product(cur, f.exact)
		if next == nil {
			offer(cur)
			cur, broken = f.exact, true
			continue
		}
		cur = next
	}
	if !broken {
		return found{exact: cur}
	}
	offer(cur)
	return found{req: best}
}

func (w weights) windows(set []string) []string {
	out := make([]string, len(set))
	for i, s := range set {
		out[i] = w.window(s)
	}
	return out
}

// product returns all joins of a and b, nil if they are too many or too long.
func product(a, b []string) []string {
	if len(a)*len(b) > maxExact {
		return nil
	}
	out := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			if len(x)+len(y) > maxRun {
				return nil
			}
			if s := x + y; !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

func (w weights) alternate(subs []*syntax.Regexp) found {
	exact, req := []string{}, []string{}
	for _, sub := range subs {
		f := w.analyze(sub)
		if exact != nil && f.exact != nil && len(exact)+len(f.exact) <= 4*maxExact {
			exact = append(exact, f.exact...)
		} else {
			exact = nil
		}
		if r := f.required(); r != nil && req != nil {
			req = append(req, r...)
		} else {
			req = nil
		}
	}
	if exact != nil {
		return found{exact: exact}
	}
	return found{req: req}
}
