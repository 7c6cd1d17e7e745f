package rule

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule/norm"
)

// values reads the values of a leaf.
func (r *reader) values(l *leaf, name string, n *yaml.Node) bool {
	items, ok := r.list(n)
	if !ok {
		return false
	}
	if len(items) == 0 {
		r.problem(n, "%s has no values", name)
		return false
	}
	if len(items) > 1 && (l.op >= opGT && l.op <= opExists || l.op == opLengthGT || l.op == opFieldRef) {
		r.problem(n, "%s takes one value, not a list", name)
		return false
	}
	for _, item := range items {
		if !r.value(l, name, item) {
			return false
		}
	}
	slices.Sort(l.numbers)
	return true
}

func (r *reader) value(l *leaf, name string, n *yaml.Node) bool {
	switch l.op {
	case opExists:
		before := len(r.problems)
		r.boolean(n, name, &l.want)
		return len(r.problems) == before
	case opLengthGT:
		v := 0
		ok := r.integer(n, name, 0, MaxText, &v)
		l.numbers = append(l.numbers, int64(v))
		return ok
	case opFieldRef:
		return r.fieldRef(l, n)
	case opCIDR:
		return r.prefix(l, n)
	case opCountry:
		return r.country(l, n)
	}
	switch l.field.Kind() {
	case KindNumber:
		return r.number(l, n)
	case KindAddr:
		return r.prefix(l, n)
	case KindBool:
		before := len(r.problems)
		r.boolean(n, l.field.Name(), &l.want)
		return len(r.problems) == before
	case KindName:
		return r.name(l, n)
	case KindCountry:
		return r.country(l, n)
	case KindFlags:
		s, ok := r.text(n, name, 100)
		if !ok {
			return false
		}
		f, ok := norm.ParseFlag(s)
		if !ok {
			r.problem(n, "flag %q is %s", s, oneOf(s, norm.FlagNames()))
		}
		l.flags |= uint16(f)
		return ok
	}
	return r.textValue(l, name, n)
}

func (r *reader) textValue(l *leaf, name string, n *yaml.Node) bool {
	s, ok := r.text(n, name, MaxPattern)
	if !ok {
		return false
	}
	if s == "" && l.op != opEquals {
		r.problem(n, "%s: an empty text is found everywhere", name)
		return false
	}
	if l.op == opPattern {
		p, known := r.patterns[s]
		if !known { // the same pattern for several fields is compiled once
			var err error
			if p, err = newPattern(s); err != nil {
				r.problem(n, "%s: %v", name, err)
				return false
			}
			if r.insts += p.insts; r.insts > MaxProgram {
				r.problem(n, "the rule's patterns have %d steps; at most %d are allowed", r.insts, MaxProgram)
				return false
			}
			if r.patterns == nil {
				r.patterns = make(map[string]*pattern)
			}
			r.patterns[s] = p
		}
		for _, g := range p.otherGroups {
			r.warn(n, "group %q is not kept: only attacker_ip, src_ip and user are", g)
		}
		if l.view == ViewCanon && p.upper {
			r.warn(n, "the canon view is in lower case: the capitals in this pattern can never match")
		}
		l.patterns = append(l.patterns, p)
		return true
	}
	if !l.cased {
		s = fold(s)
	}
	if l.op == opEquals {
		if g, plain, wild := newGlob(s); wild {
			l.globs = append(l.globs, g)
			return true
		} else {
			s = plain
		}
	}
	l.texts = append(l.texts, s)
	return true
}

func (r *reader) fieldRef(l *leaf, n *yaml.Node) bool {
	s, ok := r.text(n, "fieldref", 100)
	if !ok {
		return false
	}
	f, err := ParseField(s)
	if err != nil {
		r.problem(n, "fieldref: %v", err)
		return false
	}
	if f.Kind() != l.field.Kind() {
		r.problem(n, "fieldref: %s is of kind %s and %s of kind %s", f.Name(), f.Kind(), l.field.Name(), l.field.Kind())
		return false
	}
	l.other = f
	return true
}

func (r *reader) prefix(l *leaf, n *yaml.Node) bool {
	s, ok := r.text(n, l.field.Name(), 100)
	if !ok {
		return false
	}
	p, err := parsePrefix(s)
	if err != nil {
		r.problem(n, "%s: %q is neither an address nor a network such as 192.0.2.0/24 or 2001:db8::/32", l.field.Name(), s)
		return false
	}
	l.op = opCIDR
	l.prefixes = append(l.prefixes, p)
	return true
}

// parsePrefix reads an address or a network and unmaps it.
func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		a = sentinel.Normalize(a)
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, err
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

func (r *reader) country(l *leaf, n *yaml.Node) bool {
	s, ok := r.text(n, l.field.Name(), 100)
	if !ok {
		return false
	}
	code, err := sentinel.ParseCountry(s)
	if err != nil {
		r.problem(n, "%s: %v", l.field.Name(), err)
		return false
	}
	l.texts = append(l.texts, code)
	return true
}

func (r *reader) number(l *leaf, n *yaml.Node) bool {
	n, ok := r.scalar(n, l.field.Name(), "a number")
	if !ok {
		return false
	}
	if l.field == HTTPTime {
		if v, err := strconv.ParseFloat(n.Value, 64); err == nil && v >= 0 && v < 1e6 {
			l.numbers = append(l.numbers, int64(math.Round(v*1000)))
			return true
		}
		d, err := parseDuration(n.Value)
		if err != nil {
			r.problem(n, "http.rt must be seconds (0.5) or a duration (500ms), not %s", describe(n))
			return false
		}
		l.numbers = append(l.numbers, d.Milliseconds())
		return true
	}
	if l.field == Time {
		var t time.Time
		if !r.instant(n, "ts", &t) {
			return false
		}
		l.numbers = append(l.numbers, t.Unix())
		return true
	}
	if l.field == ASN {
		v, err := sentinel.ParseASN(n.Value)
		if err != nil {
			r.problem(n, "asn: %v", err)
		}
		l.numbers = append(l.numbers, int64(v))
		return err == nil
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		r.problem(n, "%s must be an integer, not %s", l.field.Name(), describe(n))
		return false
	}
	l.numbers = append(l.numbers, v)
	return true
}

// name reads a value of a field whose values are a fixed list. Numbers holds
// their places in it.
func (r *reader) name(l *leaf, n *yaml.Node) bool {
	s, ok := r.text(n, l.field.Name(), 100)
	if !ok {
		return false
	}
	known := nameList(l.field)
	i := slices.Index(known, fold(s))
	if i < 0 {
		r.problem(n, "%s %q is %s", l.field.Name(), s, oneOf(s, known))
		return false
	}
	l.numbers = append(l.numbers, int64(i))
	return true
}

// nameList lists the values of a field of KindName in their order.
func nameList(f Field) []string {
	var out []string
	switch f {
	case EventType:
		for t := range sentinel.NumEventTypes {
			out = append(out, t.String())
		}
	case AuthStep:
		for s := range sentinel.AuthStepSummary + 1 {
			out = append(out, s.String())
		}
	case SourceType:
		for _, t := range sourceTypes {
			out = append(out, string(t))
		}
	}
	return out
}

// sourceTypes are the source types in a fixed order.
var sourceTypes = [...]sentinel.SourceType{
	sentinel.TypeAuto, sentinel.TypeSSH, sentinel.TypeNginx, sentinel.TypeApache, sentinel.TypeSyslog,
	sentinel.TypeKernel, sentinel.TypeFirewall, sentinel.TypeAudit, sentinel.TypeMail, sentinel.TypeFTP,
	sentinel.TypeDNS, sentinel.TypeDB, sentinel.TypeJSON, sentinel.TypeApp,
}
