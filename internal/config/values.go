package config

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// value is the value of a key: it can be read from a node, where all faults are
// reported to d, and shown as one. After a fault the field keeps its default.
type value interface {
	decode(d *decoder, key string, n *yaml.Node)
	show() *yaml.Node
}

func scalar(tag, text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}

// scalarOf returns a node's text if it is a scalar that has one; otherwise it
// reports what was expected.
func (d *decoder) scalarOf(n *yaml.Node, key, expected string) (string, bool) {
	if !d.plain(n, key) {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.at(n, key, "", "expected %s, found %s", expected, describe(n))
		return "", false
	}
	return n.Value, true
}

// text is a string.
type text struct {
	p *string
	// check returns what is wrong with a value and what would be right.
	check func(string) error
}

func (t *text) decode(d *decoder, key string, n *yaml.Node) {
	v, ok := d.scalarOf(n, key, "a text")
	if !ok {
		return
	}
	if err := t.check(v); err != nil {
		d.at(n, key, "", "%v", err)
		return
	}
	*t.p = v
}

func (t *text) show() *yaml.Node { return scalar("!!str", escape(*t.p)) }

// secret is a string that is never shown.
type secret struct{ p *Secret }

func (s *secret) decode(d *decoder, key string, n *yaml.Node) {
	if !d.plain(n, key) {
		return
	}
	if n.Kind != yaml.ScalarNode {
		d.at(n, key, "", "expected a text, found %s", describe(n))
		return
	}
	*s.p = NewSecret(n.Value)
}

// show hides the secret; one from a file is no value of this key.
func (s *secret) show() *yaml.Node {
	if s.p.from != "" {
		return scalar("!!str", "")
	}
	return scalar("!!str", s.p.String())
}

// boolean is true or false.
type boolean struct{ p *bool }

func (b *boolean) decode(d *decoder, key string, n *yaml.Node) {
	v, ok := d.scalarOf(n, key, "true or false")
	if !ok {
		return
	}
	switch {
	case n.Tag == "!!bool":
		*b.p = strings.EqualFold(v, "true")
	case slices.Contains([]string{"yes", "on", "1", "y", "true"}, strings.ToLower(v)):
		d.at(n, key, "write true", "expected true or false, found %s", describe(n))
	case slices.Contains([]string{"no", "off", "0", "n", "false"}, strings.ToLower(v)):
		d.at(n, key, "write false", "expected true or false, found %s", describe(n))
	default:
		d.at(n, key, "", "expected true or false, found %s", describe(n))
	}
}

func (b *boolean) show() *yaml.Node { return scalar("!!bool", strconv.FormatBool(*b.p)) }

// integer is a whole number within bounds.
type integer struct {
	p        *int
	min, max int
}

func (i *integer) decode(d *decoder, key string, n *yaml.Node) {
	expected := fmt.Sprintf("a whole number from %d to %d", i.min, i.max)
	v, ok := d.scalarOf(n, key, expected)
	if !ok {
		return
	}
	x, err := strconv.Atoi(v)
	switch {
	case err == nil && n.Tag != "!!int":
		d.at(n, key, "remove the quotes", "expected %s, found %s", expected, describe(n))
	case err != nil:
		d.at(n, key, "", "expected %s, found %s", expected, describe(n))
	case x < i.min || x > i.max:
		d.at(n, key, "", "%d is not between %d and %d", x, i.min, i.max)
	default:
		*i.p = x
	}
}

func (i *integer) show() *yaml.Node { return scalar("!!int", strconv.Itoa(*i.p)) }

// number is a number within bounds.
type number struct {
	p        *float64
	min, max float64
}

func (f *number) decode(d *decoder, key string, n *yaml.Node) {
	expected := fmt.Sprintf("a number from %v to %v", f.min, f.max)
	v, ok := d.scalarOf(n, key, expected)
	if !ok {
		return
	}
	x, err := strconv.ParseFloat(v, 64)
	switch {
	case err == nil && n.Tag == "!!str":
		d.at(n, key, "remove the quotes", "expected %s, found %s", expected, describe(n))
	case err != nil || math.IsNaN(x):
		d.at(n, key, "", "expected %s, found %s", expected, describe(n))
	case x < f.min || x > f.max:
		d.at(n, key, "", "%v is not between %v and %v", x, f.min, f.max)
	default:
		*f.p = x
	}
}

func (f *number) show() *yaml.Node {
	return scalar("!!float", strconv.FormatFloat(*f.p, 'f', -1, 64))
}

// duration is a number of seconds, or numbers with the units s, m, h, d.
type duration struct {
	p        *time.Duration
	min, max time.Duration
}

func (t *duration) decode(d *decoder, key string, n *yaml.Node) {
	expected := fmt.Sprintf("a duration from %s to %s, as seconds or like 90s, 15m, 24h, 7d", showDuration(t.min), showDuration(t.max))
	v, ok := d.scalarOf(n, key, expected)
	if !ok {
		return
	}
	x, ok := parseDuration(v)
	switch {
	case strings.HasPrefix(v, "-"):
		d.at(n, key, "", "%s is negative: expected %s", quote(v), expected)
	case !ok:
		d.at(n, key, "", "expected %s, found %s", expected, describe(n))
	case x < t.min || x > t.max:
		d.at(n, key, "", "%s is not between %s and %s", v, showDuration(t.min), showDuration(t.max))
	default:
		*t.p = x
	}
}

func (t *duration) show() *yaml.Node { return scalar("!!str", showDuration(*t.p)) }

func parseDuration(v string) (time.Duration, bool) {
	const tooLong = time.Duration(math.MaxInt64)
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	if n, err := strconv.ParseUint(v, 10, 62); err == nil {
		if n > uint64(tooLong/time.Second) {
			return tooLong, true
		}
		return time.Duration(n) * time.Second, true
	}
	var sum time.Duration
	for v != "" {
		i := 0
		for i < len(v) && v[i] >= '0' && v[i] <= '9' {
			i++
		}
		n, err := strconv.ParseUint(v[:i], 10, 62)
		if err != nil || i == len(v) || units[v[i]] == 0 {
			return 0, false
		}
		unit := units[v[i]]
		if n > uint64((tooLong-sum)/unit) {
			return tooLong, true
		}
		sum += time.Duration(n) * unit
		v = v[i+1:]
	}
	return sum, sum > 0
}

// showDuration writes a duration in the largest unit that divides it.
func showDuration(x time.Duration) string {
	for _, u := range []struct {
		name string
		d    time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}} {
		if x >= u.d && x%u.d == 0 {
			return strconv.FormatInt(int64(x/u.d), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(x/time.Second), 10) + "s"
}

// enum is one of a few words.
type enum[T ~string] struct {
	p       *T
	words   []T
	aliases map[string]T
}

func newEnum[T ~string](p *T, words ...T) *enum[T] { return &enum[T]{p: p, words: words} }

// alias lets another word mean one of the words.
func (e *enum[T]) alias(word string, means T) *enum[T] {
	if e.aliases == nil {
		e.aliases = map[string]T{}
	}
	e.aliases[word] = means
	return e
}

// options returns the words.
func (e *enum[T]) options() []string {
	names := make([]string, len(e.words))
	for i, w := range e.words {
		names[i] = string(w)
	}
	return names
}

func (e *enum[T]) decode(d *decoder, key string, n *yaml.Node) {
	names := e.options()
	expected := "one of " + strings.Join(names, ", ")
	v, ok := d.scalarOf(n, key, expected)
	if !ok {
		return
	}
	if w, ok := e.aliases[v]; ok {
		*e.p = w
		return
	}
	switch {
	case slices.Contains(names, v):
		*e.p = T(v)
	default:
		d.at(n, key, didYouMean(v, names), "%s is not %s", quote(v), expected)
	}
}

func (e *enum[T]) show() *yaml.Node { return scalar("!!str", string(*e.p)) }

// rate is a count in a unit of time.
type rate struct{ p *sentinel.Rate }

func (r *rate) decode(d *decoder, key string, n *yaml.Node) {
	v, ok := d.scalarOf(n, key, "a rate such as 30/m")
	if !ok {
		return
	}
	got, err := sentinel.ParseRate(v)
	if err != nil {
		d.at(n, key, "", "expected a count from 1 to %d in a unit of time, such as 5/s, 30/m, 100/h or 1000/d, found %s", sentinel.MaxRateCount, describe(n))
		return
	}
	*r.p = got
}

func (r *rate) show() *yaml.Node { return scalar("!!str", r.p.String()) }

// timezone is the zone of a source's stamps.
type timezone struct{ s *Source }

func (t *timezone) decode(d *decoder, key string, n *yaml.Node) {
	const expected = `local, UTC or a name like Europe/Berlin`
	v, ok := d.scalarOf(n, key, expected)
	if !ok {
		return
	}
	switch strings.ToLower(v) {
	case "local":
		t.s.Timezone, t.s.Location = "local", time.Local
		return
	case "utc":
		t.s.Timezone, t.s.Location = "UTC", time.UTC
		return
	}
	loc, err := time.LoadLocation(v)
	if v == "" || err != nil {
		d.at(n, key, "", "%s is not in this host's time-zone database: expected %s", quote(v), expected)
		return
	}
	t.s.Timezone, t.s.Location = v, loc
}

func (t *timezone) show() *yaml.Node { return scalar("!!str", t.s.Timezone) }

// network reads an address or a network in an entry of a list.
func network(v string) (netip.Prefix, string, error) {
	const expected = "an address like 203.0.113.7 or a network like 198.51.100.0/24 or 2001:db8::/32"
	if a, err := netip.ParseAddr(v); err == nil {
		a = sentinel.Normalize(a)
		return netip.PrefixFrom(a, a.BitLen()), "", nil
	}
	p, err := netip.ParsePrefix(v)
	switch {
	case err != nil:
		return p, "", fmt.Errorf("%s is not %s", quote(v), expected)
	case p.Addr().Is4In6() && p.Bits() >= 96:
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	case p.Addr().Is4In6():
		return p, "", fmt.Errorf("%s is not %s", quote(v), expected)
	}
	if p != p.Masked() {
		return p, fmt.Sprintf("write %s for the network or %s for the address", p.Masked(), p.Addr()),
			fmt.Errorf("%s has bits set after /%d", quote(v), p.Bits())
	}
	return p, "", nil
}
