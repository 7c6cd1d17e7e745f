package decide

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sentinel-ai/sentinel-ai"
)

// Bounds of lists of addresses with a bad name. MaxListEntries is of all together.
const (
	MaxListEntries = 1_000_000
	maxListFaults  = 5
	// What is wider than this is no list of attackers but a slip.
	listBits4, listBits6 = 8, 16
)

// DefaultWeight is the reputation that a list gives which does not say.
const DefaultWeight = 0.5

// BadNames is a list of addresses and networks with a bad name. It never changes.
//
// Its networks are kept as sorted ranges, which take 8 bytes each for IPv4 and 16
// for IPv6: a trie takes several times as much, and these are searched once for
// each case. Of IPv6 addresses the /64 counts, as everywhere.
type BadNames struct {
	Name string
	// Weight, 0 to 1, is the reputation that the list gives by itself.
	Weight float64
	// Entries is how many lines of it are in use.
	Entries int
	v4      []span[uint32]
	v6      []span[uint64]
}

type span[T cmp.Ordered] struct{ from, to T }

// ParseBadNames reads a list: an address or network a line, and whatever stands
// behind it ignored, with comments after '#' or ';'. A comment line "# reputation:
// 0.8" gives the weight. At most limit entries are taken. Each line that cannot be
// read is left out and named in the error, the first five of them.
func ParseBadNames(name, text string, limit int) (*BadNames, error) {
	l := &BadNames{Name: name, Weight: DefaultWeight}
	var faults []error
	n := 0
	fault := func(line int, format string, args ...any) {
		if n++; n <= maxListFaults {
			faults = append(faults, fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...)))
		}
	}
	line := 0
	for row := range strings.SplitSeq(text, "\n") {
		line++
		row = strings.TrimSpace(row)
		if comment, ok := strings.CutPrefix(row, "#"); ok {
			if value, ok := strings.CutPrefix(strings.TrimSpace(comment), "reputation:"); ok {
				w, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				if err != nil || !(w >= 0 && w <= 1) {
					fault(line, "the reputation must be a number from 0 to 1, not %.40q", strings.TrimSpace(value))
					continue
				}
				l.Weight = w
			}
			continue
		}
		if i := strings.IndexAny(row, " \t#;,"); i >= 0 {
			row = row[:i]
		}
		if row == "" {
			continue
		}
		p, err := listPrefix(row)
		switch {
		case err != nil:
			fault(line, "%v", err)
		case l.Entries >= limit:
			fault(line, "the lists have more than %d entries in all: this one and those below are left out", MaxListEntries)
			l.settle()
			return l, joinFaults(faults, n)
		default:
			l.Entries++
			l.add(p)
		}
	}
	l.settle()
	return l, joinFaults(faults, n)
}

func joinFaults(faults []error, n int) error {
	if n > len(faults) {
		faults = append(faults, fmt.Errorf("and %d more lines", n-len(faults)))
	}
	return errors.Join(faults...)
}

// listPrefix reads one entry.
func listPrefix(s string) (netip.Prefix, error) {
	var p netip.Prefix
	if a, err := netip.ParseAddr(s); err == nil {
		p = sentinel.Entity(a)
	} else if p, err = netip.ParsePrefix(s); err != nil {
		return p, fmt.Errorf("%.60q is neither an address nor a network", s)
	}
	if p = entityPrefix(p); tooWide(p, listBits4, listBits6) {
		return p, fmt.Errorf("%s is too wide for a list (IPv4 /%d, IPv6 /%d)", p, listBits4, listBits6)
	}
	return p, nil
}

func (l *BadNames) add(p netip.Prefix) {
	if p.Addr().Is4() {
		from := number4(p.Addr())
		l.v4 = append(l.v4, span[uint32]{from, from | uint32(1<<(32-p.Bits())-1)})
		return
	}
	from := number6(p.Addr())
	l.v6 = append(l.v6, span[uint64]{from, from | (1<<(64-p.Bits()) - 1)})
}

func number4(a netip.Addr) uint32 { b := a.As4(); return binary.BigEndian.Uint32(b[:]) }

func number6(a netip.Addr) uint64 { b := a.As16(); return binary.BigEndian.Uint64(b[:8]) }

// settle sorts the ranges and joins those that touch.
func (l *BadNames) settle() { l.v4, l.v6 = merge(l.v4), merge(l.v6) }

func merge[T uint32 | uint64](list []span[T]) []span[T] {
	slices.SortFunc(list, func(a, b span[T]) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	out := list[:0]
	for _, s := range list {
		if n := len(out); n > 0 && (s.from <= out[n-1].to || s.from == out[n-1].to+1) {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return slices.Clone(out) // without room to spare
}

// Contains reports whether the list has an address.
func (l *BadNames) Contains(a netip.Addr) bool {
	a = sentinel.Normalize(a)
	switch {
	case a.Is4():
		return inSpans(l.v4, number4(a))
	case a.Is6():
		return inSpans(l.v6, number6(a))
	}
	return false
}

func inSpans[T uint32 | uint64](list []span[T], v T) bool {
	i, _ := slices.BinarySearchFunc(list, v, func(s span[T], v T) int {
		if s.to < v {
			return -1
		}
		return 1
	})
	return i < len(list) && list[i].from <= v
}

// FindBadNames returns the lists that have an address.
func FindBadNames(lists []*BadNames, a netip.Addr) (out []Listing) {
	for _, l := range lists {
		if l.Contains(a) {
			out = append(out, Listing{l.Name, l.Weight})
		}
	}
	return out
}
