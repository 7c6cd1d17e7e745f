package norm

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestFaultNested: encodings within encodings are undone as far as servers do it,
// noted, and cost no more than their length.
func TestFaultNested(t *testing.T) {
	const attack = "<script>alert('x')</script>"
	percent := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			if c := s[i]; c == '%' || !isLetter(c) && (c < '0' || c > '9') {
				const digits = "0123456789abcdef"
				b.WriteString("%" + string(digits[c>>4]) + string(digits[c&15]))
				continue
			}
			b.WriteByte(s[i])
		}
		return b.String()
	}
	t.Run("encodings nested 10 deep", func(t *testing.T) {
		in := attack
		for depth := 1; depth <= 10; depth++ {
			in = percent(in)
			got, flags := Append(nil, in, Query)
			if len(got) > len(in) {
				t.Errorf("depth %d: %d bytes become %d", depth, len(in), len(got))
			}
			if (flags&MultiEncoded != 0) != (depth > 1) {
				t.Errorf("depth %d: flags %s", depth, flags)
			}
			if (string(got) == attack) != (depth <= rounds) {
				t.Errorf("depth %d gives %.80q", depth, got)
			}
		}
		for _, in := range []string{
			strings.Repeat("%25", 2000) + "27", strings.Repeat("&amp;", 1000) + "lt;", strings.Repeat("&", 8000) + ";",
			strings.Repeat("/*!50000", 900) + strings.Repeat("*/", 900), strings.Repeat("/../", 2000), strings.Repeat("%c0%ae%c0%ae/", 500),
		} {
			for _, k := range []Kind{Text, Path, Query, Agent} {
				if got, _ := Append(nil, in, k); len(got) > len(in) {
					t.Errorf("%.40q: %d bytes become %d", in, len(in), len(got))
				}
			}
			check(t, in)
		}
	})
	t.Run("base64 nested 10 deep is decoded once", func(t *testing.T) {
		in := attack
		for range 10 {
			in = base64.StdEncoding.EncodeToString([]byte(in))
		}
		got, ok := AppendBase64(nil, in)
		if !ok || len(got) >= len(in) || strings.Contains(string(got), "script") {
			t.Errorf("%v: %.60q", ok, got)
		}
	})
}
