package store

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// layout is RFC 3339 with a fixed width, so that stamps sort as text.
const layout = "2006-01-02T15:04:05.000000Z"

// stamp encodes a time with microseconds; the zero time is NULL. Years outside
// 1..9999 are clamped, since they would not sort.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	switch y := t.Year(); {
	case y < 1:
		t = time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)
	case y > 9999:
		t = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return t.Format(layout)
}

// mustStamp is stamp for columns that are not NULL: the zero time is the first
// one.
func mustStamp(t time.Time) string {
	s, ok := stamp(t).(string)
	if !ok {
		return "0001-01-01T00:00:00.000000Z"
	}
	return s
}

// unstamp decodes what stamp encoded; anything else is the zero time.
func unstamp(s string) time.Time {
	t, err := time.Parse(layout, s)
	if err != nil {
		if t, err = time.Parse(time.RFC3339Nano, s); err != nil {
			return time.Time{}
		}
	}
	return t.UTC()
}

// null is nil for the empty string.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// addrKey encodes an address such that those of one family sort as numbers.
func addrKey(a netip.Addr) []byte {
	if a.Is4() {
		b := a.As4()
		return append([]byte{4}, b[:]...)
	}
	b := a.As16()
	return append([]byte{6}, b[:]...)
}

// bounds returns the keys of the first and the last address of a prefix, nil if
// it is invalid.
func bounds(p netip.Prefix) (lo, hi []byte) {
	if !p.IsValid() {
		return nil, nil
	}
	p = p.Masked()
	lo = addrKey(p.Addr())
	hi = append([]byte(nil), lo...)
	for bit := p.Bits(); bit < p.Addr().BitLen(); bit++ {
		hi[1+bit/8] |= 0x80 >> (bit % 8)
	}
	return lo, hi
}

// anyKey turns a missing key into NULL rather than an empty blob.
func anyKey(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// prefixText is the canonical text of a prefix, empty if it is invalid.
func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.Masked().String()
}

// addrText is the text of an address, empty if it is invalid.
func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return sentinel.Normalize(a).String()
}

// single is the text of the one address in a prefix, empty if there are more.
func single(p netip.Prefix) string {
	if p.IsValid() && p.IsSingleIP() {
		return p.Addr().String()
	}
	return ""
}

// parsePrefix reads what prefixText wrote; anything else is the zero prefix.
func parsePrefix(s string) netip.Prefix {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}
	}
	return p.Masked()
}

// parseAddr reads what addrText wrote; anything else is the zero address.
func parseAddr(s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a
}

// reversed returns s backwards, byte by byte. Ids are ASCII.
func reversed(s string) string {
	b := make([]byte, len(s))
	for i := range len(s) {
		b[len(s)-1-i] = s[i]
	}
	return string(b)
}

// toJSON encodes a value of our own types, which cannot fail for finite numbers;
// what fails is left out rather than losing the row.
func toJSON(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return string(b)
}

// evidenceJSON encodes evidence. JSON cannot hold bytes that are not UTF-8:
// they are replaced part by part, so that Start and End stay right.
func evidenceJSON(evs []sentinel.Evidence) any {
	if len(evs) == 0 {
		return nil
	}
	out := make([]sentinel.Evidence, len(evs))
	for i, e := range evs {
		start := min(max(e.Start, 0), len(e.Text))
		end := min(max(e.End, start), len(e.Text))
		before := strings.ToValidUTF8(e.Text[:start], "\uFFFD")
		match := strings.ToValidUTF8(e.Text[start:end], "\uFFFD")
		after := strings.ToValidUTF8(e.Text[end:], "\uFFFD")
		e.Text = before + match + after
		e.Start, e.End = len(before), len(before)+len(match)
		out[i] = e
	}
	return toJSON(out)
}
